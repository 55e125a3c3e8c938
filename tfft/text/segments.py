"""Puts special pieces around texts and cuts what is too long: `[CLS] a [SEP] b [SEP]`.

Everything here is TensorFlow, so that the training pipeline and the SavedModel do the same. Only
core operations are used: KerasHub's packer would put `RoundRobinTrim` into the graph, which
TensorFlow Serving before 2.20 does not have. Each piece of the result is looked up by its place, in
some thirty operations; joining ragged tensors would be a thousand, which every request waits for.
"""

import tensorflow as tf


def pack_segments(
    segments: list[tf.RaggedTensor],
    *,
    sequence_length: int,
    start_id: int,
    end_id: int,
    num_separators: int = 1,
    truncation: str = "end",
) -> tuple[tf.RaggedTensor, tf.RaggedTensor]:
    """Joins one or two texts with special pieces, cutting them to the length.

    Args:
        segments: one or two ragged int32 tensors (batch_size, pieces) without special pieces.
        sequence_length: the most pieces of a result, special ones included.
        start_id: what stands first.
        end_id: what closes each text.
        num_separators: how many `end_id` stand between two texts (RoBERTa: 2).
        truncation: `end`, `head`, `both` or `middle`; see `place_in_text`.

    Returns:
        token_ids and segment_ids (0 for the first text with its special pieces, 1 for the second),
        ragged int32 (batch_size, pieces).
    """
    num_special = 1 + len(segments) + (num_separators - 1) * (len(segments) - 1)
    lengths = [segment.row_lengths() for segment in segments]
    kept = split_budget(lengths, sequence_length - num_special)
    total = tf.add_n(kept) + num_special
    splits = tf.concat([[tf.constant(0, total.dtype)], tf.cumsum(total)], axis=0)
    places = tf.range(splits[-1])
    row = tf.searchsorted(splits, places, side="right", out_type=tf.int64) - 1
    place = places - tf.gather(splits, row)  # in its row
    # Where each piece of the result stands in `pool`.
    pool = tf.concat([*(s.values for s in segments), [start_id, end_id]], axis=0)
    end = tf.size(pool, tf.int64) - 1
    source = tf.where(place == 0, end - 1, end)
    begin, before = tf.ones_like(row), tf.constant(0, tf.int64)
    for segment, length, keep in zip(segments, lengths, kept, strict=True):
        here, keep_here = place - begin, tf.gather(keep, row)
        there = place_in_text(here, keep_here, tf.gather(length, row), truncation)
        there += tf.gather(segment.row_starts(), row) + before
        source = tf.where((here >= 0) & (here < keep_here), there, source)
        begin, before = (
            begin + keep_here + num_separators,
            before + tf.size(segment.values, tf.int64),
        )
    token_ids = tf.gather(pool, source)
    second = tf.zeros_like(token_ids)
    if len(segments) == 2:
        second = tf.cast(place >= tf.gather(kept[0], row) + 2, tf.int32)
    return _ragged(token_ids, splits), _ragged(second, splits)


def split_budget(lengths: list[tf.Tensor], budget: int) -> list[tf.Tensor]:
    """How many pieces each text may keep.

    Of two texts the longer one gives first, as `longest_first` does in Hugging Face tokenizers:
    a text shorter than half of the budget is kept whole.

    Args:
        lengths: one or two int64 tensors (batch_size,).
        budget: the most pieces of all texts of a row together.
    """
    total = tf.constant(budget, tf.int64)
    if len(lengths) == 1:
        return [tf.minimum(lengths[0], total)]
    first, second = lengths
    half = total // 2
    # The odd piece goes to the longer text; of two equally long ones, to the second.
    first_share = half + tf.cast(first > second, tf.int64) * (total % 2)
    second_share = total - first_share
    first_kept = tf.minimum(first, tf.maximum(total - second, first_share))
    second_kept = tf.minimum(second, tf.maximum(total - first, second_share))
    return [first_kept, second_kept]


def place_in_text(
    place: tf.Tensor, keep: tf.Tensor, length: tf.Tensor, truncation: str
) -> tf.Tensor:
    """Where a piece that is kept stands in the whole text.

    Args:
        place: int64, of the piece among those that are kept of its text.
        keep: int64, how many are kept.
        length: int64, how many pieces the text has.
        truncation: `end` cuts the end; `head` cuts the beginning; `both` cuts both and keeps the
            middle; `middle` cuts the middle and keeps beginning and end, the method `head+tail` of
            Sun et al. 2019, "How to Fine-Tune BERT for Text Classification?".
    """
    if truncation == "end":
        return place
    dropped = length - keep
    if truncation == "middle":
        return tf.where(place < keep - keep // 2, place, place + dropped)
    return place + {"head": dropped, "both": dropped // 2}[truncation]


def _ragged(values: tf.Tensor, splits: tf.Tensor) -> tf.RaggedTensor:
    return tf.RaggedTensor.from_row_splits(values, splits, validate=False)
