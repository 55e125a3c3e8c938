"""Vectors of many rows in a file: written once, read batch by batch through a memory map."""

import errno
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tfft.errors import DataError


class Vectors:
    """The vectors of each row of a data set, one row after the other.

    Args:
        values: (vectors, hidden_dim), those of all rows.
        lengths: int (rows,), how many of them are each row's.
        is_single: whether each row has one.
    """

    def __init__(self, values: np.ndarray, lengths: np.ndarray, *, is_single: bool = False) -> None:
        self.values = values
        self.lengths = lengths
        self.is_single = is_single
        self.ends = np.cumsum(lengths, dtype="int64")

    def padded(self, rows: np.ndarray, length: int) -> np.ndarray:
        """The vectors of the given rows (rows, length, hidden_dim), 0 at padding."""
        dense = np.zeros((len(rows), length, self.values.shape[1]), self.values.dtype)
        for place, row in zip(dense, rows, strict=True):
            end, count = self.ends[row], self.lengths[row]
            place[:count] = self.values[end - count : end]
        return dense

    def gather(self, rows: Any, length: Any) -> Any:
        """The same as a tensor in the TensorFlow graph; of single vectors (rows, 1, hidden_dim)."""
        dtype = tf.as_dtype(self.values.dtype)
        known = 1 if self.is_single else None
        dense = tf.numpy_function(self.padded, [rows, known or length], dtype, stateful=False)
        return tf.ensure_shape(dense, [None, known, self.values.shape[1]])


def write_vectors(
    folder: Path,
    rows: Iterable[tuple[int, np.ndarray]],
    lengths: np.ndarray,
    *,
    hidden_dim: int,
    dtype: str,
    is_single: bool = False,
) -> Vectors:
    """Writes vectors into a file without a name, which is gone when they are no longer used.

    Args:
        folder: on the disk that takes the file.
        rows: each row's number and its vectors (length or more, hidden_dim), in any order.
        lengths: int (rows,), how many vectors each row has.
        hidden_dim: of the vectors.
        dtype: of the vectors.
        is_single: see `Vectors`.

    Raises:
        DataError: the disk is full, or the folder cannot be written to.
    """
    kind = tf.as_dtype(dtype).as_numpy_dtype
    size = hidden_dim * np.dtype(kind).itemsize
    ends = np.cumsum(lengths, dtype="int64")
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            for row, vectors in rows:
                file.seek(int(ends[row] - lengths[row]) * size)
                file.write(vectors[: lengths[row]].astype(kind).tobytes())
            file.flush()
            # The map keeps what the closed file holds.
            values = np.memmap(file, kind, "r", shape=(int(ends[-1]), hidden_dim))
    except OSError as error:
        reason = "the disk is full" if error.errno == errno.ENOSPC else error.strerror or str(error)
        raise no_room(f"they cannot be written to {folder}: {reason}") from error
    return Vectors(values, lengths, is_single=is_single)


def no_room(reason: str) -> DataError:
    """The error that says what to do where vectors cannot be kept."""
    return DataError(
        f"backbone.cache_frozen keeps the vectors of all pieces, but {reason}. Free some room, "
        "choose an output_dir on another disk, or leave cache_frozen out, which computes them in "
        "each epoch."
    )
