"""Exact match and F1 as the official scripts of SQuAD compute them, checked by hand."""

import json
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfft.errors import NotFiniteError
from tfft.metrics.squad import (
    exact_match,
    normalize_answer,
    squad_scores,
    token_f1,
    tune_no_answer_threshold,
)

# ------------------------------------------------------------------------------- normalisation


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("The  Rhine\n", "rhine"),
        ("A theory of an ant", "theory of ant"),  # not the letters inside of words
        ("Vitamin A", "vitamin"),
        ("U.S.A.", "usa"),
        ("a-b", "ab"),  # punctuation goes before articles
        ("the.", ""),
        ("$5 + 10%", "5 10"),
        ("“5” – it’s", "“5” – it’s"),  # curly quotes and dashes are no ASCII
        ("l'État, ÇA", "létat ça"),
        ("", ""),
        (" ! ", ""),
    ],
)
def test_normal_form(text, normal):
    assert normalize_answer(text) == normal


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("《红楼梦》。", "红 楼 梦"),
        ("在2008年，NBA the Game", "在 2008 年 nba the game"),  # no articles in Chinese
        ("“北京”（Beijing）", "北 京 beijing"),
        ("a+b=$1", "ab1"),  # symbols, to Unicode, but ASCII punctuation
        ("ニューヨーク・シティ", " ".join("ニューヨークシティ")),
        ("ﾄｳｷｮｳ 東京", "ﾄ ｳ ｷ ｮ ｳ 東 京"),
        ("서울 city", "서 울 city"),
        ("𠮷𠮷野家 々", "𠮷 𠮷 野 家 々"),
        ("北 京", "北 京"),
        ("Île-de-France", "îledefrance"),
    ],
)
def test_normal_form_by_character(text, normal):
    assert normalize_answer(text, by_character=True) == normal


# ------------------------------------------------------------------------------------ one answer


def test_exact_match_is_of_normal_forms():
    assert exact_match("the Rhine.", ["Rhine"]) == 1.0
    assert exact_match("Rhine river", ["Rhine"]) == 0.0
    assert exact_match("‘Rhine’", ["Rhine"]) == 0.0
    assert exact_match("北京。", ["“北京”"], by_character=True) == 1.0
    assert exact_match("北京。", ["“北京”"]) == 0.0


def test_the_best_of_several_right_answers():
    golds = ["in the year 1066", "1066", "October 1066"]
    assert exact_match("1066", golds) == 1.0
    assert token_f1("October 1066 AD", golds) == pytest.approx(4 / 5)
    assert token_f1("October 1066 AD", golds[::-1]) == pytest.approx(4 / 5)


def test_f1_by_hand():
    # 2 tokens in common, of 3 and of 4: precision 2/3, recall 1/2.
    assert token_f1("the old Norman castle", ["a Norman castle in France"]) == pytest.approx(4 / 7)
    assert token_f1("castle", ["tower"]) == 0.0


def test_f1_counts_repeated_tokens_as_often_as_both_have_them():
    # "to" is in common twice, "be" once.
    assert token_f1("to to be", ["to be or not to"]) == pytest.approx(2 * 3 / (3 + 5))
    assert token_f1("to to to", ["to"]) == pytest.approx(2 * 1 / (3 + 1))


@pytest.mark.parametrize("score", [exact_match, token_f1])
def test_a_question_without_an_answer(score):
    assert score("", []) == 1.0
    assert score("The", []) == 1.0  # normalises to nothing
    assert score("France", []) == 0.0
    assert score("", ["France"]) == 0.0


@pytest.mark.parametrize("score", [exact_match, token_f1])
def test_right_answers_that_normalise_to_nothing_are_dropped(score):
    assert score("", ["the", "France"]) == 0.0
    assert score("", ["the", "..."]) == 1.0
    assert score("France", ["the", "..."]) == 0.0


def test_f1_by_character():
    # 北, 京 and 2008 are in common, of 4 and of 5.
    golds = ["北京2008年奥"]
    assert token_f1("《北京》2008届", golds, by_character=True) == pytest.approx(2 * 3 / (4 + 5))
    assert token_f1("《北京》2008届", golds) == 0.0


# ------------------------------------------------------------------------------- many questions


def test_scores_of_answerable_questions():
    scores = squad_scores([["Rhine"], ["the Seine river"]], ["The Rhine", "Seine"])
    assert scores == {"exact_match": 0.5, "f1": pytest.approx((1 + 2 / 3) / 2)}


def test_scores_with_unanswerable_questions():
    golds = [["Rhine"], ["Seine river"], [], [], []]
    scores = squad_scores(golds, ["rhine", "Seine", "", "Rome", "Paris"])
    assert scores == {
        "exact_match": pytest.approx(2 / 5),
        "f1": pytest.approx((1 + 2 / 3 + 1) / 5),
        "has_answer_exact_match": 0.5,
        "has_answer_f1": pytest.approx(5 / 6),
        "no_answer_f1": pytest.approx(1 / 3),
    }
    assert {type(value) for value in scores.values()} == {float}


def test_a_right_answer_that_normalises_to_nothing_is_an_answer_of_its_question():
    assert set(squad_scores([["the"]], [""])) == {"exact_match", "f1"}


def test_only_unanswerable_questions():
    scores = squad_scores([[], []], ["", "x"])
    assert scores == {
        "exact_match": 0.5,
        "f1": 0.5,
        "has_answer_exact_match": 0.0,
        "has_answer_f1": 0.0,
        "no_answer_f1": 0.5,
    }


def test_scores_by_character():
    assert squad_scores([["《北京》"]], ["北京市"], by_character=True)["f1"] == pytest.approx(4 / 5)
    assert squad_scores([["《北京》"]], ["北京"], by_character=True)["exact_match"] == 1.0


def test_weights():
    weight = np.array([3.0, 1.0, 0.0, 2.0])
    scores = squad_scores([["x"], ["y"], ["z"], []], ["x", "", "z", ""], sample_weight=weight)
    assert scores["exact_match"] == pytest.approx(5 / 6)
    assert scores["has_answer_f1"] == pytest.approx(3 / 4)
    assert scores["no_answer_f1"] == 1.0
    assert squad_scores([["x"]], ["x"], sample_weight=np.zeros(1))["f1"] == 0.0


def test_no_questions():
    assert squad_scores([], []) == {"exact_match": 0.0, "f1": 0.0}


def test_lengths_that_do_not_agree():
    with pytest.raises(ValueError, match=r"predictions must be as many as golds, 2. Received: 1"):
        squad_scores([["x"], []], ["x"])
    with pytest.raises(ValueError, match=r"sample_weight must be"):
        squad_scores([["x"]], ["x"], sample_weight=np.ones(2))
    with pytest.raises(ValueError, match=r"differences must be"):
        tune_no_answer_threshold([[]], ["x"], [])


# ----------------------------------------------------------------------------------- threshold


def test_threshold_lies_halfway():
    # Answering the first two is right, "" is right for the others.
    golds, answers = [["a1"], ["b1"], [], []], ["a1", "b1", "c1", "d1"]
    assert tune_no_answer_threshold(golds, answers, [-4.0, 1.0, 3.0, 7.0]) == 2.0
    assert tune_no_answer_threshold(golds[::-1], answers[::-1], [7.0, 3.0, 1.0, -4.0]) == 2.0


def test_threshold_makes_f1_large_and_not_exact_match():
    # The unanswerable question costs 1, the others gain 2/3 each, though none is matched exactly.
    golds = [[], ["x y"], ["x y"]]
    assert tune_no_answer_threshold(golds, ["x"] * 3, [1.0, 2.0, 3.0]) == 4.0
    assert tune_no_answer_threshold([[], ["z"], ["z"]], ["x"] * 3, [1.0, 2.0, 3.0]) == 0.0


def test_questions_with_one_difference_are_answered_alike():
    # The two at 2 are answered together, which gains and costs 1; so 1.5 is as good as 2.5.
    golds = [["x"], [], ["x"], []]
    assert tune_no_answer_threshold(golds, ["x"] * 4, [1.0, 2.0, 2.0, 3.0]) == 1.5
    assert tune_no_answer_threshold([[], ["x"]], ["x", "x"], [-5.0, -5.0]) == 0.0


@pytest.mark.parametrize(
    ("golds", "differences", "threshold"),
    [
        ([["x"], ["x"]], [-3.0, -2.0], 0.0),  # answer all
        ([["x"], ["x"]], [-3.0, 2.0], 3.0),
        ([[], []], [2.0, 3.0], 0.0),  # answer none
        ([[], []], [-2.0, 3.0], -3.0),
    ],
)
def test_threshold_at_the_ends(golds, differences, threshold):
    assert tune_no_answer_threshold(golds, ["x", "x"], differences) == threshold


def test_of_equal_thresholds_the_nearest_to_zero():
    # Wrong answers to answerable questions gain nothing and cost nothing.
    golds = [["x"], ["y"], ["y"], []]
    assert tune_no_answer_threshold(golds, ["x"] * 4, [1.0, 3.0, 5.0, 11.0]) == 2.0
    assert tune_no_answer_threshold(golds, ["x"] * 4, [-11.0, -5.0, -3.0, -1.0]) == -2.0
    assert tune_no_answer_threshold(golds[:3], ["x"] * 3, [-2.0, 0.0, 2.0]) == -1.0  # or 1


def test_float_noise_does_not_choose_between_equal_thresholds():
    # Answering all five gains nothing: -1 - 1 + 4/5 + 2/5 + 4/5, in floats 1e-16.
    golds = [[], [], ["p q r s"], ["p q r s"], ["p q r s"]]
    answers = ["x", "x", "p q r s t u", "p", "p q r s t u"]
    assert tune_no_answer_threshold(golds, answers, [1.0, 2.0, 3.0, 4.0, 5.0]) == 0.0


def test_infinite_differences_do_not_count():
    golds, answers = [["x"], [], ["x"], []], ["x"] * 4
    differences = [1.0, 3.0, np.inf, -np.inf]
    assert tune_no_answer_threshold(golds, answers, differences) == 2.0
    assert tune_no_answer_threshold(golds[2:], answers[2:], differences[2:]) == 0.0


def test_threshold_without_questions():
    assert tune_no_answer_threshold([], [], []) == 0.0


def test_threshold_of_scores_that_are_not_numbers():
    with pytest.raises(NotFiniteError, match=r"1 of 2 questions are not numbers"):
        tune_no_answer_threshold([[], ["x"]], ["x", "x"], [0.0, np.nan])


def test_threshold_by_character():
    golds, answers = [["北京"], []], ["北", "x"]
    assert tune_no_answer_threshold(golds, answers, [1.0, 2.0], by_character=True) == 1.5
    assert tune_no_answer_threshold(golds, answers, [1.0, 2.0]) == 0.0


QUESTIONS = st.tuples(
    st.sampled_from([[], ["x"], ["x y"], ["y", "x z"]]),
    st.sampled_from(["x", "y z", "w"]),
    st.integers(-6, 6),
)


@given(st.lists(QUESTIONS, min_size=1, max_size=12))
def test_no_threshold_is_better(questions):
    golds, answers, differences = zip(*questions, strict=True)

    def f1(threshold):
        given = [
            "" if difference > threshold else answer
            for answer, difference in zip(answers, differences, strict=True)
        ]
        return squad_scores(golds, given)["f1"]

    found = f1(tune_no_answer_threshold(golds, answers, differences))
    assert found == pytest.approx(max(f1(each / 2) for each in range(-15, 16)))


# -------------------------------------------------------------------- a second, naive computation


def naive_tokens(text):
    for mark in "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~":
        text = text.replace(mark, "")
    return [word for word in re.split(r"\s+", text.lower()) if word not in ("", "a", "an", "the")]


def naive_f1(predicted, gold):
    if not predicted and not gold:
        return 1.0
    left, common = Counter(gold), 0
    for token in predicted:
        if left[token]:
            left[token] -= 1
            common += 1
    if not common:
        return 0.0
    precision, recall = common / len(predicted), common / len(gold)
    return 2 * precision * recall / (precision + recall)


WORDS = ["the", "An", "a.", "cat", "Cat's", "U.S.", "“x”", "10%", "é", "  ", "-", "…", "b-c", "\t"]
TEXTS = st.lists(st.sampled_from(WORDS), max_size=4).map(" ".join)


@given(TEXTS, st.lists(TEXTS, max_size=3))
def test_as_the_naive_computation(prediction, golds):
    predicted = naive_tokens(prediction)
    right = [tokens for tokens in map(naive_tokens, golds) if tokens] or [[]]
    assert exact_match(prediction, golds) == float(predicted in right)
    expected = max(naive_f1(predicted, gold) for gold in right)
    assert token_f1(prediction, golds) == pytest.approx(expected)


# ------------------------------------------------------------------------------------- real sets


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("squad2_cs224n/data/dev-v2.0.json", 5),
        ("xquad/xquad.en.json", 2),
    ],
)
def test_the_right_answers_score_one(shared_data, name, keys):
    golds = real_golds(shared_data / name)
    scores = squad_scores(golds, [answers[0] if answers else "" for answers in golds])
    assert set(scores.values()) == {1.0}
    assert len(scores) == keys


def test_always_answering_nothing_on_squad_2(shared_data):
    golds = real_golds(shared_data / "squad2_cs224n/data/dev-v2.0.json")
    scores = squad_scores(golds, [""] * len(golds))
    assert scores["f1"] == scores["exact_match"] == pytest.approx(3168 / 6078)
    assert (scores["has_answer_f1"], scores["no_answer_f1"]) == (0.0, 1.0)


def real_golds(path: Path) -> list[list[str]]:
    articles = json.loads(path.read_text("utf-8"))["data"]
    questions = [q for article in articles for p in article["paragraphs"] for q in p["qas"]]
    return [[answer["text"] for answer in question["answers"]] for question in questions]
