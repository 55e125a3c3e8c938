"""What embeddings are learned from: losses that compare the texts of a batch with each other.

A batch has the `num_texts` texts of one example after the other: (text, text_pair), or with hard
negatives (text, text_pair, negative). Targets are float32 (rows, 2), one row a text: a number that
equal texts share, and the score of its example from 0 to 1 (of examples without scores: anything).
Rows that only fill up a batch have -1.

Shapes: rows = examples * num_texts. Each loss returns (rows,), for an example the same number
`num_texts` times, so that Keras weighs and averages it as that of any rows.
"""

from typing import Any

import keras
from keras import ops

from tfft.tasks.heads import MASKED


class InBatchNegatives(keras.losses.Loss):
    """To find a text's pair among all pairs and negatives of the batch.

    Softmax cross-entropy over cosines (Henderson et al. 2017; sentence-transformers calls it
    MultipleNegativesRankingLoss). No negative of a text is what equals it or its own pair, nor the
    pair of an equal text.

    Args:
        num_texts: of an example, 2 or 3.
        scale: what cosines are multiplied by, the inverse of a temperature.
    """

    def __init__(
        self, *, num_texts: int = 2, scale: float = 20.0, name: str = "in_batch_negatives"
    ) -> None:
        super().__init__(name=name, reduction="mean_with_sample_weight")
        self.num_texts, self.scale = num_texts, scale

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Losses (rows,) of targets (rows, 2) and embeddings (rows, hidden_dim)."""
        vectors = _unit_vectors(y_pred, self.num_texts)
        numbers = _by_example(y_true, self.num_texts)[:, :, 0]
        # Candidates: all pairs, then all negatives.
        candidates = ops.concatenate([vectors[:, n] for n in range(1, self.num_texts)], axis=0)
        logits = self.scale * ops.matmul(vectors[:, 0], ops.transpose(candidates))
        right = self.scale * _cosine(vectors, 1)
        hidden = ops.concatenate(
            [_not_negative(numbers, place) for place in range(1, self.num_texts)], axis=1
        )
        logits = ops.where(hidden, MASKED, logits)
        losses = ops.logsumexp(logits, axis=-1) - right
        return ops.repeat(losses, self.num_texts)


def _not_negative(numbers: Any, place: int) -> Any:
    """Which of the texts at a place of the examples are no negatives of each example's first text.

    Args:
        numbers: (examples, num_texts), equal for equal texts, below 0 for what fills up a batch.
        place: 1 for pairs, where an example's own one counts as it is what is looked for, or 2.

    Returns:
        bool (examples, examples).
    """
    texts, pairs, candidates = numbers[:, 0], numbers[:, 1], numbers[:, place]
    hidden = ops.logical_or(_equal(texts, candidates), _equal(pairs, candidates))
    hidden = ops.logical_or(hidden, candidates < 0)
    if place > 1:
        return hidden
    hidden = ops.logical_or(hidden, _equal(texts, texts))
    count = ops.arange(ops.shape(numbers)[0])
    return ops.logical_and(hidden, ops.logical_not(_equal(count, count)))


class TripletMargin(keras.losses.Loss):
    """That a text is nearer to its pair than to its negative, by a margin (Schroff et al. 2015).

    The distance is 1 - cosine: max(0, margin + cosine(text, negative) - cosine(text, pair)).

    Args:
        margin: from 0 to 2.
    """

    def __init__(self, *, margin: float = 0.5, name: str = "triplet") -> None:
        super().__init__(name=name, reduction="mean_with_sample_weight")
        self.margin = margin

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Losses (rows,) of embeddings (rows, hidden_dim), three an example."""
        vectors = _unit_vectors(y_pred, 3)
        return ops.repeat(ops.relu(self.margin + _cosine(vectors, 2) - _cosine(vectors, 1)), 3)


class CosineError(keras.losses.Loss):
    """The squared difference of cosine and score (Reimers and Gurevych 2019, Sentence-BERT)."""

    def __init__(self, *, name: str = "cosine") -> None:
        super().__init__(name=name, reduction="mean_with_sample_weight")

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Losses (rows,) of targets (rows, 2) and embeddings (rows, hidden_dim), two an example."""
        vectors = _unit_vectors(y_pred, 2)
        score = _by_example(y_true, 2)[:, 0, 1]
        return ops.repeat(ops.square(_cosine(vectors, 1) - score), 2)


class CoSENT(keras.losses.Loss):
    """That of two pairs of the batch the one with the higher score has the higher cosine.

    log(1 + sum of exp(scale * (cosine_j - cosine_i))) over all i, j with score_i > score_j
    (Su Jianlin 2022, kexue.fm/archives/8847). It is one number for the whole batch.

    Args:
        scale: what cosines are multiplied by.
    """

    def __init__(self, *, scale: float = 20.0, name: str = "cosent") -> None:
        super().__init__(name=name, reduction="mean_with_sample_weight")
        self.scale = scale

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Losses (rows,) of targets (rows, 2) and embeddings (rows, hidden_dim), two an example."""
        cosine = _cosine(_unit_vectors(y_pred, 2), 1)
        number, score = ops.unstack(_by_example(y_true, 2)[:, 0], axis=-1)
        is_real = number >= 0
        is_higher = ops.logical_and(
            ops.expand_dims(score, 1) > ops.expand_dims(score, 0),
            ops.logical_and(ops.expand_dims(is_real, 1), ops.expand_dims(is_real, 0)),
        )
        wrong = self.scale * (ops.expand_dims(cosine, 0) - ops.expand_dims(cosine, 1))
        loss = ops.softplus(ops.logsumexp(ops.where(is_higher, wrong, MASKED)))
        return loss * ops.ones_like(y_true[:, 0])


def _unit_vectors(embeddings: Any, num_texts: int) -> Any:
    """(examples, num_texts, hidden_dim), each of length 1, of (rows, hidden_dim)."""
    return ops.normalize(_by_example(embeddings, num_texts), axis=-1)


def _by_example(values: Any, num_texts: int) -> Any:
    """(examples, num_texts, ...) of (rows, ...)."""
    values = ops.cast(values, "float32")
    return ops.reshape(values, (-1, num_texts, values.shape[-1]))


def _cosine(vectors: Any, place: int) -> Any:
    """(examples,) of the first text with that at a place; (examples, num_texts, hidden_dim)."""
    return ops.sum(vectors[:, 0] * vectors[:, place], axis=-1)


def _equal(first: Any, second: Any) -> Any:
    """Whether each of (n,) equals each of (m,)."""
    return ops.equal(ops.expand_dims(first, 1), ops.expand_dims(second, 0))
