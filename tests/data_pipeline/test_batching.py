"""Every row in exactly one batch, whatever the sizes; orders that depend on the seed alone."""

from collections import Counter

import numpy as np
import pytest

from tfft.data.batching import (
    FILLER,
    Batch,
    evaluation_batches,
    training_batches,
    with_groups,
)

LENGTHS = np.random.default_rng(0).integers(3, 33, 103)
DECLARED = (8, 16, 32)


def batches_of(*, lengths=LENGTHS, batch_size=8, seed=1, epoch=0, **options):
    return training_batches(lengths, batch_size, seed=seed, epoch=epoch, **options)


def rows_of(batches):
    rows = np.concatenate([batch.rows for batch in batches])
    return rows[rows != FILLER].tolist()


@pytest.mark.parametrize("num_rows", [1, 7, 8, 9, 103])
@pytest.mark.parametrize("batch_size", [1, 8, 200])
@pytest.mark.parametrize("declared", [(), DECLARED, (32,)])
@pytest.mark.parametrize("multiple_of", [1, 3])
def test_each_row_once_in_each_epoch(num_rows, batch_size, declared, multiple_of):
    for epoch in range(3):
        batches = batches_of(
            lengths=LENGTHS[:num_rows],
            batch_size=batch_size,
            epoch=epoch,
            declared_lengths=declared,
            multiple_of=multiple_of,
        )
        assert sorted(rows_of(batches)) == list(range(num_rows))
        assert len(batches) % multiple_of == 0


@pytest.mark.parametrize("num_rows", [1, 8, 103])
@pytest.mark.parametrize("declared", [(), DECLARED])
def test_each_row_once_in_evaluation(num_rows, declared):
    batches = evaluation_batches(LENGTHS[:num_rows], 8, declared_lengths=declared)
    assert sorted(rows_of(batches)) == list(range(num_rows))


@pytest.mark.parametrize("declared", [(), DECLARED])
def test_order_depends_on_seed_and_epoch_alone(declared):
    def order(**options):
        return rows_of(batches_of(declared_lengths=declared, **options))

    assert order() == order()
    assert order() != order(epoch=1)
    assert order() != order(seed=2)
    assert order(seed=1, epoch=2) != order(seed=2, epoch=1)


def test_rows_meet_other_rows_in_another_epoch():
    together = [
        {frozenset(batch.rows.tolist()) for batch in batches_of(epoch=epoch)} for epoch in (0, 1)
    ]
    assert len(together[0] & together[1]) < len(together[0]) / 2


def test_batches_are_not_in_the_order_of_their_lengths():
    longest = [LENGTHS[batch.rows].max() for batch in batches_of()]
    assert longest != sorted(longest)
    assert longest != sorted(longest, reverse=True)


def test_number_of_batches_is_the_same_in_each_epoch():
    for declared in ((), DECLARED):
        numbers = {len(batches_of(epoch=e, declared_lengths=declared)) for e in range(5)}
        assert len(numbers) == 1


# ---------------------------------------------------------------------------------- free shapes


def test_free_shapes_group_similar_lengths():
    batches = batches_of()
    assert {batch.length for batch in batches} == {0}
    padded = sum(len(batch.rows) * LENGTHS[batch.rows].max() for batch in batches)
    assert padded < 1.25 * LENGTHS.sum()


def test_free_shapes_need_no_fillers():
    sizes = Counter(len(batch.rows) for batch in batches_of())
    assert sizes == {8: 12, 7: 1}


# ------------------------------------------------------------------------------ declared shapes


@pytest.mark.parametrize("batches", [batches_of, lambda **o: evaluation_batches(LENGTHS, 8, **o)])
def test_declared_shapes_only(batches):
    for batch in batches(declared_lengths=DECLARED):
        assert len(batch.rows) == 8
        assert batch.length in DECLARED
        real = batch.rows[batch.rows != FILLER]
        assert LENGTHS[real].max() <= batch.length


def test_fillers_stand_in_one_batch_only():
    batches = batches_of(declared_lengths=DECLARED)
    assert sum((batch.rows == FILLER).any() for batch in batches) == 1
    assert len(batches) == -(-len(LENGTHS) // 8)


def test_short_rows_that_do_not_fill_a_batch_stay_short():
    (batch,) = batches_of(lengths=np.array([3, 4, 5]), declared_lengths=DECLARED)
    assert batch.length == 8


@pytest.mark.parametrize("batches", [batches_of, lambda **o: evaluation_batches(LENGTHS, 8, **o)])
def test_rows_longer_than_every_declared_length(batches):
    with pytest.raises(ValueError, match="longest row has 32 pieces, the longest declared length"):
        batches(declared_lengths=(8, 16))


def test_batches_that_complete_an_update_are_empty():
    for declared in ((), DECLARED):
        batches = batches_of(multiple_of=5, declared_lengths=declared)
        assert len(batches) == 15
        assert all((batch.rows == FILLER).all() for batch in batches[13:])


def test_evaluation_begins_with_the_longest():
    first, *_ = evaluation_batches(LENGTHS, 8)
    assert LENGTHS[first.rows].max() == LENGTHS.max()
    first, *_ = evaluation_batches(LENGTHS, 8, declared_lengths=DECLARED)
    assert first.length == DECLARED[-1]


# --------------------------------------------------------------------------------------- groups

GROUPS = np.array([0, 1, 0, 2, 2, 2, 3])


@pytest.mark.parametrize("is_fixed", [False, True])
def test_rows_of_a_group_stand_together(is_fixed):
    batches = [Batch(np.array([2, 0]), 16), Batch(np.array([3, 1])), Batch(np.array([0, 1]))]
    first, second, third = with_groups(batches, GROUPS, is_fixed=is_fixed)
    fillers = [FILLER] if is_fixed else []
    assert first.rows.tolist() == [3, 4, 5, 0, 2, *fillers]
    assert second.rows.tolist() == [6, 1] and third.rows.tolist() == [0, 2, 1, *fillers]
    assert [batch.length for batch in (first, second, third)] == [16, 0, 0]


def test_one_large_group_does_not_make_all_batches_large():
    """There are few sizes, and the large group is in one batch."""
    groups = np.repeat(np.arange(11), [1, 2, 3, 4, 5, 4, 3, 2, 1, 1000, 2])
    batches = [Batch(np.array(pair)) for pair in zip(range(0, 10, 2), range(1, 11, 2), strict=True)]
    batches.append(Batch(np.array([10, FILLER])))
    grouped = with_groups(batches, groups, is_fixed=True)
    assert [len(batch.rows) for batch in grouped] == [4, 8, 16, 8, 1024, 2]
    assert sorted(rows_of(grouped)) == list(range(len(groups)))


@pytest.mark.parametrize("is_fixed", [False, True])
def test_groups_of_one_size_have_whole_groups_as_fillers(is_fixed):
    groups = np.repeat(np.arange(4), 3)
    batches = [Batch(np.array([1, FILLER])), Batch(np.array([FILLER, FILLER]))]
    first, second = with_groups(batches, groups, is_fixed=is_fixed)
    assert first.rows.tolist() == [3, 4, 5, *([FILLER] * 3 if is_fixed else [])]
    assert second.rows.tolist() == [FILLER] * (6 if is_fixed else 3)
