"""WordPiece gives the ids of Hugging Face `tokenizers`, eagerly, in tf.function and in tf.data."""

import csv
import gzip
import json
import random
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet
import pytest
import tensorflow as tf
import tokenizers

from tfft.errors import DataError
from tfft.text.wordpiece import WordPiece

SHARED = Path(__file__).parents[3] / "shared" / "data"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data sets are not here")

PIECES = """
    [PAD] [UNK] [CLS] [SEP] [MASK] un want ##want ##ed the The caf cafe café ##e ##s sep mask run
    a b c ##a ##b ##c i ı ##i σ ς ##σ ##ς d ##d x ##x 中 国 😀 ! , . $ + [ ] … ，
"""
VOCABULARY = PIECES.split()


def pieces(tokenizer: WordPiece, text: str | bytes) -> str:
    """Returns the pieces of one text in one line."""
    ids = tokenizer([text])[0].numpy()
    return " ".join(VOCABULARY[index] for index in ids)


def reference(vocabulary: list[str], **options: bool) -> tokenizers.Tokenizer:
    """Returns the pipeline of Hugging Face, without added tokens."""
    tokenizer = tokenizers.Tokenizer(
        tokenizers.models.WordPiece(
            {piece: index for index, piece in enumerate(vocabulary)},
            unk_token="[UNK]",
            max_input_chars_per_word=100,
        )
    )
    tokenizer.normalizer = tokenizers.normalizers.BertNormalizer(**options)
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    return tokenizer


def different(vocabulary: list[str], texts: list[str], **options: bool) -> list[str]:
    """Returns the texts to which Hugging Face gives other ids."""
    tokenizer, expected = WordPiece(vocabulary, **options), reference(vocabulary, **options)
    found = []
    for start in range(0, len(texts), 10_000):
        batch = texts[start : start + 10_000]
        ours = tokenizer(tf.constant([text.encode() for text in batch])).to_list()
        theirs = [encoding.ids for encoding in expected.encode_batch_fast(batch)]
        found += [text for text, a, b in zip(batch, ours, theirs, strict=True) if a != b]
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        (" \t\r\n", ""),
        ("unwanted", "un ##want ##ed"),
        ("The\tUNWANTED\nrun\r\nthe", "the un ##want ##ed run the"),
        ("the,run!the", "the , run ! the"),
        ("$a+b", "$ a + b"),
        ("wanting", "[UNK]"),
        ("Café", "cafe"),
        ("Cafe\u0301s", "cafe ##s"),
        ("a\u0300\u0327\u0345b", "a ##b"),
        ("\u0301 a", "a"),
        ("ab中国cd", "a ##b 中 国 c ##d"),
        ("中\u3000国，the…", "中 国 ， the …"),
        ("\uf900\u2f00", "[UNK] [UNK]"),
        ("the\u00a0run\u2028the\u2003run", "the run the run"),
        ("the\x00the", "[UNK]"),
        ("un\x00\x07wan\x7f\x85ted", "un ##want ##ed"),
        ("un\u200bwan\u200d\ufeff\u00adted\ufffd\ue000", "un ##want ##ed"),
        ("the😀", "[UNK]"),
        ("the 😀 👍🏽", "the 😀 [UNK]"),
        ("Σς σΣ", "σ ##ς σ ##σ"),
        ("İ I ı", "i i ı"),
        ("\u212b", "a"),
        ("[SEP] [MASK] [sep]", "[ sep ] [ mask ] [ sep ]"),
        ("x" * 100, "x" + 99 * " ##x"),
        ("the " + "x" * 101 + ".run", "the [UNK] . run"),
        ("é" * 101 + "," + "é" * 101, "[UNK] , [UNK]"),
        ("中" * 101, "中" + 100 * " 中"),
        ("x" * 60 + "…" + "x" * 60, "x" + 59 * " ##x" + " … x" + 59 * " ##x"),
        ("x" * 60 + "\u2003" + "x" * 60, 2 * ("x" + 59 * " ##x" + " ")),
        ("\u2e43a a", "[UNK] a"),
        ("a\u2e43中", "[UNK] 中"),
    ],
)
def test_pieces_of_an_uncased_vocabulary(text, expected):
    assert pieces(WordPiece(VOCABULARY), text) == expected.strip()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The the THE", "The the [UNK]"),
        ("café cafe", "café cafe"),
        ("cafe\u0301", "[UNK]"),
        ("中\u0301a", "中 [UNK]"),
    ],
)
def test_pieces_of_a_cased_vocabulary(text, expected):
    assert pieces(WordPiece(VOCABULARY, lowercase=False), text) == expected


def test_strip_accents_apart_from_lowercase():
    assert pieces(WordPiece(VOCABULARY, strip_accents=False), "Café The") == "café the"
    assert pieces(WordPiece(VOCABULARY, lowercase=False, strip_accents=True), "café The") == (
        "cafe The"
    )


def test_long_word_counts_characters_not_bytes():
    tokenizer = WordPiece(["[UNK]", "😀", "##😀"])
    ids = tokenizer(["😀" * 100, "😀" * 101, "😀" * 500 + " 😀"]).to_list()
    assert ids == [[1] + 99 * [2], [0], [0, 1]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"\xff", ""),
        (b"caf\xc3\xa9 \xc3", "cafe"),
        (b"un\xe4\xb8want\xf0\x9f\x98ed", "un ##want ##ed"),
        (b"a\xc0\x80b \xed\xa0\x80c", "a ##b c"),
    ],
)
def test_invalid_utf8_is_dropped(text, expected):
    assert pieces(WordPiece(VOCABULARY), text) == expected


def test_random_bytes_are_read_as_errors_replace():
    rng = random.Random(0)
    parts = [
        b"the ",
        b"caf\xc3\xa9",
        b"\xe4\xb8",
        b"\xf0\x9f\x98",
        b"\xed\xa0\x80",
        b"\xef\xbb\xbf",
    ]
    parts += [bytes([byte]) for byte in range(256)]
    texts = [b"".join(rng.choices(parts, k=rng.randrange(20))) for _ in range(5_000)]
    expected = reference(VOCABULARY).encode_batch([text.decode(errors="replace") for text in texts])
    assert WordPiece(VOCABULARY)(texts).to_list() == [encoding.ids for encoding in expected]


def test_same_ids_eagerly_in_a_function_and_in_a_dataset():
    tokenizer = WordPiece(VOCABULARY)
    texts = tf.constant(["The unwanted", "", "café 中国", b"\xff the", "the [SEP]"])
    eager = tokenizer(texts)
    assert eager.dtype == tf.int32
    assert eager.shape.as_list() == [5, None]
    assert tf.function(tokenizer)(texts).to_list() == eager.to_list()
    rows = tf.data.Dataset.from_tensor_slices(texts).batch(2).map(tokenizer).unbatch()
    assert [row.numpy().tolist() for row in rows] == eager.to_list()


def test_empty_batch():
    assert WordPiece(VOCABULARY)(tf.constant([], tf.string)).shape.as_list() == [0, None]


@pytest.mark.parametrize("texts", ["the", [["the", "run"]]])
def test_texts_of_another_rank(texts):
    with pytest.raises(ValueError, match=r"must be of shape \(batch_size,\)"):
        WordPiece(VOCABULARY)(texts)


def test_vocabulary_without_the_unknown_token():
    with pytest.raises(DataError, match=r"vocabulary of 2 pieces has no '\[UNK\]'"):
        WordPiece(["<unk>", "the"])
    assert WordPiece(["<unk>", "the"], unknown_token="<unk>")(["the run"]).to_list() == [[1, 0]]


def test_pieces_that_are_never_returned():
    vocabulary = ["[UNK]", "a", "a b", "a", "", "##", "[SEP]", "a.b", "b"]
    assert different(vocabulary, ["a b", "a.b", "[SEP]", "##", "ab"]) == []
    assert WordPiece(vocabulary)(["a b"]).to_list() == [[3, 8]]


def test_saved_model_has_the_ids_and_only_ops_of_old_servers(tmp_path):
    tokenizer, module = WordPiece(VOCABULARY), tf.Module()
    module.ids = tf.function(
        lambda texts: tokenizer(texts).to_tensor(),
        input_signature=[tf.TensorSpec([None], tf.string)],
    )
    tf.saved_model.save(module, str(tmp_path))
    texts = tf.constant(["Café 中国!", "unwanted"])
    loaded = tf.saved_model.load(str(tmp_path))
    assert loaded.ids(texts).numpy().tolist() == tokenizer(texts).to_tensor().numpy().tolist()
    ops = {node.type for node in module.ids.get_concrete_function().graph.get_operations()}
    assert ops <= {
        *("FastWordpieceTokenizeWithOffsets", "NormalizeUTF8"),
        *("StaticRegexFullMatch", "StaticRegexReplace", "StringLower", "UnicodeTranscode"),
        *("LogicalNot", "Where", "GatherNd", "TensorScatterUpdate", "RaggedTensorToTensor"),
        *("Cast", "Const", "Identity", "Placeholder"),
    }


@pytest.mark.parametrize("lowercase", [True, False])
def test_every_code_point(lowercase):
    """Compares every code point of the planes in use; the others are all alike."""
    used = [
        *range(0xD800),
        *range(0xE000, 0x34000),
        *range(0xE0000, 0xE1000),
        *range(0xFFF00, 0x100100),
    ]
    texts = [f"a{chr(code)}b" for code in used]
    found = different(["[UNK]", "a", "b", "##a", "##b"], texts, lowercase=lowercase)
    assert [f"{ord(text[1]):X}" for text in found] == []


def random_texts(count: int) -> list[str]:
    """Returns strings over all planes, half of them mixed with what the rules look at."""
    rng = random.Random(0)
    planes = [range(0x20, 0x7F), range(0xD800), range(0xE000, 0x10000)]
    planes += [range(start, start + 0x10000) for start in range(0x10000, 0x110000, 0x10000)]
    marks = [*range(0x300, 0x370), *range(0x591, 0x5C0), *range(0x8D0, 0x900), 0x20DD, 0x1D165]
    special = [ord(c) for c in "aabbcσΣςİIé中国， \t\n\u00a0\u2028\u200d\ufffd…#'[]😀Å각가"]
    alphabets = [special, special, marks, *planes]

    def text() -> str:
        chosen = rng.choice([planes, alphabets])
        return "".join(chr(rng.choice(rng.choice(chosen))) for _ in range(rng.randrange(50)))

    return [text() for _ in range(count)]


@pytest.mark.parametrize("lowercase", [True, False])
@pytest.mark.parametrize("strip_accents", [None, True, False])
def test_random_strings(lowercase, strip_accents):
    texts = random_texts(10_000)
    options = {"lowercase": lowercase, "strip_accents": strip_accents}
    found = different([*VOCABULARY, *("\u0301", "##\u0301", "##é")], texts, **options)
    print(f"{options}: {len(found)} of {len(texts)} random strings differ")
    assert [ascii(text) for text in found] == []


# The shared sets, read crudely: every line or field, whatever it means.


def lines(pattern: str, encoding: str = "utf-8") -> Iterator[str]:
    for path in sorted(SHARED.glob(pattern)):
        yield from path.read_text(encoding=encoding).split("\n")


def fields(pattern: str, delimiter: str = ",") -> Iterator[str]:
    for path in sorted(SHARED.glob(pattern)):
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.reader(file, delimiter=delimiter):
                yield from row


def strings(tree: object) -> Iterator[str]:
    """Yields every string of a JSON tree."""
    if isinstance(tree, str):
        yield tree
    elif isinstance(tree, list | dict):
        for branch in tree.values() if isinstance(tree, dict) else tree:
            yield from strings(branch)


def json_strings(pattern: str) -> Iterator[str]:
    for path in sorted(SHARED.glob(pattern)):
        texts = path.read_text(encoding="utf-8")
        trees = texts.splitlines() if path.suffix == ".jsonl" else [texts]
        for tree in trees:
            yield from strings(json.loads(tree))


def gzip_lines(pattern: str) -> Iterator[str]:
    for path in sorted(SHARED.glob(pattern)):
        yield from gzip.decompress(path.read_bytes()).decode().split("\n")


def conll_sentences(pattern: str) -> Iterator[str]:
    for path in sorted(SHARED.glob(pattern)):
        for sentence in path.read_text(encoding="utf-8").split("\n\n"):
            yield " ".join(line.split("\t")[0] for line in sentence.split("\n"))


def parquet_texts(pattern: str) -> Iterator[str]:
    for path in sorted(SHARED.glob(pattern)):
        yield from pyarrow.parquet.read_table(path)["sentence"].to_pylist()


ENGLISH = {
    "sst2": lambda: lines("sst2/*.tsv"),
    "sst2_parquet": lambda: parquet_texts("sst2_parquet/*.parquet"),
    "ag_news_alps": lambda: lines("ag_news_alps/*.tsv"),
    "ag_news_csv": lambda: fields("ag_news_csv/test.csv"),
    "trec": lambda: lines("trec/raw/TREC.*", encoding="latin-1"),
    "clinc150": lambda: json_strings("clinc150/data/data_full.json"),
    "glue_rte": lambda: lines("glue_rte/*.tsv"),
    "stsb": lambda: fields("stsb/data/*.csv"),
    "goemotions": lambda: lines("goemotions/original/*.tsv"),
    "wnut17": lambda: conll_sentences("wnut17/[ew]*"),
    "squad2": lambda: json_strings("squad2_cs224n/data/*.json"),
    "xquad": lambda: json_strings("xquad/xquad.en.json"),
    "scitldr": lambda: json_strings("scitldr/SciTLDR-A/*.jsonl"),
    "multi30k": lambda: gzip_lines("multi30k/data/task1/raw/*.en.gz"),
    "wikitext2": lambda: lines("wikitext2/wikitext-2/*.txt"),
}


def shared_vocabulary(name: str) -> list[str]:
    (path,) = (SHARED / "_vocabs" / name).glob("*vocab.txt")
    return path.read_text(encoding="utf-8").removesuffix("\n").split("\n")


@needs_shared
@pytest.mark.parametrize("every", [8, pytest.param(1, marks=pytest.mark.soak)])
@pytest.mark.parametrize("name", ["bert-base-uncased", "bert-base-cased"])
def test_no_difference_on_the_english_sets(name, every):
    vocabulary = shared_vocabulary(name)
    lowercase = name == "bert-base-uncased"
    for dataset, read in ENGLISH.items():
        texts = list(dict.fromkeys(read()))[::every]
        found = different(vocabulary, texts, lowercase=lowercase)
        print(f"{name}, {dataset}: {len(found)} of {len(texts)} texts differ")
        assert len(texts) > 500 / every
        assert found == []


@needs_shared
def test_no_difference_on_the_chinese_set():
    texts = list(lines("chnsenticorp/*.tsv"))
    found = different(shared_vocabulary("bert-base-chinese"), texts)
    print(f"bert-base-chinese, chnsenticorp: {len(found)} of {len(texts)} texts differ")
    assert len(texts) > 12_000
    assert found == []


@needs_shared
@pytest.mark.parametrize("name", ["bert-base-uncased", "bert-base-cased", "bert-base-chinese"])
def test_random_strings_with_a_published_vocabulary(name):
    texts = random_texts(10_000)
    found = different(shared_vocabulary(name), texts, lowercase=name != "bert-base-cased")
    print(f"{name}: {len(found)} of {len(texts)} random strings differ")
    assert [ascii(text) for text in found] == []
