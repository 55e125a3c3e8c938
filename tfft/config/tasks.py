"""The `task` section: one class a task, told apart by `name`."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from tfft.config.base import Fraction, Section


def _label_name(label: Any) -> Any:
    """A label that YAML reads as a number or as true or false is meant as it is written."""
    if isinstance(label, bool):
        return str(label).lower()
    return str(label) if isinstance(label, (int, float)) else label


def _label_names(labels: Any) -> Any:
    if isinstance(labels, (list, tuple)):
        return [_label_name(label) for label in labels]
    if isinstance(labels, dict):
        return {_label_name(label): value for label, value in labels.items()}
    return labels


ClassWeights = Annotated[
    Annotated[Literal["balanced"], Tag("balanced")]
    | Annotated[dict[str, Annotated[float, Field(ge=0.0)]], Tag("by label")],
    Discriminator(lambda value: "by label" if isinstance(value, dict) else "balanced"),
    BeforeValidator(_label_names),
]


Labels = Annotated[list[str] | str | None, BeforeValidator(_label_names)]


class TextClassification(Section):
    """One label a text (or pair of texts), or any number of labels with `multi_label`."""

    columns: ClassVar[tuple[str, ...]] = ("text", "text_pair", "label", "sample_weight")
    cleaned: ClassVar[tuple[str, ...]] = ("text", "text_pair")
    can_stream: ClassVar[bool] = True
    packs: ClassVar[bool] = True

    name: Literal["text_classification"] = "text_classification"
    labels: Labels = None
    """The label names in order, or a file with one name a line (below data.dir), or null: learned
    from the training data and sorted."""
    multi_label: bool = False
    class_weights: ClassWeights | None = None
    """`balanced` weighs each class by the inverse of its share; or a number for each label."""
    label_smoothing: Fraction = 0.0
    dropout: Fraction = 0.1
    """Dropout before the last layer of the head."""
    threshold: Annotated[float, Field(gt=0.0, lt=1.0)] | None = None
    """Multi-label: a label is given from this probability on. Null: tuned on validation."""
    threshold_metric: Literal["micro_f1", "macro_f1"] = "micro_f1"
    """Multi-label: what the tuned threshold is the best for, and what early stopping follows."""


class TokenClassification(Section):
    """A tag for each word: entities, parts of speech, slots."""

    columns: ClassVar[tuple[str, ...]] = ("words", "tags", "spans", "text", "sample_weight")
    # None: answers are places in the text as it was given.
    cleaned: ClassVar[tuple[str, ...]] = ()
    can_stream: ClassVar[bool] = False

    name: Literal["token_classification"]
    labels: Labels = None
    """The types of entities, or the tags of words; a file with one a line (below data.dir); or
    null: learned from the training data and sorted."""
    crf: bool = False
    """Learns which tag follows which, and answers with the best whole sequence that is legal."""
    class_weights: ClassWeights | None = None
    """`balanced` weighs each tag by the inverse of its share; or a number for each tag."""
    label_smoothing: Fraction = 0.0
    dropout: Fraction = 0.1
    """Dropout before the last layer of the head."""
    stride: Annotated[int, Field(ge=0)] = 32
    """Pieces that neighbouring windows of a long sentence share."""

    @property
    def packs(self) -> bool:
        """Whether several examples can share a row: a CRF's chain goes through all of it."""
        return not self.crf

    @model_validator(mode="after")
    def _crf_has_its_own_loss(self) -> "TokenClassification":
        if self.crf and (self.class_weights is not None or self.label_smoothing):
            raise ValueError(
                "crf scores whole sequences: it takes neither class_weights nor "
                "label_smoothing. Leave them out, or set crf: false"
            )
        return self


class QuestionAnswering(Section):
    """The part of a context that answers a question."""

    columns: ClassVar[tuple[str, ...]] = ("question", "context", "answers", "answer_start")
    cleaned: ClassVar[tuple[str, ...]] = ("question",)
    can_stream: ClassVar[bool] = False
    # The place of an answer is chosen among all pieces of a row.
    packs: ClassVar[bool] = False

    name: Literal["question_answering"]
    unanswerable: bool = False
    """Whether a question may have no answer. False: questions without one are left out."""
    threshold: float | None = None
    """Unanswerable: how much higher (in logits) no answer must score than the best one to be
    given. Null: tuned on validation, for the best F1."""
    stride: Annotated[int, Field(ge=0)] = 64
    """Pieces that neighbouring windows of a long context share."""
    question_length: Annotated[int, Field(ge=1)] = 64
    """The most pieces of a question; a longer one loses its end."""
    answer_length: Annotated[int, Field(ge=1)] = 30
    """The most pieces of an answer."""
    by_character: bool = False
    """F1 counts each Chinese or Japanese character as a word."""
    label_smoothing: Fraction = 0.0
    dropout: Fraction = 0.0
    """Dropout before the last layer of the head."""


class Regression(Section):
    """A number for a text (or pair of texts)."""

    columns: ClassVar[tuple[str, ...]] = ("text", "text_pair", "label", "sample_weight")
    cleaned: ClassVar[tuple[str, ...]] = ("text", "text_pair")
    can_stream: ClassVar[bool] = True
    packs: ClassVar[bool] = True

    name: Literal["regression"]
    dropout: Fraction = 0.1
    """Dropout before the last layer of the head."""


class Similarity(Section):
    """A vector for each text, near to those of texts that mean the same."""

    columns: ClassVar[tuple[str, ...]] = ("text", "text_pair", "negative", "label")
    cleaned: ClassVar[tuple[str, ...]] = ("text", "text_pair", "negative")
    can_stream: ClassVar[bool] = False
    # The texts of an example are rows of their own, which the loss compares.
    packs: ClassVar[bool] = False

    name: Literal["similarity"]
    loss: Literal["in_batch_negatives", "triplet", "cosine", "cosent"] = "in_batch_negatives"
    """What is learned from: `in_batch_negatives` from texts and their pairs, with negatives if
    there are some; `triplet` from texts, pairs and negatives; `cosine` and `cosent` from pairs with
    a score."""
    pooling: Literal["mean", "cls", "max"] = "mean"
    """What becomes of the vectors of a text's pieces: their mean, the first one, the maxima."""
    normalize: bool = True
    """Whether embeddings have length 1."""
    scale: Annotated[float, Field(gt=0.0)] = 20.0
    """in_batch_negatives, cosent: what cosines are multiplied by."""
    margin: Annotated[float, Field(gt=0.0, le=2.0)] = 0.5
    """triplet: by how much a pair must be nearer than a negative, in cosines."""
    lowest_score: float = 0.0
    """The score of a pair that cosine 0 stands for."""
    highest_score: float = 1.0
    """The score of a pair that cosine 1 stands for."""
    dropout: Fraction = 0.0
    """Dropout of the pooled vector."""

    @model_validator(mode="after")
    def _scores_are_a_range(self) -> "Similarity":
        if self.lowest_score >= self.highest_score:
            raise ValueError("lowest_score must be below highest_score")
        return self


class Ranking(Section):
    """How relevant a passage is to a query, of both together (a cross-encoder)."""

    columns: ClassVar[tuple[str, ...]] = ("query", "passage", "relevance", "query_id")
    cleaned: ClassVar[tuple[str, ...]] = ("query", "passage")
    can_stream: ClassVar[bool] = False
    packs: ClassVar[bool] = False

    name: Literal["ranking"]
    loss: Literal["pointwise", "listwise"] = "pointwise"
    """`pointwise` learns of each passage whether it is relevant; `listwise` which of the candidates
    of a query are: a batch then has batch_size queries with all their candidates."""
    dropout: Fraction = 0.1
    """Dropout before the last layer of the head."""


class MaskedLM(Section):
    """Adapting an encoder to the texts of a domain: it guesses pieces that are covered."""

    columns: ClassVar[tuple[str, ...]] = ("text",)
    cleaned: ClassVar[tuple[str, ...]] = ("text",)
    can_stream: ClassVar[bool] = True
    # Rows are full already.
    packs: ClassVar[bool] = False

    name: Literal["masked_lm"]
    mask_fraction: Annotated[float, Field(ge=0.01, le=0.5)] = 0.15
    """The share of pieces that the model has to guess. 80 % of them are covered by the mask, 10 %
    by another piece, and 10 % are left as they are."""
    whole_words: bool = False
    """All pieces of a word are covered together."""
    join_lines: bool = True
    """Neighbouring texts are joined, so that rows are full. False: each stands alone."""


def _task_name(value: Any) -> str:
    name = value.get("name") if isinstance(value, dict) else getattr(value, "name", None)
    return "text_classification" if name is None else str(name)


Task = Annotated[
    Annotated[TextClassification, Tag("text_classification")]
    | Annotated[TokenClassification, Tag("token_classification")]
    | Annotated[QuestionAnswering, Tag("question_answering")]
    | Annotated[Regression, Tag("regression")]
    | Annotated[Similarity, Tag("similarity")]
    | Annotated[Ranking, Tag("ranking")]
    | Annotated[MaskedLM, Tag("masked_lm")],
    Discriminator(_task_name),
]
