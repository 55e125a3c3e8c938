"""What the sections of a config do to a training, through the command."""

import csv
import io
import json
import sys

import numpy as np
import pytest

import tfft
from tfft.preparation import prepare

SHORT = {"epochs": 1, "batch_size": 60}


def test_mixed_precision_is_scored_and_kept_in_float32(place, capsys, logits_of):
    import keras_hub

    from tfft import evaluate

    assert place.fit(training={**SHORT, "precision": "mixed_bfloat16"}) == 0
    assert "mixed_bfloat16" in (place.run / "log.txt").read_text("utf-8")
    capsys.readouterr()
    assert evaluate.main(["--run", str(place.run), "--json"]) == 0
    scores = json.loads(capsys.readouterr().out)["test"]
    expected = place.read_json("metrics.json")["test"]
    assert scores["loss"] == pytest.approx(expected["loss"], abs=1e-6)
    preset = str(place.run / "preset")
    classifier = keras_hub.models.TextClassifier.from_preset(preset)
    assert classifier.backbone.dtype_policy.name == "float32"
    trained = tfft.load_run(place.run)
    texts = ["we heard the cat", "tell me about the drum all week"]
    np.testing.assert_allclose(
        classifier.predict(texts, verbose=0), logits_of(trained, text=texts), atol=1e-5
    )


def test_mixed_precision_computes_in_it(place):
    config = place.write_config(training={**SHORT, "precision": "mixed_bfloat16"})
    prepared = prepare(tfft.load_config(config))
    model = prepared.task.build_model(prepared.encoder)
    assert prepared.encoder.backbone.compute_dtype == "bfloat16"
    assert {weight.dtype for weight in model.weights} == {"float32"}
    assert model.output.dtype == "float32"


def test_accumulation_updates_once_in_so_many_batches(place):
    training = {"epochs": 2, "batch_size": 20, "accumulate": 4}
    assert place.fit(training=training) == 0
    with np.load(place.run / "checkpoints" / "last" / "optimizer.npz") as saved:
        numbers = [saved[name] for name in saved.files if saved[name].shape == ()]
    # 240 rows are 12 batches and 3 updates an epoch; Keras counts the batches.
    assert 24 in [int(number) for number in numbers]
    # 6 updates: one warms up, five go down to 0, and three of the six are in the first epoch.
    rates = [float(row["learning_rate"]) for row in place.read_history()]
    assert rates == pytest.approx([2e-3 * 3 / 5, 0.0], abs=1e-8)


def test_several_steps_in_one_call_are_the_same_training(place):
    training = {"epochs": 2, "batch_size": 20}
    schedule = {"hidden": {"schedule": "linear", "start": 0.3, "end": 0.0, "by": "step"}}
    assert place.fit(training=training, callbacks={"dropout_schedule": schedule}) == 0
    one_by_one = place.read_history()
    place.run = place.folder / "together"
    together = {**training, "steps_per_execution": 5}  # of 12 batches: 4 at once
    assert place.fit(training=together, callbacks={"dropout_schedule": schedule}) == 0
    for row, expected in zip(place.read_history(), one_by_one, strict=True):
        assert row | {"seconds": ""} == expected | {"seconds": ""}


def test_rows_of_weight_0_teach_nothing(place):
    """Every text stands twice more with a wrong label, of weight 0."""
    wrong = {"animals": "music", "music": "weather", "weather": "animals"}
    rows = [{**row, "weight": 1} for row in place.rows("train")]
    misleading = [{**row, "label": wrong[row["label"]], "weight": 0} for row in rows] * 2
    place.set_rows("train", rows + misleading)
    for split in ("validation", "test"):
        place.set_rows(split, [{**row, "weight": 1} for row in place.rows(split)])
    sections = {
        "data": {"columns": {"sample_weight": "weight"}},
        "training": {"epochs": 3, "batch_size": 16},
    }
    assert place.fit(**sections) == 0
    assert place.read_json("metrics.json")["test"]["accuracy"] == 1.0


def test_class_weights_and_tensorboard(place):
    weights = {"animals": 1.0, "music": 0.0, "weather": 0.0}
    sections = {
        "task": {"class_weights": weights, "label_smoothing": 0.1},
        "training": {"epochs": 1, "batch_size": 24},
        "callbacks": {"tensorboard": True},
    }
    assert place.fit(**sections) == 0
    by_label = place.read_json("metrics.json")["test"]["by_label"]
    assert [by_label[name]["recall"] for name in weights] == [1.0, 0.0, 0.0]
    assert list((place.run / "tensorboard").rglob("events.out.*"))


def test_balanced_class_weights_follow_the_counts(place):
    place.set_rows("train", [*place.rows("train"), *[{"text": "a cat", "label": "animals"}] * 80])
    config = place.write_config(task={"class_weights": "balanced"})
    weights = prepare(tfft.load_config(config)).task.class_weights
    assert weights == pytest.approx([320 / 3 / 160, 320 / 3 / 80, 320 / 3 / 80])


@pytest.mark.parametrize(
    ("truncation", "kept"),
    [("end", "a b c d"), ("head", "e f g h"), ("both", "c d e f"), ("middle", "a b g h")],
)
def test_truncation_keeps_what_it_says(place, truncation, kept):
    place.set_rows("train", [{"text": "a b c d e f g h", "label": label} for label in "xy"])
    config = place.write_config(
        backbone={"sequence_length": 6, "truncation": truncation},
        data={"validation": None, "test": None},
    )
    prepared = prepare(tfft.load_config(config))
    ids = prepared.tokenized["train"].features["token_ids"][0].numpy()
    pieces = [prepared.encoder.tokenizer.id_to_token(number) for number in ids]
    assert pieces == ["[CLS]", *kept.split(), "[SEP]"]


def test_shares_without_files_of_their_own(place):
    data = {"validation": None, "test": None, "validation_fraction": 0.1, "test_fraction": 0.2}
    prepared = prepare(tfft.load_config(place.write_config(data=data)))
    assert {split: len(rows) for split, rows in prepared.splits.items()} == {
        "train": 168,
        "validation": 24,
        "test": 48,
    }
    texts = [text for rows in prepared.splits.values() for text in rows.texts["text"]]
    assert sorted(texts) == sorted(row["text"] for row in place.rows("train"))


def test_without_validation_and_test_nothing_is_scored(place):
    assert place.fit(training=SHORT, data={"validation": None, "test": None}) == 0
    assert place.read_json("metrics.json") == {}
    assert not (place.run / "checkpoints" / "best").exists()
    assert "nothing was scored" in (place.run / "log.txt").read_text("utf-8")


def test_a_tensorflow_dataset_trains(place, tmp_path):
    """The set is written by the own writer of `tensorflow_datasets`."""
    data_dir = write_tfds(tmp_path / "tfds", "tiny_words", place.rows("train"))
    splits = {split: {"path": "tiny_words", "split": split} for split in ("train", "test")}
    data = {"format": "tfds", "data_dir": str(data_dir), "validation": None, **splits}
    assert place.fit(training=SHORT, data=data) == 0
    assert place.read_json("labels.json") == ["animals", "music", "weather"]
    assert place.read_json("metrics.json")["test"]["by_label"]["music"]["support"] == 80


def write_tfds(data_dir, name, rows):
    import tensorflow_datasets as tfds

    labels = sorted({row["label"] for row in rows})
    features = {"text": tfds.features.Text(), "label": tfds.features.ClassLabel(names=labels)}
    version = data_dir / name / "1.0.0"
    version.mkdir(parents=True)
    identity = tfds.core.DatasetIdentity(
        name=name,
        version=tfds.core.Version("1.0.0"),
        data_dir=str(version),
        module_name="tests",
    )
    info = tfds.core.DatasetInfo(builder=identity, features=tfds.features.FeaturesDict(features))
    writer = tfds.core.SequentialWriter(info, max_examples_per_shard=100)
    writer.initialize_splits(["train", "test"])
    writer.add_examples({"train": rows, "test": rows})
    writer.close_all()
    return data_dir


def test_labels_with_brackets_are_printed_as_they_are(place, capsys):
    """`[/b]` would be a closing tag to what prints the tables."""
    names = {"animals": "[/b]", "music": "[red]", "weather": "ça va"}
    for split in ("train", "validation", "test"):
        rows = [{**row, "label": names[row["label"]]} for row in place.rows(split)]
        place.set_rows(split, rows)
    assert place.fit("--check") == 0
    printed = capsys.readouterr().out
    assert all(f"\n{name}  " in printed for name in names.values())


def test_what_a_terminal_cannot_show_ends_nothing(place, monkeypatch):
    for split in ("train", "validation", "test"):
        rows = [{**row, "label": f"ça {row['label']}"} for row in place.rows(split)]
        place.set_rows(split, rows)
    output = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(output, encoding="ascii"))
    assert place.fit("--check") == 0
    assert b"\\xe7a music" in output.getvalue()


def test_several_training_files_of_different_shapes(place):
    rows = place.rows("train")
    with open(place.data / "more.tsv", "w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter="\t").writerows([row["label"], row["text"]] for row in rows[:9])
    more = {"path": "more.tsv", "header": False, "columns": {"text": 1, "label": 0}}
    config = place.write_config(data={"train": ["train.csv", more]})
    assert len(prepare(tfft.load_config(config)).splits["train"]) == 249


def test_what_of_the_backbone_is_frozen_and_drops(place):
    from tfft.config import load_config
    from tfft.preparation import prepare

    options = {"dropout": 0.2, "attention_dropout": 0.0, "freeze": 1}
    config = place.write_config(backbone=options)
    backbone = prepare(load_config(config)).encoder.backbone
    assert not backbone.transformer_layers[0].trainable
    assert not backbone.token_embedding.trainable
    attention = backbone.transformer_layers[0]._self_attention_layer
    assert attention._dropout_layer.rate == 0.0
    assert backbone.transformer_layers[0]._feedforward_dropout.rate == 0.2


def test_packed_rows_train_as_rows_of_their_own(place, monkeypatch):
    """All rows are one batch here, so that the order says nothing."""
    training = {"epochs": 2, "batch_size": 240}
    assert place.fit(training=training) == 0
    alone = place.read_history()
    place.run = place.folder / "packed"
    monkeypatch.setattr("tfft.training.training_dataset", None)  # would not be called
    assert place.fit(training=training | {"packing": True}) == 0
    for one, other in zip(alone, place.read_history(), strict=True):
        for name in ("loss", "val_loss"):
            assert float(one[name]) == pytest.approx(float(other[name]), rel=1e-4)
