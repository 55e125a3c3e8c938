"""One file per problem, and the table of them."""

from collections.abc import Callable, Sequence

from tfft.config import Experiment
from tfft.data.streamed_examples import Split
from tfft.tasks import (
    masked_lm,
    question_answering,
    ranking,
    regression,
    similarity,
    text_classification,
    token_classification,
)
from tfft.tasks.base import Task
from tfft.tasks.masked_lm import MaskedLM
from tfft.tasks.published_heads import begin_with_head
from tfft.tasks.question_answering import QuestionAnswering
from tfft.tasks.ranking import Ranking
from tfft.tasks.regression import Regression
from tfft.tasks.similarity import Similarity
from tfft.tasks.text_classification import TextClassification
from tfft.tasks.token_classification import TokenClassification

TASKS: dict[str, Callable[..., Task]] = {
    "text_classification": text_classification.build,
    "token_classification": token_classification.build,
    "question_answering": question_answering.build,
    "regression": regression.build,
    "similarity": similarity.build,
    "ranking": ranking.build,
    "masked_lm": masked_lm.build,
}

__all__ = [
    "TASKS",
    "MaskedLM",
    "QuestionAnswering",
    "Ranking",
    "Regression",
    "Similarity",
    "Task",
    "TextClassification",
    "TokenClassification",
    "begin_with_head",
    "build_task",
]


def build_task(
    experiment: Experiment,
    labels: Sequence[str] | None = None,
    *,
    train: Split | None = None,
    threshold: float | None = None,
) -> Task:
    """Builds the task of an experiment.

    Args:
        experiment: its `task` section says which and how.
        labels: label names in order. None: learned from `train`.
        train: the training examples, for a task that is to be trained: class weights and the like
            are worked out from them.
        threshold: chosen earlier on validation data; the config's own goes first.

    Raises:
        ConfigError: the section does not fit the data.
        DataError: nothing can be learned from the data, such as from one class only.
    """
    section = experiment.task
    return TASKS[section.name](
        section, pair=experiment.data.has_pairs, labels=labels, train=train, threshold=threshold
    )
