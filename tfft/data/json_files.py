"""json and jsonl: rows that are objects or lists."""

from collections.abc import Iterator
from itertools import chain
from typing import Any

from tfft.data.files import open_lines, read_text
from tfft.data.json_text import kind_of, parse_json
from tfft.data.squad import is_squad, squad_table
from tfft.data.table import ReadOptions, Table, cut, listed
from tfft.errors import DataError, did_you_mean


def read_jsonl(path: str, options: ReadOptions, size: int | None) -> Iterator[Table]:
    """Reads one object, or one list such as [text, label], from each line.

    Args:
        path: the file.
        options: `encoding` and `member`.
        size: the most rows of a table; None: all in one.
    """
    lines, name = open_lines(path, options, size)
    numbered = ((n, line) for n, line in enumerate(lines, 1) if line.strip())
    first: list[Any] = []
    for part in cut(numbered, size):
        rows = [parse_json(line.rstrip("\r\n"), name, first_line=n) for n, line in part]
        first = first or rows[:1]
        yield rows_table(rows, name, [n for n, _ in part], like=first)


def read_json(path: str, options: ReadOptions) -> Table:
    """Reads a whole document.

    It is a list of objects or of lists; an object with a list of rows for each split, chosen
    with `options.split`; an object of columns, `{"text": [...], "label": [...]}`; or SQuAD's.
    """
    text, name = read_text(path, options)
    document = parse_json(text, name) if text.strip() else []
    if options.splits:
        return rows_table(_rows_of_splits(document, options.splits, name), name)
    if is_squad(document):
        return squad_table(document, name)
    if isinstance(document, dict) and _is_columns(document):
        return Table(document, name)
    if isinstance(document, list):
        return rows_table(document, name)
    raise _no_rows(document, name)


def rows_table(
    rows: list[Any],
    path: str,
    lines: list[int] | None = None,
    *,
    like: list[Any] | None = None,
) -> Table:
    """Turns rows, all objects or all lists, into a table.

    A key that a row lacks is None there. Lists must be of one length; their columns are called
    "0", "1", ...

    Args:
        rows: what stands in the file.
        path: for messages.
        lines: the line of each row.
        like: one row, the first of the file, where `rows` are not its first ones.
    """
    table = Table({}, path, lines)
    first = (like or rows)[:1]
    kind = dict if first and isinstance(first[0], dict) else list
    for number, row in enumerate(rows):
        if not isinstance(row, kind):
            expected = "an object" if kind is dict else "an object or a list"
            raise DataError(f"{table.where(number)}: found {kind_of(row)}, expected {expected}.")
        if kind is list and len(row) != len(first[0]):
            raise DataError(
                f"{table.where(number)}: found {len(row)} cells, expected {len(first[0])} as in "
                "the first row."
            )
    return Table(_columns(rows, first), path, lines)


def _columns(rows: list[Any], first: list[Any]) -> dict[str, list[Any]]:
    if rows and isinstance(rows[0], list):
        return {str(n): list(column) for n, column in enumerate(zip(*rows, strict=True))}
    names = dict.fromkeys(key for row in chain(first, rows) for key in row)
    return {name: [row.get(name) for row in rows] for name in names}


def _rows_of_splits(document: Any, splits: list[str], name: str) -> list[Any]:
    known = _splits(document)
    for split in splits:
        if split not in known:
            hint = did_you_mean(split, known)
            raise DataError(f"{name} has no split {split!r}. Its splits: {listed(known)}.{hint}")
    return [row for split in splits for row in known[split]]


def _splits(document: Any) -> dict[str, list[Any]]:
    """Returns the rows of each split: those values of an object that are rows or columns."""
    splits: dict[str, list[Any]] = {}
    for name, value in document.items() if isinstance(document, dict) else ():
        if isinstance(value, list):
            splits[name] = value
        elif isinstance(value, dict) and _is_columns(value):
            cells = zip(*value.values(), strict=True)
            splits[name] = [dict(zip(value, row, strict=True)) for row in cells]
    return splits


def _is_columns(document: dict[str, Any]) -> bool:
    """Tells columns from splits: lists of one length, of which one at least holds plain values."""
    columns = list(document.values())
    if not columns or not all(isinstance(column, list) for column in columns):
        return False
    same_length = len({len(column) for column in columns}) == 1
    nested = all(isinstance(cell, list | dict) for column in columns for cell in column)
    return same_length and not nested


def _no_rows(document: Any, name: str) -> DataError:
    splits = _splits(document)
    if not splits:
        return DataError(
            f"{name} holds {kind_of(document)}, expected a list of rows, an object of columns, or "
            "an object of splits. If every line is an object of its own, set format: jsonl."
        )
    counts = ", ".join(f"{split!r} ({len(rows)} rows)" for split, rows in splits.items())
    return DataError(f"{name} holds several lists: choose with split. It has: {counts}.")
