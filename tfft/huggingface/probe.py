"""Asks a directory the way people with transformers do, in a process that knows nothing of tfft.

    python -P probe.py DIRECTORY QUESTIONS ANSWERS LOGITS

QUESTIONS is JSON: `model` (the name of an `AutoModelFor...`), `texts` (a list of the arguments of
the tokenizer: one or two texts, or a list of words), `words` (whether it is of words), `rows` (a
list of the model's inputs by name). ANSWERS becomes JSON: `inputs`, what the tokenizer makes of
each text, and `lost`, the names of weights that were not found or not used. LOGITS becomes an .npz
with one array a row, named by its number.
"""

import json
import sys
from pathlib import Path
from typing import Any

BATCH = 32


def main(directory: str, questions: str, answers: str, logits: str) -> None:
    """Answers."""
    import numpy as np
    import transformers

    transformers.utils.logging.set_verbosity_error()
    asked = json.loads(Path(questions).read_text("utf-8"))
    tokenizer = transformers.AutoTokenizer.from_pretrained(directory)
    auto_model = getattr(transformers, asked["model"])
    model, info = auto_model.from_pretrained(directory, output_loading_info=True)
    inputs = [tokenize(tokenizer, texts, asked["words"]) for texts in asked["texts"]]
    found = {"inputs": inputs, "lost": sorted(str(name) for key in info.values() for name in key)}
    Path(answers).write_text(json.dumps(found), "utf-8")
    np.savez(logits, **{str(row): found for row, found in enumerate(ask(model, asked["rows"]))})


def tokenize(tokenizer: Any, texts: list[Any], words: bool) -> dict[str, list[int]]:
    """What the tokenizer makes of an example, cut to the length that it knows."""
    # In lists of one: an empty second text that stands alone is left out.
    lists = [[text] for text in texts]
    found = tokenizer(*lists, is_split_into_words=words, truncation=True)
    return {name: list(values[0]) for name, values in found.items()}


def ask(model: Any, rows: list[dict[str, list[int]]]) -> list[Any]:
    """The logits of rows, without those of padding; (length, 2) of spans."""
    import torch

    found: list[Any] = []
    padding = {"input_ids": model.config.pad_token_id, "attention_mask": 0, "token_type_ids": 0}
    for start in range(0, len(rows), BATCH):
        batch = rows[start : start + BATCH]
        lengths = [len(row["input_ids"]) for row in batch]
        filled = {
            name: torch.tensor(
                [
                    row[name] + [padding[name]] * (max(lengths) - n)
                    for row, n in zip(batch, lengths, strict=True)
                ]
            )
            for name in batch[0]
        }
        with torch.no_grad():
            outputs = model.eval()(**filled)
        if "start_logits" in outputs:
            logits = torch.stack([outputs.start_logits, outputs.end_logits], dim=-1)
        else:
            logits = outputs.logits
        by_piece = logits.ndim == 3
        found += [
            row[:length].numpy() if by_piece else row.numpy()
            for row, length in zip(logits, lengths, strict=True)
        ]
    return found


if __name__ == "__main__":
    main(*sys.argv[1:])
