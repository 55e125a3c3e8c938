"""SentencePiece of raw strings inside the TensorFlow graph, with the ids of Hugging Face.

TensorFlow Text computes with SentencePiece's own library and the published model, whose rules of
normalisation are part of it. The ids are those of Hugging Face but for this:

- "[SEP]" written by a user is text here, and never a special piece;
- transformers 5 leaves out DeBERTa's rules (such as that "ﬁ" is read as "fi"), with which the model
  was trained; transformers 4 and DeBERTa's own code keep them, as here.
"""

import hashlib

import tensorflow as tf
import tensorflow_text
from tensorflow_text.python.ops.sentencepiece_tokenizer import gen_sentencepiece_tokenizer

from tfft.text.words import BLANK, Words, as_utf8, character_offsets, cut, lower, place

# What fairseq has in front of a model's own pieces: <s>, <pad>, </s>, <unk> in place of its three.
FAIRSEQ_SHIFT, FAIRSEQ_UNKNOWN = 1, 3


class _Model(tf.saved_model.experimental.TrackableResource):
    """A model that stays as long as the process.

    TensorFlow Text's own is gone once TensorFlow forgets the operation that read it, as
    `keras.utils.set_random_seed` makes it do. One that has a name belongs to no operation.

    Args:
        model: a serialized `ModelProto`. Equal ones are one.
    """

    def __init__(self, model: bytes) -> None:
        super().__init__()
        self._model = model
        self._name = hashlib.sha256(model).hexdigest()
        _ = self.resource_handle  # that asking for it makes it

    def _create_resource(self) -> tf.Tensor:
        return gen_sentencepiece_tokenizer.sentencepiece_op(
            model=self._model, shared_name=self._name
        )


class SentencePiece(tf.Module):
    """Splits raw UTF-8 strings into the ids of a SentencePiece model.

    It works eagerly, in `tf.function` and in `tf.data`, always on whole batches. No special pieces
    are added, and none can come in through the text. Bytes that are no UTF-8 become U+FFFD.

    The model is a resource: a SavedModel whose graph uses it needs this object among its own.

    Args:
        model: a serialized `ModelProto`, the bytes of a `.model` file.
        fairseq_ids: whether ids are those of fairseq, as in XLM-RoBERTa: one more than the model's,
            and 3 for its unknown piece 0.
        lowercase: whether texts are lowered before.
        strip_accents: whether texts are brought into NFKD before, and lose their marks.
        plain_quotes: whether ALBERT's reading of `` and '' as " comes first.
        compose: whether texts are brought into NFC before, as DeBERTa's are.
    """

    def __init__(
        self,
        model: bytes,
        *,
        fairseq_ids: bool = False,
        lowercase: bool = False,
        strip_accents: bool = False,
        plain_quotes: bool = False,
        compose: bool = False,
    ) -> None:
        super().__init__()
        self.fairseq_ids = fairseq_ids
        self.lowercase = lowercase
        self.strip_accents = strip_accents
        self.plain_quotes = plain_quotes
        self.compose = compose
        self._pieces = tensorflow_text.SentencepieceTokenizer(model, out_type=tf.int32)
        self._pieces._model_resource = _Model(model)

    def __call__(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Returns the ids of the pieces of every text.

        Args:
            texts: strings of shape (batch_size,).

        Returns:
            int32 ids of shape (batch_size, number of pieces), ragged, no special pieces.
        """
        texts = tf.convert_to_tensor(texts, tf.string)
        return self._ids(self._pieces.tokenize(self._normalize(texts)))

    def split(self, texts: tf.Tensor) -> Words:
        """Cuts texts where no piece goes across: tokenized one by one, the words give all pieces.

        Only the plain blank is one to every model. Those that follow a word are part of it.

        Args:
            texts: strings of shape (batch_size,).
        """
        return place(cut(as_utf8(texts), "[^ ]+"))

    def spans(
        self, words: tf.Tensor, ids: tf.RaggedTensor
    ) -> tuple[tf.RaggedTensor, tf.RaggedTensor]:
        """Finds the characters of words that their pieces stand for, blanks in front left out.

        Where what comes before the model has changed how many characters there are, each piece
        stands for the whole word.

        Args:
            words: strings of shape (words,), from `split`.
            ids: int32 (words, pieces), what the tokenizer gives for them.

        Returns:
            starts and ends, int32 (words, pieces), in characters from the beginning of the word.
        """
        texts = self._normalize(words)
        _, first, last = self._pieces.tokenize_with_offsets(texts)
        first, last = (ids.with_values(tf.cast(each.values, tf.int32)) for each in (first, last))
        starts, ends = (character_offsets(texts, each).values for each in (first, last))
        word = ids.value_rowids()
        shown = tf.strings.substr(tf.gather(texts, word), first.values, last.values - first.values)
        starts += _length(shown) - _length(tf.strings.regex_replace(shown, f"^[{BLANK}]+", ""))
        exact = tf.gather(_length(texts) == _length(words), word)
        bare = _length(tf.strings.regex_replace(words, " +$", ""))
        starts, ends = tf.where(exact, starts, 0), tf.where(exact, ends, tf.gather(bare, word))
        return ids.with_values(starts), ids.with_values(ends)

    def _ids(self, ids: tf.RaggedTensor) -> tf.RaggedTensor:
        if not self.fairseq_ids:
            return ids
        values = tf.where(ids.values == 0, FAIRSEQ_UNKNOWN, ids.values + FAIRSEQ_SHIFT)
        return ids.with_values(values)

    def _normalize(self, texts: tf.Tensor) -> tf.Tensor:
        """What Hugging Face does before the model's own rules; tabs and line ends become blanks."""
        texts = tf.strings.regex_replace(as_utf8(texts), r"[\t\n\r]", " ")
        if self.plain_quotes:
            texts = tf.strings.regex_replace(texts, "``|''", '"')
        if self.compose or self.strip_accents:
            # TensorFlow Text ends a text at NUL; both are unknown to a model.
            texts = tf.strings.regex_replace(texts, r"\x00", "\uffff")
        if self.compose:
            texts = tensorflow_text.normalize_utf8(texts, "NFC")
        if self.strip_accents:
            texts = tensorflow_text.normalize_utf8(texts, "NFKD")
            texts = tf.strings.regex_replace(texts, r"\p{M}", "")
        return lower(texts) if self.lowercase else texts


def _length(texts: tf.Tensor) -> tf.Tensor:
    return tf.strings.length(texts, unit="UTF8_CHAR")
