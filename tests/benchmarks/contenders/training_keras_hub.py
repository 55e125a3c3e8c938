"""KerasHub trains: `BertTextClassifier.fit` on raw texts, as it comes or at a given length."""

import contextlib
import time
from typing import Any

from common import (
    Imported,
    StepClock,
    WindowDone,
    import_tensorflow,
    read_rows,
    run_contender,
    training_answer,
    versions,
)


def contend(order: dict[str, Any]) -> dict[str, Any]:
    """Trains; `preprocessor_length` is that of the rows, null as the preprocessor comes."""
    start = time.perf_counter()
    import_tensorflow(order["threads"])
    import keras
    import keras_hub
    from keras_fit import StepTimer

    imported = Imported.since(start)
    keras.utils.set_random_seed(order["seed"])
    texts, labels = read_rows(f"{order['data']}/sst2/train.tsv", seed=order["seed"])
    classifier = keras_hub.models.BertTextClassifier.from_preset(order["preset"], num_classes=2)
    if order["preprocessor_length"]:
        classifier.preprocessor.sequence_length = order["preprocessor_length"]
    classifier.compile(
        optimizer=build_optimizer(order),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        weighted_metrics=["accuracy"],
    )
    clock = StepClock(warmup=order["warmup"], steps=order["steps"])
    with contextlib.suppress(WindowDone):
        classifier.fit(
            x=texts,
            y=labels,
            batch_size=order["batch_size"],
            epochs=order["epochs"],
            callbacks=[StepTimer(clock)],
            verbose=0,
        )
    tokens = count_tokens(classifier.preprocessor, texts, order["batch_size"])
    counted = (tokens * order["epochs"])[: clock.end]
    answer = training_answer(order, clock, counted, imported=imported)
    return answer | {"versions": versions("tensorflow", "keras", "keras-hub", "numpy")}


def build_optimizer(order: dict[str, Any]) -> Any:
    """Keras's AdamW with the settings that all contenders have."""
    import keras

    from tfft.optim import NO_DECAY, WarmupSchedule

    options, num_updates = order["optimizer"], order["updates"]
    rate = WarmupSchedule(
        learning_rate=options["learning_rate"],
        num_updates=num_updates,
        num_warmup_updates=int(options["warmup_fraction"] * num_updates),
    )
    optimizer = keras.optimizers.AdamW(
        rate,
        weight_decay=options["weight_decay"],
        beta_1=options["beta_1"],
        beta_2=options["beta_2"],
        epsilon=options["epsilon"],
        global_clipnorm=options["clip_norm"],
    )
    optimizer.exclude_from_weight_decay(var_names=NO_DECAY)
    return optimizer


def count_tokens(preprocessor: Any, texts: list[str], batch_size: int) -> list[int]:
    """Non-padding tokens of each batch of an epoch; `fit` takes the rows in their order."""
    import tensorflow as tf

    batches = tf.data.Dataset.from_tensor_slices(texts).batch(batch_size)
    masks = batches.map(lambda batch: preprocessor(batch)["padding_mask"])
    return [int((mask != 0).sum()) for mask in masks.as_numpy_iterator()]


if __name__ == "__main__":
    run_contender(contend)
