"""Text classification: one label a text or pair of texts, or any number of labels."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import keras
import numpy as np

from tfft.backbones.encoder import Encoder
from tfft.data.examples import Examples
from tfft.data.labels import balanced_class_weights, count_labels, count_names, encode_labels
from tfft.data.pipeline import Alignment, TokenizedSet
from tfft.data.splits import choose_labels
from tfft.data.streamed_examples import Split
from tfft.errors import ConfigError, did_you_mean
from tfft.metrics.classification import classification_scores, confusions, degenerate_note
from tfft.metrics.multi_label import multi_label_scores, tune_threshold
from tfft.tasks.heads import classification_head
from tfft.tasks.losses import LabelLoss, MultiLabelLoss

LOSS_ROWS = 8192
RAREST = 1e-4


class TextClassification:
    """Labels for texts. Fulfils `tfft.tasks.base.Task`.

    Args:
        labels: label names, in the order of the outputs.
        pair: whether an example has two texts.
        multi_label: whether an example may have any number of labels, also none. Sigmoid instead
            of softmax.
        class_weights: (labels,), multiplies the loss of each class; with `multi_label` that of its
            positives. Default: 1.
        label_smoothing: share of the target that is spread over all labels.
        dropout: before the last layer.
        label_shares: (labels,), with `multi_label` the share of the training rows that has each
            label. The head then begins with these probabilities instead of 0.5, and the first
            steps go to the texts instead of the biases (Lin et al. 2017, "Focal Loss for Dense
            Object Detection", 4.1).
        threshold: with `multi_label`, the probability from which on a label is given; None: tuned
            on validation by `tune`, 0.5 until then.
        threshold_metric: what the tuned threshold is the best for: `micro_f1` or `macro_f1`.
    """

    name = "text_classification"
    takes_words = False

    def __init__(
        self,
        labels: Sequence[str],
        *,
        pair: bool = False,
        multi_label: bool = False,
        class_weights: Sequence[float] | None = None,
        label_smoothing: float = 0.0,
        dropout: float = 0.1,
        label_shares: Sequence[float] | None = None,
        threshold: float | None = None,
        threshold_metric: Literal["micro_f1", "macro_f1"] = "micro_f1",
    ) -> None:
        self.labels = list(labels)
        self.text_fields: Sequence[str] = ("text", "text_pair") if pair else ("text",)
        self.multi_label = multi_label
        self.class_weights = class_weights
        self.label_smoothing = label_smoothing
        self.dropout = dropout
        self.label_shares = label_shares if multi_label else None
        self.threshold = 0.5 if threshold is None else threshold
        self.threshold_metric = threshold_metric
        self.monitor: str = threshold_metric if multi_label else "accuracy"
        self._tunes = multi_label and threshold is None

    def build_model(self, encoder: Encoder | Any) -> Any:
        """Puts the head on an encoder.

        Args:
            encoder: an `Encoder`, or the backbone of one.

        Returns:
            A Keras model from `token_ids`, `padding_mask` and, where used, `segment_ids`, int
            (batch_size, length), to logits float32 (batch_size, labels).
        """
        encoder = Encoder.around(encoder)
        inputs = encoder.inputs()
        logits = classification_head(
            *encoder.first(inputs),
            num_outputs=len(self.labels),
            dropout=self.dropout,
            activation=encoder.family.head_activation,
            initial_bias=self._initial_bias(),
            dtype=encoder.backbone.dtype_policy,
        )
        return keras.Model(inputs=inputs, outputs=logits, name=self.name)

    def inputs(self, texts: Mapping[str, Any], encoder: Encoder) -> dict[str, Any]:
        """Turns string tensors (batch_size,) into ragged features. See `Encoder.features`."""
        return encoder.features([texts[field] for field in self.text_fields])

    def check(self, examples: Examples) -> None:
        """Raises DataError for a label that the task does not have."""
        encode_labels(examples, self.labels, multi_label=self.multi_label)

    def counts(self, examples: Examples) -> dict[str, int]:
        """How many rows have each label."""
        return count_labels(examples, self.labels)

    def targets(self, rows: TokenizedSet) -> np.ndarray:
        """Labels as int32 (rows,), or with `multi_label` float32 0/1 (rows, labels)."""
        assert rows.examples is not None
        return encode_labels(rows.examples, self.labels, multi_label=self.multi_label)

    def loss(self, model: Any = None) -> Any:
        """The loss between `targets` and logits."""
        kind = MultiLabelLoss if self.multi_label else LabelLoss
        return kind(class_weights=self.class_weights, label_smoothing=self.label_smoothing)

    def metrics(self) -> list[Any]:
        """Accuracy while training (with `multi_label`: of the single decisions)."""
        if self.multi_label:
            return [keras.metrics.BinaryAccuracy(name="accuracy", threshold=0.0)]
        return [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]

    def tune(self, rows: TokenizedSet, outputs: np.ndarray) -> None:
        """With `multi_label`, sets the threshold to the best one, unless one was given."""
        if self._tunes:
            self.threshold = tune_threshold(
                rows.targets, self.probabilities(outputs), measure=self.threshold_metric
            )

    def scores(self, rows: TokenizedSet, outputs: np.ndarray) -> dict[str, Any]:
        """Corpus measures of logits (rows, labels); see `tfft.metrics.classification`."""
        targets, weights = rows.targets, rows.sample_weight
        probabilities = self.probabilities(outputs)
        loss = self._mean_loss(targets, outputs, weights)
        if self.multi_label:
            measures = multi_label_scores(
                targets, probabilities, threshold=self.threshold, names=self.labels
            )
        else:
            measures = classification_scores(
                targets, probabilities, sample_weight=weights, names=self.labels
            )
        return {"loss": loss, **measures}

    def confusions(self, rows: TokenizedSet, outputs: np.ndarray) -> list[tuple[str, str, int]]:
        """The commonest mistakes (label, answer, rows); none with `multi_label`."""
        if self.multi_label:
            return []
        return confusions(rows.targets, np.argmax(outputs, axis=-1), self.labels)

    def notes(self, rows: TokenizedSet, outputs: np.ndarray) -> list[str]:
        """Says so when the model has learned nothing."""
        if self.multi_label:
            return []
        note = degenerate_note(rows.targets, np.argmax(outputs, axis=-1), self.labels)
        return [note] if note else []

    def answers(self, rows: TokenizedSet, outputs: np.ndarray) -> list[dict[str, Any]]:
        """`label score probabilities`, or with `multi_label` `labels probabilities`."""
        return [self._answer(row) for row in self.probabilities(outputs)]

    def serve(self, outputs: Any, alignment: Alignment | None = None) -> dict[str, Any]:
        """The SavedModel's answers: TensorFlow tensors, first dimension batch_size."""
        import tensorflow as tf

        if self.multi_label:
            probabilities = tf.nn.sigmoid(outputs)
            predictions = tf.cast(probabilities >= self.threshold, tf.int32)
            return {"probabilities": probabilities, "predictions": predictions}
        probabilities = tf.nn.softmax(outputs)
        best = tf.argmax(probabilities, axis=-1)
        return {
            "label": tf.gather(tf.constant(self.labels), best),
            "score": tf.reduce_max(probabilities, axis=-1),
            "probabilities": probabilities,
        }

    def serve_tokens(self, outputs: Any) -> dict[str, Any]:
        """The same, for token ids."""
        return self.serve(outputs)

    def probabilities(self, outputs: np.ndarray) -> np.ndarray:
        """Probabilities (rows, labels) of logits: softmax, or with `multi_label` sigmoid."""
        logits = np.asarray(outputs, "float64")
        if self.multi_label:
            return 1.0 / (1.0 + np.exp(-logits))
        exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
        return exponentials / exponentials.sum(axis=-1, keepdims=True)

    def _initial_bias(self) -> np.ndarray | None:
        """The log-odds of each label's share; of one that no row or every row has, of nearly so."""
        if self.label_shares is None:
            return None
        shares = np.clip(self.label_shares, RAREST, 1.0 - RAREST)
        odds = shares / (1.0 - shares)
        return np.log(odds if self.class_weights is None else odds * self.class_weights)

    def _answer(self, probabilities: np.ndarray) -> dict[str, Any]:
        by_label = {
            name: float(value) for name, value in zip(self.labels, probabilities, strict=True)
        }
        if self.multi_label:
            given = [name for name, value in by_label.items() if value >= self.threshold]
            return {"labels": given, "probabilities": by_label}
        best = int(probabilities.argmax())
        return {
            "label": self.labels[best],
            "score": float(probabilities[best]),
            "probabilities": by_label,
        }

    def _mean_loss(self, targets: np.ndarray, outputs: np.ndarray, weights: np.ndarray) -> float:
        # Without class weights and smoothing: so runs compare, and a reloaded one scores the same.
        loss = MultiLabelLoss() if self.multi_label else LabelLoss()
        total = 0.0
        for start in range(0, len(targets), LOSS_ROWS):
            part = slice(start, start + LOSS_ROWS)
            rows = loss.call(targets[part], outputs[part])
            total += float(np.sum(keras.ops.convert_to_numpy(rows) * weights[part]))
        return total / max(float(np.sum(weights)), 1e-12)


def build(
    section: Any,
    *,
    pair: bool,
    labels: Sequence[str] | None,
    train: Split | None,
    threshold: float | None,
) -> TextClassification:
    """Builds the task of a config. See `tfft.tasks.build_task`."""
    options: dict[str, Any] = {}
    if train is not None:
        by_name = count_names(train)
        labels = choose_labels(labels, train, multi_label=section.multi_label, counts=by_name)
        counts = np.array([by_name[name] for name in labels])
        weights = find_class_weights(
            section.class_weights, counts, len(train), labels, multi_label=section.multi_label
        )
        options = {"class_weights": weights}
        if section.multi_label:
            options["label_shares"] = counts.astype("float32") / np.float32(len(train))
    return TextClassification(
        labels or [],
        pair=pair,
        multi_label=section.multi_label,
        label_smoothing=section.label_smoothing,
        dropout=section.dropout,
        threshold=section.threshold or threshold,
        threshold_metric=section.threshold_metric,
        **options,
    )


def find_class_weights(
    wanted: Any,
    counts: np.ndarray,
    rows: int,
    labels: Sequence[str],
    *,
    multi_label: bool = False,
) -> list[float] | None:
    """The weight of each class, as `task.class_weights` says.

    Args:
        wanted: None, `balanced`, or weights by label; those left out are 1.
        counts: int (labels,), how many rows have each label.
        rows: how many there are.
        labels: label names in order.
        multi_label: whether a row may have any number of labels.

    Raises:
        ConfigError: weights are given for a label that the task does not have.
    """
    if wanted is None:
        return None
    if wanted == "balanced":
        balanced = balanced_class_weights(counts, rows, multi_label=multi_label)
        return [float(weight) for weight in balanced]
    for name in wanted:
        if name not in labels:
            raise ConfigError(
                f"task.class_weights: there is no label {name!r}.{did_you_mean(name, labels)} "
                f"The labels are: {', '.join(labels)}."
            )
    return [float(wanted.get(name, 1.0)) for name in labels]
