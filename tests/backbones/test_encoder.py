"""One face for every family: ids, padding, and what the backbone gives back."""

import typing

import keras_hub
import numpy as np
import pytest
import tensorflow as tf
from tokenizers import ByteLevelBPETokenizer
from tokenizers.processors import RobertaProcessing

from tfft.backbones.encoder import Encoder, count_parameters
from tfft.backbones.families import FAMILIES
from tfft.config.backbone import RandomBackbone
from tfft.errors import ConfigError
from tfft.tasks import TextClassification

FAMILY_NAMES = list(FAMILIES)


def test_the_config_names_every_family():
    named = typing.get_args(RandomBackbone.model_fields["family"].annotation)
    assert (*named, "bilstm") == tuple(FAMILIES)  # that has a preset of its own


def features_of(encoder, *texts):
    return encoder.features([tf.constant(column) for column in texts])


@pytest.fixture(params=FAMILY_NAMES)
def encoder(request, tiny_encoders):
    return tiny_encoders[request.param]


# ----------------------------------------------------------------------------- text to pieces


def test_ids_of_bert(tiny_encoders):
    features = features_of(tiny_encoders["bert"], ["The film!"])
    assert features["token_ids"].to_list() == [[2, 5, 6, 1, 3]]
    assert features["segment_ids"].to_list() == [[0, 0, 0, 0, 0]]
    features = features_of(tiny_encoders["bert"], ["the film"], ["was good."])
    assert features["token_ids"].to_list() == [[2, 5, 6, 3, 7, 8, 15, 3]]
    assert features["segment_ids"].to_list() == [[0, 0, 0, 0, 1, 1, 1, 1]]


def test_ids_of_distil_bert(tiny_encoders):
    features = features_of(tiny_encoders["distil_bert"], ["the film", "bad"], ["was", ""])
    assert set(features) == {"token_ids"}
    assert features["token_ids"].to_list() == [[2, 5, 6, 3, 7, 3], [2, 9, 3, 3]]


def test_ids_of_roberta(tiny_encoders):
    encoder = tiny_encoders["roberta"]
    start, end = encoder.tokenizer.start_token_id, encoder.tokenizer.end_token_id
    a, b = (encoder.tokenizer.token_to_id(letter) for letter in "ab")
    assert (start, encoder.pad_id, end) == (0, 1, 2)
    features = features_of(encoder, ["ab", "a"], ["b", ""])
    assert set(features) == {"token_ids"}
    assert features["token_ids"].to_list() == [
        [start, a, b, end, end, b, end],
        [start, a, end, end, end],
    ]
    assert features_of(encoder, ["ab"])["token_ids"].to_list() == [[start, a, b, end]]


def test_ids_of_roberta_are_those_of_hugging_face(tiny_encoders, build_tiny_encoder):
    encoder = build_tiny_encoder("roberta", sequence_length=64)
    reference = ByteLevelBPETokenizer(
        dict(encoder.tokenizer.vocabulary),
        [tuple(merge.split(" ")) for merge in encoder.tokenizer.merges],
    )
    reference.post_processor = RobertaProcessing(("</s>", 2), ("<s>", 0), trim_offsets=False)
    texts = ["the time, that's all!", "", "  two\n lines ", "Müller 中文 🙂", "a\tb  c", "1,000.5"]
    found = features_of(encoder, texts)["token_ids"].to_list()
    assert found == [encoding.ids for encoding in reference.encode_batch(texts)]


def test_special_wordpieces_do_not_come_in_through_the_text(tiny_encoders):
    (row,) = features_of(tiny_encoders["bert"], ["[SEP] the [CLS]"])["token_ids"].to_list()
    assert row.count(3) == row.count(2) == 1
    (row,) = features_of(tiny_encoders["distil_bert"], ["a[SEP]"], ["b"])["token_ids"].to_list()
    assert row.count(3) == 2


def test_length_and_truncation(build_tiny_encoder):
    text = ["a b c d e f"]
    whole = features_of(build_tiny_encoder(), text)["token_ids"].to_list()[0]
    end = features_of(build_tiny_encoder(sequence_length=5), text)["token_ids"].to_list()[0]
    head = features_of(build_tiny_encoder(sequence_length=5, truncation="head"), text)
    assert end == whole[:4] + whole[-1:]
    assert head["token_ids"].to_list()[0] == whole[:1] + whole[-4:]


def test_rows_are_joined_from_pieces(encoder):
    """Special pieces go around them; without them, and uncut, are `pieces`."""
    texts = ["a b", "", "the film was " * 9], ["c", "d e", ""]
    columns = [tf.constant(column) for column in texts]
    for count in (1, 2):
        pieces = [encoder.pieces(column) for column in columns[:count]]
        joined, whole = encoder.join(pieces), encoder.features(columns[:count])
        assert joined.keys() == whole.keys()
        for name, values in whole.items():
            assert joined[name].to_list() == values.to_list()
        added = joined["token_ids"].row_lengths() - sum(each.row_lengths() for each in pieces)
        assert added.numpy()[:2].tolist() == [encoder.num_special(count)] * 2


def test_pieces_of_words(encoder):
    """Each word stands alone; one that has no pieces has the unknown one."""
    words = tf.ragged.constant([["film", "good"], [], ["\u200b", "bad"]])
    found = encoder.word_pieces(words)
    unknown = encoder.tokenizer.token_to_id(encoder.family.unknown)
    blank = " " if encoder.family.vocabulary == "byte_pair" else ""
    alone = {
        word: encoder.pieces(tf.constant([blank + word]))[0].numpy().tolist() or [unknown]
        for word in ("film", "good", "bad", "\u200b")
    }
    assert found.to_list() == [
        [alone["film"], alone["good"]],
        [],
        [alone["\u200b"], alone["bad"]],
    ]
    assert (alone["\u200b"] == [unknown]) == (encoder.family.vocabulary != "byte_pair")
    assert found.dtype == tf.int32


def test_pieces_with_their_characters(encoder):
    texts = ["the film, unbelievable", "", "film"]
    found = encoder.pieces_with_offsets(tf.constant(texts))
    assert found.ids.to_list() == encoder.pieces(tf.constant(texts)).to_list()
    for text, starts, ends in zip(texts, found.starts.to_list(), found.ends.to_list(), strict=True):
        shown = [text[start:end] for start, end in zip(starts, ends, strict=True)]
        assert "".join(shown) == text.replace(" ", "")


def test_lengths_are_those_before_cutting(encoder):
    texts = [["a b", "", "a " * 40], ["c", "d e", "f"]]
    for columns in (texts[:1], texts):
        lengths = encoder.lengths([tf.constant(column) for column in columns]).numpy()
        cut = features_of(encoder, *columns)["token_ids"].row_lengths().numpy()
        np.testing.assert_array_equal(np.minimum(lengths, encoder.sequence_length), cut)
        assert lengths[2] > encoder.sequence_length


def test_padding(encoder):
    features = features_of(encoder, ["a", "a b c"])
    lengths = features["token_ids"].row_lengths().numpy()
    for padded in (encoder.pad(features), encoder.pad(features, 12)):
        assert sorted(padded) == encoder.input_names
        mask = padded["padding_mask"].numpy()
        np.testing.assert_array_equal(mask.sum(axis=1), lengths)
        ids = padded["token_ids"].numpy()
        assert ids.shape == mask.shape
        assert (ids[mask == 0] == encoder.pad_id).all()
    assert padded["token_ids"].shape == (2, 12)
    assert encoder.pad(features)["token_ids"].shape == (2, lengths.max())


def test_features_without_a_tokenizer(tiny_encoders):
    encoder = Encoder(tiny_encoders["bert"].backbone)
    with pytest.raises(ValueError, match="This encoder has no tokenizer, so it takes features"):
        features_of(encoder, ["a"])
    for ask in (encoder.pieces, encoder.pieces_with_offsets, lambda t: encoder.lengths([t])):
        with pytest.raises(ValueError, match="This encoder has no tokenizer"):
            ask(tf.constant(["a"]))


# --------------------------------------------------------------------------- pieces to vectors


def test_outputs(encoder):
    inputs = encoder.pad(features_of(encoder, ["a b", "c"]))
    sequence, (first, pooled) = encoder.sequence(inputs), encoder.first(inputs)
    assert sequence.shape == (2, inputs["token_ids"].shape[1], 8)
    np.testing.assert_allclose(first, sequence[:, 0], atol=1e-6)
    assert pooled.shape == (2, 8) if encoder.family.has_pooler else pooled is None


def test_padding_changes_no_output(encoder):
    features = features_of(encoder, ["a b", "c d e f"])
    (short, _), (long, _) = (encoder.first(encoder.pad(features, n)) for n in (None, 16))
    np.testing.assert_allclose(short, long, atol=1e-5)


def test_every_family_takes_the_same_head(encoder):
    model = TextClassification(["x", "y", "z"]).build_model(encoder)
    assert sorted(model.input) == encoder.input_names
    logits = model(encoder.pad(features_of(encoder, ["a b", "c"])))
    assert (logits.shape, logits.dtype) == ((2, 3), tf.float32)
    # Where there is no pretrained pooler, the head brings one.
    added = count_parameters(model) - count_parameters(encoder.backbone)
    assert added == 8 * 3 + 3 + (0 if encoder.family.has_pooler else 8 * 8 + 8)


def test_low_precision(build_tiny_encoder):
    encoder = build_tiny_encoder(dtype="mixed_bfloat16")
    inputs = encoder.pad(features_of(encoder, ["a b"]))
    assert encoder.sequence(inputs).dtype == tf.bfloat16
    assert TextClassification(["x", "y"]).build_model(encoder)(inputs).dtype == tf.float32


def test_another_precision_has_the_same_weights(build_tiny_encoder):
    """Also those that a head does not read."""
    encoder = build_tiny_encoder(dtype="mixed_bfloat16", truncation="head", sequence_length=9)
    same = encoder.with_dtype("float32")
    assert same.backbone.compute_dtype == "float32"
    assert (same.truncation, same.sequence_length) == ("head", 9)
    for one, two in zip(encoder.backbone.weights, same.backbone.weights, strict=True):
        assert one.path == two.path
        np.testing.assert_array_equal(one.numpy(), two.numpy())


@pytest.mark.parametrize("family", FAMILY_NAMES)
def test_a_pooler_that_nobody_reads_is_not_trained(family, build_tiny_encoder):
    encoder = build_tiny_encoder(family)
    before = {weight.path for weight in encoder.backbone.trainable_weights}
    pooler = {path for path in before if "pooled_dense" in path}
    assert len(pooler) == (2 if family in ("bert", "albert", "electra") else 0)
    encoder.first(encoder.inputs())
    frozen = before - {weight.path for weight in encoder.backbone.trainable_weights}
    assert frozen == (pooler if family == "electra" else set())
    encoder.sequence(encoder.inputs())
    frozen = before - {weight.path for weight in encoder.backbone.trainable_weights}
    assert frozen == pooler


# ---------------------------------------------------------------------- backbones of other origin


def test_backbone_that_somebody_already_has(tiny_encoders):
    backbone = tiny_encoders["bert"].backbone
    model = TextClassification(["x", "y"]).build_model(backbone)
    assert backbone.get_layer("token_embedding") in model._flatten_layers()
    assert Encoder(backbone).sequence_length == 16


def test_backbone_made_through_keras_nlp(tiny_encoders):
    keras_nlp = pytest.importorskip("keras_nlp")
    config = tiny_encoders["bert"].backbone.get_config()
    assert Encoder(keras_nlp.models.BertBackbone.from_config(config)).family_name == "bert"


def test_backbone_of_an_unknown_family():
    sizes = {"num_layers": 1, "num_heads": 1, "hidden_dim": 4, "intermediate_dim": 4}
    backbone = keras_hub.models.GPT2Backbone(vocabulary_size=9, **sizes)
    with pytest.raises(ConfigError, match="GPT2Backbone is of no family that tfft knows: bert, d"):
        Encoder(backbone, tokenizer=object())
    assert Encoder(backbone).input_names == sorted(backbone.input)  # takes features alone


def test_sequence_length_over_that_of_the_backbone(tiny_encoders):
    backbone = tiny_encoders["bert"].backbone
    assert Encoder(backbone, sequence_length=16).sequence_length == 16
    with pytest.raises(
        ConfigError, match=r"sequence_length is 17, .* for 16 pieces\. Set it to 16"
    ):
        Encoder(backbone, sequence_length=17)
