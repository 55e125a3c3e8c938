"""Ranks worked out by hand: ties, queries without a relevant candidate, fewer than k; nDCG as that
of scikit-learn.
"""

import itertools
import math

import numpy as np
import pytest
from sklearn.metrics import ndcg_score

from tfft.metrics.retrieval import discounted_gain, ranking_scores, recall, reciprocal_rank, tied


def scores(*queries):
    return ranking_scores([tuple(map(np.array, query)) for query in queries])


def test_best_first():
    assert scores(([1, 0, 0], [9.0, 2.0, 1.0])) == {
        "mrr_at_10": 1.0,
        "ndcg_at_10": 1.0,
        "recall_at_1": 1.0,
        "recall_at_10": 1.0,
    }


def test_relevant_ones_on_places_2_and_3():
    found = scores(([0, 1, 1, 0], [4.0, 3.0, 2.0, 1.0]))
    assert found["mrr_at_10"] == pytest.approx(1 / 2)
    ideal = 1 + 1 / math.log2(3)
    assert found["ndcg_at_10"] == pytest.approx((1 / math.log2(3) + 1 / math.log2(4)) / ideal)
    assert (found["recall_at_1"], found["recall_at_10"]) == (0.0, 1.0)


def test_first_of_two_relevant_ones_is_half_of_what_there_is():
    assert scores(([1, 0, 1], [3.0, 2.0, 1.0]))["recall_at_1"] == 0.5


def test_gain_is_the_relevance_itself():
    found = scores(([1, 3], [2.0, 1.0]))
    ideal = 3 + 1 / math.log2(3)
    assert found["ndcg_at_10"] == pytest.approx((1 + 3 / math.log2(3)) / ideal)
    assert found["mrr_at_10"] == 1.0


def test_order_of_the_rows_says_nothing():
    """All with one score: the mean over the orders, wherever the relevant one stands."""
    for place in range(4):
        relevance = [int(row == place) for row in range(4)]
        found = scores((relevance, [0.5] * 4))
        assert found["mrr_at_10"] == pytest.approx((1 + 1 / 2 + 1 / 3 + 1 / 4) / 4)
        assert found["recall_at_1"] == pytest.approx(1 / 4)
        discounts = [1 / math.log2(rank + 1) for rank in range(1, 5)]
        assert found["ndcg_at_10"] == pytest.approx(sum(discounts) / 4)


def test_ties_are_the_mean_over_all_orders():
    """Six candidates, two blocks of ties, two relevant ones in the second: all 720 orders."""
    relevance, values, k = np.array([0, 0, 2, 1, 0, 0]), [5.0, 5.0, 3.0, 3.0, 3.0, 1.0], 3
    orders = [
        list(order)
        for order in itertools.permutations(range(6))
        if all(values[a] >= values[b] for a, b in itertools.pairwise(order))
    ]
    assert len(orders) == 2 * 6
    ranked = [relevance[order] for order in orders]
    ties = tied(relevance.astype("float64"), np.array(values))
    first = [1 + np.flatnonzero(each)[0] for each in ranked]
    assert reciprocal_rank(ties, k) == pytest.approx(np.mean([(r <= k) / r for r in first]))
    gains = [sum(each[:k] / np.log2(np.arange(2, k + 2))) for each in ranked]
    assert discounted_gain(ties, k) == pytest.approx(np.mean(gains))
    assert recall(ties, k) == pytest.approx(np.mean([(each[:k] > 0).sum() / 2 for each in ranked]))


def test_beyond_the_tenth_place():
    relevance, values = [0] * 10 + [1], list(range(11, 0, -1))
    found = scores((relevance, values))
    assert set(found.values()) == {0.0}
    # Tied with the tenth: it is there in half of the orders.
    values[10] = values[9]
    found = scores((relevance, values))
    assert found["mrr_at_10"] == pytest.approx(1 / 10 / 2)
    assert found["recall_at_10"] == pytest.approx(1 / 2)


def test_fewer_candidates_than_places():
    assert scores(([1], [0.0]))["ndcg_at_10"] == 1.0
    assert scores(([0, 1], [1.0, 0.0]))["mrr_at_10"] == 0.5


def test_more_relevant_ones_than_places():
    found = scores(([1] * 20, list(range(20))))
    assert found["ndcg_at_10"] == pytest.approx(1.0)
    assert (found["recall_at_1"], found["recall_at_10"]) == (1 / 20, 1 / 2)


def test_query_without_a_relevant_candidate_does_not_count():
    good = ([1, 0], [2.0, 1.0])
    assert scores(good, ([0, 0], [2.0, 1.0])) == scores(good)
    assert set(scores(([0, 0], [2.0, 1.0])).values()) == {0.0}
    assert set(scores().values()) == {0.0}


def test_mean_over_queries():
    found = scores(([1, 0], [2.0, 1.0]), ([0, 1], [2.0, 1.0]))
    assert found["mrr_at_10"] == pytest.approx(0.75)
    assert all(type(value) is float for value in found.values())


def test_score_that_is_no_number_is_the_lowest():
    assert scores(([0, 1], [math.nan, -9.0]))["mrr_at_10"] == 1.0


@pytest.mark.parametrize("num_scores", [3, 1000])
def test_ndcg_is_that_of_scikit_learn(num_scores):
    """Few scores: many ties, which it averages, too."""
    random = np.random.default_rng(num_scores)
    for size in (2, 7, 30):
        relevance = random.integers(0, 4, size)
        relevance[0] = 1
        values = random.integers(0, num_scores, size) / 7
        expected = ndcg_score([relevance], [values], k=10)
        assert scores((relevance, values))["ndcg_at_10"] == pytest.approx(expected)
