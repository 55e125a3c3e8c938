"""Asks SavedModels the way TensorFlow Serving does, in a process that knows nothing of tfft.

    python -I probe.py SAVED_MODEL REQUESTS ANSWERS [SAVED_MODEL REQUESTS ANSWERS ...]

REQUESTS is a JSON list of `{"signature": name, "inputs": {name: nested list}}`, as in the column
format of TensorFlow Serving's REST interface, except that bytes which are no UTF-8 are surrogate
escapes. ANSWERS becomes the list of `{output: nested list}`, in the same order.

The graph is loaded into one session, like in the server. Of TensorFlow Text, only the operation
libraries that servers from 2.12 on link are loaded: `import tensorflow_text` would bring all of
them, and with them graphs that a server refuses.
"""

import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import Any

# Linked by TensorFlow Serving 2.12 to 2.19; 2.20 adds _trimmer_ops and _utf8_binarize_op.
SERVED_LIBRARIES = (
    "_boise_offset_converter",
    "_byte_splitter",
    "_constrained_sequence_op",
    "_fast_bert_normalizer",
    "_fast_sentencepiece_tokenizer",
    "_fast_wordpiece_tokenizer",
    "_mst_ops",
    "_ngrams_op",
    "_normalize_ops",
    "_phrase_tokenizer",
    "_regex_split_ops",
    "_sentence_breaking_ops",
    "_sentencepiece_tokenizer",
    "_split_merge_from_logits_tokenizer",
    "_split_merge_tokenizer",
    "_state_based_sentence_breaker_op",
    "_unicode_script_tokenizer",
    "_whitespace_tokenizer",
    "_whitespace_tokenizer_v2",
    "_wordpiece_tokenizer",
)
FORBIDDEN = ("tfft", "keras_hub", "keras_nlp", "tensorflow_text")


def main(arguments: list[str]) -> None:
    """Answers each of the triples SAVED_MODEL REQUESTS ANSWERS."""
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    load_text_operations()
    triples = zip(*[iter(arguments)] * 3, strict=True)
    for saved_model, requests, answers in triples:
        ask = load_model(saved_model)
        found = [ask(**request) for request in json.loads(Path(requests).read_text("utf-8"))]
        refuse_helpers()
        Path(answers).write_text(json.dumps(found), "utf-8")


def load_text_operations() -> None:
    """Loads the operation libraries one by one, without importing the package."""
    import tensorflow as tf

    package = importlib.util.find_spec("tensorflow_text")
    if package is None or package.origin is None:
        sys.exit("tensorflow_text is not installed: its operation libraries are needed.")
    for name in SERVED_LIBRARIES:
        tf.load_op_library(str(Path(package.origin).parent / "python" / "ops" / f"{name}.so"))


def load_model(path: str) -> Any:
    """Loads a SavedModel into a session.

    Returns:
        A function from `signature` and `inputs` (nested lists by name) to the outputs by name.
    """
    import tensorflow as tf

    tf.get_logger().setLevel("ERROR")
    session = tf.compat.v1.Session(graph=tf.Graph())
    with session.graph.as_default():
        graph = tf.compat.v1.saved_model.load(session, ["serve"], path)

    def ask(signature: str, inputs: dict[str, Any]) -> dict[str, Any]:
        names = graph.signature_def[signature]
        fetches = {name: tensor.name for name, tensor in names.outputs.items()}
        feeds = {names.inputs[name].name: encode(value) for name, value in inputs.items()}
        return {name: decode(value) for name, value in session.run(fetches, feeds).items()}

    return ask


def encode(value: Any) -> Any:
    """The nested list with strings as bytes."""
    if isinstance(value, list):
        return [encode(item) for item in value]
    return value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value


def decode(array: Any) -> Any:
    """A nested list of a NumPy array, with bytes as strings."""
    if array.dtype == object and array.size:
        array = array.copy()
        array.flat = [item.decode("utf-8") for item in array.flat]
    return array.tolist()


def refuse_helpers() -> None:
    """Stops if something was imported that a server does not have."""
    present = [name for name in FORBIDDEN if name in sys.modules]
    if present:
        sys.exit(f"This process imported {', '.join(present)}: its answers prove nothing.")


if __name__ == "__main__":
    main(sys.argv[1:])
