"""Writes tests/data/pytorch/: weights as PyTorch pickles them, and what is in them.

Needs torch and safetensors: python tests/tools/make_pickled_fixtures.py
"""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

DATA = Path(__file__).parents[1] / "data"


def main() -> None:
    """Both formats of a few tensors of each kind, and those of a model that is there, too."""
    place = DATA / "pytorch"
    place.mkdir(exist_ok=True)
    torch.save(kinds(), place / "zip.bin")
    torch.save(kinds(), place / "older.bin", _use_new_zipfile_serialization=False)
    expected = {name: tensor.float().tolist() for name, tensor in kinds().items()}
    (place / "expected.json").write_text(json.dumps(expected) + "\n")
    model = load_file(DATA / "huggingface" / "ElectraForSequenceClassification/model.safetensors")
    torch.save(model, place / "electra.bin")
    torch.save({"weight": torch.zeros(2), "said": print}, place / "names_a_function.bin")


def kinds() -> dict[str, Any]:
    """Tensors of all kinds of numbers, and some that look at the numbers of another one."""
    numbers = torch.arange(6.0).reshape(2, 3) / 4
    tensors = {
        str(dtype).removeprefix("torch."): numbers.to(dtype)
        for dtype in (torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64)
    }
    tied = torch.nn.Parameter(numbers + 1)
    return tensors | {
        "transposed": numbers.T,
        "part": numbers[1:, 1:],
        "scalar": torch.tensor(2.5),
        "empty": torch.zeros(0, 3),
        "parameter": tied,
        "tied": tied,
    }


if __name__ == "__main__":
    main()
