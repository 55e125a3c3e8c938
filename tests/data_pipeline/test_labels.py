"""Labels as numbers, their weights, and splits in which each has its share."""

from collections import Counter

import numpy as np
import pytest

from tfft.data.examples import Examples
from tfft.data.labels import (
    balanced_class_weights,
    check_labels,
    count_labels,
    count_names,
    encode_labels,
    grouped_split,
    read_labels,
    sorted_labels,
    stratified_split,
)
from tfft.errors import DataError


def labelled(labels, **more):
    texts = {"text": [f"t{row}" for row in range(len(labels))]}
    return Examples(texts, list(labels), **more)


# ------------------------------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (["b", "a", "b"], ["a", "b"]),
        (["10", "9", "-1"], ["-1", "9", "10"]),
        (["01", "1", "0"], ["0", "01", "1"]),
        (["10", "9", "x"], ["10", "9", "x"]),
        (["--1", "2"], ["--1", "2"]),
        ([["b"], [], ["a", "c"]], ["a", "b", "c"]),
    ],
)
def test_learned_labels(labels, names):
    assert sorted_labels(count_names(labelled(labels))) == names


def test_counts():
    assert count_labels(labelled(["a", "b", "a"]), ["b", "a", "c"]) == {"b": 1, "a": 2, "c": 0}
    assert count_labels(labelled([["a", "b"], []]), ["a", "b"]) == {"a": 1, "b": 1}


def test_file_of_labels_that_cannot_be_read(tmp_path):
    with pytest.raises(DataError, match=r"There is no label file .*none\.txt"):
        read_labels(str(tmp_path / "none.txt"))
    with pytest.raises(DataError, match="cannot be read"):
        read_labels(str(tmp_path))
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9\n")
    with pytest.raises(DataError, match=r"latin\.txt is not UTF-8 text"):
        read_labels(str(tmp_path / "latin.txt"))
    (tmp_path / "empty.txt").write_bytes(b"\n\n")
    with pytest.raises(DataError, match=r"empty\.txt: there is no label in it"):
        read_labels(str(tmp_path / "empty.txt"))


def test_label_that_stands_twice():
    with pytest.raises(DataError, match="task.labels: the label 'a' stands twice"):
        check_labels(["a", "b", "a"], "task.labels")


# ----------------------------------------------------------------------------------- numbers


def test_numbers_follow_the_order_of_the_names():
    targets = encode_labels(labelled(["a", "b", "a"]), ["b", "a"], multi_label=False)
    assert targets.dtype == "int32"
    assert targets.tolist() == [1, 0, 1]


def test_rows_with_any_number_of_labels():
    targets = encode_labels(labelled([["a", "c"], [], ["b"]]), ["a", "b", "c"], multi_label=True)
    assert targets.dtype == "float32"
    assert targets.tolist() == [[1, 0, 1], [0, 0, 0], [0, 1, 0]]


def test_unknown_label():
    examples = labelled(["good", "Goood"], places=["dev.csv:2", "dev.csv:3"])
    with pytest.raises(DataError) as caught:
        encode_labels(examples, ["bad", "good"], multi_label=False)
    assert str(caught.value) == (
        "dev.csv:3: the label 'Goood' is not one of the task's 2 labels (bad, good). "
        "Did you mean 'good'? Labels are learned from train unless task.labels lists them."
    )


def test_unknown_label_among_many():
    names = [f"n{number}" for number in range(20)]
    with pytest.raises(DataError, match=r"the examples, row 1: .* \(n0, n1, .*n11 and 8 more\)"):
        encode_labels(labelled([["xyz"]]), names, multi_label=True)


# ------------------------------------------------------------------------------------ weights


def test_balanced_weights_are_those_of_scikit_learn():
    from sklearn.utils.class_weight import compute_class_weight

    targets = np.array([0, 0, 0, 0, 1, 1, 2])
    expected = compute_class_weight("balanced", classes=np.arange(3), y=targets)
    weights = balanced_class_weights(np.bincount(targets), len(targets), multi_label=False)
    np.testing.assert_allclose(weights, expected, rtol=1e-6)


def test_balanced_weights_for_several_labels_a_row():
    weights = balanced_class_weights(np.array([1, 3]), 4, multi_label=True)
    np.testing.assert_allclose(weights, [3.0, 1 / 3])


def test_balanced_weight_of_a_label_that_no_row_has():
    for multi_label in (False, True):
        weights = balanced_class_weights(np.array([2, 1, 0]), 3, multi_label=multi_label)
        assert np.isfinite(weights).all()


# ------------------------------------------------------------------------------------- split

CLASSES = ["a"] * 50 + ["b"] * 30 + ["c"] * 20


def texts_of(examples):
    return examples.texts["text"]


@pytest.mark.parametrize("seed", range(5))
def test_each_label_has_its_share(seed):
    rest, drawn = stratified_split(labelled(CLASSES), 0.1, seed)
    assert Counter(drawn.labels) == {"a": 5, "b": 3, "c": 2}
    assert sorted(texts_of(rest) + texts_of(drawn)) == sorted(texts_of(labelled(CLASSES)))


def test_split_keeps_the_rows_whole_and_in_the_order_of_the_file():
    weight = np.arange(100, dtype="float32")
    places = [f"f.csv:{row}" for row in range(100)]
    examples = labelled(CLASSES, sample_weight=weight, places=places, num_empty=7)
    for part in stratified_split(examples, 0.3, 1):
        rows = [int(text[1:]) for text in texts_of(part)]
        assert rows == sorted(rows)
        assert part.labels == [CLASSES[row] for row in rows]
        assert part.sample_weight.tolist() == rows
        assert [part.where(number) for number in range(len(part))] == [places[r] for r in rows]


@pytest.mark.parametrize("split", [stratified_split, grouped_split])
def test_skipped_rows_are_counted_once(split):
    examples = labelled(CLASSES, num_empty=7, counts={"left out": 3}, groups=[*range(100)])
    parts = split(examples, 0.3, 1)
    assert [part.num_empty for part in parts] == [7, 0]
    assert [part.counts for part in parts] == [{"left out": 3}, {}]


def test_split_depends_on_the_seed_alone():
    drawn = [texts_of(stratified_split(labelled(CLASSES), 0.1, seed)[1]) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]


@pytest.mark.parametrize("fraction", [0.1, 0.34, 0.5, 0.9])
@pytest.mark.parametrize("seed", range(5))
def test_rare_labels_are_not_lost_to_training(fraction, seed):
    labels = ["a"] * 10 + ["b", "b", "c", "d", "e"]
    rest, drawn = stratified_split(labelled(labels), fraction, seed)
    assert set(rest.labels) == set("abcde")
    assert len(rest) + len(drawn) == len(labels)
    many, _ = stratified_split(labelled([[x] for x in labels] + [["a", "f"]]), fraction, seed)
    assert {name for row in many.labels for name in row} == set("abcdef")


def test_many_rare_labels_together_have_their_share():
    labels = ["a"] * 100 + [f"r{number // 2}" for number in range(100)]
    for seed in range(5):
        _, drawn = stratified_split(labelled(labels), 0.1, seed)
        assert len(drawn) == 20
        assert Counter(drawn.labels)["a"] == 10


def test_strata_go_before_labels():
    numbers = [float(row) for row in range(100)]
    examples = labelled(numbers, strata=["low"] * 50 + ["high"] * 50)
    rest, drawn = stratified_split(examples, 0.2, 3)
    assert Counter(drawn.strata) == {"low": 10, "high": 10}
    assert sorted(rest.labels + drawn.labels) == numbers
    assert [label < 50 for label in drawn.labels] == [each == "low" for each in drawn.strata]


# ------------------------------------------------------------------------------------- groups

GROUPS = [f"context {row // 4 if row < 40 else row % 20}" for row in range(100)]


@pytest.mark.parametrize("fraction", [0.05, 0.1, 0.34, 0.5])
@pytest.mark.parametrize("seed", range(5))
def test_a_group_stands_on_one_side_only(fraction, seed):
    rest, drawn = grouped_split(labelled(range(100), groups=GROUPS), fraction, seed)
    assert not set(rest.groups) & set(drawn.groups)
    assert sorted(rest.labels + drawn.labels) == list(range(100))
    assert fraction * 100 <= len(drawn) < fraction * 100 + max(Counter(GROUPS).values())
    for part in (rest, drawn):
        assert part.labels == sorted(part.labels)
        assert part.groups == [GROUPS[row] for row in part.labels]


def test_drawn_groups_depend_on_the_seed_alone():
    examples = labelled(range(100), groups=GROUPS)
    drawn = [grouped_split(examples, 0.2, seed)[1].labels for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_one_group_alone_is_drawn_whole():
    rest, drawn = grouped_split(labelled(range(5), groups=["same"] * 5), 0.2, 0)
    assert (len(rest), len(drawn)) == (0, 5)
