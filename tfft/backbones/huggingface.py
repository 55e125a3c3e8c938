"""Backbones from Hugging Face's files: `config.json` and weights.

KerasHub's own converters know neither ELECTRA nor DeBERTa-v3, refuse a model without a pooler, as
taggers are saved, and drop what a config says of GELU, dropout and segments. So the names of all
families stand here, a table of each.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from tfft.backbones.epsilon import set_epsilon
from tfft.backbones.families import FAMILIES
from tfft.backbones.layouts import PARTS, Layout, find_layout
from tfft.backbones.weight_files import Weights


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
    sizes["max_sequence_length"] -= layout.num_unused(config)
    sizes[row.size_name] = said["vocab_size"]
    dropout = said.get("dropout" if layout.family == "distil_bert" else "hidden_dropout_prob", 0.1)
    backbone = row.backbone(**{"dropout": dropout, **sizes, **options})
    set_epsilon(backbone, config.get("layer_norm_eps", layout.epsilon))
    return backbone


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
    if layout.counts_from_padding:
        # Positions from there on, and the one segment that all pieces have.
        positions = backbone.embeddings.position_embedding.position_embeddings
        table = weights["embeddings.position_embeddings.weight"][layout.num_unused(config) :]
        segment = "embeddings.token_type_embeddings.weight"
        positions.assign(table + weights[segment][:1].sum(0) if segment in weights else table)


def named_layers(backbone: Any, layout: Layout) -> Iterator[tuple[Any, str]]:
    """The Keras layers of a backbone with Hugging Face's names of them."""
    for path, name in layout.outside.items():
        is_table = path == "embeddings.position_embedding" and layout.counts_from_padding
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
