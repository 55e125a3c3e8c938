"""Keras callbacks, one per file."""

from tfft.callbacks.checkpoints import Checkpoints
from tfft.callbacks.csv_history import CsvHistory
from tfft.callbacks.dropout_schedule import DropoutSchedule
from tfft.callbacks.early_stopping import EarlyStopping
from tfft.callbacks.progress import Progress
from tfft.callbacks.rate_schedule import RateSchedule
from tfft.callbacks.stop_on_nan import StopOnNaN
from tfft.callbacks.validation import Validation

__all__ = [
    "Checkpoints",
    "CsvHistory",
    "DropoutSchedule",
    "EarlyStopping",
    "Progress",
    "RateSchedule",
    "StopOnNaN",
    "Validation",
]
