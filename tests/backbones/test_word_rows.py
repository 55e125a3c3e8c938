"""Training the used rows of a word table alone ends as training the whole.

Part of it runs on the JAX backend too, in the process that tests/test_jax_backend.py starts.
"""

import h5py
import keras
import numpy as np
import pytest

from tfft.backbones.halves import freeze_layers
from tfft.backbones.word_rows import used_rows
from tfft.callbacks.checkpoints import (
    WEIGHTS,
    load_weights,
    restore_checkpoint,
    save_checkpoint,
    save_weights,
)
from tfft.optim import build_optimizer
from tfft.tasks import TextClassification

USED = np.array([0, 2, 3, 5, 6, 7, 9, 11, 40])
FAMILIES = ["bert", "distil_bert", "roberta"]
IDS = np.random.default_rng(0).choice(USED[1:], (24, 6))
LABELS = IDS[:, 0] % 2


def inputs(model, ids):
    ids = np.asarray(ids, "int32")
    named = {"token_ids": ids, "padding_mask": (ids > 0).astype("int32"), "segment_ids": ids * 0}
    return {tensor.name: named[tensor.name] for tensor in model.inputs}


@pytest.fixture
def build(build_tiny_encoder):
    def build_model(family="bert", freeze=None, seed=3, **options):
        keras.utils.set_random_seed(seed)
        encoder = build_tiny_encoder(family, dropout=0.1)
        if freeze is not None:
            freeze_layers(encoder.backbone, freeze)
        model = TextClassification(["a", "b"]).build_model(encoder)
        # With a schedule that warms up and goes down, decay and clipping. The bias of keys has no
        # gradient but rounding, which a small epsilon would make as large as any.
        sizes = {"learning_rate": 0.02, "num_batches": 24, "clip_norm": 0.5, "epsilon": 1e-4}
        optimizer = build_optimizer(**{**sizes, "weight_decay": 2.0, **options})
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(optimizer=optimizer, loss=loss)
        return model

    return build_model


def fit(model, epochs=1):
    data = inputs(model, IDS), LABELS
    if not model.optimizer.built:
        # Else TensorFlow traces the step twice: once to make these variables.
        model.optimizer.build(model.trainable_variables)
    model.fit(*data, batch_size=4, epochs=epochs, shuffle=False, verbose=0)


def answers(model, ids=None):
    """The logits for all pieces of the vocabulary, or for some."""
    size = table_of(model).shape[0]
    ids = np.resize(np.arange(2, size), (size // 6, 6)) if ids is None else ids
    return model.predict(inputs(model, ids), verbose=0)


def table_of(model):
    return model.get_layer("encoder").backbone.token_embedding.embeddings


def table_values(model):
    return keras.ops.convert_to_numpy(table_of(model))


def assert_same(found, expected):
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def unused(table):
    return np.delete(table, USED, axis=0)


# ------------------------------------------------------------------------------------ the result


@pytest.mark.parametrize(
    ("family", "options"),
    [*((family, {}) for family in FAMILIES), ("bert", {"accumulate": 3, "loss_scaling": True})],
)
def test_ends_as_plain_training(build, family, options):
    plain, model = build(family, **options), build(family, **options)
    before = table_values(plain)
    fit(plain, 4)
    with used_rows(model, USED):
        fit(model, 4)
    assert_same(model.get_weights(), plain.get_weights())
    assert_same(answers(model), answers(plain))  # of pieces that come later, too
    after = table_values(model)
    np.testing.assert_allclose(unused(after), unused(before) * (after / before)[-1, 0], rtol=1e-4)
    assert (after / before)[-1, 0] < 0.9
    assert np.abs(after - before)[USED[1:]].max(axis=1).min() > 0.001


def test_without_decay_the_other_rows_stay_as_they_are(build):
    model = build(weight_decay=0.0)
    before = table_values(model)
    with used_rows(model, USED):
        fit(model)
    np.testing.assert_array_equal(unused(table_values(model)), unused(before))


def test_nothing_is_kept_or_updated_for_the_other_rows(build):
    model = build("roberta")
    size = table_of(model).shape[0]
    with used_rows(model, USED):
        fit(model)
        shapes = [tuple(variable.shape) for variable in model.optimizer.variables]
    assert size not in {shape[0] for shape in shapes if shape}
    assert shapes.count((len(USED) + 1, 8)) == 2


def test_answers_before_meanwhile_and_afterwards(build):
    """What Keras has compiled for one table, for such a batch, is not used with the other."""
    plain, model, later = build(), build(), IDS + 12
    assert_same(answers(model, IDS), answers(plain, IDS))
    with used_rows(model, USED):
        fit(model)
        meanwhile = answers(model, IDS)
    fit(plain)
    assert_same(meanwhile, answers(plain, IDS))
    assert_same(answers(model, later), answers(plain, later))


# --------------------------------------------------------------------------------- the plain way


@pytest.mark.parametrize("case", ["not known", "most of them", "frozen"])
def test_plain_where_nothing_is_gained(build, case):
    model = build(freeze=0 if case == "frozen" else None)
    ids = {"not known": None, "most of them": np.arange(60), "frozen": USED}[case]
    weights = [id(weight) for weight in model.trainable_weights]
    with used_rows(model, ids):
        assert [id(weight) for weight in model.trainable_weights] == weights


def test_plain_for_other_models():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    with used_rows(model, USED):
        assert len(model.trainable_weights) == 2


def test_after_an_exception_it_is_a_plain_model_again(build):
    model = build()
    weights, table = [id(weight) for weight in model.trainable_weights], table_values(model)
    with pytest.raises(KeyboardInterrupt), used_rows(model, USED):
        fit(model)
        raise KeyboardInterrupt
    assert [id(weight) for weight in model.trainable_weights] == weights
    np.testing.assert_array_equal(table_values(model), table)
    fit(build())


# ----------------------------------------------------------------------------------------- files


def names_in(path):
    with h5py.File(path) as file:
        found = {}
        file.visititems(lambda name, value: found.update({name: getattr(value, "shape", None)}))
    return found


@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_files_meanwhile_are_those_of_plain_training(build, tmp_path, family):
    plain, model = build(family), build(family)
    fit(plain, 2)
    save_weights(tmp_path / "plain.weights.h5", plain)
    with used_rows(model, USED):
        fit(model, 2)
        save_weights(tmp_path / "some.weights.h5", model)
        fit(model, 2)
    assert names_in(tmp_path / "some.weights.h5") == names_in(tmp_path / "plain.weights.h5")
    again = build(family)
    load_weights(tmp_path / "some.weights.h5", again)
    assert_same(again.get_weights(), plain.get_weights())


@pytest.mark.parametrize(
    ("first", "second", "accumulate"),
    [(USED, USED, 1), (USED, USED, 5), (USED, None, 5), (None, USED, 5)],
    ids=["some to some", "in the middle of an update", "some to plain", "plain to some"],
)
def test_goes_on_as_if_uninterrupted(build, tmp_path, first, second, accumulate):
    plain = build(accumulate=accumulate)
    fit(plain, 4)
    begun, resumed = (build(accumulate=accumulate, seed=seed) for seed in (3, 9))
    with used_rows(begun, first):
        fit(begun, 2)
        save_checkpoint(tmp_path / "last", begun, {}, with_optimizer=True)
    with used_rows(resumed, second):
        restore_checkpoint(tmp_path / "last", resumed)
        fit(resumed, 2)
    assert_same(resumed.get_weights(), plain.get_weights())


def test_restored_where_other_rows_are_used(build, tmp_path):
    """As where the data has changed in between."""
    begun, resumed = build(), build(seed=9)
    with used_rows(begun, USED):
        fit(begun, 2)
        save_checkpoint(tmp_path / "last", begun, {}, with_optimizer=True)
    with used_rows(resumed, np.array([0, 2, 7, 50])):
        restore_checkpoint(tmp_path / "last", resumed)
    assert_same(resumed.get_weights(), begun.get_weights())


def test_the_best_weights_of_a_resumed_training(build, tmp_path):
    """They are read before the last, whose other rows decayed for longer."""
    model, resumed = build(), build(seed=9)
    with used_rows(model, USED):
        fit(model)
        save_checkpoint(tmp_path / "best", model, {})
        fit(model)
        save_checkpoint(tmp_path / "last", model, {}, with_optimizer=True)
    with used_rows(resumed, USED):
        load_weights(tmp_path / "best" / WEIGHTS, resumed)
        best = resumed.get_weights()
        restore_checkpoint(tmp_path / "last", resumed)
        fit(resumed)
        resumed.set_weights(best)
    expected = build()
    load_weights(tmp_path / "best" / WEIGHTS, expected)
    assert_same(resumed.get_weights(), expected.get_weights())
