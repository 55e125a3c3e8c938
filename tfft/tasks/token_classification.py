"""Token classification: a tag for each word, such as entities and parts of speech."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfft.backbones.encoder import Encoder
from tfft.data.examples import Examples
from tfft.data.pipeline import IGNORED, Alignment, TokenizedSet, parts
from tfft.data.tag_labels import choose_tags, count_tags, encode_tags
from tfft.metrics.entities import entity_scores, tag_confusions, tag_scores
from tfft.tasks.crf import Crf, CrfLoss
from tfft.tasks.entity_answers import entity_dicts, entity_tensors
from tfft.tasks.heads import token_head
from tfft.tasks.losses import LabelLoss
from tfft.tasks.tag_decoding import best_tags, word_scores
from tfft.tasks.text_classification import find_class_weights
from tfft.text import WORD_SEPARATOR
from tfft.text.alignment import first_pieces
from tfft.text.windows import cut_windows, owned, window_values
from tfft.text.words import as_utf8, listed_words, split_words

# The transitions begin at 0; at 1e-4 a step they would end there.
CRF_SPEED = 100.0


class TokenClassification:
    """Tags for words. Fulfils `tfft.tasks.base.Task`.

    A word's tag is read from its first piece. Sentences longer than the encoder takes go through
    overlapping windows; each word is tagged in the one that shows most of its context.

    Args:
        labels: tags in the order of the outputs. Entities are in IOB2: `O`, `B-type`, `I-type`;
            tags without such prefixes (parts of speech) stand for themselves.
        crf: whether a chain of tags is learned and the best legal one answered; see
            `tfft.tasks.crf`. Else each word has its own best tag.
        class_weights: (labels,), multiplies the loss of words with each tag. Not with `crf`.
        label_smoothing: share of the target that is spread over all tags. Not with `crf`.
        dropout: before the last layer.
        stride: pieces that neighbouring windows share.
    """

    name = "token_classification"
    text_fields: Sequence[str] = ("text",)
    takes_words = True

    def __init__(
        self,
        labels: Sequence[str],
        *,
        crf: bool = False,
        class_weights: Sequence[float] | None = None,
        label_smoothing: float = 0.0,
        dropout: float = 0.1,
        stride: int = 32,
    ) -> None:
        self.labels = list(labels)
        self.class_weights = class_weights
        self.label_smoothing = label_smoothing
        self.dropout = dropout
        self.stride = stride
        self.has_entities = any(tag.startswith("B-") for tag in self.labels)
        self.monitor = "entity_f1" if self.has_entities else "accuracy"
        self._has_crf = crf
        self._crf: Any = None

    def check(self, examples: Examples) -> None:
        """Raises DataError for a tag that the task does not have."""
        encode_tags(examples, self.labels)

    def counts(self, examples: Examples) -> dict[str, int]:
        """How many entities there are of each type, or words of each tag."""
        return count_tags(examples, self.labels)

    # ------------------------------------------------------------------------------- the model

    def build_model(self, encoder: Encoder | Any) -> Any:
        """Puts the head on an encoder.

        With a CRF the task keeps the layer of the model that it built last: `answers`, `scores`
        and `serve` need its transitions.

        Args:
            encoder: an `Encoder`, or the backbone of one.

        Returns:
            A Keras model from `token_ids`, `padding_mask` and, where used, `segment_ids`, int
            (batch_size, length), to logits float32 (batch_size, length, labels).
        """
        encoder = Encoder.around(encoder)
        inputs = encoder.inputs()
        logits = token_head(
            encoder.sequence(inputs), num_outputs=len(self.labels), dropout=self.dropout
        )
        if self._has_crf:
            self._crf = Crf(speed=CRF_SPEED, name="crf")
            logits = self._crf(logits)
        return keras.Model(inputs=inputs, outputs=logits, name=self.name)

    def inputs(self, texts: Mapping[str, Any], encoder: Encoder) -> dict[str, Any]:
        """Turns sentences into ragged features of windows.

        Args:
            texts: `text`, strings (batch_size,) that are split by `tfft.text.words.split_words`;
                or `words`, strings (batch_size,) of words with line ends between them.
            encoder: tokenizes.

        Returns:
            The features, and their `alignment`: by row `word`, which word of its example a piece
            begins (IGNORED: none, or another window tags it); by example where words begin and
            end, and the text.
        """
        given = "words" in texts
        text = as_utf8(texts["words"] if given else texts["text"])
        words = listed_words(text) if given else split_words(text)
        shown = tf.strings.regex_replace(text, WORD_SEPARATOR, " ") if given else text
        pieces = encoder.word_pieces(words.words)
        size = encoder.sequence_length - encoder.num_special(1)
        flat = pieces.merge_dims(1, 2)
        windows = cut_windows(flat.row_lengths(), tf.constant(size, tf.int64), overlap=self.stride)
        word = window_values(first_pieces(pieces), windows)
        word = word.with_flat_values(
            tf.where(owned(windows).flat_values, word.flat_values, IGNORED)
        )
        special = tf.fill([word.nrows(), 1], IGNORED)
        alignment = Alignment(
            windows.example,
            {"word": tf.concat([special, word, special], axis=1)},
            {"starts": words.starts, "ends": words.ends, "text": shown},
        )
        return {**encoder.join([window_values(flat, windows)]), "alignment": alignment}

    def targets(self, rows: TokenizedSet) -> Any:
        """Tags as ragged int32 (rows, pieces), IGNORED where a piece is no word's first."""
        assert rows.alignment is not None and rows.examples is not None
        tags = encode_tags(rows.examples, self.labels)
        flat = np.array([tag for sentence in tags for tag in sentence] or [0], "int32")
        begins = np.concatenate([[0], np.cumsum([len(sentence) for sentence in tags])])
        word = rows.alignment.by_row["word"]
        example = rows.alignment.example[word.value_rowids().numpy()]
        number = word.flat_values.numpy()
        place = np.where(number == IGNORED, 0, begins[example] + number)
        return word.with_flat_values(np.where(number == IGNORED, IGNORED, flat[place]))

    def loss(self, model: Any = None) -> Any:
        """The loss a word between `targets` and logits; with a CRF that of the model's chain."""
        if self._has_crf:
            return CrfLoss(self._crf if model is None else model.get_layer("crf"))
        return LabelLoss(class_weights=self.class_weights, label_smoothing=self.label_smoothing)

    def metrics(self) -> list[Any]:
        """The share of words with the right tag while training, each by itself."""
        return [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]

    # ----------------------------------------------------------------------------- the answers

    def tune(self, rows: TokenizedSet, outputs: Any) -> None:
        """Nothing is chosen on validation."""

    def scores(self, rows: TokenizedSet, outputs: Any) -> dict[str, Any]:
        """`loss` and the measures of conlleval; of tags without prefixes accuracy and macro F1."""
        assert rows.examples is not None
        measure = entity_scores if self.has_entities else tag_scores
        gold, predicted = rows.examples.labels or [], self.tags(rows, outputs)
        return {"loss": self._mean_loss(rows, outputs), **measure(gold, predicted)}

    def confusions(self, rows: TokenizedSet, outputs: Any) -> list[tuple[str, str, int]]:
        """The commonest mistakes: type of a word, type answered, words."""
        assert rows.examples is not None
        return tag_confusions(rows.examples.labels or [], self.tags(rows, outputs))

    def notes(self, rows: TokenizedSet, outputs: Any) -> list[str]:
        """Says so when no entity is found at all."""
        found = {tag for sentence in self.tags(rows, outputs) for tag in sentence}
        if self.has_entities and found <= {"O"}:
            return ["No word is given a tag but O: nothing was learned."]
        return []

    def tags(self, rows: TokenizedSet, outputs: Any) -> list[list[str]]:
        """The tag of each word, in IOB2, as the entities of `answers` are read from."""
        names = np.array([*self.labels, ""])
        found = []
        for part, logits in parts(rows, outputs):
            tags, _, lengths = self._decode(logits, part.alignment)
            found += [
                names[row[:length]].tolist()
                for row, length in zip(tags.numpy(), lengths.numpy(), strict=True)
            ]
        return found

    def answers(self, rows: TokenizedSet, outputs: Any) -> list[dict[str, Any]]:
        """`entities`: a list of `text type start end score` for each example."""
        return [
            entities
            for part, logits in parts(rows, outputs)
            for entities in entity_dicts(self.serve(logits, part.alignment))
        ]

    def serve(self, outputs: Any, alignment: Alignment | None) -> dict[str, Any]:
        """The SavedModel's answers: the entities of each text in their order, and their number.

        Returns:
            See `tfft.tasks.entity_answers.entity_tensors`; `start` and `end` are in Unicode
            characters of the text.
        """
        assert alignment is not None
        tags, probability, lengths = self._decode(outputs, alignment)
        return entity_tensors(tags, probability, alignment.by_example, lengths, labels=self.labels)

    def serve_tokens(self, outputs: Any) -> dict[str, Any]:
        """For token ids: `probabilities` of each piece's tags (rows, length, labels).

        Each piece by itself, also with a CRF: which pieces begin words is not known here.
        """
        return {"probabilities": tf.nn.softmax(outputs)}

    # -------------------------------------------------------------------------------- decoding

    def _decode(self, outputs: Any, alignment: Alignment | None) -> tuple[Any, Any, Any]:
        """The tag of each word and its probability, (batch_size, words), and the words' number."""
        assert alignment is not None
        lengths = alignment.by_example["starts"].row_lengths()
        scores = word_scores(outputs, alignment.by_row["word"], lengths)
        chain = None
        if self._crf is not None:
            names = ("transitions", "start", "end")
            chain = {name: _as_tensor(getattr(self._crf, name)) for name in names}
        lengths = tf.cast(lengths, tf.int32)
        tags, probability = best_tags(scores, lengths, labels=self.labels, chain=chain)
        return tags, probability, lengths

    def _mean_loss(self, rows: TokenizedSet, outputs: Any) -> float:
        # Without class weights and smoothing, as in classification: so runs compare.
        loss = CrfLoss(self._crf) if self._has_crf else LabelLoss()
        total, words = 0.0, 0
        for part, logits in parts(rows, outputs):
            targets = part.targets.to_tensor(IGNORED).numpy()
            total += float(np.sum(keras.ops.convert_to_numpy(loss.call(targets, logits.numpy()))))
            words += int(np.sum(targets != IGNORED))
        return total / max(words, 1)


def _as_tensor(value: Any) -> Any:
    """A number of Keras in TensorFlow, also where Keras runs on something else."""
    return value if tf.is_tensor(value) else tf.convert_to_tensor(np.asarray(value))


def build(
    section: Any,
    *,
    pair: bool,
    labels: Sequence[str] | None,
    train: Examples | None,
    threshold: float | None,
) -> TokenClassification:
    """Builds the task of a config. See `tfft.tasks.build_task`."""
    weights = None
    if train is not None:
        labels = choose_tags(labels, train)
        tags = [tag for sentence in encode_tags(train, labels) for tag in sentence]
        counts = np.bincount(tags, minlength=len(labels))
        weights = find_class_weights(section.class_weights, counts, len(tags), labels)
    return TokenClassification(
        labels or [],
        crf=section.crf,
        class_weights=weights,
        label_smoothing=section.label_smoothing,
        dropout=section.dropout,
        stride=section.stride,
    )
