"""Plain text: the label in front of each line, or in the name of the file or folder."""

import re
from collections.abc import Iterator

from tfft.data.decoding import decode, split_lines
from tfft.data.files import Input, entries, find_input, open_lines, unpack
from tfft.data.table import ReadOptions, Table, cut, listed
from tfft.errors import DataError

_SPLITS = {"train", "training", "dev", "val", "valid", "validation", "test"}


def read_text_lines(path: str, options: ReadOptions, size: int | None) -> Iterator[Table]:
    """Reads a text from each line that is not blank, with the label in front of it.

    With `options.label_in_front` false the whole line is the text.

    Args:
        path: the file.
        options: how labels are written, `encoding` and `member`.
        size: the most rows of a table; None: all in one.
    """
    lines, name = open_lines(path, options, size)
    numbered = ((n, line.rstrip("\r\n")) for n, line in enumerate(lines, 1) if line.strip())
    for number, part in enumerate(cut(numbered, size)):
        table = _lines_table(part, name, options)
        # Whether there are labels with the prefix, the beginning of a file tells.
        if options.label_in_front and not (number and options.label_prefix):
            _check_labels(table, options.label_prefix)
        yield table


def _lines_table(numbered: list[tuple[int, str]], name: str, options: ReadOptions) -> Table:
    lines = [n for n, _ in numbered]
    texts = [line for _, line in numbered]
    if not options.label_in_front:
        return Table({"text": texts}, name, lines)
    if options.label_prefix:
        pairs = [_labels_and_text(line, options.label_prefix) for line in texts]
    else:
        pairs = [_label_and_text(line) for line in texts]
    labels = [_until(label, options.label_until) for label, _ in pairs]
    return Table({"label": labels, "text": [text for _, text in pairs]}, name, lines)


def read_folder(path: str, options: ReadOptions) -> Table:
    """Reads a folder with one folder per class (each file one text) or one file per class.

    The second kind has a `.txt` or `.txt.gz` for each class, with a text on each line.
    """
    folder = find_input(path, options.member)
    if not folder.is_dir():
        raise DataError(f"{folder} is a file where a folder with one entry per class was expected.")
    texts = {entry.name: _files(entry, options) for entry in class_folders(folder)}
    texts = texts or {_stem(entry): _lines(entry, options) for entry in _class_files(folder)}
    _check_classes(texts, folder)
    rows = [(text, label) for label, each in texts.items() for text in each]
    columns = {"text": [text for text, _ in rows], "label": [label for _, label in rows]}
    return Table(columns, str(folder))


def class_folders(folder: Input) -> list[Input]:
    """Lists the folders in a folder that hold files."""
    folders = [entry for entry in entries(folder) if entry.is_dir()]
    return [each for each in folders if any(not file.is_dir() for file in entries(each))]


def _class_files(folder: Input) -> list[Input]:
    return [each for each in entries(folder) if each.name.endswith((".txt", ".txt.gz"))]


def _stem(file: Input) -> str:
    return file.name.removesuffix(".gz").removesuffix(".txt")


def _files(folder: Input, options: ReadOptions) -> list[str]:
    files = [entry for entry in entries(folder) if not entry.is_dir()]
    return [decode(unpack(file), options.encoding, str(file)).rstrip("\r\n") for file in files]


def _lines(file: Input, options: ReadOptions) -> list[str]:
    lines = split_lines(decode(unpack(file), options.encoding, str(file)))
    return [line for line in lines if line.strip()]


def _check_classes(texts: dict[str, list[str]], folder: Input) -> None:
    if not texts:
        inside = listed(entry.name for entry in entries(folder))
        raise DataError(
            f"{folder} holds neither a folder of texts for each class nor a .txt file for each "
            f"class. It holds: {inside}."
        )
    if texts.keys() <= _SPLITS:
        raise DataError(
            f"The entries of {folder} are splits, not classes: {listed(texts)}. "
            f"Give one of them, for example {folder}/{next(iter(texts))}."
        )


def _label_and_text(line: str) -> tuple[str | list[str], str]:
    label, _, text = re.sub(r"[ \t]+", "\t", line, count=1).partition("\t")
    return label, text


def _labels_and_text(line: str, prefix: str) -> tuple[str | list[str], str]:
    """Takes fastText's labels, any number of words with a prefix, from the front of a line."""
    labels: list[str] = []
    text = line.lstrip(" \t")
    while text.startswith(prefix):
        label, text = _label_and_text(text)
        labels.append(str(label).removeprefix(prefix))
    return labels, text


def _check_labels(table: Table, prefix: str | None) -> None:
    labels = table.columns["label"]
    if prefix and labels and not any(labels):
        raise DataError(f"{table.path}: no line begins with label_prefix {prefix!r}.")
    if not prefix and "" in labels:
        raise DataError(
            f"{table.where(labels.index(''))}: the line begins with a blank, expected a label. "
            "If the lines have no labels, set label_in_front: false."
        )


def _until(label: str | list[str], mark: str | None) -> str | list[str]:
    """Keeps of a label, or of each label of a list, what stands before the mark."""
    if not mark:
        return label
    if isinstance(label, list):
        return [each.partition(mark)[0] for each in label]
    return label.partition(mark)[0]
