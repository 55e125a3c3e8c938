"""Rows of pieces as they stand in the cache: small numbers in flat arrays, some rows together."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tfft.data.pipeline import TokenizedSet


@dataclass(frozen=True)
class Ragged:
    """Rows of different lengths, one after the other.

    Attributes:
        values: of all rows.
        lengths: (rows,), how many of the values are each row's.
    """

    values: np.ndarray
    lengths: np.ndarray

    def take(self, rows: np.ndarray) -> "Ragged":
        """The given rows, in the given order."""
        ends = np.cumsum(self.lengths, dtype="int64")
        lengths = self.lengths[rows].astype("int64")
        firsts = ends[rows] - lengths
        # Position within the picked rows, and how far from it each row's values are.
        shift = np.repeat(firsts - (np.cumsum(lengths) - lengths), lengths)
        return Ragged(self.values[np.arange(len(shift)) + shift], self.lengths[rows])


@dataclass(frozen=True)
class Block:
    """Some rows of a data set.

    Attributes:
        token_ids: the pieces, uint16, or uint32 where the vocabulary is over 65,536.
        first_lengths: (rows,), how many pieces of each row are of its first text: all else of what
            `segment_ids` say. None where the encoder has no segments.
        targets: one number a row; or, for 0/1 targets (rows, labels), the labels that are 1.
        num_labels: of 0/1 targets; else 0.
        sample_weight: float32 (rows,).
    """

    token_ids: Ragged
    first_lengths: np.ndarray | None
    targets: np.ndarray | Ragged
    num_labels: int
    sample_weight: np.ndarray

    def __len__(self) -> int:
        return len(self.sample_weight)

    def take(self, rows: np.ndarray) -> "Block":
        """The given rows, in the given order."""
        targets = self.targets
        return Block(
            self.token_ids.take(rows),
            None if self.first_lengths is None else self.first_lengths[rows],
            targets.take(rows) if isinstance(targets, Ragged) else targets[rows],
            self.num_labels,
            self.sample_weight[rows],
        )

    def cut(self, size: int) -> Iterator["Block"]:
        """The same rows as blocks of `size`, the last one smaller."""
        if len(self) <= size:
            yield self
            return
        for start in range(0, len(self), size):
            yield self.take(np.arange(start, min(start + size, len(self))))

    def dense_targets(self) -> np.ndarray:
        """What the loss takes: int32 or float32 (rows, ...)."""
        if not isinstance(self.targets, Ragged):
            kind = "int32" if self.targets.dtype.kind == "u" else self.targets.dtype
            return self.targets.astype(kind)
        dense = np.zeros((len(self), self.num_labels), "float32")
        dense[np.repeat(np.arange(len(self)), self.targets.lengths), self.targets.values] = 1.0
        return dense


def make_block(rows: TokenizedSet, vocabulary_size: int) -> Block:
    """Tokenized rows with targets as a block."""
    ids = rows.features["token_ids"]
    dtype = np.uint16 if vocabulary_size <= 2**16 else np.uint32
    first = None
    if "segment_ids" in rows.features:
        second = rows.features["segment_ids"]
        counts = np.add.reduceat(second.values.numpy(), second.row_starts().numpy())
        first = rows.lengths - counts
    targets, num_labels = _compact(np.asarray(rows.targets))
    return Block(
        Ragged(ids.values.numpy().astype(dtype), rows.lengths),
        first,
        targets,
        num_labels,
        rows.sample_weight,
    )


def _compact(targets: np.ndarray) -> tuple[np.ndarray | Ragged, int]:
    """Targets in few bytes: 0/1 (rows, labels) as the labels that are 1."""
    if targets.dtype.kind == "i":
        return smallest(targets), 0
    if targets.ndim == 1 or targets.shape[1] == 1:
        return targets, 0
    rows, labels = np.nonzero(targets)
    return Ragged(labels, np.bincount(rows, minlength=len(targets))), targets.shape[1]


def smallest(numbers: np.ndarray) -> np.ndarray:
    """Numbers of 0 or more in the fewest bytes that hold them all."""
    return numbers.astype(np.min_scalar_type(int(numbers.max(initial=0))))


def join_blocks(blocks: Sequence[Block]) -> Block:
    """The rows of several blocks, one after the other."""
    if len(blocks) == 1:
        return blocks[0]
    first = [b.first_lengths for b in blocks if b.first_lengths is not None]
    return Block(
        _join_ragged([block.token_ids for block in blocks]),
        np.concatenate(first) if first else None,
        _join_targets([block.targets for block in blocks]),
        blocks[0].num_labels,
        np.concatenate([block.sample_weight for block in blocks]),
    )


def _join_targets(parts: Sequence[Any]) -> Any:
    return _join_ragged(parts) if isinstance(parts[0], Ragged) else np.concatenate(parts)


def _join_ragged(parts: Sequence[Ragged]) -> Ragged:
    return Ragged(
        np.concatenate([part.values for part in parts]),
        np.concatenate([part.lengths for part in parts]),
    )


# ----------------------------------------------------------------------------------- as arrays


def to_arrays(block: Block) -> list[np.ndarray]:
    """What a block is written as: an array for what each row has of its own, empty where none has.

    Each stands in the fewest bytes that hold its numbers; see `from_arrays`.
    """
    lengths, targets = smallest(block.token_ids.lengths), block.targets
    first = lengths if block.first_lengths is None else smallest(block.first_lengths)
    weights = block.sample_weight
    arrays = [
        block.token_ids.values,
        lengths,
        first[:0] if np.array_equal(first, lengths) else first,
        weights[:0] if np.all(weights == 1.0) else weights,
    ]
    if isinstance(targets, Ragged):
        return [*arrays, smallest(targets.values), smallest(targets.lengths)]
    return [*arrays, targets.ravel()]


def from_arrays(
    arrays: Sequence[np.ndarray],
    *,
    has_segments: bool,
    num_labels: int = 0,
    target_shape: Sequence[int] = (),
) -> Block:
    """The block that `to_arrays` made arrays of.

    Args:
        arrays: what was written; all of rank 1.
        has_segments: whether the encoder takes `segment_ids`.
        num_labels: see `Block`.
        target_shape: of one row's target.
    """
    values, lengths, first, weights, *targets = arrays
    first = first if len(first) else lengths
    dense = targets[0] if num_labels else targets[0].reshape(-1, *target_shape)
    return Block(
        Ragged(values, lengths),
        first if has_segments else None,
        Ragged(targets[0], targets[1]) if num_labels else dense,
        num_labels,
        weights if len(weights) else np.ones(len(lengths), "float32"),
    )
