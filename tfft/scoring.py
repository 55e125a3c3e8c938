"""Scores answers that somebody has in a file, without a model and without TensorFlow."""

import json
import re
from typing import Any, NamedTuple

from tfft.data.answer_predictions import read_answer_predictions
from tfft.data.files import read_text
from tfft.data.predictions import read_tag_predictions
from tfft.data.table import ReadOptions, listed
from tfft.errors import ConfigError, DataError
from tfft.metrics.entities import entity_scores, tag_confusions, tag_scores
from tfft.metrics.squad import squad_scores
from tfft.text.tag_schemes import detect_scheme

# What lines of `tfft predict` have for tasks other than question answering.
ANSWERS = {"label", "labels", "entities", "value", "embedding", "score", "masks"}

# A CoNLL file may begin with the word "{", but not with a quote right after it.
_JSON = re.compile(r'\s*[\[{]\s*["{}\]]')


class Scored(NamedTuple):
    """What is to be said of answers: as a task says it of its own."""

    scores: dict[str, Any]
    confusions: list[tuple[str, str, int]]
    notes: list[str]


def score_predictions(
    path: str, gold_path: str | None = None, *, by_character: bool = False
) -> Scored:
    """Scores a file of answers; what stands in it tells the task.

    Args:
        path: tagging: CoNLL with the answered tag last. Question answering: json `{id: answer}`,
            or jsonl with `id` and `answer`, such as `tfft predict` writes.
        gold_path: the right answers: CoNLL with the tag last, or questions with ids, such as
            SQuAD's json. Tagging can do without: the right tag then stands before the answered one.
        by_character: question answering: each Chinese or Japanese character is a word.

    Raises:
        ConfigError: questions without `gold_path`, or tags with `by_character`.
        DataError: a file has another shape, or the two do not belong together.
    """
    if holds_json(path):
        refuse_other_answers(path)
        if gold_path is None:
            raise ConfigError(
                f"{path} has answers to questions, but not the right ones: give those with --data."
            )
        return score_answers(path, gold_path, by_character=by_character)
    if by_character:
        raise ConfigError(f"--by-character is for answers to questions; {path} has tags.")
    return score_tags(path, gold_path)


def holds_json(path: str) -> bool:
    """Tells json and jsonl from CoNLL by how the file begins."""
    text, _ = read_text(path, ReadOptions())
    return _JSON.match(text) is not None


def refuse_other_answers(path: str) -> None:
    """Raises DataError for lines that `tfft predict` wrote for a task that is not scored here."""
    text, _ = read_text(path, ReadOptions())
    try:
        row = json.loads(text.lstrip().partition("\n")[0])
    except ValueError:
        return
    found = ANSWERS & row.keys() if isinstance(row, dict) else set()
    if found and "answer" not in row:
        raise DataError(
            f"{path} has answers of another task ({listed(sorted(found))}). --predictions scores "
            "tags (CoNLL) and answers to questions; score a run of any task with --run DIR --data "
            "FILE."
        )


def score_tags(path: str, gold_path: str | None = None) -> Scored:
    """Scores a CoNLL file: its entities, or word by word where tags mark none."""
    gold, predicted = read_tag_predictions(path, gold_path)
    has_entities = any(detect_scheme(tags) != "plain" for tags in (gold, predicted))
    measure = entity_scores if has_entities else tag_scores
    return Scored(measure(gold, predicted), tag_confusions(gold, predicted), [])


def score_answers(path: str, gold_path: str, *, by_character: bool = False) -> Scored:
    """Scores answers to questions by the measures of the official SQuAD scripts."""
    golds, answers, missing = read_answer_predictions(path, gold_path)
    notes = []
    if missing:
        notes = [
            f"{path} says nothing of {missing} of the {len(golds)} questions. They are scored as "
            "answered with nothing."
        ]
    return Scored(squad_scores(golds, answers, by_character=by_character), [], notes)
