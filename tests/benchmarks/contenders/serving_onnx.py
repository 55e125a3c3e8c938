"""Asks the model in ONNX Runtime, behind Hugging Face `tokenizers`."""

import time
from typing import Any

from common import Imported, peak_mb, run_contender, versions


def contend(order: dict[str, Any]) -> dict[str, Any]:
    """Asks with texts and with ids."""
    start = time.perf_counter()
    import numpy as np
    import onnxruntime
    import tokenizers
    from serving_requests import measure

    imported = Imported.since(start)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = order["threads"]
    options.inter_op_num_threads = 1  # the graph runs operation after operation
    session = onnxruntime.InferenceSession(
        f"{order['place']}/model.onnx", options, providers=["CPUExecutionProvider"]
    )
    tokenizer = tokenizers.Tokenizer.from_file(f"{order['preset']}/tokenizer.json")
    tokenizer.enable_truncation(order["sequence_length"])
    tokenizer.enable_padding()
    loaded = time.perf_counter() - start - imported.seconds

    def ask(ids: Any, mask: Any, types: Any) -> None:
        inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}
        (logits,) = session.run(None, inputs)
        powers = np.exp(logits - logits.max(-1, keepdims=True))
        powers / powers.sum(-1, keepdims=True)

    def ask_texts(texts: list[str]) -> None:
        rows = tokenizer.encode_batch(texts)
        ids = np.array([row.ids for row in rows], np.int64)
        mask = np.array([row.attention_mask for row in rows], np.int64)
        ask(ids, mask, np.zeros_like(ids))

    def ask_ids(features: dict[str, Any]) -> None:
        ask(features["token_ids"], features["padding_mask"], features["segment_ids"])

    answer = measure(order, ask_texts, ask_ids)
    answer |= {"load_seconds": loaded, "peak_mb_above_imports": peak_mb() - imported.memory_mb}
    return answer | {"versions": versions("onnxruntime", "tokenizers", "numpy")}


if __name__ == "__main__":
    run_contender(contend)
