"""Counted characters: what can be told of texts without any encoder."""

from collections.abc import Sequence
from typing import Any

from tfft.data.examples import Examples
from tfft.text import WORD_SEPARATOR


def count_characters(texts: Sequence[str]) -> Any:
    """How often runs of one to four characters stand in texts (TF-IDF), sparse (texts, runs).

    Characters rather than words, so that it goes for every language.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    counter = TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 4), sublinear_tf=True)
    return counter.fit_transform(texts)


def counts_of_texts(examples: Examples) -> Any:
    """Those of each text."""
    return count_characters(examples.texts["text"])


def counts_of_columns(examples: Examples) -> Any:
    """Those of the first text of each row beside those of the second."""
    from scipy import sparse

    return sparse.hstack(_columns(examples), "csr")


def counts_of_pairs(examples: Examples) -> Any:
    """The same, and how far they differ and their product, as with vectors."""
    from scipy import sparse

    first, second = _columns(examples)
    return sparse.hstack([first, second, abs(first - second), first.multiply(second)], "csr")


def _columns(examples: Examples) -> tuple[Any, Any]:
    first, second = list(examples.texts.values())[:2]
    counts = count_characters([*first, *second])
    return counts[: len(first)], counts[len(first) :]


def counts_of_words(examples: Examples) -> Any:
    """Those of each word of all sentences, and of the words before and after it."""
    from scipy import sparse

    sentences = [text.split(WORD_SEPARATOR) for text in examples.texts["words"]]
    # Between sentences stands one that is left out again.
    words = ["", *(word for sentence in sentences for word in [*sentence, ""])]
    counts = count_characters(words)
    places = [place for place, word in enumerate(words) if word]
    around = [counts[[place + step for place in places]] for step in (0, -1, 1)]
    return sparse.hstack(around, "csr")
