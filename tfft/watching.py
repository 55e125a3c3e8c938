"""The callbacks of a training, in the order in which they pass the logs on."""

import importlib.util
from typing import Any, Literal

import keras

from tfft.callbacks.checkpoints import Checkpoints
from tfft.callbacks.csv_history import CsvHistory
from tfft.callbacks.dropout_schedule import DropoutSchedule
from tfft.callbacks.early_stopping import EarlyStopping
from tfft.callbacks.stop_on_nan import StopOnNaN
from tfft.callbacks.validation import Validation, numbers
from tfft.errors import ConfigError, did_you_mean
from tfft.inference import predict_outputs
from tfft.preparation import Prepared, outputs_of
from tfft.runs import RunDir


def build_callbacks(
    prepared: Prepared,
    directory: RunDir,
    checkpoint: dict[str, Any] | None,
    stopper: EarlyStopping | None,
) -> list[Any]:
    """The callbacks in the order in which they pass the logs on."""
    section = prepared.experiment.callbacks
    callbacks: list[Any] = [StopOnNaN()]
    if "validation" in prepared.tokenized:
        callbacks.append(build_validation(prepared))
    if section.dropout_schedule is not None:
        groups = section.dropout_schedule.model_dump(exclude_none=True)
        callbacks.append(DropoutSchedule(**groups))
    callbacks.append(CsvHistory(directory.path / "history.csv"))
    if stopper:
        callbacks.append(stopper)
    if section.tensorboard:
        callbacks.append(keras.callbacks.TensorBoard(log_dir=str(directory.path / "tensorboard")))
    return [*callbacks, build_checkpoints(prepared, directory, checkpoint, stopper)]


def build_checkpoints(
    prepared: Prepared,
    directory: RunDir,
    checkpoint: dict[str, Any] | None,
    stopper: EarlyStopping | None,
) -> Checkpoints:
    """Keeps the last state, and the best weights as early stopping or else the task sees them."""

    def state() -> dict[str, Any]:
        if stopper is None:
            return {"stopped": False}
        return {"stopped": bool(stopper.stopped_epoch), "early_stopping": stopper.state()}

    section = prepared.experiment.callbacks.early_stopping
    monitor = monitored(prepared)
    return Checkpoints(
        directory.last,
        directory.best,
        monitor=monitor if "validation" in prepared.tokenized else None,
        mode=mode_of(monitor),
        min_delta=section.min_delta if section else 0.0,
        state=state,
        best_score=checkpoint["best_score"] if checkpoint else None,
    )


def build_validation(prepared: Prepared) -> Validation:
    """Scores the validation split by the task's measures, its threshold tuned each time."""
    rows, task = prepared.tokenized["validation"], prepared.task

    def score(outputs: Any) -> dict[str, Any]:
        task.tune(rows, outputs)
        return task.scores(rows, outputs)

    return Validation(lambda model: outputs_of(model, prepared, "validation"), score)


def build_early_stopping(prepared: Prepared) -> EarlyStopping | None:
    """Early stopping on the task's own number, or on the one that the config names."""
    section = prepared.experiment.callbacks.early_stopping
    if section is None:
        return None
    monitor = monitored(prepared)
    return EarlyStopping(
        monitor=monitor,
        mode=mode_of(monitor),
        patience=section.patience,
        min_delta=section.min_delta,
    )


def check_callbacks(model: Any, prepared: Prepared) -> None:
    """Refuses what would otherwise end a training that has begun.

    Raises:
        ConfigError: there is no such number to follow, a dropout that cannot be scheduled, or no
            TensorBoard.
    """
    section = prepared.experiment.callbacks
    if section.early_stopping and monitored(prepared) not in (
        known := names_in_logs(model, prepared)
    ):
        raise ConfigError(
            f"callbacks.early_stopping.monitor: there is no number {monitored(prepared)!r}."
            f"{did_you_mean(monitored(prepared), known)} There are: {', '.join(known)}."
        )
    if section.dropout_schedule:
        schedule = DropoutSchedule(**section.dropout_schedule.model_dump(exclude_none=True))
        try:
            schedule.check(model)
        except ValueError as error:
            raise ConfigError(f"callbacks.dropout_schedule: {error}") from None
    if section.tensorboard and importlib.util.find_spec("tensorboard") is None:
        raise ConfigError("callbacks.tensorboard: true needs TensorBoard: pip install tensorboard")


def names_in_logs(model: Any, prepared: Prepared) -> list[str]:
    """The numbers that are known at the end of each epoch, but for the rates of dropout."""
    task, names = prepared.task, ["loss", *(m.name for m in prepared.task.metrics())]
    if "validation" in prepared.tokenized:
        first = prepared.tokenized["validation"].part(0, 1)
        scores = task.scores(first, predict_outputs(model, first, prepared.encoder))
        names += [f"val_{name}" for name in numbers(scores)]
    return names


def monitored(prepared: Prepared) -> str:
    """The number in the logs that tells which weights are the best."""
    section = prepared.experiment.callbacks.early_stopping
    return (section and section.monitor) or f"val_{prepared.task.monitor}"


def shown_scores(prepared: Prepared) -> list[str]:
    """The numbers that the progress shows, the one that tells the best weights among them."""
    while_training = [metric.name for metric in prepared.task.metrics()]
    return ["loss", *while_training, "val_loss", monitored(prepared)]


def mode_of(monitor: str) -> Literal["min", "max"]:
    """Whether less or more of a number is better."""
    return "min" if monitor.endswith(("loss", "mse", "perplexity")) else "max"
