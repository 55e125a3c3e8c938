"""Training: real tokens a second, share of the machine's peak, first step, peak memory.

A window is one epoch of SST-2 by default: only then do those that sort by length and those that do
not see the same lengths. Contenders whose steps are all alike get a part of it.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calibration import calibration_jobs, with_share_of_peak
from harness import ROOT, Job, build_parser
from inputs import count_rows, find_sst2, minilm_directory, write_full_rows
from report import Measure
from suite import run_benchmark
from targets import DEFAULT, GROUPED, KERAS_HUB, KERAS_HUB_128

CONFIG = ROOT / "configs" / "text_classification" / "sst2_minilm.yaml"
OPTIMIZER = {
    "learning_rate": 1e-4,
    "weight_decay": 0.01,
    "warmup_fraction": 0.1,
    "beta_1": 0.9,
    "beta_2": 0.999,
    "epsilon": 1e-8,
    "clip_norm": 1.0,
}
SEQUENCE_LENGTH = 128
NATURAL, FULL = "sst2", "full 128"
FULL_PART = 10  # steps of 128 pieces: one in so many of SST-2's


@dataclass(frozen=True)
class Contender:
    """Who trains: its name, its script, its own settings, and its part of the window's steps."""

    name: str
    script: str
    own: dict[str, Any]
    part: int = 1


CONTENDERS = [
    Contender("tfft", "training_tfft.py", {}),
    Contender(GROUPED, "training_transformers.py", {"grouped": True}),
    Contender(DEFAULT, "training_transformers.py", {"grouped": False}, part=3),
    Contender(KERAS_HUB_128, "training_keras_hub.py", {"preprocessor_length": 128}, part=4),
    Contender(KERAS_HUB, "training_keras_hub.py", {"preprocessor_length": None}, part=20),
]
MEASURES = [
    Measure("gflops", "GFLOP/s", "matrix product"),
    *(
        Measure(key, title, workload, digits)
        for workload in (NATURAL, FULL)
        for key, title, digits in (
            ("tokens_per_second", "real tokens/s", 0),
            ("share_of_peak", "% of peak", 1),
            ("first_step_seconds", "first step, compiling, s", 1),
            ("start_to_first_step_seconds", "process start to first step, s", 1),
            ("peak_mb_above_imports", "peak MB above imports", 0),
        )
    ),
]


def main() -> None:
    """Runs the benchmark and shows it."""
    parser = build_parser(__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=0, help="of the window; 0: one epoch of SST-2")
    parser.add_argument("--warmup", type=int, default=10, help="steps before it")
    parser.add_argument("--batch-size", type=int, default=32, help="examples of an update")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        folder, note = find_sst2(arguments.data, Path(work))
        run_benchmark(
            "training",
            build_jobs(arguments, folder, Path(work)),
            MEASURES,
            arguments,
            title="Training MiniLM on SST-2, float32",
            notes=[note],
            derive=with_share_of_peak,
        )


def build_jobs(arguments: Any, folder: Path, work: Path) -> list[Job]:
    """Every contender on SST-2 and on rows that are full, and the calibration."""
    steps = arguments.steps or -(-count_rows(folder) // arguments.batch_size)
    full_steps = part_of(steps, FULL_PART)
    num_rows = (full_steps + arguments.warmup) * arguments.batch_size
    full = write_full_rows(folder, work / "full", num_rows=num_rows)
    jobs = calibration_jobs(torch_python=arguments.torch_python)
    for contender in CONTENDERS:
        jobs.append(
            build_job(contender, arguments, NATURAL, folder, part_of(steps, contender.part))
        )
        if contender.name != KERAS_HUB:  # its 512 pieces are the same work on either
            jobs.append(build_job(contender, arguments, FULL, full, full_steps))
    return jobs


def build_job(contender: Contender, arguments: Any, workload: str, folder: Path, steps: int) -> Job:
    """One contender's order; all of them have the same settings."""
    warmup = min(arguments.warmup, steps)
    epoch = -(-count_rows(folder) // arguments.batch_size)
    epochs = (warmup + steps) // epoch + 1
    order = {
        "config": str(CONFIG),
        "preset": minilm_directory(),
        "data": str(folder),
        "batch_size": arguments.batch_size,
        "sequence_length": SEQUENCE_LENGTH,
        "optimizer": OPTIMIZER,
        "warmup": warmup,
        "steps": steps,
        "epochs": epochs,
        "updates": epochs * epoch,
        **contender.own,
    }
    uses_torch = contender.script == "training_transformers.py"
    python = {"python": arguments.torch_python} if uses_torch else {}
    return Job(contender.name, contender.script, order, workload, **python)


def part_of(steps: int, part: int) -> int:
    """One in `part` steps, at least 2."""
    return max(steps // part, 2)


if __name__ == "__main__":
    main()
