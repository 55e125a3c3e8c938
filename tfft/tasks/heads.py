"""The layers that tasks put on top of an encoder: plain Keras layers, which any schedule finds."""

from typing import Any

import keras

MASKED = -1e9


def classification_head(
    first: Any,
    pooled: Any = None,
    *,
    num_outputs: int,
    dropout: float = 0.1,
    activation: str = "tanh",
    initial_bias: Any = None,
    dtype: Any = None,
) -> Any:
    """Logits from the first piece's vector.

    A pretrained pooler is used where the encoder has one (BERT, ALBERT); else a layer of the same
    width stands in for it, as in the published classifiers of the other families.

    Args:
        first: (batch_size, hidden_dim), the first piece's vector.
        pooled: the same after a pretrained pooler, if there is one.
        num_outputs: how many logits.
        dropout: before the last layer (and before the one in the pooler's place).
        activation: of the layer in the pooler's place.
        initial_bias: (num_outputs,), where the logits begin. Default: 0.
        dtype: of the layers' computations. Default: the global policy. Logits are float32.

    Returns:
        float32 (batch_size, num_outputs).
    """
    if pooled is None:
        first = keras.layers.Dropout(dropout, dtype=dtype, name="pooled_dropout")(first)
        pooled = keras.layers.Dense(
            first.shape[-1],
            activation=activation,
            kernel_initializer=_initializer(),
            dtype=dtype,
            name="pooled_dense",
        )(first)
    pooled = keras.layers.Dropout(dropout, dtype=dtype, name="output_dropout")(pooled)
    logits = keras.layers.Dense(
        num_outputs, kernel_initializer=_initializer(), dtype="float32", name="logits"
    )
    outputs = logits(pooled)
    if initial_bias is not None:
        logits.bias.assign(initial_bias)
    return outputs


def token_head(sequence: Any, *, num_outputs: int, dropout: float = 0.1) -> Any:
    """Logits for each piece.

    Args:
        sequence: (batch_size, length, hidden_dim), the vectors of all pieces.
        num_outputs: how many logits.
        dropout: before the layer.

    Returns:
        float32 (batch_size, length, num_outputs).
    """
    sequence = keras.layers.Dropout(dropout, dtype=sequence.dtype, name="output_dropout")(sequence)
    return keras.layers.Dense(
        num_outputs, kernel_initializer=_initializer(), dtype="float32", name="logits"
    )(sequence)


def embedding_head(vectors: Any, *, normalize: bool = True, dropout: float = 0.0) -> Any:
    """Embeddings of texts, from one vector a text.

    Args:
        vectors: (batch_size, hidden_dim).
        normalize: whether embeddings have length 1.
        dropout: of the vectors.

    Returns:
        float32 (batch_size, hidden_dim).
    """
    vectors = keras.layers.Dropout(dropout, dtype="float32", name="output_dropout")(vectors)
    if not normalize:
        return vectors
    return keras.layers.UnitNormalization(dtype="float32", name="embedding")(vectors)


def pool_pieces(sequence: Any, padding_mask: Any, pooling: str) -> Any:
    """One vector a text, of the vectors of all its pieces, special ones included.

    Args:
        sequence: (batch_size, length, hidden_dim), the vectors of all pieces.
        padding_mask: int (batch_size, length), 0 at padding, which does not count.
        pooling: `mean`, or `max` for the highest number of each dimension.

    Returns:
        float32 (batch_size, hidden_dim).
    """
    sequence = keras.ops.cast(sequence, "float32")
    real = keras.ops.cast(padding_mask, "float32")[:, :, None]
    if pooling == "max":
        return keras.ops.max(keras.ops.where(real > 0, sequence, MASKED), axis=1)
    total = keras.ops.sum(sequence * real, axis=1)
    return total / keras.ops.maximum(keras.ops.sum(real, axis=1), 1.0)


def span_head(sequence: Any, padding_mask: Any, *, dropout: float = 0.0) -> Any:
    """Logits for each piece to be the first and the last of a span.

    Args:
        sequence: (batch_size, length, hidden_dim), the vectors of all pieces.
        padding_mask: int (batch_size, length), 0 at padding, where logits become `MASKED`.
        dropout: before the layer.

    Returns:
        float32 (batch_size, length, 2).
    """
    logits = token_head(sequence, num_outputs=2, dropout=dropout)
    real = keras.ops.cast(padding_mask, "bool")[:, :, None]
    return keras.ops.where(real, logits, MASKED)


def _initializer() -> Any:
    return keras.initializers.TruncatedNormal(stddev=0.02)


@keras.saving.register_keras_serializable("tfft")
class OriginalUnits(keras.layers.Layer):
    """Turns standardised numbers into those of the data: `mean + deviation * x`.

    Both are weights that are not trained, so that a file of weights holds the units, too.

    Args:
        mean: of the targets.
        deviation: their standard deviation.
    """

    def __init__(self, mean: float = 0.0, deviation: float = 1.0, **options: Any) -> None:
        super().__init__(**options)
        constant = keras.initializers.Constant
        self.mean = self.add_weight(
            shape=(), initializer=constant(mean), trainable=False, name="mean"
        )
        self.deviation = self.add_weight(
            shape=(), initializer=constant(deviation), trainable=False, name="deviation"
        )

    def call(self, inputs: Any) -> Any:
        """Numbers of the same shape."""
        return self.mean + self.deviation * inputs

    def get_config(self) -> dict[str, Any]:
        """What the layer is made anew from; its weights hold the numbers."""
        return super().get_config()
