"""README tells the truth: its commands and examples run, its paths exist, its tables are complete.

Every bash block is run, but for those under a comment `<!-- not run: the reason -->`.
"""

import importlib
import io
import re
import shlex
import subprocess
import sys
import typing
from pathlib import Path
from typing import Any, Literal

import pytest
from tensorflow.core.protobuf import saved_model_pb2

import tfft
from tfft import __main__ as tfft_main
from tfft import errors
from tfft.config import (
    BaselineBackbone,
    Experiment,
    PretrainedBackbone,
    RandomBackbone,
    build_config,
)
from tfft.config.tasks import Task
from tfft.config.yaml_file import parse_value

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
BLOCK = re.compile(r"(?:^<!-- not run: (.+?) -->\n)?^```(\w*)\n(.*?)^```$", re.M | re.S)
BLOCKS = [(language, text, reason) for reason, language, text in BLOCK.findall(README)]
# The section of each task, by its name.
TASK_SECTIONS = {
    typing.get_args(section.model_fields["name"].annotation)[0]: section
    for section in (typing.get_args(one)[0] for one in typing.get_args(typing.get_args(Task)[0]))
}
# What a block may need that the tests do not have.
REASONS = ["installs packages", "is yours", "needs a server", "needs transformers"]
# Else `--for` tries every run that the other commands have left.
FEW_CANDIDATES = ["--candidates", "minilm,runs/smoke_regression/preset"]


def blocks(language):
    return [text for found, text, reason in BLOCKS if found == language and not reason]


def commands():
    lines = "".join(blocks("bash")).replace("\\\n", " ").splitlines()
    return [line for line in lines if line.strip() and not line.startswith("#")]


def table(heading):
    """The cells of the rows of the table whose first row is this."""
    rows = README.partition(f"\n{heading}\n")[2].partition("\n\n")[0].splitlines()[1:]
    # A bar inside of backticks does not end a cell.
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in rows]


# ---------------------------------------------------------------------------------- commands


def test_what_is_not_run_says_why():
    skipped = [(text, reason) for language, text, reason in BLOCKS if reason]
    assert skipped
    for text, reason in skipped:
        assert any(known in reason for known in REASONS), (reason, text)


def run_line(line):
    """Runs a command of README and returns its exit code: tfft's own in this process."""
    source, _, command = line.rpartition("|")
    words = shlex.split(command, comments=True)
    given = subprocess.run(source, shell=True, capture_output=True, check=True).stdout
    if words[:2] == ["python", "-m"] and words[2].startswith("tfft."):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given)))
            few = FEW_CANDIDATES if "--for" in words else []
            return tfft_main.load_command(words[2].removeprefix("tfft.")).main(words[3:] + few)
    assert words[0] == "python", f"how is this to be run? {line}"
    return subprocess.run([sys.executable, *words[1:]], check=False).returncode


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A directory that looks like the project and takes what the commands write."""
    place = tmp_path_factory.mktemp("project")
    for name in ("configs", "export", "tfft"):
        (place / name).symlink_to(ROOT / name)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        patch.setenv("PYTHONPATH", str(ROOT))
        yield place


@pytest.fixture(scope="module")
def done(project):
    """Runs every command of README, in order; the exit code of each.

    The first training exports in a process of its own, as `fit` does, and asks its SavedModel in
    another one; the later ones do both in this one, which saves them the start of TensorFlow, and
    ask less.
    """
    from tfft import export, fit
    from tfft.serving import check, probe, requests

    first, *others = commands()
    codes = {first: run_line(first)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            fit, "export_in_fresh_process", lambda e: export.main(["--run", e.output_dir])
        )
        patch.setattr(check, "_run_probe", lambda python, arguments: probe.main(arguments))
        for name in ("load_text_operations", "refuse_helpers"):
            patch.setattr(probe, name, lambda: None)
        choose = requests.choose_check_texts
        patch.setattr(requests, "choose_check_texts", lambda columns, num: choose(columns, 20))
        return codes | {line: run_line(line) for line in others}


def test_every_command_runs(done):
    assert len(done) >= 6
    assert {line: code for line, code in done.items() if code} == {}


def test_the_commands_leave_what_README_says(done, project):
    run = project / "runs" / "smoke_text_classification"
    named = re.findall(r"`([^`]+)`", " ".join(row[0] for row in table("| file | |")))
    assert len(named) > 8
    for name in named:
        assert (run / name).exists(), name
    left = {path.name for path in run.iterdir()}
    assert left == {name.partition("/")[0] for name in named}
    assert len((project / "runs" / "answers.jsonl").read_text("utf-8").splitlines()) == 240


def test_the_python_examples_run(done, project):
    namespace: dict[str, Any] = {}
    for text in blocks("python"):
        exec(compile(text, "README.md", "exec"), namespace)
    assert namespace["model"].built


# --------------------------------------------------------------------------------------- yaml


def test_every_config_is_accepted():
    assert blocks("yaml")
    for text in blocks("yaml"):
        values = parse_value(text)
        least = {"name": "x", "output_dir": "x", "backbone": {"preset": "minilm"}}
        build_config({**least, "data": {"train": "x.csv"}, **values})


def described_section(name, heading="section"):
    """The keys that README gives for a section, or a task, with their defaults."""
    rows = table(f"| {heading} | keys and defaults |")
    text = next(row[1] for row in rows if row[0] == name)
    found = {}
    for token in re.findall(r"`([^`]+)`", text):
        key, colon, value = token.partition(": ")
        found[key] = parse_value(value) if colon else None
    return found


@pytest.mark.parametrize("name", ["optimizer", "training", "export"])
def test_the_table_of_the_config_is_complete_and_true(name):
    compare(described_section(f"`{name}`"), type(Experiment.model_fields[name].default))


def compare(described, section):
    for key, field in section.model_fields.items():
        if typing.get_origin(field.annotation) is Literal and key == "name":  # one choice
            continue
        assert key in described, f"README does not tell of {section.__name__}.{key}"
        assert described[key] == field.default, f"{section.__name__}.{key}"


def test_the_table_of_the_tasks_sections_is_complete_and_true():
    rows = table("| `task.name` | keys and defaults |")
    assert [row[0].strip("`") for row in rows] == list(TASK_SECTIONS)
    assert described_section("`task`")["name"] == Experiment.model_fields["task"].default.name
    for name, section in TASK_SECTIONS.items():
        described = described_section(f"`{name}`", "`task.name`")
        compare(described, section)
        others = {key for s in TASK_SECTIONS.values() for key in s.model_fields}
        assert not (others - section.model_fields.keys()) & described.keys()


@pytest.fixture(scope="module")
def runs(done, project):
    """The run that README makes of each task."""
    from tfft.tasks import TASKS

    return {name: tfft.load_run(project / "runs" / f"smoke_{name}") for name in TASKS}


def test_the_first_table_is_true(runs):
    from tfft.data.fields import READERS

    rows = table("| task | learns from | early stopping follows | SavedModel: takes -> returns |")
    assert [row[0].strip("`") for row in rows] == list(runs)
    assert runs.keys() == READERS.keys() == TASK_SECTIONS.keys()
    for run, (_, _, monitor, signature) in zip(runs.values(), rows, strict=True):
        takes, _, returns = map(quoted, signature.partition("->"))
        fields = run.task.text_fields
        assert quoted(monitor)[0] == run.task.monitor
        assert takes[: len(fields)] == tuple(fields) and set(takes[len(fields) :]) <= {"text_pair"}
        outputs = served_outputs(run.directory.export / "1")
        assert set(returns) - {"predictions"} == set(outputs)  # of several labels a row


def served_outputs(place):
    """The names of what a SavedModel answers to texts; loading it would take a second."""
    model = saved_model_pb2.SavedModel.FromString((place / "saved_model.pb").read_bytes())
    return model.meta_graphs[0].signature_def["serving_default"].outputs


def test_the_table_of_answers_is_true(runs):
    rows = {row[0].strip("`"): quoted(row[1]) for row in table("| task | `predict` adds |")}
    assert rows.keys() == runs.keys()
    for name, run in runs.items():
        text = "one text" if len(run.task.text_fields) == 1 else ("one text", "and another")
        (answer,) = run.predict([text])
        assert tuple(answer) == rows[name][: len(answer)]


def quoted(text):
    """The names in backticks."""
    return tuple(re.findall(r"`(\w+)`", text))


def test_the_table_of_the_backbone_is_complete_and_true():
    common = described_section("`backbone`")
    baseline = common | described_section("`preset: bilstm`")
    for section in (PretrainedBackbone, RandomBackbone, BaselineBackbone):
        described = baseline if section is BaselineBackbone else common
        for key, field in section.model_fields.items():
            assert key in described, f"README does not tell of backbone.{key}"
            if not field.is_required():
                assert described[key] == field.default, f"backbone.{key}"


def test_the_table_of_the_callbacks_is_complete_and_true():
    from tfft.config.loop import Callbacks, DropoutSchedule, EarlyStopping

    described = described_section("`callbacks`")
    assert described.keys() == Callbacks.model_fields.keys()
    assert described["tensorboard"] is Callbacks().tensorboard
    assert EarlyStopping(**described["early_stopping"]) == EarlyStopping()
    assert described["early_stopping"].keys() == EarlyStopping.model_fields.keys()
    assert described["dropout_schedule"].keys() == DropoutSchedule.model_fields.keys()


def test_every_key_of_the_data_is_told_of():
    from tfft.config import Columns, Data, FileOptions

    text = README.partition("### Data")[2].partition("\n## ")[0] + str(described_section("`data`"))
    for section in (Columns, FileOptions):
        for key in section.model_fields:
            assert re.search(rf"\b{key}\b", text), f"README does not tell of {key}"
    described = described_section("`data`")
    for key in Data.model_fields.keys() - FileOptions.model_fields.keys():
        assert key in described, f"README does not tell of data.{key}"
    assert described["cleaning"] == [] and described["empty_text"] == "error"


def test_every_cache_is_told_of():
    from tfft.config import Data

    choices = typing.get_args(typing.get_args(Data.model_fields["cache"].annotation)[0])
    assert [row[0].strip("`") for row in table("| `data.cache` | |")] == list(choices)


def test_every_format_is_told_of():
    from tfft.data.sources import SOURCES

    told = re.findall(r"`(\w+)`", " ".join(row[0] for row in table("| `format` | what is read |")))
    assert sorted(told) == sorted(SOURCES)


# ------------------------------------------------------------------------------------- tables


def test_every_command_and_option_is_in_the_table():
    rows = {row[0].strip("`").split()[1]: row[0] for row in table("| command | what it does |")}
    assert rows.keys() == tfft_main.COMMANDS.keys()
    for command, text in rows.items():
        parser = tfft_main.load_command(command).build_parser()
        options = {action.option_strings[-1] for action in parser._actions if action.option_strings}
        assert set(re.findall(r"--[a-z-]+", text)) == options - {"--help"}


def test_the_exit_codes_are_true():
    from tfft import cli

    told = " ".join(row[0] for row in table("| code | meaning |"))
    kinds = [errors.ConfigError, errors.ExportCheckError, errors.NotFiniteError]
    codes = [0, 1, *(kind.exit_code for kind in kinds), cli.INTERRUPTED, cli.TERMINATED]
    assert [int(code) for code in re.findall(r"\d+", told)] == codes


# ------------------------------------------------------------------------------ names and paths


def test_every_public_name_exists():
    names = set(re.findall(r"\btfft\.([\w.]*\w)", README)) - {"fit", "predict", "export"}
    assert len(names) > 8
    for name in names:
        found: Any = tfft
        for part in name.split("."):
            try:
                found = getattr(found, part)
            except AttributeError:
                found = importlib.import_module(f"tfft.{part}")


def test_every_public_name_is_told_of():
    assert [name for name in tfft.__all__ if name not in README] == []


def test_every_path_exists():
    quoted = re.findall(r"`([\w./-]+)`", README)
    paths = {path for path in quoted if "/" in path or path.endswith((".py", ".lock", ".md"))}
    paths |= set(re.findall(r"(?:configs|export)/[\w./-]*\w", README))
    # What runs and users write, and the names of others.
    written = (
        r"runs/|export/\d|checkpoints/|preset/$|assets\.extra/|export/$|glue/|hf://|my_task|NAME"
    )
    missing = [
        path
        for path in sorted(paths)
        if not re.search(written, path)
        and not any((base / path).exists() for base in (ROOT, ROOT / "tfft"))
        and not any(list((ROOT / folder).rglob(path)) for folder in ("tfft", "tests/benchmarks"))
    ]
    assert missing == []


def test_names_no_place_of_ours():
    assert not re.search(r"/work/|/home/|/tmp/|index-url|https?://(?!localhost)", README)
