"""How texts are folded before they are cut: what the files of a Hugging Face model say of it."""

import json

import pytest
import tensorflow as tf

from tfft.backbones.checkpoints import load_encoder
from tfft.errors import ConfigError


def ids_of(encoder, *columns):
    features = encoder.features([tf.constant(column) for column in columns])
    return features["token_ids"].to_list()


def test_only_some_fold_as_their_tokenizer_config_says(copy):
    """Multilingual models say `do_lower_case` for XLM-RoBERTa, and Hugging Face does not do it."""
    for kind in ("XLMRobertaForSequenceClassification", "DebertaV2ForSequenceClassification"):
        directory = copy(kind)
        texts = ["The Key", "the key"]
        plain = ids_of(load_encoder(str(directory)), texts)
        config = json.loads((directory / "tokenizer_config.json").read_text())
        said = config | {"do_lower_case": True, "strip_accents": True}
        (directory / "tokenizer_config.json").write_text(json.dumps(said))
        found = ids_of(load_encoder(str(directory)), texts)
        assert found == (plain if kind.startswith("XLM") else [plain[1]] * 2)


@pytest.mark.parametrize(
    ("config", "normalizer", "lowercase", "strips"),
    [
        (None, None, True, None),
        ({}, None, True, None),
        ({}, {"type": "BertNormalizer", "lowercase": False, "strip_accents": None}, False, None),
        ({"do_lower_case": True}, {"type": "BertNormalizer", "lowercase": False}, True, None),
        ({}, {"type": "Sequence", "normalizers": [{"type": "Lowercase"}]}, True, False),
        ({"model_max_length": 9}, "null", False, False),
    ],
)
def test_folding_that_tokenizer_config_does_not_say(copy, config, normalizer, lowercase, strips):
    """What `tokenizer.json` says; uncased where nothing does, as transformers has it."""
    directory = copy("BertForSequenceClassification")
    (directory / "tokenizer_config.json").unlink()
    if config is not None:
        (directory / "tokenizer_config.json").write_text(json.dumps(config))
    if normalizer:
        steps = None if normalizer == "null" else normalizer
        described = {"model": {"type": "WordPiece", "vocab": {}}, "normalizer": steps}
        (directory / "tokenizer.json").write_text(json.dumps(described))
    encoder = load_encoder(str(directory))
    assert (encoder.tokenizer.lowercase, encoder.strip_accents) == (lowercase, strips)
    lower, upper, accented = ids_of(encoder, ["the", "THE", "thé"])
    assert (lower == upper) == lowercase
    assert (lower == accented) == (lowercase if strips is None else strips)


def test_piece_that_stands_twice(copy):
    """The last one counts."""
    directory = copy("BertForSequenceClassification")
    pieces = (directory / "vocab.txt").read_text().split("\n")
    pieces[pieces.index("closed")] = "the"
    (directory / "vocab.txt").write_text("\n".join(pieces))
    number = max(place for place, piece in enumerate(pieces) if piece == "the")
    assert ids_of(load_encoder(str(directory)), ["the"])[0][1] == number


def test_words_of_another_program(copy):
    """As in Japanese BERT."""
    directory = copy("BertForSequenceClassification")
    (directory / "tokenizer_config.json").write_text('{"word_tokenizer_type": "mecab"}')
    with pytest.raises(ConfigError, match="has word_tokenizer_type: 'mecab'; tfft cuts texts as"):
        load_encoder(str(directory))


def test_blank_in_front_of_the_first_word(place):
    """Its characters are those of the text all the same."""
    encoder = load_encoder(str(place / "RobertaForSequenceClassification"))
    texts = tf.constant(["the key", " the key", "", "\tx"])
    pieces = encoder.pieces_with_offsets(texts)
    assert pieces.ids.to_list() == encoder.pieces(texts).to_list()
    assert pieces.ids[0].numpy().tolist() == pieces.ids[1].numpy().tolist()
    assert not pieces.ids[2].shape[0]
    assert (pieces.starts[0][0], pieces.ends[0][0]) == (0, 3)
    assert (pieces.starts[1][0], pieces.ends[1][0]) == (1, 4)
    assert (pieces.starts[3][-1], pieces.ends[3][-1]) == (1, 2)


def test_albert_folds_as_its_tokenizer_config_says(copy):
    directory = copy("AlbertForSequenceClassification")
    config = json.loads((directory / "tokenizer_config.json").read_text())
    texts = ["Café", "café", "cafe"]
    for lowers, keeps in ((True, False), (False, False), (True, True)):
        said = config | {"do_lower_case": lowers, "keep_accents": keeps}
        (directory / "tokenizer_config.json").write_text(json.dumps(said))
        first, second, third = ids_of(load_encoder(str(directory)), texts)
        assert (first == second) == lowers
        assert (second == third) == (not keeps)
