"""What the frozen layers make of the rows, computed once for the whole training."""

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from rich.console import Console

from tfft.backbones.halves import encoder_of, lower_half, upper_half
from tfft.data.cache_choice import existing, room_for
from tfft.data.pipeline import TokenizedSet, evaluation_dataset
from tfft.data.vectors import no_room, write_vectors
from tfft.inference import predict_rows
from tfft.preparation import Prepared

# What is looked at in each epoch.
SPLITS = ("train", "validation")


def cache_frozen(model: Any, prepared: Prepared, console: Console) -> tuple[Any, Prepared]:
    """What is trained on what: as `backbone.cache_frozen` says.

    Args:
        model: that the task built.
        prepared: what it was built with.
        console: where is said what is computed.

    Returns:
        The layers of the model above the frozen ones as a model, which learns for both, and the
        same preparation, but training and validation rows have `vectors`. Both as they are
        without `cache_frozen`.

    Raises:
        DataError: there is no room for the vectors.
    """
    section = prepared.experiment.backbone
    if not section.cache_frozen or not section.freeze:
        return model, prepared
    check_room(model, prepared)
    console.print(f"{describe_frozen(model, prepared)}: computing", markup=False, soft_wrap=True)
    start = time.monotonic()
    lower = lower_half(model, section.freeze)
    tokenized = {
        split: _with_vectors(rows, model, lower, prepared) if split in SPLITS else rows
        for split, rows in prepared.tokenized.items()
    }
    console.print(f"computed in {time.monotonic() - start:,.0f} s", highlight=False)
    learned = replace(prepared, tokenized=tokenized, train=tokenized["train"])
    return upper_half(model, section.freeze), learned


def describe_frozen(model: Any, prepared: Prepared) -> str:
    """What is kept, and how large it is, for the person who looks."""
    layers = prepared.experiment.backbone.freeze
    count, size = _size(model, prepared)
    return (
        f"backbone.cache_frozen: the embeddings and {layers} layer{'s' * (layers != 1)}, without "
        f"dropout: {count:,} vectors in {size / 2**20:,.1f} MB on the disk of output_dir"
    )


def check_room(model: Any, prepared: Prepared) -> None:
    """Refuses what the disk of `output_dir` has no room for.

    Raises:
        DataError: it has not.
    """
    _, size = _size(model, prepared)
    place = prepared.experiment.output_dir
    room = room_for(place)
    if size > room:
        raise no_room(
            f"they take {size / 2**20:,.1f} MB, and {room / 2**20:,.1f} MB are free for {place}"
        )


def _size(model: Any, prepared: Prepared) -> tuple[int, int]:
    """How many vectors are kept, and their bytes."""
    encoder = encoder_of(model)
    kept = [rows for split, rows in prepared.tokenized.items() if split in SPLITS]
    count = sum(int(_lengths(rows, model, prepared).sum()) for rows in kept)
    width = 4 if encoder.compute_dtype == "float32" else 2
    return count, count * encoder.backbone.hidden_dim * width


def _lengths(rows: TokenizedSet, model: Any, prepared: Prepared) -> np.ndarray:
    """How many vectors each row has: one, where no layer but the head is left."""
    is_single = encoder_of(model).is_first(prepared.experiment.backbone.freeze)
    return np.ones_like(rows.lengths) if is_single else rows.lengths


def _with_vectors(rows: TokenizedSet, model: Any, lower: Any, prepared: Prepared) -> TokenizedSet:
    experiment, encoder = prepared.experiment, encoder_of(model)
    vectors = write_vectors(
        existing(experiment.output_dir),
        _predicted(rows, lower, prepared),
        _lengths(rows, model, prepared),
        hidden_dim=encoder.backbone.hidden_dim,
        dtype=encoder.compute_dtype,
        is_single=encoder.is_first(experiment.backbone.freeze),
    )
    return replace(rows, vectors=vectors)


def _predicted(
    rows: TokenizedSet, lower: Any, prepared: Prepared
) -> Iterator[tuple[int, np.ndarray]]:
    dataset, order = evaluation_dataset(
        rows,
        prepared.encoder.pad,
        batch_size=prepared.experiment.training.evaluation_batch_size,
        declared_lengths=prepared.lengths,
    )
    return predict_rows(lower, dataset, order)
