"""KerasHub's encoders, computed in fewer and larger operations.

The layers, their weights and the function are those of the backbone: results differ in the order of
sums alone. What is done otherwise:

- vectors stand in one matrix, so that each product is a plain one;
- queries, keys and values come from one product instead of three einsums;
- padding is masked by one addition instead of two selections;
- where a head reads only the first piece, the last layer computes only that;
- rows can be packed: several examples in one, which do not see each other.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import keras
from keras import ops

from tfft.backbones.attention import Fused, attend, encoder_layers, projections
from tfft.backbones.epsilon import epsilon_of, set_epsilon
from tfft.backbones.pointwise import activate, drop, normalise
from tfft.errors import ConfigError


@keras.saving.register_keras_serializable(package="tfft")
class Transformer(keras.layers.Layer):
    """The vectors that a KerasHub backbone of BERT's kind gives pieces.

    Args:
        backbone: of a family that is `like_bert`; see `tfft.backbones.families`.
        first_only: whether the vector of the first piece is enough.
        options: of a Keras layer. The default `dtype` is the backbone's.

    Call it with `token_ids`, `padding_mask` and, where the backbone takes them, `segment_ids`, int
    (batch_size, length).
    It returns (batch_size, length, hidden_dim), or with `first_only` (batch_size, 1, hidden_dim).
    With `until=N` this is what the embeddings and the N lowest layers give: of all pieces, unless
    it is all layers. With `since=N` and such `vectors` only the layers above them are computed.

    Attributes:
        num_packed: None, or how many examples a batch has whose rows hold several one after the
            other. `padding_mask` then has another number above 0 for each example of a row; none
            looks at the others, and each has positions from 0. With `first_only` the result is
            (num_packed, 1, hidden_dim), in the order of the batch. Functions that Keras has
            compiled stay as they are: `packed` is for the time in which they are made.
        fused: None, or copies of the projections' weights that stand side by side already: see
            `fused`.
        words: None, or what looks up pieces in place of the backbone's word table: see
            `tfft.backbones.word_rows`.
    """

    def __init__(self, backbone: Any, *, first_only: bool = False, **options: Any) -> None:
        super().__init__(**{"dtype": backbone.dtype_policy, "name": "encoder", **options})
        self.backbone = backbone
        self.first_only = first_only
        self.num_packed: int | None = None
        self.fused: Fused | None = None
        self.words: Any = None
        self.built = True

    def call(
        self,
        inputs: dict[str, Any],
        vectors: Any = None,
        since: int = 0,
        until: int | None = None,
        training: bool | None = None,
    ) -> Any:
        """See the class."""
        if self.num_packed:
            return self._packed(inputs, self.num_packed, training)
        if vectors is None:
            vectors = self._embed(inputs, None, training)
        bias = padding_bias(inputs["padding_mask"], vectors.dtype)
        rows, hidden_dim = ops.shape(vectors)[:-1], vectors.shape[-1]
        vectors = flat(vectors)
        layers = encoder_layers(self.backbone)
        for number, layer in enumerate(layers[since:until], since + 1):
            queries = vectors
            if self.first_only and number == len(layers):  # ALBERT's are one
                queries = ops.reshape(vectors, (*rows, hidden_dim))[:, 0]
            vectors = encode(layer, queries, vectors, bias, training, self.fused)
        return ops.reshape(vectors, (rows[0], 1 if self.is_first(until) else rows[1], hidden_dim))

    def _packed(self, inputs: dict[str, Any], num_packed: int, training: bool | None) -> Any:
        numbers = inputs["padding_mask"]
        is_same = ops.equal(ops.expand_dims(numbers, 2), ops.expand_dims(numbers, 1))
        positions = ops.sum(ops.cast(ops.tril(is_same, -1), "int32"), axis=2)
        vectors = self._embed(inputs, positions, training)
        shape = (*ops.shape(vectors)[:-1], vectors.shape[-1])
        bias = ops.cast(ops.logical_not(ops.expand_dims(is_same, 1)), vectors.dtype)
        bias = bias * lowest(vectors.dtype)
        vectors = flat(vectors)
        for layer in encoder_layers(self.backbone)[:-1]:
            vectors = encode(layer, vectors, vectors, bias, training)
        if not self.first_only:
            return ops.reshape(encode(self._last, vectors, vectors, bias, training), shape)
        mixed = attend(self._last._self_attention_layer, vectors, vectors, bias, training)
        starts = first_places(numbers, positions, num_packed)
        mixed, vectors = (ops.take(each, starts, axis=0) for each in (mixed, vectors))
        return finish(self._last, mixed, vectors, training)[:, None]

    @property
    def _last(self) -> Any:
        return encoder_layers(self.backbone)[-1]

    def projections(self) -> Iterator[list[Any]]:
        """The projections of all layers, in the groups that are computed together."""
        *others, last = encoder_layers(self.backbone)
        for layer in others:
            yield from projections(layer._self_attention_layer, together=True)
        yield from projections(last._self_attention_layer, together=not self.first_only)

    def _embed(self, inputs: dict[str, Any], positions: Any, training: bool | None) -> Any:
        backbone = self.backbone
        tokens = (self.words or backbone.token_embedding)(inputs["token_ids"])
        tables = getattr(backbone, "embeddings", backbone)  # DistilBERT's and RoBERTa's are apart
        vectors = tokens + tables.position_embedding(tokens, positions=positions)
        if tables is backbone:
            vectors = vectors + backbone.segment_embedding(inputs["segment_ids"])
        vectors = normalise(backbone.embeddings_layer_norm, vectors)
        vectors = drop(backbone.embeddings_dropout, vectors, training)
        widen = getattr(backbone, "embeddings_projection", None)  # ALBERT's and ELECTRA's
        return widen(vectors) if widen else vectors

    def compute_output_spec(
        self,
        inputs: dict[str, Any],
        vectors: Any = None,
        since: int = 0,
        until: int | None = None,
        training: bool | None = None,
    ) -> Any:
        """Shape and dtype of the result: JAX cannot find them where lengths are unknown."""
        batch_size, length = inputs["token_ids"].shape
        if self.first_only and self.num_packed:
            batch_size = self.num_packed
        shape = (batch_size, 1 if self.is_first(until) else length, self.backbone.hidden_dim)
        return keras.KerasTensor(shape, dtype=self.compute_dtype)

    def is_first(self, until: int | None) -> bool:
        """Whether the layers up to one give the vector of the first piece alone."""
        return self.first_only and until in (None, len(encoder_layers(self.backbone)))

    def get_config(self) -> dict[str, Any]:
        """What the layer is made anew from."""
        backbone = keras.saving.serialize_keras_object(self.backbone)
        said = {"backbone": backbone, "first_only": self.first_only}
        return {**super().get_config(), **said, "epsilon": epsilon_of(self.backbone)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Transformer":
        """Makes it anew."""
        backbone = keras.saving.deserialize_keras_object(config.pop("backbone"))
        set_epsilon(backbone, config.pop("epsilon", None))
        return cls(backbone, **config)


@contextlib.contextmanager
def packed(model: Any, num_packed: int | None) -> Iterator[None]:
    """For a while a model takes packed rows, or not; see `Transformer.num_packed`.

    Args:
        model: a Keras model with a `Transformer`.
        num_packed: examples of a batch. None: rows are not packed.

    Raises:
        ConfigError: rows are to be packed, but the model has another kind of encoder.
    """
    encoders = [layer for layer in model.layers if isinstance(layer, Transformer)]
    if num_packed and not encoders:
        raise ConfigError(
            f"training.packing is for encoders of BERT's kind; {model.name} has none of them. "
            "Leave it out."
        )
    before = [encoder.num_packed for encoder in encoders]
    for encoder in encoders:
        encoder.num_packed = num_packed
    try:
        yield
    finally:
        for encoder, number in zip(encoders, before, strict=True):
            encoder.num_packed = number


@contextlib.contextmanager
def fused(model: Any) -> Iterator[None]:
    """What is traced for a while reads weights side by side, instead of laying them so each time.

    For a model that no longer learns: the weights are copies. They are gone afterwards, so what was
    traced has to be used or saved before.
    """
    encoders = [layer for layer in model.layers if isinstance(layer, Transformer)]
    for encoder in encoders:
        encoder.fused = Fused(encoder.projections())
    try:
        yield
    finally:
        for encoder in encoders:
            encoder.fused = None


def padding_bias(padding_mask: Any, dtype: Any) -> Any:
    """What is added to attention scores: 0 at pieces, so much at padding that nothing is left.

    Args:
        padding_mask: int (batch_size, length), 0 at padding.
        dtype: of the result.

    Returns:
        (batch_size, 1, 1, length).
    """
    is_padding = ops.cast(ops.equal(padding_mask, 0), dtype)
    return ops.expand_dims(is_padding * lowest(dtype), (1, 2))


def lowest(dtype: Any) -> float:
    """A score of which the softmax leaves nothing."""
    return -3e4 if keras.backend.standardize_dtype(dtype) == "float16" else -1e9


def first_places(numbers: Any, positions: Any, num_packed: int) -> Any:
    """Where the packed examples of a batch begin.

    Args:
        numbers: int (rows, length), another number above 0 for each example of a row.
        positions: int (rows, length), of a piece within its example.
        num_packed: how many places are wanted.

    Returns:
        int (num_packed,), places in the flattened rows, ascending; where there are fewer examples,
        any at the end.
    """
    is_first = ops.reshape(ops.logical_and(numbers > 0, positions == 0), (-1,))
    size = ops.shape(is_first)[0]
    places = ops.arange(size, dtype="int32")
    return ops.sort(ops.where(is_first, places, places + size))[:num_packed] % size


def encode(
    layer: Any,
    queries: Any,
    vectors: Any,
    bias: Any,
    training: bool | None,
    fused: Fused | None = None,
) -> Any:
    """One layer of an encoder: attention, then two dense layers, each added and normalised.

    Args:
        layer: a `keras_hub.layers.TransformerEncoder`.
        queries: (batch_size * queries, hidden_dim), the vectors that are wanted.
        vectors: (batch_size * length, hidden_dim), those that they look at; the same object where
            all are wanted.
        bias: added to attention scores, (batch_size, 1, queries or 1, length).
        training: whether to drop.
        fused: weights that stand side by side already.

    Returns:
        (batch_size * queries, hidden_dim).
    """
    attention = layer._self_attention_layer
    return finish(
        layer, attend(attention, queries, vectors, bias, training, fused), queries, training
    )


def finish(layer: Any, mixed: Any, queries: Any, training: bool | None) -> Any:
    """What a layer does after its attention.

    Args:
        layer: as for `encode`.
        mixed: (batch_size * queries, hidden_dim), what `attend` returned.
        queries: (batch_size * queries, hidden_dim), what the layer was given.
        training: whether to drop.
    """
    output = layer._self_attention_layer._output_dense
    mixed = ops.matmul(mixed, ops.reshape(output.kernel, (mixed.shape[-1], -1))) + output.bias
    mixed = drop(layer._self_attention_dropout, mixed, training)
    mixed = normalise(layer._self_attention_layer_norm, mixed + queries)
    wide = activate(layer._feedforward_intermediate_dense, mixed)
    narrow = activate(layer._feedforward_output_dense, wide)
    narrow = drop(layer._feedforward_dropout, narrow, training)
    return normalise(layer._feedforward_layer_norm, narrow + mixed)


def flat(vectors: Any) -> Any:
    """(rows, hidden_dim) of (batch_size, length, hidden_dim): products of two axes need no more."""
    return ops.reshape(vectors, (-1, vectors.shape[-1]))
