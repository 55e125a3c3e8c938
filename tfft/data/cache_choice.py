"""Where the training rows are kept when the config does not say: by the size of their files."""

import os
import shutil
from pathlib import Path
from typing import Literal

from tfft.config import Data, DataFile, Experiment
from tfft.data.examples import file_path
from tfft.data.sources import STREAMS, guess_format
from tfft.errors import TfftError

Cache = Literal["memory", "disk", "none"]

# In memory rows take about ten times what they take in a file.
MOST_IN_MEMORY = 128 * 2**20
# How much more than the file is in a file of these endings.
PACKED = {".gz": 4, ".zip": 4, ".parquet": 4}


def choose_cache(
    experiment: Experiment, *, before: Experiment | None = None
) -> tuple[Experiment, str]:
    """Chooses what `data.cache` leaves open.

    Args:
        experiment: the config.
        before: that of the run which is gone on with: what was chosen then stays.

    Returns:
        The experiment, `data.cache` filled in if it is not `memory`, and what was chosen and why,
        for the person who looks.
    """
    chosen, reason = _choose(experiment)
    if before is not None and experiment.data.cache is None:
        chosen, reason = before.data.cache or "memory", "as before"
    said = f"data.cache: {chosen}, {reason}"
    if chosen == "memory":
        return experiment, said
    data = experiment.data.model_copy(update={"cache": chosen})
    return experiment.model_copy(update={"data": data}), said


def _choose(experiment: Experiment) -> tuple[Cache, str]:
    data = experiment.data
    if data.cache is not None:
        return data.cache, "as the config says"
    if not experiment.task.can_stream:
        return "memory", f"as always in {experiment.task.name}"
    if experiment.training.packing:
        return "memory", "as always with training.packing"
    if experiment.backbone.cache_frozen:
        return "memory", "as always with backbone.cache_frozen"
    size = sum(_size(data, file) for file in data.files("train"))
    text = f"{size / 2**20:,.0f} MB to train on"
    if size <= MOST_IN_MEMORY:
        return "memory", f"for {text} (up to {MOST_IN_MEMORY / 2**20:.0f} MB)"
    room = room_for(experiment.output_dir)
    if room < size:
        return "none", f"for {text}, and {room / 2**20:,.0f} MB are free for output_dir"
    return "disk", f"for {text} (over {MOST_IN_MEMORY / 2**20:.0f} MB)"


def _size(data: Data, file: DataFile) -> int:
    """About how many bytes are in a file; 0 where it must be read as a whole anyway."""
    path = file_path(data.dir, file.path, file.format)
    try:
        format = file.format or guess_format(path, file.member)
        size = os.stat(path).st_size
    except (OSError, TfftError):  # told by whoever reads it
        return 0
    return size * PACKED.get(Path(path).suffix.lower(), 1) if format in STREAMS else 0


def room_for(path: str) -> int:
    """How many bytes are free where a directory is, or would be made."""
    return shutil.disk_usage(existing(path)).free


def existing(path: str) -> Path:
    """A directory if it is there, else the nearest above it that is."""
    place = Path(path).absolute()
    return next(parent for parent in (place, *place.parents) if parent.is_dir())
