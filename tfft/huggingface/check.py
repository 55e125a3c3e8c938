"""The check of a directory for transformers: a fresh process must answer like the trained model.

Ids are compared where both sides read texts in the same way (a text that goes through windows here,
for one, has no counterpart there), logits for all rows of pieces.
"""

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tfft.backbones.encoder import Encoder
from tfft.backbones.tokenizer_json import special_ids
from tfft.data.pipeline import TokenizedSet
from tfft.errors import ExportCheckError
from tfft.huggingface import probe
from tfft.inference import TrainedRun, tokenize_texts
from tfft.serving.requests import readable
from tfft.tasks.base import Task
from tfft.tasks.published_heads import architecture

NAMES = {
    "token_ids": "input_ids",
    "padding_mask": "attention_mask",
    "segment_ids": "token_type_ids",
}
NEEDED = ("torch", "transformers")
SHOWN, LINES_SHOWN = 3, 12


@dataclass(frozen=True)
class Checked:
    """What was compared.

    Attributes:
        num_texts: whose ids were compared.
        num_rows: whose logits were compared.
        largest: the largest difference of a logit.
        largest_logit: without its sign.
    """

    num_texts: int
    num_rows: int
    largest: float
    largest_logit: float


@dataclass(frozen=True)
class Question:
    """A text whose ids are compared.

    Attributes:
        row: of pieces here.
        texts: the arguments of the tokenizer there.
    """

    row: int
    texts: list[Any]


def can_check() -> bool:
    """Whether torch and transformers are installed."""
    return all(importlib.util.find_spec(name) for name in NEEDED)


def check_answers(
    directory: Path, trained: TrainedRun, texts: Mapping[str, list[str]], *, tolerance: float
) -> Checked:
    """Compares what transformers makes of a directory with the model that it was made from.

    Args:
        directory: with config, weights and tokenizer.
        trained: the run, its model in float32.
        texts: columns of texts; see `tfft.serving.requests.choose_check_texts`.
        tolerance: the most that a logit may differ (if logits are over 1: as a part of the
            largest). It is for all rows one number, since what is rounded are the vectors.

    Raises:
        ExportCheckError: ids or logits differ, weights have no place, or the process failed.
    """
    columns = readable(texts)
    with tf.device("CPU:0"):
        rows = tokenize_texts(trained.task, trained.encoder, columns)
        logits = _by_row(trained.outputs(rows))
        questions = choose_questions(trained.task, trained.encoder, columns, rows)
    features = [_features(rows, row) for row in range(len(rows))]
    found, others = ask_in_fresh_process(directory, trained, questions, features)
    if found["lost"]:
        raise ExportCheckError(
            "transformers has no place for these weights, or misses them: "
            f"{', '.join(found['lost'][:LINES_SHOWN])}. Nothing was exported."
        )
    _compare_ids(questions, features, found["inputs"])
    return compare_logits(logits, others, len(questions), tolerance=tolerance)


def compare_logits(
    ours: Sequence[np.ndarray], others: Sequence[np.ndarray], num_texts: int, *, tolerance: float
) -> Checked:
    """Compares logits row by row; see `check_answers`."""
    largest_logit = max(float(np.abs(row).max()) for row in ours)
    differences = [float(np.abs(a - b).max()) for a, b in zip(ours, others, strict=True)]
    largest = float(np.max(differences))  # not a number, if one is none
    if not largest <= tolerance * max(1.0, largest_logit):
        raise ExportCheckError(
            f"The logits of transformers differ by up to {largest:.1e} from those of the trained "
            f"model, which are up to {largest_logit:.3g}; expected {tolerance:g}, for logits over "
            "1 of the largest. Nothing was exported."
        )
    return Checked(num_texts, len(ours), largest, largest_logit)


def _compare_ids(
    questions: Sequence[Question],
    features: Sequence[dict[str, list[int]]],
    found: Sequence[dict[str, list[int]]],
) -> None:
    faults = [
        f"  {question.texts!r:.160}: {theirs}, expected {features[question.row]}"
        for question, theirs in zip(questions, found, strict=True)
        if theirs != features[question.row]
    ]
    if faults:
        raise ExportCheckError(
            f"The tokenizer of transformers reads {len(faults)} of {len(questions)} texts in "
            "another way. Nothing was exported. The first:\n" + "\n".join(faults[:SHOWN])
        )


# ----------------------------------------------------------------------------- what is compared


def choose_questions(
    task: Task, encoder: Encoder, texts: Mapping[str, list[str]], rows: TokenizedSet
) -> list[Question]:
    """The examples whose ids transformers should give, too.

    Left out are those that are cut in a way which it does not have, or are several rows here; for a
    tagger those with a word without pieces, which is unknown here and left out there; and for
    SentencePiece those with the name of a special piece, which is text here.
    """
    example = np.arange(len(rows)) if rows.alignment is None else rows.alignment.example
    first, count = np.unique(example, return_index=True, return_counts=True)[1:]
    if task.takes_words:
        asked = _words(rows, encoder)
        is_same = [words is not None for words in asked]
        arguments = [[words] for words in asked]
    else:
        arguments = [list(row) for row in zip(*texts.values(), strict=True)]
        whole = encoder.lengths([tf.constant(column) for column in texts.values()]).numpy()
        is_whole = whole == rows.lengths[first]
        cuts_alike = rows.alignment is None and encoder.truncation in ("end", "head")
        is_same = (is_whole | cuts_alike).tolist()
    names = [] if encoder.family.vocabulary != "sentencepiece" else list(special_ids(encoder))
    return [
        Question(int(first[number]), given)
        for number, given in enumerate(arguments)
        if is_same[number]
        and count[number] == 1
        and not any(name in str(given).lower() for name in map(str.lower, names))
    ]


def _words(rows: TokenizedSet, encoder: Encoder) -> list[list[str] | None]:
    """The words of each example; None where there are none, or one without pieces."""
    assert rows.alignment is not None
    by_example = rows.alignment.by_example
    found: list[list[str] | None] = []
    for text, starts, ends in zip(
        by_example["text"].numpy(), by_example["starts"], by_example["ends"], strict=True
    ):
        shown = text.decode("utf-8")
        places = zip(starts.numpy().tolist(), ends.numpy().tolist(), strict=True)
        words = [shown[start:end] for start, end in places]
        has_pieces = words and (encoder.pieces(tf.constant(words)).row_lengths().numpy() > 0).all()
        found.append(words if has_pieces else None)
    return found


def _features(rows: TokenizedSet, row: int) -> dict[str, list[int]]:
    """A row of pieces under the names of transformers."""
    features = {NAMES[name]: v[row].numpy().tolist() for name, v in rows.features.items()}
    return {**features, "attention_mask": [1] * len(features["input_ids"])}


def _by_row(outputs: Any) -> list[np.ndarray]:
    return [np.asarray(row) for row in outputs]


# ---------------------------------------------------------------------------- the fresh process


def ask_in_fresh_process(
    directory: Path,
    trained: TrainedRun,
    questions: Sequence[Question],
    features: Sequence[dict[str, list[int]]],
    *,
    python: str = sys.executable,
) -> tuple[dict[str, Any], list[np.ndarray]]:
    """What `probe.py` answers, and the logits of each row.

    Raises:
        ExportCheckError: the process failed; shows the end of what it said.
    """
    ending = architecture(trained.task, trained.encoder).partition("For")[2]
    # Rows of like lengths together, so that little is padded.
    order = sorted(range(len(features)), key=lambda row: len(features[row]["input_ids"]))
    asked = {
        "model": f"AutoModelFor{ending}",
        "texts": [question.texts for question in questions],
        "words": trained.task.takes_words,
        "rows": [features[row] for row in order],
    }
    with tempfile.TemporaryDirectory() as aside:
        files = [str(Path(aside, name)) for name in ("asked.json", "found.json", "logits.npz")]
        Path(files[0]).write_text(json.dumps(asked), "utf-8")
        _run_probe([python, "-P", probe.__file__, str(directory), *files])
        found = json.loads(Path(files[1]).read_text("utf-8"))
        with np.load(files[2]) as arrays:
            logits = {row: arrays[str(number)] for number, row in enumerate(order)}
    return found, [logits[row] for row in range(len(order))]


def _run_probe(command: list[str]) -> None:
    quiet = {"CUDA_VISIBLE_DEVICES": "-1", "HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"}
    done = subprocess.run(
        command,
        env=os.environ | quiet,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if done.returncode:
        said = done.stdout.decode("utf-8", "replace").strip().splitlines()[-LINES_SHOWN:]
        raise ExportCheckError(
            f"transformers could not answer with what was written (exit code {done.returncode}). "
            "Nothing was exported. It said:\n" + "\n".join(said)
        )
