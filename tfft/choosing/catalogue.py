"""The presets that a config could name: packaged, of KerasHub, and what lies on this disk."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import kagglehub
import keras_hub
import safetensors
from huggingface_hub import constants, scan_cache_dir
from huggingface_hub.errors import CacheNotFound

from tfft.backbones.checkpoints import minilm_directory
from tfft.backbones.families import FAMILIES
from tfft.choosing.directories import (
    NO_FACTS,
    Preset,
    describe_directory,
    describe_run,
    is_preset,
    size_of,
)
from tfft.choosing.facts import FACTS, UNKNOWN
from tfft.errors import ConfigError, did_you_mean

BYTES = 4  # of a number in float32
# What a directory that somebody else wrote, or did not finish, may raise.
UNREADABLE = (
    ConfigError,
    ValueError,
    OSError,
    LookupError,
    TypeError,
    AttributeError,
    safetensors.SafetensorError,
)


def find_presets(family: str | None = None, language: str | None = None) -> list[Preset]:
    """All presets, those on this disk first, else in the order of the families.

    Args:
        family: only those of this one.
        language: only those that learned it, such as `zh`, and those of many languages.
    """
    found = [*find_packaged(), *find_keras_hub(), *find_runs(), *find_downloads()]
    kept = [
        preset
        for preset in found
        if family in (None, preset.family) and (language is None or preset.speaks(language))
    ]
    return sorted(kept, key=lambda preset: not preset.is_at_hand)


def find_packaged() -> Iterator[Preset]:
    """`minilm`, where its distribution is installed."""
    try:
        yield describe_directory(
            "minilm", minilm_directory(), "6-layer MiniLM that was trained for sentence vectors."
        )
    except ConfigError:
        return


def find_keras_hub() -> Iterator[Preset]:
    """KerasHub's presets of the families that tfft knows."""
    presets = keras_hub.models.Backbone.presets
    for family in FAMILIES:
        for name, entry in presets.items():
            about = entry["metadata"]
            if about["path"] == family:
                parameters = about["params"]
                preset = Preset(
                    name,
                    family,
                    about["description"],
                    parameters,
                    FACTS.get(name, NO_FACTS),
                    size=parameters * BYTES,
                )
                yield _where_downloaded(preset, entry["kaggle_handle"])


def _where_downloaded(preset: Preset, address: str) -> Preset:
    place = Path(kagglehub.config.get_cache_folder(), "models", address.removeprefix("kaggle://"))
    if not is_preset(place):
        return preset
    return replace(preset, directory=str(place), size=size_of(place))


def find_runs(root: Path | None = None) -> Iterator[Preset]:
    """The fine-tuned backbones of finished runs, `runs/NAME/preset`.

    Args:
        root: what `runs` is in. Default: the working directory.
    """
    for place in sorted((root or Path()).glob("runs/*/preset")):
        if is_preset(place):
            try:
                yield describe_run(place)
            except UNREADABLE:
                continue  # not whole, or of another version: nothing to choose


def find_downloads() -> Iterator[Preset]:
    """What was downloaded from Hugging Face before, of the families that tfft knows."""
    try:
        repositories = scan_cache_dir(constants.HF_HUB_CACHE).repos
    except CacheNotFound:
        return
    for repository in sorted(repositories, key=lambda each: each.repo_id):
        newest = sorted(repository.revisions, key=lambda each: each.last_modified)[-1:]
        for place in (Path(each.snapshot_path) for each in newest):
            if repository.repo_type == "model" and is_preset(place):
                try:
                    yield describe_directory(f"hf://{repository.repo_id}", place)
                except UNREADABLE:
                    continue


def find_named(names: Iterable[str], known: Iterable[Preset]) -> list[Preset]:
    """The presets that somebody names: of the list, a directory, or an address.

    Raises:
        ConfigError: one of them is none of these.
    """
    by_name = {preset.name: preset for preset in known}
    given = dict.fromkeys(name.strip() for name in names)
    return [by_name.get(name) or _other(name, by_name) for name in given if name]


def _other(name: str, known: Iterable[str]) -> Preset:
    if name == "minilm" or "://" in name:
        return Preset(name, UNKNOWN)  # how to install it is told when it is tried
    if name in ("random", "bilstm"):
        raise ConfigError(
            f"--candidates: {name} knows nothing before it is trained, so there is nothing to try. "
            "Leave it out."
        )
    if not Path(name).is_dir():
        raise ConfigError(
            f"--candidates: there is no preset or directory {name!r}.{did_you_mean(name, known)} "
            "It can be a preset that tfft backbones lists, an address (kaggle://..., "
            "hf://user/model), or a directory."
        )
    # What is wrong with a directory is told when it is tried.
    try:
        return describe_run(Path(name)) if is_preset(Path(name)) else Preset(name, UNKNOWN)
    except UNREADABLE:
        return Preset(name, UNKNOWN)
