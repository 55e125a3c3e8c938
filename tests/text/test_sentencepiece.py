"""SentencePiece in the graph: the ids of Hugging Face, and which characters a piece stands for."""

import keras
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from tfft.text.alignment import pieces_with_offsets, word_pieces
from tfft.text.sentencepiece import SentencePiece

ALBERT = {"lowercase": True, "strip_accents": True, "plain_quotes": True}
FAIRSEQ = {"fairseq_ids": True}
MODELS = {
    "albert": ("AlbertForSequenceClassification", "spiece.model", ALBERT),
    "xlm_roberta": ("XLMRobertaForSequenceClassification", "sentencepiece.bpe.model", FAIRSEQ),
}
# Letters that the pieces have, others, and what Hugging Face's steps before the model look at.
TEXTS = st.text("the millergatkey THÉÜéü\u0301\u0308ﬁ…中ß`'\t\n\u00a0\u3000\u200d.,19", max_size=30)


@pytest.fixture(scope="module")
def build(fixtures):
    def make(name):
        kind, file, options = MODELS[name]
        place = fixtures / "huggingface" / kind
        reference = Tokenizer.from_file(str(place / "tokenizer.json"))
        return SentencePiece((place / file).read_bytes(), **options), reference

    return make


@pytest.fixture(scope="module")
def both(build):
    return {name: build(name) for name in MODELS}


@settings(max_examples=60)
@given(texts=st.lists(TEXTS, max_size=8), name=st.sampled_from(sorted(MODELS)))
def test_ids_are_those_of_hugging_face(both, texts, name):
    tokenizer, reference = both[name]
    found = tokenizer(tf.constant(texts, tf.string)).to_list()
    encoded = reference.encode_batch(texts, add_special_tokens=False)
    assert found == [each.ids for each in encoded]


@settings(max_examples=40)
@given(texts=st.lists(TEXTS, min_size=1, max_size=8), name=st.sampled_from(sorted(MODELS)))
def test_pieces_of_words_are_those_of_the_text(both, texts, name):
    tokenizer, _ = both[name]
    texts = tf.constant(texts)
    pieces = pieces_with_offsets(texts, tokenizer)
    assert pieces.ids.to_list() == tokenizer(texts).to_list()
    for text, starts, ends in zip(texts.numpy(), pieces.starts, pieces.ends, strict=True):
        shown = text.decode()
        for start, end in zip(starts.numpy(), ends.numpy(), strict=True):
            assert 0 <= start <= end <= len(shown)
            assert shown[start:end] == shown[start:end].strip(" ")


def test_a_new_seed_leaves_the_model(build):
    """TensorFlow then forgets its operations, also those that read the model."""
    tokenizer, _ = build("albert")
    texts = tf.constant(["the key"])
    before = tokenizer(texts).to_list()
    dataset = tf.data.Dataset.from_tensors(texts).map(tokenizer)
    keras.utils.set_random_seed(1)
    assert tokenizer(texts).to_list() == before
    assert [batch.to_list() for batch in dataset] == [before]


def shown(tokenizer, text):
    pieces = pieces_with_offsets(tf.constant([text]), tokenizer)
    places = zip(pieces.starts[0].numpy(), pieces.ends[0].numpy(), strict=True)
    return [text[start:end] for start, end in places]


def test_characters_of_pieces(both):
    plain, folding = both["xlm_roberta"][0], both["albert"][0]
    assert shown(plain, " the\tkey ") == ["th", "e", "", "ke", "y"]
    assert shown(plain, "é… e\u0301") == ["", "é", "", "", "…", "", "e\u0301"]
    # Folded, with as many characters as before; and with fewer: then the whole word.
    assert shown(folding, "THE KÉY") == ["TH", "E", "", "KÉ", "Y"]
    assert set(shown(folding, "THE e\u0301s  x")[-4:-2]) == {"e\u0301s"}


def test_no_special_piece_comes_in_through_the_text(both):
    for tokenizer, reference in both.values():
        special = {reference.token_to_id(name) for name in ("[CLS]", "[SEP]", "<s>", "</s>")}
        ids = tokenizer(tf.constant(["[CLS] the [SEP] <s></s> <pad>"]))[0].numpy().tolist()
        assert not set(ids) & special


def test_words_that_stand_alone(both):
    tokenizer, reference = both["xlm_roberta"]
    words = tf.ragged.constant([["the", "\u3000", "key"], []], ragged_rank=1, dtype=tf.string)
    found = word_pieces(words, tokenizer, unknown_id=3).to_list()
    alone = [reference.encode(word, add_special_tokens=False).ids for word in ("the", "key")]
    assert found == [[alone[0], [3], alone[1]], []]


def test_bytes_that_are_no_utf8(both):
    for tokenizer, reference in both.values():
        found = tokenizer(tf.constant([b"the \xff key"]))[0].numpy().tolist()
        assert found == reference.encode("the \ufffd key", add_special_tokens=False).ids


def test_text_goes_on_after_nul(both):
    for tokenizer, reference in both.values():
        found = tokenizer(tf.constant([b"the \x00 key\x00"]))[0].numpy().tolist()
        assert found == reference.encode("the \x00 key\x00", add_special_tokens=False).ids
