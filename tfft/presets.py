"""Writes a fine-tuned backbone as a KerasHub preset, which loads without tfft."""

import shutil
from pathlib import Path
from typing import Any

import keras_hub

from tfft.backbones.encoder import Encoder
from tfft.backbones.epsilon import epsilon_of, write_epsilon
from tfft.backbones.tokenizer_config import write_folding
from tfft.tasks import Task, TextClassification


def save_preset(place: Path, model: Any, encoder: Encoder, task: Task) -> None:
    """Writes backbone and tokenizer, and for single-text BERT classification a whole task.

    `keras_hub.models.Backbone.from_preset(place)` loads the first, and
    `keras_hub.models.TextClassifier.from_preset(place)` the second, with the same logits.

    Args:
        place: the directory; an older one is replaced.
        model: the trained Keras model.
        encoder: that the model was built on.
        task: that built it.
    """
    aside = place.with_name(place.name + ".part")
    shutil.rmtree(aside, ignore_errors=True)
    if is_keras_hub_classifier(encoder, task):
        _as_classifier(model, encoder, task).save_to_preset(str(aside))
    else:
        encoder.backbone.save_to_preset(str(aside))
        encoder.tokenizer.save_to_preset(str(aside))
    write_epsilon(aside, encoder.backbone, encoder.family.epsilon)
    write_folding(
        aside,
        lowercase=encoder.lowercase,
        strip_accents=encoder.strip_accents,
        add_prefix_space=encoder.add_prefix_space,
    )
    shutil.rmtree(place, ignore_errors=True)
    aside.rename(place)


def is_keras_hub_classifier(encoder: Encoder, task: Task) -> bool:
    """Whether KerasHub has a classifier with the same layers."""
    return (
        encoder.family_name == "bert"
        and isinstance(task, TextClassification)
        and task.text_fields == ("text",)
        and epsilon_of(encoder.backbone) == encoder.family.epsilon
    )


def _as_classifier(model: Any, encoder: Encoder, task: Any) -> Any:
    preprocessor = keras_hub.models.BertTextClassifierPreprocessor(
        encoder.tokenizer, sequence_length=encoder.sequence_length
    )
    classifier = keras_hub.models.BertTextClassifier(
        encoder.backbone,
        num_classes=len(task.labels),
        preprocessor=preprocessor,
        dropout=task.dropout,
    )
    trained = model.get_layer("logits").get_weights()
    classifier.get_layer("logits").set_weights(trained)
    return classifier
