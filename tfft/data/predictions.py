"""Somebody's answers to a tagging task, read from a CoNLL file with the answers in the last column.

They can be scored without a model.
"""

from collections.abc import Sequence
from itertools import chain, islice

from tfft.data.conll import Line, read_sentences
from tfft.data.table import ReadOptions
from tfft.errors import DataError

Tags = list[list[str]]


def read_tag_predictions(path: str, gold_path: str | None = None) -> tuple[Tags, Tags]:
    """Reads the right and the answered tags of the same sentences.

    With `gold_path` the right tags are the last column of that file. Its sentences count: answers
    are paired with words by their order, since systems change words and where sentences end.

    Args:
        path: CoNLL, with the answered tag last on each line, and the right one before it if
            there is no `gold_path`.
        gold_path: CoNLL, with the right tag last on each line.

    Returns:
        The right and the answered tags, lists of sentences of tags.

    Raises:
        DataError: no words, no column for the right tags, or another number of words than in
            `gold_path`; the message names the first line where the words differ.
    """
    answers, name = _read(path)
    if gold_path is None:
        if len(answers[0][0].cells) < 2:
            raise DataError(
                f"{name} has one column, expected two or more: the right tag and after it the "
                "answered one. If the right tags stand in another file, give that too."
            )
        return _column(answers, -2), _column(answers, -1)
    gold, gold_name = _read(gold_path)
    _check_words(gold, answers, gold_name, name)
    rest = chain.from_iterable(_column(answers, -1))
    return _column(gold, -1), [list(islice(rest, len(sentence))) for sentence in gold]


def _read(path: str) -> tuple[list[list[Line]], str]:
    sentences, name = read_sentences(path, ReadOptions())
    if not sentences:
        raise DataError(f"{name} has no words. Expected a word a line with its tag last.")
    return sentences, name


def _column(sentences: list[list[Line]], position: int) -> Tags:
    return [[line.cells[position] for line in sentence] for sentence in sentences]


def _check_words(
    gold: list[list[Line]], answers: list[list[Line]], gold_name: str, name: str
) -> None:
    expected, found = list(chain(*gold)), list(chain(*answers))
    if len(expected) == len(found):
        return
    message = f"{name} has {len(found)} words, but {gold_name} has {len(expected)}."
    place = _first_difference(expected, found)
    if place >= min(len(expected), len(found)):
        longer, where = (found, name) if len(found) > len(expected) else (expected, gold_name)
        raise DataError(f"{message} The first that only one has is {_shown(longer[place], where)}.")
    raise DataError(
        f"{message} The first that differs is {_shown(found[place], name)}; expected "
        f"{_shown(expected[place], gold_name)}. Each word needs one answer."
    )


def _first_difference(expected: Sequence[Line], found: Sequence[Line]) -> int:
    """The position of the first word that differs; the shorter length if none does."""
    shorter = min(len(expected), len(found))
    if len(expected[0].cells) == 1 or len(found[0].cells) == 1:  # tags alone, no words
        return shorter
    differ = (n for n in range(shorter) if expected[n].cells[0] != found[n].cells[0])
    return next(differ, shorter)


def _shown(line: Line, name: str) -> str:
    return f"{line.cells[0]!r} ({name}:{line.number})"
