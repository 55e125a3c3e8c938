"""Special pieces around texts, and what is cut from texts that are too long."""

import numpy as np
import pytest
import tensorflow as tf
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from tokenizers.processors import RobertaProcessing, TemplateProcessing

from tfft.text.segments import pack_segments, place_in_text

CLS, SEP = 101, 102


def ragged(*rows):
    return tf.ragged.constant([list(row) for row in rows], dtype=tf.int32, ragged_rank=1)


def pack(*segments, sequence_length=100, **options):
    token_ids, segment_ids = pack_segments(
        [ragged(*rows) for rows in segments],
        sequence_length=sequence_length,
        start_id=CLS,
        end_id=SEP,
        **options,
    )
    assert token_ids.dtype == segment_ids.dtype == tf.int32
    return token_ids.to_list(), segment_ids.to_list()


def test_one_text():
    token_ids, segment_ids = pack([[1, 2], [], [3]])
    assert token_ids == [[CLS, 1, 2, SEP], [CLS, SEP], [CLS, 3, SEP]]
    assert segment_ids == [[0] * 4, [0] * 2, [0] * 3]


def test_two_texts():
    token_ids, segment_ids = pack([[1, 2], []], [[3], [4, 5]])
    assert token_ids == [[CLS, 1, 2, SEP, 3, SEP], [CLS, SEP, 4, 5, SEP]]
    assert segment_ids == [[0, 0, 0, 0, 1, 1], [0, 0, 1, 1, 1]]


def test_two_separators_between_two_texts():
    token_ids, _ = pack([[1, 2]], [[3]], num_separators=2)
    assert token_ids == [[CLS, 1, 2, SEP, SEP, 3, SEP]]
    assert pack([[1, 2]], num_separators=2)[0] == [[CLS, 1, 2, SEP]]


@pytest.mark.parametrize(
    ("truncation", "kept"),
    [
        ("end", [1, 2, 3, 4, 5]),
        ("head", [4, 5, 6, 7, 8]),
        ("both", [2, 3, 4, 5, 6]),
        ("middle", [1, 2, 3, 7, 8]),
    ],
)
def test_what_is_cut(truncation, kept):
    token_ids, _ = pack([range(1, 9), [9]], sequence_length=7, truncation=truncation)
    assert token_ids == [[CLS, *kept, SEP], [CLS, 9, SEP]]


@pytest.mark.parametrize("truncation", ["end", "head", "both", "middle"])
@pytest.mark.parametrize("length", range(12))
def test_cut_rows_keep_their_number_and_order_of_pieces(truncation, length):
    for keep in range(length + 1):
        places = tf.range(keep, dtype=tf.int64)
        kept = place_in_text(places, tf.constant(keep, tf.int64), length, truncation).numpy()
        assert len(set(kept)) == keep
        assert set(kept) <= set(range(length))
        assert sorted(kept) == list(kept)


def test_text_of_exactly_the_length_is_whole():
    assert pack([range(5)], sequence_length=7)[0] == [[CLS, 0, 1, 2, 3, 4, SEP]]


@pytest.mark.parametrize("truncation", ["end", "head", "both", "middle"])
def test_no_rows(truncation):
    token_ids, segment_ids = pack([], [], truncation=truncation)
    assert token_ids == segment_ids == []


def test_inside_a_graph_with_shapes_unknown():
    @tf.function(input_signature=[tf.RaggedTensorSpec([None, None], tf.int32)])
    def packed(pieces):
        ids, _ = pack_segments([pieces, pieces], sequence_length=7, start_id=CLS, end_id=SEP)
        return ids

    expected = [[CLS, 1, 2, SEP, 1, 2, SEP]]
    assert packed(ragged([1, 2, 3])).to_list() == expected
    assert pack([[1, 2, 3]], [[1, 2, 3]], sequence_length=7)[0] == expected


# ------------------------------------------------------------------------------- Hugging Face


@pytest.fixture(scope="module")
def reference():
    """Hugging Face's ids for lengths of two texts: pieces 0 to 29 of the first, 30 on of b."""

    def build(family, sequence_length):
        words = {str(number): number for number in range(60)} | {"CLS": CLS, "SEP": SEP, "?": 99}
        tokenizer = Tokenizer(WordLevel(words, unk_token="?"))
        tokenizer.pre_tokenizer = WhitespaceSplit()
        if family == "roberta":
            tokenizer.post_processor = RobertaProcessing(("SEP", SEP), ("CLS", CLS))
        else:
            tokenizer.post_processor = TemplateProcessing(
                single="CLS $A SEP",
                pair="CLS $A SEP $B:1 SEP:1",
                special_tokens=[("CLS", CLS), ("SEP", SEP)],
            )
        tokenizer.enable_truncation(sequence_length, strategy="longest_first")
        return tokenizer

    return build


@pytest.mark.parametrize(("family", "num_separators"), [("bert", 1), ("roberta", 2)])
@pytest.mark.parametrize("sequence_length", [5, 8, 9, 16])
def test_pairs_are_cut_as_hugging_face_cuts_them(
    reference, family, num_separators, sequence_length
):
    tokenizer = reference(family, sequence_length)
    lengths = [(a, b) for a in range(15) for b in range(15)]
    first = [list(range(a)) for a, _ in lengths]
    second = [list(range(30, 30 + b)) for _, b in lengths]
    texts = [[" ".join(map(str, pieces)) for pieces in column] for column in (first, second)]
    expected = tokenizer.encode_batch(list(zip(*texts, strict=True)))
    token_ids, segment_ids = pack(
        first, second, sequence_length=sequence_length, num_separators=num_separators
    )
    for row, encoding in enumerate(expected):
        assert token_ids[row] == encoding.ids, lengths[row]
        if family == "bert":
            assert segment_ids[row] == encoding.type_ids


def test_single_texts_are_cut_as_hugging_face_cuts_them(reference):
    tokenizer = reference("bert", 8)
    rows = [list(range(length)) for length in range(12)]
    expected = tokenizer.encode_batch([" ".join(map(str, row)) for row in rows])
    assert pack(rows, sequence_length=8)[0] == [encoding.ids for encoding in expected]


def test_budget_of_many_random_pairs_is_used_up():
    random = np.random.default_rng(0)
    lengths = random.integers(0, 40, (200, 2))
    token_ids, _ = pack(
        [range(a) for a, _ in lengths], [range(b) for _, b in lengths], sequence_length=32
    )
    for row, (a, b) in zip(token_ids, lengths, strict=True):
        assert len(row) == min(a + b + 3, 32)
