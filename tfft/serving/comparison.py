"""Whether a SavedModel's answers are those of the trained model, number by number."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from tfft.data.pipeline import TokenizedSet
from tfft.inference import TrainedRun
from tfft.serving.requests import Request
from tfft.tasks.heads import MASKED

TRIALS = 8
NOISE = 4.0  # logits this many tolerances off are told apart


@dataclass(frozen=True)
class Expected:
    """What one signature should answer.

    Attributes:
        values: by output, one array a row, without what fills it up to the longest of a batch.
        steady: by output, bool arrays like `values`: which entries stay the same (numbers nearly)
            when logits move a little.
        scale: by output, what the tolerance is a part of: 1, or its largest number.
        example: int (rows,), which of the texts a row is of.
        may_be_wider: whether a batch's longer rows make an answer wider.
    """

    values: dict[str, list[np.ndarray]]
    steady: dict[str, list[np.ndarray]]
    scale: dict[str, float]
    example: np.ndarray
    may_be_wider: bool

    def is_decided(self, row: int) -> bool:
        """Whether nothing but numbers could change when logits move a little."""
        return all(
            self.steady[name][row].all()
            for name, values in self.values.items()
            if values[row].dtype.kind != "f"
        )


def expected_answers(
    trained: TrainedRun, rows: TokenizedSet, *, tolerance: float
) -> dict[str, Expected]:
    """What the trained model answers in Python, by signature."""
    task, outputs = trained.task, trained.outputs(rows)
    by_piece = isinstance(outputs, tf.RaggedTensor)
    logits = outputs.to_tensor(MASKED) if by_piece else tf.constant(outputs)
    texts = np.arange(rows.num_examples)
    return {
        "serving_default": expect(
            lambda logits: task.serve(logits, rows.alignment), logits, texts, tolerance=tolerance
        ),
        "tokens": expect(
            task.serve_tokens,
            logits,
            texts if rows.alignment is None else rows.alignment.example,
            tolerance=tolerance,
            lengths=rows.lengths if by_piece else None,
        ),
    }


def expect(
    serve: Callable[[Any], dict[str, Any]],
    logits: Any,
    example: np.ndarray,
    *,
    tolerance: float,
    lengths: np.ndarray | None = None,
) -> Expected:
    """What a signature should answer.

    Args:
        serve: from logits to answers.
        logits: of the trained model.
        example: which of the texts each answer is for.
        tolerance: how much logits may differ.
        lengths: how many entries of each row count. Default: what the output `count` says, if
            there is one; else all.
    """
    arrays = _arrays(serve(logits))
    counts = arrays.get("count", lengths)
    values = {name: _trimmed(array, counts) for name, array in arrays.items()}
    numbers = {name: array for name, array in arrays.items() if array.dtype.kind == "f"}
    scale = {name: max(1.0, float(np.abs(v).max(initial=0.0))) for name, v in numbers.items()}
    steady = {name: [np.full(row.shape, True) for row in rows] for name, rows in values.items()}
    random = np.random.default_rng(0)
    for _ in range(TRIALS):
        noise = random.uniform(-NOISE, NOISE, logits.shape) * tolerance
        moved = _arrays(serve(logits + noise.astype("float32")))
        for name, array in moved.items():
            others = _trimmed(array, moved.get("count", lengths))
            for same, right, other in zip(steady[name], values[name], others, strict=True):
                apart = _apart(right, other, scale.get(name, 1.0))
                same &= apart <= NOISE * tolerance
    return Expected(values, steady, scale, example, counts is not None)


def _trimmed(array: np.ndarray, counts: np.ndarray | None) -> list[np.ndarray]:
    if counts is None or array.ndim == 1:
        return [array[row, ...] for row in range(len(array))]
    return [row[:count] for row, count in zip(array, counts, strict=True)]


def _arrays(served: dict[str, Any]) -> dict[str, np.ndarray]:
    """NumPy arrays, strings as Python's."""
    arrays = {name: np.asarray(value) for name, value in served.items()}
    return {
        name: np.vectorize(bytes.decode, otypes=[object])(array) if array.dtype == object else array
        for name, array in arrays.items()
    }


def _apart(right: np.ndarray, got: np.ndarray, scale: float) -> np.ndarray:
    """How far each entry of `right` is from that of `got`: infinitely where it has none or another.

    What `got` has beyond it does not count.
    """
    apart = np.full(right.shape, np.inf)
    if right.ndim != got.ndim or right.shape[1:] != got.shape[1:]:
        return apart
    both = slice(min(len(right), len(got))) if right.ndim else ()
    if right.dtype.kind == "f":
        apart[both] = np.nan_to_num(np.abs(right[both] - got[both]), nan=np.inf) / scale
    else:
        apart[both] = np.where(right[both] == got[both], 0.0, np.inf)
    return apart


# ------------------------------------------------------------------------------- the comparison


def compare(
    requests: Sequence[Request],
    answers: Sequence[Mapping[str, np.ndarray]],
    expected: Mapping[str, Expected],
    *,
    tolerance: float,
) -> tuple[float, list[tuple[int, str]]]:
    """Compares answers with the expected ones.

    Where the trained model itself is undecided (logits that differ by little more than the
    tolerance would answer otherwise), another decision is no fault, nor what follows from it.

    Args:
        requests: what was asked.
        answers: one a request, by output.
        expected: by signature.
        tolerance: the most that a number may differ, as a part of `Expected.scale`.

    Returns:
        The largest difference of a number; and the faults: which text, and what differs.
    """
    largest, faults = 0.0, []
    for request, answer in zip(requests, answers, strict=True):
        wanted = expected[request.signature]
        shapes = {name: np.shape(values) for name, values in answer.items()}
        if shapes.keys() != wanted.values.keys() or any(
            shape[:1] != (len(request.rows),) for shape in shapes.values()
        ):
            found = f"outputs of shape {shapes}, expected {', '.join(wanted.values)}"
            faults.append((int(wanted.example[request.rows[0]]), f"{_where(request)}: {found}"))
            continue
        for index, row in enumerate(request.rows):
            difference, wrong = _compare_row(answer, index, wanted, row, tolerance)
            largest = max(largest, difference)
            for name in wrong:
                got, right = _short(answer[name][index]), _short(wanted.values[name][row])
                found = f"{_where(request)}: {name} {got}, expected {right}"
                faults.append((int(wanted.example[row]), found))
    return largest, faults


def _compare_row(
    answer: Mapping[str, np.ndarray], index: int, wanted: Expected, row: int, tolerance: float
) -> tuple[float, list[str]]:
    """The largest difference of a number, and the outputs that differ."""
    apart, numbers, decides_otherwise = {}, [], False
    for name, values in wanted.values.items():
        right, got = values[row], answer[name][index, ...]
        fits = wanted.may_be_wider or right.shape == got.shape
        apart[name] = _apart(right, got, wanted.scale.get(name, 1.0)) if fits else np.array(np.inf)
        if right.dtype.kind == "f":
            numbers.append(name)
        decides_otherwise |= name not in numbers and bool(apart[name].any())
    if not decides_otherwise or wanted.is_decided(row):
        difference = max((float(apart[name].max(initial=0.0)) for name in numbers), default=0.0)
        return difference, [n for n, each in apart.items() if each.max(initial=0.0) > tolerance]
    # A number may now be that of something else, about as large: hence the wider limit.
    limit = 2 * NOISE * tolerance
    return 0.0, [n for n, each in apart.items() if np.any((each > limit) & wanted.steady[n][row])]


def _where(request: Request) -> str:
    return f"signature {request.signature}, batch of {len(request.rows)}"


def _short(value: Any) -> str:
    return np.array2string(np.asarray(value), precision=6, threshold=6, edgeitems=3)
