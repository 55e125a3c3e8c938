"""`tokenizer.json`: what an encoder does to texts, as Hugging Face `tokenizers` reads it.

It is written here as plain JSON, so that the library need not be installed. Each kind of pieces has
its steps: a normalizer, a pre-tokenizer, a model and what puts special pieces around.
"""

import base64
from typing import Any

from tfft.backbones.encoder import Encoder
from tfft.errors import ConfigError
from tfft.text.wordpiece import MAX_CHARACTERS_PER_WORD

_CLS_AND_SEP = {"cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]"}
_AS_BERT = {**_CLS_AND_SEP, "unk_token": "[UNK]", "pad_token": "[PAD]"}
_AS_FAIRSEQ = {
    **{"bos_token": "<s>", "eos_token": "</s>", "cls_token": "<s>", "sep_token": "</s>"},
    **{"unk_token": "<unk>", "pad_token": "<pad>", "mask_token": "<mask>"},
}
_EDGES = {"bos_token": "[CLS]", "eos_token": "[SEP]"}
# The special pieces of a family by Hugging Face's names.
SPECIAL_TOKENS = {
    "bert": _AS_BERT,
    "distil_bert": _AS_BERT,
    "electra": _AS_BERT,
    "roberta": _AS_FAIRSEQ,
    "xlm_roberta": _AS_FAIRSEQ,
    "albert": {**_CLS_AND_SEP, **_EDGES, "unk_token": "<unk>", "pad_token": "<pad>"},
    "deberta_v3": {**_AS_BERT, **_EDGES},
}
UNIGRAM = 1  # SentencePiece's number of that kind of model


def tokenizer_json(encoder: Encoder, *, blank_in_front: bool = False) -> dict[str, Any]:
    """The content of `tokenizer.json`.

    Args:
        encoder: whose texts it is for.
        blank_in_front: byte-level BPE: whether a text gets a blank in front, and of a text that is
            given as words each word.

    Raises:
        ConfigError: the SentencePiece model is of a kind that `tokenizers` computes otherwise.
    """
    kinds = {"wordpiece": _wordpiece, "byte_pair": _byte_pair, "sentencepiece": _sentencepiece}
    steps = kinds[encoder.family.vocabulary](encoder)
    if encoder.family.vocabulary == "byte_pair":
        for step in (steps["pre_tokenizer"], steps["post_processor"]):
            step["add_prefix_space"] = blank_in_front
    ids = special_ids(encoder)
    added = [
        {"id": number, "content": piece, "special": True}
        | dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
        for piece, number in sorted(ids.items(), key=lambda item: item[1])
    ]
    return {
        **{"version": "1.0", "truncation": None, "padding": None, "added_tokens": added},
        **steps,
    }


def special_ids(encoder: Encoder) -> dict[str, int]:
    """The ids of the special pieces that the vocabulary has."""
    pieces = dict.fromkeys(SPECIAL_TOKENS[encoder.family_name].values())
    known = set(encoder.tokenizer.get_vocabulary())
    return {piece: encoder.tokenizer.token_to_id(piece) for piece in pieces if piece in known}


def _wordpiece(encoder: Encoder) -> dict[str, Any]:
    pieces = encoder.tokenizer.get_vocabulary()
    return {
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": True,
            "handle_chinese_chars": True,
            "strip_accents": encoder.strip_accents,
            "lowercase": bool(encoder.tokenizer.lowercase),
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": _template(encoder),
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {
            "type": "WordPiece",
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": MAX_CHARACTERS_PER_WORD,
            "vocab": {piece: number for number, piece in enumerate(pieces)},
        },
    }


def _byte_pair(encoder: Encoder) -> dict[str, Any]:
    by_bytes = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}
    by_bytes["use_regex"] = True
    ids, special = special_ids(encoder), SPECIAL_TOKENS[encoder.family_name]
    return {
        "normalizer": None,
        "pre_tokenizer": {**by_bytes},
        "post_processor": {
            "type": "RobertaProcessing",
            "sep": [special["sep_token"], ids[special["sep_token"]]],
            "cls": [special["cls_token"], ids[special["cls_token"]]],
            "trim_offsets": True,
            "add_prefix_space": False,
        },
        "decoder": {**by_bytes, "add_prefix_space": True},
        "model": {
            "type": "BPE",
            **dict.fromkeys(("dropout", "unk_token"), None),
            **dict.fromkeys(("continuing_subword_prefix", "end_of_word_suffix"), ""),
            **dict.fromkeys(("fuse_unk", "byte_fallback", "ignore_merges"), False),
            "vocab": {piece: int(number) for piece, number in encoder.tokenizer.vocabulary.items()},
            "merges": [merge.split(" ") for merge in plain_merges(encoder.tokenizer)],
        },
    }


def plain_merges(tokenizer: Any) -> list[str]:
    """`left right` of each merge, without the line that tells the version."""
    return [merge for merge in tokenizer.merges if not merge.startswith("#version")]


def _sentencepiece(encoder: Encoder) -> dict[str, Any]:
    from sentencepiece import sentencepiece_model_pb2

    model = sentencepiece_model_pb2.ModelProto.FromString(encoder.tokenizer.proto)
    rules = model.normalizer_spec
    if model.trainer_spec.model_type != UNIGRAM or not (
        rules.add_dummy_prefix and rules.remove_extra_whitespaces and rules.escape_whitespaces
    ):
        raise ConfigError(
            "The SentencePiece model is not a unigram model with the usual treatment of blanks, "
            "which is all that tfft writes for Hugging Face."
        )
    scores = {each.piece: float(each.score) for each in model.pieces}
    names = encoder.tokenizer.get_vocabulary()
    blanks = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}
    return {
        "normalizer": {"type": "Sequence", "normalizers": _folding(encoder, rules)},
        "pre_tokenizer": blanks,
        "post_processor": _template(encoder),
        "decoder": blanks,
        "model": {
            "type": "Unigram",
            "unk_id": names.index(encoder.family.unknown),
            "byte_fallback": False,
            "vocab": [[name, scores.get(name, 0.0)] for name in names],
        },
    }


def _folding(encoder: Encoder, rules: Any) -> list[dict[str, Any]]:
    """What `tfft.text.sentencepiece` does before the model, then what the model's rules say."""
    graph = encoder.graph_tokenizer
    steps = [_replace({"Regex": "[\\t\\n\\r]"}, " ")]
    if graph.plain_quotes:
        steps += [_replace({"String": "``"}, '"'), _replace({"String": "''"}, '"')]
    if graph.compose:
        steps.append({"type": "NFC"})
    if graph.strip_accents:
        steps += [{"type": "NFKD"}, {"type": "StripAccents"}]
    if graph.lowercase:
        steps.append({"type": "Lowercase"})
    if rules.precompiled_charsmap:
        charsmap = base64.b64encode(rules.precompiled_charsmap).decode("ascii")
        steps.append({"type": "Precompiled", "precompiled_charsmap": charsmap})
    return [*steps, _replace({"Regex": " {2,}"}, " "), _replace({"Regex": "^ | $"}, "")]


def _replace(pattern: dict[str, str], content: str) -> dict[str, Any]:
    return {"type": "Replace", "pattern": pattern, "content": content}


def _template(encoder: Encoder) -> dict[str, Any]:
    """`[CLS] a [SEP] b [SEP]`, the second text with the segment 1 where there are segments."""
    special, ids = SPECIAL_TOKENS[encoder.family_name], special_ids(encoder)
    start, end = special["cls_token"], special["sep_token"]
    second = 1 if encoder.family.uses_segment_ids else 0

    def piece(name: str, segment: int = 0) -> dict[str, Any]:
        return {"SpecialToken": {"id": name, "type_id": segment}}

    def text(name: str, segment: int) -> dict[str, Any]:
        return {"Sequence": {"id": name, "type_id": segment}}

    single = [piece(start), text("A", 0), piece(end)]
    between = [piece(end)] * (encoder.family.num_separators - 1)
    return {
        "type": "TemplateProcessing",
        "single": single,
        "pair": [*single, *between, text("B", second), piece(end, second)],
        "special_tokens": {
            name: {"id": name, "ids": [ids[name]], "tokens": [name]} for name in (start, end)
        },
    }
