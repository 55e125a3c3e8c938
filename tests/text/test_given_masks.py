"""Masks that are written in texts, what pieces are called, and where words begin."""

import pytest
import tensorflow as tf

from tfft.text.given_masks import pieces_with_masks, readable_pieces, word_marks


def with_masks(encoder, *texts):
    mask_id = encoder.tokenizer.mask_token_id
    return pieces_with_masks(tf.constant(texts), encoder.pieces, mask_id).to_list(), mask_id


@pytest.mark.parametrize("family", ["bert", "roberta", "xlm_roberta", "deberta_v3"])
def test_a_mask_stands_where_it_is_written(family, build_tiny_encoder):
    # Its own: what sets TensorFlow's seed takes the models of SentencePiece away.
    encoder = build_tiny_encoder(family)
    found, mask = with_masks(
        encoder, "the film", "the [MASK]", "<mask> film was [MASK][MASK] good", "", "[MASK]"
    )
    the, film, was_good = encoder.pieces(tf.constant(["the", " film was", " good"])).to_list()
    whole = encoder.pieces(tf.constant(["the film"])).to_list()[0]
    assert found == [whole, [*the, mask], [mask, *film, mask, mask, *was_good], [], [mask]]


def test_other_special_pieces_are_text(tiny_encoders):
    encoder = tiny_encoders["bert"]
    (found,), mask = with_masks(encoder, "[SEP] [mask] [PAD]")
    assert not {mask, encoder.pad_id, encoder.tokenizer.sep_token_id} & set(found)


def test_pieces_can_be_read():
    assert readable_pieces(["film", "##s"], "wordpiece") == ["film", "##s"]
    assert readable_pieces(["▁film", "s"], "sentencepiece") == [" film", "s"]
    assert readable_pieces(["Ġfilm", "s", "Ã©", "Ã"], "byte_pair") == [" film", "s", "é", "\ufffd"]


def test_words_begin_at_their_first_piece_and_marks_are_words():
    assert word_marks(["film", "##s", "."], "wordpiece") == ([False, True, False], [False] * 3)
    goes_on, is_mark = word_marks(["▁film", "s", "▁", ".", "▁("], "sentencepiece")
    assert goes_on == [False, True, False, False, False]
    assert is_mark == [False, False, True, True, True]
    assert word_marks(["Ġa", "b", "Ã", "Ġ,"], "byte_pair") == (
        [False, True, True, False],
        [False, False, False, True],
    )
