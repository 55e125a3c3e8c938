"""What `model.fit` and `model.predict` really see: each row once, padded, in a known order."""

import math
from collections import Counter
from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfft.data.batching import FILLER
from tfft.data.examples import Examples
from tfft.data.pipeline import (
    IGNORED,
    TEXTS_PER_CALL,
    Alignment,
    evaluation_dataset,
    parts,
    tokenize,
    training_dataset,
)

ROWS = 37
BATCH = 8
TEXTS = [" ".join("abcdefghijkl"[: 1 + (7 * row) % 12]) for row in range(ROWS)]
DECLARED = (5, 16)


@pytest.fixture(scope="module")
def encoder(tiny_encoders):
    return tiny_encoders["bert"]


@pytest.fixture(scope="module")
def rows(encoder):
    """Tokenized rows whose target is their number, and whose weight is 1 + number / 100."""
    return tokenize(
        {"text": TEXTS},
        lambda texts: encoder.features([texts["text"]]),
        targets=np.arange(ROWS, dtype="int32"),
        sample_weight=(1 + np.arange(ROWS) / 100).astype("float32"),
    )


class Recorder(keras.Model):
    """Fits nothing and remembers the targets and weights of each step."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def train_step(self, data):
        features, targets, weights = data
        mask = features["padding_mask"]
        tf.numpy_function(lambda *parts: self.seen.append(parts), [targets, weights, mask], [])
        return {"loss": tf.constant(0.0)}


def see(rows, encoder, *, epochs, initial_epoch=0, **options):
    """The (targets, weights, padding_mask) of each step of `fit`."""
    dataset, steps = training_dataset(
        rows, encoder.pad, batch_size=BATCH, first_epoch=initial_epoch, **options
    )
    model = Recorder()
    model.compile()
    model.fit(
        dataset,
        epochs=epochs,
        initial_epoch=initial_epoch,
        steps_per_epoch=steps,
        shuffle=False,
        verbose=0,
    )
    assert len(model.seen) == steps * (epochs - initial_epoch)
    return model.seen, steps


@pytest.mark.parametrize("declared", [(), DECLARED])
@pytest.mark.parametrize("accumulate", [1, 4])
def test_fit_sees_each_row_once_in_each_epoch(rows, encoder, declared, accumulate):
    seen, steps = see(
        rows, encoder, epochs=3, seed=5, declared_lengths=declared, accumulate=accumulate
    )
    assert steps % accumulate == 0
    orders = []
    for epoch in range(3):
        part = seen[epoch * steps : (epoch + 1) * steps]
        targets, weights = (np.concatenate([step[index] for step in part]) for index in (0, 1))
        real = weights > 0
        assert sorted(targets[real]) == list(range(ROWS))
        np.testing.assert_allclose(weights[real], 1 + targets[real] / 100, rtol=1e-6)
        orders.append(tuple(targets[real]))
        if not declared:
            # One filler for each batch that completes an update.
            assert len(real) - real.sum() == -math.ceil(ROWS / BATCH) % accumulate
    assert len(set(orders)) == 3


def test_resumed_order_is_what_it_would_have_been(rows, encoder):
    whole, steps = see(rows, encoder, epochs=4, seed=5)
    resumed, _ = see(rows, encoder, epochs=4, initial_epoch=2, seed=5)
    for step, expected in zip(resumed, whole[2 * steps :], strict=True):
        np.testing.assert_array_equal(step[0], expected[0])


def test_free_shapes_are_padded_to_the_longest_row(rows, encoder):
    seen, _ = see(rows, encoder, epochs=1, seed=5)
    for targets, _weights, mask in seen:
        assert mask.shape == (len(targets), rows.lengths[targets].max())
        np.testing.assert_array_equal(mask.sum(axis=1), rows.lengths[targets])


def test_declared_shapes_alone_are_emitted(rows, encoder):
    seen, _ = see(rows, encoder, epochs=2, seed=5, declared_lengths=DECLARED, accumulate=3)
    assert {mask.shape for _, _, mask in seen} == {(BATCH, length) for length in DECLARED}


def test_what_the_dataset_says_of_its_elements(rows, encoder):
    dataset, _ = training_dataset(rows, encoder.pad, batch_size=BATCH, seed=1)
    features, targets, weights = dataset.element_spec
    assert {spec.shape.rank for spec in features.values()} == {2}
    assert (targets.dtype, weights.dtype) == (tf.int32, tf.float32)


# ----------------------------------------------------------------------------- targets by piece


@pytest.fixture(scope="module")
def tagged(rows):
    """Rows whose pieces have the number of their row as target, but for the special ones."""
    ids = rows.features["token_ids"]
    is_special = tf.reduce_any(ids[..., tf.newaxis] == [2, 3], axis=-1)
    number = tf.cast(ids.value_rowids(), tf.int32)
    targets = ids.with_values(tf.where(is_special.values, IGNORED, number))
    return replace(rows, targets=targets)


@pytest.mark.parametrize("declared", [(), DECLARED])
def test_targets_by_piece_are_padded_like_the_pieces(tagged, encoder, declared):
    seen, _ = see(tagged, encoder, epochs=1, seed=5, declared_lengths=declared, accumulate=3)
    real_rows = []
    for targets, weights, mask in seen:
        assert targets.shape == weights.shape == mask.shape
        has_target = mask.astype(bool)
        has_target[:, 0] = False
        has_target[np.arange(len(mask)), mask.sum(axis=1) - 1] = False
        np.testing.assert_array_equal(targets != IGNORED, has_target)
        row = targets.max(axis=1)
        is_filler = weights.sum(axis=1) == 0
        expected = np.where(is_filler, 0, 1 + row / 100)[:, np.newaxis] * has_target
        np.testing.assert_allclose(weights, expected, rtol=1e-6)
        real_rows += row[~is_filler].tolist()
    assert sorted(real_rows) == list(range(ROWS))


def test_what_a_dataset_with_targets_by_piece_says_of_its_elements(tagged, encoder):
    dataset, _ = training_dataset(tagged, encoder.pad, batch_size=BATCH, seed=1)
    features, targets, weights = dataset.element_spec
    assert {spec.shape.rank for spec in [*features.values(), targets, weights]} == {2}
    assert (targets.dtype, weights.dtype) == (tf.int32, tf.float32)


# ---------------------------------------------------------------------------------- evaluation


@pytest.mark.parametrize("declared", [(), DECLARED])
def test_predictions_are_brought_back_to_their_rows(rows, encoder, declared):
    dataset, order = evaluation_dataset(
        rows, encoder.pad, batch_size=BATCH, declared_lengths=declared
    )
    inputs = encoder.inputs()
    pieces = keras.ops.sum(inputs["padding_mask"], axis=1)
    predicted = keras.Model(inputs, pieces).predict(dataset, verbose=0)
    assert Counter(order[order != FILLER].tolist()) == dict.fromkeys(range(ROWS), 1)
    real = order != FILLER
    np.testing.assert_array_equal(predicted[real], rows.lengths[order[real]])


# ------------------------------------------------------------------------------------ tokenize


def test_features_are_the_pieces(rows):
    assert rows.features["token_ids"].shape[0] == ROWS
    # [CLS] a b ... [SEP]: 16 is the first letter of the tiny vocabulary.
    assert rows.features["token_ids"][1].numpy().tolist() == [2, *range(16, 24), 3]
    assert rows.lengths.tolist() == [len(text.split()) + 2 for text in TEXTS]


def test_weight_is_one_by_default(encoder):
    rows = tokenize({"text": ["a"] * 3}, lambda texts: encoder.features([texts["text"]]))
    assert rows.sample_weight.tolist() == [1, 1, 1]
    assert rows.targets is None


@pytest.mark.parametrize("num_rows", [1, TEXTS_PER_CALL, TEXTS_PER_CALL + 1])
def test_each_text_is_tokenized_once_for_all_epochs(encoder, num_rows):
    counts = Counter()

    def inputs(texts):
        def count(values):
            counts.update(values.tolist())
            return np.int32(0)

        done = tf.numpy_function(count, [texts["text"]], tf.int32)
        with tf.control_dependencies([done]):
            return encoder.features([tf.identity(texts["text"])])

    texts = [f"text {row}" for row in range(num_rows)]
    rows = tokenize({"text": texts}, inputs, targets=np.zeros(num_rows, "int32"))
    dataset, steps = training_dataset(rows, encoder.pad, batch_size=256, seed=0)
    for _ in dataset.take(3 * steps):
        pass
    assert counts == dict.fromkeys((text.encode() for text in texts), 1)


# ------------------------------------------------------------------------------------- windows

PIECES_PER_WINDOW = 3


def cut(texts):
    """Each character is a piece; each text has windows of three, which do not overlap."""
    pieces = tf.strings.unicode_decode(texts["text"], "UTF-8")
    counts = tf.maximum((pieces.row_lengths() + PIECES_PER_WINDOW - 1) // PIECES_PER_WINDOW, 1)
    windows = tf.ragged.range(counts)
    example = windows.value_rowids()
    first = windows.values * PIECES_PER_WINDOW
    last = tf.minimum(first + PIECES_PER_WINDOW, tf.gather(pieces.row_lengths(), example))
    places = tf.ragged.range(first, last)
    ids = tf.gather(pieces, example)
    alignment = Alignment(example, {"place": places}, {"text": texts["text"], "pieces": pieces})
    return {"token_ids": tf.gather(ids, places, batch_dims=1), "alignment": alignment}


def windows_of(number):
    """Rows of texts of 0 to 6 characters; the first one of each text is its number modulo 7."""
    texts = [chr(ord("a") + row % 7) * (row % 7) for row in range(number)]
    weights = np.arange(number, dtype="float32")
    rows = tokenize({"text": texts}, cut, sample_weight=weights)
    return texts, replace(rows, examples=Examples({"text": texts}, sample_weight=weights))


def characters(ragged):
    return ["".join(map(chr, row)) for row in ragged.to_list()]


@pytest.mark.parametrize("number", [1, 10, TEXTS_PER_CALL, 2 * TEXTS_PER_CALL + 10])
def test_windows_know_their_example_whatever_the_number_of_texts(number):
    texts, rows = windows_of(number)
    example = np.asarray(rows.alignment.example)
    expected = [n for n, text in enumerate(texts) for _ in range(max(1, -(-len(text) // 3)))]
    assert example.tolist() == expected
    assert (len(rows), rows.num_examples) == (len(expected), number)
    assert rows.sample_weight.tolist() == expected
    assert [text.decode() for text in rows.alignment.by_example["text"].numpy()] == texts
    assert characters(rows.alignment.by_example["pieces"]) == texts
    joined = Counter()
    for row, window in zip(expected, characters(rows.features["token_ids"]), strict=True):
        joined[row] += len(window)
        assert window in texts[row]
    assert [joined[row] for row in range(number)] == [len(text) for text in texts]
    np.testing.assert_array_equal(
        rows.lengths, rows.alignment.by_row["place"].row_lengths().numpy()
    )


def test_a_part_is_whole_examples_with_all_of_their_rows():
    texts, rows = windows_of(20)
    for start, stop in [(0, 20), (3, 9), (6, 7), (0, 1), (20, 20)]:
        part, alone = rows.part(start, stop), rows.rows_of(start, stop)
        assert part.num_examples == stop - start
        assert part.examples.texts["text"] == texts[start:stop]
        assert [text.decode() for text in part.alignment.by_example["text"].numpy()] == (
            texts[start:stop]
        )
        assert sorted(set(np.asarray(part.alignment.example))) == list(range(stop - start))
        assert len(part) == len(part.lengths) == alone.stop - alone.start
        whole = characters(rows.features["token_ids"])
        assert characters(part.features["token_ids"]) == whole[alone]
        places = rows.alignment.by_row["place"].to_list()
        assert part.alignment.by_row["place"].to_list() == places[alone]
        assert part.sample_weight.tolist() == rows.sample_weight[alone].tolist()


def test_a_part_of_rows_that_are_examples(rows):
    part = rows.part(5, 9)
    assert (len(part), part.num_examples, part.targets.tolist()) == (4, 4, [5, 6, 7, 8])
    assert part.alignment is None
    assert part.lengths.tolist() == rows.lengths[5:9].tolist()


def test_parts_together_are_the_whole(monkeypatch):
    monkeypatch.setattr("tfft.data.pipeline.EXAMPLES_AT_ONCE", 8)
    texts, rows = windows_of(20)
    ids = rows.features["token_ids"]
    found = list(parts(rows, tf.cast(ids, tf.float32)))
    assert [part.num_examples for part, _ in found] == [8, 8, 4]
    assert [text for part, _ in found for text in part.examples.texts["text"]] == texts
    outputs = []
    for part, dense in found:
        outputs += tf.RaggedTensor.from_tensor(dense, lengths=part.lengths).to_list()
    assert outputs == ids.to_list()


def test_text_with_a_lone_surrogate(encoder):
    rows = tokenize({"text": ["a \ud800 b"]}, lambda texts: encoder.features([texts["text"]]))
    assert len(rows) == 1


# --------------------------------------------------------------------------------------- groups


@pytest.fixture(scope="module")
def grouped(rows):
    """18 groups of two or three rows; targets are row and group."""
    groups = np.arange(ROWS) * 18 // ROWS
    targets = np.stack([np.arange(ROWS), groups], axis=1).astype("float32")
    return replace(rows, groups=groups, targets=targets)


@pytest.mark.parametrize("declared", [(), DECLARED])
@pytest.mark.parametrize("accumulate", [1, 2])
def test_rows_of_a_group_are_in_one_batch(grouped, encoder, declared, accumulate):
    """`batch_size` groups of them; what fills a batch up tells by weight and target."""
    batches, count = training_dataset(
        grouped,
        encoder.pad,
        batch_size=4,
        seed=1,
        declared_lengths=declared,
        accumulate=accumulate,
    )
    assert count == math.ceil(math.ceil(18 / 4) / accumulate) * accumulate
    seen = []
    for features, targets, weights in batches.take(count).as_numpy_iterator():
        real = weights > 0
        assert np.array_equal(targets[:, 0] >= 0, real) and (targets[~real] == IGNORED).all()
        groups = targets[real, 1]
        assert len(set(groups)) <= 4
        assert all((grouped.groups == group).sum() == (groups == group).sum() for group in groups)
        if declared:
            assert len(targets) in (4 * 2, 4 * 3) and features["token_ids"].shape[1] in declared
        seen += targets[real, 0].tolist()
    assert sorted(seen) == list(range(ROWS))


def test_length_of_a_group_is_that_of_its_longest_row(grouped):
    expected = [grouped.lengths[grouped.groups == group].max() for group in range(18)]
    assert grouped.group_lengths.tolist() == expected
    assert grouped.length_counts.sum() == 18
