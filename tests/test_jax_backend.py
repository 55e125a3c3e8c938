"""Tests of model code, run once more where Keras computes with JAX."""

from pathlib import Path

import pytest

TESTS = Path(__file__).parent
# Of the checkpoints what JAX may do otherwise: it keeps the state of a training to itself.
CHECKPOINTS = "callbacks/test_checkpoints.py::"
RESUMED = "in the middle of an update"
FILES = [
    CHECKPOINTS + "test_callback_in_fit_writes_the_state_of_its_epoch",
    CHECKPOINTS + "test_training_goes_on_as_if_uninterrupted",
    "backbones/test_word_rows.py::test_ends_as_plain_training[bert-options0]",
    f"backbones/test_word_rows.py::test_goes_on_as_if_uninterrupted[{RESUMED}]",
    "tasks/test_crf.py::test_fit_follows_the_gradient",
    "tasks/test_group_losses.py",
    "tasks/test_losses.py",
    "test_optim.py",
]

pytest.importorskip("jax")


def test_jax_backend(run_python, jax_environment):
    done = run_python(
        *("-m", "pytest", "-p", "no:cacheprovider", "-rf", "--tb=short"),
        *("-c", str(TESTS.parent / "pyproject.toml")),
        *(str(TESTS / file) for file in FILES),
        **jax_environment,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
