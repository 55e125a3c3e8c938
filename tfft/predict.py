"""`python -m tfft.predict --run DIR ...`: answers texts, one JSON object a row."""

import argparse
import contextlib
import io
import itertools
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from tfft.cli import run_command, start_tensorflow
from tfft.errors import ConfigError, DataError
from tfft.runs import RunDir

ROWS_AT_ONCE = 4096
# What UTF-8 cannot write, half of a surrogate pair, stays as JSON writes it: \ud800.
_OUTPUT: dict[str, Any] = {"encoding": "utf-8", "errors": "backslashreplace"}


def build_parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = argparse.ArgumentParser(
        "tfft predict",
        description="Answers texts: the arguments, the rows of --data, or the lines of standard "
        "input. For two texts a row, a tab stands between them in arguments and lines.",
    )
    parser.add_argument("--run", required=True, metavar="DIR", help="output_dir of a finished fit")
    parser.add_argument("--data", metavar="FILE", help="a file in any format that fit reads")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="how --data is read where it differs from training, such as columns.text=review",
    )
    parser.add_argument("--output", metavar="FILE", help="default: standard output")
    parser.add_argument("texts", nargs="*", metavar="TEXT")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    arguments = build_parser().parse_args(argv)
    return run_command(lambda: predict(arguments))


def predict(arguments: argparse.Namespace) -> None:
    """Does what the command's arguments say."""
    if arguments.data and arguments.texts:
        raise ConfigError("Give either texts or --data, not both.")
    if arguments.output and not Path(arguments.output).absolute().parent.is_dir():
        raise ConfigError(f"--output {arguments.output}: there is no such directory.")
    directory = RunDir.open(arguments.run)
    chunks = read_chunks(arguments, directory)
    first = next(chunks, [])
    start_tensorflow()
    from tfft.inference import load_run

    trained = load_run(arguments.run)
    with open_output(arguments.output) as output:
        for chunk in itertools.chain([first] if first else [], chunks):
            texts = {field: [row["texts"][field] for row in chunk] for field in chunk[0]["texts"]}
            answers = trained.answer_columns(texts)
            for row, answer in zip(chunk, answers, strict=True):
                output.write(as_json(merge(row["columns"], answer)) + "\n")
            output.flush()


def read_chunks(arguments: argparse.Namespace, directory: RunDir) -> Iterator[list[dict[str, Any]]]:
    """The rows to answer, some at a time: the task's `texts` and the input's own `columns`."""
    if arguments.data:
        yield from _chunks(_table_rows(arguments, directory))
        return
    from tfft.data.fields import text_fields

    experiment = directory.experiment
    fields = {
        field: experiment.data.cleaning if field in experiment.task.cleaned else ()
        for field in text_fields(experiment)
    }
    lines = arguments.texts or _input_lines()
    yield from _chunks(_line_row(line, fields) for line in lines)


def merge(columns: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
    """The input's columns, then the answer; a column of the answer's name gets `input_` before."""
    kept: dict[str, Any] = {}
    for column, value in columns.items():
        name = column
        while name in answer or (name != column and name in columns):
            name = f"input_{name}"
        kept[name] = value
    return kept | answer


def as_json(row: dict[str, Any]) -> str:
    """A line of JSON: dates and bytes of a parquet file become text, NaN becomes null."""
    plain = {name: None if value != value else value for name, value in row.items()}
    return json.dumps(plain, ensure_ascii=False, default=str)


@contextlib.contextmanager
def open_output(path: str | None) -> Iterator[TextIO]:
    """Standard output, or a file that is written aside and renamed when it is whole."""
    if path is None:
        sys.stdout.reconfigure(**_OUTPUT)  # type: ignore[union-attr]
        yield sys.stdout
        return
    aside = Path(path + ".part")
    try:
        with aside.open("w", **_OUTPUT) as file:
            yield file
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def _input_lines() -> Iterator[str]:
    """The lines of standard input, which is UTF-8 whatever the machine is set to."""
    lines = io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8-sig")
    number = 0
    try:
        for number, line in enumerate(lines, start=1):  # noqa: B007 (for the message below)
            yield line.rstrip("\n")
    except UnicodeDecodeError as error:
        raise DataError(
            f"standard input, after line {number}: {error}. Expected UTF-8; for a file in another "
            "encoding use --data FILE --set encoding=..."
        ) from None


def _line_row(line: str, fields: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """The row of a line; `fields` says how each text is cleaned."""
    from tfft.data.cleaning import clean

    parts = line.split("\t", 1) if len(fields) == 2 else [line]
    if len(parts) != len(fields):
        raise DataError(f"{line!r}: expected {' and '.join(fields)} with a tab between them.")
    columns = dict(zip(fields, parts, strict=True))
    texts = {field: clean([text], fields[field])[0] for field, text in columns.items()}
    return {"texts": texts, "columns": columns}


def _table_rows(arguments: argparse.Namespace, directory: RunDir) -> Iterator[dict[str, Any]]:
    from tfft.data.fields import build_reader
    from tfft.data.user_files import describe_user_file, read_user_table

    experiment = directory.experiment
    file = describe_user_file(experiment.data, arguments.data, arguments.set, with_labels=False)
    table = read_user_table(file)
    if not table.rows:
        return
    examples = build_reader(experiment)(table, file, with_labels=False)
    for number in range(table.rows):
        columns = {name: column[number] for name, column in table.columns.items()}
        texts = {name: column[number] for name, column in examples.texts.items()}
        yield {"texts": texts, "columns": columns}


def _chunks(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    chunk: list[dict[str, Any]] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == ROWS_AT_ONCE:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


if __name__ == "__main__":
    sys.exit(main())
