"""The course of a dropout rate over the training.

Dropout that begins high and falls is annealed dropout (Rennie, Goel and Thomas, "Annealed Dropout
Training of Deep Networks", SLT 2014); dropout that begins low and rises is curriculum dropout
(Morerio et al., "Curriculum Dropout", ICCV 2017).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

from keras import ops

Shape = Literal["linear", "cosine", "step"]
Unit = Literal["step", "epoch"]


@dataclass(frozen=True)
class RateSchedule:
    """The course of a dropout rate: a pure function of the training step or of the epoch.

    Time is told in fractions of training: 0 is the first step (or epoch), 1 the last. So with
    ``by="epoch"`` and three epochs, ``RateSchedule("linear", start=0.3, end=0.1)`` trains at 0.3,
    0.2 and 0.1.

    Args:
        schedule: ``linear`` and ``cosine`` go from ``start`` to ``end``, in a straight line or in
            half a cosine wave; ``step`` jumps from one of ``rates`` to the next at ``boundaries``.
        start: rate up to ``begin_fraction``; for ``linear`` and ``cosine`` only.
        end: rate from ``end_fraction`` on; for ``linear`` and ``cosine`` only.
        by: ``step`` moves the rate with each training step, ``epoch`` with each epoch. A step is
            one batch, also where the optimizer accumulates the gradients of several batches.
            Defaults to ``step``.
        rates: for ``step`` only, one more than there are boundaries.
        boundaries: for ``step`` only, the fractions of training, above 0 and ascending, from which
            on the second and each later rate applies. Defaults to none.
        begin_fraction: where ``linear`` and ``cosine`` leave ``start``. Defaults to 0.
        end_fraction: where ``linear`` and ``cosine`` reach ``end``. Defaults to 1.

    Raises:
        ValueError: if a value is out of range or does not belong to the kind of schedule.
    """

    schedule: Shape
    start: float | None = None
    end: float | None = None
    by: Unit = "step"
    rates: tuple[float, ...] = ()
    boundaries: tuple[float, ...] = ()
    begin_fraction: float = 0.0
    end_fraction: float = 1.0

    def __post_init__(self) -> None:
        for name in ("rates", "boundaries"):
            value = getattr(self, name)
            require(isinstance(value, (list, tuple)), name, "a list of numbers", value)
            object.__setattr__(self, name, tuple(value))
        require(self.schedule in get_args(Shape), "schedule", get_args(Shape), self.schedule)
        require(self.by in get_args(Unit), "by", get_args(Unit), self.by)
        unused = ("start", "end") if self.schedule == "step" else ("rates", "boundaries")
        for name in unused:
            value = getattr(self, name)
            require(value in (None, ()), name, f"left out with {self.schedule!r}", value)
        if self.schedule == "step":
            self._check_step()
        else:
            self._check_ramp()

    def rate(self, index: Any, count: int) -> Any:
        """Returns the rate at one step (or epoch) of training, as a float32 scalar tensor.

        Args:
            index: number of the step (or epoch), from 0; may be a tensor. After the last one the
                rate stays what it was there.
            count: how many steps (or epochs) training has.
        """
        index, last = ops.cast(index, "float32"), max(count - 1, 1)
        if self.schedule == "step":
            return self._step_rate(index, last)
        begin, end = self.begin_fraction * last, self.end_fraction * last
        done = ops.clip((index - begin) / (end - begin), 0.0, 1.0)
        if self.schedule == "cosine":
            done = (1.0 - ops.cos(math.pi * done)) / 2.0
        return self.start + (self.end - self.start) * done  # type: ignore[operator]

    def _step_rate(self, index: Any, last: int) -> Any:
        rate = ops.convert_to_tensor(self.rates[0], "float32")
        for boundary, later in zip(self.boundaries, self.rates[1:], strict=True):
            # Whole numbers compare exactly, fractions in float32 do not.
            first = math.ceil(boundary * last - 1e-6)
            rate = ops.where(index >= first, later, rate)
        return rate

    def _check_step(self) -> None:
        rates, boundaries = self.rates, self.boundaries
        require(all(map(is_rate, rates)), "rates", "numbers in [0, 1)", rates)
        require(
            all(is_number(b) and 0 < b <= 1 for b in boundaries)
            and list(boundaries) == sorted(set(boundaries)),
            "boundaries",
            "ascending fractions of training, above 0 and at most 1",
            boundaries,
        )
        expected = f"one more than there are boundaries, {len(boundaries) + 1}"
        require(len(rates) == len(boundaries) + 1, "rates", expected, rates)

    def _check_ramp(self) -> None:
        for name in ("start", "end"):
            value = getattr(self, name)
            require(is_rate(value), name, "a number in [0, 1)", value)
        window = (self.begin_fraction, self.end_fraction)
        require(
            all(map(is_number, window)) and 0 <= window[0] < window[1] <= 1,
            "begin_fraction` and `end_fraction",
            "ascending fractions of training, in [0, 1]",
            window,
        )


def to_schedule(schedule: RateSchedule | Mapping[str, Any]) -> RateSchedule:
    """A schedule, or the fields of one as a config has them."""
    if isinstance(schedule, RateSchedule):
        return schedule
    known = [field.name for field in fields(RateSchedule)]
    require("schedule" in schedule, "schedule", get_args(Shape), dict(schedule))
    unknown = [name for name in schedule if name not in known]
    require(not unknown, "fields of a schedule", known, unknown)
    return RateSchedule(**schedule)


def is_number(value: Any) -> bool:
    """Whether it is a plain number."""
    return isinstance(value, (int, float))


def is_rate(value: Any) -> bool:
    """Whether a dropout can have this rate."""
    return is_number(value) and 0 <= value < 1


def require(condition: bool, name: str, expected: Any, received: Any) -> None:
    """Raises a ValueError with what was expected of an argument, unless the condition holds."""
    if isinstance(expected, (list, tuple)):
        expected = f"one of {', '.join(expected)}"
    if not condition:
        raise ValueError(f"`{name}` must be {expected}. Received: {received!r}.")
