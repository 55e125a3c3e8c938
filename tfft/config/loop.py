"""The `optimizer`, `training`, `callbacks` and `export` sections."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from tfft.config.base import Fraction, Section


class Optimizer(Section):
    """AdamW and its learning-rate schedule."""

    name: Literal["adamw"] = "adamw"
    learning_rate: Annotated[float, Field(gt=0.0)] = 5e-5
    """The highest learning rate, reached after the warm-up."""
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    warmup_fraction: Fraction = 0.1
    weight_decay: Annotated[float, Field(ge=0.0)] = 0.01
    """Not applied to biases and layer norms."""
    clip_norm: Annotated[float, Field(gt=0.0)] | None = 1.0
    """The most that the norm of all gradients together may be."""
    beta_1: Fraction = 0.9
    beta_2: Fraction = 0.999
    epsilon: Annotated[float, Field(gt=0.0)] = 1e-8


class Training(Section):
    """The loop."""

    epochs: Annotated[int, Field(ge=0)] = 3
    """0 trains nothing: a model that was fine-tuned elsewhere is scored and exported."""
    batch_size: Annotated[int, Field(ge=1)] = 32
    accumulate: Annotated[int, Field(ge=1)] = 1
    """Batches whose gradients are averaged into one update."""
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = "float32"
    evaluation_batch_size: Annotated[int, Field(ge=1)] = 128
    length_buckets: list[Annotated[int, Field(ge=1)]] | None = None
    """GPU and TPU: the lengths that batches are padded to. Null: sequence_length halved twice."""
    packing: bool = False
    """Several examples in each row of sequence_length pieces: one shape, little padding."""
    steps_per_execution: Annotated[int, Field(ge=1)] = 1
    """Batches that one call of the compiled step computes. Taken is the largest number up to this
    that divides the batches of an epoch."""


class EarlyStopping(Section):
    """Stops when the task's own number no longer gets better; the best weights are kept."""

    monitor: str | None = None
    """Null: the task's own number, such as val_accuracy."""
    patience: Annotated[int, Field(ge=0)] = 2
    min_delta: Annotated[float, Field(ge=0.0)] = 0.0


class RateSchedule(Section):
    """How one group's dropout rate changes over the training."""

    schedule: Literal["linear", "cosine", "step"] = "linear"
    start: Fraction | None = None
    end: Fraction | None = None
    rates: list[Fraction] | None = None
    """step: the rates, one more than the boundaries."""
    boundaries: list[Annotated[float, Field(gt=0.0, lt=1.0)]] | None = None
    """step: where the next rate begins, as fractions of the training."""
    by: Literal["step", "epoch"] = "step"

    @model_validator(mode="after")
    def _has_what_its_kind_needs(self) -> "RateSchedule":
        if self.schedule == "step":
            self._check_step()
        elif None in (self.start, self.end) or self.rates or self.boundaries:
            raise ValueError(
                f"{self.schedule} needs start and end (rates and boundaries belong to step)"
            )
        return self

    def _check_step(self) -> None:
        boundaries = self.boundaries or []
        if self.start is not None or self.end is not None or not self.rates:
            raise ValueError("step needs rates (start and end belong to linear and cosine)")
        if len(self.rates) != len(boundaries) + 1:
            raise ValueError(
                f"{len(self.rates)} rates need {len(self.rates) - 1} boundaries; "
                f"found {len(boundaries)}"
            )
        if boundaries != sorted(set(boundaries)):
            raise ValueError("each of the boundaries must be above the one before")


class DropoutSchedule(Section):
    """Dropout rates that change while training; each group apart, null leaves it as it is."""

    hidden: RateSchedule | None = None
    attention: RateSchedule | None = None
    head: RateSchedule | None = None

    @model_validator(mode="after")
    def _has_a_group(self) -> "DropoutSchedule":
        if not (self.hidden or self.attention or self.head):
            raise ValueError("give a schedule to hidden, attention or head")
        return self


class Callbacks(Section):
    """What watches and steers the training."""

    early_stopping: EarlyStopping | None = None
    dropout_schedule: DropoutSchedule | None = None
    tensorboard: bool = False
    """Writes events to <output_dir>/tensorboard."""


class Export(Section):
    """The SavedModel at the end of a run."""

    enabled: bool = True
    check_texts: Annotated[int, Field(ge=200)] = 200
    """How many validation texts the exported model must answer like the trained one."""
    tolerance: Annotated[float, Field(gt=0.0, le=1e-5)] = 1e-5
