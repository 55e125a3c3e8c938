"""Small random models of every family and kind of head, as runs that have finished."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tfft.backbones.checkpoints import build_random_encoder
from tfft.backbones.encoder import Encoder
from tfft.config import build_config
from tfft.inference import TrainedRun
from tfft.tasks import QuestionAnswering, Regression, TextClassification, TokenClassification

LABELS = ["bad", "good", "mixed"]
TAGS = ["O", "B-person", "I-person"]
TASKS = {
    "single": lambda: TextClassification(LABELS),
    "pair": lambda: TextClassification(LABELS, pair=True),
    "multi_label": lambda: TextClassification(LABELS, multi_label=True, threshold=0.3),
    "regression": lambda: Regression(pair=True, mean=50.0, deviation=8.0),
    "tags": lambda: TokenClassification(TAGS, stride=4),
    "questions": lambda: QuestionAnswering(unanswerable=True, threshold=1.5, stride=4),
}
TEXTS = [
    "The old miller walked to the village before dawn, and the river was high.",
    "She said: the bridge (by the well) would be closed until 12:30!",
    "",
    " \t\u00a0\u3000",
    "Crème brûlée, naïve façade – “quoted”… 100 €",
    "cafe\u0301 n\u0303 \ufb01n İstanbul straße ΟΔΟΣ \u1e9b\u0323",
    "电影很好看 👍🏽 👩‍👩‍👧 𝔘𝔫𝔦 映画 영화가 फिल्म",
    "zero\u200bwidth soft\u00adhyphen nul\x00 \x07 \ufffd \ufeff",
    "``tex'' can't won't I'll 's 12,5 a.b@c.org https://x.y/?z=%20",
    "[CLS] [SEP] [PAD] [UNK] <s> </s> <pad> <mask> ##ing",
    "  two  blanks\tand a line\nbetween \r\n ",
    "x" * 130,
    "the river was high " * 30,
]


@pytest.fixture(scope="session")
def texts() -> list[str]:
    """Awkward ones, an empty one, and some that are too long for a row."""
    return TEXTS


@pytest.fixture(scope="session")
def make_encoder() -> Any:
    """Makes an encoder of two layers whose weights, biases and norms too, are all random."""

    def make(family: str, **options: Any) -> Encoder:
        made = build_random_encoder(
            family=family,
            texts=TEXTS[:2],
            vocabulary_size=120,
            num_layers=2,
            num_heads=2,
            hidden_dim=16,
            intermediate_dim=24,
            sequence_length=200,
        )
        options = {"sequence_length": 40, "lowercase": made.lowercase, **options}
        randomise(made.backbone, seed=len(family))
        return Encoder(made.backbone, made.tokenizer, strip_accents=made.strip_accents, **options)

    return make


@pytest.fixture
def make_run(tmp_path: Path, make_encoder: Any) -> Any:
    """Makes a finished run of a family and a kind of head, its model random."""

    def make(family: str, kind: str, task: Any = None, **options: Any) -> TrainedRun:
        encoder, task = make_encoder(family, **options), task or TASKS[kind]()
        model = task.build_model(encoder)
        for name in ("pooled_dense", "logits", "crf"):
            layers = [layer for layer in model.layers if layer.name == name]
            for layer in layers:
                randomise(layer, seed=len(kind))
        config = {"name": "harbour", "output_dir": str(tmp_path / "run")}
        config |= {"backbone": {"preset": "random"}, "data": {"train": "x.csv"}}
        experiment = build_config(config | {"task": {"name": task.name}})
        directory: Any = SimpleNamespace(
            path=tmp_path / "run", experiment=experiment, metrics={"test": {"loss": 0.5}}
        )
        directory.path.mkdir()
        return TrainedRun(directory, task, encoder, model)

    return make


@pytest.fixture(scope="session")
def columns() -> Any:
    """The texts as columns for a task; of two fields the second one's in another order."""
    return lambda task: dict(zip(task.text_fields, (TEXTS, [*TEXTS[4:], *TEXTS[:4]]), strict=False))


def randomise(layer: Any, *, seed: int) -> None:
    """Gives all weights random numbers that tell them apart."""
    random = np.random.default_rng(seed)
    for weight in layer.weights:
        if "seed" not in weight.path and weight.dtype == "float32":
            near = 1.0 if weight.path.endswith("gamma") else 0.0
            weight.assign(near + 0.2 * random.standard_normal(weight.shape))
