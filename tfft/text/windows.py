"""Cuts texts that are too long for the model into windows that overlap.

Shapes: `batch_size` texts give `rows` windows, at least one a text. The windows of a text stand
next to each other, in order. Positions count the pieces of a text, from 0.
"""

from typing import NamedTuple

import tensorflow as tf


class Windows(NamedTuple):
    """Which pieces of which text each window holds.

    Attributes:
        example: int64 (rows,), the row of the batch that a window is of, ascending.
        begins: int64 (rows,), the position of its first piece.
        ends: int64 (rows,), one after the position of its last piece.
    """

    example: tf.Tensor
    begins: tf.Tensor
    ends: tf.Tensor


def cut_windows(lengths: tf.Tensor, size: tf.Tensor, *, overlap: int) -> Windows:
    """Cuts texts into windows that together hold every piece.

    Args:
        lengths: int64 (batch_size,), the pieces of each text. A text without any has one window,
            which is empty.
        size: int64 (batch_size,) or a scalar, at least 1: the most pieces of a window.
        overlap: how many pieces neighbours share, `stride` in Hugging Face tokenizers; where
            `size` is not larger, one less than `size`.

    Example:
        >>> cut_windows([5, 0], 3, overlap=1)
        Windows(example=[0, 0, 1], begins=[0, 2, 0], ends=[3, 5, 0])
    """
    lengths = tf.convert_to_tensor(lengths, tf.int64)
    size = tf.broadcast_to(tf.cast(size, tf.int64), tf.shape(lengths))
    step = size - tf.minimum(tf.constant(overlap, tf.int64), size - 1)
    # What the first window leaves over takes one more for each step begun.
    counts = 1 + (tf.maximum(lengths - size, 0) + step - 1) // step
    example = tf.repeat(tf.range(tf.size(lengths, tf.int64)), counts)
    begins = tf.ragged.range(counts).flat_values * tf.gather(step, example)
    ends = tf.minimum(begins + tf.gather(size, example), tf.gather(lengths, example))
    return Windows(example, begins, ends)


def window_values(values: tf.RaggedTensor, windows: Windows) -> tf.RaggedTensor:
    """Returns the values of each window, (rows, pieces), of those of each text.

    Args:
        values: ragged (batch_size, pieces), of any type.
        windows: what `cut_windows` gave for `values.row_lengths()`.
    """
    first = tf.gather(tf.cast(values.row_starts(), tf.int64), windows.example)
    places = tf.ragged.range(first + windows.begins, first + windows.ends)
    return places.with_values(tf.gather(values.values, places.values))


def owned(windows: Windows) -> tf.RaggedTensor:
    """Says which window speaks for a piece: of those that hold it, exactly one.

    It is the one where the piece has the most context, which is what stands on the side with fewer
    pieces of the window; of equal ones the earliest. So does `max context` in BERT's `run_squad`.

    Returns:
        bool (rows, pieces), ragged.
    """
    positions = tf.ragged.range(windows.begins, windows.ends)
    window, position = positions.value_rowids(), positions.values
    left = position - tf.gather(windows.begins, window)
    right = tf.gather(windows.ends, window) - 1 - position
    context = tf.minimum(left, right)
    # Every piece of the batch has a number, the same in all windows that hold it.
    lengths = tf.math.segment_max(windows.ends, windows.example)
    piece = tf.gather(tf.cumsum(lengths, exclusive=True), tf.gather(windows.example, window))
    piece, pieces = piece + position, tf.reduce_sum(lengths)
    most = tf.gather(tf.math.unsorted_segment_max(context, piece, pieces), piece)
    candidate = tf.where(context == most, window, tf.int64.max)
    first = tf.gather(tf.math.unsorted_segment_min(candidate, piece, pieces), piece)
    return positions.with_values(window == first)
