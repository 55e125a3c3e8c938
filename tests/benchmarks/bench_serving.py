"""Serving: one text of 8, 32 or 128 pieces, and batches of natural texts; raw text, and ids alone.

Each model is asked in its own process, as a Python caller asks it; there is no server. tfft's,
PyTorch's and ONNX Runtime's ids are padded to the longest of the request, those of the plain export
as its preprocessor does it: to 512 as it comes, or to 128, everybody's maximum here.
"""

import tempfile
from pathlib import Path
from typing import Any

from harness import ROOT, Job, Record, build_parser, describe, run_job, say
from inputs import find_sst2, minilm_directory, write_part
from report import Measure
from suite import run_benchmark
from targets import ONNX, PLAIN_EXPORT, PLAIN_EXPORT_128

CONFIG = ROOT / "configs" / "text_classification" / "sst2_minilm.yaml"
LENGTHS = [8, 32, 128]
SEQUENCE_LENGTH = 128
PLAIN_LENGTH = 512  # of KerasHub's preprocessors, unless one says otherwise
# The export is checked with the validation texts, and wants some.
PART = {"train": 64, "dev": 200, "test": 8}


def measures(batch_size: int) -> list[Measure]:
    """Raw text first, then ids alone; the 90% quantiles are in the JSON."""
    found = []
    for kind, name in (("text", "raw text"), ("ids", "ids")):
        for length in LENGTHS:
            title = f"{name}, {length} pieces: p50, ms"
            found.append(Measure(f"{kind}_{length}_p50_ms", title, digits=1))
        title = f"{name}, natural: p50, ms"
        found.append(Measure(f"{kind}_natural_p50_ms", title, digits=1))
        title = f"{name}, batch {batch_size}: texts/s"
        found.append(Measure(f"{kind}_batch_texts_per_second", title))
    return [
        *found,
        Measure("load_seconds", "load, s", digits=1),
        Measure("peak_mb_above_imports", "peak MB above imports"),
    ]


def main() -> None:
    """Runs the benchmark and shows it."""
    parser = build_parser(__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=200, help="of each length, at batch 1")
    parser.add_argument("--batches", type=int, default=20, help="of natural texts")
    parser.add_argument("--batch-size", type=int, default=32, help="texts of a batch")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        folder, note = find_sst2(arguments.data, Path(work))
        notes = [note, *prepare(arguments, folder, Path(work))]
        run_benchmark(
            "serving",
            build_jobs(arguments, Path(work)),
            measures(arguments.batch_size),
            arguments,
            title="Serving MiniLM, 2 classes, float32",
            notes=notes,
        )


def prepare(arguments: Any, folder: Path, work: Path) -> list[str]:
    """Makes the models and the requests, once; what failed is a note."""
    order = {
        "place": str(work),
        "config": str(CONFIG),
        "preset": minilm_directory(),
        "part": str(write_part(folder, work / "part", sizes=PART)),
        "texts": str(folder / "sst2" / "dev.tsv"),
        "lengths": LENGTHS,
        "batch_size": arguments.batch_size,
        "sequence_length": SEQUENCE_LENGTH,
        "plain_lengths": [SEQUENCE_LENGTH, PLAIN_LENGTH],
    }
    jobs = [
        Job("making the SavedModels", "serving_prepare.py", order),
        Job(
            "making the ONNX file",
            "serving_prepare_onnx.py",
            order,
            python=arguments.torch_python,
        ),
    ]
    return [note for note in map(run_preparation, jobs, [arguments.threads] * 2) if note]


def run_preparation(job: Job, threads: int) -> str:
    """Runs it; what went wrong, or nothing."""
    record: Record = run_job(job, number=0, threads=threads)
    say(describe(record))
    return describe(record) if record.missing or record.error else ""


def build_jobs(arguments: Any, place: Path) -> list[Job]:
    """tfft's export, the plain one, PyTorch and ONNX Runtime."""
    order = {
        "place": str(place),
        "preset": minilm_directory(),
        "requests": arguments.requests,
        "batches": arguments.batches,
        "sequence_length": SEQUENCE_LENGTH,
    }
    tfft = {"text": ["run/export/1", "serving_default"], "ids": ["run/export/1", "tokens"]}
    torch = arguments.torch_python
    return [
        Job("tfft", "serving_tensorflow.py", order | tfft),
        Job(PLAIN_EXPORT_128, "serving_tensorflow.py", order | plain(SEQUENCE_LENGTH)),
        Job(PLAIN_EXPORT, "serving_tensorflow.py", part_of(order) | plain(PLAIN_LENGTH)),
        Job("PyTorch", "serving_torch.py", order, python=torch),
        Job(ONNX, "serving_onnx.py", order, python=torch),
    ]


def plain(length: int) -> dict[str, Any]:
    """The plain export behind a preprocessor of that length."""
    text, ids = [f"plain_text_{length}", "serve"], ["plain", "serving_default"]
    return {"text": text, "ids": ids, "ids_length": length}


def part_of(order: dict[str, Any]) -> dict[str, Any]:
    """A quarter of the requests: 512 pieces each time, so all take alike."""
    return order | {name: -(-order[name] // 4) for name in ("requests", "batches")}


if __name__ == "__main__":
    main()
