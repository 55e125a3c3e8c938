"""The loss of the chain against all sequences counted one by one, in NumPy.

The gradient's test runs on the JAX backend too, in the process that tests/test_jax_backend.py
starts; the rest passes there as well, but takes long.
"""

import itertools

import keras
import numpy as np
import pytest

from tfft.tasks.crf import Crf, CrfLoss

TAGS = 3
# Words, padding, special pieces; a row of one word, and one of none.
TARGETS = np.array(
    [[-1, 0, 2, -1, 1, 1, -1], [2, -1, -1, 0, -1, 2, 0], [-1, -1, 1, -1, -1, -1, -1], [-1] * 7],
    "int32",
)
WEIGHTS = (TARGETS >= 0).astype("float32")
LOGITS = np.random.default_rng(0).normal(size=(*TARGETS.shape, TAGS)).astype("float32")
CHAIN = [np.random.default_rng(1).normal(size=s).astype("float32") for s in [(3, 3), (3,), (3,)]]
# Of a training step, by the arguments of `compile`. Where nothing is said JAX compiles all.
STEPS = {"eager": {"run_eagerly": True}, "auto": {}, "compiled": {"jit_compile": True}}
PLACES = np.arange(TARGETS.size, dtype="int32").reshape(TARGETS.shape)
BATCH = (PLACES, TARGETS, WEIGHTS)


def sequence_score(tags, logits, transitions, start, end):
    pairs = sum(transitions[a, b] for a, b in itertools.pairwise(tags))
    own = sum(row[tag] for row, tag in zip(logits, tags, strict=True))
    return own + pairs + start[tags[0]] + end[tags[-1]]


def row_loss(targets, logits, *chain):
    """-log p(tags) in float64, with every sequence counted."""
    tags, logits = targets[targets >= 0], logits[targets >= 0].astype("float64")
    if not len(tags):
        return 0.0
    every = itertools.product(range(TAGS), repeat=len(tags))
    total = np.sum([np.exp(sequence_score(other, logits, *chain)) for other in every])
    return np.log(total) - sequence_score(tags, logits, *chain)


def row_losses(targets, logits, *chain):
    return [row_loss(*row, *chain) for row in zip(targets, logits, strict=True)]


def mean_loss(logits, *chain):
    return np.sum(row_losses(TARGETS, logits, *chain)) / WEIGHTS.sum()


def slopes(function, arguments, number, width=1e-4):
    """The numerical gradient for one of the arguments."""
    arguments = [argument.astype("float64") for argument in arguments]
    found = np.zeros_like(arguments[number])
    for index in np.ndindex(found.shape):
        ends = []
        for sign in (1, -1):
            moved = [argument.copy() for argument in arguments]
            moved[number][index] += sign * width
            ends.append(function(*moved))
        found[index] = (ends[0] - ends[1]) / (2 * width)
    return found


def build_crf(chain=CHAIN):
    crf = Crf()
    crf.build((None, None, len(chain[1])))
    crf.set_weights(chain)
    return crf


def numpy(tensor):
    return keras.ops.convert_to_numpy(tensor)


def test_a_row_sums_to_its_negative_log_likelihood():
    losses = numpy(CrfLoss(build_crf()).call(TARGETS, LOGITS))
    np.testing.assert_allclose(
        losses.sum(axis=1), row_losses(TARGETS, LOGITS, *CHAIN), rtol=1e-5, atol=1e-6
    )
    assert losses.shape == TARGETS.shape
    assert not losses[TARGETS < 0].any()


def test_weights_of_words_give_the_likelihood_a_word():
    loss = CrfLoss(build_crf())(TARGETS, LOGITS, sample_weight=WEIGHTS)
    assert float(numpy(loss)) == pytest.approx(mean_loss(LOGITS, *CHAIN), rel=1e-5)


def test_without_transitions_it_is_the_cross_entropy():
    crf = Crf()
    crf.build((None, None, TAGS))
    losses = numpy(CrfLoss(crf).call(TARGETS, LOGITS))
    entropy = keras.losses.sparse_categorical_crossentropy(
        np.maximum(TARGETS, 0), LOGITS, from_logits=True
    )
    np.testing.assert_allclose(losses, numpy(entropy) * WEIGHTS, rtol=1e-4, atol=1e-6)


def test_padding_changes_nothing():
    loss = CrfLoss(build_crf())
    padded = np.pad(TARGETS, [[0, 2], [3, 5]], constant_values=-1)
    logits = np.pad(LOGITS, [[0, 2], [3, 5], [0, 0]], constant_values=77.0)
    losses, longer = numpy(loss.call(TARGETS, LOGITS)), numpy(loss.call(padded, logits))
    np.testing.assert_allclose(longer[:4, 3:10], losses, rtol=1e-6, atol=1e-6)
    assert not longer[4:].any()


def test_long_rows_of_large_logits():
    rng = np.random.default_rng(2)
    targets, logits = rng.integers(0, 5, (2, 512)), rng.normal(0, 30, (2, 512, 5))
    chain = [rng.normal(0, 10, shape) for shape in [(5, 5), (5,), (5,)]]
    losses = numpy(CrfLoss(build_crf(chain)).call(targets, logits)).sum(axis=1)
    for tags, row, loss in zip(targets, logits, losses, strict=True):
        total = chain[1] + row[0]
        for scores in row[1:]:
            total = np.logaddexp.reduce(total[:, None] + chain[0], axis=0) + scores
        expected = np.logaddexp.reduce(total + chain[2]) - sequence_score(tags, row, *chain)
        assert loss == pytest.approx(expected, rel=1e-5)


def test_low_precision_logits_are_computed_in_float32():
    logits = keras.ops.cast(LOGITS, "float16")
    losses = numpy(CrfLoss(build_crf()).call(TARGETS, logits)).sum(axis=1)
    np.testing.assert_allclose(
        losses, row_losses(TARGETS, numpy(logits), *CHAIN), rtol=1e-5, atol=1e-6
    )


# --------------------------------------------------------------------------------------- training


def build_model(*, step="auto", **options):
    """A model whose weights are the logits themselves, and the chain."""
    inputs = keras.Input((None,), dtype="int32")
    outputs = Crf()(keras.layers.Embedding(TARGETS.size, TAGS)(inputs))
    model = keras.Model(inputs, outputs)
    model.set_weights([LOGITS.reshape(-1, TAGS), *CHAIN])
    optimizer = keras.optimizers.SGD(**{"learning_rate": 1.0, **options})
    model.compile(optimizer, CrfLoss(model.get_layer("crf")), **STEPS[step])
    return model


def fit(model, *batches):
    """Takes a step for each batch (places, targets, weights) and returns their mean loss."""
    steps = {"steps_per_epoch": len(batches), "shuffle": False}
    return model.fit((batch for batch in batches), verbose=0, **steps).history["loss"][0]


@pytest.mark.parametrize("step", ["eager", "auto"])
def test_fit_follows_the_gradient(step):
    model = build_model(step=step)
    assert fit(model, BATCH) == pytest.approx(mean_loss(LOGITS, *CHAIN), rel=1e-5)
    before = [LOGITS, *CHAIN]
    for number, after in enumerate(model.get_weights()):
        moved = before[number] - after.reshape(before[number].shape)
        np.testing.assert_allclose(moved, slopes(mean_loss, before, number), atol=1e-5)


def longer(length):
    """The same rows with more padding at the end."""
    more = [[0, 0], [0, length - TARGETS.shape[1]]]
    return np.pad(PLACES, more), np.pad(TARGETS, more, constant_values=-1), np.pad(WEIGHTS, more)


@pytest.mark.parametrize("step", ["auto", "compiled"])
def test_batches_of_many_lengths(step):
    model = build_model(step=step, learning_rate=0.0)
    assert fit(model, BATCH, longer(9)) == pytest.approx(mean_loss(LOGITS, *CHAIN), rel=1e-5)


def test_fit_with_accumulation():
    once, twice = build_model(), build_model(gradient_accumulation_steps=2)
    fit(once, BATCH)
    fit(twice, BATCH, BATCH)
    for a, b in zip(once.get_weights(), twice.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_rows_without_words_train_nothing():
    model = build_model()
    nothing = (PLACES, np.full_like(TARGETS, -1), np.zeros_like(WEIGHTS))
    assert fit(model, nothing) == 0.0
    for before, after in zip([LOGITS.reshape(-1, TAGS), *CHAIN], model.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)


def test_mixed_precision_trains_and_keeps_the_chain_in_float32():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = build_model()
    finally:
        keras.config.set_dtype_policy("float32")
    assert model.output.dtype == "float32"
    assert {weight.dtype for weight in model.get_layer("crf").weights} == {"float32"}
    assert fit(model, BATCH) == pytest.approx(mean_loss(LOGITS, *CHAIN), rel=0.02)
    for before, after in zip(CHAIN, model.get_layer("crf").get_weights(), strict=True):
        assert not np.array_equal(before, after)


@pytest.mark.parametrize("file", ["model.weights.h5", "model.keras"])
def test_saved_and_loaded(file, tmp_path):
    model = keras.Sequential([keras.Input((None, TAGS)), Crf()])
    model.set_weights(CHAIN)
    if file == "model.keras":
        model.save(tmp_path / file)
        loaded = keras.models.load_model(tmp_path / file)
    else:
        model.save_weights(tmp_path / file)
        loaded = keras.Sequential([keras.Input((None, TAGS)), Crf()])
        loaded.load_weights(tmp_path / file)
    crf = loaded.get_layer("crf")
    for saved, found in zip(CHAIN, [crf.transitions, crf.start, crf.end], strict=True):
        np.testing.assert_array_equal(saved, numpy(found))
