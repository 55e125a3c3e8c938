"""Rankings: targets and groups, scores by query, what is answered."""

import numpy as np
import pytest
import tensorflow as tf

from tfft.config import build_config
from tfft.data.examples import Examples
from tfft.data.pipeline import training_dataset
from tfft.errors import DataError
from tfft.inference import predict_outputs, tokenize_examples
from tfft.tasks import Ranking, build_task

# Two queries, their candidates not in one place.
EXAMPLES = Examples(
    {"query": ["good", "bad", "good", "bad", "good"], "passage": ["a", "b", "c", "d", "e"]},
    [("q", 0.0), (7, 2.0), ("q", 1.0), (7, 0.0), ("q", 0.0)],
)


@pytest.fixture(scope="module")
def encoder(tiny_encoders):
    return tiny_encoders["distil_bert"]


@pytest.fixture
def rows(encoder):
    return lambda task, examples=EXAMPLES: tokenize_examples(task, encoder, examples)


def column(*values):
    return np.array(values, "float32")[:, np.newaxis]


def test_targets_and_groups(rows):
    pointwise = rows(Ranking())
    assert pointwise.targets.tolist() == [[0], [1], [1], [0], [0]] and pointwise.groups is None
    listwise = rows(Ranking(loss="listwise"))
    assert listwise.targets.tolist() == [[0, 0], [1, 2], [0, 1], [1, 0], [0, 0]]
    assert listwise.groups.tolist() == [0, 1, 0, 1, 0]


@pytest.mark.parametrize("loss", ["pointwise", "listwise"])
def test_loss_of_a_batch_is_that_of_its_examples(build_tiny_encoder, loss):
    """Also where a batch is filled up, in mixed precision: what fills it up does not count."""
    for dtype, tolerance in (("float32", 1e-5), ("mixed_bfloat16", 0.02)):
        encoder = build_tiny_encoder("distil_bert", dropout=0.0, dtype=dtype)
        task = Ranking(loss=loss, dropout=0.0)
        model = task.build_model(encoder)
        rows = tokenize_examples(task, encoder, EXAMPLES)
        expected = task.scores(rows, predict_outputs(model, rows, encoder))["loss"]
        for declared in ((), (16,)):
            batches, steps = training_dataset(
                rows, encoder.pad, batch_size=8, seed=0, declared_lengths=declared
            )
            features, targets, weights = next(iter(batches))
            found = task.loss(model)(targets, model(features), sample_weight=weights)
            assert steps == 1 and float(found) == pytest.approx(expected, rel=tolerance)
            assert (len(weights) > len(rows)) == bool(declared)


@pytest.mark.parametrize("loss", ["pointwise", "listwise"])
def test_scores_are_by_query(rows, loss):
    task = Ranking(loss=loss)
    # q: 3 2 1, the relevant one in second place; 7: it is first.
    scores = task.scores(rows(task), column(3, -4, 2, -5, 1))
    assert scores["mrr_at_10"] == pytest.approx((1 / 2 + 1) / 2)
    assert scores["recall_at_1"] == pytest.approx(1 / 2)
    assert scores["ndcg_at_10"] == pytest.approx((1 / np.log2(3) + 1) / 2)
    assert task.monitor in scores


def test_losses_by_hand(rows):
    logits = column(3, -4, 2, -5, 1)
    found = Ranking(loss="listwise").scores(rows(Ranking(loss="listwise")), logits)["loss"]
    first = -2 + np.log(np.exp([3, 2, 1]).sum())
    second = 4 + np.log(np.exp([-4, -5]).sum())
    assert found == pytest.approx((first + second) / 2)
    found = Ranking().scores(rows(Ranking()), logits)["loss"]
    signs = np.array([1, -1, -1, 1, 1])
    assert found == pytest.approx(np.log1p(np.exp(signs * logits[:, 0])).mean(), rel=1e-5)


def test_score_is_a_probability_or_a_logit(rows):
    logits = column(0.0, 2.0, -2.0, 50.0, 1.0)
    probabilities = [0.5, 1 / (1 + np.exp(-2)), 1 / (1 + np.exp(2)), 1.0, 1 / (1 + np.exp(-1))]
    for task, expected in ((Ranking(), probabilities), (Ranking(loss="listwise"), logits[:, 0])):
        answers = [answer["score"] for answer in task.answers(rows(task), logits)]
        assert answers == pytest.approx(list(expected), rel=1e-6)
        served = task.serve_tokens(tf.constant(logits))["score"].numpy()
        assert served.tolist() == pytest.approx(answers)


def test_notes(rows):
    task = Ranking()
    lacking = Examples(EXAMPLES.texts, [("q", 0.0), (7, 2.0), ("q", 0.0), (7, 0.0), ("q", 0.0)])
    (note,) = task.notes(rows(task, lacking), column(1, 2, 3, 4, 5))
    assert note == "1 of 2 queries have no relevant passage: they do not count."
    assert task.scores(rows(task, lacking), column(1, 2, 3, 0, 5))["mrr_at_10"] == 1.0
    (note,) = task.notes(rows(task), column(1, 1, 1, 1, 1))
    assert note == "All passages have the same score: nothing was learned."
    assert task.notes(rows(task), column(1, 2, 3, 4, 5)) == []
    assert task.confusions(rows(task), column(1, 2, 3, 4, 5)) == []


@pytest.mark.parametrize(("relevance", "what"), [(0.0, "none"), (1.0, "each")])
def test_nothing_to_tell_apart(relevance, what):
    examples = Examples(EXAMPLES.texts, [("q", relevance)] * 5, path="a.csv")
    with pytest.raises(DataError, match=rf"a\.csv: {what} of the 5 passages is relevant"):
        Ranking().check(examples)


def test_counts():
    assert Ranking().counts(EXAMPLES) == {"relevant": 2, "not relevant": 3}


def test_task_of_a_config():
    config = {"name": "x", "output_dir": "x", "backbone": {"preset": "minilm"}}
    config |= {"data": {"train": "a.csv"}, "task": {"name": "ranking", "loss": "listwise"}}
    task = build_task(build_config(config))
    assert (task.is_listwise, task.dropout) == (True, 0.1)
