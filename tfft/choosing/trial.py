"""One candidate on somebody's texts: how its tokenizer cuts them, and what its vectors tell."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from tfft.backbones.checkpoints import load_encoder
from tfft.backbones.encoder import Encoder
from tfft.choosing.directories import Preset, training_files
from tfft.choosing.probe import score_vectors, standard_error
from tfft.choosing.probes import build_probe
from tfft.choosing.sample import Sample
from tfft.data.examples import Examples
from tfft.text.words import listed_words, split_words

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
        in_windows: whether these rows go through windows, so that nothing is cut.
    """

    unknown: float
    pieces_a_word: float
    length: int
    cut: float
    longest: int
    cut_at_longest: float
    in_windows: bool = False


@dataclass(frozen=True)
class Trial:
    """What came out for one candidate.

    Attributes:
        preset: the candidate.
        rates: of its tokenizer.
        scores: of its probe, by name: values (folds,).
        score: the name of the one that ranks.
        seconds: that loading, computing the vectors and the probe took.
        has_learned: whether it was trained on the labels of these rows.
    """

    preset: Preset
    rates: Rates
    scores: dict[str, np.ndarray]
    score: str
    seconds: float
    has_learned: bool = False

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
    apart = sample.experiment.task.name == "similarity"
    rates = measure_rates(encoder, examples, longest, apart=apart)
    probe = build_probe(sample.experiment)
    scores = score_vectors(probe.vectors(encoder, examples), examples, probe)
    seconds = time.perf_counter() - start
    has_learned = bool(preset.trained_on & training_files(sample.experiment))
    return Trial(preset, rates, scores, next(iter(scores)), seconds, has_learned)


def measure_rates(
    encoder: Encoder, examples: Examples, longest: int, *, apart: bool = False
) -> Rates:
    """How an encoder's tokenizer cuts texts.

    Args:
        encoder: its `sequence_length` is what rows are cut at.
        examples: whose texts, or words.
        longest: the most pieces that the backbone takes.
        apart: whether each text is a row of its own. Else those of an example are one.
    """
    unknown_id = encoder.tokenizer.token_to_id(encoder.family.unknown)
    unknown = pieces = words = 0
    lengths = []
    for columns in _batches(examples):
        of_columns = []
        for texts in columns:
            ids, num_words = _pieces(encoder, texts, listed="words" in examples.texts)
            unknown += int(tf.reduce_sum(tf.cast(ids.values == unknown_id, tf.int32)))
            pieces += int(tf.size(ids.values))
            words += num_words
            of_columns.append(ids.row_lengths().numpy())
        special = encoder.num_special(1 if apart else len(columns))
        lengths += [each + special for each in (of_columns if apart else [sum(of_columns)])]
    row_lengths = np.concatenate(lengths)
    return Rates(
        unknown / max(pieces, 1),
        pieces / max(words, 1),
        encoder.sequence_length,
        float(np.mean(row_lengths > encoder.sequence_length)),
        longest,
        float(np.mean(row_lengths > longest)),
        in_windows="words" in examples.texts,
    )


def _pieces(encoder: Encoder, texts: Any, *, listed: bool) -> tuple[Any, int]:
    """The pieces of texts, ragged (rows, pieces), and how many words they have."""
    if listed:
        words = listed_words(texts).words
        return encoder.word_pieces(words).merge_dims(1, 2), int(tf.size(words.values))
    return encoder.pieces(texts), int(tf.size(split_words(texts).words.values))


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
    if trial.has_learned:
        told.append(f"{name} was trained on these rows: its score says little of others.")
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
    if rates.cut >= MOST_CUT and not rates.in_windows:
        more = (
            f"backbone.sequence_length can be up to {rates.longest}"
            if rates.longest > rates.length
            else "it takes no more"
        )
        told.append(f"{name} does not see the end of {rates.cut:.0%} of the rows: {more}.")
    return told
