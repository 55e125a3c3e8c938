"""Corpus measures of classification with one label a row.

Shape letters: n rows, c classes. Every score is a fraction between 0 and 1 (`matthews` between -1
and 1), and 0 where it is not defined: precision of a class that is never predicted, recall of one
that does not occur, everything when there are no rows. Results are Python numbers, ready for JSON.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import accuracy_score, matthews_corrcoef, precision_recall_fscore_support

from tfft.errors import NotFiniteError

Array = npt.NDArray[Any]


def classification_scores(
    labels: Array,
    probabilities: Array,
    *,
    names: Sequence[str],
    sample_weight: Array | None = None,
) -> dict[str, Any]:
    """Scores the most probable class of each row against its label.

    The macro averages run over the classes that occur in the labels or in the answers, which is
    scikit-learn's default and so what Hugging Face's `evaluate` reports. `micro_f1` is the accuracy
    under another name when each row has one label. Rows of weight 0 are left out altogether.

    Args:
        labels: Class ids, (n,).
        probabilities: Probabilities or logits, (n, c).
        names: The c class names, by id.
        sample_weight: Weights of the rows, (n,). Defaults to 1 each. `support` and `predicted`
            are numbers of rows all the same.

    Returns:
        `accuracy`, `macro_f1`, `micro_f1`, `macro_precision`, `macro_recall`, `matthews`, and
        `by_label`: name to `precision`, `recall`, `f1`, `support` (rows of the class) and
        `predicted` (rows answered with it), for all names.

    Raises:
        ValueError: Shapes that do not agree, or a label that has no name.
        NotFiniteError: An answer is NaN.
    """
    labels, probabilities = _ids(labels), np.asarray(probabilities)
    _check_labels(labels, probabilities, names)
    weight = np.ones(len(labels)) if sample_weight is None else np.asarray(sample_weight)
    kept = weight > 0
    labels, predicted, weight = labels[kept], probabilities.argmax(axis=1)[kept], weight[kept]
    precision, recall, f1 = _by_class(labels, predicted, weight, len(names))
    present = np.union1d(labels, predicted)
    accuracy = (
        float(accuracy_score(labels, predicted, sample_weight=weight)) if len(labels) else 0.0
    )
    return {
        "accuracy": accuracy,
        "macro_f1": mean(f1[present]),
        "micro_f1": accuracy,
        "macro_precision": mean(precision[present]),
        "macro_recall": mean(recall[present]),
        "matthews": matthews(labels, predicted, weight),
        "by_label": by_label(
            names,
            (precision, recall, f1),
            support=np.bincount(labels, minlength=len(names)),
            predicted=np.bincount(predicted, minlength=len(names)),
        ),
    }


def degenerate_note(labels: Array, predicted: Array, names: Sequence[str]) -> str | None:
    """Says so when a classifier has learned nothing from its training.

    That is: it answers every row alike although the labels differ; or it is right no more often
    than the commonest label alone would be, and its answers do not go with the labels more than
    chance explains (Matthews correlation under 2 / sqrt(n), two standard deviations).

    Args:
        labels: Class ids, (n,).
        predicted: Answered class ids, (n,).
        names: The class names, by id.

    Returns:
        A sentence for the user, or None when all is well.
    """
    labels, predicted = _ids(labels), _ids(predicted)
    counts = np.bincount(labels, minlength=1)
    right, majority = int((labels == predicted).sum()), int(counts.max())
    if right > majority or np.count_nonzero(counts) < 2:
        return None
    rows, common = len(labels), names[int(counts.argmax())]
    if np.all(predicted == predicted[0]):
        return (
            f"every row is answered {names[int(predicted[0])]!r}; the majority class"
            f"{'' if right == majority else f' ({common!r})'} is {majority / rows:.1%} of the rows:"
            " the model has not learned the task"
        )
    if matthews_corrcoef(labels, predicted) < 2 / np.sqrt(rows):
        return (
            f"{right / rows:.1%} of the rows are answered right, and {majority / rows:.1%} would be"
            f" by always answering {common!r}: the model has not learned the task"
        )
    return None


def confusions(
    labels: Array, predicted: Array, names: Sequence[str], most: int = 5
) -> list[tuple[str, str, int]]:
    """Lists the commonest mistakes as (right name, answered name, number of rows).

    The commonest comes first; equally common ones stand in the order of the classes.
    """
    labels, predicted = _ids(labels), _ids(predicted)
    wrong = labels != predicted
    pairs, counts = np.unique(
        np.stack([labels[wrong], predicted[wrong]], axis=1), axis=0, return_counts=True
    )
    order = np.argsort(-counts, kind="stable")[:most]
    return [(names[pairs[i, 0]], names[pairs[i, 1]], int(counts[i])) for i in order]


def _ids(values: Array) -> Array:
    """Returns class ids as integers; numbers with a fraction are refused, an empty list is not."""
    values = np.asarray(values)
    return values.astype(np.int64, casting="same_kind" if values.size else "unsafe")


def _by_class(labels: Array, predicted: Array, weight: Array, num_classes: int) -> Array:
    """Returns precision, recall and F1 of each class, (3, c)."""
    if not len(labels):
        return np.zeros((3, num_classes))
    scores = precision_recall_fscore_support(
        labels,
        predicted,
        labels=np.arange(num_classes),
        sample_weight=weight,
        zero_division=0,
    )
    return np.stack(scores[:3])


def matthews(labels: Array, predicted: Array, weight: Array | None = None) -> float:
    """Matthews correlation of class ids, (n,) each."""
    if len(np.union1d(labels, predicted)) < 2:  # scikit-learn warns, and gives the same 0
        return 0.0
    return float(matthews_corrcoef(labels, predicted, sample_weight=weight))


def mean(values: Array) -> float:
    """The mean; 0 of nothing."""
    return float(values.mean()) if values.size else 0.0


def by_label(
    names: Sequence[str], scores: Sequence[Array], *, support: Array, predicted: Array
) -> dict[str, dict[str, float | int]]:
    """The report of each class: precision, recall and F1 from `scores`, and the numbers of rows."""
    return {
        name: {
            "precision": float(precision),
            "recall": float(recall),
            "f1": float(f1),
            "support": int(rows),
            "predicted": int(answers),
        }
        for name, precision, recall, f1, rows, answers in zip(
            names, *scores, support, predicted, strict=True
        )
    }


def _check_labels(labels: Array, probabilities: Array, names: Sequence[str]) -> None:
    check_answers(probabilities, (len(labels), len(names)))
    check_shape("labels", labels, (len(probabilities),))
    if len(labels) and not (labels.min() >= 0 and labels.max() < len(names)):
        raise ValueError(
            f"labels must lie between 0 and {len(names) - 1}, the last of the names. "
            f"Received: {labels.min()} to {labels.max()}"
        )


def check_shape(name: str, values: Array, shape: tuple[int, ...]) -> None:
    """Raises a ValueError where an array has another shape."""
    if values.shape != shape:
        raise ValueError(f"{name} must have the shape {shape}. Received: {values.shape}")


def check_answers(probabilities: Array, shape: tuple[int, int]) -> None:
    """Raises a ValueError where answers have another shape, NotFiniteError where one is NaN."""
    check_shape("probabilities", probabilities, shape)
    missing = np.isnan(probabilities).any(axis=1).sum()
    if missing:
        raise NotFiniteError(
            f"The model's answers to {missing} of {len(probabilities)} rows are not numbers (NaN), "
            "so they cannot be scored. Its weights have most likely diverged in training: lower "
            "optimizer.learning_rate, set optimizer.clip_norm, or train without float16."
        )
