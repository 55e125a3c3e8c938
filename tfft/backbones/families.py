"""What differs between the families of encoders, one row each."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import keras_hub

from tfft.backbones.bilstm import BilstmBackbone, BilstmTokenizer
from tfft.errors import ConfigError


@dataclass(frozen=True)
class Family:
    """One family of KerasHub backbones.

    Attributes:
        backbone: the backbone's class.
        tokenizer: the tokenizer's class.
        vocabulary: what its pieces are made by.
        unknown: the piece for what has no pieces.
        uses_segment_ids: whether the backbone takes `segment_ids`.
        has_pooler: whether the backbone returns a `pooled_output`, which heads then read.
        head_activation: of the layer in a pooler's place, as in the family's own classifier.
        num_separators: how many end pieces stand between the two texts of a pair.
        start, end, pad: attributes of the tokenizer that hold the special pieces' ids.
        like_bert: whether its layers are BERT's, as `tfft.backbones.transformer` computes them.
        can_pack: whether its rows can hold several examples.
        size_name: what the backbone calls its `vocabulary_size`.
        epsilon: of KerasHub's norms.
        more_sizes: what else a random backbone of a `hidden_dim` and a `sequence_length` needs.
    """

    backbone: Any
    tokenizer: Any
    vocabulary: Literal["wordpiece", "byte_pair", "sentencepiece"]
    unknown: str
    uses_segment_ids: bool = False
    has_pooler: bool = False
    head_activation: str = "tanh"
    num_separators: int = 1
    start: str = "cls_token_id"
    end: str = "sep_token_id"
    pad: str = "pad_token_id"
    like_bert: bool = True
    can_pack: bool = False
    size_name: str = "vocabulary_size"
    epsilon: float = 1e-12
    more_sizes: Callable[[int, int], dict[str, int]] = lambda hidden_dim, sequence_length: {}


FAMILIES = {
    "bert": Family(
        backbone=keras_hub.models.BertBackbone,
        tokenizer=keras_hub.models.BertTokenizer,
        vocabulary="wordpiece",
        unknown="[UNK]",
        uses_segment_ids=True,
        has_pooler=True,
        can_pack=True,
    ),
    "distil_bert": Family(
        backbone=keras_hub.models.DistilBertBackbone,
        tokenizer=keras_hub.models.DistilBertTokenizer,
        vocabulary="wordpiece",
        unknown="[UNK]",
        head_activation="relu",
        can_pack=True,
    ),
    "roberta": Family(
        backbone=keras_hub.models.RobertaBackbone,
        tokenizer=keras_hub.models.RobertaTokenizer,
        vocabulary="byte_pair",
        unknown="<unk>",
        num_separators=2,
        start="start_token_id",
        end="end_token_id",
        can_pack=True,
        epsilon=1e-5,
    ),
    "xlm_roberta": Family(
        backbone=keras_hub.models.XLMRobertaBackbone,
        tokenizer=keras_hub.models.XLMRobertaTokenizer,
        vocabulary="sentencepiece",
        unknown="<unk>",
        num_separators=2,
        start="start_token_id",
        end="end_token_id",
        epsilon=1e-5,
    ),
    "albert": Family(
        backbone=keras_hub.models.AlbertBackbone,
        tokenizer=keras_hub.models.AlbertTokenizer,
        vocabulary="sentencepiece",
        unknown="<unk>",
        uses_segment_ids=True,
        has_pooler=True,
        more_sizes=lambda hidden_dim, sequence_length: {"embedding_dim": hidden_dim // 2},
    ),
    # KerasHub's backbone has a pooler, but ELECTRA was trained without one.
    "electra": Family(
        backbone=keras_hub.models.ElectraBackbone,
        tokenizer=keras_hub.models.ElectraTokenizer,
        vocabulary="wordpiece",
        unknown="[UNK]",
        uses_segment_ids=True,
        head_activation="gelu",
        size_name="vocab_size",
        more_sizes=lambda hidden_dim, sequence_length: {"embedding_dim": hidden_dim // 2},
    ),
    "deberta_v3": Family(
        backbone=keras_hub.models.DebertaV3Backbone,
        tokenizer=keras_hub.models.DebertaV3Tokenizer,
        vocabulary="sentencepiece",
        unknown="[UNK]",
        head_activation="gelu",
        like_bert=False,
        epsilon=1e-7,
        more_sizes=lambda hidden_dim, sequence_length: {"bucket_size": sequence_length // 2},
    ),
    # The baseline; made by `build_bilstm_encoder`.
    "bilstm": Family(
        backbone=BilstmBackbone,
        tokenizer=BilstmTokenizer,
        vocabulary="wordpiece",
        unknown="[UNK]",
        has_pooler=True,
        like_bert=False,
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
OWN = Family(backbone=None, tokenizer=None, vocabulary="wordpiece", unknown="", like_bert=False)


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
