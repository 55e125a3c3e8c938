"""A linear-chain conditional random field on a tagger's logits (Lafferty et al. 2001).

The chain goes from word to word and skips the positions between them. A sequence of tags scores the
sum of its logits, of the transitions from tag to tag, of `start` at the first word and of `end` at
the last; its probability is the softmax of these scores over all sequences.

B: rows of a batch, L: positions, T: tags. Sums over sequences are kept as logarithms.
"""

from typing import Any

import keras
from keras import ops

# Stands for the logarithm of 0: what minus infinity would be, but differences stay numbers.
NEVER = -1e30


@keras.saving.register_keras_serializable(package="tfft")
class Crf(keras.layers.Layer):
    """Hands logits (B, L, T) on as they are, and owns the weights of the chain.

    `transitions` (T, T) scores each pair of tags [from, to], `start` (T,) the first tag and `end`
    (T,) the last: `speed` times the weights. They begin at 0, where the tag of a word
    depends on its own logits alone. `CrfLoss` learns them.

    Args:
        speed: by how much faster than other weights these are learned. An optimizer like Adam moves
            a weight by no more than about its learning rate a step, and at the rates of pretrained
            layers a chain that begins at 0 would stay there.
        name: of the layer.
        dtype: of weights and logits. Default: float32, also where the model computes in less.
        **options: what every Keras layer takes.
    """

    def __init__(
        self, *, speed: float = 1.0, name: str = "crf", dtype: Any = "float32", **options: Any
    ) -> None:
        super().__init__(name=name, dtype=dtype, **options)
        self.speed = speed
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        """Makes the weights."""
        tags = input_shape[-1]
        shapes = {"transitions": (tags, tags), "start": (tags,), "end": (tags,)}
        self._weights_by_name = {
            name: self.add_weight(name=name, shape=shape, initializer="zeros")
            for name, shape in shapes.items()
        }

    @property
    def transitions(self) -> Any:
        """Scores (T, T) of each pair of tags [from, to]."""
        return self._learned("transitions")

    @property
    def start(self) -> Any:
        """Scores (T,) of the first tag."""
        return self._learned("start")

    @property
    def end(self) -> Any:
        """Scores (T,) of the last tag."""
        return self._learned("end")

    def _learned(self, name: str) -> Any:
        weight = ops.convert_to_tensor(self._weights_by_name[name])
        # The gradient is that of the score, so clipping sees what it would see without `speed`.
        return weight + ops.stop_gradient((self.speed - 1.0) * weight)

    def get_config(self) -> dict[str, Any]:
        """What the layer is made anew from."""
        return {**super().get_config(), "speed": self.speed}

    def call(self, inputs: Any) -> Any:
        """Returns the logits."""
        return inputs


class CrfLoss(keras.losses.Loss):
    """The negative log-likelihood of a row's tags, spread over its words.

    With sample weights (B, L) of 1 at words and 0 elsewhere it is the likelihood a word, however
    long the padding. A row has one likelihood: its words must have the same weight.

    Args:
        crf: the layer, in the model that is trained. Its weights are read when the loss is
            computed, where the training step takes gradients, and so they have theirs.
        name: of the loss.
    """

    def __init__(self, crf: Crf, *, name: str = "crf_loss") -> None:
        super().__init__(name=name, reduction="mean_with_sample_weight")
        self.crf = crf

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Losses (B, L) whose sum over a row is -log p(tags); 0 where no word is.

        A word's is log(Z_t / Z_(t-1)) less its own score, where Z_t is the sum over all sequences
        up to it; the end counts with the last word. One of them alone can be below 0.

        Args:
            y_true: int (B, L), the tag of each position, -1 where no word is.
            y_pred: (B, L, T), logits.
        """
        tags, logits = ops.cast(y_true, "int32"), ops.cast(y_pred, "float32")
        chain, end = _chain(self.crf), ops.convert_to_tensor(self.crf.end)
        fixed = [ops.stop_gradient(scores) for scores in (logits, chain, end)]
        (before, previous), (last, last_tag) = _forward(tags, *fixed[:2])
        sums = _follow(before, chain) + logits
        losses = _step_sums(sums, _backward(tags, *fixed)) - _scores(tags, previous, logits, chain)
        end_losses = ops.logsumexp(last[:, :-1] + end, axis=1) - _pick(end, last_tag)
        losses = losses + ops.where(_at_last(tags), ops.expand_dims(end_losses, 1), 0.0)
        return ops.where(tags >= 0, losses, 0.0)


def _chain(crf: Crf) -> Any:
    """Scores (T + 1, T) of each pair of tags; before the first word stands a tag T of its own."""
    return ops.concatenate([crf.transitions, ops.expand_dims(crf.start, 0)])


def _follow(before: Any, chain: Any) -> Any:
    """Sums (..., T) over the tag before, from those (..., T + 1) that end with each tag."""
    return ops.logsumexp(ops.expand_dims(before, -1) + chain, axis=-2)


def _step_sums(sums: Any, after: Any) -> Any:
    """log(Z_t / Z_(t-1)) (B, L), with gradients that add up to those of log Z over a row.

    The loops for `before` and `after` have no gradients: those of loops cannot be compiled on
    TensorFlow. What is before and after a word is fixed, and what the word itself changes in the
    sum over whole sequences is its part of the gradient.
    """
    whole = ops.logsumexp(sums + after, axis=-1)
    return whole + ops.stop_gradient(ops.logsumexp(sums, axis=-1) - whole)


def _forward(tags: Any, logits: Any, chain: Any) -> Any:
    """Walks from the first position to the last.

    Returns:
        What is known before each position: the sums over sequences up to there by their last tag,
        less their total, (B, L, T + 1), and the tag of the word before, (B, L); and both after the
        last position.
    """
    num_tags = logits.shape[-1]

    def step(state: Any, position: Any) -> Any:
        before, previous = state
        tag = ops.take(tags, position, axis=1)
        sums = ops.log_softmax(_follow(before, chain) + ops.take(logits, position, axis=1))
        sums = ops.pad(sums, [[0, 0], [0, 1]], constant_values=NEVER)
        at_word = tag >= 0
        sums = ops.where(ops.expand_dims(at_word, 1), sums, before)
        return (sums, ops.where(at_word, tag, previous)), state

    begin = ops.full_like(tags[:, 0], num_tags)
    sums = ops.where(ops.one_hot(begin, num_tags + 1) > 0, 0.0, NEVER)
    state, (before, previous) = ops.scan(step, (sums, begin), _positions(tags))
    return (ops.transpose(before, (1, 0, 2)), ops.transpose(previous)), state


def _backward(tags: Any, logits: Any, chain: Any, end: Any) -> Any:
    """Sums (B, L, T) over the rest of the sequences after each position, up to a factor."""

    def step(after: Any, position: Any) -> Any:
        scores = ops.expand_dims(after + ops.take(logits, position, axis=1), 1)
        sums = ops.log_softmax(ops.logsumexp(scores + chain[:-1], axis=2))
        at_word = ops.expand_dims(ops.take(tags, position, axis=1) >= 0, 1)
        return ops.where(at_word, sums, after), after

    nothing = ops.zeros_like(logits[:, 0]) + end
    _, after = ops.scan(step, nothing, _positions(tags), reverse=True)
    return ops.transpose(after, (1, 0, 2))


def _positions(tags: Any) -> Any:
    # The loops take positions and look the rest up: on TensorFlow `scan` fails over two tensors
    # of a length that is not known.
    return ops.arange(ops.shape(tags)[1], dtype="int32")


def _scores(tags: Any, previous: Any, logits: Any, chain: Any) -> Any:
    """Each word's part (B, L) of the score of the tags."""
    return _pick(logits + ops.take(chain, previous, axis=0), tags)


def _pick(scores: Any, tags: Any) -> Any:
    """The scores of the tags: (...) of (..., T); 0 for what is no tag."""
    return ops.sum(ops.one_hot(tags, scores.shape[-1]) * scores, axis=-1)


def _at_last(tags: Any) -> Any:
    """Whether each position (B, L) is the row's last word."""
    at_word = ops.cast(tags >= 0, "int32")
    total = ops.sum(at_word, axis=1, keepdims=True)
    return (tags >= 0) & (ops.cumsum(at_word, axis=1) == total)
