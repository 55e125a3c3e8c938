"""Hugging Face's `tokenizer_config.json`: how texts are folded before they are cut into pieces."""

import json
from pathlib import Path
from typing import Any

from tfft.backbones.hubs import find_file

TOKENIZER_CONFIG = "tokenizer_config.json"


def read_folding(source: str, vocabulary: str = "wordpiece") -> dict[str, bool | None]:
    """What `tfft.backbones.encoder.Encoder` takes; None: as the family or the vocabulary says.

    German and other uncased models keep their accents: `"strip_accents": false`; ALBERT says it the
    other way round: `"keep_accents": true`.

    Args:
        source: a directory, or the address of what was just loaded.
        vocabulary: what its pieces are made by, as in `tfft.backbones.families.Family`.
    """
    config = read_tokenizer_config(source)
    if vocabulary == "wordpiece" and "do_lower_case" not in config:
        config = {**_rules_of_json(source), **config}
    keeps = _bool(config.get("keep_accents"))
    strips = _bool(config.get("strip_accents"))
    return {
        "lowercase": _bool(config.get("do_lower_case")),
        "strip_accents": not keeps if strips is None and keeps is not None else strips,
        "add_prefix_space": _bool(config.get("add_prefix_space")),
    }


def _rules_of_json(source: str) -> dict[str, bool | None]:
    """The same of a WordPiece `tokenizer.json`, by the names of `tokenizer_config.json`."""
    path = find_file(source, "tokenizer.json")
    described = json.loads(path.read_bytes()) if path else {}
    if described.get("model", {}).get("type") != "WordPiece":
        return {}
    normalizer = described["normalizer"] or {}
    steps = {
        each["type"]: each for each in [normalizer, *normalizer.get("normalizers", [])] if each
    }
    if "BertNormalizer" in steps:
        step = steps["BertNormalizer"]
        return {"do_lower_case": step["lowercase"], "strip_accents": step["strip_accents"]}
    return {"do_lower_case": "Lowercase" in steps, "strip_accents": "StripAccents" in steps}


def read_tokenizer_config(source: str) -> dict[str, Any]:
    """The whole file; nothing where there is none.

    Raises:
        ValueError: it is not JSON.
    """
    path = find_file(source, TOKENIZER_CONFIG)
    return json.loads(path.read_bytes()) if path else {}


def write_folding(
    preset: Path,
    *,
    lowercase: bool | None,
    strip_accents: bool | None,
    add_prefix_space: bool | None = None,
) -> None:
    """Keeps it beside a KerasHub preset, whose own files have no place for it."""
    said = {"do_lower_case": lowercase, "strip_accents": strip_accents}
    said |= {"add_prefix_space": add_prefix_space or None}
    said = {name: value for name, value in said.items() if value is not None}
    if said:
        (preset / TOKENIZER_CONFIG).write_text(json.dumps(said), "utf-8")


def _bool(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None
