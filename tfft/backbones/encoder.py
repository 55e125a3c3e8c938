"""One face for every family of encoders: what a task head sees."""

from typing import Any

import keras
import numpy as np

from tfft.backbones.epsilon import copy_epsilon
from tfft.backbones.families import family_of
from tfft.backbones.transformer import Transformer
from tfft.errors import ConfigError


class Encoder:
    """A KerasHub backbone with its tokenizer.

    Args:
        backbone: a KerasHub (or `keras_nlp`) backbone of a known family. Without a tokenizer also
            any Keras model from inputs named `token_ids` and `padding_mask` to (batch_size,
            length, hidden_dim), or to a dict with that as `sequence_output`.
        tokenizer: the KerasHub tokenizer that belongs to it; without one the encoder takes
            features but no texts.
        sequence_length: the most pieces of an example, special ones included. Default: what the
            backbone's position table holds; 512 where it has none.
        truncation: where longer texts are cut; see `tfft.text.segments.place_in_text`.
        lowercase: ALBERT, DeBERTa: whether texts are lowered first. Default: those of ALBERT.
        strip_accents: WordPiece, ALBERT: whether "é" is read as "e". Default: WordPiece as the
            tokenizer's `lowercase` says, ALBERT yes.
        add_prefix_space: RoBERTa: whether each text gets a blank in front, so that its first word
            is as others are. Default: no.

    Attributes:
        source: the directory in which `load_encoder` has its files; else None.

    Raises:
        ConfigError: the family is unknown, or `sequence_length` is over the backbone's.
    """

    def __init__(
        self,
        backbone: Any,
        tokenizer: Any = None,
        *,
        sequence_length: int | None = None,
        truncation: str = "end",
        lowercase: bool | None = None,
        strip_accents: bool | None = None,
        add_prefix_space: bool | None = None,
    ) -> None:
        has_tokenizer = tokenizer is not None
        self.family_name, self.family = family_of(backbone, has_tokenizer=has_tokenizer)
        self.backbone = backbone
        self.tokenizer = tokenizer
        longest = getattr(backbone, "max_sequence_length", None)
        self.sequence_length: int = sequence_length or longest or 512
        self.truncation = truncation
        self.source: str | None = None
        self.lowercase = lowercase
        self.strip_accents = strip_accents
        self.add_prefix_space = bool(add_prefix_space) and self.family.vocabulary == "byte_pair"
        # Part of what is served: a SentencePiece model is a resource.
        self.graph_tokenizer: Any = self._build_tokenizer() if has_tokenizer else None
        if longest and self.sequence_length > longest:
            raise ConfigError(
                f"backbone.sequence_length is {sequence_length}, but this {self.family_name} "
                f"backbone has positions for {longest} pieces. Set it to {longest} or less."
            )

    @staticmethod
    def around(backbone: "Encoder | Any") -> "Encoder":
        """An encoder as it is, or one around a backbone."""
        return backbone if isinstance(backbone, Encoder) else Encoder(backbone)

    def with_dtype(self, dtype: str) -> "Encoder":
        """An encoder with the same weights that computes in another dtype."""
        config = self.backbone.get_config() | {"dtype": dtype}
        backbone = type(self.backbone).from_config(config)
        # Also those that a head does not read, such as the pooler's.
        backbone.set_weights(self.backbone.get_weights())
        copy_epsilon(self.backbone, backbone)
        return Encoder(
            backbone,
            self.tokenizer,
            sequence_length=self.sequence_length,
            truncation=self.truncation,
            lowercase=self.lowercase,
            strip_accents=self.strip_accents,
            add_prefix_space=self.add_prefix_space,
        )

    # ------------------------------------------------------------------------- text to pieces

    def features(self, texts: list[Any]) -> dict[str, Any]:
        """Turns one or two string tensors (batch_size,) into ragged features.

        Returns:
            `token_ids` and, where the family uses them, `segment_ids`: ragged int32
            (batch_size, pieces), special pieces included, no longer than `sequence_length`.
        """
        return self.join([self.pieces(text) for text in texts])

    def word_pieces(self, words: Any) -> Any:
        """The pieces of words that stand alone, none without a piece.

        Args:
            words: ragged strings (batch_size, words).

        Returns:
            Ragged int32 (batch_size, words, pieces). Families whose pieces begin with the blank
            before a word (RoBERTa) get one before each word.
        """
        from tfft.text.alignment import word_pieces

        return word_pieces(
            words,
            self._tokenizer(),
            unknown_id=self.tokenizer.token_to_id(self.family.unknown),
        )

    def pieces_with_offsets(self, texts: Any) -> Any:
        """The pieces of texts (batch_size,) and the characters that each stands for.

        Returns:
            `tfft.text.alignment.Pieces`: the ids that `features` has, without special pieces.
        """
        from tfft.text.alignment import pieces_with_offsets

        return pieces_with_offsets(texts, self._tokenizer(), blank_in_front=self.add_prefix_space)

    def join(self, segments: list[Any]) -> dict[str, Any]:
        """One or two ragged rows of pieces with special pieces around them; see `features`."""
        from tfft.text.segments import pack_segments

        token_ids, segment_ids = pack_segments(
            segments,
            sequence_length=self.sequence_length,
            start_id=self._special_id(self.family.start),
            end_id=self._special_id(self.family.end),
            num_separators=self.family.num_separators,
            truncation=self.truncation,
        )
        return self._used({"token_ids": token_ids, "segment_ids": segment_ids})

    def num_special(self, num_texts: int) -> int:
        """How many special pieces a row of one or two texts has."""
        return 1 + num_texts + (self.family.num_separators - 1) * (num_texts - 1)

    def lengths(self, texts: list[Any]) -> Any:
        """How many pieces (batch_size,) each row would have uncut, special ones included."""
        pieces = [self.pieces(text).row_lengths() for text in texts]
        return sum(pieces) + self.num_special(len(texts))

    def pad(self, features: dict[str, Any], length: Any = None) -> dict[str, Any]:
        """Turns ragged features into dense ones (batch_size, length) with a `padding_mask`.

        Args:
            features: what `features` returns.
            length: of the result, an int or int64 scalar tensor. Default, or -1: the longest
                row's.
        """
        import tensorflow as tf

        shape = tf.stack([tf.constant(-1, tf.int64), -1 if length is None else length])

        def dense(ragged: Any, filler: int) -> Any:
            return tf.ensure_shape(ragged.to_tensor(filler, shape=shape), [None, None])

        ids = features["token_ids"]
        padded = {"token_ids": dense(ids, self.pad_id), "padding_mask": dense(tf.ones_like(ids), 0)}
        if self.family.uses_segment_ids:
            padded["segment_ids"] = dense(features["segment_ids"], 0)
        return padded

    @property
    def pad_id(self) -> int:
        """The id of the piece that fills up short rows."""
        return self._special_id(self.family.pad)

    def pieces(self, text: Any) -> Any:
        """The pieces of texts (batch_size,), ragged int32, without special ones, uncut."""
        if self.add_prefix_space:
            from tfft.text.alignment import with_blank

            text = with_blank(text)
        return self._tokenizer()(text)

    def _tokenizer(self) -> Any:
        if self.graph_tokenizer is None:
            raise ValueError(
                "This encoder has no tokenizer, so it takes features but no texts. "
                "Give it one: Encoder(backbone, tokenizer)."
            )
        return self.graph_tokenizer

    def _build_tokenizer(self) -> Any:
        """A function from strings (batch_size,) to ragged int32 (batch_size, pieces)."""
        tokenizer = self.tokenizer
        if self.family.vocabulary == "wordpiece":
            from tfft.text.wordpiece import WordPiece

            return WordPiece(
                tokenizer.get_vocabulary(),
                lowercase=bool(tokenizer.lowercase),
                strip_accents=self.strip_accents,
            )
        if self.family.vocabulary == "byte_pair":
            from tfft.text.byte_pair import BytePair

            return BytePair(tokenizer.vocabulary, tokenizer.merges)
        from tfft.text.sentencepiece import SentencePiece

        # As in Hugging Face, XLM-RoBERTa folds nothing, whatever its tokenizer_config.json says.
        is_albert, is_deberta = self.family_name == "albert", self.family_name == "deberta_v3"
        lowercase = is_albert if self.lowercase is None else self.lowercase
        return SentencePiece(
            tokenizer.proto,
            fairseq_ids=self.family_name == "xlm_roberta",
            lowercase=lowercase and (is_albert or is_deberta),
            strip_accents=is_albert and self.strip_accents is not False,
            plain_quotes=is_albert,
            compose=is_deberta,
        )

    def _special_id(self, attribute: str) -> int:
        return int(getattr(self.tokenizer, attribute))

    def _used(self, features: dict[str, Any]) -> dict[str, Any]:
        used = {name: features[name] for name in features if name in self.backbone.input}
        if "segment_ids" in used and getattr(self.backbone, "num_segments", 2) < 2:
            used["segment_ids"] *= 0  # all texts are of the one segment that there is
        return used

    # ------------------------------------------------------------------------ pieces to vectors

    def inputs(self) -> dict[str, Any]:
        """New symbolic inputs, int32 (batch_size, length), named as KerasHub names them."""
        return {
            name: keras.Input(shape=(None,), dtype="int32", name=name) for name in self.input_names
        }

    @property
    def input_names(self) -> list[str]:
        """`token_ids`, `padding_mask` and, where used, `segment_ids`."""
        return sorted(self.backbone.input)

    def sequence(self, inputs: dict[str, Any]) -> Any:
        """The vectors of all pieces.

        A pooler is frozen: it has no gradients to learn from.

        Args:
            inputs: `token_ids`, `padding_mask` and, where used, `segment_ids`, int (batch_size,
                length), as tensors or symbolic inputs.

        Returns:
            (batch_size, length, hidden_dim).
        """
        self._freeze_pooler()
        return self._encode(inputs, first_only=False)

    def first(self, inputs: dict[str, Any], *, with_pooler: bool = True) -> tuple[Any, Any]:
        """The vector of the first piece, and what a pooler makes of it, or of all pieces (LSTMs).

        Args:
            inputs: as for `sequence`.
            with_pooler: whether the pooler is wanted; else it is frozen.

        Returns:
            (batch_size, hidden_dim), and the same again or None where there is no pooler.
        """
        if self.family.has_pooler and not self.family.like_bert:
            outputs = self.backbone(inputs)
            return outputs["sequence_output"][:, 0, :], outputs["pooled_output"]
        first = self._encode(inputs, first_only=True)[:, 0, :]
        if with_pooler and self.family.has_pooler:
            return first, self.backbone.pooled_dense(first)
        self._freeze_pooler()
        return first, None

    def _freeze_pooler(self) -> None:
        pooler = getattr(self.backbone, "pooled_dense", None)
        if pooler is not None and self.family.like_bert:
            pooler.trainable = False

    def _encode(self, inputs: dict[str, Any], *, first_only: bool) -> Any:
        if self.family.like_bert:
            return Transformer(self.backbone, first_only=first_only)(inputs)
        outputs = self.backbone(inputs)
        return outputs["sequence_output"] if isinstance(outputs, dict) else outputs


def count_parameters(model: Any) -> int:
    """How many numbers the weights of a model hold."""
    return sum(int(np.prod(weight.shape)) for weight in model.weights)
