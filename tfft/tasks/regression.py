"""Regression: a number for a text or a pair of texts."""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from tfft.backbones.encoder import Encoder
from tfft.data.examples import Examples
from tfft.data.pipeline import Alignment, TokenizedSet
from tfft.data.streamed_examples import Split
from tfft.errors import DataError
from tfft.metrics.similarity import regression_scores
from tfft.tasks.heads import OriginalUnits, classification_head

COUNTED = (-1.5, -0.5, 0.5, 1.5)


class Regression:
    """Numbers for texts. Fulfils `tfft.tasks.base.Task`.

    Inside, targets are standardised: the head learns (y - mean) / deviation, whatever the units.
    Outputs, answers and scores are in the units of the data; the loss is the squared error in
    deviations.

    Args:
        pair: whether an example has two texts.
        mean: of the training targets.
        deviation: their standard deviation, over 0.
        dropout: before the last layer.
    """

    name = "regression"
    takes_words = False
    monitor = "spearman"

    def __init__(
        self, *, pair: bool = False, mean: float = 0.0, deviation: float = 1.0, dropout: float = 0.1
    ) -> None:
        self.labels: list[str] = []
        self.text_fields: Sequence[str] = ("text", "text_pair") if pair else ("text",)
        self.mean = mean
        self.deviation = deviation
        self.dropout = dropout

    def check(self, examples: Examples) -> None:
        """Any number will do."""

    def counts(self, examples: Examples) -> dict[str, int]:
        """How many rows are where, in steps of the training targets' deviation."""
        edges = [self.mean + step * self.deviation for step in COUNTED]
        place = np.searchsorted(edges, np.array(examples.labels or [], "float64"))
        counts = np.bincount(place, minlength=len(edges) + 1)
        return dict(zip(_ranges(edges), counts.tolist(), strict=True))

    def build_model(self, encoder: Encoder | Any) -> Any:
        """Puts the head on an encoder.

        Args:
            encoder: an `Encoder`, or the backbone of one.

        Returns:
            A Keras model from `token_ids`, `padding_mask` and, where used, `segment_ids`, int
            (batch_size, length), to numbers float32 (batch_size, 1) in the targets' units.
        """
        encoder = Encoder.around(encoder)
        inputs = encoder.inputs()
        standardised = classification_head(
            *encoder.first(inputs),
            num_outputs=1,
            dropout=self.dropout,
            activation=encoder.family.head_activation,
            dtype=encoder.backbone.dtype_policy,
        )
        units = OriginalUnits(self.mean, self.deviation, dtype="float32", name="original_units")
        return keras.Model(inputs=inputs, outputs=units(standardised), name=self.name)

    def inputs(self, texts: Mapping[str, Any], encoder: Encoder) -> dict[str, Any]:
        """Turns string tensors (batch_size,) into ragged features. See `Encoder.features`."""
        return encoder.features([texts[field] for field in self.text_fields])

    def targets(self, rows: TokenizedSet) -> np.ndarray:
        """The right numbers, float32 (rows, 1)."""
        assert rows.examples is not None
        return np.array(rows.examples.labels or [], "float32")[:, np.newaxis]

    def loss(self, model: Any = None) -> Any:
        """The squared error in units of the deviation."""
        return StandardisedError(self.deviation)

    def metrics(self) -> list[Any]:
        """The mean squared error while training, in the targets' units."""
        return [keras.metrics.MeanSquaredError(name="mse")]

    def tune(self, rows: TokenizedSet, outputs: np.ndarray) -> None:
        """Nothing is chosen on validation."""

    def scores(self, rows: TokenizedSet, outputs: np.ndarray) -> dict[str, Any]:
        """`loss`, `pearson`, `spearman`, `mse`; see `tfft.metrics.similarity`.

        The loss is the squared error in the deviations of these rows: 1 is what their mean reaches.
        """
        targets, weights = rows.targets[:, 0], rows.sample_weight
        scores = regression_scores(targets, outputs[:, 0], weights)
        return {"loss": scores["mse"] / max(_variance(targets, weights), 1e-12), **scores}

    def confusions(self, rows: TokenizedSet, outputs: np.ndarray) -> list[tuple[str, str, int]]:
        """None: there are no classes."""
        return []

    def notes(self, rows: TokenizedSet, outputs: np.ndarray) -> list[str]:
        """Says so when all answers are the same."""
        if len(outputs) < 2 or np.std(outputs) > 1e-3 * self._spread(rows):
            return []
        return [f"All answers are {float(np.mean(outputs)):.4g}: nothing was learned."]

    def answers(self, rows: TokenizedSet, outputs: np.ndarray) -> list[dict[str, Any]]:
        """`value`, in the targets' units."""
        return [{"value": float(value)} for value in outputs[:, 0]]

    def serve(self, outputs: Any, alignment: Alignment | None = None) -> dict[str, Any]:
        """The SavedModel's answers: `value`, float32 (batch_size,)."""
        return {"value": outputs[:, 0]}

    def serve_tokens(self, outputs: Any) -> dict[str, Any]:
        """The same, for token ids."""
        return self.serve(outputs)

    def _spread(self, rows: TokenizedSet) -> float:
        return float(np.std(rows.targets))


def _variance(values: np.ndarray, weights: np.ndarray) -> float:
    """Of rows with weights; 0 where no row has any."""
    if not weights.sum():
        return 0.0
    values = values.astype("float64")
    mean = np.average(values, weights=weights)
    return float(np.average(np.square(values - mean), weights=weights))


def _ranges(edges: Sequence[float]) -> list[str]:
    """What the ranges between ascending numbers are called, with digits enough to tell them."""
    names: list[str] = []
    for digits in range(4, 18):
        names = [f"{edge:.{digits}g}" for edge in edges]
        if len(set(names)) == len(names):
            break
    inner = [f"{first} to {last}" for first, last in itertools.pairwise(names)]
    return [f"up to {names[0]}", *inner, f"over {names[-1]}"]


@keras.saving.register_keras_serializable("tfft")
class StandardisedError(keras.losses.Loss):
    """The squared error of numbers (batch_size, 1), divided by the variance of the targets.

    Targets (batch_size,) do as well.

    Args:
        deviation: the standard deviation of the training targets.
    """

    def __init__(self, deviation: float, name: str = "standardised_error") -> None:
        super().__init__(name=name, reduction="mean_with_sample_weight")
        self.deviation = deviation

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Losses (batch_size,)."""
        # Else (batch_size,) less (batch_size, 1) would be all pairs.
        targets = keras.ops.reshape(keras.ops.cast(y_true, "float32"), keras.ops.shape(y_pred))
        error = (targets - y_pred) / self.deviation
        return keras.ops.mean(keras.ops.square(error), axis=-1)

    def get_config(self) -> dict[str, Any]:
        """What the loss is made anew from."""
        return {"deviation": self.deviation, "name": self.name}


def build(
    section: Any,
    *,
    pair: bool,
    labels: Sequence[str] | None,
    train: Split | None,
    threshold: float | None,
) -> Regression:
    """Builds the task of a config. See `tfft.tasks.build_task`.

    A reloaded one needs no mean and deviation: the model's weights hold them.
    """
    if train is None:
        return Regression(pair=pair, dropout=section.dropout)
    mean, deviation = mean_and_deviation(train)
    return Regression(pair=pair, mean=mean, deviation=deviation, dropout=section.dropout)


def mean_and_deviation(train: Split) -> tuple[float, float]:
    """The mean of the training rows' numbers, and their standard deviation.

    Raises:
        DataError: all numbers are the same.
    """
    parts = (np.array(part.labels, "float64") for part in train.parts())
    moments = [(len(v), v.mean(), v.var(), v.min(), v.max()) for v in parts]
    rows, means, variances, lowest, highest = map(np.array, zip(*moments, strict=True))
    if lowest.min() == highest.max():
        raise DataError(
            f"{train.path}: all {rows.sum()} training rows have the number {lowest[0]:g}. There "
            "is nothing to learn; check data.columns.label."
        )
    shares = rows / rows.sum()
    mean = float((shares * means).sum())
    # The variance within the parts, and that of the parts' means.
    variance = float((shares * (variances + np.square(means - mean))).sum())
    return mean, math.sqrt(variance)
