"""What a person reads when a training has ended."""

from typing import Any

import keras
from rich.console import Console

from tfft.backbones.encoder import count_parameters
from tfft.data.disk_cache import DiskCache
from tfft.devices import describe_devices
from tfft.frozen import describe_frozen
from tfft.metrics.report import print_report
from tfft.preparation import Prepared
from tfft.runs import RunDir


def print_start(model: Any, prepared: Prepared, where: str, console: Console) -> None:
    """Prints in a few lines what is about to be trained, on what, and where the rows are.

    Args:
        model: the model.
        prepared: what it is trained on.
        where: the rows are; see `tfft.data.cache_choice.choose_cache`.
        console: where to print.
    """
    experiment, encoder = prepared.experiment, prepared.encoder
    rows = ", ".join(f"{len(part)} {split}" for split, part in prepared.splits.items())
    labels = f", {len(prepared.task.labels)} labels" if prepared.task.labels else ""
    console.print(f"{experiment.name}: {rows} rows{labels}", markup=False, soft_wrap=True)
    console.print(
        f"{encoder.family_name} ({experiment.backbone.preset}), "
        f"{count_parameters(model) / 1e6:.1f} million parameters, up to {encoder.sequence_length} "
        f"pieces, {experiment.training.precision}, {keras.backend.backend()} on "
        f"{describe_devices()}",
        markup=False,
        soft_wrap=True,
    )
    console.print(f"{where}{_cache_size(prepared.train)}", markup=False, soft_wrap=True)
    if experiment.learning_rate != experiment.optimizer.learning_rate:
        console.print(
            f"learning rate {experiment.learning_rate:g} (backbone.learning_rate), since nothing "
            "is pretrained",
            highlight=False,
            soft_wrap=True,
        )
    if experiment.backbone.cache_frozen:
        console.print(describe_frozen(model, prepared), markup=False, soft_wrap=True)
    for split, part in prepared.splits.items():
        for what, count in part.counts.items():
            console.print(f"{split}: {what}: {count}", markup=False)
    skipped = {s: part.num_empty for s, part in prepared.splits.items() if part.num_empty}
    for split, count in skipped.items():
        console.print(f"{split}: {count} rows with an empty text were skipped")


def _cache_size(rows: Any) -> str:
    if not isinstance(rows, DiskCache):
        return ""
    pieces = rows.tally.num_pieces
    size = f"{rows.num_bytes / 2**20:,.1f} MB, {rows.num_bytes / pieces:.2f} bytes a piece"
    return f": {pieces:,} pieces in {size}"


def print_summary(result: Any, directory: RunDir, console: Console) -> None:
    """Prints the scores, the classes, the commonest confusions, and where the files are.

    Args:
        result: a `tfft.training.Result`.
        directory: the run's.
        console: where to print.
    """
    console.print()
    print_report(console, result.metrics, confusions=result.confusions, notes=result.notes)
    if not result.metrics:
        console.print("No validation or test data: nothing was scored.")
    files = {
        "run": directory.path,
        "scores": directory.path / "metrics.json",
        "history": directory.path / "history.csv",
        "weights": directory.weights,
        "KerasHub preset": directory.preset,
    }
    for name, path in files.items():
        console.print(f"{name:<16} {path}", soft_wrap=True, markup=False)
