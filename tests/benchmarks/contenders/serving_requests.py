"""Asks a served model request after request, and tells how long it took."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import numpy as np

WARMUP = 0.2  # share of the requests that is asked before, uncounted


def measure(
    order: dict[str, Any],
    ask_texts: Callable[[list[str]], Any],
    ask_ids: Callable[[dict[str, np.ndarray]], Any],
    *,
    ids_length: int | None = None,
) -> dict[str, float]:
    """Asks each kind of request, as raw text and as ids.

    Args:
        order: `place` has requests.json, `requests` says how many are asked at batch 1, and
            `batches` how many batches.
        ask_texts: takes a list of texts and returns when the answer is there.
        ask_ids: takes int64 (batch_size, length) arrays `token_ids`, `padding_mask` and
            `segment_ids`.
        ids_length: that ids are padded to. Default: the longest of the request.

    Returns:
        `text_8_p50_ms`, `text_8_p90_ms`, `text_batch_texts_per_second`, and so for `ids`.
    """
    requests = json.loads(Path(order["place"], "requests.json").read_text("utf-8"))
    answer: dict[str, float] = {}
    for kind, texts in requests["texts"].items():
        ids = [pad(rows, ids_length) for rows in requests["ids"][kind]]
        for name, ask, asked in (("text", ask_texts, texts), ("ids", ask_ids, ids)):
            number = order["batches"] if kind == "batch" else order["requests"]
            times = time_requests(ask, asked, number)
            answer |= describe(f"{name}_{kind}", times, rows=len(texts[0]))
    return answer


def time_requests(ask: Callable[[Any], Any], requests: list[Any], number: int) -> list[float]:
    """Seconds of so many requests, after some that are not counted."""
    for index in range(max(int(number * WARMUP), 2)):
        ask(requests[index % len(requests)])
    times = []
    for index in range(number):
        start = time.perf_counter()
        ask(requests[index % len(requests)])
        times.append(time.perf_counter() - start)
    return times


def describe(name: str, times: list[float], *, rows: int) -> dict[str, float]:
    """Median and 90% of single requests in milliseconds; of batches the texts a second."""
    if rows > 1:
        return {f"{name}_texts_per_second": rows * len(times) / sum(times)}
    return {
        f"{name}_p50_ms": 1e3 * median(times),
        f"{name}_p90_ms": 1e3 * quantiles(times, n=10)[8],
    }


def pad(rows: list[list[int]], length: int | None) -> dict[str, np.ndarray]:
    """Rows of ids as dense arrays, padded with 0."""
    token_ids = np.zeros((len(rows), length or max(map(len, rows))), np.int64)
    for number, row in enumerate(rows):
        token_ids[number, : len(row)] = row
    mask = (token_ids != 0).astype(np.int64)
    return {"token_ids": token_ids, "padding_mask": mask, "segment_ids": np.zeros_like(token_ids)}
