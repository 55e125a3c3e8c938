"""The files that a run leaves: plain ones, from which everything reloads."""

import json
import os
import platform
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from tfft.config import Experiment, config_yaml, load_config
from tfft.errors import ConfigError

_PACKAGES = ("tfft", "tensorflow", "tensorflow-text", "keras", "keras-hub", "jax", "numpy")


class RunDir:
    """The directory of one run.

    Attributes:
        path: the directory itself.
        weights: `model.weights.h5`, the finished model's.
        preset: the fine-tuned backbone as a KerasHub preset.
        last: the checkpoint to resume from.
        best: the weights with the best score so far.
        export: holds one directory for each exported version.
        cache: the tokenized training rows of `data.cache: disk`, while training.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.weights = self.path / "model.weights.h5"
        self.preset = self.path / "preset"
        self.last = self.path / "checkpoints" / "last"
        self.best = self.path / "checkpoints" / "best"
        self.export = self.path / "export"
        self.cache = self.path / "cache"

    # --------------------------------------------------------------------------------- life

    @classmethod
    def create(cls, experiment: Experiment) -> "RunDir":
        """Makes the directory of a new run and writes what is known at its start.

        Raises:
            ConfigError: the directory holds a run, or something else that is not a directory.
        """
        run = cls(experiment.output_dir)
        run.refuse_if_taken()
        try:
            run.path.mkdir(parents=True, exist_ok=True)
            write_json(run.path / "environment.json", describe_environment())
            write_text(run.path / "config.yaml", config_yaml(experiment))
        except OSError as error:
            raise ConfigError(f"output_dir: cannot write {run.path}: {error.strerror}.") from None
        return run

    def refuse_if_taken(self) -> None:
        """Raises ConfigError if the directory holds a run already."""
        if self.path.exists() and not self.path.is_dir():
            raise ConfigError(f"output_dir: {self.path} is a file. Name a directory.")
        if (self.path / "config.yaml").exists():
            raise ConfigError(
                f"output_dir: {self.path} holds a run already. Nothing was changed. Go on with it "
                "(--resume), choose another directory (--set output_dir=...), or remove it."
            )

    @classmethod
    def open(cls, path: str | Path) -> "RunDir":
        """Opens a finished run.

        Raises:
            ConfigError: there is no run, or it has not finished.
        """
        run = cls(path)
        if not (run.path / "config.yaml").is_file():
            raise ConfigError(
                f"{path} holds no run (no config.yaml in it). Expected the output_dir of tfft.fit."
            )
        if not run.weights.is_file() or not run.preset.is_dir():
            raise ConfigError(
                f"The run in {path} has not finished: it has no trained model yet. Finish it with "
                f"python -m tfft.fit --config {path}/config.yaml --resume"
            )
        return run

    def check_same(self, experiment: Experiment) -> None:
        """Refuses to resume under another config, naming what differs.

        Raises:
            ConfigError: a key that the training depends on differs.
        """
        before = self.experiment.model_dump(mode="json")
        now = experiment.model_dump(mode="json")
        free = ("name", "output_dir", "export")
        changed = [
            key
            for key in sorted({*_flat(before), *_flat(now)})
            if _flat(before).get(key) != _flat(now).get(key) and key.split(".")[0] not in free
        ]
        if changed:
            raise ConfigError(
                f"--resume: the config differs from that of the run in {self.path}: "
                f"{', '.join(changed)}. Resume with {self.path}/config.yaml, or start a new run."
            )

    # ------------------------------------------------------------------------------- reading

    @property
    def experiment(self) -> Experiment:
        """The resolved config."""
        return load_config(self.path / "config.yaml")

    @property
    def labels(self) -> list[str]:
        """The label names in the order of the model's outputs."""
        return read_json(self.path / "labels.json")

    @property
    def metrics(self) -> dict[str, Any]:
        """metrics.json, or nothing before it is written."""
        path = self.path / "metrics.json"
        return read_json(path) if path.is_file() else {}

    # ------------------------------------------------------------------------------- writing

    def write_labels(self, labels: list[str]) -> None:
        """Writes labels.json."""
        write_json(self.path / "labels.json", labels)

    def write_metrics(self, metrics: dict[str, Any]) -> None:
        """Writes metrics.json."""
        write_json(self.path / "metrics.json", metrics)


def describe_environment() -> dict[str, Any]:
    """Versions, machine and command, so that a run can be told apart later."""
    versions = {}
    for name in _PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "packages": versions,
        "keras_backend": os.environ.get("KERAS_BACKEND", "tensorflow"),
    }


def read_json(path: str | Path) -> Any:
    """What a JSON file holds."""
    return json.loads(Path(path).read_text("utf-8"))


def write_json(path: str | Path, values: Any) -> None:
    """Writes readable JSON; the file is whole or not there."""
    write_text(path, json.dumps(values, indent=2, ensure_ascii=False) + "\n")


def write_text(path: str | Path, text: str) -> None:
    """Writes a UTF-8 file aside and renames it: it is whole or not there."""
    path = Path(path)
    aside = path.with_name(path.name + ".part")
    aside.write_text(text, "utf-8")
    aside.replace(path)


def _flat(values: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(values, dict):
        return {prefix: values}
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{prefix}.{key}" if prefix else str(key))
    return flat
