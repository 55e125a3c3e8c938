"""The tags of a tagging task: learned or given, turned into numbers, counted."""

from collections import Counter
from collections.abc import Sequence

from tfft.data.examples import Examples
from tfft.errors import DataError, did_you_mean
from tfft.text.tag_schemes import chunks, detect_scheme, entity_type

BARE = frozenset("OBIESLUMW")


def choose_tags(given: Sequence[str] | None, train: Examples) -> list[str]:
    """The tags of the outputs: `O`, then `B-` and `I-` of each type; or those without prefixes.

    Args:
        given: types or tags; None: those that the training data have, sorted. Of entities tags of
            any scheme will do, such as `S-per`: the outputs are in IOB2 all the same.
        train: its tags are in IOB2, or have no prefixes.

    Raises:
        DataError: there is no entity, or only one tag.
    """
    sentences = train.labels or []
    has_entities = detect_scheme(sentences) != "plain"
    tags = sorted({tag for sentence in sentences for tag in sentence})
    if not has_entities and len(tags) < 2:
        raise DataError(
            f"{train.path}: all words of the {len(train)} training sentences have the same tag "
            f"({', '.join(tags) or 'none'}). Check data.columns.tags."
        )
    if not has_entities:
        return tags if given is None else list(given)
    present = sorted({entity_type(tag) for tag in tags} - {"O"})
    types = present if given is None else _types(given, present)
    return ["O", *(f"{prefix}-{name}" for name in types for prefix in "BI")]


def _types(given: Sequence[str], present: list[str]) -> list[str]:
    """The types that are meant by types or by tags of any scheme.

    B and I alone have none: what they mark is what the data have.
    """
    found = [name if name in present else entity_type(name) for name in given]
    named = [name for name in dict.fromkeys(found) if name not in BARE or name in present]
    return named or present


def encode_tags(examples: Examples, labels: Sequence[str]) -> list[list[int]]:
    """Tags as numbers, one a word.

    Raises:
        DataError: a tag that is not among `labels`, with its file and line.
    """
    index = {name: number for number, name in enumerate(labels)}
    for row, sentence in enumerate(examples.labels or []):
        for word, tag in enumerate(sentence):
            if tag not in index:
                raise DataError(
                    f"{examples.where(row)}: word {word + 1} has the tag {tag!r}, which is not one "
                    f"of the task's {len(labels)} ({', '.join(labels[:12])}"
                    f"{', ...' if len(labels) > 12 else ''}).{did_you_mean(tag, labels)} Tags are "
                    "learned from train unless task.labels lists them."
                )
    return [[index[tag] for tag in sentence] for sentence in examples.labels or []]


def count_tags(examples: Examples, labels: Sequence[str]) -> dict[str, int]:
    """How many entities there are of each type; of tags without prefixes, how many words."""
    sentences = examples.labels or []
    if any(label.startswith("B-") for label in labels):
        types = [label[2:] for label in labels if label.startswith("B-")]
        counts = Counter(kind for tags in sentences for kind, _, _ in chunks(tags))
        return {name: counts[name] for name in types}
    counts = Counter(tag for tags in sentences for tag in tags)
    return {name: counts[name] for name in labels}
