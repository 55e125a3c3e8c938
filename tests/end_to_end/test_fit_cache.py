"""`data.cache`: where the training rows are changes no result, and leaves nothing behind."""

import json

import numpy as np
import pytest

import tfft
from tfft import evaluate, export
from tfft.callbacks.checkpoints import Checkpoints
from tfft.data import disk_cache
from tfft.runs import RunDir

SECTIONS = {"training": {"epochs": 3, "batch_size": 16}, "task": {"dropout": 0.1}}


def fit(place, cache, *arguments, **data):
    return place.fit(*arguments, data={"cache": cache, **data}, **SECTIONS)


def results(place):
    rows = [{k: v for k, v in row.items() if k != "seconds"} for row in place.read_history()]
    return rows, place.read_json("metrics.json")


@pytest.fixture(scope="module")
def in_memory(tmp_path_factory, make_shared_place):
    place = make_shared_place(tmp_path_factory.mktemp("in_memory"))
    assert fit(place, "memory") == 0
    return place


@pytest.mark.parametrize("cache", ["disk", "none"])
def test_a_training_ends_as_one_in_memory(place, in_memory, cache):
    assert fit(place, cache) == 0
    assert results(place) == results(in_memory)
    assert {path.name for path in place.run.iterdir()} == {
        path.name for path in in_memory.run.iterdir()
    }
    log = (place.run / "log.txt").read_text("utf-8")
    assert f"data.cache: {cache}, as the config says" in log
    assert ("bytes a piece" in log) == (cache == "disk")
    assert tfft.load_config(place.run / "config.yaml").data.cache == cache


def test_what_was_chosen_is_told_and_kept(place, monkeypatch):
    monkeypatch.setattr("tfft.data.cache_choice.MOST_IN_MEMORY", 1)
    assert fit(place, None) == 0
    assert "data.cache: disk, for 0 MB" in (place.run / "log.txt").read_text("utf-8")
    assert tfft.load_config(place.run / "config.yaml").data.cache == "disk"


def test_how_many_rows_were_read_is_told_while_it_takes_long(place, monkeypatch):
    monkeypatch.setattr("tfft.console.SECONDS_BETWEEN_COUNTS", 0)
    assert fit(place, "none") == 0
    log = (place.run / "log.txt").read_text("utf-8")
    where = "data.cache: none, as the config says"
    assert log.startswith(f"{where}: reading the training files\n... 240 rows\n")
    assert log.count(where) == 2
    assert "... 240 rows" not in log[log.index("epoch 1") :]


def test_files_that_change_while_they_are_trained_on(place, monkeypatch, capsys):
    """Also when it is TensorFlow that reads them: a message, and exit code 2."""
    on_epoch_end = Checkpoints.on_epoch_end

    def removed(self, epoch, logs=None):
        (place.data / "train.csv").unlink(missing_ok=True)
        on_epoch_end(self, epoch, logs)

    monkeypatch.setattr(Checkpoints, "on_epoch_end", removed)
    # More epochs than tf.data reads ahead.
    assert place.fit(data={"cache": "none"}, training={"epochs": 30, "batch_size": 16}) == 2
    message = capsys.readouterr().err
    assert "There is no file" in message
    assert "Traceback" not in message


def interrupt_in_second_epoch(monkeypatch):
    on_epoch_end = Checkpoints.on_epoch_end

    def interrupted(self, epoch, logs=None):
        if epoch == 1:
            raise KeyboardInterrupt
        on_epoch_end(self, epoch, logs)

    monkeypatch.setattr(Checkpoints, "on_epoch_end", interrupted)


@pytest.mark.parametrize("cache_is_left", [True, False])
def test_a_resumed_training_goes_on_from_the_cache(place, in_memory, monkeypatch, cache_is_left):
    with monkeypatch.context() as patch:
        interrupt_in_second_epoch(patch)
        assert fit(place, "disk") == 130
    cache = place.run / "cache"
    assert sorted(path.name for path in cache.iterdir()) == ["cache.json", "rows.bin"]
    with monkeypatch.context() as patch:
        if cache_is_left:
            patch.setattr("tfft.streaming.write_cache", None)
        else:
            disk_cache.remove_cache(cache)
        assert fit(place, "disk", "--resume") == 0
    assert results(place) == results(in_memory)
    assert not cache.exists()


def test_a_full_disk_ends_with_2_and_leaves_nothing(place, monkeypatch, capsys):
    monkeypatch.setattr(disk_cache, "ROWS", "/dev/full")
    assert fit(place, "disk") == 2
    assert "the disk is full" in capsys.readouterr().err
    assert not place.run.exists()


def test_a_full_disk_when_resuming_leaves_the_run(place, in_memory, monkeypatch):
    with monkeypatch.context() as patch:
        interrupt_in_second_epoch(patch)
        assert fit(place, "disk") == 130
    disk_cache.remove_cache(place.run / "cache")
    before = place.files()
    with monkeypatch.context() as patch:
        patch.setattr(disk_cache, "ROWS", "/dev/full")
        assert fit(place, "disk", "--resume") == 2
    assert place.files() == before
    assert fit(place, "disk", "--resume") == 0
    assert results(place) == results(in_memory)


def test_a_bad_row_leaves_nothing(place, capsys):
    rows = place.rows("train")
    place.set_rows("train", [*rows, {"text": "", "label": "music"}])
    assert fit(place, "disk") == 2
    assert f"train.csv:{len(rows) + 2}: the text is empty" in capsys.readouterr().err
    assert not place.run.exists()


def test_a_monitor_that_does_not_exist_leaves_no_cache(place):
    stopping = {"early_stopping": {"monitor": "val_nothing"}}
    assert place.fit(data={"cache": "disk"}, callbacks=stopping) == 2
    assert not place.run.exists()


def test_check_prints_the_same_and_writes_nothing(place, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr("tfft.data.streamed_examples.ROWS_AT_ONCE", 50)
    tables = []
    for cache in ("memory", "disk", "none"):
        assert fit(place, cache, "--check") == 0
        tables.append(capsys.readouterr().out.partition("as the config says\n")[2])
    assert tables[0] == tables[1] == tables[2]
    assert "240 training rows in batches of 16: 15 steps an epoch" in tables[0]
    assert not place.run.exists()


def test_drawn_shares_are_those_of_evaluate_and_export(place, capsys):
    shares = {"validation": None, "test": None, "validation_fraction": 0.2, "test_fraction": 0.1}
    assert fit(place, "disk", **shares) == 0
    metrics = place.read_json("metrics.json")
    for split in ("validation", "test"):
        capsys.readouterr()
        assert evaluate.main(["--run", str(place.run), "--split", split, "--json"]) == 0
        scores = json.loads(capsys.readouterr().out)[split]
        np.testing.assert_allclose(scores["loss"], metrics[split]["loss"], rtol=1e-4)
    texts = export.load_columns(RunDir(place.run), None)["text"]
    assert 0 < len(texts) < 80


def test_without_validation_the_first_rows_check_the_export(place, monkeypatch):
    assert fit(place, "disk", validation=None, test=None) == 0
    monkeypatch.setattr("tfft.data.streamed_examples.ROWS_AT_ONCE", 50)
    monkeypatch.setattr(export, "MOST_TEXTS", 60)
    assert len(export.load_columns(RunDir(place.run), None)["text"]) == 100
