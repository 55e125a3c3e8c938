"""Which examples share a row, and what a packed batch looks like."""

import numpy as np
import tensorflow as tf

from tfft.data.batching import FILLER
from tfft.data.packing import deal, pack, packed_batches, packed_dataset
from tfft.data.pipeline import TokenizedSet

LENGTHS = np.random.default_rng(0).integers(2, 17, 1000)
OPTIONS = {"row_length": 32, "seed": 3}


def batches(epoch=0, lengths=LENGTHS, **options):
    return packed_batches(lengths, 8, epoch=epoch, **OPTIONS, **options)


def test_every_example_stands_once_in_an_epoch():
    for count in (1000, 997, 3):
        found = np.concatenate([batch.examples for batch in batches(lengths=LENGTHS[:count])])
        assert sorted(found[found != FILLER]) == list(range(count))
        assert len(found) == 8 * -(-count // 8)


def test_all_but_the_last_batch_of_a_window_are_full():
    sizes = [(batch.examples != FILLER).sum() for batch in batches(lengths=LENGTHS[:997])]
    assert sorted(sizes)[-len(sizes) + 3 :] == [8] * (len(sizes) - 3)
    assert sum(sizes) == 997 and max(sizes) == 8


def test_examples_of_a_row_do_not_overlap():
    for batch in batches():
        taken = np.zeros((batch.num_rows, OPTIONS["row_length"]), int)
        for example, row, start in zip(batch.examples, batch.rows, batch.starts, strict=True):
            taken[row, start : start + LENGTHS[example]] += 1
        assert taken.max() == 1
        assert taken.sum() == LENGTHS[batch.examples].sum()


def test_examples_stand_in_the_order_of_their_places():
    for batch in batches():
        places = batch.rows * OPTIONS["row_length"] + batch.starts
        assert (np.diff(places[batch.examples != FILLER]) > 0).all()


def test_batches_need_about_the_same_number_of_rows():
    needed = [batch.num_rows for batch in batches()]
    assert max(needed) - min(needed) <= 1
    assert max(needed) <= np.ceil(1.15 * 8 * LENGTHS.mean() / OPTIONS["row_length"])


def test_order_follows_seed_and_epoch():
    first, again, other = batches(0), batches(0), batches(1)
    same = [np.array_equal(a.examples, b.examples) for a, b in zip(first, again, strict=True)]
    assert all(same)
    assert [list(b.examples) for b in first] != [list(b.examples) for b in other]


def test_number_of_batches_is_filled_up_for_accumulation():
    found = batches(lengths=LENGTHS[:40], multiple_of=4)
    assert len(found) == 8
    assert [(b.examples == FILLER).all() for b in found] == [False] * 5 + [True] * 3


def test_dealing():
    lengths = np.array([9, 8, 7, 6, 5, 4, 3])
    assert [list(lengths[part]) for part in deal(np.arange(7), lengths, 3)] == [
        [9, 4, 3],
        [8, 5],
        [7, 6],
    ]


def test_longest_goes_first_into_the_first_row_with_room():
    batch = pack(np.array([10, 11, 12, 13]), np.array([2, 6, 4, 3]), 5, 8)
    assert list(batch.examples) == [11, 10, 12, 13, FILLER]
    assert list(batch.rows) == [0, 0, 1, 1, 1]
    assert list(batch.starts) == [0, 6, 0, 4, 0]


# -------------------------------------------------------------------------------------- tensors


def tokenized(targets, ids=((2, 5, 3), (2, 6, 7, 8, 3), (2, 3), (2, 9, 9, 3))):
    ragged = tf.ragged.constant(ids, dtype=tf.int32, row_splits_dtype=tf.int64)
    return TokenizedSet(
        {"token_ids": ragged, "segment_ids": ragged * 0 + 1},
        np.array([len(row) for row in ids]),
        targets,
        np.array([1.0, 0.5, 2.0, 1.0], "float32"),
    )


def first_batch(rows, **options):
    dataset, steps = packed_dataset(
        rows, row_length=8, pad_id=77, seed=0, epochs=2, **{"batch_size": 4, **options}
    )
    features, targets, weights = next(iter(dataset))
    return steps, {name: v.numpy() for name, v in features.items()}, targets, weights


def test_a_batch_of_one_target_an_example():
    steps, features, targets, weights = first_batch(tokenized(np.array([0, 1, 2, 3])))
    assert steps == 1
    # Lengths 5, 4, 3 and 2: the longest, and the one that still fits beside it.
    assert features["token_ids"].tolist() == [
        [2, 6, 7, 8, 3, 2, 5, 3],
        [2, 9, 9, 3, 2, 3, 77, 77],
    ]
    assert features["padding_mask"].tolist() == [
        [1, 1, 1, 1, 1, 2, 2, 2],
        [3, 3, 3, 3, 4, 4, 0, 0],
    ]
    assert features["segment_ids"].tolist() == [[1] * 8, [1] * 6 + [0] * 2]
    assert targets.numpy().tolist() == [1, 0, 3, 2]
    assert weights.numpy().tolist() == [0.5, 1.0, 1.0, 2.0]


def test_a_batch_of_targets_for_pieces():
    ragged = tf.ragged.constant(
        [[-1, 4, -1], [-1, 0, -1, 1, -1], [-1, -1], [-1, 2, 3, -1]], row_splits_dtype=tf.int64
    )
    _, _, targets, weights = first_batch(tokenized(ragged))
    assert targets.numpy().tolist() == [
        [-1, 0, -1, 1, -1, -1, 4, -1],
        [-1, 2, 3, -1, -1, -1, -1, -1],
    ]
    assert weights.numpy().tolist() == [[0, 0.5, 0, 0.5, 0, 0, 1, 0], [0, 1, 1, 0, 0, 0, 0, 0]]


def test_a_batch_that_is_not_full():
    _, features, targets, weights = first_batch(tokenized(np.arange(4)), batch_size=6)
    assert features["padding_mask"].max() == 4
    assert targets.shape == (6,)
    assert weights.numpy().tolist() == [0.5, 1.0, 1.0, 2.0, 0.0, 0.0]


def test_every_batch_has_the_same_shape():
    rows = [list(range(2, 2 + length)) for length in LENGTHS[:100]]
    examples = tokenized(np.arange(100), rows)
    examples = TokenizedSet(
        examples.features, examples.lengths, examples.targets, np.ones(100, "float32")
    )
    dataset, steps = packed_dataset(
        examples, row_length=32, pad_id=0, seed=0, epochs=3, batch_size=7, accumulate=2
    )
    assert steps == 16
    taken = list(dataset.take(3 * steps))
    assert len({features["token_ids"].shape for features, *_ in taken}) == 1
    for epoch in range(3):
        part = taken[epoch * steps : (epoch + 1) * steps]
        targets = [t for _, target, w in part for t in target.numpy()[w.numpy() > 0]]
        assert sorted(targets) == list(range(100))


def test_resumed_order_is_that_of_the_training_without_an_interruption():
    rows = tokenized(np.arange(4))
    options = {"row_length": 8, "pad_id": 0, "seed": 5, "epochs": 3, "batch_size": 2}
    (whole, steps), (later, _) = (
        packed_dataset(rows, **options, first_epoch=first) for first in (0, 2)
    )
    assert steps == 2
    assert next(iter(whole.skip(4)))[1].numpy().tolist() == next(iter(later))[1].numpy().tolist()


def test_an_example_may_fill_a_row():
    assert list(pack(np.array([0, 1]), np.array([8, 8]), 2, 8).rows) == [0, 1]
