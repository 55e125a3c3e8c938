"""Turns many texts into ids in one library."""

import itertools
import time
from collections.abc import Callable
from statistics import median
from typing import Any

from common import import_tensorflow, read_rows, run_contender, versions

Encode = Callable[[list[str]], int]


def contend(order: dict[str, Any]) -> dict[str, Any]:
    """Texts a second in the median call; the first call is not counted.

    `pieces` is how many ids came out: the same in every library.
    """
    sentences, _ = read_rows(order["file"])
    copies = itertools.repeat(sentences, -(-order["texts"] // len(sentences)))
    texts = list(itertools.chain.from_iterable(copies))
    encode, packages = LIBRARIES[order["library"]](order)
    pieces = encode(texts)
    times = []
    for _ in range(order["calls"]):
        start = time.perf_counter()
        encode(texts)
        times.append(time.perf_counter() - start)
    rate = len(texts) / median(times)
    return {"texts_per_second": rate, "pieces": pieces, "versions": versions(*packages)}


def with_tfft(order: dict[str, Any]) -> tuple[Encode, list[str]]:
    """`tfft.tokenize`, as a training calls it once before its first step."""
    import_tensorflow(order["threads"])
    import tfft

    encoder = tfft.load_encoder("minilm", sequence_length=order["sequence_length"])
    task = tfft.tasks.TextClassification(["negative", "positive"])

    def encode(texts: list[str]) -> int:
        rows = tfft.tokenize({"text": texts}, lambda batch: task.inputs(batch, encoder))
        return int(rows.lengths.sum())

    return encode, ["tensorflow", "tensorflow-text"]


def with_keras_hub(order: dict[str, Any]) -> tuple[Encode, list[str]]:
    """KerasHub's preprocessor in `tf.data`, which pads every row."""
    tf = import_tensorflow(order["threads"])
    import keras_hub

    preprocessor = keras_hub.models.BertTextClassifierPreprocessor.from_preset(
        order["preset"], sequence_length=order["sequence_length"]
    )

    def encode(texts: list[str]) -> int:
        batches = tf.data.Dataset.from_tensor_slices(texts).batch(1024)
        batches = batches.map(preprocessor, num_parallel_calls=tf.data.AUTOTUNE).prefetch(2)
        return sum(int(tf.reduce_sum(tf.cast(b["padding_mask"], tf.int32))) for b in batches)

    return encode, ["tensorflow-text", "keras-hub"]


def with_tokenizers(order: dict[str, Any], method: str) -> tuple[Encode, list[str]]:
    """Hugging Face's `tokenizers` on all threads; texts are cut, and not padded."""
    import tokenizers

    tokenizer = tokenizers.Tokenizer.from_file(f"{order['preset']}/tokenizer.json")
    tokenizer.enable_truncation(order["sequence_length"])
    tokenizer.no_padding()

    def encode(texts: list[str]) -> int:
        return sum(len(row) for row in getattr(tokenizer, method)(texts))

    return encode, ["tokenizers"]


LIBRARIES: dict[str, Callable[[dict[str, Any]], tuple[Encode, list[str]]]] = {
    "tfft": with_tfft,
    "keras_hub": with_keras_hub,
    "encode_batch": lambda order: with_tokenizers(order, "encode_batch"),
    "encode_batch_fast": lambda order: with_tokenizers(order, "encode_batch_fast"),
}

if __name__ == "__main__":
    run_contender(contend)
