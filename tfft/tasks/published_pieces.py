"""The heads of masked language models that were published with an encoder."""

from typing import Any

from tfft.backbones.encoder import Encoder
from tfft.backbones.huggingface import set_layer
from tfft.backbones.weight_files import Weights

# Hugging Face's names of the dense layer and the norm, and of what has the bias of the pieces.
BERT = ("cls.predictions.transform.dense", "cls.predictions.transform.LayerNorm", "cls.predictions")
ROBERTA = ("lm_head.dense", "lm_head.layer_norm", "lm_head")
DEBERTA = "lm_predictions.lm_head"
NAMES = {
    "bert": [BERT],
    "distil_bert": [("vocab_transform", "vocab_layer_norm", "vocab_projector")],
    "roberta": [ROBERTA],
    "xlm_roberta": [ROBERTA],
    "albert": [("predictions.dense", "predictions.LayerNorm", "predictions")],
    "electra": [
        ("generator_predictions.dense", "generator_predictions.LayerNorm", "generator_lm_head")
    ],
    "deberta_v3": [BERT, (f"{DEBERTA}.dense", f"{DEBERTA}.LayerNorm", DEBERTA)],
}


def begin_with_pieces(model: Any, encoder: Encoder, weights: Weights) -> str:
    """Sets the weights of the head, if one was published; returns what is to be said.

    Args:
        model: that a `MaskedLM` built on the encoder.
        encoder: as `load_encoder` gave it.
        weights: that were published with it.
    """
    layer = model.get_layer("guess")
    for dense, norm, owner in NAMES[encoder.family_name]:
        if f"{dense}.weight" in weights:
            set_layer(layer.dense, dense, weights)
            set_layer(layer.norm, norm, weights)
            layer.bias.assign(weights[f"{owner}.bias"])
            return "The masked-language head that was published with the encoder is used."
    return f"{encoder.source} has no masked-language head: it begins with random numbers."
