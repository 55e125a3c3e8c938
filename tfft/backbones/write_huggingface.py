"""Backbones in Hugging Face's form: what `huggingface.load_weights` reads, by the same tables."""

from typing import Any

import numpy as np

from tfft.backbones.encoder import Encoder
from tfft.backbones.huggingface import named_layers, table_of
from tfft.backbones.layouts import LAYOUTS, Layout
from tfft.errors import ConfigError

# What the functions of KerasHub's layers are called there.
ACTIVATIONS = {"gelu_approximate": "gelu_new", "gelu": "gelu"}
# RoBERTa's positions count from the one behind its padding's id, which is 1.
ROBERTA_PAD_ID, ROBERTA_UNUSED = 1, 2
DROPOUTS = ("hidden_dropout_prob", "attention_probs_dropout_prob")


def find_model_type(encoder: Encoder) -> tuple[str, Layout]:
    """Hugging Face's `model_type` of an encoder, and the names of its weights.

    Raises:
        ConfigError: it has none; says which families have one.
    """
    for model_type, layout in LAYOUTS.items():
        if layout.family == encoder.family_name:
            return model_type, layout
    raise ConfigError(
        f"Hugging Face has no model of the family {encoder.family_name}. Those that can be "
        f"written are {', '.join(layout.family for layout in LAYOUTS.values())}."
    )


def backbone_config(encoder: Encoder) -> dict[str, Any]:
    """The part of `config.json` that says what the backbone computes.

    Activation and epsilon are those that its layers have: KerasHub's BERT has the tanh form of
    GELU, whatever the checkpoint had that its weights are from.

    Raises:
        ConfigError: see `find_model_type`; or RoBERTa's padding is another piece than 1, by which
            Hugging Face counts positions.
    """
    model_type, layout = find_model_type(encoder)
    backbone, is_distilled = encoder.backbone, layout.family == "distil_bert"
    if layout.counts_from_padding and encoder.pad_id != ROBERTA_PAD_ID:
        raise ConfigError(
            f"The vocabulary has its padding at {encoder.pad_id}; Hugging Face counts the "
            f"positions of {model_type} from it, and expects it at {ROBERTA_PAD_ID}."
        )
    sizes = {key: int(getattr(backbone, name)) for name, key in layout.sizes.items()}
    sizes["max_position_embeddings"] += ROBERTA_UNUSED if layout.counts_from_padding else 0
    dropout = float(backbone.dropout)
    norm = {} if is_distilled else {"layer_norm_eps": float(backbone.embeddings_layer_norm.epsilon)}
    names = ("dropout", "attention_dropout") if is_distilled else DROPOUTS
    return {
        "model_type": model_type,
        "vocab_size": int(getattr(backbone, encoder.family.size_name)),
        **({"type_vocab_size": 1} if layout.counts_from_padding else {}),
        **sizes,
        **{name: _first(values) for name, values in layout.required.items()},
        "activation" if is_distilled else "hidden_act": _activation(backbone),
        **norm,
        **dict.fromkeys(names, dropout),
        "pad_token_id": encoder.pad_id,
    }


def backbone_weights(encoder: Encoder, *, with_pooler: bool) -> dict[str, np.ndarray]:
    """The weights under Hugging Face's names, float32.

    Args:
        encoder: whose backbone is written.
        with_pooler: whether the model has a use for the pooler: a classifier has.
    """
    layout = find_model_type(encoder)[1]
    weights: dict[str, np.ndarray] = {}
    for layer, name in named_layers(encoder.backbone, layout):
        if with_pooler or name != layout.pooler:
            weights |= layer_weights(layer, name)
    if layout.counts_from_padding:
        weights |= _roberta_tables(encoder.backbone)
    return {f"{layout.prefix}.{name}": value for name, value in weights.items()}


def layer_weights(layer: Any, name: str) -> dict[str, np.ndarray]:
    """The weights of one Keras layer, as `huggingface.set_layer` takes them."""
    if hasattr(layer, "gamma"):
        return {f"{name}.weight": _array(layer.gamma), f"{name}.bias": _array(layer.beta)}
    if hasattr(layer, "kernel"):
        bias = _array(layer.bias).reshape(-1)
        kernel = _array(layer.kernel).reshape(-1, len(bias))
        return {f"{name}.weight": np.ascontiguousarray(kernel.T), f"{name}.bias": bias}
    return {f"{name}.weight": _array(table_of(layer))}


def _roberta_tables(backbone: Any) -> dict[str, np.ndarray]:
    """Positions behind those of padding, and the one segment, which is in them already."""
    positions = _array(backbone.embeddings.position_embedding.position_embeddings)
    unused = np.zeros((ROBERTA_UNUSED, positions.shape[1]), "float32")
    return {
        "embeddings.position_embeddings.weight": np.concatenate([unused, positions]),
        "embeddings.token_type_embeddings.weight": unused[:1],
    }


def _activation(backbone: Any) -> str:
    layer = backbone.transformer_layers[0]
    layer = layer[0] if isinstance(layer, list) else layer
    return ACTIVATIONS[layer._feedforward_intermediate_dense.activation.__name__]


def _first(values: tuple[Any, ...]) -> Any:
    return next(value for value in values if value is not None)


def _array(variable: Any) -> np.ndarray:
    return np.asarray(variable, "float32")
