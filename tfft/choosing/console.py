"""Where the list and the ranking are printed."""

import os
import sys

from rich.console import Console

WIDE = 200


def wide_console() -> Console:
    """Standard output; a file or a pipe has no width, so tables there stay tables."""
    has_width = sys.stdout.isatty() or "COLUMNS" in os.environ
    return Console(highlight=False, width=None if has_width else WIDE)


def tell(text: str) -> None:
    """Tells on standard error what is being done."""
    print(text, file=sys.stderr, flush=True)
