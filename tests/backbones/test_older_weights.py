"""Weights of runs from the time when the encoder was no layer of its own are still read."""

import h5py
import numpy as np
import pytest

from tfft.callbacks.checkpoints import load_weights, save_weights
from tfft.tasks import TextClassification, TokenClassification

# What moved: the backbone stood beside the head, and had the pooler for itself.
BACKBONE = ("layers/transformer/backbone", "layers/bert_backbone")
HEAD = ("layers/dense_1", "layers/dense")


@pytest.mark.parametrize(
    ("build", "moved"),
    [
        (lambda: TextClassification(["x", "y"]), [BACKBONE, HEAD]),
        (lambda: TokenClassification(["O", "B-x", "I-x"]), [BACKBONE]),
    ],
)
def test_older_weights_are_read(build_tiny_encoder, tmp_path, build, moved):
    first, second = (build().build_model(build_tiny_encoder()) for _ in range(2))
    path = tmp_path / "model.weights.h5"
    save_weights(path, first)
    with h5py.File(path, "r+") as file:
        for now, then in moved:
            if then in file:
                del file[then]
            file.move(now, then)
        del file["layers/transformer"]
    before = path.read_bytes()
    load_weights(path, second)
    for one, two in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
    assert path.read_bytes() == before
