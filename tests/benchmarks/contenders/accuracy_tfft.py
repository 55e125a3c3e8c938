"""tfft trains until the validation accuracy is there: `tfft.run_experiment` on the config."""

import contextlib
import time
from typing import Any

from common import WindowDone, accuracy_answer, import_tensorflow, run_contender, versions

from tfft.memory import keep_freed_memory


def contend(order: dict[str, Any]) -> dict[str, Any]:
    """Seconds from the start of the process, and the accuracy of each epoch."""
    keep_freed_memory()  # as the command does
    import_tensorflow(order["threads"])
    import keras
    from keras_fit import add_to_fit
    from rich.console import Console

    import tfft

    reached: list[tuple[float, float]] = []

    class Watch(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
            accuracy = float((logs or {})["val_accuracy"])
            reached.append((accuracy, time.time() - order["begun"]))
            if accuracy >= order["accuracy"]:
                raise WindowDone

    add_to_fit(Watch(), last=True)
    settings = [
        f"data.dir={order['data']}",
        f"output_dir={order['work']}/run",
        f"seed={order['seed']}",
        *order["settings"],
    ]
    experiment = tfft.load_config(order["config"], settings)
    with contextlib.suppress(WindowDone):
        tfft.run_experiment(experiment, console=Console(quiet=True))
    answer = accuracy_answer(reached, order["accuracy"])
    return answer | {"versions": versions("tensorflow", "keras", "keras-hub")}


if __name__ == "__main__":
    run_contender(contend)
