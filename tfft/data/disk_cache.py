"""Tokenized rows on disk: written once, read in each epoch block by block.

`rows.bin` is the arrays of one block after the other: of each what kind of numbers it has, how
many, and the numbers. `cache.json` has
where each block begins, what the rows are, and the mark of what they were made of; it comes last,
so that a cache is whole or not there.
"""

import errno
import json
import shutil
import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from tfft.data.blocks import Block, from_arrays, to_arrays
from tfft.data.shuffling import BUFFER_BLOCKS, StreamedRows, Tally
from tfft.data.table import cut
from tfft.errors import DataError

ROWS, ABOUT = "rows.bin", "cache.json"
_HEAD = struct.Struct("<4sI")  # a dtype such as <u2, and how many


class DiskCache(StreamedRows):
    """Rows in a directory.

    Args:
        path: the directory.
        tally: of all rows.
        starts: int64 (blocks,), the byte at which each block begins.
    """

    def __init__(self, path: Path, tally: Tally, starts: np.ndarray) -> None:
        super().__init__(tally)
        self.path = path
        self.starts = starts

    @property
    def num_bytes(self) -> int:
        """What it takes on the disk."""
        return sum(file.stat().st_size for file in self.path.iterdir())

    def buffers(self, random: np.random.Generator) -> Iterator[list[Block]]:
        """All blocks in a random order, `BUFFER_BLOCKS` at a time, these as they lie on disk."""
        order = random.permutation(len(self.starts))
        with (self.path / ROWS).open("rb") as file:
            for numbers in cut(order.tolist(), BUFFER_BLOCKS):
                yield [self._read(file, number) for number in sorted(numbers)]

    def _read(self, file: BinaryIO, number: int) -> Block:
        tally = self.tally
        file.seek(self.starts[number])
        return from_arrays(
            [_read_array(file) for _ in range(6 if tally.num_labels else 5)],
            has_segments=tally.has_segments,
            num_labels=tally.num_labels,
            target_shape=tally.target_shape,
        )


def write_cache(path: Path, blocks: Iterable[Block], mark: str) -> DiskCache:
    """Writes rows into a directory, in place of what is there.

    Args:
        path: the directory.
        blocks: the rows.
        mark: of what they are made of; see `open_cache`.

    Raises:
        DataError: there is no room on the disk, or it cannot be written to. Nothing is left.
    """
    try:
        remove_cache(path)
        path.mkdir(parents=True)
        tally, starts = _write_rows(path / ROWS, blocks)
        about = {"mark": mark, "starts": starts, "tally": tally.to_json()}
        (path / ABOUT).write_text(json.dumps(about), "utf-8")
    except BaseException as error:
        remove_cache(path)
        if isinstance(error, OSError):
            raise _not_written(path, error) from error
        raise
    return DiskCache(path, tally, np.array(starts, "int64"))


def open_cache(path: Path, mark: str) -> DiskCache | None:
    """What was written into a directory, if it is whole and has this mark; else None."""
    try:
        about: dict[str, Any] = json.loads((path / ABOUT).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    if about.get("mark") != mark:
        return None
    return DiskCache(path, Tally.from_json(about["tally"]), np.array(about["starts"], "int64"))


def remove_cache(path: Path) -> None:
    """Removes a cache, if there is one."""
    if path.exists():
        shutil.rmtree(path)


@contextmanager
def nothing_left_on_failure(path: Path, *, keep: bool) -> Iterator[None]:
    """Removes a cache, and the directory around it if it then is empty, on an exception.

    Args:
        path: the cache's.
        keep: whether nothing is removed: a run is there that goes on from it.
    """
    try:
        yield
    except BaseException:
        if not keep:
            remove_cache(path)
            with suppress(OSError):
                path.parent.rmdir()
        raise


def _write_rows(path: Path, blocks: Iterable[Block]) -> tuple[Tally, list[int]]:
    tally, starts = Tally(), []
    with path.open("wb") as file:
        for block in blocks:
            starts.append(file.tell())
            for array in to_arrays(block):
                file.write(_HEAD.pack(array.dtype.str.encode("ascii"), len(array)))
                file.write(array.tobytes())
            tally.add(block)
    return tally, starts


def _read_array(file: BinaryIO) -> np.ndarray:
    kind, count = _HEAD.unpack(file.read(_HEAD.size))
    dtype = np.dtype(kind.rstrip(b"\0").decode("ascii"))
    return np.frombuffer(file.read(count * dtype.itemsize), dtype)


def _not_written(path: Path, error: OSError) -> DataError:
    reason = "the disk is full" if error.errno == errno.ENOSPC else error.strerror or str(error)
    return DataError(
        f"data.cache: disk: the tokenized rows cannot be written to {path}: {reason}. Expected "
        "room for about two bytes a piece. Free some, choose an output_dir on another disk, or "
        "set data.cache: none, which tokenizes in each epoch anew."
    )
