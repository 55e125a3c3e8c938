"""The train, validation and test examples of an experiment, and the labels they have."""

from collections.abc import Mapping, Sequence

from tfft.config import Data, Experiment
from tfft.data.examples import Examples, file_path, load_examples
from tfft.data.fields import build_reader
from tfft.data.labels import (
    check_labels,
    count_names,
    grouped_split,
    read_labels,
    sorted_labels,
    stratified_split,
)
from tfft.data.streamed_examples import Split, StreamedExamples, Watch
from tfft.errors import DataError

SPLITS = ("train", "validation", "test")


def load_splits(
    experiment: Experiment,
    label_names: Sequence[str] | None = None,
    watch: Watch = lambda rows: None,
) -> dict[str, Split]:
    """Reads every split that the config names; train as it is asked for if `data.cache` says so.

    Args:
        experiment: says where the data lie; its seed draws the shares for splits without a file.
        label_names: the task's labels where they are known, for labels written as numbers.
        watch: is told of rows as they are read, where they are not kept.

    Raises:
        DataError: a fault in a file, or a split without rows.
    """
    data = experiment.data
    read = build_reader(experiment, label_names)
    named = [split for split in SPLITS if data.files(split)]
    if data.is_streamed:
        train = StreamedExamples(data, read, experiment.seed, watch)
        own = {split: load_examples(data, split, read) for split in named if split != "train"}
        return _in_order({"train": train, **own, **train.shares()})
    splits = {split: load_examples(data, split, read) for split in named}
    return _in_order(_draw_shares(splits, data, experiment.seed))


def find_labels(experiment: Experiment) -> list[str] | None:
    """The labels that the config lists, in a file or as they are; None: to be learned."""
    labels = getattr(experiment.task, "labels", None)
    if isinstance(labels, str):
        return read_labels(file_path(experiment.data.dir, labels))
    if labels is not None:
        return check_labels(labels, "task.labels")
    # 0/1 columns name all labels, also one that no row has.
    columns = experiment.data.files("train")[0].columns.label
    if isinstance(columns, list) and all(isinstance(column, str) for column in columns):
        return check_labels([str(column) for column in columns], "data.columns.label")
    return None


def choose_labels(
    given: Sequence[str] | None,
    train: Split,
    *,
    multi_label: bool,
    counts: Mapping[str, int] | None = None,
) -> list[str]:
    """The given labels, or those that the training data have.

    Args:
        given: the names, where the config lists them.
        train: the training rows.
        multi_label: whether a row may have any number of labels.
        counts: how many rows have each label, where that is known; see `count_names`.

    Raises:
        DataError: there is only one class.
    """
    present = sorted_labels(count_names(train) if counts is None else counts)
    if len(present) < (1 if multi_label else 2):
        raise DataError(
            f"{train.path}: all {len(train)} training rows have the same label "
            f"({', '.join(present) or 'none'}). A classifier needs two or more; check "
            "data.columns.label."
        )
    return present if given is None else list(given)


def _draw_shares(splits: dict[str, Examples], data: Data, seed: int) -> dict[str, Examples]:
    total = len(splits["train"])
    for split in ("test", "validation"):
        fraction = getattr(data, f"{split}_fraction")
        if fraction:
            share = fraction * total / len(splits["train"])
            draw = stratified_split if splits["train"].groups is None else grouped_split
            rest, drawn = draw(splits["train"], share, seed)
            if not len(rest) or not len(drawn):
                empty = split if len(rest) else "train"
                raise DataError(
                    f"{splits['train'].path} has {total} rows: data.{split}_fraction {fraction} "
                    f"leaves none for {empty}. A label with a single row stays in train."
                )
            splits["train"], splits[split] = rest, drawn
    return splits


def _in_order(splits: Mapping[str, Split]) -> dict[str, Split]:
    return {split: splits[split] for split in SPLITS if split in splits}
