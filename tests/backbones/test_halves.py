"""Frozen layers as a model of their own, and the rest as one that learns for the whole."""

import keras
import numpy as np
import pytest

from tfft.backbones.halves import freeze_layers, lower_half, upper_half
from tfft.callbacks.checkpoints import load_weights, save_weights
from tfft.errors import ConfigError
from tfft.tasks import TextClassification, TokenClassification

IDS = np.array([[2, 5, 6, 7, 3, 0, 0], [2, 9, 3, 0, 0, 0, 0], [2, 5, 5, 8, 9, 1, 3]], "int32")
SEGMENTS = np.array([[0, 0, 0, 1, 1, 0, 0], [0] * 7, [0, 0, 0, 0, 1, 1, 1]], "int32")
TASKS = {
    "first piece": TextClassification(["no", "yes", "perhaps"]),
    "all pieces": TokenClassification(["O", "B-x", "I-x"]),
}


@pytest.fixture(params=["bert", "distil_bert", "roberta"])
def encoder(request, build_tiny_encoder):
    return build_tiny_encoder(request.param, num_layers=2, intermediate_dim=20)


def features(encoder):
    inputs = {
        "token_ids": IDS,
        "padding_mask": (IDS > 0).astype("int32"),
        "segment_ids": SEGMENTS,
    }
    return {name: inputs[name] for name in encoder.input_names}


def assert_same(found, expected, task):
    shown = np.s_[:] if task == "first piece" else IDS > 0
    np.testing.assert_allclose(np.asarray(found)[shown], np.asarray(expected)[shown], atol=1e-6)


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("task", TASKS)
def test_the_halves_make_the_whole(encoder, task, count):
    model = TASKS[task].build_model(encoder)
    given = features(encoder)
    vectors = np.asarray(lower_half(model, count)(given))
    assert vectors.shape == (3, 1 if (task, count) == ("first piece", 2) else 7, 8)
    assert_same(upper_half(model, count)({**given, "vectors": vectors}), model(given), task)


@pytest.mark.parametrize("count", [1, 2])
def test_the_upper_half_does_not_compute_the_lower_one(encoder, count):
    model = TASKS["first piece"].build_model(encoder)
    given = features(encoder)
    given["vectors"] = np.asarray(lower_half(model, count)(given))
    upper = upper_half(model, count)
    expected = upper(given)
    backbone = encoder.backbone
    embeddings = getattr(backbone, "token_embedding", None) or backbone.embeddings
    for layer in [embeddings, *backbone.transformer_layers[:count]]:
        for weight in layer.weights:
            weight.assign(weight * np.nan)
    assert_same(upper(given), expected, "first piece")


def test_what_the_upper_half_learns_the_whole_knows(encoder):
    task = TASKS["first piece"]
    model = task.build_model(encoder)
    given = features(encoder)
    given["vectors"] = np.asarray(lower_half(model, 1)(given))
    freeze_layers(encoder.backbone, 1)
    upper = upper_half(model, 1)
    upper.compile(keras.optimizers.SGD(1.0), loss=task.loss(upper))
    before = np.asarray(model(features(encoder)))
    upper.fit(given, np.array([0, 1, 2]), verbose=0)
    assert not np.allclose(before, model(features(encoder)), atol=1e-4)
    assert_same(model(features(encoder)), upper(given), "first piece")


def test_a_file_of_weights_is_of_both(encoder, tmp_path):
    task = TASKS["first piece"]
    model = task.build_model(encoder)
    expected = np.asarray(model(features(encoder)))
    save_weights(tmp_path / "upper.weights.h5", upper_half(model, 1))
    other = task.build_model(encoder)  # the same backbone under another head
    assert not np.allclose(other(features(encoder)), expected)
    load_weights(tmp_path / "upper.weights.h5", other)
    assert_same(other(features(encoder)), expected, "first piece")


def test_other_encoders_are_refused():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)], name="mine")
    with pytest.raises(ConfigError, match=r"cache_frozen is for .*; mine has none of them"):
        lower_half(model, 1)
