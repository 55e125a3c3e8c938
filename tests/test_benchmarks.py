"""The benchmarks' own arithmetic, with contenders that are a line long. Nothing is timed."""

import importlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

ROOT = Path(__file__).parents[1]
BENCHMARKS = ROOT / "tests" / "benchmarks"


@pytest.fixture(autouse=True)
def benchmarks_on_path(monkeypatch):
    """Their scripts import one another by their bare names, as they do when they are run."""
    monkeypatch.syspath_prepend(str(BENCHMARKS / "contenders"))
    monkeypatch.syspath_prepend(str(BENCHMARKS))


@pytest.fixture
def harness(benchmarks_on_path):
    return importlib.import_module("harness")


@pytest.fixture
def report(benchmarks_on_path):
    return importlib.import_module("report")


@pytest.fixture
def target(benchmarks_on_path):
    """tfft at least 1.25 times as fast as the other contender."""
    targets = importlib.import_module("targets")
    return targets.Target("training", "", "speed", "other", at_least=1.25)


def records_of(harness, **speeds):
    """One record a round for each contender."""
    return [
        harness.Record(name, "", number, {"speed": speed})
        for name, values in speeds.items()
        for number, speed in enumerate(values)
    ]


def shown(report, rows):
    """The table as a terminal gets it."""
    console = Console(width=120, force_terminal=True, color_system="standard")
    with console.capture() as capture:
        console.print(report.build_table(rows, title="Speed"))
    return capture.get()


def test_a_ratio_is_taken_within_the_rounds_that_have_both(harness):
    ratio = harness.paired_ratio({0: 10.0, 1: 30.0, 2: 8.0}, {1: 10.0, 2: 4.0, 3: 1.0})
    assert (ratio.median, ratio.least, ratio.most) == (2.5, 2.0, 3.0)
    assert harness.paired_ratio({0: 1.0}, {1: 1.0}) is None


def test_rows_have_medians_ranges_and_verdicts(harness, report, target):
    records = records_of(harness, other=[100.0, 100.0, 200.0], tfft=[130.0, 120.0, 250.0])
    ours, theirs = report.build_rows(records, [report.Measure("speed", "texts/s")], [target])
    assert (ours.contender, ours.value.median, ours.ratio) == ("tfft", 130.0, None)
    assert (theirs.ratio.median, theirs.ratio.least, theirs.ratio.most) == (1.25, 1.2, 1.3)
    assert (theirs.target, theirs.verdict) == ("≥ 1.25", "ok")
    text = shown(report, [ours, theirs])
    assert "130 (120 – 250)" in text
    assert "1.25 (1.20 – 1.30)" in text


def test_what_falls_short_is_red(harness, report, target):
    records = records_of(harness, tfft=[120.0], other=[100.0])
    rows = report.build_rows(records, [report.Measure("speed", "texts/s")], [target])
    assert rows[1].verdict == "SHORT"
    assert "\x1b[1;31mSHORT" in shown(report, rows)


def test_a_limit_from_above():
    targets = importlib.import_module("targets")
    memory = targets.Target("training", "", "memory", "other", at_most=1.1)
    assert memory.met(1.1)
    assert not memory.met(1.2)
    assert str(memory) == "≤ 1.1"


def test_a_contender_that_is_not_installed_is_shown_as_that(harness, report, target):
    records = records_of(harness, tfft=[120.0])
    records.append(harness.Record("other", "", 0, {}, missing="torch"))
    records.append(harness.Record("broken", "", 0, {}, error="exit code 1"))
    rows = report.build_rows(records, [report.Measure("speed", "texts/s")], [target])
    assert [row.note for row in rows] == ["", "not installed (torch)", "failed"]
    assert [row.verdict for row in rows] == ["", "", ""]
    assert "not installed (torch)" in shown(report, rows)
    assert json.dumps(report.as_json(rows))


@pytest.mark.parametrize(
    ("ours", "theirs", "verdict"), [(None, 9.0, "SHORT"), (9.0, None, ""), (None, None, "SHORT")]
)
def test_a_number_that_was_not_reached(harness, report, target, ours, theirs, verdict):
    records = records_of(harness, tfft=[ours], other=[theirs])
    rows = report.build_rows(records, [report.Measure("speed", "s")], [target])
    assert [row.note for row in rows] == [
        "not reached" if value is None else "" for value in (ours, theirs)
    ]
    assert rows[1].verdict == verdict


def test_a_row_less_contender_is_left_out_of_a_measure(harness, report):
    records = records_of(harness, tfft=[1.0], other=[2.0])
    assert report.build_rows(records, [report.Measure("memory", "MB")], []) == []


# --------------------------------------------------------------------------------- fresh processes

FAKE = """
import json, os, sys
order = json.loads(sys.argv[1])
assert os.path.isdir(order["work"]) and not os.listdir(order["work"])
with open(order["log"], "a") as log:
    print(order["name"], order["seed"], os.environ["OMP_NUM_THREADS"], os.getpid(), file=log)
print("{not json")
print(json.dumps({"speed": order["speed"] * (order["seed"] + 1)}))
print("noise of a library")
"""


def test_contenders_are_interleaved_each_in_a_process_of_its_own(harness, report, tmp_path):
    script, log = tmp_path / "fake.py", tmp_path / "log"
    script.write_text(FAKE)
    jobs = [
        harness.Job(name, str(script), {"name": name, "speed": speed, "log": str(log)})
        for name, speed in (("tfft", 3.0), ("other", 2.0))
    ]
    records = harness.run_jobs(jobs, rounds=3, threads=5)
    runs = [line.split() for line in log.read_text().splitlines()]
    assert [(name, int(number)) for name, number, *_ in runs] == [
        ("tfft", 0),
        ("other", 0),
        ("other", 1),
        ("tfft", 1),
        ("tfft", 2),
        ("other", 2),
    ]
    assert {threads for *_, threads, _ in runs} == {"5"}
    assert len({process for *_, process in runs}) == 6
    assert harness.values_of(records, "tfft", "", "speed") == {0: 3.0, 1: 6.0, 2: 9.0}
    rows = report.build_rows(records, [report.Measure("speed", "texts/s")], [])
    assert [row.value.median for row in rows] == [6.0, 4.0]
    assert rows[1].ratio == harness.Spread(1.5, 1.5, 1.5)


def test_one_that_cannot_run_is_tried_once(harness, tmp_path, capsys):
    missing, broken = tmp_path / "missing.py", tmp_path / "broken.py"
    contenders = str(BENCHMARKS / "contenders")
    missing.write_text(
        f"import sys; sys.path.insert(0, {contenders!r})\n"
        "import common\n"
        "def contend(order):\n"
        "    raise ModuleNotFoundError(name='onnxruntime.capi')\n"
        "common.run_contender(contend)\n"
    )
    broken.write_text("print('working'); raise SystemExit('no such thing')")
    jobs = [harness.Job("a", str(missing)), harness.Job("b", str(broken))]
    first, second = harness.run_jobs(jobs, rounds=2, threads=1)
    assert (first.missing, first.error) == ("onnxruntime", "")
    assert second.error == "exit code 1\nworking\nno such thing"
    assert "a: not installed (onnxruntime)" in capsys.readouterr().err


def test_a_missing_package_of_our_own_is_a_failure(monkeypatch):
    common = importlib.import_module("common")
    monkeypatch.setattr(sys, "argv", ["contender", json.dumps({"threads": 10**6})])

    def contend(order):
        raise ModuleNotFoundError(name="tfft.nowhere")

    with pytest.raises(ModuleNotFoundError):
        common.run_contender(contend)


def test_only_some_contenders(harness):
    jobs = [harness.Job("tfft", "a.py"), harness.Job("HF default", "b.py")]
    assert [job.contender for job in harness.chosen(jobs, "hf")] == ["HF default"]
    assert harness.chosen(jobs, "") == jobs


def test_the_result_is_written(harness, tmp_path):
    path = harness.write_result("some", {"machine": harness.describe_machine(2)}, folder=tmp_path)
    assert path == tmp_path / "some.json"
    machine = json.loads(path.read_text("utf-8"))["machine"]
    assert machine["threads"] == 2
    assert machine["cpu"]


# -------------------------------------------------------------------------------------- the pieces


def test_the_clock_counts_the_window_and_not_what_is_between_epochs():
    common = importlib.import_module("common")
    seconds, waits = iter(range(0, 1000, 10)), []
    clock = common.StepClock(
        warmup=2,
        steps=3,
        wait=lambda: waits.append(1),
        now=lambda: next(seconds),
        memory=iter([70.0]).__next__,
    )
    clock.start()
    clock.begin_epoch()
    for number in (1, 2, 3):
        clock.end_step(number)
    clock.end_epoch()
    next(seconds)  # validation
    clock.begin_epoch()
    clock.end_step(4)
    assert not clock.done
    clock.end_step(5)
    assert clock.done
    assert (clock.begin, clock.end) == (2, 5)
    # It looked at the time when step 2 ended, when epochs ended and began, and when step 5 ended.
    assert clock.seconds == 10 + 10
    assert clock.first_step_seconds == 20
    assert len(waits) == 3
    assert clock.peak_mb == 70.0  # read once, when the first epoch ended


def test_the_clock_with_several_steps_at_once():
    common = importlib.import_module("common")
    clock = common.StepClock(warmup=3, steps=4)
    for number in (5, 10, 15):
        clock.end_step(number)
    assert (clock.begin, clock.end) == (5, 10)


def test_the_share_of_the_peak(harness):
    calibration = importlib.import_module("calibration")
    # 6 layers of 4 products 384 x 384 and 2 of 384 x 1536, two operations each.
    weights = 6 * (4 * 384**2 + 2 * 384 * 1536) * 2
    assert calibration.flop_per_token(0, training=False) == weights
    assert calibration.flop_per_token(0, training=True) == 3 * weights
    attention = calibration.flop_per_token(10, training=False) - weights
    assert attention == 6 * 2 * (10 * 384) * 2
    speed = 1e12 / calibration.flop_per_token(8, training=True)
    records = [
        harness.Record("NumPy", "matrix product", 0, {"gflops": 1000.0}),
        harness.Record("PyTorch", "matrix product", 0, {"gflops": 2000.0}),
        harness.Record("tfft", "sst2", 0, {"tokens_per_second": speed, "tokens_per_row": 8}),
    ]
    *_, record = calibration.with_share_of_peak(records)
    assert record.answer["share_of_peak"] == pytest.approx(50)


def test_the_stand_in_for_sst2_and_full_rows(tmp_path):
    inputs = importlib.import_module("inputs")
    folder, note = inputs.find_sst2(str(tmp_path / "nowhere"), tmp_path)
    assert "SST-2 is missing" in note
    rows = inputs.read_rows(folder / "sst2" / "train.tsv")
    assert len(rows) == 640
    assert {label for _, label in rows} == {"0", "1"}
    assert inputs.find_sst2(str(folder), tmp_path) == (folder, "")
    full = inputs.write_full_rows(folder, tmp_path / "full", num_rows=70)
    assert inputs.count_rows(full) == 70
    assert min(len(t.split()) for t, _ in inputs.read_rows(full / "sst2" / "train.tsv")) >= 126


def test_every_target_is_for_a_number_that_its_benchmark_shows():
    targets = importlib.import_module("targets").TARGETS
    for target in targets:
        script = importlib.import_module(f"bench_{target.benchmark}")
        measures = script.measures(32) if target.benchmark == "serving" else script.MEASURES
        assert (target.workload, target.key) in {(m.workload, m.key) for m in measures}
    assert {f"bench_{target.benchmark}" for target in targets} == {
        path.stem for path in BENCHMARKS.glob("bench_*.py")
    }


def test_contenders_have_the_optimizer_of_the_config():
    from tfft.config import load_config

    script = importlib.import_module("bench_training")
    section = load_config(str(script.CONFIG)).optimizer.model_dump()
    assert {key: section[key] for key in script.OPTIMIZER} == script.OPTIMIZER
    assert section["schedule"] == "linear"


@pytest.mark.skipif(shutil.which("make") is None, reason="GNU make is not installed")
def test_make_benchmark_leaves_the_virtual_environment_of_the_lock_alone():
    plain = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}
    for name in ("VENV", "PYTHON", "BENCHMARK_VENV", "BENCHMARK_ARGS"):
        plain.pop(name, None)
    done = subprocess.run(
        ["make", "-n", "benchmark", "BENCHMARK_VENV=.venv-nowhere", "BENCHMARK_ARGS=--rounds 5"],
        cwd=ROOT,
        env=plain,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert ".venv/" not in done.stdout
    assert '--editable ".[benchmark]"' in done.stdout
    assert '".venv-nowhere/bin/python" "$script" --rounds 5' in done.stdout
