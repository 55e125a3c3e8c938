"""Rows that do not fit into memory as the tf.data set that `model.fit` takes.

The order of an epoch: blocks of rows in an order of their own -> as many of them as fit into the
buffer -> batches within the buffer (batching.py), and what is left over goes into the next buffer.
It depends on seed and epoch alone. Where everything fits into one buffer the batches are those of
`tfft.data.pipeline.training_dataset`.
"""

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import tensorflow as tf

from tfft.data.batching import Batch, add_counts, count_batches, empty_batch, shuffled_batches
from tfft.data.blocks import Block, join_blocks
from tfft.data.pipeline import Pad
from tfft.errors import TfftError

BUFFER_BLOCKS = 64


@dataclass
class Tally:
    """What is known of rows that have gone by.

    Attributes:
        num_pieces: of all rows.
        used_pieces: the ids of the pieces that occur, ascending; None: not counted.
        length_counts: how many rows have 0, 1, 2, ... pieces.
        has_segments: whether rows have `segment_ids`.
        num_labels: of 0/1 targets; else 0.
        target_dtype: of what the loss takes.
        target_shape: of one row's target.
    """

    num_pieces: int = 0
    used_pieces: np.ndarray | None = None
    length_counts: np.ndarray = field(default_factory=lambda: np.zeros(1, "int64"))
    has_segments: bool = False
    num_labels: int = 0
    target_dtype: str = "int32"
    target_shape: tuple[int, ...] = ()

    def add(self, block: Block) -> None:
        """Counts the rows of a block."""
        targets = block.dense_targets()
        self.num_pieces += len(block.token_ids.values)
        before = block.token_ids.values[:0] if self.used_pieces is None else self.used_pieces
        self.used_pieces = np.union1d(before, block.token_ids.values)
        self.length_counts = add_counts(self.length_counts, np.bincount(block.token_ids.lengths))
        self.has_segments = block.first_lengths is not None
        self.num_labels = block.num_labels
        self.target_dtype, self.target_shape = targets.dtype.name, targets.shape[1:]

    def to_json(self) -> dict[str, Any]:
        """What `from_json` takes."""
        used = None if self.used_pieces is None else self.used_pieces.tolist()
        return asdict(self) | {"length_counts": self.length_counts.tolist(), "used_pieces": used}

    @staticmethod
    def from_json(values: dict[str, Any]) -> "Tally":
        """A tally that was written."""
        counts, shape = np.array(values["length_counts"]), tuple(values["target_shape"])
        used = values.get("used_pieces")  # older ones have none
        used = None if used is None else np.array(used)
        made = {"length_counts": counts, "target_shape": shape, "used_pieces": used}
        return Tally(**values | made)


class StreamedRows:
    """Training rows that are read in each epoch anew.

    Args:
        tally: of all rows.

    Attributes:
        fault: what ended an epoch, such as a file that is no longer there. TensorFlow tells only
            that something did.
    """

    def __init__(self, tally: Tally) -> None:
        self.tally = tally
        self.fault: TfftError | None = None

    def __len__(self) -> int:
        return int(self.length_counts.sum())

    @property
    def length_counts(self) -> np.ndarray:
        """How many rows have 0, 1, 2, ... pieces."""
        return self.tally.length_counts

    @property
    def used_pieces(self) -> np.ndarray | None:
        """The ids of the pieces that occur, ascending; None: not known."""
        return self.tally.used_pieces

    def buffers(self, random: np.random.Generator) -> Iterator[list[Block]]:
        """The blocks of one epoch, those of a buffer together, in an order drawn from `random`."""
        raise NotImplementedError


def streamed_dataset(
    source: StreamedRows,
    pad: Pad,
    *,
    batch_size: int,
    seed: int,
    first_epoch: int = 0,
    declared_lengths: Sequence[int] = (),
    accumulate: int = 1,
) -> tuple[tf.data.Dataset, int]:
    """Batches of epoch after epoch, as `tfft.data.pipeline.training_dataset` gives them.

    Args:
        source: the rows.
        pad: the encoder's, from ragged features to dense ones.
        batch_size: rows of a batch.
        seed: of the order.
        first_epoch: where a resumed training goes on; its order is what it would have been.
        declared_lengths: see `tfft.data.batching.training_batches`.
        accumulate: batches of an update.

    Returns:
        The data set of (features, targets, sample_weight) and the number of batches an epoch.
    """
    tally = source.tally

    def all_epochs() -> Iterator[tuple[Any, ...]]:
        for epoch in itertools.count(first_epoch):
            batches = epoch_batches(
                source,
                batch_size,
                seed=seed,
                epoch=epoch,
                declared_lengths=declared_lengths,
                multiple_of=accumulate,
            )
            try:
                for rows, batch in batches:
                    yield _as_arrays(rows, batch)
            except TfftError as error:
                source.fault = error
                raise

    def features(ids: Any, lengths: Any, first: Any, targets: Any, weight: Any, to: Any) -> Any:
        token_ids = tf.RaggedTensor.from_row_lengths(ids, lengths, validate=False)
        ragged = {"token_ids": token_ids}
        if tally.has_segments:
            position = tf.ragged.range(lengths)
            is_second = position.values >= tf.repeat(first, lengths)
            ragged["segment_ids"] = token_ids.with_values(tf.cast(is_second, tf.int32))
        return pad(ragged, tf.where(to > 0, to, -1)), targets, weight

    dataset = tf.data.Dataset.from_generator(all_epochs, output_signature=_signature(tally))
    dataset = dataset.map(features, num_parallel_calls=tf.data.AUTOTUNE)
    num_batches = count_batches(
        source.length_counts,
        batch_size,
        declared_lengths=declared_lengths,
        multiple_of=accumulate,
    )
    return dataset.prefetch(tf.data.AUTOTUNE), num_batches


@contextmanager
def fault_told(rows: Any) -> Iterator[None]:
    """Raises the fault that ended an epoch of `StreamedRows` instead of what TensorFlow made of it.

    Args:
        rows: what is trained on, streamed or not.
    """
    try:
        yield
    except Exception as error:
        fault = getattr(rows, "fault", None)
        if fault is None:
            raise
        raise fault from error


def epoch_batches(
    source: StreamedRows,
    batch_size: int,
    *,
    seed: int,
    epoch: int,
    declared_lengths: Sequence[int] = (),
    multiple_of: int = 1,
) -> Iterator[tuple[Block, Batch]]:
    """The batches of one epoch, each with the rows that it is of.

    Args:
        source: the rows.
        batch_size: rows of a batch.
        seed: of the experiment.
        epoch: counted from 0.
        declared_lengths: see `tfft.data.batching.training_batches`.
        multiple_of: see `tfft.data.batching.training_batches`.
    """
    random = np.random.default_rng([seed, epoch])
    # Another generator: within a buffer the order is then that of a data set in memory.
    buffers = source.buffers(np.random.default_rng([seed, epoch, 1]))
    left: list[Block] = []
    count = 0
    for blocks, is_last in _with_last(buffers):
        rows = join_blocks([*left, *blocks])
        batches, rest = shuffled_batches(
            rows.token_ids.lengths,
            batch_size,
            random,
            declared_lengths=declared_lengths,
            is_last=is_last,
        )
        yield from ((rows, batch) for batch in batches)
        left = [rows.take(rest)]
        count += len(batches)
    for _ in range(-count % multiple_of):
        yield rows, empty_batch(batch_size, declared_lengths)


def _with_last(buffers: Iterator[list[Block]]) -> Iterator[tuple[list[Block], bool]]:
    """Each buffer, and whether it is the last."""
    before = next(buffers)
    for buffer in buffers:
        yield before, False
        before = buffer
    yield before, True


def _as_arrays(rows: Block, batch: Batch) -> tuple[Any, ...]:
    picked = rows.take(np.maximum(batch.rows, 0))
    lengths = picked.token_ids.lengths.astype("int64")
    first = lengths if picked.first_lengths is None else picked.first_lengths.astype("int64")
    weight = np.where(batch.rows >= 0, picked.sample_weight, np.float32(0))
    ids = picked.token_ids.values.astype("int32")
    return ids, lengths, first, picked.dense_targets(), weight, batch.length


def _signature(tally: Tally) -> tuple[tf.TensorSpec, ...]:
    return (
        tf.TensorSpec([None], tf.int32),
        tf.TensorSpec([None], tf.int64),
        tf.TensorSpec([None], tf.int64),
        tf.TensorSpec([None, *tally.target_shape], tally.target_dtype),
        tf.TensorSpec([None], tf.float32),
        tf.TensorSpec([], tf.int64),
    )
