"""The baseline without pretraining: embeddings and bidirectional LSTMs."""

from typing import Any

import keras
import keras_hub
from keras import ops

# What an LSTM gives lies between -1 and 1.
LOWEST = -1.0


@keras.saving.register_keras_serializable(package="tfft")
class BilstmBackbone(keras_hub.models.Backbone):
    """Embeddings, then layers of LSTMs that read the pieces from both sides.

    Graves and Schmidhuber 2005, "Framewise phoneme classification with bidirectional LSTM". The
    vector of a whole text is the largest of each number over its pieces (Conneau et al. 2017,
    "Supervised Learning of Universal Sentence Representations", 3.2.4). Padding changes neither.

    Args:
        vocabulary_size: how many pieces there are.
        embedding_dim: of the embeddings.
        hidden_dim: of the vectors that a layer gives, half of it from each direction: even.
        num_layers: of LSTMs.
        dropout: of the embeddings and of what each layer gives.
        dtype: a Keras dtype policy. Default: the global one.

    Call it with `token_ids` and `padding_mask`, int (batch_size, length). It returns a dict with
    `sequence_output` (batch_size, length, hidden_dim), 0 at padding, and `pooled_output`
    (batch_size, hidden_dim).
    """

    def __init__(
        self,
        vocabulary_size: int,
        embedding_dim: int = 128,
        hidden_dim: int = 256,
        num_layers: int = 1,
        dropout: float = 0.5,
        dtype: Any = None,
        **options: Any,
    ) -> None:
        if hidden_dim % 2:
            raise ValueError(f"hidden_dim is {hidden_dim}; expected an even number.")
        inputs = {
            name: keras.Input(shape=(None,), dtype="int32", name=name)
            for name in ("token_ids", "padding_mask")
        }
        embedding = keras.layers.Embedding(
            vocabulary_size, embedding_dim, dtype=dtype, name="token_embedding"
        )
        is_piece = ops.cast(inputs["padding_mask"], "bool")
        vectors = embedding(inputs["token_ids"])
        vectors = keras.layers.Dropout(dropout, dtype=dtype, name="embeddings_dropout")(vectors)
        for number in range(num_layers):
            given = _both_directions(hidden_dim, dtype, f"layer_{number}")(vectors, mask=is_piece)
            drop = keras.layers.Dropout(dropout, dtype=dtype, name=f"layer_{number}_dropout")
            vectors = drop(given)
        largest = ops.max(ops.where(is_piece[:, :, None], given, LOWEST), axis=1)
        pooled = keras.layers.Dropout(dropout, dtype=dtype, name="pooled_dropout")(largest)
        super().__init__(
            inputs=inputs,
            outputs={"sequence_output": vectors, "pooled_output": pooled},
            dtype=dtype,
            **options,
        )
        self.token_embedding = embedding
        self.vocabulary_size = vocabulary_size
        self.embedding_dim = embedding_dim
        self.hidden_dim = hidden_dim
        self.num_layers = num_layers
        self.dropout = dropout

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        names = ("vocabulary_size", "embedding_dim", "hidden_dim", "num_layers", "dropout")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def _both_directions(hidden_dim: int, dtype: Any, name: str) -> Any:
    # Without cuDNN, whose operation a SavedModel would take to servers that lack it.
    forward = keras.layers.LSTM(
        hidden_dim // 2, return_sequences=True, use_cudnn=False, dtype=dtype, name="lstm"
    )
    return keras.layers.Bidirectional(forward, dtype=dtype, name=name)


@keras.saving.register_keras_serializable(package="tfft")
class BilstmTokenizer(keras_hub.models.BertTokenizer):
    """WordPiece, as BERT has it."""

    backbone_cls = BilstmBackbone
