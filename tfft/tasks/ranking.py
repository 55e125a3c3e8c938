"""Ranking: how relevant passages are to a query, each read together with it (a cross-encoder)."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfft.backbones.encoder import Encoder
from tfft.data.examples import Examples
from tfft.data.pipeline import Alignment, TokenizedSet
from tfft.data.streamed_examples import Split
from tfft.errors import DataError
from tfft.metrics.retrieval import ranking_scores
from tfft.tasks.heads import classification_head
from tfft.tasks.ranking_losses import ListwiseLoss


class Ranking:
    """Scores for pairs of query and passage (Nogueira and Cho 2019). Fulfils `Task`.

    Args:
        loss: `pointwise`, binary cross-entropy of each passage; or `listwise`, see
            `tfft.tasks.ranking_losses.ListwiseLoss`.
        dropout: before the last layer.
    """

    name = "ranking"
    text_fields: Sequence[str] = ("query", "passage")
    takes_words = False
    monitor = "ndcg_at_10"

    def __init__(self, *, loss: str = "pointwise", dropout: float = 0.1) -> None:
        self.labels: list[str] = []
        self.is_listwise = loss == "listwise"
        self.dropout = dropout

    def check(self, examples: Examples) -> None:
        """There must be relevant passages and others.

        Raises:
            DataError: all are, or none is.
        """
        relevant = sum(relevance > 0 for _, relevance in examples.labels or [])
        if relevant in (0, len(examples)):
            raise DataError(
                f"{examples.path}: {'none' if not relevant else 'each'} of the {len(examples)} "
                "passages is relevant to its query: there is nothing to tell apart. Check "
                "data.columns.relevance; for questions with one paragraph each set data.candidates."
            )

    def counts(self, examples: Examples) -> dict[str, int]:
        """How many passages are relevant to their queries, and how many are not."""
        labels = examples.labels or []
        relevant = sum(relevance > 0 for _, relevance in labels)
        return {
            "relevant": relevant,
            "not relevant": len(labels) - relevant,
        }

    def build_model(self, encoder: Encoder | Any) -> Any:
        """Puts the head on an encoder.

        Args:
            encoder: an `Encoder`, or the backbone of one.

        Returns:
            A Keras model from `token_ids`, `padding_mask` and, where used, `segment_ids`, int
            (batch_size, length), to logits float32 (batch_size, 1).
        """
        encoder = Encoder.around(encoder)
        inputs = encoder.inputs()
        logits = classification_head(
            *encoder.first(inputs),
            num_outputs=1,
            dropout=self.dropout,
            activation=encoder.family.head_activation,
            dtype=encoder.backbone.dtype_policy,
        )
        return keras.Model(inputs=inputs, outputs=logits, name=self.name)

    def inputs(self, texts: Mapping[str, Any], encoder: Encoder) -> dict[str, Any]:
        """Turns string tensors (batch_size,) into ragged features. See `Encoder.features`."""
        return encoder.features([texts[field] for field in self.text_fields])

    def targets(self, rows: TokenizedSet) -> np.ndarray:
        """Whether each passage is relevant, float32 (rows, 1); listwise see `ListwiseLoss`."""
        assert rows.examples is not None
        relevance = np.array([number for _, number in rows.examples.labels or []], "float32")
        if not self.is_listwise:
            return (relevance > 0).astype("float32")[:, np.newaxis]
        return np.stack([_numbers(rows).astype("float32"), relevance], axis=1)

    def groups(self, rows: TokenizedSet) -> np.ndarray | None:
        """Listwise, the candidates of a query are learned together."""
        return _numbers(rows) if self.is_listwise else None

    def loss(self, model: Any = None) -> Any:
        """Binary or softmax cross-entropy."""
        if self.is_listwise:
            return ListwiseLoss()
        return keras.losses.BinaryCrossentropy(
            from_logits=True, reduction="mean_with_sample_weight", name="pointwise"
        )

    def metrics(self) -> list[Any]:
        """None while training: what counts is seen on whole queries."""
        return []

    def tune(self, rows: TokenizedSet, outputs: np.ndarray) -> None:
        """Nothing is chosen on validation."""

    def scores(self, rows: TokenizedSet, outputs: np.ndarray) -> dict[str, Any]:
        """`loss`, and `mrr_at_10` and so on; see `tfft.metrics.retrieval`."""
        lists = list(_by_query(rows, outputs[:, 0].astype("float64")))
        if self.is_listwise:
            losses = [_softmax_loss(*each) for each in lists if each[0].any()]
            loss = float(np.mean(losses)) if losses else 0.0
        else:
            loss = float(self.loss()(rows.targets, outputs))
        return {"loss": loss, **ranking_scores(lists)}

    def confusions(self, rows: TokenizedSet, outputs: np.ndarray) -> list[tuple[str, str, int]]:
        """None: there are no classes."""
        return []

    def notes(self, rows: TokenizedSet, outputs: np.ndarray) -> list[str]:
        """Says so when all passages have nearly the same score, or queries do not count."""
        lists = list(_by_query(rows, outputs[:, 0]))
        without = sum(not relevance.any() for relevance, _ in lists)
        notes = []
        if len(outputs) > 1 and np.ptp(outputs) < 1e-3:
            notes.append("All passages have the same score: nothing was learned.")
        if without:
            notes.append(
                f"{without} of {len(lists)} queries have no relevant passage: they do not count."
            )
        return notes

    def answers(self, rows: TokenizedSet, outputs: np.ndarray) -> list[dict[str, Any]]:
        """`score`, higher for what is more relevant; see `serve`."""
        return [{"score": score} for score in self.serve(outputs)["score"].numpy().tolist()]

    def serve(self, outputs: Any, alignment: Alignment | None = None) -> dict[str, Any]:
        """The SavedModel's answers.

        Returns:
            `score`, float32 (batch_size,): learned pointwise the probability that the passage is
            relevant; listwise a number that tells something only beside those of other passages.
        """
        logits = tf.convert_to_tensor(outputs)[:, 0]
        return {"score": logits if self.is_listwise else tf.sigmoid(logits)}

    def serve_tokens(self, outputs: Any) -> dict[str, Any]:
        """The same, for token ids."""
        return self.serve(outputs)


def _numbers(rows: TokenizedSet) -> np.ndarray:
    """The number of each row's query, from 0 on."""
    assert rows.examples is not None
    queries = [query for query, _ in rows.examples.labels or []]
    numbers = {query: number for number, query in enumerate(dict.fromkeys(queries))}
    return np.array([numbers[query] for query in queries])


def _by_query(rows: TokenizedSet, logits: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The relevance and the logits of each query's candidates."""
    assert rows.examples is not None
    relevance = np.array([number for _, number in rows.examples.labels or []])
    numbers = _numbers(rows)
    order = np.argsort(numbers, kind="stable")
    for part in np.split(order, np.flatnonzero(np.diff(numbers[order])) + 1):
        yield relevance[part], logits[part]


def _softmax_loss(relevance: np.ndarray, logits: np.ndarray) -> float:
    """What `ListwiseLoss` is for one query."""
    log_probabilities = logits - np.logaddexp.reduce(logits)
    return float(-np.sum(relevance / relevance.sum() * log_probabilities))


def build(
    section: Any,
    *,
    pair: bool,
    labels: Sequence[str] | None,
    train: Split | None,
    threshold: float | None,
) -> Ranking:
    """Builds the task of a config. See `tfft.tasks.build_task`."""
    return Ranking(**section.model_dump(exclude={"name"}))
