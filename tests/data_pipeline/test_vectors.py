"""Vectors of rows come with the batches, each at its piece."""

from dataclasses import replace

import numpy as np
import pytest

from tfft.data.pipeline import evaluation_dataset, tokenize, training_dataset
from tfft.data.vectors import write_vectors
from tfft.errors import DataError

TEXTS = [" ".join("abcdefghijkl"[: 1 + (7 * row) % 12]) for row in range(37)]


@pytest.fixture(scope="module")
def encoder(tiny_encoders):
    return tiny_encoders["bert"]


@pytest.fixture(params=["float32", "bfloat16"])
def rows(request, encoder, tmp_path):
    """Rows whose vectors are twice their pieces' ids and the number of the row."""
    rows = tokenize(
        {"text": TEXTS},
        lambda texts: encoder.features([texts["text"]]),
        targets=np.arange(len(TEXTS), dtype="int32"),
    )

    def made():
        for row in np.random.default_rng(3).permutation(len(rows)):
            ids = rows.features["token_ids"][row].numpy()
            yield row, np.stack([2.0 * ids, np.full(len(ids), row)], axis=1)

    options = {"hidden_dim": 2, "dtype": request.param}
    vectors = write_vectors(tmp_path, made(), rows.lengths, **options)
    assert list(tmp_path.iterdir()) == []
    return replace(rows, vectors=vectors)


@pytest.mark.parametrize("declared", [(), (5, 16)])
def test_each_piece_has_its_vector(rows, encoder, declared):
    options = {"batch_size": 8, "declared_lengths": declared}
    dataset, steps = training_dataset(rows, encoder.pad, seed=4, accumulate=4, **options)
    checked = 0
    for features, targets, weights in dataset.take(steps).as_numpy_iterator():
        ids, mask = features["token_ids"], features["padding_mask"]
        vectors = features["vectors"].astype("float32")
        assert vectors.shape == (*ids.shape, 2)
        np.testing.assert_array_equal(vectors[..., 0], 2 * ids * mask)
        np.testing.assert_array_equal(vectors[..., 1], targets[:, None] * mask)
        checked += int((weights > 0).sum())
    assert checked == len(rows)


def test_a_pass_has_them_too(rows, encoder):
    dataset, order = evaluation_dataset(rows, encoder.pad, batch_size=8)
    first = next(dataset.as_numpy_iterator())["vectors"].astype("float32")
    np.testing.assert_array_equal(first[:, 0, 1], order[:8])


def test_single_vectors(rows, encoder, tmp_path):
    ones = np.ones_like(rows.lengths)
    made = ((row, np.full((1, 3), row)) for row in range(len(rows)))
    vectors = write_vectors(tmp_path, made, ones, hidden_dim=3, dtype="float32", is_single=True)
    dataset, order = evaluation_dataset(
        replace(rows, vectors=vectors), encoder.pad, batch_size=8, declared_lengths=(16,)
    )
    assert dataset.element_spec["vectors"].shape == (None, 1, 3)
    first = next(dataset.as_numpy_iterator())["vectors"]
    np.testing.assert_array_equal(first, np.repeat(np.maximum(order[:8], 0), 3).reshape(8, 1, 3))


def test_a_full_disk_is_told(tmp_path, monkeypatch):
    made = iter([(0, np.ones((2, 4)))])
    message = r"cannot be written to .*: the disk is full\. Free some"
    with open("/dev/full", "w+b", buffering=0) as full:
        monkeypatch.setattr("tempfile.TemporaryFile", lambda dir: full)
        with pytest.raises(DataError, match=message):
            write_vectors(tmp_path, made, np.array([2]), hidden_dim=4, dtype="float32")
