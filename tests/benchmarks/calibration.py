"""How fast this machine multiplies matrices, and how many products a token of MiniLM takes."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from harness import Job, Record

SIZE = 2048
SECONDS = 2.0
WORKLOAD = "matrix product"
HIDDEN, INTERMEDIATE, LAYERS = 384, 1536, 6


def calibration_jobs(*, torch_python: str) -> list[Job]:
    """Products of float32 matrices in each library; the best counts as the machine's peak."""
    order = {"size": SIZE, "seconds": SECONDS}
    return [
        Job("NumPy", "matmul.py", order | {"library": "numpy"}, WORKLOAD),
        Job("TensorFlow", "matmul.py", order | {"library": "tensorflow"}, WORKLOAD),
        Job("PyTorch", "matmul.py", order | {"library": "torch"}, WORKLOAD, torch_python),
    ]


def peaks(records: Sequence[Record]) -> dict[int, float]:
    """The best GFLOP/s of each round."""
    best: dict[int, float] = {}
    for record in records:
        rate = record.answer.get("gflops")
        if rate is not None:
            best[record.round] = max(rate, best.get(record.round, 0.0))
    return best


def flop_per_token(length: float, *, training: bool) -> float:
    """Floating-point operations in matrix products for one token of MiniLM.

    Args:
        length: of the row that the token stands in, without padding.
        training: with the backward pass, which takes twice as many as the forward pass.
    """
    weights = 4 * HIDDEN * HIDDEN + 2 * HIDDEN * INTERMEDIATE
    attention = 2 * length * HIDDEN  # scores, and the sum that they weigh
    return 2 * LAYERS * (weights + attention) * (3 if training else 1)


def with_share_of_peak(records: Sequence[Record]) -> list[Record]:
    """Adds `share_of_peak`, in percent, to each answer of a training.

    Only real tokens are counted as work: padding lowers the share.
    """
    best = peaks(records)

    def add(record: Record) -> Record:
        answer: dict[str, Any] = record.answer
        if record.round not in best or "tokens_per_row" not in answer:
            return record
        flop = flop_per_token(answer["tokens_per_row"], training=True)
        share = 100 * answer["tokens_per_second"] * flop / (best[record.round] * 1e9)
        return replace(record, answer=answer | {"share_of_peak": share})

    return [add(record) for record in records]
