"""Pieces of words, and the characters that pieces stand for, for each kind of tokenizer."""

import io
import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest
import tensorflow as tf
import tensorflow_text
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

from tfft.serving.ops import served_operations, used_operations
from tfft.text.alignment import pieces_with_offsets, word_pieces
from tfft.text.byte_pair import BytePair
from tfft.text.wordpiece import WordPiece

UNKNOWN = 0
LETTERS = [chr(code) for code in [*range(97, 123), 0xE9, 0x131, 0x3C3, 0x5E9, 0x5DC, 0x44F]]
PIECES = ["[UNK]", "the", "caf", "cafe", "##es", "un", "##want", "##ed", "The", "😀", "中", "国"]
PIECES += [*LETTERS, *(f"##{letter}" for letter in LETTERS), *"!,.()'-=<`…，", "\u0301", "##\u0301"]

# Combining marks, joiners, ideographs, controls, right to left, ligatures, full width.
AWKWARD = [
    *(
        "Cafés",
        "cafe\u0301s",
        "\u0301",
        "a\u0300\u0327b",
        "İstanbul",
        "ß",
        "Σς",
        "\u1fef",
        "≠",
        "a≮b",
    ),
    *("😀", "👩\u200d👩\u200d👧", "👍🏽", "❤️", "1️⃣", "🇩🇪", "中国", "か\u3099", "ガ", "각", "각"),
    *("\x00", "a\x00b", "\x01\x02", "a\x07b", "\x85", "a\x0bb", "\x1c", "\x7f", "\ud7ff", "\uffff"),
    *("\ufffd", "a\ufffdb", "\u200b", "the\u200b", "\ufeffthe", "\u00ad", "\ue000", "\U0010fffd"),
    *("שלום", "\u200fשל", "ـم", "ﬁn", "ﬀ", "ＡＢＣ", "，", "…", "don't", "[SEP]", "##a", "x" * 101),
    *("\u2e43a", "\u166d", "\U0002b820", "\uf900", "\u212b", "\u0345", "\U0001d15e", "'s", "''"),
]
BLANKS = [*" \t\n\r\u00a0\u2003\u2028\u3000", "  ", "\t ", " \n\n ", "\x0c"]
WORDS = [["the", "café"], [], AWKWARD, ["unwanted"]]


def reference_wordpiece(vocabulary: list[str], **options: bool) -> Tokenizer:
    ids = {piece: number for number, piece in enumerate(vocabulary)}
    tokenizer = Tokenizer(models.WordPiece(ids, unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer(**options)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer


def with_byte_level(model: models.BPE) -> Tokenizer:
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.post_processor = processors.ByteLevel(add_prefix_space=False, trim_offsets=True)
    return tokenizer


@pytest.fixture(scope="module")
def reference_bpe() -> Tokenizer:
    tokenizer = with_byte_level(models.BPE())
    trainer = trainers.BpeTrainer(
        vocab_size=500,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([*AWKWARD, "the unwanted café", "    \t\t  中国人"] * 3, trainer)
    return tokenizer


@pytest.fixture(scope="module")
def byte_pair(reference_bpe: Tokenizer) -> BytePair:
    model = json.loads(reference_bpe.to_str())["model"]
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]]
    return BytePair(model["vocab"], merges)


def encoded(texts: list[str]) -> tf.Tensor:
    return tf.constant([text.encode() for text in texts], tf.string)


def ragged(words: list[list[str]]) -> tf.RaggedTensor:
    flat = encoded([word for row in words for word in row])
    return tf.RaggedTensor.from_row_lengths(flat, [len(row) for row in words])


def awkward_texts(count: int) -> list[str]:
    """Awkward words with and without blanks between them, and characters of all planes."""
    draw = random.Random(0)
    planes = [range(0x20, 0x7F), range(0xD800), range(0xE000, 0x20000), range(0x20000, 0x110000)]

    def part() -> str:
        kind = draw.randrange(8)
        if kind < 4:
            return draw.choice(AWKWARD)
        return draw.choice(BLANKS) if kind < 7 else chr(draw.choice(draw.choice(planes)))

    return ["".join(part() for _ in range(draw.randrange(10))) for _ in range(count)]


# ------------------------------------------------------------------------------ pieces of words


def by_word(tokenizer: Tokenizer, words: list[str]) -> list[list[int]]:
    """What Hugging Face gives for words that are given, `is_split_into_words`."""
    encoding = tokenizer.encode(words, is_pretokenized=True, add_special_tokens=False)
    pieces: list[list[int]] = [[] for _ in words]
    for number, word in zip(encoding.ids, encoding.word_ids, strict=True):
        pieces[word].append(number)
    return [ids or [UNKNOWN] for ids in pieces]


def check_word_pieces(tokenize: Callable[[tf.Tensor], tf.RaggedTensor], expected) -> None:
    pieces = word_pieces(ragged(WORDS), tokenize, unknown_id=UNKNOWN)
    assert pieces.to_list() == [expected(row) for row in WORDS]
    assert (pieces.dtype, pieces.row_splits.dtype) == (tf.int32, tf.int64)
    for empty in ([], [[]], [[], []]):
        none = word_pieces(ragged(empty), tokenize, unknown_id=UNKNOWN)
        assert none.to_list() == empty
        assert none.shape.as_list() == [len(empty), None, None]


@pytest.mark.parametrize("lowercase", [True, False])
def test_words_of_wordpiece(lowercase):
    reference = reference_wordpiece(PIECES, lowercase=lowercase)
    check_word_pieces(
        WordPiece(PIECES, lowercase=lowercase), lambda words: by_word(reference, words)
    )


def test_words_of_byte_pair_have_a_blank_in_front(byte_pair, reference_bpe):
    reference = Tokenizer.from_str(reference_bpe.to_str())
    reference.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    check_word_pieces(byte_pair, lambda words: by_word(reference, words))


def check_sentencepiece(model: bytes) -> None:
    tokenizer = tensorflow_text.SentencepieceTokenizer(model)

    def expected(words: list[str]) -> list[list[int]]:
        return [tokenizer.tokenize(word.encode()).numpy().tolist() or [UNKNOWN] for word in words]

    check_word_pieces(tokenizer.tokenize, expected)
    assert [UNKNOWN] in expected(AWKWARD)
    graph = tf.function(lambda words: word_pieces(words, tokenizer.tokenize, unknown_id=UNKNOWN))
    assert graph(ragged(WORDS)).to_list() == [expected(row) for row in WORDS]


def test_words_of_sentencepiece(shared_data):
    path = shared_data / "_vocabs" / "t5_sentencepiece" / "sentencepiece.model"
    check_sentencepiece(path.read_bytes())


@pytest.mark.parametrize("kind", ["unigram", "bpe"])
def test_words_of_a_small_sentencepiece(kind):
    sentencepiece = pytest.importorskip("sentencepiece")
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["the unwanted café", "a film of the sea", "中国 שלום"] * 20),
        model_writer=model,
        model_type=kind,
        vocab_size=60,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    check_sentencepiece(model.getvalue())


# ---------------------------------------------------------------------- characters of pieces


def compare(tokenizer, reference: Tokenizer, texts: list[str]) -> tuple[int, int]:
    """How many pieces there are, and how many have other offsets than Hugging Face gives them."""
    batch = encoded(texts)
    pieces = pieces_with_offsets(batch, tokenizer)
    assert pieces.ids.to_list() == tokenizer(batch).to_list()
    count = different = 0
    for text, encoding, *row in zip(
        texts, reference.encode_batch(texts), *(part.to_list() for part in pieces), strict=True
    ):
        ids, starts, ends = row
        assert ids == encoding.ids, ascii(text)
        offsets = list(zip(starts, ends, strict=True))
        assert all(0 <= start <= end <= len(text) for start, end in offsets)
        count += len(offsets)
        different += sum(a != b for a, b in zip(offsets, encoding.offsets, strict=True))
    return count, different


@pytest.mark.parametrize("lowercase", [True, False])
@pytest.mark.parametrize("strip_accents", [True, False])
def test_wordpiece_on_awkward_texts(lowercase, strip_accents):
    options = {"lowercase": lowercase, "strip_accents": strip_accents}
    count, different = compare(
        WordPiece(PIECES, **options), reference_wordpiece(PIECES, **options), awkward_texts(4000)
    )
    # Where characters are dropped or added, pieces have the offsets of their word.
    assert different < 0.5 * count


def test_byte_pair_on_awkward_texts(byte_pair, reference_bpe):
    count, different = compare(byte_pair, reference_bpe, awkward_texts(4000))
    assert (count > 10_000, different) == (True, 0)


def spans(text: str, **options: bool) -> list[str]:
    _, starts, ends = pieces_with_offsets([text], WordPiece(PIECES, **options))
    return [text[a:b] for a, b in zip(starts[0].numpy(), ends[0].numpy(), strict=True)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The Cafés, 中国 😀!", ["The", "Café", "s", ",", "中", "国", "😀", "!"]),
        ("unwanted\n xyz", ["un", "want", "ed", "x", "y", "z"]),
        ("the QÆ", ["the", "QÆ"]),
        ("Cafe\u0301s the", ["Cafe\u0301s", "Cafe\u0301s", "the"]),
        ("un\u200bed the", ["un\u200bed", "un\u200bed", "the"]),
        ("a≠b\u00a0(c)", ["a", "≠", "b", "(", "c", ")"]),
        ("\x01 the", ["the"]),
        ("  ", []),
        ("", []),
    ],
)
def test_characters_of_wordpieces(text, expected):
    assert spans(text) == expected


def test_characters_of_pieces_inside_a_character(byte_pair):
    text = "the 中é\x00 \uffff"
    ids, starts, ends = pieces_with_offsets(encoded([text]), byte_pair)
    found = [text[a:b] for a, b in zip(starts[0].numpy(), ends[0].numpy(), strict=True)]
    assert len(found) == ids[0].shape[0]
    assert "".join(dict.fromkeys(found)) == text.replace(" ", "")


def test_bytes_that_are_no_utf8_are_read_like_python_reads_them(byte_pair):
    draw = random.Random(0)
    raw = [bytes(draw.choices(b"a \x80\xc2\xe0\xed\x9f\xf0\xf4\xff", k=8)) for _ in range(500)]
    decoded = encoded([row.decode("utf-8", "replace") for row in raw])
    for tokenizer in (byte_pair, WordPiece(PIECES)):
        ours = pieces_with_offsets(tf.constant(raw), tokenizer)
        theirs = pieces_with_offsets(decoded, tokenizer)
        assert [part.to_list() for part in ours] == [part.to_list() for part in theirs]


def test_no_texts(byte_pair):
    for tokenizer in (byte_pair, WordPiece(PIECES)):
        for part in pieces_with_offsets(tf.constant([], tf.string), tokenizer):
            assert part.shape.as_list() == [0, None]
            assert (part.dtype, part.row_splits.dtype) == (tf.int32, tf.int64)
        for part in pieces_with_offsets(["", " "], tokenizer):
            assert part.nrows() == 2


def test_inside_a_data_set_and_an_export(byte_pair, tmp_path):
    module, texts = tf.Module(), encoded(awkward_texts(300))
    module.tokenizers = [byte_pair, WordPiece(PIECES)]

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def answer(texts):
        found = {}
        for number, tokenizer in enumerate(module.tokenizers):
            pieces = pieces_with_offsets(texts, tokenizer)
            words = word_pieces(tokenizer.split(texts).words, tokenizer, unknown_id=UNKNOWN)
            values = [*pieces, words.merge_dims(1, 2)]
            found |= {f"{number} {place}": part.values for place, part in enumerate(values)}
        return found

    module.answer = answer
    tf.saved_model.save(module, str(tmp_path))
    assert used_operations(tmp_path) - served_operations() == set()
    served = tf.saved_model.load(str(tmp_path)).answer(texts)
    for number, tokenizer in enumerate(module.tokenizers):
        for place, part in enumerate(pieces_with_offsets(texts, tokenizer)):
            assert served[f"{number} {place}"].numpy().tolist() == part.values.numpy().tolist()
    dataset = tf.data.Dataset.from_tensor_slices(texts).batch(64)
    dataset = dataset.map(lambda batch: pieces_with_offsets(batch, byte_pair).ends)
    ends = [row for part in dataset for row in part.to_list()]
    assert ends == pieces_with_offsets(texts, byte_pair).ends.to_list()


# ------------------------------------------------------------------------------- real texts


@pytest.fixture(scope="module")
def contexts(shared_data: Path) -> list[str]:
    """The passages of two question answering sets, and the questions of one."""
    texts: list[str] = []
    for name in ("squad2_cs224n/data/dev-v2.0.json", "xquad/xquad.en.json"):
        articles = json.loads((shared_data / name).read_text("utf-8"))["data"]
        texts += [passage["context"] for article in articles for passage in article["paragraphs"]]
    return list(dict.fromkeys(texts))


@pytest.mark.parametrize("name", ["bert-base-uncased", "bert-base-cased"])
def test_wordpiece_on_real_texts(contexts, shared_data, name):
    (path,) = (shared_data / "_vocabs" / name).glob("*vocab.txt")
    vocabulary = path.read_text("utf-8").removesuffix("\n").split("\n")
    options = {"lowercase": name == "bert-base-uncased"}
    count, different = compare(
        WordPiece(vocabulary, **options), reference_wordpiece(vocabulary, **options), contexts
    )
    print(f"{name}: {different} of {count} pieces have other offsets")
    # Three words with zero-width characters: U+200B before two of them, U+200E after one.
    assert (count > 100_000, different) == (True, 7)


def test_byte_pair_on_real_texts(contexts, shared_data):
    folder = shared_data / "_vocabs" / "gpt2"
    vocabulary = json.loads((folder / "encoder.json").read_text("utf-8"))
    merges = (folder / "vocab.bpe").read_text("utf-8").rstrip("\n").split("\n")[1:]
    reference = with_byte_level(models.BPE(vocabulary, [tuple(m.split()) for m in merges]))
    count, different = compare(BytePair(vocabulary, merges), reference, contexts)
    assert (count > 100_000, different) == (True, 0)
