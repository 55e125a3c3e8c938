"""Everything that is known before the first step: data, task, encoder, pieces."""

from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np

from tfft.backbones.checkpoints import build_random_encoder, load_encoder
from tfft.backbones.encoder import Encoder
from tfft.config import Experiment
from tfft.data.examples import Examples, file_path
from tfft.data.labels import balanced_class_weights, encode_labels
from tfft.data.pipeline import TokenizedSet, tokenize
from tfft.data.splits import choose_labels, find_labels, load_splits
from tfft.devices import declared_lengths
from tfft.errors import ConfigError, did_you_mean
from tfft.inference import predict_outputs
from tfft.tasks import Task, build_task


@dataclass
class Prepared:
    """Everything that is known before the first step.

    Attributes:
        experiment: the config.
        splits: the examples of each split.
        task: with labels and class weights.
        encoder: tokenizer and backbone, with pretrained weights.
        tokenized: the examples of each split as pieces.
        lengths: the declared lengths of batches; empty where shapes are free.
    """

    experiment: Experiment
    splits: dict[str, Examples]
    task: Task
    encoder: Encoder
    tokenized: dict[str, TokenizedSet]
    lengths: tuple[int, ...]


def prepare(experiment: Experiment) -> Prepared:
    """Reads the data, builds task and encoder, and turns texts into pieces."""
    keras.utils.set_random_seed(experiment.seed)
    given = find_labels(experiment)
    splits = load_splits(experiment, given)
    labels = choose_labels(given, splits["train"], multi_label=experiment.task.multi_label)
    weights = find_class_weights(experiment, splits["train"], labels)
    task = build_task(
        experiment,
        labels,
        class_weights=weights,
        label_shares=find_label_shares(experiment, splits["train"], labels),
    )
    targets = {split: task.targets(examples) for split, examples in splits.items()}
    encoder = build_encoder(experiment, splits["train"])
    tokenized = {
        split: tokenize(
            examples.texts,
            lambda texts: task.inputs(texts, encoder),
            targets=targets[split],
            sample_weight=examples.sample_weight,
        )
        for split, examples in splits.items()
    }
    lengths = declared_lengths(encoder.sequence_length, experiment.training.length_buckets)
    return Prepared(experiment, splits, task, encoder, tokenized, lengths)


def build_encoder(experiment: Experiment, train: Examples) -> Encoder:
    """The encoder that the config's `backbone` section describes."""
    section = experiment.backbone
    options = section.model_dump(exclude={"preset"})
    dtype = experiment.training.precision
    if section.preset == "random":
        if options["vocabulary"]:
            options["vocabulary"] = file_path(experiment.data.dir, options["vocabulary"])
        texts = [text for column in train.texts.values() for text in column]
        return build_random_encoder(**options, texts=texts, dtype=dtype)
    return load_encoder(section.preset, **options, dtype=dtype)


def find_class_weights(
    experiment: Experiment, train: Examples, labels: list[str]
) -> list[float] | None:
    """The weight of each class, as `task.class_weights` says.

    Raises:
        ConfigError: weights are given for a label that the task does not have.
    """
    wanted = experiment.task.class_weights
    if wanted is None:
        return None
    if wanted == "balanced":
        targets = encode_labels(train, labels, multi_label=experiment.task.multi_label)
        return [float(weight) for weight in balanced_class_weights(targets, len(labels))]
    for name in wanted:
        if name not in labels:
            raise ConfigError(
                f"task.class_weights: there is no label {name!r}.{did_you_mean(name, labels)} "
                f"The labels are: {', '.join(labels)}."
            )
    return [float(wanted.get(name, 1.0)) for name in labels]


def find_label_shares(
    experiment: Experiment, train: Examples, labels: list[str]
) -> np.ndarray | None:
    """Multi-label: the share of the training rows that has each label."""
    if not experiment.task.multi_label:
        return None
    return encode_labels(train, labels, multi_label=True).mean(axis=0)


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


def outputs_of(model: Any, prepared: Prepared, split: str) -> np.ndarray:
    """The model's outputs for a split."""
    return predict_outputs(
        model,
        prepared.tokenized[split],
        prepared.encoder,
        batch_size=prepared.experiment.training.evaluation_batch_size,
        lengths=prepared.lengths,
    )
