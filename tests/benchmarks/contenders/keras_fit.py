"""Looks on while `model.fit` runs, tfft's and KerasHub's alike."""

from collections.abc import Callable
from typing import Any

import keras
from common import StepClock, WindowDone


class StepTimer(keras.callbacks.Callback):
    """Tells a `StepClock` what happens, and leaves `fit` when the window is over."""

    async_safe = True  # or Keras would wait for the device after each batch

    def __init__(self, clock: StepClock) -> None:
        super().__init__()
        self.clock = clock
        self._steps_before = 0
        clock.wait = self._wait

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.clock.start()

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.clock.begin_epoch()
        self._batch = -1

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._batch = batch
        self.clock.end_step(self._steps_before + batch + 1)
        if self.clock.done:
            raise WindowDone

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.clock.end_epoch()
        self._steps_before += self._batch + 1

    def _wait(self) -> int:
        return int(self.model.optimizer.iterations.numpy())  # a step that runs sets it at its end


def add_to_fit(
    callback: keras.callbacks.Callback,
    *,
    last: bool = False,
    taken: Callable[[Any], None] = lambda data: None,
) -> None:
    """Makes every `model.fit` of this process take one callback more.

    Args:
        callback: first in the list.
        last: puts it last, so that it sees what the others add to the logs.
        taken: called with the data that `fit` was given.
    """
    fit = keras.Model.fit

    def fit_with_callback(model: Any, x: Any = None, *arguments: Any, **options: Any) -> Any:
        taken(x)
        own = list(options.pop("callbacks", None) or [])
        callbacks = [*own, callback] if last else [callback, *own]
        return fit(model, x, *arguments, callbacks=callbacks, **options)

    keras.Model.fit = fit_with_callback


def tokens_by_step(dataset: Any, steps: int) -> list[int]:
    """Non-padding tokens of the first batches of a data set, which begins anew."""
    masks = dataset.take(steps).map(lambda features, *_: features["padding_mask"])
    return [int((mask != 0).sum()) for mask in masks.as_numpy_iterator()]
