"""Exit codes, and what is written where."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tfft.__main__ import COMMANDS, main
from tfft.errors import did_you_mean

ROOT = Path(__file__).parents[1]
PROGRAM = """
import os, signal, sys, time
from tfft.cli import run_command, start_tensorflow
from tfft.errors import *

def command():
    {body}

sys.exit(run_command(command))
"""


@pytest.fixture
def run(run_python):
    """Runs a command with the given body."""
    return lambda body, **environment: run_python("-c", PROGRAM.format(body=body), **environment)


@pytest.mark.parametrize(("body", "code"), [("pass", 0), ("return 0", 0), ("return 3", 3)])
def test_code_of_a_command(run, body, code):
    done = run(body)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", "")


@pytest.mark.parametrize(
    ("error", "code"),
    [("ConfigError", 2), ("DataError", 2), ("ExportCheckError", 3), ("NotFiniteError", 4)],
)
def test_error_that_the_user_can_mend(run, error, code):
    done = run(f"print('half'); raise {error}('the file x.csv is at fault')")
    assert (done.returncode, done.stdout) == (code, "half\n")
    assert done.stderr == "error: the file x.csv is at fault\n"


def test_fault_of_ours(run):
    done = run("{}['key']")
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "KeyError: 'key'" in done.stderr


def test_interrupt(run):
    # A process that is started in the background ignores interrupts: so would this one.
    handled = "signal.signal(signal.SIGINT, signal.default_int_handler)"
    done = run(f"{handled}; os.kill(os.getpid(), signal.SIGINT); time.sleep(60)")
    assert (done.returncode, done.stderr) == (130, "interrupted\n")


def test_termination(run):
    done = run("os.kill(os.getpid(), signal.SIGTERM); time.sleep(60)")
    assert (done.returncode, done.stderr) == (143, "terminated\n")


@pytest.mark.parametrize("size", [1, 10**6])
def test_reader_that_has_gone(run_python, tmp_path, size):
    read_end, write_end = os.pipe()
    os.close(read_end)
    program = PROGRAM.format(body=f"print('x' * {size})")
    done = subprocess.run(
        [sys.executable, "-c", program],
        stdout=write_end,
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": ""},
        check=False,
    )
    os.close(write_end)
    assert (done.returncode, done.stderr) == (0, b"")


# ------------------------------------------------------------------------------ starting TensorFlow


@pytest.fixture
def fake_tensorflow(tmp_path):
    """Puts another package `tensorflow` before the real one; it writes notes as the real one."""

    def write(then):
        (tmp_path / "fake" / "tensorflow").mkdir(parents=True)
        notes = "import os\nos.write(2, b'a note\\n')\n"
        (tmp_path / "fake" / "tensorflow" / "__init__.py").write_text(notes + then)

    return write


IMPORT = "sys.path.insert(0, 'fake'); start_tensorflow(); os.write(2, b'after\\n')"


def test_notes_of_tensorflow_are_not_shown(run, fake_tensorflow):
    fake_tensorflow("class config:\n    list_physical_devices = staticmethod(lambda: [])\n")
    done = run(IMPORT)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "after\n")


def test_notes_are_shown_when_tensorflow_cannot_be_imported(run, fake_tensorflow):
    fake_tensorflow("raise ImportError('libcuda is missing')\n")
    done = run(IMPORT)
    assert done.returncode == 1
    assert done.stderr.startswith("a note\n")
    assert "ImportError: libcuda is missing" in done.stderr
    assert "after" not in done.stderr


# -------------------------------------------------------------------------------------- `tfft`


def test_help_lists_the_commands(capsys):
    assert main(["--help"]) == 0
    output = capsys.readouterr().out
    assert all(f"  {command} " in output for command in COMMANDS)
    assert main([]) == 2


def test_version(capsys):
    from tfft import __version__

    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"tfft {__version__}\n"


def test_unknown_command(capsys):
    assert main(["fti"]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("error: there is no command 'fti'. Did you mean 'fit'?\n")
    assert captured.out == ""


@pytest.mark.parametrize("command", COMMANDS)
def test_command_explains_itself(command, capsys):
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert f"usage: tfft {command}" in capsys.readouterr().out


@pytest.mark.parametrize("command", COMMANDS)
def test_argument_that_does_not_exist(command, capsys):
    with pytest.raises(SystemExit) as ended:
        main([command, "--no-such-argument"])
    assert ended.value.code == 2
    assert capsys.readouterr().out == ""


def test_config_that_does_not_exist(capsys, monkeypatch):
    # The command handles SIGTERM from now on; the tests go on as they were.
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    assert main(["fit", "--config", "none.yaml"]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("error: There is no file none.yaml (looked from ")
    assert captured.out == ""


@pytest.mark.parametrize(
    ("word", "hint"),
    [("learning_rat", " Did you mean 'learning_rate'?"), ("Epochs", " Did you mean 'epochs'?")],
)
def test_nearest_word(word, hint):
    assert did_you_mean(word, ["learning_rate", "epochs"]) == hint
    assert did_you_mean(word, []) == did_you_mean("zzz", ["learning_rate"]) == ""
