"""Runs contenders in fresh processes, round after round, and keeps what they answer.

A round runs each job once, so that whatever else the machine does meets all of them alike; each
round begins with another job. Ratios are taken within a round, and told with their spread.
"""

import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CONTENDERS = HERE / "contenders"
RESULTS = ROOT / "runs" / "benchmarks"
LINES_KEPT = 20


@dataclass(frozen=True)
class Job:
    """One contender at one kind of work.

    Attributes:
        contender: its name in the table.
        script: its file, below `contenders/` or anywhere.
        order: what it is told; `threads`, `seed` (the round) and `work` (an empty directory) are
            added.
        workload: the name of the work, where there are several.
        python: the interpreter. Default: this one.
    """

    contender: str
    script: str
    order: dict[str, Any] = field(default_factory=dict)
    workload: str = ""
    python: str = sys.executable


@dataclass(frozen=True)
class Record:
    """What one process answered: numbers by name, or why there are none."""

    contender: str
    workload: str
    round: int
    answer: dict[str, Any]
    seconds: float = 0.0
    missing: str = ""
    error: str = ""


@dataclass(frozen=True)
class Spread:
    """The median of some rounds, the least and the most."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread | None":
        """None for no values."""
        return cls(median(values), min(values), max(values)) if values else None


# --------------------------------------------------------------------------------------- running


def run_jobs(jobs: Sequence[Job], *, rounds: int, threads: int) -> list[Record]:
    """Runs every job in every round; one that is missing or failed is not tried again."""
    records: list[Record] = []
    given_up: set[tuple[str, str]] = set()
    for number in range(rounds):
        for job in turn(jobs, number):
            if (job.contender, job.workload) in given_up:
                continue
            record = run_job(job, number=number, threads=threads)
            records.append(record)
            say(f"round {number + 1}/{rounds}  {describe(record)}")
            if record.missing or record.error:
                given_up.add((job.contender, job.workload))
    return records


def turn(jobs: Sequence[Job], number: int) -> list[Job]:
    """The jobs of a round, which begins one job later than the round before it."""
    first = number % len(jobs)
    return [*jobs[first:], *jobs[:first]]


def run_job(job: Job, *, number: int, threads: int) -> Record:
    """Runs a job once, in a process and a directory of its own."""
    with tempfile.TemporaryDirectory() as work:
        begun = time.time()
        order = {"work": work, "seed": number, "threads": threads, "begun": begun} | job.order
        done = subprocess.run(
            [job.python, str(CONTENDERS / job.script), json.dumps(order)],
            env=environment(threads),
            cwd=ROOT,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    seconds = time.time() - begun
    answer = last_json(done.stdout) if done.returncode == 0 else None
    if answer is None:
        said = "\n".join((done.stdout + done.stderr).strip().splitlines()[-LINES_KEPT:])
        error = f"exit code {done.returncode}\n{said}"
        return Record(job.contender, job.workload, number, {}, seconds, error=error)
    missing = answer.pop("missing", "")
    return Record(job.contender, job.workload, number, answer, seconds, missing=missing)


def environment(threads: int) -> dict[str, str]:
    """The variables of every contender's process: as many threads, no GPU, no network, no noise."""
    counts = ("OMP", "MKL", "OPENBLAS", "RAYON", "VECLIB_MAXIMUM", "NUMEXPR")
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return {
        **os.environ,
        **{f"{name}_NUM_THREADS": str(threads) for name in counts},
        "TF_NUM_INTRAOP_THREADS": str(threads),
        "TF_NUM_INTEROP_THREADS": str(threads),
        "TOKENIZERS_PARALLELISM": "true",
        "CUDA_VISIBLE_DEVICES": "-1",
        "KERAS_BACKEND": "tensorflow",
        "HF_HUB_OFFLINE": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "PYTHONPATH": path,
    }


def last_json(text: str) -> dict[str, Any] | None:
    """The last line that is a JSON object."""
    for line in reversed(text.splitlines()):
        if line.startswith("{"):
            try:
                return dict(json.loads(line))
            except ValueError:
                continue
    return None


def say(line: str) -> None:
    """Tells on standard error how it goes."""
    print(line, file=sys.stderr, flush=True)


def describe(record: Record) -> str:
    """One line about a record."""
    name = " ".join(filter(None, [record.contender, record.workload]))
    if record.missing:
        return f"{name}: not installed ({record.missing})"
    if record.error:
        return f"{name}: failed, {record.error}"
    return f"{name}: {record.seconds:.0f} s"


# ------------------------------------------------------------------------------------ arithmetic


def values_of(
    records: Sequence[Record], contender: str, workload: str, key: str
) -> dict[int, float]:
    """A number of a contender by round."""
    return {
        record.round: record.answer[key]
        for record in records
        if (record.contender, record.workload) == (contender, workload)
        and record.answer.get(key) is not None
    }


def paired_ratio(above: dict[int, float], below: dict[int, float]) -> Spread | None:
    """The ratio within each round that has both numbers."""
    rounds = sorted(above.keys() & below.keys())
    return Spread.of([above[number] / below[number] for number in rounds])


# ------------------------------------------------------------------------- command line and files


def build_parser(description: str, *, rounds: int = 3) -> argparse.ArgumentParser:
    """The arguments that every benchmark takes."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    parser.add_argument("--data", default=str(ROOT.parent / "shared" / "data"), help="holds sst2/")
    parser.add_argument("--rounds", type=int, default=rounds, help="times that each contender runs")
    parser.add_argument("--threads", type=int, default=cores, help="of each contender")
    parser.add_argument(
        "--torch-python", default=sys.executable, help="the Python of the contenders on PyTorch"
    )
    parser.add_argument("--only", default="", help="the contenders with one of these in their name")
    return parser


def chosen(jobs: Sequence[Job], only: str) -> list[Job]:
    """The jobs whose contender has one of the names in its own; all for an empty `only`.

    Args:
        jobs: all.
        only: names, or parts of names, with commas between them.
    """
    names = only.lower().split(",")
    return [job for job in jobs if any(name in job.contender.lower() for name in names)]


def describe_machine(threads: int) -> dict[str, Any]:
    """What the numbers depend on beside the code."""
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "threads": threads,
        "platform": platform.platform(),
        "python": platform.python_version(),
        "commit": commit(),
    }


class Elsewhere:
    """What the machine does meanwhile beside us: from its making on, on Linux."""

    def __init__(self) -> None:
        self._began = time.monotonic(), self._busy()

    def cores(self) -> float:
        """Cores that were busy with other processes, on average."""
        start, busy = self._began
        return (self._busy() - busy) / max(time.monotonic() - start, 1e-3)

    @staticmethod
    def _busy() -> float:
        """Seconds of processor time of all processes but this one and its children."""
        stat = Path("/proc/stat")
        if not stat.exists():
            return 0.0
        user, nice, system, _, _, *interrupts = map(int, stat.read_text().split()[1:8])
        ours = os.times()
        total = (user + nice + system + sum(interrupts)) / os.sysconf("SC_CLK_TCK")
        return total - (ours.user + ours.system + ours.children_user + ours.children_system)


def cpu_model() -> str:
    """The name that the processor gives itself."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def commit() -> str:
    """The commit that is checked out, or nothing."""
    command = ["git", "describe", "--always", "--dirty"]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip()


def write_result(name: str, result: dict[str, Any], *, folder: Path = RESULTS) -> Path:
    """Writes `runs/benchmarks/NAME.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    path.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", "utf-8")
    return path
