"""Asks a running TensorFlow Serving raw texts through its REST interface. Needs Python alone.

    python export/client.py --url http://localhost:8501/v1/models/tfft "a gripping film"

For a model on two texts (a pair, a question and its context) a tab stands between them.
"""

import argparse
import json
import sys
import time
import urllib.error
import urllib.request
from typing import Any

URL = "http://localhost:8501/v1/models/tfft"
# What models take, in the order in which it is given.
FIELDS = ("text", "text_pair", "question", "context", "query", "passage")


class ServerError(Exception):
    """The server could not be reached, or it refused."""


def main(argv: list[str] | None = None) -> int:
    """Prints one JSON object a text: what was asked, and the answer."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--url", default=URL, help=f"the model's address (default: {URL})")
    parser.add_argument("--wait", type=float, default=0, metavar="S", help="for the server to load")
    parser.add_argument("texts", nargs="+", metavar="TEXT")
    arguments = parser.parse_args(argv)
    try:
        wait_until_available(arguments.url, arguments.wait)
        columns = split_texts(arguments.texts, text_fields(arguments.url))
        answers = answer_rows(predict(arguments.url, columns))
    except (ServerError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for row, answer in enumerate(answers):
        asked = {field: column[row] for field, column in columns.items()}
        print(json.dumps({**asked, **answer}, ensure_ascii=False))
    return 0


def split_texts(texts: list[str], fields: list[str]) -> dict[str, list[str]]:
    """The column of each field that a model takes.

    Raises:
        ValueError: a text without a tab where two are asked for.
    """
    rows = [text.split("\t", len(fields) - 1) for text in texts]
    for row in rows:
        if len(row) != len(fields):
            raise ValueError(f"{row[0]!r}: expected {' and '.join(fields)} with a tab between.")
    return {field: [row[index] for row in rows] for index, field in enumerate(fields)}


def answer_rows(outputs: dict[str, list[Any]]) -> list[dict[str, Any]]:
    """One answer a text, from a list by output name.

    Of a tagger it is `entities`, a list of objects; of a masked language model `masks`, for each a
    list of objects.
    """
    rows = [
        dict(zip(outputs, values, strict=True)) for values in zip(*outputs.values(), strict=True)
    ]
    if "pieces" in outputs:
        return [{"masks": _masks(**row)} for row in rows]
    return [{"entities": _entities(**row)} if "count" in row else row for row in rows]


def _masks(count: int, pieces: list[Any], scores: list[Any]) -> list[list[dict[str, Any]]]:
    return [
        [{"piece": piece, "score": score} for piece, score in zip(*likeliest, strict=True)]
        for likeliest in zip(pieces[:count], scores[:count], strict=True)
    ]


def _entities(count: int, **columns: list[Any]) -> list[dict[str, Any]]:
    # Rows with fewer entities than others are filled up.
    values = zip(*(column[:count] for column in columns.values()), strict=True)
    return [dict(zip(columns, entity, strict=True)) for entity in values]


def text_fields(url: str) -> list[str]:
    """What `serving_default` takes, in order."""
    inputs = signatures(url)["serving_default"]["inputs"]
    return [field for field in FIELDS if field in inputs]


def signatures(url: str) -> dict[str, Any]:
    """What the model's signatures take and return, by name."""
    return fetch(f"{url}/metadata")["metadata"]["signature_def"]["signature_def"]


def predict(
    url: str, inputs: dict[str, Any], signature: str = "serving_default"
) -> dict[str, list[Any]]:
    """Asks one batch.

    Args:
        url: the model's address, without `:predict`.
        inputs: a list by input name, one entry a row.
        signature: `serving_default` takes texts, `tokens` ids.

    Returns:
        A list by output name, one entry a row.

    Raises:
        ServerError: with what the server said.
    """
    answer = fetch(f"{url}:predict", {"signature_name": signature, "inputs": inputs})
    outputs = answer["outputs"]
    if isinstance(outputs, dict):
        return outputs
    # The server leaves out the name where there is only one output.
    (name,) = signatures(url)[signature]["outputs"]
    return {name: outputs}


def wait_until_available(url: str, seconds: float = 0.0) -> None:
    """Returns when a version of the model is loaded.

    Raises:
        ServerError: none is after this time.
    """
    end = time.monotonic() + seconds
    while True:
        try:
            versions = fetch(url)["model_version_status"]
            if any(version["state"] == "AVAILABLE" for version in versions):
                return
            problem = ServerError(f"{url} has loaded no version yet: {versions}")
        except ServerError as error:
            problem = error
        if time.monotonic() >= end:
            raise problem
        time.sleep(0.5)


def fetch(url: str, body: Any = None) -> Any:
    """The JSON that an address answers with; with a body it is posted there."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        said = error.read().decode("utf-8", "replace")
        raise ServerError(f"{url} refused ({error.code}): {said}") from None
    except (OSError, ValueError) as error:
        raise ServerError(f"{url} did not answer: {error}") from None


if __name__ == "__main__":
    sys.exit(main())
