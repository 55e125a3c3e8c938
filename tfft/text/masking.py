"""Chooses pieces that a model has to guess, and covers them: masked language modelling.

After Devlin et al. 2019, "BERT": of the chosen pieces 80 % become the mask, 10 % another piece and
10 % stay as they are. All of it is computed where the model is, so that each step of a training
covers other pieces. Only Keras operations are used.

Shapes: B rows of L pieces, of which at most K are chosen.
"""

from typing import Any

import numpy as np
from keras import ops

MASKED, REPLACED = 0.8, 0.1

# For numbers that seem drawn, but belong to a text. The length is a prime.
_DRAWN = np.random.default_rng(0).random((16381, 3), "float32")
_STRIDE = 61


def most_chosen(length: Any, fraction: float) -> Any:
    """K for rows of L pieces: no row has more to choose from than this share rounded up."""
    return (length * _thousandths(fraction) + 999) // 1000


def num_chosen(count: Any, fraction: float) -> Any:
    """How many pieces are chosen of those that can be, int (B,): a share, but one of any."""
    rounded = (count * _thousandths(fraction) + 500) // 1000
    return ops.where(count > 0, ops.maximum(rounded, 1), 0)


def _thousandths(fraction: float) -> int:
    return round(1000 * fraction)


def numbers_of_texts(token_ids: Any, is_real: Any) -> Any:
    """Numbers in [0, 1) that depend on the pieces of a row and on nothing else.

    With them a text has the same pieces covered in each epoch, in each batch and in each process,
    so that scores can be compared.

    Args:
        token_ids: int32 (B, L).
        is_real: bool (B, L), false at padding.

    Returns:
        float32 (B, L, 3).
    """
    size, place = len(_DRAWN), ops.arange(ops.shape(token_ids)[1], dtype="int32")
    terms = (token_ids % 4093) * (place % 4091 + 1) % size
    digest = ops.sum(ops.where(is_real, terms, 0), axis=1, keepdims=True)
    return ops.take(ops.array(_DRAWN), (digest + place * _STRIDE) % size, axis=0)


def number_words(begins: Any) -> Any:
    """Which word of its row each piece is of, int32 (B, L), given where words begin."""
    return ops.maximum(ops.cumsum(ops.cast(begins, "int32"), axis=1) - 1, 0)


def choose_pieces(numbers: Any, can_be: Any, count: Any, words: Any = None) -> tuple[Any, Any]:
    """Chooses pieces of each row.

    Args:
        numbers: float32 (B, L) below 1; those with the lowest are chosen.
        can_be: bool (B, L), which can be chosen.
        count: int32 (B,), how many are; no more than can be.
        words: int32 (B, L), which word each piece is of, to choose whole words, whose pieces have
            one number. The word that goes over `count` is left out, unless it is the only one.

    Returns:
        `order` int32 (B, L), the places of the row's pieces, those that are chosen in front; and
        `is_chosen` bool (B, L) in this order.
    """
    length = ops.shape(numbers)[1]
    order = ops.argsort(ops.where(can_be, numbers, 1.0), axis=1)
    is_chosen = ops.arange(length, dtype="int32") < count[:, None]
    if words is None:
        return order, is_chosen
    words = ops.take_along_axis(ops.where(can_be, words, -1), order, axis=1)
    next_word = ops.take_along_axis(words, ops.minimum(count, length - 1)[:, None], axis=1)
    is_whole = ops.logical_and(is_chosen, words != next_word)
    has_whole = ops.any(is_whole, axis=1, keepdims=True)
    return order, ops.where(has_whole, is_whole, is_chosen)


def cover_pieces(token_ids: Any, is_chosen: Any, numbers: Any, *, mask_id: int, others: Any) -> Any:
    """Covers what is chosen.

    Args:
        token_ids: int32 (B, L).
        is_chosen: bool (B, L), in the order of the pieces.
        numbers: float32 (B, L, 2) in [0, 1): what becomes of a piece, and which other one it is.
        mask_id: the piece that covers.
        others: int32 (pieces,), those that can stand in a piece's place.
    """
    which = ops.cast(numbers[..., 1] * float(len(others)), "int32")
    replaced = ops.take(ops.array(others), ops.minimum(which, len(others) - 1), axis=0)
    kind = numbers[..., 0]
    kept = ops.where(kind < MASKED + REPLACED, replaced, token_ids)
    return ops.where(is_chosen, ops.where(kind < MASKED, mask_id, kept), token_ids)
