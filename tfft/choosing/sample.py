"""Some rows of somebody's data, drawn at random. No TensorFlow: a wrong file is told at once."""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tfft.choosing.probe import FOLDS
from tfft.config import Experiment, build_config, load_config, override_key
from tfft.data.examples import Examples, file_path, join_examples, load_examples
from tfft.data.fields import build_reader
from tfft.data.queries import choose_candidates
from tfft.data.sources import guess_format
from tfft.data.splits import find_labels
from tfft.data.streamed_examples import StreamedExamples
from tfft.errors import ConfigError, DataError

MOST_WORDS = 20_000
"""Of the sentences of a sample together: a probe of words has many more rows than one of texts."""
TOLD_EVERY = 200_000
CANDIDATES = 8
"""The most of a query."""
# What a format alone tells; other tasks are said with task.name.
USUAL_TASK = {
    "conll": "token_classification",
    "parallel": "token_classification",
    "squad": "question_answering",
}
WHY_NOT = {
    "question_answering": "an answer is a part of a context, which the frozen vectors of pieces "
    "hardly tell. With --set task.name=ranking the candidates find the paragraph that answers a "
    "question, which tells them apart",
    "masked_lm": "it adapts a backbone to texts, whatever they are for",
}


@dataclass(frozen=True)
class Sample:
    """What the candidates are tried on.

    Attributes:
        experiment: the config, or what it would be.
        examples: the rows that were drawn, with their labels.
        num_rows: how many there are to train on.
        num_left_out: how many were drawn, and left out since their label is too rare to be probed.
        num_empty: how many were left out before, since a text is empty.
    """

    experiment: Experiment
    examples: Examples
    num_rows: int
    num_left_out: int = 0
    num_empty: int = 0


def describe_data(path: str | None, config: str | None, overrides: Sequence[str]) -> Experiment:
    """The experiment of a file alone, or of a config.

    Args:
        path: a file in any format that fit reads; its rows are classified unless `task.name` says
            otherwise.
        config: a YAML config.
        overrides: `key=value`. With a path keys of `data` need not say so: `columns.text=review`.

    Raises:
        ConfigError: a key is wrong, or the task cannot be probed.
    """
    if config is not None:
        experiment = load_config(config, overrides)
    else:
        values: dict[str, Any] = {
            "name": "choosing",
            "output_dir": "runs/choosing",
            "backbone": {"preset": "minilm"},
            "data": {"train": path, "empty_text": "skip"},
        }
        locations = [override_key(values, _whole_key(text)) for text in overrides]
        if "task" not in values and isinstance(values["data"], dict):
            values["task"] = {"name": _usual_task(values["data"])}
        experiment = build_config(values, "--set", overridden=locations)
    name = experiment.task.name
    if name not in PROBED:
        raise ConfigError(
            f"{name} cannot be probed: {WHY_NOT[name]}. task.name can be {', '.join(PROBED)}. "
            "tfft backbones without --for lists what there is."
        )
    return experiment


def _usual_task(data: dict[str, Any]) -> str:
    """The task of a file whose format knows only one."""
    train = data["train"] if isinstance(data["train"], dict) else {"path": data["train"]}
    format = train.get("format", data.get("format"))
    if format is None:
        with contextlib.suppress(DataError):  # which is told when the file is read
            path = file_path(data.get("dir", "."), train["path"])
            format = guess_format(path, train.get("member", data.get("member")))
    return USUAL_TASK.get(str(format), "text_classification")


def _whole_key(text: str) -> str:
    section = text.partition("=")[0].partition(".")[0].strip()
    return text if section in Experiment.model_fields else f"data.{text}"


def draw_sample(
    experiment: Experiment, most: int, note: Callable[[str], None] = lambda text: None
) -> Sample:
    """Draws rows of the training split, each alike; of a ranking's rows queries with theirs.

    Args:
        experiment: says where the rows are; its seed draws.
        most: how many.
        note: is told how many rows were read, where they are many.

    Raises:
        DataError: a fault in a file, or too few rows to probe.
    """
    read = build_reader(experiment, find_labels(experiment))
    random = np.random.default_rng(experiment.seed)
    if experiment.task.can_stream:
        rows = StreamedExamples(experiment.data, read, experiment.seed, ReadingProgress(note))
        drawn = replace(draw_in_passing(rows, most, random), path=rows.path)
        total, num_empty = len(rows), rows.num_empty
    else:
        examples = load_examples(experiment.data, "train", read)
        draw = draw_queries if experiment.task.name == "ranking" else draw_rows
        drawn = draw(examples, most, random)
        total, num_empty = len(examples), examples.num_empty
    probed = PROBED[experiment.task.name](drawn)
    return Sample(experiment, probed, total, len(drawn) - len(probed), num_empty)


# -------------------------------------------------------------------------------------- drawing


class ReadingProgress:
    """Tells after every `TOLD_EVERY` rows that are read.

    Args:
        note: is told.
    """

    def __init__(self, note: Callable[[str], None]) -> None:
        self._note = note
        self._next = TOLD_EVERY

    def __call__(self, rows: int) -> None:
        """Takes how many rows were read so far."""
        if rows >= self._next:
            self._note(f"read {self._next:,} rows")
            self._next += TOLD_EVERY


def draw_in_passing(rows: StreamedExamples, most: int, random: np.random.Generator) -> Examples:
    """Some of rows that are not kept, in one pass over them."""
    kept, draws = None, np.empty(0)
    for part in rows.parts():
        kept = part if kept is None else join_examples([kept, part])
        draws = np.concatenate([draws, random.random(len(part))])
        if len(draws) > most:
            lowest = np.sort(np.argpartition(draws, most)[:most])
            kept, draws = kept.take(lowest), draws[lowest]
    assert kept is not None
    return kept


def draw_rows(examples: Examples, most: int, random: np.random.Generator) -> Examples:
    """Some rows; of sentences with tags no more than have `MOST_WORDS` words together."""
    drawn = random.permutation(len(examples))[:most]
    if "words" in examples.texts:
        words = np.cumsum([len((examples.labels or [])[row]) for row in drawn])
        drawn = drawn[: max(int(np.searchsorted(words, MOST_WORDS)), 2 * FOLDS)]
    return examples.take(np.sort(drawn))


def draw_queries(examples: Examples, most: int, random: np.random.Generator) -> Examples:
    """Some queries that have both relevant passages and others, with a few of each one's.

    So many that they have `most` rows; where there are fewer, all.
    """
    labels = examples.labels or []
    few = choose_candidates([q for q, _ in labels], [number for _, number in labels], CANDIDATES)
    rows_of: dict[Any, list[int]] = {}
    for row in few:
        rows_of.setdefault(labels[row][0], []).append(row)
    queries = [rows for rows in rows_of.values() if len({labels[row][1] > 0 for row in rows}) == 2]
    order = random.permutation(len(queries))
    ends = np.cumsum([len(queries[query]) for query in order])
    kept = order[: int(np.searchsorted(ends, most)) + 1]
    return examples.take(sorted(row for query in kept for row in queries[query]))


# ----------------------------------------------------------------------- what can be probed of it


def with_frequent_labels(examples: Examples) -> Examples:
    """Leaves out rows whose label too few rows have for each fold to have one.

    Rows with several labels stay.
    """
    labels = examples.labels or []
    kept = examples
    if not any(isinstance(label, list) for label in labels):
        names, places = np.unique(np.array(labels, dtype=object).astype(str), return_inverse=True)
        frequent = np.bincount(places, minlength=len(names)) >= FOLDS
        kept = examples.take(np.flatnonzero(frequent[places]))
    return with_labels_that_differ(kept, of=examples)


def with_labels_that_differ(examples: Examples, of: Examples | None = None) -> Examples:
    """The rows, if they are enough and not all alike; `of` is what was drawn."""
    drawn = examples if of is None else of
    num_labels = len({str(label) for label in examples.labels or []})
    if len(examples) < 2 * FOLDS or num_labels < 2:
        raise DataError(
            f"{drawn.path}: of the {len(drawn)} rows that were drawn {len(examples)} can be "
            f"probed, which have {num_labels} different labels; expected {2 * FOLDS} rows or more, "
            f"of two labels or more with {FOLDS} rows each. Draw more (--rows), or check "
            "columns.label."
        )
    return examples


def with_numbers_that_differ(examples: Examples) -> Examples:
    """The rows, if they are enough and their numbers, where they have some, are not all equal."""
    num_numbers = len(set(examples.labels)) if examples.labels is not None else None
    if len(examples) < 2 * FOLDS or num_numbers == 1:
        equal = ", which all have the same number" if num_numbers == 1 else ""
        raise DataError(
            f"{examples.path}: {len(examples)} rows were drawn{equal}; expected {2 * FOLDS} rows "
            "or more, of different numbers. Draw more (--rows), or check columns.label."
        )
    return examples


def with_tags_that_differ(examples: Examples) -> Examples:
    """The sentences, if they are enough and have entities, or different tags."""
    sentences = examples.labels or []
    told = f"{examples.path}: of the {len(examples)} sentences that were drawn"
    marked = sum(any(tag != "O" for tag in tags) for tags in sentences)
    tags = {tag for sentence in sentences for tag in sentence}
    if len(examples) < 2 * FOLDS or marked < FOLDS or len(tags) < 2:
        raise DataError(
            f"{told} {marked} have a tag other than O, and there are {len(tags)} different tags; "
            f"expected {2 * FOLDS} sentences or more, {FOLDS} with such a tag or more. Draw more "
            "(--rows), or check columns.tags."
        )
    return examples


def has_entities(examples: Examples) -> bool:
    """Whether tags mark entities (they are in IOB2), or stand for themselves."""
    return any(tag.startswith("B-") for tags in examples.labels or [] for tag in tags)


def with_queries_enough(examples: Examples) -> Examples:
    """The candidates, if they are of enough queries."""
    queries = {query for query, _ in examples.labels or []}
    if len(queries) < 2 * FOLDS:
        raise DataError(
            f"{examples.path}: {len(queries)} queries were drawn that have both a relevant passage "
            f"and another; expected {2 * FOLDS} or more. Draw more (--rows), or check "
            "columns.query and columns.relevance."
        )
    return examples


PROBED: dict[str, Callable[[Examples], Examples]] = {
    "text_classification": with_frequent_labels,
    "regression": with_numbers_that_differ,
    "token_classification": with_tags_that_differ,
    "similarity": with_numbers_that_differ,
    "ranking": with_queries_enough,
}
