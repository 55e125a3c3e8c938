"""What only fresh processes show: signals, exit codes, and Keras on JAX."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import tfft

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "tfft.fit"]


def environment(**more):
    return os.environ | {"PYTHONPATH": str(ROOT)} | more


def test_a_terminated_training_can_be_resumed(place):
    """SIGTERM is what a scheduler sends before it takes a machine away."""
    config = place.write_config(training={"epochs": 400, "batch_size": 240})
    training = subprocess.Popen(
        [*COMMAND, "--config", str(config)],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    checkpoint = place.run / "checkpoints" / "last" / "state.json"
    while training.poll() is None and not checkpoint.exists():
        time.sleep(0.1)
    training.send_signal(signal.SIGTERM)
    _, errors = training.communicate()
    assert training.returncode == 143
    assert errors.strip().endswith("terminated")
    assert "Traceback" not in errors
    state = json.loads(checkpoint.read_text("utf-8"))
    done = state["epoch"] + 1
    assert len(place.read_history()) >= done
    assert not (place.run / "metrics.json").exists()


def test_a_reader_that_goes_does_not_end_a_training(place):
    """As in `tfft fit ... | head -1`."""
    config = place.write_config(training={"batch_size": 240})
    with subprocess.Popen(
        [*COMMAND, "--config", str(config)],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as training:
        training.stdout.readline()
        training.stdout.close()
        errors = training.stderr.read().decode()
    assert (training.returncode, "Error" in errors) == (0, False)
    assert place.read_json("metrics.json")["test"]["accuracy"] >= 0
    assert "KerasHub preset" in (place.run / "log.txt").read_text("utf-8")


# The training does not know of tfft, and on JAX no TensorFlow graph is at hand.
OTHER_PROCESS = """
import json, runpy, sys
preset, output, *arguments = sys.argv[1:]

import keras, keras_hub
classifier = keras_hub.models.TextClassifier.from_preset(preset)
logits = classifier.predict(["we heard the cat", "we heard the drum"], verbose=0)
assert "tfft" not in sys.modules
assert keras.backend.backend() == "jax"
json.dump(logits.tolist(), open(output, "w"))

sys.argv[1:] = arguments
runpy.run_module("tfft.fit", run_name="__main__")
"""


@pytest.fixture(scope="module")
def jax_run(tmp_path_factory, make_shared_place, single_run, jax_environment):
    """A run trained on JAX, in a process that loaded the preset of another run before."""
    pytest.importorskip("jax")
    place = make_shared_place(tmp_path_factory.mktemp("jax"))
    config = ROOT / "configs" / "smoke" / "text_classification.yaml"
    done = subprocess.run(
        [
            *(sys.executable, "-c", OTHER_PROCESS),
            *(str(single_run.run / "preset"), str(place.folder / "logits.json")),
            *("--config", str(config), "--set", f"output_dir={place.run}"),
            *("--set", "training.epochs=1", "--set", "training.length_buckets=[24, 48]"),
            *("--set", "backbone.num_layers=1"),
        ],
        cwd=ROOT,
        env=environment(**jax_environment),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    (place.folder / "output.txt").write_text(done.stdout, "utf-8")
    return place


def test_a_preset_loads_without_tfft(jax_run, single_run, logits_of):
    logits = json.loads((jax_run.folder / "logits.json").read_text("utf-8"))
    texts = ["we heard the cat", "we heard the drum"]
    expected = logits_of(tfft.load_run(single_run.run), text=texts)
    np.testing.assert_allclose(logits, expected, atol=1e-4)


def test_jax_trains_the_smoke_config(jax_run):
    assert jax_run.read_json("environment.json")["keras_backend"] == "jax"
    assert len(jax_run.read_history()) == 1
    assert "dropout_hidden" in jax_run.read_history()[0]
    assert "jax" in (jax_run.run / "log.txt").read_text("utf-8")


def test_tensorflow_scores_a_run_of_jax_the_same(jax_run, capsys, monkeypatch):
    from tfft import evaluate

    monkeypatch.chdir(ROOT)
    assert evaluate.main(["--run", str(jax_run.run), "--json"]) == 0
    scores = json.loads(capsys.readouterr().out)["test"]
    expected = jax_run.read_json("metrics.json")["test"]
    assert scores["loss"] == pytest.approx(expected["loss"], abs=1e-4)
    assert scores["accuracy"] == pytest.approx(expected["accuracy"], abs=0.01)


def test_a_run_of_jax_is_exported_by_tensorflow_and_answers_the_same(jax_run):
    """`fit` exports in a process of its own, which checks that the answers are the same."""
    import tensorflow as tf
    import tensorflow_text  # noqa: F401  the operations of the exported tokenizer

    output = (jax_run.folder / "output.txt").read_text("utf-8")
    assert "answers are within 1e-05 of the float32 model" in output
    served = tf.saved_model.load(str(jax_run.run / "export" / "1"))
    texts = ["the lamp in our street is broken", "my bin was not emptied", ""]
    answers = served.signatures["serving_default"](text=tf.constant(texts))
    expected = tfft.load_run(jax_run.run).predict(texts)
    np.testing.assert_allclose(
        answers["probabilities"],
        [list(answer["probabilities"].values()) for answer in expected],
        atol=1e-4,
    )
    labels = [label.decode() for label in answers["label"].numpy()]
    assert labels == [answer["label"] for answer in expected]
