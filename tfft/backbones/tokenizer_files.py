"""KerasHub tokenizers from Hugging Face's files.

A model has the files of its own kind (`vocab.txt`; `vocab.json` and `merges.txt`; `spiece.model`
and the like) or, as transformers 5 saves it, `tokenizer.json` alone.
"""

import base64
import json
from typing import Any

from tfft.backbones.families import FAMILIES
from tfft.backbones.hubs import check_content, find_file
from tfft.backbones.tokenizer_config import (
    TOKENIZER_CONFIG,
    read_folding,
    read_tokenizer_config,
)
from tfft.backbones.weight_files import needed_file
from tfft.errors import ConfigError

SENTENCEPIECE_FILES = {
    "xlm_roberta": "sentencepiece.bpe.model",
    "albert": "spiece.model",
    "deberta_v3": "spm.model",
}
FAIRSEQ_SPECIAL, FAIRSEQ_MASK = ["<s>", "<pad>", "</s>", "<unk>"], "<mask>"
# What SentencePiece calls kinds of pieces.
NORMAL, UNKNOWN, CONTROL = 1, 2, 3


def load_tokenizer(source: str, family: str) -> Any:
    """The KerasHub tokenizer of a model of Hugging Face.

    Args:
        source: a directory, or `hf://user/model`.
        family: of the model.

    Raises:
        ConfigError: its pieces are made in another way than those of the family.
        FileNotFoundError, KeyError: something is missing.
    """
    row = FAMILIES[family]
    if row.vocabulary == "wordpiece":
        return row.tokenizer(**_wordpiece(source))
    if row.vocabulary == "byte_pair":
        return row.tokenizer(**_byte_pair(source))
    path = find_file(source, SENTENCEPIECE_FILES[family])
    if path:
        return row.tokenizer(proto=check_content(path).read_bytes())
    described = _read_json(source, SENTENCEPIECE_FILES[family], "Unigram")
    return row.tokenizer(proto=sentencepiece_model(described, fairseq=family == "xlm_roberta"))


def _wordpiece(source: str) -> dict[str, Any]:
    path = find_file(source, "vocab.txt")
    described = {} if path else _read_json(source, "vocab.txt", "WordPiece")
    _check_words(read_tokenizer_config(source))
    pieces = (
        path.read_text("utf-8").rstrip("\n").split("\n")
        if path
        else sorted(described["model"]["vocab"], key=described["model"]["vocab"].__getitem__)
    )
    # Of equal pieces the last one counts; KerasHub wants each once.
    last = {piece: number for number, piece in enumerate(pieces)}
    pieces = [p if last[p] == n else f"[unreachable {n}]" for n, p in enumerate(pieces)]
    # Uncased where nothing says it, as transformers has it.
    return {"vocabulary": pieces, "lowercase": read_folding(source)["lowercase"] is not False}


def _check_words(config: dict[str, Any]) -> None:
    """Raises ConfigError where texts are cut into words by another program, as Japanese is."""
    for name, usual in {
        "word_tokenizer_type": "basic",
        "subword_tokenizer_type": "wordpiece",
    }.items():
        if config.get(name, usual) != usual:
            raise ConfigError(
                f"backbone.preset: {TOKENIZER_CONFIG} has {name}: {config[name]!r}; tfft cuts "
                f"texts as {usual!r} does, and the pieces would not be the model's."
            )


def _byte_pair(source: str) -> dict[str, Any]:
    if find_file(source, "vocab.json"):
        names = {"vocabulary": "vocab.json", "merges": "merges.txt"}
        return {name: str(needed_file(source, file)) for name, file in names.items()}
    model = _read_json(source, "vocab.json", "BPE")["model"]
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]]
    return {"vocabulary": model["vocab"], "merges": merges}


def _read_json(source: str, instead_of: str, kind: str) -> dict[str, Any]:
    """`tokenizer.json` in the place of a file that is not there."""
    path = find_file(source, "tokenizer.json")
    described = json.loads(path.read_bytes()) if path else {}
    if not path:
        needed_file(source, instead_of)
    elif (found := described["model"]["type"]) != kind:
        raise ConfigError(
            f"backbone.preset: the pieces in {source}/tokenizer.json are of the kind {found}; "
            f"expected {kind}."
        )
    return described


def sentencepiece_model(described: dict[str, Any], *, fairseq: bool) -> bytes:
    """A serialized SentencePiece model with the pieces and rules of a `tokenizer.json`.

    Args:
        described: the file, of a unigram model.
        fairseq: whether its ids are those of fairseq, as in XLM-RoBERTa: one more than the model's
            own, with other special pieces in front.
    """
    from sentencepiece import sentencepiece_model_pb2

    pieces, unknown = described["model"]["vocab"], described["model"]["unk_id"]
    if fairseq:
        rest = [each for each in pieces[len(FAIRSEQ_SPECIAL) :] if each[0] != FAIRSEQ_MASK]
        pieces, unknown = [["<unk>", 0.0], ["<s>", 0.0], ["</s>", 0.0], *rest], 0
    special = {added["content"] for added in described["added_tokens"] if added["special"]}
    model = sentencepiece_model_pb2.ModelProto()
    for number, (piece, score) in enumerate(pieces):
        kind = UNKNOWN if number == unknown else CONTROL if piece in special else NORMAL
        model.pieces.add(piece=piece, score=score, type=kind)
    names = [piece for piece, _ in pieces]
    spec = model.trainer_spec
    spec.unk_id, spec.unk_piece = unknown, names[unknown]
    spec.bos_id, spec.eos_id, spec.pad_id = -1, -1, -1
    model.normalizer_spec.precompiled_charsmap = _charsmap(described["normalizer"])
    return model.SerializeToString()


def _charsmap(normalizer: dict[str, Any] | None) -> bytes:
    """The model's own rules of normalisation; none, if they were left out."""
    for each in [normalizer or {}, *(normalizer or {}).get("normalizers", [])]:
        if each.get("type") == "Precompiled":
            return base64.b64decode(each["precompiled_charsmap"])
    return b""
