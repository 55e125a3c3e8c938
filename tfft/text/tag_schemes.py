"""What the tags of words say about entities: IOB1, IOB2, IOBES, BILOU, or no scheme at all.

A tag is a prefix and a type, split at its first "-": `B-geo-loc` is B and geo-loc. A tag without
"-" has no type. `chunks` reads all schemes by one set of rules, those of conlleval, the script of
the CoNLL-2000 and CoNLL-2003 shared tasks (Erik Tjong Kim Sang, version of 2004-01-26), with what
github.com/spyysalo/conlleval.py repairs in it for S- and after E-. So it also reads tags that break
their scheme, as models give them.
"""

from collections.abc import Sequence
from typing import Literal

Scheme = Literal["IOB1", "IOB2", "IOBES", "BILOU", "plain"]

# Last and unit of BILOU, middle of BMES and whole of BMEWO are other letters for the same.
_SAME = {"L": "E", "U": "S", "W": "S", "M": "I"}
_PREFIXES = frozenset("BIES") | _SAME.keys()
_OUTSIDE = ("O", ".")


def chunks(tags: Sequence[str]) -> list[tuple[str, int, int]]:
    """Reads the entities of one sentence as (type, first word, one after the last).

    An entity begins at a word

    - with B or S (or U), always;
    - with I or E (or L), if the word before has O, E or S, or if there is none;
    - with any prefix but O, if its type is not that of the word before. "." counts as O.

    It ends before the next word that is outside or begins another, and with the sentence. A tag
    without "-" has the empty type: beside other such tags it begins nothing unless it is B, I, E
    or S, and after a typed one it begins an entity without a type.

    Three things are not as in conlleval: to it L, U, M and W are letters like any other, for which
    only the last rule holds; an entity without a type and a prefix goes on past O; and it knows the
    brackets of a notation of 1998.

    >>> chunks(["B-per", "I-per", "O", "I-loc", "B-loc", "I-org"])
    [('per', 0, 2), ('loc', 3, 4), ('loc', 4, 5), ('org', 5, 6)]
    """
    found = []
    first, last = None, ("O", "")
    # The end of a sentence is an outside word, as it is for conlleval.
    for position, tag in enumerate([*map(_read, tags), ("O", "")]):
        begins = _begins(last, tag)
        if first is not None and (begins or tag[0] in _OUTSIDE):
            found.append((last[1], first, position))
            first = None
        if begins:
            first = position
        last = tag
    return found


def detect_scheme(sentences: Sequence[Sequence[str]]) -> Scheme:
    """Tells the scheme by the tags that occur.

    Tags are of a scheme if there are some with "-" and all of these begin with a single letter of
    a scheme before it (`PRP-B`, `-LRB-` and `NN-S` do not), or if all tags are bare letters, as in
    "B I O". All others are "plain": parts of speech, or types without prefixes.

    With S, E, M or W the scheme is IOBES; with U or L it is BILOU. Otherwise it is IOB1 where some
    entity begins with I, even if others have a B that IOB1 does not need: `chunks` reads such a
    mixture all the same. Else it is IOB2.

    >>> detect_scheme([["B-per", "I-per", "O"], ["I-per"]])
    'IOB1'
    """
    prefixes = _prefixes({tag for tags in sentences for tag in tags})
    if not prefixes:
        return "plain"
    if prefixes & set("SEMW"):
        return "IOBES"
    if prefixes & set("UL"):
        return "BILOU"
    begins = (_read(tags[first])[0] for tags in sentences for _, first, _ in chunks(tags))
    return "IOB1" if "I" in begins else "IOB2"


def to_iob2(tags: Sequence[str]) -> list[str]:
    """Writes the entities of one sentence in IOB2: B begins each, I goes on, O is outside.

    Not for plain tags, of which it would leave little.

    >>> to_iob2(["I-per", "E-per", "S-loc", "O"])
    ['B-per', 'I-per', 'B-loc', 'O']
    """
    result = ["O"] * len(tags)
    for kind, first, end in chunks(tags):
        suffix = f"-{kind}" if kind else ""
        result[first:end] = [f"B{suffix}", *[f"I{suffix}"] * (end - first - 1)]
    return result


def has_prefix(tag: str) -> bool:
    """Whether a tag has the form of a scheme: `B-per`, and neither `O` nor `NN-S`."""
    return "-" in tag and tag.partition("-")[0] in _PREFIXES


def entity_type(tag: str) -> str:
    """The type of a word: `per` for `B-per`, and a tag without a prefix as it is.

    >>> [entity_type(tag) for tag in ["B-geo-loc", "O", "NN", "-LRB-"]]
    ['geo-loc', 'O', 'NN', '-LRB-']
    """
    return tag.partition("-")[2] if has_prefix(tag) else tag


def _prefixes(tags: set[str]) -> set[str]:
    """The prefixes that occur, none if the tags are plain."""
    prefixed = {tag for tag in tags if "-" in tag}
    if prefixed:
        is_scheme = all(map(has_prefix, prefixed))
        return {tag.partition("-")[0] for tag in prefixed} if is_scheme else set()
    # "B" or "I" must be there: "O" alone is no scheme, and "S" and "E" are parts of speech too.
    is_scheme = tags <= _PREFIXES | {"O"} and bool(tags & {"B", "I"})
    return tags - {"O"} if is_scheme else set()


def _read(tag: str) -> tuple[str, str]:
    """Splits a tag into its prefix, in the letters of IOBES, and its type."""
    prefix, _, kind = tag.partition("-")
    return _SAME.get(prefix, prefix), kind


def _begins(last: tuple[str, str], tag: tuple[str, str]) -> bool:
    """Whether an entity begins at a word, by its tag and the one before."""
    prefix, kind = tag
    if prefix in ("B", "S") or (prefix in ("I", "E") and last[0] in ("O", "E", "S")):
        return True
    return prefix not in _OUTSIDE and kind != last[1]
