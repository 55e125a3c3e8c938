"""Entity scores as conlleval gives them, by hand and on published results."""

import json

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score

from tfft.data.predictions import read_tag_predictions
from tfft.metrics.entities import entity_scores, tag_confusions, tag_scores


def sentences(*texts):
    return [text.split() for text in texts]


def counts(gold, predicted):
    """Entities that are right, those in gold, and those answered."""
    scores = entity_scores(sentences(*gold), sentences(*predicted))
    by_type = scores["by_type"].values()
    support, answered = (sum(of[key] for of in by_type) for key in ("support", "predicted"))
    return round(scores["entity_recall"] * support), support, answered


def test_scores_of_two_sentences_by_hand():
    # x: 3 entities, 2 answered, 1 of them right: precision 1/2, recall 1/3, f1 2/5.
    # y: 1 entity, 2 answered, 1 of them right:   precision 1/2, recall 1,   f1 2/3.
    # All: 4 entities, 4 answered, 2 right. Of 9 words 6 have their tag.
    gold = sentences("B-x I-x O B-y O", "B-x O B-x I-x")
    predicted = sentences("B-x I-x O B-y B-y", "O O B-x O")
    scores = entity_scores(gold, predicted)
    assert scores["accuracy"] == pytest.approx(6 / 9)
    assert scores["entity_precision"] == scores["entity_recall"] == scores["entity_f1"] == 2 / 4
    assert scores["by_type"] == {
        "x": pytest.approx(
            {"precision": 1 / 2, "recall": 1 / 3, "f1": 2 / 5, "support": 3, "predicted": 2}
        ),
        "y": pytest.approx(
            {"precision": 1 / 2, "recall": 1.0, "f1": 2 / 3, "support": 1, "predicted": 2}
        ),
    }


def test_precision_recall_and_f1_over_all_entities():
    # x: 1 of 1 found, y: none of 2 found, and 1 answer for z: 2 answers, 3 entities, 1 right.
    scores = entity_scores(sentences("B-x B-y O B-y"), sentences("B-x O B-z O"))
    assert scores["entity_precision"] == 1 / 2
    assert scores["entity_recall"] == pytest.approx(1 / 3)
    assert scores["entity_f1"] == pytest.approx(2 / 5)
    assert list(scores["by_type"]) == ["x", "y", "z"]


@pytest.mark.parametrize(
    ("gold", "predicted", "expected"),
    [
        # Only whole entities count, with their type.
        (["B-x I-x O"], ["B-x O O"], (0, 1, 1)),
        (["B-x O O"], ["B-x I-x O"], (0, 1, 1)),
        (["O B-x I-x"], ["B-x I-x I-x"], (0, 1, 1)),
        (["B-x I-x"], ["B-y I-y"], (0, 1, 1)),
        (["B-x I-x"], ["B-x B-x"], (0, 1, 2)),
        (["B-x B-x"], ["B-x I-x"], (0, 2, 1)),
        # An entity is over with its sentence.
        (["B-x", "I-x"], ["B-x", "I-x"], (2, 2, 2)),
        (["B-x I-x"], ["B-x I-x"], (1, 1, 1)),
        (["O B-x", "B-x"], ["O B-x", "I-x"], (2, 2, 2)),
        # An answer that does not begin with B is an entity all the same.
        (["B-x I-x O"], ["I-x I-x O"], (1, 1, 1)),
        (["B-x O B-x"], ["I-x O I-x"], (2, 2, 2)),
        # So is one whose type changes without a B: two entities, the first of them right.
        (["B-x B-y I-y"], ["B-x I-y I-y"], (2, 2, 2)),
        (["B-x I-x I-x"], ["B-x I-y I-y"], (0, 1, 2)),
        # The schemes may differ.
        (["I-x I-x B-x"], ["B-x I-x B-x"], (2, 2, 2)),
        (["B-x E-x S-x"], ["B-x I-x B-x"], (2, 2, 2)),
        (["B-x L-x U-x"], ["B-x E-x S-x"], (2, 2, 2)),
        # Nothing answered, nothing there.
        (["B-x O"], ["O O"], (0, 1, 0)),
        (["O O"], ["B-x O"], (0, 0, 1)),
    ],
)
def test_which_entities_are_right(gold, predicted, expected):
    assert counts(gold, predicted) == expected


def test_nothing_answered():
    scores = entity_scores(sentences("B-x O"), sentences("O O"))
    assert scores["accuracy"] == 0.5
    assert scores["entity_precision"] == scores["entity_recall"] == scores["entity_f1"] == 0.0
    assert scores["by_type"]["x"] == {
        "precision": 0.0,
        "recall": 0.0,
        "f1": 0.0,
        "support": 1,
        "predicted": 0,
    }


@pytest.mark.parametrize("predicted", ["O O", "B-x O"])
def test_nothing_to_find(predicted):
    scores = entity_scores(sentences("O O"), sentences(predicted))
    assert scores["entity_precision"] == scores["entity_recall"] == scores["entity_f1"] == 0.0
    assert list(scores["by_type"]) == (["x"] if "x" in predicted else [])


@pytest.mark.parametrize("score", [entity_scores, tag_scores])
@pytest.mark.parametrize("empty", [[], [[]]])
def test_no_words(score, empty):
    assert score(empty, empty)["accuracy"] == 0.0
    assert tag_confusions(empty, empty) == []


@pytest.mark.parametrize("score", [entity_scores, tag_scores, tag_confusions])
def test_other_words(score):
    with pytest.raises(ValueError, match=r"the 2 sentences of gold. Received: 1"):
        score(sentences("O", "O"), sentences("O O"))
    with pytest.raises(ValueError, match=r"predicted\[1\] must have the 2 words .* Received: 1"):
        score(sentences("O", "O O"), sentences("O", "O"))


def test_tag_scores_agree_with_scikit_learn():
    random = np.random.default_rng(0)
    labels = random.choice(["NN", "VB", "-LRB-"], 100).tolist()
    answers = random.choice(["NN", "VB", "NN-S"], 100).tolist()
    scores = tag_scores([labels[:40], labels[40:]], [answers[:40], answers[40:]])
    assert scores["accuracy"] == pytest.approx(accuracy_score(labels, answers))
    assert scores["macro_f1"] == pytest.approx(f1_score(labels, answers, average="macro"))
    assert list(scores["by_label"]) == ["-LRB-", "NN", "NN-S", "VB"]
    assert scores["by_label"]["NN"]["support"] == labels.count("NN")
    assert scores["by_label"]["NN-S"]["predicted"] == answers.count("NN-S")


def test_scores_are_ready_for_json():
    for score in (entity_scores, tag_scores):
        scores = score(sentences("B-x O"), sentences("O B-x"))
        assert json.loads(json.dumps(scores)) == scores


def test_confusions_by_hand():
    gold = sentences("B-x I-x O B-y", "B-x O O")
    predicted = sentences("B-y I-y B-x B-y", "I-x B-y B-x")
    # x as y twice, O as x twice, O as y once; B-x as I-x is no other type.
    expected = [("O", "x", 2), ("x", "y", 2), ("O", "y", 1)]
    assert tag_confusions(gold, predicted) == expected
    assert tag_confusions(gold, predicted, most=1) == expected[:1]


def test_confusions_of_plain_tags():
    gold, predicted = sentences("NN NN-S VB"), sentences("NN-S NN VB")
    assert tag_confusions(gold, predicted) == [("NN", "NN-S", 1), ("NN-S", "NN", 1)]


@pytest.mark.parametrize(
    ("system", "f1"),
    [
        ("arcada", 39.98),
        ("drexel_cci", 26.30),
        ("flytxt", 38.35),
        ("mic-cis.txt", 37.06),
        ("sjtu_adapt.txt", 40.42),
        ("spinningbytes.txt", 40.78),
        ("uh_ritual", 41.86),
    ],
)
def test_published_scores_of_wnut17(shared_data, system, f1):
    wnut = shared_data / "wnut17"
    gold, predicted = read_tag_predictions(
        str(wnut / "submissions" / system), str(wnut / "emerging.test.annotated")
    )
    scores = entity_scores(gold, predicted)
    assert 100 * scores["entity_f1"] == pytest.approx(f1, abs=0.005)
    assert sum(of["support"] for of in scores["by_type"].values()) == 1079
