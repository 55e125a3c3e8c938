"""Weights that PyTorch pickled: files that it wrote, see tests/tools/make_pickled_fixtures.py."""

import json
import shutil
import zipfile

import numpy as np
import pytest
from safetensors.numpy import load_file

import tfft
from tfft.backbones.pickled_weights import PickledWeights
from tfft.choosing.directories import describe_directory


@pytest.fixture
def files(fixtures):
    return fixtures / "pytorch"


@pytest.mark.parametrize("name", ["zip.bin", "older.bin"])
def test_the_numbers_are_those_that_PyTorch_wrote(files, name):
    weights = PickledWeights(files / name)
    expected = json.loads((files / "expected.json").read_text())
    assert list(weights.keys()) == list(expected)
    for key, numbers in expected.items():
        found = weights.get_tensor(key)
        assert found.astype("float32").tolist() == numbers, key
    assert weights.get_tensor("float16").dtype == np.float16
    # Four kinds that are not whole, of 6 numbers each; the scalar; those of tied tensors once.
    assert weights.num_parameters == 4 * 6 + 1 + 6


def test_a_function_that_a_pickle_names_is_not_called(files):
    with pytest.raises(ValueError, match=r"names \w+\.print, which is no part of weights"):
        PickledWeights(files / "names_a_function.bin")


@pytest.mark.parametrize("name", ["zip.bin", "older.bin"])
def test_a_file_that_is_cut_off(files, name, tmp_path):
    content = (files / name).read_bytes()
    for length in range(0, len(content) - 8, 97):
        path = tmp_path / "cut.bin"
        path.write_bytes(content[:length])
        with pytest.raises(ValueError, match=r"cannot be read as weights|is cut off"):
            read_all(path)


def read_all(path):
    weights = PickledWeights(path)
    return [weights.get_tensor(name) for name in weights.keys()]  # noqa: SIM118 (not a dict)


def test_a_tensor_that_reaches_out_of_its_storage(files, tmp_path):
    with zipfile.ZipFile(files / "zip.bin") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    pickled = next(name for name in members if name.endswith("data.pkl"))
    # The number of the first storage's floats: K is a byte, and what follows it.
    members[pickled] = members[pickled].replace(b"cpuq\x06K\x06", b"cpuq\x06K\x05", 1)
    with zipfile.ZipFile(tmp_path / "out.bin", "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    with pytest.raises(ValueError, match="reaches out of its storage"):
        PickledWeights(tmp_path / "out.bin")


@pytest.fixture
def pickled_copy(copy, files):
    """A checkpoint whose weights are pickled."""
    place = copy("ElectraForSequenceClassification")
    for file in place.glob("*.safetensors"):
        file.unlink()
    shutil.copy(files / "electra.bin", place / "pytorch_model.bin")
    return place


def vectors(source):
    encoder = tfft.load_encoder(str(source))
    pieces = {name: np.ones((1, 5), "int32") for name in ("token_ids", "padding_mask")}
    pieces["segment_ids"] = np.zeros((1, 5), "int32")
    return np.asarray(encoder.backbone(pieces)["sequence_output"])


def test_a_checkpoint_with_pickled_weights(place, pickled_copy):
    expected = vectors(place / "ElectraForSequenceClassification")
    assert np.array_equal(vectors(pickled_copy), expected)


def test_a_checkpoint_in_several_pickled_files(place, pickled_copy):
    index = {"weight_map": {"electra.embeddings.LayerNorm.weight": "part.bin"}}
    (pickled_copy / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    (pickled_copy / "pytorch_model.bin").rename(pickled_copy / "part.bin")
    expected = vectors(place / "ElectraForSequenceClassification")
    assert np.array_equal(vectors(pickled_copy), expected)


def test_what_can_be_chosen_says_how_large_it_is(place, pickled_copy):
    numbers = load_file(place / "ElectraForSequenceClassification/model.safetensors")
    stored = sum(each.size for each in numbers.values())
    assert describe_directory("mine", pickled_copy).parameters == stored
