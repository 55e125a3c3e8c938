"""The weights of a Hugging Face model, in one safetensors file or several."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ml_dtypes  # noqa: F401  (NumPy then knows bfloat16)
import numpy as np
import safetensors

from tfft.backbones.hubs import check_content, find_file

FILE, INDEX = "model.safetensors", "model.safetensors.index.json"
NO_PICKLES = (
    " Weights in pytorch_model.bin are not read: save them with "
    "save_pretrained(..., safe_serialization=True)."
)


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
    """
    with contextlib.ExitStack() as stack:
        index = find_file(source, INDEX)
        names = set(json.loads(index.read_bytes())["weight_map"].values()) if index else {FILE}
        files: dict[str, Any] = {}
        for path in (needed_file(source, name, NO_PICKLES) for name in sorted(names)):
            opened = safetensors.safe_open(check_content(path), framework="np")
            file = stack.enter_context(opened)
            files |= dict.fromkeys(file.keys(), file)
        yield Weights(files)


def needed_file(source: str, name: str, hint: str = "") -> Path:
    """A file of a model.

    Args:
        source: a directory, or `hf://user/model`.
        name: of the file.
        hint: what is said if it is missing.

    Raises:
        FileNotFoundError: there is none.
    """
    path = find_file(source, name)
    if path is None:
        raise FileNotFoundError(f"`{name}` doesn't exist in {source}.{hint}")
    return path
