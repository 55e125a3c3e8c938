"""Dropout rates that change during ``model.fit``."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, get_args

import keras

from tfft.callbacks.dropout_layers import (
    DropoutLayer,
    Selection,
    find_dropout_layers,
    select_layers,
)
from tfft.callbacks.rate_schedule import RateSchedule, Unit, is_number, require, to_schedule
from tfft.callbacks.scheduled_call import Position
from tfft.callbacks.scheduled_dropout import restore_dropout, schedule_dropout


class DropoutSchedule(keras.callbacks.Callback):
    """Changes the rates of dropout layers during ``fit``, inside the compiled training step.

    The step is compiled once, on TensorFlow and on JAX, whatever the rates become, and no batch
    waits for the device. Rates depend on the step and epoch alone, so that training resumed with
    ``initial_epoch`` goes on where it would have been. Weights, checkpoints and saved models never
    contain anything of the schedule, and when training ends each layer has the rate it was built
    with. After a ``fit`` that an exception ended, ``restore_dropout(model)`` does the same, as does
    the next ``fit`` with this callback.

    ``on_epoch_end`` adds the last rate of the epoch to ``logs`` as ``dropout_hidden``,
    ``dropout_attention``, ``dropout_head`` or ``dropout_rate``: place the callback before those
    that write logs.

    Each schedule is a ``RateSchedule`` or a mapping of its fields. Example::

        DropoutSchedule(
            hidden={"schedule": "linear", "start": 0.3, "end": 0.1},
            head={"schedule": "step", "rates": [0.3, 0.1], "boundaries": [0.5], "by": "epoch"},
        )

    Args:
        hidden: schedule of the dropout layers in neither of the following groups.
        attention: schedule of dropout on attention weights: of the layers inside a layer whose
            class name ends in ``Attention``, unless they are in the head.
        head: schedule of the dropout layers in the head.
        layers: the layers that are scheduled at all: a regular expression for their paths, such as
            ``bert_backbone/transformer_layer_1``, or a list of names, paths and layers, which
            stand also for what they contain. Defaults to all.
        rate: one schedule for all dropout layers, instead of groups.
        head_layers: the layers that form the head, given like ``layers``. Defaults to all layers
            outside the KerasHub backbone that the model contains; without one no layer is head.
        total_steps: length of training for ``by="step"``. Defaults to the epochs times the batches
            of an epoch, and is required where Keras does not know the number of batches.
        total_epochs: length of training for ``by="epoch"``. Defaults to the ``epochs`` of ``fit``.

    Raises:
        ValueError: without any schedule, or with ``rate`` and groups together; and when training
            begins, for a model that is not built, layers that cannot be scheduled (recurrent
            layers, SpatialDropout, GaussianDropout, AlphaDropout, attention built with dropout
            0), a schedule whose group is empty, an unknown length of training.
    """

    def __init__(
        self,
        hidden: RateSchedule | Mapping[str, Any] | None = None,
        attention: RateSchedule | Mapping[str, Any] | None = None,
        head: RateSchedule | Mapping[str, Any] | None = None,
        layers: Selection | None = None,
        *,
        rate: RateSchedule | Mapping[str, Any] | None = None,
        head_layers: Selection | None = None,
        total_steps: int | None = None,
        total_epochs: int | None = None,
    ) -> None:
        super().__init__()
        given = {"hidden": hidden, "attention": attention, "head": head, "rate": rate}
        self.schedules = {g: to_schedule(s) for g, s in given.items() if s is not None}
        if not self.schedules or (rate is not None and len(self.schedules) > 1):
            raise ValueError(
                "DropoutSchedule needs either `rate` or some of `hidden`, `attention` and `head`. "
                f"Received: {', '.join(self.schedules) or 'none'}."
            )
        self.layers, self.head_layers = layers, head_layers
        self.total_steps = _check_total("total_steps", total_steps)
        self.total_epochs = _check_total("total_epochs", total_epochs)

    def set_model(self, model: keras.Model) -> None:
        """Takes the model, and undoes a schedule that an interrupted ``fit`` left on it."""
        super().set_model(model)
        restore_dropout(model)

    def check(self, model: keras.Model) -> None:
        """Looks at a model before training and changes nothing.

        Raises:
            ValueError: what `on_train_begin` would say about its layers.
        """
        self.set_model(model)
        self._find_layers()

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Makes the layers follow their schedules."""
        self._set_lengths()
        rates = [(layer, self._rate_at(group)) for layer, group in self._find_layers()]
        self._position: Position = schedule_dropout(self._model, rates)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Sets the position to the first step of the epoch."""
        self._position.set(round(epoch * self._steps_per_epoch), epoch)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Adds the rates of the last step to ``logs``."""
        if logs is not None:
            step = float(self._position.state[0]) - 1.0
            for group in self.schedules:
                rate = self._rate_at(group)([step, epoch])
                logs[f"dropout_{group}"] = round(float(rate), 6)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Gives the layers back the rates they were built with."""
        restore_dropout(self._model)

    def _set_lengths(self) -> None:
        """Finds how many epochs and steps training has; 0 steps if nothing tells."""
        epochs = self.total_epochs or self.params["epochs"]
        steps_per_epoch = self.params.get("steps")
        steps = self.total_steps or epochs * (steps_per_epoch or 0)
        by_step = [group for group, s in self.schedules.items() if s.by == "step"]
        if by_step and not steps:
            raise ValueError(
                f"The schedule of {', '.join(by_step)} is by step, but the number of batches of an "
                "epoch is not known. Give `total_steps`, give `steps_per_epoch` to fit, or use "
                'by="epoch".'
            )
        self._counts = {"step": steps, "epoch": epochs}
        self._steps_per_epoch = steps_per_epoch or steps / epochs

    def _rate_at(self, group: str) -> Callable[[Any], Any]:
        """Returns the function from ``[step, epoch]`` to the rate of a group."""
        schedule = self.schedules[group]
        axis, count = get_args(Unit).index(schedule.by), self._counts[schedule.by]
        return lambda position: schedule.rate(position[axis], count)

    def _find_layers(self) -> list[tuple[keras.layers.Dropout, str]]:
        """Returns the layers to schedule, each with the name of its schedule."""
        model = self._model
        if not model.built:
            raise ValueError(
                "DropoutSchedule cannot find the layers of a model that is not built. Begin the "
                "model with an Input, or call it on a batch before fit."
            )
        found = find_dropout_layers(model, self.head_layers)
        if self.layers is not None:
            selected = select_layers(model, self.layers, "layers")
            found = [dropout for dropout in found if id(dropout.layer) in selected]
        if "rate" in self.schedules:
            found = [replace(dropout, group="rate") for dropout in found]
        self._check_layers(found)
        return [(d.layer, d.group) for d in found if d.group in self.schedules]

    def _check_layers(self, found: list[DropoutLayer]) -> None:
        names = "".join(f"\n  {d.path} ({d.group})" for d in found) or " none"
        for group in self.schedules:
            if not any(d.group == group for d in found):
                raise ValueError(
                    f"`{group}` has a schedule but no dropout layer. Dropout layers:{names}"
                )
        refused = [d for d in found if d.refusal and d.group in self.schedules]
        if refused:
            raise ValueError(
                "The dropout of these layers cannot be scheduled; choose others with `layers`:"
                + "".join(f"\n  {d.path}: {d.refusal}" for d in refused)
            )


def _check_total(name: str, total: int | None) -> int | None:
    require(total is None or (is_number(total) and total >= 1), name, "at least 1", total)
    return total
