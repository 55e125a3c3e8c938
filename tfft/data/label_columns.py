"""How labels are written in files: a name, a number, several in one cell, or 0/1 columns."""

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from tfft.config import DataFile
from tfft.data.sources import Table
from tfft.data.table import listed
from tfft.errors import ConfigError, DataError

_NO = frozenset(["", "0", "false", "no"])
_YES = frozenset(["1", "true", "yes"])


def read_label_columns(
    table: Table, file: DataFile, *, label_names: Sequence[str] | None, multi_label: bool
) -> list[Any]:
    """Reads the label of each row, or with `multi_label` the list of its labels.

    Args:
        table: what was read.
        file: `columns.label`, `label_separator`, `label_until` and `label_numbers_from` say how
            labels are written.
        label_names: the task's labels, for labels that are written as numbers.
        multi_label: whether a row may have any number of labels.

    Raises:
        DataError: a row without its one label, or with several; a number out of range; a 0/1
            column that holds something else.
    """
    column = file.columns.label
    if isinstance(column, list):
        rows = _from_indicator_columns(table, column, label_names)
        return rows if multi_label else [_single(names, table, r) for r, names in enumerate(rows)]
    cells = table.column(column)
    if multi_label:
        parts = [_parts(cell, file.label_separator) for cell in cells]
        return [
            [_label(part, file, label_names, table.where(row)) for part in of_row]
            for row, of_row in enumerate(parts)
        ]
    return [
        _label(_single(cell, table, row), file, label_names, table.where(row))
        for row, cell in enumerate(cells)
    ]


def read_numbers(table: Table, column: Any, *, what: str = "label") -> list[float]:
    """Reads a number for each row.

    Args:
        table: what was read.
        column: one, by name or position.
        what: the numbers are called in messages.

    Raises:
        DataError: a cell that is no finite number.
        ConfigError: several columns.
    """
    if isinstance(column, list):
        raise ConfigError(
            f"data.columns.label names {len(column)} columns, {listed(map(str, column))}; expected "
            "one, with a number in each row."
        )
    numbers = []
    for row, cell in enumerate(table.column(column)):
        try:
            number = float(cell)
        except (TypeError, ValueError):
            number = math.nan
        if not math.isfinite(number):
            raise DataError(f"{table.where(row)}: the {what} is {cell!r}; expected a number.")
        numbers.append(number)
    return numbers


def tenths(numbers: Sequence[float]) -> list[str]:
    """For each number in which tenth of them it is."""
    edges = np.quantile(numbers, np.arange(1, 10) / 10)
    return [str(tenth) for tenth in np.searchsorted(edges, numbers)]


def label_text(cell: Any) -> str:
    """A label as text: 3.0 from a column of floats is the label 3, and True is `true`."""
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    return "" if cell is None else str(cell).strip()


def _parts(cell: Any, separator: str | None) -> list[Any]:
    """The labels of one cell: a list as it is, a string cut at the separator, nothing as none."""
    if isinstance(cell, (list, tuple, np.ndarray)):
        return list(cell)
    if cell is None or str(cell).strip() == "":
        return []
    parts = str(cell).split(separator) if separator else [cell]
    return [part for part in parts if str(part).strip()]


def _single(cell: Any, table: Table, row: int) -> Any:
    if not isinstance(cell, (list, tuple)):
        return cell
    if len(cell) > 1:
        raise DataError(
            f"{table.where(row)}: this row has {len(cell)} labels ({cell}); one was expected. "
            "Set task.multi_label: true if rows may have several."
        )
    if not cell:
        raise DataError(f"{table.where(row)}: this row has no label. Every row needs one.")
    return cell[0]


def _label(cell: Any, file: DataFile, label_names: Sequence[str] | None, where: str) -> str:
    name = label_text(cell)
    if file.label_until:
        name = name.split(file.label_until, 1)[0].strip()
    if name == "":
        raise DataError(f"{where}: the label is empty. Every row needs one.")
    if file.label_numbers_from is None or label_names is None:
        return name
    return _numbered(name, file.label_numbers_from, label_names, where)


def _numbered(name: str, first: int, label_names: Sequence[str], where: str) -> str:
    number = int(name) - first if re.fullmatch(r"[-+]?\d+", name) else -1
    if not 0 <= number < len(label_names):
        raise DataError(
            f"{where}: the label is {name!r}; expected a number from {first} to "
            f"{first + len(label_names) - 1} (data.label_numbers_from: {first}, "
            f"{len(label_names)} labels)."
        )
    return label_names[number]


def _from_indicator_columns(
    table: Table, columns: Sequence[str | int], label_names: Sequence[str] | None
) -> list[list[str]]:
    rows: list[list[str]] = [[] for _ in range(table.rows)]
    cells = [table.column(column) for column in columns]
    names = _indicated(table, columns, label_names)
    for name, column, of_column in zip(names, columns, cells, strict=True):
        for row, cell in enumerate(of_column):
            value = label_text(cell).lower()
            if value in _YES:
                rows[row].append(name)
            elif value not in _NO:
                raise DataError(
                    f"{table.where(row)}: the column {column!r} holds {cell!r}; expected 0 or 1."
                )
    return rows


def _indicated(
    table: Table, columns: Sequence[str | int], label_names: Sequence[str] | None
) -> Sequence[str]:
    """The label that each 0/1 column stands for: its own name, else the task's in their order."""
    if label_names is None:
        return [table.names[c] if isinstance(c, int) else c for c in columns]
    by_name = [column for column in columns if column in label_names]
    if len(by_name) == len(columns):
        return [str(column) for column in by_name]
    if len(label_names) != len(columns):
        raise DataError(
            f"{table.path}: data.columns.label names {len(columns)} columns, but the task has "
            f"{len(label_names)} labels. Give one 0/1 column for each label, in the same order."
        )
    return label_names
