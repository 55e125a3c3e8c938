"""How well a linear model answers from vectors that nothing trains: scikit-learn, cross-validated.

A probe is much cheaper than a fine-tuning, and ranks encoders about as that would (Conneau and
Kiela 2018, SentEval); its numbers are lower.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tfft.config import Experiment

FOLDS = 5


@dataclass(frozen=True)
class Probe:
    """What is fitted on vectors, and how it is scored.

    Attributes:
        estimator: scikit-learn's model of vectors.
        of_counts: that of counted characters, which are many and mostly 0.
        splitter: draws the folds, the same for all candidates.
        scoring: scikit-learn's scorers by the names of the scores; the first one ranks.
        targets: turns labels into what the model learns.
    """

    estimator: Any
    of_counts: Any
    splitter: Any
    scoring: dict[str, Any]
    targets: Callable[[list[Any]], Any]

    @property
    def score(self) -> str:
        """The name of the score that ranks."""
        return next(iter(self.scoring))


def classification_probe(experiment: Experiment) -> Probe:
    """Logistic regression; with several labels a row one for each label."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import KFold, StratifiedKFold
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.preprocessing import MultiLabelBinarizer
    from sklearn.svm import LinearSVC

    regression = LogisticRegression(C=0.05, max_iter=1000)
    if getattr(experiment.task, "multi_label", False):
        return Probe(
            OneVsRestClassifier(regression),
            OneVsRestClassifier(LinearSVC()),
            KFold(FOLDS, shuffle=True, random_state=experiment.seed),
            {"micro_f1": "f1_micro", "macro_f1": "f1_macro"},
            lambda labels: MultiLabelBinarizer().fit_transform(labels),
        )
    return Probe(
        regression,
        LinearSVC(),
        StratifiedKFold(FOLDS, shuffle=True, random_state=experiment.seed),
        {"macro_f1": "f1_macro", "accuracy": "accuracy"},
        np.array,
    )


def regression_probe(experiment: Experiment) -> Probe:
    """Ridge regression of the number."""
    from sklearn.linear_model import Ridge
    from sklearn.metrics import make_scorer
    from sklearn.model_selection import KFold

    from tfft.metrics.similarity import regression_scores

    def spearman(targets: np.ndarray, values: np.ndarray) -> float:
        return regression_scores(targets, values)["spearman"]

    return Probe(
        Ridge(alpha=100.0),
        Ridge(alpha=1.0),
        KFold(FOLDS, shuffle=True, random_state=experiment.seed),
        {"spearman": make_scorer(spearman)},
        np.array,
    )


PROBED: dict[str, Callable[[Experiment], Probe]] = {
    "text_classification": classification_probe,
    "regression": regression_probe,
}


def build_probe(experiment: Experiment) -> Probe:
    """The probe of an experiment's task."""
    return PROBED[experiment.task.name](experiment)


def score_vectors(vectors: np.ndarray, labels: list[Any], probe: Probe) -> dict[str, np.ndarray]:
    """The scores of a probe on vectors.

    Args:
        vectors: float (rows, hidden_dim).
        labels: one a row.
        probe: see `build_probe`.

    Returns:
        For each score its values (folds,).
    """
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return _cross_validate(make_pipeline(StandardScaler(), probe.estimator), vectors, labels, probe)


def score_words(texts: list[str], labels: list[Any], probe: Probe) -> dict[str, np.ndarray]:
    """The same for counted characters, which is what an encoder has to pass.

    Runs of one to four characters rather than words, so that it goes for every language.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline

    counts = TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 4), sublinear_tf=True)
    return _cross_validate(make_pipeline(counts, probe.of_counts), texts, labels, probe)


def _cross_validate(
    model: Any, inputs: Any, labels: list[Any], probe: Probe
) -> dict[str, np.ndarray]:
    from sklearn.model_selection import cross_validate
    from threadpoolctl import threadpool_limits

    # Several threads wait for one another longer than they compute: on a busy machine they took 30
    # times as long.
    with threadpool_limits(1), warnings.catch_warnings():
        # Of a label that a fold lacks, and of a model that could have gone on a little.
        warnings.simplefilter("ignore")
        scores = cross_validate(
            model,
            inputs,
            probe.targets(labels),
            cv=probe.splitter,
            scoring=probe.scoring,
            error_score="raise",
        )
    return {name: scores[f"test_{name}"] for name in probe.scoring}


def standard_error(values: np.ndarray) -> float:
    """Of the mean of some values."""
    return float(np.std(values, ddof=1) / np.sqrt(len(values)))
