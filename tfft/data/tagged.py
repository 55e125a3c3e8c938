"""The rows of a tagging task: the words of each sentence and a tag for each word."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from tfft.cli import start_tensorflow
from tfft.data.conll import split_blanks
from tfft.data.label_columns import label_text
from tfft.data.table import Table
from tfft.errors import DataError
from tfft.text.tag_schemes import chunks

Sentences = list[list[str]]

_LABEL_KEYS = ("label", "type", "entity", "tag")


class Span(NamedTuple):
    """An entity of a text, in Unicode characters; `end` is one after the last."""

    start: int
    end: int
    label: str


def words_and_tags(
    table: Table,
    *,
    words: str | int,
    tags: str | int | None,
    label_numbers_from: int | None = None,
    label_names: Sequence[str] | None = None,
    word_prefix: str | None = None,
) -> tuple[Sentences, Sentences | None]:
    """Reads the words and the tags of each row.

    A cell is a list, or a string of blank-separated entries. A line end inside a word becomes a
    blank. A row may have no words at all.

    Args:
        table: what was read.
        words: the column of the words, by name or position; -1 is the last one.
        tags: that of the tags; None where they are not wanted.
        label_numbers_from: tags are numbers, and this is the number of the first of `label_names`.
        label_names: the names of the tags, for tags that are written as numbers.
        word_prefix: what stands before each word and is taken off, such as `w[0]=`.

    Returns:
        The words and the tags of each row, as many of the one as of the other; or the words and
        None.

    Raises:
        DataError: a cell that is neither, an empty word or tag, a word without the prefix, a
            number out of range, or tags that are more or fewer than the words.
    """
    cells = _column(table, words)
    rows = [_words(cell, word_prefix, table.where(row)) for row, cell in enumerate(cells)]
    if tags is None:
        return rows, None
    tag_rows = [
        _tags(cell, label_numbers_from, label_names, table.where(row))
        for row, cell in enumerate(_column(table, tags))
    ]
    for row, (of_words, of_tags) in enumerate(zip(rows, tag_rows, strict=True)):
        if len(of_words) != len(of_tags):
            raise DataError(
                f"{table.where(row)}: {len(of_words)} words, but {len(of_tags)} tags. Each word "
                "needs one tag; in a cell of text, blanks separate them."
            )
    return rows, tag_rows


def words_and_tags_from_spans(
    texts: Sequence[str], spans: Sequence[Any], where: Callable[[int], str]
) -> tuple[Sentences, Sentences, dict[str, int]]:
    """Cuts texts into words and tags those that a span covers, wholly or in part, in IOB2.

    Of spans that share a word the longest counts, and of equally long ones the first.

    Args:
        texts: a text a row, as the offsets count it: not cleaned.
        spans: for each row a list of `{"start": 0, "end": 5, "label": "per"}` (or with the label
            as `type`, `entity` or `tag`) or of `[0, 5, "per"]`; None is an empty one. Offsets are
            in Unicode characters, and `end` is one after the last.
        where: says where a row stands, for messages.

    Returns:
        The words and the tags of each row, and how many spans were `overlapping` a longer one and
        left out, or `widened` since they begin or end inside a word.

    Raises:
        DataError: a span of another form, outside of its text, or without a word.
    """
    words, bounds = _split(texts)
    tags: Sentences = []
    notes = Counter(overlapping=0, widened=0)
    for row, (text, cell) in enumerate(zip(texts, spans, strict=True)):
        given = [_span(each, text, where(row)) for each in _span_list(cell, where(row))]
        covered = [_covered(span, bounds[row], text, where(row)) for span in given]
        kept = _without_overlaps(given, covered)
        notes["overlapping"] += len(given) - len(kept)
        notes["widened"] += sum(_is_widened(given[n], covered[n], bounds[row]) for n in kept)
        tags.append(_span_tags(len(words[row]), [(given[n].label, covered[n]) for n in kept]))
    return words, tags, dict(notes)


def split_key(tags: Sequence[str]) -> tuple[str, ...]:
    """The entity types of a sentence, sorted: what a stratified split groups sentences by.

    >>> split_key(["B-per", "I-per", "O", "B-loc", "B-per"])
    ('loc', 'per')
    """
    return tuple(sorted({kind for kind, _, _ in chunks(tags)}))


def _column(table: Table, key: str | int) -> list[Any]:
    """The cells of a column; negative positions count from the last one."""
    if isinstance(key, int) and -len(table.names) <= key < 0:
        key += len(table.names)
    return table.column(key)


def _words(cell: Any, prefix: str | None, where: str) -> list[str]:
    words = []
    for number, entry in enumerate(_entries(cell, "words", where), 1):
        # `tfft.text.words` joins words with line ends, and knows no empty ones.
        word = "" if entry is None else re.sub(r"(?:\r\n|\r|\n)", " ", str(entry))
        if prefix is not None and not word.startswith(prefix):
            raise DataError(
                f"{where}, word {number}: found {word!r}, expected it to begin with "
                f"word_prefix {prefix!r}."
            )
        word = word.removeprefix(prefix or "")
        if not word:
            raise DataError(f"{where}, word {number}: the word is empty. Take it out, or mend it.")
        words.append(word)
    return words


def _tags(cell: Any, first: int | None, names: Sequence[str] | None, where: str) -> list[str]:
    tags = []
    for number, entry in enumerate(_entries(cell, "tags", where), 1):
        tag = label_text(entry)
        if not tag:
            raise DataError(f"{where}, word {number}: the tag is empty. Each word needs one.")
        if first is not None and names is not None:
            tag = _named(tag, first, names, f"{where}, word {number}")
        tags.append(tag)
    return tags


def _entries(cell: Any, what: str, where: str) -> list[Any]:
    """The entries of a cell, a list or blank-separated text."""
    if isinstance(cell, (list, tuple, np.ndarray)):
        return list(cell)
    if not isinstance(cell, str):
        raise DataError(f"{where}: found {cell!r}, expected a list of {what}.")
    if re.fullmatch(r"\[(['\"]).*\1\]", cell.strip(), re.DOTALL):
        # Cut at blanks it would give as many words as tags, all of them wrong.
        raise DataError(
            f"{where}: the {what} are a list written as text ({cell[:40]!r}). Use jsonl or "
            "parquet, which hold lists, or write the entries with blanks between them."
        )
    return split_blanks(cell)


def _named(tag: str, first: int, names: Sequence[str], where: str) -> str:
    number = int(tag) - first if re.fullmatch(r"[-+]?[0-9]+", tag) else -1
    if not 0 <= number < len(names):
        raise DataError(
            f"{where}: the tag is {tag!r}; expected a number from {first} to "
            f"{first + len(names) - 1} (label_numbers_from: {first}, {len(names)} names)."
        )
    return names[number]


def _split(texts: Sequence[str]) -> tuple[Sentences, list[list[tuple[int, int]]]]:
    """The words of each text, and of each word its first character and one after its last."""
    # Only here is TensorFlow needed, and it takes seconds to load.
    start_tensorflow()
    import tensorflow as tf

    from tfft.text.words import split_words

    # Half of a surrogate pair, which json may hold, becomes one "?": offsets stay.
    split = split_words(tf.constant([text.encode("utf-8", "replace") for text in texts], tf.string))
    words = [[word.decode() for word in row] for row in split.words.to_list()]
    starts, ends = split.starts.to_list(), split.ends.to_list()
    return words, [list(zip(*row, strict=True)) for row in zip(starts, ends, strict=True)]


def _span_list(cell: Any, where: str) -> list[Any]:
    if cell is None:
        return []
    if not isinstance(cell, (list, tuple, np.ndarray)):
        raise DataError(f"{where}: found {cell!r}, expected a list of spans.")
    return list(cell)


def _span(entry: Any, text: str, where: str) -> Span:
    """Reads one span and compares it with its text."""
    parts: list[Any] = list(entry) if isinstance(entry, (list, tuple, np.ndarray)) else []
    if isinstance(entry, dict):
        label = next((entry[key] for key in _LABEL_KEYS if key in entry), None)
        parts = [entry.get("start"), entry.get("end"), label]
    if len(parts) != 3 or not all(map(_is_offset, parts[:2])) or not label_text(parts[2]):
        raise DataError(
            f"{where}: the span is {entry!r}, expected {{'start': 0, 'end': 5, 'label': 'name'}} "
            "or [0, 5, 'name'], with whole numbers for the characters."
        )
    span = Span(int(parts[0]), int(parts[1]), label_text(parts[2]))
    if not 0 <= span.start < span.end <= len(text):
        raise DataError(
            f"{where}: the span {tuple(span)} does not lie in its text of {len(text)} characters. "
            "Expected 0 <= start < end <= length; offsets count characters, not bytes."
        )
    return span


def _is_offset(value: Any) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def _covered(span: Span, bounds: list[tuple[int, int]], text: str, where: str) -> range:
    """The positions of the words that a span overlaps."""
    inside = [n for n, (start, end) in enumerate(bounds) if start < span.end and end > span.start]
    if not inside:
        raise DataError(
            f"{where}: the span {tuple(span)} covers {text[span.start : span.end]!r}, where there "
            "is no word. Take it out, or mend its offsets."
        )
    return range(inside[0], inside[-1] + 1)


def _without_overlaps(spans: list[Span], covered: list[range]) -> list[int]:
    """The positions of the spans that are kept."""
    kept: list[int] = []
    longest_first = sorted(range(len(spans)), key=lambda n: (spans[n].start - spans[n].end, n))
    for n in longest_first:
        if not any(set(covered[n]) & set(covered[other]) for other in kept):
            kept.append(n)
    return kept


def _is_widened(span: Span, covered: range, bounds: list[tuple[int, int]]) -> bool:
    return bounds[covered[0]][0] < span.start or bounds[covered[-1]][1] > span.end


def _span_tags(words: int, entities: list[tuple[str, range]]) -> list[str]:
    tags = ["O"] * words
    for label, covered in entities:
        tags[covered.start : covered.stop] = [f"B-{label}"] + [f"I-{label}"] * (len(covered) - 1)
    return tags
