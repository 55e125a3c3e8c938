"""Columns of a file become the fields of a task: texts, labels and weights, row by row."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from tfft.config import Columns, Data, DataFile, FileOptions
from tfft.data.cleaning import clean
from tfft.data.json_text import kind_of
from tfft.data.sources import ReadOptions, Table, read_table, read_tables
from tfft.data.table import listed
from tfft.errors import DataError


@dataclass(frozen=True)
class Examples:
    """The rows of one split.

    Attributes:
        texts: for each text field (`text`, `text_pair`, `negative`; `words`; `question`,
            `context`; `query`, `passage`) one string a row.
        labels: what is right for each row: the label's name, the list of several labels' names or
            of the words' tags, a number, the list of answers (text, first character), or the query
            and how relevant the passage is to it.
        sample_weight: float32 (rows,), or None.
        places: `file:line` of each row, for messages.
        path: the file or files, for messages.
        num_empty: how many rows were skipped because a text was empty.
        counts: what else happened while reading, and how often, for the person who looks.
        strata: for each row what a share that is drawn should have its part of. Default: labels.
        groups: for each row what must not be parted by drawing a share, such as its context.
    """

    texts: dict[str, list[str]]
    labels: list[Any] | None = None
    sample_weight: np.ndarray | None = None
    places: list[str] = field(default_factory=list)
    path: str = "the examples"
    num_empty: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    strata: list[Any] | None = None
    groups: list[Any] | None = None

    def __len__(self) -> int:
        return len(next(iter(self.texts.values())))

    def parts(self) -> Iterator["Examples"]:
        """All rows, as those of a `StreamedExamples` come part by part."""
        yield self

    def where(self, row: int) -> str:
        """`file:line` of a row."""
        return self.places[row] if self.places else f"{self.path}, row {row + 1}"

    def take(self, rows: Sequence[int] | np.ndarray) -> "Examples":
        """The given rows, in the given order."""
        pick = [int(row) for row in rows]

        def picked(values: list[Any] | None) -> Any:
            return [values[row] for row in pick] if values else values

        return replace(
            self,
            texts={name: [values[row] for row in pick] for name, values in self.texts.items()},
            labels=picked(self.labels),
            sample_weight=None if self.sample_weight is None else self.sample_weight[pick],
            places=picked(self.places),
            strata=picked(self.strata),
            groups=picked(self.groups),
        )


def file_path(root: str, path: str, format: str | None = None) -> str:
    """`path` below `root`; the name of a tfds data set stays as it is."""
    return path if format == "tfds" else str(Path(root).expanduser() / Path(path).expanduser())


Reader = Callable[..., "Examples"]
"""Maps a table and the options of its file to examples. Keywords: `with_labels`, false where only
the texts are wanted, such as for prediction; `needs_weights`, true for training data."""


def load_table(file: DataFile, path: str, root: str = ".") -> Table:
    """Reads a file as its options say, without the rows that they skip.

    Args:
        file: the options.
        path: where the file is.
        root: what the path of its tags is below.
    """
    table = read_table(path, format=file.format, **_read_options(file, root))
    return without_rows(table, file.skip) if file.skip else table


def load_tables(file: DataFile, path: str, root: str, size: int) -> Iterator[Table]:
    """Reads a file as `load_table` does, up to `size` rows at a time."""
    for table in read_tables(path, size, format=file.format, **_read_options(file, root)):
        yield without_rows(table, file.skip) if file.skip else table


def _read_options(file: DataFile, root: str) -> dict[str, Any]:
    names = set(ReadOptions.__dataclass_fields__) & set(FileOptions.model_fields)
    options = {name: getattr(file, name) for name in names}
    if file.tags is not None:
        options["tags"] = file_path(root, file.tags)
    return options


def without_rows(table: Table, skip: Mapping[str, Sequence[Any]]) -> Table:
    """Leaves out the rows whose cell in a column is one of the values."""
    cells = {name: table.column(name) for name in skip}
    left_out = {name: {str(value) for value in values} for name, values in skip.items()}
    kept = [
        row
        for row in range(table.rows)
        if not any(str(cells[name][row]) in values for name, values in left_out.items())
    ]
    return table.take(kept)


def load_examples(data: Data, split: str, read: Reader) -> Examples:
    """Reads one split of the config's data.

    Args:
        data: the config's section.
        split: `train`, `validation` or `test`.
        read: the task's; see `tfft.data.fields.build_reader`.

    Raises:
        DataError: a fault of a file, or no rows in it.
    """
    parts = []
    for file in data.files(split):
        table = load_table(file, file_path(data.dir, file.path, file.format), data.dir)
        if not table.rows:
            raise DataError(f"{table.path} has no rows. Each file of {split} needs at least one.")
        part = read(table, file, needs_weights=split == "train")
        parts.append(without_empty_texts(part, refuse=data.empty_text == "error"))
    examples = join_examples(parts)
    if not len(examples):
        raise DataError(f"{examples.path}: the {split} split has no rows with a text.")
    return examples


def join_examples(parts: Sequence[Examples]) -> Examples:
    """The rows of several files, one after the other.

    Raises:
        DataError: they do not have the same texts.
    """
    if len(parts) == 1:
        return parts[0]
    for part in parts:
        if part.texts.keys() != parts[0].texts.keys():
            raise DataError(
                f"{part.path} has the texts {listed(part.texts)}, but {parts[0].path} has "
                f"{listed(parts[0].texts)}. All files of a split need the same ones."
            )
    weighted = any(part.sample_weight is not None for part in parts)
    weights = [
        np.ones(len(p), "float32") if p.sample_weight is None else p.sample_weight for p in parts
    ]
    return Examples(
        texts={name: [t for part in parts for t in part.texts[name]] for name in parts[0].texts},
        labels=_joined([part.labels for part in parts]),
        sample_weight=np.concatenate(weights) if weighted else None,
        places=[place for part in parts for place in part.places],
        path=" + ".join(part.path for part in parts),
        num_empty=sum(part.num_empty for part in parts),
        counts=dict(sum((Counter(part.counts) for part in parts), Counter())),
        strata=_joined([part.strata for part in parts]),
        groups=_joined([part.groups for part in parts]),
    )


def without_empty_texts(examples: Examples, *, refuse: bool, what: str = "rows in all") -> Examples:
    """Leaves out rows with an empty text and counts them, or refuses them.

    Args:
        examples: the rows.
        refuse: whether an empty text is a fault.
        what: the rows are called in the message.

    Raises:
        DataError: with `refuse`, naming the first such line and how many there are.
    """
    fields = list(examples.texts.values())
    empty = [row for row in range(len(examples)) if any(not texts[row].strip() for texts in fields)]
    if not empty:
        return examples
    if refuse:
        names = [name for name, texts in examples.texts.items() if not texts[empty[0]].strip()]
        what_is = names[0] if len(fields) > 1 else "text"
        raise DataError(
            f"{examples.where(empty[0])}: the {what_is} is empty (so are {len(empty)} of "
            f"{len(examples)} {what}). Give it a text, or set data.empty_text: skip."
        )
    kept = examples.take(np.delete(np.arange(len(examples)), empty))
    return replace(kept, num_empty=len(empty))


def _joined(parts: Sequence[list[Any] | None]) -> list[Any] | None:
    return None if parts[0] is None else [item for part in parts for item in part or []]


def joined_columns(table: Table, columns: Any, cleaning: Sequence[str]) -> list[str]:
    """The texts of a column, cleaned; several columns are joined with a blank.

    Raises:
        DataError: there is no such column, or a cell holds no text.
    """
    names = columns if isinstance(columns, list) else [columns]
    parts = [table.column(name) for name in names]
    for name, part in zip(names, parts, strict=True):
        for row, cell in enumerate(part):
            if isinstance(cell, (list, dict, bytes)):
                raise DataError(
                    f"{table.where(row)}: the column {name!r} holds {kind_of(cell)}; expected a "
                    "text."
                )
    joined = [
        " ".join("" if cell is None else str(cell) for cell in row)
        for row in zip(*parts, strict=True)
    ]
    return clean(joined, cleaning)


def read_weights(table: Table, columns: Columns, *, needed: bool) -> np.ndarray | None:
    """The sample weights, float32 (rows,), or None where there are none.

    Args:
        table: what was read.
        columns: `sample_weight` says which column.
        needed: whether the column must be there if one is said, as in training data.

    Raises:
        DataError: a weight is no number of 0 or more.
    """
    column = columns.sample_weight
    if column is None or not (needed or table.has(column)):
        return None
    weights = []
    for row, cell in enumerate(table.column(column)):
        try:
            weight = float(cell)
        except (TypeError, ValueError):
            weight = -1.0
        if not 0.0 <= weight < float("inf"):
            raise DataError(
                f"{table.where(row)}: the sample weight is {cell!r}; expected a number of 0 or "
                "more."
            )
        weights.append(weight)
    return np.array(weights, "float32")
