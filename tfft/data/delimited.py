"""csv and tsv: rows of cells with a delimiter between them."""

import csv
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain

from tfft.data.files import open_lines
from tfft.data.table import ReadOptions, Table, check_unique, cut
from tfft.errors import ConfigError, DataError

_ANY_SIZE = 2**31 - 1  # the most that csv takes on every platform

# The line on which a row starts, and its cells.
Row = tuple[int, list[str]]


def read_csv(path: str, options: ReadOptions, size: int | None) -> Iterator[Table]:
    """Reads rows with commas between the cells."""
    return read_delimited(path, options, size, delimiter=",")


def read_tsv(path: str, options: ReadOptions, size: int | None) -> Iterator[Table]:
    """Reads rows with tabs between the cells."""
    return read_delimited(path, options, size, delimiter="\t")


def read_delimited(
    path: str, options: ReadOptions, size: int | None, *, delimiter: str
) -> Iterator[Table]:
    """Reads rows of cells.

    Blank lines are skipped. Every row must have as many cells as the header, or without a header
    as the first row; only empty cells beyond these are let pass and dropped.

    Args:
        path: the file.
        options: `header` (by default there is one), `quoting`, `delimiter`, `encoding`, `member`.
        size: the most rows of a table; None: all in one.
        delimiter: what stands between the cells unless `options` say otherwise.
    """
    lines, name = open_lines(path, options, size)
    delimiter = _checked(options.delimiter or delimiter, quoting=options.quoting)
    rows = (_quoted_rows if options.quoting else _plain_rows)(lines, delimiter, name)
    first = next(rows, None)
    if first is None:
        yield Table({}, name, [])
        return
    names = [str(position) for position in range(len(first[1]))]
    if options.header is False:
        rows = chain([first], rows)
    else:
        names = _header(first, name)
    for part in cut(rows, size):
        fitted = [_fitted(row, len(names), name) for row in part]
        cells = zip(*fitted, strict=True) if fitted else ([] for _ in names)
        columns = {name: list(column) for name, column in zip(names, cells, strict=True)}
        yield Table(columns, name, [line for line, _ in part])


def _plain_rows(lines: Iterable[str], delimiter: str, name: str) -> Iterator[Row]:
    """Splits at line ends and delimiters alone: a quote is a character like any other."""
    for number, line in enumerate(lines, start=1):
        row = line.rstrip("\r\n")
        if row and (delimiter in row or not row.isspace()):
            yield number, row.split(delimiter)


def _quoted_rows(lines: Iterable[str], delimiter: str, name: str) -> Iterator[Row]:
    """Splits as RFC 4180 says: a quoted cell may hold delimiters, line ends and doubled quotes."""
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    start = 1
    try:
        while True:
            with _cells_of_any_size():
                cells = next(reader, None)
            if cells is None:
                return
            if cells and not (len(cells) == 1 and cells[0].isspace()):
                yield start, cells
            start = reader.line_num + 1
    except csv.Error as error:
        raise _misquoted(error, start, reader.line_num, name) from None


@contextmanager
def _cells_of_any_size() -> Iterator[None]:
    """For one row at a time: other code of the process may use csv between two rows."""
    before = csv.field_size_limit(_ANY_SIZE)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _header(row: Row, name: str) -> list[str]:
    line, cells = row
    names = [cell.strip() for cell in cells]
    while len(names) > 1 and not names[-1]:  # what spreadsheets leave behind
        names.pop()
    hint = " If the first line is no header, set header: false."
    check_unique(names, f"{name}:{line}", hint)
    return names


def _fitted(row: Row, width: int, name: str) -> list[str]:
    """Returns the cells of a row, which must be `width`."""
    line, cells = row
    if len(cells) == width:
        return cells
    if len(cells) > width and not any(cells[width:]):
        return cells[:width]
    raise DataError(
        f"{name}:{line}: found {len(cells)} cells, expected {width} as in the first row. "
        "If the file is whole, see that delimiter is right, and whether quotes are text "
        "(quoting: false) or enclose cells (quoting: true)."
    )


def _misquoted(error: csv.Error, start: int, end: int, name: str) -> DataError:
    up_to = f" (up to line {end})" if end > start else ""
    return DataError(
        f'{name}:{start}: a quote (") that opens a cell has no fitting end{up_to}: {error}. '
        "If quotes are ordinary characters of this file, set quoting: false."
    )


def _checked(delimiter: str, *, quoting: bool) -> str:
    delimiter = "\t" if delimiter == "\\t" else delimiter
    if any(mark in delimiter for mark in '\r\n"'):
        raise ConfigError(f"delimiter: {delimiter!r} holds a line end or a quote.")
    if quoting and len(delimiter) > 1:
        raise ConfigError(
            f"delimiter: {delimiter!r} is longer than one character, which needs quoting: false."
        )
    return delimiter
