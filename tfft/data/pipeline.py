"""From texts to the tf.data sets that `model.fit` and `model.predict` take.

The order: texts -> pieces, once (`tokenize`) -> rows of an epoch's batches (batching.py) -> gather
and pad -> prefetch.
"""

import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tfft.data.batching import Batch, evaluation_batches, training_batches, with_groups
from tfft.data.examples import Examples
from tfft.data.vectors import Vectors

Inputs = Callable[[dict[str, Any]], dict[str, Any]]
Pad = Callable[..., dict[str, Any]]

TEXTS_PER_CALL = 4096
EXAMPLES_AT_ONCE = 512
IGNORED = -1


class Alignment(NamedTuple):
    """How rows of pieces lie on the texts of examples: an example may have several rows.

    Attributes:
        example: int64 (rows,), which example a row is of; rows of one stand together.
        by_row: tensors with one entry a row, such as which word each piece begins.
        by_example: tensors with one entry an example, such as where its words begin.
    """

    example: Any
    by_row: dict[str, Any]
    by_example: dict[str, Any]


@dataclass(frozen=True)
class TokenizedSet:
    """The rows of a split as pieces.

    Attributes:
        features: ragged int32 tensors (rows, pieces) by name.
        lengths: int (rows,), pieces of each row.
        targets: what the loss takes: one entry a row, or ragged (rows, pieces) with IGNORED where
            nothing is to be learned; or None.
        sample_weight: float32 (rows,).
        alignment: for tasks whose rows are windows of examples; else None.
        examples: what the rows were made of, with what is right; or None.
        vectors: what frozen layers make of the pieces, for a model that goes on from there; or
            None. `part` leaves them out.
        groups: int (rows,), numbers from 0 on: rows of one group are learned together, in one
            batch. None: each row stands for itself. `part` leaves them out.
    """

    features: dict[str, tf.RaggedTensor]
    lengths: np.ndarray
    targets: Any
    sample_weight: np.ndarray
    alignment: Alignment | None = None
    examples: Examples | None = None
    vectors: Vectors | None = None
    groups: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def group_lengths(self) -> np.ndarray:
        """The pieces of the longest row of each group, int (groups,)."""
        if self.groups is None:
            return self.lengths
        longest = np.zeros(int(self.groups.max()) + 1, self.lengths.dtype)
        np.maximum.at(longest, self.groups, self.lengths)
        return longest

    @property
    def length_counts(self) -> np.ndarray:
        """How many rows (where there are groups, how many of these) have 0, 1, 2, ... pieces."""
        return np.bincount(self.group_lengths)

    @property
    def used_pieces(self) -> np.ndarray:
        """The ids of the pieces that occur, ascending."""
        return np.unique(self.features["token_ids"].values.numpy())

    @property
    def num_examples(self) -> int:
        """How many examples the rows are of."""
        if self.alignment is None:
            return len(self)
        return int(next(iter(self.alignment.by_example.values())).shape[0])

    def rows_of(self, start: int, stop: int) -> slice:
        """The rows of the examples from `start` up to `stop`."""
        if self.alignment is None:
            return slice(start, stop)
        first, last = np.searchsorted(self.alignment.example, [start, stop])
        return slice(int(first), int(last))

    def part(self, start: int, stop: int) -> "TokenizedSet":
        """The examples from `start` up to `stop` (not included), with all of their rows."""
        rows, alignment = self.rows_of(start, stop), self.alignment
        if alignment is not None:
            alignment = Alignment(
                alignment.example[rows] - start,
                {name: values[rows] for name, values in alignment.by_row.items()},
                {name: values[start:stop] for name, values in alignment.by_example.items()},
            )
        return TokenizedSet(
            {name: values[rows] for name, values in self.features.items()},
            self.lengths[rows],
            None if self.targets is None else self.targets[rows],
            self.sample_weight[rows],
            alignment,
            None if self.examples is None else self.examples.take(range(start, stop)),
        )


def tokenize(
    texts: dict[str, list[str]],
    inputs: Inputs,
    *,
    targets: np.ndarray | None = None,
    sample_weight: np.ndarray | None = None,
) -> TokenizedSet:
    """Turns each text into pieces, once for the whole training.

    Args:
        texts: one string a row for each text field.
        inputs: the task's, from string tensors (batch_size,) to ragged features, and for tasks
            with windows their `alignment`.
        targets: one entry a row.
        sample_weight: float32, one entry a text. Default: 1 for each.
    """
    parts = _tokenize_parts(texts, inputs)
    alignments = [part.pop("alignment") for part in parts if "alignment" in part]
    alignment = _join_alignments(alignments) if alignments else None
    features = _join(parts)
    lengths = next(iter(features.values())).row_lengths().numpy()
    if sample_weight is None:
        weights = np.ones(len(lengths), "float32")
    else:
        weights = sample_weight if alignment is None else sample_weight[alignment.example]
    return TokenizedSet(features, lengths, targets, weights, alignment)


def _tokenize_parts(texts: dict[str, list[str]], inputs: Inputs) -> list[dict[str, Any]]:
    """The features of `TEXTS_PER_CALL` texts at a time, several times at once."""

    def tensors(start: int) -> dict[str, tf.Tensor]:
        # Utf-8 with "replace": a lone surrogate from a json file must not end a training.
        return {
            name: tf.constant(
                [
                    text.encode("utf-8", "replace")
                    for text in column[start : start + TEXTS_PER_CALL]
                ],
                tf.string,
            )
            for name, column in texts.items()
        }

    starts = range(0, len(next(iter(texts.values()))), TEXTS_PER_CALL)
    if len(starts) <= 1:  # tracing would take longer
        return [inputs(tensors(0))]
    signature = {name: tf.TensorSpec([None], tf.string) for name in texts}
    traced = tf.function(inputs, input_signature=[signature], autograph=False)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(lambda start: traced(tensors(start)), starts))


def _join(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {name: tf.concat([part[name] for part in parts], axis=0) for name in parts[0]}


def _join_alignments(parts: Sequence[Alignment]) -> Alignment:
    """One alignment of all parts, each of `TEXTS_PER_CALL` examples but the last."""
    examples = [part.example.numpy() + number * TEXTS_PER_CALL for number, part in enumerate(parts)]
    return Alignment(
        np.concatenate(examples),
        _join([part.by_row for part in parts]),
        _join([part.by_example for part in parts]),
    )


def parts(rows: TokenizedSet, outputs: tf.RaggedTensor) -> Iterator[tuple[TokenizedSet, Any]]:
    """Some examples at a time, with their outputs (rows, pieces, ...) made dense."""
    for start in range(0, rows.num_examples, EXAMPLES_AT_ONCE):
        stop = min(start + EXAMPLES_AT_ONCE, rows.num_examples)
        yield rows.part(start, stop), outputs[rows.rows_of(start, stop)].to_tensor()


def training_dataset(
    examples: TokenizedSet,
    pad: Pad,
    *,
    batch_size: int,
    seed: int,
    first_epoch: int = 0,
    declared_lengths: Sequence[int] = (),
    accumulate: int = 1,
) -> tuple[tf.data.Dataset, int]:
    """Batches of epoch after epoch without an end, shuffled anew in each.

    Args:
        examples: with targets.
        pad: the encoder's, from ragged features to dense ones.
        batch_size: rows of a batch; of rows with groups, groups of a batch.
        seed: of the order.
        first_epoch: where a resumed training goes on; its order is what it would have been.
        declared_lengths: see `tfft.data.batching.training_batches`.
        accumulate: batches of an update.

    Returns:
        The data set of (features, targets, sample_weight) and the number of batches an epoch.
    """

    def batches_of(epoch: int) -> list[Batch]:
        batches = training_batches(
            examples.group_lengths,
            batch_size,
            seed=seed,
            epoch=epoch,
            declared_lengths=declared_lengths,
            multiple_of=accumulate,
        )
        if examples.groups is None:
            return batches
        return with_groups(batches, examples.groups, is_fixed=bool(declared_lengths))

    def all_epochs() -> Any:
        for epoch in itertools.count(first_epoch):
            yield from batches_of(epoch)

    return _dataset(examples, pad, all_epochs), len(batches_of(0))


def evaluation_dataset(
    examples: TokenizedSet, pad: Pad, *, batch_size: int, declared_lengths: Sequence[int] = ()
) -> tuple[tf.data.Dataset, np.ndarray]:
    """Batches of one pass in the best order for speed.

    Returns:
        The data set of features, and the row (or FILLER) that each line of the predictions is for.
    """
    batches = evaluation_batches(examples.lengths, batch_size, declared_lengths=declared_lengths)
    dataset = _dataset(examples, pad, lambda: iter(batches))
    # Keras warns of "data that ran out" where it does not know how many batches there are.
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(len(batches)))
    rows = np.concatenate([batch.rows for batch in batches])
    return dataset.map(lambda features, *_: features), rows


def _dataset(examples: TokenizedSet, pad: Pad, batches: Callable[[], Any]) -> tf.data.Dataset:
    rows = tf.data.Dataset.from_generator(
        lambda: ((batch.rows, batch.length) for batch in batches()),
        output_signature=(tf.TensorSpec([None], tf.int64), tf.TensorSpec([], tf.int64)),
    )
    gather = _gatherer(examples, pad)
    return rows.map(gather, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def _gatherer(examples: TokenizedSet, pad: Pad) -> Callable[..., Any]:
    weights = tf.constant(examples.sample_weight)
    targets = examples.targets
    if targets is not None and not isinstance(targets, tf.RaggedTensor):
        targets = tf.constant(targets)

    def gather(rows: tf.Tensor, length: tf.Tensor) -> tuple[Any, ...]:
        real = tf.maximum(rows, 0)
        picked = {name: tf.gather(column, real) for name, column in examples.features.items()}
        features = pad(picked, tf.where(length > 0, length, -1))
        if examples.vectors is not None:
            longest = tf.shape(features["token_ids"])[1]
            features["vectors"] = examples.vectors.gather(real, longest)
        weight = tf.where(rows >= 0, tf.gather(weights, real), 0.0)
        if targets is None:
            return features, weight
        chosen = tf.gather(targets, real)
        if isinstance(chosen, tf.RaggedTensor):
            padded = tf.shape(features["token_ids"], tf.int64)
            chosen = tf.ensure_shape(chosen.to_tensor(IGNORED, shape=padded), [None, None])
            # A word is the unit: what is no word's first piece weighs nothing.
            weight = weight[:, tf.newaxis] * tf.cast(chosen != IGNORED, tf.float32)
        if examples.groups is not None:
            # A loss that compares rows must know which are none; their weight comes too late.
            chosen = tf.where(rows[:, tf.newaxis] >= 0, chosen, IGNORED)
        return features, chosen, weight

    return gather
