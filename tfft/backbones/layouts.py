"""How Hugging Face names the weights and sizes of each family: a table of each."""

from dataclasses import dataclass, field
from typing import Any

from tfft.backbones.families import FAMILIES
from tfft.errors import ConfigError

# The parts of a layer, in the order in which the tables below name them.
PARTS = (
    "_self_attention_layer._query_dense",
    "_self_attention_layer._key_dense",
    "_self_attention_layer._value_dense",
    "_self_attention_layer._output_dense",
    "_self_attention_layer_norm",
    "_feedforward_intermediate_dense",
    "_feedforward_output_dense",
    "_feedforward_layer_norm",
)
SIZES = {
    "num_layers": "num_hidden_layers",
    "num_heads": "num_attention_heads",
    "hidden_dim": "hidden_size",
    "intermediate_dim": "intermediate_size",
    "max_sequence_length": "max_position_embeddings",
}
BERT_PARTS = (
    *("attention.self.query", "attention.self.key", "attention.self.value"),
    *("attention.output.dense", "attention.output.LayerNorm"),
    *("intermediate.dense", "output.dense", "output.LayerNorm"),
)
BERT_EMBEDDINGS = {
    "token_embedding": "embeddings.word_embeddings",
    "position_embedding": "embeddings.position_embeddings",
    "segment_embedding": "embeddings.token_type_embeddings",
    "embeddings_layer_norm": "embeddings.LayerNorm",
}
ROBERTA_EMBEDDINGS = {
    "embeddings.token_embedding": "embeddings.word_embeddings",
    "embeddings.position_embedding": "embeddings.position_embeddings",
    "embeddings_layer_norm": "embeddings.LayerNorm",
}
GELUS = ("gelu", "gelu_new", "gelu_fast", "gelu_python", "gelu_pytorch_tanh")


@dataclass(frozen=True)
class Layout:
    """How Hugging Face names the weights of a family.

    Attributes:
        family: in `tfft.backbones.families.FAMILIES`.
        prefix: of the encoder's weights in a model with a head.
        outside: the name of each part that is no layer's, by its path in the backbone.
        parts: the names of a layer's `PARTS`.
        layers: the name of a layer, with its number or numbers.
        pooler: the name of the pooler, which a model may lack.
        sizes: the keys of the config, by the arguments of the backbone.
        defaults: what older configs leave out.
        required: what else a config must say for KerasHub to compute the same.
        epsilon: of its norms where the config says nothing.
        counts_from_padding: whether the first position is the one behind the id of the padding.
    """

    family: str
    prefix: str
    outside: dict[str, str]
    parts: tuple[str, ...] = BERT_PARTS
    layers: str = "encoder.layer.{}"
    pooler: str | None = None
    sizes: dict[str, str] = field(default_factory=lambda: SIZES)
    defaults: dict[str, Any] = field(default_factory=dict)
    required: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    epsilon: float = 1e-12
    counts_from_padding: bool = False

    def num_unused(self, config: dict[str, Any]) -> int:
        """How many positions of the table no piece has."""
        return config.get("pad_token_id", 1) + 1 if self.counts_from_padding else 0


SEGMENTS = {"num_segments": "type_vocab_size"}
# What the classes of a model_type begin with.
CLASSES = {
    "bert": "Bert",
    "distilbert": "DistilBert",
    "roberta": "Roberta",
    "xlm-roberta": "XLMRoberta",
    "albert": "Albert",
    "electra": "Electra",
    "deberta-v2": "DebertaV2",
}
LAYOUTS = {
    "bert": Layout(
        family="bert",
        prefix="bert",
        outside=BERT_EMBEDDINGS,
        pooler="pooler.dense",
        sizes=SIZES | SEGMENTS,
    ),
    "distilbert": Layout(
        family="distil_bert",
        prefix="distilbert",
        outside=ROBERTA_EMBEDDINGS,
        layers="transformer.layer.{}",
        parts=(
            *("attention.q_lin", "attention.k_lin", "attention.v_lin", "attention.out_lin"),
            *("sa_layer_norm", "ffn.lin1", "ffn.lin2", "output_layer_norm"),
        ),
        sizes={
            "num_layers": "n_layers",
            "num_heads": "n_heads",
            "hidden_dim": "dim",
            "intermediate_dim": "hidden_dim",
            "max_sequence_length": "max_position_embeddings",
        },
    ),
    "roberta": Layout(
        family="roberta",
        prefix="roberta",
        outside=ROBERTA_EMBEDDINGS,
        counts_from_padding=True,
    ),
    "xlm-roberta": Layout(
        family="xlm_roberta",
        prefix="roberta",
        outside=ROBERTA_EMBEDDINGS,
        counts_from_padding=True,
    ),
    "albert": Layout(
        family="albert",
        prefix="albert",
        outside=BERT_EMBEDDINGS | {"embeddings_projection": "encoder.embedding_hidden_mapping_in"},
        layers="encoder.albert_layer_groups.{}.albert_layers.{}",
        parts=(
            *("attention.query", "attention.key", "attention.value", "attention.dense"),
            *("attention.LayerNorm", "ffn", "ffn_output", "full_layer_layer_norm"),
        ),
        pooler="pooler",
        sizes=SIZES
        | SEGMENTS
        | {
            "embedding_dim": "embedding_size",
            "num_groups": "num_hidden_groups",
            "num_inner_repetitions": "inner_group_num",
        },
        defaults={"num_hidden_groups": 1, "inner_group_num": 1},
    ),
    "electra": Layout(
        family="electra",
        prefix="electra",
        outside=BERT_EMBEDDINGS | {"embeddings_projection": "embeddings_project"},
        sizes=SIZES | SEGMENTS | {"embedding_dim": "embedding_size"},
    ),
    "deberta-v2": Layout(
        family="deberta_v3",
        prefix="deberta",
        outside={
            "token_embedding": "embeddings.word_embeddings",
            "embeddings_layer_norm": "embeddings.LayerNorm",
            "relative_embeddings": "encoder.rel_embeddings",
            "relative_embeddings.layer_norm": "encoder.LayerNorm",
        },
        parts=(
            *("attention.self.query_proj", "attention.self.key_proj"),
            *("attention.self.value_proj", *BERT_PARTS[3:]),
        ),
        sizes=SIZES | {"bucket_size": "position_buckets"},
        epsilon=1e-7,
        required={
            "relative_attention": (True,),
            "share_att_key": (True,),
            "norm_rel_ebd": ("layer_norm",),
            "position_biased_input": (False,),
            "pos_att_type": (["p2c", "c2p"], ["c2p", "p2c"], "p2c|c2p", "c2p|p2c"),
            "conv_kernel_size": (None, 0),
            "type_vocab_size": (None, 0),
        },
    ),
}


def find_layout(config: dict[str, Any]) -> Layout:
    """The layout of a model.

    Args:
        config: its `config.json`.

    Raises:
        ConfigError: it is of no kind that tfft knows, or computes what KerasHub does not.
    """
    kind = config.get("model_type")
    if kind not in LAYOUTS:
        raise ConfigError(
            f"backbone.preset: tfft does not know Hugging Face's model_type {kind!r}. It can be "
            f"{', '.join(LAYOUTS)}."
        )
    layout = LAYOUTS[kind]
    wanted = {
        "position_embedding_type": (None, "absolute"),
        "activation" if kind == "distilbert" else "hidden_act": (None, *GELUS),
        **layout.required,
    }
    for name, values in wanted.items():
        if config.get(name) not in values:
            raise ConfigError(
                f"backbone.preset: config.json has {name}: {config.get(name)!r}, which KerasHub's "
                f"{FAMILIES[layout.family].backbone.__name__} does not compute."
            )
    if layout.family == "deberta_v3":
        _check_distances(config)
    return layout


def _check_distances(config: dict[str, Any]) -> None:
    """KerasHub's DeBERTa has buckets of distances up to its sequence length."""
    buckets, furthest = (config.get(n, -1) for n in ("position_buckets", "max_relative_positions"))
    if buckets < 1 or (furthest >= 1 and furthest != config.get("max_position_embeddings")):
        raise ConfigError(
            f"backbone.preset: config.json has position_buckets: {buckets} and "
            f"max_relative_positions: {furthest}. KerasHub's DebertaV3Backbone computes buckets of "
            "distances (1 or more) of up to max_position_embeddings (-1)."
        )


def check_padding(config: dict[str, Any], pad_id: int) -> None:
    """Raises ConfigError where positions would count from another piece than the padding."""
    said = config.get("pad_token_id", 1)
    if find_layout(config).counts_from_padding and said != pad_id:
        raise ConfigError(
            f"backbone.preset: config.json has pad_token_id: {said}, from which positions count, "
            f"but in the vocabulary the padding is {pad_id}. Expected the same number."
        )
