"""What the task answers, for one label and for several."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tfft.config import build_config
from tfft.data.examples import Examples
from tfft.data.pipeline import TokenizedSet
from tfft.errors import ConfigError, DataError
from tfft.tasks import TextClassification, build_task

LOGITS = np.array([[2.0, 0.0, -1.0], [-3.0, 1.0, 1.5]], "float32")
LABELS = ["bad", "good", "mixed"]


def rows_of(targets: Any = None, weights: Any = None, labels: Any = None) -> TokenizedSet:
    """Rows as a task sees them; of their pieces it knows nothing."""
    number = len(LOGITS if targets is None else targets)
    weights = np.ones(number, "float32") if weights is None else np.array(weights, "float32")
    examples = None if labels is None else Examples({"text": ["a"] * len(labels)}, labels)
    return TokenizedSet({}, np.ones(number, int), targets, weights, examples=examples)


def softmax(logits):
    exponentials = np.exp(logits.astype("float64"))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def sigmoid(logits):
    return 1 / (1 + np.exp(-logits.astype("float64")))


def test_answers_of_one_label():
    first, second = TextClassification(LABELS).answers(rows_of(), LOGITS)
    assert list(first) == ["label", "score", "probabilities"]
    assert (first["label"], second["label"]) == ("bad", "mixed")
    assert list(first["probabilities"]) == LABELS
    np.testing.assert_allclose(list(second["probabilities"].values()), softmax(LOGITS)[1])
    assert first["score"] == first["probabilities"]["bad"]


def test_answers_of_several_labels():
    task = TextClassification(LABELS, multi_label=True, threshold=0.6)
    first, second = task.answers(rows_of(), LOGITS)
    assert (first["labels"], second["labels"]) == (["bad"], ["good", "mixed"])
    np.testing.assert_allclose(list(first["probabilities"].values()), sigmoid(LOGITS)[0])
    task = TextClassification(LABELS, multi_label=True, threshold=0.99)
    assert task.answers(rows_of(), LOGITS)[0]["labels"] == []


def test_several_labels_begin_with_their_shares(tiny_encoders):
    """Also a label that no row, or every row, has; weighted positives begin that much higher."""
    shares = [0.2, 0.0, 1.0]

    def mean_logits(**options):
        task = TextClassification(LABELS, multi_label=True, label_shares=shares, **options)
        encoder = tiny_encoders["bert"]
        model = task.build_model(encoder)
        features = encoder.pad(encoder.features([tf.constant(["the film was good"] * 2)]))
        model.get_layer("logits").kernel.assign(model.get_layer("logits").kernel * 0.0)
        return np.asarray(model(features))[0]

    logits = mean_logits()
    np.testing.assert_allclose(sigmoid(logits), [0.2, 0.0, 1.0], atol=1e-3)
    weighted = mean_logits(class_weights=[4.0, 1.0, 1.0])
    np.testing.assert_allclose(weighted - logits, [np.log(4.0), 0, 0], atol=1e-5)


def test_answers_of_no_rows():
    none = rows_of(np.zeros(0, "int32"))
    assert TextClassification(LABELS).answers(none, np.zeros((0, 3), "float32")) == []


@pytest.mark.parametrize("signature", ["serve", "serve_tokens"])
def test_saved_model_answers_as_the_task(signature):
    task = TextClassification(LABELS)
    answered = getattr(task, signature)(tf.constant(LOGITS))
    served = {name: value.numpy() for name, value in answered.items()}
    answers = task.answers(rows_of(), LOGITS)
    assert [label.decode() for label in served["label"]] == [a["label"] for a in answers]
    np.testing.assert_allclose(served["score"], [a["score"] for a in answers], rtol=1e-6)
    np.testing.assert_allclose(served["probabilities"], softmax(LOGITS), rtol=1e-5)


@pytest.mark.parametrize("signature", ["serve", "serve_tokens"])
def test_saved_model_answers_as_the_task_for_several_labels(signature):
    task = TextClassification(LABELS, multi_label=True, threshold=0.6)
    answered = getattr(task, signature)(tf.constant(LOGITS))
    served = {name: value.numpy() for name, value in answered.items()}
    assert served["predictions"].tolist() == [[1, 0, 0], [0, 1, 1]]
    np.testing.assert_allclose(served["probabilities"], sigmoid(LOGITS), rtol=1e-5)


def test_threshold_is_tuned_on_validation_alone():
    rows = rows_of(np.array([[1, 0, 0], [0, 0, 1]], "float32"))
    task = TextClassification(LABELS, multi_label=True)
    assert task.threshold == 0.5
    task.tune(rows, LOGITS)
    assert 0.73 < task.threshold <= 0.82
    assert [answer["labels"] for answer in task.answers(rows, LOGITS)] == [["bad"], ["mixed"]]
    given = TextClassification(LABELS, multi_label=True, threshold=0.3)
    given.tune(rows, LOGITS)
    assert given.threshold == 0.3


def test_number_that_early_stopping_follows():
    assert TextClassification(LABELS).monitor == "accuracy"
    assert TextClassification(LABELS, multi_label=True).monitor == "micro_f1"
    macro = TextClassification(LABELS, multi_label=True, threshold_metric="macro_f1")
    assert macro.monitor == "macro_f1"


@pytest.mark.parametrize("multi_label", [False, True])
def test_scores(multi_label):
    task = TextClassification(LABELS, multi_label=multi_label)
    targets = np.array([[1, 0, 0], [0, 0, 1]], "float32") if multi_label else np.array([0, 1])
    scores = task.scores(rows_of(targets), LOGITS)
    expected = np.mean(np.asarray(task.loss().call(targets, LOGITS)))
    assert scores["loss"] == pytest.approx(expected, rel=1e-5)
    assert set(scores["by_label"]) == set(LABELS)
    assert task.monitor in scores
    assert ("threshold" in scores) == multi_label


def test_loss_of_weighted_rows():
    task = TextClassification(LABELS)
    first, second = (
        task.scores(rows_of(np.array([label])), LOGITS[row : row + 1])["loss"]
        for row, label in enumerate([0, 1])
    )
    both = task.scores(rows_of(np.array([0, 1]), [3.0, 1.0]), LOGITS)["loss"]
    assert both == pytest.approx((3 * first + second) / 4, rel=1e-5)


def test_model_that_always_answers_the_same_is_noted():
    outputs = np.tile(LOGITS[:1], (30, 1))
    rows = rows_of(np.arange(30) % 3)
    (note,) = TextClassification(LABELS).notes(rows, outputs)
    assert "bad" in note
    assert TextClassification(LABELS).confusions(rows, outputs)[0][1:] == ("bad", 10)
    task = TextClassification(LABELS, multi_label=True)
    assert task.confusions(rows_of(outputs > 0), outputs) == []
    assert task.notes(rows_of(outputs > 0), outputs) == []


def test_targets():
    rows = rows_of(labels=["good", "bad"])
    assert TextClassification(LABELS).targets(rows).tolist() == [1, 0]
    TextClassification(LABELS).check(rows.examples)
    for refuse in (lambda task: task.targets(rows), lambda task: task.check(rows.examples)):
        with pytest.raises(DataError, match="'good' is not one of the task's 1 labels"):
            refuse(TextClassification(["bad"]))


def test_targets_of_several_labels():
    task = TextClassification(LABELS, multi_label=True)
    rows = rows_of(labels=[["mixed", "bad"], []])
    assert task.targets(rows).tolist() == [[1, 0, 1], [0, 0, 0]]
    assert task.counts(rows.examples) == {"bad": 1, "good": 0, "mixed": 1}
    with pytest.raises(DataError, match="'bda' is not one of the task's 3 labels"):
        task.check(Examples({"text": ["a"]}, [["bda"]]))


def test_inputs_of_a_pair(tiny_encoders):
    task = TextClassification(LABELS, pair=True)
    texts = {"text_pair": tf.constant(["was"]), "text": tf.constant(["the film"])}
    features = task.inputs(texts, tiny_encoders["bert"])
    assert features["token_ids"].to_list() == [[2, 5, 6, 3, 7, 3]]


TRAIN = Examples({"text": list("abcd")}, [["bad"], ["good", "bad"], [], ["good", "mixed", "bad"]])


def experiment_of(**task):
    return build_config(
        {
            "name": "x",
            "output_dir": "x",
            "backbone": {"preset": "minilm"},
            "task": task,
            "data": {"train": "a.csv", "columns": {"text_pair": "b"}},
        }
    )


def test_task_of_a_config():
    experiment = experiment_of(
        multi_label=True,
        label_smoothing=0.2,
        dropout=0.3,
        class_weights={"bad": 1, "good": 2, "mixed": 3},
    )
    task = build_task(experiment, LABELS, train=TRAIN, threshold=0.4)
    assert task.text_fields == ("text", "text_pair")
    assert (task.multi_label, task.threshold, task.dropout) == (True, 0.4, 0.3)
    loss = task.loss()
    assert (loss.label_smoothing, loss.class_weights) == (0.2, [1.0, 2.0, 3.0])
    assert task.label_shares == pytest.approx([0.75, 0.5, 0.25])


def test_task_of_a_finished_run_needs_no_data():
    task = build_task(experiment_of(multi_label=True, class_weights="balanced"), LABELS)
    assert (task.labels, task.loss().class_weights, task.label_shares) == (LABELS, None, None)


def test_labels_and_weights_are_those_of_the_training_data():
    task = build_task(experiment_of(multi_label=True, class_weights="balanced"), train=TRAIN)
    assert task.labels == LABELS
    assert task.loss().class_weights == pytest.approx([1 / 3, 1.0, 3.0])


def test_threshold_of_the_config_goes_first():
    experiment = experiment_of(multi_label=True, threshold=0.3)
    assert build_task(experiment, LABELS, threshold=0.4).threshold == 0.3


def test_weights_for_a_label_that_there_is_not():
    experiment = experiment_of(multi_label=True, class_weights={"mixd": 2})
    with pytest.raises(ConfigError, match="no label 'mixd'. Did you mean 'mixed'?"):
        build_task(experiment, LABELS, train=TRAIN)


def test_head_has_the_given_dropout(build_tiny_encoder):
    model = TextClassification(LABELS, dropout=0.7).build_model(build_tiny_encoder("roberta"))
    rates = {layer.name: layer.rate for layer in model.layers if hasattr(layer, "rate")}
    assert rates["output_dropout"] == rates["pooled_dropout"] == 0.7
