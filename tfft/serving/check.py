"""The check of an export: a bare process must answer like the trained model.

The process is `probe.py`, which has what a TensorFlow Serving has, and nothing of tfft.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tfft.errors import ExportCheckError
from tfft.inference import TrainedRun, tokenize_texts
from tfft.serving import probe
from tfft.serving.comparison import compare, expected_answers
from tfft.serving.requests import (
    LARGEST_BATCH,
    Request,
    build_requests,
    readable,
    warmup_requests,
)

DIFFERENCES_SHOWN = 3
LINES_SHOWN = 12


def check_answers(
    saved_model: Path,
    trained: TrainedRun,
    texts: Mapping[str, list[str]],
    *,
    tolerance: float,
    report: Callable[[str], None],
) -> list[Request]:
    """Compares a SavedModel with the model that it was made from.

    Args:
        saved_model: its directory.
        trained: the run, its model in float32.
        texts: columns of texts; see `tfft.serving.requests.choose_check_texts`.
        tolerance: the most that a probability may differ.
        report: takes the line that says what was found.

    Returns:
        Requests for warming up a server; they were answered.

    Raises:
        ExportCheckError: an answer differs, or the process failed.
    """
    start = time.monotonic()
    with tf.device("CPU:0"):
        rows = tokenize_texts(trained.task, trained.encoder, readable(texts))
        expected = expected_answers(trained, rows, tolerance=tolerance)
    requests = build_requests(trained.task, trained.encoder, texts, rows)
    answers = ask_in_fresh_process([(saved_model, requests)])[0]
    largest, faults = compare(requests, answers, expected, tolerance=tolerance)
    if faults:
        raise ExportCheckError(_describe_faults(faults, texts, tolerance))
    report(
        f"Asked a fresh process without tfft and keras_hub: {rows.num_examples} "
        f"texts, alone and in batches of up to {LARGEST_BATCH}, through each signature. All "
        f"{sum(len(r.rows) for r in requests)} answers are within {tolerance:g} of the float32 "
        f"model (largest difference {largest:.1e}). {time.monotonic() - start:.0f} s."
    )
    return warmup_requests(requests)


# ---------------------------------------------------------------------------- what is answered


def ask_in_fresh_process(
    pairs: Sequence[tuple[Path, Sequence[Request]]], *, python: str = sys.executable
) -> list[list[dict[str, np.ndarray]]]:
    """Answers to the requests of each SavedModel, from one process on the CPU.

    Args:
        pairs: directories of SavedModels, and what each is asked.
        python: the interpreter, with TensorFlow and TensorFlow Text.

    Raises:
        ExportCheckError: the process failed; shows the end of what it said.
    """
    with tempfile.TemporaryDirectory() as directory:
        arguments: list[str] = []
        for number, (saved_model, requests) in enumerate(pairs):
            asked = Path(directory, f"{number}.requests")
            plain = [{"signature": r.signature, "inputs": r.inputs} for r in requests]
            asked.write_text(json.dumps(plain), "utf-8")
            arguments += [str(saved_model), str(asked), str(asked.with_suffix(".answers"))]
        _run_probe(python, arguments)
        answers = [json.loads(Path(path).read_text("utf-8")) for path in arguments[2::3]]
    return [[{k: _array(v) for k, v in one.items()} for one in part] for part in answers]


def _array(value: Any) -> np.ndarray:
    # Strings as Python's: those of NumPy lose a NUL at their end.
    array = np.array(value)
    return np.array(value, object) if array.dtype.kind == "U" else array


def _run_probe(python: str, arguments: list[str]) -> None:
    # -I: neither environment variables nor the working directory decide what is imported.
    command = [python, "-I", probe.__file__, *arguments]
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "2"}
    done = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    if done.returncode:
        said = done.stdout.decode("utf-8", "replace").strip().splitlines()[-LINES_SHOWN:]
        raise ExportCheckError(
            f"A fresh process could not answer with the exported model (exit code "
            f"{done.returncode}). Nothing was exported. It said:\n" + "\n".join(said)
        )


def _describe_faults(
    faults: Sequence[tuple[int, str]], texts: Mapping[str, list[str]], tolerance: float
) -> str:
    lines = []
    for row, found in faults[:DIFFERENCES_SHOWN]:
        shown = " | ".join(repr(column[row])[:80] for column in texts.values())
        lines.append(f"  {shown}: {found}")
    return (
        f"The exported model does not answer like the trained one within {tolerance:g}: "
        f"{len(faults)} answers differ. Nothing was exported. The first:\n" + "\n".join(lines)
    )
