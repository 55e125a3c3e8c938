"""What a tokenizer of Hugging Face does and tfft does not, in words."""

import json
from typing import Any

from tfft.backbones.families import FAMILIES
from tfft.backbones.hubs import find_file
from tfft.backbones.tokenizer_config import TOKENIZER_CONFIG, read_tokenizer_config
from tfft.backbones.tokenizer_json import SPECIAL_TOKENS

# By kinds of pieces, the settings with which texts would be cut otherwise.
NOT_DONE: dict[str, dict[str, Any]] = {
    "wordpiece": {"tokenize_chinese_chars": False},
    "byte_pair": {},
    "sentencepiece": {"split_by_punct": True},
}
MOST_SHOWN = 5


def tokenizer_notes(source: str, family: str) -> list[str]:
    """What is to be said of the texts that a model gets.

    Args:
        source: a directory, or the address of what was just loaded.
        family: of the model.
    """
    config = read_tokenizer_config(source)
    notes = [
        f"{TOKENIZER_CONFIG} has {name}: {json.dumps(value)}, which tfft does not do: such texts "
        "are cut into other pieces."
        for name, value in NOT_DONE[FAMILIES[family].vocabulary].items()
        if config.get(name) is value
    ]
    added = [each for each in added_pieces(source) if each not in SPECIAL_TOKENS[family].values()]
    if added:
        more = ", ..." if len(added) > MOST_SHOWN else ""
        notes.append(
            f"The {len(added)} pieces that were added to the vocabulary are plain text here: "
            f"{', '.join(added[:MOST_SHOWN])}{more}."
        )
    return notes


def added_pieces(source: str) -> list[str]:
    """The pieces that were added to a model's own, special ones among them."""
    whole, older = (_read(source, name) for name in ("tokenizer.json", "added_tokens.json"))
    decoder = read_tokenizer_config(source).get("added_tokens_decoder", {})
    listed = [*(whole.get("added_tokens") or []), *decoder.values()]
    names = (each["content"] if isinstance(each, dict) else each for each in listed)
    return list(dict.fromkeys([*names, *older]))


def _read(source: str, name: str) -> dict[str, Any]:
    path = find_file(source, name)
    return json.loads(path.read_bytes()) if path else {}
