"""Tiny checkpoints of transformers: the same ids, and the same vectors, in every family.

They are made by tests/tools/make_huggingface_fixtures.py.
"""

import json
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf
from safetensors.numpy import load_file, save_file

from tfft.backbones.checkpoints import load_encoder
from tfft.errors import ConfigError
from tfft.presets import save_preset
from tfft.tasks import TextClassification

KINDS = {
    "AlbertForSequenceClassification": "albert",
    "BertForSequenceClassification": "bert",
    "BertForTokenClassification": "bert",
    "DebertaV2ForSequenceClassification": "deberta_v3",
    "DistilBertForSequenceClassification": "distil_bert",
    "ElectraForSequenceClassification": "electra",
    "RobertaForQuestionAnswering": "roberta",
    "RobertaForSequenceClassification": "roberta",
    "XLMRobertaForSequenceClassification": "xlm_roberta",
}
# KerasHub's GELU is the tanh form there.
TANH = ("bert", "electra")
# Where transformers 5 leaves out the rules of DeBERTa's model: the ellipsis and the wide blank.
WITH_RULES = "…\u3000"
VOCABULARIES = {
    "AlbertForSequenceClassification": ["spiece.model"],
    "DebertaV2ForSequenceClassification": ["spm.model"],
    "RobertaForQuestionAnswering": ["vocab.json", "merges.txt"],
    "XLMRobertaForSequenceClassification": ["sentencepiece.bpe.model"],
}


def ids_of(encoder, *columns):
    features = encoder.features([tf.constant(column) for column in columns])
    return features["token_ids"].to_list()


def assert_answers(directory, family):
    """The ids and the vectors that transformers gives."""
    expected = json.loads((directory / "expected.json").read_text("utf-8"))
    encoder = load_encoder(str(directory))
    assert encoder.family_name == family
    assert encoder.sequence_length == (62 if "roberta" in family else 64)
    found = ids_of(encoder, expected["texts"])
    for text, ids, right in zip(expected["texts"], found, expected["ids"], strict=True):
        if family != "deberta_v3" or not set(text) & set(WITH_RULES):
            assert ids == right, text
    pairs = [list(column) for column in zip(*expected["pairs"], strict=True)]
    assert ids_of(encoder, *pairs) == expected["pair_ids"]
    tolerance = 2e-3 if family in TANH else 1e-5
    for texts, outputs in zip(
        ([expected["texts"][0]], expected["pairs"][0]), expected["outputs"], strict=True
    ):
        inputs = encoder.pad(encoder.features([tf.constant([text]) for text in texts]), 30)
        vectors = np.array(outputs["vectors"])
        sequence = encoder.sequence(inputs).numpy()[0, : len(vectors)]
        np.testing.assert_allclose(sequence, vectors, atol=tolerance, rtol=0)
        first = encoder.first(inputs)[0].numpy()[0]
        np.testing.assert_allclose(first, vectors[0], atol=tolerance, rtol=0)


@pytest.mark.parametrize(("kind", "family"), KINDS.items())
def test_ids_and_vectors_are_those_of_transformers(kind, family, place):
    assert_answers(place / kind, family)


@pytest.mark.parametrize("kind", VOCABULARIES)
def test_vocabulary_in_tokenizer_json_alone(kind, copy):
    """As transformers 5 saves it."""
    directory = copy(kind)
    for name in VOCABULARIES[kind]:
        (directory / name).unlink()
    assert_answers(directory, KINDS[kind])
    (directory / "tokenizer.json").unlink()
    with pytest.raises(ConfigError, match=f"`{VOCABULARIES[kind][0]}` doesn't exist in"):
        load_encoder(str(directory))


def test_vocabulary_of_another_kind(copy, place):
    directory = copy("ElectraForSequenceClassification")
    shutil.copy(place / "AlbertForSequenceClassification" / "tokenizer.json", directory)
    with pytest.raises(ConfigError, match="are of the kind Unigram; expected WordPiece"):
        load_encoder(str(directory))


def test_weights_in_several_files(copy):
    directory = copy("ElectraForSequenceClassification")
    weights = load_file(directory / "model.safetensors")
    (directory / "model.safetensors").unlink()
    parts = {"a.safetensors": sorted(weights)[::2], "b.safetensors": sorted(weights)[1::2]}
    for file, names in parts.items():
        save_file({name: weights[name] for name in names}, directory / file)
    index = {"weight_map": {name: file for file, names in parts.items() for name in names}}
    (directory / "model.safetensors.index.json").write_text(json.dumps(index))
    assert_answers(directory, "electra")


@pytest.mark.parametrize("name", ["model.safetensors", "sentencepiece.bpe.model"])
def test_pointer_of_git_lfs(copy, name):
    """What `git clone` leaves where git-lfs is not installed."""
    directory = copy("XLMRobertaForSequenceClassification")
    (directory / name).write_text("version https://git-lfs.github.com/spec/v1\nsize 9\n")
    with pytest.raises(ConfigError, match=f"{name} is a pointer of git-lfs. Fetch the file"):
        load_encoder(str(directory))


def test_encoder_without_a_head_and_names_of_old_files(copy):
    """`embeddings.LayerNorm.gamma`, where others have `bert.embeddings.LayerNorm.weight`."""
    directory = copy("BertForSequenceClassification")
    weights = load_file(directory / "model.safetensors")
    renamed = {}
    for name, value in weights.items():
        name = name.removeprefix("bert.").replace("LayerNorm.weight", "LayerNorm.gamma")
        renamed[name.replace("LayerNorm.bias", "LayerNorm.beta")] = value
    del renamed["classifier.weight"], renamed["classifier.bias"]
    save_file(renamed, directory / "model.safetensors")
    assert_answers(directory, "bert")


def test_weight_that_is_missing_or_of_another_shape(copy):
    directory = copy("ElectraForSequenceClassification")
    path, name = directory / "model.safetensors", "electra.embeddings_project.weight"
    weights = load_file(path)
    save_file(weights | {name: np.ascontiguousarray(weights[name].T)}, path)
    with pytest.raises(ConfigError, match=r"has the shape \(6, 8\), not \(8, 6\)"):
        load_encoder(str(directory))
    del weights[name]
    save_file(weights, path)
    with pytest.raises(ConfigError, match=f"its files lack the key '{name}'"):
        load_encoder(str(directory))


@pytest.mark.parametrize(
    ("kind", "key", "value"),
    [
        ("BertForSequenceClassification", "hidden_act", "relu"),
        ("DistilBertForSequenceClassification", "activation", "silu"),
        ("ElectraForSequenceClassification", "position_embedding_type", "relative_key"),
        ("DebertaV2ForSequenceClassification", "conv_kernel_size", 3),
        ("DebertaV2ForSequenceClassification", "pos_att_type", ["p2c"]),
        ("DebertaV2ForSequenceClassification", "position_biased_input", True),
    ],
)
def test_what_keras_hub_does_not_compute_is_refused(copy, kind, key, value):
    directory = copy(kind)
    config = json.loads((directory / "config.json").read_text())
    (directory / "config.json").write_text(json.dumps(config | {key: value}))
    with pytest.raises(ConfigError, match=f"config.json has {key}: .*{value}.* does not compute"):
        load_encoder(str(directory))


@pytest.mark.parametrize(
    ("kind", "key", "value", "message"),
    [
        ("DebertaV2ForSequenceClassification", "max_relative_positions", 8, "positions: 8. KerasH"),
        ("DebertaV2ForSequenceClassification", "position_buckets", -1, "position_buckets: -1 and"),
        (
            "RobertaForQuestionAnswering",
            "pad_token_id",
            0,
            "0, .* in the vocabulary the padding is 1",
        ),
        ("BertForSequenceClassification", "model_type", None, "does not know .* model_type None"),
    ],
)
def test_sizes_that_do_not_fit_each_other(copy, kind, key, value, message):
    directory = copy(kind)
    config = json.loads((directory / "config.json").read_text())
    (directory / "config.json").write_text(json.dumps(config | {key: value}))
    with pytest.raises(ConfigError, match=message):
        load_encoder(str(directory))


def test_positions_count_from_the_padding(copy):
    """A vocabulary with its padding elsewhere: the first three positions are no piece's."""
    directory = copy("RobertaForQuestionAnswering")
    before = load_encoder(str(directory)).backbone.embeddings.position_embedding.get_weights()[0]
    pieces = json.loads((directory / "vocab.json").read_text())
    pieces["<pad>"], pieces["</s>"] = pieces["</s>"], pieces["<pad>"]
    (directory / "vocab.json").write_text(json.dumps(pieces))
    config = json.loads((directory / "config.json").read_text())
    (directory / "config.json").write_text(json.dumps(config | {"pad_token_id": 2}))
    encoder = load_encoder(str(directory))
    after = encoder.backbone.embeddings.position_embedding.get_weights()[0]
    assert (encoder.pad_id, encoder.sequence_length) == (2, 61)
    np.testing.assert_array_equal(after, before[1:])


def test_one_segment_for_both_texts(copy):
    directory = copy("BertForSequenceClassification")
    path, name = directory / "model.safetensors", "bert.embeddings.token_type_embeddings.weight"
    weights = load_file(path)
    save_file(weights | {name: weights[name][:1].copy()}, path)
    config = json.loads((directory / "config.json").read_text())
    (directory / "config.json").write_text(json.dumps(config | {"type_vocab_size": 1}))
    features = load_encoder(str(directory)).features([tf.constant(["the key"])] * 2)
    assert set(features["segment_ids"].flat_values.numpy()) == {0}


def test_epsilon_is_kept(copy, place, tmp_path):
    """Where weights are small it is seen: in the run's preset, and in a model that Keras saved."""
    directory = copy("RobertaForSequenceClassification")
    config = json.loads((directory / "config.json").read_text())
    (directory / "config.json").write_text(json.dumps(config | {"layer_norm_eps": 0.5}))
    encoder, task = load_encoder(str(directory)), TextClassification(["a", "b"])
    inputs = encoder.pad(encoder.features([tf.constant(["The key"])]))
    expected = encoder.sequence(inputs)
    usual = load_encoder(str(place / directory.name)).sequence(inputs)
    assert np.abs(expected - usual).max() > 0.1
    model = task.build_model(encoder)
    save_preset(tmp_path / "preset", model, encoder, task)
    loaded = load_encoder(str(tmp_path / "preset"))
    assert loaded.add_prefix_space
    for other in (loaded, encoder.with_dtype("float32")):
        np.testing.assert_allclose(other.sequence(inputs), expected, atol=1e-6)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(again(inputs), model(inputs), atol=1e-6)


def test_sizes_of_the_config(place):
    """Also without weights, as for a run that is reloaded."""
    place = str(place / "AlbertForSequenceClassification")
    backbone = load_encoder(place, load_weights=False, dropout=0.25).backbone
    assert (backbone.embedding_dim, backbone.num_layers, backbone.num_groups) == (6, 2, 1)
    assert backbone.dropout == 0.25
    assert load_encoder(place).backbone.dropout == 0.0
