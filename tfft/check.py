"""What `tfft.fit --check` shows: the resolved config, the data, and what a training would do."""

from collections import Counter
from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tfft.config import Experiment, config_yaml
from tfft.data.batching import training_batches
from tfft.preparation import Prepared, prepare
from tfft.watching import check_callbacks

QUANTILES = (0.5, 0.9, 0.99, 1.0)
LABELS_SHOWN = 20


def check_experiment(experiment: Experiment, console: Console) -> None:
    """Validates config and data and prints what was found, without training.

    Raises:
        ConfigError: the config does not fit the data or the model.
        DataError: a data file is at fault.
    """
    console.print(config_yaml(experiment), markup=False, soft_wrap=True)
    prepared = prepare(experiment)
    check_callbacks(prepared.task.build_model(prepared.encoder), prepared)
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
    counts = {
        split: Counter(prepared.task.counts(examples))
        for split, examples in prepared.splits.items()
    }
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


def lengths_table(prepared: Prepared) -> Table:
    """The pieces of the texts, and the share that is cut."""
    limit = prepared.encoder.sequence_length
    has_windows = prepared.tokenized["train"].alignment is not None
    over = f"in windows of {limit}" if has_windows else f"cut at {limit}"
    heads = ["median", "90%", "99%", "longest", over]
    table = _table("Lengths in pieces, special ones included", "", *heads)
    for split, examples in prepared.splits.items():
        lengths = uncut_lengths(prepared, list(examples.texts.values()))
        values = [f"{np.quantile(lengths, q):.0f}" for q in QUANTILES]
        table.add_row(split, *values, f"{np.mean(lengths > limit):.1%}")
    return table


def uncut_lengths(prepared: Prepared, columns: list[list[str]]) -> np.ndarray:
    """How many pieces each row has before it is cut."""
    import tensorflow as tf

    encoded = [np.array([t.encode("utf-8", "replace") for t in column]) for column in columns]
    parts = [
        prepared.encoder.lengths([tf.constant(column[part]) for column in encoded]).numpy()
        for part in _slices(len(encoded[0]))
    ]
    return np.concatenate(parts)


def steps_line(prepared: Prepared) -> str:
    """The arithmetic of the training's length."""
    training = prepared.experiment.training
    rows = prepared.tokenized["train"]
    batches = len(
        training_batches(
            rows.lengths,
            training.batch_size,
            seed=prepared.experiment.seed,
            epoch=0,
            declared_lengths=prepared.lengths,
            multiple_of=training.accumulate,
        )
    )
    updates = batches // training.accumulate
    each = "" if training.accumulate == 1 else f", {updates} updates"
    return (
        f"{len(rows)} training rows in batches of {training.batch_size}: {batches} steps{each} an "
        f"epoch, {updates * training.epochs} updates in {training.epochs} epochs."
    )


def _table(title: str, first: str, *heads: str) -> Table:
    table = Table(
        title=title, title_justify="left", box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False
    )
    table.add_column(first, overflow="fold")
    for head in heads:
        table.add_column(head, justify="right", no_wrap=True)
    return table


def _slices(rows: int, size: int = 4096) -> Sequence[Any]:
    return [slice(start, start + size) for start in range(0, rows, size)]
