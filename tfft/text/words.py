"""Words of texts, and where in the text each of them stands.

Token classification labels words. `split_words` finds them in raw sentences, `listed_words` takes
them as they are given. Everything here is TensorFlow on ragged tensors, in the served graph too.

Offsets count characters, which are Unicode code points: `text[start:end]` in Python is the word.
"""

import re
from typing import NamedTuple

import tensorflow as tf

from tfft.text import WORD_SEPARATOR

# White space of Unicode; RE2's \s is that of ASCII.
BLANK = r"\t-\r\x{85}\p{Z}"

# Put before every word to cut there. No text has this byte once it is UTF-8, and no regular
# expression matches it.
CUT = b"\xff"

# Han ideographs and kana, with the signs that lengthen a vowel.
_CJK = r"\p{Han}\p{Hiragana}\p{Katakana}\x{30FC}\x{FF70}"
# The blocks of symbols and emoji.
_PICTURES = r"\x{2190}-\x{2BFF}\x{1F000}-\x{1FAFF}"
_OUTSIDE = rf"{BLANK}\p{{C}}\p{{P}}\p{{S}}{_CJK}{_PICTURES}"
# What words are made of: letters, digits, marks. The soft hyphen and the joiners that Indic and
# Persian spelling needs are \p{C}. The class is large, and RE2 becomes slow where it stands often.
_INSIDE = rf"(?:[^{_OUTSIDE}]|[\x{{AD}}\x{{200C}}\x{{200D}}])"
_PART = rf"(?:\p{{Nd}}+(?:[.,:/]\p{{Nd}}+)*|{_INSIDE})"

# Latin, Greek and Cyrillic: small, where \p{L} would be large.
_LETTER = r"[A-Za-z\x{C0}-\x{D6}\x{D8}-\x{F6}\x{F8}-\x{24F}\x{388}-\x{481}\x{48A}-\x{52F}]"
_ABBREVIATION = rf"(?:{_LETTER}\.)+{_LETTER}\.?"
# O'Brien, but not Brien's: an s that ends the word is left to _GENITIVE.
_APOSTROPHE = rf"['’](?:[sS]-?{_INSIDE}|[^sS{_OUTSIDE}])"
_WORD = rf"(?:{_ABBREVIATION}|{_PART})(?:[-‐‑_&]?{_PART}|{_APOSTROPHE})*"
_GENITIVE = r"['’][sS]"
# An apostrophe that opens a quotation, where _GENITIVE would cut off the first letter.
_QUOTED_S = rf"(^|[{_OUTSIDE}])(['’])([sS]{_INSIDE})"

_IN_URL = r"0-9A-Za-z\x{C0}-\x{24F}\x{370}-\x{52F}#$%&*+/=@_~"
_URL = rf"(?i:https?://|ftp://|www\.)[{_IN_URL}!'(),.:;?\[\\\]^`{{|}}-]*[{_IN_URL}-]"
_EMAIL = r"[0-9A-Za-z][0-9A-Za-z._%+-]*@[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)+"
_NAME = r"[@#][\p{L}\p{M}\p{N}_]+"

_FLAG = r"[\x{1F1E6}-\x{1F1FF}]{2}"
_VARIANT = (
    r"[\x{300}-\x{36F}\x{20D0}-\x{20FF}\x{FE00}-\x{FE0F}\x{1F3FB}-\x{1F3FF}\x{E0020}-\x{E007F}]"
)
_EMOJI = rf"[{_PICTURES}]{_VARIANT}*"
_REPEATED = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~–—…·•。！？～"
_MARK = "|".join([*(f"{re.escape(mark)}+" for mark in _REPEATED), "(?s:.)"])

_PATTERN = "|".join(
    [
        rf"[{BLANK}]+",
        *(_URL, _EMAIL, _NAME, _WORD, _GENITIVE),
        *(_FLAG, rf"{_EMOJI}(?:\x{{200D}}{_EMOJI})*", rf"(?:{_MARK})\p{{M}}*"),
    ]
)


class Words(NamedTuple):
    """The words of texts, ragged (batch_size, words).

    Attributes:
        words: strings.
        starts: int32, the offset of the first character of each word in its text.
        ends: int32, one after the offset of the last.
    """

    words: tf.RaggedTensor
    starts: tf.RaggedTensor
    ends: tf.RaggedTensor


def split_words(texts: tf.Tensor) -> Words:
    """Finds the words of raw sentences, close to how corpora of news and tweets are split.

    Blanks of any kind stand between words and belong to none; every other character belongs to
    exactly one word. These are one word each:

    - an address, without the punctuation that follows it: `https://t.co/x`, `www.example.com`,
      `me@example.com`;
    - `@name` and `#topic`;
    - letters and digits, with single hyphens, underscores, `&` or apostrophes between them:
      `twenty-one`, `AT&T`, `O'Brien`, `don't`;
    - `'s` at the end of such a word: `John's` gives `John` and `'s`;
    - digits with `.`, `,`, `:` or `/` between them: `3.14`, `10,000`, `10:30`, `24/7`;
    - single letters (Latin, Greek, Cyrillic) with periods between them, with the last period:
      `U.S.`, `e.g.`, `a.m.`; what follows a period without a blank belongs to it: `J.R.R.Tolkien`;
    - a Chinese ideograph, a Japanese kana. Korean and all other scripts are cut at blanks;
    - an emoji with all that modifies it, a flag;
    - a run of one punctuation mark of ASCII or of `–—…·•。！？～`: `...`, `!!!`;
    - any other mark, symbol or control character, with the combining marks after it.

    Bytes that are no UTF-8 are read as U+FFFD, as Python does with `errors="replace"`.

    Args:
        texts: strings (batch_size,).

    Example:
        >>> split_words(["Don't go, John's in the U.S."]).words
        <tf.RaggedTensor [["Don't", "go", ",", "John", "'s", "in", "the", "U.S."]]>
    """
    texts = tf.strings.regex_replace(as_utf8(texts), _QUOTED_S, rb"\1\2" + CUT + rb"\3")
    return cut_words(texts, _PATTERN)


def listed_words(texts: tf.Tensor) -> Words:
    r"""Takes words that are given, joined by `WORD_SEPARATOR`: "EU\nrejects".

    Offsets are those in the string, which are those in the words joined by single blanks. Empty
    words are left out: an empty string has no words.

    Args:
        texts: strings (batch_size,).
    """
    words = tf.strings.split(as_utf8(texts), WORD_SEPARATOR)
    return _without(place(words, gap=len(WORD_SEPARATOR)), "")


def character_offsets(texts: tf.Tensor, byte_offsets: tf.RaggedTensor) -> tf.RaggedTensor:
    """Counts the characters of each text that begin before the given bytes of it.

    Args:
        texts: strings (batch_size,), UTF-8.
        byte_offsets: int32 (batch_size, offsets), from 0 to the bytes of the text. One inside a
            character counts that character too.

    Returns:
        int32 (batch_size, offsets).
    """
    raw = tf.io.decode_raw(tf.strings.reduce_join(texts), tf.uint8)
    # The bytes 128 to 191 continue a character.
    leads = tf.cast((raw < 128) | (raw >= 192), tf.int32)
    before = tf.concat([[0], tf.cumsum(leads)], axis=0)
    first = tf.cumsum(tf.strings.length(texts), exclusive=True)
    first = tf.gather(first, byte_offsets.value_rowids())
    count = tf.gather(before, first + byte_offsets.values) - tf.gather(before, first)
    return byte_offsets.with_values(count)


def as_utf8(texts: tf.Tensor) -> tf.Tensor:
    """Texts with U+FFFD for bytes that are no UTF-8."""
    texts = tf.convert_to_tensor(texts, tf.string)
    return tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8", errors="replace")


def lower(texts: tf.Tensor) -> tf.Tensor:
    """Lowers each character of UTF-8 texts by itself.

    ICU looks at the neighbours of a capital sigma, and at the process's locale for "I".
    """
    texts = tf.strings.regex_replace(tf.strings.lower(texts), "Σ", "σ")
    return tf.strings.lower(texts, encoding="utf-8")


def cut_words(texts: tf.Tensor, pattern: str) -> Words:
    """Cuts UTF-8 texts into what a pattern matches, and leaves out blank parts.

    Args:
        texts: strings (batch_size,).
        pattern: a regular expression of RE2 that matches at every character.
    """
    return _without(place(cut(texts, pattern)), f"[{BLANK}]*")


def cut(texts: tf.Tensor, pattern: str) -> tf.RaggedTensor:
    """Cuts UTF-8 texts (batch_size,) before every match: strings (batch_size, parts), ragged."""
    parts = tf.strings.split(tf.strings.regex_replace(texts, pattern, CUT + rb"\0"), CUT)
    return _masked(parts, parts.values != b"")


def place(parts: tf.RaggedTensor, gap: int = 0) -> Words:
    """Finds the offsets of parts (batch_size, parts) that stand one behind the other.

    Args:
        parts: strings, UTF-8.
        gap: how many characters are between them.
    """
    lengths = tf.strings.length(parts.values, unit="UTF8_CHAR")
    ends = tf.cumsum(parts.with_values(lengths + gap), axis=1).values - gap
    return Words(parts, parts.with_values(ends - lengths), parts.with_values(ends))


def with_row_ids(ragged: tf.RaggedTensor) -> tf.RaggedTensor:
    """The same tensor, which knows the row of each value.

    Where it does not, TensorFlow asks `tf.repeat`, which takes memory for rows x longest row.
    """
    places = tf.range(tf.size(ragged.values, tf.int64))
    rows = tf.searchsorted(ragged.row_splits, places, side="right", out_type=tf.int64) - 1
    return tf.RaggedTensor.from_value_rowids(
        ragged.values, rows, nrows=ragged.nrows(), validate=False
    )


def _without(words: Words, pattern: str) -> Words:
    """Leaves out the words that a pattern matches as a whole."""
    kept = ~tf.strings.regex_full_match(words.words.values, pattern)
    return Words(*(_masked(part, kept) for part in words))


def _masked(ragged: tf.RaggedTensor, kept: tf.Tensor) -> tf.RaggedTensor:
    """Keeps some of the values, by a mask over all of them; `tf.ragged.boolean_mask` is slower."""
    return tf.RaggedTensor.from_value_rowids(
        tf.boolean_mask(ragged.values, kept),
        tf.boolean_mask(ragged.value_rowids(), kept),
        nrows=ragged.nrows(),
        validate=False,
    )
