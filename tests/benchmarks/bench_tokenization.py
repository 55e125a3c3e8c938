"""Tokenization: texts a second from Python strings to ids, SST-2's sentences again and again."""

import tempfile
from pathlib import Path
from typing import Any

from harness import Job, build_parser
from inputs import find_sst2, minilm_directory
from report import Measure
from suite import run_benchmark
from targets import ENCODE_BATCH, KERAS_HUB

MEASURES = [
    Measure("texts_per_second", "texts/s"),
    Measure("pieces", "pieces of all texts"),
]


def main() -> None:
    """Runs the benchmark and shows it."""
    parser = build_parser(__doc__.splitlines()[0])
    parser.add_argument("--texts", type=int, default=50_000, help="of a call, at least")
    parser.add_argument("--calls", type=int, default=5, help="counted; one before is not")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        folder, note = find_sst2(arguments.data, Path(work))
        run_benchmark(
            "tokenization",
            build_jobs(arguments, folder),
            MEASURES,
            arguments,
            title=f"Tokenization, {arguments.texts:,} texts a call, at most 128 pieces",
            notes=[note],
        )


def build_jobs(arguments: Any, folder: Path) -> list[Job]:
    """tfft as a training calls it, Hugging Face's tokenizers with and without offsets, KerasHub."""
    order = {
        "file": str(folder / "sst2" / "train.tsv"),
        "preset": minilm_directory(),
        "texts": arguments.texts,
        "calls": arguments.calls,
        "sequence_length": 128,
    }
    script = "tokenization.py"
    return [
        Job("tfft", script, order | {"library": "tfft"}),
        Job(ENCODE_BATCH, script, order | {"library": "encode_batch"}),
        Job("HF encode_batch_fast", script, order | {"library": "encode_batch_fast"}),
        Job(KERAS_HUB, script, order | {"library": "keras_hub"}),
    ]


if __name__ == "__main__":
    main()
