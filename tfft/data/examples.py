"""Columns of a file become the fields of a task: texts, labels and weights, row by row."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from tfft.config import Data, DataFile
from tfft.data.cleaning import clean
from tfft.data.label_columns import read_label_columns
from tfft.data.sources import Table, read_table
from tfft.errors import DataError


@dataclass(frozen=True)
class Examples:
    """The rows of one split.

    Attributes:
        texts: for each text field (`text`, `text_pair`) one string a row.
        labels: for each row the label's name, or with several labels the list of their names.
        sample_weight: float32 (rows,), or None.
        places: `file:line` of each row, for messages.
        path: the file or files, for messages.
        num_empty: how many rows were skipped because a text was empty.
    """

    texts: dict[str, list[str]]
    labels: list[Any] | None = None
    sample_weight: np.ndarray | None = None
    places: list[str] = field(default_factory=list)
    path: str = "the examples"
    num_empty: int = 0

    def __len__(self) -> int:
        return len(next(iter(self.texts.values())))

    def where(self, row: int) -> str:
        """`file:line` of a row."""
        return self.places[row] if self.places else f"{self.path}, row {row + 1}"

    def take(self, rows: Sequence[int] | np.ndarray) -> "Examples":
        """The given rows, in the given order."""
        pick = [int(row) for row in rows]
        return Examples(
            texts={name: [values[row] for row in pick] for name, values in self.texts.items()},
            labels=None if self.labels is None else [self.labels[row] for row in pick],
            sample_weight=None if self.sample_weight is None else self.sample_weight[pick],
            places=[self.places[row] for row in pick] if self.places else [],
            path=self.path,
            num_empty=self.num_empty,
        )


def file_path(root: str, path: str, format: str | None = None) -> str:
    """`path` below `root`; the name of a tfds data set stays as it is."""
    return path if format == "tfds" else str(Path(root).expanduser() / Path(path).expanduser())


def load_table(file: DataFile, root: str) -> Table:
    """Reads the file of a split as its options say."""
    return read_table(
        file_path(root, file.path, file.format),
        format=file.format,
        header=file.header,
        quoting=file.quoting,
        delimiter=file.delimiter,
        encoding=file.encoding,
        split=file.split,
        member=file.member,
        data_dir=file.data_dir,
        label_in_front=file.label_in_front,
        label_prefix=file.label_prefix,
    )


def load_examples(
    data: Data,
    split: str,
    *,
    label_names: Sequence[str] | None = None,
    multi_label: bool = False,
) -> Examples:
    """Reads one split of the config's data. See `examples_from_table`.

    Raises:
        DataError: a fault of the file, or no rows in it.
    """
    parts = []
    for file in data.files(split):
        table = load_table(file, data.dir)
        if not table.rows:
            raise DataError(f"{table.path} has no rows. Each file of {split} needs at least one.")
        part = examples_from_table(
            table,
            file,
            cleaning=data.cleaning,
            label_names=label_names,
            multi_label=multi_label,
            needs_weights=split == "train",
        )
        parts.append(without_empty_texts(part, refuse=data.empty_text == "error"))
    examples = join_examples(parts)
    if not len(examples):
        raise DataError(f"{examples.path}: the {split} split has no rows with a text.")
    return examples


def join_examples(parts: Sequence[Examples]) -> Examples:
    """The rows of several files, one after the other."""
    if len(parts) == 1:
        return parts[0]
    weighted = any(part.sample_weight is not None for part in parts)
    weights = [
        np.ones(len(p), "float32") if p.sample_weight is None else p.sample_weight for p in parts
    ]
    return Examples(
        texts={name: [t for part in parts for t in part.texts[name]] for name in parts[0].texts},
        labels=None if parts[0].labels is None else [x for p in parts for x in p.labels or []],
        sample_weight=np.concatenate(weights) if weighted else None,
        places=[place for part in parts for place in part.places],
        path=" + ".join(part.path for part in parts),
        num_empty=sum(part.num_empty for part in parts),
    )


def examples_from_table(
    table: Table,
    file: DataFile,
    *,
    cleaning: Sequence[str] = (),
    label_names: Sequence[str] | None = None,
    multi_label: bool = False,
    with_labels: bool = True,
    needs_weights: bool = False,
) -> Examples:
    """Maps the columns of a table to the fields of a classification task.

    Args:
        table: what was read.
        file: says which columns mean what, and how labels are written.
        cleaning: names of the cleaning steps for each text.
        label_names: the task's labels, for labels that are written as numbers.
        multi_label: whether a row has a list of labels.
        with_labels: false where only the texts are wanted, such as for prediction.
        needs_weights: whether the column of sample weights must be there, as in training data.
    """
    columns = file.columns
    texts = {"text": _texts(table, columns.text, cleaning)}
    if columns.text_pair is not None:
        texts["text_pair"] = _texts(table, columns.text_pair, cleaning)
    labels = weights = None
    if with_labels:
        labels = read_label_columns(table, file, label_names=label_names, multi_label=multi_label)
        weighted = columns.sample_weight
        if weighted is not None and (needs_weights or table.has(weighted)):
            weights = _weights(table, weighted)
    places = [table.where(row) for row in range(table.rows)]
    return Examples(texts, labels, weights, places, table.path)


def without_empty_texts(examples: Examples, *, refuse: bool) -> Examples:
    """Leaves out rows with an empty text and counts them, or refuses them.

    Raises:
        DataError: with `refuse`, naming the first such line and how many there are.
    """
    fields = list(examples.texts.values())
    empty = [row for row in range(len(examples)) if any(not texts[row].strip() for texts in fields)]
    if not empty:
        return examples
    if refuse:
        raise DataError(
            f"{examples.where(empty[0])}: the text is empty (so are {len(empty)} of "
            f"{len(examples)} rows in all). Give it a text, or set data.empty_text: skip."
        )
    kept = examples.take(np.delete(np.arange(len(examples)), empty))
    return replace(kept, num_empty=len(empty))


def _texts(table: Table, columns: Any, cleaning: Sequence[str]) -> list[str]:
    parts = [table.column(name) for name in (columns if isinstance(columns, list) else [columns])]
    joined = [
        " ".join("" if cell is None else str(cell) for cell in row)
        for row in zip(*parts, strict=True)
    ]
    return clean(joined, cleaning)


def _weights(table: Table, column: str | int) -> np.ndarray:
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
