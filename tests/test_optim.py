"""Learning rates, what decays, clipping and accumulation.

The whole file runs on the JAX backend too, in the process that tests/test_jax_backend.py starts.
"""

import math

import keras
import numpy as np
import pytest

from tfft.adamw import AdamW
from tfft.optim import WarmupSchedule, build_optimizer


def rates(schedule, steps):
    return [float(keras.ops.convert_to_numpy(schedule(step))) for step in steps]


# ----------------------------------------------------------------------------------- schedules


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("linear", [0, 0.5, 1, 0.75, 0.5, 0.25, 0, 0]),
        (
            "cosine",
            [0, 0.5, 1, *(0.5 + 0.5 * math.cos(math.pi * s) for s in (0.25, 0.5, 0.75)), 0, 0],
        ),
        ("constant", [0, 0.5, 1, 1, 1, 1, 1, 1]),
    ],
)
def test_schedule(schedule, expected):
    warmup = WarmupSchedule(
        learning_rate=2.0, num_updates=6, num_warmup_updates=2, schedule=schedule
    )
    np.testing.assert_allclose(rates(warmup, range(8)), [2.0 * r for r in expected], atol=1e-6)


def test_schedule_without_warmup_begins_at_its_highest():
    assert rates(WarmupSchedule(learning_rate=3.0, num_updates=3), range(4)) == pytest.approx(
        [3.0, 2.0, 1.0, 0.0]
    )


def test_schedule_counts_updates():
    plain = WarmupSchedule(learning_rate=1.0, num_updates=5, num_warmup_updates=2)
    slow = WarmupSchedule(learning_rate=1.0, num_updates=5, num_warmup_updates=2, accumulate=3)
    assert rates(slow, range(15)) == [rate for rate in rates(plain, range(5)) for _ in range(3)]


def test_schedule_survives_serializing():
    schedule = WarmupSchedule(
        learning_rate=1.0, num_updates=9, num_warmup_updates=2, schedule="cosine", accumulate=2
    )
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(schedule))
    assert rates(again, range(18)) == rates(schedule, range(18))


def test_warmup_is_a_share_of_the_updates():
    optimizer = build_optimizer(
        learning_rate=1.0, num_batches=80, accumulate=4, warmup_fraction=0.25
    )
    assert rates(optimizer._learning_rate, [0, 4, 16, 20, 40, 79]) == pytest.approx(
        [0, 0.2, 0.8, 1.0, 2 / 3, 1 / 15]
    )


# --------------------------------------------------------------------------------------- decay


@pytest.mark.parametrize("family", ["bert", "roberta", "distil_bert"])
def test_biases_and_norms_do_not_decay(build_tiny_encoder, family):
    from tfft.tasks import TextClassification

    model = TextClassification(["a", "b"]).build_model(build_tiny_encoder(family))
    for variable in model.trainable_variables:
        variable.assign(np.ones(variable.shape))
    optimizer = build_optimizer(
        learning_rate=0.1,
        num_batches=10,
        warmup_fraction=0.0,
        schedule="constant",
        weight_decay=0.5,
    )
    zeros = [keras.ops.zeros(variable.shape) for variable in model.trainable_variables]
    optimizer.apply(zeros, model.trainable_variables)
    for variable in model.trainable_variables:
        kept = variable.name in ("bias", "gamma", "beta")
        value = keras.ops.convert_to_numpy(variable)
        np.testing.assert_allclose(value, 1.0 if kept else 0.95, rtol=1e-6, err_msg=variable.path)
    names = {variable.name for variable in model.trainable_variables}
    assert {"bias", "gamma", "beta", "kernel", "embeddings"} <= names


def test_no_decay():
    variable = keras.Variable(np.ones(3), dtype="float32", name="kernel")
    optimizer = build_optimizer(learning_rate=0.1, num_batches=10, weight_decay=0.0)
    optimizer.apply([keras.ops.zeros(3)], [variable])
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(variable), np.ones(3))


# --------------------------------------------------------------------------------------- AdamW


def adamw_by_hand(start, gradients, *, rate, decay, epsilon, beta_1=0.9, beta_2=0.999):
    """Algorithm 2 of Loshchilov and Hutter, in double precision."""
    weight, first, second = start.copy(), 0.0, 0.0
    for step, gradient in enumerate(gradients, start=1):
        first = beta_1 * first + (1 - beta_1) * gradient
        second = beta_2 * second + (1 - beta_2) * gradient**2
        corrected = first / (1 - beta_1**step), second / (1 - beta_2**step)
        weight = weight - rate * decay * weight
        weight = weight - rate * corrected[0] / (np.sqrt(corrected[1]) + epsilon)
    return weight


@pytest.mark.parametrize("fused", [True, False], ids=["as it comes", "in Keras operations"])
def test_updates_are_those_of_the_paper(monkeypatch, fused):
    if not fused:
        monkeypatch.setattr("tfft.optim._adamw", lambda: AdamW)
    # An epsilon as large as the gradients: where it is added makes a difference.
    options = {"weight_decay": 0.1, "epsilon": 1e-3, "clip_norm": None}
    optimizer = build_optimizer(
        learning_rate=0.1, num_batches=10, warmup_fraction=0.0, schedule="constant", **options
    )
    start = np.linspace(-1, 1, 6).reshape(3, 2)
    gradients = 1e-3 * np.random.default_rng(0).normal(size=(5, 3, 2))
    variable = keras.Variable(start, dtype="float32", name="kernel")
    for gradient in gradients:
        optimizer.apply([keras.ops.cast(gradient, "float32")], [variable])
    expected = adamw_by_hand(start, gradients, rate=0.1, decay=0.1, epsilon=1e-3)
    after = keras.ops.convert_to_numpy(variable).astype("float64")
    np.testing.assert_allclose(after, expected, rtol=0, atol=1e-6)


def test_rows_of_an_embedding_that_no_batch_has_move_the_same_in_both(monkeypatch):
    after = []
    for fused in (True, False):
        if not fused:
            monkeypatch.setattr("tfft.optim._adamw", lambda: AdamW)
        keras.utils.set_random_seed(0)
        layers = [keras.layers.Embedding(9, 4), keras.layers.Flatten(), keras.layers.Dense(1)]
        model = keras.Sequential([keras.layers.Input((2,), dtype="int32"), *layers])
        optimizer = build_optimizer(
            learning_rate=0.1, num_batches=9, warmup_fraction=0.0, schedule="constant"
        )
        model.compile(optimizer=optimizer, loss="mse")
        ids = np.array([[1, 2], [3, 4], [1, 1], [5, 6]])
        model.fit(ids, np.ones((4, 1)), batch_size=2, epochs=3, shuffle=False, verbose=0)
        after.append(model.get_weights())
    for ours, theirs in zip(*after, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("accumulate", [1, 4])
def test_a_hundred_steps_end_at_the_same_weights(monkeypatch, accumulate):
    """With schedule, decay, clipping and accumulation; batches of words that come and go."""
    random = np.random.default_rng(3)
    ids, targets = random.integers(0, 40, (800, 5)), random.normal(0, 3, (800, 1))
    after = []
    for fused in (True, False):
        if not fused:
            monkeypatch.setattr("tfft.optim._adamw", lambda: AdamW)
        keras.utils.set_random_seed(1)
        layers = [keras.layers.Embedding(60, 6), keras.layers.Flatten(), keras.layers.Dense(1)]
        model = keras.Sequential([keras.layers.Input((5,), dtype="int32"), *layers])
        options = {"weight_decay": 0.1, "clip_norm": 0.5, "accumulate": accumulate}
        optimizer = build_optimizer(learning_rate=1e-2, num_batches=100, **options)
        model.compile(optimizer=optimizer, loss="mse")
        before = model.get_weights()
        model.fit(ids, targets, batch_size=8, epochs=1, shuffle=False, verbose=0)
        after.append(model.get_weights())
    for start, ours, theirs in zip(before, *after, strict=True):
        assert np.abs(ours - start).max() > 0.005
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_amsgrad_is_refused():
    with pytest.raises(ValueError, match="amsgrad"):
        AdamW(0.1, amsgrad=True)


# ------------------------------------------------------------------------------------ clipping


def walk(gradients, **options):
    """Where two weights stand after steps with the given gradients."""
    variables = [
        keras.Variable(np.zeros(shape), dtype="float32", name="kernel") for shape in ((3,), (2, 2))
    ]
    optimizer = build_optimizer(
        learning_rate=0.1, num_batches=10, warmup_fraction=0.0, weight_decay=0.0, **options
    )
    for pair in gradients:
        optimizer.apply([keras.ops.convert_to_tensor(g) for g in pair], variables)
    return [keras.ops.convert_to_numpy(variable) for variable in variables]


def test_norm_of_all_gradients_together_is_clipped():
    random = np.random.default_rng(0)
    gradients = [
        [random.normal(size=shape).astype("float32") for shape in ((3,), (2, 2))] for _ in range(3)
    ]
    norms = [math.sqrt(sum((g**2).sum() for g in pair)) for pair in gradients]
    large = [[50 * g for g in gradients[0]], [g / 2 / norms[1] for g in gradients[1]], gradients[2]]
    small = [[g / norms[0] for g in gradients[0]], large[1], [g / norms[2] for g in gradients[2]]]
    assert norms[2] > 1
    for clipped, expected in zip(
        walk(large, clip_norm=1.0), walk(small, clip_norm=None), strict=True
    ):
        np.testing.assert_allclose(clipped, expected, rtol=1e-4)
    for unclipped, expected in zip(
        walk(large, clip_norm=None), walk(small, clip_norm=None), strict=True
    ):
        assert not np.allclose(unclipped, expected, rtol=1e-2)


def test_rows_of_a_lookup_are_added_up_before_the_norm_is_taken(monkeypatch):
    if keras.backend.backend() != "tensorflow":
        pytest.skip("only there a lookup's gradient is rows")
    import tensorflow as tf

    for fused in (True, False):
        if not fused:
            monkeypatch.setattr("tfft.optim._adamw", lambda: AdamW)
        options = {"schedule": "constant", "warmup_fraction": 0.0, "weight_decay": 0.0}
        optimizer = build_optimizer(learning_rate=0.1, num_batches=9, epsilon=1.0, **options)
        table = keras.Variable(np.zeros((3, 2)), dtype="float32", name="embeddings")
        values = tf.constant([[3.0, 0.0], [0.0, 8.0], [0.0, -4.0]])
        rows = tf.IndexedSlices(values, tf.constant([1, 1, 1]), tf.constant([3, 2]))
        optimizer.apply([rows], [table])
        # The first step goes by g / (|g| + epsilon), and g is clipped to (0.6, 0.8).
        expected = [[0, 0], [-0.1 * 0.6 / 1.6, -0.1 * 0.8 / 1.8], [0, 0]]
        np.testing.assert_allclose(table.numpy(), expected, rtol=1e-5)


# -------------------------------------------------------------------------------- accumulation

X = np.random.default_rng(1).normal(size=(64, 5)).astype("float32")
Y = np.random.default_rng(2).normal(size=(64, 2)).astype("float32")


def fitted(*, batch_size, accumulate, epochs=2):
    keras.utils.set_random_seed(1)
    layers = [keras.layers.Dense(7, activation="tanh"), keras.layers.Dense(2)]
    model = keras.Sequential([keras.layers.Input((5,)), *layers])
    optimizer = build_optimizer(
        learning_rate=0.1,
        num_batches=epochs * len(X) // batch_size,
        warmup_fraction=0.25,
        weight_decay=0.1,
        accumulate=accumulate,
    )
    model.compile(optimizer=optimizer, loss="mse")
    model.fit(X, Y, batch_size=batch_size, epochs=epochs, shuffle=False, verbose=0)
    return model


def test_accumulated_batches_train_as_one_larger_batch():
    whole = fitted(batch_size=16, accumulate=1)
    accumulated = fitted(batch_size=8, accumulate=2)
    for a, b in zip(whole.get_weights(), accumulated.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)
    assert not np.allclose(
        whole.get_weights()[0], fitted(batch_size=8, accumulate=1).get_weights()[0], atol=1e-3
    )


def test_weights_wait_for_the_last_batch_of_an_update():
    variable = keras.Variable(np.ones(3), dtype="float32", name="kernel")
    optimizer = build_optimizer(
        learning_rate=0.1, num_batches=30, accumulate=3, warmup_fraction=0.0
    )
    seen = []
    for _ in range(6):
        optimizer.apply([keras.ops.ones(3)], [variable])
        seen.append(float(keras.ops.convert_to_numpy(variable)[0]))
    assert seen[0] == seen[1] == 1.0 != seen[2]
    assert seen[2] == seen[3] == seen[4] != seen[5]
