"""Values and gradients of what is written anew are Keras's."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras_hub.models import BertBackbone

from tfft.backbones.pointwise import activate, normalise

X = np.random.default_rng(0).normal(0, 3, (4, 5, 6)).astype("float32")
X[0, 0] = [0.0, -40.0, 40.0, 1e-6, -1e-6, 8.0]


def compare(ours, theirs, weights):
    """Both take a tensor; the gradients of both are those of input and weights."""
    results = []
    for function in (ours, theirs):
        inputs = tf.constant(X)
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = function(inputs)
            total = tf.reduce_sum(tf.sin(outputs))
        values = [weight.value for weight in weights]
        results.append([outputs, *tape.gradient(total, [inputs, *values])])
    for found, expected in zip(*results, strict=True):
        np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-5)


def test_gelu_of_bert():
    backbone = BertBackbone(9, 1, 1, 6, 4)  # sizes: pieces, layers, heads, wide, inner
    dense = backbone.transformer_layers[0]._feedforward_intermediate_dense
    assert dense.activation.__name__ == "gelu_approximate"
    dense.kernel.assign(np.random.default_rng(1).normal(size=(6, 4)))
    compare(lambda x: activate(dense, x), dense, dense.trainable_weights)


@pytest.mark.parametrize("activation", ["gelu", "relu", None])
def test_other_activations(activation):
    dense = keras.layers.Dense(4, activation=activation, bias_initializer="normal")
    dense.build((None, 5, 6))
    compare(lambda x: activate(dense, x), dense, dense.trainable_weights)


def test_layer_normalisation():
    norm = keras.layers.LayerNormalization(
        epsilon=1e-5, beta_initializer="normal", gamma_initializer="normal"
    )
    norm.build((None, 5, 6))
    compare(lambda x: normalise(norm, x), norm, norm.trainable_weights)
