"""How high a ranking puts what is relevant: MRR, nDCG and recall among the first k.

Candidates with the same score have no order among themselves. A measure is then its mean over all
orders that they could have (McSherry and Najork 2008, "Computing Information Retrieval Performance
Measures Efficiently in the Presence of Tied Scores"), so that a model that gives all candidates one
score gains nothing by the order of the file.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np


class Ties(NamedTuple):
    """Candidates with equal scores as one block, the best block first; arrays (blocks,).

    Attributes:
        above: how many candidates stand before the block.
        size: how many it has.
        relevant: how many of these are relevant.
        gain: the sum of their relevance.
    """

    above: np.ndarray
    size: np.ndarray
    relevant: np.ndarray
    gain: np.ndarray


def ranking_scores(queries: Iterable[tuple[np.ndarray, np.ndarray]]) -> dict[str, float]:
    """Scores rankings.

    Args:
        queries: for each query the relevance of its candidates, 0 (not relevant) or more, and the
            scores that they were given, both (candidates,). No number at all is the lowest score.

    Returns:
        `mrr_at_10`, `ndcg_at_10`, `recall_at_1` and `recall_at_10`, means over the queries that
        have a relevant candidate (as with trec_eval the others do not count); 0 where none has.
    """
    found = []
    for relevance, scores in queries:
        if np.any(np.asarray(relevance) > 0):
            ties = tied(np.asarray(relevance, "float64"), np.asarray(scores, "float64"))
            ideal = tied(np.asarray(relevance, "float64"), np.asarray(relevance, "float64"))
            found.append(
                [
                    reciprocal_rank(ties, 10),
                    discounted_gain(ties, 10) / discounted_gain(ideal, 10),
                    recall(ties, 1),
                    recall(ties, 10),
                ]
            )
    means = np.mean(found, axis=0).tolist() if found else [0.0] * 4
    names = ("mrr_at_10", "ndcg_at_10", "recall_at_1", "recall_at_10")
    return dict(zip(names, means, strict=True))


def tied(relevance: np.ndarray, scores: np.ndarray) -> Ties:
    """The blocks of equal scores, of candidates (candidates,)."""
    _, block = np.unique(-scores, return_inverse=True)
    size = np.bincount(block)
    relevant = np.bincount(block, weights=relevance > 0)
    return Ties(np.cumsum(size) - size, size, relevant, np.bincount(block, weights=relevance))


def reciprocal_rank(ties: Ties, k: int) -> float:
    """1 / rank of the first relevant candidate (Voorhees 1999), 0 if it is not among the first k.

    Args:
        ties: with a relevant candidate.
        k: how many candidates are looked at.
    """
    block = int(np.argmax(ties.relevant > 0))
    above, size, relevant = (int(each[block]) for each in ties[:3])
    expected, missed = 0.0, 1.0
    # How probable it is that the first relevant one of the block stands at each of its places.
    for place in range(min(size - relevant + 1, k - above)):
        hit = relevant / (size - place)
        expected += missed * hit / (above + place + 1)
        missed *= 1.0 - hit
    return expected


def discounted_gain(ties: Ties, k: int) -> float:
    """The sum of relevance / log2(rank + 1) of the first k (Järvelin and Kekäläinen 2002).

    The gain is the relevance itself, as in trec_eval and scikit-learn, not 2^relevance - 1.
    """
    up_to = np.concatenate([[0.0], np.cumsum(1.0 / np.log2(np.arange(2, k + 2)))])
    discounts = up_to[np.minimum(ties.above + ties.size, k)] - up_to[np.minimum(ties.above, k)]
    return float(np.sum(ties.gain / ties.size * discounts))


def recall(ties: Ties, k: int) -> float:
    """The share of the relevant candidates that are among the first k."""
    reached = np.clip(k - ties.above, 0, ties.size)
    return float(np.sum(ties.relevant / ties.size * reached) / np.sum(ties.relevant))
