"""Some rows of somebody's data, drawn at random. No TensorFlow: a wrong file is told at once."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tfft.choosing.probe import FOLDS, PROBED
from tfft.config import Experiment, build_config, load_config, override_key
from tfft.data.examples import Examples, join_examples
from tfft.data.fields import build_reader
from tfft.data.splits import find_labels
from tfft.data.streamed_examples import StreamedExamples
from tfft.errors import ConfigError, DataError


@dataclass(frozen=True)
class Sample:
    """What the candidates are tried on.

    Attributes:
        experiment: the config, or what it would be.
        examples: the rows that were drawn, with their labels.
        num_rows: how many there are to train on.
        num_left_out: how many were drawn, and left out since their label is too rare to be probed.
    """

    experiment: Experiment
    examples: Examples
    num_rows: int
    num_left_out: int = 0


def describe_data(path: str | None, config: str | None, overrides: Sequence[str]) -> Experiment:
    """The experiment of a file alone, or of a config.

    Args:
        path: a file in any format that fit reads; its rows are classified unless `task.name` says
            otherwise.
        config: a YAML config.
        overrides: `key=value`. With a path keys of `data` need not say so: `columns.text=review`.

    Raises:
        ConfigError: a key is wrong, or the task cannot be probed.
    """
    if config is not None:
        experiment = load_config(config, overrides)
    else:
        values: dict[str, Any] = {
            "name": "choosing",
            "output_dir": "runs/choosing",
            "backbone": {"preset": "minilm"},
            "data": {"train": path, "empty_text": "skip"},
        }
        locations = [override_key(values, _whole_key(text)) for text in overrides]
        experiment = build_config(values, "--set", overridden=locations)
    name = experiment.task.name
    if name not in PROBED:
        raise ConfigError(
            f"task.name: {name} cannot be probed yet; it can be {', '.join(PROBED)}. What of it "
            "is a label of a whole text can be: give that file with --for."
        )
    return experiment


def _whole_key(text: str) -> str:
    section = text.partition("=")[0].partition(".")[0].strip()
    return text if section in Experiment.model_fields else f"data.{text}"


def draw_sample(experiment: Experiment, most: int) -> Sample:
    """Draws rows of the training split, each row alike, in one pass over the files.

    Args:
        experiment: says where the rows are; its seed draws.
        most: how many.

    Raises:
        DataError: a fault in a file, or too few rows to probe.
    """
    labels = find_labels(experiment)
    read = build_reader(experiment, labels)
    rows = StreamedExamples(experiment.data, read, experiment.seed)
    random = np.random.default_rng(experiment.seed)
    kept, draws = None, np.empty(0)
    for part in rows.parts():
        kept = part if kept is None else join_examples([kept, part])
        draws = np.concatenate([draws, random.random(len(part))])
        if len(draws) > most:
            lowest = np.sort(np.argpartition(draws, most)[:most])
            kept, draws = kept.take(lowest), draws[lowest]
    assert kept is not None
    kept = replace(kept, path=rows.path)
    probed = without_rare_labels(kept) if experiment.task.name == "text_classification" else kept
    num_labels = len({str(label) for label in probed.labels or []})
    if len(probed) < 2 * FOLDS or num_labels < 2:
        raise DataError(
            f"{rows.path}: of the {len(kept)} rows that were drawn {len(probed)} can be probed, "
            f"which have {num_labels} different labels; expected {2 * FOLDS} rows or more, of two "
            f"labels or more with {FOLDS} rows each. Draw more (--rows), or check columns.label."
        )
    return Sample(experiment, probed, len(rows), len(kept) - len(probed))


def without_rare_labels(examples: Examples) -> Examples:
    """Leaves out rows whose label too few rows have for each fold to have one.

    Rows with several labels stay.
    """
    labels = examples.labels or []
    if any(isinstance(label, list) for label in labels):
        return examples
    names, places = np.unique(np.array(labels, dtype=object).astype(str), return_inverse=True)
    frequent = np.bincount(places, minlength=len(names)) >= FOLDS
    return examples.take(np.flatnonzero(frequent[places]))
