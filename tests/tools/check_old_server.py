"""Asks an old TensorFlow what a run's newest export answers: the strongest check of old servers.

    python tests/tools/check_old_server.py RUN tf212/bin/python

The environment is made as `list_serving_ops.py` says. The texts are those of the export's check.
"""

import os
import sys

os.environ.update({"KERAS_BACKEND": "tensorflow", "CUDA_VISIBLE_DEVICES": "-1"})

TOLERANCE = 1e-5


def main(run: str, python: str) -> int:
    """Prints the largest difference and the first faults; returns 1 if there are any."""
    from tfft.export import load_columns
    from tfft.inference import load_run, tokenize_texts
    from tfft.serving.check import ask_in_fresh_process
    from tfft.serving.comparison import compare, expected_answers
    from tfft.serving.requests import build_requests, choose_check_texts, readable

    trained = load_run(run)
    saved_model = max(trained.directory.export.glob("[0-9]*"), key=lambda path: int(path.name))
    texts = choose_check_texts(load_columns(trained.directory, None))
    rows = tokenize_texts(trained.task, trained.encoder, readable(texts))
    requests = build_requests(trained.task, trained.encoder, texts, rows)
    answers = ask_in_fresh_process([(saved_model, requests)], python=python)[0]
    expected = expected_answers(trained, rows, tolerance=TOLERANCE)
    largest, faults = compare(requests, answers, expected, tolerance=TOLERANCE)
    print(f"{saved_model}: {len(requests)} requests, largest difference {largest:.1e}", *faults[:3])
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
