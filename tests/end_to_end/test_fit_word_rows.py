"""A run that trains only the rows of its words leaves what one that trains all of them does."""

import json

import h5py
import numpy as np
import pytest

import tfft
from tfft.backbones import word_rows
from tfft.callbacks.checkpoints import Checkpoints
from tfft.config import load_config
from tfft.errors import DataError
from tfft.preparation import prepare, used_pieces

UNUSED = ["zebra", "museum", *(f"word{number}" for number in range(150))]
SECTIONS = {
    "task": {"dropout": 0.1},
    "backbone": {"vocabulary": "vocabulary.txt", "dropout": 0.1},
    # So large a decay that what is not decayed is seen; and an epsilon over the rounding that is
    # the whole gradient of some biases.
    "optimizer": {"learning_rate": 1e-3, "weight_decay": 5.0, "epsilon": 1e-5},
    "training": {"epochs": 4, "batch_size": 32},
    # No epoch betters the first by half: training stops after the third, with the first's weights.
    "callbacks": {"early_stopping": {"patience": 2, "min_delta": 0.5}},
}


def prepared_place(place):
    words = sorted({word for row in place.rows("train") for word in row["text"].split()})
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words, *UNUSED]
    (place.data / "vocabulary.txt").write_text("\n".join(pieces) + "\n", "utf-8")
    return place


@pytest.fixture
def place(place):
    return prepared_place(place)


@pytest.fixture
def used(monkeypatch):
    """How many rows each training since has trained; none of those that train the whole table."""
    counts = []

    class Counting(word_rows.UsedRows):
        def __init__(self, embedding, ids):
            counts.append(len(ids))
            super().__init__(embedding, ids)

    monkeypatch.setattr(word_rows, "UsedRows", Counting)
    return counts


@pytest.fixture(scope="module")
def plain(tmp_path_factory, make_shared_place):
    place = prepared_place(make_shared_place(tmp_path_factory.mktemp("plain")))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(word_rows, "MOST_USED", 0.0)
        assert place.fit(**SECTIONS) == 0
    return place


def arrays_in(path):
    with h5py.File(path) as file:
        found = {}
        file.visititems(
            lambda name, value: found.update({name: value[()]}) if hasattr(value, "shape") else None
        )
    return found


def numbers(place):
    names = ("loss", "val_loss", "val_accuracy", "learning_rate")
    return [[float(row[name]) for name in names] for row in place.read_history()]


def assert_same_run(one, other):
    np.testing.assert_allclose(numbers(one), numbers(other), rtol=1e-4)
    for name in ("checkpoints/last/", "checkpoints/best/", "", "preset/"):
        path = f"{name}model.weights.h5"
        first, second = arrays_in(one.run / path), arrays_in(other.run / path)
        assert first.keys() == second.keys()
        for key, value in first.items():
            np.testing.assert_allclose(value, second[key], atol=1e-4, err_msg=f"{path} {key}")
    for split in ("validation", "test"):
        scores = one.read_json("metrics.json")[split]
        assert scores["loss"] == pytest.approx(other.read_json("metrics.json")[split]["loss"], 1e-4)


def test_all_files_are_those_of_plain_training(place, plain, used, logits_of):
    assert place.fit(**SECTIONS) == 0
    assert used == [len(used_words(place))]
    assert_same_run(place, plain)
    texts = ["a zebra in the museum", "we heard the cat"]
    found, expected = (logits_of(tfft.load_run(p.run), text=texts) for p in (place, plain))
    np.testing.assert_allclose(found, expected, atol=1e-4)


def used_words(place):
    words = {word for row in place.rows("train") for word in row["text"].split()}
    return words | {"[PAD]", "[CLS]", "[SEP]"}


def test_interrupted_and_resumed_with_a_cache_on_disk(place, plain, used, monkeypatch):
    on_epoch_end = Checkpoints.on_epoch_end

    def interrupted(self, epoch, logs=None):
        if epoch == 2:
            raise KeyboardInterrupt
        on_epoch_end(self, epoch, logs)

    sections = SECTIONS | {"data": {"cache": "disk"}}
    with monkeypatch.context() as patched:
        patched.setattr(Checkpoints, "on_epoch_end", interrupted)
        assert place.fit(**sections) == 130
    assert place.fit("--resume", **sections) == 0
    assert used == [len(used_words(place))] * 2
    assert_same_run(place, plain)


def test_packed_rows_in_mixed_precision(place, used, monkeypatch):
    """All rows are one batch here, so that the order says nothing."""
    training = {"epochs": 3, "batch_size": 240, "packing": True, "precision": "mixed_bfloat16"}
    sections = SECTIONS | {"training": training, "callbacks": {}}
    assert place.fit(**sections) == 0
    alone = numbers(place)
    place.run = place.folder / "whole"
    monkeypatch.setattr(word_rows, "MOST_USED", 0.0)
    assert place.fit(**sections) == 0
    assert len(used) == 1
    np.testing.assert_allclose(numbers(place), alone, rtol=1e-3)


def test_what_is_used_is_what_training_and_validation_look_up(place):
    place.set_rows("validation", [{"text": "zebra", "label": "animals"}])
    place.set_rows("test", [{"text": "museum", "label": "animals"}])
    prepared = prepare(load_config(place.write_config(**SECTIONS)))
    pieces = {prepared.encoder.tokenizer.id_to_token(id) for id in used_pieces(prepared)}
    assert pieces == used_words(place) | {"zebra"}


def test_a_cache_of_before_does_not_say_what_is_used(place):
    """Then the whole table is trained."""
    sections = SECTIONS | {"data": {"cache": "disk"}}
    experiment = load_config(place.write_config(**sections))
    assert used_pieces(prepare(experiment, place.folder / "cache")) is not None
    about = json.loads((place.folder / "cache" / "cache.json").read_text("utf-8"))
    del about["tally"]["used_pieces"]
    (place.folder / "cache" / "cache.json").write_text(json.dumps(about), "utf-8")
    assert used_pieces(prepare(experiment, place.folder / "cache")) is None


def test_words_that_come_into_a_file_while_it_is_trained_on(place):
    sections = SECTIONS | {"data": {"cache": "none"}}
    rows = prepare(load_config(place.write_config(**sections))).train
    assert len(list(rows.buffers(np.random.default_rng(0)))) == 1
    place.set_rows("train", [*place.rows("train"), {"text": "zebra", "label": "animals"}])
    with pytest.raises(DataError, match="changed while they were trained on"):
        list(rows.buffers(np.random.default_rng(0)))
