"""Decoding against all sequences counted one by one, and entities against a plain loop."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from tfft.serving.ops import check_operations
from tfft.tasks.entity_answers import (
    BEGINS,
    INSIDE,
    OUTSIDE,
    entity_scores_mean,
    find_entities,
)
from tfft.tasks.tag_decoding import legal_transitions, marginals, viterbi

TAGS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
PREFIXES = np.array([OUTSIDE, BEGINS, INSIDE, BEGINS, INSIDE], "int32")
TYPES = np.array([-1, 0, 0, 1, 1], "int32")
LENGTHS = np.array([4, 1, 0, 3, 2], "int32")
ALLOWED, ALLOWED_START = legal_transitions(TAGS)
LEGAL = {"allowed": ALLOWED, "allowed_start": ALLOWED_START}


def random_scores(seed, num_tags=3):
    """Scores (5, 4, tags) and the chain's, with numbers beyond the lengths that must not count."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(0, 2, (len(LENGTHS), 4, num_tags))
    scores[np.arange(4) >= LENGTHS[:, None]] = 1e6
    shapes = {"transitions": (num_tags, num_tags), "start": (num_tags,), "end": (num_tags,)}
    chain = {name: rng.normal(0, 2, shape).astype("float32") for name, shape in shapes.items()}
    return scores.astype("float32"), chain


def random_legality(seed, num_tags=3):
    """Some tags that may not follow others; each has one that may follow."""
    rng = np.random.default_rng(seed)
    allowed = rng.random((num_tags, num_tags)) < 0.5
    allowed[np.arange(num_tags), rng.integers(0, num_tags, num_tags)] = True
    allowed_start = rng.random(num_tags) < 0.5
    allowed_start[rng.integers(num_tags)] = True
    return {"allowed": allowed, "allowed_start": allowed_start}


def sequences(scores, *, transitions, start, end):
    """Every sequence of tags for the words of a row, with its score."""
    for tags in itertools.product(range(scores.shape[1]), repeat=len(scores)):
        own = sum(row[tag] for row, tag in zip(scores, tags, strict=True))
        pairs = sum(transitions[a, b] for a, b in itertools.pairwise(tags))
        yield tags, own + pairs + start[tags[0]] + end[tags[-1]]


def is_legal(tags, *, allowed, allowed_start):
    return allowed_start[tags[0]] and all(allowed[a, b] for a, b in itertools.pairwise(tags))


@pytest.mark.parametrize("seed", range(10))
def test_viterbi_finds_the_best_of_all_legal_sequences(seed):
    scores, chain = random_scores(seed)
    legality = random_legality(seed)
    found = viterbi(scores, LENGTHS, **chain, **legality).numpy()
    for tags, row, length in zip(found, scores, LENGTHS, strict=True):
        assert (tags[length:] == -1).all()
        if length:
            every = sequences(row[:length], **chain)
            legal = [(score, tags) for tags, score in every if is_legal(tags, **legality)]
            assert tuple(tags[:length]) == max(legal)[1]
    assert found.dtype == "int32"


@pytest.mark.parametrize("seed", range(6))
def test_marginals_count_all_sequences(seed):
    scores, chain = random_scores(seed)
    found = marginals(scores, LENGTHS, **chain).numpy()
    for posterior, row, length in zip(found, scores, LENGTHS, strict=True):
        expected = np.zeros_like(row, "float64")
        for tags, score in sequences(row[:length], **chain) if length else []:
            expected[range(length), tags] += np.exp(score)
        expected[:length] /= expected[:length].sum(axis=1, keepdims=True)
        np.testing.assert_allclose(posterior, expected, atol=1e-5)


def test_without_a_chain_marginals_are_the_softmax():
    scores, chain = random_scores(0)
    none = {name: np.zeros_like(part) for name, part in chain.items()}
    found = marginals(scores, LENGTHS, **none).numpy()
    np.testing.assert_allclose(found[0], tf.nn.softmax(scores[0]), rtol=1e-5)


def test_long_rows_keep_their_digits():
    scores = np.random.default_rng(0).normal(50, 1, (1, 512, 3)).astype("float32")
    nothing = {"transitions": np.zeros((3, 3)), "start": np.zeros(3), "end": np.zeros(3)}
    anything = {"allowed": np.ones((3, 3), bool), "allowed_start": np.ones(3, bool)}
    tags = viterbi(scores, [512], **nothing, **anything).numpy()
    np.testing.assert_array_equal(tags[0], scores[0].argmax(axis=1))
    posterior = marginals(scores, [512], **nothing).numpy()
    np.testing.assert_allclose(posterior[0], tf.nn.softmax(scores[0]), rtol=1e-5)


# -------------------------------------------------------------------------------------- legality


def test_legal_transitions():
    legal = {(TAGS[a], TAGS[b]) for a, b in np.argwhere(ALLOWED)}
    inside = {("B-PER", "I-PER"), ("I-PER", "I-PER"), ("B-LOC", "I-LOC"), ("I-LOC", "I-LOC")}
    outside = {(a, b) for a in TAGS for b in ("O", "B-PER", "B-LOC")}
    assert legal == inside | outside
    assert [tag for tag, start in zip(TAGS, ALLOWED_START, strict=True) if start] == [
        *("O", "B-PER", "B-LOC")
    ]


def test_parts_of_speech_may_stand_anywhere():
    allowed, allowed_start = legal_transitions(["NN", "IN", "-LRB-", "."])
    assert allowed.all()
    assert allowed_start.all()


@pytest.mark.parametrize("value", [1e4, 3e38, np.inf, np.nan, -1e4, -3e38, -np.inf])
def test_no_scores_make_illegal_tags(value):
    rng = np.random.default_rng(0)
    chain = {"transitions": ~ALLOWED * 1e4, "start": ~ALLOWED_START * 1e4, "end": np.zeros(5)}
    for low in (0.0, -1e4, -np.inf):
        scores = np.where(rng.random((64, 9, 5)) < 0.5, value, low).astype("float32")
        scores[::2, :, [2, 4]] = value
        lengths = rng.integers(1, 10, 64)
        found = viterbi(scores, lengths, **chain, **LEGAL).numpy()
        for tags, length in zip(found, lengths, strict=True):
            assert is_legal(tags[:length], **LEGAL)
            assert (tags[length:] == -1).all()


# -------------------------------------------------------------------------------------- entities


def entities_by_loop(tags):
    """(first, last, type) as conlleval's startOfChunk and endOfChunk."""
    found, before = [], (OUTSIDE, -1)
    for number, tag in enumerate(tags):
        prefix, kind = PREFIXES[tag], TYPES[tag]
        if prefix == BEGINS or (prefix == INSIDE and (before[0] == OUTSIDE or before[1] != kind)):
            found.append([number, number, kind])
        elif prefix == INSIDE:
            found[-1][1] = number
        before = (prefix, kind)
    return [tuple(entity) for entity in found]


def in_batch(rows):
    """Rows of tags as (tags, lengths); what is beyond a row may be anything."""
    lengths = np.array([len(row) for row in rows], "int32")
    tags = np.full((len(rows), max(lengths, default=0)), -1, "int32")
    for number, row in enumerate(rows):
        tags[number, : len(row)] = row
    return tags, lengths


def as_tuples(entities):
    columns = [part.to_list() for part in entities]
    return [list(zip(*row, strict=True)) for row in zip(*columns, strict=True)]


def random_rows():
    rng = np.random.default_rng(0)
    return [rng.integers(0, len(TAGS), length).tolist() for length in rng.integers(0, 12, 500)]


@pytest.mark.parametrize("rows", [random_rows(), [[], []], []], ids=["random", "empty", "none"])
def test_find_entities_is_the_plain_loop(rows):
    tags, lengths = in_batch(rows)
    entities = find_entities(tags, lengths, prefixes=PREFIXES, types=TYPES)
    assert as_tuples(entities) == [entities_by_loop(row) for row in rows]
    assert {part.dtype for part in entities} == {tf.int32}
    probability = np.random.default_rng(0).random(tags.shape).astype("float32")
    means = entity_scores_mean(probability, entities).to_list()
    for row, found, expected in zip(probability, means, as_tuples(entities), strict=True):
        spans = [row[first : last + 1].mean() for first, last, _ in expected]
        assert found == pytest.approx(spans, rel=1e-5)


def test_find_entities_by_example():
    words = ["O", "I-PER", "I-PER", "I-LOC", "B-LOC", "I-LOC", "O", "B-PER", "B-PER"]
    row = [TAGS.index(tag) for tag in words]
    entities = find_entities(*in_batch([row]), prefixes=PREFIXES, types=TYPES)
    assert as_tuples(entities) == [[(1, 2, 0), (3, 3, 1), (4, 5, 1), (7, 7, 0), (8, 8, 0)]]


def test_tags_beyond_the_length_are_no_entities():
    tags = np.array([[1, 2, 2], [3, 4, 4]], "int32")
    entities = find_entities(tags, [1, 0], prefixes=PREFIXES, types=TYPES)
    assert as_tuples(entities) == [[(0, 0, 0)], []]


# ------------------------------------------------------------------------------------ SavedModel


def decode(scores, lengths):
    """All functions of the module, as a SavedModel would answer."""
    _, chain = random_scores(0, len(TAGS))
    tags = viterbi(scores, lengths, **chain, **LEGAL)
    posterior = marginals(scores, lengths, **chain)
    chosen = tf.gather(posterior, tf.maximum(tags, 0), batch_dims=2)
    entities = find_entities(tags, lengths, prefixes=PREFIXES, types=TYPES)
    dense = {name: part.to_tensor(-1) for name, part in entities._asdict().items()}
    means = entity_scores_mean(chosen, entities).to_tensor(-1.0)
    return {"tags": tags, "posterior": posterior, "mean": means, **dense}


@pytest.fixture(scope="module")
def saved_model(tmp_path_factory):
    path = tmp_path_factory.mktemp("decoding") / "1"
    module = tf.Module()
    module.decode = tf.function(
        decode,
        input_signature=[
            tf.TensorSpec([None, None, len(TAGS)], tf.float32),
            tf.TensorSpec([None], tf.int32),
        ],
    )
    tf.saved_model.save(module, str(path))
    return path


def test_old_servers_have_its_operations(saved_model):
    check_operations(saved_model)


def test_exported_function_answers_as_the_eager_one(saved_model):
    exported = tf.saved_model.load(str(saved_model)).decode
    scores, _ = random_scores(1, len(TAGS))
    for rows, words in [(5, 4), (0, 4), (0, 0), (1, 0), (3, 1)]:
        lengths = np.minimum(LENGTHS[:rows], words)
        expected, found = (f(scores[:rows, :words], lengths) for f in (decode, exported))
        for name, values in expected.items():
            np.testing.assert_allclose(found[name], values, atol=1e-6, err_msg=name)


def test_a_row_alone_is_answered_as_in_a_batch(saved_model):
    exported = tf.saved_model.load(str(saved_model)).decode
    scores, _ = random_scores(2, len(TAGS))
    together = exported(scores, LENGTHS)
    for row, length in enumerate(LENGTHS):
        alone = exported(scores[row : row + 1, :length], LENGTHS[row : row + 1])
        np.testing.assert_array_equal(alone["tags"][0], together["tags"][row, :length])
        np.testing.assert_allclose(
            alone["posterior"][0], together["posterior"][row, :length], atol=1e-6
        )
