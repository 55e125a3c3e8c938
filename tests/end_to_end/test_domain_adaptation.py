"""A task gains from a backbone that went on learning on plain text of its domain.

In the language made up here there are words about the sea and words about the desert, and words
about anything. The labelled texts use a few of each, those to be labelled use others: what these
are about only plain text tells, in which they stand together.
"""

import random

import pytest
from rich.console import Console

import tfft

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
TOPICS = {"sea": [f"sea{n}" for n in range(24)], "desert": [f"desert{n}" for n in range(24)]}
NEUTRAL = [f"any{n}" for n in range(12)]
LABELLED_WORDS = 4
SIZES = {"sequence_length": 16, "num_layers": 1, "num_heads": 2, "dropout": 0.0}
SIZES |= {"hidden_dim": 32, "intermediate_dim": 64}


def sentence(drawn, words):
    """Five words of a topic and three others, in any order."""
    chosen = [*drawn.choices(words, k=5), *drawn.choices(NEUTRAL, k=3)]
    drawn.shuffle(chosen)
    return " ".join(chosen)


@pytest.fixture
def place(tmp_path):
    """Plain text, few labelled texts, and many of other words."""
    drawn = random.Random(0)
    vocabulary = [*SPECIAL, *NEUTRAL, *(word for words in TOPICS.values() for word in words)]
    (tmp_path / "vocabulary.txt").write_text("\n".join(vocabulary) + "\n")
    plain = [sentence(drawn, words) for _ in range(800) for words in TOPICS.values()]
    (tmp_path / "plain.txt").write_text("\n".join(plain))
    for name, count, part in (
        ("train", 20, slice(LABELLED_WORDS)),
        ("test", 100, slice(LABELLED_WORDS, None)),
    ):
        rows = [
            f"{label} {sentence(drawn, words[part])}"
            for _ in range(count)
            for label, words in TOPICS.items()
        ]
        (tmp_path / f"{name}.txt").write_text("\n".join(rows))
    return tmp_path


def run(place, name, **sections):
    """The scores of an experiment; `backbone` is random unless it is given."""
    random_weights = {"preset": "random", "vocabulary": "vocabulary.txt", **SIZES}
    config = {
        "name": name,
        "output_dir": str(place / name),
        "backbone": random_weights,
        "optimizer": {"learning_rate": 5e-3},
        **sections,
    }
    config["data"] = {"dir": str(place), **config["data"]}
    return tfft.run_experiment(tfft.build_config(config), console=Console(quiet=True)).metrics


def classify(place, name, **sections):
    data = {"train": "train.txt", "test": "test.txt"}
    # Slowly: what was learned of the other words is to stay.
    sections |= {"optimizer": {"learning_rate": 1e-3}, "training": {"epochs": 10, "batch_size": 8}}
    return run(place, name, data=data, **sections)["test"]["accuracy"]


def test_a_task_gains_from_plain_text_of_its_domain(place):
    learned = run(
        place,
        "plain",
        task={"name": "masked_lm", "join_lines": False},
        data={"train": "plain.txt", "validation_fraction": 0.1},
        training={"epochs": 12, "batch_size": 32},
    )
    assert learned["validation"]["perplexity"] < 25  # of 65 pieces
    adapted = {"preset": str(place / "plain" / "preset"), "sequence_length": 16, "dropout": 0.0}
    with_text = classify(place, "adapted", backbone=adapted)
    without = classify(place, "random")
    assert with_text > 0.9
    assert without < 0.7
