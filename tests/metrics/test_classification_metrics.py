import json
import time

import numpy as np
import pytest
from sklearn.metrics import f1_score, matthews_corrcoef, precision_score, recall_score

from tfft.errors import NotFiniteError
from tfft.metrics.classification import classification_scores, confusions, degenerate_note
from tfft.metrics.multi_label import multi_label_scores, tune_threshold

NAMES = ["bird", "cat", "dog"]


def answers(predicted, num_classes=3):
    """Probabilities whose largest is at `predicted`."""
    return np.eye(num_classes)[np.asarray(predicted, int)] * 0.5 + 0.1


# ---------------------------------------------------------------------------- one label a row


def test_scores_of_six_rows_by_hand():
    # bird: 2 rows, answered 3 times, 2 of them right. precision 2/3, recall 2/2, f1 4/5.
    # cat:  3 rows, answered 2 times, 1 of them right. precision 1/2, recall 1/3, f1 2/5.
    # dog:  1 row,  answered once, wrongly.            precision 0,   recall 0,   f1 0.
    labels = np.array([0, 0, 1, 1, 1, 2])
    predicted = [0, 0, 0, 1, 2, 1]
    scores = classification_scores(labels, answers(predicted), names=NAMES)
    assert scores["accuracy"] == pytest.approx(3 / 6)
    assert scores["micro_f1"] == pytest.approx(3 / 6)
    assert scores["macro_f1"] == pytest.approx((4 / 5 + 2 / 5 + 0) / 3)
    assert scores["macro_precision"] == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)
    assert scores["macro_recall"] == pytest.approx((1 + 1 / 3 + 0) / 3)
    # rows 6, right 3; sums over classes of label count times answer count 2*3 + 3*2 + 1*1 = 13:
    # (3*6 - 13) / sqrt((36 - (4+9+1)) * (36 - (9+4+1)))
    assert scores["matthews"] == pytest.approx((3 * 6 - 13) / (36 - 14))
    assert scores["by_label"]["bird"] == pytest.approx(
        {"precision": 2 / 3, "recall": 1.0, "f1": 4 / 5, "support": 2, "predicted": 3}
    )
    assert scores["by_label"]["cat"] == pytest.approx(
        {"precision": 1 / 2, "recall": 1 / 3, "f1": 2 / 5, "support": 3, "predicted": 2}
    )
    assert scores["by_label"]["dog"] == {
        "precision": 0,
        "recall": 0,
        "f1": 0,
        "support": 1,
        "predicted": 1,
    }


def test_scores_are_ready_for_json():
    scores = classification_scores(
        np.array([0, 1], "int32"), np.eye(3, dtype="float32")[:2], names=NAMES
    )
    assert json.loads(json.dumps(scores)) == scores


def test_macro_leaves_out_classes_that_occur_nowhere():
    labels = np.array([0, 0, 1])
    scores = classification_scores(labels, answers([0, 0, 1]), names=NAMES)
    assert scores["macro_f1"] == 1.0
    assert scores["by_label"]["dog"]["support"] == 0
    assert list(scores["by_label"]) == NAMES


def test_macro_counts_a_class_that_is_only_answered():
    labels = np.array([0, 0, 1])
    scores = classification_scores(labels, answers([0, 2, 1]), names=NAMES)
    assert scores["macro_f1"] == pytest.approx((2 / 3 + 1 + 0) / 3)


def test_weights_by_hand():
    # Right: rows 0 (weight 3) and 3 (weight 2), of 10 in all.
    labels = np.array([0, 0, 1, 1])
    weight = np.array([3.0, 1.0, 4.0, 2.0])
    scores = classification_scores(labels, answers([0, 1, 0, 1]), sample_weight=weight, names=NAMES)
    assert scores["accuracy"] == pytest.approx(5 / 10)
    bird, cat = scores["by_label"]["bird"], scores["by_label"]["cat"]
    assert bird["precision"] == pytest.approx(3 / 7)
    assert bird["recall"] == pytest.approx(3 / 4)
    assert cat["precision"] == pytest.approx(2 / 3)
    assert cat["recall"] == pytest.approx(2 / 6)
    assert (bird["support"], bird["predicted"]) == (2, 2)


def test_equal_weights_change_nothing():
    labels, probabilities = np.array([0, 1, 2, 1]), answers([0, 1, 1, 0])
    plain = classification_scores(labels, probabilities, names=NAMES)
    weighted = classification_scores(
        labels, probabilities, sample_weight=np.full(4, 0.5), names=NAMES
    )
    assert weighted == plain


def test_rows_of_weight_zero_are_left_out():
    labels, probabilities = np.array([0, 1, 1]), answers([0, 1, 1])
    expected = classification_scores(labels, probabilities, names=NAMES)
    padded = classification_scores(
        np.array([0, 1, 1, 2]),
        answers([0, 1, 1, 0]),
        sample_weight=np.array([1, 1, 1, 0]),
        names=NAMES,
    )
    assert padded == expected


@pytest.mark.parametrize("weight", [None, np.zeros(0)])
def test_no_rows(weight):
    scores = classification_scores(np.zeros(0), np.zeros((0, 3)), sample_weight=weight, names=NAMES)
    assert {v for k, v in scores.items() if k != "by_label"} == {0.0}
    assert scores["by_label"]["cat"]["predicted"] == 0


def test_all_weights_zero_is_no_rows():
    scores = classification_scores(
        np.array([1]), answers([1]), sample_weight=np.zeros(1), names=NAMES
    )
    assert scores["accuracy"] == 0.0


@pytest.mark.parametrize("rows", [1, 4])
def test_one_class(rows):
    scores = classification_scores(np.zeros(rows, int), np.ones((rows, 1)), names=["only"])
    assert scores["accuracy"] == scores["macro_f1"] == 1.0
    assert scores["matthews"] == 0.0


def test_one_class_answered_gives_no_warning():
    scores = classification_scores(np.array([0, 1, 2, 2]), answers([2, 2, 2, 2]), names=NAMES)
    assert scores["accuracy"] == 0.5
    assert scores["macro_recall"] == pytest.approx(1 / 3)
    assert scores["matthews"] == 0.0


def test_logits_are_as_good_as_probabilities():
    logits = np.array([[-3.0, 5.0, 0.0], [9.0, -1.0, 2.0]])
    assert classification_scores(np.array([1, 0]), logits, names=NAMES)["accuracy"] == 1.0


@pytest.mark.parametrize(
    ("labels", "probabilities", "message"),
    [
        (np.array([0, 3]), answers([0, 1]), "labels must lie between 0 and 2.*0 to 3"),
        (np.array([-1, 0]), answers([0, 1]), "-1 to 0"),
        (np.array([0]), answers([0, 1]), r"probabilities must have the shape \(1, 3\).*\(2, 3\)"),
        (np.array([0, 1]), np.ones((2, 2)), r"\(2, 3\).*Received: \(2, 2\)"),
        (np.array([[0], [1]]), answers([0, 1]), r"labels must have the shape \(2,\)"),
    ],
)
def test_arrays_that_do_not_fit(labels, probabilities, message):
    with pytest.raises(ValueError, match=message):
        classification_scores(labels, probabilities, names=NAMES)


def test_labels_with_fractions_are_refused():
    with pytest.raises(TypeError, match="float64"):
        classification_scores(np.array([0.5]), answers([0]), names=NAMES)


def test_nan_answers_are_refused():
    probabilities = answers([0, 1])
    probabilities[1] = np.nan
    with pytest.raises(NotFiniteError, match="answers to 1 of 2 rows are not numbers"):
        classification_scores(np.array([0, 1]), probabilities, names=NAMES)
    with pytest.raises(NotFiniteError, match="1 of 2"):
        multi_label_scores(np.eye(3)[:2], probabilities, threshold=0.5, names=NAMES)


# ----------------------------------------------------------------------------- degenerate, confused


def test_degenerate_when_every_row_gets_the_majority():
    labels = np.array([0] * 146 + [1] * 131)  # the shape of GLUE RTE's validation split
    note = degenerate_note(labels, np.zeros(277, int), ["entailment", "not_entailment"])
    assert note == (
        "every row is answered 'entailment'; the majority class is 52.7% of the rows: "
        "the model has not learned the task"
    )


def test_degenerate_when_every_row_gets_another_class():
    note = degenerate_note(np.array([0, 0, 0, 1]), np.ones(4, int), ["a", "b"])
    assert note == (
        "every row is answered 'b'; the majority class ('a') is 75.0% of the rows: "
        "the model has not learned the task"
    )


def test_degenerate_when_answers_are_chance():
    # 276 of 277 rows answered alike: not one class, and yet nothing learned.
    labels = np.array([0] * 146 + [1] * 131)
    predicted = np.zeros(277, int)
    predicted[0] = 1
    assert degenerate_note(labels, predicted, ["yes", "no"]) == (
        "52.3% of the rows are answered right, and 52.7% would be by always answering 'yes': "
        "the model has not learned the task"
    )


def test_not_degenerate_when_better_than_the_majority():
    labels = np.array([0] * 60 + [1] * 40)
    predicted = np.where(np.arange(100) < 90, labels, 0)
    assert degenerate_note(labels, predicted, ["a", "b"]) is None


def test_not_degenerate_when_a_rare_class_is_found_at_the_cost_of_accuracy():
    # 20 of 1,000 rows are rare; all are found, with 30 false alarms: accuracy 97%, majority 98%.
    labels = np.array([0] * 980 + [1] * 20)
    predicted = np.array([0] * 950 + [1] * 50)
    assert degenerate_note(labels, predicted, ["common", "rare"]) is None


@pytest.mark.parametrize("labels", [[], [1], [1, 1, 1]])
def test_not_degenerate_when_the_labels_are_all_alike(labels):
    assert degenerate_note(np.array(labels), np.zeros(len(labels)).astype(int), ["a", "b"]) is None


def test_confusions_by_hand():
    labels = np.array([0, 0, 0, 1, 1, 2, 2, 2, 2])
    predicted = np.array([1, 1, 0, 0, 2, 0, 0, 0, 2])
    assert confusions(labels, predicted, NAMES) == [
        ("dog", "bird", 3),
        ("bird", "cat", 2),
        ("cat", "bird", 1),
        ("cat", "dog", 1),
    ]
    assert confusions(labels, predicted, NAMES, most=1) == [("dog", "bird", 3)]


@pytest.mark.parametrize("labels", [[], [0, 1]])
def test_no_confusions(labels):
    assert confusions(np.array(labels), np.array(labels), NAMES) == []


# -------------------------------------------------------------------------------- several labels

TARGETS = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 0], [0, 1, 0]])
PROBABILITIES = np.array([[0.9, 0.2, 0.1], [0.6, 0.3, 0.4], [0.1, 0.1, 0.1], [0.7, 0.8, 0.2]])


def test_multi_label_scores_by_hand():
    # At 0.3: row 0 bird; row 1 bird cat dog; row 2 nothing; row 3 bird cat.
    # bird: 2 rows, answered 3, right 2. cat: 2, 2, 2. dog: 0, 1, 0. In all: 4, 6, 4.
    scores = multi_label_scores(TARGETS, PROBABILITIES, threshold=0.3, names=NAMES)
    assert scores["accuracy"] == 2 / 4  # rows 0 and 2 are right as a whole
    assert scores["micro_precision"] == pytest.approx(4 / 6)
    assert scores["micro_recall"] == 4 / 4
    assert scores["micro_f1"] == pytest.approx(8 / 10)
    assert scores["macro_precision"] == pytest.approx((2 / 3 + 1 + 0) / 3)
    assert scores["macro_recall"] == pytest.approx((1 + 1 + 0) / 3)
    assert scores["macro_f1"] == pytest.approx((4 / 5 + 1 + 0) / 3)
    assert scores["threshold"] == 0.3
    # At 0.5: row 0 bird; row 1 bird; row 2 nothing; row 3 bird cat.
    # bird: 2 rows, answered 3, right 2. cat: 2, 1, 1. dog: 0, 0, 0. In all: 4, 4, 3.
    assert scores["micro_f1_at_0.5"] == pytest.approx(6 / 8)
    assert scores["macro_f1_at_0.5"] == pytest.approx((4 / 5 + 2 / 3 + 0) / 3)
    # 12 decisions: 4 right yes, 2 wrong yes, 0 wrong no, 6 right no.
    assert scores["matthews"] == pytest.approx((4 * 6 - 2 * 0) / np.sqrt(6 * 4 * 8 * 6))
    assert scores["by_label"]["bird"] == pytest.approx(
        {"precision": 2 / 3, "recall": 1.0, "f1": 4 / 5, "support": 2, "predicted": 3}
    )
    assert scores["by_label"]["dog"] == {
        "precision": 0,
        "recall": 0,
        "f1": 0,
        "support": 0,
        "predicted": 1,
    }
    assert json.loads(json.dumps(scores)) == scores


def test_multi_label_scores_are_scikit_learns():
    rng = np.random.default_rng(0)
    targets, probabilities = rng.integers(0, 2, (200, 7)), rng.random((200, 7))
    scores = multi_label_scores(targets, probabilities, threshold=0.4, names=list("abcdefg"))
    predicted = (probabilities >= 0.4).astype(int)
    for average in ("macro", "micro"):
        for name, score in (("f1", f1_score), ("precision", precision_score)):
            expected = score(targets, predicted, average=average)
            assert scores[f"{average}_{name}"] == pytest.approx(expected)
        assert scores[f"{average}_recall"] == pytest.approx(
            recall_score(targets, predicted, average=average)
        )
    assert scores["matthews"] == pytest.approx(
        matthews_corrcoef(targets.ravel(), predicted.ravel())
    )


def test_multi_label_answers_at_the_threshold_itself():
    scores = multi_label_scores(
        np.array([[1, 0]]), np.array([[0.2, 0.1]], "float32"), threshold=0.2, names=["a", "b"]
    )
    assert scores["accuracy"] == 1.0


def test_multi_label_rows_without_labels_and_answers_are_right():
    scores = multi_label_scores(np.zeros((5, 2)), np.zeros((5, 2)), threshold=0.5, names=["a", "b"])
    assert scores["accuracy"] == 1.0
    assert scores["micro_f1"] == scores["macro_f1"] == scores["matthews"] == 0.0


@pytest.mark.parametrize("num_classes", [1, 3])
def test_multi_label_no_rows(num_classes):
    empty = np.zeros((0, num_classes))
    scores = multi_label_scores(empty, empty, threshold=0.5, names=NAMES[:num_classes])
    assert scores["accuracy"] == scores["macro_f1"] == 0.0
    assert tune_threshold(empty, empty) == 0.5


def test_multi_label_one_class():
    scores = multi_label_scores(
        np.array([[1], [0], [1]]), np.array([[0.9], [0.8], [0.2]]), threshold=0.5, names=["a"]
    )
    assert scores["macro_f1"] == scores["micro_f1"] == pytest.approx(2 / 4)
    assert scores["accuracy"] == pytest.approx(1 / 3)


def test_multi_label_soft_targets_are_refused():
    with pytest.raises(ValueError, match="targets must be 0 or 1"):
        multi_label_scores(TARGETS * 0.5, PROBABILITIES, threshold=0.5, names=NAMES)


def test_multi_label_class_ids_are_refused():
    with pytest.raises(ValueError, match=r"targets must have the shape \(4, 3\)"):
        multi_label_scores(np.zeros(4), PROBABILITIES, threshold=0.5, names=NAMES)


# ------------------------------------------------------------------------------------- threshold


def test_tune_threshold_by_hand():
    # Yes from 0.3 on separates: the thresholds 0.25 and 0.30 are perfect, 0.30 is nearer to 0.5.
    targets = np.array([[1], [1], [0], [0]])
    probabilities = np.array([[0.3], [0.9], [0.2], [0.1]])
    assert tune_threshold(targets, probabilities) == 0.3


def test_tune_threshold_differs_by_measure():
    # At 0.25 to 0.60: the common class perfect, the rare one missed. Micro 8/9, macro (1 + 0) / 2.
    # At 0.20: the rare one found, 3 false alarms. Micro 10/13, macro (8/11 + 1) / 2.
    targets = np.array([[1, 0]] * 4 + [[0, 0]] * 3 + [[0, 1]])
    probabilities = np.array([[0.6, 0.1]] * 4 + [[0.2, 0.1]] * 3 + [[0.1, 0.2]])
    assert tune_threshold(targets, probabilities, measure="micro_f1") == 0.5
    assert tune_threshold(targets, probabilities, measure="macro_f1") == 0.2


def test_tune_threshold_takes_the_lower_of_two_as_near_to_a_half():
    # 0.45 and 0.55 are perfect; 0.5 is not in the grid.
    targets, probabilities = np.array([[1], [0]]), np.array([[0.9], [0.1]])
    assert tune_threshold(targets, probabilities, grid=np.array([0.55, 0.45])) == 0.45
    assert tune_threshold(targets, probabilities, grid=[0.05, 0.3, 0.65, 0.95]) == 0.65


def test_tune_threshold_is_a_half_when_nothing_is_ever_right():
    assert tune_threshold(np.zeros((3, 2)), np.full((3, 2), 0.4)) == 0.5


def test_tune_threshold_gives_a_plain_number():
    threshold = tune_threshold(np.array([[1, 0]]), np.array([[0.15, 0.1]], "float32"))
    assert type(threshold) is float
    assert json.dumps(threshold) == "0.15"


def test_tune_threshold_finds_the_best_of_its_grid():
    rng = np.random.default_rng(1)
    targets = (rng.random((500, 6)) < 0.2).astype(int)
    probabilities = np.clip(0.3 * targets + 0.6 * rng.random((500, 6)), 0, 1)
    scores = {
        threshold: f1_score(targets, probabilities >= threshold, average="macro", zero_division=0)
        for threshold in np.arange(5, 100, 5) / 100
    }
    assert scores[tune_threshold(targets, probabilities, measure="macro_f1")] == max(
        scores.values()
    )


def test_tune_threshold_unknown_measure():
    with pytest.raises(ValueError, match=r"'micro_f1' or 'macro_f1'\. Received: 'accuracy'"):
        tune_threshold(TARGETS, PROBABILITIES, measure="accuracy")


def test_tune_threshold_of_goemotions_size_is_quick():
    rng = np.random.default_rng(2)
    targets, probabilities = rng.integers(0, 2, (43_000, 28)), rng.random((43_000, 28))
    start = time.perf_counter()
    tune_threshold(targets, probabilities)
    assert time.perf_counter() - start < 5  # 0.1 s on 2 quiet cores
