"""A benchmark from its jobs to the table on standard output and the JSON beside it."""

import dataclasses
from argparse import Namespace
from collections.abc import Callable, Sequence
from typing import Any

from harness import Elsewhere, Job, Record, chosen, describe_machine, run_jobs, say, write_result
from report import Measure, as_json, build_rows, print_report
from targets import TARGETS

QUIET = 0.1  # cores that something else may keep busy


def run_benchmark(
    name: str,
    jobs: Sequence[Job],
    measures: Sequence[Measure],
    arguments: Namespace,
    *,
    title: str,
    notes: Sequence[str] = (),
    derive: Callable[[list[Record]], list[Record]] = list,
) -> None:
    """Runs the jobs, prints the table and writes `runs/benchmarks/NAME.json`.

    Args:
        name: of the benchmark, as in `TARGETS`.
        jobs: one of each contender and workload.
        measures: what the table shows.
        arguments: of the command line.
        title: of the table.
        notes: what one must know to read it.
        derive: adds numbers that more than one answer is needed for.
    """
    machine, elsewhere = describe_machine(arguments.threads), Elsewhere()
    records = run_jobs(
        chosen(jobs, arguments.only), rounds=arguments.rounds, threads=arguments.threads
    )
    machine["cores_busy_elsewhere"] = round(elsewhere.cores(), 2)
    records = derive(records)
    rows = build_rows(records, measures, [t for t in TARGETS if t.benchmark == name])
    notes = [note for note in (*notes, *describe(machine, arguments.rounds)) if note]
    print_report(rows, title=title, notes=notes)
    result = {
        "benchmark": name,
        "machine": machine,
        "versions": versions(records),
        "settings": vars(arguments),
        "notes": notes,
        "rows": as_json(rows),
        "records": [dataclasses.asdict(record) for record in records],
    }
    say(f"Written: {write_result(name, result)}")


def describe(machine: dict[str, Any], rounds: int) -> list[str]:
    """The machine in a line, and what was not as it should be."""
    lines = [
        f"{machine['cpu']}, {machine['threads']} threads on {machine['cores']} cores; "
        f"rounds: {rounds}; {machine['date']}; commit {machine['commit'] or 'unknown'}."
    ]
    if machine["cores_busy_elsewhere"] > QUIET:
        lines.append(
            f"The machine was not quiet: something else kept {machine['cores_busy_elsewhere']} "
            "cores busy. Believe no ratio of this run."
        )
    return lines


def versions(records: Sequence[Record]) -> dict[str, str]:
    """The packages that contenders said they ran on."""
    found: dict[str, str] = {}
    for record in records:
        found |= record.answer.get("versions", {})
    return dict(sorted(found.items()))
