"""A working directory with tiny presets and a small data set, and no caches of downloads."""

import csv

import pytest
from huggingface_hub import constants

from tfft.backbones.checkpoints import build_random_encoder
from tfft.backbones.tokenizer_config import write_folding

ANIMALS = ["cat", "horse", "sparrow", "goat"]
MUSIC = ["violin", "drum", "choir", "flute"]
FRAMES = ["we heard the {}", "nobody expected a {}", "tell me about the {}", "they like every {}"]
ROWS = [
    (f"{frame.format(word)} {number}", label)
    for number in range(5)
    for frame in FRAMES
    for label, words in (("animals", ANIMALS), ("music", MUSIC))
    for word in words
]
SIZES = {"num_layers": 1, "num_heads": 2, "hidden_dim": 32, "intermediate_dim": 32}


@pytest.fixture(scope="session")
def save():
    """Writes an encoder as a preset, as a run does."""

    def write(encoder, place):
        place.mkdir(parents=True)
        encoder.backbone.save_to_preset(str(place))
        encoder.tokenizer.save_to_preset(str(place))
        write_folding(place, lowercase=encoder.lowercase, strip_accents=encoder.strip_accents)

    return write


@pytest.fixture(scope="session")
def knowing():
    """A random encoder that has the words of the data."""
    texts = [text for text, _ in ROWS]
    return build_random_encoder(texts=texts, vocabulary_size=200, sequence_length=16, **SIZES)


@pytest.fixture(scope="session")
def foreign():
    """A random encoder that has Greek letters alone."""
    texts = ["αβγδε ζηθικ", "λμνξο πρστυ φχψω"]
    return build_random_encoder(texts=texts, vocabulary_size=64, sequence_length=16, **SIZES)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """The working directory; nothing was downloaded, and minilm is not installed."""

    def not_installed():
        from tfft.errors import ConfigError

        raise ConfigError("not installed")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path / "kagglehub"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("tfft.choosing.catalogue.minilm_directory", not_installed)
    monkeypatch.setattr("tfft.backbones.checkpoints.minilm_directory", not_installed)
    return tmp_path


@pytest.fixture
def data(place):
    """`data.csv`, 160 rows of text and label, whose one keyword tells the label."""
    path = place / "data.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("text", "label"), *ROWS])
    return path


@pytest.fixture
def write_run(place, save):
    """Writes `runs/NAME` with a backbone, and the config with which it was trained."""

    def write(name, encoder, preset="random", train="other.csv"):
        run = place / "runs" / name
        save(encoder, run / "preset")
        (run / "config.yaml").write_text(
            f"name: {name}\noutput_dir: runs/{name}\nbackbone: {{preset: {preset}}}\n"
            f"data: {{train: {train}}}\n"
        )
        return run

    return write
