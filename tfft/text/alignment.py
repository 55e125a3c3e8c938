"""Which piece stands for what: pieces of each word, and the characters of each piece.

Token classification answers for words, question answering with characters of the text; models see
pieces. Shapes: a batch of texts has ragged `words`, each word ragged `pieces`.
"""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from tfft.text.byte_pair import BytePair
from tfft.text.sentencepiece import SentencePiece
from tfft.text.wordpiece import WordPiece
from tfft.text.words import with_row_ids


class Pieces(NamedTuple):
    """The pieces of texts, ragged int32 (batch_size, pieces), without special pieces.

    Attributes:
        ids: what the model sees.
        starts: the offset of the first character that each piece stands for, in its text.
        ends: one after the offset of the last. Equal to the start where a piece is blank.
    """

    ids: tf.RaggedTensor
    starts: tf.RaggedTensor
    ends: tf.RaggedTensor


def word_pieces(
    words: tf.RaggedTensor,
    tokenize: Callable[[tf.Tensor], tf.RaggedTensor],
    *,
    unknown_id: int,
) -> tf.RaggedTensor:
    """Tokenizes each word by itself.

    Args:
        words: strings (batch_size, words), ragged.
        tokenize: from strings (words,) to ragged int32 (words, pieces). A `BytePair` gets each word
            with a blank in front, as Hugging Face does with `is_split_into_words`.
        unknown_id: the piece of a word that has none, such as one of control characters.

    Returns:
        int32 (batch_size, words, pieces), ragged; every word has a piece.
    """
    flat = words.values
    if isinstance(tokenize, BytePair):
        flat = with_blank(flat)
    pieces = tokenize(flat)
    missing = tf.cast(pieces.row_lengths() == 0, tf.int64)
    filler = tf.RaggedTensor.from_row_lengths(
        tf.fill([tf.reduce_sum(missing)], tf.constant(unknown_id, tf.int32)), missing
    )
    return words.with_values(tf.concat([pieces, filler], axis=1))


def with_blank(texts: tf.Tensor) -> tf.Tensor:
    """Strings with a blank in front, which is added where there is none; empty ones stay so."""
    stays = (texts == "") | (tf.strings.substr(texts, 0, 1) == " ")
    return tf.where(stays, texts, tf.strings.join([" ", texts]))


def first_pieces(pieces: tf.RaggedTensor) -> tf.RaggedTensor:
    """Which word each piece begins.

    Args:
        pieces: int32 (batch_size, words, pieces), no word without a piece.

    Returns:
        int32 (batch_size, pieces): the number of the word, -1 for pieces inside one.
    """
    number = tf.ragged.range(tf.cast(pieces.row_lengths(), tf.int32)).flat_values
    places = pieces.values.row_starts()[:, tf.newaxis]
    begins = tf.tensor_scatter_nd_update(tf.zeros_like(pieces.flat_values) - 1, places, number)
    return pieces.with_flat_values(begins).merge_dims(1, 2)


def pieces_with_offsets(
    texts: tf.Tensor,
    tokenizer: WordPiece | BytePair | SentencePiece,
    *,
    blank_in_front: bool = False,
) -> Pieces:
    """Tokenizes texts and tells for which characters each piece stands.

    Offsets count characters, which are Unicode code points, of the text as Python reads it with
    `errors="replace"`: `text[start:end]` is what a piece stands for. A piece that stands for part
    of a word may have the offsets of the whole word (see `WordPiece.spans`).

    Args:
        texts: strings (batch_size,).
        tokenizer: whose ids for the whole texts these are.
        blank_in_front: whether a text has the ids that it has with a blank in front.
    """
    if blank_in_front:
        found = pieces_with_offsets(with_blank(texts), tokenizer)
        added = tf.cast(tf.strings.substr(texts, 0, 1) != " ", tf.int32)[:, tf.newaxis]
        starts, ends = (tf.maximum(each - added, 0) for each in (found.starts, found.ends))
        return Pieces(found.ids, starts, ends)
    words = tokenizer.split(texts)
    flat = words.words.values
    ids = with_row_ids(tokenizer(flat))
    starts, ends = tokenizer.spans(flat, ids)
    # The string of a word may begin before its first character, with a blank.
    begins = words.ends.values - tf.strings.length(flat, unit="UTF8_CHAR")
    begins = tf.gather(begins, ids.value_rowids())

    def of_texts(values: tf.Tensor) -> tf.RaggedTensor:
        return words.words.with_values(ids.with_values(values)).merge_dims(1, 2)

    return Pieces(
        of_texts(ids.values), of_texts(begins + starts.values), of_texts(begins + ends.values)
    )
