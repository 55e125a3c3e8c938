"""`python -m tfft.evaluate --run DIR`: scores a finished run on a split or a file.

`python -m tfft.evaluate --predictions FILE` scores somebody's answers, without a model.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfft.cli import run_command, start_tensorflow
from tfft.errors import ConfigError
from tfft.runs import RunDir

if TYPE_CHECKING:
    from tfft.scoring import Scored


def build_parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = argparse.ArgumentParser(
        "tfft evaluate",
        description="Scores a finished run by its task's measures, or answers in a file.",
    )
    scored = parser.add_mutually_exclusive_group(required=True)
    scored.add_argument("--run", metavar="DIR", help="output_dir of a finished fit")
    scored.add_argument(
        "--predictions",
        metavar="FILE",
        help="somebody's answers: CoNLL with the answered tag last, or json {id: answer}",
    )
    parser.add_argument(
        "--data",
        metavar="FILE",
        help="a labelled file in any format fit reads; with --predictions the right answers: CoNLL "
        "with the tag last (default: the column before the answered one), or SQuAD's json",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="how --data is read where it differs from training, such as columns.label=class",
    )
    parser.add_argument(
        "--split",
        choices=["train", "validation", "test"],
        help="without --data: the config's split; default: test, or validation where none is",
    )
    parser.add_argument(
        "--by-character",
        action="store_true",
        help="--predictions: each Chinese or Japanese character of an answer is a word",
    )
    parser.add_argument("--json", action="store_true", help="prints JSON, as in metrics.json")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    arguments = build_parser().parse_args(argv)
    return run_command(lambda: evaluate(arguments))


def evaluate(arguments: argparse.Namespace) -> None:
    """Does what the command's arguments say."""
    name, scored = score_file(arguments) if arguments.predictions else score_run(arguments)
    if arguments.json:
        print(json.dumps({name: scored.scores}, indent=2, ensure_ascii=False))
        for note in scored.notes:
            print(f"note: {note}", file=sys.stderr)
        return
    from rich.console import Console

    from tfft.metrics.report import print_report

    print_report(
        Console(highlight=False),
        {Path(name).name: scored.scores},
        confusions=scored.confusions,
        notes=scored.notes,
    )


def score_file(arguments: argparse.Namespace) -> "tuple[str, Scored]":
    """The answers' file and what is to be said of them."""
    if arguments.split or arguments.set:
        raise ConfigError("--split and --set belong to --run, not to --predictions.")
    from tfft.scoring import score_predictions

    scored = score_predictions(
        arguments.predictions, arguments.data, by_character=arguments.by_character
    )
    return arguments.predictions, scored


def score_run(arguments: argparse.Namespace) -> "tuple[str, Scored]":
    """The split's name and what is to be said of the run's answers."""
    if arguments.by_character:
        raise ConfigError("--by-character belongs to --predictions; a run has task.by_character.")
    if arguments.data and arguments.split:
        raise ConfigError("Give either --data or --split, not both.")
    directory = RunDir.open(arguments.run)
    split, examples = load(arguments, directory)
    start_tensorflow()
    from tfft.inference import load_run, tokenize_examples
    from tfft.scoring import Scored

    trained = load_run(arguments.run)
    task = trained.task
    rows = tokenize_examples(task, trained.encoder, examples)
    outputs = trained.outputs(rows)
    return split, Scored(
        task.scores(rows, outputs), task.confusions(rows, outputs), task.notes(rows, outputs)
    )


def load(arguments: argparse.Namespace, directory: RunDir) -> tuple[str, Any]:
    """The split's name and its examples."""
    from tfft.data.examples import without_empty_texts
    from tfft.data.fields import build_reader
    from tfft.data.splits import load_splits
    from tfft.data.streamed_examples import in_memory
    from tfft.data.user_files import describe_user_file, read_user_table
    from tfft.errors import DataError

    experiment, labels = directory.experiment, directory.labels
    if arguments.data:
        file = describe_user_file(experiment.data, arguments.data, arguments.set)
        examples = build_reader(experiment, labels)(read_user_table(file), file)
        kept = without_empty_texts(examples, refuse=experiment.data.empty_text == "error")
        if not len(kept):
            raise DataError(f"{arguments.data} has no rows. Expected at least one.")
        return arguments.data, kept
    splits = load_splits(experiment, labels)
    split = arguments.split or ("test" if "test" in splits else "validation")
    if split not in splits:
        raise ConfigError(f"The config has no {split} split; it has {', '.join(splits)}.")
    return split, in_memory(splits[split])


if __name__ == "__main__":
    sys.exit(main())
