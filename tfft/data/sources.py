"""Files to tables: one small function for each format.

    read_table(path, ...) -> SOURCES[format](path, options) -> Table
    read_tables(path, size, ...) -> STREAMS[format](path, options, size) -> Table, Table, ...

A new format is one more such function and its line in `SOURCES`:

    def read_numbers(path: str, options: ReadOptions) -> Table:
        text, name = read_text(path, options)
        return Table({"number": [float(line) for line in split_lines(text)]}, name)

or, where files can be read some rows at a time, a function of the path, the options and the most
rows of a table (None: all in one) that yields tables, and its line in `STREAMS`.
"""

import os
import zipfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path, PurePath
from typing import Any

import pyarrow
import pyarrow.parquet

from tfft.data.conll import read_conll, read_parallel
from tfft.data.delimited import read_csv, read_tsv
from tfft.data.files import find_input, find_one_file, is_packed, several_members, unpack
from tfft.data.json_files import read_json, read_jsonl
from tfft.data.squad import read_squad
from tfft.data.table import ReadOptions, Table, check_unique, cut, listed
from tfft.data.tensorflow_dataset import read_tfds
from tfft.data.text_files import class_folders, read_folder, read_text_lines
from tfft.errors import ConfigError, DataError, did_you_mean

__all__ = [
    "SOURCES",
    "STREAMS",
    "ReadOptions",
    "Source",
    "Stream",
    "Table",
    "guess_format",
    "read_table",
    "read_tables",
]

Source = Callable[[str, ReadOptions], Table]
Stream = Callable[[str, ReadOptions, int | None], Iterator[Table]]


def read_parquet(path: str, options: ReadOptions, size: int | None) -> Iterator[Table]:
    """Reads a parquet file; nested lists become Python lists."""
    source = find_one_file(path, options)
    name, start = str(source), 0
    try:
        # Of a file as it is one group of rows is read after the other.
        place = pyarrow.BufferReader(unpack(source)) if is_packed(source) else source
        with pyarrow.parquet.ParquetFile(place) as file:
            check_unique(file.schema_arrow.names, name)
            if size is None or not file.metadata.num_rows:
                yield Table(file.read().to_pydict(), name)
                return
            for batch in file.iter_batches(batch_size=size):
                numbers = range(start, start := start + batch.num_rows)
                yield Table(batch.to_pydict(), name, numbers=numbers)
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(f"{name} cannot be read as parquet: {error}") from error


STREAMS: dict[str, Stream] = {
    "csv": read_csv,
    "tsv": read_tsv,
    "jsonl": read_jsonl,
    "parquet": read_parquet,
    "text": read_text_lines,
}


def _whole(stream: Stream, path: str, options: ReadOptions) -> Table:
    (table,) = stream(path, options, None)
    return table


SOURCES: dict[str, Source] = {
    "csv": partial(_whole, read_csv),
    "tsv": partial(_whole, read_tsv),
    "json": read_json,
    "jsonl": partial(_whole, read_jsonl),
    "parquet": partial(_whole, read_parquet),
    "text": partial(_whole, read_text_lines),
    "folder": read_folder,
    "tfds": read_tfds,
    "conll": read_conll,
    "parallel": read_parallel,
    "squad": read_squad,
}

SUFFIXES = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".txt": "text",
    ".conll": "conll",
    ".conllu": "conll",
    ".iob": "conll",
    ".iob2": "conll",
    ".bio": "conll",
}

# A split that is silently not looked at would be the wrong rows.
_WITH_SPLITS = {"json", "tfds"}


def read_table(
    path: str | os.PathLike[str],
    *,
    format: str | None = None,
    header: bool | None = None,
    quoting: bool = True,
    delimiter: str | None = None,
    encoding: str = "utf-8",
    split: str | Sequence[str] | None = None,
    member: str | None = None,
    data_dir: str | None = None,
    download: bool = True,
    label_in_front: bool = True,
    label_until: str | None = None,
    label_prefix: str | None = None,
    tags: str | None = None,
) -> Table:
    """Reads a file, a folder or a TensorFlow data set into a table.

    Files may be gzipped or stand in a zip archive. Cells of csv, tsv and text are strings; those
    of json, jsonl, parquet and tfds what they are there. A file without rows gives a table
    without rows.

    Args:
        path: the file or folder; with format "tfds" the name of the data set.
        format: a key of `SOURCES`. By default guessed from the suffix; a folder is "folder".
        header: csv, tsv: whether the first row names the columns (default) or not; then the
            columns are called "0", "1", ...
        quoting: csv, tsv: whether double quotes enclose cells, or are text.
        delimiter: csv, tsv: what stands between cells. Default: a comma, a tab.
        encoding: of the file's text. A byte order mark wins over it.
        split: json, tfds: one split or several, which are put one after the other.
        member: the file, or folder, meant inside a zip archive.
        data_dir: tfds: where data sets lie or are downloaded to.
        download: tfds: whether what is not there may be downloaded.
        label_in_front: text: whether a label stands before the first blank of each line.
        label_until: text: the label ends before this mark; with ":" `NUM:dist` is `NUM`.
        tags: parallel: the file with a line of tags for each line of words.
        label_prefix: text: any number of labels stand in front, each a word with this prefix,
            such as fastText's `__label__`; the label column then holds lists.

    Raises:
        DataError: if the file is missing, cannot be decoded, or is not of its format.
        ConfigError: if the format or the encoding does not exist, or options contradict.
    """
    options = ReadOptions(
        header=header,
        quoting=quoting,
        delimiter=delimiter,
        encoding=encoding,
        split=split,
        member=member,
        data_dir=data_dir,
        download=download,
        label_in_front=label_in_front,
        label_until=label_until,
        label_prefix=label_prefix,
        tags=tags,
    )
    path = os.fspath(path)
    return SOURCES[find_format(path, format, options)](path, options)


def read_tables(
    path: str | os.PathLike[str], size: int, *, format: str | None = None, **options: Any
) -> Iterator[Table]:
    """Reads a file into tables of up to `size` rows, one after the other.

    csv, tsv, jsonl, text and parquet are read as far as rows are asked for, the other formats as a
    whole. The last table may have no rows, but only if it is the first.

    Args:
        path: see `read_table`.
        size: the most rows of a table.
        format: see `read_table`.
        options: see `read_table`.
    """
    path, read = os.fspath(path), ReadOptions(**options)
    found = find_format(path, format, read)
    if found in STREAMS:
        yield from STREAMS[found](path, read, size)
        return
    table = SOURCES[found](path, read)
    for rows in cut(range(table.rows), size):
        yield table.take(rows)


def find_format(path: str, format: str | None, options: ReadOptions) -> str:
    """The format that is given, or that the name tells; a key of `SOURCES`.

    Raises:
        DataError: if the name does not tell.
        ConfigError: if there is no such format, or it has no splits and some are asked for.
    """
    format = format or guess_format(path, options.member)
    if format not in SOURCES:
        hint = did_you_mean(format, SOURCES)
        raise ConfigError(
            f"format: there is no format {format!r}. There are: {listed(SOURCES)}.{hint}"
        )
    if options.splits and format not in _WITH_SPLITS:
        raise ConfigError(f"split: {path} is read as {format}, which has no splits.")
    return format


def guess_format(path: str, member: str | None = None) -> str:
    """Tells the format by the suffix; `.gz` and `.zip` are looked through.

    Raises:
        DataError: if the suffix does not tell.
    """
    source = find_input(path, member)
    if source.is_dir():
        if isinstance(source, zipfile.Path) and member is None and len(class_folders(source)) < 2:
            raise several_members(source)
        return "folder"
    for name in (source.name, Path(path).stem):
        suffix = PurePath(name.lower().removesuffix(".gz")).suffix
        if suffix in SUFFIXES:
            return SUFFIXES[suffix]
    raise DataError(
        f"The name {source} does not tell its format: set format to one of {listed(SOURCES)}."
    )
