"""Which columns of a file become which fields of a task's examples: one reader a task."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from tfft.config import Data, DataFile, Experiment
from tfft.data.examples import Examples, Reader, joined_columns, read_weights
from tfft.data.label_columns import read_label_columns, read_numbers, tenths
from tfft.data.pairs import read_similarity
from tfft.data.passages import PASSAGE_CHARACTERS, join_texts, passage_size, with_masks
from tfft.data.queries import read_ranking
from tfft.data.questions import read_questions
from tfft.data.table import Table, listed
from tfft.data.tagged import split_key, words_and_tags, words_and_tags_from_spans
from tfft.errors import DataError
from tfft.text import WORD_SEPARATOR
from tfft.text.tag_schemes import detect_scheme, to_iob2

MOST_ASKED = 10_000


def build_reader(experiment: Experiment, label_names: Sequence[str] | None = None) -> Reader:
    """The reader of an experiment's task.

    Args:
        experiment: its `task` and `data` sections say how rows are read.
        label_names: the task's labels where they are known, for labels written as numbers.
    """
    return READERS[experiment.task.name](experiment.task, experiment.data, label_names)


def text_fields(experiment: Experiment) -> tuple[str, ...]:
    """What the texts that are answered are called: `text`; with two of them `text_pair`, too."""
    if experiment.task.name in FIELDS:
        return FIELDS[experiment.task.name]
    return ("text", "text_pair") if experiment.data.has_pairs else ("text",)


# Of tasks whose texts the columns do not change.
FIELDS = {
    "question_answering": ("question", "context"),
    "similarity": ("text",),
    "ranking": ("query", "passage"),
}


def raw_texts(texts: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """The texts as somebody would send them.

    Words that are given are joined with blanks; passages come in parts with a mask to fill in.
    """
    if "words" in texts:
        return {"text": [text.replace(WORD_SEPARATOR, " ") for text in texts["words"]]}
    if "plain_text" in texts:
        return {"text": list(islice(with_masks(texts["plain_text"]), MOST_ASKED))}
    return dict(texts)


# ------------------------------------------------------------------- classification, regression


def read_classification(task: Any, data: Data, label_names: Sequence[str] | None) -> Reader:
    """Texts, or pairs of texts, with a label or a list of them."""

    def read(table: Table, file: DataFile, *, with_labels: bool = True, **options: Any) -> Examples:
        labels = None
        if with_labels:
            labels = read_label_columns(
                table, file, label_names=label_names, multi_label=task.multi_label
            )
        return _texts(table, file, data, labels, **options)

    return read


def read_regression(task: Any, data: Data, label_names: Sequence[str] | None) -> Reader:
    """Texts, or pairs of texts, with a number."""

    def read(table: Table, file: DataFile, *, with_labels: bool = True, **options: Any) -> Examples:
        labels = read_numbers(table, file.columns.label) if with_labels else None
        examples = _texts(table, file, data, labels, **options)
        return replace(examples, strata=tenths(labels) if labels else None)

    return read


def _texts(
    table: Table,
    file: DataFile,
    data: Data,
    labels: list[Any] | None,
    *,
    needs_weights: bool = False,
) -> Examples:
    columns = file.columns
    texts = {"text": joined_columns(table, columns.text, data.cleaning)}
    if columns.text_pair is not None:
        texts["text_pair"] = joined_columns(table, columns.text_pair, data.cleaning)
    weights = None
    if labels is not None:
        weights = read_weights(table, columns, needed=needs_weights)
    return Examples(texts, labels, weights, _places(table), table.path)


# ------------------------------------------------------------------------------------- tagging


def read_tagging(task: Any, data: Data, label_names: Sequence[str] | None) -> Reader:
    """Sentences of words with a tag each, in IOB2; without labels also raw texts."""

    def read(
        table: Table, file: DataFile, *, with_labels: bool = True, needs_weights: bool = False
    ) -> Examples:
        columns = file.columns
        if columns.spans is not None and with_labels:
            texts = joined_columns(table, columns.text, data.cleaning)
            words, tags, counts = words_and_tags_from_spans(
                texts, table.column(columns.spans), table.where
            )
            weights = read_weights(table, columns, needed=needs_weights)
            return _sentences(table, words, tags, weights, counts)
        if not with_labels and _find(table, columns.words, WORD_COLUMNS) is None:
            texts = joined_columns(table, columns.text, data.cleaning)
            return Examples({"text": texts}, None, None, _places(table), table.path)
        word_column = _found(table, columns.words, WORD_COLUMNS, "words")
        tag_column = _found(table, columns.tags, TAG_COLUMNS, "tags") if with_labels else None
        if tag_column == word_column:
            raise DataError(
                f"{table.path}: the column {word_column!r} would be both the words and their tags. "
                f"Its columns: {listed(table.names)}. Each word needs a tag in another column."
            )
        words, given = words_and_tags(
            table,
            words=word_column,
            tags=tag_column,
            label_numbers_from=file.label_numbers_from,
            label_names=label_names,
            word_prefix=file.word_prefix,
        )
        if given is None:
            return _sentences(table, words, None, None, {})
        scheme = detect_scheme(given)
        weights = read_weights(table, columns, needed=needs_weights)
        tags = given if scheme == "plain" else [_typed(to_iob2(sentence)) for sentence in given]
        return _sentences(table, words, tags, weights, {f"tags read as {scheme}": len(tags)})

    return read


def _typed(tags: list[str]) -> list[str]:
    """Tags that are B and I alone mark entities of one type."""
    return [f"{tag}-{ONLY_TYPE}" if tag in ("B", "I") else tag for tag in tags]


ONLY_TYPE = "entity"
WORD_COLUMNS = ("words", "tokens", "0")
TAG_COLUMNS = ("tags", "ner_tags", "labels", "-1")


def _sentences(
    table: Table, words: list[list[str]], tags: Any, weights: Any, counts: dict[str, int]
) -> Examples:
    return Examples(
        {"words": [WORD_SEPARATOR.join(sentence) for sentence in words]},
        tags,
        weights,
        _places(table),
        table.path,
        counts=counts,
        strata=None if tags is None else [split_key(sentence) for sentence in tags],
    )


def _find(table: Table, column: str | int | None, usual: Sequence[str]) -> str | int | None:
    """The column that the config names, else the first of the usual ones that is there.

    Usual names that are numbers stand for positions in files whose columns have no names.
    """
    if column is not None:
        return column if table.has(column) or isinstance(column, int) else None
    unnamed = table.names == [str(number) for number in range(len(table.names))]
    for name in usual:
        is_position = name.lstrip("-").isdecimal()
        if is_position and unnamed:
            return int(name) % len(table.names)
        if table.has(name) and not is_position:
            return name
    return None


def _found(table: Table, column: str | int | None, usual: Sequence[str], key: str) -> str | int:
    found = _find(table, column, usual)
    if found is None:
        table.column(column if column is not None else usual[0])  # says which columns there are
        raise DataError(f"{table.path}: set data.columns.{key} to the column of the {key}.")
    return found


# --------------------------------------------------------------------------- question answering


def read_question_answering(task: Any, data: Data, label_names: Sequence[str] | None) -> Reader:
    """Questions on contexts, each with the answers that are right; none where there is none."""

    def read(
        table: Table, file: DataFile, *, with_labels: bool = True, needs_weights: bool = False
    ) -> Examples:
        columns = file.columns
        questions = joined_columns(table, columns.question, data.cleaning)
        # Not cleaned: an answer is known by its place in the context.
        contexts = joined_columns(table, columns.context, ())
        texts = {"question": questions, "context": contexts}
        examples = Examples(texts, None, None, _places(table), table.path, groups=contexts)
        if not with_labels:
            return examples
        return with_answers(examples, table, columns, unanswerable=task.unanswerable)

    return read


def with_answers(examples: Examples, table: Table, columns: Any, *, unanswerable: bool) -> Examples:
    """The examples with their answers; without those whose answers are not in their context.

    Args:
        examples: questions and contexts.
        table: what was read.
        columns: say where the answers are.
        unanswerable: whether questions without an answer are kept.

    Raises:
        DataError: no question is left.
    """
    read = read_questions(
        table,
        question=columns.question,
        context=columns.context,
        answers=columns.answers,
        answer_start=columns.answer_start,
    )
    answers = dict(zip(read.rows, read.answers or [], strict=True))
    kept = [row for row in read.rows if unanswerable or answers[row]]
    if table.rows and not kept:
        raise DataError(
            f"{table.path}: none of its {table.rows} questions has an answer that stands in its "
            "context. If questions may have none, set task.unanswerable: true; else check "
            "data.columns.answers."
        )
    counts = {f"answers {what}": count for what, count in read.notes.items() if count}
    if len(kept) < len(read.rows):
        counts["questions without an answer left out"] = len(read.rows) - len(kept)
    labelled = replace(examples, labels=[answers.get(row, []) for row in range(len(examples))])
    return replace(labelled.take(kept), counts=counts)


# ------------------------------------------------------------------------- masked language model


def read_masked_lm(task: Any, data: Data, label_names: Sequence[str] | None) -> Reader:
    """Passages of text to learn from; without labels the texts as they are."""

    def read(
        table: Table, file: DataFile, *, with_labels: bool = True, needs_weights: bool = False
    ) -> Examples:
        texts, places = joined_columns(table, file.columns.text, data.cleaning), _places(table)
        if not with_labels:
            return Examples({"text": texts}, None, None, places, table.path)
        counts = {}
        if task.join_lines:
            counts["texts joined to passages"] = len(texts)
            # Shares are drawn of passages. (Where rows are not kept, these are not all texts.)
            has_shares = data.validation_fraction + data.test_fraction > 0
            is_drawn_from = needs_weights and has_shares and not data.is_streamed
            texts, first = join_texts(
                texts, passage_size(texts) if is_drawn_from else PASSAGE_CHARACTERS
            )
            places = [places[row] for row in first]
        examples = Examples({"plain_text": texts}, None, None, places, table.path, counts=counts)
        return replace(examples, strata=[""] * len(texts))

    return read


def _places(table: Table) -> list[str]:
    return [table.where(row) for row in range(table.rows)]


READERS = {
    "text_classification": read_classification,
    "regression": read_regression,
    "token_classification": read_tagging,
    "question_answering": read_question_answering,
    "similarity": read_similarity,
    "ranking": read_ranking,
    "masked_lm": read_masked_lm,
}
