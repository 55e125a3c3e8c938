"""Words and tags from columns of lists, of text, of numbers, and from character spans."""

import numpy as np
import pytest

from tfft.data.table import Table
from tfft.data.tagged import split_key, words_and_tags, words_and_tags_from_spans
from tfft.errors import DataError

NAMES = ["O", "B-x", "I-x"]


def table(words, tags=None):
    columns = {"words": words} if tags is None else {"words": words, "tags": tags}
    return Table(columns, "a.jsonl", [10 * (row + 1) for row in range(len(words))])


def read(words, tags=None, **options):
    return words_and_tags(
        table(words, tags), words="words", tags=None if tags is None else "tags", **options
    )


# ---------------------------------------------------------------------------- columns


def test_cells_are_lists():
    words, tags = [["Ada", "sleeps"], []], [["B-x", "O"], []]
    assert read(words, tags) == (words, tags)
    assert read(words) == (words, None)
    assert read([np.array(["Ada"], object)], [("O",)]) == ([["Ada"]], [["O"]])


def test_cells_are_text():
    assert read([" Ada\u00a0L.  sleeps\t"], ["B-x O"]) == (
        [["Ada\u00a0L.", "sleeps"]],
        [["B-x", "O"]],
    )


def test_words_are_strings_whatever_they_were():
    assert read([["in", 2019, "a\r\nb\n"]])[0] == [["in", "2019", "a b "]]


def test_columns_by_position():
    three = Table({"0": [["a"]], "1": [["NN"]], "2": [["O"]]}, "a.conll")
    assert words_and_tags(three, words=0, tags=-1) == ([["a"]], [["O"]])
    assert words_and_tags(three, words=-3, tags=-2) == ([["a"]], [["NN"]])
    with pytest.raises(DataError, match="no column at position -4"):
        words_and_tags(three, words=-4, tags=None)


def test_tags_as_numbers():
    cells = [[0, 1, 2], np.array([1.0]), "0 1"]
    words = [["a"] * 3, ["a"], ["a"] * 2]
    options = {"label_names": NAMES, "label_numbers_from": 0}
    expected = [["O", "B-x", "I-x"], ["B-x"], ["O", "B-x"]]
    assert read(words, cells, **options)[1] == expected
    assert read([["a"]], [["2"]], **{**options, "label_numbers_from": 1})[1] == [["B-x"]]


def test_numbers_without_names_are_tags_as_they_are():
    assert read([["a", "b"]], [[0, 12]], label_numbers_from=0)[1] == [["0", "12"]]
    assert read([["a", "b"]], [[0, 12]], label_names=NAMES)[1] == [["0", "12"]]


def test_word_prefix():
    words = read([["w[0]=a", "w[0]=w[0]=b"]], word_prefix="w[0]=")[0]
    assert words == [["a", "w[0]=b"]]


@pytest.mark.parametrize(
    ("words", "tags", "options", "message"),
    [
        ([["a"], ["a", "b"]], [["O"], ["O"]], {}, "a.jsonl:20: 2 words, but 1 tags"),
        ([[], ["a"]], [["O"], ["O"]], {}, "a.jsonl:10: 0 words, but 1 tags"),
        ([["a", ""]], None, {}, "a.jsonl:10, word 2: the word is empty"),
        ([[None]], None, {}, "a.jsonl:10, word 1: the word is empty"),
        ([["a", "b"]], [["O", ""]], {}, "a.jsonl:10, word 2: the tag is empty"),
        ([["a"]], [[None]], {}, "a.jsonl:10, word 1: the tag is empty"),
        ([None], None, {}, "a.jsonl:10: found None, expected a list of words"),
        ([["a"]], [3], {}, "a.jsonl:10: found 3, expected a list of tags"),
        (["['a', 'b']"], None, {}, r"a.jsonl:10: the words are a list written as text"),
        (['["a", "b"]'], None, {}, r"a.jsonl:10: the words are a list written as text"),
        (
            [["w=a", "b"]],
            None,
            {"word_prefix": "w="},
            "word 2: found 'b', expected it to begin with word_prefix 'w='",
        ),
        ([["w="]], None, {"word_prefix": "w="}, "word 1: the word is empty"),
        (
            [["a", "b"]],
            [[0, 3]],
            {"label_numbers_from": 0, "label_names": NAMES},
            "a.jsonl:10, word 2: the tag is '3'; expected a number from 0 to 2",
        ),
        (
            [["a"]],
            [[-1]],
            {"label_numbers_from": 0, "label_names": NAMES},
            "the tag is '-1'; expected a number from 0",
        ),
        (
            [["a"]],
            [["O"]],
            {"label_numbers_from": 1, "label_names": NAMES},
            "the tag is 'O'; expected a number from 1 to 3",
        ),
    ],
)
def test_what_is_refused(words, tags, options, message):
    with pytest.raises(DataError, match=message):
        read(words, tags, **options)


def test_a_sentence_in_brackets_is_no_list():
    assert read(['[ " a " ]'])[0] == [["[", '"', "a", '"', "]"]]


# ---------------------------------------------------------------------------- spans


def from_spans(text, *spans):
    """Each word with its tag, and the notes."""
    words, tags, notes = words_and_tags_from_spans([text], [list(spans)], lambda row: f"row {row}")
    return [f"{word}/{tag}" for word, tag in zip(words[0], tags[0], strict=True)], notes


NOTHING = {"overlapping": 0, "widened": 0}
TEXT = "Ada Byron left Rome"
UNTAGGED = ["Ada/O", "Byron/O", "left/O", "Rome/O"]


@pytest.mark.parametrize(
    "span",
    [
        {"start": 0, "end": 9, "label": "per"},
        {"start": 0, "end": 9, "type": "per", "text": "Ada Byron"},
        {"start": 0, "end": 9, "entity": "per"},
        {"start": 0, "end": 9, "tag": "per"},
        [0, 9, "per"],
        (0, 9, "per"),
        {"start": np.int64(0), "end": np.int64(9), "label": "per"},
        [0, 10, "per"],  # a blank more
    ],
)
def test_forms_of_spans(span):
    tagged, notes = from_spans(TEXT, span)
    assert tagged == ["Ada/B-per", "Byron/I-per", *UNTAGGED[2:]]
    assert notes == NOTHING


def test_several_rows_and_rows_without_spans():
    texts = [TEXT, "none here", "nor here", TEXT]
    spans = [[[15, 19, "loc"], [0, 3, "per"]], [], None, [[4, 9, "per"], [0, 3, "per"]]]
    words, tags, notes = words_and_tags_from_spans(texts, spans, str)
    assert words[1] == ["none", "here"]
    assert tags == [
        ["B-per", "O", "O", "B-loc"],
        ["O", "O"],
        ["O", "O"],
        ["B-per", "B-per", "O", "O"],
    ]
    assert notes == NOTHING
    assert words_and_tags_from_spans([], [], str) == ([], [], NOTHING)


def test_offsets_count_characters():
    text = "😀 Zoë Łódź é"
    assert from_spans(text, [6, 10, "loc"])[0] == ["😀/O", "Zoë/O", "Łódź/B-loc", "é/O"]


def test_half_of_a_surrogate_pair_is_one_character():
    assert from_spans("\ud83d Rome", [2, 6, "loc"])[0] == ["?/O", "Rome/B-loc"]


@pytest.mark.parametrize("bounds", [(5, 9), (4, 7), (5, 6)])
def test_a_span_inside_a_word_takes_the_whole_of_it(bounds):
    tagged, notes = from_spans(TEXT, [*bounds, "per"])
    assert tagged == ["Ada/O", "Byron/B-per", *UNTAGGED[2:]]
    assert notes == {"overlapping": 0, "widened": 1}


@pytest.mark.parametrize("turn", [1, -1])
def test_of_overlapping_spans_the_longest_counts(turn):
    spans = [[0, 3, "a"], [0, 9, "per"], [4, 14, "b"], [15, 19, "loc"]][::turn]
    tagged, notes = from_spans(TEXT, *spans)
    # The second gives way to the third, and so leaves its first word to the first.
    assert tagged == ["Ada/B-a", "Byron/B-b", "left/I-b", "Rome/B-loc"]
    assert notes == {"overlapping": 1, "widened": 0}


def test_equally_long_spans_and_spans_that_share_a_word():
    tagged, notes = from_spans(TEXT, [0, 3, "a"], [0, 3, "b"], [4, 6, "c"], [6, 9, "d"])
    assert tagged == ["Ada/B-a", "Byron/B-d", *UNTAGGED[2:]]
    assert notes == {"overlapping": 2, "widened": 1}


@pytest.mark.parametrize(
    ("span", "message"),
    [
        ([3, 3, "x"], r"row 0: the span \(3, 3, 'x'\) does not lie in its text of 19 characters"),
        ([9, 4, "x"], "does not lie in"),
        ([-1, 3, "x"], "does not lie in"),
        ([15, 20, "x"], "does not lie in"),
        ([3, 4, "x"], r"the span \(3, 4, 'x'\) covers ' ', where there is no word"),
        ([0, 3], r"row 0: the span is \[0, 3\], expected"),
        ([0, 3, ""], "expected"),
        ([0, 3, None], "expected"),
        (["0", 3, "x"], "expected"),
        ([0.5, 3, "x"], "expected"),
        ([True, 3, "x"], "expected"),
        ({"start": 0, "label": "x"}, "expected"),
        ({"start": 0, "end": 3}, "expected"),
        ("0 3 x", "expected"),
        (None, "expected"),
    ],
)
def test_spans_that_are_refused(span, message):
    with pytest.raises(DataError, match=message):
        from_spans(TEXT, span)


def test_a_cell_that_is_no_list_of_spans():
    with pytest.raises(DataError, match="row 0: found 'x', expected a list of spans"):
        words_and_tags_from_spans([TEXT], ["x"], lambda row: f"row {row}")


# ---------------------------------------------------------------------------- splits


def test_split_key():
    tags = ["B-y", "I-y", "O", *(f"B-{kind}" for kind in "qwertz"), "B-y"]
    assert split_key(tags) == tuple("eqrtwyz")
    assert split_key(["O", "O"]) == split_key([]) == ()
