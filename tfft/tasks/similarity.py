"""Sentence embeddings: a vector for each text, near to those of texts that mean the same."""

import itertools
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
from tfft.metrics.similarity import regression_scores
from tfft.tasks.heads import embedding_head, pool_pieces
from tfft.tasks.similarity_losses import CoSENT, CosineError, InBatchNegatives, TripletMargin

# What an example may have; each is a row of pieces.
TEXTS = ("text", "text_pair", "negative")
SCORED = ("cosine", "cosent")
# Examples whose loss is computed together where a split is scored.
AT_ONCE = 64
RANGES = 5


class Similarity:
    """Embeddings (Reimers and Gurevych 2019). Fulfils `tfft.tasks.base.Task`.

    Learns from pairs, triplets or pairs with a score; both sides go through the one encoder, as
    rows of one batch. Answers single texts.

    Args:
        loss: `in_batch_negatives` (of pairs, or of triplets), `triplet`, `cosine` or `cosent` (of
            pairs with a score).
        triplets: whether an example to learn from has a text unlike the first, too.
        pooling: `mean`, `cls` (the first piece's vector) or `max`.
        normalize: whether embeddings have length 1.
        scale: `in_batch_negatives`, `cosent`: what cosines are multiplied by.
        margin: `triplet`: by how much a pair must be nearer than a negative, in cosines.
        lowest_score: the score of a pair that cosine 0 stands for.
        highest_score: the score of a pair that cosine 1 stands for.
        dropout: of the pooled vector.
    """

    name = "similarity"
    text_fields: Sequence[str] = ("text",)
    takes_words = False

    def __init__(
        self,
        *,
        loss: str = "in_batch_negatives",
        triplets: bool = False,
        pooling: str = "mean",
        normalize: bool = True,
        scale: float = 20.0,
        margin: float = 0.5,
        lowest_score: float = 0.0,
        highest_score: float = 1.0,
        dropout: float = 0.0,
    ) -> None:
        self.labels: list[str] = []
        self.monitor = "spearman" if loss in SCORED else "ndcg_at_10"
        self.learned_from = loss
        self.triplets = triplets or loss == "triplet"
        self.pooling = pooling
        self.normalize = normalize
        self.scale = scale
        self.margin = margin
        self.lowest_score = lowest_score
        self.highest_score = highest_score
        self.dropout = dropout

    def check(self, examples: Examples) -> None:
        """Scores must be in the range.

        Raises:
            DataError: one is not, or some files of the split have scores and others have none.
        """
        scores = examples.labels or []
        if scores and len(scores) != len(examples):
            raise DataError(
                f"{examples.path}: {len(scores)} of the {len(examples)} pairs have a score. Give "
                "all files of a split a column of scores (data.columns.label), or none."
            )
        for row, score in enumerate(scores):
            if not self.lowest_score <= score <= self.highest_score:
                raise DataError(
                    f"{examples.where(row)}: the score is {score:g}, outside of "
                    f"{self.lowest_score:g} to {self.highest_score:g}. Set task.lowest_score and "
                    "task.highest_score to the ends of your scale."
                )

    def counts(self, examples: Examples) -> dict[str, int]:
        """How many pairs have a score in each fifth of the range; else how many examples."""
        if examples.labels is None:
            return {"triplets" if "negative" in examples.texts else "pairs": len(examples)}
        edges = np.linspace(self.lowest_score, self.highest_score, RANGES + 1)
        counts, _ = np.histogram(examples.labels, edges)
        names = [f"{low:g} to {high:g}" for low, high in itertools.pairwise(edges)]
        return dict(zip(names, counts.tolist(), strict=True))

    # ------------------------------------------------------------------------------- the model

    def build_model(self, encoder: Encoder | Any) -> Any:
        """Puts the head on an encoder.

        Args:
            encoder: an `Encoder`, or the backbone of one.

        Returns:
            A Keras model from `token_ids`, `padding_mask` and, where used, `segment_ids`, int
            (batch_size, length), to embeddings float32 (batch_size, hidden_dim).
        """
        encoder = Encoder.around(encoder)
        inputs = encoder.inputs()
        if self.pooling == "cls":
            vectors, _ = encoder.first(inputs, with_pooler=False)
        else:
            vectors = pool_pieces(encoder.sequence(inputs), inputs["padding_mask"], self.pooling)
        embeddings = embedding_head(vectors, normalize=self.normalize, dropout=self.dropout)
        return keras.Model(inputs=inputs, outputs=embeddings, name=self.name)

    def inputs(self, texts: Mapping[str, Any], encoder: Encoder) -> dict[str, Any]:
        """Turns string tensors (batch_size,) into ragged features.

        Of examples with several texts each has a row of its own, those of an example stand together
        in the order of `TEXTS`, and `alignment` says which.
        """
        columns = [texts[field] for field in TEXTS if field in texts]
        if len(columns) == 1:
            return encoder.features(columns)
        example = tf.range(tf.size(columns[0], tf.int64))
        return {
            **encoder.features([tf.reshape(tf.stack(columns, axis=1), [-1])]),
            "alignment": Alignment(tf.repeat(example, len(columns)), {}, {"number": example}),
        }

    def targets(self, rows: TokenizedSet) -> np.ndarray:
        """See `tfft.tasks.similarity_losses`: float32 (rows, 2), scores scaled to 0 to 1."""
        assert rows.examples is not None
        columns = [rows.examples.texts[field] for field in TEXTS if field in rows.examples.texts]
        texts = [text for of_example in zip(*columns, strict=True) for text in of_example]
        numbers = {text: number for number, text in enumerate(dict.fromkeys(texts))}
        scores = np.array(rows.examples.labels or [0.0] * len(rows.examples))
        scaled = (scores - self.lowest_score) / (self.highest_score - self.lowest_score)
        targets = [[numbers[text] for text in texts], np.repeat(scaled, len(columns))]
        return np.array(targets, "float32").T

    def groups(self, rows: TokenizedSet) -> np.ndarray | None:
        """The texts of an example are learned together."""
        return None if rows.alignment is None else np.asarray(rows.alignment.example)

    def loss(self, model: Any = None) -> Any:
        """The loss that the task was made with; see `tfft.tasks.similarity_losses`."""
        return self._build_loss(self.learned_from, 3 if self.triplets else 2)

    def _build_loss(self, name: str, num_texts: int) -> Any:
        if name == "triplet":
            return TripletMargin(margin=self.margin)
        if name == "cosine":
            return CosineError()
        if name == "cosent":
            return CoSENT(scale=self.scale)
        return InBatchNegatives(num_texts=num_texts, scale=self.scale)

    def metrics(self) -> list[Any]:
        """None while training: what counts is seen on whole splits."""
        return []

    # ----------------------------------------------------------------------------- the answers

    def tune(self, rows: TokenizedSet, outputs: np.ndarray) -> None:
        """Nothing is chosen on validation."""

    def scores(self, rows: TokenizedSet, outputs: np.ndarray) -> dict[str, Any]:
        """`loss`, and what the split is good for.

        Pairs with a score: `pearson`, `spearman` of cosine and score, and `mse`, their squared
        difference with scores from 0 to 1. Other pairs: each text is looked for among the different
        texts of all pairs and negatives; `mrr_at_10` and so on, see `tfft.metrics.retrieval`.
        Triplets also `triplet_accuracy`, the share of texts nearer to their pair.

        `loss` is that of the training, in batches of 64 in the order of the split. Where the split
        lacks what it needs, pairs with a score have the loss `cosine`, others
        `in_batch_negatives`.
        """
        assert rows.examples is not None
        num_texts = len(outputs) // max(len(rows.examples), 1)
        vectors = _unit(outputs).reshape(len(rows.examples), num_texts, -1)
        loss = {"loss": self._mean_loss(rows, outputs, num_texts)}
        cosine = np.sum(vectors[:, 0] * vectors[:, 1], axis=-1)
        if rows.examples.labels is not None:
            return loss | regression_scores(rows.targets[::num_texts, 1], cosine)
        found = ranking_scores(_searches(rows.targets[:, 0].reshape(-1, num_texts), vectors))
        if num_texts == 3:
            is_nearer = cosine > np.sum(vectors[:, 0] * vectors[:, 2], axis=-1)
            found["triplet_accuracy"] = float(np.mean(is_nearer))
        return loss | found

    def _mean_loss(self, rows: TokenizedSet, outputs: np.ndarray, num_texts: int) -> float:
        name = self.learned_from
        is_scored = rows.examples is not None and rows.examples.labels is not None
        if is_scored != (name in SCORED) or (name == "triplet" and num_texts == 2):
            name = "cosine" if is_scored else "in_batch_negatives"
        loss, total = self._build_loss(name, num_texts), 0.0
        for start in range(0, len(outputs), AT_ONCE * num_texts):
            part = slice(start, start + AT_ONCE * num_texts)
            losses = loss.call(rows.targets[part], outputs[part])
            total += float(np.sum(keras.ops.convert_to_numpy(losses)))
        return total / max(len(outputs), 1)

    def confusions(self, rows: TokenizedSet, outputs: np.ndarray) -> list[tuple[str, str, int]]:
        """None: there are no classes."""
        return []

    def notes(self, rows: TokenizedSet, outputs: np.ndarray) -> list[str]:
        """Says so when all texts have nearly the same embedding."""
        vectors = _unit(outputs)
        if len(vectors) < 2 or np.ptp(vectors, axis=0).max() > 1e-3:
            return []
        return ["All texts have the same embedding: nothing was learned."]

    def answers(self, rows: TokenizedSet, outputs: np.ndarray) -> list[dict[str, Any]]:
        """`embedding`, a list of numbers."""
        return [{"embedding": row} for row in outputs.tolist()]

    def serve(self, outputs: Any, alignment: Alignment | None = None) -> dict[str, Any]:
        """The SavedModel's answers: `embedding`, float32 (batch_size, hidden_dim)."""
        return {"embedding": outputs}

    def serve_tokens(self, outputs: Any) -> dict[str, Any]:
        """The same, for token ids."""
        return self.serve(outputs)


def _unit(outputs: np.ndarray) -> np.ndarray:
    return outputs / np.maximum(np.linalg.norm(outputs, axis=-1, keepdims=True), 1e-12)


def _searches(numbers: np.ndarray, vectors: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The relevance of each candidate to a text and its cosine with it, text by text.

    Candidates are the different texts of all pairs and negatives, but for the text itself; relevant
    are the pairs of equal texts.

    Args:
        numbers: (examples, num_texts), equal for equal texts.
        vectors: (examples, num_texts, hidden_dim), of length 1.
    """
    candidates, first = np.unique(numbers[:, 1:].ravel(), return_index=True)
    found = vectors[:, 1:].reshape(-1, vectors.shape[-1])[first]
    queries, first = np.unique(numbers[:, 0], return_index=True)
    for query, example in zip(queries, first, strict=True):
        relevant = np.isin(candidates, numbers[numbers[:, 0] == query, 1])
        others = relevant | (candidates != query)
        yield relevant[others], (found @ vectors[example, 0])[others]


def build(
    section: Any,
    *,
    pair: bool,
    labels: Sequence[str] | None,
    train: Split | None,
    threshold: float | None,
) -> Similarity:
    """Builds the task of a config. See `tfft.tasks.build_task`."""
    options = section.model_dump(exclude={"name"})
    triplets = isinstance(train, Examples) and "negative" in train.texts
    return Similarity(**options, triplets=triplets)
