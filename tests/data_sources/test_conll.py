"""CoNLL files and parallel files of words and tags, and answers to be scored."""

import gzip
import zipfile

import pytest

from tfft.data.conll import read_conll, read_parallel
from tfft.data.predictions import read_tag_predictions
from tfft.data.table import ReadOptions
from tfft.errors import DataError
from tfft.text.tag_schemes import chunks, detect_scheme


@pytest.fixture
def write(tmp_path):
    def write(content, name="a.conll"):
        data = content if isinstance(content, bytes) else content.encode("utf-8")
        (tmp_path / name).write_bytes(data)
        return str(tmp_path / name)

    return write


@pytest.fixture
def read(write):
    def read(content, **options):
        return read_conll(write(content), ReadOptions(**options))

    return read


# ---------------------------------------------------------------------------- a word a line


def test_a_row_is_a_sentence(read):
    table = read("Ada\tB-per\nsleeps\tO\n\nIn\tO\nRome\tB-loc\n")
    assert table.columns == {
        "0": [["Ada", "sleeps"], ["In", "Rome"]],
        "1": [["B-per", "O"], ["O", "B-loc"]],
    }
    assert table.lines == [1, 4]
    assert table.where(1).endswith("a.conll:4")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends(read, end):
    table = read(end.join(["a O", "b O", "", "c O"]))
    assert table.columns == {"0": [["a", "b"], ["c"]], "1": [["O", "O"], ["O"]]}
    assert table.lines == [1, 4]


def test_runs_of_blanks_separate_and_those_at_the_ends_do_not_count(read):
    expected = {"0": [["a", "b"]], "1": [["NN", "VB"]], "2": [["O", "O"]]}
    assert read("  a   NN  O  \nb VB O\n").columns == expected


def test_a_line_with_a_tab_is_cut_at_tabs(read):
    assert read("New York \tB-loc\nb O\n").column(0) == [["New York", "b"]]


def test_no_other_white_space_separates(read):
    words = ["a\u00a0b", "\u00a0", "c\u2028d\u0085e", "f\u3000", "\x0cg"]
    assert read("".join(f"{word}\tO\n" for word in words)).column(0) == [words]
    assert read("".join(f"{word} O\n" for word in words)).column(0) == [words]


def test_lines_of_blanks_alone_end_a_sentence(read):
    assert read("\n \na O\n\t\nb O\n \t \n\n\nc O\n\n").column(0) == [["a"], ["b"], ["c"]]


def test_cells_may_be_empty_in_files_with_tabs(read):
    assert read("a\t\tO\nb\tx\tO\n").column(1) == [["", "x"]]
    assert read("\tO\nb\tO\n").column(0) == [["", "b"]]


def test_document_lines_are_left_out(read):
    table = read("-DOCSTART- -X- O\n\na NN O\n-DOCSTART-\nb NN O\n\n-DOCSTART- -X- -X- O\n")
    assert table.column(0) == [["a"], ["b"]]
    assert table.lines == [3, 5]


@pytest.mark.parametrize("content", ["", "\n\n", "-DOCSTART- O\n\n", "\ufeff"])
def test_no_rows(read, content):
    assert read(content).rows == 0


def test_another_number_of_columns(read):
    with pytest.raises(DataError, match=r"a\.conll:3: found 1 columns \('c'\), expected 2 as on"):
        read("a O\nb O\nc\nd O\n")
    with pytest.raises(DataError, match=r"a\.conll:1: found 3 columns"):
        read("a NN O\nb O\nc O\n")


def test_encodings_and_byte_order_marks(read):
    assert read("é O\n".encode("latin-1"), encoding="latin-1").column(0) == [["é"]]
    assert read(b"\xef\xbb\xbfa O\n").column(0) == [["a"]]
    assert read("a O\n".encode("utf-16")).column(0) == [["a"]]
    with pytest.raises(DataError, match=r"a\.conll:2: the bytes e9"):
        read(b"a O\n\xe9t\xe9 O\n")


def test_gz_and_zip(write, tmp_path):
    expected = [["a"]]
    assert read_conll(write(gzip.compress(b"a O\n"), "a.gz"), ReadOptions()).column(0) == expected
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("one/a.conll", "a O\n")
        archive.writestr("one/b.conll", "b O\n")
    options = ReadOptions(member="one/a.conll")
    assert read_conll(str(tmp_path / "a.zip"), options).column(0) == expected


# ---------------------------------------------------------------------------- comments


def test_comments_have_another_number_of_columns(read):
    table = read("# id 1\n#\na\tO\n# in the middle\nb\tO\n\n#begin document x ; part 0\nc\tO\n")
    assert table.column(0) == [["a", "b"], ["c"]]
    assert table.lines == [3, 8]


def test_comments_with_as_many_columns_open_a_sentence_and_end_in_no_tag(read):
    assert read("# 12\n#end document\na O\n\n# 13\nb O\n").column(0) == [["a"], ["b"]]


def test_comments_outnumber_the_words(read):
    assert read("# a comment\n# one more\n\na O\n").column(0) == [["a"]]


def test_the_end_of_a_comment_is_no_tag(read):
    assert read("a O\n# in sentence 13\n\n# 13\nb O\n").column(0) == [["a"], ["b"]]


def test_a_prefix_makes_a_tag_only_beside_o(read):
    assert read("# B-52\na NN\n").column(0) == [["a"]]


def test_hashtags_are_words(read):
    assert read("# O\n#a O\nb O\n\nb O\n#c x\n").column(0) == [["#", "#a", "b"], ["b", "#c"]]


@pytest.mark.parametrize(
    "content",
    [
        "#NFL B-group\nrocks O\n",  # a tag of a scheme, and O says that there is one
        "#NFL HT\nrocks VB\n\nby VB\n#them HT\n",  # a tag that only hashtags have
        "#NFL HT\n#NBA HT\n\nby VB\n#them HT\n",
    ],
)
def test_a_hashtag_opens_a_sentence(read, content):
    assert read(content).column(0)[0][0] == "#NFL"


def test_a_file_of_words_has_no_tags_to_tell_comments_by(read):
    table = read("# one comment\n#\n#photo\nby\n\n#end\n")
    assert table.columns == {"0": [["#", "#photo", "by"], ["#end"]]}


def test_a_file_of_hashtags(read):
    assert read("by O\n\n#a O\n#b O\n").column(0) == [["by"], ["#a", "#b"]]
    assert read("#a\n#b\n").column(0) == [["#a", "#b"]]


# ---------------------------------------------------------------------------- CoNLL-U


def universal(*rows):
    return "".join("\t".join([*row, *["_"] * (10 - len(row))]) + "\n" for row in rows)


def test_contractions_and_absent_words_of_conllu(read):
    table = read(
        "# sent_id = 1\n# text = vámonos al mar a b c B-x\n"
        + universal(["1-2", "vámonos"], ["1", "vamos"], ["2", "nos"], ["2.1", "went"])
        + "\n# text = 10 . 1\n"
        + universal(["1", "10"], ["2", "."], ["3", "1-2"])
    )
    assert table.column(1) == [["vamos", "nos"], ["10", ".", "1-2"]]
    assert table.lines == [4, 9]


def test_a_conllu_comment_with_ten_words(read):
    comment = "# text = one two three four five six B-seven"
    assert read(f"{comment}\n{universal(['1', 'one'])}").column(1) == [["one"]]


def test_numbers_are_words_elsewhere(read):
    assert read("1-2 O\n1.1 O\n").column(0) == [["1-2", "1.1"]]
    assert read(universal(["1-2"], ["a"])).column(0) == [["1-2", "a"]]


# ---------------------------------------------------------------------------- parallel files


def test_parallel_files(write):
    tags = write(b"O B-x\r\n\r\nO\tO\r\n", "tags")
    table = read_parallel(write("a b\u00a0c\n \n d  e \n\n", "words"), ReadOptions(tags=tags))
    assert table.columns == {
        "words": [["a", "b\u00a0c"], ["d", "e"]],
        "tags": [["O", "B-x"], ["O", "O"]],
    }
    assert table.lines == [1, 3]


def test_words_without_tags(write):
    expected = {"words": [["a", "b"], ["c"]]}
    assert read_parallel(write("a b\n\nc\n"), ReadOptions()).columns == expected


def test_parallel_files_of_another_encoding(write):
    options = ReadOptions(encoding="latin-1", tags=write("é\n".encode("latin-1"), "tags"))
    assert read_parallel(write("ä\n".encode("latin-1")), options).column("tags") == [["é"]]


def test_tags_beside_an_archive_of_words(write, tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a", "one\n")
        archive.writestr("b", "two\n")
    options = ReadOptions(member="b", tags=write("O\n", "tags"))
    assert read_parallel(str(tmp_path / "a.zip"), options).column("words") == [["two"]]


@pytest.mark.parametrize(
    ("words", "tags", "message"),
    [
        ("a b\nc d\n", "O O\nO\n", r"words:2: .* has 2 words, but .*tags:2 has 1 tags"),
        ("a b\n\nc\n", "O O\nO\n", r"words:2: .* has 0 words, but .*tags:2 has 1 tags"),
        ("a\nb\n", "O\n", r"words has 2 lines .*tags has 1 lines of tags: line 2 stands"),
        ("a\n", "O\nO\nO\n", r"words has 1 lines .*tags has 3 lines of tags: line 2 stands"),
    ],
)
def test_parallel_files_that_differ(write, words, tags, message):
    with pytest.raises(DataError, match=message):
        read_parallel(write(words, "words"), ReadOptions(tags=write(tags, "tags")))


# ---------------------------------------------------------------------------- answers


def test_answers_beside_the_right_tags(write):
    path = write("Ada\tB-per\tO\nin\tO\tO\n\nRome\tB-loc\tB-loc\n")
    expected = ([["B-per", "O"], ["B-loc"]], [["O", "O"], ["B-loc"]])
    assert read_tag_predictions(path) == expected


def test_answers_of_another_file_are_paired_by_the_order_of_words(write):
    gold = write("Ada NN B-per\nin IN O\n\nRome NN B-loc\n", "gold")
    expected = ([["B-per", "O"], ["B-loc"]], [["O", "B-x"], ["B-loc"]])
    for answers in ("ada\tO\n\nin\tB-x\nROME\tB-loc\n", "O\nB-x\nB-loc\n"):
        assert read_tag_predictions(write(answers), gold) == expected


@pytest.mark.parametrize(
    ("gold", "answers", "message"),
    [
        (
            "# 1 2\na O\nb O\n\nc O\n",
            "a O\n\nc O\n",
            r"a\.conll has 2 words, but .*gold has 3. .* is 'c' \(.*a\.conll:3\); expected 'b' "
            r"\(.*gold:3\)",
        ),
        ("a O\nb O\n", "a O\n", r"has 1 words.*has 2. The first that only one has is 'b' .*gold:2"),
        ("a O\n", "a O\nb O\n", r"only one has is 'b' \(.*a\.conll:2\)"),
        ("a O\nb O\n", "O\n", r"only one has is 'b' \(.*gold:2\)"),
        ("a O\n", "\n", r"a\.conll has no words"),
    ],
)
def test_answers_to_other_words(write, gold, answers, message):
    with pytest.raises(DataError, match=message):
        read_tag_predictions(write(answers), write(gold, "gold"))


def test_answers_without_the_right_tags(write):
    with pytest.raises(DataError, match=r"a\.conll has one column, expected two or more"):
        read_tag_predictions(write("O\nO\n"))


# ---------------------------------------------------------------------------- the real thing


@pytest.mark.parametrize(
    ("name", "rows", "words", "entities"),
    [
        ("wnut17train.conll", 3394, 62730, 1975),
        ("emerging.dev.conll", 1009, 15733, 836),
        ("emerging.test.annotated", 1287, 23394, 1079),
    ],
)
def test_wnut17(shared_data, name, rows, words, entities):
    table = read_conll(str(shared_data / "wnut17" / name), ReadOptions())
    tags = table.column(1)
    assert (table.rows, sum(map(len, table.column(0)))) == (rows, words)
    assert sum(len(chunks(of_row)) for of_row in tags) == entities
    assert detect_scheme(tags) == "IOB2"


def test_wnut17_without_tags(shared_data):
    table = read_conll(str(shared_data / "wnut17/emerging.test"), ReadOptions())
    annotated = read_conll(str(shared_data / "wnut17/emerging.test.annotated"), ReadOptions())
    assert table.column(0) == annotated.column(0)
