"""The epsilon of an encoder's norms: KerasHub has one for each family, checkpoints have others.

RoBERTa's published weights have 1e-5, those that others trained from nothing mostly 1e-12. Where
vectors are short, as those of random weights are, this is seen in their third digit.
"""

import json
from pathlib import Path
from typing import Any

import keras

# In KerasHub's `config.json`, beside what KerasHub reads.
KEY = "layer_norm_eps"


def norms(backbone: Any) -> list[Any]:
    """The norms of a backbone."""
    layers = backbone._flatten_layers()
    return [layer for layer in layers if isinstance(layer, keras.layers.LayerNormalization)]


def epsilon_of(backbone: Any) -> float | None:
    """The epsilon of a backbone's norms; None where there are none."""
    return next((float(norm.epsilon) for norm in norms(backbone)), None)


def set_epsilon(backbone: Any, epsilon: float | None) -> None:
    """Sets the epsilon of all norms, before anything is compiled; None: they stay as they are."""
    if epsilon is not None:
        for norm in norms(backbone):
            norm.epsilon = float(epsilon)


def copy_epsilon(source: Any, target: Any) -> None:
    """Gives the norms of a backbone the epsilon that they have in another of the same kind."""
    for one, other in zip(norms(source), norms(target), strict=True):
        other.epsilon = one.epsilon


def write_epsilon(preset: Path, backbone: Any, usual: float) -> None:
    """Keeps it in a KerasHub preset that was just written, if it is not the family's usual one."""
    path, epsilon = preset / "config.json", epsilon_of(backbone)
    if epsilon not in (None, usual):
        config = json.loads(path.read_bytes())
        path.write_text(json.dumps(config | {KEY: epsilon}, indent=4))
