"""Tiny data sets, configs and trained runs that the tests in this directory share."""

import csv
import io
import itertools
import json
import os
import signal
import sys
import time

import pytest
import yaml

# One word of each text decides its label; the rest says nothing.
KEYWORDS = {
    "animals": ["cat", "horse", "sparrow", "goat"],
    "music": ["violin", "drum", "choir", "flute"],
    "weather": ["rain", "thunder", "frost", "breeze"],
}
BEGINNINGS = ["we heard the", "nobody expected a", "tell me about the", "they like every"]
ENDINGS = ["", "this morning", "again", "in town", "all week"]


def single_rows():
    """240 rows of text and label, the labels taking turns."""
    return [
        {"text": f"{beginning} {word} {ending}".strip(), "label": label}
        for beginning, ending in itertools.product(BEGINNINGS, ENDINGS)
        for words in zip(*KEYWORDS.values(), strict=True)
        for label, word in zip(KEYWORDS, words, strict=True)
    ]


def pair_rows():
    """240 rows of two texts and whether the second one says no."""
    return [
        {"text": row["text"], "text_pair": f"there was {word}", "label": label}
        for row in single_rows()[::2]
        for word, label in (("one", "same"), ("nothing", "other"))
    ]


def multi_rows():
    """240 rows with none, one or two labels, a bar between them; a sign stands for each label."""
    signs = dict(zip(KEYWORDS, "#@%", strict=True))
    sets = [[], *([label] for label in signs), ["animals", "music"], ["music", "weather"]]
    return [
        {"text": " ".join([word, *map(signs.get, labels)]), "label": "|".join(labels)}
        for word in map("".join, itertools.product("abcdefgh", "klmno"))
        for labels in sets
    ]


def write_csv(path, rows):
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def read_csv(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write_data(folder, rows):
    """train.csv with every row; validation.csv and test.csv with some of them."""
    folder.mkdir(parents=True, exist_ok=True)
    write_csv(folder / "train.csv", rows)
    write_csv(folder / "validation.csv", rows[:24])
    write_csv(folder / "test.csv", rows[24:45])
    return folder


TINY = {
    "preset": "random",
    "sequence_length": 24,
    "num_layers": 1,
    "num_heads": 4,
    "hidden_dim": 64,
    "intermediate_dim": 128,
    "dropout": 0.0,
}


def tiny_config(folder, output_dir, **sections):
    """A config as a dict; sections given as dicts are merged into it, those in `replace` not."""
    config = {
        "name": "tiny",
        "seed": 5,
        "output_dir": str(output_dir),
        "task": {"dropout": 0.0},
        "backbone": dict(TINY),
        "data": {
            "dir": str(folder),
            "train": "train.csv",
            "validation": "validation.csv",
            "test": "test.csv",
        },
        "optimizer": {"learning_rate": 2e-3},
        "training": {"epochs": 1, "batch_size": 16},
        "export": {"enabled": False},
    }
    config |= sections.pop("replace", {})
    for name, value in sections.items():
        config[name] = {**config.get(name, {}), **value} if isinstance(value, dict) else value
    return config


class Place:
    """A directory with data, and the commands run on it in this process."""

    def __init__(self, folder, rows):
        self.folder = folder
        self.data = write_data(folder / "data", rows)
        self.run = folder / "run"

    def write_config(self, **sections):
        path = self.folder / "config.yaml"
        path.write_text(yaml.safe_dump(tiny_config(self.data, self.run, **sections)), "utf-8")
        return path

    def fit(self, *arguments, **sections):
        """Runs `tfft fit` on the config with these sections; returns its exit code."""
        from tfft import fit

        return fit.main(["--config", str(self.write_config(**sections)), *arguments])

    def read_json(self, name):
        return json.loads((self.run / name).read_text("utf-8"))

    def read_history(self):
        return read_csv(self.run / "history.csv")

    def rows(self, split):
        return read_csv(self.data / f"{split}.csv")

    def set_rows(self, split, rows):
        write_csv(self.data / f"{split}.csv", rows)

    def files(self):
        """Every file below the run directory and its bytes."""
        return {
            str(path.relative_to(self.run)): path.read_bytes()
            for path in sorted(self.run.rglob("*"))
            if path.is_file()
        }


@pytest.fixture
def place(tmp_path):
    """An empty place with the single-label data."""
    return Place(tmp_path, single_rows())


@pytest.fixture(scope="session")
def make_shared_place():
    """Makes a place with the single-label data in a directory."""
    return lambda folder: Place(folder, single_rows())


def shared_place(tmp_path_factory, name, rows, **sections):
    """A finished run that is trained once, whatever the number of pytest's processes."""
    root = tmp_path_factory.getbasetemp()
    root = root.parent if "PYTEST_XDIST_WORKER" in os.environ else root
    folder, done = root / name, root / f"{name}.done"
    try:
        folder.mkdir()
    except FileExistsError:
        end = time.monotonic() + 300
        while not done.exists() and time.monotonic() < end:
            time.sleep(0.2)
        return Place(folder, rows)
    place = Place(folder, rows)
    try:
        assert place.fit(training={"epochs": 5, "batch_size": 8}, **sections) == 0
    finally:
        done.touch()
    return place


@pytest.fixture(scope="session")
def single_run(tmp_path_factory):
    """A finished run: BERT, one label a text."""
    return shared_place(tmp_path_factory, "single_run", single_rows())


@pytest.fixture(scope="session")
def pair_run(tmp_path_factory):
    """A finished run: DistilBERT, pairs of texts."""
    return shared_place(
        tmp_path_factory,
        "pair_run",
        pair_rows(),
        backbone={"family": "distil_bert"},
        data={"columns": {"text_pair": "text_pair"}},
    )


@pytest.fixture(scope="session")
def multi_run(tmp_path_factory):
    """A finished run: RoBERTa, any number of labels a text."""
    return shared_place(
        tmp_path_factory,
        "multi_run",
        multi_rows(),
        task={"multi_label": True},
        backbone={"family": "roberta", "num_layers": 2},
        data={"label_separator": "|"},
    )


@pytest.fixture(scope="session")
def logits_of():
    """Asks a loaded run for the outputs of its model."""

    def ask(trained, **texts):
        from tfft.inference import tokenize_texts

        return trained.outputs(tokenize_texts(trained.task, trained.encoder, texts))

    return ask


@pytest.fixture
def standard_input(monkeypatch):
    """Sets what a command reads from standard input."""

    def set_input(data):
        buffer = io.BytesIO(data if isinstance(data, bytes) else data.encode("utf-8"))
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(buffer, encoding="utf-8"))

    return set_input


@pytest.fixture(autouse=True)
def same_signal_handler():
    """Commands handle SIGTERM; the tests' own process goes on as before."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)
