"""Training rows that are not kept: each pass reads the files anew, some rows at a time."""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from tfft.config import Data, DataFile
from tfft.data.examples import (
    Examples,
    Reader,
    file_path,
    join_examples,
    load_tables,
    without_empty_texts,
)
from tfft.errors import DataError

ROWS_AT_ONCE = 512

# Is told how many rows a pass has read so far.
Watch = Callable[[int], None]


@dataclass
class Passed:
    """What a whole pass has seen.

    Attributes:
        rows: how many there were.
        num_empty: how many rows were skipped because a text was empty.
        counts: what else happened while reading, and how often.
    """

    rows: int = 0
    num_empty: int = 0
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, part: Examples) -> None:
        """Counts some rows."""
        self.rows += len(part)
        self.num_empty += part.num_empty
        self.counts.update(part.counts)


class StreamedExamples:
    """The rows of the training files, but for those drawn for validation and test.

    A row is drawn or not by a number that depends on the seed, its file and its place in it.

    Args:
        data: the config's section.
        read: the task's; see `tfft.data.fields.build_reader`.
        seed: of what is drawn.
        watch: is told of rows as they are read.
    """

    def __init__(
        self, data: Data, read: Reader, seed: int, watch: Watch = lambda rows: None
    ) -> None:
        self.files = data.files("train")
        self.path = " + ".join(file_path(data.dir, f.path, f.format) for f in self.files)
        self._data = data
        self._read = read
        self._seed = seed
        self._watch = watch
        self._passed: Passed | None = None

    def __len__(self) -> int:
        return self._all().rows

    @property
    def num_empty(self) -> int:
        """How many rows were skipped because a text was empty."""
        return self._all().num_empty

    @property
    def counts(self) -> dict[str, int]:
        """What else happened while reading, and how often."""
        return dict(self._all().counts)

    def parts(self, order: Sequence[int] | None = None) -> Iterator[Examples]:
        """The rows, some at a time.

        Args:
            order: of the files. Default: as the config lists them.

        Raises:
            DataError: a fault of a file, or no rows in it.
        """
        passed = Passed()
        for part, draws in self._rows(order):
            rest = take_between(part, draws, self._drawn_share, 1.0)
            passed.add(rest)
            if len(rest):
                yield rest
        if not passed.rows:
            raise DataError(f"{self.path}: the train split has no rows with a text.")
        self._passed = passed

    def head(self, rows: int, characters: float = math.inf) -> Examples:
        """About so many of the first rows, fewer where they have more characters than that."""
        parts, count, size = [], 0, 0
        for part in self.parts():
            parts.append(part)
            count += len(part)
            size += sum(len(text) for column in part.texts.values() for text in column)
            if count >= rows or size >= characters:
                break
        return join_examples(parts)

    def shares(self) -> dict[str, Examples]:
        """The rows that are drawn for splits without a file of their own.

        Raises:
            DataError: none are drawn for one of these splits.
        """
        parts: dict[str, list[Examples]] = {split: [] for split in self._edges}
        if not parts:
            return {}
        for part, draws in self._rows():
            for split, (low, high) in self._edges.items():
                drawn = take_between(part, draws, low, high)
                if len(drawn):
                    parts[split].append(replace(drawn, num_empty=0, counts={}))
        return {split: self._joined(split, drawn) for split, drawn in parts.items()}

    @property
    def _edges(self) -> dict[str, tuple[float, float]]:
        """The numbers between 0 and 1 with which a row is in each share."""
        edges, low = {}, 0.0
        for split in ("test", "validation"):
            if fraction := getattr(self._data, f"{split}_fraction"):
                edges[split] = (low, low + fraction)
                low += fraction
        return edges

    @property
    def _drawn_share(self) -> float:
        return max((high for _, high in self._edges.values()), default=0.0)

    def _joined(self, split: str, drawn: list[Examples]) -> Examples:
        if not drawn:
            fraction = getattr(self._data, f"{split}_fraction")
            raise DataError(
                f"{self.path}: data.{split}_fraction {fraction} leaves no rows for {split}. Each "
                "row is drawn by itself; give a larger share, or set data.cache: memory."
            )
        return replace(join_examples(drawn), path=self.path)

    def _all(self) -> Passed:
        if self._passed is None:
            for _ in self.parts():
                pass
        assert self._passed is not None
        return self._passed

    def _rows(self, order: Sequence[int] | None = None) -> Iterator[tuple[Examples, np.ndarray]]:
        """All rows without empty ones, some at a time, with a number in [0, 1) for each."""
        count = 0
        for number in range(len(self.files)) if order is None else order:
            random = np.random.default_rng([self._seed, number])
            for part in self._of_file(self.files[number]):
                count += len(part)
                self._watch(count)
                yield part, random.random(len(part))

    def _of_file(self, file: DataFile) -> Iterator[Examples]:
        data = self._data
        path = file_path(data.dir, file.path, file.format)
        has_rows = False
        for table in load_tables(file, path, data.dir, ROWS_AT_ONCE):
            if table.rows:
                has_rows = True
                part = self._read(table, file, needs_weights=True)
                refuse = data.empty_text == "error"
                yield without_empty_texts(part, refuse=refuse, what="rows read with it")
        if not has_rows:
            raise DataError(f"{path} has no rows. Each file of train needs at least one.")


Split = Examples | StreamedExamples


def in_memory(split: Split, most: int | None = None, most_characters: float = math.inf) -> Examples:
    """The rows of a split, of a streamed one perhaps only about the first `most`; see `head`."""
    if isinstance(split, Examples):
        return split
    return split.head(most if most is not None else len(split), most_characters)


def take_between(part: Examples, draws: np.ndarray, low: float, high: float) -> Examples:
    """The rows whose number is at least `low` and below `high`."""
    inside = (draws >= low) & (draws < high)
    return part if inside.all() else part.take(np.flatnonzero(inside))
