"""Corpus measures of classification with any number of labels a row, and the threshold for them.

Letters and scores are those of `tfft.metrics.classification`.
"""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from tfft.metrics.classification import (
    Array,
    by_label,
    check_answers,
    check_shape,
    matthews,
    mean,
)

THRESHOLDS = np.arange(5, 100, 5) / 100  # 0.05, 0.10 ... 0.95


def multi_label_scores(
    targets: Array, probabilities: Array, *, threshold: float, names: Sequence[str]
) -> dict[str, Any]:
    """Scores the classes whose probability reaches the threshold; a row may have none or several.

    The macro averages run over all c classes, as scikit-learn's do for indicator arrays.

    Args:
        targets: 1 where the row has the class, else 0, (n, c).
        probabilities: Probabilities, (n, c).
        threshold: The least probability at which a class is answered (`decide`).
        names: The c class names, by column.

    Returns:
        `accuracy` (of whole rows: every class of the row is right, scikit-learn's subset
        accuracy), `macro_` and `micro_` `f1`, `precision` and `recall`, `matthews` (over the n x c
        single decisions), `threshold`, `macro_f1_at_0.5`, `micro_f1_at_0.5`, and `by_label` as in
        `classification_scores`.

    Raises:
        ValueError: Shapes that do not agree, or targets other than 0 and 1.
        NotFiniteError: An answer is NaN.
    """
    targets, probabilities = np.asarray(targets), np.asarray(probabilities)
    _check_targets(targets, probabilities, len(names))
    predicted = decide(probabilities, threshold)
    hits, support, answered = _counts(targets, predicted)
    precision, recall, f1 = _ratios(hits, support, answered)
    micro = _ratios(hits.sum(), support.sum(), answered.sum())
    return {
        "accuracy": mean((targets == predicted).all(axis=1)),
        "macro_f1": mean(f1),
        "micro_f1": float(micro[2]),
        "macro_precision": mean(precision),
        "macro_recall": mean(recall),
        "micro_precision": float(micro[0]),
        "micro_recall": float(micro[1]),
        "matthews": matthews(targets.ravel().astype(np.int8), predicted.ravel().astype(np.int8)),
        "threshold": float(threshold),
        "macro_f1_at_0.5": _f1(targets, probabilities, 0.5, "macro_f1"),
        "micro_f1_at_0.5": _f1(targets, probabilities, 0.5, "micro_f1"),
        "by_label": by_label(names, (precision, recall, f1), support=support, predicted=answered),
    }


def decide(probabilities: Array, threshold: float) -> Array:
    """Says which classes are answered: True where the probability is at least the threshold."""
    return np.asarray(probabilities) >= float(threshold)


def tune_threshold(
    targets: Array,
    probabilities: Array,
    *,
    measure: Literal["micro_f1", "macro_f1"] = "micro_f1",
    grid: Array = THRESHOLDS,
) -> float:
    """Finds the one threshold, for all classes, that gives the best F1.

    Tune on validation data and score the test data with what was found. Of thresholds with the same
    score the one nearest to 0.5 is taken, and of two as near the lower. Without rows, or if every
    threshold scores 0, that is 0.5.

    Args:
        targets: 1 where the row has the class, else 0, (n, c).
        probabilities: Probabilities, (n, c).
        measure: What to make large. Defaults to `"micro_f1"`.
        grid: The thresholds to try. Defaults to 0.05, 0.10 ... 0.95.

    Returns:
        The threshold.

    Raises:
        ValueError: As `multi_label_scores`, or an unknown measure.
        NotFiniteError: An answer is NaN.
    """
    targets, probabilities = np.asarray(targets), np.asarray(probabilities)
    _check_targets(targets, probabilities, probabilities.shape[-1])
    grid = np.asarray(grid)
    scores = [_f1(targets, probabilities, threshold, measure) for threshold in grid]
    distances = np.abs(grid - 0.5).round(9)  # 0.45 and 0.55 are equally far
    return float(grid[np.lexsort((grid, distances, np.negative(scores)))[0]])


def _counts(targets: Array, predicted: Array) -> tuple[Array, Array, Array]:
    """Returns how often each class is answered rightly, occurs, and is answered, (c,) each."""
    targets = targets.astype(bool)
    hits = (targets & predicted).sum(axis=0)
    return hits, targets.sum(axis=0), predicted.sum(axis=0)


def _ratios(hits: Any, support: Any, answered: Any) -> tuple[Array, Array, Array]:
    """Returns precision, recall and F1 from counts of the same shape."""

    def ratio(numerator: Any, denominator: Any) -> Array:
        # The numerator is 0 wherever the denominator is.
        return np.asarray(numerator / np.maximum(denominator, 1))

    return ratio(hits, answered), ratio(hits, support), ratio(2 * hits, support + answered)


def _f1(targets: Array, probabilities: Array, threshold: float, measure: str) -> float:
    counts = _counts(targets, decide(probabilities, threshold))
    if measure == "macro_f1":
        return mean(_ratios(*counts)[2])
    if measure == "micro_f1":
        return float(_ratios(*(count.sum() for count in counts))[2])
    raise ValueError(f"measure must be 'micro_f1' or 'macro_f1'. Received: {measure!r}")


def _check_targets(targets: Array, probabilities: Array, num_classes: int) -> None:
    check_answers(probabilities, (len(targets), num_classes))
    check_shape("targets", targets, probabilities.shape)
    if not np.isin(targets, (0, 1)).all():
        raise ValueError("targets must be 0 or 1: one column a class, 1 where the row has it.")
