"""Every format gives the same rows; the format is guessed or refused; tables name their columns."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tfft.data.sources import SOURCES, Table, guess_format, read_table
from tfft.errors import ConfigError, DataError

FORMATS = Path(__file__).parents[1] / "data" / "formats"
TEXTS = ['A "fine", quiet film.', "Nothing works here.", "Café scenes, well shot.", "It's   dull"]
LABELS = ["pos", "neg", "pos", "neg"]


@pytest.mark.parametrize(
    "name",
    [
        "reviews.csv",
        "reviews.tsv",
        "reviews.json",
        "reviews_columns.json",
        "reviews.jsonl",
        "reviews.parquet",
        "reviews.txt",
    ],
)
def test_every_format_gives_the_same_columns(name):
    table = read_table(FORMATS / name)
    assert table.column("text") == TEXTS
    assert table.column("label") == LABELS
    assert table.rows == 4
    assert table.path == str(FORMATS / name)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("reviews_no_header.tsv", {"header": False}),
        ("reviews_lists.jsonl", {}),
        ("reviews_splits.json", {"split": ["train", "validation", "test"]}),
    ],
)
def test_columns_without_names_are_known_by_position(name, options):
    table = read_table(FORMATS / name, **options)
    assert table.names == ["0", "1"]
    assert table.column(0) == table.column("0") == TEXTS
    assert table.column(1) == LABELS


@pytest.mark.parametrize("name", ["reviews", "reviews_by_file"])
def test_folders_of_classes_give_the_same_rows_class_by_class(name):
    table = read_table(FORMATS / name)
    assert table.names == ["text", "label"]
    assert table.column("label") == ["neg", "neg", "pos", "pos"]
    assert table.column("text") == [TEXTS[1], TEXTS[3], TEXTS[0], TEXTS[2]]


def test_parquet_keeps_native_types(tmp_path):
    columns = {"tokens": [["a", "b"], []], "label": [1, None], "score": [0.5, 2.0]}
    pq.write_table(pa.table(columns), tmp_path / "x.parquet")
    assert read_table(tmp_path / "x.parquet").columns == columns


def test_parquet_that_is_no_parquet(tmp_path):
    (tmp_path / "x.parquet").write_bytes(b"text,label\n")
    with pytest.raises(DataError, match=r"x\.parquet cannot be read as parquet"):
        read_table(tmp_path / "x.parquet")


def test_parquet_with_a_column_twice(tmp_path):
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["label", "label"])
    pq.write_table(table, tmp_path / "x.parquet")
    with pytest.raises(DataError, match=r"more than once: 'label'"):
        read_table(tmp_path / "x.parquet")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.CSV", "csv"),
        ("a.tsv.gz", "tsv"),
        ("a.ndjson", "jsonl"),
        ("a.b.json", "json"),
        ("a.txt", "text"),
        ("a.conll", "conll"),
        ("a.conllu.gz", "conll"),
        ("a.IOB2", "conll"),
    ],
)
def test_the_suffix_tells_the_format(tmp_path, name, expected):
    (tmp_path / name).write_text("")
    assert guess_format(str(tmp_path / name)) == expected


def test_a_suffix_that_does_not_tell_the_format(tmp_path):
    (tmp_path / "TREC.train").write_text("")
    with pytest.raises(DataError, match=r"TREC\.train does not tell.* 'csv', 'tsv', 'json'"):
        read_table(tmp_path / "TREC.train")


def test_an_unknown_format():
    with pytest.raises(ConfigError, match=r"no format 'jsonll'.*'parquet'.*Did you mean 'jsonl'"):
        read_table(FORMATS / "reviews.csv", format="jsonll")


def test_a_split_of_a_format_without_splits():
    with pytest.raises(ConfigError, match=r"is read as csv, which has no splits"):
        read_table(FORMATS / "reviews.csv", split="train")


def test_a_folder_where_a_file_is_expected():
    with pytest.raises(DataError, match=r"is a folder where a file was expected"):
        read_table(FORMATS / "reviews", format="csv")


def test_missing_file_names_its_folder_and_a_near_name(tmp_path):
    (tmp_path / "dev.tsv").write_text("")
    with pytest.raises(DataError) as caught:
        read_table(tmp_path / "dve.tsv")
    assert f"There is no file {tmp_path / 'dve.tsv'}" in str(caught.value)
    assert f"looked in {tmp_path}" in str(caught.value)
    assert "Did you mean 'dev.tsv'?" in str(caught.value)


def test_missing_file_is_named_as_given_and_searched_absolutely(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError) as caught:
        read_table("./a.csv")
    assert str(caught.value) == f"There is no file ./a.csv (looked in {tmp_path})."


def test_missing_folder_names_the_nearest_that_exists(tmp_path):
    with pytest.raises(DataError, match=f"does not exist.*{tmp_path} does"):
        read_table(tmp_path / "sst3" / "deep" / "dev.tsv")


def test_a_text_where_a_path_is_expected():
    with pytest.raises(DataError, match=r"There is no file a long text"):
        read_table("a long text " * 100)


def test_unreadable_file(tmp_path):
    file = tmp_path / "a.csv"
    file.write_text("")
    file.chmod(0)
    try:
        file.read_bytes()
    except PermissionError:
        with pytest.raises(DataError, match=r"cannot be read"):
            read_table(file)


def test_missing_column_lists_those_that_exist():
    table = read_table(FORMATS / "reviews.csv")
    with pytest.raises(DataError, match=r"has no column 'txet'.*'text', 'label'.*mean 'text'"):
        table.column("txet")


@pytest.mark.parametrize("key", [2, -1])
def test_position_out_of_range(key):
    table = read_table(FORMATS / "reviews.csv")
    with pytest.raises(DataError, match=f"no column at position {key}.*count from 0"):
        table.column(key)


def test_names_in_messages_are_cut_short():
    table = Table({"x" * 500: [], **{str(n): [] for n in range(50)}}, "a.csv")
    with pytest.raises(DataError) as caught:
        table.column("y")
    assert "and 31 more" in str(caught.value)
    assert len(str(caught.value)) < 300


def test_where_a_row_stands():
    assert read_table(FORMATS / "reviews.csv").where(0).endswith("reviews.csv:2")
    assert read_table(FORMATS / "reviews.json").where(0).endswith("reviews.json, row 1")


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.json", "a.jsonl", "a.txt"])
def test_an_empty_file_is_an_empty_table(tmp_path, name):
    (tmp_path / name).write_text("")
    assert read_table(tmp_path / name).rows == 0


def test_a_file_with_a_header_only_has_columns(tmp_path):
    (tmp_path / "a.csv").write_text("text,label\n\n")
    table = read_table(tmp_path / "a.csv")
    assert table.names == ["text", "label"]
    assert table.rows == 0
    assert table.column("text") == []


def test_a_new_source_is_one_function_in_the_table(tmp_path, monkeypatch):
    (tmp_path / "a.csv").write_text("")
    monkeypatch.setitem(SOURCES, "own", lambda path, options: Table({"text": ["own"]}, path))
    assert read_table(tmp_path / "a.csv", format="own").column("text") == ["own"]
