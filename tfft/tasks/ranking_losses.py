"""The loss over all candidates of a query."""

from typing import Any

import keras
from keras import ops

from tfft.tasks.heads import MASKED


class ListwiseLoss(keras.losses.Loss):
    """To find the relevant among the candidates of a query, which are all in one batch.

    Softmax cross-entropy over the candidates; the target of each is its share of their relevance
    (ListNet, Cao et al. 2007, with that target by Bruch et al. 2019; with one relevant candidate
    it is the localized loss of Gao et al. 2021). The mean is over queries. One without a relevant
    candidate does not count.
    """

    def __init__(self, *, name: str = "listwise") -> None:
        super().__init__(name=name, reduction="mean_with_sample_weight")

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Losses of candidates.

        Args:
            y_true: (rows, 2), for each candidate the number of its query, and its relevance, 0 or
                more. A number below 0 marks what fills up a batch.
            y_pred: (rows, 1), logits.

        Returns:
            (rows,), with a mean over real rows that is the mean over queries.
        """
        query, relevance = ops.unstack(ops.cast(y_true, "float32"), axis=-1)
        logits = ops.cast(y_pred, "float32")[:, 0]
        is_real = query >= 0
        together = ops.equal(ops.expand_dims(query, 1), ops.expand_dims(query, 0))
        log_total = ops.logsumexp(ops.where(together, ops.expand_dims(logits, 0), MASKED), axis=1)
        relevance = ops.where(is_real, relevance, 0.0)
        of_query = ops.sum(ops.where(together, ops.expand_dims(relevance, 0), 0.0), axis=1)
        share = relevance / ops.where(of_query > 0, of_query, 1.0)
        # The shares of a query sum to 1, so all of them to the number of queries that count.
        rows_per_query = ops.sum(ops.cast(is_real, "float32")) / ops.maximum(ops.sum(share), 1.0)
        return share * (log_total - logits) * rows_per_query
