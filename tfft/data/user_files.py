"""How a file is read that somebody gives to a finished run: as the training data were."""

from collections.abc import Iterable
from pathlib import Path, PurePath
from typing import Any

from pydantic import ValidationError

from tfft.config import Columns, Data, DataFile, FileOptions
from tfft.config.faults import describe_faults
from tfft.config.yaml_file import parse_value
from tfft.data.examples import file_path, load_table
from tfft.data.sources import SUFFIXES, Table, guess_format
from tfft.errors import ConfigError, TfftError


def describe_user_file(
    data: Data, path: str, overrides: Iterable[str] = (), *, with_labels: bool = True
) -> DataFile:
    """The options for a file that the config does not name, or names.

    A file of the config is read as the config says. Another one of the same ending or format, or
    one whose name does not tell its format, is read like the training file; one of another format
    by its own defaults, its columns by the names `text`, `text_pair`, `label`.

    Args:
        data: the config's section.
        path: the file, below the working directory.
        overrides: `key=value` for keys such as `header` or `columns.text`.
        with_labels: false where only texts are wanted: a line of plain text is then a text.

    Raises:
        ConfigError: an override is not a key of a file's options.
    """
    base = _named_by_config(data, path)
    if base is None:
        train = data.files("train")[0]
        expected = train.format or _format(file_path(data.dir, train.path))
        format = expected if _same_ending(path, train.path) else _format(path) or expected
        other = DataFile(
            path=path,
            columns=_named_columns(data),
            label_in_front=with_labels and data.label_in_front,
        )
        base = train if format == expected else other
        base = base.model_copy(
            update={"format": format, "split": None, "member": None, "tags": None}
        )
    return _override(base.model_copy(update={"path": path}), overrides)


def read_user_table(file: DataFile) -> Table:
    """Reads a file that `describe_user_file` described."""
    return load_table(file, file.path)


def _named_by_config(data: Data, path: str) -> DataFile | None:
    files = [file for split in ("train", "validation", "test") for file in data.files(split)]
    same = [
        file
        for file in files
        if file.format != "tfds" and Path(data.dir, file.path).resolve() == Path(path).resolve()
    ]
    # A file that holds several splits: which one is meant only the user can say.
    if not same:
        return None
    update: dict[str, Any] = {"split": None} if len(same) > 1 else {}
    if same[0].tags is not None:
        update["tags"] = file_path(data.dir, same[0].tags)
    return same[0].model_copy(update=update)


def _same_ending(path: str, other: str) -> bool:
    """Whether both names end alike: a CoNLL file may be called `train.txt`."""
    endings = [PurePath(name.lower().removesuffix(".gz")).suffix for name in (path, other)]
    return endings[0] == endings[1] != ""


def _named_columns(data: Data) -> Columns:
    return Columns(text_pair="text_pair" if data.has_pairs else None)


def _format(path: str) -> str | None:
    try:
        return guess_format(path)
    except TfftError:
        # The training data may no longer be there; the name still tells.
        return SUFFIXES.get(PurePath(path.lower().removesuffix(".gz")).suffix)


def _override(file: DataFile, overrides: Iterable[str]) -> DataFile:
    values: dict[str, Any] = {name: getattr(file, name) for name in FileOptions.model_fields}
    values["columns"] = file.columns.model_dump()
    for text in overrides:
        key, equals, value = text.partition("=")
        if not equals:
            raise ConfigError(f"--set {text}: expected key=value, such as columns.text=review.")
        section, _, column = key.partition(".")
        if column and section == "columns":
            values["columns"][column] = parse_value(value)
        else:
            values[key] = parse_value(value)
    try:
        return DataFile.model_validate({**values, "path": file.path})
    except ValidationError as error:
        faults = describe_faults(error, DataFile, values, "--set", {})
        raise ConfigError("\n".join(faults)) from None
