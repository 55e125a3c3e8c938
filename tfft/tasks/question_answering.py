"""Extractive question answering: the part of a context that answers a question."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfft.backbones.encoder import Encoder
from tfft.data.examples import Examples
from tfft.data.pipeline import Alignment, TokenizedSet, parts
from tfft.metrics.squad import squad_scores, tune_no_answer_threshold
from tfft.tasks.heads import MASKED, span_head
from tfft.tasks.losses import SpanLoss
from tfft.tasks.span_decoding import answer_pieces, best_spans
from tfft.text.windows import cut_windows, window_values
from tfft.text.words import as_utf8


class QuestionAnswering:
    """Answers in contexts. Fulfils `tfft.tasks.base.Task`.

    A context that is longer than the encoder takes goes through overlapping windows, each with the
    whole question; the best answer of all windows counts (Devlin et al. 2019, 4.2 and 4.3).

    Args:
        unanswerable: whether a question may have no answer.
        threshold: with `unanswerable`, by how much (in logits) no answer must score higher than
            the best one to be given; None: tuned on validation by `tune`, 0 until then.
        stride: pieces that neighbouring windows share.
        question_length: the most pieces of a question.
        answer_length: the most pieces of an answer.
        by_character: F1 counts each Chinese or Japanese character as a word.
        label_smoothing: share of the target that is spread over all pieces.
        dropout: before the last layer.
    """

    name = "question_answering"
    text_fields: Sequence[str] = ("question", "context")
    takes_words = False
    monitor = "f1"

    def __init__(
        self,
        *,
        unanswerable: bool = False,
        threshold: float | None = None,
        stride: int = 64,
        question_length: int = 64,
        answer_length: int = 30,
        by_character: bool = False,
        label_smoothing: float = 0.0,
        dropout: float = 0.0,
    ) -> None:
        self.labels: list[str] = []
        self.unanswerable = unanswerable
        self.threshold = 0.0 if threshold is None else threshold
        self.stride = stride
        self.question_length = question_length
        self.answer_length = answer_length
        self.by_character = by_character
        self.label_smoothing = label_smoothing
        self.dropout = dropout
        self._tunes = unanswerable and threshold is None

    def check(self, examples: Examples) -> None:
        """Any answer will do: that it stands in its context was seen when it was read."""

    def counts(self, examples: Examples) -> dict[str, int]:
        """How many questions have one answer, several different ones, and none."""
        texts = [len({text for text, _ in answers}) for answers in examples.labels or []]
        counts = {
            "one answer": sum(number == 1 for number in texts),
            "several answers": sum(number > 1 for number in texts),
            "no answer": sum(number == 0 for number in texts),
        }
        return {name: count for name, count in counts.items() if count}

    # ------------------------------------------------------------------------------- the model

    def build_model(self, encoder: Encoder | Any) -> Any:
        """Puts the head on an encoder.

        Args:
            encoder: an `Encoder`, or the backbone of one.

        Returns:
            A Keras model from `token_ids`, `padding_mask` and, where used, `segment_ids`, int
            (batch_size, length), to logits float32 (batch_size, length, 2) for a piece to be the
            first and the last of the answer; padding has `MASKED`.
        """
        encoder = Encoder.around(encoder)
        inputs = encoder.inputs()
        logits = span_head(encoder.sequence(inputs), inputs["padding_mask"], dropout=self.dropout)
        return keras.Model(inputs=inputs, outputs=logits, name=self.name)

    def inputs(self, texts: Mapping[str, Any], encoder: Encoder) -> dict[str, Any]:
        """Turns `question` and `context`, strings (batch_size,), into ragged features of windows.

        Returns:
            The features, and their `alignment`: by row `starts` and `ends`, the characters of the
            context that each piece stands for (-1: none); by example the `context`.
        """
        question = encoder.pieces(texts["question"])[:, : self._most_of_question(encoder)]
        context = encoder.pieces_with_offsets(texts["context"])
        room = encoder.sequence_length - encoder.num_special(2) - question.row_lengths()
        windows = cut_windows(context.ids.row_lengths(), room, overlap=self.stride)
        question = tf.gather(question, windows.example)
        before = question.row_lengths() + encoder.num_special(2) - 1
        alignment = Alignment(
            windows.example,
            {
                "starts": _around(window_values(context.starts, windows), before),
                "ends": _around(window_values(context.ends, windows), before),
            },
            {"context": as_utf8(texts["context"])},
        )
        features = encoder.join([question, window_values(context.ids, windows)])
        return {**features, "alignment": alignment}

    def _most_of_question(self, encoder: Encoder) -> int:
        # However short the rows, half of them is left for the context.
        return min(self.question_length, (encoder.sequence_length - encoder.num_special(2)) // 2)

    def targets(self, rows: TokenizedSet) -> np.ndarray:
        """First and last piece of the answer, int32 (rows, 2); 0 in windows without it.

        Of several right answers the first is learned.
        """
        assert rows.alignment is not None and rows.examples is not None
        answers = [
            _without_blanks(*given[0]) if given else ("", -1)
            for given in rows.examples.labels or []
        ]
        first = np.array([start for _, start in answers])[rows.alignment.example]
        size = np.array([len(text) for text, _ in answers])[rows.alignment.example]
        starts = rows.alignment.by_row["starts"].to_tensor(-1).numpy()
        ends = rows.alignment.by_row["ends"].to_tensor(-1).numpy()
        return answer_pieces(starts, ends, first, first + size)

    def loss(self, model: Any = None) -> Any:
        """The mean cross-entropy of the first and the last piece."""
        return SpanLoss(label_smoothing=self.label_smoothing)

    def metrics(self) -> list[Any]:
        """None while training: what counts is seen on whole answers."""
        return []

    # ----------------------------------------------------------------------------- the answers

    def tune(self, rows: TokenizedSet, outputs: Any) -> None:
        """With `unanswerable`, sets the threshold to that of the best F1, unless one was given."""
        if self._tunes:
            found = self._spans(rows, outputs)
            self.threshold = tune_no_answer_threshold(
                self._golds(rows),
                found["answer"],
                found["difference"],
                by_character=self.by_character,
            )

    def scores(self, rows: TokenizedSet, outputs: Any) -> dict[str, Any]:
        """`loss` and the measures of the official SQuAD scripts; see `tfft.metrics.squad`."""
        predicted = [answer["answer"] for answer in self.answers(rows, outputs)]
        scores = squad_scores(self._golds(rows), predicted, by_character=self.by_character)
        loss = {"loss": self._mean_loss(rows, outputs), **scores}
        return {**loss, "threshold": self.threshold} if self.unanswerable else loss

    def confusions(self, rows: TokenizedSet, outputs: Any) -> list[tuple[str, str, int]]:
        """None: there are no classes."""
        return []

    def notes(self, rows: TokenizedSet, outputs: Any) -> list[str]:
        """Says so when no question is answered, though some have an answer."""
        predicted = [answer["answer"] for answer in self.answers(rows, outputs)]
        if any(predicted) or not any(gold for gold in self._golds(rows)):
            return []
        return ["No question is given an answer: nothing was learned but that."]

    def answers(self, rows: TokenizedSet, outputs: Any) -> list[dict[str, Any]]:
        """`answer start end score` for each question; "" from -1 to -1 where there is none."""
        return [
            {
                "answer": answer.decode("utf-8"),
                "start": int(start),
                "end": int(end),
                "score": float(score),
            }
            for part, logits in parts(rows, outputs)
            for answer, start, end, score in zip(
                *(np.asarray(value) for value in self.serve(logits, part.alignment).values()),
                strict=True,
            )
        ]

    def serve(self, outputs: Any, alignment: Alignment | None) -> dict[str, Any]:
        """The SavedModel's answers.

        Returns:
            `answer` (strings), `start`, `end` (int32, Unicode characters of the context; -1 where
            there is no answer), `score` (float32, the probability of that answer among all; 0 for
            a context without any text), each (batch_size,).
        """
        assert alignment is not None
        best = self._best(outputs, alignment)
        answered = best.found
        if self.unanswerable:
            answered &= best.none - best.logit <= self.threshold
        start, end = tf.where(answered, best.start, -1), tf.where(answered, best.end, -1)
        logit = tf.where(answered, best.logit, best.none)
        # Where there is neither a span nor "no answer" to choose from, nothing is probable.
        possible = best.found | self.unanswerable
        score = tf.where(possible, tf.exp(tf.minimum(logit - best.log_total, 0.0)), 0.0)
        return {
            "answer": _substrings(alignment.by_example["context"], start, end),
            "start": start,
            "end": end,
            "score": score,
        }

    def serve_tokens(self, outputs: Any) -> dict[str, Any]:
        """For token ids: `start_probabilities`, `end_probabilities`, both (rows, length)."""
        return {
            "start_probabilities": tf.nn.softmax(outputs[:, :, 0]),
            "end_probabilities": tf.nn.softmax(outputs[:, :, 1]),
        }

    def _best(self, outputs: Any, alignment: Alignment) -> Any:
        size = tf.shape(outputs, tf.int64)[:2]
        return best_spans(
            outputs,
            alignment.by_row["starts"].to_tensor(-1, shape=size),
            alignment.by_row["ends"].to_tensor(-1, shape=size),
            alignment.example,
            num_examples=tf.size(alignment.by_example["context"], tf.int64),
            answer_length=self.answer_length,
            may_be_none=self.unanswerable,
        )

    def _spans(self, rows: TokenizedSet, outputs: Any) -> dict[str, list[Any]]:
        """The best answer of each question, and by how much none scores higher."""
        found: dict[str, list[Any]] = {"answer": [], "difference": []}
        for part, logits in parts(rows, outputs):
            assert part.alignment is not None
            best = self._best(logits, part.alignment)
            texts = _substrings(part.alignment.by_example["context"], best.start, best.end)
            found["answer"] += [text.decode("utf-8") for text in texts.numpy()]
            # Where there is no span, no threshold changes the answer.
            difference = tf.where(best.found, best.none - best.logit, np.inf)
            found["difference"] += difference.numpy().tolist()
        return found

    def _golds(self, rows: TokenizedSet) -> list[list[str]]:
        assert rows.examples is not None
        return [[text for text, _ in answers] for answers in rows.examples.labels or []]

    def _mean_loss(self, rows: TokenizedSet, outputs: Any) -> float:
        loss, total = SpanLoss(), 0.0
        for part, logits in parts(rows, outputs):
            padded = np.arange(logits.shape[1]) >= part.lengths[:, np.newaxis]
            masked = np.where(padded[:, :, np.newaxis], MASKED, logits.numpy())
            losses = loss.call(part.targets, masked.astype("float32"))
            total += float(np.sum(keras.ops.convert_to_numpy(losses)))
        return total / max(len(rows), 1)


def _without_blanks(text: str, start: int) -> tuple[str, int]:
    """An answer and its first character, without blanks at its ends: they are no piece's."""
    return text.strip(), start + len(text) - len(text.lstrip())


def _around(values: Any, before: Any) -> Any:
    """Ragged (rows, pieces) with -1 for the pieces before the context, and one after it."""
    ones = tf.RaggedTensor.from_row_lengths(tf.fill([tf.reduce_sum(before)], -1), before)
    return tf.concat([ones, values, tf.fill([values.nrows(), 1], -1)], axis=1)


def _substrings(text: Any, start: Any, end: Any) -> Any:
    first = tf.maximum(start, 0)
    return tf.strings.substr(text, first, tf.maximum(end, 0) - first, unit="UTF8_CHAR")


def build(
    section: Any,
    *,
    pair: bool,
    labels: Sequence[str] | None,
    train: Examples | None,
    threshold: float | None,
) -> QuestionAnswering:
    """Builds the task of a config. See `tfft.tasks.build_task`."""
    options = section.model_dump(exclude={"name", "threshold"})
    given = section.threshold
    return QuestionAnswering(**options, threshold=threshold if given is None else given)
