"""Heads of Hugging Face's classifiers, taggers and answerers: read, and written.

A model begins with a head that somebody fine-tuned before where it is the task's own: the same
kind, the same labels, the same layers. Where it is not, what stands in its place is random, and a
note says so and why. What is trained here is written by the same tables.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tfft.backbones.checkpoints import read_config
from tfft.backbones.encoder import Encoder
from tfft.backbones.huggingface import set_layer
from tfft.backbones.layouts import CLASSES, find_layout
from tfft.backbones.tokenizer_notes import tokenizer_notes
from tfft.backbones.weight_files import Weights, open_weights
from tfft.backbones.write_huggingface import find_model_type, layer_weights
from tfft.errors import ConfigError
from tfft.tasks.base import Task
from tfft.tasks.published_chain import begin_with_chain
from tfft.tasks.published_pieces import begin_with_pieces

KINDS = {
    "ForSequenceClassification": "text_classification",
    "ForTokenClassification": "token_classification",
    "ForQuestionAnswering": "question_answering",
}
# Hugging Face's names of our layers.
DENSE_AND_OUT = {"pooled_dense": "classifier.dense", "logits": "classifier.out_proj"}
CLASSIFIERS = {
    "bert": {"logits": "classifier"},
    "albert": {"logits": "classifier"},
    "distil_bert": {"pooled_dense": "pre_classifier", "logits": "classifier"},
    "roberta": DENSE_AND_OUT,
    "xlm_roberta": DENSE_AND_OUT,
    "electra": DENSE_AND_OUT,
    "deberta_v3": {"pooled_dense": "pooler.dense", "logits": "classifier"},
}
OTHERS = {
    "token_classification": {"logits": "classifier"},
    "question_answering": {"logits": "qa_outputs"},
}
MULTI_LABEL = {"multi_label_classification": True, "single_label_classification": False}
NUMBERS = " (with data.label_numbers_from and task.labels, numbers are read as names)"
CLASSIFICATION = ("text_classification", "regression", "ranking")


@dataclass(frozen=True)
class PublishedHead:
    """What the config of a fine-tuned model says of its head.

    Attributes:
        architecture: such as `BertForTokenClassification`.
        task: the name of the task that it is for.
        labels: in the order of its outputs; none of questions and numbers.
        config: `config.json`.
    """

    architecture: str
    task: str
    labels: list[str]
    config: dict[str, Any]

    def misfit(self, task: Task) -> str | None:
        """Why the head is not the task's; None: it is."""
        # Cross-encoders are published as classifiers with one output, as regression is.
        if self.task != ("regression" if task.name == "ranking" else task.name):
            return f"it is for {self.task}, and the task is {task.name}"
        if set(self.labels) != set(task.labels) or len(self.labels) != len(task.labels):
            return (
                f"its labels are {_some(self.labels)}; the task's are {_some(task.labels)}"
                f"{NUMBERS if all(label.isdecimal() for label in task.labels) else ''}"
            )
        kind = self.config.get("problem_type")
        several = MULTI_LABEL.get(kind or "")
        if several is not None and several != getattr(task, "multi_label", several):
            return f"its problem_type is {kind}, and task.multi_label is {not several}"
        if kind == "regression" and self.task == "text_classification":
            return f"it gives {len(self.labels)} numbers"
        activation = self.config.get("pooler_hidden_act", "gelu")
        is_read = self.config["model_type"] == "deberta-v2" and task.name in CLASSIFICATION
        if is_read and activation != "gelu":
            return f"its pooler_hidden_act is {activation}, and here it is gelu"
        return None


def find_head(encoder: Encoder) -> PublishedHead | None:
    """The head that the encoder's weights were published with, if they were with one."""
    config = read_config(encoder.source) if encoder.source else {}
    if not config:
        return None
    architecture = (config.get("architectures") or [""])[0]
    if not architecture.endswith(tuple(KINDS)):
        architecture = _architecture_by_weights(encoder, config)
    task = next((KINDS[end] for end in KINDS if architecture.endswith(end)), None)
    if task is None:
        return None
    labels = _labels(config)
    is_number = config.get("problem_type") in (None, "regression")
    if task == "text_classification" and len(labels) == 1 and is_number:
        task = "regression"
    named = [] if task in ("regression", "question_answering") else labels
    return PublishedHead(architecture, task, named, config)


def _labels(config: dict[str, Any]) -> list[str]:
    """The names of the outputs, as transformers calls those that have none."""
    names = config.get("id2label")
    if names:
        try:
            return [str(names[number]) for number in sorted(names, key=int)]
        except (TypeError, ValueError):
            raise ConfigError(
                f"backbone.preset: config.json has id2label: {names!r}. Expected a name for each "
                'number, such as {"0": "bad", "1": "good"}.'
            ) from None
    number = config.get("num_labels") or config.get("_num_labels") or 2
    return [f"LABEL_{place}" for place in range(number)]


def _architecture_by_weights(encoder: Encoder, config: dict[str, Any]) -> str:
    """What has the head whose weights are there, for a config that says it of none; else "".

    BERT's and ALBERT's classifiers and taggers have one name, and classifiers a pooler.
    """
    layout = find_layout(config)
    with open_weights(encoder.source or "") as weights:
        has_pooler = layout.pooler is None or f"{layout.pooler}.weight" in weights.below(
            layout.prefix
        )
        classifier = CLASSIFIERS[encoder.family_name].values()
        if "qa_outputs.weight" in weights:
            ending = "ForQuestionAnswering"
        elif has_pooler and all(f"{name}.weight" in weights for name in classifier):
            ending = "ForSequenceClassification"
        elif "classifier.weight" in weights:
            ending = "ForTokenClassification"
        else:
            return ""
    return CLASSES[config["model_type"]] + ending


def labels_to_learn(head: PublishedHead | None, learned: Sequence[str]) -> list[str] | None:
    """The labels of a head that knows all those of the data, and more; else None."""
    return head.labels if head and set(learned) < set(head.labels) else None


def begin_with_head(model: Any, task: Task, encoder: Encoder) -> list[str]:
    """Sets the weights of the published head, if it is the task's.

    Args:
        model: that the task built on the encoder.
        task: the task.
        encoder: as `load_encoder` gave it.

    Returns:
        What is to be said: that the head is used, or why not, what of the encoder is random, and
        what its tokenizer did that is not done here.
    """
    if not encoder.source or not read_config(encoder.source):
        return []
    head, notes = find_head(encoder), tokenizer_notes(encoder.source, encoder.family_name)
    with open_weights(encoder.source) as weights:
        if task.name == "masked_lm":
            return [*notes, begin_with_pieces(model, encoder, weights)]
        notes += _missing_pooler(weights, task, encoder)
        if head is None:
            return notes
        reason = head.misfit(task) or _misfit_of_weights(weights, model, _layers(task, encoder))
        if reason is None:
            _set_head(model, task, encoder, weights, head)
            chain = begin_with_chain(model, task, encoder.source)
            used = f"The head of {head.architecture} is used: {_some(task.labels)}."
            return [*notes, used + chain]
    return [*notes, f"The head of {head.architecture} is not used, a new one begins: {reason}."]


def _misfit_of_weights(weights: Weights, model: Any, layers: dict[str, str]) -> str | None:
    """Why weights cannot be those of the model's layers; None: they can."""
    for ours, theirs in layers.items():
        for part in ("weight", "bias"):
            if f"{theirs}.{part}" not in weights:
                return f"its files have no {theirs}.{part}"
        shape, wanted = weights[f"{theirs}.weight"].shape[::-1], model.get_layer(ours).kernel.shape
        if shape != tuple(wanted):
            return f"its {theirs}.weight is for {shape[-1]} outputs; expected {wanted[-1]}"
    return None


def _set_head(
    model: Any, task: Task, encoder: Encoder, weights: Weights, head: PublishedHead
) -> None:
    for ours, theirs in _layers(task, encoder).items():
        set_layer(model.get_layer(ours), theirs, weights)
    logits = model.get_layer("logits")
    kernel, bias = logits.get_weights()
    if task.labels:
        order = [head.labels.index(label) for label in task.labels]
        logits.set_weights([kernel[:, order], bias[order]])
    elif task.name == "regression":
        units = model.get_layer("original_units")
        mean, deviation = (float(weight) for weight in units.get_weights())
        logits.set_weights([kernel / deviation, (bias - mean) / deviation])


# -------------------------------------------------------------------------------------- writing


def architecture(task: Task, encoder: Encoder) -> str:
    """The class of transformers that computes what the task does, such as `BertForTokenClass...`.

    Raises:
        ConfigError: there is none for the task, or the encoder's family.
    """
    kind = "text_classification" if task.name == "regression" else task.name
    endings = {name: ending for ending, name in KINDS.items()}
    if kind not in endings:
        raise ConfigError(
            f"Hugging Face has no head for the task {task.name} that tfft can write. Those that "
            f"can be written are {', '.join([*endings, 'regression'])}."
        )
    return CLASSES[find_model_type(encoder)[0]] + endings[kind]


def head_config(task: Task, encoder: Encoder) -> dict[str, Any]:
    """The part of `config.json` that says what the head is for; see `architecture`."""
    found: dict[str, Any] = {"architectures": [architecture(task, encoder)]}
    labels = ["LABEL_0"] if task.name == "regression" else task.labels
    if labels:
        found["id2label"] = {str(number): label for number, label in enumerate(labels)}
        found["label2id"] = {label: number for number, label in enumerate(labels)}
    if task.name == "regression":
        found["problem_type"] = "regression"
    elif task.name == "text_classification":
        kinds = {several: kind for kind, several in MULTI_LABEL.items()}
        found["problem_type"] = kinds[bool(getattr(task, "multi_label", False))]
    return found


def head_weights(model: Any, task: Task, encoder: Encoder) -> dict[str, np.ndarray]:
    """The weights of a trained head under Hugging Face's names, float32.

    The mean and the deviation of a regression are in them: its numbers are in the data's units.

    Args:
        model: that the task built on the encoder.
        task: the task.
        encoder: of a family that has a head for the task; see `architecture`.
    """
    weights: dict[str, np.ndarray] = {}
    for ours, theirs in _layers(task, encoder).items():
        weights |= layer_weights(model.get_layer(ours), theirs)
    if task.name == "regression":
        name = _layers(task, encoder)["logits"]
        mean, deviation = map(float, model.get_layer("original_units").get_weights())
        kernel, bias = (weights[f"{name}.{part}"].astype("float64") for part in ("weight", "bias"))
        weights[f"{name}.weight"] = (kernel * deviation).astype("float32")
        weights[f"{name}.bias"] = (bias * deviation + mean).astype("float32")
    return weights


def _layers(task: Task, encoder: Encoder) -> dict[str, str]:
    return OTHERS.get(task.name) or CLASSIFIERS[encoder.family_name]


def _missing_pooler(weights: Weights, task: Task, encoder: Encoder) -> list[str]:
    if not encoder.family.has_pooler or task.name not in CLASSIFICATION:
        return []
    layout = find_layout(read_config(encoder.source or ""))
    if f"{layout.pooler}.weight" in weights.below(layout.prefix):
        return []
    return [f"{encoder.source} has no pooler: it begins with random numbers."]


def _some(labels: Sequence[str], most: int = 8) -> str:
    if not labels:
        return "no labels"
    return ", ".join(labels[:most]) + (", ..." if len(labels) > most else "")
