"""The list of presets, as tables for a person and as JSON."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tfft.choosing.console import WIDE
from tfft.choosing.directories import Preset
from tfft.choosing.facts import UNKNOWN

Costs = Mapping[str, tuple[float, bool]]

NOTE = (
    "~ is computed: the size from the parameters in float32, the seconds of a training step of 32 "
    "rows of 128 pieces from the time that small random models take here. The others were "
    "measured. A licence is that of the weights; unknown is what their authors do not say."
)
COLUMNS: dict[str, Callable[[Preset, Costs], str]] = {
    "family": lambda preset, costs: preset.family,
    "parameters": lambda preset, costs: in_millions(preset.parameters),
    "languages": lambda preset, costs: preset.facts.languages,
    "casing": lambda preset, costs: preset.facts.casing,
    "length": lambda preset, costs: str(preset.facts.sequence_length or UNKNOWN),
    "licence": lambda preset, costs: preset.facts.licence,
    "on disk": lambda preset, costs: megabytes(preset),
    "step": lambda preset, costs: seconds(costs.get(preset.name)),
}
NUMBERS = ("parameters", "length", "on disk", "step")


def print_list(presets: Sequence[Preset], costs: Costs | None, console: Console) -> None:
    """Prints presets, those on this disk apart from the others.

    Args:
        presets: see `tfft.choosing.catalogue.find_presets`.
        costs: of a step, by name; None: they were not asked for.
        console: where a person reads. Too narrow for a table, each preset takes two lines.
    """
    parts = {
        "On this disk": [preset for preset in presets if preset.is_at_hand],
        "To be downloaded when a config names them": [
            preset for preset in presets if not preset.is_at_hand
        ],
    }
    for title, part in parts.items():
        if part:
            console.print(_table(title, part, costs, console))
            console.print()
    console.print(NOTE if presets else "There are no such presets.", markup=False)


def _table(title: str, presets: Sequence[Preset], costs: Costs | None, console: Console) -> Any:
    names = [name for name in COLUMNS if name != "step" or costs is not None]
    rows = [[COLUMNS[name](preset, costs or {}) for name in names] for preset in presets]
    table = Table(
        title=title, title_justify="left", box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False
    )
    table.add_column("preset", no_wrap=True)
    for name in names:
        table.add_column(name, justify="right" if name in NUMBERS else "left", no_wrap=True)
    for preset, row in zip(presets, rows, strict=True):
        table.add_row(Text(preset.name), *row)
    if Measurement.get(console, console.options.update(width=WIDE), table).maximum <= console.width:
        return table
    return _lines(title, presets, [_named(names, row) for row in rows])


def _named(names: Sequence[str], row: Sequence[str]) -> str:
    """The cells of a row in words; numbers and what is unknown with the name of their column."""
    told = [*NUMBERS, "licence"]
    cells = zip(names, row, strict=True)
    return ", ".join(
        f"{name} {cell}" if name in told or cell == UNKNOWN else cell for name, cell in cells
    )


def _lines(title: str, presets: Sequence[Preset], texts: Sequence[str]) -> Table:
    grid = Table.grid()
    grid.add_row(Text(title, style="italic"))
    for preset, text in zip(presets, texts, strict=True):
        grid.add_row(Text(preset.name, style="bold", overflow="fold"))
        grid.add_row(Padding(Text(text), (0, 0, 0, 2)))
    return grid


def as_json(presets: Sequence[Preset], costs: Costs | None) -> str:
    """The list as JSON; null is what is not known or was not asked for."""
    return json.dumps([_plain(preset, costs or {}) for preset in presets], indent=2)


def _plain(preset: Preset, costs: Costs) -> dict[str, Any]:
    facts = preset.facts
    step, is_timed = costs.get(preset.name, (None, None))
    return {
        "preset": preset.name,
        "family": preset.family,
        "description": preset.description,
        "parameters": preset.parameters,
        "languages": _known(facts.languages),
        "casing": _known(facts.casing),
        "sequence_length": _known(facts.sequence_length),
        "licence": _known(facts.licence),
        "directory": preset.directory,
        "bytes": preset.size,
        "bytes_measured": preset.is_at_hand,
        "step_seconds": step,
        "step_measured": is_timed,
    }


def _known(value: Any) -> Any:
    return None if value in (0, UNKNOWN) else value


def in_millions(count: int | None) -> str:
    """`22.7M`, `109M`; `12,345` below a million."""
    if count is None:
        return UNKNOWN
    millions = count / 1e6
    return (
        f"{count:,}"
        if millions < 1
        else f"{millions:.1f}M"
        if millions < 100
        else f"{millions:.0f}M"
    )


def megabytes(preset: Preset) -> str:
    """The size on disk in MB of a million bytes."""
    if preset.size is None:
        return UNKNOWN
    size = preset.size / 1e6
    return (
        f"{'' if preset.is_at_hand else '~'}{size:,.1f} MB"
        if size < 10
        else (f"{'' if preset.is_at_hand else '~'}{size:,.0f} MB")
    )


def seconds(cost: tuple[float, bool] | None) -> str:
    """Seconds of a step with two digits that count."""
    if cost is None:
        return UNKNOWN
    value, is_timed = cost
    return f"{'' if is_timed else '~'}{value:.{2 if value < 1 else 1 if value < 10 else 0}f} s"
