"""The weights of a Hugging Face model, in a file or several: safetensors or pickled by PyTorch."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ml_dtypes  # noqa: F401  (NumPy then knows bfloat16)
import numpy as np
import safetensors

from tfft.backbones.hubs import check_content, find_file
from tfft.backbones.pickled_weights import PickledWeights

FILE, PICKLED = "model.safetensors", "pytorch_model.bin"
ENDINGS = (".safetensors", ".safetensors.index.json", PICKLED, f"{PICKLED}.index.json")


class Weights:
    """Weights by name, each read when it is asked for, as float32.

    Names of norms are those of PyTorch, `weight` and `bias`, also where an old file has `gamma` and
    `beta`.

    Args:
        files: the open file of each name.
        prefix: that is left out of names.
    """

    def __init__(self, files: dict[str, Any], prefix: str = "") -> None:
        self._files = files
        self._prefix = prefix

    def below(self, name: str) -> "Weights":
        """Those whose names begin with `name.`, without it; all, if there are none."""
        there = any(each.startswith(f"{name}.") for each in self._files)
        return Weights(self._files, f"{name}." if there else "")

    def __contains__(self, name: str) -> bool:
        return self._stored(name) is not None

    def __getitem__(self, name: str) -> np.ndarray:
        stored = self._stored(name)
        if stored is None:
            raise KeyError(self._prefix + name)
        return np.asarray(self._files[stored].get_tensor(stored)).astype("float32")

    def _stored(self, name: str) -> str | None:
        name = self._prefix + name
        older = name.replace("LayerNorm.weight", "LayerNorm.gamma")
        older = older.replace("LayerNorm.bias", "LayerNorm.beta")
        return next((each for each in (name, older) if each in self._files), None)


@contextlib.contextmanager
def open_weights(source: str) -> Iterator[Weights]:
    """Opens the weights of a model.

    Args:
        source: a directory, or `hf://user/model`.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: one is not what it should be.
    """
    with contextlib.ExitStack() as stack:
        files: dict[str, Any] = {}
        for path in _weight_files(source):
            file = _open(check_content(path), stack)
            files |= dict.fromkeys(file.keys(), file)
        yield Weights(files)


def _weight_files(source: str) -> list[Path]:
    """Those of safetensors, or where there are none the pickled ones."""
    for name in (FILE, PICKLED):
        index = find_file(source, f"{name}.index.json")
        if index:
            parts = set(json.loads(index.read_bytes())["weight_map"].values())
            return [needed_file(source, part) for part in sorted(parts)]
        file = find_file(source, name)
        if file:
            return [file]
    raise FileNotFoundError(f"`{FILE}` doesn't exist in {source}, nor does `{PICKLED}`.")


def _open(path: Path, stack: contextlib.ExitStack) -> Any:
    if path.suffix == ".bin":
        return PickledWeights(path)
    return stack.enter_context(safetensors.safe_open(path, framework="np"))


def needed_file(source: str, name: str) -> Path:
    """A file of a model.

    Args:
        source: a directory, or `hf://user/model`.
        name: of the file.

    Raises:
        FileNotFoundError: there is none.
    """
    path = find_file(source, name)
    if path is None:
        raise FileNotFoundError(f"`{name}` doesn't exist in {source}.")
    return path
