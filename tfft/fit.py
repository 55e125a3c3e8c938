"""`python -m tfft.fit --config FILE`: trains, evaluates and exports one experiment."""

import argparse
import os
import subprocess
import sys

from tfft.cli import run_command, start_tensorflow
from tfft.config import Experiment, load_config
from tfft.memory import keep_freed_memory
from tfft.runs import RunDir


def build_parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = argparse.ArgumentParser("tfft fit", description="Fine-tunes, evaluates and exports.")
    parser.add_argument("--config", required=True, metavar="FILE", help="a YAML config")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="overrides a key, such as optimizer.learning_rate=3e-5; may stand several times",
    )
    parser.add_argument(
        "--check", action="store_true", help="checks config and data, shows both, trains nothing"
    )
    parser.add_argument(
        "--resume", action="store_true", help="goes on after the last finished epoch"
    )
    return parser


def main(argv: list[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    arguments = build_parser().parse_args(argv)
    return run_command(
        lambda: fit(arguments.config, arguments.set, arguments.check, arguments.resume)
    )


def fit(config: str, overrides: list[str], check: bool = False, resume: bool = False) -> int:
    """Does what the command's arguments say; see `tfft.training.run_experiment`."""
    experiment = load_config(config, overrides)
    directory = RunDir(experiment.output_dir)
    if not check and not resume:
        directory.refuse_if_taken()
    keep_freed_memory()
    start_tensorflow()
    from rich.console import Console

    console = Console(highlight=False)
    if check:
        from tfft.check import check_experiment

        check_experiment(experiment, console)
        return 0
    from tfft.training import run_experiment

    was_exported = any(directory.export.glob("*")) and directory.weights.is_file()
    run_experiment(experiment, resume=resume, console=console)
    if was_exported or not experiment.export.enabled:
        return 0
    return export_in_fresh_process(experiment)


def export_in_fresh_process(experiment: Experiment) -> int:
    """Runs `tfft.export`: on TensorFlow and the CPU, whatever the training ran on."""
    sys.stdout.flush()
    environment = os.environ | {"KERAS_BACKEND": "tensorflow", "CUDA_VISIBLE_DEVICES": "-1"}
    command = [sys.executable, "-m", "tfft.export", "--run", experiment.output_dir]
    return subprocess.run(command, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
