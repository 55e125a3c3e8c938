"""Backbones from Hugging Face's files: `config.json` and safetensors.

KerasHub's own converters know neither ELECTRA nor DeBERTa-v3, refuse a model without a pooler, as
taggers are saved, and drop what a config says of GELU, dropout and segments. So the names of all
families stand here, a table of each.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tfft.backbones.families import FAMILIES
from tfft.backbones.safetensor_files import Weights
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
# Two places stand for padding: positions count from pad_token_id + 1.
ROBERTA_OFFSET = 2


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
        num_unused: how many positions stand for padding.
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
    num_unused: int = 0


SEGMENTS = {"num_segments": "type_vocab_size"}
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
        num_unused=ROBERTA_OFFSET,
    ),
    "xlm-roberta": Layout(
        family="xlm_roberta",
        prefix="roberta",
        outside=ROBERTA_EMBEDDINGS,
        num_unused=ROBERTA_OFFSET,
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
    return layout


def build_backbone(config: dict[str, Any], **options: Any) -> Any:
    """A backbone with random weights in the sizes of a config.

    Args:
        config: `config.json`.
        options: that go before what it says, such as `dropout` and `dtype`.

    Raises:
        ConfigError: see `find_layout`.
        KeyError: the config lacks a size.
    """
    layout = find_layout(config)
    row = FAMILIES[layout.family]
    said = {"type_vocab_size": 2, **layout.defaults, **config}
    sizes = {name: said[key] for name, key in layout.sizes.items()}
    sizes["max_sequence_length"] -= layout.num_unused
    sizes[row.size_name] = said["vocab_size"]
    dropout = said.get("dropout" if layout.family == "distil_bert" else "hidden_dropout_prob", 0.1)
    return row.backbone(**{"dropout": dropout, **sizes, **options})


def load_weights(backbone: Any, config: dict[str, Any], weights: Weights) -> None:
    """Sets the weights of a backbone; those of a pooler that is not there stay.

    Raises:
        KeyError: a weight is missing.
        ValueError: one has another shape.
    """
    layout = find_layout(config)
    weights = weights.below(layout.prefix)
    for layer, name in named_layers(backbone, layout):
        if name != layout.pooler or f"{name}.weight" in weights:
            set_layer(layer, name, weights)
    if layout.num_unused:  # positions from there on, and the one segment that all pieces have
        positions = backbone.embeddings.position_embedding.position_embeddings
        table = weights["embeddings.position_embeddings.weight"][layout.num_unused :]
        segment = "embeddings.token_type_embeddings.weight"
        positions.assign(table + weights[segment][0] if segment in weights else table)


def named_layers(backbone: Any, layout: Layout) -> Iterator[tuple[Any, str]]:
    """The Keras layers of a backbone with Hugging Face's names of them."""
    for path, name in layout.outside.items():
        is_table = path == "embeddings.position_embedding" and layout.num_unused
        if not is_table and (path != "embeddings_projection" or hasattr(backbone, path)):
            yield _at(backbone, path), name
    for number, layer in enumerate(backbone.transformer_layers):
        inner = layer if isinstance(layer, list) else [layer]
        for place, each in enumerate(inner):
            above = layout.layers.format(number, place)
            for path, name in zip(PARTS, layout.parts, strict=True):
                yield _at(each, path), f"{above}.{name}"
    if layout.pooler:
        yield backbone.pooled_dense, layout.pooler


def set_layer(layer: Any, name: str, weights: Weights) -> None:
    """Sets the weights of one Keras layer: a norm, a table, or a linear layer.

    Hugging Face keeps the kernels of linear layers transposed, and their heads side by side.
    """
    weight = weights[f"{name}.weight"]
    if hasattr(layer, "gamma"):
        layer.gamma.assign(weight)
        layer.beta.assign(weights[f"{name}.bias"])
    elif hasattr(layer, "kernel"):
        layer.kernel.assign(_shaped(weight.T, layer.kernel, layer.bias))
        layer.bias.assign(np.reshape(weights[f"{name}.bias"], layer.bias.shape))
    else:
        table_of(layer).assign(weight)


def table_of(layer: Any) -> Any:
    """The variable of a layer that is a table."""
    names = ("embeddings", "position_embeddings", "rel_embeddings")
    return next(getattr(layer, name) for name in names if hasattr(layer, name))


def _shaped(kernel: np.ndarray, variable: Any, bias: Any) -> np.ndarray:
    outputs = int(np.prod(bias.shape))
    if kernel.shape != (int(np.prod(variable.shape)) // outputs, outputs):
        raise ValueError(f"{variable.path} has the shape {variable.shape}, not {kernel.shape}")
    return np.reshape(kernel, variable.shape)


def _at(owner: Any, path: str) -> Any:
    for name in path.split("."):
        owner = getattr(owner, name)
    return owner
