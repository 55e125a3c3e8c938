"""The recipe: prepare, build, compile, fit, evaluate, save, export, in reading order."""

from dataclasses import dataclass
from typing import Any

import keras
from rich.console import Console

from tfft.backbones.transformer import packed
from tfft.backbones.word_rows import used_rows
from tfft.callbacks.checkpoints import (
    WEIGHTS,
    find_checkpoint,
    load_weights,
    restore_checkpoint,
    save_weights,
)
from tfft.callbacks.early_stopping import EarlyStopping
from tfft.callbacks.progress import Progress
from tfft.config import Experiment
from tfft.console import LoggedConsole, row_counter
from tfft.data.cache_choice import choose_cache
from tfft.data.disk_cache import nothing_left_on_failure, remove_cache
from tfft.data.packing import packed_dataset
from tfft.data.pipeline import TokenizedSet, training_dataset
from tfft.data.shuffling import fault_told, streamed_dataset
from tfft.frozen import cache_frozen
from tfft.optim import build_optimizer
from tfft.preparation import Prepared, in_float32, outputs_of, prepare, used_pieces
from tfft.presets import save_preset
from tfft.runs import RunDir
from tfft.summary import print_start, print_summary
from tfft.tasks.published_heads import begin_with_head
from tfft.watching import (
    build_callbacks,
    build_early_stopping,
    check_callbacks,
    shown_scores,
)

# From so many rows on scoring takes long enough that a person wonders.
ROWS_WORTH_A_WORD = 1000


@dataclass
class Result:
    """What came out.

    Attributes:
        metrics: the scores of `validation` and `test`, as in metrics.json.
        confusions: the commonest mistakes on the last of these splits.
        notes: warnings about it.
    """

    metrics: dict[str, Any]
    confusions: list[tuple[str, str, int]]
    notes: list[str]


def run_experiment(
    experiment: Experiment, *, resume: bool = False, console: Console | None = None
) -> Result:
    """Trains, evaluates and saves one experiment. The export follows in `tfft.serving`.

    Args:
        experiment: the config.
        resume: go on after the last finished epoch of the run in its output directory, if one is
            there; else start.
        console: where progress is shown. Default: standard output.

    Returns:
        The scores of validation and test, and what is to be said of them.

    Raises:
        ConfigError: the config does not fit the data, the model or the output directory.
        DataError: a data file is at fault.
        NotFiniteError: the loss is no longer a number.
    """
    console = LoggedConsole(console or Console())
    directory = RunDir(experiment.output_dir)
    resume = resume and (directory.path / "config.yaml").exists()
    if resume:
        experiment, where = choose_cache(experiment, before=directory.experiment)
        directory.check_same(experiment)
    else:
        experiment, where = choose_cache(experiment)
        directory.refuse_if_taken()
    if experiment.data.is_streamed:
        console.print(f"{where}: reading the training files", markup=False, soft_wrap=True)
    with nothing_left_on_failure(directory.cache, keep=resume):
        with row_counter(console) as watch:
            prepared = prepare(experiment, directory.cache, watch)
        model = prepared.task.build_model(prepared.encoder)
        notes = begin_with_head(model, prepared.task, prepared.encoder)
        check_callbacks(model, prepared)
        learner, learned = cache_frozen(model, prepared, console)
        if not resume:
            directory = RunDir.create(experiment)
    directory.write_labels(prepared.task.labels)
    console.write_to(directory.path / "log.txt")
    print_start(model, prepared, where, console)
    for note in notes:
        console.print(note, markup=False, soft_wrap=True)
    with used_rows(learner, used_pieces(learned)):
        train(learner, learned, directory, resume=resume, console=console)
    model, prepared = in_float32(model, prepared)
    result = evaluate_splits(model, prepared, console)
    save(model, prepared, directory, result.metrics)
    remove_cache(directory.cache)
    print_summary(result, directory, console)
    return result


# --------------------------------------------------------------------------------------- train


def train(
    model: Any, prepared: Prepared, directory: RunDir, *, resume: bool, console: Console
) -> None:
    """Compiles and fits the model, from the last checkpoint on when resuming."""
    experiment, training = prepared.experiment, prepared.experiment.training
    if not training.epochs:
        console.print("training.epochs is 0: nothing is trained")
        return
    checkpoint = find_checkpoint(directory.last) if resume else None
    first_epoch = checkpoint["epoch"] + 1 if checkpoint else 0
    dataset, num_batches = build_dataset(prepared, first_epoch)
    optimizer = build_optimizer(
        **experiment.optimizer.model_dump(exclude={"name", "learning_rate"}),
        learning_rate=experiment.learning_rate,
        num_batches=num_batches * training.epochs,
        accumulate=training.accumulate,
        loss_scaling=training.precision == "mixed_float16",
    )
    model.compile(
        optimizer=optimizer,
        loss=prepared.task.loss(model),
        weighted_metrics=prepared.task.metrics(),
        steps_per_execution=steps_at_once(num_batches, training.steps_per_execution),
    )
    stopper = build_early_stopping(prepared)
    if checkpoint:
        restore_training(model, directory, checkpoint, stopper, console)
    if first_epoch == training.epochs or (checkpoint and checkpoint["stopped"]):
        if stopper:
            load_best(model, directory)
        console.print("nothing is left to train")
        return
    num_packed = training.batch_size if training.packing else None
    with (
        fault_told(prepared.train),
        packed(model, num_packed),
        Progress(
            console,
            examples_per_epoch=int(prepared.train.length_counts.sum()),
            scores=shown_scores(prepared),
        ) as progress,
    ):
        if keras.backend.backend() == "tensorflow":
            # Or the step would be traced twice: once to make these variables, once with them.
            model._symbolic_build(data_batch=dataset.element_spec)
        model.fit(
            dataset,
            epochs=training.epochs,
            initial_epoch=first_epoch,
            steps_per_epoch=num_batches,
            shuffle=False,
            callbacks=[*build_callbacks(prepared, directory, checkpoint, stopper), progress],
            verbose=0,
        )


def build_dataset(prepared: Prepared, first_epoch: int) -> tuple[Any, int]:
    """The batches of the training from an epoch on, and how many an epoch has."""
    training, encoder, rows = prepared.experiment.training, prepared.encoder, prepared.train
    options: dict[str, Any] = {
        "batch_size": training.batch_size,
        "seed": prepared.experiment.seed,
        "first_epoch": first_epoch,
        "accumulate": training.accumulate,
    }
    if not isinstance(rows, TokenizedSet):
        return streamed_dataset(rows, encoder.pad, declared_lengths=prepared.lengths, **options)
    if not training.packing:
        return training_dataset(rows, encoder.pad, declared_lengths=prepared.lengths, **options)
    return packed_dataset(
        rows,
        row_length=encoder.sequence_length,
        pad_id=encoder.pad_id,
        epochs=training.epochs,
        **options,
    )


def steps_at_once(num_batches: int, most: int) -> int:
    """The largest number up to `most` that divides the batches of an epoch.

    With another one Keras would go on into the batches of the next epoch.
    """
    return max(number for number in range(1, most + 1) if num_batches % number == 0)


def restore_training(
    model: Any,
    directory: RunDir,
    checkpoint: dict[str, Any],
    stopper: EarlyStopping | None,
    console: Console,
) -> None:
    """Brings back weights, optimizer, random state and the count of early stopping."""
    if stopper:
        best_weights = model.get_weights() if load_best(model, directory) else None
        stopper.restore(checkpoint["early_stopping"], best_weights)
    restore_checkpoint(directory.last, model)
    console.print(f"resuming after epoch {checkpoint['epoch'] + 1}")


def load_best(model: Any, directory: RunDir) -> bool:
    """Sets the weights with the best score so far; whether there are any."""
    found = find_checkpoint(directory.best) is not None
    if found:
        load_weights(directory.best / WEIGHTS, model)
    return found


# ---------------------------------------------------------------------------- evaluate and save


def evaluate_splits(model: Any, prepared: Prepared, console: Console) -> Result:
    """Scores validation (on which thresholds are tuned), then test."""
    result = Result({}, [], [])
    task = prepared.task
    for split in ("validation", "test"):
        if split in prepared.tokenized:
            rows = prepared.tokenized[split]
            if len(rows) >= ROWS_WORTH_A_WORD:
                console.print(f"scoring {split}: {len(rows):,} rows", highlight=False)
            outputs = outputs_of(model, prepared, split)
            if split == "validation":
                task.tune(rows, outputs)
            result.metrics[split] = task.scores(rows, outputs)
            result.confusions = task.confusions(rows, outputs)
            result.notes = task.notes(rows, outputs)
    return result


def save(model: Any, prepared: Prepared, directory: RunDir, metrics: dict[str, Any]) -> None:
    """Writes what a run is reloaded from."""
    directory.write_metrics(metrics)
    save_preset(directory.preset, model, prepared.encoder, prepared.task)
    save_weights(directory.weights, model)
