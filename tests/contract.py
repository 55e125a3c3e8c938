"""One small example of each task, and what the contract in tasks/test_contract.py does with it.

Nothing here asks which task it is: what differs between them stands in `CASES`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfft.backbones.baseline import build_bilstm_encoder
from tfft.backbones.checkpoints import build_random_encoder
from tfft.backbones.encoder import Encoder
from tfft.backbones.families import FAMILIES
from tfft.config import build_config
from tfft.data.examples import Examples
from tfft.data.pipeline import TokenizedSet, training_dataset
from tfft.inference import TrainedRun, predict_outputs, tokenize_examples, tokenize_texts
from tfft.optim import build_optimizer
from tfft.serving.requests import readable
from tfft.tasks import (
    MaskedLM,
    QuestionAnswering,
    Ranking,
    Regression,
    Similarity,
    TextClassification,
    TokenClassification,
)
from tfft.tasks.heads import MASKED
from tfft.tasks.mask_answers import mask_lists

LONG = "Ada came to Paris in May , and Bob stayed at home in Rome all summer long . "
OTHER = "Eve saw them leave on a boat to Oslo , and nobody was there but two old cats ."
# "\udcff" stands for a byte that is no UTF-8.
AWKWARD = (
    "",
    "good",
    " \t\u00a0\u3000",
    "Ada came to Paris in May",
    "Crème brûlée, naïve façade – “quoted”… 100 €",
    "cafe\u0301 \ufb01n İstanbul straße ΟΔΟΣ",
    "电影很好看 👍🏽 👩‍👩‍👧 𝔘𝔫𝔦 was good",
    "zero\u200bwidth soft\u00adhyphen nul\x00 \ufffd",
    "[CLS] [SEP] <s> </s> ##ing",
    "bytes \udcff\udcfe in \udcf0\udc9f text",
    LONG,
    LONG * 3,
)
STEPS = 120
RATE = 1e-2
POSITIONS = 80  # of the backbones: some more than any row has


@dataclass(frozen=True, eq=False)
class Case:
    """A task, a family of encoders, and a batch that can be learned by heart.

    Attributes:
        name: of the case.
        family: of the encoder.
        build_task: makes the task; takes more options.
        examples: the batch.
        perfect: the least that each score must reach once the batch is learned.
        reload: options for a task that gets its weights from a file.
        loss_options: what the loss also takes.
        sequence_length: of the encoder.
        steps: that it takes to learn the batch.
        draws: whether each step learns from something else that is drawn.
    """

    name: str
    family: str
    build_task: Callable[..., Any]
    examples: Examples
    perfect: dict[str, float]
    reload: Callable[[Any], dict[str, Any]] = lambda task: {}
    loss_options: dict[str, Any] = field(default_factory=dict)
    sequence_length: int = 16
    steps: int = STEPS
    draws: bool = False

    def __str__(self) -> str:
        return f"{self.name}-{self.family}"

    def build_encoder(self, *, dropout: float = 0.1) -> Encoder:
        """A random encoder of one layer, with pieces for the words of the examples."""
        texts = [text for column in self.examples.texts.values() for text in column]
        options: dict[str, Any] = {"texts": texts, "vocabulary_size": 150, "dropout": dropout}
        built = (
            build_bilstm_encoder(embedding_dim=32, hidden_dim=64, **options)
            if self.family == "bilstm"
            else build_random_encoder(
                family=self.family,
                num_layers=1,
                num_heads=2,
                hidden_dim=16,
                intermediate_dim=32,
                sequence_length=POSITIONS,
                **options,
            )
        )
        return Encoder(built.backbone, built.tokenizer, sequence_length=self.sequence_length)

    def columns(self) -> dict[str, list[str]]:
        """Texts to ask: awkward ones, long and short ones together; and those that were learned."""
        fields = self.build_task().text_fields
        columns = dict(zip(fields, (list(AWKWARD), [*AWKWARD[3:], *AWKWARD[:3]]), strict=False))
        learned = self.examples.texts
        if "words" not in learned:
            columns = {name: [*texts, *learned[name]] for name, texts in columns.items()}
        return columns


class Model:
    """The model of a case, with its encoder, its task and its batch as pieces."""

    def __init__(self, case: Case, *, dropout: float = 0.1, **options: Any) -> None:
        self.case = case
        self.encoder = case.build_encoder(dropout=dropout)
        self.task = case.build_task(dropout=dropout, **options)
        self.keras = self.task.build_model(self.encoder)
        self.rows = tokenize_examples(self.task, self.encoder, case.examples)

    def fit(
        self,
        steps: int,
        *,
        accumulate: int = 1,
        batch_size: int | None = None,
        callbacks: Sequence[Any] = (),
        **options: Any,
    ) -> Any:
        """Trains on the batch over and over; returns what Keras's `fit` does."""
        batches, _ = training_dataset(
            self.rows,
            self.encoder.pad,
            batch_size=batch_size or len(self.rows),
            seed=1,
            accumulate=accumulate,
        )
        optimizer = build_optimizer(
            learning_rate=RATE, num_batches=steps, accumulate=accumulate, weight_decay=0.0
        )
        self.keras.compile(
            optimizer=optimizer,
            loss=self.task.loss(self.keras),
            weighted_metrics=self.task.metrics(),
            **options,
        )
        if keras.backend.backend() == "tensorflow" and not self.keras.run_eagerly:
            # As in a training; else the step is traced twice.
            self.keras._symbolic_build(data_batch=batches.element_spec)
        return self.keras.fit(
            batches,
            epochs=1,
            steps_per_epoch=steps,
            shuffle=False,
            callbacks=list(callbacks),
            verbose=0,
        )

    def batch(self, length: int, *, fillers: int = 0) -> tuple[Any, Any, Any]:
        """The batch as `fit` gets it, features, targets and weights, padded to a length."""
        batches, _ = training_dataset(
            self.rows,
            self.encoder.pad,
            batch_size=len(self.rows) + fillers,
            seed=1,
            declared_lengths=[length],
        )
        return next(iter(batches))

    def loss(self, task: Any, length: int, **options: Any) -> float:
        """The loss of the batch that `fit` would show, as another task has it."""
        features, targets, weights = self.batch(length, **options)
        outputs = self.keras(features, training=False)
        loss = task.loss(self.keras)(targets, outputs, sample_weight=weights)
        return float(keras.ops.convert_to_numpy(loss))

    def outputs(self, rows: TokenizedSet, *, batch_size: int = 5) -> Any:
        """The outputs for rows, in batches of different lengths."""
        return predict_outputs(self.keras, rows, self.encoder, batch_size=batch_size)

    def tokenized(self, texts: dict[str, list[str]]) -> TokenizedSet:
        """Texts as rows of pieces."""
        return tokenize_texts(self.task, self.encoder, texts)

    @cached_property
    def run(self) -> TrainedRun:
        """The model as `load_run` gives it."""
        config = {"name": "x", "output_dir": "x", "task": {"name": self.task.name}}
        config |= {"backbone": {"preset": "random"}, "data": {"train": "x.csv"}}
        directory: Any = SimpleNamespace(experiment=build_config(config))
        return TrainedRun(directory, self.task, self.encoder, self.keras)

    @cached_property
    def texts(self) -> dict[str, list[str]]:
        """What is asked, as Python reads it."""
        return readable(self.case.columns())

    @cached_property
    def asked(self) -> TokenizedSet:
        """The same as pieces."""
        return self.tokenized(self.texts)

    @cached_property
    def answers(self) -> list[dict[str, Any]]:
        """What the model answers them."""
        return self.task.answers(self.asked, self.outputs(self.asked))


@cache
def learn(case: Case) -> Model:
    """The model of a case that has learned its batch by heart, once for all tests."""
    keras.utils.set_random_seed(3)
    model = Model(case, dropout=0.0)
    model.fit(case.steps)
    model.task.tune(model.rows, model.outputs(model.rows))
    return model


# ------------------------------------------------------------------------------------ the cases

LABELS = ["bad", "good", "mixed"]
FILMS = ["what a good film", "bad", "good and bad", "boring", LONG + "it was good"]
OTHERS = ["I liked it", "no", "so so", "we left", LONG]
SINGLE = Examples({"text": FILMS}, ["good", "bad", "mixed", "bad", "good"])
PAIR = Examples({"text": FILMS, "text_pair": OTHERS}, ["good", "bad", "mixed", "bad", "good"])
MULTI = Examples({"text": FILMS}, [["good"], ["bad"], ["good", "bad", "mixed"], [], ["good"]])
NUMBERS = [-120.0, 35.0, 80.0, 120.0, 400.0]

SENTENCES = [
    ["Ada", "Lovelace", "met", "Mr", "Babbage", "."],
    ["nobody", "was", "there"],
    [*LONG.split(), *LONG.split()[:6]],
]
ENTITIES = [
    ["B-per", "I-per", "O", "O", "B-per", "O"],
    ["O", "O", "O"],
    [
        "B-per",
        "O",
        "O",
        "B-loc",
        "O",
        "O",
        "O",
        "O",
        "B-per",
        "O",
        "O",
        "O",
        "O",
        "B-loc",
        "O",
        "O",
        "O",
        "O",
        "B-per",
        "O",
        "O",
        "B-loc",
        "O",
        "O",
    ],
]
SPEECH = [
    ["N", "N", "V", "N", "N", "."],
    ["N", "V", "A"],
    [
        "N",
        "V",
        "P",
        "N",
        "P",
        "N",
        ".",
        "C",
        "N",
        "V",
        "P",
        "N",
        "P",
        "N",
        "A",
        "N",
        "A",
        ".",
        "N",
        "V",
        "P",
        "N",
        "P",
        "N",
    ],
]
# Whatever is covered, the rest tells what it was.
PLAIN = Examples({"text": [OTHER, "[MASK] came to <mask> in May , and Bob stayed"]})
WORDS = {"words": ["\n".join(words) for words in SENTENCES]}
TAGGED = Examples(WORDS, ENTITIES)
SPOKEN = Examples(WORDS, SPEECH)

ANSWERED = Examples(
    {
        "question": ["who came ?", "where is Bob ?", "when did she come ?", "what was good ?"],
        "context": [LONG, LONG + OTHER, LONG, "the film"],
    },
    [
        [("Ada", 0)],
        [("Rome", LONG.index("Rome")), ("at home in Rome", LONG.index("at home"))],
        [("May", LONG.index("May"))],
        [("the film", 0)],
    ],
)
SOME_ANSWERED = Examples(
    {name: [*texts, texts[-1]] for name, texts in ANSWERED.texts.items()}
    | {"question": [*ANSWERED.texts["question"], "who sings ?"]},
    [*(ANSWERED.labels or []), []],
)


# The third passage of a query is about what it asks, the others are not.
ASKED = Examples(
    {
        "query": ["who came ?"] * 3 + ["where is Bob ?"] * 2 + ["who sings ?"] * 2,
        "passage": [OTHER, "the film", LONG, "we left", LONG + OTHER, "a choir", "bad"],
    },
    [("1", 0.0), ("1", 0.0), ("1", 1.0), ("2", 0.0), ("2", 3.0), ("3", 2.0), ("3", 1.0)],
)


def classifies(**options: Any) -> Callable[..., Any]:
    return lambda **more: TextClassification(LABELS, **{**options, **more})


def tags(labels: str, **options: Any) -> Callable[..., Any]:
    return lambda **more: TokenClassification(labels.split(), stride=4, **{**options, **more})


def questions(**options: Any) -> Callable[..., Any]:
    return lambda **more: QuestionAnswering(stride=4, answer_length=10, **{**options, **more})


def regresses(**options: Any) -> Callable[..., Any]:
    """The units are of the data; a task for reloading has none."""
    units = {"mean": float(np.mean(NUMBERS)), "deviation": float(np.std(NUMBERS))}
    return lambda **more: Regression(**{**units, **options, **more})


def embeds(**options: Any) -> Callable[..., Any]:
    return lambda **more: Similarity(**{**options, **more})


def ranks(**options: Any) -> Callable[..., Any]:
    return lambda **more: Ranking(**{**options, **more})


def covers(**options: Any) -> Callable[..., Any]:
    """The head has no dropout."""
    return lambda dropout=0.0, **more: MaskedLM(**{**options, **more})


CLASS_WEIGHTS = {"class_weights": [1.0, 0.5, 3.0], "label_smoothing": 0.1}
IOB2 = "O B-loc I-loc B-per I-per"
EXACT = {"exact_match": 1.0, "f1": 1.0}
CORRELATED = {"pearson": 0.999, "spearman": 0.999}
FOUND = {"ndcg_at_10": 1.0, "mrr_at_10": 1.0}
RANGE = {"lowest_score": -120.0, "highest_score": 400.0}
WITHOUT_UNITS = {"mean": 0.0, "deviation": 1.0}
LENGTHS = {"wordpiece": 16, "byte_pair": 48, "sentencepiece": 32}


def _case(
    name: str, family: str, build: Any, examples: Examples, perfect: Any, **more: Any
) -> Case:
    length = LENGTHS[FAMILIES[family].vocabulary]
    return Case(name, family, build, examples, perfect, **{"sequence_length": length, **more})


CASES = [
    _case(
        *("single", "electra", classifies(), SINGLE, {"accuracy": 1.0}),
        loss_options=CLASS_WEIGHTS,
    ),
    _case("baseline", "bilstm", classifies(), SINGLE, {"accuracy": 1.0}),
    _case("pair", "roberta", classifies(pair=True), PAIR, {"accuracy": 1.0}),
    _case(
        *("multi_label", "bert", classifies(multi_label=True), MULTI, {"micro_f1": 1.0}),
        reload=lambda task: {"threshold": task.threshold},
        loss_options=CLASS_WEIGHTS,
    ),
    _case(
        *("tags", "albert", tags(". A C N P V"), SPOKEN, {"accuracy": 1.0, "macro_f1": 1.0}),
        loss_options={"class_weights": [1, 2, 0, 3, 1, 1], "label_smoothing": 0.1},
    ),
    _case(
        *("entities", "xlm_roberta", tags(IOB2), TAGGED, {"accuracy": 1.0, "entity_f1": 1.0}),
        loss_options={"class_weights": [0.5, 1, 2, 1, 1], "label_smoothing": 0.1},
    ),
    _case(
        *("baseline tags", "bilstm", tags(IOB2), TAGGED, {"accuracy": 1.0, "entity_f1": 1.0}),
        sequence_length=32,
    ),
    _case(
        *("crf", "distil_bert", tags(IOB2, crf=True), TAGGED, {"accuracy": 1.0, "entity_f1": 1.0}),
        # A window is learned as a sentence of its own; sentences are answered as a whole.
        sequence_length=32,
    ),
    _case(
        *("questions", "deberta_v3", questions(), ANSWERED, EXACT),
        loss_options={"label_smoothing": 0.1},
    ),
    _case(
        *("unanswerable", "roberta", questions(unanswerable=True), SOME_ANSWERED, EXACT),
        reload=lambda task: {"threshold": task.threshold},
        loss_options={"label_smoothing": 0.1},
    ),
    _case(
        *("regression", "albert", regresses(), Examples({"text": FILMS}, NUMBERS), CORRELATED),
        reload=lambda task: WITHOUT_UNITS,
    ),
    _case(
        *("pair regression", "bert", regresses(pair=True)),
        *(Examples(PAIR.texts, NUMBERS), CORRELATED),
        reload=lambda task: WITHOUT_UNITS,
    ),
    _case("similarity", "bert", embeds(), Examples(PAIR.texts), FOUND),
    _case(
        *("cosent", "distil_bert", embeds(loss="cosent", pooling="cls", **RANGE)),
        *(Examples(PAIR.texts, NUMBERS), {"spearman": 1.0}),
    ),
    _case("listwise", "roberta", ranks(loss="listwise"), ASKED, FOUND),
    _case("pointwise", "electra", ranks(), ASKED, {"mrr_at_10": 1.0}),
    _case(*("masked", "bert", covers(), PLAIN, {"accuracy": 1.0}), steps=800, draws=True),
    _case(
        *("masked words", "distil_bert", covers(whole_words=True), PLAIN, {"accuracy": 1.0}),
        steps=800,
        draws=True,
    ),
]


# ------------------------------------------------------------------------------------- comparing


def assert_same(first: Any, second: Any, *, tolerance: float = 1e-5) -> None:
    """Compares nested answers: numbers with floating point nearly, all else exactly."""
    if isinstance(first, dict):
        assert list(first) == list(second)
        for name in first:
            assert_same(first[name], second[name], tolerance=tolerance)
    elif isinstance(first, list):
        assert len(first) == len(second), (first, second)
        for one, other in zip(first, second, strict=True):
            assert_same(one, other, tolerance=tolerance)
    elif isinstance(first, float):
        np.testing.assert_allclose(second, first, rtol=tolerance, atol=tolerance)
    else:
        assert first == second


def as_answers(served: dict[str, np.ndarray], task: Any) -> list[dict[str, Any]]:
    """What a SavedModel answers, in the form of `task.answers`."""
    columns = {name: np.asarray(values).tolist() for name, values in served.items()}
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    if "pieces" in served:
        return [{"masks": masks} for masks in mask_lists(served)]
    return [_entities(row) if "count" in row else _answer(row, task) for row in rows]


def _entities(row: dict[str, Any]) -> dict[str, Any]:
    names = ["text", "type", "start", "end", "score"]
    return {
        "entities": [{name: row[name][place] for name in names} for place in range(row["count"])]
    }


def _answer(row: dict[str, Any], task: Any) -> dict[str, Any]:
    if "probabilities" in row:
        row["probabilities"] = dict(zip(task.labels, row["probabilities"], strict=True))
    if "predictions" in row:
        given = np.flatnonzero(row.pop("predictions"))
        row["labels"] = [task.labels[number] for number in given]
    order = [
        "label",
        "labels",
        "answer",
        "start",
        "end",
        "score",
        "probabilities",
        "value",
        "embedding",
    ]
    return {name: row[name] for name in order if name in row}


def dense(outputs: Any) -> Any:
    """Outputs as the model gives them: padded where each piece has some."""
    ragged = isinstance(outputs, tf.RaggedTensor)
    return outputs.to_tensor(MASKED) if ragged else tf.constant(outputs)
