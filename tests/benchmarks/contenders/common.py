"""What every contender's process shares: its order, threads, memory, and the clock of its steps.

A contender is a script. Its one argument is its order as JSON; the last line that it prints is its
answer as JSON. It imports nothing heavy before `run_contender` has set its threads.
"""

import csv
import importlib.metadata
import json
import os
import random
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Packages of the extra `benchmark`, and what they need: whoever lacks one is not installed here.
PACKAGES = "torch transformers accelerate onnx onnxruntime onnxscript tokenizers"


class WindowDone(Exception):
    """Raised where a framework's loop stands when the counted steps are over."""


def run_contender(contend: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Reads the order, sets the processors, and prints the answer (`{"missing": NAME}`)."""
    order = json.loads(sys.argv[1])
    limit_processors(order["threads"])
    try:
        answer = contend(order)
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in PACKAGES.split():
            raise
        answer = {"missing": missing}
    print("\n" + json.dumps(answer), flush=True)


def limit_processors(threads: int) -> None:
    """Keeps the whole process, helper threads too, on as many processors as it has threads."""
    if hasattr(os, "sched_setaffinity"):
        allowed = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, allowed[:threads])


def import_tensorflow(threads: int) -> Any:
    """TensorFlow with that many threads inside an operation and between operations."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    return tf


def import_torch(threads: int) -> Any:
    """PyTorch with that many threads."""
    import torch

    torch.set_num_threads(threads)
    return torch


def versions(*packages: str) -> dict[str, str]:
    """The installed versions of distributions."""
    return {name: importlib.metadata.version(name) for name in packages}


# ------------------------------------------------------------------------------------------ data


def read_rows(path: str | Path, *, seed: int | None = None) -> tuple[list[str], list[int]]:
    """Texts and labels of a file as SST-2 has it: `text TAB number`, no header, no quoting.

    Args:
        path: the file.
        seed: of the order; None keeps the file's.
    """
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    if seed is not None:
        random.Random(seed).shuffle(rows)
    return [row[0] for row in rows], [int(row[1]) for row in rows]


# ---------------------------------------------------------------------------------------- memory


def resident_mb() -> float:
    """Memory that the process holds now, in MB (10^6 bytes); the peak where that is not told."""
    return _status_mb("VmRSS")


def peak_mb() -> float:
    """The most memory that the process has held, in MB (10^6 bytes)."""
    return _status_mb("VmHWM")


def _status_mb(key: str) -> float:
    # Not ru_maxrss on Linux: it begins with the peak of the process that started this one.
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    line = next(line for line in status.read_text().splitlines() if line.startswith(key))
    return int(line.split()[1]) * 1024 / 1e6


# ----------------------------------------------------------------------------------------- steps


class StepClock:
    """Times a window of training steps, without what happens between epochs.

    The first `warmup` steps are not counted. Nothing waits for the device but at the first step
    and at both ends of the window.

    Args:
        warmup: steps before the window; at least 1.
        steps: of the window.
        wait: returns when all that was asked of the device is done.
        now: tells the time in seconds.
        memory: tells the peak so far in MB.

    Attributes:
        begin: the step after which the window begins.
        end: its last step; 0 until it is over.
        first_step_seconds: from the start of the training to the end of its first step.
        first_step_at: when that was, in seconds since 1970.
        peak_mb: until the first epoch or the window was over, whichever came first: of the steps,
            before validation and checkpoints.
    """

    def __init__(
        self,
        *,
        warmup: int,
        steps: int,
        wait: Callable[[], Any] = lambda: None,
        now: Callable[[], float] = time.perf_counter,
        memory: Callable[[], float] = peak_mb,
    ) -> None:
        self.warmup, self.steps = warmup, steps
        self.wait, self.now, self.memory = wait, now, memory
        self.first_step_seconds = self.first_step_at = self.peak_mb = 0.0
        self.begin = self.end = 0
        self._started = self._since = self.now()
        self._total = self._total_at_begin = 0.0

    @property
    def done(self) -> bool:
        """Whether the window is over."""
        return self.end > 0

    @property
    def seconds(self) -> float:
        """How long the steps of the window took."""
        return self._total - self._total_at_begin

    def start(self) -> None:
        """The training begins: compilation counts as part of the first step."""
        self._started = self.now()

    def begin_epoch(self) -> None:
        """Goes on counting."""
        self._since = self.now()

    def end_epoch(self) -> None:
        """Stops counting: validation and checkpoints are not steps."""
        self._add()
        self.peak_mb = self.peak_mb or self.memory()

    def end_step(self, number: int) -> None:
        """Step `number` is done, counted from 1; a loop may tell only each so many."""
        if self.first_step_seconds == 0.0:
            self.wait()
            self.first_step_seconds = self.now() - self._started
            self.first_step_at = time.time()
        if not self.begin and number >= self.warmup:
            self.wait()
            self._add()
            self.begin, self._total_at_begin = number, self._total
        elif self.begin and not self.done and number >= self.begin + self.steps:
            self.wait()
            self._add()
            self.end = number
            self.peak_mb = self.peak_mb or self.memory()

    def _add(self) -> None:
        now = self.now()
        self._total += now - self._since
        self._since = now


@dataclass(frozen=True)
class Imported:
    """What a process had used when its imports were done.

    Attributes:
        seconds: since the contender began.
        memory_mb: held then.
    """

    seconds: float
    memory_mb: float

    @classmethod
    def since(cls, start: float) -> "Imported":
        """Measures now; `start` is what `time.perf_counter` said at the beginning."""
        return cls(time.perf_counter() - start, resident_mb())


def training_answer(
    order: dict[str, Any], clock: StepClock, tokens_by_step: list[int], *, imported: Imported
) -> dict[str, Any]:
    """What a training contender answers.

    Args:
        order: has the `batch_size`, and when the process was `begun`.
        clock: after its window.
        tokens_by_step: non-padding tokens of each step from the first on.
        imported: what the imports had used.
    """
    if not clock.done:
        raise RuntimeError("The training ended before the counted steps were over.")
    counted = tokens_by_step[clock.begin : clock.end]
    return {
        "tokens_per_second": sum(counted) / clock.seconds,
        "step_seconds": clock.seconds / len(counted),
        "steps": len(counted),
        "tokens_per_row": sum(counted) / len(counted) / order["batch_size"],
        "first_step_seconds": clock.first_step_seconds,
        "start_to_first_step_seconds": clock.first_step_at - order["begun"],
        "import_seconds": imported.seconds,
        "peak_mb_above_imports": clock.peak_mb - imported.memory_mb,
    }


def accuracy_answer(reached: list[tuple[float, float]], wanted: float) -> dict[str, Any]:
    """What a contender for accuracy answers.

    Args:
        reached: the validation accuracy after each epoch, and the seconds since the process began.
        wanted: the accuracy to reach.

    Returns:
        `seconds_to_accuracy` is None where it was not reached.
    """
    accuracy, seconds = reached[-1]
    return {
        "seconds_to_accuracy": seconds if accuracy >= wanted else None,
        "seconds": seconds,
        "epochs": len(reached),
        "accuracy_percent": 100 * accuracy,
        "accuracies": [value for value, _ in reached],
    }
