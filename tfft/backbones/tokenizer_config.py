"""Hugging Face's `tokenizer_config.json`, of which KerasHub reads only `do_lower_case`."""

import json
from pathlib import Path

import huggingface_hub

TOKENIZER_CONFIG = "tokenizer_config.json"


def read_strip_accents(source: str) -> bool | None:
    """Whether the tokenizer reads "é" as "e"; None: as its `lowercase` says.

    German and other uncased models keep their accents: `"strip_accents": false`.

    Args:
        source: a directory, or the address of what was just loaded.
    """
    path: str | Path | object | None = Path(source, TOKENIZER_CONFIG)
    if source.startswith("hf://"):
        name = source.removeprefix("hf://")
        path = huggingface_hub.try_to_load_from_cache(name, TOKENIZER_CONFIG)
    if not isinstance(path, (str, Path)) or not Path(path).is_file():
        return None
    value = json.loads(Path(path).read_bytes()).get("strip_accents")
    return value if isinstance(value, bool) else None


def write_strip_accents(preset: Path, strip_accents: bool | None) -> None:
    """Keeps it beside a KerasHub preset, whose own files have no place for it."""
    if strip_accents is not None:
        text = json.dumps({"strip_accents": strip_accents})
        (preset / TOKENIZER_CONFIG).write_text(text, "utf-8")
