"""The attention of KerasHub's encoders, its projections in one matrix product."""

from collections.abc import Iterable
from typing import Any

import keras
from keras import ops

from tfft.backbones.pointwise import drop
from tfft.errors import ConfigError


def set_attention_dropout(backbone: Any, rate: float) -> None:
    """Gives the attention of an encoder another dropout rate than the rest.

    Args:
        backbone: of KerasHub, with `transformer_layers`, built with a dropout above 0.
        rate: at which shares of attention are dropped; 0 saves their random numbers.
    """
    for layer in encoder_layers(backbone):
        attention = layer._self_attention_layer
        is_deberta = hasattr(attention, "_attn_dropout_layer")
        dropout = attention._attn_dropout_layer if is_deberta else attention._dropout_layer
        dropout.rate = rate


def encoder_layers(backbone: Any) -> list[Any]:
    """The layers of a backbone in their order; ALBERT goes through the same one several times.

    Raises:
        ConfigError: it is no transformer.
    """
    if not hasattr(backbone, "transformer_layers"):
        raise ConfigError(
            "backbone.freeze and backbone.attention_dropout are for transformers; this "
            f"{type(backbone).__name__} is none. Leave them out."
        )
    layers = list(backbone.transformer_layers)
    if not isinstance(layers[0], list):
        return layers
    times = backbone.num_layers // len(layers)
    return [layer for group in layers for _ in range(times) for layer in group]


def projections(attention: Any, *, together: bool) -> list[list[Any]]:
    """The projections of an attention, in the groups that take the same vectors."""
    query, key, value = attention._query_dense, attention._key_dense, attention._value_dense
    return [[query, key, value]] if together else [[query], [key, value]]


def side_by_side(layers: list[Any]) -> list[Any]:
    """One kernel (hidden_dim, outputs) and one bias (outputs,) of several projections.

    Args:
        layers: `keras.layers.EinsumDense` with kernels (hidden_dim, heads, head_dim).
    """
    kernels = [ops.reshape(layer.kernel, (layer.kernel.shape[0], -1)) for layer in layers]
    biases = [ops.reshape(layer.bias, (-1,)) for layer in layers]
    return [ops.concatenate(kernels, axis=1), ops.concatenate(biases, axis=0)]


class Fused:
    """Copies of the weights of projections that are computed together, side by side.

    Args:
        groups: of projections; see `projections`.
    """

    def __init__(self, groups: Iterable[list[Any]]) -> None:
        self._weights = {
            tuple(map(id, group)): [
                keras.Variable(weight, trainable=False) for weight in side_by_side(group)
            ]
            for group in groups
        }

    def of(self, layers: list[Any]) -> list[Any]:
        """Kernel and bias of projections."""
        return self._weights[tuple(map(id, layers))]


def project(
    layers: list[Any], vectors: Any, batch_size: Any, fused: Fused | None = None
) -> list[Any]:
    """Several projections to heads in one matrix product.

    Args:
        layers: `keras.layers.EinsumDense` with kernels (hidden_dim, heads, head_dim).
        vectors: (batch_size * length, hidden_dim).
        batch_size: how many rows these are of.
        fused: their weights side by side, if there already.

    Returns:
        A tensor (batch_size, heads, length, head_dim) of each layer.
    """
    _, num_heads, head_dim = layers[0].kernel.shape
    kernel, bias = fused.of(layers) if fused else side_by_side(layers)
    heads = ops.reshape(
        ops.matmul(vectors, kernel) + bias,
        (batch_size, -1, len(layers), num_heads, head_dim),
    )
    return list(ops.unstack(ops.transpose(heads, (2, 0, 3, 1, 4)), num=len(layers), axis=0))


def attend(
    attention: Any,
    queries: Any,
    vectors: Any,
    bias: Any,
    training: bool | None,
    fused: Fused | None = None,
) -> Any:
    """The heads of a `keras.layers.MultiHeadAttention` side by side, not yet projected.

    Args:
        attention: the layer.
        queries: (batch_size * queries, hidden_dim), the vectors that look.
        vectors: (batch_size * length, hidden_dim), those that are looked at; the same object where
            all look.
        bias: added to the scores, (batch_size, 1, queries or 1, length).
        training: whether to drop.
        fused: weights that stand side by side already.

    Returns:
        (batch_size * queries, heads * head_dim).
    """
    batch_size = ops.shape(bias)[0]
    if queries is vectors:
        (together,) = projections(attention, together=True)
        query, key, value = project(together, vectors, batch_size, fused)
    else:
        first, rest = projections(attention, together=False)
        (query,) = project(first, queries, batch_size, fused)
        key, value = project(rest, vectors, batch_size, fused)
    query = query * ops.cast(attention._inverse_sqrt_key_dim, query.dtype)
    shares = ops.softmax(ops.matmul(query, ops.swapaxes(key, -1, -2)) + bias, axis=-1)
    if attention._dropout > 0:
        shares = drop(attention._dropout_layer, shares, training)
    mixed = ops.transpose(ops.matmul(shares, value), (0, 2, 1, 3))
    return ops.reshape(mixed, (-1, mixed.shape[-2] * mixed.shape[-1]))
