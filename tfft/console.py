"""What a person reads while a run goes on, and the log file that keeps it."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.control import Control

LOG_WIDTH = 100
SECONDS_BETWEEN_COUNTS = 30.0


class LoggedConsole(Console):
    """Prints as the given console does, and appends the same lines, uncoloured, to a file.

    The file is given with `write_to`; what was printed before goes into it first.

    Args:
        console: where a person reads.
    """

    def __init__(self, console: Console) -> None:
        super().__init__(
            file=console.file,
            width=None if console.is_terminal else console.width,
            force_terminal=console.is_terminal,
            quiet=console.quiet,
            highlight=False,
        )
        self._path: Path | None = None
        self._waiting: list[tuple[tuple[Any, ...], dict[str, Any]]] = []

    def write_to(self, path: str | Path) -> None:
        """Says which file it is; what stands in it is kept."""
        self._path = Path(path)
        for objects, options in self._waiting:
            self._log(objects, options)
        self._waiting.clear()

    def on_broken_pipe(self) -> None:
        """Whoever read our output has gone, as in `| head`: a training goes on, its log whole."""
        os.dup2(os.open(os.devnull, os.O_WRONLY), self.file.fileno())

    def print(self, *objects: Any, **options: Any) -> None:
        """Prints to both, but for the control codes with which a progress bar redraws itself."""
        super().print(*objects, **options)
        if any(isinstance(item, Control) for item in objects):
            return
        if self._path is None:
            self._waiting.append((objects, options))
        else:
            self._log(objects, options)

    def _log(self, objects: tuple[Any, ...], options: dict[str, Any]) -> None:
        assert self._path is not None
        with self._path.open("a", encoding="utf-8") as file:
            Console(file=file, width=LOG_WIDTH, highlight=False).print(*objects, **options)


@contextmanager
def row_counter(console: Console) -> Iterator[Callable[[int], None]]:
    """Says now and then how many rows have been read, as long as the context lasts.

    Args:
        console: where it says so.

    Yields:
        A function that is told how many rows a pass over the files has read so far.
    """
    due, is_open = time.monotonic() + SECONDS_BETWEEN_COUNTS, True

    def count(rows: int) -> None:
        nonlocal due
        if is_open and time.monotonic() >= due:
            console.print(f"... {rows:,} rows", highlight=False)
            due = time.monotonic() + SECONDS_BETWEEN_COUNTS

    yield count
    is_open = False
