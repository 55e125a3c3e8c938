"""Tokenizers for encoders with random weights: from vocabulary files, or learned from texts."""

import io
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tfft.backbones.families import FAMILIES
from tfft.errors import ConfigError

SPECIAL_WORDPIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
SPECIAL_BPE_PIECES = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
ROWS_AT_ONCE, MOST_LETTERS = 10_000, 1_000
# The first pieces of the published models: their ids, and what they are called.
_IN_BRACKETS = {"bos_piece": "[CLS]", "eos_piece": "[SEP]"}
SPECIAL_SENTENCEPIECES: dict[str, dict[str, Any]] = {
    "xlm_roberta": {"unk_id": 0, "bos_id": 1, "eos_id": 2, "pad_id": -1},
    "albert": {"pad_id": 0, "unk_id": 1, "bos_id": 2, "eos_id": 3, "control_symbols": ["[MASK]"]}
    | _IN_BRACKETS,
    "deberta_v3": {"pad_id": 0, "bos_id": 1, "eos_id": 2, "unk_id": 3}
    | {"pad_piece": "[PAD]", "unk_piece": "[UNK]"}
    | _IN_BRACKETS,
}


def build_tokenizer(
    family: str,
    vocabulary: str | None,
    texts: Sequence[str],
    vocabulary_size: int,
    lowercase: bool,
) -> Any:
    """The KerasHub tokenizer of a family; see `tfft.backbones.checkpoints.build_random_encoder`.

    Raises:
        ConfigError: vocabulary files are missing.
    """
    tokenizer, kind = FAMILIES[family].tokenizer, FAMILIES[family].vocabulary
    if kind == "byte_pair":
        return tokenizer(**(_read_bpe(vocabulary) if vocabulary else byte_level_bpe()))
    if kind == "sentencepiece":
        if vocabulary:
            return tokenizer(proto=_read_sentencepiece(vocabulary))
        return tokenizer(proto=learn_sentencepiece(texts, vocabulary_size, lowercase, family))
    pieces = (
        read_wordpieces(vocabulary)
        if vocabulary
        else learn_wordpieces(texts, vocabulary_size, lowercase)
    )
    return tokenizer(vocabulary=pieces, lowercase=lowercase)


def learn_words(texts: Sequence[str], vocabulary_size: int, lowercase: bool) -> list[str]:
    """A WordPiece vocabulary of letters and of whole words, the most frequent first.

    Words that the texts have once are left out, so that a model also learns from letters, of which
    words consist that it has not seen; letters that they have once, so that it learns from unknown
    pieces.

    Args:
        texts: what is counted.
        vocabulary_size: the most pieces.
        lowercase: whether case and accents are folded.
    """
    words = count_words(texts, lowercase)
    letters: Counter[str] = Counter()
    for word, count in words.items():
        letters.update(dict.fromkeys(word, count))
    known = [letter for letter, count in letters.most_common(MOST_LETTERS) if count > 1]
    frequent = [word for word, count in words.most_common() if count > 1]
    pieces = [*SPECIAL_WORDPIECES, *(known or letters), *(f"##{letter}" for letter in known)]
    return list(dict.fromkeys([*pieces, *frequent]))[:vocabulary_size]


def count_words(texts: Sequence[str], lowercase: bool) -> Counter[str]:
    """How often texts have each word, as WordPiece cuts and folds them."""
    from tfft.text.wordpiece import WordPiece

    # TF-Text refuses a vocabulary of special pieces alone.
    tokenizer = WordPiece([*SPECIAL_WORDPIECES, "a"], lowercase=lowercase)
    counts: Counter[bytes] = Counter()
    for start in range(0, len(texts), ROWS_AT_ONCE):
        part = [text.encode("utf-8", "replace") for text in texts[start : start + ROWS_AT_ONCE]]
        counts.update(tokenizer.normalized_words(part).numpy().tolist())
    return Counter({word.decode(): count for word, count in sorted(counts.items()) if word})


def learn_wordpieces(texts: Sequence[str], vocabulary_size: int, lowercase: bool) -> list[str]:
    """Learns a WordPiece vocabulary with KerasHub's (TensorFlow Text's) algorithm."""
    import keras_hub
    import tensorflow as tf

    return list(
        keras_hub.tokenizers.compute_word_piece_vocabulary(
            tf.data.Dataset.from_tensor_slices(list(texts)),
            vocabulary_size=vocabulary_size,
            lowercase=lowercase,
            strip_accents=lowercase,
            reserved_tokens=SPECIAL_WORDPIECES,
        )
    )


def learn_sentencepiece(
    texts: Sequence[str], vocabulary_size: int, lowercase: bool, family: str
) -> bytes:
    """Learns a SentencePiece model (unigram) with the special pieces of a family.

    Raises:
        ConfigError: there is no text to learn from.
    """
    import sentencepiece

    if not any(text.strip() for text in texts):
        raise ConfigError(
            f"backbone.vocabulary: {family} needs a SentencePiece model, and there is no text to "
            "learn one from. Name a .model file."
        )
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts),
        model_writer=model,
        vocab_size=vocabulary_size,
        hard_vocab_limit=False,
        normalization_rule_name="nmt_nfkc_cf" if lowercase else "nmt_nfkc",
        minloglevel=2,
        **SPECIAL_SENTENCEPIECES[family],
    )
    return model.getvalue()


def byte_level_bpe() -> dict[str, Any]:
    """GPT-2's alphabet of 256 bytes as a vocabulary: every byte is a piece, and blank and t one.

    The one merge is there because KerasHub's tokenizer cannot be built without any.
    """
    from tfft.text.byte_pair import byte_alphabet

    alphabet = byte_alphabet()
    merge = (alphabet[ord(" ")], "t")
    pieces = [*SPECIAL_BPE_PIECES, *alphabet, "".join(merge)]
    return {
        "vocabulary": {piece: number for number, piece in enumerate(pieces)},
        "merges": [" ".join(merge)],
    }


def read_wordpieces(path: str) -> list[str]:
    """The pieces of a WordPiece vocabulary file.

    Raises:
        ConfigError: it cannot be read, or lacks special pieces.
    """
    try:
        text = Path(path).read_text("utf-8")
    except OSError as error:
        raise ConfigError(
            f"backbone.vocabulary: {path} cannot be read ({error.strerror}). Expected a WordPiece "
            "vocabulary, one piece a line."
        ) from None
    pieces = text.rstrip("\n").split("\n")
    missing = [piece for piece in SPECIAL_WORDPIECES if piece not in pieces]
    if missing:
        raise ConfigError(f"backbone.vocabulary: {path} lacks the pieces {', '.join(missing)}.")
    return pieces


def _read_sentencepiece(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ConfigError(
            f"backbone.vocabulary: {path} cannot be read ({error.strerror}). Expected a "
            "SentencePiece model, such as spiece.model."
        ) from None


def _read_bpe(path: str) -> dict[str, Any]:
    files = {"vocabulary": Path(path) / "vocab.json", "merges": Path(path) / "merges.txt"}
    for file in files.values():
        if not file.is_file():
            raise ConfigError(
                f"backbone.vocabulary: there is no {file}. For roberta give a directory with "
                "vocab.json and merges.txt."
            )
    return {name: str(file) for name, file in files.items()}
