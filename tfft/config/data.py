"""The `data` section: files, how they are read, and which columns mean what."""

from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from tfft.config.base import Fraction, Section


def _column(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise ValueError("a column is given by its name or its position (0 is the first)")
    return value


def _columns(value: Any) -> Any:
    return [_column(item) for item in value] if isinstance(value, list) else _column(value)


Column = Annotated[str | int, BeforeValidator(_column)]
ColumnOrColumns = Annotated[str | int | list[str | int], BeforeValidator(_columns)]


class Columns(Section):
    """Which columns of a file mean what, by name or position."""

    text: ColumnOrColumns = "text"
    """Several columns are joined with a blank."""
    text_pair: ColumnOrColumns | None = None
    label: ColumnOrColumns = "label"
    """A list names one 0/1 column for each label; the columns are called as the labels, or stand in
    the order of task.labels."""
    words: Column | None = None
    """Tagging: a list of words a row. Null: `words` or `tokens`; in conll the first column."""
    tags: Column | None = None
    """Tagging: a list of tags a row. Null: `tags`, `ner_tags` or `labels`; in conll the last
    column."""
    spans: Column | None = None
    """Tagging of `text`, instead of words and tags: a list of {start, end, label} a row, in
    characters."""
    question: Column = "question"
    context: Column = "context"
    answers: Column | None = None
    """A list of {text, answer_start}, {text: [...], answer_start: [...]}, or one answer's text.
    Null: `answers` or `answer`."""
    answer_start: Column = "answer_start"
    """Where answers are plain texts: the character at which each begins. May be absent."""
    negative: Column | None = None
    """Similarity: a text unlike `text`, beside `text_pair`, which is like it."""
    query: Column = "query"
    passage: Column = "passage"
    relevance: Column = "relevance"
    """Ranking: 0 where the passage is not relevant to the query, more where it is."""
    query_id: Column | None = None
    """Ranking: rows with the same one are candidates of one query. Null: the query's text."""
    sample_weight: Column | None = None
    """How much a row counts. Rows of validation and test files without this column count 1."""


class FileOptions(Section):
    """How a file is read. Each key can stand under `data` and again under one file."""

    format: (
        Literal[
            "csv",
            "tsv",
            "json",
            "jsonl",
            "parquet",
            "text",
            "folder",
            "tfds",
            "conll",
            "parallel",
            "squad",
        ]
        | None
    ) = None
    """Null: told by the file's ending."""
    header: bool | None = None
    """csv, tsv: whether the first line names the columns. Null: it does."""
    quoting: bool = True
    """csv, tsv: whether "..." encloses a cell. False: quotes are text."""
    delimiter: str | None = None
    encoding: str = "utf-8"
    split: str | list[str] | None = None
    """json {split: rows} and tfds: the split, or several to put together."""
    member: str | None = None
    """zip: the file inside."""
    data_dir: str | None = None
    """tfds: where its data sets lie."""
    label_in_front: bool = True
    """text: `LABEL the text`; false: each line is a text."""
    label_prefix: str | None = None
    """text: what marks a label, such as `__label__`; a line may then have several."""
    label_until: str | None = None
    """Only what stands before this is the label: `:` makes HUM of HUM:ind."""
    tags: str | None = None
    """parallel: the file of the tags, one sentence a line like the words'."""
    word_prefix: str | None = None
    """Tagging: what stands before each word in the file and is taken off, such as `w[0]=`."""
    skip: dict[str, list[Any]] = Field(default_factory=dict)
    """Rows that are left out: {column: [values]}."""
    candidates: Annotated[int, Field(ge=2)] | None = None
    """Ranking: the most candidates of a query: the relevant ones first, then others at random."""
    columns: Columns = Columns()
    label_separator: str | None = None
    """Multi-label: what separates the labels of one cell."""
    label_numbers_from: int | None = None
    """Labels (tags) are numbers, and this is the first label's. Null: labels are names."""


def _files(value: Any) -> Any:
    files = value if isinstance(value, list) else [value]
    if not all(isinstance(file, (str, dict, DataFile)) for file in files):
        raise ValueError("a file is given by its path, or by {path: ..., and what is special}")
    return [{"path": file} if isinstance(file, str) else file for file in files]


class DataFile(FileOptions):
    """One file (or folder, or tfds data set) with what differs from the `data` section."""

    path: str

    @model_serializer(mode="wrap")
    def _what_is_said(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leaves out what the file takes from the section, or reloading would override it."""
        said = {name: value for name, value in dump(self).items() if name in self.model_fields_set}
        if "columns" in said:
            said["columns"] = self.columns.model_dump(mode="json", exclude_unset=True)
        return said


class Data(FileOptions):
    """Where the examples come from."""

    dir: str = "."
    """Root of the relative paths below; itself relative to the working directory."""
    train: Annotated[list[DataFile], BeforeValidator(_files), Field(min_length=1)]
    """A path; or `{path, ...}` with any of the keys above for this file alone; or a list of
    these, read one after the other."""
    validation: Annotated[list[DataFile], BeforeValidator(_files)] | None = None
    test: Annotated[list[DataFile], BeforeValidator(_files)] | None = None
    validation_fraction: Fraction = 0.0
    """Without a validation file: the stratified share of train, drawn with the seed."""
    test_fraction: Fraction = 0.0
    cleaning: list[Literal["strip", "html_entities", "whitespace", "nfc"]] = Field(
        default_factory=list
    )
    """Steps done to each text, in this order."""
    empty_text: Literal["skip", "error"] = "error"
    """What happens to a row whose text is empty in train, validation and test."""
    cache: Literal["memory", "disk", "none"] | None = None
    """Where the tokenized training rows are. `memory`: all of them. `disk`: in `output_dir/cache`,
    while training. `none`: nowhere, each epoch reads and tokenizes the files. Null: by the size of
    the training files. With `disk` and `none` a training takes constant memory."""

    @property
    def is_streamed(self) -> bool:
        """Whether the training rows are not to be in memory."""
        return self.cache in ("disk", "none")

    def files(self, split: str) -> list[DataFile]:
        """The files of a split with the section's options filled in; none if it has none."""
        return [self._with_defaults(own) for own in getattr(self, split) or []]

    @property
    def has_validation(self) -> bool:
        """Whether there is a validation split."""
        return bool(self.validation) or self.validation_fraction > 0

    @property
    def has_pairs(self) -> bool:
        """Whether an example has two texts."""
        return any(file.columns.text_pair is not None for file in self.files("train"))

    def _with_defaults(self, own: DataFile) -> DataFile:
        shared = {name: getattr(self, name) for name in FileOptions.model_fields}
        said = {name: getattr(own, name) for name in own.model_fields_set}
        if isinstance(said.get("columns"), Columns):
            said["columns"] = self.columns.model_copy(update=_said(said["columns"]))
        return DataFile.model_construct(
            own.model_fields_set | self.model_fields_set, **{**shared, **said}
        )

    @model_validator(mode="after")
    def _fractions_need_no_file(self) -> "Data":
        for split in ("validation", "test"):
            if getattr(self, split) is not None and getattr(self, f"{split}_fraction"):
                raise ValueError(f"give either {split} or {split}_fraction, not both")
        if self.validation_fraction + self.test_fraction >= 1.0:
            raise ValueError("validation_fraction and test_fraction leave nothing to train on")
        return self

    @model_validator(mode="after")
    def _all_files_have_pairs_or_none(self) -> "Data":
        for split in ("train", "validation", "test"):
            for file in self.files(split):
                if (file.columns.text_pair is not None) != self.has_pairs:
                    raise ValueError(
                        f"{file.path} in {split} has no columns.text_pair, but other files have one"
                        if self.has_pairs
                        else f"{file.path} in {split} has columns.text_pair, but train has none"
                    )
        return self


def _said(section: Section) -> dict[str, Any]:
    return {name: getattr(section, name) for name in section.model_fields_set}
