"""The share of zeros that the layers of a model really produce in the compiled training step.

The whole file runs on the JAX backend too, in a process that ``test_jax_backend`` starts.
"""

import os
import subprocess
import sys
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from keras import layers, ops

from tfft.callbacks.dropout_layers import find_dropout_layers
from tfft.callbacks.dropout_schedule import DropoutSchedule
from tfft.callbacks.rate_schedule import RateSchedule
from tfft.callbacks.scheduled_call import Position, ScheduledCall
from tfft.callbacks.scheduled_dropout import restore_dropout

# Keras on TensorFlow turns variables into arrays in a way that NumPy 2 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

WIDTH = 2000
BATCH = 32
EPOCHS = 3
STEPS = 4  # per epoch
X = np.ones((BATCH * STEPS, 3), "float32")
Y = np.zeros((BATCH * STEPS, 1), "float32")
TOLERANCE = 5 * (0.25 / (BATCH * WIDTH)) ** 0.5  # five standard deviations of a share of zeros
DOWN = RateSchedule("linear", start=0.8, end=0.0)


class Probe:
    """Share of zeros in the last calls of a layer, kept by the model like random state."""

    def __init__(self, model, length):
        self.state = keras.Variable(np.full(length, -1.0), trainable=False, dtype="float32")
        model._seed_generators.append(self)

    def add(self, outputs):
        zeros = ops.mean(ops.cast(ops.equal(outputs, 0), "float32"))
        self.state.assign(ops.concatenate([self.state.value[1:], ops.reshape(zeros, (1,))]))

    @property
    def shares(self):
        return ops.convert_to_numpy(self.state.value)


@pytest.fixture
def watch(monkeypatch):
    """Returns a function that begins to record the zeros of a Dropout layer."""
    probes = {}
    plain_call = layers.Dropout.__call__

    def probed_call(self, *args, **kwargs):
        outputs = plain_call(self, *args, **kwargs)
        if id(self) in probes and not isinstance(outputs, keras.KerasTensor):
            probes[id(self)].add(outputs)
        return outputs

    monkeypatch.setattr(layers.Dropout, "__call__", probed_call)

    def begin(model, layer, length=EPOCHS * STEPS):
        return probes.setdefault(id(layer), Probe(model, length))

    return begin


class TraceCounter(layers.Layer):
    traces = 0

    def call(self, inputs, training=False):
        self.traces += bool(training)
        return inputs


def build_model(rate=0.5, **compile_kwargs):
    """A model whose dropout layer drops from a matrix of ones that training leaves alone."""
    inputs = keras.Input((3,))
    x = layers.Dense(WIDTH, kernel_initializer="zeros", bias_initializer="ones")(inputs)
    x = TraceCounter(name="counter")(layers.Dropout(rate, name="drop")(x))
    model = keras.Model(inputs, layers.Dense(1, kernel_initializer="zeros")(x))
    compile_kwargs = {"optimizer": keras.optimizers.SGD(0.0), "loss": "mse"} | compile_kwargs
    model.compile(**compile_kwargs)
    return model


def fit(model, *callbacks, **kwargs):
    kwargs = {"batch_size": BATCH, "epochs": EPOCHS, "verbose": 0} | kwargs
    return model.fit(X, Y, callbacks=list(callbacks), **kwargs).history


def fractions(count):
    return np.arange(count) / (count - 1)


STEPWISE, EPOCHWISE = fractions(EPOCHS * STEPS), fractions(EPOCHS).repeat(STEPS)


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (DOWN, 0.8 - 0.8 * STEPWISE),
        (RateSchedule("linear", start=0.1, end=0.7, by="epoch"), 0.1 + 0.6 * EPOCHWISE),
        (
            RateSchedule("linear", start=0.6, end=0.2, begin_fraction=0.25, end_fraction=0.75),
            np.interp(STEPWISE, [0.25, 0.75], [0.6, 0.2]),
        ),
        (
            RateSchedule("cosine", start=0.8, end=0.2),
            0.2 + 0.6 * (1 + np.cos(np.pi * STEPWISE)) / 2,
        ),
        (
            RateSchedule("step", rates=(0.5, 0.3, 0.1), boundaries=(0.3, 0.8)),
            np.select([STEPWISE < 0.3, STEPWISE < 0.8], [0.5, 0.3], 0.1),
        ),
        (
            RateSchedule("step", rates=(0.6, 0.2), boundaries=(0.5,), by="epoch"),
            np.array([0.6] * 4 + [0.2] * 8),
        ),
        (RateSchedule("step", rates=(0.9,)), np.full(EPOCHS * STEPS, 0.9)),
    ],
    ids=["linear", "linear by epoch", "window", "cosine", "jumps", "jumps by epoch", "constant"],
)
def test_each_step_drops_at_the_scheduled_rate(watch, schedule, expected):
    model = build_model()
    probe = watch(model, model.get_layer("drop"))
    history = fit(model, DropoutSchedule(rate=schedule))
    np.testing.assert_allclose(probe.shares, expected, atol=TOLERANCE)
    np.testing.assert_allclose(history["dropout_rate"], expected[STEPS - 1 :: STEPS], atol=1e-5)
    assert model.get_layer("counter").traces == 1


@pytest.mark.parametrize("options", [{"jit_compile": True}, {"run_eagerly": True}])
def test_other_ways_to_run_the_step(watch, options):
    model = build_model(**options)
    probe = watch(model, model.get_layer("drop"))
    fit(model, DropoutSchedule(rate=DOWN))
    np.testing.assert_allclose(probe.shares, 0.8 - 0.8 * STEPWISE, atol=TOLERANCE)


def test_kept_units_are_scaled_and_noise_shape_is_kept():
    layer = layers.Dropout(0.5, noise_shape=(None, 1, 4))
    call = ScheduledCall(layer, lambda _: ops.array(0.2), Position(), layer.seed_generator)
    outputs = ops.convert_to_numpy(call(ops.ones((50, 6, 4)), training=True))
    np.testing.assert_allclose(np.unique(outputs), [0.0, 1.25])
    np.testing.assert_array_equal(outputs, outputs[:, :1].repeat(6, axis=1))
    assert not ops.all(call(ops.ones((50, 6, 4)), training=True) == outputs)
    assert ops.all(call(ops.ones((50, 6, 4))) == 1.0)


def test_model_fitted_before_and_after(watch):
    model = build_model()
    probe = watch(model, model.get_layer("drop"), 4 * STEPS)
    fit(model, epochs=1)
    fit(model, DropoutSchedule(rate=DOWN), epochs=2)
    fit(model, epochs=1)
    expected = [0.5] * STEPS + list(0.8 - 0.8 * fractions(2 * STEPS)) + [0.5] * STEPS
    np.testing.assert_allclose(probe.shares, expected, atol=TOLERANCE)
    assert model.get_layer("counter").traces == 3


def test_layer_built_with_rate_zero(watch):
    model = build_model(rate=0.0)
    probe = watch(model, model.get_layer("drop"))
    fit(model, DropoutSchedule(rate=RateSchedule("step", rates=(0.4,))))
    np.testing.assert_allclose(probe.shares, [0.4] * EPOCHS * STEPS, atol=TOLERANCE)
    assert len(set(probe.shares)) > 1  # the random state moves on
    assert not hasattr(model.get_layer("drop"), "seed_generator")


def test_resume_at_an_epoch_continues_where_training_would_have_been(watch):
    model = build_model()
    probe = watch(model, model.get_layer("drop"), STEPS)
    history = fit(model, DropoutSchedule(rate=DOWN), initial_epoch=2)
    np.testing.assert_allclose(probe.shares, 0.8 - 0.8 * STEPWISE[-STEPS:], atol=TOLERANCE)
    assert history["dropout_rate"] == [0.0]


def test_resume_draws_the_same_for_a_layer_built_with_rate_zero(watch):
    """Such a layer has no random state of its own that a checkpoint could hold."""

    def shares(**options):
        keras.utils.set_random_seed(7)
        model = build_model(rate=0.0)
        probe = watch(model, model.get_layer("drop"), STEPS)
        fit(model, DropoutSchedule(rate=DOWN), **options)
        return probe.shares

    np.testing.assert_array_equal(shares(), shares(initial_epoch=2))


def test_gradient_accumulation_and_several_steps_per_execution_count_batches(watch):
    optimizer = keras.optimizers.SGD(0.0, gradient_accumulation_steps=2)
    model = build_model(optimizer=optimizer, steps_per_execution=2)
    probe = watch(model, model.get_layer("drop"))
    fit(model, DropoutSchedule(rate=DOWN))
    np.testing.assert_allclose(probe.shares, 0.8 - 0.8 * STEPWISE, atol=TOLERANCE)


def test_low_precision_does_not_round_the_position(watch):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = build_model()
    finally:
        keras.config.set_dtype_policy("float32")
    probe = watch(model, model.get_layer("drop"), 2 * STEPS)
    jump = RateSchedule("step", rates=(0.1, 0.7), boundaries=(301 / 302,), by="epoch")
    fit(model, DropoutSchedule(rate=jump, total_epochs=303), initial_epoch=300, epochs=302)
    np.testing.assert_allclose(probe.shares, [0.1] * 4 + [0.7] * 4, atol=TOLERANCE)


def batches(count=STEPS):
    for _ in range(count):
        yield X[:BATCH], Y[:BATCH]


def fit_unknown_length(model, schedule):
    return model.fit(batches(), shuffle=False, verbose=0, callbacks=[schedule]).history


def test_unknown_number_of_batches_needs_total_steps():
    with pytest.raises(ValueError, match="Give `total_steps`"):
        fit_unknown_length(build_model(), DropoutSchedule(rate=DOWN))


@pytest.mark.filterwarnings("ignore:Your input ran out of data:UserWarning")
def test_unknown_number_of_batches_with_total_steps(watch):
    model = build_model()
    probe = watch(model, model.get_layer("drop"), STEPS)
    fit_unknown_length(model, DropoutSchedule(rate=DOWN, total_steps=7))
    np.testing.assert_allclose(probe.shares, 0.8 - 0.8 * fractions(7)[:STEPS], atol=TOLERANCE)


@pytest.mark.filterwarnings("ignore:Your input ran out of data:UserWarning")
def test_unknown_number_of_batches_by_epoch():
    jump = RateSchedule("step", rates=(0.4, 0.2), boundaries=(1.0,), by="epoch")
    history = fit_unknown_length(build_model(), DropoutSchedule(rate=jump))
    assert history["dropout_rate"] == [0.4]


@pytest.mark.parametrize("schedule_first", [True, False])
def test_early_stopping_that_restores_the_best_weights(watch, schedule_first):
    model = build_model()
    probe = watch(model, model.get_layer("drop"), 2 * STEPS)
    stopping = keras.callbacks.EarlyStopping(monitor="loss", patience=1, restore_best_weights=True)
    callbacks = [DropoutSchedule(rate=DOWN), stopping]
    history = fit(model, *callbacks[:: 1 if schedule_first else -1])
    assert len(history["loss"]) == 2
    np.testing.assert_allclose(probe.shares, 0.8 - 0.8 * STEPWISE[: 2 * STEPS], atol=TOLERANCE)


def keys(path):
    found = []
    with h5py.File(path) as file:
        file.visit(found.append)
    return found


class SaveDuringTraining(keras.callbacks.Callback):
    def __init__(self, folder):
        super().__init__()
        self.folder = folder

    def on_epoch_end(self, epoch, logs=None):
        self.model.load_weights(self.folder / "before.weights.h5")
        self.model.save_weights(self.folder / "during.weights.h5")
        self.model.save(self.folder / "during.keras")
        self.config = self.model.get_config()
        self.weights = self.model.get_weights()


def test_saved_files_are_those_of_a_plain_model(tmp_path):
    model = build_model()
    config, variables = model.get_config(), len(model.variables)
    model.save_weights(tmp_path / "before.weights.h5")
    saving = SaveDuringTraining(tmp_path)
    fit(model, DropoutSchedule(rate=DOWN), saving, epochs=1)
    model.save_weights(tmp_path / "after.weights.h5")

    assert saving.config == config == model.get_config()
    assert len(saving.weights) == len(model.get_weights())
    assert len(model.variables) == variables
    for name in ("during", "after"):
        assert keys(tmp_path / f"{name}.weights.h5") == keys(tmp_path / "before.weights.h5")
        model.load_weights(tmp_path / f"{name}.weights.h5")
    custom_objects = {"TraceCounter": TraceCounter}
    loaded = keras.saving.load_model(tmp_path / "during.keras", custom_objects=custom_objects)
    assert type(loaded.get_layer("drop")) is layers.Dropout
    assert loaded.get_layer("drop").rate == 0.5


class Interrupt(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        raise KeyboardInterrupt


@pytest.mark.parametrize("by_hand", [True, False])
def test_interrupted_training_is_undone(watch, by_hand):
    model = build_model()
    probe = watch(model, model.get_layer("drop"), STEPS)
    with pytest.raises(KeyboardInterrupt):
        fit(model, DropoutSchedule(rate=RateSchedule("step", rates=(0.1,))), Interrupt())
    if by_hand:
        restore_dropout(model)
    else:
        fit(model, DropoutSchedule(rate=DOWN), epochs=1)
    fit(model, epochs=1)
    assert "train_step" not in vars(model)
    np.testing.assert_allclose(probe.shares, [0.5] * STEPS, atol=TOLERANCE)


def test_a_train_step_set_on_the_model_is_called_and_kept():
    model, calls = build_model(), []
    plain = model.train_step

    def train_step(*args):
        calls.append(1)
        return plain(*args)

    model.train_step = train_step
    fit(model, DropoutSchedule(rate=DOWN))
    assert calls == [1] and model.train_step is train_step


def test_two_schedules_in_one_fit_are_refused():
    with pytest.raises(ValueError, match="drop: follows another DropoutSchedule"):
        fit(build_model(), DropoutSchedule(rate=DOWN), DropoutSchedule(rate=DOWN))


# Groups and the choice of layers


def begin(model, **arguments):
    """Returns the paths of the layers that are scheduled once training begins."""
    schedule = DropoutSchedule(**arguments)
    schedule.set_params({"epochs": 2, "steps": 2})
    schedule.set_model(model)
    schedule.on_train_begin()
    return [d.path for d in find_dropout_layers(model) if "call" in vars(d.layer)]


def build_bert(nested=True):
    """A KerasHub BERT with a head of one Dropout and one Dense layer."""
    import keras_hub

    backbone = keras_hub.models.BertBackbone(
        vocabulary_size=11,
        num_layers=2,
        num_heads=2,
        hidden_dim=8,
        intermediate_dim=16,
        max_sequence_length=64,
        dropout=0.1,
        name="backbone",
    )
    pooled = (backbone(backbone.input) if nested else backbone.output)["pooled_output"]
    pooled = layers.Dropout(0.5, name="head_dropout")(pooled)
    outputs = layers.Dense(2, name="logits")(pooled)
    model = keras.Model(backbone.input, outputs)
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


GROUPS = {
    "embeddings_dropout": "hidden",
    **{
        f"transformer_layer_{i}/{name}": "attention" if "layer/" in name else "hidden"
        for i in range(2)
        for name in (
            "self_attention_layer/dropout",
            "self_attention_dropout",
            "feedforward_dropout",
        )
    },
    "head_dropout": "head",
}


def groups_of(model, **kwargs):
    """Groups by path, without the numbers that Keras gives to unnamed layers."""
    found = find_dropout_layers(model, **kwargs)
    assert not any(dropout.refusal for dropout in found)
    paths = [d.path.removeprefix("backbone/") for d in found]
    paths = ["/".join([*p.split("/")[:-1], "dropout"]) if "layer/" in p else p for p in paths]
    return dict(zip(paths, [dropout.group for dropout in found], strict=True))


def test_groups_of_bert(watch):
    model = build_bert()
    assert groups_of(model) == GROUPS
    probes = [(d.group, watch(model, d.layer, 2)) for d in find_dropout_layers(model)]
    batch = {name: np.ones((50, 64), "int32") for name in ("token_ids", "segment_ids")}
    batch["padding_mask"] = np.ones((50, 64), "int32")
    schedule = DropoutSchedule(
        hidden={"schedule": "linear", "start": 0.5, "end": 0.1, "by": "step"},
        attention={"schedule": "step", "rates": [0.7, 0.2], "boundaries": [0.5], "by": "epoch"},
        head={"schedule": "linear", "start": 0.9, "end": 0.3},
    )
    history = model.fit(
        batch, np.zeros(50), epochs=2, batch_size=50, verbose=0, callbacks=[schedule]
    ).history
    expected = {"hidden": [0.5, 0.1], "attention": [0.7, 0.2], "head": [0.9, 0.3]}
    for group, probe in probes:
        size = 50 * 8 * (1 if group == "head" else 64)
        np.testing.assert_allclose(probe.shares, expected[group], atol=2.5 / size**0.5)
    for group, rates in expected.items():
        np.testing.assert_allclose(history[f"dropout_{group}"], rates, atol=1e-5)


def test_groups_of_bert_without_nested_backbone():
    model = build_bert(nested=False)
    no_head = GROUPS | {"head_dropout": "hidden"}
    assert groups_of(model) == no_head
    assert groups_of(model, head_layers=["head_dropout", "logits"]) == GROUPS
    assert groups_of(model, head_layers=[model.get_layer("head_dropout")]) == GROUPS
    assert groups_of(model, head_layers="^head_") == GROUPS


@keras.saving.register_keras_serializable("test")
class Block(layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.drops = [layers.Dropout(0.1, name=name) for name in ("a", "b")]

    def call(self, inputs):
        for drop in self.drops:
            inputs = drop(inputs)
        return inputs


def build_deep():
    return keras.Sequential(
        [
            keras.Input((4, 6)),
            Block(name="block"),
            keras.Sequential([layers.Dropout(0.2, name="c"), Block(name="inner")], name="nested"),
            layers.TimeDistributed(layers.Dropout(0.1, name="d"), name="wrapper"),
        ]
    )


ALL = ["block/a", "block/b", "nested/c", "nested/inner/a", "nested/inner/b", "wrapper/d"]


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (None, ALL),
        ("nested", ALL[2:5]),
        ("/a$", [ALL[0], ALL[3]]),
        (["block", "wrapper/d"], [*ALL[:2], ALL[5]]),
        (["b"], [ALL[1], ALL[4]]),
    ],
)
def test_layers_are_found_at_any_depth(selection, expected):
    model = build_deep()
    model.compile("sgd", "mse")
    assert begin(model, rate=DOWN, layers=selection) == expected


@pytest.mark.parametrize(
    ("layer", "name"),
    [
        (layers.LSTM(2, dropout=0.2, name="refused"), "refused/lstm_cell: LSTMCell computes"),
        (layers.Bidirectional(layers.GRU(2, recurrent_dropout=0.2)), "forward_gru/gru_cell: GRU"),
        (layers.SpatialDropout1D(0.2, name="refused"), "refused: SpatialDropout1D computes"),
        (layers.GaussianDropout(0.2, name="refused"), "refused: GaussianDropout computes"),
        (layers.AlphaDropout(0.2, name="refused"), "refused: AlphaDropout computes"),
    ],
)
def test_layers_that_cannot_be_scheduled_are_named(layer, name):
    fine = layers.Dropout(0.1, name="fine")
    model = keras.Sequential([keras.Input((4, 6)), fine, layer])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match=name) as error:
        begin(model, rate=DOWN)
    assert "fine" not in str(error.value)
    assert begin(model, rate=DOWN, layers=["fine"]) == ["fine"]


@pytest.mark.parametrize(
    ("attention", "reason"),
    [
        (layers.MultiHeadAttention(2, 3, name="refused"), "refused/dropout.*: built with rate"),
        (layers.GroupQueryAttention(3, 2, 2, name="refused"), "refused/dropout.*: built with rate"),
        (layers.Attention(dropout=0.1, name="refused"), "refused: Attention computes"),
    ],
)
def test_attention_that_cannot_be_scheduled_is_named(attention, reason):
    inputs = keras.Input((4, 6))
    x = layers.Dropout(0.1, name="fine")(inputs)
    x = attention([x, x]) if isinstance(attention, layers.Attention) else attention(x, x)
    model = keras.Model(inputs, x)
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match=reason):
        begin(model, attention=DOWN)
    assert begin(model, hidden=DOWN) == ["fine"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"head": DOWN}, "`head` has a schedule but no dropout layer. Dropout layers:\n  drop"),
        ({"rate": DOWN, "layers": "counter"}, "`rate` has a schedule but .* layers: none"),
        ({"rate": DOWN, "layers": ["dorp"]}, "`layers` must select .*'dorp', which.*: .*, drop, c"),
        ({"hidden": DOWN, "head_layers": "^x"}, r"`head_layers` must select .* '\^x'"),
    ],
)
def test_schedule_without_layers(arguments, message):
    with pytest.raises(ValueError, match=message):
        begin(build_model(), **arguments)


def test_model_that_is_not_built():
    with pytest.raises(ValueError, match="not built"):
        begin(keras.Sequential([layers.Dropout(0.1)]), rate=DOWN)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "needs either `rate` or some of .* Received: none"),
        ({"rate": DOWN, "head": DOWN}, "Received: head, rate"),
        ({"rate": DOWN, "total_steps": 0}, "`total_steps` must be at least 1. Received: 0"),
        ({"rate": {"start": 0.1}}, "`schedule` must be one of linear, cosine, step"),
        ({"rate": {"schedule": "linear", "star": 1}}, "fields .* one of schedule, .*'star'"),
    ],
)
def test_callback_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        DropoutSchedule(**arguments)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"schedule": "liner"}, "`schedule` must be one of linear, cosine, step. .*'liner'"),
        ({"by": "batch"}, "`by` must be one of step, epoch"),
        ({"start": None}, "`start` must be a number in .* None"),
        ({"end": 1.0}, r"`end` must be a number in \[0, 1\). Received: 1.0"),
        ({"start": "0.3"}, "`start` must be a number"),
        ({"rates": (0.1,)}, "`rates` must be left out with 'linear'"),
        ({"begin_fraction": 0.5, "end_fraction": 0.5}, "ascending fractions"),
        ({"end_fraction": 1.5}, "ascending fractions"),
        ({"schedule": "step"}, "`start` must be left out with 'step'"),
    ],
)
def test_ramp_fields(fields, message):
    with pytest.raises(ValueError, match=message):
        RateSchedule(**{"schedule": "linear", "start": 0.3, "end": 0.1} | fields)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"rates": (0.3, -0.1)}, r"`rates` must be numbers in \[0, 1\)"),
        ({"rates": 0.3}, "`rates` must be a list of numbers. Received: 0.3"),
        ({"rates": (0.3,)}, "`rates` must be one more than there are boundaries, 2"),
        ({"boundaries": (0.5, 0.5), "rates": (0.1, 0.2, 0.3)}, "`boundaries` must be ascending"),
        ({"boundaries": (0.0,)}, "`boundaries` must be ascending"),
        ({"boundaries": (2,)}, "`boundaries` must be ascending"),
    ],
)
def test_step_fields(fields, message):
    with pytest.raises(ValueError, match=message):
        RateSchedule(**{"schedule": "step", "rates": (0.3, 0.1), "boundaries": (0.5,)} | fields)


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="runs on JAX already")
def test_jax_backend(jax_environment):
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist", __file__]
    environment = os.environ | jax_environment
    root = Path(__file__).parents[2]
    done = subprocess.run(command, env=environment, cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
