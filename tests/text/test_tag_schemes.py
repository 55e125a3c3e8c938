"""Entities are read from tags as conlleval reads them, whatever the scheme."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfft.text.tag_schemes import chunks, detect_scheme, entity_type, has_prefix, to_iob2


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        # IOB2: B begins, I goes on.
        ("B-x I-x O", [("x", 0, 2)]),
        ("O B-x B-x", [("x", 1, 2), ("x", 2, 3)]),
        ("B-x I-x B-x", [("x", 0, 2), ("x", 2, 3)]),
        ("O O", []),
        ("", []),
        # IOB1: I begins, B only beside an entity of the same type.
        ("I-x I-x B-x I-x O I-x", [("x", 0, 2), ("x", 2, 4), ("x", 5, 6)]),
        # What breaks IOB2: an I after O, and one after another type.
        ("O I-x I-x", [("x", 1, 3)]),
        ("B-x I-y I-y", [("x", 0, 1), ("y", 1, 3)]),
        ("B-x O I-x", [("x", 0, 1), ("x", 2, 3)]),
        # IOBES.
        ("B-x I-x E-x S-x S-x O", [("x", 0, 3), ("x", 3, 4), ("x", 4, 5)]),
        # What breaks IOBES: after E and S an entity is over, also before I, E and B.
        ("B-x E-x I-x E-x", [("x", 0, 2), ("x", 2, 4)]),
        ("E-x E-x", [("x", 0, 1), ("x", 1, 2)]),
        ("B-x E-x B-x E-x", [("x", 0, 2), ("x", 2, 4)]),
        ("S-x I-x I-x", [("x", 0, 1), ("x", 1, 3)]),
        ("S-x E-x", [("x", 0, 1), ("x", 1, 2)]),
        ("O E-x", [("x", 1, 2)]),
        ("B-x S-x", [("x", 0, 1), ("x", 1, 2)]),
        ("I-x S-x I-x", [("x", 0, 1), ("x", 1, 2), ("x", 2, 3)]),
        ("B-x E-y", [("x", 0, 1), ("y", 1, 2)]),
        # BILOU: L is E, U is S. BMES and BMEWO: M is I, W is S.
        ("B-x I-x L-x U-x U-x O", [("x", 0, 3), ("x", 3, 4), ("x", 4, 5)]),
        ("L-x I-x", [("x", 0, 1), ("x", 1, 2)]),
        ("B-x M-x M-x E-x W-x W-x", [("x", 0, 4), ("x", 4, 5), ("x", 5, 6)]),
        # Types may hold hyphens; only the first separates.
        ("B-a-b I-a-b I-a-c", [("a-b", 0, 2), ("a-c", 2, 3)]),
        # Bare letters have one type, which has no name.
        ("B I O I B", [("", 0, 2), ("", 3, 4), ("", 4, 5)]),
        ("B M E S S", [("", 0, 3), ("", 3, 4), ("", 4, 5)]),
        # Tags without a prefix begin nothing, but after a typed one.
        ("x x O y", []),
        ("B-x y y O y", [("x", 0, 1), ("", 1, 3)]),
        ("B-x . I-x", [("x", 0, 1), ("x", 2, 3)]),
    ],
)
def test_chunks(tags, expected):
    assert chunks(tags.split()) == expected


@pytest.mark.parametrize(
    ("sentences", "scheme"),
    [
        (["B-x I-x O", "B-y"], "IOB2"),
        (["B-x B-x I-x", "O B-y"], "IOB2"),
        (["I-x I-x O", "I-y B-y"], "IOB1"),
        (["I-x I-x O", "O I-y"], "IOB1"),
        (["B-x I-x O", "O I-y"], "IOB1"),  # mixed
        (["B-x I-y"], "IOB1"),
        (["B-x E-x O", "S-y"], "IOBES"),
        (["B-x E-x O"], "IOBES"),
        (["S-x O"], "IOBES"),
        (["B-x M-x M-x"], "IOBES"),
        (["O W-x"], "IOBES"),
        (["B-x I-x L-x O"], "BILOU"),
        (["O U-x"], "BILOU"),
        (["B-geo-loc I-geo-loc O"], "IOB2"),
        (["B I O", "O"], "IOB2"),
        (["O I I"], "IOB1"),
        (["B M E S"], "IOBES"),
        (["O B-x", "O x"], "IOB2"),  # a stray tag is read as conlleval reads it
        (["O O", "O"], "plain"),
        (["x O y"], "plain"),
        (["DET NOUN VERB", "O NOUN"], "plain"),
        (["PRP-B NN O"], "plain"),
        (["-LRB- NN -RRB-"], "plain"),
        (["NN-S I-x O"], "plain"),
        (["BI-x O"], "plain"),
        (["b-x O"], "plain"),
        (["N V A S E O"], "plain"),
        (["S E O"], "plain"),
        (["O-x I-x"], "plain"),
        ([""], "plain"),
        ([], "plain"),
    ],
)
def test_detect_scheme(sentences, scheme):
    assert detect_scheme([tags.split() for tags in sentences]) == scheme


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("I-x I-x B-x O I-y", "B-x I-x B-x O B-y"),
        ("B-x I-x E-x S-x O", "B-x I-x I-x B-x O"),
        ("B-x I-x L-x U-y O", "B-x I-x I-x B-y O"),
        ("B-x I-y O I-a-b", "B-x B-y O B-a-b"),
        ("B M E S", "B I I B"),
        ("B-x O O", "B-x O O"),
        ("", ""),
    ],
)
def test_to_iob2(tags, expected):
    assert to_iob2(tags.split()) == expected.split()


TAGS = st.lists(
    st.sampled_from(["O", *(f"{p}-{t}" for p in "BIESLUMW" for t in ["x", "y"]), "B", "I", "."])
)


@given(TAGS)
def test_to_iob2_keeps_the_entities_and_is_iob2(tags):
    written = to_iob2(tags)
    assert chunks(written) == chunks(tags)
    assert to_iob2(written) == written
    assert detect_scheme([written]) in ("IOB2", "plain")


@given(TAGS)
def test_entities_stand_in_order_and_share_no_word(tags):
    found = chunks(tags)
    ends = [0, *(end for _, _, end in found)]
    assert all(end <= first < last for end, (_, first, last) in zip(ends, found, strict=False))
    assert all("O" not in tags[first:end] for _, first, end in found)


def test_entity_type():
    tags = ["B-x", "U-a-b", "O", "NN", "NN-S", "-LRB-", "B"]
    assert [entity_type(tag) for tag in tags] == ["x", "a-b", "O", "NN", "NN-S", "-LRB-", "B"]
    assert [has_prefix(tag) for tag in tags] == [True, True, *[False] * 5]
