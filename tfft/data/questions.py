"""Columns of a file become questions, contexts, and the answers that stand in them.

An answer is a text and the character of the context at which it begins. Real files are often off
by a blank or say -1: such an answer is moved to where its text stands, if that is one place only.
"""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tfft.data.cleaning import clean
from tfft.data.table import Table, listed
from tfft.errors import DataError

# Where nothing tells an answer's place; unlike -1 or null, which tell it wrongly.
_UNSAID: Any = object()


@dataclass(frozen=True)
class Questions:
    """The questions of a table, row by row.

    Attributes:
        questions: one a row.
        contexts: the text that each question is about.
        answers: for each row the right answers (text, first character of it in the context); an
            empty list where there is none. None if they were not asked for.
        rows: the numbers of the table's rows that were kept.
        notes: how many answers were `repaired` (moved to where their text stands), were
            `ambiguous` (the file does not say which of several places, the first was taken) and
            were skipped (`skipped_answers`); how many rows had no other answers (`skipped_rows`).
    """

    questions: list[str]
    contexts: list[str]
    answers: list[list[tuple[str, int]]] | None
    rows: list[int]
    notes: dict[str, int]


def read_questions(
    table: Table,
    *,
    question: str | int = "question",
    context: str | int = "context",
    answers: str | int | None = None,
    answer_start: str | int = "answer_start",
    cleaning: Sequence[str] = (),
    with_labels: bool = True,
) -> Questions:
    """Maps the columns of a table to the fields of question answering.

    Args:
        table: what was read.
        question: the column of the questions.
        context: the column of the contexts. They are not cleaned: an answer is known by its place.
        answers: the column of the answers; see `given_answers`. Default: `answers`, or `answer`.
        answer_start: the column of their first characters, where the answers are plain texts. A
            table may lack it.
        cleaning: names of the cleaning steps for each question.
        with_labels: false where only questions and contexts are wanted, such as for prediction.

    Returns:
        The rows, without those whose answers were all skipped: that none of its answers was found
        does not make a question unanswerable.

    Raises:
        DataError: a column is missing, or a cell holds something else.
    """
    questions = clean(_texts(table, question), cleaning)
    contexts = _texts(table, context)
    notes = dict.fromkeys(("repaired", "ambiguous", "skipped_answers", "skipped_rows"), 0)
    if not with_labels:
        return Questions(questions, contexts, None, list(range(table.rows)), notes)
    given = given_answers(table, answers, answer_start)
    placed = [_place_all(row, text, notes) for row, text in zip(given, contexts, strict=True)]
    rows = [row for row in range(table.rows) if placed[row] or not given[row]]
    notes["skipped_rows"] = table.rows - len(rows)
    return Questions(
        [questions[row] for row in rows],
        [contexts[row] for row in rows],
        [placed[row] for row in rows],
        rows,
        notes,
    )


# ------------------------------------------------------------------------------- what files hold

Given = tuple[str, int | None]
"""An answer as a file has it: its text and its first character. That is -1 where the file has no
number for it, and None where the file tells no places at all."""


def given_answers(
    table: Table, answers: str | int | None = None, answer_start: str | int = "answer_start"
) -> list[list[Given]]:
    """Reads the answers of each row as the file has them.

    A cell is a list of {"text", "answer_start"}, an object {"text": [...], "answer_start": [...]}
    as Hugging Face's data sets have it, a list of texts, one text, or any of these as json. With
    texts alone `answer_start` names the column of their places, if the table has it. No answer is
    null, an empty list or an empty text.

    Args:
        table: what was read.
        answers: the column. Default: `answers`, or `answer` where there is no `answers`.
        answer_start: the column of the places.

    Raises:
        DataError: a column is missing, or a cell holds something else.
    """
    if answers is None:
        answers = "answer" if table.has("answer") and not table.has("answers") else "answers"
    cells = table.column(answers)
    starts = table.column(answer_start) if table.has(answer_start) else [_UNSAID] * len(cells)
    return [
        [answer for answer in _of_cell(cell, start, table.where(row)) if answer[0].strip()]
        for row, (cell, start) in enumerate(zip(cells, starts, strict=True))
    ]


def _of_cell(cell: Any, start: Any, where: str) -> list[Given]:
    cell = _from_json(cell, _is_answer)
    if cell is None or cell == "":
        return []
    if isinstance(cell, dict):
        return _of_object(cell, start, where)
    if not isinstance(cell, list):
        return _of_texts([cell], start, where)
    if not any(isinstance(item, dict) for item in cell):
        return _of_texts(cell, start, where)
    return [answer for item in cell for answer in _of_cell(item, start, where)]


def _of_object(cell: dict[str, Any], start: Any, where: str) -> list[Given]:
    """One answer, or a list of texts and one of places."""
    if "text" not in cell:
        raise DataError(
            f"{where}: an answer is an object with {listed(cell)}; expected 'text' and "
            "'answer_start'."
        )
    texts = cell["text"] if isinstance(cell["text"], list) else [cell["text"]]
    return _of_texts(texts, cell.get("answer_start", start), where)


def _of_texts(texts: list[Any], start: Any, where: str) -> list[Given]:
    wrong = [text for text in texts if not isinstance(text, str | None)]
    if wrong:
        raise DataError(f"{where}: an answer is {wrong[0]!r}; expected a text.")
    starts = _from_json(start, lambda item: isinstance(item, int))
    if not isinstance(starts, list):
        starts = [starts] * len(texts)
    if len(starts) != len(texts):
        raise DataError(
            f"{where}: found {len(texts)} answers and {len(starts)} numbers in answer_start; "
            "expected one for each answer."
        )
    return [(text or "", _start(at, where)) for text, at in zip(texts, starts, strict=True)]


def _start(cell: Any, where: str) -> int | None:
    if cell is _UNSAID:
        return None
    if cell is None or cell == "":
        return -1
    try:
        number = float(cell)  # a column with empty cells may hold 159.0
    except (TypeError, ValueError):
        number = math.nan
    if not number.is_integer():
        raise DataError(
            f"{where}: answer_start is {cell!r}; expected the number of the answer's first "
            "character, from 0."
        )
    return int(number)


def _from_json(cell: Any, fits: Callable[[Any], bool]) -> Any:
    """What a cell says as json, if it is what fits or a list of that; else the cell as it is.

    A text such as "[sic]" or "[1]" is an answer, and no list of answers.
    """
    if not isinstance(cell, str) or not cell.lstrip().startswith(("[", "{")):
        return cell
    try:
        found = json.loads(cell)
    except (ValueError, RecursionError):
        return cell
    return found if all(map(fits, found if isinstance(found, list) else [found])) else cell


def _is_answer(item: Any) -> bool:
    return isinstance(item, str) or (isinstance(item, dict) and "text" in item)


# ----------------------------------------------------------------------------- where answers stand


def _place_all(given: list[Given], context: str, notes: dict[str, int]) -> list[tuple[str, int]]:
    placed = []
    for text, start in given:
        answer, note = _place(text, start, context)
        if note is not None:
            notes[note] += 1
        if answer is not None:
            placed.append(answer)
    return placed


def _place(text: str, start: int | None, context: str) -> tuple[tuple[str, int] | None, str | None]:
    """Finds an answer in its context: (text, first character), and what is to be noted of it."""
    for written in dict.fromkeys([text, text.strip()]):
        places = _occurrences(written, context)
        if start in places:
            return (written, start), None if written == text else "repaired"
        if len(places) == 1:
            return (written, places[0]), None if start is None else "repaired"
        if places and start is None:
            return (written, places[0]), "ambiguous"
    return None, "skipped_answers"


def _occurrences(text: str, context: str) -> list[int]:
    """Where a text stands in another; places may overlap."""
    found = []
    start = context.find(text)
    while start >= 0:
        found.append(start)
        start = context.find(text, start + 1)
    return found


def _texts(table: Table, column: str | int) -> list[str]:
    return ["" if cell is None else str(cell) for cell in table.column(column)]
