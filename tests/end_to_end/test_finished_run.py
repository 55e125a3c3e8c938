"""What a finished run leaves, and that it has learned and answers the same when reloaded."""

import json

import numpy as np
import pytest

import tfft

KINDS = ["single_run", "pair_run", "multi_run"]


@pytest.fixture(params=KINDS)
def finished(request):
    return request.getfixturevalue(request.param)


def texts_of(place, name="train"):
    """The texts of a split as `predict` takes them."""
    rows = place.rows(name)[:60]
    pairs = "text_pair" in rows[0]
    return [(row["text"], row["text_pair"]) if pairs else row["text"] for row in rows]


def given_labels(answer):
    return answer["labels"] if "labels" in answer else answer["label"]


# ------------------------------------------------------------------------------------- files


def test_leaves_exactly_the_named_files(finished):
    assert {path.name for path in finished.run.iterdir()} == {
        "config.yaml",
        "labels.json",
        "environment.json",
        "history.csv",
        "metrics.json",
        "model.weights.h5",
        "checkpoints",
        "preset",
        "log.txt",
    }
    checkpoints = finished.run / "checkpoints"
    assert {path.name for path in checkpoints.iterdir()} == {"last", "best"}
    assert {p.name for p in (checkpoints / "best").iterdir()} == {"model.weights.h5", "state.json"}
    assert {path.name for path in (checkpoints / "last").iterdir()} == {
        "model.weights.h5",
        "optimizer.npz",
        "state.json",
    }


def test_config_is_the_resolved_whole(single_run):
    resolved = tfft.load_config(single_run.run / "config.yaml")
    assert resolved == tfft.load_config(single_run.folder / "config.yaml")
    written = (single_run.run / "config.yaml").read_text("utf-8")
    assert "warmup_fraction: 0.1" in written


def test_labels_are_sorted_names(single_run):
    assert single_run.read_json("labels.json") == ["animals", "music", "weather"]


def test_environment_tells_versions_and_command(single_run):
    environment = single_run.read_json("environment.json")
    assert environment["packages"].keys() >= {"tensorflow", "keras", "keras-hub", "numpy"}
    assert environment["keras_backend"] == "tensorflow"
    assert environment["command"]


def test_history_has_a_row_an_epoch(single_run):
    rows = single_run.read_history()
    assert [row["epoch"] for row in rows] == [str(epoch) for epoch in range(1, 6)]
    wanted = {"seconds", "learning_rate", "loss", "accuracy", "val_loss", "val_accuracy"}
    assert wanted <= rows[0].keys()
    assert float(rows[-1]["loss"]) < float(rows[0]["loss"]) / 2


def test_log_holds_what_was_printed(single_run):
    log = (single_run.run / "log.txt").read_text("utf-8")
    assert "epoch 1/5  loss" in log
    assert "epoch 5/5  loss" in log
    assert "macro average" in log
    assert "\x1b" not in log


def test_metrics_have_the_named_keys(single_run):
    metrics = single_run.read_json("metrics.json")
    assert metrics.keys() == {"validation", "test"}
    for scores in metrics.values():
        assert scores.keys() == {
            "loss",
            "accuracy",
            "macro_f1",
            "micro_f1",
            "macro_precision",
            "macro_recall",
            "matthews",
            "by_label",
        }
        assert scores["by_label"].keys() == {"animals", "music", "weather"}
        assert scores["by_label"]["music"].keys() >= {"precision", "recall", "f1", "support"}


def test_metrics_of_several_labels_have_thresholds(multi_run):
    for scores in multi_run.read_json("metrics.json").values():
        wanted = {"loss", "accuracy", "threshold", "macro_f1_at_0.5", "micro_f1_at_0.5"}
        assert wanted | {"macro_f1", "micro_f1", "by_label"} <= scores.keys()
        assert 0 < scores["threshold"] < 1


# ---------------------------------------------------------------------------------- learning


def test_every_row_is_learned(finished):
    rows = finished.rows("train")[:60]
    answers = tfft.load_run(finished.run).predict(texts_of(finished))
    for row, answer in zip(rows, answers, strict=True):
        if "labels" in answer:
            assert answer["labels"] == [label for label in row["label"].split("|") if label]
        else:
            assert answer["label"] == row["label"]
            assert answer["score"] == max(answer["probabilities"].values())
            assert sum(answer["probabilities"].values()) == pytest.approx(1)
    for scores in finished.read_json("metrics.json").values():
        assert scores["accuracy"] == scores["macro_f1"] == 1.0


def test_a_reloaded_run_answers_the_same(finished):
    texts = texts_of(finished)
    one, two = (tfft.load_run(finished.run).predict(texts) for _ in range(2))
    assert one == two


def test_a_batch_answers_as_single_texts_do(finished):
    trained = tfft.load_run(finished.run)
    texts = texts_of(finished)[:10]
    together, alone = trained.predict(texts), [trained.predict([text])[0] for text in texts]
    for one, two in zip(together, alone, strict=True):
        assert given_labels(one) == given_labels(two)
        assert one["probabilities"] == pytest.approx(two["probabilities"], abs=1e-5)


def test_answers_do_not_depend_on_the_order_of_the_texts(finished):
    trained = tfft.load_run(finished.run)
    texts = texts_of(finished)
    forth, back = trained.predict(texts), trained.predict(texts[::-1])[::-1]
    assert [given_labels(a) for a in forth] == [given_labels(a) for a in back]


def test_nothing_asked_nothing_answered(single_run):
    assert tfft.load_run(single_run.run).predict([]) == []


@pytest.mark.parametrize("text", [7, None, ("one", "two"), {"txt": "one"}])
def test_what_is_no_text_is_refused(single_run, text):
    with pytest.raises(tfft.DataError, match="Text 2 is .*expected text"):
        tfft.load_run(single_run.run).predict(["fine", text])


def test_pairs_may_be_given_by_name(pair_run):
    trained = tfft.load_run(pair_run.run)
    row = pair_run.rows("train")[0]
    named = trained.predict([{"text_pair": row["text_pair"], "text": row["text"]}])
    assert named == trained.predict([(row["text"], row["text_pair"])])
    with pytest.raises(tfft.DataError, match="a pair of strings"):
        trained.predict(["only one"])


# ------------------------------------------------------------------------------------ preset


def test_preset_is_a_keras_hub_backbone(finished):
    import keras_hub

    trained = tfft.load_run(finished.run)
    backbone = keras_hub.models.Backbone.from_preset(str(finished.run / "preset"))
    assert type(backbone) is type(trained.encoder.backbone)
    assert backbone.dtype_policy.name == "float32"
    loaded, expected = backbone.get_weights(), trained.encoder.backbone.get_weights()
    for one, two in zip(loaded, expected, strict=True):
        np.testing.assert_array_equal(one, two)


def test_preset_has_the_tokenizer(finished):
    import keras_hub

    preset = str(finished.run / "preset")
    tokenizer = keras_hub.models.Tokenizer.from_preset(preset)
    trained = tfft.load_run(finished.run)
    assert tokenizer.vocabulary_size() == trained.encoder.tokenizer.vocabulary_size()


def test_preset_is_a_keras_hub_classifier_with_the_same_logits(single_run, logits_of):
    import keras_hub

    classifier = keras_hub.models.TextClassifier.from_preset(str(single_run.run / "preset"))
    trained = tfft.load_run(single_run.run)
    texts = texts_of(single_run)[:8]
    features = classifier.preprocessor(texts)
    np.testing.assert_allclose(
        classifier.predict(texts, verbose=0), logits_of(trained, text=texts), atol=1e-5
    )
    np.testing.assert_allclose(classifier(features), trained.model(features), atol=1e-5)


# ---------------------------------------------------------------------------------- evaluate


def run_evaluate(place, capsys, *arguments):
    from tfft import evaluate

    capsys.readouterr()
    assert evaluate.main(["--run", str(place.run), *arguments]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("split", ["validation", "test"])
def test_evaluate_repeats_the_scores_of_the_run(finished, capsys, split):
    scores = json.loads(run_evaluate(finished, capsys, "--split", split, "--json"))
    expected = finished.read_json("metrics.json")[split]
    assert scores.keys() == {split}
    by_label, expected_by_label = scores[split].pop("by_label"), expected.pop("by_label")
    assert scores[split] == pytest.approx(expected, abs=1e-6)
    assert by_label == expected_by_label


def test_evaluate_takes_the_test_split_by_default(single_run, capsys):
    assert json.loads(run_evaluate(single_run, capsys, "--json")).keys() == {"test"}


def test_evaluate_scores_a_file(single_run, capsys, tmp_path):
    rows = [{"text": "we heard the cat again", "label": label} for label in ("animals", "music")]
    path = tmp_path / "new.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    scores = json.loads(run_evaluate(single_run, capsys, "--data", str(path), "--json"))
    assert scores[str(path)]["accuracy"] == 0.5


def test_evaluate_reads_a_file_as_told(single_run, capsys, tmp_path):
    path = tmp_path / "new.tsv"
    path.write_text('animals\tthe "cat" again\nmusic\tthe violin again\n', "utf-8")
    settings = ["header=false", "quoting=false", "columns.text=1", "columns.label=0"]
    arguments = [part for setting in settings for part in ("--set", setting)]
    scores = json.loads(run_evaluate(single_run, capsys, "--data", str(path), "--json", *arguments))
    assert scores[str(path)]["by_label"]["animals"]["support"] == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--split", "test", "--data", "x.csv"], "either --data or --split"),
        (["--data", "nowhere.csv"], "There is no file nowhere.csv"),
        (["--data", "{data}/test.csv", "--set", "columns.label=lable"], "Did you mean 'label'?"),
        (["--data", "{data}/test.csv", "--set", "colums.label=x"], "Did you mean 'columns'?"),
    ],
)
def test_evaluate_says_what_is_wrong(single_run, capsys, arguments, message):
    from tfft import evaluate

    arguments = [argument.format(data=single_run.data) for argument in arguments]
    assert evaluate.main(["--run", str(single_run.run), *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error


def test_evaluate_prints_a_report(finished, capsys):
    report = run_evaluate(finished, capsys, "--split", "test")
    assert "accuracy" in report
    for label in finished.read_json("labels.json"):
        assert label in report
