"""Masked language modelling: an encoder learns the words of a domain from plain text.

Devlin et al. 2019, "BERT"; going on with it on the texts of a domain before the task is what
Gururangan et al. 2020, "Don't Stop Pretraining", measure.
"""

import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfft.backbones.encoder import Encoder
from tfft.data.examples import Examples
from tfft.data.pipeline import Alignment, TokenizedSet, parts
from tfft.data.streamed_examples import Split
from tfft.errors import ConfigError
from tfft.tasks.mask_answers import best_pieces, fill_masks, mask_lists
from tfft.tasks.masked_pieces import (
    COVERED,
    GIVEN,
    IS_BEST,
    LOG_PROBABILITY,
    MaskPieces,
    PieceHead,
)
from tfft.text.given_masks import pieces_with_masks, readable_pieces, word_marks
from tfft.text.windows import cut_windows, window_values

# Of the published heads only ALBERT's has GELU's tanh form.
TANH = ("albert",)
# The logarithm of the largest perplexity that is told.
MOST_LOSS = 80.0


class MaskedLM:
    """Guesses pieces that were covered. Fulfils `tfft.tasks.base.Task`.

    What is covered the model itself chooses: other pieces in each step of a training, and always
    the same ones of a text when it is scored. So rows stay as they are wherever they are kept, and
    have no targets. Texts longer than the encoder takes become several rows, nothing is cut.

    Args:
        mask_fraction: of the pieces of a row that are chosen. Of these 80 % are covered by the
            mask, 10 % by another piece, and 10 % not at all.
        whole_words: whether all pieces of a word are chosen together.
    """

    name = "masked_lm"
    text_fields: Sequence[str] = ("text",)
    takes_words = False
    monitor = "perplexity"

    def __init__(self, *, mask_fraction: float = 0.15, whole_words: bool = False) -> None:
        self.labels: list[str] = []
        self.mask_fraction = mask_fraction
        self.whole_words = whole_words
        self._pieces: list[str] = []

    def check(self, examples: Examples) -> None:
        """Any text will do."""

    def counts(self, examples: Examples) -> dict[str, int]:
        """How many words there are, with blanks between them."""
        return {"words": sum(len(text.split()) for c in examples.texts.values() for text in c)}

    # ------------------------------------------------------------------------------- the model

    def build_model(self, encoder: Encoder | Any) -> Any:
        """Puts the head on an encoder.

        The task keeps what the pieces of the encoder are called: `answers` and `serve` need it.

        Args:
            encoder: an `Encoder` with a tokenizer.

        Returns:
            A Keras model from `token_ids`, `padding_mask` and, where used, `segment_ids`, int
            (batch_size, length), to float32 (batch_size, length, NUM_OUTPUTS), what it says of each
            piece; see `tfft.tasks.masked_pieces`.

        Raises:
            ConfigError: the encoder has no tokenizer, or that no mask; or it is the baseline.
        """
        encoder = Encoder.around(encoder)
        vocabulary, mask_id = find_vocabulary(encoder), find_mask(encoder)
        kind, backbone = encoder.family.vocabulary, encoder.backbone
        # Some published tables have more rows than there are pieces.
        spare = [""] * (backbone.token_embedding.input_dim - len(vocabulary))
        self._pieces = [*readable_pieces(vocabulary, kind), *spare]
        # KerasHub does not count XLM-RoBERTa's mask among them.
        special = [*encoder.tokenizer.special_token_ids, mask_id, _unknown_id(encoder)]
        mask = MaskPieces(
            mask_id=mask_id,
            special_ids=[number for number in special if number is not None],
            vocabulary_size=len(vocabulary),
            fraction=self.mask_fraction,
            word_marks=word_marks(vocabulary, kind) if self.whole_words else None,
        )
        head = PieceHead(
            backbone.token_embedding,
            hidden_dim=backbone.hidden_dim,
            activation=functools.partial(
                keras.activations.gelu, approximate=encoder.family_name in TANH
            ),
            epsilon=backbone.embeddings_layer_norm.epsilon,
            dtype=backbone.dtype_policy,
        )
        inputs = encoder.inputs()
        chosen = mask(inputs)
        vectors = encoder.sequence({**inputs, "token_ids": chosen.pop("token_ids")})
        return keras.Model(inputs=inputs, outputs=head(vectors, chosen), name=self.name)

    def inputs(self, texts: Mapping[str, Any], encoder: Encoder) -> dict[str, Any]:
        """Turns strings (batch_size,) into ragged features of rows that hold all of their pieces.

        Args:
            texts: `plain_text`, texts to learn from, or `text`. A mask is written `[MASK]` or
                `<mask>`, whatever the family calls it.
            encoder: tokenizes.

        Returns:
            The features, and their `alignment`: by example how many pieces it has.
        """
        text = texts["plain_text"] if "plain_text" in texts else texts["text"]
        pieces = pieces_with_masks(text, encoder.pieces, find_mask(encoder))
        size = encoder.sequence_length - encoder.num_special(1)
        windows = cut_windows(pieces.row_lengths(), tf.constant(size, tf.int64), overlap=0)
        alignment = Alignment(windows.example, {}, {"pieces": pieces.row_lengths()})
        return {**encoder.join([window_values(pieces, windows)]), "alignment": alignment}

    def targets(self, rows: TokenizedSet) -> np.ndarray:
        """Zeros, int32 (rows,): what is right the model knows, which covers it."""
        return np.zeros(len(rows), "int32")

    def loss(self, model: Any = None) -> Any:
        """The loss a covered piece."""
        return CoveredLoss()

    def metrics(self) -> list[Any]:
        """The share of covered pieces that are guessed while training."""
        return [CoveredAccuracy(name="accuracy")]

    # ----------------------------------------------------------------------------- the answers

    def tune(self, rows: TokenizedSet, outputs: Any) -> None:
        """Nothing is chosen on validation."""

    def scores(self, rows: TokenizedSet, outputs: Any) -> dict[str, Any]:
        """`loss` a covered piece, its exponential `perplexity`, and `accuracy`.

        Rows in which masks are given are left out. Perplexities of encoders with different pieces
        cannot be compared.
        """
        said = outputs.flat_values.numpy()
        said = said[said[:, COVERED] > 0]
        if not len(said):
            return {"loss": 0.0, "perplexity": 1.0, "accuracy": 0.0}
        loss = -float(said[:, LOG_PROBABILITY].mean(dtype="float64"))
        accuracy = float(said[:, IS_BEST].mean(dtype="float64"))
        perplexity = math.exp(min(loss, MOST_LOSS))
        return {"loss": loss, "perplexity": perplexity, "accuracy": accuracy}

    def confusions(self, rows: TokenizedSet, outputs: Any) -> list[tuple[str, str, int]]:
        """None: there are too many pieces."""
        return []

    def notes(self, rows: TokenizedSet, outputs: Any) -> list[str]:
        """Says so when guessing is no better than by chance."""
        if self.scores(rows, outputs)["loss"] < math.log(max(len(self._pieces), 2)):
            return []
        return [f"The perplexity is over the {len(self._pieces)} pieces: nothing was learned."]

    def answers(self, rows: TokenizedSet, outputs: Any) -> list[dict[str, Any]]:
        """`masks`: for each mask of a text, in order, a list of `{piece, score}`."""
        return [
            {"masks": masks}
            for part, said in parts(rows, outputs)
            for masks in mask_lists(self.serve(said, part.alignment))
        ]

    def serve(self, outputs: Any, alignment: Alignment | None) -> dict[str, Any]:
        """The SavedModel's answers: `pieces`, `scores` and `count`; see `fill_masks`."""
        assert alignment is not None
        return fill_masks(outputs, alignment, self._pieces)

    def serve_tokens(self, outputs: Any) -> dict[str, Any]:
        """For token ids: `piece_ids` and `scores` (rows, length, 5); zeros where no mask is."""
        ids, scores = best_pieces(outputs)
        is_given = outputs[:, :, GIVEN, tf.newaxis] > 0.5
        return {
            "piece_ids": tf.where(is_given, ids, 0),
            "scores": tf.where(is_given, scores, 0.0),
        }


def find_mask(encoder: Encoder) -> int:
    """The id of the mask.

    Raises:
        ConfigError: the encoder has no tokenizer, or that no mask; or it is the baseline.
    """
    if encoder.family_name == "bilstm":
        raise ConfigError(
            "masked_lm adapts a pretrained encoder to texts; this backbone is the baseline bilstm, "
            "which knows nothing to adapt. Name a pretrained one."
        )
    mask_id = getattr(encoder.tokenizer, "mask_token_id", None)
    if mask_id is None:
        raise ConfigError(
            f"masked_lm needs the pieces of an encoder, one of them the mask; those of "
            f"{encoder.family_name} have none."
        )
    return int(mask_id)


def find_vocabulary(encoder: Encoder) -> list[str]:
    """The pieces in the order of their ids."""
    tokenizer = encoder.tokenizer
    find_mask(encoder)
    if encoder.family.vocabulary == "byte_pair":
        return sorted(tokenizer.vocabulary, key=tokenizer.vocabulary.__getitem__)
    return list(tokenizer.get_vocabulary())


def _unknown_id(encoder: Encoder) -> int | None:
    # Of byte-level BPE some have no such piece, and none needs it.
    if encoder.family.unknown not in find_vocabulary(encoder):
        return None
    return int(encoder.tokenizer.token_to_id(encoder.family.unknown))


class CoveredLoss(keras.losses.Loss):
    """The mean cross-entropy of covered pieces, which the model's outputs hold already."""

    def __init__(self, name: str = "covered_loss") -> None:
        super().__init__(name=name)

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """A scalar: of outputs (rows, length, NUM_OUTPUTS) and weights (rows,)."""
        weights = covered_weights(y_pred, sample_weight)
        total = keras.ops.sum(weights * y_pred[:, :, LOG_PROBABILITY])
        return -total / keras.ops.maximum(keras.ops.sum(weights), 1e-6)


class CoveredAccuracy(keras.metrics.Mean):
    """The share of covered pieces that were held to be the likeliest."""

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Counts those of outputs (rows, length, NUM_OUTPUTS), with weights (rows,)."""
        weights = covered_weights(y_pred, sample_weight)
        return super().update_state(y_pred[:, :, IS_BEST], sample_weight=weights)


def covered_weights(outputs: Any, sample_weight: Any) -> Any:
    """What each piece weighs, (rows, length): as its row if it was covered, else nothing."""
    covered = outputs[:, :, COVERED]
    if sample_weight is None:
        return covered
    return covered * keras.ops.cast(sample_weight, covered.dtype)[:, None]


def build(
    section: Any,
    *,
    pair: bool,
    labels: Sequence[str] | None,
    train: Split | None,
    threshold: float | None,
) -> MaskedLM:
    """Builds the task of a config. See `tfft.tasks.build_task`."""
    return MaskedLM(mask_fraction=section.mask_fraction, whole_words=section.whole_words)
