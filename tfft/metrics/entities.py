"""Corpus measures of tagging: entities as conlleval counts them, and plain tags.

`gold` and `predicted` are lists of sentences, each a list with one tag a word. Scores are fractions
between 0 and 1, and 0 where they are not defined, as conlleval has them: precision where nothing is
answered, recall where there is nothing to find. Results are Python numbers, ready for JSON.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tfft.metrics.classification import classification_scores
from tfft.text.tag_schemes import chunks, entity_type

Sentences = Sequence[Sequence[str]]


def entity_scores(gold: Sentences, predicted: Sentences) -> dict[str, Any]:
    """Scores entities: one is right if its words and its type are those of an entity in `gold`.

    The tags may be of any scheme, and of two; `tfft.text.tag_schemes.chunks` says how they are
    read. The accuracy compares them as they are written.

    Args:
        gold: the right tags.
        predicted: the answered tags of the same words.

    Returns:
        `accuracy` (of words, those outside of entities too), `entity_precision`, `entity_recall`,
        `entity_f1` (over all entities together), and `by_type`: type to `precision`, `recall`,
        `f1`, `support` (entities of the type) and `predicted` (entities answered with it), for the
        types that occur in either, in alphabetical order.

    Raises:
        ValueError: The numbers of sentences or of words differ.
    """
    pairs = list(_words(gold, predicted))
    there, answered = _entities(gold), _entities(predicted)
    right, support, found = (_count(each) for each in (there & answered, there, answered))
    total = _ratios(right.total(), support.total(), found.total())
    return {
        "accuracy": _ratio(sum(tag == answer for tag, answer in pairs), len(pairs)),
        **{f"entity_{name}": total[name] for name in ("precision", "recall", "f1")},
        "by_type": {
            kind: _ratios(right[kind], support[kind], found[kind])
            for kind in sorted(support | found)
        },
    }


def tag_scores(gold: Sentences, predicted: Sentences) -> dict[str, Any]:
    """Scores tags that mark no entities, such as parts of speech, word by word.

    Args:
        gold: the right tags.
        predicted: the answered tags of the same words.

    Returns:
        `accuracy`, `macro_f1` and `by_label`, over the tags that occur in either, in alphabetical
        order; see `tfft.metrics.classification.classification_scores`.

    Raises:
        ValueError: The numbers of sentences or of words differ.
    """
    pairs = list(_words(gold, predicted))
    names = sorted({tag for pair in pairs for tag in pair})
    if not names:
        return {"accuracy": 0.0, "macro_f1": 0.0, "by_label": {}}
    index = {name: number for number, name in enumerate(names)}
    labels, answers = np.array([[index[tag] for tag in pair] for pair in pairs]).T
    # One answer a word, as probabilities in small numbers: corpora have millions of words.
    certain = np.eye(len(names), dtype="int8")[answers]
    scores = classification_scores(labels, certain, names=names)
    return {name: scores[name] for name in ("accuracy", "macro_f1", "by_label")}


def tag_confusions(
    gold: Sentences, predicted: Sentences, *, most: int = 5
) -> list[tuple[str, str, int]]:
    """Lists the commonest mistakes as (right type, answered type, number of words).

    Only types are compared, not prefixes; outside of entities the type is "O". The commonest comes
    first; equally common ones stand in alphabetical order.

    Raises:
        ValueError: The numbers of sentences or of words differ.
    """
    pairs = ((entity_type(tag), entity_type(answer)) for tag, answer in _words(gold, predicted))
    counts = Counter(pair for pair in pairs if pair[0] != pair[1])
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [(right, answer, words) for (right, answer), words in ordered[:most]]


def _words(gold: Sentences, predicted: Sentences) -> Iterator[tuple[str, str]]:
    """Yields the right and the answered tag of each word."""
    if len(gold) != len(predicted):
        raise ValueError(
            f"predicted must have the {len(gold)} sentences of gold. Received: {len(predicted)}"
        )
    for number, (tags, answers) in enumerate(zip(gold, predicted, strict=True)):
        if len(tags) != len(answers):
            raise ValueError(
                f"predicted[{number}] must have the {len(tags)} words of gold[{number}]. "
                f"Received: {len(answers)}"
            )
        yield from zip(tags, answers, strict=True)


def _entities(sentences: Sentences) -> set[tuple[int, str, int, int]]:
    """All entities as (sentence, type, first word, one after the last)."""
    return {(number, *chunk) for number, tags in enumerate(sentences) for chunk in chunks(tags)}


def _count(entities: set[tuple[int, str, int, int]]) -> Counter[str]:
    """How many entities each type has."""
    return Counter(kind for _, kind, _, _ in entities)


def _ratios(right: int, support: int, predicted: int) -> dict[str, float | int]:
    return {
        "precision": _ratio(right, predicted),
        "recall": _ratio(right, support),
        "f1": _ratio(2 * right, support + predicted),
        "support": support,
        "predicted": predicted,
    }


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
