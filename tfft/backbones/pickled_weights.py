"""Weights that PyTorch pickled (`pytorch_model.bin`), read without PyTorch.

Many older models on the hub have no safetensors. A pickle may call any function by its name; here
it finds only what a tensor consists of, so that reading a file runs nothing that its author wrote.

The formats are those of torch/serialization.py: since PyTorch 1.6 a zip archive of `data.pkl` and a
member for each storage, before that pickles one after the other and the storages behind them.
"""

import collections
import math
import pickle
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import ml_dtypes
import numpy as np

ZIP = b"PK\x03\x04"
# What stands before the weights in the older format: its mark and its version.
MAGIC, VERSION = 0x1950A86A20F9469CFC6C, 1001
DTYPES = {
    "FloatStorage": np.dtype("<f4"),
    "DoubleStorage": np.dtype("<f8"),
    "HalfStorage": np.dtype("<f2"),
    "BFloat16Storage": np.dtype(ml_dtypes.bfloat16),
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
    "ShortStorage": np.dtype("<i2"),
    "CharStorage": np.dtype("i1"),
    "ByteStorage": np.dtype("u1"),
    "BoolStorage": np.dtype("?"),
}
FLOATING = "fV"  # NumPy's letter for a type that it does not know itself, as bfloat16, is V


class Storage(NamedTuple):
    """Numbers in a row, which tensors look at: its name in the file, what and how many they are."""

    key: str
    dtype: np.dtype
    size: int


class Tensor(NamedTuple):
    """Which numbers of a storage a tensor has."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class PickledWeights:
    """The tensors of a file by name, each read when it is asked for.

    Args:
        path: of the file.

    Raises:
        ValueError: it is no pickle of tensors, is cut off, or names something else.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        # Where the numbers of each storage begin in the older format, or its member of the archive.
        self._places: dict[str, int] = {}
        try:
            with path.open("rb") as file:
                self.is_zip = file.read(len(ZIP)) == ZIP
                file.seek(0)
                found = self._open_zip() if self.is_zip else self._open_older(file)
        except OSError:
            raise
        except Exception as error:  # a broken pickle may raise anything
            raise ValueError(f"{path} cannot be read as weights of PyTorch: {error}") from error
        self._tensors = {name: each for name, each in found.items() if isinstance(each, Tensor)}

    def keys(self) -> Iterator[str]:
        """The names of the tensors."""
        return iter(self._tensors)

    @property
    def num_parameters(self) -> int:
        """How many numbers that are not whole the file holds; those of tied tensors count once."""
        storages = {tensor.storage for tensor in self._tensors.values()}
        return sum(each.size for each in storages if each.dtype.kind in FLOATING)

    def get_tensor(self, name: str) -> np.ndarray:
        """One tensor, in the numbers that it was stored in.

        Raises:
            ValueError: the file is cut off.
        """
        tensor = self._tensors[name]
        _, dtype, size = tensor.storage
        content = self._content(tensor.storage)
        if len(content) < size * dtype.itemsize:
            raise ValueError(f"{self._path} is cut off: {name} is not whole")
        numbers = np.frombuffer(content, dtype, size)[tensor.offset :]
        steps = [each * dtype.itemsize for each in tensor.strides]
        # Where it stays within the storage was seen to in `_tensor`.
        return np.lib.stride_tricks.as_strided(numbers, tensor.shape, steps).copy()

    def _open_zip(self) -> dict[str, Any]:
        with zipfile.ZipFile(self._path) as archive:
            pickled = next(name for name in archive.namelist() if name.endswith("data.pkl"))
            self._folder = pickled.removesuffix("data.pkl")
            with archive.open(pickled) as file:
                return _Unpickler(file).load()

    def _open_older(self, file: BinaryIO) -> dict[str, Any]:
        mark, version, _ = (_Unpickler(file).load() for _ in range(3))
        if (mark, version) != (MAGIC, VERSION):
            raise ValueError("it does not begin as such files do")
        unpickler = _Unpickler(file)
        found = unpickler.load()
        for key in _Unpickler(file).load():
            count = int.from_bytes(file.read(8), "little")
            self._places[key] = file.tell()
            file.seek(count * unpickler.storages[key].dtype.itemsize, 1)
        return found

    def _content(self, storage: Storage) -> bytes:
        if self.is_zip:
            with zipfile.ZipFile(self._path) as archive:
                return archive.read(f"{self._folder}data/{storage.key}")
        with self._path.open("rb") as file:
            file.seek(self._places[storage.key])
            return file.read(storage.size * storage.dtype.itemsize)


class _Unpickler(pickle.Unpickler):
    """Knows the few names that a pickle of tensors needs."""

    def __init__(self, file: Any) -> None:
        super().__init__(file)
        self.storages: dict[str, Storage] = {}

    def find_class(self, module: str, name: str) -> Any:
        """What a pickle may name; dtypes stand for the classes of storages."""
        known = {
            ("collections", "OrderedDict"): collections.OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2"): _tensor,
            ("torch._utils", "_rebuild_parameter"): lambda tensor, *_: tensor,
        }
        if module == "torch" and name in DTYPES:
            return DTYPES[name]
        if (module, name) not in known:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which is no part of weights")
        return known[module, name]

    def persistent_load(self, pid: Any) -> Storage:
        """A storage, of which the pickle has the name."""
        kind, dtype, key, _, size, *view = pid
        if kind != "storage" or any(view):
            raise pickle.UnpicklingError("its storages are views, which only PyTorch reads")
        return self.storages.setdefault(key, Storage(key, dtype, size))


def _tensor(storage: Storage, offset: int, shape: Any, strides: Any, *_: Any) -> Tensor:
    """What a pickle calls for each tensor.

    Raises:
        ValueError: it reaches out of its storage.
    """
    last = offset + sum((size - 1) * step for size, step in zip(shape, strides, strict=True))
    is_empty = math.prod(shape) == 0
    if min((offset, *shape, *strides)) < 0 or (last >= storage.size and not is_empty):
        raise ValueError("a tensor reaches out of its storage")
    return Tensor(storage, offset, tuple(shape), tuple(strides))
