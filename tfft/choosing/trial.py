"""One candidate on somebody's texts: how its tokenizer cuts them, and what its vectors tell."""

import contextlib
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from tfft.backbones.checkpoints import load_encoder
from tfft.backbones.encoder import Encoder
from tfft.choosing.directories import Preset
from tfft.choosing.probe import build_probe, score_vectors, standard_error
from tfft.choosing.sample import Sample
from tfft.data.examples import Examples
from tfft.devices import declared_lengths
from tfft.inference import predict_outputs, tokenize_texts
from tfft.tasks import Task, build_task
from tfft.text.words import split_words

TEXTS_AT_ONCE = 1024
MOST_UNKNOWN = 0.05
"""Share of unknown pieces from which a tokenizer does not know the language or its signs."""
MOST_PIECES = 2.5
"""Pieces a word from which it knows the letters, hardly the words."""
MOST_CUT = 0.1


@dataclass(frozen=True)
class Rates:
    """How a tokenizer cuts texts.

    Attributes:
        unknown: share of the pieces that stand for something unknown.
        pieces_a_word: with words cut as for tagging: a Chinese character is one.
        length: the most pieces of a row.
        cut: share of the rows that are longer.
        longest: the most pieces that the backbone takes.
        cut_at_longest: share of the rows that are longer even than that.
    """

    unknown: float
    pieces_a_word: float
    length: int
    cut: float
    longest: int
    cut_at_longest: float


@dataclass(frozen=True)
class Trial:
    """What came out for one candidate.

    Attributes:
        preset: the candidate.
        rates: of its tokenizer.
        scores: of its probe, by name: values (folds,).
        score: the name of the one that ranks.
        seconds: that loading, computing the vectors and the probe took.
    """

    preset: Preset
    rates: Rates
    scores: dict[str, np.ndarray]
    score: str
    seconds: float

    @property
    def ranked(self) -> np.ndarray:
        """The values (folds,) of the score that ranks."""
        return self.scores[self.score]

    def equals(self, best: "Trial") -> bool:
        """Whether it is within one standard error of the best one, fold by fold."""
        behind = best.ranked - self.ranked
        return bool(np.mean(behind) <= standard_error(behind))


def try_preset(preset: Preset, sample: Sample) -> Trial:
    """Measures one candidate.

    Raises:
        ConfigError: it cannot be loaded.
    """
    start = time.perf_counter()
    section = sample.experiment.backbone
    encoder = load_encoder(preset.directory or preset.name, truncation=section.truncation)
    longest = encoder.sequence_length
    encoder.sequence_length = min(section.sequence_length, longest)
    examples = sample.examples
    task = build_task(sample.experiment, labels_of(examples))
    rates = measure_rates(encoder, examples, longest)
    probe = build_probe(sample.experiment)
    vectors = mean_vectors(encoder, task, examples)
    scores = score_vectors(vectors, examples.labels or [], probe)
    return Trial(preset, rates, scores, probe.score, time.perf_counter() - start)


def labels_of(examples: Examples) -> list[str]:
    """The names of the labels that occur."""
    labels = examples.labels or []
    names = {name for label in labels for name in (label if isinstance(label, list) else [label])}
    return sorted(str(name) for name in names)


def mean_vectors(encoder: Encoder, task: Task, examples: Examples) -> np.ndarray:
    """The mean of the vectors of each text's pieces, float32 (rows, hidden_dim)."""
    inputs = encoder.inputs()
    sequence = encoder.sequence(inputs)
    mask = ops.expand_dims(ops.cast(inputs["padding_mask"], sequence.dtype), -1)
    means = ops.sum(sequence * mask, axis=1) / ops.sum(mask, axis=1)
    rows = tokenize_texts(task, encoder, examples.texts)
    lengths = declared_lengths(encoder.sequence_length, None)
    with _without_notes():
        return predict_outputs(keras.Model(inputs, means), rows, encoder, lengths=lengths)


@contextlib.contextmanager
def _without_notes() -> Iterator[None]:
    """Hides that a function was traced anew: it is that of another candidate."""
    logger = logging.getLogger("tensorflow")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def measure_rates(encoder: Encoder, examples: Examples, longest: int) -> Rates:
    """How an encoder's tokenizer cuts texts.

    Args:
        encoder: its `sequence_length` is what rows are cut at.
        examples: whose texts.
        longest: the most pieces that the backbone takes.
    """
    unknown_id = encoder.tokenizer.token_to_id(encoder.family.unknown)
    unknown = pieces = words = 0
    lengths = []
    for columns in _batches(examples):
        for texts in columns:
            ids = encoder.pieces(texts).values
            unknown += int(tf.reduce_sum(tf.cast(ids == unknown_id, tf.int32)))
            pieces += int(tf.size(ids))
            words += int(tf.size(split_words(texts).words.values))
        lengths.append(encoder.lengths(columns).numpy())
    row_lengths = np.concatenate(lengths)
    return Rates(
        unknown / max(pieces, 1),
        pieces / max(words, 1),
        encoder.sequence_length,
        float(np.mean(row_lengths > encoder.sequence_length)),
        longest,
        float(np.mean(row_lengths > longest)),
    )


def _batches(examples: Examples) -> Iterator[list[Any]]:
    """The columns of texts as string tensors, some rows at a time."""
    for start in range(0, len(examples), TEXTS_AT_ONCE):
        yield [
            tf.constant(
                [text.encode("utf-8", "replace") for text in column[start:][:TEXTS_AT_ONCE]]
            )
            for column in examples.texts.values()
        ]


def warnings_of(trial: Trial) -> list[str]:
    """What should be known before a candidate is taken."""
    name, rates = trial.preset.name, trial.rates
    told = []
    if rates.unknown >= MOST_UNKNOWN:
        told.append(
            f"{name} does not know {rates.unknown:.0%} of the pieces of these texts: it learned "
            "another language or script (tfft backbones --language CODE lists what learned yours)."
        )
    elif rates.pieces_a_word >= MOST_PIECES:
        told.append(
            f"{name} cuts a word into {rates.pieces_a_word:.1f} pieces: it hardly knows the words "
            "of these texts."
        )
    if rates.cut >= MOST_CUT:
        more = (
            f"backbone.sequence_length can be up to {rates.longest}"
            if rates.longest > rates.length
            else "it takes no more"
        )
        told.append(f"{name} does not see the end of {rates.cut:.0%} of the rows: {more}.")
    return told
