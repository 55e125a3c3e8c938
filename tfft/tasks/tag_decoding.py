"""From the scores of tags to tags, in the TensorFlow graph.

A chain of tags scores as in `tfft.tasks.crf`. Rows have their own number of words; what stands
beyond it counts nowhere. A batch may have no rows, and a row no words.

B: rows of a batch, W: words of the longest row, T: tags.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

# Called eagerly, loops that are no graph take ten times as long.
_in_graph = tf.function(autograph=False, reduce_retracing=True)
# Scores are kept within it, so that minus infinity says "illegal" and nothing else.
LARGEST = 1e30


def word_scores(outputs: Any, word: Any, lengths: Any) -> Any:
    """Gathers the logits of words from the windows that tag them.

    Args:
        outputs: float32 (rows, L, T), logits of pieces, the rows of a sentence in order.
        word: ragged int32 (rows, pieces), -1 for pieces that tag no word. Each word of a sentence
            has one piece, in the order of the words.
        lengths: int64 (B,), the words of each sentence.

    Returns:
        float32 (B, W, T).
    """
    is_word = word.to_tensor(-1, shape=tf.shape(outputs, tf.int64)[:2]) >= 0
    scores = tf.boolean_mask(outputs, is_word)
    return tf.RaggedTensor.from_row_lengths(scores, lengths, validate=False).to_tensor()


def best_tags(
    scores: Any, lengths: Any, *, labels: Sequence[str], chain: dict[str, Any] | None
) -> tuple[Any, Any]:
    """The tags to answer with: each word's best, or with a chain the best legal sequence.

    Args:
        scores: float32 (B, W, T).
        lengths: int32 (B,), the words of each row.
        labels: the names of the tags.
        chain: `transitions`, `start`, `end`, or None.

    Returns:
        int32 (B, W), -1 beyond a row's words; and the probability of each (B, W).
    """
    if chain is None:
        probabilities = tf.nn.softmax(scores)
        tags = tf.argmax(probabilities, axis=-1, output_type=tf.int32)
    else:
        allowed, allowed_start = legal_transitions(labels)
        tags = viterbi(scores, lengths, allowed=allowed, allowed_start=allowed_start, **chain)
        probabilities = marginals(scores, lengths, **chain)
    inside = tf.sequence_mask(lengths, tf.shape(tags)[1])
    chosen = tf.gather(probabilities, tf.maximum(tags, 0), batch_dims=2)
    return tf.where(inside, tags, -1), chosen


def legal_transitions(tags: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Which tags may stand where in IOB2.

    `I-X` stands after `B-X` or `I-X` alone. All other names, parts of speech too, stand anywhere.

    Returns:
        bool (T, T) for each pair of tags [from, to], and bool (T,) for the first word.
    """
    allowed = [[_may_follow(tag, before) for tag in tags] for before in tags]
    return np.array(allowed, bool), np.array([_may_follow(tag, "O") for tag in tags], bool)


def _may_follow(tag: str, before: str) -> bool:
    return not tag.startswith("I-") or before in (tag, "B-" + tag[2:])


@_in_graph
def viterbi(
    scores: Any,
    lengths: Any,
    *,
    transitions: Any,
    start: Any,
    end: Any,
    allowed: Any,
    allowed_start: Any,
) -> Any:
    """The legal tags with the highest score (Viterbi 1967).

    Args:
        scores: float32 (B, W, T), of each tag at each word.
        lengths: int (B,), the words of each row.
        transitions: (T, T), the score of each pair of tags [from, to].
        start: (T,), the score of each tag at the first word.
        end: (T,), the score of each tag at the last word.
        allowed: bool (T, T), whether the second tag may follow the first. Illegal tags are never
            returned, whatever the scores, as long as there are legal ones for the row's length.
        allowed_start: bool (T,), whether the tag may stand at the first word.

    Returns:
        int32 (B, W), -1 beyond the row's words.
    """
    scores, end, lengths = _with_room(scores), _finite(end), tf.cast(lengths, tf.int32)
    chain, legal = _chain(_finite(transitions), _finite(start)), _chain(allowed, allowed_start)
    best, came_from = _best_so_far(scores, lengths, chain, legal)
    last = tf.argmax(best[:, :-1] + end, axis=1, output_type=tf.int32)
    tags = tf.scan(
        lambda tag, before: tf.gather(before, tag, batch_dims=1), came_from, last, reverse=True
    )
    tags = tf.transpose(tags[1:])
    return tf.where(in_row(tags, lengths), tags, -1)


def _best_so_far(scores: Any, lengths: Any, chain: Any, legal: Any) -> tuple[Any, Any]:
    """The score (B, T + 1) of the best tags that end with each, and their last but one, (W, B, T).

    Scores are less the highest of all, which keeps their digits in a long row. Beyond the row's
    words a tag comes from itself.
    """
    itself = tf.range(tf.shape(scores)[2])

    def step(state: Any, word: Any) -> Any:
        best, _ = state
        candidates = tf.where(legal, best[:, :, None] + chain, -np.inf)
        came_from = tf.argmax(candidates, axis=1, output_type=tf.int32)
        sums = tf.reduce_max(candidates, axis=1) + scores[:, word]
        sums = _with_begin(sums - tf.reduce_max(sums, axis=1, keepdims=True))
        inside = (word < lengths)[:, None]
        return tf.where(inside, sums, best), tf.where(inside, came_from, itself)

    nowhere = tf.zeros_like(scores[:, 0], tf.int32)
    best, came_from = _walk(step, (_begin(scores), nowhere), scores)
    return best[-1], came_from


@_in_graph
def marginals(scores: Any, lengths: Any, *, transitions: Any, start: Any, end: Any) -> Any:
    """The probability of each tag at each word, over all tags of the others (forward-backward).

    Takes what `viterbi` takes. Illegal tags count as any others, as they did in training.

    Returns:
        float32 (B, W, T), 0 beyond the row's words.
    """
    scores, transitions = _with_room(scores), _finite(transitions)
    lengths = tf.cast(lengths, tf.int32)
    before = _sums_before(scores, lengths, _chain(transitions, _finite(start)))
    after = _sums_after(scores, lengths, transitions, _finite(end))
    # The walk back gives what is after the word before: one step on.
    posterior = tf.transpose(tf.nn.softmax(before[:-1, :, :-1] + after[1:]), (1, 0, 2))
    return tf.where(in_row(posterior[:, :, 0], lengths)[:, :, None], posterior, 0.0)


def _sums_before(scores: Any, lengths: Any, chain: Any) -> Any:
    """Logarithms (W, B, T + 1) of the sums over all tags up to each word, less their total."""

    def step(before: Any, word: Any) -> Any:
        sums = tf.reduce_logsumexp(before[:, :, None] + chain, axis=1) + scores[:, word]
        sums = _with_begin(tf.nn.log_softmax(sums))
        return tf.where((word < lengths)[:, None], sums, before)

    return _walk(step, _begin(scores), scores)


def _sums_after(scores: Any, lengths: Any, transitions: Any, end: Any) -> Any:
    """Logarithms (W, B, T) of the sums over all tags after the word before each, up to a factor."""

    def step(after: Any, word: Any) -> Any:
        sums = tf.reduce_logsumexp((after + scores[:, word])[:, None] + transitions, axis=2)
        return tf.where((word < lengths)[:, None], tf.nn.log_softmax(sums), after)

    return _walk(step, tf.zeros_like(scores[:, 0]) + end, scores, reverse=True)


def _walk(
    step: Callable[[Any, Any], Any], state: Any, scores: Any, *, reverse: bool = False
) -> Any:
    """The states after each word, first dimension W."""
    return tf.scan(step, tf.range(tf.shape(scores)[1]), state, reverse=reverse)


def _with_room(scores: Any) -> Any:
    """Scores (B, W + 1, T) that end with a word of no row: a loop cannot have no steps."""
    return tf.pad(_finite(scores), [[0, 0], [0, 1], [0, 0]])


def _finite(scores: Any) -> Any:
    scores = tf.cast(scores, tf.float32)
    scores = tf.where(tf.math.is_nan(scores), -LARGEST, scores)
    return tf.clip_by_value(scores, -LARGEST, LARGEST)


def _chain(pairs: Any, first: Any) -> Any:
    """(T + 1, T) of each pair of tags; before the first word stands a tag T of its own."""
    return tf.concat([pairs, tf.convert_to_tensor(first)[None]], axis=0)


def _begin(scores: Any) -> Any:
    """The state (B, T + 1) before the first word."""
    return tf.pad(tf.fill(tf.shape(scores[:, 0]), -np.inf), [[0, 0], [0, 1]])


def _with_begin(sums: Any) -> Any:
    """(B, T + 1) of (B, T): after a word no row is at its begin."""
    return tf.pad(sums, [[0, 0], [0, 1]], constant_values=-np.inf)


def in_row(words: Any, lengths: Any) -> Any:
    """Whether each word of (B, W) is one of the row's."""
    return tf.sequence_mask(lengths, tf.shape(words)[1])
