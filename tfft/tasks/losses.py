"""The losses of classification, with class weights and label smoothing of their own.

Keras's `class_weight` cannot be used: with `sample_weight` it is refused, and for several labels a
row it is silently wrong.
"""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from tfft.tasks.heads import MASKED


class LabelLoss(keras.losses.Loss):
    """Softmax cross-entropy of one label a row.

    The mean is over the rows' sample weights, so that rows of weight 0 that fill up a batch do not
    count at all.

    Args:
        class_weights: (labels,), multiplies the loss of the rows with each label. Default: 1.
        label_smoothing: the share of the target that is spread over all labels.
    """

    def __init__(
        self,
        *,
        class_weights: Sequence[float] | None = None,
        label_smoothing: float = 0.0,
        name: str = "label_loss",
    ) -> None:
        super().__init__(name=name, reduction="mean_with_sample_weight")
        self.class_weights = None if class_weights is None else [float(w) for w in class_weights]
        self.label_smoothing = label_smoothing

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Losses (...,) of labels int (...,) and logits (..., labels); 0 where a label is -1.

        A last dimension of 1, as Keras adds it to labels (batch_size,), is taken off.
        """
        labels = ops.cast(y_true, "int32")
        if len(labels.shape) == len(y_pred.shape):
            labels = ops.squeeze(labels, axis=-1)
        log_probabilities = ops.log_softmax(ops.cast(y_pred, "float32"), axis=-1)
        chosen = ops.one_hot(labels, log_probabilities.shape[-1], dtype="float32")
        loss = -ops.sum(chosen * log_probabilities, axis=-1)
        if self.label_smoothing:
            spread = -ops.mean(log_probabilities, axis=-1) * ops.cast(labels >= 0, "float32")
            loss = (1.0 - self.label_smoothing) * loss + self.label_smoothing * spread
        if self.class_weights is not None:
            loss = loss * ops.sum(chosen * ops.array(self.class_weights, "float32"), axis=-1)
        return loss


class SpanLoss(keras.losses.Loss):
    """Softmax cross-entropy of the first and of the last piece of a span, averaged.

    Args:
        label_smoothing: the share of the target that is spread over all pieces that are not masked.
    """

    def __init__(self, *, label_smoothing: float = 0.0, name: str = "span_loss") -> None:
        super().__init__(name=name, reduction="mean_with_sample_weight")
        self.label_smoothing = label_smoothing

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Losses (batch_size,) of pieces int (batch_size, 2) and logits (batch_size, length, 2)."""
        logits = ops.transpose(ops.cast(y_pred, "float32"), (0, 2, 1))
        log_probabilities = ops.log_softmax(logits, axis=-1)
        chosen = ops.one_hot(ops.cast(y_true, "int32"), ops.shape(logits)[-1], dtype="float32")
        real = ops.cast(logits > MASKED / 2, "float32")
        smooth = self.label_smoothing
        spread = real / ops.maximum(ops.sum(real, axis=-1, keepdims=True), 1.0)
        target = (1.0 - smooth) * chosen + smooth * spread
        # Not target * log: where padding has minus infinity, 0 times it is no number.
        return -ops.mean(ops.sum(ops.where(target > 0, target * log_probabilities, 0.0), -1), -1)


class MultiLabelLoss(keras.losses.Loss):
    """Binary cross-entropy of each label, averaged over labels.

    Args:
        class_weights: (labels,), multiplies the loss where a label is present (PyTorch's
            `pos_weight`). Default: 1.
        label_smoothing: targets become `y * (1 - s) + s / 2`.
    """

    def __init__(
        self,
        *,
        class_weights: Sequence[float] | None = None,
        label_smoothing: float = 0.0,
        name: str = "multi_label_loss",
    ) -> None:
        super().__init__(name=name, reduction="mean_with_sample_weight")
        self.class_weights = None if class_weights is None else [float(w) for w in class_weights]
        self.label_smoothing = label_smoothing

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Losses (batch_size,) of 0/1 targets and logits, both (batch_size, labels)."""
        targets = ops.cast(y_true, "float32")
        targets = targets * (1.0 - self.label_smoothing) + self.label_smoothing / 2.0
        logits = ops.cast(y_pred, "float32")
        present, absent = ops.softplus(-logits), ops.softplus(logits)
        if self.class_weights is not None:
            present = present * ops.array(self.class_weights, "float32")
        return ops.mean(targets * present + (1.0 - targets) * absent, axis=-1)
