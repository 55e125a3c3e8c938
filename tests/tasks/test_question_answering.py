"""Answers in contexts: windows, targets, thresholds, and texts from logits."""

import itertools
import math

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from tfft.config import build_config
from tfft.data import pipeline
from tfft.data.examples import Examples
from tfft.inference import tokenize_examples, tokenize_texts
from tfft.tasks import QuestionAnswering, build_task
from tfft.tasks.span_decoding import answer_pieces

CONTEXT = "the film was good , not bad . the film was bad , un believ able and not good ."
ACCENTS = "L'été à Zürich – 👩‍👩‍👧 was  good"
GOOD, LAST = CONTEXT.index("good"), CONTEXT.rindex("not good")


def questions(*rows):
    """Examples of (question, context, answers)."""
    texts = {"question": [row[0] for row in rows], "context": [row[1] for row in rows]}
    return Examples(texts, [list(row[2]) for row in rows])


@pytest.fixture(scope="module", params=["bert", "roberta"])
def encoder(request, tiny_encoders, build_tiny_encoder):
    """For RoBERTa, whose pieces are bytes here, of a longer sequence."""
    if request.param == "roberta":
        return build_tiny_encoder("roberta", sequence_length=64)
    return tiny_encoders[request.param]


@pytest.fixture
def bert(tiny_encoders):
    return tiny_encoders["bert"]


def logits(rows, values=0.0):
    """The same logits for every piece: ragged (rows, pieces, 2), to be changed by `put`."""
    return [np.full((length, 2), values, "float32") for length in rows.lengths]


def ragged(outputs):
    return tf.RaggedTensor.from_row_lengths(np.concatenate(outputs), [len(row) for row in outputs])


def put(outputs, rows, example, first, last, value=30.0):
    """Makes an answer sure wherever its pieces are seen."""
    starts, ends = (rows.alignment.by_row[name].to_list() for name in ("starts", "ends"))
    for row in np.flatnonzero(rows.alignment.example == example):
        for piece, (start, end) in enumerate(zip(starts[row], ends[row], strict=True)):
            if start <= first < end:
                outputs[row][piece, 0] = value
            if start < last <= end:
                outputs[row][piece, 1] = value
    return outputs


# -------------------------------------------------------------------------------------- the rows


def test_rows_have_the_question_and_a_window_of_the_context(bert):
    task = QuestionAnswering(stride=2)
    rows = tokenize_texts(task, bert, {"question": ["was it"], "context": [CONTEXT]})
    ids = rows.features["token_ids"].to_list()
    assert rows.lengths.max() == bert.sequence_length == 16
    # [CLS] was i ##t [SEP] ... [SEP]: ten pieces are left, and each window goes on by eight.
    assert all(row[:2] == [2, 7] and row[4] == row[-1] == 3 for row in ids)
    assert rows.features["segment_ids"].to_list()[0] == [0] * 5 + [1] * 11
    windows = [row[5:-1] for row in ids]
    assert all(a[-2:] == b[:2] for a, b in itertools.pairwise(windows))
    whole = bert.pieces(tf.constant([CONTEXT])).to_list()[0]
    assert [windows[0][0]] + [p for w in windows[:1] for p in w[1:]] == whole[:10]
    assert windows[0] + [piece for window in windows[1:] for piece in window[2:]] == whole


def test_offsets_are_of_the_context(encoder):
    texts = {"question": ["was it good"], "context": [ACCENTS]}
    rows = tokenize_texts(QuestionAnswering(stride=3), encoder, texts)
    starts, ends = (rows.alignment.by_row[name].to_list() for name in ("starts", "ends"))
    seen = set()
    for length, row_starts, row_ends in zip(rows.lengths, starts, ends, strict=True):
        assert len(row_starts) == len(row_ends) == length
        assert row_starts[0] == row_starts[-1] == row_ends[0] == row_ends[-1] == -1
        for start, end in zip(row_starts, row_ends, strict=True):
            seen |= set(range(start, end)) if start >= 0 else set()
    assert (
        "".join(ACCENTS[place] for place in sorted(seen)).split()
        == "".join(letter for letter in ACCENTS if not letter.isspace()).split()
    )
    assert rows.alignment.by_example["context"].numpy()[0].decode() == ACCENTS


@pytest.mark.parametrize(("question_length", "kept"), [(64, 6), (3, 3), (1, 1)])
def test_long_question_loses_its_end(bert, question_length, kept):
    """Half of a row is left for the context, however long the question may be."""
    task = QuestionAnswering(question_length=question_length, stride=2)
    rows = tokenize_texts(task, bert, {"question": ["the film " * 9], "context": ["good"]})
    assert rows.features["token_ids"].to_list() == [[2, *([5, 6] * 9)[:kept], 3, 8, 3]]


# ----------------------------------------------------------------------------------- the targets


def test_targets_are_the_first_and_the_last_piece(bert):
    """0, the piece in front, in windows that do not hold the whole answer."""
    examples = questions(
        ("was it", CONTEXT, [("not bad", CONTEXT.index("not bad"))]),
        ("was it", CONTEXT, []),
        ("was it", "good bad", [("good", 0), ("bad", 5)]),
        ("was it", "so good", [("goo", 3)]),
    )
    rows = tokenize_examples(QuestionAnswering(stride=2), bert, examples)
    of_first = rows.alignment.example == 0
    # [CLS] was i ##t [SEP] the film was good , not bad . the film [SEP]
    assert rows.targets[of_first][0].tolist() == [10, 11]
    assert not rows.targets[of_first][1:].any()
    assert not rows.targets[rows.alignment.example == 1].any()
    assert rows.targets[rows.alignment.example == 2].tolist() == [[5, 5]]
    assert rows.targets[rows.alignment.example == 3].tolist() == [[7, 7]]
    assert rows.targets.dtype == np.int32


def test_every_answer_is_trained_in_all_windows_that_hold_it(encoder):
    words = [(word, CONTEXT.index(word)) for word in dict.fromkeys(CONTEXT.split())]
    examples = questions(*[("was it", CONTEXT, [answer]) for answer in words])
    rows = tokenize_examples(QuestionAnswering(stride=7), encoder, examples)
    starts, ends = (rows.alignment.by_row[name].to_list() for name in ("starts", "ends"))
    for number, (word, start) in enumerate(words):
        held = 0
        for row in np.flatnonzero(rows.alignment.example == number):
            first, last = rows.targets[row]
            characters = {
                place
                for pair in zip(starts[row], ends[row], strict=True)
                for place in range(*pair)
                if pair[0] >= 0
            }
            assert (first > 0) == characters.issuperset(range(start, start + len(word)))
            if first:
                held += 1
                assert CONTEXT[starts[row][first] : ends[row][last]] == word
        assert held


def test_blanks_around_an_answer_are_no_part_of_it(encoder):
    padded = "  so good  "
    plain, blank = (
        tokenize_examples(QuestionAnswering(), encoder, questions(("was it", padded, [answer])))
        for answer in (("so good", 2), (padded, 0))
    )
    assert plain.targets.all()
    assert blank.targets.tolist() == plain.targets.tolist()


PIECES = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), min_size=1, max_size=8)


@given(PIECES, st.integers(1, 3), st.integers(0, 3), st.integers(-1, 14), st.integers(1, 6))
def test_pieces_of_an_answer_equal_those_found_one_by_one(pieces, before, after, first, size):
    starts, ends, place = [-1] * before, [-1] * before, 0
    for gap, length in pieces:
        starts.append(place + gap)
        ends.append(place + gap + length)
        place = ends[-1]
    starts, ends = starts + [-1] * after, ends + [-1] * after
    last = first + size
    touched = [
        piece
        for piece, (start, end) in enumerate(zip(starts, ends, strict=True))
        if start >= 0 and end > first and start < last
    ]
    begin = next(start for start in starts if start >= 0)
    whole = first >= begin and last <= place and touched and first >= 0
    expected = [touched[0], touched[-1]] if whole else [0, 0]
    found = answer_pieces(*(np.array([each]) for each in (starts, ends, first, last)))
    assert found.tolist() == [expected]


# ----------------------------------------------------------------------------------- the answers


@pytest.mark.parametrize("text", ["été", "👩‍👩‍👧 was  good", "Zürich – ", "L"])
def test_answer_is_cut_out_of_the_context(encoder, text):
    start = ACCENTS.index(text)
    text = text.strip()
    task = QuestionAnswering(stride=6, answer_length=40)
    texts = {"question": ["who ?", "was it"], "context": ["the film", ACCENTS]}
    rows = tokenize_texts(task, encoder, texts)
    outputs = put(logits(rows), rows, 1, start, start + len(text))
    found = task.answers(rows, ragged(put(outputs, rows, 0, 4, 8)))
    assert [list(answer) for answer in found] == [["answer", "start", "end", "score"]] * 2
    assert (found[0]["answer"], found[0]["start"], found[0]["end"]) == ("film", 4, 8)
    assert ACCENTS[found[1]["start"] : found[1]["end"]] == found[1]["answer"] == text


def test_answer_of_the_window_with_the_highest_logits(bert):
    task = QuestionAnswering(stride=2, answer_length=5)
    rows = tokenize_texts(task, bert, {"question": ["was it"], "context": [CONTEXT]})
    outputs = put(logits(rows), rows, 0, GOOD, GOOD + 4, value=5.0)
    outputs = put(outputs, rows, 0, LAST, LAST + 8, value=6.0)
    (answer,) = task.answers(rows, ragged(outputs))
    assert (answer["answer"], answer["start"]) == ("not good", LAST)


def test_answers_in_parts_are_those_at_once(bert, monkeypatch):
    examples = questions(*[("was it", CONTEXT[4 * number :], []) for number in range(5)])
    task = QuestionAnswering(stride=2, unanswerable=True, threshold=0.5)
    rows = tokenize_examples(task, bert, examples)
    random = np.random.default_rng(0)
    outputs = ragged([random.normal(size=(length, 2)).astype("float32") for length in rows.lengths])
    at_once, scores = task.answers(rows, outputs), task.scores(rows, outputs)
    monkeypatch.setattr(pipeline, "EXAMPLES_AT_ONCE", 2)
    assert task.answers(rows, outputs) == at_once
    assert task.scores(rows, outputs) == pytest.approx(scores)
    assert len({answer["answer"] for answer in at_once}) > 1


@pytest.mark.parametrize("unanswerable", [False, True])
@pytest.mark.parametrize("context", ["", "  "])
def test_no_answer_where_there_is_no_context(encoder, unanswerable, context):
    """It is certain where it may be, else nothing is probable."""
    task = QuestionAnswering(unanswerable=unanswerable)
    rows = tokenize_texts(task, encoder, {"question": ["was it"], "context": [context]})
    (answer,) = task.answers(rows, ragged(logits(rows, 3.0)))
    score = answer.pop("score")
    assert answer == {"answer": "", "start": -1, "end": -1}
    assert score == pytest.approx(float(unanswerable))


def test_score_is_the_share_among_all_spans(bert):
    rows = tokenize_texts(QuestionAnswering(), bert, {"question": ["the"], "context": ["good bad"]})
    outputs = logits(rows)  # [CLS] the [SEP] good bad [SEP]
    outputs[0][3:5] = np.log([[2, 1], [1, 3]])
    outputs[0][0] = np.log([2, 4])
    # good: 2 * 1, good bad: 2 * 3, bad: 1 * 3; none: 2 * 4.
    for task, none in ((QuestionAnswering(), 0), (QuestionAnswering(unanswerable=True), 8)):
        answer = task.answers(rows, ragged(outputs))[0]
        # No answer is the likeliest where it may be.
        expected = {"answer": "", "score": 8 / 19} if none else {"answer": "good bad"}
        assert answer["answer"] == expected["answer"]
        assert answer["score"] == pytest.approx(expected.get("score", 6 / 11), rel=1e-5)
    task = QuestionAnswering(unanswerable=True, threshold=math.log(8 / 6) + 1e-4)
    answer = task.answers(rows, ragged(outputs))[0]
    assert (answer["answer"], answer["score"]) == ("good bad", pytest.approx(6 / 19, rel=1e-5))


def test_tokens_have_probabilities_of_their_own(bert):
    outputs = np.array([[[0, 1], [2, -1], [-1e9, -1e9]]], "float32")
    served = QuestionAnswering().serve_tokens(tf.constant(outputs))
    for name, column in (("start_probabilities", 0), ("end_probabilities", 1)):
        exponentials = np.exp(outputs[:, :2, column])
        np.testing.assert_allclose(served[name][:, :2], exponentials / exponentials.sum(), 1e-5)
        assert served[name].numpy()[0, 2] == 0.0


# -------------------------------------------------------------------------- thresholds and scores


@pytest.fixture
def judged(bert):
    """Four questions, the answer to each found with another margin over none."""
    examples = questions(
        ("was it", "so good", [("good", 3)]),
        ("was it", "so bad", [("bad", 3)]),
        ("was it", "the film", []),
        ("was it", "not good", [("not", 0), ("not good", 0)]),
    )
    rows = tokenize_examples(QuestionAnswering(), bert, examples)
    outputs = logits(rows, -9.0)
    for number, margin in enumerate([4.0, 1.0, -3.0, -1.0]):
        text, start = (examples.labels[number] or [("the", 0)])[0]
        put(outputs, rows, number, start, start + len(text), value=margin / 2)
        outputs[number][0] = 0.0
    return rows, ragged(outputs)


def answered(task, judged):
    return [answer["answer"] for answer in task.answers(*judged)]


def test_threshold_is_the_least_that_no_answer_must_be_ahead(judged):
    expected = {
        -5.0: ["", "", "", ""],
        -1.5: ["good", "", "", ""],
        0.0: ["good", "bad", "", ""],
        1.5: ["good", "bad", "", "not"],
        3.5: ["good", "bad", "the", "not"],
    }
    for threshold, answers in expected.items():
        task = QuestionAnswering(unanswerable=True, threshold=threshold)
        assert answered(task, judged) == answers
    assert answered(QuestionAnswering(threshold=-5.0), judged) == expected[3.5]


def test_threshold_is_tuned_where_questions_may_have_no_answer(judged):
    task = QuestionAnswering(unanswerable=True)
    assert task.threshold == 0.0
    task.tune(*judged)
    assert task.threshold == pytest.approx(2.0)
    assert answered(task, judged) == ["good", "bad", "", "not"]
    for fixed in (QuestionAnswering(), QuestionAnswering(unanswerable=True, threshold=0.25)):
        before = fixed.threshold
        fixed.tune(*judged)
        assert fixed.threshold == before


def test_question_without_a_context_does_not_move_the_threshold(bert):
    """It has no answer at any threshold; that of the others is the least that answers them."""
    examples = questions(("was it", "so good", [("good", 3)]), ("was it", "\u200b", []))
    rows = tokenize_examples(QuestionAnswering(), bert, examples)
    assert rows.alignment.by_row["starts"].to_list()[1] == [-1] * 6
    outputs = put(logits(rows, -9.0), rows, 0, 3, 7, value=-0.5)
    outputs[0][0] = 0.0
    task = QuestionAnswering(unanswerable=True)
    task.tune(rows, ragged(outputs))
    assert task.threshold == pytest.approx(2.0)


def test_scores(judged):
    task = QuestionAnswering(unanswerable=True, threshold=0.0)
    scores = task.scores(*judged)
    assert (scores["exact_match"], scores["f1"], scores["threshold"]) == (0.75, 0.75, 0.0)
    assert (scores["has_answer_exact_match"], scores["no_answer_f1"]) == (pytest.approx(2 / 3), 1.0)
    rows, outputs = judged
    expected = [
        np.mean([np.logaddexp.reduce(row[:, side]) - row[target[side], side] for side in (0, 1)])
        for row, target in zip((r.numpy() for r in outputs), rows.targets, strict=True)
    ]
    assert scores["loss"] == pytest.approx(np.mean(expected), rel=1e-5)
    assert "threshold" not in QuestionAnswering().scores(*judged)
    assert task.monitor in scores


def test_any_of_the_right_answers_is_right(bert):
    task = QuestionAnswering()
    examples = questions(("was it", "not good", [("not", 0), ("not good", 0)]))
    rows = tokenize_examples(task, bert, examples)
    outputs = ragged(put(logits(rows), rows, 0, 0, 8))
    assert task.scores(rows, outputs)["exact_match"] == 1.0


def test_f1_by_character(bert):
    examples = questions(("was it", "电影很好看", [("很好看", 2)]))
    rows = tokenize_examples(QuestionAnswering(), bert, examples)
    outputs = ragged(put(logits(rows), rows, 0, 3, 5))
    assert QuestionAnswering().scores(rows, outputs)["f1"] == 0.0
    by_character = QuestionAnswering(by_character=True).scores(rows, outputs)
    assert by_character["f1"] == pytest.approx(2 * 2 / (2 + 3))


def test_note_where_no_question_is_answered(judged):
    never = QuestionAnswering(unanswerable=True, threshold=-99.0)
    assert never.notes(*judged) == ["No question is given an answer: nothing was learned but that."]
    assert QuestionAnswering(unanswerable=True).notes(*judged) == []
    assert never.confusions(*judged) == []


def test_counts():
    examples = questions(
        ("q", "a b", [("a", 0)]),
        ("q", "a a", [("a", 0), ("a", 2)]),
        ("q", "a b", [("a", 0), ("b", 2)]),
    )
    assert QuestionAnswering().counts(examples) == {"one answer": 2, "several answers": 1}
    examples.labels[0].clear()
    assert QuestionAnswering().counts(examples)["no answer"] == 1


# ---------------------------------------------------------------------------------------- configs


def test_task_of_a_config():
    section = {
        "unanswerable": True,
        "stride": 5,
        "question_length": 9,
        "answer_length": 4,
        "by_character": True,
        "label_smoothing": 0.1,
        "dropout": 0.2,
    }

    def build(tuned=None, **more):
        values = {
            "name": "x",
            "output_dir": "x",
            "task": {"name": "question_answering", **section, **more},
            "backbone": {"preset": "minilm"},
            "data": {"train": "a.json"},
        }
        return build_task(build_config(values), threshold=tuned)

    task = build()
    assert {name: getattr(task, name) for name in section} == section
    assert task.loss().label_smoothing == 0.1
    assert (task.threshold, build(1.5).threshold, build(1.5, threshold=0).threshold) == (0, 1.5, 0)
