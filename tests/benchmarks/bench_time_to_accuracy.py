"""Time to accuracy: from process start until SST-2's validation accuracy is near the reference.

Whole trainings, validated after each epoch and ended when they have arrived: minutes each, so there
is one round unless --rounds says otherwise. The recipe is that of the config, which the reference
was measured with: AdamW at 1e-4, 3 epochs, batches of 32 grouped by length.
"""

import tempfile
from pathlib import Path
from typing import Any

from bench_training import CONFIG, OPTIMIZER, SEQUENCE_LENGTH
from harness import Job, build_parser
from inputs import find_sst2, minilm_directory
from report import Measure
from suite import run_benchmark
from targets import GROUPED, SST2_MARGIN, SST2_REFERENCE

MEASURES = [
    Measure("seconds_to_accuracy", "time to accuracy, s"),
    Measure("seconds", "time of the training, s"),
    Measure("epochs", "epochs"),
    Measure("accuracy_percent", "validation accuracy at the end, %", digits=2),
]


def main() -> None:
    """Runs the benchmark and shows it."""
    parser = build_parser(__doc__.splitlines()[0], rounds=1)
    parser.add_argument("--accuracy", type=float, default=SST2_REFERENCE - SST2_MARGIN)
    parser.add_argument("--epochs", type=int, default=3, help="at most")
    parser.add_argument("--batch-size", type=int, default=32, help="examples of an update")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        folder, note = find_sst2(arguments.data, Path(work))
        run_benchmark(
            "time_to_accuracy",
            build_jobs(arguments, folder),
            MEASURES,
            arguments,
            title=f"Time until SST-2's validation accuracy is {100 * arguments.accuracy:.2f}%",
            notes=[note],
        )


def build_jobs(arguments: Any, folder: Path) -> list[Job]:
    """tfft, and Hugging Face with the same recipe."""
    order = {
        "config": str(CONFIG),
        "preset": minilm_directory(),
        "data": str(folder),
        "accuracy": arguments.accuracy,
        "epochs": arguments.epochs,
        "batch_size": arguments.batch_size,
        "evaluation_batch_size": 128,
        "sequence_length": SEQUENCE_LENGTH,
        "optimizer": OPTIMIZER,
        "grouped": True,
        "settings": [
            f"training.epochs={arguments.epochs}",
            f"training.batch_size={arguments.batch_size}",
        ],
    }
    return [
        Job("tfft", "accuracy_tfft.py", order),
        Job(GROUPED, "accuracy_transformers.py", order, python=arguments.torch_python),
    ]


if __name__ == "__main__":
    main()
