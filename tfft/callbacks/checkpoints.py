"""The last state, to resume from, and the best weights so far."""

import contextlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np

from tfft.backbones.transformer import Transformer
from tfft.backbones.word_rows import assign_whole_values, whole_values

WEIGHTS, OPTIMIZER, STATE = "model.weights.h5", "optimizer.npz", "state.json"


class Checkpoints(keras.callbacks.Callback):
    """Saves `last` after each epoch and `best` when the score is higher than before.

    Each is a directory that is written aside and renamed, so that a crash leaves a whole one.

    Args:
        last: directory of the state to resume from: weights, optimizer, and `state()`.
        best: directory of the best weights.
        monitor: key in the logs; None: no best is kept.
        mode: `max` if more is better, else `min`.
        min_delta: the least change that counts as better.
        state: what else a resumed run needs, as values for JSON.
        best_score: of the run that is resumed.
    """

    def __init__(
        self,
        last: str | Path,
        best: str | Path,
        *,
        monitor: str | None = None,
        mode: str = "max",
        min_delta: float = 0.0,
        state: Callable[[], dict[str, Any]] = dict,
        best_score: float | None = None,
    ) -> None:
        super().__init__()
        self.last, self.best = Path(last), Path(best)
        self.monitor = monitor
        self.sign = 1.0 if mode == "max" else -1.0
        self.min_delta = min_delta
        self.state = state
        self.best_score = best_score

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Writes what is due."""
        score = (logs or {}).get(self.monitor or "")
        if score is not None and self._is_better(float(score)):
            self.best_score = float(score)
            save_checkpoint(self.best, self.model, {"epoch": epoch, "score": self.best_score})
        state = {"epoch": epoch, "best_score": self.best_score, **self.state()}
        save_checkpoint(self.last, self.model, state, with_optimizer=True)

    def _is_better(self, score: float) -> bool:
        if self.best_score is None:
            return not np.isnan(score)
        return self.sign * (score - self.best_score) > self.min_delta


def save_checkpoint(
    place: Path, model: Any, state: dict[str, Any], *, with_optimizer: bool = False
) -> None:
    """Writes a checkpoint directory in place of an older one."""
    aside = place.with_name(place.name + ".part")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    save_weights(aside / WEIGHTS, model)
    if with_optimizer:
        variables = [*model.optimizer.variables, *random_state(model)]
        np.savez(aside / OPTIMIZER, *whole_values(model, variables))
    (aside / STATE).write_text(json.dumps(state), "utf-8")
    old = place.with_name(place.name + ".old")
    shutil.rmtree(old, ignore_errors=True)
    if place.exists():
        place.rename(old)
    aside.rename(place)
    shutil.rmtree(old, ignore_errors=True)


def save_weights(path: Path, model: Any) -> None:
    """Writes a model's weights without its optimizer's, which would be twice as large again."""
    _uncompiled(model).save_weights(path)


def load_weights(path: Path, model: Any) -> None:
    """Sets the weights that `save_weights` wrote; the optimizer of a compiled model stays."""
    plain = _uncompiled(model)
    with _as_written_now(path, plain) as file:
        plain.load_weights(file)


@contextlib.contextmanager
def _as_written_now(path: Path, model: Any) -> Iterator[Path]:
    """A file of weights; where the encoder was not yet a layer of its own, a copy that is so."""
    with h5py.File(path) as file:
        layers = list(file.get("layers", ()))
    backbones = [name for name in layers if name.endswith("_backbone")]
    # DeBERTa's backbone is such a layer now.
    if not backbones or not any(isinstance(layer, Transformer) for layer in model.layers):
        yield path
        return
    moved = {f"layers/{backbones[0]}": "layers/transformer/backbone"}
    # The pooler was inside of the backbone alone, so that the head's layer was the first.
    if "dense_1" not in layers and any(layer.name == "pooled_dense" for layer in model.layers):
        moved["layers/dense"] = "layers/dense_1"
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(shutil.copy(path, folder))
        with h5py.File(copy, "r+") as file:
            for before, after in moved.items():
                file.move(before, after)
        yield copy


def random_state(model: Any) -> list[Any]:
    """The variables from which dropout draws, which no file of weights holds."""
    plain = _uncompiled(model)
    weights = {id(weight) for weight in plain.weights}
    return [variable for variable in plain.variables if id(variable) not in weights]


def _uncompiled(model: Any) -> Any:
    # With an optimizer Keras would write that too, and warn where a file has none.
    return keras.Model(model.inputs, model.outputs, name=model.name)


def find_checkpoint(place: Path) -> dict[str, Any] | None:
    """The state of a checkpoint, or None. Brings back what a crash left as `<name>.old`."""
    old = place.with_name(place.name + ".old")
    if not place.exists() and old.exists():
        old.rename(place)
    path = place / STATE
    return json.loads(path.read_text("utf-8")) if path.is_file() else None


def restore_checkpoint(place: Path, model: Any) -> None:
    """Sets the weights, the random state and the optimizer's variables of a compiled model."""
    load_weights(place / WEIGHTS, model)
    model.optimizer.build(model.trainable_variables)
    with np.load(place / OPTIMIZER) as saved:
        values = [saved[name] for name in saved.files]
    assign_whole_values(model, [*model.optimizer.variables, *random_state(model)], values)
