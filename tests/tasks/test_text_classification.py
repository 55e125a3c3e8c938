"""What the task answers, for one label and for several."""

import numpy as np
import pytest
import tensorflow as tf

from tfft.config import build_config
from tfft.data.examples import Examples
from tfft.errors import DataError
from tfft.tasks import TextClassification, build_task

LOGITS = np.array([[2.0, 0.0, -1.0], [-3.0, 1.0, 1.5]], "float32")
LABELS = ["bad", "good", "mixed"]


def softmax(logits):
    exponentials = np.exp(logits.astype("float64"))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def sigmoid(logits):
    return 1 / (1 + np.exp(-logits.astype("float64")))


def test_answers_of_one_label():
    first, second = TextClassification(LABELS).answers(LOGITS)
    assert list(first) == ["label", "score", "probabilities"]
    assert (first["label"], second["label"]) == ("bad", "mixed")
    assert list(first["probabilities"]) == LABELS
    np.testing.assert_allclose(list(second["probabilities"].values()), softmax(LOGITS)[1])
    assert first["score"] == first["probabilities"]["bad"]


def test_answers_of_several_labels():
    task = TextClassification(LABELS, multi_label=True, threshold=0.6)
    first, second = task.answers(LOGITS)
    assert (first["labels"], second["labels"]) == (["bad"], ["good", "mixed"])
    np.testing.assert_allclose(list(first["probabilities"].values()), sigmoid(LOGITS)[0])
    task = TextClassification(LABELS, multi_label=True, threshold=0.99)
    assert task.answers(LOGITS)[0]["labels"] == []


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
    assert TextClassification(LABELS).answers(np.zeros((0, 3), "float32")) == []


def test_saved_model_answers_as_the_task():
    task = TextClassification(LABELS)
    served = {name: value.numpy() for name, value in task.serve(tf.constant(LOGITS)).items()}
    answers = task.answers(LOGITS)
    assert [label.decode() for label in served["label"]] == [a["label"] for a in answers]
    np.testing.assert_allclose(served["score"], [a["score"] for a in answers], rtol=1e-6)
    np.testing.assert_allclose(served["probabilities"], softmax(LOGITS), rtol=1e-5)


def test_saved_model_answers_as_the_task_for_several_labels():
    task = TextClassification(LABELS, multi_label=True, threshold=0.6)
    served = {name: value.numpy() for name, value in task.serve(tf.constant(LOGITS)).items()}
    assert served["predictions"].tolist() == [[1, 0, 0], [0, 1, 1]]
    np.testing.assert_allclose(served["probabilities"], sigmoid(LOGITS), rtol=1e-5)


def test_threshold_is_tuned_on_validation_alone():
    targets = np.array([[1, 0, 0], [0, 0, 1]], "float32")
    task = TextClassification(LABELS, multi_label=True)
    assert task.threshold == 0.5
    task.tune(targets, LOGITS)
    assert 0.73 < task.threshold <= 0.82
    assert [answer["labels"] for answer in task.answers(LOGITS)] == [["bad"], ["mixed"]]
    given = TextClassification(LABELS, multi_label=True, threshold=0.3)
    given.tune(targets, LOGITS)
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
    scores = task.scores(targets, LOGITS)
    expected = np.mean(np.asarray(task.loss().call(targets, LOGITS)))
    assert scores["loss"] == pytest.approx(expected, rel=1e-5)
    assert set(scores["by_label"]) == set(LABELS)
    assert task.monitor in scores
    assert ("threshold" in scores) == multi_label


def test_loss_of_weighted_rows():
    task = TextClassification(LABELS)
    first, second = (
        task.scores(np.array([label]), LOGITS[row : row + 1])["loss"]
        for row, label in enumerate([0, 1])
    )
    both = task.scores(np.array([0, 1]), LOGITS, np.array([3.0, 1.0]))["loss"]
    assert both == pytest.approx((3 * first + second) / 4, rel=1e-5)


def test_model_that_always_answers_the_same_is_noted():
    outputs = np.tile(LOGITS[:1], (30, 1))
    (note,) = TextClassification(LABELS).notes(np.arange(30) % 3, outputs)
    assert "bad" in note
    assert TextClassification(LABELS).confusions(np.arange(30) % 3, outputs)[0][1:] == ("bad", 10)
    assert TextClassification(LABELS, multi_label=True).confusions(outputs > 0, outputs) == []


def test_targets():
    examples = Examples({"text": ["a", "b"]}, ["good", "bad"])
    assert TextClassification(LABELS).targets(examples).tolist() == [1, 0]
    with pytest.raises(DataError, match="'good' is not one of the task's 1 labels"):
        TextClassification(["bad"]).targets(examples)


def test_inputs_of_a_pair(tiny_encoders):
    task = TextClassification(LABELS, pair=True)
    texts = {"text_pair": tf.constant(["was"]), "text": tf.constant(["the film"])}
    features = task.inputs(texts, tiny_encoders["bert"])
    assert features["token_ids"].to_list() == [[2, 5, 6, 3, 7, 3]]


def test_task_of_a_config():
    experiment = build_config(
        {
            "name": "x",
            "output_dir": "x",
            "backbone": {"preset": "minilm"},
            "task": {"multi_label": True, "label_smoothing": 0.2, "dropout": 0.3},
            "data": {"train": "a.csv", "columns": {"text_pair": "b"}},
        }
    )
    task = build_task(experiment, LABELS, class_weights=[1, 2, 3], threshold=0.4)
    assert task.text_fields == ("text", "text_pair")
    assert (task.multi_label, task.threshold, task.dropout) == (True, 0.4, 0.3)
    loss = task.loss()
    assert (loss.label_smoothing, loss.class_weights) == (0.2, [1.0, 2.0, 3.0])


def test_head_has_the_given_dropout(build_tiny_encoder):
    model = TextClassification(LABELS, dropout=0.7).build_model(build_tiny_encoder("roberta"))
    rates = {layer.name: layer.rate for layer in model.layers if hasattr(layer, "rate")}
    assert rates["output_dropout"] == rates["pooled_dropout"] == 0.7
