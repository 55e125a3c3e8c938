"""Sentences of words with tags: CoNLL files with a word a line, and parallel files.

Only tabs and plain blanks separate. `str.split` also cuts at U+00A0, U+3000 and others, which
stand inside the words of real sets, so nothing here uses it.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from tfft.data.decoding import split_lines
from tfft.data.files import read_text
from tfft.data.table import ReadOptions, Table, listed
from tfft.errors import DataError
from tfft.text.tag_schemes import has_prefix

_CONLLU_COLUMNS = 10


@dataclass(frozen=True)
class Line:
    """A line of a CoNLL file: its number from 1, and what stands in its columns."""

    number: int
    cells: list[str]

    @property
    def is_marked(self) -> bool:
        """Whether it begins with #: a comment, or a word such as #nofilter."""
        return self.cells[0].startswith("#")


def read_conll(path: str, options: ReadOptions) -> Table:
    """Reads a file with a word a line into a row a sentence.

    The columns are called "0", "1", ...; a cell is the list of what this column has for each word
    of the sentence. See `read_sentences`.
    """
    sentences, name = read_sentences(path, options)
    width = len(sentences[0][0].cells) if sentences else 0
    columns = {
        str(n): [[line.cells[n] for line in sentence] for sentence in sentences]
        for n in range(width)
    }
    return Table(columns, name, [sentence[0].number for sentence in sentences])


def read_sentences(path: str, options: ReadOptions) -> tuple[list[list[Line]], str]:
    """Reads the lines of each sentence of a CoNLL file, and the file's name for messages.

    Sentences end at lines that hold only blanks. A line with a tab is cut at its tabs, any other
    at runs of blanks; all lines have the same number of columns. Left out are

    - `-DOCSTART-` lines;
    - comments: lines that begin with # and have another number of columns, or open a sentence
      without a tag of this file in their last column. Any other # begins a word: tweets have many;
    - in CoNLL-U, which is told by its ten columns with a number in the first, the lines of
      contracted words (`1-2`) and of words that are not there (`1.1`).

    Raises:
        DataError: lines with different numbers of columns, or what `read_text` refuses.
    """
    text, name = read_text(path, options)
    blocks = list(_blocks(text))
    lines = [line for block in blocks for line in block]
    width = _width(lines)
    if _is_conllu(lines, width):
        sentences = [[line for line in block if line.cells[0].isdecimal()] for block in blocks]
    else:
        tags = _known_tags(blocks, width)
        sentences = [[line for line in block if _is_word(line, width, tags)] for block in blocks]
    _check_width(sentences, width, name)
    return [sentence for sentence in sentences if sentence], name


def read_parallel(path: str, options: ReadOptions) -> Table:
    """Reads a file with a sentence of blank-separated words on each line into the column "words".

    With `options.tags`, the path of a file with their tags on the same lines, there is a column
    "tags". Lines that hold only blanks are passed over.

    Raises:
        DataError: a line whose tags are more or fewer than its words.
    """
    words, name = _read_cells(path, options)
    columns = {"words": words}
    if options.tags is not None:
        # `member` names the words inside an archive; the tags have a path of their own.
        columns["tags"], tags_name = _read_cells(
            options.tags, ReadOptions(encoding=options.encoding)
        )
        _check_parallel(words, columns["tags"], name, tags_name)
    filled = [row for row, cells in enumerate(words) if cells]
    kept = {key: [cells[row] for row in filled] for key, cells in columns.items()}
    return Table(kept, name, [row + 1 for row in filled])


def split_blanks(line: str) -> list[str]:
    r"""Splits at runs of blanks, tabs and line ends, and at nothing else.

    >>> split_blanks(" one\u00a0two  three ")
    ['one\xa0two', 'three']
    """
    return re.findall(r"[^ \t\r\n]+", line)


def _blocks(text: str) -> Iterator[list[Line]]:
    """Yields runs of lines between those that are blank or begin a document."""
    block: list[Line] = []
    for number, line in enumerate(split_lines(text), 1):
        cells = _cells(line)
        if any(cells) and cells[0] != "-DOCSTART-":
            block.append(Line(number, cells))
        elif block:
            yield block
            block = []
    if block:
        yield block


def _cells(line: str) -> list[str]:
    if "\t" in line:
        return [cell.strip(" ") for cell in line.split("\t")]
    return split_blanks(line)


def _width(lines: list[Line]) -> int:
    """The commonest number of columns, of the lines that cannot be comments if there are any."""
    sure = [line for line in lines if not line.is_marked] or lines
    counts = Counter(len(line.cells) for line in sure)
    return counts.most_common(1)[0][0] if counts else 0


def _is_conllu(lines: list[Line], width: int) -> bool:
    numbers = (line.cells[0] for line in lines if not line.is_marked)
    return width == _CONLLU_COLUMNS and all(re.fullmatch(r"\d+([-.]\d+)?", n) for n in numbers)


def _known_tags(blocks: list[list[Line]], width: int) -> set[str]:
    """The last column of all lines that are surely words.

    Those are the lines without a # and those after one in a sentence: a tag such as HT, hashtag,
    may stand nowhere else.
    """
    tags = set()
    for block in blocks:
        first = next((n for n, line in enumerate(block) if not line.is_marked), len(block))
        tags |= {line.cells[-1] for line in block[first:] if len(line.cells) == width}
    return tags


def _is_word(line: Line, width: int, tags: set[str]) -> bool:
    """Tells words from comments."""
    if not line.is_marked:
        return True
    tag = line.cells[-1]
    # A file of words alone has no tags to go by; and beside "O", B-group is a tag also where it
    # stands but once.
    is_tag = width == 1 or tag in tags or ("O" in tags and has_prefix(tag))
    return len(line.cells) == width and is_tag


def _check_width(sentences: list[list[Line]], width: int, name: str) -> None:
    for line in (line for sentence in sentences for line in sentence):
        if len(line.cells) != width:
            raise DataError(
                f"{name}:{line.number}: found {len(line.cells)} columns ({listed(line.cells)}), "
                f"expected {width} as on most lines. Columns are separated by tabs or, on a line "
                "without a tab, by blanks; an empty line ends a sentence."
            )


def _read_cells(path: str, options: ReadOptions) -> tuple[list[list[str]], str]:
    """Reads the blank-separated entries of each line; blank lines at the end do not count."""
    text, name = read_text(path, options)
    lines = [split_blanks(line) for line in split_lines(text)]
    while lines and not lines[-1]:
        lines.pop()
    return lines, name


def _check_parallel(words: list[list[str]], tags: list[list[str]], name: str, other: str) -> None:
    for number, (row, row_tags) in enumerate(zip(words, tags, strict=False), 1):
        if len(row) != len(row_tags):
            raise DataError(
                f"{name}:{number}: this line has {len(row)} words, but {other}:{number} has "
                f"{len(row_tags)} tags. Each word needs one tag."
            )
    if len(words) != len(tags):
        raise DataError(
            f"{name} has {len(words)} lines of words, but {other} has {len(tags)} lines of tags: "
            f"line {min(len(words), len(tags)) + 1} stands in one of them alone."
        )
