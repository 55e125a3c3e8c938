"""`backbone.cache_frozen`: what frozen layers give is computed once, and changes no result."""

import json
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from rich.console import Console

import tfft
from tfft import evaluate, export, preparation
from tfft.backbones.halves import freeze_layers
from tfft.callbacks.checkpoints import Checkpoints
from tfft.config import load_config

ROOT = Path(__file__).parents[2]
WEIGHTS = "model.weights.h5"


def freeze_without_dropout(backbone, count):
    """What `cache_frozen` is compared with: the same layers frozen, and none of them drops."""
    freeze_layers(backbone, count)
    frozen = [layer for layer in backbone.layers if not layer.trainable]
    for layer in [*frozen, backbone.embeddings_dropout]:
        for part in [layer, *layer._flatten_layers()]:
            if isinstance(part, keras.layers.Dropout):
                part.rate = 0.0


def weights_of(run):
    found = {}
    with h5py.File(run / WEIGHTS) as file:
        file.visititems(
            lambda key, value: (
                found.__setitem__(key, value[()]) if hasattr(value, "shape") else None
            )
        )
    return found


def numbers_of(run):
    history = (run / "history.csv").read_text("utf-8").splitlines()
    names = history[0].split(",")
    rows = [dict(zip(names, line.split(","), strict=True)) for line in history[1:]]
    return {
        f"{name} of epoch {number}": float(value)
        for number, row in enumerate(rows)
        for name, value in row.items()
        if name != "seconds"
    }


def assert_same_training(one, other, *, but=()):
    """Up to the order of sums; `but` are weights on which the loss does not depend."""
    assert numbers_of(one) == pytest.approx(numbers_of(other), rel=1e-3, abs=1e-4)
    found, expected = weights_of(one), weights_of(other)
    assert found.keys() == expected.keys()
    for key in expected.keys() - set(but):
        np.testing.assert_allclose(found[key], expected[key], atol=2e-5, err_msg=key)
    names = [{path.name for path in run.iterdir()} - {"export"} for run in (one, other)]
    assert names[0] == names[1]


# Segments and none; the head alone, and layers below it; windows, long rows, rows learned together.
CASES = {
    "text_classification": ["backbone.freeze=1", "training.epochs=2", "callbacks={}"],
    "token_classification": ["backbone.freeze=1", "training.epochs=2", "callbacks={}"],
    "question_answering": ["backbone.freeze=2", "training.epochs=2"],
    "regression": [
        *("backbone.freeze=2", "training.epochs=2", "training.accumulate=2"),
        "backbone.family=distil_bert",
    ],
    "similarity": ["backbone.freeze=1", "training.epochs=1", "training.accumulate=2"],
}


@pytest.mark.parametrize("task", CASES)
def test_a_training_ends_as_one_whose_frozen_layers_do_not_drop(task, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    path = f"configs/smoke/{task}.yaml"
    runs = {}
    for cached, freeze in ((False, freeze_without_dropout), (True, freeze_layers)):
        monkeypatch.setattr(preparation, "freeze_layers", freeze)
        runs[cached] = tmp_path / str(cached)
        options = [f"output_dir={runs[cached]}", f"backbone.cache_frozen={cached}"]
        experiment = load_config(path, [*CASES[task], "optimizer.learning_rate=1e-3", *options])
        tfft.run_experiment(experiment, console=Console(quiet=True))
    # A number more for all pieces changes no answer: what Adam makes of this bias is rounding.
    but = ["layers/dense/vars/1"] if task == "question_answering" else []
    assert_same_training(runs[True], runs[False], but=but)


# -------------------------------------------------------------------------------- one tiny run

SECTIONS = {
    "task": {"dropout": 0.1, "class_weights": "balanced"},
    "backbone": {"num_layers": 2, "dropout": 0.1, "freeze": 1, "cache_frozen": True},
    "training": {"epochs": 3, "batch_size": 32},
    "callbacks": {
        "early_stopping": {"patience": 2},
        "dropout_schedule": {"hidden": {"start": 0.3, "end": 0.1}},
        "tensorboard": True,
    },
}


@pytest.fixture(scope="module")
def cached(tmp_path_factory, make_shared_place):
    place = make_shared_place(tmp_path_factory.mktemp("cached"))
    assert place.fit(**SECTIONS) == 0
    return place


def test_the_log_tells_what_is_kept(cached):
    log = (cached.run / "log.txt").read_text("utf-8")
    assert "backbone.cache_frozen: the embeddings and 1 layer, without dropout: " in log


def test_nothing_is_left_beside_the_run(cached):
    assert {path.name for path in cached.folder.iterdir()} == {"data", "run", "config.yaml"}
    assert not (cached.run / "cache").exists()


def test_the_whole_model_is_scored_and_exported(cached, capsys):
    assert export.main(["--run", str(cached.run)]) == 0
    assert "answers are within 1e-05 of the float32 model" in capsys.readouterr().out
    assert evaluate.main(["--run", str(cached.run), "--json"]) == 0
    scores = json.loads(capsys.readouterr().out)["test"]
    assert scores["loss"] == pytest.approx(cached.read_json("metrics.json")["test"]["loss"])


def test_the_last_epoch_was_scored_as_the_whole_model_is(cached):
    best = max(float(row["val_accuracy"]) for row in cached.read_history())
    assert cached.read_json("metrics.json")["validation"]["accuracy"] == pytest.approx(best)


def test_interrupted_and_resumed_it_ends_the_same(place, cached, monkeypatch):
    on_epoch_end = Checkpoints.on_epoch_end

    def interrupted(self, epoch, logs=None):
        if epoch == 1:
            raise KeyboardInterrupt
        on_epoch_end(self, epoch, logs)

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "on_epoch_end", interrupted)
        assert place.fit(**SECTIONS) == 130
    assert place.fit("--resume", **SECTIONS) == 0
    assert_same_training(place.run, cached.run)


def test_mixed_precision(place):
    training = {"epochs": 1, "batch_size": 60, "precision": "mixed_bfloat16"}
    assert place.fit(backbone=SECTIONS["backbone"], training=training) == 0
    row = place.read_history()[0]
    scores = place.read_json("metrics.json")["validation"]
    assert scores["loss"] == pytest.approx(float(row["val_loss"]), abs=0.02)


def test_check_tells_the_size_and_writes_nothing(place, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert place.fit("--check", **SECTIONS) == 0
    assert "without dropout: 2,0" in capsys.readouterr().out
    assert not place.run.exists()


# -------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"backbone": {"freeze": None}}, "Set freeze to how many of the lowest layers"),
        ({"backbone": {"freeze": 0}}, "Set freeze to how many of the lowest layers"),
        ({"backbone": {"freeze": 3}}, "backbone.freeze is 3, but the backbone has 1 layers"),
        ({"training": {"packing": True}}, "training.packing lays several into one"),
        ({"data": {"cache": "disk"}}, "Set data.cache: memory"),
        ({"data": {"cache": "none"}}, "Set data.cache: memory"),
    ],
)
def test_what_does_not_go_together_is_refused(place, capsys, sections, message):
    backbone = {"freeze": 1, "cache_frozen": True} | sections.pop("backbone", {})
    assert place.fit(backbone=backbone, **sections) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert not place.run.exists()


def test_without_room_nothing_is_begun(place, capsys, monkeypatch):
    monkeypatch.setattr("tfft.frozen.room_for", lambda path: 2**18)
    assert place.fit(backbone=SECTIONS["backbone"]) == 2
    error = capsys.readouterr().err
    assert "MB, and 0.2 MB are free" in error and "leave cache_frozen out" in error
    assert not place.run.exists()


def test_large_files_stay_in_memory(place, monkeypatch):
    monkeypatch.setattr("tfft.data.cache_choice.MOST_IN_MEMORY", 1)
    assert place.fit(backbone={"freeze": 1, "cache_frozen": True}) == 0
    log = (place.run / "log.txt").read_text("utf-8")
    assert "data.cache: memory, as always with backbone.cache_frozen" in log


# ---------------------------------------------------------------------------------------- JAX

BOTH = """
import sys
from tfft import fit
for path in sys.argv[1:]:
    assert fit.main(["--config", path]) == 0
"""


def test_jax_trains_the_same_with_and_without(place, run_python, jax_environment):
    """Without dropout, so that nothing but the way of computing differs."""
    pytest.importorskip("jax")
    backbone = {"num_layers": 2, "freeze": 1, "sequence_length": 12}
    training = {"epochs": 2, "batch_size": 60, "length_buckets": [12]}
    paths, runs = [], []
    for cached in (False, True):
        place.run = place.folder / f"run_{cached}"
        path = place.write_config(backbone={**backbone, "cache_frozen": cached}, training=training)
        paths.append(str(path.rename(place.folder / f"{cached}.yaml")))
        runs.append(place.run)
    done = run_python("-c", BOTH, *paths, **jax_environment)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    assert_same_training(runs[1], runs[0])
