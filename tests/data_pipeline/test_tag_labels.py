"""Tags of a tagging task: chosen, encoded, counted."""

import pytest

from tfft.data.examples import Examples
from tfft.data.tag_labels import choose_tags, count_tags, encode_tags
from tfft.errors import DataError

IOB2 = ["O", "B-loc", "I-loc", "B-per", "I-per"]


def examples(*sentences):
    words = ["\n".join("word" for _ in tags) for tags in sentences]
    places = [f"a.conll:{10 * number}" for number in range(1, len(sentences) + 1)]
    return Examples({"words": words}, list(map(list, sentences)), None, places, "a.conll")


# --------------------------------------------------------------------------------------- chosen


def test_types_are_learned_and_sorted():
    assert choose_tags(None, examples(["B-per", "O"], ["B-loc", "I-loc"])) == IOB2


def test_type_has_both_tags_even_if_only_one_occurs():
    assert choose_tags(None, examples(["B-x"], ["B-x"])) == ["O", "B-x", "I-x"]


@pytest.mark.parametrize(
    "given",
    [
        ["loc", "per"],
        ["O", "loc", "per"],
        IOB2,
        ["O", "I-loc", "B-per"],
        ["O", "B-loc", "I-loc", "E-loc", "S-loc", "B-per", "I-per", "E-per", "S-per"],
        ["U-loc", "L-loc", "B-per", "O"],
    ],
)
def test_given_types_or_tags_of_any_scheme_keep_their_order(given):
    train = examples(["B-per", "I-per", "O"], ["B-loc"])
    assert choose_tags(given, train) == IOB2
    assert choose_tags(given[::-1], train) == ["O", *IOB2[3:], *IOB2[1:3]]


def test_given_type_that_training_lacks():
    assert choose_tags(["per", "org"], examples(["B-per", "O"]))[3:] == ["B-org", "I-org"]


def test_types_that_look_like_tags():
    """What the data have goes first: E-mail is a type of theirs."""
    train = examples(["B-E-mail", "O", "B-geo-loc"])
    expected = ["O", "B-E-mail", "I-E-mail", "B-geo-loc", "I-geo-loc"]
    assert choose_tags(None, train) == expected
    assert choose_tags(["E-mail", "geo-loc"], train) == expected
    assert choose_tags(expected, train) == expected


def test_tags_without_types():
    train = examples(["B-entity", "I-entity", "O"])
    for given in (None, ["B", "I", "O"], ["O", "B", "I", "E", "S"], ["entity"]):
        assert choose_tags(given, train) == ["O", "B-entity", "I-entity"]


def test_plain_tags():
    train = examples(["NN", "VB"], ["NN", "."])
    assert choose_tags(None, train) == [".", "NN", "VB"]
    assert choose_tags(["VB", "NN", "."], train) == ["VB", "NN", "."]


@pytest.mark.parametrize("tag", ["O", "NN"])
def test_one_tag_is_nothing_to_learn(tag):
    with pytest.raises(DataError, match=f"a.conll: all words of the 2 .* same tag \\({tag}\\)"):
        choose_tags(None, examples([tag, tag], [tag]))


# --------------------------------------------------------------------------- encoded and counted


def test_tags_as_numbers():
    assert encode_tags(examples(["B-per", "O"], [], ["I-loc"]), IOB2) == [[3, 0], [], [2]]


def test_unknown_tag_says_where_it_is_and_what_is_near():
    with pytest.raises(DataError, match="a.conll:20: word 3 has the tag 'B-pers'") as caught:
        encode_tags(examples(["O"], ["O", "O", "B-pers"]), IOB2)
    assert "one of the task's 5 (O, B-loc, I-loc, B-per, I-per)" in str(caught.value)
    assert "'B-per'" in str(caught.value)


def test_many_tags_are_not_all_shown():
    with pytest.raises(DataError, match=r"task's 20 \(.*T11, \.\.\.\)"):
        encode_tags(examples(["x"]), [f"T{number}" for number in range(20)])


def test_entities_are_counted_and_not_their_words():
    train = examples(["B-per", "I-per", "B-per", "O"], ["B-loc"])
    assert count_tags(train, [*IOB2, "B-org", "I-org"]) == {"loc": 1, "per": 2, "org": 0}


def test_words_of_plain_tags_are_counted():
    assert count_tags(examples(["NN", "VB"], ["NN"]), ["VB", "NN", "X"]) == {
        "VB": 1,
        "NN": 2,
        "X": 0,
    }
