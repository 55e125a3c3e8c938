"""`python -m tfft.export --run DIR`: a run's SavedModel, or its model for transformers."""

import argparse
import os
import sys

from tfft.cli import run_command, start_tensorflow
from tfft.data.fields import raw_texts, text_fields
from tfft.errors import ConfigError, DataError
from tfft.runs import RunDir

MOST_TEXTS = 10_000
SAVED_MODEL, HUGGING_FACE = FORMATS = ("savedmodel", "huggingface")


def build_parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = argparse.ArgumentParser(
        "tfft export",
        description="Writes DIR/export/<version>/, a SavedModel for TensorFlow Serving, or "
        "DIR/huggingface/ for transformers, after checking that it answers like the trained model.",
    )
    parser.add_argument("--run", required=True, metavar="DIR", help="output_dir of a finished fit")
    parser.add_argument(
        "--format", choices=FORMATS, default=SAVED_MODEL, help="default: %(default)s"
    )
    parser.add_argument(
        "--output", metavar="PLACE", help="huggingface: the directory; default: DIR/huggingface"
    )
    parser.add_argument(
        "--version", type=int, metavar="N", help="savedmodel: default: one more than the highest"
    )
    parser.add_argument(
        "--check-data",
        metavar="FILE",
        help="texts for the check, in any format fit reads; default: the validation split",
    )
    return parser


def main(argv: list[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    arguments = build_parser().parse_args(argv)
    return run_command(lambda: export(**vars(arguments)))


def export(
    run: str,
    version: int | None = None,
    check_data: str | None = None,
    *,
    format: str = SAVED_MODEL,
    output: str | None = None,
) -> None:
    """Does what the command's arguments say.

    See `tfft.serving.export_saved_model` and `tfft.huggingface.export_huggingface`.
    """
    refuse_other_options(format, version, output)
    directory = RunDir.open(run)
    # The graph is TensorFlow's and is checked on the CPU, whatever the training ran on. Before the
    # data are read: spans of entities are, with TensorFlow.
    os.environ.update({"KERAS_BACKEND": "tensorflow", "CUDA_VISIBLE_DEVICES": "-1"})
    columns = load_columns(directory, check_data)
    start_tensorflow()
    from tfft.huggingface import export_huggingface
    from tfft.inference import load_run
    from tfft.serving import export_saved_model
    from tfft.serving.requests import choose_check_texts

    section = directory.experiment.export
    texts = choose_check_texts(columns, section.check_texts)
    trained, tolerance = load_run(run), section.tolerance
    if format == HUGGING_FACE:
        place = export_huggingface(trained, texts, output, tolerance=tolerance)
    else:
        place = export_saved_model(trained, texts, version=version, tolerance=tolerance)
    print(f"Exported {place}")


def refuse_other_options(format: str, version: int | None, output: str | None) -> None:
    """Raises ConfigError for an option that is not the format's, or makes no sense."""
    if version is not None and format != SAVED_MODEL:
        raise ConfigError(f"--version goes with --format {SAVED_MODEL} alone. Leave it out.")
    if output is not None and format != HUGGING_FACE:
        raise ConfigError(
            f"--output goes with --format {HUGGING_FACE} alone: servers look for "
            "DIR/export/<version>. Leave it out."
        )
    if version is not None and version < 0:
        raise ConfigError(f"--version is {version}; servers take numbers from 0 on.")


def load_columns(directory: RunDir, check_data: str | None) -> dict[str, list[str]]:
    """What is asked, by field: of a file, or of the validation split (test or train without one).

    Texts are as somebody would send them, and only those that are answered.
    """
    from tfft.data.fields import build_reader
    from tfft.data.splits import load_splits
    from tfft.data.streamed_examples import in_memory
    from tfft.data.user_files import describe_user_file, read_user_table

    experiment = directory.experiment
    if check_data is None:
        try:
            splits = load_splits(experiment, directory.labels)
        except DataError as error:
            raise DataError(
                f"{error} The check asks the model texts of its own data; --check-data FILE gives "
                "it others."
            ) from None
        split = next(splits[s] for s in ("validation", "test", "train") if s in splits)
        return served_texts(directory, in_memory(split, MOST_TEXTS).texts)
    file = describe_user_file(experiment.data, check_data, with_labels=False)
    table = read_user_table(file)
    examples = build_reader(experiment)(table, file, with_labels=False)
    return served_texts(directory, examples.texts)


def served_texts(directory: RunDir, texts: dict[str, list[str]]) -> dict[str, list[str]]:
    """Of the texts of examples those that are sent; `similarity` learns from more of them."""
    raw = raw_texts(texts)
    return {field: raw[field] for field in text_fields(directory.experiment)}


if __name__ == "__main__":
    sys.exit(main())
