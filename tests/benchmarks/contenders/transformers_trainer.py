"""Hugging Face's model, rows and `Trainer`, with the settings that all contenders have."""

from typing import Any

import accelerate  # noqa: F401  Trainer needs it, and says so as no ModuleNotFoundError
import transformers
from common import StepClock
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)


def load_model(order: dict[str, Any]) -> tuple[Any, Any]:
    """The MiniLM classifier with a new head, and its tokenizer."""
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    transformers.set_seed(order["seed"])
    model = AutoModelForSequenceClassification.from_pretrained(order["preset"], num_labels=2)
    return model, AutoTokenizer.from_pretrained(order["preset"])


def tokenize(
    tokenizer: Any, texts: list[str], labels: list[int], order: dict[str, Any]
) -> list[dict[str, Any]]:
    """Rows of pieces with their labels."""
    encoded = tokenizer(texts, truncation=True, max_length=order["sequence_length"])
    columns = {**encoded, "labels": labels}
    return [{name: column[row] for name, column in columns.items()} for row in range(len(labels))]


def build_trainer(order: dict[str, Any], model: Any, tokenizer: Any, **options: Any) -> Trainer:
    """`Trainer` on the CPU, silent, without checkpoints.

    Args:
        order: `grouped` rows are sorted by length in windows of 50 batches, as Trainer does it, and
            the optimizer is the fused one; else sampling and optimizer are Trainer's own.
        model: to train.
        tokenizer: that made the rows.
        options: more arguments of `Trainer`; `arguments` of `TrainingArguments`.
    """
    optimizer = order["optimizer"]
    grouped = {"train_sampling_strategy": "group_by_length", "optim": "adamw_torch_fused"}
    arguments = TrainingArguments(
        output_dir=f"{order['work']}/trainer",
        use_cpu=True,
        seed=order["seed"],
        num_train_epochs=order["epochs"],
        per_device_train_batch_size=order["batch_size"],
        learning_rate=optimizer["learning_rate"],
        lr_scheduler_type="linear",
        warmup_steps=optimizer["warmup_fraction"],  # below 1: a share of the steps
        weight_decay=optimizer["weight_decay"],  # not on biases and norms
        adam_beta1=optimizer["beta_1"],
        adam_beta2=optimizer["beta_2"],
        adam_epsilon=optimizer["epsilon"],
        max_grad_norm=optimizer["clip_norm"],
        logging_strategy="no",
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        **(grouped if order["grouped"] else {}),
        **options.pop("arguments", {}),
    )
    return Trainer(model=model, args=arguments, processing_class=tokenizer, **options)


def step_timer(clock: StepClock) -> TrainerCallback:
    """A callback that tells a `StepClock` what happens, and ends the training after the window."""

    class StepTimer(TrainerCallback):
        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            clock.start()

        def on_epoch_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            clock.begin_epoch()

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            clock.end_step(state.global_step)
            control.should_training_stop = clock.done

        def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            clock.end_epoch()

    return StepTimer()
