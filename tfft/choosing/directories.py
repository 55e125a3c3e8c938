"""One preset, and what the files in a directory say of it."""

import json
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import safetensors

from tfft.backbones.families import FAMILIES
from tfft.backbones.layouts import LAYOUTS
from tfft.backbones.pickled_weights import PickledWeights
from tfft.backbones.tokenizer_config import read_folding
from tfft.choosing.facts import FACTS, UNKNOWN, Facts
from tfft.config import Experiment, load_config
from tfft.data.examples import file_path

WEIGHTS = ("*.weights.h5", "*.safetensors", "pytorch_model*.bin")
NO_FACTS = Facts(0, 0, UNKNOWN, UNKNOWN, UNKNOWN, 0)


@dataclass(frozen=True)
class Preset:
    """What `backbone.preset` could be.

    Attributes:
        name: as the config names it.
        family: in `tfft.backbones.families.FAMILIES`.
        description: a sentence.
        parameters: how many numbers its weights hold; None: not known.
        facts: numbers that are not known are 0, words "unknown".
        directory: where it is on this disk; None: it would be downloaded.
        size: bytes on this disk, or what they come to in float32.
        trained_on: the files whose labels the run has learned whose backbone it is.
    """

    name: str
    family: str
    description: str = ""
    parameters: int | None = None
    facts: Facts = NO_FACTS
    directory: str | None = None
    size: int | None = None
    trained_on: frozenset[str] = frozenset()

    @property
    def is_at_hand(self) -> bool:
        """Whether it is on this disk."""
        return self.directory is not None

    def speaks(self, language: str) -> bool:
        """Whether it learned a language, or many, of which that may be one."""
        return self.facts.languages == language or self.facts.languages.startswith("multi")


def is_preset(place: Path) -> bool:
    """Whether a directory holds a config and weights, as KerasHub or Hugging Face write them."""
    return (place / "config.json").is_file() and any(
        any(place.glob(pattern)) for pattern in WEIGHTS
    )


def size_of(place: Path) -> int:
    """The bytes of all files below a directory."""
    return sum(path.stat().st_size for path in place.rglob("*") if path.is_file())


def describe_run(place: Path) -> Preset:
    """A run's backbone, with the languages and the licence of what it began from."""
    preset = describe_directory(str(place), place)
    config = place.parent / "config.yaml"
    if not config.is_file():
        return preset
    experiment = load_config(config)
    origin = find_origin(experiment)
    began = FACTS.get(origin, NO_FACTS)
    return replace(
        preset,
        description=f"{origin} fine-tuned for {experiment.task.name}.",
        facts=preset.facts._replace(languages=began.languages, licence=began.licence),
        # A masked language model has seen no labels: it is meant for the task on these texts.
        trained_on=frozenset()
        if experiment.task.name == "masked_lm"
        else training_files(experiment),
    )


def find_origin(experiment: Experiment) -> str:
    """The preset with which a run began, or the run began with which it began, and so on."""
    name = experiment.backbone.preset
    config = Path(name).parent / "config.yaml"
    return find_origin(load_config(config)) if Path(name).is_dir() and config.is_file() else name


def training_files(experiment: Experiment) -> frozenset[str]:
    """The files of `data.train`, whole paths."""
    data = experiment.data
    paths = [file_path(data.dir, file.path, file.format) for file in data.files("train")]
    return frozenset(str(Path(path).resolve()) for path in paths)


def describe_directory(name: str, place: str | Path, description: str = "") -> Preset:
    """What the files of a preset say of it.

    Raises:
        KeyError: its family is not known.
    """
    place = Path(place)
    config = json.loads((place / "config.json").read_bytes())
    family, sizes = _keras_hub(config) if "registered_name" in config else _hugging_face(config)
    said = FACTS.get(name, NO_FACTS)
    return Preset(
        name,
        family,
        description,
        count_stored(place),
        Facts(
            sizes["num_layers"],
            sizes["hidden_dim"],
            said.languages,
            read_casing(place),
            said.licence,
            sizes["max_sequence_length"],
        ),
        str(place),
        size_of(place),
    )


def _keras_hub(config: dict[str, Any]) -> tuple[str, dict[str, int]]:
    kind = config["registered_name"].rpartition(">")[2]
    families = {family.backbone.__name__: name for name, family in FAMILIES.items()}
    # LSTMs have no positions.
    return families[kind], {"max_sequence_length": 0, **config["config"]}


def _hugging_face(config: dict[str, Any]) -> tuple[str, dict[str, int]]:
    layout = LAYOUTS[config["model_type"]]
    sizes = {name: config[layout.sizes[name]] for name in ("num_layers", "hidden_dim")}
    positions = config[layout.sizes["max_sequence_length"]] - layout.num_unused(config)
    return layout.family, {**sizes, "max_sequence_length": positions}


def count_stored(place: Path) -> int | None:
    """How many numbers the weights of a preset hold, a head's included; None: nothing says."""
    metadata = place / "metadata.json"
    if metadata.is_file():
        return json.loads(metadata.read_bytes()).get("parameter_count")
    total = sum(_count_numbers(path) for path in place.glob("*.safetensors"))
    pickled = place.glob("pytorch_model*.bin") if not total else []
    return total or sum(PickledWeights(path).num_parameters for path in pickled) or None


def _count_numbers(path: Path) -> int:
    with safetensors.safe_open(path, framework="np") as file:
        slices = [file.get_slice(name) for name in file.keys()]  # noqa: SIM118 (not a dict)
        return sum(math.prod(each.get_shape()) for each in slices if each.get_dtype()[0] in "BF")


def read_casing(place: Path) -> str:
    """`cased` or `uncased`, as the files of the tokenizer say, else `unknown`."""
    lowercase = read_folding(str(place))["lowercase"]
    tokenizer = place / "tokenizer.json"
    if lowercase is None and tokenizer.is_file():
        config = json.loads(tokenizer.read_bytes()).get("config", {})
        lowercase = config.get("lowercase")
    return UNKNOWN if lowercase is None else "uncased" if lowercase else "cased"
