"""Which pieces are covered, and by what."""

import keras
import numpy as np
import pytest

from tfft.text.masking import (
    choose_pieces,
    cover_pieces,
    most_chosen,
    num_chosen,
    number_words,
    numbers_of_texts,
)

MASK = 4
OTHERS = np.arange(5, 1000, dtype="int32")


def array(values):
    return keras.ops.convert_to_numpy(values)


def drawn(*shape):
    return np.random.default_rng(1).random(shape, "float32")


@pytest.mark.parametrize("fraction", [0.01, 0.15, 0.4])
def test_a_row_has_its_share_and_at_least_one(fraction):
    counts = np.arange(300, dtype="int32")
    chosen = array(num_chosen(counts, fraction))
    assert chosen[0] == 0 and chosen[1] == 1
    np.testing.assert_array_equal(chosen[1:], np.maximum(np.floor(counts * fraction + 0.5), 1)[1:])
    assert all(number <= most_chosen(count, fraction) for count, number in enumerate(chosen))


def test_the_lowest_numbers_of_what_can_be_are_chosen():
    can_be = np.array([[0, 1, 1, 1, 0], [0, 0, 1, 0, 0]], bool)
    numbers = np.array([[0.0, 0.5, 0.9, 0.1, 0.2], [0.0] * 5], "float32")
    order, is_chosen = choose_pieces(numbers, can_be, np.array([2, 1], "int32"))
    assert [set(row[flags]) for row, flags in zip(array(order), array(is_chosen), strict=True)] == [
        {3, 1},
        {2},
    ]


def test_words_are_chosen_as_a_whole():
    begins = np.array([[1, 1, 0, 0, 1, 1, 0, 1]], bool)  # special, 3 pieces, 1, 2, special
    words = number_words(begins)
    assert array(words).tolist() == [[0, 1, 1, 1, 2, 3, 3, 4]]
    can_be = np.array([[0, 1, 1, 1, 1, 1, 1, 0]], bool)

    def chosen(count, *by_word):
        numbers = np.array([by_word], "float32")[:, array(words)[0]]
        order, flags = choose_pieces(numbers, can_be, np.array([count], "int32"), words)
        return sorted(array(order)[array(flags)].tolist())

    assert chosen(3, 0.9, 0.1, 0.2, 0.3, 0.9) == [1, 2, 3]
    assert chosen(3, 0.9, 0.3, 0.1, 0.2, 0.9) == [4, 5, 6]
    assert chosen(2, 0.9, 0.3, 0.1, 0.2, 0.9) == [4]  # the next has two
    assert chosen(2, 0.9, 0.1, 0.2, 0.3, 0.9) == [1, 2]  # or none would be


def test_of_what_is_chosen_80_10_10():
    ids = np.full((100, 200), 7, "int32")
    is_chosen = drawn(100, 200) < 0.5
    covered = array(cover_pieces(ids, is_chosen, drawn(100, 200, 2), mask_id=MASK, others=OTHERS))
    assert (covered[~is_chosen] == 7).all()
    found = covered[is_chosen]
    assert np.mean(found == MASK) == pytest.approx(0.8, abs=0.02)
    assert np.mean(found == 7) == pytest.approx(0.1, abs=0.02)
    others = found[(found != MASK) & (found != 7)]
    assert set(others) <= set(OTHERS) and len(set(others)) > 500


def test_numbers_of_a_text_are_its_own():
    ids = np.random.default_rng(0).integers(5, 30000, (64, 120)).astype("int32")
    is_real = np.arange(120) < np.random.default_rng(1).integers(20, 120, (64, 1))
    numbers = array(numbers_of_texts(ids, is_real))
    padded = np.pad(ids, ((0, 0), (0, 9)), constant_values=3)
    again = array(numbers_of_texts(padded[::-1], np.pad(is_real, ((0, 0), (0, 9)))[::-1]))
    np.testing.assert_array_equal(numbers, again[::-1, :120])
    assert numbers.mean() == pytest.approx(0.5, abs=0.02)
    assert len({tuple(row) for row in numbers[:, :, 0]}) == 64
    # Neither do rows go together, nor neighbours, nor the three numbers.
    assert abs(np.corrcoef(numbers[:, :, 0])[np.triu_indices(64, 1)]).mean() < 0.12
    assert abs(np.corrcoef(numbers[:, 1:, 0].ravel(), numbers[:, :-1, 0].ravel())[0, 1]) < 0.05
    assert abs(np.corrcoef(numbers[..., 0].ravel(), numbers[..., 1].ravel())[0, 1]) < 0.05
