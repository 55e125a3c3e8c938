"""Which rows go into which batch: numbers only, so that it can be tested without tensors.

Rule: shapes are few and known. Where shapes are free (TensorFlow on a CPU), rows of similar length
share a batch and are padded no further than the longest of them. Where each new shape is a
compilation (GPU, TPU, JAX), batches have only the declared lengths and always the full size.
No row is dropped or counted twice; what fills up a batch is marked by FILLER and weighs 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

FILLER = -1
WINDOW_BATCHES = 50


@dataclass(frozen=True)
class Batch:
    """Rows of the data set (FILLER: none), and the length to pad to (0: the longest row's)."""

    rows: np.ndarray
    length: int = 0


def training_batches(
    lengths: np.ndarray,
    batch_size: int,
    *,
    seed: int,
    epoch: int,
    declared_lengths: Sequence[int] = (),
    multiple_of: int = 1,
) -> list[Batch]:
    """The batches of one epoch, in an order that depends on `seed` and `epoch` alone.

    Args:
        lengths: int (rows,), pieces of each row.
        batch_size: rows of a batch.
        seed: of the experiment.
        epoch: counted from 0.
        declared_lengths: the only lengths allowed, ascending. Empty: shapes are free.
        multiple_of: the number of batches is filled up to a multiple of this, for gradient
            accumulation: every update then has all its parts, and an epoch ends with an update.
    """
    random = np.random.default_rng([seed, epoch])
    batches, _ = shuffled_batches(lengths, batch_size, random, declared_lengths=declared_lengths)
    missing = -len(batches) % multiple_of
    return batches + [empty_batch(batch_size, declared_lengths)] * missing


def shuffled_batches(
    lengths: np.ndarray,
    batch_size: int,
    random: np.random.Generator,
    *,
    declared_lengths: Sequence[int] = (),
    is_last: bool = True,
) -> tuple[list[Batch], np.ndarray]:
    """Batches of some rows of an epoch.

    Args:
        lengths: int (rows,), pieces of each row.
        batch_size: rows of a batch.
        random: gives the order.
        declared_lengths: see `training_batches`.
        is_last: whether no rows come after these; else all batches are full.

    Returns:
        The batches, and the rows that are left over for batches with later ones.
    """
    order = random.permutation(len(lengths))
    if declared_lengths:
        batches, left = _declared(order, lengths, batch_size, declared_lengths, is_last=is_last)
    else:
        full = len(order) if is_last else len(order) - len(order) % batch_size
        batches, left = _by_length(order[:full], lengths, batch_size), order[full:]
    return [batches[index] for index in random.permutation(len(batches))], left


def count_batches(
    length_counts: np.ndarray,
    batch_size: int,
    *,
    declared_lengths: Sequence[int] = (),
    multiple_of: int = 1,
) -> int:
    """How many batches an epoch has: it does not depend on the order of the rows.

    Args:
        length_counts: how many rows have 0, 1, 2, ... pieces.
        batch_size: rows of a batch.
        declared_lengths: see `training_batches`.
        multiple_of: see `training_batches`.
    """
    edges = [length + 1 for length in declared_lengths]
    parts = np.split(length_counts, edges) if edges else [length_counts]
    full, left = 0, 0
    for part in parts:
        full, left = np.add((full, 0), divmod(int(part.sum()) + left, batch_size)).tolist()
    total = full + (left > 0)
    return total + -total % multiple_of


def add_counts(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The sum of two counts of 0, 1, 2, ..., of which one may go further."""
    longer, shorter = (first, second) if len(first) >= len(second) else (second, first)
    total = longer.copy()
    total[: len(shorter)] += shorter
    return total


def evaluation_batches(
    lengths: np.ndarray, batch_size: int, *, declared_lengths: Sequence[int] = ()
) -> list[Batch]:
    """The batches of one pass, the longest first: what needs the most memory fails at once."""
    order = np.argsort(-lengths, kind="stable")
    if declared_lengths:
        return _declared(order, lengths, batch_size, declared_lengths)[0][::-1]
    return [Batch(rows) for rows in _cut(order, batch_size)]


def _by_length(order: np.ndarray, lengths: np.ndarray, batch_size: int) -> list[Batch]:
    # Sorting within windows, not over all: batches then differ from epoch to epoch.
    batches = []
    for window in _cut(order, WINDOW_BATCHES * batch_size):
        by_length = window[np.argsort(lengths[window], kind="stable")]
        batches += [Batch(rows) for rows in _cut(by_length, batch_size)]
    return batches


def _declared(
    order: np.ndarray,
    lengths: np.ndarray,
    batch_size: int,
    declared: Sequence[int],
    *,
    is_last: bool = True,
) -> tuple[list[Batch], np.ndarray]:
    if len(order) and lengths.max() > declared[-1]:
        raise ValueError(
            f"The longest row has {lengths.max()} pieces, the longest declared length is "
            f"{declared[-1]}. Declare the length that rows are cut to."
        )
    batches = []
    left_over = order[:0]
    kept = []
    bucket = np.searchsorted(declared, lengths[order])
    for number, length in enumerate(declared):
        # What does not fill a batch of its own length goes with the next longer ones.
        rows = np.concatenate([left_over, order[bucket == number]])
        full = len(rows) - len(rows) % batch_size
        batches += [Batch(part, length) for part in _cut(rows[:full], batch_size)]
        left_over = rows[full:]
        if not is_last:
            kept.append(left_over)
            left_over = order[:0]
    if len(left_over):
        filled = np.full(batch_size, FILLER, order.dtype)
        filled[: len(left_over)] = left_over
        # The shortest declared length that holds them all.
        longest = int(lengths[left_over].max())
        batches.append(Batch(filled, declared[int(np.searchsorted(declared, longest))]))
    return batches, np.concatenate([order[:0], *kept])


def with_groups(batches: Sequence[Batch], groups: np.ndarray, *, is_fixed: bool) -> list[Batch]:
    """Batches of rows, of batches whose rows are numbers of groups.

    Args:
        batches: as the functions above plan them, with a length for each group.
        groups: int (rows,), the number of each row's group, from 0 on; rows of a group stand
            together in a batch, in their order.
        is_fixed: whether batches must have few sizes: as if all groups were as large as the
            smallest, twice as large, and so on up to the largest. What is missing is filled up.
    """
    order = np.argsort(groups, kind="stable")
    sizes = np.bincount(groups)
    members = np.split(order, np.cumsum(sizes)[:-1])

    def rows_of(batch: Batch) -> np.ndarray:
        rows = np.concatenate([order[:0], *(members[n] for n in batch.rows if n != FILLER)])
        # A batch without rows has as many that are none as one small group.
        least = len(rows) or int(sizes.min())
        total = rows_of_groups(least, len(batch.rows), sizes) if is_fixed else least
        return np.concatenate([rows, np.full(total - len(rows), FILLER)])

    return [Batch(rows_of(batch), batch.length) for batch in batches]


def rows_of_groups(least: int, num_groups: int, sizes: np.ndarray) -> int:
    """The rows of a batch of groups that has at least so many; see `with_groups`."""
    size = int(sizes.min())
    while size * num_groups < least:
        size *= 2
    return min(size, int(sizes.max())) * num_groups


def empty_batch(batch_size: int, declared: Sequence[int]) -> Batch:
    """A batch without a row, which completes the last update of an epoch."""
    if declared:
        return Batch(np.full(batch_size, FILLER), declared[0])
    return Batch(np.full(1, FILLER))


def _cut(rows: np.ndarray, size: int) -> list[np.ndarray]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]
