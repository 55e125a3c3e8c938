"""What all commands share: exit codes, signals, and a quiet start of TensorFlow."""

import io
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from typing import Any, NoReturn

from tfft.errors import TfftError

INTERRUPTED, TERMINATED = 130, 143


def run_command(command: Callable[[], int | None]) -> int:
    """Runs a command and turns what ends it into an exit code.

    Errors that a user's files can cause are shown on standard error without a traceback. An error
    of ours keeps its traceback and gives 1.
    """
    signal.signal(signal.SIGTERM, _terminate)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that cannot show a label's name must not end a training.
            stream.reconfigure(errors="backslashreplace")
    try:
        code = command() or 0
        sys.stdout.flush()  # here, or a reader that has gone would be noticed only at the very end
        return code
    except TfftError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        # Whoever read our output has gone, as in `| head`: nothing is wrong.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except _Terminated:
        print("terminated", file=sys.stderr)
        sys.stdout.flush()
        sys.stderr.flush()
        # At once: TensorFlow's threads may still be asking Python for batches, and complain if it
        # shuts down under them.
        os._exit(TERMINATED)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED


class _Terminated(BaseException):
    """Raised where a command stands when it is told to end, so that it can clean up."""


def _terminate(signum: int, frame: Any) -> NoReturn:
    raise _Terminated


def start_tensorflow() -> None:
    """Imports TensorFlow without its start-up notes, which hide what a user should read.

    What is written to standard error during the import is shown only if it fails.
    """
    if "tensorflow" in sys.modules:
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as notes:
        os.dup2(notes.fileno(), 2)
        try:
            import tensorflow as tf

            tf.config.list_physical_devices()
        except BaseException:
            os.dup2(kept, 2)
            notes.seek(0)
            os.write(2, notes.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)
