"""`--check` shows what a training would do, and does nothing."""

import re

import pytest


@pytest.fixture
def checked(place, capsys, monkeypatch):
    """Runs --check in a wide terminal; returns what it prints."""
    monkeypatch.setenv("COLUMNS", "200")

    def check(**sections):
        files = set(place.folder.rglob("*"))
        assert place.fit("--check", **sections) == 0
        assert set(place.folder.rglob("*")) - files <= {place.folder / "config.yaml"}
        return capsys.readouterr().out

    return check


def row_of(output, name):
    """The cells of a printed table's row."""
    line = next(line for line in output.splitlines() if line.startswith(f"{name}  "))
    return re.split(r"\s{2,}", line.strip())


def test_prints_the_resolved_config(checked, place):
    output = checked()
    assert "warmup_fraction: 0.1" in output
    assert f"output_dir: {place.run}" in output


def test_prints_the_labels_of_each_split(checked):
    output = checked()
    assert row_of(output, "animals") == ["animals", "80", "8", "7"]
    assert row_of(output, "rows") == ["rows", "240", "24", "21"]


def test_prints_lengths_with_the_share_that_is_cut(checked, place):
    place.set_rows(
        "train",
        [
            {"text": "a b c", "label": "x"},
            {"text": "a b c d e f", "label": "y"},
            {"text": "a b c d e f g h", "label": "y"},
            {"text": "a", "label": "x"},
        ],
    )
    output = checked(
        backbone={"sequence_length": 8},
        data={"validation": None, "test": None},
    )
    row = row_of(output, "train")
    # [CLS] and [SEP] are counted: the rows have 5, 8, 10 and 3 pieces.
    assert row[4] == "10"
    assert row[5] == "25.0%"


def test_prints_the_number_of_steps(checked):
    output = checked(training={"epochs": 3, "batch_size": 16, "accumulate": 4})
    assert "240 training rows in batches of 16: 16 steps, 4 updates an epoch, 12 updates" in output
    assert "in 3 epochs" in output


def test_pairs_are_counted_once_and_their_texts_measured_one_by_one(checked, place):
    pairs = [{"text": "a b c", "text_pair": "a"}, {"text": "a b", "text_pair": "a b c d e f"}] * 9
    place.set_rows("train", pairs)
    output = checked(
        task={"name": "similarity"},
        data={"columns": {"text_pair": "text_pair"}, "validation": None, "test": None},
        backbone={"sequence_length": 7},
    )
    assert "18 training rows, 36 rows of pieces, in batches of 16: 2 steps an epoch" in output
    assert row_of(output, "pairs") == ["pairs", "18"]
    # With [CLS] and [SEP] 5, 3, 4 and 8 pieces.
    assert row_of(output, "train")[4:] == ["8", "25.0%"]
    assert "cut at 7" in output


def test_counts_rows_with_empty_texts(checked, place):
    place.set_rows("train", [*place.rows("train"), {"text": "  ", "label": "music"}])
    output = checked(data={"empty_text": "skip"})
    assert row_of(output, "skipped: empty text") == ["skipped: empty text", "1", "0", "0"]


def test_says_when_classes_are_lost(place, capsys):
    place.set_rows("validation", [{"text": "a cat", "label": "animal"}])
    assert place.fit("--check") == 2
    assert "Did you mean 'animals'?" in capsys.readouterr().err


def test_sees_what_only_training_would_stumble_over(place, capsys):
    assert place.fit("--check", callbacks={"early_stopping": {"monitor": "val_acuracy"}}) == 2
    assert "val_accuracy" in capsys.readouterr().err
