"""The two layers of masked language modelling: one covers pieces, one guesses them.

The second looks at the chosen pieces alone: numbers for the whole vocabulary are computed for no
others.

Shapes: B rows of L pieces, of which at most K are chosen; H is the width of a vector.
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from tfft.text.masking import (
    choose_pieces,
    cover_pieces,
    most_chosen,
    num_chosen,
    number_words,
    numbers_of_texts,
)

# So many masks that somebody has left in a row are filled in at least, from the left.
FEWEST_GIVEN = 20
# So many pieces are kept of each guess; the likelier half is shown.
CANDIDATES = 10

# What a model says of each piece: whether it was covered, whether it was given as a mask, how
# likely (a logarithm) the right piece was held to be, whether it was held to be the likeliest; then
# the likeliest pieces, and the logarithms of their probabilities.
COVERED, GIVEN, LOG_PROBABILITY, IS_BEST, LIKELIEST = range(5)
NUM_OUTPUTS = LIKELIEST + 2 * CANDIDATES


class MaskPieces(keras.layers.Layer):
    """Covers pieces of each row: others in each step while training, else always the same ones.

    A row in which masks are given keeps them. When not training nothing else of it is covered.

    Args:
        mask_id: the piece that covers.
        special_ids: pieces that are never chosen.
        vocabulary_size: how many pieces there are.
        fraction: of the pieces that are covered.
        word_marks: to choose whole words: which pieces go on with the word before them, and which
            are words by themselves, two lists of bool (vocabulary_size,).

    Attributes:
        others: int32, the pieces that can stand in a piece's place.

    Call it with the features of an encoder. It returns a dict: `token_ids` int32 (B, L), what the
    encoder is to see; `places` and `right` int32 (B, K), where pieces were chosen and what they
    were; `is_covered` and `is_given` float32 (B, K), both 0 where fewer were chosen; and `slots`
    int32 (B, L), which of the K a piece is (K or more: none).
    """

    def __init__(
        self,
        *,
        mask_id: int,
        special_ids: Sequence[int],
        vocabulary_size: int,
        fraction: float = 0.15,
        word_marks: tuple[Sequence[bool], Sequence[bool]] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**{"dtype": "float32", "name": "mask", **options})
        self.mask_id = mask_id
        self.fraction = fraction
        self._is_special = np.isin(np.arange(vocabulary_size), special_ids)
        self.others = np.flatnonzero(~self._is_special).astype("int32")
        self._word_marks = None if word_marks is None else [np.array(m) for m in word_marks]
        self.seed_generator = keras.random.SeedGenerator()
        self.built = True

    def call(self, features: dict[str, Any], training: bool | None = None) -> dict[str, Any]:
        """See the class."""
        ids = ops.cast(features["token_ids"], "int32")
        is_real = ops.not_equal(features["padding_mask"], 0)
        is_special = ops.take(ops.array(self._is_special), ids, axis=0)
        is_given = ops.logical_and(is_real, ids == self.mask_id)
        can_be = ops.logical_and(is_real, ops.logical_not(is_special))
        count = num_chosen(_count(can_be), self.fraction)
        numbers = self._numbers(ids, is_real, training)
        first, words = numbers[..., 0], self._words(ids, is_special)
        if words is not None:
            first = ops.take_along_axis(first, words, axis=1)
        if not training:  # what is given goes first, from the left
            place, length = ops.arange(ops.shape(ids)[1]), ops.shape(ids)[1]
            from_left = ops.cast(place, "float32") / ops.cast(length, "float32") - 1.0
            first = ops.where(is_given, from_left, first)
            can_be = ops.logical_or(can_be, is_given)
            count = ops.where(_count(is_given) > 0, _count(is_given), count)
        order, is_chosen = choose_pieces(first, can_be, count, words)
        slots = ops.argsort(order, axis=1)
        is_covered = ops.logical_and(_along(is_chosen, slots), ops.logical_not(is_given))
        covered = cover_pieces(
            ids, is_covered, numbers[..., 1:], mask_id=self.mask_id, others=self.others
        )
        places = order[:, : self._most(ops.shape(ids)[1], training)]
        return {
            "token_ids": covered,
            "places": places,
            "right": _along(ids, places),
            "is_covered": ops.cast(_along(is_covered, places), "float32"),
            "is_given": ops.cast(_along(is_given, places), "float32") * (not training),
            "slots": slots,
        }

    def _numbers(self, ids: Any, is_real: Any, training: bool | None) -> Any:
        if not training:
            return numbers_of_texts(ids, is_real)
        return keras.random.uniform((*ops.shape(ids), 3), seed=self.seed_generator)

    def _words(self, ids: Any, is_special: Any) -> Any:
        if self._word_marks is None:
            return None
        goes_on, is_mark = (ops.take(ops.array(marks), ids, axis=0) for marks in self._word_marks)
        ends = ops.logical_or(is_special, is_mark)
        after_end = ops.concatenate([ops.ones_like(ends[:, :1]), ends[:, :-1]], axis=1)
        begins = ops.logical_or(ops.logical_or(ends, after_end), ops.logical_not(goes_on))
        return number_words(begins)

    def _most(self, length: Any, training: bool | None) -> Any:
        most = most_chosen(length, self.fraction)
        if training:
            return most
        return max(most, FEWEST_GIVEN) if isinstance(most, int) else ops.maximum(most, FEWEST_GIVEN)

    def compute_output_spec(
        self, features: dict[str, Any], training: bool | None = None
    ) -> dict[str, Any]:
        """Shapes and dtypes: those of K and L are not known before."""
        rows, length = features["token_ids"].shape
        dtypes = {"is_covered": "float32", "is_given": "float32"}
        return {
            name: keras.KerasTensor((rows, to), dtype=dtypes.get(name, "int32"))
            for names, to in (
                (("token_ids", "slots"), length),
                (("places", "right", "is_covered", "is_given"), None),
            )
            for name in names
        }


class PieceHead(keras.layers.Layer):
    """Guesses the chosen pieces: the head of BERT's masked language model.

    A dense layer with its activation, a norm, and the product with the word table itself and a bias
    for each piece.

    Args:
        table: the word table, a built `keras.layers.Embedding`.
        hidden_dim: H.
        activation: of the dense layer.
        epsilon: of the norm.

    Call it with the vectors of all pieces (B, L, H) and what `MaskPieces` returned. It returns
    float32 (B, L, NUM_OUTPUTS), zeros for pieces that were not chosen, and while training for the
    likeliest ones.
    """

    def __init__(
        self,
        table: Any,
        *,
        hidden_dim: int,
        activation: Any = "gelu",
        epsilon: float = 1e-12,
        **options: Any,
    ) -> None:
        super().__init__(**{"name": "guess", **options})
        self.table = table
        width = table.output_dim
        self.dense = keras.layers.Dense(
            width,
            activation=activation,
            kernel_initializer=keras.initializers.TruncatedNormal(stddev=0.02),
            dtype=self.dtype_policy,
            name="dense",
        )
        self.norm = keras.layers.LayerNormalization(
            epsilon=epsilon, dtype=self.dtype_policy, name="norm"
        )
        self.dense.build((None, hidden_dim))
        self.norm.build((None, width))
        self.bias = self.add_weight(shape=(table.input_dim,), initializer="zeros", name="bias")
        self.built = True

    def call(self, vectors: Any, chosen: dict[str, Any], training: bool | None = None) -> Any:
        """See the class."""
        rows, length = ops.shape(vectors)[:2]
        most = ops.shape(chosen["places"])[1]
        logits = self._logits(_pick(vectors, chosen["places"]))
        right = ops.reshape(chosen["right"], (-1,))
        loss = ops.sparse_categorical_crossentropy(right, logits, from_logits=True)
        # Keras has turned them into the dtype of the computation.
        flags = [ops.cast(chosen[name], "float32") for name in ("is_covered", "is_given")]
        found = [
            *(ops.reshape(flag, (-1, 1)) for flag in flags),
            -loss[:, None],
            ops.cast(ops.argmax(logits, axis=-1) == right, "float32")[:, None],
            ops.zeros((rows * most, 2 * CANDIDATES)) if training else _likeliest(logits),
        ]
        by_choice = ops.reshape(ops.concatenate(found, axis=1), (rows, most, NUM_OUTPUTS))
        by_choice = by_choice * sum(flags)[:, :, None]
        slots = chosen["slots"]
        by_piece = _pick(by_choice, ops.minimum(slots, most - 1))
        has_slot = ops.cast(slots < most, "float32")[:, :, None]
        return ops.reshape(by_piece, (rows, length, NUM_OUTPUTS)) * has_slot

    def _logits(self, vectors: Any) -> Any:
        vectors = self.norm(self.dense(vectors))
        table = ops.cast(self.table.embeddings, vectors.dtype)
        logits = ops.matmul(vectors, ops.transpose(table))
        return ops.cast(logits, "float32") + ops.cast(self.bias, "float32")

    def compute_output_spec(
        self, vectors: Any, chosen: dict[str, Any], training: bool | None = None
    ) -> Any:
        """Shape and dtype of the result."""
        return keras.KerasTensor((*vectors.shape[:2], NUM_OUTPUTS), dtype="float32")


def _likeliest(logits: Any) -> Any:
    """The likeliest pieces and the logarithms of their probabilities, (rows, 2 * CANDIDATES)."""
    values, ids = ops.top_k(logits, CANDIDATES)
    values = values - ops.logsumexp(logits, axis=-1, keepdims=True)
    return ops.concatenate([ops.cast(ids, "float32"), values], axis=1)


def _pick(values: Any, places: Any) -> Any:
    """The entries (rows * places, ...) of (rows, all, ...) at places int32 (rows, places)."""
    rows, length, width = ops.shape(values)
    first = ops.arange(rows, dtype="int32")[:, None] * length
    flat = ops.reshape(values, (-1, values.shape[-1] or width))
    return ops.take(flat, ops.reshape(places + first, (-1,)), axis=0)


def _along(values: Any, places: Any) -> Any:
    return ops.take_along_axis(values, places, axis=1)


def _count(flags: Any) -> Any:
    return ops.sum(ops.cast(flags, "int32"), axis=1)
