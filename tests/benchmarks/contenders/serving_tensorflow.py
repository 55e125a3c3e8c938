"""Asks SavedModels in TensorFlow, without tfft and keras_hub: tfft's, or a plain export."""

import time
from typing import Any

from common import Imported, import_tensorflow, peak_mb, run_contender, versions


def contend(order: dict[str, Any]) -> dict[str, Any]:
    """Asks through `text` and `ids`, each `[directory below place, signature]`."""
    start = time.perf_counter()
    tf = import_tensorflow(order["threads"])
    import tensorflow_text  # noqa: F401  registers the operations of the tokenizers
    from serving_requests import measure

    imported = Imported.since(start)
    models = {}  # kept: a signature does not keep its variables alive
    for directory, _ in (order["text"], order["ids"]):
        if directory not in models:
            models[directory] = tf.saved_model.load(f"{order['place']}/{directory}")
    loaded = time.perf_counter() - start - imported.seconds
    by_text, by_ids = (models[d].signatures[s] for d, s in (order["text"], order["ids"]))
    types = by_ids.structured_input_signature[1]
    text_name = next(iter(by_text.structured_input_signature[1]))

    def ask_texts(texts: list[str]) -> None:
        read(by_text(**{text_name: tf.constant(texts)}))

    def ask_ids(features: dict[str, Any]) -> None:
        read(by_ids(**{name: tf.constant(features[name], s.dtype) for name, s in types.items()}))

    answer = measure(order, ask_texts, ask_ids, ids_length=order.get("ids_length"))
    answer |= {"load_seconds": loaded, "peak_mb_above_imports": peak_mb() - imported.memory_mb}
    return answer | {"versions": versions("tensorflow", "tensorflow-text")}


def read(outputs: dict[str, Any]) -> None:
    """Brings every output to where a client would read it."""
    for value in outputs.values():
        value.numpy()


if __name__ == "__main__":
    run_contender(contend)
