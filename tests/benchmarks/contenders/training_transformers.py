"""Hugging Face transformers trains: its `Trainer` as it comes, or grouped by length."""

import time
from typing import Any

from common import (
    Imported,
    StepClock,
    import_torch,
    read_rows,
    run_contender,
    training_answer,
    versions,
)


def contend(order: dict[str, Any]) -> dict[str, Any]:
    """Trains; `grouped` says whether rows of similar length share a batch."""
    start = time.perf_counter()
    import_torch(order["threads"])
    from transformers import DataCollatorWithPadding
    from transformers_trainer import build_trainer, load_model, step_timer, tokenize

    imported = Imported.since(start)
    model, tokenizer = load_model(order)
    rows = tokenize(tokenizer, *read_rows(f"{order['data']}/sst2/train.tsv"), order)
    trainer = build_trainer(order, model, tokenizer, train_dataset=rows)
    tokens: list[int] = []
    pad = DataCollatorWithPadding(tokenizer)  # what Trainer has by itself, and a count

    def collate(features: list[Any]) -> Any:
        batch = pad(features)
        tokens.append(int(batch["attention_mask"].sum()))
        return batch

    trainer.data_collator = collate
    clock = StepClock(warmup=order["warmup"], steps=order["steps"])
    trainer.add_callback(step_timer(clock))
    trainer.train()
    answer = training_answer(order, clock, tokens, imported=imported)
    return answer | {"versions": versions("torch", "transformers", "accelerate", "numpy")}


if __name__ == "__main__":
    run_contender(contend)
