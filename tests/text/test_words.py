"""Words of raw sentences and of lists, and their offsets."""

import random
import unicodedata

import pytest
import tensorflow as tf

from tfft.serving.ops import served_operations, used_operations
from tfft.text import WORD_SEPARATOR
from tfft.text.words import character_offsets, listed_words, split_words

# Blanks stand between the words that are expected.
SENTENCES = {
    "EU rejects German call.": "EU rejects German call .",
    "He's Brien's and O'Brien's.": "He 's Brien 's and O'Brien 's .",
    "Don't you? I'm, they'll, rock'n'roll": "Don't you ? I'm , they'll , rock'n'roll",
    "O’Hara’s dog's' IT'S": "O’Hara ’s dog 's ' IT 'S",
    "the bull's-eye 's": "the bull's-eye 's",
    "'She said' 'São Paulo' dogs'": "' She said ' ' São Paulo ' dogs '",
    "state-of-the-art, 19-year-old": "state-of-the-art , 19-year-old",
    "-this - that- a--b": "- this - that - a -- b",
    "AT&T & R&B; snake_case _x_": "AT&T & R&B ; snake_case _ x _",
    "U.S. U.S.A, in the U.K., e.g. this": "U.S. U.S.A , in the U.K. , e.g. this",
    "U.S.-based; the U.S.'s": "U.S.-based ; the U.S. 's",
    "J.R.R. Tolkien; vitamin C. Mr. X": "J.R.R. Tolkien ; vitamin C . Mr . X",
    "т.е. так": "т.е. так",
    "3.14, 10,000. at 10:30pm on 1/2/2024": "3.14 , 10,000 . at 10:30pm on 1/2/2024",
    "$5.50 +3 50% 4-1 v2.0": "$ 5.50 + 3 50 % 4-1 v2.0",
    "1,2, 3. .5": "1,2 , 3 . . 5",
    "@joe_b's #NER! C# @ #": "@joe_b 's #NER ! C # @ #",
    "a@b.co, me.you+x@mail.example.com.": "a@b.co , me.you+x@mail.example.com .",
    "(see https://t.co/aB1?x=1&y=2#z).": "( see https://t.co/aB1?x=1&y=2#z ) .",
    "WWW.example.com/a_(b)/, http://": "WWW.example.com/a_(b)/ , http : //",
    '"http://x.org/Köln" www.': '" http://x.org/Köln " www .',
    "wow!!! what?! ... :-)": "wow !!! what ? ! ... : - )",
    "“quoted” «so» (a) [b] — ……": "“ quoted ” « so » ( a ) [ b ] — ……",
    "李明去北京大学。": "李 明 去 北 京 大 学 。",
    "東京タワーは333mです！！": "東 京 タ ワ ー は 333m で す ！！",
    "サッカーhttp://t.co/ab見て": "サ ッ カ ー http://t.co/ab 見 て",
    "고려대학교에서 공부": "고려대학교에서 공부",
    "هو، قال؟ می‌خواهم": "هو ، قال ؟ می‌خواهم",
    "हिन्दी में है।": "हिन्दी में है ।",
    "cafe\u0301s a\u0301\u0323": "cafe\u0301s a\u0301\u0323",
    "か\u3099は !\u0301": "か\u3099 は !\u0301",
    "good👍🏽😀😀no": "good 👍🏽 😀 😀 no",
    "👩‍👩‍👧❤️🏴󠁧󠁢󠁥󠁮󠁧󠁿": "👩‍👩‍👧 ❤️ 🏴󠁧󠁢󠁥󠁮󠁧󠁿",
    "🇩🇪🇫🇷 1️⃣ #️⃣": "🇩🇪 🇫🇷 1️⃣ #️⃣",
    "a\x00b \ufeffc": "a \x00 b \ufeff c",
    "a\u00a0b\u2003c\u2028d\x85e\x0bf": "a b c d e f",
    "": "",
    " \t\r\n\u3000": "",
}


def is_blank(character: str) -> bool:
    return character in "\t\n\x0b\x0c\r\x85" or unicodedata.category(character)[0] == "Z"


def encoded(texts: list[str]) -> tf.Tensor:
    return tf.constant([text.encode() for text in texts], tf.string)


def rows(words) -> list[list[tuple[str, int, int]]]:
    """The words of each row with their offsets."""
    parts = [part.to_list() for part in words]
    return [
        [(word.decode(), start, end) for word, start, end in zip(*row, strict=True)]
        for row in zip(*parts, strict=True)
    ]


def check_offsets(texts, words):
    for text, row in zip(texts, rows(words), strict=True):
        assert all(text[start:end] == word for word, start, end in row), ascii(text)
        limits = [limit for _, start, end in row for limit in (start, end)]
        assert limits == sorted(limits)


def test_documented_rule():
    found = rows(split_words(encoded(list(SENTENCES))))
    assert [[word for word, _, _ in row] for row in found] == [
        expected.split(" ") if expected else [] for expected in SENTENCES.values()
    ]
    check_offsets(list(SENTENCES), split_words(encoded(list(SENTENCES))))


def random_texts(count: int) -> list[str]:
    draw = random.Random(0)
    awkward = (
        "ab1 .,:/-'’sS_&@#!? \t\x00\x85\u00a0\u200b\u200d\ufeff\ufffd\uffff\u0301éß中か가ש😀🏽🇩️"
    )
    planes = [range(0x20, 0x7F), range(0xD800), range(0xE000, 0x20000), range(0x20000, 0x110000)]
    alphabets = [[chr(code) for code in plane] for plane in planes]
    alphabets += [list(awkward)] * 8
    return [
        "".join(draw.choice(draw.choice(alphabets)) for _ in range(draw.randrange(25)))
        for _ in range(count)
    ]


def test_every_character_is_in_one_word_unless_it_is_blank():
    texts = random_texts(2000)
    words = split_words(encoded(texts))
    check_offsets(texts, words)
    for text, row in zip(texts, words.words.to_list(), strict=True):
        assert b"".join(row).decode() == "".join(c for c in text if not is_blank(c)), ascii(text)


def test_bytes_that_are_no_utf8_are_read_like_python_reads_them():
    draw = random.Random(0)
    raw = [bytes(draw.choices(b"a \n\x80\xc2\xe0\xed\x9f\xf0\xf4\xff", k=8)) for _ in range(500)]
    texts = [row.decode("utf-8", "replace") for row in raw]
    for find in (split_words, listed_words):
        assert rows(find(tf.constant(raw))) == rows(find(encoded(texts)))
        check_offsets(texts, find(tf.constant(raw)))


def test_listed_words():
    sentences = [["EU", "rejects"], [], ["né", "\x00", "New York", "中", "\ufffd"], ["x"]]
    texts = [WORD_SEPARATOR.join(words) for words in sentences]
    words = listed_words(encoded(texts))
    assert [[word for word, _, _ in row] for row in rows(words)] == sentences
    check_offsets(texts, words)
    check_offsets([" ".join(words) for words in sentences], words)


def test_empty_words_are_left_out():
    assert rows(listed_words(["\na\n\nb\n", "\n"])) == [[("a", 1, 2), ("b", 4, 5)], []]


@pytest.mark.parametrize("find", [split_words, listed_words])
def test_no_texts(find):
    for part, dtype in zip(
        find(tf.constant([], tf.string)), (tf.string, tf.int32, tf.int32), strict=True
    ):
        assert part.shape.as_list() == [0, None]
        assert (part.dtype, part.row_splits.dtype) == (dtype, tf.int64)


def test_character_offsets():
    texts = ["", "aé中😀b", "x", "中\x00"]
    offsets = [list(range(len(text.encode()) + 1)) for text in texts]
    ragged = tf.ragged.constant(offsets, dtype=tf.int32, row_splits_dtype=tf.int64)
    # One inside a character counts that character too.
    expected = [
        [len(text.encode()[:offset].decode("utf-8", "ignore")) for offset in row]
        for text, row in zip(texts, offsets, strict=True)
    ]
    inside = [
        [count + (len(text[:count].encode()) != offset) for count, offset in zip(*row, strict=True)]
        for text, *row in zip(texts, expected, offsets, strict=True)
    ]
    found = character_offsets(encoded(texts), ragged)
    assert (found.to_list(), found.dtype) == (inside, tf.int32)


def test_inside_a_data_set_and_an_export(tmp_path):
    module = tf.Module()

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def words_of(texts):
        split, listed = split_words(texts), listed_words(texts)
        return {
            "words": split.words.values,
            "starts": split.starts.values,
            "of": listed.ends.values,
        }

    module.words_of = words_of
    tf.saved_model.save(module, str(tmp_path))
    assert used_operations(tmp_path) - served_operations() == set()
    texts = encoded(list(SENTENCES))
    answer = tf.saved_model.load(str(tmp_path)).words_of(texts)
    eager = split_words(texts)
    assert answer["words"].numpy().tolist() == eager.words.values.numpy().tolist()
    assert answer["starts"].numpy().tolist() == eager.starts.values.numpy().tolist()
    dataset = tf.data.Dataset.from_tensor_slices(texts).batch(5).map(split_words)
    assert [row for part in dataset for row in part.words.to_list()] == eager.words.to_list()
