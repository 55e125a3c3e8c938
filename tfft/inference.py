"""Outputs for many texts, and finished runs to ask in Python."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tfft.backbones.checkpoints import load_encoder
from tfft.backbones.encoder import Encoder
from tfft.callbacks.checkpoints import load_weights
from tfft.data.batching import FILLER
from tfft.data.cleaning import clean
from tfft.data.examples import Examples
from tfft.data.pipeline import TokenizedSet, evaluation_dataset, tokenize
from tfft.devices import declared_lengths
from tfft.errors import DataError
from tfft.runs import RunDir
from tfft.tasks import build_task
from tfft.tasks.base import LearnsFromGroups, Task
from tfft.text import WORD_SEPARATOR

FEW_TEXTS = 16


def tokenize_texts(task: Task, encoder: Encoder, texts: dict[str, list[str]]) -> TokenizedSet:
    """Turns texts into the rows that a model predicts. See `tfft.data.pipeline.tokenize`."""
    return tokenize(texts, lambda batch: task.inputs(batch, encoder))


def tokenize_examples(task: Task, encoder: Encoder, examples: Examples) -> TokenizedSet:
    """Turns examples into rows of pieces with their targets.

    Raises:
        DataError: a label that the task does not have.
    """
    task.check(examples)
    rows = tokenize(
        examples.texts,
        lambda texts: task.inputs(texts, encoder),
        sample_weight=examples.sample_weight,
    )
    rows = replace(rows, examples=examples)
    rows = replace(rows, targets=task.targets(rows))
    return replace(rows, groups=task.groups(rows)) if isinstance(task, LearnsFromGroups) else rows


def predict_outputs(
    model: Any,
    examples: TokenizedSet,
    encoder: Encoder,
    *,
    batch_size: int = 128,
    lengths: Sequence[int] = (),
) -> Any:
    """The model's outputs (logits), one entry a row, in the order of the rows.

    Args:
        model: a Keras model on the encoder's features.
        examples: tokenized rows.
        encoder: that tokenized them.
        batch_size: rows at a time.
        lengths: the declared lengths; see `tfft.devices.declared_lengths`.

    Returns:
        float32 (rows, ...); of a model with outputs for each piece ragged (rows, pieces, ...).
    """
    dataset, rows = evaluation_dataset(
        examples, encoder.pad, batch_size=batch_size, declared_lengths=lengths
    )
    if has_outputs_by_piece(model):
        return _predict_pieces(model, dataset, rows, examples)
    predicted = np.asarray(model.predict(dataset, verbose=0))
    outputs = np.empty((len(examples), *predicted.shape[1:]), "float32")
    real = rows != FILLER
    outputs[rows[real]] = predicted[real]
    return outputs


def has_outputs_by_piece(model: Any) -> bool:
    """Whether a model answers (batch_size, length, ...): its second dimension is not known."""
    return model.output_shape[1] is None


def _predict_pieces(model: Any, dataset: Any, rows: np.ndarray, examples: TokenizedSet) -> Any:
    ends = np.cumsum(examples.lengths)
    values = np.empty((int(ends[-1]), *model.output_shape[2:]), "float32")
    for row, outputs in predict_rows(model, dataset, rows):
        length = examples.lengths[row]
        values[ends[row] - length : ends[row]] = outputs[:length]
    return tf.RaggedTensor.from_row_lengths(values, examples.lengths)


def predict_rows(model: Any, dataset: Any, rows: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Each row and its outputs (length, ...), padding included, in the order of the batches.

    Args:
        model: a Keras model with outputs (batch_size, length, ...).
        dataset: of its features.
        rows: as `tfft.data.pipeline.evaluation_dataset` returns them.
    """
    # Not `predict`: it joins the batches, whose lengths differ.
    position = 0
    for features in dataset.as_numpy_iterator():
        predicted = np.asarray(model.predict_on_batch(features))
        numbers = rows[position : position + len(predicted)]
        position += len(predicted)
        for row, outputs in zip(numbers, predicted, strict=True):
            if row != FILLER:
                yield int(row), outputs


class TrainedRun:
    """A finished run: its task, encoder and model in float32.

    Attributes:
        directory: the run directory.
        task: what it was trained for.
        encoder: tokenizer and backbone.
        model: the Keras model, from features to logits.
    """

    def __init__(self, directory: RunDir, task: Task, encoder: Encoder, model: Any) -> None:
        self.directory = directory
        self.task = task
        self.encoder = encoder
        self.model = model
        cleaned = directory.experiment.task.cleaned
        self._cleaning = {
            field: directory.experiment.data.cleaning if field in cleaned else ()
            for field in task.text_fields
        }

    def predict(self, texts: Sequence[Any]) -> list[dict[str, Any]]:
        """Answers texts, cleaned as those that were trained on.

        Args:
            texts: strings; for tasks on two texts pairs of strings or `{text, text_pair}`
                (`{question, context}`); for tagging also lists of words.

        Returns:
            One dict a text, in order, as `tfft.predict` writes it.

        Raises:
            DataError: an entry is not of that form.
        """
        return self.answer_columns(self._columns(texts))

    def answer_columns(self, texts: dict[str, list[str]]) -> list[dict[str, Any]]:
        """Answers columns of texts by field, as they are."""
        if not len(next(iter(texts.values()))):
            return []
        rows = tokenize_texts(self.task, self.encoder, texts)
        return self.task.answers(rows, self.outputs(rows))

    def outputs(self, rows: TokenizedSet) -> Any:
        """The model's outputs for tokenized rows; see `predict_outputs`."""
        lengths = declared_lengths(self.encoder.sequence_length, None)
        if len(rows) <= FEW_TEXTS and not lengths:
            # Building a data set takes longer than so few texts do.
            outputs = np.asarray(self.model.predict_on_batch(self.encoder.pad(rows.features)))
            if has_outputs_by_piece(self.model):
                return tf.RaggedTensor.from_tensor(outputs, lengths=rows.lengths)
            return outputs
        return predict_outputs(self.model, rows, self.encoder, lengths=lengths)

    def _columns(self, texts: Sequence[Any]) -> dict[str, list[str]]:
        if self.task.takes_words and any(isinstance(text, (list, tuple)) for text in texts):
            return {"words": [self._sentence(words, number) for number, words in enumerate(texts)]}
        rows = [self._row(text, number) for number, text in enumerate(texts)]
        return {
            field: clean((row[index] for row in rows), self._cleaning[field])
            for index, field in enumerate(self.task.text_fields)
        }

    def _sentence(self, words: Any, number: int) -> str:
        if not isinstance(words, (list, tuple)) or not all(isinstance(w, str) for w in words):
            raise DataError(
                f"Text {number + 1} is {words!r}; expected a list of words, as others are."
            )
        return WORD_SEPARATOR.join(words)

    def _row(self, text: Any, number: int) -> list[str]:
        fields = self.task.text_fields
        row: list[Any]
        if isinstance(text, Mapping):
            row = [text.get(field) for field in fields]
        else:
            row = list(text) if isinstance(text, (list, tuple)) else [text]
        if len(row) != len(fields) or not all(isinstance(part, str) for part in row):
            raise DataError(
                f"Text {number + 1} is {text!r}; expected {' and '.join(fields)} "
                f"({'a string' if len(fields) == 1 else 'a pair of strings'})."
            )
        return row


def load_run(directory: str | Path) -> TrainedRun:
    """Loads a finished run, to predict with or to go on from.

    Raises:
        ConfigError: the directory holds no finished run.
    """
    run = RunDir.open(directory)
    experiment = run.experiment
    encoder = load_encoder(
        str(run.preset),
        sequence_length=experiment.backbone.sequence_length,
        truncation=experiment.backbone.truncation,
        dtype="float32",
        load_weights=False,
    )
    threshold = run.metrics.get("validation", {}).get("threshold")
    task = build_task(experiment, run.labels, threshold=threshold)
    model = task.build_model(encoder)
    load_weights(run.weights, model)
    return TrainedRun(run, task, encoder, model)
