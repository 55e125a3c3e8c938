"""Corpus measures of extractive question answering: exact match and token F1.

They are those of the official scripts, `evaluate-v1.1.py` and `evaluate-v2.0.py` of
rajpurkar/SQuAD-explorer; a question without a right answer is to be answered with "". With
`by_character` texts are cut as MLQA's `mlqa_evaluation_v1.py` (facebookresearch/MLQA) cuts Chinese:
each character of a script that is written without blanks is a token. CMRC 2018's script
(ymcui/cmrc2018, `cmrc2018_evaluate.py`) cuts much the same way, but its F1 counts the longest run
of tokens in common where SQuAD and MLQA count all: its numbers are mostly lower.

Every score is a fraction between 0 and 1, and 0 where there are no questions. Results are Python
numbers, ready for JSON.
"""

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tfft.errors import NotFiniteError

Array = npt.NDArray[Any]

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)

# MLQA's script knows the commonest ideographs alone (4E00 to 9FA5), because Chinese is its only
# language of this kind.
_CHARACTER = re.compile(
    "[\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # ideographs
    "\u3040-\u30ff\u31f0-\u31ff\uff66-\uff9f\u3100-\u312f"  # kana, bopomofo
    "\u1100-\u11ff\u3130-\u318f\uac00-\ud7a3]"  # Hangul
)


def normalize_answer(text: str, *, by_character: bool = False) -> str:
    """Writes an answer so that answers that mean the same are equal.

    Lower case, without the ASCII punctuation of `string.punctuation` (curly quotes stay), without
    the words a, an and the, with one blank between words. With `by_character` all that Unicode
    calls punctuation goes, articles stay, and blanks stand around each character that is a token.

    >>> normalize_answer("The U.S. Army,  an “ally”")
    'us army “ally”'
    >>> normalize_answer("《红楼梦》 the Novel", by_character=True)
    '红 楼 梦 the novel'
    """
    text = text.lower()
    if by_character:
        text = "".join(letter for letter in text if not _is_punctuation(letter))
        text = _CHARACTER.sub(r" \g<0> ", text)
    else:
        # Punctuation goes first, as in the official scripts: "a." is an article, "a-b" is not.
        text = _ARTICLES.sub(" ", text.translate(_NO_PUNCTUATION))
    return " ".join(text.split())


def exact_match(prediction: str, golds: Sequence[str], *, by_character: bool = False) -> float:
    """1 if the normalised answer equals one of the right ones, else 0.

    Args:
        prediction: The answer; "" says that there is none.
        golds: The right answers. Those that normalise to nothing are dropped, as in version 2.0;
            where none is left the right answer is "".
        by_character: See `normalize_answer`.
    """
    predicted = normalize_answer(prediction, by_character=by_character)
    return float(predicted in _normalized(golds, by_character))


def token_f1(prediction: str, golds: Sequence[str], *, by_character: bool = False) -> float:
    """The F1 of the tokens in common with that right answer where it is highest.

    A token counts as often as both have it. Where either side has no tokens the score is 1 if both
    have none, else 0. Args: as `exact_match`.
    """
    predicted = normalize_answer(prediction, by_character=by_character).split()
    return max(_f1(predicted, gold.split()) for gold in _normalized(golds, by_character))


def squad_scores(
    golds: Sequence[Sequence[str]],
    predictions: Sequence[str],
    *,
    by_character: bool = False,
    sample_weight: Array | None = None,
) -> dict[str, float]:
    """Scores the answers to n questions.

    Args:
        golds: The right answers of each question; an empty list where there is none.
        predictions: The answer to each question, "" for none.
        by_character: See `normalize_answer`. Defaults to false.
        sample_weight: Weights of the questions, (n,). Defaults to 1 each.

    Returns:
        `exact_match` and `f1`. Where some question has no right answer also
        `has_answer_exact_match` and `has_answer_f1` over the questions that have one, and
        `no_answer_f1`, the share of the others that is answered with "" (their exact match is the
        same number).

    Raises:
        ValueError: Lengths that do not agree.
    """
    _check_lengths(len(golds), predictions=predictions, sample_weight=sample_weight)
    pairs = list(zip(predictions, golds, strict=True))
    exact = np.array([exact_match(*pair, by_character=by_character) for pair in pairs])
    f1 = np.array([token_f1(*pair, by_character=by_character) for pair in pairs])
    weight = np.ones(len(pairs)) if sample_weight is None else np.asarray(sample_weight)
    scores = {"exact_match": _mean(exact, weight), "f1": _mean(f1, weight)}
    # As in the official script: by what the file says, before anything is normalised.
    has = np.array([len(answers) > 0 for answers in golds], bool)
    if has.all():
        return scores
    return scores | {
        "has_answer_exact_match": _mean(exact[has], weight[has]),
        "has_answer_f1": _mean(f1[has], weight[has]),
        "no_answer_f1": _mean(f1[~has], weight[~has]),
    }


def tune_no_answer_threshold(
    golds: Sequence[Sequence[str]],
    answers: Sequence[str],
    differences: Sequence[float] | Array,
    *,
    by_character: bool = False,
) -> float:
    """Finds the threshold above which "" is answered that gives the best F1 over all questions.

    It does what `find_best_thresh` of the official 2.0 script does, with two differences: a
    threshold lies halfway between neighbouring differences, so that float noise flips no answer;
    and of thresholds with the same score the one nearest to 0 is taken (of two as near, the lower).
    Tune on validation data and answer the test data with what was found.

    Args:
        golds: The right answers of each of n questions; an empty list where there is none.
        answers: The best answer to each question that is not "".
        differences: How much higher "" scores than that answer, (n,), in logits. Questions where
            it is infinite are answered alike at every threshold, and do not count.
        by_character: See `normalize_answer`.

    Returns:
        The threshold: a question is answered with "" where its difference is greater. Without
        questions 0.

    Raises:
        ValueError: Lengths that do not agree.
        NotFiniteError: A difference is NaN.
    """
    _check_lengths(len(golds), answers=answers, differences=differences)
    differences = _checked(differences)
    counted = np.isfinite(differences)
    if not counted.any():
        return 0.0
    # What is gained on each question by answering it instead of saying "".
    gains = np.array(
        [
            token_f1(answer, right, by_character=by_character)
            - token_f1("", right, by_character=by_character)
            for answer, right in zip(answers, golds, strict=True)
        ]
    )
    steps, group = np.unique(differences[counted], return_inverse=True)
    gained = np.bincount(group, weights=gains[counted])
    # At the lowest threshold nothing is answered; each higher one answers one group more. The
    # sums are rounded because their float noise would choose between equal ones.
    totals = np.cumsum([0.0, *gained]).round(9)
    best = _thresholds(steps)[totals == totals.max()]
    return float(best[np.abs(best).argmin()])


def _thresholds(steps: Array) -> Array:
    """One threshold below, between and above k sorted differences, (k + 1,).

    The two at the ends keep a distance of 1, or are 0 where that is farther away.
    """
    return np.array(
        [min(steps[0] - 1.0, 0.0), *(steps[:-1] + steps[1:]) / 2, max(steps[-1] + 1.0, 0.0)]
    )


def _normalized(golds: Sequence[str], by_character: bool) -> list[str]:
    texts = [normalize_answer(gold, by_character=by_character) for gold in golds]
    return [text for text in texts if text] or [""]


def _f1(predicted: Sequence[str], gold: Sequence[str]) -> float:
    if not predicted or not gold:
        return float(predicted == gold)
    common = (Counter(predicted) & Counter(gold)).total()
    return 2 * common / (len(predicted) + len(gold))


def _is_punctuation(letter: str) -> bool:
    # Unicode calls $ + < = > ^ ` | ~ symbols.
    return unicodedata.category(letter).startswith("P") or letter in string.punctuation


def _mean(values: Array, weight: Array) -> float:
    return float(np.average(values, weights=weight)) if weight.sum() else 0.0


def _checked(differences: Sequence[float] | Array) -> Array:
    differences = np.asarray(differences, "float64")
    missing = np.isnan(differences).sum()
    if missing:
        raise NotFiniteError(
            f"The model's scores of {missing} of {len(differences)} questions are not numbers "
            "(NaN), so no threshold can be found. Its weights have most likely diverged in "
            "training: lower optimizer.learning_rate, set optimizer.clip_norm, or train without "
            "float16."
        )
    return differences


def _check_lengths(rows: int, **columns: Any) -> None:
    for name, values in columns.items():
        if values is not None and len(values) != rows:
            raise ValueError(f"{name} must be as many as golds, {rows}. Received: {len(values)}")
