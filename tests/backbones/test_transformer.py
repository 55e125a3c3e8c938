"""The encoders' own computation gives what KerasHub's does."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfft.backbones.transformer import Transformer

IDS = np.array([[2, 5, 6, 7, 3, 0, 0], [2, 9, 3, 0, 0, 0, 0], [2, 5, 5, 8, 9, 1, 3]], "int32")
SEGMENTS = np.array([[0, 0, 0, 1, 1, 0, 0], [0] * 7, [0, 0, 0, 0, 1, 1, 1]], "int32")


@pytest.fixture(params=["bert", "distil_bert", "roberta"])
def encoder(request, build_tiny_encoder):
    encoder = build_tiny_encoder(request.param, num_layers=2, num_heads=2)
    for weight in encoder.backbone.weights:  # biases and norms too
        weight.assign(weight + np.random.default_rng(1).normal(0, 0.3, weight.shape))
    return encoder


def features(encoder):
    mask = (IDS > 0).astype("int32")
    inputs = {"token_ids": IDS, "padding_mask": mask, "segment_ids": SEGMENTS}
    return {name: tf.constant(inputs[name]) for name in encoder.input_names}


def backbone_sequence(encoder, inputs, **options):
    outputs = encoder.backbone(inputs, **options)
    return outputs["sequence_output"] if isinstance(outputs, dict) else outputs


def assert_close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_the_vectors_are_the_backbones(encoder):
    inputs = features(encoder)
    expected = backbone_sequence(encoder, inputs).numpy()
    is_piece = IDS > 0
    assert_close(Transformer(encoder.backbone)(inputs).numpy()[is_piece], expected[is_piece])
    first = Transformer(encoder.backbone, first_only=True)(inputs)
    assert first.shape == (3, 1, 8)
    assert_close(first, expected[:, :1])


@pytest.mark.parametrize("first_only", [False, True])
def test_the_gradients_are_the_backbones(encoder, first_only):
    inputs = features(encoder)
    weights = encoder.backbone.trainable_weights
    direction = tf.constant(np.random.default_rng(2).normal(size=(3, 7, 8)), tf.float32)
    direction *= tf.cast(IDS > 0, tf.float32)[:, :, None]
    if first_only:
        direction = direction[:, :1]
    ways = [
        lambda: Transformer(encoder.backbone, first_only=first_only)(inputs),
        lambda: backbone_sequence(encoder, inputs)[:, : direction.shape[1]],
    ]
    gradients = []
    for compute in ways:
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(compute() * direction)
        gradients.append(tape.gradient(loss, [weight.value for weight in weights]))
    pooler = [weight for weight in weights if "pooled_dense" in weight.path]
    assert sum(gradient is None for gradient in gradients[0]) == len(pooler)
    for found, expected in zip(*gradients, strict=True):
        if expected is not None:
            assert_close(tf.convert_to_tensor(found), tf.convert_to_tensor(expected))


def test_dropout_drops_as_the_layers_say(encoder):
    """Nothing at rate 0; at a rate another result each time, with the same mean."""
    inputs = features(encoder)
    transformer = Transformer(encoder.backbone)
    first, second = (transformer(inputs, training=True).numpy() for _ in range(2))
    assert not np.allclose(first, second)
    for layer in encoder.backbone._flatten_layers():
        if isinstance(layer, keras.layers.Dropout):
            layer.rate = 0.0
    assert_close(transformer(inputs, training=True), transformer(inputs))


def test_is_saved_with_a_model(encoder, tmp_path):
    inputs = encoder.inputs()
    model = keras.Model(inputs, Transformer(encoder.backbone, first_only=True)(inputs))
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    given = features(encoder)
    assert_close(again(given), model(given))


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16"])
def test_low_precision_stays_finite(build_tiny_encoder, dtype):
    encoder = build_tiny_encoder("bert", dtype=dtype)
    outputs = Transformer(encoder.backbone)(features(encoder))
    assert outputs.dtype == dtype.removeprefix("mixed_")
    wide = backbone_sequence(encoder.with_dtype("float32"), features(encoder)).numpy()
    found = tf.cast(outputs, tf.float32).numpy()
    np.testing.assert_allclose(found[IDS > 0], wide[IDS > 0], atol=0.1)
