"""SQuAD's json: articles with paragraphs, and questions on each paragraph.

    {"data": [{"title": ..., "paragraphs": [{"context": ..., "qas": [
        {"id": ..., "question": ..., "answers": [{"text": ..., "answer_start": ...}]}]}]}]}

Version 2.0 has `is_impossible` beside the answers, which is true where there is none.
"""

from collections.abc import Iterator
from typing import Any

from tfft.data.files import read_text
from tfft.data.json_text import kind_of, parse_json
from tfft.data.table import ReadOptions, Table
from tfft.errors import DataError

COLUMNS = ("id", "title", "question", "context", "answers")


def read_squad(path: str, options: ReadOptions) -> Table:
    """Reads a file of SQuAD 1.1 or 2.0. See `squad_table`."""
    text, name = read_text(path, options)
    return squad_table(parse_json(text, name), name)


def is_squad(document: Any) -> bool:
    """Tells SQuAD's json from rows: an object whose `data` are articles with paragraphs."""
    articles = document.get("data") if isinstance(document, dict) else None
    first = articles[0] if isinstance(articles, list) and articles else None
    return isinstance(first, dict) and "paragraphs" in first


def squad_table(document: Any, name: str) -> Table:
    """Turns SQuAD's json into a table with a row for each question.

    Its columns are `id`, `title`, `question`, `context` and `answers`: a list of
    {"text", "answer_start"}, empty where the question has no answer. `plausible_answers` are not
    looked at. Where no question says anything of answers, as in a test set without its gold, there
    is no column `answers`.

    Args:
        document: the parsed file.
        name: the file's name for messages.

    Raises:
        DataError: the document has another shape; the message says where.
    """
    rows, places = [], []
    for row, place in _rows(document, f"{name}: "):
        rows.append(row)
        places.append(place)
    table = Table({column: [row[column] for row in rows] for column in COLUMNS}, name)
    silent = [place for row, place in zip(rows, places, strict=True) if row["answers"] is None]
    if silent and len(silent) < len(rows):
        raise DataError(
            f"{silent[0]} has no answers, and other questions have. Expected a list, which is "
            "empty where the question has no answer."
        )
    if silent:
        del table.columns["answers"]
    return table


def _rows(document: Any, file: str) -> Iterator[tuple[dict[str, Any], str]]:
    for article, in_article in _items(document, "data", file):
        for paragraph, in_paragraph in _items(article, "paragraphs", in_article):
            context = _field(paragraph, "context", str, in_paragraph)
            for entry, place in _items(paragraph, "qas", in_paragraph):
                row = {
                    "id": str(_field(entry, "id", str | int, place)),
                    "title": article.get("title") or "",
                    "question": _field(entry, "question", str, place),
                    "context": context,
                    "answers": _answers(entry, place),
                }
                yield row, _shown(place)


def _answers(entry: dict[str, Any], place: str) -> list[dict[str, Any]] | None:
    """The answers, or None where the question says nothing of them."""
    impossible = entry.get("is_impossible")
    if not isinstance(impossible, bool | None):
        raise DataError(
            f"{_shown(place)}: is_impossible is {impossible!r}; expected true or false."
        )
    if impossible:
        return []
    if entry.get("answers") is None:
        return None
    return [
        {"text": _field(answer, "text", str, at), "answer_start": answer.get("answer_start")}
        for answer, at in _items(entry, "answers", place)
    ]


def _items(parent: Any, key: str, place: str) -> Iterator[tuple[Any, str]]:
    """The items of a list in an object, each with its place, such as `data[3].`."""
    for number, item in enumerate(_field(parent, key, list, place)):
        yield item, f"{place}{key}[{number}]."


def _field(parent: Any, key: str, kind: Any, place: str) -> Any:
    if not isinstance(parent, dict):
        raise DataError(f"{_shown(place)} is {kind_of(parent)}, expected an object with {key!r}.")
    if key not in parent:
        raise DataError(
            f"{_shown(place)} has no {key}. Expected SQuAD's json: data are articles with "
            "paragraphs, a paragraph has a context and qas, and each of these an id, a question "
            "and answers."
        )
    value = parent[key]
    if not isinstance(value, kind) or isinstance(value, bool):
        expected = "a list" if kind is list else "a string"
        raise DataError(f"{place}{key} is {kind_of(value)}, expected {expected}.")
    return value


def _shown(place: str) -> str:
    return place.rstrip(".: ")
