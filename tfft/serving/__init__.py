"""A trained run becomes a SavedModel that TensorFlow Serving answers raw text with.

In order: both signatures are traced and written aside, the operations compared with what servers
have, a fresh process asked and compared with the trained model, warm-up requests, labels and
vocabulary put beside the graph, and the whole renamed to `export/<version>/`.
"""

import contextlib
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from tfft.backbones.encoder import Encoder
from tfft.backbones.transformer import fused
from tfft.errors import ConfigError
from tfft.inference import TrainedRun, has_outputs_by_piece
from tfft.runs import write_json, write_text
from tfft.serving.check import check_answers
from tfft.serving.ops import check_operations
from tfft.serving.warmup import write_warmup
from tfft.tasks.base import Task

UNFINISHED = "unfinished"


def export_saved_model(
    trained: TrainedRun,
    check_texts: Mapping[str, list[str]],
    *,
    version: int | None = None,
    tolerance: float = 1e-5,
    report: Callable[[str], None] = print,
) -> Path:
    """Writes `export/<version>/` in the run's directory, checked.

    Args:
        trained: the run, its model in float32.
        check_texts: columns of texts that the export must answer like the model; see
            `tfft.serving.check.choose_check_texts`.
        version: of the directory. Default: one more than the highest there.
        tolerance: the most that a probability may differ.
        report: takes lines that say what was done.

    Returns:
        The directory.

    Raises:
        ConfigError: the version exists, or Keras does not run on TensorFlow.
        ExportCheckError: a server could not load it, or it does not answer like the model.
            Nothing is left of it.
    """
    if keras.backend.backend() != "tensorflow":
        raise ConfigError(
            f"The export needs Keras on TensorFlow; here it runs on {keras.backend.backend()}. Use "
            "python -m tfft.export --run DIR, or set KERAS_BACKEND=tensorflow."
        )
    place = version_directory(trained.directory.export, version)
    aside = place.with_name(UNFINISHED)
    shutil.rmtree(aside, ignore_errors=True)
    try:
        write_saved_model(trained.task, trained.encoder, trained.model, aside)
        report(f"Export {place.name}: {_describe(aside, trained)}.")
        check_operations(aside)
        warmup = check_answers(aside, trained, check_texts, tolerance=tolerance, report=report)
        write_extras(aside / "assets.extra", trained.task, trained.encoder)
        write_warmup(aside / "assets.extra", warmup, model_name=trained.directory.experiment.name)
        aside.rename(place)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
        with contextlib.suppress(OSError):  # it holds other versions
            place.parent.rmdir()
    return place


def version_directory(root: Path, version: int | None = None) -> Path:
    """The directory of a new version: servers take the highest number.

    Raises:
        ConfigError: it exists.
    """
    existing = [int(path.name) for path in root.glob("*") if path.name.isdecimal()]
    number = max(existing, default=0) + 1 if version is None else version
    if number in existing:
        raise ConfigError(
            f"{root / str(number)} exists already. Leave out --version for {max(existing) + 1}, or "
            "remove it."
        )
    return root / str(number)


# ------------------------------------------------------------------------------------- the graph


def write_saved_model(task: Task, encoder: Encoder, model: Any, place: Path) -> None:
    """Writes the graph with the signatures `serving_default` and `tokens`, and its variables.

    Args:
        task: says what goes in (`text_fields`, `inputs`) and comes out (`serve`).
        encoder: tokenizer, and names of the features.
        model: the Keras model, from features to outputs.
        place: a directory that does not exist yet.
    """
    with fused(model):
        signatures = build_signatures(task, encoder, model)
        # What the graphs read and nothing else: no optimizer, no metrics, no states of dropout.
        module = tf.Module()
        module.weights = list(
            {id(v): v for graph in signatures.values() for v in graph.graph.variables}.values()
        )
        module.tokenizer = encoder.graph_tokenizer
        tf.saved_model.save(module, str(place), signatures=signatures)


def build_signatures(task: Task, encoder: Encoder, model: Any) -> dict[str, Any]:
    """Traces both signatures.

    Returns:
        `serving_default` takes `text` (and `text_pair`), strings (batch_size,). `tokens` takes
        `token_ids`, `padding_mask` and, where the family uses them, `segment_ids`, int32
        (batch_size, length). Both return what the task serves, first dimension batch_size.
    """

    def serving_default(**texts: Any) -> dict[str, Any]:
        rows = task.inputs(texts, encoder)
        alignment = rows.pop("alignment", None)
        return task.serve(model(pad_to_longest(rows, encoder), training=False), alignment)

    def tokens(**features: Any) -> dict[str, Any]:
        answers = task.serve_tokens(model(trim_padding(features), training=False))
        if not has_outputs_by_piece(model):
            return answers
        length = tf.shape(features["padding_mask"])[1]
        return {name: pad_pieces(values, length) for name, values in answers.items()}

    strings = {name: tf.TensorSpec([None], tf.string, name) for name in task.text_fields}
    ids = {name: tf.TensorSpec([None, None], tf.int32, name) for name in encoder.input_names}
    return {
        "serving_default": tf.function(serving_default).get_concrete_function(**strings),
        "tokens": tf.function(tokens).get_concrete_function(**ids),
    }


def pad_to_longest(features: dict[str, Any], encoder: Encoder) -> dict[str, Any]:
    """Dense features (batch_size, longest text's pieces); 1 column for a batch without rows."""
    longest = tf.reduce_max(features["token_ids"].row_lengths())
    return encoder.pad(features, tf.maximum(longest, 1))


def trim_padding(features: dict[str, Any]) -> dict[str, Any]:
    """Cuts the last columns of dense features that are padding in every row."""
    used = tf.reduce_any(features["padding_mask"] != 0, axis=0)
    length = tf.reduce_max(tf.where(used, tf.range(tf.size(used)) + 1, 1))
    return {name: values[:, :length] for name, values in features.items()}


def pad_pieces(values: Any, length: Any) -> Any:
    """Fills up (batch_size, pieces, ...) with zeros to the length of the request."""
    missing = length - tf.shape(values)[1]
    return tf.pad(values, [[0, 0], [0, missing], *[[0, 0]] * (values.shape.rank - 2)])


# ------------------------------------------------------------------------------ files beside it


def write_extras(place: Path, task: Task, encoder: Encoder) -> None:
    """Writes labels and vocabulary as plain files; the graph does not read them.

    `labels.txt` has one label a line in the order of the outputs, `signature.json` what else a
    client may want to know, and `vocab.txt` (WordPiece), `vocab.json` and `merges.txt` (byte-level
    BPE) or `sentencepiece.model` the pieces.
    """
    place.mkdir(exist_ok=True)
    if task.labels:
        write_text(place / "labels.txt", "".join(f"{label}\n" for label in task.labels))
    described = {
        "task": task.name,
        "labels": task.labels,
        "threshold": getattr(task, "threshold", None) if _decides(task) else None,
        "texts": list(task.text_fields),
        "tokens": encoder.input_names,
        "sequence_length": encoder.sequence_length,
        "truncation": encoder.truncation,
        "family": encoder.family_name,
    }
    write_json(place / "signature.json", described)
    write_vocabulary(place, encoder)


def _decides(task: Any) -> bool:
    """Whether a threshold has a say in the task's answers."""
    return bool(getattr(task, "multi_label", False) or getattr(task, "unanswerable", False))


def write_vocabulary(place: Path, encoder: Encoder) -> None:
    """Writes the vocabulary under the names that Hugging Face uses."""
    tokenizer = encoder.tokenizer
    if encoder.family.vocabulary == "wordpiece":
        pieces = "".join(f"{piece}\n" for piece in tokenizer.get_vocabulary())
        write_text(place / "vocab.txt", pieces)
    elif encoder.family.vocabulary == "sentencepiece":
        (place / "sentencepiece.model").write_bytes(tokenizer.proto)
    else:
        write_text(place / "vocab.json", json.dumps(tokenizer.vocabulary, ensure_ascii=False))
        write_text(place / "merges.txt", "".join(f"{merge}\n" for merge in tokenizer.merges))


def _describe(saved_model: Path, trained: TrainedRun) -> str:
    size = sum(path.stat().st_size for path in saved_model.rglob("*") if path.is_file())
    texts = " and ".join(trained.task.text_fields)
    ids = ", ".join(trained.encoder.input_names)
    return f"{size / 1e6:.1f} MB, signatures serving_default ({texts}) and tokens ({ids})"
