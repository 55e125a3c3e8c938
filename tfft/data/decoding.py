"""Bytes to text, and text to lines.

Only CR, LF and CR LF end a line. `str.splitlines` also breaks at U+2028, U+0085, form feeds and
others, which stand inside real texts, so nothing here uses it.
"""

import codecs
import io
import re
from collections.abc import Iterable, Iterator

from tfft.errors import ConfigError, DataError

# A byte order mark says more surely than a setting what the bytes are. UTF-32 stands first,
# because its mark begins with that of UTF-16.
_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def decode(data: bytes, encoding: str, name: str) -> str:
    """Decodes a file's bytes; a byte order mark wins over `encoding` and is taken off.

    Args:
        data: the bytes of the whole file.
        encoding: the name of a Python codec.
        name: the file's name for messages.

    Raises:
        ConfigError: if there is no such encoding.
        DataError: if the bytes do not fit; the message names line, bytes and an encoding that fits.
    """
    marked = _marked(data, encoding)
    try:
        return data.decode(marked).removeprefix("\ufeff")
    except LookupError:
        raise _no_encoding(encoding) from None
    except UnicodeDecodeError as error:
        raise _undecodable(error, marked, name) from None


def decode_blocks(blocks: Iterable[bytes], encoding: str, name: str) -> Iterator[str]:
    """Decodes a file that comes in blocks, as `decode` does a whole one.

    Raises:
        ConfigError: if there is no such encoding.
        DataError: if the bytes do not fit; the message names line, bytes and an encoding that fits.
    """
    decoder, marked, line, ended = None, encoding, 1, ""
    # The empty block at the end tells the decoder that a character which is not whole is a fault.
    for block in _with_end(blocks):
        try:
            if decoder is None:
                marked = _marked(block, encoding)
                decoder = codecs.getincrementaldecoder(marked)()
            text = decoder.decode(block, final=not block)
        except LookupError:
            raise _no_encoding(encoding) from None
        except UnicodeDecodeError as error:
            raise _undecodable(
                error, marked, name, first_line=line, part="This part of the file"
            ) from None
        yield text.removeprefix("\ufeff") if line == 1 and not ended else text
        line += _line_ends(ended + text) - _line_ends(ended)
        ended = text[-1:] or ended


def lines_of(texts: Iterable[str]) -> Iterator[str]:
    r"""The lines of a text that comes in parts, each with its end: CR, LF or CR LF.

    >>> list(lines_of(["one\r", "\ntwo\u2028still two\rthr", "ee"]))
    ['one\r\n', 'two\u2028still two\r', 'three']
    """
    rest = ""
    for text in texts:
        text = rest + text
        # A CR that comes last may be the first half of CR LF.
        end = max(text.rfind("\n"), text.rfind("\r", 0, len(text) - 1)) + 1
        yield from io.StringIO(text[:end], newline="")
        rest = text[end:]
    yield from io.StringIO(rest, newline="")


def split_lines(text: str) -> list[str]:
    r"""Splits a text at CR, LF and CR LF, and at nothing else.

    >>> split_lines("one\r\ntwo\u2028still two\rthree\n")
    ['one', 'two\u2028still two', 'three']
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return lines if lines[-1] else lines[:-1]


def position(text: str, index: int) -> tuple[int, int]:
    """Returns line and column, both from 1, of a character of the text."""
    before = text[:index].replace("\r\n", "\n").replace("\r", "\n")
    return before.count("\n") + 1, len(before) - before.rfind("\n")


def _marked(data: bytes, encoding: str) -> str:
    """The encoding that a byte order mark at the beginning names, or else the given one."""
    return next((codec for mark, codec in _MARKS.items() if data.startswith(mark)), encoding)


def _with_end(blocks: Iterable[bytes]) -> Iterator[bytes]:
    yield from blocks
    yield b""


def _line_ends(text: str) -> int:
    return text.count("\n") + text.count("\r") - text.count("\r\n")


def _no_encoding(encoding: str) -> ConfigError:
    return ConfigError(
        f"encoding: there is no encoding {encoding!r}. Common ones: utf-8, utf-16, cp1252, "
        "latin-1, gb18030, cp932, cp1251."
    )


def _undecodable(
    error: UnicodeDecodeError,
    encoding: str,
    name: str,
    *,
    first_line: int = 1,
    part: str = "The whole file",
) -> DataError:
    data, start = error.object, error.start
    line = len(re.findall(rb"\r\n|\r|\n", data[:start])) + first_line
    found = data[start : max(error.end, start + 1)][:8].hex(" ")
    message = f"{name}:{line}: the bytes {found} (hexadecimal) are not {encoding}."
    fitting = fitting_encoding(data)
    if fitting is None:
        return DataError(f"{message} No common encoding fits {part.lower()}: is it text at all?")
    around = data[max(0, start - 20) : start + 20].decode(fitting, "replace")
    return DataError(
        f"{message} {part} can be read as {fitting}, and this place then reads "
        f"{around!r}; if that is right, set encoding: {fitting}."
    )


def fitting_encoding(data: bytes) -> str | None:
    """Proposes an encoding that decodes the bytes without an error, or None."""
    for encoding in _candidates(data):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        # A text has no control characters but the white ones.
        if not re.search(r"[\x00-\x08\x0e-\x1b\x7f]", text):
            return encoding
    return None


def _candidates(data: bytes) -> list[str]:
    """Orders the encodings to try by what the bytes look like.

    Single-byte encodings decode almost anything. Western texts have lone bytes beyond ASCII;
    where most such bytes stand in runs, the text is likelier of an Asian or Cyrillic script.
    """
    if data.count(b"\x00") > len(data) // 10:
        low_first = data[1::2].count(0) > data[0::2].count(0)
        return ["utf-16-le", "utf-16-be"] if low_first else ["utf-16-be", "utf-16-le"]
    western = ["cp1252", "latin-1"]
    runs = [len(run) for run in re.findall(rb"[\x80-\xff]+", data)]
    alone = runs.count(1) > len(runs) / 2
    return ["utf-8", *western] if alone else ["utf-8", "gb18030", "cp932", "cp1251", *western]
