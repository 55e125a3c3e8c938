"""Correlations and squared errors worked out by hand."""

import math

import numpy as np
import pytest

from tfft.metrics.similarity import regression_scores


def scores(targets, values, weights=None):
    weight = None if weights is None else np.array(weights)
    return regression_scores(np.array(targets), np.array(values), weight)


def test_answers_that_are_right():
    assert scores([1.0, 2.0, 4.0], [1.0, 2.0, 4.0]) == {
        "pearson": pytest.approx(1.0),
        "spearman": pytest.approx(1.0),
        "mse": 0.0,
    }


def test_pearson_by_hand():
    # Deviations -1.5 -0.5 0.5 1.5 and -1 0 -1 2: covariance 1.5 - 0.5 + 3 = 4, squares 5 and 6.
    found = scores([1, 2, 3, 4], [2, 3, 2, 5])
    assert found["pearson"] == pytest.approx(4 / math.sqrt(5 * 6))
    assert found["mse"] == pytest.approx((1 + 1 + 1 + 1) / 4)


def test_spearman_with_ties_by_hand():
    # Ranks 1 2 3 4 and 1.5 3 1.5 4: deviations -1.5 -0.5 0.5 1.5 and -1 0.5 -1 1.5.
    expected = (1.5 - 0.25 - 0.5 + 2.25) / math.sqrt(5 * 4.5)
    assert scores([1, 2, 3, 4], [2, 3, 2, 50])["spearman"] == pytest.approx(expected)
    assert scores([7, 8, 9, 10], [-2, 3, -2, 50])["spearman"] == pytest.approx(expected)


def test_ties_on_both_sides():
    # Ranks 1.5 1.5 3.5 3.5 and 1 2.5 2.5 4.
    expected = (1 * 1.5 + 0 + 0 + 1 * 1.5) / math.sqrt(4 * 4.5)
    assert scores([0, 0, 1, 1], [0, 5, 5, 9])["spearman"] == pytest.approx(expected)


def test_units_move_neither_correlation():
    targets, values = [1.0, 5.0, 2.0, 8.0], [0.1, 0.3, 0.4, 0.5]
    plain, moved = scores(targets, values), scores(targets, [1000 * v - 7 for v in values])
    assert moved["pearson"] == pytest.approx(plain["pearson"])
    assert moved["spearman"] == pytest.approx(plain["spearman"])
    assert scores(targets, [-v for v in values])["spearman"] == pytest.approx(-plain["spearman"])


def test_rank_correlation_sees_order_alone():
    found = scores([1, 2, 3, 4], [1, 10, 100, 1e6])
    assert found["spearman"] == pytest.approx(1.0)
    assert found["pearson"] < 0.9


@pytest.mark.parametrize(
    ("targets", "values"),
    [([1, 2, 3], [5, 5, 5]), ([2, 2, 2], [1, 2, 3]), ([2, 2], [2, 2]), ([1], [2])],
)
def test_no_correlation_where_a_side_is_constant_or_single(targets, values):
    found = scores(targets, values)
    assert (found["pearson"], found["spearman"]) == (0.0, 0.0)
    assert found["mse"] == pytest.approx(np.mean((np.array(targets) - values) ** 2))


def test_no_rows():
    assert scores([], []) == {"pearson": 0.0, "spearman": 0.0, "mse": 0.0}


def test_weights():
    """They weigh the error; correlations leave out what weighs nothing."""
    found = scores([1, 2, 3, 99], [1, 4, 3, 0], [1.0, 2.0, 1.0, 0.0])
    assert found["mse"] == pytest.approx(2 * 4 / 4)
    without = scores([1, 2, 3], [1, 4, 3])
    assert found["pearson"] == pytest.approx(without["pearson"])
    assert found["spearman"] == pytest.approx(without["spearman"]) == pytest.approx(0.5)
    assert scores([1, 2], [3, 4], [0.0, 0.0]) == {"pearson": 0.0, "spearman": 0.0, "mse": 0.0}


def test_low_precision_is_not_lost():
    targets = np.array([4.0001, 4.0002, 4.0003], "float32")
    found = regression_scores(targets, targets.astype("float64"), np.ones(3, "float32"))
    assert found["pearson"] == pytest.approx(1.0)
    assert all(type(value) is float for value in found.values())
