"""Frozen layers, and a model in two: what they compute, and what is learned above them."""

from typing import Any

import keras

from tfft.backbones.attention import encoder_layers
from tfft.backbones.transformer import Transformer
from tfft.errors import ConfigError

# What stands below the layers, by the names that the backbones of KerasHub have for it.
EMBEDDINGS = (
    *("embeddings", "token_embedding", "position_embedding", "segment_embedding"),
    *("embeddings_layer_norm", "embeddings_projection", "relative_embeddings"),
)


def freeze_layers(backbone: Any, count: int) -> None:
    """Keeps the embeddings and the lowest layers of a backbone from being trained.

    Nothing is computed for their gradients, nor kept for their moments.

    Args:
        backbone: of KerasHub, with `transformer_layers`.
        count: how many layers beside the embeddings.

    Raises:
        ConfigError: there are not so many, or all are the same one.
    """
    layers = encoder_layers(backbone)
    if count and len(set(map(id, layers))) < len(layers):
        raise ConfigError(
            f"backbone.freeze is {count}, but the {len(layers)} layers of this "
            f"{type(backbone).__name__} share their weights. Leave it out, or set it to 0."
        )
    if count > len(layers):
        raise ConfigError(
            f"backbone.freeze is {count}, but the backbone has {len(layers)} layers. Set it "
            f"to {len(layers)} or less."
        )
    embeddings = [getattr(backbone, name, None) for name in EMBEDDINGS]
    for layer in [*embeddings, *layers[:count]]:
        if layer is not None:
            layer.trainable = False


def encoder_of(model: Any) -> Transformer:
    """The `Transformer` of a model.

    Raises:
        ConfigError: it has another kind of encoder.
    """
    for layer in model.layers:
        if isinstance(layer, Transformer):
            return layer
    raise ConfigError(
        f"backbone.cache_frozen is for encoders of BERT's kind; {model.name} has none of them. "
        "Leave it out."
    )


def lower_half(model: Any, count: int) -> Any:
    """From the features of a model to the vectors that its lowest layers give.

    Args:
        model: a functional Keras model with a `Transformer`.
        count: how many layers beside the embeddings.

    Returns:
        A Keras model on the same layers, to (batch_size, length, hidden_dim), or to
        (batch_size, 1, hidden_dim) where `count` is all and the first piece's vector is enough.
    """
    encoder = encoder_of(model)
    return keras.Model(model.input, encoder(model.input, until=count))


def upper_half(model: Any, count: int) -> Any:
    """From the features of a model and the vectors of `lower_half` to the outputs of the model.

    Args:
        model: a functional Keras model with a `Transformer`.
        count: how many layers gave the vectors, beside the embeddings.

    Returns:
        A Keras model on the same layers, in the same order: what one learns the other knows, and
        a file of weights is of both. It has an input more, `vectors`.
    """
    encoder = encoder_of(model)
    shape = (1 if encoder.is_first(count) else None, encoder.backbone.hidden_dim)
    vectors = keras.Input(shape, dtype=encoder.compute_dtype, name="vectors")

    def call(layer: Any, *arguments: Any, **options: Any) -> Any:
        if layer is encoder:
            return layer(*arguments, vectors=vectors, since=count)
        return layer(*arguments, **options)

    # What `keras.models.clone_model` does, which cannot add an input.
    outputs = model._run_through_graph(model.inputs, call_fn=call)
    return keras.Model({**model.input, "vectors": vectors}, outputs, name=model.name)
