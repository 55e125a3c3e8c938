"""Everything that is known before the first step: data, task, encoder, pieces."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tfft.backbones.attention import set_attention_dropout
from tfft.backbones.baseline import build_bilstm_encoder
from tfft.backbones.checkpoints import build_random_encoder, load_encoder
from tfft.backbones.encoder import Encoder
from tfft.backbones.families import FAMILIES
from tfft.backbones.halves import freeze_layers
from tfft.backbones.transformer import packed
from tfft.config import Experiment, PretrainedBackbone, RandomBackbone
from tfft.data.examples import Examples, file_path
from tfft.data.pipeline import TokenizedSet
from tfft.data.shuffling import StreamedRows
from tfft.data.splits import find_labels, load_splits
from tfft.data.streamed_examples import Split, Watch, in_memory
from tfft.devices import declared_lengths
from tfft.errors import ConfigError
from tfft.inference import predict_outputs, tokenize_examples
from tfft.streaming import stream_rows
from tfft.tasks import Task, build_task
from tfft.tasks.published_heads import find_head, labels_to_learn

# Passages of plain text are long: of so many rows they would be a fifth of a gigabyte.
MOST_VOCABULARY_ROWS, MOST_VOCABULARY_CHARACTERS = 50_000, 20_000_000
NOT_OF_THE_ENCODER = {"preset", "attention_dropout", "freeze", "cache_frozen", "learning_rate"}


@dataclass
class Prepared:
    """Everything that is known before the first step.

    Attributes:
        experiment: the config.
        splits: the examples of each split.
        task: with labels and class weights.
        encoder: tokenizer and backbone, with pretrained weights.
        tokenized: as pieces the examples of each split that is in memory.
        train: the training rows as pieces, in memory or not.
        lengths: the declared lengths of batches; empty where shapes are free.
    """

    experiment: Experiment
    splits: dict[str, Split]
    task: Task
    encoder: Encoder
    tokenized: dict[str, TokenizedSet]
    train: TokenizedSet | StreamedRows
    lengths: tuple[int, ...]


def prepare(
    experiment: Experiment, cache: Path | None = None, watch: Watch = lambda rows: None
) -> Prepared:
    """Reads the data, builds task and encoder, and turns texts into pieces.

    Args:
        experiment: the config. Null for `data.cache` is here `memory`.
        cache: the directory for `data.cache: disk`; None: nothing is written, as with `none`.
        watch: is told of rows as they are read, where they are not kept.

    Raises:
        ConfigError: the config does not fit the data.
        DataError: a data file is at fault, or there is no room for the cache.
    """
    keras.utils.set_random_seed(experiment.seed)
    given = find_labels(experiment)
    splits = load_splits(experiment, given, watch)
    task = build_task(experiment, given, train=splits["train"])
    loaded = {split: part for split, part in splits.items() if isinstance(part, Examples)}
    for examples in loaded.values():
        task.check(examples)  # before the encoder: a wrong label need not wait for weights
    encoder = build_encoder(experiment, splits["train"])
    if given is None:
        task = with_labels_of_head(task, experiment, encoder, splits["train"])
    tokenized = {split: tokenize_examples(task, encoder, part) for split, part in loaded.items()}
    train = splits["train"]
    rows = (
        tokenized["train"]
        if isinstance(train, Examples)
        else stream_rows(train, task, encoder, experiment, cache)
    )
    lengths = declared_lengths(encoder.sequence_length, experiment.training.length_buckets)
    return Prepared(experiment, splits, task, encoder, tokenized, rows, lengths)


def with_labels_of_head(task: Task, experiment: Experiment, encoder: Encoder, train: Split) -> Task:
    """The task with the labels of a published head that knows more of them than the data show."""
    labels = labels_to_learn(find_head(encoder), task.labels)
    if labels is None:
        return task
    wider = build_task(experiment, labels, train=train)
    return wider if set(wider.labels) == set(labels) else task


def build_encoder(experiment: Experiment, train: Split) -> Encoder:
    """The encoder that the config's `backbone` section describes.

    Raises:
        ConfigError: the section does not fit the weights, or the rows of its family are not packed.
    """
    section = experiment.backbone
    options = section.model_dump(exclude=NOT_OF_THE_ENCODER)
    options["dtype"] = experiment.training.precision
    if isinstance(section, PretrainedBackbone):
        encoder = load_encoder(section.preset, **options)
    else:
        if options["vocabulary"]:
            options["vocabulary"] = file_path(experiment.data.dir, options["vocabulary"])
        shown = in_memory(train, MOST_VOCABULARY_ROWS, MOST_VOCABULARY_CHARACTERS)
        texts = [text for column in shown.texts.values() for text in column]
        is_random = isinstance(section, RandomBackbone)
        build = build_random_encoder if is_random else build_bilstm_encoder
        encoder = build(**options, texts=texts)
    if experiment.training.packing and not encoder.family.can_pack:
        known = ", ".join(name for name, family in FAMILIES.items() if family.can_pack)
        raise ConfigError(
            f"training.packing is for {known}; this backbone is of the family "
            f"{encoder.family_name}. Leave it out."
        )
    if section.attention_dropout is not None:
        set_attention_dropout(encoder.backbone, section.attention_dropout)
    if section.freeze is not None:
        freeze_layers(encoder.backbone, section.freeze)
    return encoder


def used_pieces(prepared: Prepared) -> np.ndarray | None:
    """The pieces that a training looks up: its rows', validation's and padding; None: not known."""
    parts = [prepared.train, prepared.tokenized.get("validation")]
    found = [part.used_pieces for part in parts if part is not None]
    known = [pieces for pieces in found if pieces is not None]
    if len(known) < len(found):
        return None
    return np.unique(np.concatenate([*known, [prepared.encoder.pad_id]]))


def in_float32(model: Any, prepared: Prepared) -> tuple[Any, Prepared]:
    """The same weights where nothing computes with fewer digits: what is scored, kept and served.

    Returns:
        The model and what it was prepared with; both as they are if it was trained in float32.
    """
    if prepared.experiment.training.precision == "float32":
        return model, prepared
    encoder = prepared.encoder.with_dtype("float32")
    finished = prepared.task.build_model(encoder)
    finished.set_weights(model.get_weights())
    return finished, replace(prepared, encoder=encoder)


def outputs_of(model: Any, prepared: Prepared, split: str) -> Any:
    """The model's outputs for a split, each row alone: also while it trains on packed rows."""
    with packed(model, None):
        return predict_outputs(
            model,
            prepared.tokenized[split],
            prepared.encoder,
            batch_size=prepared.experiment.training.evaluation_batch_size,
            lengths=prepared.lengths,
        )
