"""What an exported model is asked in its check: the texts, and the requests made of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tfft.backbones.encoder import Encoder
from tfft.data.pipeline import TokenizedSet
from tfft.tasks.base import Task

LARGEST_BATCH = 32
MOST_PADDING = 8
WARMUP_BATCHES = (1, 8)

# Asked besides what the data hold. "\udcff" stands for a byte that is no UTF-8; see `readable`.
EDGE_TEXTS = (
    "",
    " ",
    "\t\r\n \u00a0\u3000",
    "a",
    "Crème brûlée, naïve façade – “quoted”… 100 €",
    "cafe\u0301 n\u0303 \u1e9b\u0323 \ufb01",
    "电影很好看,我喜欢。 映画が好きです。 영화가 좋다",
    "Фильм ПРЕКРАСНЫЙ ΟΔΟΣ İstanbul straße",
    "فيلم رائع جدا סרט נפלא हिन्दी ไทย",
    "👍🏽 👩‍👩‍👧‍👦 🏴󠁧󠁢󠁥󠁮󠁧󠁿 𝔘𝔫𝔦𝔠𝔬𝔡𝔢 \U0010fffd",
    "nul \x00 bell \x07 escape \x1b[0m zero\u200bwidth \ufeff soft\u00adhyphen \ufffd",
    "[CLS] [SEP] [MASK] [PAD] [UNK] <s> </s> <pad> <mask> ##ing",
    "bytes \udcff\udcfe in \udcf0\udc9f\udc91 the \udcc3 text \udced\udca0\udc80",
    "https://example.org/?q=a%20b&c=d#e <br /> user@example.org $1,000.00 it's can't",
    "x" * 300 + " " + "abc" * 100,
    "a very long text " * 500,
)


@dataclass(frozen=True)
class Request:
    """What a server is asked.

    Attributes:
        rows: which of the check texts, in order.
        signature: `serving_default` or `tokens`.
        inputs: nested lists by name. Bytes that are no UTF-8 stand as surrogate escapes.
    """

    rows: list[int]
    signature: str
    inputs: dict[str, Any]


def choose_check_texts(columns: Mapping[str, list[str]], num: int = 200) -> dict[str, list[str]]:
    """Chooses texts to ask: the longest, the shortest, non-ASCII ones, and some from everywhere.

    Args:
        columns: texts of a split by field, one entry a row.
        num: how many of them; fewer rows are made up to it by joining two.

    Returns:
        Columns of `num` rows, and after them rows with each of `EDGE_TEXTS`.
    """
    fields = list(columns)
    rows = [
        tuple(_whole(text) for text in row)
        for row in zip(*(columns[field] for field in fields), strict=True)
    ]
    chosen = _choose(list(dict.fromkeys(rows)), num)
    chosen += _edge_rows(chosen[0], len(fields))
    return {field: [row[index] for row in chosen] for index, field in enumerate(fields)}


def build_requests(
    task: Task,
    encoder: Encoder,
    texts: Mapping[str, list[str]],
    rows: TokenizedSet,
    *,
    seed: int = 0,
) -> list[Request]:
    """Each text alone and in one mixed batch, through each signature.

    Args:
        task: says what the texts are called.
        encoder: pads the pieces.
        texts: columns of texts, one entry an example.
        rows: the same texts as pieces, one or more rows an example.
        seed: of the mixed batches.

    Returns:
        The requests; the first ones are meant for warming up a server, too.
    """
    random = np.random.default_rng(seed)
    longest = int(rows.lengths.max()) + MOST_PADDING
    ids = {name: v.numpy() for name, v in encoder.pad(rows.features, longest).items()}

    def text_inputs(group: list[int]) -> dict[str, Any]:
        return {name: [texts[name][row] for row in group] for name in task.text_fields}

    def token_inputs(group: list[int]) -> dict[str, Any]:
        # Some columns more than needed: the graph has to cut them.
        length = rows.lengths[group].max() + random.integers(MOST_PADDING + 1)
        return {name: values[group, :length].tolist() for name, values in ids.items()}

    by_text = _groups(rows.num_examples, random)
    by_row = _groups(len(rows), random)
    asked = [Request(group, "serving_default", text_inputs(group)) for group in by_text]
    with_ids = [Request(group, "tokens", token_inputs(group)) for group in by_row]
    first = len(WARMUP_BATCHES)
    return [*asked[:first], *with_ids[:first], *asked[first:], *with_ids[first:]]


def _groups(rows: int, random: np.random.Generator) -> list[list[int]]:
    """For warming up, each alone, and in mixed batches."""
    warm_up = [list(range(min(size, rows))) for size in WARMUP_BATCHES]
    return warm_up + [[row] for row in range(rows)] + _mixed_batches(rows, random)


def warmup_requests(requests: list[Request]) -> list[Request]:
    """Of `build_requests`, those for warming up a server: a single row and a batch."""
    return requests[: 2 * len(WARMUP_BATCHES)]


def readable(texts: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """The texts as Python reads their bytes: U+FFFD in place of what is no UTF-8."""
    return {
        name: [t.encode("utf-8", "surrogateescape").decode("utf-8", "replace") for t in column]
        for name, column in texts.items()
    }


def _whole(text: str) -> str:
    """Without lone surrogates, which cannot be sent."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _choose(rows: list[tuple[str, ...]], num: int) -> list[tuple[str, ...]]:
    by_length = sorted(rows, key=lambda row: sum(map(len, row)))
    others = [row for row in rows if not "".join(row).isascii()]
    spread = [rows[i] for i in np.linspace(0, len(rows) - 1, num).astype(int)]
    tenth = num // 10
    picked = [*spread[:tenth], *by_length[-tenth:], *by_length[:tenth], *others[: 3 * tenth]]
    chosen = list(dict.fromkeys([*picked, *spread, *rows]))[:num]
    return chosen + [_join(chosen, number) for number in range(num - len(chosen))]


def _join(rows: list[tuple[str, ...]], number: int) -> tuple[str, ...]:
    """The number-th of the joined pairs of different rows."""
    step, first = divmod(number, len(rows))
    second = (first + step + 1) % len(rows)
    return tuple(f"{a} {b}" for a, b in zip(rows[first], rows[second], strict=True))


def _edge_rows(usual: tuple[str, ...], num_fields: int) -> list[tuple[str, ...]]:
    """Each edge text in each field, the others usual, and in all of them."""
    rows = [(text,) * num_fields for text in EDGE_TEXTS]
    if num_fields > 1:
        for field in range(num_fields):
            rows += [(*usual[:field], text, *usual[field + 1 :]) for text in EDGE_TEXTS]
    return rows


def _mixed_batches(rows: int, random: np.random.Generator) -> list[list[int]]:
    """All rows in random order, cut into batches of random sizes."""
    order = random.permutation(rows)
    sizes = random.integers(2, LARGEST_BATCH + 1, rows)
    cuts = [cut for cut in np.cumsum(sizes) if cut < rows]
    return [part.tolist() for part in np.split(order, cuts)]
