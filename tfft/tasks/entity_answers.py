"""From tags to the entities they mark, in the TensorFlow graph.

B: rows of a batch, W: words of the longest row, T: tags.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tfft.tasks.tag_decoding import in_row

OUTSIDE, BEGINS, INSIDE = 0, 1, 2


class Entities(NamedTuple):
    """The entities of each row in their order: three ragged int32 tensors (B, entities)."""

    first: Any
    """The number of the first word."""
    last: Any
    """The number of the last word."""
    type: Any
    """The number of the type."""


def entity_tensors(
    tags: Any, probability: Any, words: Mapping[str, Any], lengths: Any, *, labels: Sequence[str]
) -> dict[str, Any]:
    """The SavedModel's answers, of the tag of each word.

    Args:
        tags: int32 (B, W).
        probability: float32 (B, W), of these tags.
        words: `text` (B,) and the ragged `starts` and `ends` of its words, in characters.
        lengths: int (B,), the words of each row.
        labels: (T,); tags without prefixes each mark a word.

    Returns:
        `text`, `type` (strings), `start`, `end` (int32), `score` (float32, the mean probability of
        the words), each (B, entities of the row with the most), filled up with "" and 0; and
        `count` int32 (B,).
    """
    types = sorted({_type(tag) for tag in labels if tag != "O"})
    kinds = [-1 if tag == "O" else types.index(_type(tag)) for tag in labels]
    entities = find_entities(
        tags, lengths, prefixes=tf.constant(_prefixes(labels)), types=tf.constant(kinds)
    )
    starts = tf.gather(words["starts"], entities.first, batch_dims=1)
    ends = tf.gather(words["ends"], entities.last, batch_dims=1)
    text = tf.gather(words["text"], entities.first.value_rowids())
    size = ends.flat_values - starts.flat_values
    spans = tf.strings.substr(text, starts.flat_values, size, unit="UTF8_CHAR")
    return {
        "text": starts.with_flat_values(spans).to_tensor(),
        "type": tf.gather(tf.constant([*types, ""]), entities.type).to_tensor(),
        "start": starts.to_tensor(),
        "end": ends.to_tensor(),
        "score": entity_scores_mean(probability, entities).to_tensor(),
        "count": tf.cast(entities.first.row_lengths(), tf.int32),
    }


def find_entities(tags: Any, lengths: Any, *, prefixes: Any, types: Any) -> Entities:
    """Reads tags as conlleval reads IOB2.

    An entity begins at `B-`, and at `I-` where nothing of its type goes before.

    Args:
        tags: int32 (B, W).
        lengths: int (B,), the words of each row.
        prefixes: int32 (T,), `OUTSIDE`, `BEGINS` or `INSIDE` for each tag.
        types: int32 (T,), the number of each tag's type; -1 for O.
    """
    inside = in_row(tags, lengths) & (tags >= 0)
    known = tf.maximum(tags, 0)
    prefix = tf.where(inside, tf.gather(prefixes, known), OUTSIDE)
    kind = tf.where(prefix == OUTSIDE, -1, tf.gather(types, known))
    same = kind == tf.pad(kind, [[0, 0], [1, 0]], constant_values=-1)[:, :-1]
    begins = (prefix == BEGINS) | ((prefix == INSIDE) & ~same)
    goes_on = tf.pad((prefix == INSIDE) & ~begins, [[0, 0], [0, 1]])[:, 1:]
    number = tf.zeros_like(tags) + tf.range(tf.shape(tags)[1])
    ends = (prefix != OUTSIDE) & ~goes_on
    return Entities(_where(number, begins), _where(number, ends), _where(kind, begins))


def entity_scores_mean(probability: Any, entities: Entities) -> Any:
    """The mean over each entity's words of the probability (B, W) of the chosen tags.

    Returns:
        Ragged float32 (B, entities).
    """
    row = tf.cast(entities.first.value_rowids(), tf.int32) * tf.shape(probability)[1]
    words = tf.ragged.range(row + entities.first.values, row + entities.last.values + 1)
    values = tf.gather(tf.reshape(probability, [-1]), words)
    return entities.first.with_values(tf.reduce_mean(values, axis=1))


def entity_dicts(served: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """What the SavedModel answers, as `{"entities": [{text, type, start, end, score}]}` a row."""
    arrays = {name: np.asarray(value) for name, value in served.items()}
    for row, count in enumerate(arrays.pop("count")):
        yield {
            "entities": [
                {name: _plain(values[row][number]) for name, values in arrays.items()}
                for number in range(count)
            ]
        }


def _plain(value: Any) -> Any:
    return value.decode("utf-8") if isinstance(value, bytes) else value.item()


def _type(tag: str) -> str:
    return tag[2:] if tag[:2] in ("B-", "I-") else tag


def _prefixes(labels: Sequence[str]) -> list[int]:
    """Tags that mark no entities, such as parts of speech, each begin one."""
    has_entities = any(tag.startswith("B-") for tag in labels)
    inside = [has_entities and tag.startswith("I-") for tag in labels]
    return [
        OUTSIDE if tag == "O" else INSIDE if is_inside else BEGINS
        for tag, is_inside in zip(labels, inside, strict=True)
    ]


def _where(values: Any, chosen: Any) -> Any:
    """The chosen values of each row, ragged."""
    counts = tf.reduce_sum(tf.cast(chosen, tf.int64), axis=1)
    return tf.RaggedTensor.from_row_lengths(tf.boolean_mask(values, chosen), counts, validate=False)
