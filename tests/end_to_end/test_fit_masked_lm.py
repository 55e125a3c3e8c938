"""A masked language model through the commands: streamed, interrupted, scored, asked."""

import json

import h5py
import numpy as np
import pytest

from tfft import evaluate, predict
from tfft.callbacks.checkpoints import Checkpoints


def sections(cache):
    return {
        "replace": {"task": {"name": "masked_lm"}},
        "data": {"test": None, "cache": cache},
        "training": {"epochs": 2, "batch_size": 4},
        "callbacks": {"early_stopping": {"patience": 1}},
    }


def weights(place):
    found = {}

    def keep(name, value):
        if hasattr(value, "shape"):
            found[name] = value[()]

    with h5py.File(place.run / "model.weights.h5") as file:
        file.visititems(keep)
    return found


def interrupted_after(epoch):
    """A callback's method that ends like one that somebody interrupts in the epoch after this."""
    on_epoch_end = Checkpoints.on_epoch_end

    def end(self, number, logs=None):
        if number > epoch:
            raise KeyboardInterrupt
        on_epoch_end(self, number, logs)

    return end


@pytest.fixture(scope="module")
def trained(tmp_path_factory, make_shared_place):
    place = make_shared_place(tmp_path_factory.mktemp("masked"))
    assert place.fit(**sections("memory")) == 0
    return place


def test_a_resumed_run_covers_the_same_pieces_from_disk(trained, place, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "on_epoch_end", interrupted_after(0))
        assert place.fit(**sections("disk")) == 130
    assert (place.run / "cache" / "rows.bin").exists()
    assert place.fit("--resume", **sections("disk")) == 0
    first, second = weights(trained), weights(place)
    assert first.keys() == second.keys()
    for name, values in first.items():
        np.testing.assert_allclose(values, second[name], atol=1e-6, err_msg=name)
    assert trained.read_json("metrics.json") == place.read_json("metrics.json")


def test_measures(trained, capsys):
    (row, last) = trained.read_history()
    assert {"loss", "accuracy", "val_loss", "val_perplexity", "val_accuracy"} <= row.keys()
    scores = trained.read_json("metrics.json")["validation"]
    assert scores["perplexity"] == pytest.approx(np.exp(scores["loss"]))
    assert min(float(r["val_perplexity"]) for r in (row, last)) == pytest.approx(
        scores["perplexity"], rel=1e-4
    )
    assert evaluate.main(["--run", str(trained.run), "--json"]) == 0
    again = json.loads(capsys.readouterr().out)["validation"]
    assert again == pytest.approx(scores, rel=1e-5)


def test_asked(trained, capsys):
    assert predict.main(["--run", str(trained.run), "we heard the [MASK] again", "x"]) == 0
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert first["text"] == "we heard the [MASK] again" and len(first["masks"]) == 1
    assert [*first["masks"][0][0]] == ["piece", "score"]
    assert second == {"text": "x", "masks": []}
