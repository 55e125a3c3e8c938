"""What stands in for a Dropout layer's ``call``, and for a model's step, while rates change."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

ONE_STEP = np.array([1.0, 0.0], "float32")
"""What one training step adds to ``[step, epoch]``."""


class Position:
    """Where training stands: ``state`` is ``[step, epoch]``, both counted from 0.

    It has the face of a ``keras.random.SeedGenerator``, among which the model holds it.
    """

    def __init__(self) -> None:
        self.state = keras.Variable(
            np.zeros(2, "float32"),
            trainable=False,
            dtype="float32",  # counts to 16 million
            autocast=False,  # bfloat16 would count to 256
            aggregation="only_first_replica",
            name="dropout_schedule_position",
        )
        self.seeds: list[keras.random.SeedGenerator] = []

    def set(self, step: int, epoch: int) -> None:
        """Goes to a step, also in the random states that were made for layers without any."""
        self.state.assign([step, epoch])
        for seed in self.seeds:
            first, _ = keras.ops.convert_to_numpy(seed.state.value)
            seed.state.assign([int(first), step])


class ScheduledCall:
    """Stands in for the ``call`` of a Dropout layer: the same, with a rate that is a tensor.

    Args:
        layer: the layer, of which ``noise_shape`` is kept.
        rate: function from the tensor ``[step, epoch]`` to the rate, a float32 scalar.
        position: where training stands.
        seed: random state of the layer.
    """

    def __init__(
        self,
        layer: keras.layers.Dropout,
        rate: Callable[[Any], Any],
        position: Position,
        seed: keras.random.SeedGenerator,
    ) -> None:
        self.noise_shape = layer.noise_shape
        self.rate, self.position, self.seed = rate, position, seed

    def __call__(self, inputs: Any, training: bool = False) -> Any:
        """Drops at the current rate and scales what is kept by ``1 / (1 - rate)``."""
        if not training:
            return inputs
        shape = ops.shape(inputs)
        if self.noise_shape is not None:
            shape = tuple(n or s for n, s in zip(self.noise_shape, shape, strict=True))
        rate = self.rate(self.position.state.value)
        if keras.backend.backend() == "tensorflow":
            from tfft import fused_dropout

            return fused_dropout.drop(inputs, rate, self.seed, shape)
        kept = keras.random.uniform(shape, dtype="float32", seed=self.seed) >= rate
        scaled = inputs * ops.cast(1.0 / (1.0 - rate), inputs.dtype)
        return ops.where(kept, scaled, ops.zeros_like(inputs))


class CountingStep:
    """Stands in for ``model.train_step``: the same, and advances the position by one step.

    Args:
        model: the model.
        position: the position that the model holds.
    """

    def __init__(self, model: keras.Model, position: Position) -> None:
        self.model, self.position = model, position
        self.covered = vars(model).get("train_step")
        self.train_step = model.train_step

    def __call__(self, *args: Any) -> Any:
        """Takes and returns what the backend's ``train_step`` does."""
        if keras.backend.backend() == "jax":
            return self._stateless(*args)
        logs = self.train_step(*args)
        self.position.state.assign_add(ONE_STEP)
        return logs

    def _stateless(self, state: Any, data: Any) -> Any:
        """On JAX the variables come and go as four lists, the second being the non-trainable."""
        logs, (trainable, non_trainable, *rest) = self.train_step(state, data)
        variables = self.model.non_trainable_variables
        index = next(i for i, v in enumerate(variables) if v is self.position.state)
        non_trainable = list(non_trainable)
        non_trainable[index] = non_trainable[index] + ONE_STEP
        return logs, (trainable, non_trainable, *rest)


def is_scheduled(layer: keras.layers.Layer) -> bool:
    """Whether a layer follows a schedule."""
    return isinstance(vars(layer).get("call"), ScheduledCall)
