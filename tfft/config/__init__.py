"""The whole vocabulary of the YAML configs, as frozen, typed sections.

`load_config` reads a file, applies `--set` overrides and refuses what it does not know, all faults
at once. Nothing here imports TensorFlow: a typing error must not cost a start-up. The sections stop
at the builder functions: heads, layers, callbacks and pipelines take flat keyword arguments.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError, model_validator

from tfft.config.backbone import (
    Backbone,
    BaselineBackbone,
    PretrainedBackbone,
    RandomBackbone,
    without_keys_of_others,
)
from tfft.config.base import Section
from tfft.config.data import Columns, Data, DataFile, FileOptions
from tfft.config.faults import describe_faults
from tfft.config.loop import Callbacks, Export, Optimizer, Training
from tfft.config.tasks import MaskedLM, Task, TextClassification
from tfft.config.yaml_file import Location, parse_value, read_config_file, to_yaml
from tfft.errors import ConfigError

__all__ = [
    "BaselineBackbone",
    "Columns",
    "Data",
    "DataFile",
    "Experiment",
    "FileOptions",
    "PretrainedBackbone",
    "RandomBackbone",
    "build_config",
    "config_yaml",
    "load_config",
    "override_key",
]


class Experiment(Section):
    """One run, from the data to the SavedModel."""

    name: str
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    output_dir: str
    """The run directory itself."""
    task: Task = TextClassification()
    backbone: Backbone
    data: Data
    optimizer: Optimizer = Optimizer()
    training: Training = Training()
    callbacks: Callbacks = Callbacks()
    export: Export = Export()

    @property
    def learning_rate(self) -> float:
        """The highest learning rate: the backbone's own, where it has one."""
        own = self.backbone.learning_rate if isinstance(self.backbone, BaselineBackbone) else None
        return own or self.optimizer.learning_rate

    @model_validator(mode="before")
    @classmethod
    def _plain_text_has_no_labels(cls, values: Any) -> Any:
        """For masked_lm a line is a text, whatever its first word."""
        task, data = (values.get(name) for name in ("task", "data"))
        if not (isinstance(task, dict) and isinstance(data, dict)):
            return values
        if task.get("name") != "masked_lm":
            return values
        return {**values, "data": {"label_in_front": False, **data}}

    @model_validator(mode="before")
    @classmethod
    def _case_tells_names(cls, values: Any) -> Any:
        """The baseline keeps case where it tells names from words."""
        task, backbone = (values.get(name) for name in ("task", "backbone"))
        if not (isinstance(task, dict) and isinstance(backbone, dict)):
            return values
        if (task.get("name"), backbone.get("preset")) != ("token_classification", "bilstm"):
            return values
        return {**values, "backbone": {"lowercase": False, **backbone}}

    @model_validator(mode="after")
    def _early_stopping_has_validation(self) -> "Experiment":
        if self.callbacks.early_stopping and not self.data.has_validation:
            raise ValueError(
                "callbacks.early_stopping needs validation data: set data.validation or "
                "data.validation_fraction"
            )
        return self

    @model_validator(mode="after")
    def _cleaning_fits_the_task(self) -> "Experiment":
        if self.data.cleaning and not self.task.cleaned:
            raise ValueError(
                f"data.cleaning does not go with {self.task.name}: its answers are places in the "
                "text as it is given. Clean the files before, or leave it out"
            )
        return self

    @model_validator(mode="after")
    def _packing_fits_the_task(self) -> "Experiment":
        if self.training.packing and not self.task.packs:
            raise ValueError(
                "training.packing is for text_classification, regression and token_classification "
                "without a crf: what other tasks learn from is a whole row. Leave it out"
            )
        return self

    @model_validator(mode="after")
    def _packing_fits_the_cache(self) -> "Experiment":
        if self.training.packing and self.data.is_streamed:
            raise ValueError(
                f"training.packing plans with all rows, but data.cache: {self.data.cache} does not "
                "keep them in memory. Set data.cache: memory, or leave one of the two out"
            )
        return self

    @model_validator(mode="after")
    def _frozen_cache_fits_the_rows(self) -> "Experiment":
        if self.backbone.cache_frozen and self.training.packing:
            raise ValueError(
                "backbone.cache_frozen has each example in a row of its own, but training.packing "
                "lays several into one. Leave one of the two out"
            )
        if self.backbone.cache_frozen and self.data.is_streamed:
            raise ValueError(
                "backbone.cache_frozen keeps some hundred times what the pieces take, which it "
                f"needs in memory, but data.cache: {self.data.cache} does not keep them there. Set "
                "data.cache: memory, or leave one of the two out"
            )
        return self

    @model_validator(mode="after")
    def _frozen_cache_fits_the_task(self) -> "Experiment":
        if self.backbone.cache_frozen and isinstance(self.task, MaskedLM):
            raise ValueError(
                "backbone.cache_frozen computes each text once, but masked_lm covers other pieces "
                "of it in each epoch. Leave it out"
            )
        return self

    @model_validator(mode="after")
    def _baseline_fits_the_task(self) -> "Experiment":
        if isinstance(self.task, MaskedLM) and isinstance(self.backbone, BaselineBackbone):
            raise ValueError(
                "masked_lm adapts a pretrained encoder to texts, but backbone.preset: bilstm knows "
                "nothing to adapt. Name a preset, or random to train one from scratch"
            )
        return self

    @model_validator(mode="after")
    def _cache_fits_the_task(self) -> "Experiment":
        if self.data.is_streamed and not self.task.can_stream:
            raise ValueError(
                f"data.cache: {self.data.cache} does not go with {self.task.name}, whose rows are "
                "kept in memory. Set data.cache: memory, or leave it out"
            )
        return self

    @model_validator(mode="after")
    def _columns_fit_the_task(self) -> "Experiment":
        for file in [
            f for split in ("train", "validation", "test") for f in self.data.files(split)
        ]:
            for name in file.columns.model_fields_set - set(self.task.columns):
                # A config that a run kept has all keys, also those at their defaults.
                if getattr(file.columns, name) != Columns.model_fields[name].default:
                    raise ValueError(
                        f"data.columns.{name} is not a column of {self.task.name}; it has "
                        f"{', '.join(self.task.columns)}"
                    )
        return self


def load_config(path: str | Path, overrides: Iterable[str] = ()) -> Experiment:
    """Reads and checks a config file.

    Args:
        path: a YAML file.
        overrides: `section.key=value`, each value as it would stand in YAML.

    Raises:
        ConfigError: every fault found, with its line and the key that was perhaps meant.
    """
    values, lines, twice = read_config_file(path)
    if not isinstance(values, dict):
        raise ConfigError(
            f"{path}: expected sections such as `task:` and `data:`, "
            f"found a {type(values).__name__}."
        )
    overridden = [override_key(values, text) for text in overrides]
    if ("backbone", "preset") in overridden:
        given = [str(key[1]) for key in overridden if key[0] == "backbone" and len(key) > 1]
        values["backbone"] = without_keys_of_others(values["backbone"], given)
    return build_config(values, str(path), lines, overridden, twice)


def build_config(
    values: dict[str, Any],
    name: str = "config",
    lines: dict[Location, int] | None = None,
    overridden: Sequence[Location] = (),
    faults: Sequence[str] = (),
) -> Experiment:
    """Checks values that are already read, such as a dict in a notebook. See `load_config`."""
    faults = list(faults)
    experiment = None
    try:
        experiment = Experiment.model_validate(values)
    except ValidationError as error:
        faults += describe_faults(error, Experiment, values, name, lines or {}, overridden)
    if faults or experiment is None:
        raise ConfigError("\n".join(faults))
    return experiment


def config_yaml(experiment: Experiment) -> str:
    """The resolved whole as YAML that `load_config` reads back to an equal experiment."""
    return to_yaml(experiment.model_dump(mode="json"))


def override_key(values: dict[str, Any], text: str) -> Location:
    """Sets `section.key=value` in values that are read from YAML; returns which key it was.

    Raises:
        ConfigError: the text is not of that form, or points into a list.
    """
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise ConfigError(
            f"--set {text}: expected key=value, such as optimizer.learning_rate=3e-5."
        )
    *sections, last = location = tuple(key.strip().split("."))
    inside: Any = values
    for name in sections:
        if isinstance(inside.get(name), str) and name in ("train", "validation", "test"):
            inside[name] = {"path": inside[name]}
        if isinstance(inside.get(name), list):
            raise ConfigError(
                f"--set {text}: {name} is a list; set it as a whole, such as {name}=[a.tsv, b.tsv]."
            )
        if not isinstance(inside.setdefault(name, {}), dict):
            inside[name] = {}
        inside = inside[name]
    inside[last] = parse_value(value)
    return location
