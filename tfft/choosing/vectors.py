"""The vectors that an encoder as it is has for texts, for pairs of texts and for words."""

import contextlib
import logging
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np

from tfft.backbones.encoder import Encoder
from tfft.data.examples import Examples
from tfft.data.pipeline import IGNORED, TokenizedSet
from tfft.devices import declared_lengths
from tfft.inference import predict_outputs, tokenize_texts
from tfft.tasks import Similarity, TokenClassification


def text_vectors(encoder: Encoder, texts: Sequence[str], pooling: str = "mean") -> np.ndarray:
    """A vector for each text, float32 (texts, hidden_dim).

    Args:
        encoder: whose vectors.
        texts: each for itself.
        pooling: of the vectors of its pieces; see `tfft.tasks.Similarity`.
    """
    task = Similarity(pooling=pooling, normalize=False)
    rows = tokenize_texts(task, encoder, {"text": list(texts)})
    return np.asarray(_predict(task.build_model(encoder), rows, encoder))


def columns_of_vectors(
    encoder: Encoder, examples: Examples, pooling: str = "mean"
) -> list[np.ndarray]:
    """The vectors of each field's texts, float32 (rows, hidden_dim) each, the first two fields."""
    columns = list(examples.texts.values())[:2]
    vectors = text_vectors(encoder, [text for column in columns for text in column], pooling)
    return np.split(vectors, len(columns))


def pair_vectors(encoder: Encoder, examples: Examples) -> np.ndarray:
    """Both vectors of a pair, how far they differ and their product, (pairs, 4 * hidden_dim).

    Conneau et al. 2017, "Supervised Learning of Universal Sentence Representations", 3.2: of the
    mean over both texts a linear model could not tell what they have to do with each other.
    """
    first, second = columns_of_vectors(encoder, examples)
    return np.hstack([first, second, np.abs(first - second), first * second])


def word_vectors(encoder: Encoder, examples: Examples) -> np.ndarray:
    """The vector of each word's first piece, of all sentences, float32 (words, hidden_dim)."""
    rows = tokenize_texts(TokenClassification(["O"]), encoder, examples.texts)
    assert rows.alignment is not None
    inputs = encoder.inputs()
    outputs = _predict(keras.Model(inputs, encoder.sequence(inputs)), rows, encoder)
    word = rows.alignment.by_row["word"]
    sentence = rows.alignment.example[word.value_rowids().numpy()]
    number = word.flat_values.numpy()
    begins = np.flatnonzero(number != IGNORED)
    order = np.lexsort([number[begins], sentence[begins]])
    return outputs.flat_values.numpy()[begins[order]]


def _predict(model: Any, rows: TokenizedSet, encoder: Encoder) -> Any:
    with _without_notes():
        lengths = declared_lengths(encoder.sequence_length, None)
        return predict_outputs(model, rows, encoder, lengths=lengths)


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
