"""A console that also writes to the log file of a run."""

import os
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.control import Control

LOG_WIDTH = 100


class LoggedConsole(Console):
    """Prints as the given console does, and appends the same lines, uncoloured, to a file.

    Args:
        console: where a person reads.
        path: the log file; what stands in it is kept.
    """

    def __init__(self, console: Console, path: str | Path) -> None:
        super().__init__(
            file=console.file,
            width=None if console.is_terminal else console.width,
            force_terminal=console.is_terminal,
            quiet=console.quiet,
            highlight=False,
        )
        self.path = Path(path)

    def on_broken_pipe(self) -> None:
        """Whoever read our output has gone, as in `| head`: a training goes on, its log whole."""
        os.dup2(os.open(os.devnull, os.O_WRONLY), self.file.fileno())

    def print(self, *objects: Any, **options: Any) -> None:
        """Prints to both, but for the control codes with which a progress bar redraws itself."""
        super().print(*objects, **options)
        if not any(isinstance(item, Control) for item in objects):
            with self.path.open("a", encoding="utf-8") as file:
                Console(file=file, width=LOG_WIDTH, highlight=False).print(*objects, **options)
