"""One file per problem, and the table of them."""

from collections.abc import Sequence
from typing import Any

from tfft.config import Experiment
from tfft.tasks.base import Task
from tfft.tasks.text_classification import TextClassification

TASKS = {"text_classification": TextClassification}

__all__ = ["TASKS", "Task", "TextClassification", "build_task"]


def build_task(
    experiment: Experiment,
    labels: Sequence[str],
    *,
    class_weights: Any = None,
    label_shares: Any = None,
    threshold: float | None = None,
) -> Task:
    """Builds the task of an experiment.

    Args:
        experiment: its `task` section says which and how.
        labels: label names in order.
        class_weights: (labels,), already worked out from the training data.
        label_shares: (labels,), how many of the training rows have each label.
        threshold: chosen earlier on validation data; the config's own goes first.
    """
    section = experiment.task
    return TASKS[section.name](
        labels,
        pair=experiment.data.has_pairs,
        multi_label=section.multi_label,
        class_weights=class_weights,
        label_smoothing=section.label_smoothing,
        dropout=section.dropout,
        label_shares=label_shares,
        threshold=section.threshold or threshold,
        threshold_metric=section.threshold_metric,
    )
