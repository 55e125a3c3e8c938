"""From records to one table: each contender's median and range, and tfft's ratio to it."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness import Record, Spread, paired_ratio, values_of
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text
from targets import Target

OURS = "tfft"


@dataclass(frozen=True)
class Measure:
    """A number that the table shows.

    Attributes:
        key: its name in the answers.
        title: what the table calls it, with its unit.
        workload: whose answers have it.
        digits: after the point.
    """

    key: str
    title: str
    workload: str = ""
    digits: int = 0


@dataclass(frozen=True)
class Row:
    """A line of the table: one measure of one contender.

    Attributes:
        measure: its title.
        workload: of the measure.
        contender: whose number it is.
        value: over the rounds; None where there is none.
        note: why there is none.
        ratio: tfft's number divided by this one, within each round.
        target: the limit of the ratio.
        verdict: `ok`, `SHORT`, or empty without a target or a ratio.
        digits: of the value.
    """

    measure: str
    workload: str
    contender: str
    value: Spread | None
    note: str = ""
    ratio: Spread | None = None
    target: str = ""
    verdict: str = ""
    digits: int = 0


def build_rows(
    records: Sequence[Record], measures: Sequence[Measure], targets: Sequence[Target]
) -> list[Row]:
    """The lines, measure by measure; contenders without the measure are left out."""
    rows = []
    for measure in measures:
        for contender in contenders_of(records, measure.workload):
            row = build_row(records, measure, contender, targets)
            if row.value or row.note:
                rows.append(row)
    return rows


def build_row(
    records: Sequence[Record], measure: Measure, contender: str, targets: Sequence[Target]
) -> Row:
    """One line."""
    theirs = values_of(records, contender, measure.workload, measure.key)
    ours = values_of(records, OURS, measure.workload, measure.key)
    ratio = None if contender == OURS else paired_ratio(ours, theirs)
    target = find_target(targets, measure, contender)
    return Row(
        measure=measure.title,
        workload=measure.workload,
        contender=contender,
        value=Spread.of(list(theirs.values())),
        note=why_none(records, contender, measure),
        ratio=ratio,
        target=str(target) if target else "",
        verdict=judge(target, ratio, why_none(records, OURS, measure)) if target else "",
        digits=measure.digits,
    )


def judge(target: Target, ratio: Spread | None, our_note: str) -> str:
    """`ok` or `SHORT`; nothing where the other contender has no number."""
    if our_note:
        return "SHORT"
    if ratio is None:
        return ""
    return "ok" if target.met(ratio.median) else "SHORT"


def contenders_of(records: Sequence[Record], workload: str) -> list[str]:
    """Who took part, tfft first, then in the order of the records."""
    names = dict.fromkeys(record.contender for record in records if record.workload == workload)
    return sorted(names, key=lambda name: name != OURS)


def why_none(records: Sequence[Record], contender: str, measure: Measure) -> str:
    """`not installed`, `failed`, `not reached` (an answer of None), or nothing."""
    for record in records:
        if (record.contender, record.workload) != (contender, measure.workload):
            continue
        if record.missing:
            return f"not installed ({record.missing})"
        if record.error:
            return "failed"
        if record.answer.get(measure.key, 0) is None:
            return "not reached"
    return ""


def find_target(targets: Sequence[Target], measure: Measure, contender: str) -> Target | None:
    """The limit of tfft's ratio to a contender, if there is one."""
    wanted = (measure.workload, measure.key, contender)
    return next((t for t in targets if (t.workload, t.key, t.other) == wanted), None)


# ---------------------------------------------------------------------------------------- output


def build_table(rows: Sequence[Row], *, title: str) -> Table:
    """The table; what falls short is red."""
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for head in ("measure", "contender"):
        table.add_column(head)
    for head in ("median (least – most)", "tfft ÷ it (least – most)", "target", ""):
        table.add_column(head, justify="right")
    last = ""
    for row in rows:
        name = f"{row.workload}: {row.measure}" if row.workload else row.measure
        if last and name != last:
            table.add_section()
        verdict = Text(row.verdict, style={"SHORT": "bold red", "ok": "green"}.get(row.verdict, ""))
        table.add_row(
            "" if name == last else name,
            row.contender,
            row.note or format_spread(row.value, row.digits),
            format_spread(row.ratio, 2),
            row.target,
            verdict,
        )
        last = name
    return table


def format_spread(spread: Spread | None, digits: int) -> str:
    """`1.27 (1.21 – 1.30)`; one number where all are the same."""
    if spread is None:
        return ""
    middle = f"{spread.median:,.{digits}f}"
    if spread.least == spread.most:
        return middle
    return f"{middle} ({spread.least:,.{digits}f} – {spread.most:,.{digits}f})"


def print_report(rows: Sequence[Row], *, title: str, notes: Sequence[str]) -> None:
    """Prints the table, and below it what one must know to read it."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 130  # a file or a pipe has no width: nothing is folded at 80
    console.print(build_table(rows, title=title))
    for note in notes:
        console.print(note, markup=False)


def as_json(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The lines as plain data."""
    return [dataclasses.asdict(row) for row in rows]
