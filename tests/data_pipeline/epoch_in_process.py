"""Run by test_constant_memory.py: prepares a training, goes through an epoch, prints its memory."""

import json
import sys
from pathlib import Path

from tfft.config import build_config
from tfft.data.shuffling import streamed_dataset
from tfft.preparation import prepare


def most_memory() -> int:
    """The most bytes that this process has held; unlike ru_maxrss without its parent's."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def main() -> None:
    """Takes the config as JSON and the directory of the cache."""
    experiment = build_config(json.loads(sys.argv[1]))
    prepared = prepare(experiment, Path(sys.argv[2]))
    before = most_memory()
    dataset, steps = streamed_dataset(
        prepared.train, prepared.encoder.pad, batch_size=experiment.training.batch_size, seed=0
    )
    weight = sum(float(weights.numpy().sum()) for _, _, weights in dataset.take(steps))
    tally = prepared.train.tally
    seen = {"rows": len(prepared.train), "weight": weight, "pieces": tally.num_pieces}
    print(json.dumps(seen | {"prepared": before, "memory": most_memory()}))


if __name__ == "__main__":
    main()
