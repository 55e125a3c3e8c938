"""The contract of a task: the one object that knows a problem.

Everything else (pipeline, training, evaluation, prediction, export) asks the task and never looks
at its name.

`rows` below is a `TokenizedSet`: pieces, targets, and how rows lie on examples. `outputs` is what
`tfft.inference.predict_outputs` returns for it: the model's logits, one entry a row, ragged
(rows, pieces, ...) where the model answers for each piece.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np

from tfft.backbones.encoder import Encoder
from tfft.data.examples import Examples
from tfft.data.pipeline import Alignment, TokenizedSet


class Task(Protocol):
    """What a task answers."""

    name: str
    """As in the config."""
    labels: list[str]
    """Label names in order; none where answers are not labels."""
    text_fields: Sequence[str]
    """The texts of an example, in order: `text`, or `text` and `text_pair`."""
    takes_words: bool
    """Whether an example may also be a list of words; its texts are then the field `words`."""
    monitor: str
    """The score that early stopping follows, such as `accuracy`."""

    def check(self, examples: Examples) -> None:
        """Raises DataError for a label that the task does not have."""

    def counts(self, examples: Examples) -> dict[str, int]:
        """How many there are of each label (or kind of answer), for the person who looks."""

    def build_model(self, encoder: Encoder) -> Any:
        """Returns a Keras model from the encoder's features to this task's outputs (logits)."""

    def inputs(self, texts: Mapping[str, Any], encoder: Encoder) -> dict[str, Any]:
        """Turns string tensors (batch_size,) into ragged features, in the TensorFlow graph.

        The only place where text becomes tensors: training and the SavedModel both call it. A task
        whose examples may have several rows adds their `alignment`.
        """

    def targets(self, rows: TokenizedSet) -> Any:
        """Returns what the loss takes, one entry a row; see `TokenizedSet.targets`."""

    def loss(self, model: Any) -> Any:
        """Returns the Keras loss between targets and outputs of a model that the task built."""

    def metrics(self) -> list[Any]:
        """Returns cheap Keras metrics to show while training."""

    def tune(self, rows: TokenizedSet, outputs: Any) -> None:
        """Chooses what is chosen on validation data, such as a threshold."""

    def scores(self, rows: TokenizedSet, outputs: Any) -> dict[str, Any]:
        """Returns the corpus measures, ready for metrics.json."""

    def confusions(self, rows: TokenizedSet, outputs: Any) -> list[tuple[str, str, int]]:
        """Returns the commonest mistakes: what was right, what was answered, how often."""

    def notes(self, rows: TokenizedSet, outputs: Any) -> list[str]:
        """Returns warnings about the result, such as that nothing was learned."""

    def answers(self, rows: TokenizedSet, outputs: Any) -> list[dict[str, Any]]:
        """Returns how the answer for each example reads to a person."""

    def serve(self, outputs: Any, alignment: Alignment | None) -> dict[str, Any]:
        """Returns the tensors that the SavedModel answers texts with, one entry an example.

        Args:
            outputs: of the model, dense: (rows, ...).
            alignment: what `inputs` returned.
        """

    def serve_tokens(self, outputs: Any) -> dict[str, Any]:
        """Returns the tensors that the SavedModel answers ids with, one entry a row."""


@runtime_checkable
class LearnsFromGroups(Protocol):
    """What a task answers, too, whose loss compares rows of a batch with each other."""

    def groups(self, rows: TokenizedSet) -> np.ndarray | None:
        """Returns which rows belong together, see `TokenizedSet.groups`; None: each is alone."""
