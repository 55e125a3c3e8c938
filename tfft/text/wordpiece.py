"""WordPiece tokenizing of raw strings inside the TensorFlow graph, with the ids of Hugging Face.

The reference is Hugging Face `tokenizers`: `BertNormalizer`, then `BertPreTokenizer`, then
`WordPiece`. The steps here follow its order:

1. a row of printable ASCII goes to step 6 at once; every other row is rewritten by steps 2 to 5;
2. invalid UTF-8 becomes U+FFFD, then U+FFFD, controls and private-use characters are dropped;
3. NFD, and marks (`Mn`) are dropped, if accents are stripped;
4. lower case, character by character;
5. blanks, CJK ideographs and punctuation outside ASCII get a space on either side;
6. ASCII lower case; a word of more than 100 characters becomes unknown;
7. TF-Text's linear WordPiece splits at blanks and punctuation and looks the pieces up.

`tokenizers` takes its character classes from Unicode 8; RE2 and ICU, which compute here, follow
later versions. The classes below take out again what came after Unicode 8, so they are equal for
every code point (run: tokenizers 0.23.3 against the graph in TensorFlow 2.21 and in 2.12).

The texts in between still differ here, mostly because `tokenizers` lowers by Unicode 17:

- 95 capitals newer than ICU's tables stay: U+1C89, U+2C2F, 11 in U+A7C0 to U+A7DC, Vithkuqi
  (U+10570 to U+10595), Garay (U+10D50 to U+10D65), Beria Erfe (U+16EA0 to U+16EB8);
- 21 characters that `tokenizers` does not know how to decompose: U+105C9, U+105E4, U+11383 to
  U+113C8, U+11938, U+16121 to U+16128, U+16D68 to U+16D6A;
- punctuation newer than Unicode 8, and U+2B820 to U+2B91F, become U+FFFF (see `_NOT_SPLIT`);
- where the process's locale is Turkish, Azeri or Lithuanian and accents are kept, accented I and J
  are lowered by the rules of that language.

The ids are equal all the same, unless the vocabulary holds one of these characters.
"""

import re

import tensorflow as tf
import tensorflow_text

from tfft.errors import DataError
from tfft.text.words import Words, as_utf8, cut_words, lower

MAX_CHARACTERS_PER_WORD = 100


def _ranges(code_points: str) -> str:
    r"""Turns "9-A 20" into what RE2 reads between brackets: `\x{9}-\x{A}\x{20}`."""
    return re.sub("[0-9A-F]+", r"\\x{\g<0>}", code_points).replace(" ", "")


# No step before the lower case changes such a row.
_PLAIN = r"[\t\n\r -~]*"

# Cc without tab and line ends, Cf and Co of Unicode 8, and U+FFFD.
_REMOVED = _ranges(
    "0-8 B-C E-1F 7F-9F AD 600-605 61C 6DD 70F 180E 200B-200F 202A-202E 2060-2064 2066-206F "
    "E000-F8FF FEFF FFF9-FFFB FFFD 110BD 1BCA0-1BCA3 1D173-1D17A E0001 E0020-E007F "
    "F0000-FFFFD 100000-10FFFD"
)

# Runs that hold every mark (Mn) that came after Unicode 8, and none of Unicode 8 itself.
_LATER_MARKS = _ranges(
    "5C8-5C9 7FD 897-8E1 9FE AFA-AFF B53-B55 C04-C3C D00 D3B-D3C D81 EBA ECE 180F-1886 1ABF-1AF0 "
    "1DF6-1DFB A82C A8C5 A8FF A9BD 10D24-10F85 11070-11074 110C2 111C9 111CF 1123E-11241 1133B "
    "113BB-1145E 1182F-1612F 16F4F 16FE4 1CF00-1D128 1D25B-1D25C 1E000-1E6F5 1E944-1E94A"
)

# Marks of Unicode 8; two of them have another category since.
_MARKS = rf"[^\P{{Mn}}{_LATER_MARKS}]|[\x{{1734}}\x{{1171E}}]"

# Words of their own to TF-Text, but not to `tokenizers`: punctuation that came after Unicode 8, and
# the start of CJK extension E.
_NOT_SPLIT = _ranges(
    "61D 9FD A76 C77 C84 1B4E-1B4F 1B7D-1B7F 2E43-2E4F 2E52-2E5D 2E60-2E63 10D6E 10EAD 10ED0 "
    "10F55-10F59 10F86-10F89 113D4-113D5 113D7-113D8 1144B-1144F 1145A-1145B 1145D 11660-1166C "
    "116B9 1183B 11944-11946 119E2 11A3F-11A46 11A9A-11A9C 11A9E-11AA2 11B00-11B09 11BE1 "
    "11C41-11C45 11C70-11C71 11EF7-11EF8 11F43-11F4F 11FFF 12FF1-12FF2 16D6D-16D6F 16E97-16E9A "
    "16FE2 1E5FF 1E95E-1E95F 2B820-2B91F"
)

_IDEOGRAPHS = _ranges(
    "3400-4DBF 4E00-9FFF F900-FAFF 20000-2A6DF 2A700-2B81F 2B920-2CEAF 2F800-2FA1F"
)

# Outside ASCII: blanks, punctuation (with two that were punctuation in Unicode 8), ideographs.
_BOUNDARY = rf"[^\x00-\x7F\P{{Z}}]|[^\x00-\x7F\P{{P}}]|[\x{{166D}}\x{{111C9}}{_IDEOGRAPHS}]"

# Outside words before steps 1 to 5: blanks and punctuation of ASCII, and `_BOUNDARY`.
_OUTSIDE = rf"\t\n\r -/:-@\[-`{{-~\p{{Z}}\p{{P}}\x{{166D}}\x{{111C9}}{_IDEOGRAPHS}"

# Four characters whose NFD is punctuation of ASCII and a mark, or that alone.
_PUNCTUATION_ONCE_STRIPPED = _ranges("1FEF 2260 226E-226F")

# Step 5 has put spaces around every boundary outside ASCII.
_LONG_WORD = rf"[0-9A-Za-z\x{{80}}-\x{{10FFFF}}]{{{MAX_CHARACTERS_PER_WORD + 1},}}"

# A noncharacter that no vocabulary holds: a word that contains it is unknown.
_UNKNOWN = "\uffff"


class WordPiece:
    """Splits raw UTF-8 strings into WordPiece ids, as Hugging Face `tokenizers` does.

    It works eagerly, in `tf.function` and in `tf.data`, always on whole batches. Build it outside
    of them: the vocabulary becomes a constant (1.7 MB for 30,522 pieces).

    No special tokens are added, and none can come in through the text: "[SEP]" written by
    a user gives the pieces of "[", "sep" and "]". Invalid UTF-8 never fails: the invalid bytes are
    dropped, as Hugging Face does with text read with `errors="replace"`.

    Args:
        vocabulary: the pieces, in the order of their ids; a piece inside a word starts with "##".
            Of equal pieces the last one counts.
        lowercase: False for a cased vocabulary.
        strip_accents: whether "é" is read as "e"; None does as `lowercase` says.
        unknown_token: stands for a word that has no pieces or has more than 100 characters.

    Raises:
        DataError: if the vocabulary does not hold `unknown_token`.

    Example:
        >>> tokenizer = WordPiece(["[UNK]", "caf", "##e", "##s", "!"])
        >>> tokenizer(["Cafés!", "thé"])
        <tf.RaggedTensor [[1, 2, 3, 4], [0]]>
    """

    def __init__(
        self,
        vocabulary: list[str],
        *,
        lowercase: bool = True,
        strip_accents: bool | None = None,
        unknown_token: str = "[UNK]",
    ) -> None:
        if unknown_token not in vocabulary:
            raise DataError(
                f"The vocabulary of {len(vocabulary)} pieces has no {unknown_token!r}. "
                "Give unknown_token= the piece that stands for unknown words."
            )
        self.lowercase = lowercase
        self.strip_accents = lowercase if strip_accents is None else strip_accents
        # An unknown word has one piece, which has no length of its own.
        self._lengths = tf.constant(
            [len(p.removeprefix("##")) if p != unknown_token else 0 for p in vocabulary], tf.int32
        )
        self._pieces = tensorflow_text.FastWordpieceTokenizer(
            _reachable(vocabulary),
            max_bytes_per_word=4 * MAX_CHARACTERS_PER_WORD,
            token_out_type=tf.int32,
            unknown_token=unknown_token,
        )

    def __call__(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Returns the ids of the pieces of every text.

        Args:
            texts: strings of shape (batch_size,).

        Returns:
            int32 ids of shape (batch_size, number of pieces), ragged, no special tokens.

        Raises:
            ValueError: if `texts` is not one batch of strings.
        """
        texts = tf.convert_to_tensor(texts, tf.string)
        if texts.shape.rank != 1:
            raise ValueError(f"texts must be of shape (batch_size,). Received: {texts.shape}")
        return self._pieces.tokenize(self._normalize(texts))

    def split(self, texts: tf.Tensor) -> Words:
        """Cuts texts where no piece goes across: tokenized one by one, the words give all pieces.

        What the normalising drops stays in the words, which may have no pieces then.

        Args:
            texts: strings of shape (batch_size,).
        """
        outside = _OUTSIDE + (_PUNCTUATION_ONCE_STRIPPED if self.strip_accents else "")
        return cut_words(
            as_utf8(texts), rf"(?:[^{outside}]|[{_NOT_SPLIT}])+|[\t\n\r\p{{Z}}]+|(?s:.)"
        )

    def normalized_words(self, texts: tf.Tensor) -> tf.Tensor:
        """The words of texts as they are looked up in the vocabulary, strings (words,)."""
        return tf.strings.strip(self._normalize(self.split(texts).words.values))

    def spans(
        self, words: tf.Tensor, ids: tf.RaggedTensor
    ) -> tuple[tf.RaggedTensor, tf.RaggedTensor]:
        """Finds the characters of words that their pieces stand for.

        Where the normalising has changed how many characters there are, and for an unknown word,
        each piece stands for the whole word.

        Args:
            words: strings of shape (words,), from `split`.
            ids: int32 (words, pieces), what the tokenizer gives for them.

        Returns:
            starts and ends, int32 (words, pieces), in characters from the beginning of the word.
        """
        lengths = ids.with_values(tf.gather(self._lengths, ids.values))
        ends = tf.cumsum(lengths, axis=1).values
        word, characters = ids.value_rowids(), tf.strings.length(words, unit="UTF8_CHAR")
        exact = tf.gather(tf.reduce_sum(lengths, axis=1) == characters, word)
        starts = tf.where(exact, ends - lengths.values, 0)
        ends = tf.where(exact, ends, tf.gather(characters, word))
        return ids.with_values(starts), ids.with_values(ends)

    def _normalize(self, texts: tf.Tensor) -> tf.Tensor:
        """Returns texts that TF-Text splits into the words of Hugging Face."""
        rows = tf.where(~tf.strings.regex_full_match(texts, _PLAIN))
        rewritten = self._normalize_unicode(tf.gather_nd(texts, rows))
        texts = tf.tensor_scatter_nd_update(texts, rows, rewritten)
        if self.lowercase:
            texts = tf.strings.lower(texts)
        return tf.strings.regex_replace(texts, _LONG_WORD, _UNKNOWN)

    def _normalize_unicode(self, texts: tf.Tensor) -> tf.Tensor:
        texts = tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8", errors="replace")
        texts = tf.strings.regex_replace(texts, f"[{_REMOVED}]", "")
        if self.strip_accents:
            texts = tensorflow_text.normalize_utf8(texts, "NFD")
            texts = tf.strings.regex_replace(texts, _MARKS, "")
        if self.lowercase:
            texts = lower(texts)
        texts = tf.strings.regex_replace(texts, f"[{_NOT_SPLIT}]", _UNKNOWN)
        return tf.strings.regex_replace(texts, _BOUNDARY, r" \0 ")


def _reachable(vocabulary: list[str]) -> list[str]:
    """Replaces the pieces that Hugging Face never returns, but TF-Text would or would refuse.

    These are pieces with a blank inside, and all but the last of equal pieces. A name in brackets
    takes their place: TF-Text reads brackets as words of their own and never returns it either.
    """
    last = {piece: index for index, piece in enumerate(vocabulary)}
    return [
        piece if last[piece] == index and piece.split() == [piece] else f"[unreachable {index}]"
        for index, piece in enumerate(vocabulary)
    ]
