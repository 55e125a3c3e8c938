"""Files read some rows at a time give the rows that they give as a whole."""

import gzip
import json
import zipfile

import pyarrow
import pyarrow.parquet
import pytest

from tfft.data import files
from tfft.data.sources import read_table, read_tables
from tfft.errors import ConfigError, DataError

TEXTS = ["one", "two, and\u2028more", 'a "quoted" cell', "straße 电影", "line\nend", "last"] * 5
ROWS = [{"text": text, "label": number} for number, text in enumerate(TEXTS)]


def csv_bytes(end="\n", encoding="utf-8"):
    cells = [f'"{row["text"].replace(chr(34), chr(34) * 2)}",{row["label"]}' for row in ROWS]
    return (end.join(["text,label", *cells, ""])).encode(encoding)


def jsonl_bytes(end="\n"):
    return end.join(json.dumps(row) for row in ROWS).encode()


FILES = {
    "lf.csv": csv_bytes(),
    "crlf.csv": csv_bytes("\r\n"),
    "mac.csv": csv_bytes("\r"),
    "bom.csv": b"\xef\xbb\xbf" + csv_bytes(),
    "wide.csv": csv_bytes(encoding="utf-16"),
    "rows.jsonl": jsonl_bytes(),
    "crlf.jsonl": jsonl_bytes("\r\n\r\n"),
    "lists.jsonl": b'["a", 1]\n["b", 2]\n["c", 3]\n',
    "rows.tsv": b"text\tlabel\n" + b"".join(b"text %d\t%d\n" % (n, n) for n in range(9)),
    "rows.txt": b"".join(b"label%d the text\r\n\n" % n for n in range(9)),
    "packed.jsonl.gz": gzip.compress(jsonl_bytes()),
    "rows.json": json.dumps(ROWS).encode(),
}


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(files, "BLOCK_BYTES", 7)


def joined(tables):
    columns: dict = {}
    for table in tables:
        for name, cells in table.columns.items():
            columns.setdefault(name, []).extend(cells)
    return columns, [table.where(row) for table in tables for row in range(table.rows)]


def compare(path, size, **options):
    tables = list(read_tables(path, size, **options))
    assert all(0 < table.rows <= size for table in tables)
    assert joined(tables) == joined([read_table(path, **options)])


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("size", [1, 4, 1000])
def test_the_same_rows_on_the_same_lines(tmp_path, name, size):
    (tmp_path / name).write_bytes(FILES[name])
    compare(tmp_path / name, size)


def test_plain_cells_and_no_header(tmp_path):
    (tmp_path / "a.tsv").write_bytes(b'"x\t1\r\n\r\ny"\t2\rz\t3')
    compare(tmp_path / "a.tsv", 2, quoting=False, header=False)


def test_a_member_of_an_archive(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("rows.jsonl", jsonl_bytes())
    compare(tmp_path / "a.zip", 4)


@pytest.mark.parametrize("packed", [False, True])
def test_parquet(tmp_path, packed):
    path = tmp_path / "a.parquet"
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(ROWS), path, row_group_size=7)
    if packed:
        path.write_bytes(gzip.compress(path.read_bytes()))
    compare(path, 4)


def test_labels_with_a_prefix_need_not_stand_in_every_part(tmp_path):
    (tmp_path / "a.txt").write_text("__a one\ntwo\nthree\n__b four\n")
    compare(tmp_path / "a.txt", 1, label_prefix="__")


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.tsv", "a.txt"])
def test_an_empty_file_gives_a_table_without_rows(tmp_path, name):
    (tmp_path / name).write_bytes(b"")
    (table,) = read_tables(tmp_path / name, 4)
    assert table.rows == 0


def test_a_key_that_comes_later_is_a_column_from_there_on(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"a": 1}\n{"a": 2}\n{"b": 3}\n')
    assert [table.columns for table in read_tables(tmp_path / "a.jsonl", 2)] == [
        {"a": [1, 2]},
        {"a": [None], "b": [3]},
    ]


FAULTS = {
    "a.jsonl": (b'{"a": 1}\r\n{"a": 2}\r\n{"a": }\r\n', r"a\.jsonl:3:7: this is not JSON"),
    "b.jsonl": (b"[1]\n[2]\n[3, 4]\n", r"b\.jsonl:3: found 2 cells, expected 1"),
    "a.csv": (b'a,b\n"1\n",2\n3\n', r"a\.csv:4: found 1 cells, expected 2"),
    "b.csv": (b'a,b\n1,2\n"3,4\n', r"b\.csv:3: a quote"),
    "c.csv": (b"a,b\r\n1,2\r\nn\xefve,2\n", r"c\.csv:3: the bytes ef .*This part of the file"),
    "d.csv": (b"a,b\n1,2\n\xe4", r"d\.csv:3: the bytes e4"),
    "a.txt": (b"x y\nx z\n y\n", r"a\.txt:3: the line begins with a blank"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_named_by_their_lines(tmp_path, name):
    data, message = FAULTS[name]
    (tmp_path / name).write_bytes(data)
    with pytest.raises(DataError, match=message):
        list(read_tables(tmp_path / name, 1))


def test_an_encoding_that_does_not_exist(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"a\n1\n")
    with pytest.raises(ConfigError, match="no encoding 'utf-9'"):
        list(read_tables(tmp_path / "a.csv", 1, encoding="utf-9"))


def test_a_broken_gzip_file(tmp_path):
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(csv_bytes())[:-9])
    with pytest.raises(DataError, match=r"a\.csv\.gz cannot be read"):
        list(read_tables(tmp_path / "a.csv.gz", 1))
