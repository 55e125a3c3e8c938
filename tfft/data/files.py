"""Finds an input and brings its bytes: a file as it is, gzipped, or a member of a zip archive."""

import gzip
import io
import os
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tfft.data.decoding import decode, decode_blocks, lines_of
from tfft.data.table import ReadOptions, listed
from tfft.errors import DataError, did_you_mean

# Both know name, iterdir, is_dir and read_bytes, which is all that the readers ask for.
Input = Path | zipfile.Path

BLOCK_BYTES = 2**18
_GZIP = b"\x1f\x8b"


def read_text(path: str, options: ReadOptions) -> tuple[str, str]:
    """Returns the text of a file, and the file's name for messages."""
    data, name = read_file(path, options)
    return decode(data, options.encoding, name), name


def read_file(path: str, options: ReadOptions) -> tuple[bytes, str]:
    """Returns the unpacked bytes of a file, and the file's name for messages."""
    source = find_one_file(path, options)
    return unpack(source), str(source)


def open_lines(path: str, options: ReadOptions, size: int | None) -> tuple[Iterator[str], str]:
    """Returns the lines of a file with their ends, and the file's name for messages.

    Args:
        path: the file.
        options: `encoding` and `member`.
        size: how many rows are wanted at a time; None: all, so the file is read as a whole.
    """
    if size is None:
        text, name = read_text(path, options)
        return io.StringIO(text, newline=""), name
    source = find_one_file(path, options)
    name = str(source)
    return lines_of(decode_blocks(read_blocks(source), options.encoding, name)), name


def find_one_file(path: str, options: ReadOptions) -> Input:
    """Finds an input that must not be a folder."""
    source = find_input(path, options.member)
    if not source.is_dir():
        return source
    if isinstance(source, zipfile.Path):
        raise several_members(source)
    raise DataError(
        f"{path} is a folder where a file was expected. A folder with one folder (or one .txt "
        "file) per class is read with format: folder."
    )


def find_input(path: str, member: str | None = None) -> Input:
    """Finds a file or a folder, on disk or inside a zip archive.

    Of an archive without `member` it gives what its only entry is, or the folder that holds
    several.
    """
    target = Path(path).expanduser()
    if not os.path.exists(target):  # unlike Path.exists, False also where looking is forbidden
        raise _missing(path, target)
    if target.suffix.lower() == ".zip" and target.is_file():
        return _find_member(target, member)
    if member is not None:
        raise DataError(f"{path} is not a zip archive: it has no member {member!r}.")
    return target


def entries(folder: Input) -> list[Input]:
    """Lists a folder in the order of names, without hidden files and what macOS adds to zips."""
    shown = [each for each in folder.iterdir() if not each.name.startswith((".", "__MACOSX"))]
    return sorted(shown, key=lambda each: each.name)


def unpack(source: Input) -> bytes:
    """Reads a file's bytes, unzipped where they begin as gzip does."""
    with _told_if_unreadable(source):
        data = source.read_bytes()
        return gzip.decompress(data) if data.startswith(_GZIP) else data


def is_packed(source: Input) -> bool:
    """Whether a file stands in an archive or begins as gzip does."""
    if not isinstance(source, Path):
        return True
    with _told_if_unreadable(source), source.open("rb") as raw:
        return raw.read(len(_GZIP)) == _GZIP


def read_blocks(source: Input) -> Iterator[bytes]:
    """Reads a file's bytes some at a time, unzipped where they begin as gzip does."""
    with _told_if_unreadable(source), source.open("rb") as raw:
        begins: Any = raw
        file = gzip.GzipFile(fileobj=raw) if begins.peek(2).startswith(_GZIP) else raw
        while block := file.read(BLOCK_BYTES):
            yield block


@contextmanager
def _told_if_unreadable(source: Input) -> Iterator[None]:
    try:
        yield
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile) as error:
        raise DataError(f"{source} cannot be read: {error}") from error
    except (RuntimeError, NotImplementedError) as error:  # a password, an unknown compression
        raise DataError(f"{source} cannot be unpacked: {error}") from error


def several_members(folder: zipfile.Path) -> DataError:
    """The error for an archive where it is not clear which member is meant."""
    return DataError(
        f"{folder.root.filename} holds several files: choose one with member. "
        f"Its members: {listed(_members(folder))}."
    )


def _find_member(archive: Path, member: str | None) -> zipfile.Path:
    try:
        root = zipfile.Path(archive)
    except (OSError, zipfile.BadZipFile) as error:
        raise DataError(f"{archive} cannot be read as a zip archive: {error}") from error
    if member is None:
        return _only_entry(root)
    found = root / member
    if not found.exists():
        names = _members(root)
        hint = did_you_mean(member, names)
        raise DataError(f"{archive} has no member {member!r}. It has: {listed(names)}.{hint}")
    return found


def _only_entry(folder: zipfile.Path) -> zipfile.Path:
    """Steps down as long as a folder holds a single entry."""
    current: Input = folder
    while current.is_dir() and len(inside := entries(current)) == 1:
        current = inside[0]
    assert isinstance(current, zipfile.Path)
    return current


def _members(folder: zipfile.Path) -> list[str]:
    names = (name for name in folder.root.namelist() if not name.endswith("/"))
    hidden = (".", "__MACOSX")
    return [name for name in names if not any(p.startswith(hidden) for p in name.split("/"))]


def _missing(path: str, target: Path) -> DataError:
    folder = target.absolute().parent
    if not os.path.isdir(folder):
        there = next(parent for parent in folder.parents if os.path.isdir(parent))
        return DataError(
            f"There is no file {path}: the folder {folder} does not exist (but {there} does)."
        )
    names = os.listdir(folder) if os.access(folder, os.R_OK) else []
    hint = did_you_mean(target.name, names)
    return DataError(f"There is no file {path} (looked in {folder}).{hint}")
