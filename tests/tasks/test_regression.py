"""Numbers for texts: units, loss, scores, notes."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfft.config import build_config
from tfft.data.examples import Examples
from tfft.errors import DataError
from tfft.inference import tokenize_examples
from tfft.tasks import Regression, build_task
from tfft.tasks.regression import StandardisedError

TEXTS = ["the film was good", "bad", "not good", "the film"]
NUMBERS = [10.0, 20.0, 20.0, 50.0]


def examples(numbers=NUMBERS, weights=None):
    weights = None if weights is None else np.array(weights, "float32")
    return Examples({"text": TEXTS[: len(numbers)]}, list(numbers), weights, path="a.csv")


@pytest.fixture(scope="module")
def encoder(tiny_encoders):
    return tiny_encoders["distil_bert"]


@pytest.fixture
def rows(encoder):
    """The examples as pieces, with weights if they are given."""
    return lambda *given: tokenize_examples(Regression(), encoder, examples(*given))


def column(*values):
    return np.array(values, "float32")[:, np.newaxis]


# ------------------------------------------------------------------------------------ the model


def build(task, train=None):
    experiment = build_config(
        {
            "name": "x",
            "output_dir": "x",
            "task": {"name": "regression", **task},
            "backbone": {"preset": "minilm"},
            "data": {"train": "a.csv", "columns": {"text_pair": "b"}},
        }
    )
    return build_task(experiment, train=train)


def test_units_are_those_of_the_training_numbers():
    task = build({"dropout": 0.3}, examples())
    assert (task.mean, task.deviation) == (25.0, 15.0)
    assert (task.dropout, list(task.text_fields)) == (0.3, ["text", "text_pair"])


def test_reloaded_task_has_none():
    task = build({})
    assert (task.mean, task.deviation) == (0.0, 1.0)


def test_nothing_to_learn_from_one_number():
    with pytest.raises(DataError, match=r"a\.csv: all 2 training rows have the number 3\."):
        build({}, examples([3.0, 3.0]))


def test_untrained_model_answers_the_mean(encoder):
    model = Regression(mean=25.0, deviation=15.0).build_model(encoder)
    head = model.get_layer("logits")
    features = encoder.pad(encoder.features([tf.constant(TEXTS)]))
    head.kernel.assign(head.kernel * 0.0)
    assert np.asarray(model(features)).tolist() == [[25.0]] * 4
    head.bias.assign([-2.0])
    assert np.asarray(model(features)).tolist() == [[-5.0]] * 4


def test_units_are_kept_with_the_weights_and_not_trained(encoder, tmp_path):
    model = Regression(mean=25.0, deviation=15.0).build_model(encoder)
    names = {weight.path for weight in model.non_trainable_weights}
    assert names >= {"original_units/mean", "original_units/deviation"}
    model.save_weights(tmp_path / "x.weights.h5")
    reloaded = Regression().build_model(encoder)
    reloaded.load_weights(tmp_path / "x.weights.h5")
    units = reloaded.get_layer("original_units")
    assert (float(units.mean), float(units.deviation)) == (25.0, 15.0)


def test_targets_are_a_column(rows):
    targets = rows().targets
    assert (targets.dtype, targets.tolist()) == (np.float32, [[10], [20], [20], [50]])


# ------------------------------------------------------------------------------------- the loss


def test_loss_is_the_squared_error_in_deviations():
    loss = Regression(mean=25.0, deviation=15.0).loss()
    losses = keras.ops.convert_to_numpy(loss.call(column(10, 55), column(25, 25)))
    np.testing.assert_allclose(losses, [1.0, 4.0])
    weights = np.array([3.0, 1.0], "float32")
    assert float(loss(column(10, 55), column(25, 25), sample_weight=weights)) == pytest.approx(
        7 / 4
    )
    nothing = np.zeros(2, "float32")
    assert float(loss(column(10, 55), column(25, 25), sample_weight=nothing)) == 0.0


def test_loss_made_anew():
    copy = StandardisedError.from_config(StandardisedError(15.0).get_config())
    assert float(copy(column(10), column(40))) == pytest.approx(4.0)


def test_gradient_does_not_depend_on_the_units():
    """So one learning rate fits numbers from 0 to 5 and from 0 to 5000."""

    def gradient(unit):
        target, raw = tf.constant([[3.0 * unit]]), tf.Variable(0.4)
        with tf.GradientTape() as tape:
            loss = StandardisedError(2.0 * unit)(target, 2.0 * unit * raw[tf.newaxis, tf.newaxis])
        return float(tape.gradient(loss, raw))

    assert gradient(1000.0) == pytest.approx(gradient(1.0), rel=1e-5)


# --------------------------------------------------------------------------------------- scores


def test_scores(rows):
    scores = Regression().scores(rows(), column(12, 20, 22, 40))
    errors, variance = (4 + 0 + 4 + 100) / 4, (225 + 25 + 25 + 625) / 4
    assert scores["mse"] == pytest.approx(errors)
    assert scores["loss"] == pytest.approx(errors / variance)
    assert scores["pearson"] == pytest.approx(np.corrcoef(NUMBERS, [12, 20, 22, 40])[0, 1])
    # Ranks 1 2.5 2.5 4 and 1 2 3 4.
    assert scores["spearman"] == pytest.approx(4.5 / np.sqrt(4.5 * 5))
    assert Regression.monitor in scores


def test_loss_of_the_mean_is_one(rows):
    assert Regression().scores(rows(), column(25, 25, 25, 25))["loss"] == pytest.approx(1.0)
    weighted = rows(NUMBERS, [2, 0, 0, 1])
    mean = (2 * 10 + 50) / 3
    assert Regression().scores(weighted, column(*[mean] * 4))["loss"] == pytest.approx(1.0)


def test_scores_of_rows_that_weigh_nothing(rows):
    scores = Regression().scores(rows(NUMBERS, [0, 0, 0, 0]), column(1, 2, 3, 4))
    assert scores == {"loss": 0.0, "pearson": 0.0, "spearman": 0.0, "mse": 0.0}


def test_scores_where_all_numbers_are_equal(rows):
    scores = Regression().scores(rows([7.0, 7.0]), column(7, 7))
    assert scores == {"loss": 0.0, "pearson": 0.0, "spearman": 0.0, "mse": 0.0}


def test_answers_and_what_is_served(rows):
    task, outputs = Regression(), column(1.5, -3)
    assert task.answers(rows([0.0, 1.0]), outputs) == [{"value": 1.5}, {"value": -3.0}]
    for served in (task.serve(tf.constant(outputs)), task.serve_tokens(tf.constant(outputs))):
        assert {name: value.numpy().tolist() for name, value in served.items()} == {
            "value": [1.5, -3.0]
        }


def test_note_where_all_answers_are_the_same(rows):
    task = Regression()
    (note,) = task.notes(rows(), column(25, 25.001, 25, 24.999))
    assert note == "All answers are 25: nothing was learned."
    assert task.notes(rows(), column(25, 26, 25, 24)) == []
    assert task.notes(rows([7.0]), column(7)) == []
    assert task.confusions(rows(), column(1, 2, 3, 4)) == []


# --------------------------------------------------------------------------------------- counts


def test_counts_are_in_steps_of_the_deviation():
    task = Regression(mean=25.0, deviation=10.0)
    found = task.counts(examples([10.0, 10.5, 25.0, 99.0]))
    assert found == {"up to 10": 1, "10 to 20": 1, "20 to 30": 1, "30 to 40": 0, "over 40": 1}
    # Of another split the same ranges: they stand in one table.
    assert list(task.counts(examples([-1.0, 1.0]))) == list(found)
    assert sum(task.counts(examples([])).values()) == 0


def test_ranges_that_only_many_digits_tell_apart():
    found = Regression(mean=100_000.0, deviation=1.0).counts(examples([99_999, 100_000, 100_009]))
    assert list(found.values()) == [0, 1, 1, 0, 1]
    assert list(found)[:2] == ["up to 99998.5", "99998.5 to 99999.5"]
