"""Tokenizers in Hugging Face's files, which `tokenizer_files.load_tokenizer` reads again."""

import json
from pathlib import Path
from typing import Any

from tfft.backbones.encoder import Encoder
from tfft.backbones.tokenizer_config import TOKENIZER_CONFIG
from tfft.backbones.tokenizer_files import SENTENCEPIECE_FILES
from tfft.backbones.tokenizer_json import (
    SPECIAL_TOKENS,
    plain_merges,
    special_ids,
    tokenizer_json,
)

# transformers builds the first two of the vocabulary; of the third it takes `tokenizer.json` as it
# is, which has the rules that transformers 5 leaves out of DeBERTa's.
CLASSES = {
    "wordpiece": "BertTokenizer",
    "byte_pair": "RobertaTokenizer",
    "sentencepiece": "PreTrainedTokenizerFast",
}
SIDES = {"head": "left"}


def write_tokenizer(place: Path, encoder: Encoder, *, for_words: bool) -> None:
    """Writes the vocabulary's own files, `tokenizer.json` and `tokenizer_config.json`.

    Args:
        place: a directory.
        encoder: with its tokenizer.
        for_words: whether texts are given as words: byte-level BPE then puts a blank in front.

    Raises:
        ConfigError: see `tokenizer_json`.
    """
    described = tokenizer_json(encoder, blank_in_front=for_words or encoder.add_prefix_space)
    _write(place / "tokenizer.json", json.dumps(described, ensure_ascii=False))
    config = tokenizer_config(encoder, for_words=for_words)
    _write(place / TOKENIZER_CONFIG, json.dumps(config, indent=2, ensure_ascii=False))
    _write_vocabulary(place, encoder)


def tokenizer_config(encoder: Encoder, *, for_words: bool) -> dict[str, Any]:
    """The content of `tokenizer_config.json`; see `write_tokenizer`."""
    kind, there = encoder.family.vocabulary, special_ids(encoder)
    special = SPECIAL_TOKENS[encoder.family_name]
    segments = ["token_type_ids"] if encoder.family.uses_segment_ids else []
    return {
        "tokenizer_class": CLASSES[kind],
        "model_max_length": encoder.sequence_length,
        "model_input_names": ["input_ids", *segments, "attention_mask"],
        "truncation_side": SIDES.get(encoder.truncation, "right"),
        # "[SEP]" in a text is text to tfft. SentencePiece's have such names among their pieces.
        "split_special_tokens": kind != "sentencepiece",
        **(
            {"add_prefix_space": for_words or encoder.add_prefix_space}
            if kind == "byte_pair"
            else {}
        ),
        **_folding(encoder),
        **{name: piece for name, piece in special.items() if piece in there},
    }


def _folding(encoder: Encoder) -> dict[str, Any]:
    if encoder.family.vocabulary == "wordpiece":
        return {
            "do_lower_case": bool(encoder.tokenizer.lowercase),
            "strip_accents": encoder.strip_accents,
            "tokenize_chinese_chars": True,
        }
    if encoder.family_name in ("albert", "deberta_v3"):
        graph = encoder.graph_tokenizer
        return {"do_lower_case": graph.lowercase, "keep_accents": not graph.strip_accents}
    return {}


def _write_vocabulary(place: Path, encoder: Encoder) -> None:
    tokenizer, kind = encoder.tokenizer, encoder.family.vocabulary
    if kind == "sentencepiece":
        (place / SENTENCEPIECE_FILES[encoder.family_name]).write_bytes(tokenizer.proto)
    elif kind == "wordpiece":
        _write(place / "vocab.txt", "".join(f"{piece}\n" for piece in tokenizer.get_vocabulary()))
    else:
        ids = {piece: int(number) for piece, number in tokenizer.vocabulary.items()}
        _write(place / "vocab.json", json.dumps(ids, ensure_ascii=False))
        # transformers 4 takes the first line for one that tells the version.
        merges = ["#version: 0.2", *plain_merges(tokenizer)]
        _write(place / "merges.txt", "".join(f"{merge}\n" for merge in merges))


def _write(path: Path, text: str) -> None:
    path.write_text(text, "utf-8", newline="\n")
