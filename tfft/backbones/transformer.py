"""KerasHub's encoders, computed in fewer and larger operations.

The layers, their weights and the function are those of the backbone: results differ in the order of
sums alone. What is done otherwise:

- queries, keys and values come from one matrix product instead of three einsums;
- padding is masked by one addition instead of two selections;
- where a head reads only the first piece, the last layer computes only that.
"""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="tfft")
class Transformer(keras.layers.Layer):
    """The vectors that a KerasHub backbone of BERT's kind gives pieces.

    Args:
        backbone: a `BertBackbone`, `DistilBertBackbone` or `RobertaBackbone`.
        first_only: whether the vector of the first piece is enough.
        options: of a Keras layer. The default `dtype` is the backbone's.

    Call it with `token_ids`, `padding_mask` and for BERT `segment_ids`, int (batch_size, length).
    It returns (batch_size, length, hidden_dim), or with `first_only` (batch_size, 1, hidden_dim).
    """

    def __init__(self, backbone: Any, *, first_only: bool = False, **options: Any) -> None:
        super().__init__(**{"dtype": backbone.dtype_policy, "name": "encoder", **options})
        self.backbone = backbone
        self.first_only = first_only
        self.built = True

    def call(self, inputs: dict[str, Any], training: bool | None = None) -> Any:
        """See the class."""
        vectors = self._embed(inputs, training)
        bias = padding_bias(inputs["padding_mask"], vectors.dtype)
        *layers, last = self.backbone.transformer_layers
        for layer in layers:
            vectors = encode(layer, vectors, vectors, bias, training)
        queries = vectors[:, :1] if self.first_only else vectors
        return encode(last, queries, vectors, bias, training)

    def _embed(self, inputs: dict[str, Any], training: bool | None) -> Any:
        backbone = self.backbone
        if hasattr(backbone, "embeddings"):  # DistilBERT, RoBERTa
            vectors = backbone.embeddings(inputs["token_ids"])
        else:
            tokens = backbone.token_embedding(inputs["token_ids"])
            segments = backbone.segment_embedding(inputs["segment_ids"])
            vectors = tokens + backbone.position_embedding(tokens) + segments
        vectors = backbone.embeddings_layer_norm(vectors)
        return backbone.embeddings_dropout(vectors, training=training)

    def get_config(self) -> dict[str, Any]:
        """What the layer is made anew from."""
        backbone = keras.saving.serialize_keras_object(self.backbone)
        return {**super().get_config(), "backbone": backbone, "first_only": self.first_only}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Transformer":
        """Makes it anew."""
        backbone = keras.saving.deserialize_keras_object(config.pop("backbone"))
        return cls(backbone, **config)


def padding_bias(padding_mask: Any, dtype: Any) -> Any:
    """What is added to attention scores: 0 at pieces, so much at padding that nothing is left.

    Args:
        padding_mask: int (batch_size, length), 0 at padding.
        dtype: of the result.

    Returns:
        (batch_size, 1, 1, length).
    """
    lowest = -3e4 if keras.backend.standardize_dtype(dtype) == "float16" else -1e9
    is_padding = ops.cast(ops.equal(padding_mask, 0), dtype)
    return ops.expand_dims(is_padding * lowest, (1, 2))


def encode(layer: Any, queries: Any, vectors: Any, bias: Any, training: bool | None) -> Any:
    """One layer of an encoder: attention, then two dense layers, each added and normalised.

    Args:
        layer: a `keras_hub.layers.TransformerEncoder`.
        queries: (batch_size, queries, hidden_dim), the vectors that are wanted.
        vectors: (batch_size, length, hidden_dim), those that they look at; the same object where
            all are wanted.
        bias: added to attention scores, (batch_size, 1, queries or 1, length).
        training: whether to drop.

    Returns:
        (batch_size, queries, hidden_dim).
    """
    mixed = attend(layer._self_attention_layer, queries, vectors, bias, training)
    mixed = layer._self_attention_dropout(mixed, training=training)
    mixed = layer._self_attention_layer_norm(mixed + queries)
    wide = layer._feedforward_intermediate_dense(mixed)
    narrow = layer._feedforward_output_dense(wide)
    narrow = layer._feedforward_dropout(narrow, training=training)
    return layer._feedforward_layer_norm(narrow + mixed)


def attend(attention: Any, queries: Any, vectors: Any, bias: Any, training: bool | None) -> Any:
    """Multi-head attention with the weights of a `keras.layers.MultiHeadAttention`."""
    query, key, value = attention._query_dense, attention._key_dense, attention._value_dense
    if queries is vectors:
        query, key, value = project([query, key, value], vectors)
    else:
        (query,), (key, value) = project([query], queries), project([key, value], vectors)
    query = query * ops.cast(attention._inverse_sqrt_key_dim, query.dtype)
    scores = ops.matmul(query, ops.swapaxes(key, -1, -2)) + bias
    shares = ops.softmax(scores, axis=-1)
    if attention._dropout > 0:
        shares = attention._dropout_layer(shares, training=training)
    mixed = ops.transpose(ops.matmul(shares, value), (0, 2, 1, 3))
    output = attention._output_dense
    batch_size, length, num_heads, head_dim = ops.shape(mixed)
    mixed = ops.reshape(mixed, (batch_size, length, num_heads * head_dim))
    return ops.matmul(mixed, ops.reshape(output.kernel, (num_heads * head_dim, -1))) + output.bias


def project(layers: list[Any], vectors: Any) -> list[Any]:
    """Several projections to heads in one matrix product.

    Args:
        layers: `keras.layers.EinsumDense` with kernels (hidden_dim, heads, head_dim).
        vectors: (batch_size, length, hidden_dim).

    Returns:
        A tensor (batch_size, heads, length, head_dim) of each layer.
    """
    hidden_dim, num_heads, head_dim = layers[0].kernel.shape
    kernels = [ops.reshape(layer.kernel, (hidden_dim, -1)) for layer in layers]
    biases = [ops.reshape(layer.bias, (-1,)) for layer in layers]
    kernel, bias = ops.concatenate(kernels, axis=1), ops.concatenate(biases, axis=0)
    batch_size, length, _ = ops.shape(vectors)
    heads = ops.reshape(
        ops.matmul(vectors, kernel) + bias,
        (batch_size, length, len(layers), num_heads, head_dim),
    )
    return ops.unstack(ops.transpose(heads, (2, 0, 3, 1, 4)), num=len(layers), axis=0)
