"""Asks the model in PyTorch, behind Hugging Face's tokenizer."""

import time
from typing import Any

from common import Imported, import_torch, peak_mb, run_contender, versions


def load_model(preset: str) -> Any:
    """MiniLM with a classification head, as it is asked."""
    import transformers

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    model = transformers.AutoModelForSequenceClassification.from_pretrained(preset, num_labels=2)
    return model.eval()


def contend(order: dict[str, Any]) -> dict[str, Any]:
    """Asks with texts and with ids."""
    start = time.perf_counter()
    torch = import_torch(order["threads"])
    from serving_requests import measure
    from transformers import AutoTokenizer

    imported = Imported.since(start)
    model = load_model(order["preset"])
    tokenizer = AutoTokenizer.from_pretrained(order["preset"])
    loaded = time.perf_counter() - start - imported.seconds
    cut = {"padding": True, "truncation": True, "max_length": order["sequence_length"]}

    def ask(inputs: Any) -> None:
        with torch.inference_mode():
            model(**inputs).logits.softmax(-1).numpy()

    def ask_texts(texts: list[str]) -> None:
        ask(tokenizer(texts, return_tensors="pt", **cut))

    def ask_ids(features: dict[str, Any]) -> None:
        arrays = (features[name] for name in ("token_ids", "padding_mask", "segment_ids"))
        names = ("input_ids", "attention_mask", "token_type_ids")
        ask({name: torch.from_numpy(a) for name, a in zip(names, arrays, strict=True)})

    answer = measure(order, ask_texts, ask_ids)
    answer |= {"load_seconds": loaded, "peak_mb_above_imports": peak_mb() - imported.memory_mb}
    return answer | {"versions": versions("torch", "transformers", "tokenizers")}


if __name__ == "__main__":
    run_contender(contend)
