"""The encoder of `preset: bilstm`, built around a vocabulary of the training texts."""

from collections.abc import Sequence

from tfft.backbones.bilstm import BilstmBackbone, BilstmTokenizer
from tfft.backbones.encoder import Encoder
from tfft.backbones.vocabularies import learn_words, read_wordpieces
from tfft.errors import ConfigError


def build_bilstm_encoder(
    *,
    vocabulary: str | None = None,
    texts: Sequence[str] = (),
    vocabulary_size: int = 10_000,
    lowercase: bool = True,
    embedding_dim: int = 128,
    hidden_dim: int = 256,
    num_layers: int = 1,
    sequence_length: int = 128,
    truncation: str = "end",
    dropout: float = 0.5,
    dtype: str | None = None,
) -> Encoder:
    """Builds an encoder of bidirectional LSTMs, the baseline without pretraining.

    Args:
        vocabulary: a WordPiece vocabulary file. Default: learned from `texts`.
        texts: what a vocabulary is learned from.
        vocabulary_size: the most pieces of a learned vocabulary.
        lowercase: whether case and accents are folded.
        embedding_dim: of the embeddings.
        hidden_dim: of the vectors, half of it from each direction: even.
        num_layers: of LSTMs.
        sequence_length: the most pieces of an example.
        truncation: where longer texts are cut; see `tfft.text.segments.place_in_text`.
        dropout: of the embeddings and of what each layer gives.
        dtype: a Keras dtype policy. Default: the global one.

    Raises:
        ConfigError: the vocabulary file cannot be read, or there is no text to learn one from.
    """
    if not vocabulary and not any(text.strip() for text in texts):
        raise ConfigError(
            "backbone.vocabulary: there is no text to learn a vocabulary from. Name a file of "
            "pieces, one a line."
        )
    pieces = (
        read_wordpieces(vocabulary)
        if vocabulary
        else learn_words(texts, vocabulary_size, lowercase)
    )
    tokenizer = BilstmTokenizer(vocabulary=pieces, lowercase=lowercase)
    backbone = BilstmBackbone(
        tokenizer.vocabulary_size(),
        embedding_dim=embedding_dim,
        hidden_dim=hidden_dim,
        num_layers=num_layers,
        dropout=dropout,
        dtype=dtype,
    )
    return Encoder(backbone, tokenizer, sequence_length=sequence_length, truncation=truncation)
