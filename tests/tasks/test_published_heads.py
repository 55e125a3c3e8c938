"""Fine-tuned heads of Hugging Face: used where they are the task's, and never silently replaced."""

import json
import shutil

import numpy as np
import pytest
import tensorflow as tf
from safetensors.numpy import load_file, save_file

import tfft
from tfft.backbones.checkpoints import load_encoder
from tfft.tasks import (
    QuestionAnswering,
    Ranking,
    Regression,
    TextClassification,
    TokenClassification,
)
from tfft.tasks.published_heads import begin_with_head

# In another order than the checkpoints have them.
LABELS = ["bad", "good", "mixed"]
TAGS = ["O", "B-person", "I-person", "B-place", "I-place"]
CLASSIFIERS = ["Albert", "Bert", "DebertaV2", "DistilBert", "Electra", "XLMRoberta"]
TASKS = {
    **{f"{name}ForSequenceClassification": TextClassification(LABELS) for name in CLASSIFIERS},
    "RobertaForSequenceClassification": TextClassification(LABELS),
    "BertForTokenClassification": TokenClassification(TAGS),
    "RobertaForQuestionAnswering": QuestionAnswering(),
}


@pytest.fixture(scope="module")
def place(fixtures):
    return fixtures / "huggingface"


@pytest.fixture
def copy(place, tmp_path):
    """A copy of a checkpoint whose config a test may change."""

    def make(kind, **config):
        shutil.copytree(place / kind, tmp_path / kind)
        path = tmp_path / kind / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | config))
        return tmp_path / kind

    return make


def begin(directory, task):
    encoder = load_encoder(str(directory))
    model = task.build_model(encoder)
    return encoder, model, begin_with_head(model, task, encoder)


def logits(encoder, model, texts):
    return model(encoder.pad(encoder.features([tf.constant([t]) for t in texts]))).numpy()[0]


@pytest.mark.parametrize("kind", TASKS)
def test_outputs_are_those_of_transformers(kind, place):
    expected = json.loads((place / kind / "expected.json").read_text("utf-8"))
    names = json.loads((place / kind / "config.json").read_text()).get("id2label", {})
    task = TASKS[kind]
    encoder, model, notes = begin(place / kind, task)
    assert notes == [f"The head of {kind} is used: {', '.join(task.labels) or 'no labels'}."]
    order = [list(names.values()).index(label) for label in task.labels] or [0, 1]
    for texts, outputs in zip(
        ([expected["texts"][0]], expected["pairs"][0]), expected["outputs"], strict=True
    ):
        right = np.array(outputs["logits"])[..., order]
        tolerance = 2e-3 if encoder.family_name in ("bert", "electra") else 1e-5
        found = logits(encoder, model, texts)
        np.testing.assert_allclose(found, right, atol=tolerance, rtol=0)


@pytest.mark.parametrize("task", [Regression(mean=50.0, deviation=8.0), Ranking()])
def test_number_in_the_units_of_the_data(copy, task):
    directory = copy("ElectraForSequenceClassification", id2label={"0": "LABEL_0"})
    weights = load_file(directory / "model.safetensors")
    names = ("classifier.out_proj.weight", "classifier.out_proj.bias")
    save_file(
        weights | {name: weights[name][:1] for name in names}, directory / "model.safetensors"
    )
    expected = json.loads((directory / "expected.json").read_text("utf-8"))
    encoder, model, notes = begin(directory, task)
    assert notes == ["The head of ElectraForSequenceClassification is used: no labels."]
    found = logits(encoder, model, [expected["texts"][0]])
    np.testing.assert_allclose(found, expected["outputs"][0]["logits"][:1], atol=2e-3)


@pytest.mark.parametrize(
    ("config", "task", "reason"),
    [
        (
            {},
            TextClassification(["good", "bad"]),
            "its labels are good, bad, mixed; the task's are",
        ),
        ({}, Regression(), "it is for text_classification, and the task is regression"),
        ({}, TokenClassification(TAGS), "it is for text_classification, and the task is token_cl"),
        (
            {"problem_type": "multi_label_classification"},
            TextClassification(LABELS),
            "its problem_type is multi_label_classification, and task.multi_label is False",
        ),
        ({"problem_type": "regression"}, TextClassification(LABELS), "it gives 3 numbers"),
        (
            {"id2label": {"0": "good", "1": "bad", "2": "mixed", "3": "none"}},
            TextClassification([*LABELS, "none"]),
            "its classifier.weight is for 3 outputs; expected 4",
        ),
        (
            {"pooler_hidden_act": "relu"},
            TextClassification(LABELS),
            "its pooler_hidden_act is relu",
        ),
    ],
)
def test_head_that_is_not_the_tasks(copy, config, task, reason):
    directory = copy("DebertaV2ForSequenceClassification", **config)
    _, model, (note,) = begin(directory, task)
    kind = "DebertaV2ForSequenceClassification"
    assert note.startswith(f"The head of {kind} is not used, a new one begins: {reason}")
    assert np.std(model.get_layer("logits").get_weights()[0]) < 0.1  # theirs: 0.2


@pytest.mark.parametrize("kind", TASKS)
def test_config_that_does_not_name_the_class(copy, kind):
    """The head is found by the names of its weights."""
    named = ["ModelOfMyOwn"] if kind.startswith("Bert") else None  # or as in files of old
    directory, task = copy(kind, architectures=named), TASKS[kind]
    _, model, notes = begin(directory, task)
    assert notes == [f"The head of {kind} is used: {', '.join(task.labels) or 'no labels'}."]
    assert np.std(model.get_layer("logits").get_weights()[0]) > 0.1


def test_labels_that_have_no_names(copy):
    directory = copy("BertForSequenceClassification", id2label=None, num_labels=3)
    task = TextClassification(["LABEL_2", "LABEL_1", "LABEL_0"])
    assert "is used: LABEL_2, LABEL_1, LABEL_0." in begin(directory, task)[2][0]


def test_head_that_is_not_in_the_files(copy):
    directory = copy("BertForSequenceClassification")
    weights = load_file(directory / "model.safetensors")
    del weights["classifier.bias"]
    save_file(weights, directory / "model.safetensors")
    (note,) = begin(directory, TextClassification(LABELS))[2]
    assert note.endswith("is not used, a new one begins: its files have no classifier.bias.")


def test_what_a_tokenizer_does_otherwise_is_said(copy):
    directory = copy("BertForSequenceClassification")
    path = directory / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"tokenize_chinese_chars": False}))
    (directory / "added_tokens.json").write_text('{"[MASK]": 4, "<user>": 87}')
    chinese, added, _ = begin(directory, TextClassification(LABELS))[2]
    assert "has tokenize_chinese_chars: false, which tfft does not do" in chinese
    assert added == "The 1 pieces that were added to the vocabulary are plain text here: <user>."


def test_pooler_that_is_missing(place):
    directory = place / "BertForTokenClassification"
    _, _, (pooler, head) = begin(directory, TextClassification(LABELS))
    assert pooler == f"{directory} has no pooler: it begins with random numbers."
    assert "is not used" in head


def test_nothing_is_said_of_a_plain_encoder(copy, build_tiny_encoder):
    directory = copy("BertForSequenceClassification", architectures=["BertModel"])
    weights = load_file(directory / "model.safetensors")
    encoder_alone = {name: weights[name] for name in weights if name.startswith("bert.")}
    save_file(encoder_alone, directory / "model.safetensors")
    assert begin(directory, TextClassification(LABELS))[2] == []
    task, encoder = TextClassification(LABELS), build_tiny_encoder()
    assert begin_with_head(task.build_model(encoder), task, encoder) == []


# --------------------------------------------------------------------------------- from a config


@pytest.fixture
def run(tmp_path, place):
    def make(labels, kind="XLMRobertaForSequenceClassification", **sections):
        rows = [f"The miller closed the gate.,{label}" for label in labels]
        (tmp_path / "rows.csv").write_text("\n".join(["text,label", *rows]) + "\n")
        data = {"train": str(tmp_path / "rows.csv"), "test": str(tmp_path / "rows.csv")}
        config = {
            "name": "x",
            "output_dir": str(tmp_path / "run"),
            "backbone": {"preset": str(place / kind), "sequence_length": 32},
            "data": data,
            "training": {"epochs": 0},
            **sections,
        }
        tfft.run_experiment(tfft.build_config(config))
        return tfft.load_run(tmp_path / "run")

    return make


def test_fine_tuned_model_is_scored_without_training(run, place):
    """Its labels are more than the data show: they are the model's, in its order."""
    trained = run(["bad", "good", "bad"])
    assert trained.task.labels == ["good", "bad", "mixed"]
    expected = json.loads(
        (place / "XLMRobertaForSequenceClassification" / "expected.json").read_text("utf-8")
    )
    right = np.exp(expected["outputs"][0]["logits"])
    (answer,) = trained.predict(["The miller closed the gate."])
    found = [answer["probabilities"][label] for label in trained.task.labels]
    np.testing.assert_allclose(found, right / right.sum(), atol=1e-5)
    log = (trained.directory.path / "log.txt").read_text("utf-8")
    assert "The head of XLMRobertaForSequenceClassification is used: good, bad, mixed." in log
    assert "training.epochs is 0: nothing is trained" in log
    assert trained.directory.metrics["test"]["accuracy"] in (1 / 3, 2 / 3, 0.0)


def test_labels_that_the_model_does_not_know(run):
    trained = run(["red", "blue"])
    log = (trained.directory.path / "log.txt").read_text("utf-8")
    assert trained.task.labels == ["blue", "red"]
    assert "is not used, a new one begins: its labels are good, bad, mixed; the task's" in log


def test_labels_that_are_given_stay(run):
    trained = run(["bad", "good"], task={"name": "text_classification", "labels": ["bad", "good"]})
    assert trained.task.labels == ["bad", "good"]
