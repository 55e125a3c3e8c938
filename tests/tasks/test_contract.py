"""What every task must do, on encoders with segment ids and without."""

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from contract import CASES, Model, as_answers, assert_same, dense, learn

from tfft.backbones.transformer import packed
from tfft.callbacks.checkpoints import load_weights, save_weights
from tfft.callbacks.dropout_schedule import DropoutSchedule
from tfft.data.packing import packed_dataset
from tfft.serving import write_saved_model
from tfft.serving.check import ask_in_fresh_process
from tfft.serving.requests import Request

TESTS_AND_ROOT = Path(__file__).parents[1:3]
MORE_PADDING = 9
EXTRA_COLUMNS = 3


@pytest.fixture(scope="module", params=CASES, ids=str)
def case(request):
    return request.param


@pytest.fixture(scope="module")
def learned(case):
    return learn(case)


@pytest.fixture(scope="module")
def other(case, learned):
    """A model with other weights, as one that gets its weights from a file is built."""
    return Model(case, **case.reload(learned.task))


# ------------------------------------------------------------------------------------- learning


def test_learns_a_batch_by_heart(case, learned):
    outputs = learned.outputs(learned.rows)
    scores = learned.task.scores(learned.rows, outputs)
    assert {name: scores[name] for name in case.perfect} == pytest.approx(case.perfect, abs=1e-3)
    assert learned.task.monitor in scores
    assert learned.task.confusions(learned.rows, outputs) == []
    assert learned.task.notes(learned.rows, outputs) == []
    json.dumps([scores, learned.task.counts(case.examples)], allow_nan=False)


def test_accumulates_gradients_while_dropout_falls(other):
    seen = [other.keras.get_weights()]
    other.fit(
        4,
        accumulate=2,
        batch_size=-(-len(other.rows) // 2),
        run_eagerly=True,
        callbacks=[
            DropoutSchedule(rate={"schedule": "linear", "start": 0.1, "end": 0.0}),
            keras.callbacks.LambdaCallback(
                on_train_batch_end=lambda batch, logs: seen.append(other.keras.get_weights())
            ),
        ],
    )
    moved = [changes(before, after) for before, after in itertools.pairwise(seen)]
    # The first update is that of a warm-up: its rate is 0.
    assert moved[:3] == [0, 0, 0] and moved[3] > 0
    assert all(np.isfinite(weight).all() for weight in seen[-1])


def changes(before, after):
    return sum(not np.array_equal(*pair) for pair in zip(before, after, strict=True))


# ------------------------------------------------------------------------------------- the loss


def test_loss_does_not_depend_on_padding(case, other):
    length = int(other.rows.lengths.max())
    for options in [{}, case.loss_options] if case.loss_options else [{}]:
        task = case.build_task(**options)
        loss = other.loss(task, length)
        assert loss > 0.01
        assert other.loss(task, length + MORE_PADDING) == pytest.approx(loss, abs=1e-6)
        assert other.loss(task, length + 1, fillers=3) == pytest.approx(loss, abs=1e-6)


# What looks at whole rows, or at several of them.
UNPACKED = (
    *("crf", "questions", "unanswerable", "baseline", "baseline tags"),
    *("similarity", "cosent", "listwise", "pointwise", "masked", "masked words"),
)


@pytest.mark.parametrize("packable", [c for c in CASES if c.name not in UNPACKED], ids=str)
def test_packed_rows_have_the_same_loss(packable):
    model = Model(packable, dropout=0.0)
    size = len(model.rows) + 1  # a batch that is not full
    options = {"batch_size": size, "row_length": 60, "seed": 1, "epochs": 1}
    dataset, steps = packed_dataset(model.rows, pad_id=model.encoder.pad_id, **options)
    features, targets, weights = next(iter(dataset))
    assert steps == 1 and features["token_ids"].shape[0] < size
    with packed(model.keras, size):
        outputs = model.keras(features, training=True)
    loss = float(model.task.loss(model.keras)(targets, outputs, sample_weight=weights))
    assert loss == pytest.approx(model.loss(model.task, int(model.rows.lengths.max())), rel=1e-5)


@pytest.mark.parametrize("tagging", [c for c in CASES if c.build_task().takes_words], ids=str)
def test_only_first_pieces_of_words_count(tagging):
    model = learn(tagging)
    outputs = model.outputs(model.rows)
    noise = tf.random.stateless_normal(tf.shape(outputs.flat_values), [1, 2], stddev=9.0)
    is_word = model.rows.targets.flat_values[:, None] >= 0
    changed = outputs.with_flat_values(outputs.flat_values + tf.where(is_word, 0.0, noise))
    words = sum(map(len, tagging.examples.labels))
    assert int(tf.reduce_sum(tf.cast(is_word, tf.int32))) == words < len(noise)

    for judge in (model.task.scores, model.task.answers, model.task.tags):
        assert_same(judge(model.rows, outputs), judge(model.rows, changed))
    _, targets, weights = model.batch(int(model.rows.lengths.max()))
    order = row_order(model)
    loss = model.task.loss(model.keras)
    metric = model.task.metrics()[0]
    losses, metrics = [], []
    for each in (outputs, changed):
        each = tf.gather(each, order).to_tensor()
        losses.append(float(loss(targets, each, sample_weight=weights)))
        metric.reset_state()
        metrics.append(float(metric(targets, each, sample_weight=weights)))
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)
    assert metrics == [1.0, 1.0]


def row_order(model):
    """In which order `Model.batch` has the rows: their pieces tell."""
    features, *_ = model.batch(int(model.rows.lengths.max()))
    ids = model.rows.features["token_ids"].to_tensor(model.encoder.pad_id).numpy().tolist()
    return [ids.index(row) for row in features["token_ids"].numpy().tolist()]


# ------------------------------------------------------------------------------------ answering


def test_reloaded_model_answers_the_same(learned, other, tmp_path):
    save_weights(tmp_path / "model.weights.h5", learned.keras)
    load_weights(tmp_path / "model.weights.h5", other.keras)
    assert_same(learned.answers, other.task.answers(other.asked, other.outputs(other.asked)))
    first, second = (
        each.task.scores(each.rows, each.outputs(each.rows)) for each in (learned, other)
    )
    # The squares of small errors in numbers up to 400 are known to less than the answers.
    assert_same(first, second, tolerance=1e-4)


def test_texts_together_are_answered_as_one_by_one(learned):
    """Both ways of getting outputs, too: few texts take another than many."""
    rows, outputs = learned.asked, dense(learned.outputs(learned.asked)).numpy()
    for number, expected in enumerate(learned.answers):
        alone = learned.tokenized({name: [c[number]] for name, c in learned.texts.items()})
        alone_outputs = dense(learned.run.outputs(alone))
        assert_same([expected], learned.task.answers(alone, learned.run.outputs(alone)))
        together = outputs[rows.rows_of(number, number + 1)]
        if together.ndim > 2:
            together = together[:, : alone_outputs.shape[1]]
        np.testing.assert_allclose(together, alone_outputs, rtol=1e-5, atol=1e-4)


def test_answers_are_json_and_their_offsets_are_of_their_text(learned):
    json.dumps(learned.answers, allow_nan=False)
    text = learned.texts[learned.task.text_fields[-1]]
    for each, answer in zip(text, learned.answers, strict=True):
        spans = answer.get("entities", [answer] if "start" in answer else [])
        for span in spans:
            words = span["text"] if "text" in span else span["answer"]
            place = slice(span["start"], span["end"]) if span["end"] >= 0 else slice(0)
            assert each[place] == words
            assert 0 <= span["score"] <= 1 + 1e-6


# --------------------------------------------------------------------------------------- serving


def requests_of(model: Model) -> list[Request]:
    """All texts in one batch, each of some alone, none at all; and all rows as ids."""
    texts, rows = model.case.columns(), model.asked
    asked = []
    for group in (list(range(rows.num_examples)), [0], [6], [], [rows.num_examples - 1, 0]):
        inputs = {name: [column[row] for row in group] for name, column in texts.items()}
        asked.append(Request(group, "serving_default", inputs))
    padded = model.encoder.pad(rows.features, int(rows.lengths.max()) + EXTRA_COLUMNS)
    ids = {name: values.numpy().tolist() for name, values in padded.items()}
    return [*asked, Request(list(range(len(rows))), "tokens", ids)]


# One or two of each task: a SavedModel takes seconds to write. Pairs, one label a text and several
# are served in tests/serving.
ELSEWHERE = (
    *("single", "baseline", "pair", "multi_label", "tags", "pair regression"),
    *("cosent", "pointwise", "masked words"),
)
SERVED = [case for case in CASES if case.name not in ELSEWHERE]


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """What the SavedModels answer, from one fresh process."""
    place = tmp_path_factory.mktemp("saved_models")
    pairs = []
    for number, each in enumerate(map(learn, SERVED)):
        write_saved_model(each.task, each.encoder, each.keras, place / str(number))
        pairs.append((place / str(number), requests_of(each)))
    return dict(zip(map(str, SERVED), ask_in_fresh_process(pairs), strict=True))


@pytest.mark.parametrize("case", SERVED, ids=str)
def test_saved_model_answers_texts_as_the_model(case, served):
    learned = learn(case)
    for request, answer in zip(requests_of(learned), served[str(case)], strict=True):
        if request.signature == "serving_default":
            expected = [learned.answers[row] for row in request.rows]
            assert_same(expected, as_answers(answer, learned.task))


@pytest.mark.parametrize("case", SERVED, ids=str)
def test_saved_model_answers_ids_as_the_model(case, served):
    learned = learn(case)
    rows, outputs = learned.asked, dense(learned.outputs(learned.asked))
    expected, found = learned.task.serve_tokens(outputs), served[str(case)][-1]
    assert found.keys() == expected.keys()
    is_piece = np.arange(outputs.shape[1]) < rows.lengths[:, None]
    for name, values in expected.items():
        right, got = values.numpy(), found[name]
        if outputs.shape.rank > 2:
            assert got.shape[1] == rows.lengths.max() + EXTRA_COLUMNS
            assert not got[:, right.shape[1] :].any()
            right, got = right[is_piece], got[:, : right.shape[1]][is_piece]
        if right.dtype == object:
            right = right.astype(str)
        assert_same(right.tolist(), got.tolist())


# ------------------------------------------------------------------------------------------- JAX

# Not what is to train the same as another: a model and a loss that others have.
TRAINED_ON_JAX = [
    case
    for case in CASES
    if case.name not in ("pair", "pair regression", "baseline tags", "unanswerable")
]
TRAIN_ON_JAX = """
import sys
import conftest
import numpy as np
from contract import CASES, Model

conftest.pytest_collection_finish()
names = sys.argv[2:]
for case in CASES:
    if case.name not in names:
        continue
    model = Model(case, dropout=0.0)
    before = model.keras.get_weights()
    # The rate of the first step is 0: both have the loss of these weights.
    loss = [model.loss(model.task, int(model.rows.lengths.max()))] if case.draws else []
    loss = (loss + model.fit(2).history["loss"])[:1]
    after = model.keras.get_weights()
    np.savez(f"{sys.argv[1]}/{case.name}.before.npz", loss, *before)
    np.savez(f"{sys.argv[1]}/{case.name}.after.npz", *after)
"""


@pytest.fixture(scope="module", autouse=True)
def jax_process(request, tmp_path_factory, jax_environment):
    """Trains all cases where Keras computes with JAX, while the other tests run."""
    if not any(item.name == test_trains_on_jax.__name__ for item in request.session.items):
        yield None
        return
    place = tmp_path_factory.mktemp("jax")
    environment = {
        "PYTHONPATH": os.pathsep.join(map(str, TESTS_AND_ROOT)),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        **jax_environment,
    }
    names = [case.name for case in TRAINED_ON_JAX]
    command = [sys.executable, "-c", TRAIN_ON_JAX, str(place), *names]
    with (
        open(place / "said.txt", "wb") as said,
        subprocess.Popen(
            command, env=os.environ | environment, stdout=said, stderr=said
        ) as process,
    ):
        yield process, place
        process.kill()


def test_trains_on_jax(jax_process):
    """A step changes the weights, and the loss is that of TensorFlow."""
    pytest.importorskip("jax")
    process, place = jax_process
    assert process.wait() == 0, (place / "said.txt").read_text("utf-8")[-4000:]
    for case in TRAINED_ON_JAX:
        (loss,), *before = load_arrays(place / f"{case.name}.before.npz")
        after = load_arrays(place / f"{case.name}.after.npz")
        assert changes(before, after) > 0
        assert all(np.isfinite(weight).all() for weight in after)
        model = Model(case, dropout=0.0)
        model.keras.set_weights(before)
        expected = model.loss(model.task, int(model.rows.lengths.max()))
        assert loss == pytest.approx(expected, rel=1e-4, abs=1e-4), str(model.case)


def load_arrays(path):
    with np.load(path) as arrays:
        return [arrays[f"arr_{number}"] for number in range(len(arrays.files))]
