"""The losses against the formulas written out in NumPy.

The whole file runs on the JAX backend too, in the process that tests/test_jax_backend.py starts.
"""

import keras
import numpy as np
import pytest

from tfft.tasks.heads import MASKED
from tfft.tasks.losses import LabelLoss, MultiLabelLoss, SpanLoss

LOGITS = np.array([[2.0, -1.0, 0.5], [0.0, 3.0, 1.0], [-2.0, 0.3, 0.1], [1.0, 1.0, 1.0]], "float32")
LABELS = np.array([0, 2, 1, 1], "int32")
TARGETS = np.array([[1, 0, 1], [0, 0, 0], [1, 1, 1], [0, 1, 0]], "float32")
CLASS_WEIGHTS = [1.0, 0.5, 3.0]
ROW_WEIGHTS = np.array([1.0, 0.0, 2.5, 0.5], "float32")


def log_softmax(logits):
    logits = logits.astype("float64")
    return logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))


def label_losses(labels=LABELS, logits=LOGITS, *, smoothing=0.0, class_weights=(1.0, 1.0, 1.0)):
    """(1 - s) of the target is the label's, s / labels every label's."""
    targets = np.eye(3)[labels] * (1 - smoothing) + smoothing / 3
    return -(targets * log_softmax(logits)).sum(axis=-1) * np.array(class_weights)[labels]


def multi_label_losses(*, smoothing=0.0, class_weights=(1.0, 1.0, 1.0)):
    targets = TARGETS * (1 - smoothing) + smoothing / 2
    probabilities = 1 / (1 + np.exp(-LOGITS.astype("float64")))
    present = np.array(class_weights) * targets * np.log(probabilities)
    absent = (1 - targets) * np.log(1 - probabilities)
    return -(present + absent).mean(axis=-1)


OPTIONS = [
    {},
    {"label_smoothing": 0.1},
    {"class_weights": CLASS_WEIGHTS},
    {"label_smoothing": 0.1, "class_weights": CLASS_WEIGHTS},
]


def in_numpy(options):
    names = {"label_smoothing": "smoothing", "class_weights": "class_weights"}
    return {names[key]: value for key, value in options.items()}


def number(tensor):
    return float(keras.ops.convert_to_numpy(tensor))


def test_label_loss_is_keras_cross_entropy_by_default():
    ours = number(LabelLoss()(LABELS, LOGITS))
    keras_own = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(LABELS, LOGITS)
    assert ours == pytest.approx(number(keras_own), rel=1e-6)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_label_loss(options):
    expected = label_losses(**in_numpy(options))
    losses = LabelLoss(**options).call(LABELS, LOGITS)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(losses), expected, rtol=1e-5)
    loss = LabelLoss(**options)(LABELS, LOGITS, sample_weight=ROW_WEIGHTS)
    assert number(loss) == pytest.approx(np.average(expected, weights=ROW_WEIGHTS), rel=1e-5)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_label_loss_of_pieces_some_of_which_have_no_label(options):
    labels, weights = LABELS.reshape(2, 2).copy(), ROW_WEIGHTS.reshape(2, 2)
    labels[1, 0] = -1
    expected = label_losses(**in_numpy(options)).reshape(2, 2) * (labels >= 0)
    logits = LOGITS.reshape(2, 2, 3)
    losses = LabelLoss(**options).call(labels, logits)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(losses), expected, rtol=1e-5)
    loss = LabelLoss(**options)(labels, logits, sample_weight=weights * (labels >= 0))
    mean = np.average(expected, weights=weights * (labels >= 0))
    assert number(loss) == pytest.approx(mean, rel=1e-5)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_multi_label_loss(options):
    expected = multi_label_losses(**in_numpy(options))
    losses = MultiLabelLoss(**options).call(TARGETS, LOGITS)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(losses), expected, rtol=1e-5)
    loss = MultiLabelLoss(**options)(TARGETS, LOGITS, sample_weight=ROW_WEIGHTS)
    assert number(loss) == pytest.approx(np.average(expected, weights=ROW_WEIGHTS), rel=1e-5)


def test_multi_label_weights_are_of_the_positives_alone():
    weighted = MultiLabelLoss(class_weights=[7.0, 7.0, 7.0])
    nothing = np.zeros_like(TARGETS)
    assert number(weighted(nothing, LOGITS)) == number(MultiLabelLoss()(nothing, LOGITS))


@pytest.mark.parametrize("loss", [LabelLoss, MultiLabelLoss])
def test_extreme_logits(loss):
    logits = np.array([[1e4, -1e4, 0.0]], "float32")
    targets = np.array([1], "int32") if loss is LabelLoss else np.array([[0, 1, 0]], "float32")
    assert np.isfinite(number(loss(label_smoothing=0.1)(targets, logits)))


@pytest.mark.parametrize("shape", [(4,), (4, 1)])
def test_labels_as_a_column(shape):
    assert number(LabelLoss()(LABELS.reshape(shape), LOGITS)) == pytest.approx(
        label_losses().mean(), rel=1e-5
    )


def test_low_precision_logits_are_computed_in_float32():
    loss = LabelLoss()(LABELS, keras.ops.cast(LOGITS * 8, "float16"))
    assert number(loss) == pytest.approx(label_losses(logits=LOGITS * 8).mean(), rel=1e-3)


# -------------------------------------------------------------------------------------- spans

SPANS = np.array([[1, 3], [0, 0]], "int32")
PIECES = [4, 2]


def span_logits(filler=MASKED, *, length=4):
    """Of rows of four and of two pieces, the rest filled up."""
    logits = np.full((2, length, 2), filler, "float32")
    logits[0, :4] = [[0.3, -1.0], [2.0, 0.0], [-0.5, 1.0], [1.0, 0.7]]
    logits[1, :2] = [[1.5, 0.2], [-0.4, 0.9]]
    return logits


def span_losses(*, smoothing=0.0):
    """The target of a row's pieces is (1 - s) at the right one, and s / pieces at each."""
    losses = []
    for row, pieces in enumerate(PIECES):
        ends = log_softmax(span_logits()[row, :pieces].T)
        targets = np.eye(pieces)[SPANS[row]] * (1 - smoothing) + smoothing / pieces
        losses.append(-(targets * ends).sum(axis=-1).mean())
    return losses


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("filler", [MASKED, -np.inf])
@pytest.mark.parametrize("length", [4, 7])
def test_span_loss_is_of_the_pieces_that_there_are(smoothing, filler, length):
    losses = SpanLoss(label_smoothing=smoothing).call(SPANS, span_logits(filler, length=length))
    expected = span_losses(smoothing=smoothing)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(losses), expected, rtol=1e-5)


def test_span_loss_counts_rows_by_their_weight():
    loss = SpanLoss()(SPANS, span_logits(), sample_weight=np.array([0.5, 2.0]))
    assert number(loss) == pytest.approx(np.average(span_losses(), weights=[0.5, 2.0]), rel=1e-5)
    first = SpanLoss()(SPANS, span_logits(), sample_weight=np.array([1.0, 0.0]))
    assert number(first) == pytest.approx(span_losses()[0], rel=1e-5)


def test_span_loss_in_low_precision_and_of_extreme_logits():
    halves = SpanLoss()(SPANS, keras.ops.cast(span_logits(-6e4), "float16"))
    assert number(halves) == pytest.approx(np.mean(span_losses()), rel=1e-3)
    extreme = SpanLoss(label_smoothing=0.1)(SPANS, span_logits() * np.float32(1e4))
    assert np.isfinite(number(extreme))


# --------------------------------------------------------------------------------- filler rows


def build_model(loss, *, seed=0):
    keras.utils.set_random_seed(seed)
    model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(3)])
    model.compile(optimizer=keras.optimizers.SGD(0.5), loss=loss, weighted_metrics=["accuracy"])
    return model


@pytest.mark.parametrize("targets", [LABELS, TARGETS], ids=["label", "multi_label"])
def test_filler_rows_change_neither_loss_nor_weights(targets):
    kind = LabelLoss if targets is LABELS else MultiLabelLoss
    loss = kind(class_weights=CLASS_WEIGHTS, label_smoothing=0.1)
    ones = np.ones(len(targets), "float32")
    plain, filled = build_model(loss), build_model(loss)
    first = plain.fit(LOGITS, targets, sample_weight=ones, verbose=0, batch_size=8).history
    second = filled.fit(
        np.concatenate([LOGITS, LOGITS[::-1] * 9]),
        np.concatenate([targets, targets[::-1]]),
        sample_weight=np.concatenate([ones, ones * 0]),
        batch_size=8,
        verbose=0,
    ).history
    assert second["loss"] == pytest.approx(first["loss"], rel=1e-6)
    assert second["accuracy"] == pytest.approx(first["accuracy"])
    for a, b in zip(plain.get_weights(), filled.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("targets", [LABELS, TARGETS], ids=["label", "multi_label"])
def test_batch_of_fillers_alone_changes_nothing(targets):
    model = build_model(LabelLoss() if targets is LABELS else MultiLabelLoss())
    before = model.get_weights()
    history = model.fit(LOGITS, targets, sample_weight=np.zeros(4), verbose=0).history
    assert history["loss"] == [0.0]
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
