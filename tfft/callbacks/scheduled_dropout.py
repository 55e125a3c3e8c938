"""Dropout layers whose rate is computed inside the compiled training step.

``schedule_dropout`` makes some layers follow a rate, ``restore_dropout`` makes them plain again.

A layer stays a ``keras.layers.Dropout``: only its ``call`` is covered by one that reads the rate as
a tensor. The model gains one variable, ``[step, epoch]``, which the training step advances. Keras
keeps the state of random generators apart from weights, and there we put this variable: it is state
of the compiled step on every backend, but in neither ``model.weights`` nor in files of weights or
models. (A SavedModel that is exported before training ends lists it, as it does random state.)
"""

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import keras

from tfft.callbacks.dropout_layers import walk
from tfft.callbacks.scheduled_call import CountingStep, Position, ScheduledCall, is_scheduled


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
    scheduled = [layer for _, layer in walk(model) if is_scheduled(layer)]
    added = {id(step.position), *(id(layer.call.seed) for layer in scheduled)}
    model._seed_generators[:] = [s for s in model._seed_generators if id(s) not in added]
    for layer in scheduled:
        del layer.call
    model.train_function = None


def _variable_scope(model: keras.Model) -> contextlib.AbstractContextManager[Any]:
    """On TensorFlow variables must be made in the scope of the model's strategy."""
    strategy = getattr(model, "distribute_strategy", None)
    return strategy.scope() if strategy is not None else contextlib.nullcontext()
