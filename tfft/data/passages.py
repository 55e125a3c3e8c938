"""Plain text to learn from: neighbouring lines joined to passages that fill rows of pieces."""

from collections.abc import Iterable, Iterator, Sequence

from tfft.data.table import cut

# About 900 pieces of English: the last row of a passage, which is not full, is one of eight or so.
PASSAGE_CHARACTERS = 4096
# Where a share of them is drawn, there are at least about so many.
FEWEST_PASSAGES = 20
# Of a text with a mask.
SHOWN_WORDS = 16
MASK = "[MASK]"


def passage_size(texts: Sequence[str]) -> int:
    """How many characters a passage has of which shares are drawn: fewer where there is little."""
    return min(PASSAGE_CHARACTERS, sum(map(len, texts)) // FEWEST_PASSAGES)


def join_texts(
    texts: Sequence[str], characters: int = PASSAGE_CHARACTERS
) -> tuple[list[str], list[int]]:
    """Joins neighbouring texts with a blank until they have so many characters.

    Blank texts are left out. Where a document ends makes no difference: rows are full, and Liu et
    al. 2019 ("RoBERTa", section 4.2) found next to none in what is learned.

    Returns:
        The passages, and the number of the first text of each.
    """
    passages: list[str] = []
    first: list[int] = []
    parts: list[str] = []
    size = 0
    for number, text in enumerate(texts):
        if not text.strip():
            continue
        if not parts:
            first.append(number)
        parts.append(text.strip())
        size += len(text)
        if size >= characters:
            passages.append(" ".join(parts))
            parts, size = [], 0
    if parts:
        passages.append(" ".join(parts))
    return passages, first


def with_masks(passages: Iterable[str]) -> Iterator[str]:
    """The passages in parts of some words, the one in the middle of each masked."""
    for passage in passages:
        for words in cut(passage.split(), SHOWN_WORDS):
            place = len(words) // 2
            yield " ".join([*words[:place], MASK, *words[place + 1 :]])
