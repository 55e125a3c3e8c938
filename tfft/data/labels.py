"""Label names: learned or read, turned into numbers, counted, split by."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tfft.data.examples import Examples
from tfft.data.streamed_examples import Split
from tfft.errors import DataError, did_you_mean


def read_labels(path: str) -> list[str]:
    """Reads label names, one a line; blank lines are passed over.

    Raises:
        DataError: the file is missing or names a label twice.
    """
    try:
        text = Path(path).read_text("utf-8-sig")
    except FileNotFoundError:
        raise DataError(f"There is no label file {path}. Expected one label name a line.") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}). Give a label file.") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text ({error}). Save it as UTF-8.") from None
    names = [line.strip() for line in text.split("\n") if line.strip()]
    return check_labels(names, path)


def check_labels(names: Sequence[str], where: str) -> list[str]:
    """The names, if there are any and none stands twice.

    Raises:
        DataError: otherwise.
    """
    if not names:
        raise DataError(f"{where}: there is no label in it. Give the names of all labels.")
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError(f"{where}: the label {twice[0]!r} stands twice.")
    return list(names)


def count_names(examples: Split) -> Counter[str]:
    """How many rows have each of the labels that occur."""
    counts: Counter[str] = Counter()
    for part in examples.parts():
        counts.update(_flat(part.labels or []))
    return counts


def sorted_labels(found: Iterable[str]) -> list[str]:
    """Names in numerical order if all are numbers, else in alphabetical."""
    names = sorted(found)
    if all(re.fullmatch(r"-?\d+", name) for name in names):
        return sorted(names, key=int)
    return names


def count_labels(examples: Examples, names: Sequence[str]) -> dict[str, int]:
    """How many rows have each of these labels."""
    counts = count_names(examples)
    return {name: counts[name] for name in names}


def encode_labels(examples: Examples, names: Sequence[str], *, multi_label: bool) -> np.ndarray:
    """Labels as numbers.

    Returns:
        int32 (rows,), or with `multi_label` float32 (rows, labels) of zeros and ones.

    Raises:
        DataError: a label that is not among `names`, with its file and line.
    """
    index = {name: number for number, name in enumerate(names)}
    rows = [[label] if isinstance(label, str) else label for label in examples.labels or []]
    for row, labels in enumerate(rows):
        for label in labels:
            if label not in index:
                raise DataError(_unknown(examples, row, label, names))
    if not multi_label:
        return np.array([index[labels[0]] for labels in rows], "int32")
    targets = np.zeros((len(rows), len(names)), "float32")
    for row, labels in enumerate(rows):
        targets[row, [index[label] for label in labels]] = 1.0
    return targets


def balanced_class_weights(counts: np.ndarray, rows: int, *, multi_label: bool) -> np.ndarray:
    """Weighs each class by the inverse of its share, 1 on average over the rows.

    The formula is scikit-learn's `balanced`: rows / (labels * count). With `multi_label` it
    weighs the positives of a label by (negatives / positives), as `pos_weight` does in PyTorch.

    Args:
        counts: int (labels,), how many rows have each label.
        rows: how many there are.
        multi_label: whether a row may have any number of labels.

    Returns:
        float32 (labels,).
    """
    counts = np.maximum(counts, 1)
    if multi_label:
        positives = counts.astype("float32")
        return ((rows - positives) / positives).astype("float32")
    return (rows / (len(counts) * counts)).astype("float32")


def stratified_split(examples: Examples, fraction: float, seed: int) -> tuple[Examples, Examples]:
    """Draws a share of the rows in which each label has its share of the whole.

    Rows with several labels are grouped by their whole list. Groups too small for a row of their
    own are drawn from together. A label whose every row was drawn gives one back: a label that
    training never sees cannot be scored.

    Returns:
        The rest and the drawn rows, each in the order of the file.
    """
    random = np.random.default_rng(seed)
    strata = examples.labels if examples.strata is None else examples.strata
    keys = [tuple(sorted(_flat([stratum]))) for stratum in strata or []]
    order = random.permutation(len(examples))
    by_label = sorted(order, key=lambda row: keys[row])
    wanted = max(1, round(fraction * len(examples)))
    # Every 1/fraction-th row of the list sorted by label: each label gets its share, and what is
    # left over of one label counts towards the next.
    ticks = np.floor((np.arange(wanted) + random.random()) * len(examples) / wanted).astype(int)
    drawn = {by_label[tick] for tick in np.minimum(ticks, len(examples) - 1)}
    seen = {name for row in order if row not in drawn for name in keys[row]}
    for row in order:
        if row in drawn and not seen.issuperset(keys[row]):
            drawn.remove(row)
            seen.update(keys[row])
    rest = [row for row in range(len(examples)) if row not in drawn]
    # Rows that were skipped are counted once, with the rest.
    return examples.take(rest), replace(examples.take(sorted(drawn)), num_empty=0, counts={})


def grouped_split(examples: Examples, fraction: float, seed: int) -> tuple[Examples, Examples]:
    """Draws whole groups of rows, such as the questions on one context, up to a share of the rows.

    A group stands on one side only: else validation would ask about contexts that were learned.

    Returns:
        The rest and the drawn rows, each in the order of the file.
    """
    numbers = {group: number for number, group in enumerate(dict.fromkeys(examples.groups or []))}
    group_of_row = np.array([numbers[group] for group in examples.groups or []])
    order = np.random.default_rng(seed).permutation(len(numbers))
    rows_up_to = np.cumsum(np.bincount(group_of_row)[order])
    wanted = max(1, round(fraction * len(examples)))
    drawn_groups = order[: int(np.searchsorted(rows_up_to, wanted)) + 1]
    drawn = np.isin(group_of_row, drawn_groups)
    picked = examples.take(np.flatnonzero(drawn))
    return examples.take(np.flatnonzero(~drawn)), replace(picked, num_empty=0, counts={})


def _flat(labels: Sequence[Any]) -> list[str]:
    return [name for label in labels for name in ([label] if isinstance(label, str) else label)]


def _unknown(examples: Examples, row: int, label: str, names: Sequence[str]) -> str:
    shown = ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
    return (
        f"{examples.where(row)}: the label {label!r} is not one of the task's {len(names)} labels "
        f"({shown}).{did_you_mean(label, names)} Labels are learned from train unless task.labels "
        "lists them."
    )
