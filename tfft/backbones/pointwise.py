"""GELU, layer normalisation and dropout that keep little for the backward pass.

Outside XLA each operation of a formula keeps its operands until the gradient has been computed: for
GELU six tensors of the widest kind that a model has. Here the gradient is written down, and what it
needs beside the input is computed again. Values and gradients are the same up to rounding.
"""

import math
from typing import Any

import keras
from keras import ops

# Of the tanh form of GELU (Hendrycks and Gimpel 2016): x sigmoid(2 LINEAR x (1 + CUBIC x^2)).
LINEAR = math.sqrt(2.0 / math.pi)
CUBIC = 0.044715


def activate(dense: Any, inputs: Any) -> Any:
    """A `keras.layers.Dense` with its activation.

    Args:
        dense: the layer, with a bias. Both forms of GELU keep little.
        inputs: (..., input_dim).
    """
    outputs = ops.matmul(inputs, dense.kernel) + dense.bias
    return GELU.get(dense.activation.__name__, dense.activation)(outputs)


@ops.custom_gradient
def gelu_tanh(inputs: Any) -> Any:
    """GELU in its tanh form, which BERT's own code has."""

    def gate() -> tuple[Any, Any]:
        squared = inputs * inputs
        inner = inputs * (squared * (2.0 * LINEAR * CUBIC) + 2.0 * LINEAR)
        return ops.sigmoid(inner), squared

    def gradient(*args: Any, upstream: Any = None) -> Any:
        upstream = args[0] if upstream is None else upstream
        share, squared = gate()
        slope = inputs * (squared * (6.0 * LINEAR * CUBIC) + 2.0 * LINEAR)
        return upstream * (share * (slope * (1.0 - share) + 1.0))

    return inputs * gate()[0], gradient


@ops.custom_gradient
def gelu_erf(inputs: Any) -> Any:
    """GELU in its exact form."""

    def share() -> Any:
        return ops.erf(inputs * math.sqrt(0.5)) * 0.5 + 0.5

    def gradient(*args: Any, upstream: Any = None) -> Any:
        upstream = args[0] if upstream is None else upstream
        density = ops.exp(inputs * inputs * -0.5) * (1.0 / math.sqrt(2.0 * math.pi))
        return upstream * (share() + inputs * density)

    return inputs * share(), gradient


# By the names of the functions in KerasHub and in Keras.
GELU = {"gelu_approximate": gelu_tanh, "gelu": gelu_erf}


def drop(layer: Any, inputs: Any, training: bool | None) -> Any:
    """A `keras.layers.Dropout`, on TensorFlow with random numbers that are cheaper to draw."""
    is_covered = "call" in vars(layer)  # by a dropout schedule, which has a rate of its own
    if not training or not layer.rate or is_covered or keras.backend.backend() != "tensorflow":
        return layer(inputs, training=training)
    from tfft import fused_dropout

    return fused_dropout.drop(inputs, layer.rate, layer.seed_generator)


def normalise(norm: Any, inputs: Any) -> Any:
    """A `keras.layers.LayerNormalization` over the last axis, in float32 as that layer has it."""
    wide = ops.cast(inputs, "float32")
    gamma, beta = (ops.cast(weight, "float32") for weight in (norm.gamma, norm.beta))
    return ops.cast(_layer_norm(norm.epsilon)(wide, gamma, beta), inputs.dtype)


def _layer_norm(epsilon: float) -> Any:
    @ops.custom_gradient
    def layer_norm(inputs: Any, gamma: Any, beta: Any) -> Any:
        centred = inputs - ops.mean(inputs, axis=-1, keepdims=True)
        variance = ops.mean(centred * centred, axis=-1, keepdims=True)
        scale = ops.rsqrt(variance + epsilon)
        normal = centred * scale

        def gradient(*args: Any, upstream: Any = None) -> Any:
            upstream = args[0] if upstream is None else upstream
            rows = tuple(range(len(inputs.shape) - 1))
            product = upstream * normal
            inner = upstream * gamma
            along = ops.mean(product * gamma, axis=-1, keepdims=True)
            inner = inner - ops.mean(inner, axis=-1, keepdims=True) - normal * along
            return inner * scale, ops.sum(product, axis=rows), ops.sum(upstream, axis=rows)

        return normal * gamma + beta, gradient

    return layer_norm
