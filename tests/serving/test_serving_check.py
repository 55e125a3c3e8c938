"""What is asked in the check, and how answers are compared. No process is started here."""

import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tfft.data.pipeline import Alignment, TokenizedSet
from tfft.errors import ExportCheckError
from tfft.serving import check as serving_check
from tfft.serving.check import ask_in_fresh_process
from tfft.serving.comparison import Expected, compare, expect, expected_answers
from tfft.serving.probe import decode, encode
from tfft.serving.requests import EDGE_TEXTS, Request, choose_check_texts, readable
from tfft.tasks import TextClassification

ROWS = [0, 1, 2]
REQUEST = Request(ROWS, "serving_default", {"text": ["a", "b", "c"]})
PROBABILITIES = np.array([[0.9, 0.1], [0.5, 0.5], [0.2, 0.8]])
TOLERANCE = 1e-5


def expected_of(serve, logits, example=ROWS, **options) -> Expected:
    logits = tf.constant(logits, tf.float32)
    return expect(serve, logits, np.array(example), tolerance=TOLERANCE, **options)


def classified() -> Expected:
    return expected_of(TextClassification(["no", "yes"]).serve, np.log(PROBABILITIES))


def labelled() -> Expected:
    task = TextClassification(["a", "b"], multi_label=True)
    return expected_of(task.serve, np.log(PROBABILITIES / (1 - PROBABILITIES)))


def answer_of(expected: Expected) -> dict[str, np.ndarray]:
    """All rows as a server would answer them: filled up to the longest, and not in NumPy."""
    answer = {}
    for name, rows in expected.values.items():
        kind = object if rows[0].dtype.kind == "U" else rows[0].dtype
        filled = np.zeros((len(rows), *max(row.shape for row in rows)), kind)
        for number, row in enumerate(rows):
            filled[(number, *map(slice, row.shape))] = row
        answer[name] = np.array(filled.tolist())
    return answer


def faults_of(expected: Expected, **changed: Any) -> list[tuple[int, str]]:
    answer = answer_of(expected) | {name: np.array(values) for name, values in changed.items()}
    return compare([REQUEST], [answer], {REQUEST.signature: expected}, tolerance=TOLERANCE)[1]


def rows_at_fault(expected: Expected, **changed: Any) -> list[int]:
    return [row for row, _ in faults_of(expected, **changed)]


# ----------------------------------------------------------------------------------- comparing


def test_equal_answers():
    expected = classified()
    largest, faults = compare(
        [REQUEST], [answer_of(expected)], {"serving_default": expected}, tolerance=TOLERANCE
    )
    assert (largest, faults) == (0.0, [])


def test_difference_within_tolerance():
    expected = classified()
    answer = answer_of(expected)
    answer["score"] += 9e-6
    largest, faults = compare(
        [REQUEST], [answer], {"serving_default": expected}, tolerance=TOLERANCE
    )
    assert largest == pytest.approx(9e-6)
    assert not faults


def test_difference_over_tolerance_names_row_signature_and_numbers():
    ((row, found),) = faults_of(classified(), score=[0.9, 0.5, 0.80002])
    assert row == 2
    assert found == "signature serving_default, batch of 3: score 0.80002, expected 0.8"


def test_not_a_number_is_a_fault():
    assert faults_of(classified(), score=[0.9, np.nan, 0.8])


def test_other_label_is_a_fault_unless_both_are_as_probable():
    assert rows_at_fault(classified(), label=["yes", "no", "yes"]) == [0]
    assert not faults_of(classified(), label=["no", "yes", "yes"])


def test_other_prediction_is_a_fault_unless_at_the_threshold():
    changed = answer_of(labelled())["predictions"]
    changed[1] = [0, 0]
    assert not faults_of(labelled(), predictions=changed)
    changed[2] = [1, 1]
    assert rows_at_fault(labelled(), predictions=changed) == [2]


def test_prediction_beside_one_at_the_threshold_is_no_less_a_fault():
    task = TextClassification(["a", "b"], multi_label=True)
    expected = expected_of(task.serve, [[0.0, 2.0]] * 3)
    for other in ([0, 1], [1, 1]):
        assert not faults_of(expected, predictions=[other] * 3)
    assert rows_at_fault(expected, predictions=[[0, 0], [1, 0], [1, 1]]) == [0, 1]


def test_numbers_beside_another_label_must_still_be_right():
    probabilities = PROBABILITIES.copy()
    probabilities[1] = [0.499, 0.501]
    changed = {"label": ["no", "yes", "yes"], "probabilities": probabilities}
    ((row, found),) = faults_of(classified(), **changed)
    assert row == 1
    assert "probabilities [0.499 0.501], expected [0.5 0.5]" in found


@pytest.mark.parametrize(
    ("margin", "is_fault"), [(0.0, False), (0.9, False), (10.0, True), (1000.0, True)]
)
def test_how_near_is_undecided(margin, is_fault):
    logits = [[margin * TOLERANCE, 0.0], [0.0, margin * TOLERANCE], [3.0, 0.0]]
    expected = expected_of(TextClassification(["no", "yes"]).serve, logits)
    assert rows_at_fault(expected, label=["yes", "no", "no"]) == ([0, 1] if is_fault else [])


def test_other_outputs_are_a_fault():
    wrong = answer_of(classified())
    del wrong["label"]
    expected = {"serving_default": classified()}
    assert compare([REQUEST], [wrong], expected, tolerance=TOLERANCE)[1]
    assert faults_of(classified(), extra=np.zeros(3))
    assert faults_of(classified(), probabilities=np.zeros((3, 3)))


@pytest.mark.parametrize("score", [[0.9, 0.5], [0.9, 0.5, 0.8, 0.8], 0.9, [[0.9], [0.5], [0.8]]])
def test_outputs_of_another_shape_are_a_fault(score):
    assert "score" in faults_of(classified(), score=score)[0][1]


def test_large_numbers_differ_by_a_part_of_the_largest():
    expected = expected_of(lambda logits: {"value": logits[:, 0]}, [[1.0], [-2000.0], [30.0]])
    assert not faults_of(expected, value=[1.015, -2000.0, 30.0])
    assert rows_at_fault(expected, value=[1.025, -2000.0, 30.0]) == [0]


@pytest.mark.parametrize("texts", [["a\0", "b"], [["a", "b\0"], ["c", ""]]])
def test_texts_are_compared_to_their_end(texts):
    """A NUL there is a character, too, though not to NumPy's own strings."""
    expected = expected_of(lambda logits: {"text": tf.constant(texts)}, [[0.0]] * 2, ROWS[:2])
    request = Request(ROWS[:2], "serving_default", {})
    for answer, rows in ((np.array(texts, object), []), (np.array(texts), [0])):
        _, faults = compare(
            [request], [{"text": answer}], {"serving_default": expected}, tolerance=TOLERANCE
        )
        assert [row for row, _ in faults] == rows


# ------------------------------------------------------------- answers of any number, by example


def marked(logits: Any) -> dict[str, Any]:
    """Like a task that finds words: the place and probability of each whose logit is over 0."""
    places = tf.broadcast_to(tf.range(logits.shape[1]), logits.shape)
    found = tf.ragged.boolean_mask(places, logits > 0)
    scores = tf.ragged.boolean_mask(tf.sigmoid(logits), logits > 0)
    count = tf.cast(found.row_lengths(), tf.int32)
    return {"place": found.to_tensor(), "score": scores.to_tensor(), "count": count}


def found_words() -> Expected:
    """Two words of the first text, one of which might as well not be; one, and none."""
    return expected_of(marked, [[2.0, -2.0, 3e-6], [-1.0, 1.0, -1.0], [-1.0, -1.0, -1.0]])


def test_what_fills_up_an_answer_is_left_out():
    expected = found_words()
    assert [row.tolist() for row in expected.values["place"]] == [[0, 2], [1], []]
    assert expected.values["count"] == [2, 1, 0]
    answer = {name: np.array(values) for name, values in answer_of(expected).items()}
    wider = {name: np.pad(answer[name], [[0, 0], [0, 2]]) for name in ("place", "score")}
    wider["place"][:, 2:] = 7
    assert not faults_of(expected, **wider)


def test_one_answer_more_or_less_is_a_fault_unless_it_is_undecided():
    scores = answer_of(found_words())["score"]
    assert not faults_of(found_words(), count=[1, 1, 0], place=[[0, 0], [1, 0], [0, 0]])
    assert 2 in rows_at_fault(found_words(), count=[2, 1, 1], place=[[0, 2], [1, 0], [2, 0]])
    narrow = {"place": [[0], [1], [0]], "score": scores[:, :1]}
    assert not faults_of(found_words(), count=[1, 1, 0], **narrow)
    assert rows_at_fault(found_words(), place=[[]] * 3, score=[[]] * 3) == [0, 0, 1, 1]
    assert rows_at_fault(found_words(), count=[1, 0, 0], place=[[0, 0]] * 3) == [1, 1]


def test_an_answer_beside_an_undecided_one_must_still_be_right():
    scores = answer_of(found_words())["score"]
    scores[0] = [0.7, 0.0]
    changed = {"count": [1, 1, 0], "place": [[0, 0], [1, 0], [0, 0]]}
    ((row, found),) = faults_of(found_words(), **changed, score=scores)
    assert row == 0
    assert "score [0.7 0. ], expected" in found
    changed["place"][0] = [1, 0]
    assert rows_at_fault(found_words(), **changed) == [0]


def test_no_answers_at_all():
    expected = expected_of(marked, np.full([3, 3], -1.0))
    assert not faults_of(expected)
    assert not faults_of(expected, place=[[]] * 3, score=[[]] * 3)
    assert rows_at_fault(expected, count=[0, 1, 0]) == [1]


# --------------------------------------------------------------------------- answers by piece


def by_piece(logits: Any) -> dict[str, Any]:
    return {"probabilities": tf.nn.softmax(logits)}


PIECES = np.random.default_rng(0).normal(size=(3, 4, 2))
LENGTHS = np.array([2, 4, 1])


def test_padding_of_pieces_is_left_out():
    expected = expected_of(by_piece, PIECES, lengths=LENGTHS)
    assert [row.shape for row in expected.values["probabilities"]] == [(2, 2), (4, 2), (1, 2)]
    answer = answer_of(expected)["probabilities"]
    assert not faults_of(expected, probabilities=np.pad(answer, [[0, 0], [0, 3], [0, 0]]))
    answer[2, 1:] = 0.3
    assert not faults_of(expected, probabilities=answer)
    answer[2, 0] = 0.3
    assert rows_at_fault(expected, probabilities=answer) == [2]
    assert rows_at_fault(expected, probabilities=answer[:, :3]) == [1, 2]
    assert rows_at_fault(expected, probabilities=answer[:, :, :1]) == ROWS


def test_rows_are_told_by_their_texts():
    expected = expected_of(by_piece, PIECES, example=[0, 4, 4], lengths=LENGTHS)
    assert rows_at_fault(expected, probabilities=np.zeros((3, 4, 2))) == [0, 4, 4]


def test_expected_answers_of_texts_with_several_rows():
    """Texts are answered one by one, ids row by row."""
    logits = tf.RaggedTensor.from_tensor(PIECES.astype("float32"), lengths=LENGTHS)
    alignment = Alignment(np.array([0, 1, 1]), {}, {"context": tf.constant(["a", "b"])})
    rows = TokenizedSet({}, LENGTHS, None, np.ones(3, "float32"), alignment)

    def serve(outputs, alignment):
        first = tf.math.segment_max(outputs[:, 0, 0], alignment.example)
        return {"value": first, "answer": alignment.by_example["context"]}

    task = SimpleNamespace(serve=serve, serve_tokens=by_piece)
    trained: Any = SimpleNamespace(task=task, outputs=lambda rows: logits)
    expected = expected_answers(trained, rows, tolerance=TOLERANCE)
    of_texts, of_ids = expected["serving_default"], expected["tokens"]
    assert of_texts.example.tolist() == [0, 1]
    assert of_texts.values["answer"] == ["a", "b"]
    assert of_texts.values["value"] == [
        pytest.approx(PIECES[0, 0, 0]),
        pytest.approx(PIECES[1:, 0, 0].max()),
    ]
    assert of_ids.example.tolist() == [0, 1, 1]
    assert [len(row) for row in of_ids.values["probabilities"]] == LENGTHS.tolist()


# ----------------------------------------------------------------------------------- the process


def test_answers_of_the_process_are_taken_as_they_are(monkeypatch, tmp_path):
    """NumPy's own strings would lose the NUL."""
    answers = [
        {"text": [["a", "nul \0"], ["\0", ""]], "score": [[0.5, 1.0], [0.25, 0.0]]},
        {"text": [[], []], "score": [[], []]},
    ]
    script = tmp_path / "answering.py"
    script.write_text(f"import sys; open(sys.argv[3], 'w').write({json.dumps(answers)!r})")
    monkeypatch.setattr(serving_check.probe, "__file__", str(script))
    (found,) = ask_in_fresh_process([(tmp_path, [REQUEST])])
    assert [{name: v.tolist() for name, v in one.items()} for one in found] == answers


def test_process_that_fails_is_reported(monkeypatch, tmp_path):
    script = tmp_path / "failing.py"
    script.write_text("raise SystemExit('Op type not registered')", "utf-8")
    monkeypatch.setattr(serving_check.probe, "__file__", str(script))
    with pytest.raises(ExportCheckError, match="Op type not registered"):
        ask_in_fresh_process([(tmp_path, [REQUEST])])


# --------------------------------------------------------------------------------------- texts


def test_chosen_texts_have_the_longest_the_shortest_and_others():
    texts = [f"text {number}" for number in range(5000)]
    texts[1234], texts[2345], texts[3456] = "long " * 99, "s", "naïve"
    chosen = choose_check_texts({"text": texts}, 200)["text"]
    assert len(chosen) == 200 + len(EDGE_TEXTS)
    assert {"long " * 99, "s", "naïve"} <= set(chosen[:200])
    assert len(set(chosen[:200])) == 200
    assert chosen[200:] == list(EDGE_TEXTS)


def test_few_texts_are_made_more():
    chosen = choose_check_texts({"text": [f"text {n}" for n in range(20)]}, 200)["text"][:200]
    assert len(set(chosen)) == 200


def test_one_text():
    assert len(choose_check_texts({"text": ["alone"]}, 200)["text"]) == 200 + len(EDGE_TEXTS)


def test_pairs_stay_together():
    columns = {"text": ["a", "b", "c"], "text_pair": ["1", "2", "3"]}
    chosen = choose_check_texts(columns, 3)
    rows = list(zip(chosen["text"], chosen["text_pair"], strict=True))
    assert set(rows[:3]) == {("a", "1"), ("b", "2"), ("c", "3")}
    assert rows.count(("", "")) == 1
    assert {(rows[0][0], ""), ("", rows[0][1])} <= set(rows)


def test_lone_surrogates_of_data_are_replaced():
    assert choose_check_texts({"text": ["half \ud83d"]}, 1)["text"][0] == "half ?"


def test_bytes_travel_as_surrogate_escapes():
    assert encode([["\udcff a", 1]]) == [[b"\xff a", 1]]
    assert readable({"text": ["\udcff a"]}) == {"text": ["\ufffd a"]}
    assert decode(np.array([b"d\xc3\xa9j\xc3\xa0"], object)) == ["déjà"]
