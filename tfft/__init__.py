"""Fine-tunes pretrained language models with TensorFlow and Keras, and serves them from raw text.

The public names are imported when they are first used: `import tfft` costs nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tfft.backbones.baseline import build_bilstm_encoder
    from tfft.backbones.checkpoints import build_random_encoder, load_encoder
    from tfft.backbones.encoder import Encoder
    from tfft.config import build_config, load_config
    from tfft.data.pipeline import evaluation_dataset, tokenize, training_dataset
    from tfft.data.sources import read_table
    from tfft.errors import ConfigError, DataError
    from tfft.huggingface import export_huggingface
    from tfft.inference import load_run
    from tfft.optim import build_optimizer
    from tfft.serving import export_saved_model
    from tfft.training import run_experiment

__version__ = "0.1.0"

_PUBLIC = {
    "ConfigError": "errors",
    "DataError": "errors",
    "Encoder": "backbones.encoder",
    "build_bilstm_encoder": "backbones.baseline",
    "build_config": "config",
    "build_optimizer": "optim",
    "build_random_encoder": "backbones.checkpoints",
    "evaluation_dataset": "data.pipeline",
    "export_huggingface": "huggingface",
    "export_saved_model": "serving",
    "load_config": "config",
    "load_encoder": "backbones.checkpoints",
    "load_run": "inference",
    "read_table": "data.sources",
    "run_experiment": "training",
    "tokenize": "data.pipeline",
    "training_dataset": "data.pipeline",
}
_PACKAGES = ("backbones", "callbacks", "data", "metrics", "tasks", "text")

__all__ = [
    "ConfigError",
    "DataError",
    "Encoder",
    "build_bilstm_encoder",
    "build_config",
    "build_optimizer",
    "build_random_encoder",
    "evaluation_dataset",
    "export_huggingface",
    "export_saved_model",
    "load_config",
    "load_encoder",
    "load_run",
    "read_table",
    "run_experiment",
    "tokenize",
    "training_dataset",
]


def __getattr__(name: str) -> Any:
    """Imports a public name, or one of the packages below, on first use."""
    if name in _PUBLIC:
        return getattr(importlib.import_module(f"tfft.{_PUBLIC[name]}"), name)
    if name in _PACKAGES:
        return importlib.import_module(f"tfft.{name}")
    raise AttributeError(f"module 'tfft' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC, *_PACKAGES})
