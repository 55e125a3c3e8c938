"""What differs between the families of encoders, one row each."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras_hub

from tfft.errors import ConfigError


@dataclass(frozen=True)
class Family:
    """One family of KerasHub backbones.

    Attributes:
        backbone: the backbone's class.
        tokenizer: the tokenizer's class.
        uses_segment_ids: whether the backbone takes `segment_ids`.
        has_pooler: whether the backbone returns a pretrained `pooled_output`.
        num_separators: how many end pieces stand between the two texts of a pair.
        is_wordpiece: whether the vocabulary is WordPiece (else byte-level BPE).
        unknown: the piece for what has no pieces.
        start, end, pad: attributes of the tokenizer that hold the special pieces' ids.
    """

    backbone: Any
    tokenizer: Any
    uses_segment_ids: bool
    has_pooler: bool
    num_separators: int
    is_wordpiece: bool
    unknown: str
    start: str = "cls_token_id"
    end: str = "sep_token_id"
    pad: str = "pad_token_id"


FAMILIES = {
    "bert": Family(
        backbone=keras_hub.models.BertBackbone,
        tokenizer=keras_hub.models.BertTokenizer,
        uses_segment_ids=True,
        has_pooler=True,
        num_separators=1,
        is_wordpiece=True,
        unknown="[UNK]",
    ),
    "distil_bert": Family(
        backbone=keras_hub.models.DistilBertBackbone,
        tokenizer=keras_hub.models.DistilBertTokenizer,
        uses_segment_ids=False,
        has_pooler=False,
        num_separators=1,
        is_wordpiece=True,
        unknown="[UNK]",
    ),
    "roberta": Family(
        backbone=keras_hub.models.RobertaBackbone,
        tokenizer=keras_hub.models.RobertaTokenizer,
        uses_segment_ids=False,
        has_pooler=False,
        num_separators=2,
        is_wordpiece=False,
        unknown="<unk>",
        start="start_token_id",
        end="end_token_id",
    ),
}


def find_family(test: Callable[[Family], bool], found: str) -> tuple[str, Family]:
    """The name and row of the one family that passes the test.

    Raises:
        ConfigError: none does; names the families that are known.
    """
    for name, family in FAMILIES.items():
        if test(family):
            return name, family
    raise ConfigError(f"{found} is of no family that tfft knows: {', '.join(FAMILIES)}.")


# Somebody's own Keras model: it takes features, and has no tokenizer that could make them.
OWN = Family(
    backbone=None,
    tokenizer=None,
    uses_segment_ids=False,
    has_pooler=False,
    num_separators=1,
    is_wordpiece=False,
    unknown="",
)


def family_of(backbone: Any, *, has_tokenizer: bool = True) -> tuple[str, Family]:
    """The family of a backbone.

    Args:
        backbone: of KerasHub (also one made through `keras_nlp`).
        has_tokenizer: whether texts are to be read. Else it can be any Keras model from inputs
            named `token_ids` and `padding_mask`, which is of the family "own".

    Raises:
        ConfigError: it is none of these.
    """
    if not has_tokenizer and not _is_known(backbone) and _takes_features(backbone):
        return "own", OWN
    # By exact class: XLM-RoBERTa's backbone is a subclass of RoBERTa's, with another tokenizer.
    return find_family(
        lambda family: type(backbone) is family.backbone, f"A {type(backbone).__name__}"
    )


def _is_known(backbone: Any) -> bool:
    return any(type(backbone) is family.backbone for family in FAMILIES.values())


def _takes_features(backbone: Any) -> bool:
    inputs = getattr(backbone, "input", None)
    return isinstance(inputs, dict) and {"token_ids", "padding_mask"} <= inputs.keys()
