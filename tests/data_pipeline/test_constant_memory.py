"""A data set a hundred times as large takes the same memory."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = Path(__file__).with_name("epoch_in_process.py")
WORDS = ["the", "film", "was", "good", "bad", "not", "."]
MOST_MORE = 40 * 2**20

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/status").is_file(), reason="memory is read from /proc"
)


def write_rows(path, rows):
    with path.open("w", encoding="utf-8") as file:
        for row in range(rows):
            words = " ".join(WORDS[row * step % len(WORDS)] for step in range(3, 8 + row % 7))
            label = "ham" if row % 3 else "spam"
            file.write(json.dumps({"id": row, "text": words, "label": label}) + "\n")


def go_through(place, vocabulary, rows, cache):
    """What a process of its own says of an epoch over so many rows."""
    write_rows(place / "train.jsonl", rows)
    sizes = {"num_layers": 1, "num_heads": 2, "hidden_dim": 8, "intermediate_dim": 16}
    config = {
        "name": "memory",
        "output_dir": str(place / "run"),
        "backbone": {"preset": "random", "vocabulary": str(vocabulary), **sizes},
        "data": {"dir": str(place), "train": "train.jsonl", "cache": cache},
        "training": {"batch_size": 256},
    }
    done = subprocess.run(
        [sys.executable, str(PROGRAM), json.dumps(config), str(place / "run" / "cache")],
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    seen = json.loads(done.stdout)
    assert seen["rows"] == seen["weight"] == rows
    if cache == "disk":
        written = sum(file.stat().st_size for file in (place / "run" / "cache").iterdir())
        assert written <= 2.5 * seen["pieces"]
    return seen["memory"]


def compare(place, vocabulary, few, many, cache):
    taken = {}
    for rows in (few, many):
        folder = place / str(rows)
        folder.mkdir()
        taken[rows] = go_through(folder, vocabulary, rows, cache)
    print({rows: f"{memory / 2**20:.0f} MB" for rows, memory in taken.items()})
    assert taken[many] - taken[few] < MOST_MORE


def test_ten_times_the_rows_take_the_same_memory(tmp_path, vocabulary):
    compare(tmp_path, vocabulary, 10_000, 100_000, "disk")


@pytest.mark.soak
@pytest.mark.parametrize(
    ("cache", "rows"), [("disk", 1_000_000), ("none", 1_000_000), ("disk", 10_000_000)]
)
def test_so_many_times_the_rows_take_the_same_memory(tmp_path, vocabulary, cache, rows):
    compare(tmp_path, vocabulary, 10_000, rows, cache)
