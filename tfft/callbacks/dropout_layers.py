"""Which layers of a model drop, where they are, and which of them can change their rate."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import keras

from tfft.callbacks.scheduled_call import is_scheduled

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
    if is_scheduled(layer):
        return "follows another DropoutSchedule; put all schedules into one"
    if getattr(type(layer), "call", None) is not keras.layers.Dropout.call or "call" in vars(layer):
        return f"{type(layer).__name__} computes its dropout itself"
    if in_attention and layer.rate == 0:
        return "built with rate 0, and attention layers skip such dropout"
    return None
