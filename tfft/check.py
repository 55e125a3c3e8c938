"""What `tfft.fit --check` shows: the resolved config, the data, and what a training would do."""

from collections import Counter
from collections.abc import Iterator
from itertools import chain

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tfft.config import Experiment, config_yaml
from tfft.console import row_counter
from tfft.data.batching import add_counts, count_batches
from tfft.data.cache_choice import choose_cache
from tfft.data.streamed_examples import Split
from tfft.frozen import describe_frozen
from tfft.preparation import Prepared, prepare
from tfft.tasks.published_heads import begin_with_head
from tfft.watching import check_callbacks

QUANTILES = (0.5, 0.9, 0.99, 1.0)
LABELS_SHOWN = 20


def check_experiment(experiment: Experiment, console: Console) -> None:
    """Validates config and data and prints what was found, without training.

    Raises:
        ConfigError: the config does not fit the data or the model.
        DataError: a data file is at fault.
    """
    experiment, reason = choose_cache(experiment)
    console.print(config_yaml(experiment), markup=False, soft_wrap=True)
    console.print(reason, markup=False, soft_wrap=True)
    with row_counter(console) as watch:
        prepared = prepare(experiment, watch=watch)
    model = prepared.task.build_model(prepared.encoder)
    for note in begin_with_head(model, prepared.task, prepared.encoder):
        console.print(note, markup=False, soft_wrap=True)
    check_callbacks(model, prepared)
    if experiment.backbone.cache_frozen:
        console.print(describe_frozen(model, prepared), markup=False, soft_wrap=True)
    for split, examples in prepared.splits.items():
        for what, count in examples.counts.items():
            console.print(f"{split}: {what}: {count}", markup=False)
    console.print(labels_table(prepared))
    console.print()
    console.print(lengths_table(prepared))
    console.print()
    console.print(steps_line(prepared), markup=False, soft_wrap=True)


def labels_table(prepared: Prepared) -> Table:
    """Rows of each label in each split."""
    counts = {split: label_counts(prepared, rows) for split, rows in prepared.splits.items()}
    table = _table("Labels", "label", *counts)
    names = sorted(dict.fromkeys(chain(*counts.values())), key=lambda name: -counts["train"][name])
    for name in names[:LABELS_SHOWN]:
        table.add_row(Text(name), *(str(count[name]) for count in counts.values()))
    if len(names) > LABELS_SHOWN:
        rest = names[LABELS_SHOWN:]
        more = [str(sum(count[name] for name in rest)) for count in counts.values()]
        table.add_row(f"({len(rest)} more labels)", *more)
    table.add_section()
    table.add_row("rows", *(str(len(examples)) for examples in prepared.splits.values()))
    empty = [examples.num_empty for examples in prepared.splits.values()]
    if any(empty):
        table.add_row("skipped: empty text", *map(str, empty))
    return table


def label_counts(prepared: Prepared, examples: Split) -> Counter[str]:
    """How many rows have each label."""
    counts: Counter[str] = Counter()
    for part in examples.parts():
        counts.update(prepared.task.counts(part))
    return counts


def lengths_table(prepared: Prepared) -> Table:
    """The pieces of the texts, and the share that is cut."""
    limit = prepared.encoder.sequence_length
    over = f"in windows of {limit}" if has_windows(prepared) else f"cut at {limit}"
    heads = ["median", "90%", "99%", "longest", over]
    table = _table("Lengths in pieces, special ones included", "", *heads)
    for split, examples in prepared.splits.items():
        counts = uncut_lengths(prepared, examples)
        values = [f"{quantile(counts, q):.0f}" for q in QUANTILES]
        table.add_row(split, *values, f"{counts[limit + 1 :].sum() / counts.sum():.1%}")
    return table


def has_windows(prepared: Prepared) -> bool:
    """Whether texts that are too long have several rows."""
    train = prepared.tokenized.get("train")
    if train is None:
        return len(prepared.train) > len(prepared.splits["train"])
    return train.alignment is not None and train.groups is None


def uncut_lengths(prepared: Prepared, examples: Split) -> np.ndarray:
    """How many rows have 0, 1, 2, ... pieces before they are cut."""
    import tensorflow as tf

    counts = np.zeros(1, "int64")
    for texts in _texts(examples):
        encoded = [tf.constant([t.encode("utf-8", "replace") for t in column]) for column in texts]
        # Texts that the task does not take together are each in a row of pieces of their own.
        is_joined = len(encoded) == len(prepared.task.text_fields)
        for row in [encoded] if is_joined else [[column] for column in encoded]:
            counts = add_counts(counts, np.bincount(prepared.encoder.lengths(row).numpy()))
    return counts


def quantile(counts: np.ndarray, share: float) -> float:
    """The quantile of numbers of which there are `counts`: of 0, of 1, of 2, ..."""
    up_to = np.cumsum(counts)
    place = share * (up_to[-1] - 1)
    low, high = np.searchsorted(up_to, [np.floor(place), np.ceil(place)], side="right")
    return float(low + (high - low) * (place % 1))


def steps_line(prepared: Prepared) -> str:
    """The arithmetic of the training's length."""
    training, rows = prepared.experiment.training, prepared.train
    counts = rows.length_counts
    batches = count_batches(
        counts,
        training.batch_size,
        declared_lengths=prepared.lengths,
        multiple_of=training.accumulate,
    )
    updates = batches // training.accumulate
    each = "" if training.accumulate == 1 else f", {updates} updates"
    examples, of_rows = int(counts.sum()), ""
    if examples < len(rows):
        of_rows = f", {len(rows)} rows of pieces,"
    return (
        f"{examples} training rows{of_rows} in batches of {training.batch_size}: {batches} "
        f"steps{each} an epoch, {updates * training.epochs} updates in {training.epochs} epochs."
    )


def _table(title: str, first: str, *heads: str) -> Table:
    table = Table(
        title=title, title_justify="left", box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False
    )
    table.add_column(first, overflow="fold")
    for head in heads:
        table.add_column(head, justify="right", no_wrap=True)
    return table


def _texts(examples: Split, size: int = 4096) -> Iterator[list[list[str]]]:
    """The columns of texts, some rows at a time."""
    for part in examples.parts():
        for start in range(0, len(part), size):
            yield [column[start : start + size] for column in part.texts.values()]
