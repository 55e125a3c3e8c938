"""Tiny Hugging Face directories, written by hand from the weights of a tiny encoder."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

SIZES = {"bert": "bert", "roberta": "roberta", "distil_bert": "distilbert"}
# Hugging Face's names of a layer's parts: BERT and RoBERTa, DistilBERT.
PARTS = {
    "_self_attention_layer.query_dense": ("attention.self.query", "attention.q_lin"),
    "_self_attention_layer.key_dense": ("attention.self.key", "attention.k_lin"),
    "_self_attention_layer.value_dense": ("attention.self.value", "attention.v_lin"),
    "_self_attention_layer.output_dense": ("attention.output.dense", "attention.out_lin"),
    "_self_attention_layer_norm": ("attention.output.LayerNorm", "sa_layer_norm"),
    "_feedforward_intermediate_dense": ("intermediate.dense", "ffn.lin1"),
    "_feedforward_output_dense": ("output.dense", "ffn.lin2"),
    "_feedforward_layer_norm": ("output.LayerNorm", "output_layer_norm"),
}


@pytest.fixture(scope="session")
def write_hf_directory() -> Callable[[Any, Path], Path]:
    """Writes an encoder as `save_pretrained` of transformers does; returns the directory."""

    def write(encoder: Any, place: Path) -> Path:
        place.mkdir(parents=True, exist_ok=True)
        save_file(hf_weights(encoder), place / "model.safetensors")
        (place / "config.json").write_text(json.dumps(hf_config(encoder)))
        if encoder.family.vocabulary == "wordpiece":
            pieces = encoder.tokenizer.get_vocabulary()
            (place / "vocab.txt").write_text("\n".join(pieces) + "\n", "utf-8")
            (place / "tokenizer_config.json").write_text('{"do_lower_case": true}')
        else:
            (place / "vocab.json").write_text(json.dumps(dict(encoder.tokenizer.vocabulary)))
            (place / "merges.txt").write_text("\n".join(encoder.tokenizer.merges) + "\n", "utf-8")
        return place

    return write


@pytest.fixture(scope="module")
def place(fixtures):
    """Where the tiny checkpoints of transformers are."""
    return fixtures / "huggingface"


@pytest.fixture
def copy(place, tmp_path):
    """A copy of a checkpoint that a test may change."""

    def make(kind):
        shutil.copytree(place / kind, tmp_path / kind)
        return tmp_path / kind

    return make


def hf_config(encoder: Any) -> dict[str, Any]:
    backbone = encoder.backbone
    config = {"model_type": SIZES[encoder.family_name], "vocab_size": backbone.vocabulary_size}
    if encoder.family_name == "distil_bert":
        return config | {
            "n_layers": backbone.num_layers,
            "n_heads": backbone.num_heads,
            "dim": backbone.hidden_dim,
            "hidden_dim": backbone.intermediate_dim,
            "dropout": backbone.dropout,
            "max_position_embeddings": backbone.max_sequence_length,
        }
    # RoBERTa's first two positions stand for padding.
    unused = 2 if encoder.family_name == "roberta" else 0
    return config | {
        "num_hidden_layers": backbone.num_layers,
        "num_attention_heads": backbone.num_heads,
        "hidden_size": backbone.hidden_dim,
        "intermediate_size": backbone.intermediate_dim,
        "hidden_dropout_prob": backbone.dropout,
        "layer_norm_eps": encoder.family.epsilon,
        "max_position_embeddings": backbone.max_sequence_length + unused,
    }


def hf_weights(encoder: Any) -> dict[str, np.ndarray]:
    backbone, family = encoder.backbone, encoder.family_name
    distilled = family == "distil_bert"
    layers = "transformer.layer" if distilled else "encoder.layer"
    weights = {f"embeddings.{name}": value for name, value in hf_embeddings(encoder).items()}
    weights |= hf_part("embeddings.LayerNorm", backbone.get_layer("embeddings_layer_norm"))
    for number in range(backbone.num_layers):
        layer = backbone.get_layer(f"transformer_layer_{number}")
        for path, names in PARTS.items():
            part = layer
            for name in path.split("."):
                part = getattr(part, name)
            weights |= hf_part(f"{layers}.{number}.{names[distilled]}", part)
    if family == "bert":
        weights |= hf_part("pooler.dense", backbone.get_layer("pooled_dense"))
    prefix = {"bert": "", "roberta": "roberta.", "distil_bert": "distilbert."}[family]
    return {prefix + name: np.ascontiguousarray(value) for name, value in weights.items()}


def hf_embeddings(encoder: Any) -> dict[str, np.ndarray]:
    backbone = encoder.backbone
    if encoder.family_name == "bert":
        positions = backbone.get_layer("position_embedding").get_weights()[0]
        segments = backbone.get_layer("segment_embedding").get_weights()[0]
        kinds = {"token_type_embeddings.weight": segments}
    else:
        both = [layer for layer in backbone.layers if hasattr(layer, "position_embedding")]
        positions = both[0].position_embedding.get_weights()[0]
        kinds = {}
    if encoder.family_name == "roberta":
        positions = np.concatenate([np.full((2, positions.shape[1]), 99.0, "float32"), positions])
    words = np.asarray(backbone.token_embedding.get_weights()[0])
    return {"word_embeddings.weight": words, "position_embeddings.weight": positions, **kinds}


def hf_part(name: str, layer: Any) -> dict[str, np.ndarray]:
    """`weight` and `bias` of a norm or a linear layer, which Hugging Face keeps transposed."""
    if hasattr(layer, "gamma"):
        return {f"{name}.weight": layer.get_weights()[0], f"{name}.bias": layer.get_weights()[1]}
    kernel, bias = layer.get_weights()
    # Of attention, one of the two sides is split into heads.
    rows = kernel.shape[0] if bias.ndim != 1 or kernel.ndim == 2 else -1
    kernel = kernel.reshape(rows, bias.size)
    return {f"{name}.weight": kernel.T, f"{name}.bias": bias.reshape(-1)}
