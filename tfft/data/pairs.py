"""Columns of a file become what embeddings are learned from: pairs of texts, and their scores."""

from collections.abc import Sequence
from typing import Any

from tfft.config import Data, DataFile
from tfft.data.examples import Examples, Reader, joined_columns
from tfft.data.label_columns import read_numbers, tenths
from tfft.data.table import Table
from tfft.errors import ConfigError

# What the columns are by default; without a score it need not be there.
SCORE = "label"


def read_similarity(task: Any, data: Data, label_names: Sequence[str] | None) -> Reader:
    """Pairs of texts with a score, pairs without, or pairs with a text unlike the first.

    Which of these a file has is said by the task's loss for train. Of other files those with the
    column of the scores have scored pairs. Where only texts are wanted, each row has one.

    The reader raises ConfigError where a column that the loss needs has no name, or one has that
    the loss does not know what to do with.
    """
    is_scored = task.loss in ("cosine", "cosent")

    def read(
        table: Table, file: DataFile, *, with_labels: bool = True, needs_weights: bool = False
    ) -> Examples:
        columns, is_train = file.columns, needs_weights
        names: dict[str, Any] = {"text": columns.text}
        label: Any = columns.label
        scores = None
        if with_labels:
            _check_columns(task.loss, file, is_scored=is_scored, is_train=is_train)
            names["text_pair"] = columns.text_pair
            may_be_scored = not is_train and (table.has(label) or label != SCORE)
            if is_scored or may_be_scored:
                scores = read_numbers(table, label, what="score")
            elif columns.negative is not None:
                names["negative"] = columns.negative
        texts = {
            field: joined_columns(table, column, data.cleaning) for field, column in names.items()
        }
        places = [table.where(row) for row in range(table.rows)]
        if scores is not None:
            return Examples(texts, scores, None, places, table.path, strata=tenths(scores))
        return Examples(texts, None, None, places, table.path, groups=texts["text"])

    return read


def _check_columns(loss: str, file: DataFile, *, is_scored: bool, is_train: bool) -> None:
    columns = file.columns
    if columns.text_pair is None:
        raise ConfigError(
            "task similarity learns from pairs of texts: name the column of the second ones in "
            "data.columns.text_pair."
        )
    if loss == "triplet" and is_train and columns.negative is None:
        raise ConfigError(
            "task.loss: triplet learns from triplets: name the column of the texts that are unlike "
            "the first ones in data.columns.negative, or choose another loss."
        )
    if is_scored and columns.negative is not None:
        raise ConfigError(
            f"task.loss: {loss} learns from pairs with a score, but data.columns.negative is "
            f"{columns.negative!r}. Leave it out, or set task.loss: in_batch_negatives."
        )
