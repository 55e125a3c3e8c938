"""Somebody's answers to questions, beside the answers that are right.

SQuAD's official scripts take one json object, `{id: answer}`. The lines that `tfft predict` writes
do as well.
"""

import json
from collections import Counter
from pathlib import PurePath

from tfft.data.files import read_text
from tfft.data.json_text import kind_of, parse_json
from tfft.data.questions import given_answers
from tfft.data.sources import guess_format, read_table
from tfft.data.squad import is_squad, squad_table
from tfft.data.table import ReadOptions, Table, listed
from tfft.errors import DataError


def read_answer_predictions(path: str, gold_path: str) -> tuple[list[list[str]], list[str], int]:
    """Reads answers and puts them beside the right ones, by the questions' ids.

    Args:
        path: the answers: a json object {id: answer}, or jsonl with the keys `id` and `answer`.
            An answer "" says that there is none.
        gold_path: the right answers: SQuAD's json, or a file that `read_table` reads, with the
            columns `id` and `answers`.

    Returns:
        Three things: for each question of the gold file the texts of its right answers, none where
        there is none; the answer that was given, "" where there is none; and for how many questions
        there is none. Of the official scripts `evaluate-v1.1.py` counts such questions as wrong,
        and `evaluate-v2.0.py` leaves them out.

    Raises:
        DataError: a file has another shape; an answer to a question that the gold file does not
            have; two questions, or two answers, with one id.
    """
    gold = _gold_table(gold_path)
    ids = _unique_ids(gold)
    answers = _answers(path)
    known = set(ids)
    unknown = [each for each in answers if each not in known]
    if unknown:
        raise DataError(
            f"{path}: no question of {gold.path} has these ids: {listed(unknown, most=3)} "
            f"({len(unknown)} in all). Give the gold file that the answers were made for."
        )
    right = [[text for text, _ in row] for row in given_answers(gold)]
    missing = sum(each not in answers for each in ids)
    return right, [answers.get(each, "") for each in ids], missing


def _gold_table(path: str) -> Table:
    if guess_format(path) == "json":
        text, name = read_text(path, ReadOptions())
        document = parse_json(text, name)
        if is_squad(document):
            return squad_table(document, name)
    return read_table(path)


def _answers(path: str) -> dict[str, str]:
    text, name = read_text(path, ReadOptions())
    if _has_answers_by_line(text, name):
        table = read_table(path, format="jsonl")
        answers = dict(zip(_unique_ids(table), table.column("answer"), strict=True))
    else:
        answers = parse_json(text, name)
    if not isinstance(answers, dict):
        raise _not_answers(name, f"holds {kind_of(answers)}")
    for each, answer in answers.items():
        if not isinstance(answer, str):
            raise _not_answers(name, f"answers {each!r} with {kind_of(answer)}")
    return answers


def _has_answers_by_line(text: str, name: str) -> bool:
    """Whether each line is an answer, as `tfft predict` writes them under any name."""
    if PurePath(name.lower().removesuffix(".gz")).suffix in (".jsonl", ".ndjson"):
        return True
    try:
        first = json.loads(text.lstrip().partition("\n")[0])
    except ValueError:
        return False
    return isinstance(first, dict) and {"id", "answer"} <= first.keys()


def _unique_ids(table: Table) -> list[str]:
    ids = [str(each) for each in table.column("id")]
    twice = [each for each, count in Counter(ids).items() if count > 1]
    if twice:
        raise DataError(
            f"{table.path} has ids more than once: {listed(twice, most=3)}. Answers are told apart "
            "by their ids: give each question one of its own."
        )
    return ids


def _not_answers(name: str, found: str) -> DataError:
    return DataError(
        f'{name} {found}. Expected a json object {{"id": "answer", ...}}, or jsonl with lines such '
        'as {"id": ..., "answer": ...}; "" says that there is no answer.'
    )
