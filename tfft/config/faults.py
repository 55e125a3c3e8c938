"""Turns what pydantic found wrong into sentences: where it stands, what is wrong, what fits."""

import types
import typing
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from tfft.config.yaml_file import Location
from tfft.errors import did_you_mean


def describe_faults(
    error: ValidationError,
    model: type[BaseModel],
    values: Any,
    name: str,
    lines: dict[Location, int],
    overridden: Sequence[Location] = (),
) -> list[str]:
    """One sentence for each fault, in the order of the file."""
    found = []
    for fault in error.errors():
        names_no_value = fault["type"] in ("missing", "extra_forbidden")
        location = _without_tags(fault["loc"], values, keep_last=names_no_value)
        line = _line(location, lines)
        where = (
            "--set" if _is_overridden(location, overridden) else name + (f":{line}" if line else "")
        )
        found.append((line, f"{where}: {_sentence(fault, location, model, values)}"))
    return list(dict.fromkeys(text for _, text in sorted(found, key=lambda pair: pair[0])))


def _without_tags(location: tuple[Any, ...], values: Any, *, keep_last: bool) -> Location:
    """Pydantic names the branch of a union inside a location; the file does not."""
    kept: list[str | int] = []
    for index, part in enumerate(location):
        is_kept = keep_last and index == len(location) - 1
        if isinstance(values, dict):
            if part not in values and not is_kept:
                continue
            values = values.get(part)
        elif isinstance(values, list) and isinstance(part, int) and part < len(values):
            values = values[part]
        elif not (isinstance(values, list) and isinstance(part, int)):
            continue
        kept.append(part)
    return tuple(kept)


def _line(location: Location, lines: dict[Location, int]) -> int:
    while location and location not in lines:
        location = location[:-1]
    return lines.get(location, 0)


def _is_overridden(location: Location, overridden: Sequence[Location]) -> bool:
    return any(location[: len(key)] == key for key in overridden)


def _sentence(fault: Any, location: Location, model: type[BaseModel], values: Any) -> str:
    key = ".".join(map(str, location))
    section = ".".join(map(str, location[:-1])) or "the config"
    if fault["type"] in ("extra_forbidden", "invalid_key"):
        known = _keys_at(model, location[:-1], values)
        hint = did_you_mean(str(location[-1]), known) or f" It has: {', '.join(known)}."
        return f"there is no key '{location[-1]}' in {section}.{hint}"
    if fault["type"] == "missing":
        return f"'{key}' is missing."
    found = _value_at(values, location)
    if fault["type"] in ("model_type", "model_attributes_type"):
        keys = ", ".join(_keys_at(model, location, values))
        return f"{key} is {found!r}; expected a section with some of the keys {keys}."
    if fault["type"] == "union_tag_invalid":
        # The only union whose tag is a name that users write: the tasks.
        choices = [tag.strip("'") for tag in fault["ctx"]["expected_tags"].split(", ")]
        hint = did_you_mean(fault["ctx"]["tag"], choices)
        return f"{key}.name is {fault['ctx']['tag']!r}; it can be {', '.join(choices)}.{hint}"
    message = fault["msg"].removeprefix("Value error, ")
    if fault["type"] == "literal_error":
        choices = [
            choice.strip("'")
            for choice in fault["ctx"]["expected"].replace(" or ", ", ").split(", ")
        ]
        hint = did_you_mean(str(found), choices)
        return f"{key} is {found!r}; it can be {', '.join(choices)}.{hint}"
    shown = key if isinstance(found, (dict, list)) else f"{key} is {found!r}"
    message = f"{message[:1].lower()}{message[1:]}."
    return f"{shown}: {message}" if shown else message


def _value_at(values: Any, location: Location) -> Any:
    for part in location:
        try:
            values = values[part]
        except (KeyError, IndexError, TypeError):
            return None
    return values


def _keys_at(model: type[BaseModel], location: Location, values: Any) -> list[str]:
    """The keys of the section at a location; of a union, those of the branch that fits its tag."""
    models = [model]
    for part in location:
        if isinstance(part, int):
            continue
        fields = [m.model_fields[part].annotation for m in models if part in m.model_fields]
        models = [found for field in fields for found in _models_in(field)]
    if len(models) > 1:
        models = _chosen(models, _value_at(values, location)) or models
    return list(dict.fromkeys(key for m in models for key in m.model_fields))


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if typing.get_origin(annotation) in (typing.Union, types.UnionType, typing.Annotated, list):
        return [m for part in typing.get_args(annotation) for m in _models_in(part)]
    return []


def _chosen(models: list[type[BaseModel]], value: Any) -> list[type[BaseModel]]:
    """The branches whose Literal fields agree with what the file says."""

    def fits(model: type[BaseModel]) -> bool:
        literals = {
            name: (typing.get_args(field.annotation), field.get_default())
            for name, field in model.model_fields.items()
            if typing.get_origin(field.annotation) is typing.Literal
        }
        # A Literal with one choice is what tells the branches apart.
        tags = {name: pair for name, pair in literals.items() if len(pair[0]) == 1}
        return all(value.get(name, default) in one for name, (one, default) in tags.items())

    return [m for m in models if isinstance(value, dict) and fits(m)][-1:]
