"""The probe of each task that can be probed: what is fitted on which vectors, and how it is scored.

U: units, see `tfft.choosing.probe`.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from tfft.backbones.encoder import Encoder
from tfft.choosing.counts import (
    counts_of_columns,
    counts_of_pairs,
    counts_of_texts,
    counts_of_words,
)
from tfft.choosing.probe import Probe, Units
from tfft.choosing.sample import has_entities
from tfft.choosing.vectors import columns_of_vectors, pair_vectors, text_vectors, word_vectors
from tfft.config import Experiment
from tfft.data.examples import Examples
from tfft.metrics.entities import entity_scores, tag_scores
from tfft.metrics.retrieval import ranking_scores
from tfft.metrics.similarity import regression_scores

# How much weights are held back: of vectors, which are few and dense.
HELD_BACK = 0.05
RIDGE_OF_VECTORS, RIDGE_OF_COUNTS = 100.0, 1.0
OF_PAIRS = "a linear model on the mean vectors of both texts, their difference and their product"
OF_WORDS = "a linear model on the vector of each word's first piece"
OF_COSINES = "the cosine of both texts' vectors"


def build_probe(experiment: Experiment) -> Probe:
    """The probe of an experiment's task."""
    return PROBES[experiment.task.name](experiment)


def _texts(experiment: Experiment) -> dict[str, Any]:
    """What is read of texts, or of pairs of them."""
    if experiment.data.has_pairs or experiment.task.name == "ranking":
        return {"vectors": pair_vectors, "counts": counts_of_pairs, "told": OF_PAIRS}
    return {
        "vectors": lambda encoder, examples: text_vectors(encoder, examples.texts["text"]),
        "counts": counts_of_texts,
    }


def _scaled(model: Any) -> Any:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), model)


def _classifiers(max_iter: int = 1000) -> tuple[Any, Any]:
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import LinearSVC

    return LogisticRegression(C=HELD_BACK, max_iter=max_iter), LinearSVC()


# ------------------------------------------------------------------------------- classification


def classification_probe(experiment: Experiment) -> Probe:
    """Logistic regression; with several labels a row one for each label."""
    from sklearn.multiclass import OneVsRestClassifier

    of_vectors, of_counts = _classifiers()
    read = _texts(experiment)
    if getattr(experiment.task, "multi_label", False):
        return Probe(
            units=_several_labels,
            of_vectors=_scaled(OneVsRestClassifier(of_vectors)),
            of_counts=OneVsRestClassifier(of_counts),
            measure=_score_several_labels,
            seed=experiment.seed,
            **read,
        )
    return Probe(
        units=_one_label,
        of_vectors=_scaled(of_vectors),
        of_counts=of_counts,
        measure=_score_one_label,
        seed=experiment.seed,
        **read,
    )


def _one_label(examples: Examples) -> Units:
    labels = examples.labels or []
    return Units(np.array(labels), np.arange(len(labels)), strata=labels)


def _score_one_label(targets: Any, answers: Any, owners: Any) -> dict[str, float]:
    from sklearn.metrics import f1_score

    return {
        "macro_f1": float(f1_score(targets, answers, average="macro")),
        "accuracy": float(np.mean(targets == answers)),
    }


def _several_labels(examples: Examples) -> Units:
    from sklearn.preprocessing import MultiLabelBinarizer

    targets = MultiLabelBinarizer().fit_transform(examples.labels)
    return Units(targets, np.arange(len(targets)))


def _score_several_labels(targets: Any, answers: Any, owners: Any) -> dict[str, float]:
    from sklearn.metrics import f1_score

    found = answers.reshape(targets.shape)
    return {
        f"{name}_f1": float(f1_score(targets, found, average=name)) for name in ("micro", "macro")
    }


# ----------------------------------------------------------------------------------- regression


def regression_probe(experiment: Experiment) -> Probe:
    """Ridge regression of the number."""
    from sklearn.linear_model import Ridge

    return Probe(
        units=_numbers,
        of_vectors=_scaled(Ridge(alpha=RIDGE_OF_VECTORS)),
        of_counts=Ridge(alpha=RIDGE_OF_COUNTS),
        measure=_score_numbers,
        seed=experiment.seed,
        **_texts(experiment),
    )


def _numbers(examples: Examples) -> Units:
    return Units(np.array(examples.labels, "float64"), np.arange(len(examples)))


def _score_numbers(targets: Any, answers: Any, owners: Any) -> dict[str, float]:
    return {"spearman": regression_scores(targets, answers)["spearman"]}


# -------------------------------------------------------------------------------------- tagging


def tagging_probe(experiment: Experiment) -> Probe:
    """Logistic regression of each word's tag; folds are of sentences, entities are scored."""
    of_vectors, of_counts = _classifiers(max_iter=100)
    return Probe(
        vectors=word_vectors,
        counts=counts_of_words,
        units=_words,
        of_vectors=_scaled(of_vectors),
        of_counts=of_counts,
        measure=_score_tags,
        seed=experiment.seed,
        told=OF_WORDS,
    )


def _words(examples: Examples) -> Units:
    sentences = examples.labels or []
    owners = np.repeat(np.arange(len(sentences)), [len(tags) for tags in sentences])
    strata = None
    if has_entities(examples):
        strata = [any(tag != "O" for tag in tags) for tags in sentences]
    return Units(np.array([tag for tags in sentences for tag in tags]), owners, strata)


def _score_tags(targets: Any, answers: Any, owners: Any) -> dict[str, float]:
    ends = np.flatnonzero(np.diff(owners)) + 1
    gold, found = ([part.tolist() for part in np.split(tags, ends)] for tags in (targets, answers))
    # A fold may have no entity at all.
    if all(tag == "O" or tag[:2] in ("B-", "I-") for tag in {*targets.tolist(), *answers.tolist()}):
        scores = entity_scores(gold, found)
        return {name: scores[name] for name in ("entity_f1", "accuracy")}
    scores = tag_scores(gold, found)
    return {name: scores[name] for name in ("accuracy", "macro_f1")}


# ------------------------------------------------------------------------ similarity and ranking


class Cosines:
    """Fits nothing: answers with the cosines of all first texts and all second ones, (U, U).

    Takes both texts' vectors side by side, (U, 2 * numbers), dense or sparse.
    """

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """None: scikit-learn copies models by their parameters."""
        return {}

    def fit(self, inputs: Any, targets: Any) -> "Cosines":
        """Does nothing."""
        return self

    def predict(self, inputs: Any) -> np.ndarray:
        """See the class."""
        from sklearn.preprocessing import normalize

        half = inputs.shape[1] // 2
        cosines = normalize(inputs[:, :half]) @ normalize(inputs[:, half:]).T
        return np.asarray(cosines.todense() if hasattr(cosines, "todense") else cosines)


def similarity_probe(experiment: Experiment) -> Probe:
    """The cosine of both texts, as similarity begins; nothing is fitted."""
    pooling = getattr(experiment.task, "pooling", "mean")

    def vectors(encoder: Encoder, examples: Examples) -> np.ndarray:
        return np.hstack(columns_of_vectors(encoder, examples, pooling))

    return Probe(
        vectors=vectors,
        counts=counts_of_columns,
        units=_pairs,
        of_vectors=Cosines(),
        of_counts=Cosines(),
        measure=_score_cosines,
        seed=experiment.seed,
        told=OF_COSINES,
    )


def _pairs(examples: Examples) -> Units:
    """The score of each pair, (U,); without scores numbers of both texts, (U, 2)."""
    rows = np.arange(len(examples))
    if examples.labels is not None:
        return Units(np.array(examples.labels, "float64"), rows)
    first, second = list(examples.texts.values())[:2]
    numbers = {text: number for number, text in enumerate(dict.fromkeys([*first, *second]))}
    pairs = [[numbers[a], numbers[b]] for a, b in zip(first, second, strict=True)]
    return Units(np.array(pairs), rows)


def _score_cosines(targets: Any, answers: Any, owners: Any) -> dict[str, float]:
    if targets.ndim == 1:
        return {"spearman": regression_scores(targets, np.diagonal(answers))["spearman"]}
    candidates, places = np.unique(targets[:, 1], return_index=True)
    searches = []
    for (text, _), cosines in zip(targets, answers[:, places], strict=True):
        relevant = np.isin(candidates, targets[targets[:, 0] == text, 1])
        searches.append((relevant.astype(float), cosines))
    scores = ranking_scores(searches)
    return {name: scores[name] for name in ("ndcg_at_10", "recall_at_1")}


def ranking_probe(experiment: Experiment) -> Probe:
    """Logistic regression of whether a passage is relevant; folds are of queries."""
    of_vectors, of_counts = _classifiers()
    return Probe(
        units=_candidates,
        of_vectors=_scaled(of_vectors),
        of_counts=of_counts,
        measure=_score_candidates,
        answer="decision_function",
        seed=experiment.seed,
        **_texts(experiment),
    )


def _candidates(examples: Examples) -> Units:
    labels = examples.labels or []
    numbers = {query: place for place, query in enumerate(dict.fromkeys(q for q, _ in labels))}
    owners = np.array([numbers[query] for query, _ in labels])
    return Units(np.array([relevance > 0 for _, relevance in labels]), owners)


def _score_candidates(targets: Any, answers: Any, owners: Any) -> dict[str, float]:
    queries = [owners == owner for owner in np.unique(owners)]
    scores = ranking_scores((targets[each].astype(float), answers[each]) for each in queries)
    return {name: scores[name] for name in ("ndcg_at_10", "mrr_at_10")}


PROBES: dict[str, Callable[[Experiment], Probe]] = {
    "text_classification": classification_probe,
    "regression": regression_probe,
    "token_classification": tagging_probe,
    "similarity": similarity_probe,
    "ranking": ranking_probe,
}
