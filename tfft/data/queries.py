"""Columns of a file become queries, their candidates, and how relevant each of these is."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tfft.config import Data, DataFile
from tfft.data.cleaning import clean
from tfft.data.examples import Examples, Reader, joined_columns
from tfft.data.label_columns import label_text, read_numbers
from tfft.data.questions import given_answers
from tfft.data.table import Table
from tfft.errors import DataError


def read_ranking(task: Any, data: Data, label_names: Sequence[str] | None) -> Reader:
    """Rows of a query, a passage and its relevance; or questions with their paragraphs.

    A table without a column for queries but with SQuAD's `question` and `context` has questions:
    relevant is the paragraph of one, the others are those of the same article.
    """

    def read(
        table: Table, file: DataFile, *, with_labels: bool = True, needs_weights: bool = False
    ) -> Examples:
        columns = file.columns
        is_squad = not table.has(columns.query) and table.has("question") and table.has("context")
        if is_squad and with_labels:
            return candidates_of_questions(table, file.candidates, data.cleaning)
        names = ("question", "context") if is_squad else (columns.query, columns.passage)
        texts = {
            field: joined_columns(table, name, data.cleaning)
            for field, name in zip(("query", "passage"), names, strict=True)
        }
        places = [table.where(row) for row in range(table.rows)]
        if not with_labels:
            return Examples(texts, None, None, places, table.path)
        relevance = read_relevance(table, columns.relevance)
        ids = texts["query"] if columns.query_id is None else read_ids(table, columns.query_id)
        labels = list(zip(ids, relevance, strict=True))
        examples = Examples(texts, labels, None, places, table.path, groups=ids)
        return examples.take(choose_candidates(ids, relevance, file.candidates))

    return read


def read_ids(table: Table, column: str | int) -> list[str]:
    """The id of each row's query as text: 7 in one file is "7" in another.

    Raises:
        DataError: a row has none.
    """
    ids = [label_text(cell) for cell in table.column(column)]
    if "" in ids:
        raise DataError(
            f"{table.where(ids.index(''))}: the query has no id. Each row needs one, or leave out "
            "data.columns.query_id: rows with the same query then belong together."
        )
    return ids


def read_relevance(table: Table, column: str | int) -> list[float]:
    """The relevance of each row.

    Raises:
        DataError: one is no number of 0 or more.
    """
    relevance = read_numbers(table, column, what="relevance")
    for row, number in enumerate(relevance):
        if number < 0:
            raise DataError(
                f"{table.where(row)}: the relevance is {number:g}; expected 0 where the passage is "
                "not relevant to the query, and more where it is."
            )
    return relevance


def choose_candidates(
    ids: Sequence[Any], relevance: Sequence[float], most: int | None
) -> list[int]:
    """The rows that stay, ascending: of each query up to `most`, the relevant ones first.

    Which of the others stay is drawn, the same each time.
    """
    if most is None:
        return list(range(len(ids)))
    rows_of: dict[Any, list[int]] = {}
    for row, query in enumerate(ids):
        rows_of.setdefault(query, []).append(row)
    random = np.random.default_rng(0)
    kept: list[int] = []
    for rows in rows_of.values():
        drawn = random.permutation(rows).tolist()
        kept += sorted(drawn, key=lambda row: relevance[row] <= 0)[:most]
    return sorted(kept)


def candidates_of_questions(
    table: Table, most: int | None, cleaning: Sequence[str] = ()
) -> Examples:
    """Questions as queries, with the paragraphs of the article that each is about.

    Args:
        table: with the columns `question`, `context`, `answers` and perhaps `id` and `title`, as
            SQuAD's json is read. Questions that their paragraph does not answer are left out.
        most: the most paragraphs of a question. Its own is always there, the others are drawn, the
            same each time; where the article has too few, from the other articles. None: all those
            of the article.
        cleaning: names of the cleaning steps for each text.

    Raises:
        DataError: no question has an answer.
    """
    asked = [row for row, answers in enumerate(given_answers(table)) if answers]
    if table.rows and not asked:
        raise DataError(
            f"{table.path}: none of its {table.rows} questions has an answer, so no paragraph is "
            "relevant to any. Give questions with answers."
        )
    questions = clean(table.column("question"), cleaning)
    contexts = clean(table.column("context"), cleaning)
    titles = table.column("title") if table.has("title") else contexts
    places = [table.where(row) for row in range(table.rows)]
    given = map(label_text, table.column("id")) if table.has("id") else [""] * table.rows
    # No question of another file stands at the same place.
    ids = [each or place for each, place in zip(given, places, strict=True)]
    articles = Articles(titles, contexts)
    passages = [[contexts[r], *articles.others(titles[r], contexts[r], most)] for r in asked]
    rows = [row for row, of_row in zip(asked, passages, strict=True) for _ in of_row]
    left_out = table.rows - len(asked)
    return Examples(
        {
            "query": [questions[row] for row in rows],
            "passage": [passage for of_row in passages for passage in of_row],
        },
        [
            (ids[row], float(not place))
            for row, of_row in zip(asked, passages, strict=True)
            for place in range(len(of_row))
        ],
        None,
        [places[row] for row in rows],
        table.path,
        counts={"questions without an answer left out": left_out} if left_out else {},
        # What is asked about an article is not parted: its paragraphs are candidates of each.
        groups=[titles[row] for row in rows],
    )


class Articles:
    """The paragraphs of a file by their articles, of which candidates are drawn.

    Args:
        titles: of the article, for each question.
        contexts: the paragraph of each question.
    """

    def __init__(self, titles: Sequence[str], contexts: Sequence[str]) -> None:
        self.contexts = list(dict.fromkeys(contexts))
        self.of_title: dict[str, list[str]] = {}
        for title, context in dict.fromkeys(zip(titles, contexts, strict=True)):
            self.of_title.setdefault(title, []).append(context)
        self.random = np.random.default_rng(0)

    def others(self, title: str, own: str, most: int | None) -> list[str]:
        """The candidates beside a question's own paragraph; see `candidates_of_questions`."""
        near = [context for context in self.of_title[title] if context != own]
        if most is None:
            return near
        if len(near) >= most - 1:
            return self._drawn(near, most - 1)
        known = {own, *near}
        far = [context for context in self.contexts if context not in known]
        return near + self._drawn(far, min(most - 1 - len(near), len(far)))

    def _drawn(self, texts: Sequence[str], count: int) -> list[str]:
        return [texts[place] for place in self.random.permutation(len(texts))[:count]]
