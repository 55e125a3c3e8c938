"""Asks an exported SavedModel raw texts, without a server, without tfft and without keras_hub.

    python export/ask.py runs/quickstart/export/1 "a gripping film" "two hours of my life"

Needs the packages tensorflow and tensorflow_text. For a model on two texts (a pair, a question and
its context) a tab stands between them.
"""

import argparse
import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import Any

from client import answer_rows, split_texts

# TensorFlow Serving before 2.20 does not link these.
NOT_SERVED = {"_trimmer_ops", "_utf8_binarize_op"}


def main(argv: list[str] | None = None) -> None:
    """Prints an answer a line, and what was asked."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("export_dir", type=Path, help="export/<version>, or export for the newest")
    parser.add_argument("texts", nargs="+", metavar="TEXT")
    arguments = parser.parse_args(argv)
    directory = newest_version(arguments.export_dir)
    described = json.loads((directory / "assets.extra" / "signature.json").read_text("utf-8"))
    try:
        columns = split_texts(arguments.texts, described["texts"])
    except ValueError as error:
        sys.exit(f"error: {error}")
    tf = import_tensorflow()
    load_text_operations(tf)
    answers = answer_rows(ask(tf, directory, columns))
    for text, answer in zip(arguments.texts, answers, strict=True):
        print(f"{readable(answer, described['labels'])}  {text}")


def newest_version(directory: Path) -> Path:
    """The directory itself if it is a SavedModel, else the highest version in it."""
    versions = [path for path in directory.glob("*") if path.name.isdecimal()]
    place = max(versions, key=lambda path: int(path.name), default=directory)
    if not (place / "saved_model.pb").is_file():
        sys.exit(f"error: {directory} holds no SavedModel. Expected a run's export/<version>.")
    return place


def import_tensorflow() -> Any:
    """TensorFlow, without its start-up notes."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        import tensorflow as tf

        tf.config.list_physical_devices()
    finally:
        os.dup2(kept, 2)
    return tf


def load_text_operations(tf: Any) -> None:
    """Loads TensorFlow Text's operations one by one; importing it would load more than servers."""
    package = importlib.util.find_spec("tensorflow_text")
    if package is None or package.origin is None:
        sys.exit("error: tensorflow_text is missing. Install it: pip install tensorflow-text")
    for library in sorted(Path(package.origin).parent.glob("python/ops/_*.so")):
        if library.stem not in NOT_SERVED:
            tf.load_op_library(str(library))


def ask(tf: Any, directory: Path, columns: dict[str, list[str]]) -> dict[str, list[Any]]:
    """The outputs of `serving_default` by name, one entry a text."""
    serve = tf.saved_model.load(str(directory)).signatures["serving_default"]
    outputs = serve(**{field: tf.constant(column) for field, column in columns.items()})
    return {name: decoded(value.numpy().tolist()) for name, value in outputs.items()}


def decoded(value: Any) -> Any:
    """Nested lists with strings in place of bytes."""
    if isinstance(value, list):
        return [decoded(item) for item in value]
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def readable(answer: dict[str, Any], labels: list[str]) -> str:
    """An answer in a few words, whatever the task; a dash where nothing is given."""
    if "value" in answer:
        return f"{answer['value']:.4f}"
    if "embedding" in answer:
        shown = " ".join(f"{number:.3f}" for number in answer["embedding"][:4])
        return f"{shown} ... ({len(answer['embedding'])} numbers)"
    if "label" in answer:
        return f"{answer['label']:<{max(map(len, labels))}}  {answer['score']:.4f}"
    if "answer" in answer:
        return f"{answer['answer'] or '-'}  {answer['score']:.4f}"
    if answer.keys() == {"score"}:
        return f"{answer['score']:.4f}"
    if "masks" in answer:
        found = [f"{best['piece']} {best['score']:.4f}" for best, *_ in answer["masks"]]
    elif "entities" in answer:
        found = [f"{e['text']} ({e['type']} {e['score']:.4f})" for e in answer["entities"]]
    else:
        scored = zip(labels, answer["predictions"], answer["probabilities"], strict=True)
        found = [f"{label} {probability:.4f}" for label, given, probability in scored if given]
    return ", ".join(found) or "-"


if __name__ == "__main__":
    main()
