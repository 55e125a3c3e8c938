"""JSON to what it says, and how that is called in messages."""

import json
from typing import Any

from tfft.data.decoding import position
from tfft.errors import DataError


def parse_json(text: str, name: str, *, first_line: int = 1) -> Any:
    """What a text in JSON says.

    Raises:
        DataError: it is none; names file and line.
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        line, column = position(text, error.pos)
        near = text[error.pos : error.pos + 20]
        place = f"{name}:{first_line + line - 1}:{column}"
        message = f"{place}: this is not JSON: {error.msg}, at {near!r}."
        if error.msg == "Extra data" and line > 1:
            message += " If every line is an object of its own, set format: jsonl."
        raise DataError(message) from None
    except (ValueError, RecursionError) as error:  # a number too long, lists too deep
        raise DataError(f"{name}:{first_line}: this JSON cannot be read: {error}") from None


def kind_of(value: Any) -> str:
    """What a value is called in a message, such as `an object`."""
    kinds = {dict: "an object", list: "a list", str: "a string", bool: "true or false"}
    kinds[bytes] = "bytes"
    return kinds.get(type(value), "null" if value is None else "a number")
