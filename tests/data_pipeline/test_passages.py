"""Plain text as passages to learn from."""

import pytest

from tfft.config import build_config
from tfft.data.examples import load_examples
from tfft.data.fields import build_reader, raw_texts
from tfft.data.passages import join_texts, passage_size, with_masks
from tfft.data.splits import load_splits
from tfft.data.user_files import describe_user_file
from tfft.errors import DataError

LINES = ["One is here.", "", "Two goes on", "  ", "and ends.", "Three."]


def test_neighbours_are_joined_until_they_are_long_enough():
    assert join_texts(LINES, 10) == (["One is here.", "Two goes on", "and ends. Three."], [0, 2, 4])
    assert join_texts(LINES) == (["One is here. Two goes on and ends. Three."], [0])
    assert join_texts(["", " "]) == ([], [])


def test_parts_with_a_mask():
    assert list(with_masks(["one two three four", "one"])) == ["one two [MASK] four", "[MASK]"]
    parts = [part.split() for part in with_masks(["word " * 20])]
    assert [(len(part), part.count("[MASK]")) for part in parts] == [(16, 1), (4, 1)]


@pytest.fixture
def experiment(tmp_path):
    (tmp_path / "a.txt").write_text("\n".join(LINES), "utf-8")

    def build(**task):
        return build_config(
            {
                "name": "x",
                "output_dir": "x",
                "task": {"name": "masked_lm", **task},
                "backbone": {"preset": "minilm"},
                "data": {"dir": str(tmp_path), "train": "a.txt"},
            }
        )

    return build


def read(config):
    return load_examples(config.data, "train", build_reader(config))


def test_each_line_is_a_text_whatever_its_first_word(experiment):
    examples = read(experiment(join_lines=False))
    assert examples.texts == {"plain_text": [line for line in LINES if line.strip()]}
    assert [place.rpartition(":")[2] for place in examples.places] == ["1", "3", "5", "6"]
    assert describe_user_file(experiment().data, "other.txt").label_in_front is False
    assert describe_user_file(experiment().data, "other.csv").label_in_front is False


def test_lines_are_joined(experiment):
    examples = read(experiment())
    assert examples.texts == {"plain_text": ["One is here. Two goes on and ends. Three."]}
    assert examples.counts == {"texts joined to passages": 4}
    assert raw_texts(examples.texts) == {"text": ["One is here. Two [MASK] on and ends. Three."]}


def test_file_of_blanks(experiment, tmp_path):
    (tmp_path / "a.txt").write_text("\n \n", "utf-8")
    with pytest.raises(DataError, match=r"a\.txt has no rows"):
        read(experiment())


@pytest.mark.parametrize("split", ["validation", "test"])
def test_a_share_of_little_text(experiment, tmp_path, split):
    """Passages are then shorter, or there would be none to draw."""
    (tmp_path / "a.txt").write_text("\n".join(f"line {n} of it" for n in range(60)), "utf-8")
    config = experiment()
    data = config.data.model_copy(update={f"{split}_fraction": 0.1})
    splits = load_splits(config.model_copy(update={"data": data}))
    drawn = splits.pop(split)
    assert len(drawn) == 2 and 16 <= len(splits["train"]) <= 18
    assert len(read(config)) == 1
    long = ["word " * 1000] * 90
    assert passage_size(long) == 4096
