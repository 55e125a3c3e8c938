"""What a training step costs on this machine: timed, or estimated from its operations."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import keras
import keras_hub
import numpy as np
import tensorflow as tf

from tfft.backbones.checkpoints import load_encoder
from tfft.backbones.encoder import Encoder
from tfft.backbones.families import FAMILIES
from tfft.backbones.word_rows import used_rows
from tfft.choosing.directories import Preset
from tfft.errors import ConfigError
from tfft.optim import build_optimizer
from tfft.tasks import TextClassification

ROWS, PIECES = 32, 128
"""The step: so many rows, all of so many pieces."""
SECONDS = 3.0
"""How long the same step is repeated, at least once after the first, which is traced."""
MOST_MEASURED = 10.0
"""Seconds of a step above which it is estimated, even where it could be timed."""
CALIBRATION = ((4, 128), (2, 384), (2, 768))
"""Layers and width of the random models that are timed for the estimates."""


def step_costs(
    presets: Sequence[Preset], note: Callable[[str], None] = lambda text: None
) -> dict[str, tuple[float, bool]]:
    """The cost of a training step of presets whose sizes are known.

    Args:
        presets: those on this disk are timed, others estimated.
        note: is told what is being timed.

    Returns:
        By name seconds, and whether they were timed.
    """
    note("timing a training step of small random models, for the estimates")
    speeds = calibrate()
    costs: dict[str, tuple[float, bool]] = {}
    for preset in presets:
        if preset.facts.num_layers:
            seconds = estimate_step(preset, speeds)
            costs[preset.name] = seconds, False
            if preset.directory and seconds <= MOST_MEASURED:
                note(f"timing a training step of {preset.name}")
                try:
                    encoder = load_encoder(preset.directory)
                except ConfigError as error:
                    note(f"{preset.name} stays an estimate: {error}")
                    continue
                costs[preset.name] = measure_step(encoder, seconds=SECONDS), True
    return costs


# ------------------------------------------------------------------------------------ estimated


def step_operations(num_layers: int, hidden_dim: int, *, like_bert: bool = True) -> float:
    """The multiplications and additions in the matrix products of a training step.

    The backward pass has twice those of the forward pass. A layer's products: four of width x
    width, two of width x four times that, and those of attention. A BERT-like last layer is
    computed where the head reads it, but for keys and values.
    """
    square = hidden_dim * hidden_dim
    layer = 24 * square + 4 * PIECES * hidden_dim
    last = 4 * square if like_bert else layer
    return 3.0 * ROWS * PIECES * ((num_layers - 1) * layer + last)


def calibrate() -> dict[int, float]:
    """Operations a second of this machine in a training step, by the width of the layers."""
    speeds = {}
    for num_layers, hidden_dim in CALIBRATION:
        backbone = keras_hub.models.BertBackbone(
            vocabulary_size=ROWS * PIECES,
            num_layers=num_layers,
            num_heads=max(hidden_dim // 64, 2),
            hidden_dim=hidden_dim,
            intermediate_dim=4 * hidden_dim,
            max_sequence_length=PIECES,
        )
        seconds = measure_step(Encoder(backbone), seconds=SECONDS / 3)
        speeds[hidden_dim] = step_operations(num_layers, hidden_dim) / seconds
    return speeds


def estimate_step(preset: Preset, speeds: dict[int, float]) -> float:
    """Seconds of a training step of a preset, at the speed of models of about its width."""
    facts = preset.facts
    speed = np.interp(np.log(facts.hidden_dim), np.log(list(speeds)), list(speeds.values()))
    like_bert = FAMILIES[preset.family].like_bert
    return step_operations(facts.num_layers, facts.hidden_dim, like_bert=like_bert) / float(speed)


# ---------------------------------------------------------------------------------------- timed


def measure_step(encoder: Encoder, *, seconds: float = SECONDS) -> float:
    """The median seconds of a training step as `tfft.training` does it, on random pieces.

    Args:
        encoder: any, with or without a tokenizer.
        seconds: how long steps are timed, at least one after the first.
    """
    task = TextClassification(["no", "yes"])
    model = task.build_model(encoder)
    model.compile(
        optimizer=build_optimizer(learning_rate=1e-5, num_batches=1000),
        loss=task.loss(model),
        weighted_metrics=task.metrics(),
    )
    features = random_features(encoder)
    targets = np.arange(ROWS, dtype="int32") % 2
    batch = tf.data.Dataset.from_tensors((features, targets, np.ones(ROWS, "float32")))
    clock = StepClock(seconds)
    with used_rows(model, np.unique(features["token_ids"])):
        model.fit(batch.repeat(), steps_per_epoch=1000, shuffle=False, callbacks=[clock], verbose=0)
    return clock.median


def random_features(encoder: Encoder) -> dict[str, np.ndarray]:
    """Features of full rows of random pieces, as far as the positions of the encoder reach."""
    shape = ROWS, min(PIECES, encoder.sequence_length)
    size = getattr(encoder.backbone, encoder.family.size_name)
    pieces = np.random.default_rng(0).integers(0, size, shape, "int32")
    features = {"token_ids": pieces, "padding_mask": np.ones(shape, "int32")}
    return features | {
        name: np.zeros(shape, "int32") for name in encoder.input_names if name not in features
    }


class StepClock(keras.callbacks.Callback):
    """Times training steps but for the first, and ends the training after a while.

    Args:
        seconds: after which the training ends.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds
        self._ends: list[float] = []

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Notes the time; the step is then done."""
        self._ends.append(time.perf_counter())
        if len(self._ends) > 1 and self._ends[-1] - self._ends[0] >= self.seconds:
            self.model.stop_training = True

    @property
    def median(self) -> float:
        """Of the steps that were timed, in seconds."""
        return float(np.median(np.diff(self._ends)))
