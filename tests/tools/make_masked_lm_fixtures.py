"""Gives the checkpoints in tests/data/huggingface/ a masked-language head, and writes what it says.

    .venv-benchmark/bin/python tests/tools/make_masked_lm_fixtures.py

Beside each come `masked_lm.safetensors`, the head under the names that transformers saves it by,
and `masked_lm.json`: ids of a text with a mask, and the logits that stand for the mask. The files
of now were made with transformers 5.17 and PyTorch 2.13. `make_huggingface_fixtures.py` removes
them: run this after it.
"""

import json
import tempfile
from pathlib import Path

import torch
import transformers
from safetensors.torch import load_file, save_file

PLACE = Path(__file__).parents[1] / "data" / "huggingface"
# No blank in front: published tokenizers take it away, these here do not.
TEXT = "The miller{} the gate."


def main() -> None:
    """Writes all of them."""
    for place in sorted(path for path in PLACE.iterdir() if path.is_dir()):
        model = transformers.AutoModelForMaskedLM.from_pretrained(place, dtype=torch.float32)
        outside = f"{model.base_model_prefix}."
        kept = {id(weight) for weight in model.base_model.parameters()}
        torch.manual_seed(1)
        with torch.no_grad():
            for name, weight in model.named_parameters():
                if id(weight) not in kept:
                    weight.normal_(0, 0.2)
                    if "norm" in name.lower() and name.endswith("weight"):
                        weight.add_(1.0)
        with tempfile.TemporaryDirectory() as folder:
            model.save_pretrained(folder)
            saved = load_file(Path(folder) / "model.safetensors")
        head = {name: weight for name, weight in saved.items() if not name.startswith(outside)}
        save_file(head, place / "masked_lm.safetensors")
        write_answers(place, model.eval())


def write_answers(place: Path, model: torch.nn.Module) -> None:
    """Asks a model for what stands for a mask."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(place)
    ids = tokenizer(TEXT.format(tokenizer.mask_token))["input_ids"]
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([ids])).logits[0, ids.index(tokenizer.mask_token_id)]
    said = {"ids": ids, "logits": [round(value, 6) for value in logits.tolist()]}
    (place / "masked_lm.json").write_text(json.dumps(said, separators=(",", ":")) + "\n", "utf-8")


if __name__ == "__main__":
    main()
