"""What a source takes and what it gives: `ReadOptions` and `Table`."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

from tfft.errors import DataError, NoColumnError, did_you_mean

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """How a file is to be read; each source looks at what concerns it.

    The fields are those of `tfft.data.sources.read_table`, which explains them.
    """

    header: bool | None = None
    quoting: bool = True
    delimiter: str | None = None
    encoding: str = "utf-8"
    split: str | Sequence[str] | None = None
    member: str | None = None
    data_dir: str | None = None
    download: bool = True
    label_in_front: bool = True
    label_until: str | None = None
    label_prefix: str | None = None
    tags: str | None = None

    @property
    def splits(self) -> list[str]:
        """The splits asked for, none, one or several, as a list."""
        if self.split is None:
            return []
        return [self.split] if isinstance(self.split, str) else list(self.split)


@dataclass(frozen=True)
class Table:
    """Rows read from a file, column by column.

    Attributes:
        columns: the cells of each column, by its name. Columns of a file without names are
            called "0", "1", ...
        path: where the rows came from, as messages show it.
        lines: the line each row starts on, where the file has lines.
        numbers: where rows were left out and there are no lines: the number of each row in the
            file, from 0.
    """

    columns: dict[str, list[Any]]
    path: str
    lines: list[int] | None = None
    numbers: Sequence[int] | None = None

    @property
    def names(self) -> list[str]:
        """The names of the columns, in their order."""
        return list(self.columns)

    @property
    def rows(self) -> int:
        """The number of rows."""
        return len(next(iter(self.columns.values()), []))

    def column(self, key: str | int) -> list[Any]:
        """Returns the cells of one column, by its name or by its position from 0.

        Raises:
            DataError: if there is no such column; the message lists those that exist.
        """
        if not self.has(key):
            raise self._no_column(key)
        return self.columns[self.names[key] if isinstance(key, int) else key]

    def has(self, key: str | int) -> bool:
        """Whether there is a column of this name, or at this position."""
        return 0 <= key < len(self.columns) if isinstance(key, int) else key in self.columns

    def take(self, rows: Sequence[int]) -> "Table":
        """The given rows, in the given order."""
        columns = {name: [cells[row] for row in rows] for name, cells in self.columns.items()}
        if self.lines is None:
            numbers = range(self.rows) if self.numbers is None else self.numbers
            return Table(columns, self.path, numbers=[numbers[row] for row in rows])
        return Table(columns, self.path, [self.lines[row] for row in rows])

    def where(self, row: int) -> str:
        """Says where a row (counted from 0) stands: `file:line`, or `file, row n`."""
        if self.lines is None:
            number = row if self.numbers is None else self.numbers[row]
            return f"{self.path}, row {number + 1}"
        return f"{self.path}:{self.lines[row]}"

    def _no_column(self, key: str | int) -> NoColumnError:
        if isinstance(key, int):
            asked, hint = f"column at position {key}", " Positions count from 0."
        else:
            asked, hint = f"column {key!r}", did_you_mean(key, self.names)
        return NoColumnError(
            f"{self.path} has no {asked}. Its columns: {listed(self.names)}.{hint}"
        )


def cut(items: Iterable[T], size: int | None) -> Iterator[list[T]]:
    """Lists of `size` items, the last one shorter; None: one list of all. At least one list.

    >>> list(cut("abcde", 2))
    [['a', 'b'], ['c', 'd'], ['e']]
    """
    left = iter(items)
    part = list(islice(left, size))
    yield part
    while part and (part := list(islice(left, size))):
        yield part


def listed(names: Iterable[str], *, most: int = 20, longest: int = 60) -> str:
    """Writes names for a message: quoted, shortened, and not too many of them.

    >>> listed(["text", "label"])
    "'text', 'label'"
    """
    names = list(names)
    shown = [name if len(name) <= longest else name[:longest] + "…" for name in names[:most]]
    more = [f"and {len(names) - most} more"] if len(names) > most else []
    return ", ".join([*map(repr, shown), *more]) or "none"


def check_unique(names: Sequence[str], where: str, hint: str = "") -> None:
    """Raises a `DataError` if a column name stands twice."""
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"{where}: columns named more than once: {listed(twice)}.{hint}")
