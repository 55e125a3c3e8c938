"""Several examples in one row of fixed length: one static shape, little padding.

Every batch has the same number of examples, as without packing, and the same number of rows.
`tfft.backbones.transformer` keeps the examples of a row apart by the numbers in `padding_mask`.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from tfft.data.batching import FILLER, WINDOW_BATCHES
from tfft.data.pipeline import IGNORED, TokenizedSet


@dataclass(frozen=True)
class PackedBatch:
    """Where the examples of a batch lie, in the order in which they do.

    Attributes:
        examples: int64 (batch_size,), rows of the data set; FILLER at the end where there are less.
        rows: int64 (batch_size,), the row that each lies in, ascending.
        starts: int64 (batch_size,), its first place in that row.
    """

    examples: np.ndarray
    rows: np.ndarray
    starts: np.ndarray

    @property
    def num_rows(self) -> int:
        """How many rows the batch fills."""
        return int(self.rows.max()) + 1


def packed_batches(
    lengths: np.ndarray,
    batch_size: int,
    *,
    row_length: int,
    seed: int,
    epoch: int,
    multiple_of: int = 1,
) -> list[PackedBatch]:
    """The batches of one epoch, in an order that depends on `seed` and `epoch` alone.

    Examples are shuffled; of each 50 batches every one gets long and short examples alike, so that
    all need about the same number of rows.

    Args:
        lengths: int (examples,), pieces of each.
        batch_size: examples of a batch.
        row_length: pieces of a row.
        seed: of the experiment.
        epoch: counted from 0.
        multiple_of: the number of batches is filled up to a multiple of this, as for
            `tfft.data.batching.training_batches`.
    """
    random = np.random.default_rng([seed, epoch])
    order = random.permutation(len(lengths))
    batches = []
    for start in range(0, len(order), WINDOW_BATCHES * batch_size):
        window = order[start : start + WINDOW_BATCHES * batch_size]
        batches += [
            pack(examples, lengths[examples], batch_size, row_length)
            for examples in deal(window, lengths[window], batch_size)
        ]
    batches = [batches[index] for index in random.permutation(len(batches))]
    nothing = np.array([], np.int64)
    missing = -len(batches) % multiple_of
    return batches + [pack(nothing, nothing, batch_size, row_length)] * missing


def deal(examples: np.ndarray, lengths: np.ndarray, batch_size: int) -> list[np.ndarray]:
    """Deals examples out to batches, the longest first and back and forth, as cards are."""
    num_batches = -(-len(examples) // batch_size)
    by_length = examples[np.argsort(-lengths, kind="stable")]
    turns = np.arange(num_batches)
    turns = np.concatenate([turns, turns[::-1]])
    batch = np.resize(turns, len(examples))
    # The last turn may be a short one that would give a batch too many: it goes on from the front.
    rest = len(examples) % num_batches
    if rest:
        batch[-rest:] = np.arange(rest)
    return [by_length[batch == number] for number in range(num_batches)]


def pack(
    examples: np.ndarray, lengths: np.ndarray, batch_size: int, row_length: int
) -> PackedBatch:
    """Lays examples into rows: the longest first, each into the first row that has room."""
    room: list[int] = []
    placed = []
    for place in np.argsort(-lengths, kind="stable"):
        length = int(lengths[place])
        row = next((number for number, left in enumerate(room) if left >= length), len(room))
        if row == len(room):
            room.append(row_length)
        placed.append((row, row_length - room[row], int(examples[place])))
        room[row] -= length
    placed.sort()
    last_row = placed[-1][0] if placed else 0
    placed += [(last_row, 0, FILLER)] * (batch_size - len(placed))
    rows, starts, chosen = np.array(placed, np.int64).T
    return PackedBatch(chosen, rows, starts)


def packed_dataset(
    examples: TokenizedSet,
    *,
    batch_size: int,
    row_length: int,
    pad_id: int,
    seed: int,
    epochs: int,
    first_epoch: int = 0,
    accumulate: int = 1,
) -> tuple[tf.data.Dataset, int]:
    """Packed batches of epoch after epoch without an end, shuffled anew in each.

    Args:
        examples: with targets, one a row or one a piece.
        batch_size: examples of a batch.
        row_length: pieces of a row.
        pad_id: of the piece that fills up rows.
        seed: of the order.
        epochs: of the whole training; all have batches of one shape.
        first_epoch: where a resumed training goes on.
        accumulate: batches of an update.

    Returns:
        The data set of (features, targets, sample_weight) and the number of batches an epoch.
        Features are (rows, row_length); targets and weights (batch_size,), or (rows, row_length)
        where each piece has some.
    """

    def batches_of(epoch: int) -> list[PackedBatch]:
        return packed_batches(
            examples.lengths,
            batch_size,
            row_length=row_length,
            seed=seed,
            epoch=epoch,
            multiple_of=accumulate,
        )

    def all_epochs() -> Iterator[tuple[np.ndarray, ...]]:
        for epoch in itertools.count(first_epoch):
            for batch in batches_of(epoch):
                yield batch.examples, batch.rows, batch.starts

    plans = [batches_of(epoch) for epoch in range(epochs)]
    num_rows = max(batch.num_rows for plan in plans for batch in plan)
    numbers = tf.TensorSpec([batch_size], tf.int64)
    dataset = tf.data.Dataset.from_generator(all_epochs, output_signature=(numbers,) * 3)
    layout = _Layout(examples, (num_rows, row_length), pad_id)
    dataset = dataset.map(layout.batch, num_parallel_calls=tf.data.AUTOTUNE)
    return dataset.prefetch(tf.data.AUTOTUNE), len(plans[0])


class _Layout:
    """Lays examples out as a `PackedBatch` says, in the TensorFlow graph."""

    def __init__(self, examples: TokenizedSet, shape: tuple[int, int], pad_id: int) -> None:
        self.examples, self.shape, self.pad_id = examples, shape, pad_id
        self.weights = tf.constant(examples.sample_weight)

    def batch(self, chosen: tf.Tensor, rows: tf.Tensor, starts: tf.Tensor) -> tuple[Any, ...]:
        """Features, targets and weights of one batch."""
        real = tf.boolean_mask(chosen, chosen >= 0)
        lengths = tf.gather(tf.constant(self.examples.lengths, tf.int64), real)
        first = (rows * self.shape[1] + starts)[: tf.size(real)]
        places = tf.repeat(first, lengths) + tf.ragged.range(lengths).flat_values
        places = places[:, tf.newaxis]
        numbers = tf.repeat(tf.range(1, tf.size(real) + 1), lengths)
        mask = self._lay(places, numbers, 0)
        features = {
            name: self._lay(places, tf.gather(column, real).flat_values, 0)
            for name, column in self.examples.features.items()
        }
        features["token_ids"] = tf.where(mask > 0, features["token_ids"], self.pad_id)
        features["padding_mask"] = mask
        weight = tf.where(chosen >= 0, tf.gather(self.weights, tf.maximum(chosen, 0)), 0.0)
        return features, *self._targets(chosen, real, places, weight, lengths)

    def _targets(
        self, chosen: Any, real: Any, places: Any, weight: Any, lengths: Any
    ) -> tuple[Any, Any]:
        targets = self.examples.targets
        if not isinstance(targets, tf.RaggedTensor):
            return tf.gather(tf.constant(targets), tf.maximum(chosen, 0)), weight
        laid = self._lay(places, tf.gather(targets, real).flat_values, IGNORED)
        weights = self._lay(places, tf.repeat(weight[: tf.size(real)], lengths), 0.0)
        return laid, weights * tf.cast(laid != IGNORED, tf.float32)

    def _lay(self, places: Any, values: Any, filler: float) -> Any:
        size = self.shape[0] * self.shape[1]
        empty = tf.fill([size], tf.cast(filler, values.dtype))
        return tf.reshape(tf.tensor_scatter_nd_update(empty, places, values), self.shape)
