"""The `backbone` section."""

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from tfft.config.base import Fraction, Section


class BackboneOptions(Section):
    """What every backbone has."""

    sequence_length: Annotated[int, Field(ge=4)] = 128
    """The most pieces of a text (of both texts of a pair together), special ones included."""
    truncation: Literal["end", "head", "both", "middle"] = "end"
    """Where a longer text is cut: `end` cuts its end, `head` its beginning, `both` cuts both and
    keeps the middle, `middle` cuts the middle and keeps beginning and end (Sun et al. 2019)."""
    dropout: Fraction = 0.1
    """Hidden and attention dropout of the backbone while training."""
    attention_dropout: Fraction | None = None
    """Of attention alone; null: as `dropout`. 0 makes training on long rows faster."""

    freeze: Annotated[int, Field(ge=0)] | None = None
    """The embeddings and so many of the lowest layers stay as they are; null: all is trained."""
    cache_frozen: bool = False
    """What the frozen part makes of each piece is computed once and read from a file in each epoch:
    faster, but the frozen layers then have no dropout. While training the file takes 4 bytes times
    hidden_dim a piece (in mixed precision 2) on the disk of output_dir."""

    @model_validator(mode="after")
    def _attention_can_drop(self) -> "BackboneOptions":
        if self.attention_dropout and not self.dropout:
            raise ValueError("attention_dropout needs a dropout above 0")
        return self

    @model_validator(mode="after")
    def _something_is_frozen(self) -> "BackboneOptions":
        if self.cache_frozen and not self.freeze:
            raise ValueError(
                "cache_frozen keeps what frozen layers give, but none is frozen. Set freeze to how "
                "many of the lowest layers stay as they are, or leave cache_frozen out"
            )
        return self


class PretrainedBackbone(BackboneOptions):
    """Weights that somebody trained before."""

    preset: str
    """`minilm` (packaged weights), a KerasHub preset name or address (`bert_tiny_en_uncased`,
    `kaggle://...`), `hf://user/model`, or a local KerasHub or Hugging Face directory."""


class RandomBackbone(BackboneOptions):
    """Random weights: for tests, smoke runs and training from scratch."""

    preset: Literal["random"]
    family: Literal[
        "bert", "distil_bert", "roberta", "xlm_roberta", "albert", "electra", "deberta_v3"
    ] = "bert"
    vocabulary: str | None = None
    """A WordPiece vocabulary file (bert, distil_bert, electra), a directory with `vocab.json` and
    `merges.txt` (roberta) or a SentencePiece model (xlm_roberta, albert, deberta_v3), below
    data.dir. Null: learned from the training texts."""
    vocabulary_size: Annotated[int, Field(ge=64)] = 2000
    """The most pieces of a learned vocabulary."""
    lowercase: bool = True
    """Whether a learned vocabulary folds case (WordPiece and albert: accents, too)."""
    num_layers: Annotated[int, Field(ge=1)] = 2
    num_heads: Annotated[int, Field(ge=1)] = 2
    hidden_dim: Annotated[int, Field(ge=2)] = 64
    intermediate_dim: Annotated[int, Field(ge=2)] = 128


class BaselineBackbone(BackboneOptions):
    """Embeddings and bidirectional LSTMs, of which nothing is pretrained: shows what that buys."""

    preset: Literal["bilstm"]
    learning_rate: Annotated[float, Field(gt=0.0)] | None = 1e-2
    """In place of optimizer.learning_rate, which is chosen for weights that know something already;
    null: that one."""
    dropout: Fraction = 0.5
    """Of the embeddings and of what each layer gives."""
    vocabulary: str | None = None
    """A WordPiece vocabulary file below data.dir. Null: learned from the training texts."""
    vocabulary_size: Annotated[int, Field(ge=64)] = 10_000
    """The most pieces of a learned vocabulary."""
    lowercase: bool = True
    """Whether case and accents are folded; in token_classification the default is false."""
    embedding_dim: Annotated[int, Field(ge=1)] = 128
    hidden_dim: Annotated[int, Field(ge=2, multiple_of=2)] = 256
    """Of the vectors that a layer gives: half of it comes from each direction."""
    num_layers: Annotated[int, Field(ge=1)] = 1

    @model_validator(mode="before")
    @classmethod
    def _is_no_transformer(cls, values: Any) -> Any:
        for name, why in NOT_OF_BILSTM.items():
            given = values.get(name) if isinstance(values, dict) else None
            if given is not None and given is not False:
                raise ValueError(f"{name} does not go with preset: bilstm, {why}. Leave it out")
        return values


NOT_OF_BILSTM = {
    "attention_dropout": "which has no attention",
    "freeze": "which has no pretrained layers to keep as they are",
    "cache_frozen": "which has no pretrained layers to keep as they are",
}
KINDS: dict[str, type[BackboneOptions]] = {
    "pretrained": PretrainedBackbone,
    "random": RandomBackbone,
    "bilstm": BaselineBackbone,
}


def _backbone_kind(value: Any) -> str:
    preset = value.get("preset") if isinstance(value, dict) else getattr(value, "preset", None)
    return preset if preset in ("random", "bilstm") else "pretrained"


def without_keys_of_others(section: dict[str, Any], kept: Iterable[str]) -> dict[str, Any]:
    """A section without the keys that only go with other kinds of backbones.

    For a preset that takes the place of the file's: `num_heads`, `freeze` and the like described
    what is no longer there.

    Args:
        section: with the new preset.
        kept: keys that stay, since they were given together with it.
    """
    known = {key for kind in KINDS.values() for key in kind.model_fields}
    kind = _backbone_kind(section)
    foreign = known - KINDS[kind].model_fields.keys()
    if kind == "bilstm":
        foreign |= NOT_OF_BILSTM.keys()
    foreign -= set(kept)
    return {key: value for key, value in section.items() if key not in foreign}


Backbone = Annotated[
    Annotated[PretrainedBackbone, Tag("pretrained")]
    | Annotated[RandomBackbone, Tag("random")]
    | Annotated[BaselineBackbone, Tag("bilstm")],
    Discriminator(_backbone_kind),
]
