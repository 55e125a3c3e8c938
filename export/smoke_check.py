"""Checks that a running TensorFlow Serving answers, and answers batches like single texts.

    python export/smoke_check.py --url http://localhost:8501/v1/models/tfft --wait 60

Needs Python alone. Ends with 0 if all is well.
"""

import argparse
import math
import sys
from typing import Any

from client import (
    URL,
    ServerError,
    answer_rows,
    predict,
    signatures,
    text_fields,
    wait_until_available,
)

TEXTS = ["a plain text", "", "Crème brûlée 电影 👍", "a long text " * 300]
SIGNATURES = {"serving_default", "tokens"}
TOLERANCE = 1e-5


def main(argv: list[str] | None = None) -> int:
    """Prints what was found; returns 1 if something is wrong."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--url", default=URL, help=f"the model's address (default: {URL})")
    parser.add_argument("--wait", type=float, default=0, metavar="S", help="for the server to load")
    arguments = parser.parse_args(argv)
    try:
        wait_until_available(arguments.url, arguments.wait)
        check_signatures(arguments.url)
        worst = largest_difference(arguments.url, text_fields(arguments.url))
    except ServerError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{len(TEXTS)} texts in one batch and one by one differ by {worst:.1e} at most.")
    return int(not worst <= TOLERANCE)


def check_signatures(url: str) -> None:
    """Raises ServerError if one of the two is missing."""
    missing = SIGNATURES - set(signatures(url))
    if missing:
        raise ServerError(f"{url} lacks the signature {', '.join(missing)}.")


def largest_difference(url: str, fields: list[str]) -> float:
    """Between the answers of one batch and those of single requests."""
    together = answer_rows(predict(url, dict.fromkeys(fields, TEXTS)))
    alone = [answer_rows(predict(url, {f: [text] for f in fields}))[0] for text in TEXTS]
    return max(difference(a, b) for a, b in zip(together, alone, strict=True))


def difference(first: Any, second: Any) -> float:
    """The largest of two numbers or nested lists of them; infinite where anything else differs.

    Numbers above 1 differ by a part of themselves.
    """
    if isinstance(first, dict):
        return difference([*first, *first.values()], [*second, *second.values()])
    if isinstance(first, list) and isinstance(second, list) and len(first) == len(second):
        return max(map(difference, first, second), default=0.0)
    if first == second:
        return 0.0
    if not all(isinstance(value, int | float) for value in (first, second)):
        return math.inf
    apart = abs(first - second) / max(1.0, abs(second))
    return math.inf if math.isnan(apart) else apart


if __name__ == "__main__":
    sys.exit(main())
