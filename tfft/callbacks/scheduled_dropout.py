"""Dropout layers whose rate is computed inside the compiled training step.

``find_dropout_layers`` lists the layers of a model that drop and the group of each;
``schedule_dropout`` makes some of them follow a rate, ``restore_dropout`` makes them plain again.

A layer stays a ``keras.layers.Dropout``: only its ``call`` is covered by one that reads the rate as
a tensor. The model gains one variable, ``[step, epoch]``, which the training step advances. Keras
keeps the state of random generators apart from weights, and there we put this variable: it is state
of the compiled step on every backend, but in neither ``model.weights`` nor in files of weights or
models. (A SavedModel that is exported before training ends lists it, as it does random state.)
"""

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

ONE_STEP = np.array([1.0, 0.0], "float32")
"""What one training step adds to ``[step, epoch]``."""

Selection = str | Sequence[str | keras.layers.Layer]
"""Layers of a model: a regular expression for their paths, or a list of names, paths and layers."""


@dataclass(frozen=True)
class DropoutLayer:
    """A layer that drops.

    Attributes:
        path: names of the layers that contain it and its own, joined by ``/``.
        layer: the layer itself.
        group: ``hidden``, ``attention`` or ``head``.
        refusal: why its rate cannot be changed during training, or None.
    """

    path: str
    layer: keras.layers.Layer
    group: str
    refusal: str | None


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


def schedule_dropout(
    model: keras.Model, rates: Sequence[tuple[keras.layers.Dropout, Callable[[Any], Any]]]
) -> Position:
    """Makes Dropout layers follow a rate that is computed in the compiled training step.

    Args:
        model: a built and compiled model.
        rates: layers of the model, each with a function from the tensor ``[step, epoch]`` to the
            rate. The function must be made of ``keras.ops``.

    Returns:
        The position that the model now holds. Each training step adds one to its step; setting
        the epoch is up to the caller.

    Raises:
        ValueError: if the model follows a schedule already.
    """
    if any(isinstance(held, Position) for held in model._seed_generators):
        raise ValueError(
            "The model follows a dropout schedule already. Put all schedules into one "
            "DropoutSchedule callback, or call restore_dropout(model) first."
        )
    with _variable_scope(model):
        position = Position()
        # A layer that was built with rate 0 has no random state, so the model holds it.
        seeds = {
            id(layer): keras.random.SeedGenerator(layer.seed)
            for layer, _ in rates
            if not hasattr(layer, "seed_generator")
        }
    position.seeds = list(seeds.values())
    model._seed_generators += [position, *position.seeds]
    for layer, rate in rates:
        seed = seeds.get(id(layer)) or layer.seed_generator
        layer.call = ScheduledCall(layer, rate, position, seed)
    model.train_step = CountingStep(model, position)
    # ``fit`` has made the function before callbacks begin, or kept that of an earlier ``fit``.
    model.make_train_function(force=True)
    return position


def restore_dropout(model: keras.Model) -> None:
    """Undoes ``schedule_dropout``; does nothing to a model that follows no schedule.

    Layers get back the rate they were built with. The next ``fit`` compiles its step anew.

    Args:
        model: the model that was given to ``schedule_dropout``.
    """
    step = vars(model).get("train_step")
    if not isinstance(step, CountingStep):
        return
    del model.train_step
    if step.covered is not None:
        model.train_step = step.covered
    scheduled = [layer for _, layer in walk(model) if _is_scheduled(layer)]
    added = {id(step.position), *(id(layer.call.seed) for layer in scheduled)}
    model._seed_generators[:] = [s for s in model._seed_generators if id(s) not in added]
    for layer in scheduled:
        del layer.call
    model.train_function = None


def find_dropout_layers(
    model: keras.Model, head_layers: Selection | None = None
) -> list[DropoutLayer]:
    """Lists the layers of a model that drop, at any depth.

    Each is in one of three groups. ``head``: inside one of ``head_layers``. ``attention``: inside a
    layer whose class (or a base of it) has a name that ends in ``Attention``. ``hidden``: others.

    Args:
        model: a built model.
        head_layers: the layers of the head. Defaults to every layer outside the KerasHub backbones
            that the model contains, and to no layer if it contains none.

    Returns:
        Layers with the path, the group and the reason if their rate cannot be changed.

    Raises:
        ValueError: if ``head_layers`` names a layer that the model does not have.
    """
    layers = list(walk(model))
    attention = _members(layer for _, layer in layers if _has_base(layer, "Attention"))
    if head_layers is not None:
        head = select_layers(model, head_layers, "head_layers")
    else:
        head = _outside_backbones([layer for _, layer in layers])
    return [
        DropoutLayer(
            path,
            layer,
            "head" if id(layer) in head else "attention" if id(layer) in attention else "hidden",
            _refusal(layer, id(layer) in attention),
        )
        for path, layer in layers
        if _drops(layer)
    ]


def select_layers(model: keras.Model, selection: Selection, argument: str) -> set[int]:
    """Returns the ``id`` of the selected layers of a model and of all layers inside them.

    Args:
        model: a built model.
        selection: a regular expression that is searched in the path of each layer, or a list of
            names, paths and layers.
        argument: how the caller calls the selection; for the message.

    Raises:
        ValueError: if the expression or an item of the list finds no layer.
    """
    layers = list(walk(model))
    chosen: list[keras.layers.Layer] = []
    for item in [re.compile(selection)] if isinstance(selection, str) else selection:
        found = [layer for path, layer in layers if _matches(item, path, layer)]
        if not found:
            wanted = item.pattern if isinstance(item, re.Pattern) else item
            names = ", ".join(path for path, _ in layers if "/" not in path)
            raise ValueError(
                f"`{argument}` must select layers of the model. Received: {wanted!r}, which "
                f"selects none. Outermost layers: {names}."
            )
        chosen += found
    return _members(chosen)


def walk(
    layer: keras.layers.Layer, path: str = "", seen: set[int] | None = None
) -> Iterator[tuple[str, keras.layers.Layer]]:
    """Yields each layer inside a layer once, with its path.

    Args:
        layer: a model or layer, itself not yielded.
        path: what the paths begin with. Defaults to nothing.
        seen: ``id`` of the layers to leave out. Defaults to none.
    """
    seen = set() if seen is None else seen
    for inner in layer._flatten_layers(include_self=False, recursive=False):
        if id(inner) not in seen:
            seen.add(id(inner))
            inner_path = f"{path}/{inner.name}".lstrip("/")
            yield inner_path, inner
            yield from walk(inner, inner_path, seen)


def _matches(item: Any, path: str, layer: keras.layers.Layer) -> bool:
    if isinstance(item, re.Pattern):
        return item.search(path) is not None
    return item in (path, layer.name) if isinstance(item, str) else item is layer


def _members(layers: Iterable[keras.layers.Layer]) -> set[int]:
    return {id(inner) for layer in layers for inner in layer._flatten_layers()}


def _has_base(layer: keras.layers.Layer, suffix: str) -> bool:
    return any(base.__name__.endswith(suffix) for base in type(layer).__mro__)


def _outside_backbones(layers: list[keras.layers.Layer]) -> set[int]:
    """By name, since importing KerasHub takes seconds that a plain Keras model need not pay."""
    backbones = [layer for layer in layers if _has_base(layer, "Backbone")]
    if not backbones:
        return set()
    return {id(layer) for layer in layers} - _members(backbones)


def _drops(layer: keras.layers.Layer) -> bool:
    """Whether the layer drops by itself; a Dropout layer does so at rate 0 too."""
    if isinstance(layer, keras.layers.Dropout):
        return True
    if isinstance(layer, (keras.layers.GaussianDropout, keras.layers.AlphaDropout)):
        return layer.rate > 0
    rates = [getattr(layer, name, 0) for name in ("dropout", "recurrent_dropout")]
    if not any(isinstance(rate, (int, float)) and rate > 0 for rate in rates):
        return False
    return not any(map(_drops, layer._flatten_layers(include_self=False)))


def _refusal(layer: keras.layers.Layer, in_attention: bool) -> str | None:
    if _is_scheduled(layer):
        return "follows another DropoutSchedule; put all schedules into one"
    if getattr(type(layer), "call", None) is not keras.layers.Dropout.call or "call" in vars(layer):
        return f"{type(layer).__name__} computes its dropout itself"
    if in_attention and layer.rate == 0:
        return "built with rate 0, and attention layers skip such dropout"
    return None


def _is_scheduled(layer: keras.layers.Layer) -> bool:
    return isinstance(vars(layer).get("call"), ScheduledCall)


def _variable_scope(model: keras.Model) -> contextlib.AbstractContextManager[Any]:
    """On TensorFlow variables must be made in the scope of the model's strategy."""
    strategy = getattr(model, "distribute_strategy", None)
    return strategy.scope() if strategy is not None else contextlib.nullcontext()
