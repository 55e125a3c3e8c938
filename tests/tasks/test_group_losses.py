"""Losses that compare the rows of a batch, against the formulas written out in NumPy.

The whole file runs on the JAX backend too, in the process that tests/test_jax_backend.py starts.
"""

import keras
import numpy as np
import pytest

from tfft.tasks.ranking_losses import ListwiseLoss
from tfft.tasks.similarity_losses import CoSENT, CosineError, InBatchNegatives, TripletMargin

RANDOM = np.random.default_rng(4)


def number(tensor):
    return float(keras.ops.convert_to_numpy(tensor))


def array(tensor):
    return keras.ops.convert_to_numpy(tensor)


def embeddings(*shape):
    """Of any length: all losses look at cosines."""
    return RANDOM.normal(size=(*shape, 5)).astype("float32") * 3


def cosines(first, second):
    norms = np.linalg.norm(first, axis=-1)[:, None] * np.linalg.norm(second, axis=-1)
    return first @ second.T / norms


def targets(numbers, scores=0.0):
    """Of examples with the numbers of their texts (examples, num_texts)."""
    numbers = np.array(numbers, "float32")
    scores = np.broadcast_to(np.reshape(scores, (-1, 1)), numbers.shape)
    return np.stack([numbers.ravel(), scores.ravel()], axis=1).astype("float32")


def softmax_loss(logits, right):
    return -(logits[right] - np.log(np.exp(logits).sum()))


def fill_up(values, filler, *, rows):
    return np.concatenate([values, np.broadcast_to(filler, (rows, *values.shape[1:]))])


def check_fillers(loss, true, predicted, num_texts, *, rows=None):
    """What fills up a batch changes no loss."""
    expected = number(loss(true, predicted, sample_weight=np.ones(len(true), "float32")))
    rows = rows or 2 * num_texts
    weights = fill_up(np.ones(len(true), "float32"), 0, rows=rows)
    filled = fill_up(true, np.float32(-1), rows=rows)
    others = fill_up(predicted, predicted[0] * 2, rows=rows)
    assert number(loss(filled, others, sample_weight=weights)) == pytest.approx(expected, rel=1e-6)
    assert number(loss(filled[-rows:], others[-rows:], sample_weight=weights[-rows:])) == 0.0


# ------------------------------------------------------------------------------------ embeddings


def test_in_batch_negatives_are_the_pairs_of_the_others():
    vectors = embeddings(4, 2)
    logits = 20.0 * cosines(vectors[:, 0], vectors[:, 1])
    expected = [softmax_loss(row, place) for place, row in enumerate(logits)]
    true, predicted = targets(np.arange(8).reshape(4, 2)), vectors.reshape(8, 5)
    loss = InBatchNegatives()
    np.testing.assert_allclose(
        array(loss.call(true, predicted)), np.repeat(expected, 2), rtol=1e-5, atol=1e-5
    )
    assert number(loss(true, predicted)) == pytest.approx(np.mean(expected), rel=1e-5)
    check_fillers(loss, true, predicted, 2)
    cooler = InBatchNegatives(scale=5.0)(true, predicted)
    expected = [softmax_loss(row / 4, place) for place, row in enumerate(logits)]
    assert number(cooler) == pytest.approx(np.mean(expected), rel=1e-5)


def test_negatives_of_triplets_are_candidates_too():
    vectors = embeddings(3, 3)
    candidates = np.concatenate([vectors[:, 1], vectors[:, 2]])
    logits = 20.0 * cosines(vectors[:, 0], candidates)
    expected = [softmax_loss(row, place) for place, row in enumerate(logits)]
    true, predicted = targets(np.arange(9).reshape(3, 3)), vectors.reshape(9, 5)
    loss = InBatchNegatives(num_texts=3)
    np.testing.assert_allclose(
        array(loss.call(true, predicted)), np.repeat(expected, 3), rtol=1e-5, atol=1e-5
    )
    check_fillers(loss, true, predicted, 3)


@pytest.mark.parametrize(
    ("numbers", "kept"),
    [
        # The same pair twice: the other copy is right, too.
        ([[0, 1], [0, 1], [2, 3]], [[0, 2], [1, 2], [0, 1, 2]]),
        # Equal pairs of different texts.
        ([[0, 1], [2, 1], [3, 4]], [[0, 2], [1, 2], [0, 1, 2]]),
        # Two pairs of one text: both are right.
        ([[0, 1], [0, 2], [3, 4]], [[0, 2], [1, 2], [0, 1, 2]]),
        # A text as the pair of another one: it equals itself the most.
        ([[0, 1], [2, 0], [3, 4]], [[0, 2], [0, 1, 2], [0, 1, 2]]),
    ],
)
def test_what_is_right_is_no_negative(numbers, kept):
    vectors = embeddings(3, 2)
    logits = 20.0 * cosines(vectors[:, 0], vectors[:, 1])
    expected = [
        softmax_loss(logits[row, places], places.index(row)) for row, places in enumerate(kept)
    ]
    losses = array(InBatchNegatives().call(targets(numbers), vectors.reshape(6, 5)))
    np.testing.assert_allclose(losses[::2], expected, rtol=1e-4, atol=1e-5)


def test_negative_that_is_right_for_another_text():
    vectors = embeddings(2, 3)
    candidates = np.concatenate([vectors[:, 1], vectors[:, 2]])
    logits = 20.0 * cosines(vectors[:, 0], candidates)
    # The negative of the second example is the pair of the first one; its own it may have.
    losses = array(
        InBatchNegatives(num_texts=3).call(targets([[0, 1, 2], [3, 4, 1]]), vectors.reshape(6, 5))
    )
    expected = [softmax_loss(logits[0, :3], 0), softmax_loss(logits[1], 1)]
    np.testing.assert_allclose(losses[::3], expected, rtol=1e-4, atol=1e-5)


def test_triplet_margin():
    vectors = embeddings(6, 3)
    near = np.diag(cosines(vectors[:, 0], vectors[:, 1]))
    far = np.diag(cosines(vectors[:, 0], vectors[:, 2]))
    expected = np.maximum(0, 0.3 - near + far)
    assert (expected == 0).any() and (expected > 0).any()
    true, predicted = targets(np.arange(18).reshape(6, 3)), vectors.reshape(18, 5)
    loss = TripletMargin(margin=0.3)
    losses = array(loss.call(true, predicted))
    np.testing.assert_allclose(losses, np.repeat(expected, 3), rtol=1e-4, atol=1e-6)
    check_fillers(loss, true, predicted, 3)


def test_cosine_error():
    vectors, scores = embeddings(4, 2), np.array([0.0, 0.2, 0.9, 1.0])
    expected = (np.diag(cosines(vectors[:, 0], vectors[:, 1])) - scores) ** 2
    true, predicted = targets(np.arange(8).reshape(4, 2), scores), vectors.reshape(8, 5)
    losses = array(CosineError().call(true, predicted))
    np.testing.assert_allclose(losses, np.repeat(expected, 2), rtol=1e-4)
    check_fillers(CosineError(), true, predicted, 2)


def test_cosent_sums_over_pairs_in_the_wrong_order():
    vectors, scores = embeddings(4, 2), [0.0, 0.2, 0.9, 0.2]
    cosine = np.diag(cosines(vectors[:, 0], vectors[:, 1]))
    total = sum(
        np.exp(20.0 * (cosine[j] - cosine[i]))
        for i in range(4)
        for j in range(4)
        if scores[i] > scores[j]
    )
    true, predicted = targets(np.arange(8).reshape(4, 2), scores), vectors.reshape(8, 5)
    losses = array(CoSENT().call(true, predicted))
    np.testing.assert_allclose(losses, [np.log(1 + total)] * 8, rtol=1e-5)
    check_fillers(CoSENT(), true, predicted, 2)


def test_cosent_of_equal_scores_is_nothing():
    true, predicted = targets([[0, 1], [2, 3]], [0.5, 0.5]), embeddings(4)
    assert number(CoSENT()(true, predicted)) == 0.0


def test_low_precision_is_computed_in_float32():
    vectors = embeddings(4, 2)
    true, predicted = targets(np.arange(8).reshape(4, 2), [0, 0.3, 0.6, 1]), vectors.reshape(8, 5)
    for loss in (InBatchNegatives(), CoSENT(), CosineError()):
        halves = array(loss.call(true, keras.ops.cast(predicted, "float16")))
        np.testing.assert_allclose(halves, array(loss.call(true, predicted)), rtol=0.02, atol=1e-3)


# --------------------------------------------------------------------------------------- ranking

QUERIES = [0, 0, 0, 1, 1, 2, 2]
RELEVANCE = [0, 1, 0, 3, 1, 0, 0]
LOGITS = np.array([[0.5], [2.0], [-1.0], [0.0], [0.3], [9.0], [-9.0]], "float32")


def test_listwise_loss_is_a_softmax_over_the_candidates_of_each_query():
    true = np.array([QUERIES, RELEVANCE], "float32").T
    logits = LOGITS[:, 0].astype("float64")
    first = softmax_loss(logits[:3], 1)
    second = 0.75 * softmax_loss(logits[3:5], 0) + 0.25 * softmax_loss(logits[3:5], 1)
    # The third query has nothing relevant and does not count.
    expected = (first + second) / 2
    assert number(ListwiseLoss()(true, LOGITS)) == pytest.approx(expected, rel=1e-5)
    order = RANDOM.permutation(7)
    assert number(ListwiseLoss()(true[order], LOGITS[order])) == pytest.approx(expected, rel=1e-5)
    check_fillers(ListwiseLoss(), true, LOGITS, 1, rows=3)


def test_listwise_loss_of_one_query_does_not_depend_on_the_others():
    def gradient_part(more):
        true = np.array([QUERIES[: 3 + more], RELEVANCE[: 3 + more]], "float32").T
        return array(ListwiseLoss().call(true, LOGITS[: 3 + more]))[:3].sum() / (3 + more)

    assert gradient_part(2) == pytest.approx(gradient_part(0) / 2, rel=1e-5)


def test_listwise_loss_where_nothing_is_relevant():
    true = np.array([[0, 0], [0, 0]], "float32").T
    assert number(ListwiseLoss()(true, LOGITS[:2])) == 0.0
