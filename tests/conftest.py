"""What many tests share: tiny encoders, the shared data sets, and fresh processes."""

import gc
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

ROOT = Path(__file__).parents[1]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
SENTENCES = ["The film was good, not bad.", "an unbelievable quick zebra jumped over five hxkw"]
WORDS = ["the", "film", "was", "good", "bad", "not", "un", "##believ", "##able", ",", "."]

# pytest-xdist has a process for each core: more threads in one take time from the others. Read when
# TensorFlow and NumPy are imported, and by the processes that tests start.
THREADS = (
    *("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"),
    *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"),
)
if "PYTEST_XDIST_WORKER" in os.environ:
    for name in THREADS:
        os.environ.setdefault(name, "1")
# The files that take longest, these first: the last one to begin should be short.
LONGEST = (
    *("tasks/test_contract.py", "test_readme.py", "end_to_end/test_fit_frozen.py"),
    *("end_to_end/test_fit_processes.py", "test_jax_backend.py", "end_to_end/test_fit_cache.py"),
    *("end_to_end/test_fit_options.py", "callbacks/test_dropout_schedule.py"),
    *("end_to_end/test_fit_resume.py", "huggingface/test_export_huggingface.py"),
)

gc.disable()  # while tests are imported; then see `pytest_collection_finish`

# The same examples each time, however slow the machine is.
settings.register_profile("tfft", deadline=None, derandomize=True, database=None)
settings.load_profile("tfft")


def pytest_configure(config: pytest.Config) -> None:
    """Else pytest-xdist begins with the files that have the most tests."""
    config.option.loadscopereorder = False


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the longest files first."""
    place = {ROOT / "tests" / name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path, len(place)))


def pytest_collection_finish() -> None:
    """Looks for garbage seldom, and not among what was imported: it took a quarter of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    gc.enable()


@pytest.fixture(scope="session")
def vocabulary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A WordPiece vocabulary of a few words and the letters: `the` is 5, `film` 6, `was` 7."""
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    pieces = [*SPECIAL, *WORDS, *letters, *(f"##{letter}" for letter in letters)]
    path = tmp_path_factory.mktemp("vocabulary") / "vocab.txt"
    path.write_text("\n".join(pieces) + "\n", "utf-8")
    return path


@pytest.fixture(scope="session")
def build_tiny_encoder(vocabulary: Path) -> Callable[..., Any]:
    """Builds an encoder of one layer with random weights, 8 wide, for 16 pieces."""
    from tfft.backbones.baseline import build_bilstm_encoder
    from tfft.backbones.checkpoints import build_random_encoder

    def build(family: str = "bert", **options: Any) -> Any:
        if family == "bilstm":
            sizes = {"embedding_dim": 6, "hidden_dim": 8, "sequence_length": 16}
            return build_bilstm_encoder(vocabulary=str(vocabulary), **{**sizes, **options})
        sizes = {"num_layers": 1, "num_heads": 2, "hidden_dim": 8, "intermediate_dim": 16}
        from tfft.backbones.families import FAMILIES

        kind = FAMILIES[family].vocabulary if family in FAMILIES else "wordpiece"
        pieces = {
            "wordpiece": {"vocabulary": str(vocabulary)},
            "byte_pair": {},
            "sentencepiece": {"texts": SENTENCES, "vocabulary_size": 90},
        }[kind]
        return build_random_encoder(
            family=family, **{"sequence_length": 16, **sizes, **pieces, **options}
        )

    return build


@pytest.fixture(scope="session")
def tiny_encoders(build_tiny_encoder: Callable[..., Any]) -> dict[str, Any]:
    """One tiny encoder of each family, to be read and not to be trained."""
    from tfft.backbones.families import FAMILIES

    return {family: build_tiny_encoder(family) for family in FAMILIES}


@pytest.fixture(scope="session")
def fixtures() -> Path:
    """The folder of the stored data of tests."""
    return ROOT / "tests" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of the real data sets, beside the project; skips where it is absent."""
    path = ROOT.parent / "shared" / "data"
    if not path.is_dir():
        pytest.skip("the shared data sets are not here")
    return path


@pytest.fixture
def run_python(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs Python with the given arguments in a fresh process, in `tmp_path`."""

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(ROOT)}
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=tmp_path,
            env=os.environ | quiet | environment,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def jax_environment() -> dict[str, str]:
    """For a process where Keras computes with JAX: compiled quickly, since it hardly runs."""
    return {
        "KERAS_BACKEND": "jax",
        "JAX_PLATFORMS": "cpu",
        "XLA_FLAGS": (
            "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
        ),
    }
