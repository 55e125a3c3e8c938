"""Dropout whose random numbers are cheap: the share, the mean, the gradient, the state."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfft.fused_dropout import drop


def seed(number=0):
    return keras.random.SeedGenerator(number)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("as_tensor", [False, True])
def test_share_and_mean(rate, as_tensor):
    dropped = drop(tf.ones([999, 1001]), tf.constant(rate) if as_tensor else rate, seed()).numpy()
    deviation = np.sqrt(rate * (1 - rate) / dropped.size)
    assert abs((dropped == 0).mean() - rate) < 5 * deviation + 1e-5
    assert abs(dropped.mean() - 1) < 5 * deviation / (1 - rate)
    np.testing.assert_allclose(dropped[dropped > 0], 1 / (1 - rate), rtol=1e-6)


def test_neither_rows_nor_columns_stand_out():
    dropped = drop(tf.ones([512, 512]), 0.3, seed(1)).numpy() == 0
    for axis in (0, 1):
        assert np.abs(dropped.mean(axis) - 0.3).max() < 6 * np.sqrt(0.21 / 512)
    neighbours = np.corrcoef(dropped[:, 0::2].ravel(), dropped[:, 1::2].ravel())[0, 1]
    assert abs(neighbours) < 5 / np.sqrt(512 * 256)


def test_rate_nothing_keeps_everything():
    values = tf.random.stateless_normal([7, 3], [0, 1])
    np.testing.assert_array_equal(drop(values, tf.constant(0.0), seed()), values)


@pytest.mark.parametrize("shape", [[], [1], [3], [5, 7], [0, 4]])
def test_any_shape(shape):
    assert drop(tf.ones(shape), 0.5, seed()).shape == shape


def test_mask_of_a_smaller_shape_is_broadcast():
    dropped = drop(tf.ones([6, 50, 4]), 0.5, seed(), shape=(6, 1, 4)).numpy()
    assert (dropped == dropped[:, :1]).all()
    assert 0 < (dropped == 0).mean() < 1


def test_gradient_is_that_of_what_was_kept():
    values = tf.Variable(tf.random.stateless_normal([40, 30], [0, 1]))
    with tf.GradientTape() as tape:
        dropped = drop(values, 0.4, seed())
        loss = tf.reduce_sum(dropped * tf.range(30.0))
    gradient = tape.gradient(loss, values).numpy()
    kept = dropped.numpy() != 0
    np.testing.assert_allclose(gradient, kept * np.arange(30) / 0.6, rtol=1e-5)


def test_each_draw_is_another_and_a_state_repeats_its_own():
    state = seed(5)
    first, second = drop(tf.ones([64]), 0.5, state), drop(tf.ones([64]), 0.5, state)
    assert (first.numpy() != second.numpy()).any()
    np.testing.assert_array_equal(drop(tf.ones([64]), 0.5, seed(5)), first)


def test_other_precision_and_compiled():
    def dropped(state):
        return drop(tf.ones([33, 5], tf.bfloat16), 0.25, state)

    compiled = tf.function(dropped, jit_compile=True)
    assert dropped(seed()).dtype == tf.bfloat16
    np.testing.assert_array_equal(
        tf.cast(compiled(seed(2)), tf.float32), tf.cast(dropped(seed(2)), tf.float32)
    )
