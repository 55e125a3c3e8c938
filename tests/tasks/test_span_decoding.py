"""The best span of all windows, against every span tried in plain Python."""

import math
from dataclasses import dataclass

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import example, given
from hypothesis import strategies as st

from tfft.tasks.span_decoding import best_spans

ROWS = st.lists(st.integers(0, 3), min_size=1, max_size=4)


@dataclass
class Batch:
    """Windows of some examples: logits, offsets of pieces, and whose they are."""

    logits: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    example: np.ndarray
    num_examples: int

    def decode(self, answer_length, *, may_be_none=True):
        found = best_spans(
            tf.constant(self.logits, tf.float32),
            tf.constant(self.starts, tf.int32),
            tf.constant(self.ends, tf.int32),
            tf.constant(self.example, tf.int64),
            num_examples=tf.constant(self.num_examples, tf.int64),
            answer_length=answer_length,
            may_be_none=may_be_none,
        )
        return {name: value.numpy() for name, value in found._asdict().items()}

    def spans(self, number, answer_length):
        """(logit, first character, last character) of each legal span of an example."""
        return [
            (
                float(self.logits[row, first, 0]) + float(self.logits[row, last, 1]),
                int(self.starts[row, first]),
                int(self.ends[row, last]),
            )
            for row in np.flatnonzero(self.example == number)
            for first in range(self.logits.shape[1])
            for last in range(first, min(first + answer_length, self.logits.shape[1]))
            if self.usable[row, first] and self.usable[row, last]
        ]

    @property
    def usable(self):
        """Pieces of the context that are not blank."""
        return self.ends > self.starts

    def none(self, number):
        rows = self.logits[self.example == number]
        return min(float(row[0].sum()) for row in rows)


def draw(windows, length, seed, *, steps=None):
    """A batch with that many windows for each example; some pieces are of no context, some blank.

    With `steps` logits are whole numbers, so that many are equal.
    """
    random = np.random.default_rng(seed)
    rows = sum(windows)
    shape = (rows, length)
    logits = (
        random.normal(size=(*shape, 2)) * 3
        if steps is None
        else random.integers(0, steps, (*shape, 2))
    )
    starts = np.cumsum(random.integers(1, 4, shape), axis=1)
    ends = starts + random.integers(0, 3, shape)
    outside = random.random(shape) < 0.3
    outside[:, 0] = True
    return Batch(
        np.asarray(logits, "float32"),
        np.where(outside, -1, starts),
        np.where(outside, -1, ends),
        np.repeat(np.arange(len(windows)), windows),
        len(windows),
    )


@example([1], 1, 1, 0)
@given(ROWS, st.integers(1, 9), st.integers(1, 11), st.integers(0, 999))
def test_equals_every_span_tried(extra_windows, length, answer_length, seed):
    batch = draw([1 + extra for extra in extra_windows], length, seed)
    found, certain = batch.decode(answer_length), batch.decode(answer_length, may_be_none=False)
    for number in range(batch.num_examples):
        spans, none = batch.spans(number, answer_length), batch.none(number)
        assert found["found"][number] == bool(spans)
        assert found["none"][number] == pytest.approx(none, abs=1e-5)
        if spans:
            logit, start, end = max(spans)
            assert found["logit"][number] == pytest.approx(logit, abs=1e-5)
            assert (found["start"][number], found["end"][number]) == (start, end)
            everything = math.log(sum(math.exp(span[0]) for span in spans))
            assert certain["log_total"][number] == pytest.approx(everything, abs=1e-4)
            everything = math.log(math.exp(everything) + math.exp(none))
            assert found["log_total"][number] == pytest.approx(everything, abs=1e-4)


@given(ROWS, st.integers(2, 6), st.integers(1, 4), st.integers(0, 99))
def test_of_equal_spans_the_first_is_taken(extra_windows, length, answer_length, seed):
    """The earliest window, the earliest first piece, the shortest."""
    batch = draw([1 + extra for extra in extra_windows], length, seed, steps=2)
    found = batch.decode(answer_length)
    for number in range(batch.num_examples):
        spans = batch.spans(number, answer_length)
        if spans:
            best = max(logit for logit, _, _ in spans)
            _, start, end = next(span for span in spans if span[0] == best)
            assert (found["start"][number], found["end"][number]) == (start, end)


# ------------------------------------------------------------------------------- single windows


def one_window(logits, starts, ends=None):
    starts = np.array([starts])
    ends = np.where(starts < 0, -1, starts + 1) if ends is None else np.array([ends])
    return Batch(np.array([logits], "float32"), starts, ends, np.array([0]), 1)


def test_answer_has_no_more_than_its_most_pieces():
    batch = one_window([(0, 0), (9, 0), (0, 0), (0, 1), (0, 9)], [-1, 0, 1, 2, 3])
    places = {}
    for length in range(1, 8):
        found = batch.decode(length)
        places[length] = (int(found["start"][0]), int(found["end"][0]))
    assert places == {1: (0, 1), 2: (0, 1), 3: (0, 3)} | dict.fromkeys(range(4, 8), (0, 4))


def test_answer_does_not_end_before_it_begins():
    found = one_window([(0, 0), (0, 9), (1, 0), (9, 0)], [-1, 0, 1, 2]).decode(3)
    assert (found["start"][0], found["end"][0], found["logit"][0]) == (0, 1, 9)


def test_pieces_of_the_question_are_no_answer():
    """They may have any logits; a span may not end there either."""
    found = one_window([(50, 50), (70, 70), (0, 1), (3, 1), (99, 99)], [-1, -1, 4, 5, -1]).decode(5)
    assert (found["start"][0], found["end"][0]) == (5, 6)
    assert found["none"][0] == pytest.approx(100.0)


def test_blank_pieces_are_inside_of_answers_alone():
    pieces = [(0, 0), (9, 9), (2, 0), (8, 8), (0, 2), (9, 9)]
    found = one_window(pieces, [-1, 1, 1, 3, 3, 5], [-1, 1, 2, 3, 4, 5]).decode(9)
    assert (found["start"][0], found["end"][0], found["logit"][0]) == (1, 4, 4)
    assert not one_window([(0, 0), (1, 1)], [-1, 3], [-1, 3]).decode(9)["found"][0]


def test_window_without_a_context():
    """Beside others it answers nothing; alone the example has no span."""
    other = one_window([(1, 1), (2, 2), (0, 0)], [-1, 7, 8])
    empty = one_window([(0, 5), (6, 6), (8, 8)], [-1, -1, -1])
    both = Batch(
        *(
            np.concatenate([getattr(empty, name), getattr(other, name)])
            for name in ("logits", "starts", "ends")
        ),
        np.array([0, 0]),
        1,
    )
    found = both.decode(2)
    assert (found["found"][0], found["start"][0], found["end"][0]) == (True, 7, 8)
    assert found["none"][0] == pytest.approx(2.0)
    alone = empty.decode(2)
    assert (alone["found"][0], alone["start"][0], alone["end"][0]) == (False, 0, 0)
    assert alone["none"][0] == alone["log_total"][0] == 5.0


def test_no_answer_scores_as_in_the_window_where_it_is_lowest():
    batch = draw([3], 4, 1)
    batch.logits[:, 0] = [[4, 1], [0, 2], [9, 9]]
    assert batch.decode(2)["none"][0] == pytest.approx(2.0)


def test_masked_padding_counts_nowhere():
    """As the model masks it, beyond the offsets that are known."""
    batch = draw([2, 1], 5, 3)
    wide = Batch(
        np.concatenate([batch.logits, np.full((3, 4, 2), -1e9, "float32")], axis=1),
        np.pad(batch.starts, [(0, 0), (0, 4)], constant_values=-1),
        np.pad(batch.ends, [(0, 0), (0, 4)], constant_values=-1),
        batch.example,
        batch.num_examples,
    )
    for name, values in batch.decode(3).items():
        np.testing.assert_allclose(wide.decode(3)[name], values, rtol=1e-6, err_msg=name)


def test_extreme_logits():
    found = one_window([(-1e4, -1e4), (1e4, 1e4), (-1e4, 1e4)], [-1, 0, 1]).decode(4)
    assert (found["start"][0], found["end"][0]) == (0, 1)
    assert found["logit"][0] - found["log_total"][0] == pytest.approx(-math.log(2), abs=2e-3)


def test_no_examples():
    found = draw([], 3, 0).decode(2)
    assert {values.shape for values in found.values()} == {(0,)}
