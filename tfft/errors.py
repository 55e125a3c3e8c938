"""The errors that a user's own files can cause.

Both are shown without a traceback and end a command with exit code 2. A message says what was
found, what was expected, and what to do.
"""

import difflib
from collections.abc import Iterable


class TfftError(Exception):
    """Base of the errors that are shown to the user as they are, without a traceback.

    Attributes:
        exit_code: the code with which a command ends (README, "Exit codes").
    """

    exit_code = 2


class ConfigError(TfftError):
    """The configuration, an argument or the state of the output directory is at fault."""


class DataError(TfftError):
    """A data file is at fault: missing, undecodable, a wrong column, an unknown label."""


class NoColumnError(DataError):
    """A file has no such column."""


class ExportCheckError(TfftError):
    """The exported SavedModel does not answer like the trained model."""

    exit_code = 3


class NotFiniteError(TfftError):
    """Training stopped because the loss was no longer a finite number."""

    exit_code = 4


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A sentence that names the nearest of the known words, or "" where none is near.

    >>> did_you_mean("learning_rat", ["learning_rate", "epochs"])
    " Did you mean 'learning_rate'?"
    """
    folded = {name.casefold(): name for name in known}
    near = difflib.get_close_matches(word.casefold(), folded, n=1, cutoff=0.6)
    return f" Did you mean '{folded[near[0]]}'?" if near else ""
