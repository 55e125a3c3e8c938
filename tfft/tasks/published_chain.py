"""The chain of a tagger's CRF beside its model for transformers, which has no such layer."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tfft.tasks.base import Task

FILE = "crf.json"
# What is added to the logits: for each pair of tags, for the first one, for the last.
NAMES = ("transitions", "start", "end")


def find_chain(model: Any) -> Any:
    """The layer that has learned which tag follows which; None where there is none."""
    return next((layer for layer in model.layers if layer.name == "crf"), None)


def describe_chain(crf: Any, labels: Sequence[str]) -> dict[str, Any]:
    """The content of the file: the chain's scores, in the order of the labels."""
    scores = {name: keras.ops.convert_to_numpy(getattr(crf, name)).tolist() for name in NAMES}
    return {"labels": list(labels), **scores}


def begin_with_chain(model: Any, task: Task, source: str) -> str:
    """Sets the chain of a model to the one in a directory, if there is one.

    Args:
        model: that a tagger built.
        task: the tagger.
        source: the directory of the published model.

    Returns:
        What is to be said of it; nothing where there is neither file nor layer.
    """
    path, crf = Path(source, FILE), find_chain(model)
    if not path.is_file():
        return " Its CRF is new: there is no crf.json." if crf else ""
    if crf is None:
        return " What its crf.json has is not used: task.crf is false."
    found = json.loads(path.read_text("utf-8"))
    if sorted(found["labels"]) != sorted(task.labels):
        return " What its crf.json has is not used: the labels there are others."
    order = [found["labels"].index(label) for label in task.labels]
    transitions, start, end = (np.asarray(found[name], "float32") for name in NAMES)
    scores = (transitions[order][:, order], start[order], end[order])
    crf.set_weights([each / crf.speed for each in scores])
    return " So is its CRF."
