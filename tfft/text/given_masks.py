"""Texts in which somebody has left places to fill in: `[MASK]`, or `<mask>` as RoBERTa has it."""

from collections.abc import Callable

import tensorflow as tf

from tfft.text.words import BLANK, CUT, as_utf8

# With the blanks in front, as Hugging Face reads it: pieces of RoBERTa begin with a blank.
GIVEN = rf"[{BLANK}]*(?:\[MASK\]|<mask>)"


def pieces_with_masks(
    texts: tf.Tensor, tokenize: Callable[[tf.Tensor], tf.RaggedTensor], mask_id: int
) -> tf.RaggedTensor:
    """The pieces of texts, with the mask where it is written.

    Args:
        texts: strings (batch_size,).
        tokenize: from strings (parts,) to ragged int32 (parts, pieces).
        mask_id: the piece that stands for a mask.

    Returns:
        int32 (batch_size, pieces), ragged.
    """
    marked = tf.strings.regex_replace(as_utf8(texts), GIVEN, CUT)
    parts = tf.strings.split(marked, CUT)
    pieces = tokenize(parts.values)
    # A mask behind each part but the last of its text.
    ends = tf.gather(parts.row_limits(), parts.value_rowids())
    has_mask = tf.cast(tf.range(1, tf.size(ends, tf.int64) + 1) < ends, tf.int64)
    filler = tf.RaggedTensor.from_row_lengths(
        tf.fill([tf.reduce_sum(has_mask)], tf.constant(mask_id, tf.int32)), has_mask
    )
    return parts.with_values(tf.concat([pieces, filler], axis=1)).merge_dims(1, 2)


def readable_pieces(vocabulary: list[str], kind: str) -> list[str]:
    """What pieces are called in answers.

    Those of WordPiece as they are, `##ing` inside of a word; of the others the text that they
    stand for, with a blank in front where a word begins.

    Args:
        vocabulary: the pieces.
        kind: `wordpiece`, `byte_pair` or `sentencepiece`.
    """
    if kind == "wordpiece":
        return vocabulary
    if kind == "sentencepiece":
        return [piece.replace("▁", " ") for piece in vocabulary]
    from tfft.text.byte_pair import byte_alphabet

    bytes_of = {letter: bytes([number]) for number, letter in enumerate(byte_alphabet())}
    return [
        b"".join(bytes_of.get(letter, letter.encode()) for letter in piece).decode(
            "utf-8", "replace"
        )
        for piece in vocabulary
    ]


def word_marks(vocabulary: list[str], kind: str) -> tuple[list[bool], list[bool]]:
    """Which pieces go on with the word before them, and which are words by themselves.

    Args:
        vocabulary: the pieces.
        kind: `wordpiece`, `byte_pair` or `sentencepiece`.

    Returns:
        Two lists, an entry a piece. The second has marks of punctuation: what follows one begins
        a word.
    """
    if kind == "wordpiece":
        return [piece.startswith("##") for piece in vocabulary], [False] * len(vocabulary)
    begins = "▁" if kind == "sentencepiece" else "Ġ"
    # Of byte-level BPE a piece may be part of a character: no mark, but part of a word.
    is_mark = [
        not any(character.isalnum() or character == "\ufffd" for character in piece)
        for piece in readable_pieces(vocabulary, kind)
    ]
    goes_on = [
        not piece.startswith(begins) and not mark
        for piece, mark in zip(vocabulary, is_mark, strict=True)
    ]
    return goes_on, is_mark
