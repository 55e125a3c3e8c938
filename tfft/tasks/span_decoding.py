"""Spans of a context: the best one over all of its windows, and the pieces of a right one."""

from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

NEVER = -1e30


class BestSpan(NamedTuple):
    """The best span for each example, all (examples,)."""

    found: Any
    """Whether there is any span: the context has a piece."""
    start: Any
    """int32, first character; 0 if none was found."""
    end: Any
    """int32, one after the last."""
    logit: Any
    """Of its first and its last piece together."""
    none: Any
    """The logit of no answer: the first piece's, in the window where it is lowest."""
    log_total: Any
    """The logarithm of the sum of exp(logit) over all spans (and no answer, if it may be)."""


def best_spans(
    logits: Any,
    starts: Any,
    ends: Any,
    example: Any,
    *,
    num_examples: Any,
    answer_length: int,
    may_be_none: bool,
) -> BestSpan:
    """Finds the span with the highest sum of its two logits, among all that are legal.

    A span lies in the context, begins and ends with pieces that are not blank, does not end before
    it begins, and has at most `answer_length` pieces. A span that two windows show counts in
    `log_total` once for each.

    Args:
        logits: float32 (rows, length, 2), to be the first and the last piece.
        starts: int32 (rows, length), the first character of each piece; -1: not of the context.
        ends: int32 (rows, length), one after its last character; equal to the start: it is blank.
        example: int64 (rows,), which example a row is of; in order.
        num_examples: of the batch.
        answer_length: the most pieces of an answer.
        may_be_none: whether no answer counts in `log_total`.
    """
    spans = span_logits(logits, ends > starts, answer_length)
    by_row = tf.reduce_max(spans, axis=1)
    place = tf.argmax(spans, axis=1, output_type=tf.int32)
    row = _best_row(by_row, example, num_examples)
    first = tf.gather(place, row) // answer_length
    last = first + tf.gather(place, row) % answer_length
    logit = tf.gather(by_row, row)
    found = logit > NEVER / 2
    none = tf.math.unsorted_segment_min(logits[:, 0, 0] + logits[:, 0, 1], example, num_examples)
    total = _log_total(spans, none if may_be_none else None, example, num_examples)
    return BestSpan(
        found,
        tf.where(found, tf.gather(tf.gather(starts, row), first, batch_dims=1), 0),
        tf.where(found, tf.gather(tf.gather(ends, row), last, batch_dims=1), 0),
        logit,
        none,
        total,
    )


def span_logits(logits: Any, usable: Any, answer_length: int) -> Any:
    """The logit of every span: (rows, length * answer_length), by first piece, then by length."""
    rows, length = tf.unstack(tf.shape(logits)[:2])
    start = tf.where(usable, logits[:, :, 0], NEVER)
    end = tf.where(usable, logits[:, :, 1], NEVER)
    end = tf.pad(end, [[0, 0], [0, answer_length]], constant_values=NEVER)
    ahead = tf.range(length)[:, tf.newaxis] + tf.range(answer_length)
    sums = start[:, :, tf.newaxis] + tf.gather(end, ahead, axis=1)
    return tf.reshape(tf.maximum(sums, NEVER), [rows, length * answer_length])


def _best_row(by_row: Any, example: Any, num_examples: Any) -> Any:
    """Of each example's rows the one with the highest number; the first of equal ones."""
    highest = tf.math.unsorted_segment_max(by_row, example, num_examples)
    rows = tf.range(tf.size(by_row))
    none = tf.size(by_row)
    is_best = by_row >= tf.gather(highest, example)
    return tf.math.unsorted_segment_min(tf.where(is_best, rows, none), example, num_examples)


def _log_total(spans: Any, none: Any, example: Any, num_examples: Any) -> Any:
    by_row = tf.reduce_logsumexp(spans, axis=1)
    highest = tf.math.unsorted_segment_max(by_row, example, num_examples)
    if none is not None:
        highest = tf.maximum(highest, none)
    sums = tf.exp(by_row - tf.gather(highest, example))
    total = tf.math.unsorted_segment_sum(sums, example, num_examples)
    if none is not None:
        total += tf.exp(none - highest)
    return highest + tf.math.log(total)


def answer_pieces(
    starts: np.ndarray, ends: np.ndarray, first: np.ndarray, last: np.ndarray
) -> np.ndarray:
    """Which pieces hold an answer.

    Args:
        starts: int (rows, pieces), first character of each piece, -1 for none of the context.
        ends: int (rows, pieces), one after the last.
        first: int (rows,), first character of the answer; -1: there is none.
        last: int (rows,), one after its last.

    Returns:
        int32 (rows, 2), its first and last piece; 0 where the row does not hold it all.
    """
    of_context = starts >= 0
    first, last = first[:, np.newaxis], last[:, np.newaxis]
    touched = of_context & (ends > first) & (starts < last)
    begins = np.min(np.where(of_context, starts, np.iinfo("int32").max), axis=1, initial=2**31 - 1)
    held = touched.any(axis=1) & (first[:, 0] >= begins) & (last[:, 0] <= ends.max(axis=1))
    held &= first[:, 0] >= 0
    from_left = np.argmax(touched, axis=1)
    from_right = touched.shape[1] - 1 - np.argmax(touched[:, ::-1], axis=1)
    return np.where(held[:, np.newaxis], np.stack([from_left, from_right], axis=1), 0).astype(
        "int32"
    )
