"""From what a masked language model says of pieces to what stands for a mask."""

from typing import Any

import numpy as np
import tensorflow as tf

from tfft.data.pipeline import Alignment
from tfft.tasks.masked_pieces import CANDIDATES, GIVEN, LIKELIEST

SHOWN = CANDIDATES // 2


def best_pieces(outputs: Any) -> tuple[Any, Any]:
    """The likeliest pieces of each place, int32 ids and probabilities, (rows, length, SHOWN).

    Args:
        outputs: (rows, length, NUM_OUTPUTS); see `tfft.tasks.masked_pieces`.
    """
    ids, logarithms = tf.split(outputs[:, :, LIKELIEST:], 2, axis=2)
    values, order = tf.math.top_k(logarithms, SHOWN)
    ids = tf.gather(ids, order, batch_dims=2)
    return tf.cast(tf.round(ids), tf.int32), tf.exp(values)


def fill_masks(outputs: Any, alignment: Alignment, names: list[str]) -> dict[str, Any]:
    """What stands for the masks of each text, in their order.

    Args:
        outputs: (rows, length, NUM_OUTPUTS).
        alignment: of rows on texts.
        names: of the pieces.

    Returns:
        `pieces` (strings) and `scores` (float32, probabilities), (batch_size, masks of the text
        with the most, SHOWN), filled up with "" and 0; and `count` int32 (batch_size,), how many
        masks each text has.
    """
    ids, scores = best_pieces(outputs)
    places = tf.where(outputs[:, :, GIVEN] > 0.5)
    texts = tf.gather(tf.cast(alignment.example, tf.int64), places[:, 0])
    num_texts = tf.size(alignment.by_example["pieces"], tf.int64)

    def by_text(values: Any) -> Any:
        found = tf.gather_nd(values, places)
        return tf.RaggedTensor.from_value_rowids(found, texts, num_texts, validate=False)

    ids, scores = by_text(ids), by_text(scores)
    pieces = ids.with_values(tf.gather(tf.constant(names), ids.values))
    shape = [None, None, SHOWN]
    return {
        "pieces": pieces.to_tensor("", shape=shape),
        "scores": scores.to_tensor(0.0, shape=shape),
        "count": tf.cast(ids.row_lengths(), tf.int32),
    }


def mask_lists(served: dict[str, Any]) -> list[list[list[dict[str, Any]]]]:
    """What `fill_masks` returns as lists: of each text, of each mask, of each piece."""
    columns = (np.asarray(served[name]).tolist() for name in ("pieces", "scores", "count"))
    return [
        [
            [
                {"piece": _text(piece), "score": score}
                for piece, score in zip(*likeliest, strict=True)
            ]
            for likeliest in zip(pieces[:count], scores[:count], strict=True)
        ]
        for pieces, scores, count in zip(*columns, strict=True)
    ]


def _text(piece: Any) -> str:
    return piece.decode("utf-8") if isinstance(piece, bytes) else str(piece)
