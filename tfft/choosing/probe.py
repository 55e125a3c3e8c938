"""How well a linear model answers from vectors that nothing trains: scikit-learn, cross-validated.

A probe is much cheaper than a fine-tuning, and ranks encoders about as that would (Conneau and
Kiela 2018, SentEval); its numbers are lower.

U: units, which are what a model answers for: a text, a pair of texts, or a word.
"""

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from tfft.data.examples import Examples

FOLDS = 5

Scores = dict[str, np.ndarray]


@dataclass(frozen=True)
class Units:
    """What is right for the units of some examples.

    Attributes:
        targets: (U, ...), what is learned.
        owners: int (U,), from 0 on: those of one owner (a sentence, a query) are in the same fold.
        strata: one an owner: each fold has its share of each. None: folds are drawn.
    """

    targets: np.ndarray
    owners: np.ndarray
    strata: list[Any] | None = None


@dataclass(frozen=True)
class Probe:
    """What is fitted on vectors of a task's texts, and how it is scored.

    Attributes:
        vectors: from an encoder and examples to float (U, numbers).
        counts: from examples to counted characters, sparse (U, numbers).
        units: what is right.
        of_vectors: scikit-learn's model of vectors.
        of_counts: that of counted characters, which are many and mostly 0.
        measure: from the targets, answers and owners of a fold to scores by name; the first ranks.
        answer: which of the model's methods answers.
        seed: of the folds, which are the same for all candidates.
        told: what answers, in words.
    """

    vectors: Callable[[Any, Examples], np.ndarray]
    counts: Callable[[Examples], Any]
    units: Callable[[Examples], Units]
    of_vectors: Any
    of_counts: Any
    measure: Callable[[np.ndarray, np.ndarray, np.ndarray], dict[str, float]]
    answer: str = "predict"
    seed: int = 0
    told: str = "a linear model on the mean of each text's vectors"


def score_vectors(vectors: np.ndarray, examples: Examples, probe: Probe) -> Scores:
    """The scores of a probe on vectors.

    Args:
        vectors: float (U, numbers), what `probe.vectors` gives.
        examples: what they are of, with what is right.
        probe: see `tfft.choosing.probes`.

    Returns:
        For each score its values (folds,).
    """
    return _cross_validate(probe.of_vectors, vectors, examples, probe)


def score_counts(examples: Examples, probe: Probe) -> Scores:
    """The same for counted characters, which is what an encoder has to pass."""
    return _cross_validate(probe.of_counts, probe.counts(examples), examples, probe)


def _cross_validate(model: Any, inputs: Any, examples: Examples, probe: Probe) -> Scores:
    from sklearn.base import clone
    from threadpoolctl import threadpool_limits

    units = probe.units(examples)
    found: list[dict[str, float]] = []
    # Several threads wait for one another longer than they compute: on a busy machine they took 30
    # times as long.
    with threadpool_limits(1), warnings.catch_warnings():
        # Of a label that a fold lacks, and of a model that could have gone on a little.
        warnings.simplefilter("ignore")
        for train, test in _folds(units, probe.seed):
            answers = _answer(clone(model), inputs, units.targets, train, test, probe.answer)
            found.append(probe.measure(units.targets[test], answers, units.owners[test]))
    return {name: np.array([scores[name] for scores in found]) for name in found[0]}


def _folds(units: Units, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Which units are learned and which are answered, bool (U,) each."""
    from sklearn.model_selection import KFold, StratifiedKFold

    kind = KFold if units.strata is None else StratifiedKFold
    owners = np.arange(units.owners.max() + 1)
    for _, held_out in kind(FOLDS, shuffle=True, random_state=seed).split(owners, units.strata):
        test = np.isin(units.owners, held_out)
        yield ~test, test


def _answer(
    model: Any, inputs: Any, targets: np.ndarray, train: np.ndarray, test: np.ndarray, method: str
) -> np.ndarray:
    learned = targets[train]
    if learned.ndim == 1 and (learned == learned[0]).all():
        return np.full(int(test.sum()), learned[0])  # a classifier wants two classes
    return np.asarray(getattr(model.fit(inputs[train], learned), method)(inputs[test]))


def standard_error(values: np.ndarray) -> float:
    """Of the mean of some values."""
    return float(np.std(values, ddof=1) / np.sqrt(len(values)))
