"""Hugging Face's `Trainer` trains until the validation accuracy is there."""

import time
from typing import Any

from common import accuracy_answer, import_torch, read_rows, run_contender, versions


def contend(order: dict[str, Any]) -> dict[str, Any]:
    """Seconds from the start of the process, and the accuracy of each epoch."""
    import_torch(order["threads"])
    from transformers import TrainerCallback
    from transformers_trainer import build_trainer, load_model, tokenize

    reached: list[tuple[float, float]] = []

    class Watch(TrainerCallback):
        def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Any, **_: Any) -> None:
            accuracy = float(metrics["eval_accuracy"])
            reached.append((accuracy, time.time() - order["begun"]))
            control.should_training_stop = accuracy >= order["accuracy"]

    model, tokenizer = load_model(order)
    rows = {
        split: tokenize(tokenizer, *read_rows(f"{order['data']}/sst2/{split}.tsv"), order)
        for split in ("train", "dev")
    }
    trainer = build_trainer(
        order,
        model,
        tokenizer,
        train_dataset=rows["train"],
        eval_dataset=rows["dev"],
        compute_metrics=lambda p: {"accuracy": (p.predictions.argmax(-1) == p.label_ids).mean()},
        callbacks=[Watch()],
        arguments={
            "eval_strategy": "epoch",
            "per_device_eval_batch_size": order["evaluation_batch_size"],
        },
    )
    trainer.train()
    answer = accuracy_answer(reached, order["accuracy"])
    return answer | {"versions": versions("torch", "transformers", "accelerate")}


if __name__ == "__main__":
    run_contender(contend)
