"""The layers that tasks put on top of an encoder: plain Keras layers, which any schedule finds."""

from collections.abc import Sequence
from typing import Any

import keras


def classification_head(
    encoded: dict[str, Any],
    *,
    num_outputs: int,
    dropout: float = 0.1,
    initial_bias: Sequence[float] | None = None,
    dtype: Any = None,
) -> Any:
    """Logits from the first piece's vector.

    A pretrained pooler is used where the encoder has one (BERT); else a tanh layer of the same
    width stands in for it, as in RoBERTa's published classifier.

    Args:
        encoded: what an `Encoder` returns: `pooled` or None, and `first` (batch_size, hidden_dim).
        num_outputs: how many logits.
        dropout: before the last layer (and before the tanh layer).
        initial_bias: (num_outputs,), where the logits begin. Default: 0.
        dtype: of the layers' computations. Default: the global policy. Logits are float32.

    Returns:
        float32 (batch_size, num_outputs).
    """
    pooled = encoded["pooled"]
    if pooled is None:
        first = keras.layers.Dropout(dropout, dtype=dtype, name="pooled_dropout")(encoded["first"])
        pooled = keras.layers.Dense(
            first.shape[-1],
            activation="tanh",
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


def _initializer() -> Any:
    return keras.initializers.TruncatedNormal(stddev=0.02)
