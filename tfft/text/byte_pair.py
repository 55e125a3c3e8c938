"""Byte-level BPE of raw strings inside the TensorFlow graph, with the ids of Hugging Face.

The reference is Hugging Face `tokenizers`: `ByteLevel`, then `BPE`, as GPT-2 and RoBERTa have it.
KerasHub's tokenizer gives the same ids, but keeps every word it has seen in a table that can be
written: that table would be exported with the words of the training texts in it, and would grow in
a server with every new word. Here there are constants only.
"""

from collections.abc import Mapping, Sequence

import tensorflow as tf

from tfft.errors import DataError
from tfft.text.words import BLANK, CUT, Words, as_utf8, character_offsets, cut, place

# GPT-2's pattern, but for its last part, `\s+(?!\S)|\s+`: RE2 cannot look ahead.
_WORD = rf"'s|'t|'re|'ve|'m|'ll|'d| ?\p{{L}}+| ?\p{{N}}+| ?[^{BLANK}\p{{L}}\p{{N}}]+|[{BLANK}]+"

_NEVER = 2**31 - 1


class BytePair:
    """Splits raw UTF-8 strings into byte-level BPE ids.

    It works eagerly, in `tf.function` and in `tf.data`, always on whole batches. No special pieces
    are added, and none can come in through the text. Bytes that are no UTF-8 become U+FFFD.

    Args:
        vocabulary: the id of each piece, written in GPT-2's alphabet for bytes.
        merges: `left right`, the first to be done first.

    Raises:
        DataError: a byte or the result of a merge is not in the vocabulary.

    Example:
        >>> tokenizer = BytePair({**bytes_only, "th": 256, "the": 257}, ["t h", "th e"])
        >>> tokenizer(["the", "teeth"])
        <tf.RaggedTensor [[257], [83, 68, 68, 256]]>
    """

    def __init__(self, vocabulary: Mapping[str, int], merges: Sequence[str]) -> None:
        pairs = [tuple(merge.split(" ")) for merge in merges if not merge.startswith("#version")]
        needed = [*byte_alphabet(), *("".join(pair) for pair in pairs)]
        missing = [piece for piece in needed if piece not in vocabulary]
        if missing:
            raise DataError(
                f"The BPE vocabulary ({len(vocabulary)} pieces) lacks {len(missing)} that bytes or "
                f"merges need, such as {missing[0]!r}. Expected vocab.json and merges.txt of one "
                "model."
            )
        self._base = max(vocabulary.values()) + 1
        keys = [vocabulary[left] * self._base + vocabulary[right] for left, right in pairs]
        order = sorted(range(len(keys)), key=keys.__getitem__)
        # One entry more, which no pair has, so that every search ends inside.
        self._keys = tf.constant([*(keys[rank] for rank in order), self._base**2], tf.int64)
        self._ranks = tf.constant([*order, _NEVER], tf.int32)
        self._merged = tf.constant([vocabulary["".join(pair)] for pair in pairs] or [0], tf.int32)
        self._bytes = tf.constant([vocabulary[piece] for piece in byte_alphabet()], tf.int32)
        # How many bytes each piece has, and how many of them are blanks in front and at the end.
        extents = [(0, 0, 0)] * self._base
        for piece, number in vocabulary.items():
            blanks = len(piece) - len(piece.lstrip("Ġ")), len(piece) - len(piece.rstrip("Ġ"))
            extents[number] = (len(piece), *blanks)
        self._extents = tf.constant(extents, tf.int32)
        # Traced, or every step of the loop would go through Python where texts come eagerly.
        self._merge = tf.function(self._merge_words, [tf.TensorSpec([None], tf.string)])

    def __call__(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Returns the ids of the pieces of every text.

        Args:
            texts: strings of shape (batch_size,).

        Returns:
            int32 ids of shape (batch_size, number of pieces), ragged, no special pieces.
        """
        words = split_words(tf.convert_to_tensor(texts, tf.string))
        different, number = tf.unique(words.values)
        pieces = tf.gather(self._merge(different), number)
        return words.with_values(pieces).merge_dims(1, 2)

    def split(self, texts: tf.Tensor) -> Words:
        """Cuts texts where no piece goes across: tokenized one by one, the words give all pieces.

        The string of a word begins with the blank before it; its offsets leave that blank out.

        Args:
            texts: strings of shape (batch_size,).
        """
        words = place(split_words(tf.convert_to_tensor(texts, tf.string)))
        bare = tf.strings.regex_replace(words.words.values, "^ +", "")
        starts = words.ends.values - tf.strings.length(bare, unit="UTF8_CHAR")
        return words._replace(starts=words.ends.with_values(starts))

    def spans(
        self, words: tf.Tensor, ids: tf.RaggedTensor
    ) -> tuple[tf.RaggedTensor, tf.RaggedTensor]:
        """Finds the characters of words that their pieces stand for, blanks at the edges left out.

        A piece that begins or ends inside a character stands for that character too.

        Args:
            words: strings of shape (words,), from `split`.
            ids: int32 (words, pieces), what the tokenizer gives for them.

        Returns:
            starts and ends, int32 (words, pieces), in characters from the beginning of the word.
        """
        length, before, after = tf.unstack(tf.gather(self._extents, ids.values), num=3, axis=1)
        end = tf.cumsum(ids.with_values(length), axis=1).values
        first = character_offsets(words, ids.with_values(end - length + 1)).values - 1
        last = character_offsets(words, ids.with_values(end)).values
        starts = tf.minimum(first + before, last)
        return ids.with_values(starts), ids.with_values(tf.maximum(last - after, starts))

    def _merge_words(self, words: tf.Tensor) -> tf.RaggedTensor:
        """The ids (words, pieces) of each word: of its bytes, then merged until nothing can be."""
        rows = tf.size(words)
        lengths = tf.strings.length(words)
        raw = tf.io.decode_raw(tf.strings.reduce_join(words), tf.uint8)
        ids = tf.gather(self._bytes, tf.cast(raw, tf.int32))
        ids, row_of_id, _ = tf.while_loop(
            lambda ids, row_of_id, again: again,
            lambda ids, row_of_id, again: self._merge_once(ids, row_of_id, rows),
            (ids, tf.repeat(tf.range(rows), lengths), tf.constant(True)),
            shape_invariants=(tf.TensorShape([None]), tf.TensorShape([None]), tf.TensorShape([])),
        )
        return tf.RaggedTensor.from_value_rowids(
            ids, tf.cast(row_of_id, tf.int64), nrows=tf.cast(rows, tf.int64), validate=False
        )

    def _merge_once(
        self, ids: tf.Tensor, row_of_id: tf.Tensor, rows: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Merges in each word the pair of the lowest rank; of equal ones the leftmost."""
        row = row_of_id[:-1]
        position = tf.range(tf.size(row))
        rank = tf.where(row == row_of_id[1:], self._rank(ids[:-1], ids[1:]), _NEVER)
        lowest = tf.gather(tf.math.unsorted_segment_min(rank, row, rows), row)
        position_if_lowest = tf.where((rank == lowest) & (rank < _NEVER), position, _NEVER)
        leftmost = tf.gather(tf.math.unsorted_segment_min(position_if_lowest, row, rows), row)
        chosen = position == leftmost
        merged = tf.gather(self._merged, tf.where(chosen, rank, 0))
        # The left one of a pair becomes the merged piece; the right one goes.
        left, right = tf.pad(chosen, [[0, 1]]), tf.pad(chosen, [[1, 0]])
        ids = tf.where(left, tf.pad(merged, [[0, 1]]), ids)
        kept = ~right[: tf.size(ids)]
        return tf.boolean_mask(ids, kept), tf.boolean_mask(row_of_id, kept), tf.reduce_any(chosen)

    def _rank(self, left: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
        """The rank of each pair (pairs,); `_NEVER` where there is no such merge."""
        key = tf.cast(left, tf.int64) * self._base + tf.cast(right, tf.int64)
        place = tf.searchsorted(self._keys, key)
        return tf.where(tf.gather(self._keys, place) == key, tf.gather(self._ranks, place), _NEVER)


def split_words(texts: tf.Tensor) -> tf.RaggedTensor:
    """Cuts texts (batch_size,) into GPT-2's words, strings (batch_size, words), ragged."""
    # A cut before a blank that stands right before a word, in place of looking ahead.
    texts = tf.strings.regex_replace(as_utf8(texts), rf"([{BLANK}])([^{BLANK}])", CUT + rb"\1\2")
    return cut(texts, _WORD)


def byte_alphabet() -> list[str]:
    """GPT-2's character for each of the 256 bytes: its own if visible, else one from 256 on."""
    visible = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in visible]
    characters = {byte: byte for byte in visible}
    characters |= {byte: 256 + number for number, byte in enumerate(others)}
    return [chr(characters[byte]) for byte in range(256)]
