"""The encoders' own computation gives what KerasHub's does."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfft.backbones.attention import set_attention_dropout
from tfft.backbones.halves import freeze_layers
from tfft.backbones.transformer import Transformer, fused, packed
from tfft.errors import ConfigError

IDS = np.array([[2, 5, 6, 7, 3, 0, 0], [2, 9, 3, 0, 0, 0, 0], [2, 5, 5, 8, 9, 1, 3]], "int32")
SEGMENTS = np.array([[0, 0, 0, 1, 1, 0, 0], [0] * 7, [0, 0, 0, 0, 1, 1, 1]], "int32")


@pytest.fixture(params=["bert", "distil_bert", "roberta", "albert", "electra"])
def encoder(request, build_tiny_encoder):
    encoder = build_tiny_encoder(request.param, num_layers=2, num_heads=2, intermediate_dim=20)
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


def test_attention_dropout_of_its_own(encoder):
    set_attention_dropout(encoder.backbone, 0.0)
    others = [
        layer
        for layer in encoder.backbone._flatten_layers()
        if isinstance(layer, keras.layers.Dropout) and layer.rate > 0
    ]
    layers = 1 if encoder.family_name == "albert" else 2
    assert len(others) == 1 + 2 * layers
    traced = tf.function(lambda given: Transformer(encoder.backbone)(given, training=True))
    graph = traced.get_concrete_function(features(encoder)).graph
    # ALBERT goes through its one layer twice.
    assert sum("RandomUniform" in node.type for node in graph.get_operations()) == 1 + 2 * 2


def test_frozen_layers_have_no_gradients(encoder):
    if encoder.family_name == "albert":
        pytest.skip("its layers are one")
    freeze_layers(encoder.backbone, 1)
    trained = encoder.backbone.trainable_weights
    top = encoder.backbone.transformer_layers[1].trainable_weights
    pooler = 2 if hasattr(encoder.backbone, "pooled_dense") else 0
    assert {id(weight) for weight in top} <= {id(weight) for weight in trained}
    assert len(trained) == len(top) + pooler
    with pytest.raises(ConfigError, match=r"freeze is 3, but the backbone has 2 layers"):
        freeze_layers(encoder.backbone, 3)


def test_layers_that_are_one_cannot_be_frozen_apart(build_tiny_encoder):
    backbone = build_tiny_encoder("albert", num_layers=2).backbone
    with pytest.raises(ConfigError, match=r"the 2 layers of this AlbertBackbone share their"):
        freeze_layers(backbone, 1)
    freeze_layers(backbone, 0)
    frozen = {w.path.split("/")[0] for w in backbone.weights} - {
        w.path.split("/")[0] for w in backbone.trainable_weights
    }
    assert frozen == {
        *("token_embedding", "position_embedding", "segment_embedding"),
        *("embeddings_layer_norm", "embedding_projection"),
    }


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


@pytest.mark.parametrize("first_only", [False, True])
def test_fused_weights_give_the_same(encoder, first_only):
    inputs = encoder.inputs()
    model = keras.Model(inputs, Transformer(encoder.backbone, first_only=first_only)(inputs))
    expected = model(features(encoder))
    with fused(model):
        traced = tf.function(lambda given: model(given)).get_concrete_function(features(encoder))
        assert_close(traced(features(encoder)), expected)
        read = {tuple(variable.shape) for variable in traced.graph.variables}
    assert (8, 24) in read and ((8, 16) in read) == first_only
    assert (8, 2, 4) not in read
    model.get_layer("encoder").backbone.set_weights([w * 0 for w in model.get_weights()])
    assert_close(model(features(encoder)), 0 * expected)  # what is not fused learns on


# -------------------------------------------------------------------------------------- packing

# Three examples in two rows: of IDS the third; the first and the second.
PLACES = [(2, 0, 0), (0, 1, 0), (1, 1, 5)]
PACKED = [2, 0, 1]


def packed_features(encoder, ids=IDS):
    mask = np.zeros((2, 10), "int32")
    laid = {name: np.zeros((2, 10), "int32") for name in ("token_ids", "segment_ids")}
    for number, (example, row, start) in enumerate(PLACES, start=1):
        length = (IDS[example] > 0).sum()
        place = np.s_[row, start : start + length]
        mask[place] = number
        laid["token_ids"][place] = ids[example, :length]
        laid["segment_ids"][place] = SEGMENTS[example, :length]
    laid["padding_mask"] = mask
    return {name: tf.constant(laid[name]) for name in encoder.input_names}


def without_dropout(encoder):
    for layer in encoder.backbone._flatten_layers():
        if isinstance(layer, keras.layers.Dropout):
            layer.rate = 0.0
    return encoder


def test_packed_pieces_have_the_vectors_of_the_unpacked(encoder):
    transformer = Transformer(without_dropout(encoder).backbone)
    expected = transformer(features(encoder)).numpy()
    transformer.num_packed = 3
    found = transformer(packed_features(encoder), training=True).numpy()
    for example, row, start in PLACES:
        length = (IDS[example] > 0).sum()
        assert_close(found[row, start : start + length], expected[example, :length])


def test_packed_first_pieces(encoder):
    transformer = Transformer(without_dropout(encoder).backbone, first_only=True)
    expected = transformer(features(encoder)).numpy()
    transformer.num_packed = 3
    assert_close(transformer(packed_features(encoder), training=True), expected[PACKED])
    transformer.num_packed = 5  # a batch that is not full
    more = transformer(packed_features(encoder), training=True)
    assert more.shape == (5, 1, 8)
    assert_close(more[:3], expected[PACKED])


@pytest.mark.parametrize("first_only", [False, True])
def test_gradients_of_packed_rows(encoder, first_only):
    transformer = Transformer(without_dropout(encoder).backbone, first_only=first_only)
    weights = [weight.value for weight in encoder.backbone.trainable_weights]
    direction = np.random.default_rng(2).normal(size=(3, 7, 8)).astype("float32")
    direction *= (IDS > 0)[:, :, None]

    def laid():
        if first_only:
            return direction[PACKED][:, :1]
        rows = np.zeros((2, 10, 8), "float32")
        for example, row, start in PLACES:
            length = (IDS[example] > 0).sum()
            rows[row, start : start + length] = direction[example, :length]
        return rows

    gradients = []
    for num_packed in (None, 3):
        transformer.num_packed = num_packed
        inputs = packed_features(encoder) if num_packed else features(encoder)
        wanted = laid() if num_packed else direction[:, : 1 if first_only else 7]
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(transformer(inputs, training=True) * wanted)
        gradients.append(tape.gradient(loss, weights))
    compared = [pair for pair in zip(*gradients, strict=True) if pair[0] is not None]
    assert len(compared) > 20
    for expected, found in compared:
        assert_close(tf.convert_to_tensor(found), tf.convert_to_tensor(expected))


def test_neighbours_do_not_see_each_other(encoder):
    transformer = Transformer(without_dropout(encoder).backbone, first_only=True)
    transformer.num_packed = 3
    other = IDS.copy()
    other[0, :5] = [2, 9, 9, 1, 3]
    before, after = (
        transformer(packed_features(encoder, ids), training=True).numpy() for ids in (IDS, other)
    )
    np.testing.assert_array_equal(before[[0, 2]], after[[0, 2]])
    assert not np.allclose(before[1], after[1])


def test_packing_ends_with_its_block(encoder):
    inputs = encoder.inputs()
    model = keras.Model(inputs, Transformer(encoder.backbone)(inputs))
    with pytest.raises(RuntimeError), packed(model, 4):
        with packed(model, None):
            assert model.get_layer("encoder").num_packed is None
        assert model.get_layer("encoder").num_packed == 4
        raise RuntimeError
    assert model.get_layer("encoder").num_packed is None


def test_packing_is_refused_for_other_encoders():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)], name="mine")
    with packed(model, None):
        pass
    with pytest.raises(ConfigError, match=r"training\.packing is for .*; mine has none"):
        packed(model, 4).__enter__()
