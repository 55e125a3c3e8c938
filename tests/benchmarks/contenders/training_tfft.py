"""tfft trains: `tfft.run_experiment` on the SST-2 config, left after the counted steps."""

import contextlib
import time
from typing import Any

from common import (
    Imported,
    StepClock,
    WindowDone,
    import_tensorflow,
    run_contender,
    training_answer,
    versions,
)

from tfft.memory import keep_freed_memory


def contend(order: dict[str, Any]) -> dict[str, Any]:
    """Trains as `tfft fit` does; nothing but a callback is added."""
    start = time.perf_counter()
    keep_freed_memory()  # as the command does
    import_tensorflow(order["threads"])
    from keras_fit import StepTimer, add_to_fit, tokens_by_step
    from rich.console import Console

    import tfft.training

    imported = Imported.since(start)
    clock = StepClock(warmup=order["warmup"], steps=order["steps"])
    datasets: list[Any] = []
    add_to_fit(StepTimer(clock), taken=datasets.append)
    experiment = tfft.load_config(order["config"], settings(order))
    with contextlib.suppress(WindowDone):
        tfft.run_experiment(experiment, console=Console(quiet=True))
    tokens = tokens_by_step(datasets[0], clock.end)
    answer = training_answer(order, clock, tokens, imported=imported)
    return answer | {"versions": versions("tensorflow", "keras", "keras-hub", "numpy")}


def settings(order: dict[str, Any]) -> list[str]:
    """What of the config differs: the data, its length, and where the run goes."""
    return [
        f"data.dir={order['data']}",
        f"output_dir={order['work']}/run",
        f"seed={order['seed']}",
        f"training.batch_size={order['batch_size']}",
        f"training.epochs={order['epochs']}",
        f"backbone.sequence_length={order['sequence_length']}",
        *(f"optimizer.{key}={value}" for key, value in order["optimizer"].items()),
    ]


if __name__ == "__main__":
    run_contender(contend)
