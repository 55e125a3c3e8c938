"""Columns of files become texts, labels and weights."""

import json

import numpy as np
import pytest

from tfft.config import build_config
from tfft.data.examples import load_examples, load_table
from tfft.data.fields import build_reader, raw_texts, text_fields
from tfft.data.splits import choose_labels, find_labels, load_splits
from tfft.errors import ConfigError, DataError


@pytest.fixture
def experiment(tmp_path):
    """Builds a config for files in `tmp_path`; keyword arguments are keys of `data`."""

    def build(*, task=None, **data):
        return build_config(
            {
                "name": "x",
                "output_dir": "x",
                "backbone": {"preset": "minilm"},
                "task": task or {},
                "data": {"dir": str(tmp_path), **data},
            }
        )

    return build


@pytest.fixture
def read(tmp_path, experiment):
    """Reads text as the training file `train.csv` (or `name`)."""

    def from_text(
        text, *, name="train.csv", label_names=None, multi_label=False, task=None, **data
    ):
        (tmp_path / name).write_text(text, "utf-8")
        config = experiment(train=name, task=task or {"multi_label": multi_label}, **data)
        return load_examples(config.data, "train", build_reader(config, label_names))

    return from_text


# ------------------------------------------------------------------------------------ columns


@pytest.mark.parametrize("columns", [{"text": "said", "label": "kind"}, {"text": 1, "label": 0}])
def test_columns_by_name_and_by_position(read, columns):
    examples = read("kind,said\nask,who?\ntell,me.\n", columns=columns)
    assert examples.texts == {"text": ["who?", "me."]}
    assert examples.labels == ["ask", "tell"]
    assert len(examples) == 2


def test_columns_of_a_file_without_header(read):
    examples = read("ask,who?\ntell,me.\n", header=False, columns={"text": 1, "label": 0})
    assert examples.texts["text"] == ["who?", "me."]


def test_several_text_columns_are_joined_with_a_blank(read):
    examples = read(
        "title,body,label\nOh,no,x\n,alone,y\n", columns={"text": ["title", 1]}, cleaning=["strip"]
    )
    assert examples.texts["text"] == ["Oh no", "alone"]


def test_pair(read):
    examples = read("a,b,label\n1,2,x\n3,4,y\n", columns={"text": "a", "text_pair": "b"})
    assert examples.texts == {"text": ["1", "3"], "text_pair": ["2", "4"]}


def test_a_pair_in_some_files_only(experiment):
    with pytest.raises(ConfigError, match=r"data: b\.csv in test has no columns\.text_pair"):
        experiment(
            train="a.csv",
            test={"path": "b.csv", "columns": {"text_pair": None}},
            columns={"text_pair": "b"},
        )


def test_column_that_is_not_there(read):
    with pytest.raises(DataError, match=r"has no column 'texts'\. Its columns: 'text', 'lab"):
        read("text,label\na,x\n", columns={"text": "texts"})
    with pytest.raises(DataError, match="has no column at position 2"):
        read("text,label\na,x\n", columns={"label": 2})


def test_cleaning(read):
    examples = read("text,label\n a &amp;  b ,x\n", cleaning=["html_entities", "whitespace"])
    assert examples.texts["text"] == [" a & b "]


# ------------------------------------------------------------------------------------- labels


def test_one_label_per_row_from_numbers_and_booleans(read):
    lines = [
        {"text": "a", "label": 3.0},
        {"text": "b", "label": 3},
        {"text": "c", "label": True},
        {"text": "d", "label": [" x "]},
    ]
    text = "\n".join(map(json.dumps, lines))
    assert read(text, name="train.jsonl").labels == ["3", "3", "true", "x"]


@pytest.mark.parametrize("cell", ["", "null", "[]", '""'])
def test_row_without_its_label(read, cell):
    with pytest.raises(DataError, match=r"train\.jsonl:2: (the label is empty|this row has no l)"):
        cell = cell or '" "'
        text = f'{{"text": "a", "label": "x"}}\n{{"text": "b", "label": {cell}}}\n'
        read(text, name="train.jsonl")


def test_row_with_several_labels_where_one_is_expected(read):
    with pytest.raises(DataError, match=r"train\.jsonl:1: this row has 2 labels .*multi_label: t"):
        read('{"text": "a", "label": ["x", "y"]}\n', name="train.jsonl")


def test_label_until(read):
    examples = read("text,label\na,HUM:ind\nb,LOC : city\nc,NUM\n", label_until=":")
    assert examples.labels == ["HUM", "LOC", "NUM"]


def test_label_separator(read):
    text = 'text,label\na,"x, y"\nb,\nc,z\nd,"x,,"\n'
    examples = read(text, multi_label=True, label_separator=",")
    assert examples.labels == [["x", "y"], [], ["z"], ["x"]]


def test_lists_of_labels(read):
    text = '{"text": "a", "label": ["x", "y"]}\n{"text": "b", "label": []}\n'
    assert read(text, name="train.jsonl", multi_label=True).labels == [["x", "y"], []]


def test_label_numbers_from(read):
    names = ["bad", "good"]
    options = {"label_names": names, "label_numbers_from": 1}
    assert read("text,label\na,2\nb,1\n", **options).labels == ["good", "bad"]
    many = read('text,label\na,"2,1"\n', multi_label=True, label_separator=",", **options)
    assert many.labels == [["good", "bad"]]


@pytest.mark.parametrize("label", ["0", "3", "x", "--1", "1.5"])
def test_label_number_that_does_not_fit(read, label):
    with pytest.raises(DataError, match=r"train\.csv:3: .*expected a number from 1 to 2"):
        read(f"text,label\na,1\nb,{label}\n", label_names=["bad", "good"], label_numbers_from=1)


INDICATORS = "text,fun,sad\na,1,0\nb,0,0\nc,1,true\n"


@pytest.mark.parametrize(
    ("columns", "label_names", "labels"),
    [
        (["fun", "sad"], None, [["fun"], [], ["fun", "sad"]]),
        ([1, 2], None, [["fun"], [], ["fun", "sad"]]),
        (["fun", "sad"], ["sad", "fun"], [["fun"], [], ["fun", "sad"]]),
        (["fun", "sad"], ["Fun", "Sad"], [["Fun"], [], ["Fun", "Sad"]]),
        ([2, 1], ["Sad", "Fun"], [["Fun"], [], ["Sad", "Fun"]]),
        (["sad"], ["fun", "sad"], [[], [], ["sad"]]),
    ],
)
def test_one_column_for_each_label(read, columns, label_names, labels):
    examples = read(
        INDICATORS, columns={"label": columns}, multi_label=True, label_names=label_names
    )
    assert examples.labels == labels


def test_one_column_for_each_label_and_one_label_a_row(read):
    columns = {"label": ["fun", "sad"]}
    assert read("text,fun,sad\na,1,0\nb,,1\n", columns=columns).labels == ["fun", "sad"]
    with pytest.raises(DataError, match=r"train\.csv:3: this row has no label"):
        read(INDICATORS, columns=columns)


def test_columns_of_labels_that_do_not_fit_the_labels(read):
    with pytest.raises(DataError, match="names 2 columns, but the task has 3 labels"):
        read(INDICATORS, columns={"label": [1, 2]}, multi_label=True, label_names=["a", "b", "c"])
    with pytest.raises(DataError, match=r"train\.csv:2: the column 'text' holds 'a'; expected 0 o"):
        read(INDICATORS, columns={"label": ["text"]}, multi_label=True)


# ------------------------------------------------------------------------------------ weights


def test_sample_weight(read):
    examples = read("text,label,w\na,x,2\nb,y,0.5\n", columns={"sample_weight": "w"})
    np.testing.assert_array_equal(examples.sample_weight, np.array([2, 0.5], "float32"))
    assert read("text,label,w\na,x,2\n").sample_weight is None


def test_only_training_needs_its_sample_weights(tmp_path, experiment):
    """`columns.sample_weight` under `data` holds for all files; scored ones seldom have it."""
    (tmp_path / "plain.csv").write_text("text,label\na,x\nb,y\n")
    config = experiment(train="plain.csv", validation="plain.csv", columns={"sample_weight": "w"})
    read = build_reader(config)
    assert load_examples(config.data, "validation", read).sample_weight is None
    with pytest.raises(DataError, match="has no column 'w'"):
        load_examples(config.data, "train", read)


@pytest.mark.parametrize("weight", ["", "x", "-1", "nan", "inf"])
def test_sample_weight_that_is_none(read, weight):
    with pytest.raises(DataError, match=r"train\.csv:2: the sample weight is .*number of 0 or m"):
        read(f"text,label,w\na,x,{weight}\n", columns={"sample_weight": "w"})


# ------------------------------------------------------------------------------ rows left out


def test_rows_that_hold_one_of_some_values_are_skipped(read):
    text = "text,label,n\na,x,1\nb,?,2\nc,y,3\nd,x,4\n"
    examples = read(text, skip={"label": ["?", "!"], "n": [3]})
    assert (examples.texts["text"], examples.labels) == (["a", "d"], ["x", "x"])
    assert examples.where(1).endswith("train.csv:5")
    assert examples.num_empty == 0


def test_rows_after_skipped_ones_keep_their_number(read):
    rows = [{"text": t, "label": "x"} for t in ("a", "", "c", "", "e")]
    examples = read(json.dumps(rows), name="train.json", skip={"text": ["c"]}, empty_text="skip")
    assert [examples.where(row).split("/")[-1] for row in range(2)] == [
        "train.json, row 1",
        "train.json, row 5",
    ]


def test_rows_are_skipped_before_they_are_looked_at(read):
    text = "text,label\na,x\n,\n"
    assert read(text, skip={"label": [""]}).labels == ["x"]


def test_column_to_skip_by_that_is_not_there(read):
    with pytest.raises(DataError, match="has no column 'labl'. .* Did you mean 'label'?"):
        read("text,label\na,x\n", skip={"labl": ["x"]})


def test_every_row_skipped(read):
    with pytest.raises(DataError, match=r"train\.csv has no rows"):
        read("text,label\na,x\n", skip={"label": ["x"]})


# -------------------------------------------------------------------------------- empty texts

EMPTY = 'text,label\na,x\n,y\nb,x\n"  ",x\n'


def test_empty_text_is_refused(read):
    with pytest.raises(DataError, match=r"train\.csv:3: the text is empty \(so are 2 of 4 rows"):
        read(EMPTY)


def test_empty_text_is_skipped_and_counted(read):
    examples = read(EMPTY, empty_text="skip")
    assert (examples.texts["text"], examples.labels) == (["a", "b"], ["x", "x"])
    assert examples.num_empty == 2
    assert examples.where(1).endswith("train.csv:4")


def test_row_with_one_empty_text_of_two(read):
    columns = {"text": "a", "text_pair": "b"}
    examples = read("a,b,label\n1,,x\n1,2,x\n", columns=columns, empty_text="skip")
    assert (len(examples), examples.num_empty) == (1, 1)


@pytest.mark.parametrize("text", ["text,label\n", "text,label\n,x\n"])
def test_split_without_rows(read, text):
    with pytest.raises(DataError, match=r"train\.csv(: the train split)? has no rows"):
        read(text, empty_text="skip")


def test_file_that_is_not_there(experiment):
    with pytest.raises(DataError, match=r"none\.csv"):
        config = experiment(train="none.csv")
        load_examples(config.data, "train", build_reader(config))


# ----------------------------------------------------------------------------- several files


def test_files_are_read_one_after_the_other(tmp_path, experiment):
    (tmp_path / "a.csv").write_text("text,label,w\na,x,3\n,x,1\n")
    (tmp_path / "b.tsv").write_text("y\tb\n")
    other = {"path": "b.tsv", "header": False, "columns": {"text": 1, "label": 0}}
    other["columns"]["sample_weight"] = None
    config = experiment(train=["a.csv", other], columns={"sample_weight": "w"}, empty_text="skip")
    examples = load_examples(config.data, "train", build_reader(config))
    assert (examples.texts["text"], examples.labels) == (["a", "b"], ["x", "y"])
    assert examples.sample_weight.tolist() == [3.0, 1.0]
    assert examples.num_empty == 1
    assert [examples.where(row).split("/")[-1] for row in (0, 1)] == ["a.csv:2", "b.tsv:1"]


def test_rows_of_a_file_without_lines_keep_their_number(read):
    text = json.dumps([{"text": t, "label": "x"} for t in ("a", "", "c")])
    examples = read(text, name="train.json", empty_text="skip")
    assert examples.where(1).endswith("train.json, row 3")


# -------------------------------------------------------------------------------------- splits

ROWS = "text,label\n" + "".join(f"t{n},{'x' if n % 4 else 'y'}\n" for n in range(40))


def test_splits_by_file_and_by_share(tmp_path, experiment):
    (tmp_path / "train.csv").write_text(ROWS)
    (tmp_path / "test.csv").write_text("text,label\nz,x\n")
    splits = load_splits(experiment(train="train.csv", test="test.csv", validation_fraction=0.1))
    assert {name: len(examples) for name, examples in splits.items()} == {
        "train": 36,
        "validation": 4,
        "test": 1,
    }
    assert splits["validation"].labels.count("y") == 1


def test_two_shares_are_shares_of_the_whole(tmp_path, experiment):
    (tmp_path / "train.csv").write_text(ROWS)
    splits = load_splits(
        experiment(train="train.csv", validation_fraction=0.25, test_fraction=0.25)
    )
    assert [len(splits[name]) for name in ("train", "validation", "test")] == [20, 10, 10]
    texts = [text for examples in splits.values() for text in examples.texts["text"]]
    assert sorted(texts) == sorted(f"t{n}" for n in range(40))


@pytest.mark.parametrize(("fraction", "split"), [(0.9, "train"), (0.5, "validation")])
def test_share_that_leaves_a_split_without_rows(tmp_path, experiment, fraction, split):
    rows = {"train": "a,x\n", "validation": "a,x\nb,y\n"}[split]
    (tmp_path / "train.csv").write_text("text,label\n" + rows)
    with pytest.raises(DataError, match=f"data.validation_fraction {fraction} leaves none for"):
        load_splits(experiment(train="train.csv", validation_fraction=fraction))


def test_labels_are_learned_given_or_read(tmp_path, experiment, read):
    train = read("text,label\na,10\nb,9\n")
    assert find_labels(experiment(train="train.csv")) is None
    assert choose_labels(None, train, multi_label=False) == ["9", "10"]
    assert find_labels(experiment(train="x", task={"labels": [1, "a"]})) == ["1", "a"]
    (tmp_path / "labels.txt").write_bytes(b"\xef\xbb\xbfb\r\n\r\na\r\n")
    given = find_labels(experiment(train="x", task={"labels": "labels.txt"}))
    assert given == ["b", "a"]
    assert choose_labels(["9", "10", "11"], train, multi_label=False) == ["9", "10", "11"]


def test_columns_of_labels_name_also_those_that_no_row_has(experiment):
    data = {"train": "train.csv", "columns": {"label": ["b", "a"]}}
    assert find_labels(experiment(**data)) == ["b", "a"]


def test_one_class_only(read):
    with pytest.raises(DataError, match=r"all 2 training rows have the same label \(x\)"):
        choose_labels(None, read("text,label\na,x\nb,x\n"), multi_label=False)
    with pytest.raises(DataError, match=r"have the same label \(none\)"):
        choose_labels(None, read("text,label\na,\n", multi_label=True), multi_label=True)


# ------------------------------------------------------------------------ regression: a number

REGRESSION = {"name": "regression"}


def test_numbers(read):
    examples = read("text,label\na,2\nb,-0.5\nc,1e3\n", task=REGRESSION)
    assert examples.labels == [2.0, -0.5, 1000.0]
    columns = {"text_pair": "b", "label": "y", "sample_weight": "w"}
    pairs = read("text,b,y,w\n1,2,3,4\n", task=REGRESSION, columns=columns)
    assert pairs.texts == {"text": ["1"], "text_pair": ["2"]}
    assert (pairs.labels, pairs.sample_weight.tolist()) == ([3.0], [4.0])


@pytest.mark.parametrize("cell", ["", "much", "nan", "inf", "1 2"])
def test_label_that_is_no_number(read, cell):
    with pytest.raises(DataError, match=rf"train\.csv:3: the label is '{cell}'; expected a number"):
        read(f"text,label\na,1\nb,{cell}\n", task=REGRESSION)


def test_a_share_has_numbers_from_everywhere(tmp_path, experiment):
    rows = "".join(f"t{n},{n**2}\n" for n in range(100))
    (tmp_path / "train.csv").write_text("text,label\n" + rows)
    splits = load_splits(experiment(train="train.csv", validation_fraction=0.1, task=REGRESSION))
    drawn = sorted(int(text[1:]) // 10 for text in splits["validation"].texts["text"])
    assert drawn == list(range(10))


# -------------------------------------------------------------------------- tagging: words, tags

TAGGING = {"name": "token_classification"}
SENTENCES = [(["EU", "rejects"], ["I-ORG", "O"]), (["New York", "!"], ["I-LOC", "O"])]


def lines(*names, rows=SENTENCES):
    return "".join(json.dumps(dict(zip(names, row, strict=True))) + "\n" for row in rows)


@pytest.mark.parametrize("words", ["words", "tokens"])
@pytest.mark.parametrize("tags", ["tags", "ner_tags", "labels"])
def test_words_with_tags_under_their_usual_names(read, words, tags):
    examples = read(lines(words, tags), name="train.jsonl", task=TAGGING)
    assert examples.texts == {"words": ["EU\nrejects", "New York\n!"]}
    assert examples.labels == [["B-ORG", "O"], ["B-LOC", "O"]]
    assert examples.strata == [("ORG",), ("LOC",)]
    assert examples.counts == {"tags read as IOB1": 2}
    assert raw_texts(examples.texts) == {"text": ["EU rejects", "New York !"]}


def test_words_with_tags_under_other_names(read):
    columns = {"words": "said", "tags": "marked"}
    examples = read(lines("said", "marked"), name="train.jsonl", task=TAGGING, columns=columns)
    assert examples.labels == [["B-ORG", "O"], ["B-LOC", "O"]]
    with pytest.raises(DataError, match=r"has no column 'tags'\. Its columns: 'said', 'marked'"):
        read(lines("said", "marked"), name="train.jsonl", task=TAGGING, columns={"words": "said"})


def test_tags_that_are_no_entities_stay_as_they_are(read):
    rows = [(["it", "is"], ["PRON", "VERB"]), (["well"], ["INTJ"])]
    examples = read(lines("words", "tags", rows=rows), name="train.jsonl", task=TAGGING)
    assert examples.labels == [["PRON", "VERB"], ["INTJ"]]


def test_file_of_words_line_by_line(read):
    text = "EU NNP B-ORG\nrejects VBZ O\n\nGerman JJ B-MISC\n"
    examples = read(text, name="train.conll", task=TAGGING)
    assert examples.texts == {"words": ["EU\nrejects", "German"]}
    assert examples.labels == [["B-ORG", "O"], ["B-MISC"]]
    assert examples.where(1).endswith("train.conll:4")
    speech = read(text, name="train.conll", task=TAGGING, columns={"tags": 1})
    assert speech.labels == [["NNP", "VBZ"], ["JJ"]]


def test_tags_by_spans(read):
    row = {"text": "EU rejects it", "marks": [{"start": 0, "end": 2, "label": "ORG"}]}
    columns = {"spans": "marks"}
    text = json.dumps(row) + "\n"
    examples = read(text, name="train.jsonl", task=TAGGING, columns=columns)
    assert examples.texts == {"words": ["EU\nrejects\nit"]}
    assert examples.labels == [["B-ORG", "O", "O"]]


def test_sentences_may_weigh(read):
    rows = [(*row, weight) for row, weight in zip(SENTENCES, (0.5, 2), strict=True)]
    text = lines("words", "tags", "w", rows=rows)
    columns = {"sample_weight": "w"}
    examples = read(text, name="train.jsonl", task=TAGGING, columns=columns)
    assert examples.sample_weight.tolist() == [0.5, 2.0]


def test_sentence_without_words_is_an_empty_text(read):
    text = lines("words", "tags", rows=[*SENTENCES, ([], [])])
    with pytest.raises(DataError, match=r"train\.jsonl:3: the text is empty"):
        read(text, name="train.jsonl", task=TAGGING)
    examples = read(text, name="train.jsonl", task=TAGGING, empty_text="skip")
    assert (len(examples), examples.num_empty) == (2, 1)


@pytest.mark.parametrize(
    ("row", "texts"),
    [
        ({"text": "EU rejects"}, {"text": ["EU rejects"]}),
        ({"words": ["EU", "rejects"]}, {"words": ["EU\nrejects"]}),
        ({"tokens": ["EU"], "text": "EU rejects"}, {"words": ["EU"]}),
    ],
)
def test_to_be_answered_are_words_or_else_texts(tmp_path, experiment, row, texts):
    (tmp_path / "new.jsonl").write_text(json.dumps(row) + "\n")
    config = experiment(train="new.jsonl", task=TAGGING)
    (file,) = config.data.files("train")
    table = load_table(file, str(tmp_path / "new.jsonl"))
    examples = build_reader(config)(table, file, with_labels=False)
    assert (examples.texts, examples.labels) == (texts, None)


# ---------------------------------------------------------------------- questions and answers

QUESTIONS = "question,context,answers\nWho?,Ada wrote it.,Ada\nWhen?,Ada wrote it.,\n"


def test_questions_without_an_answer_are_left_out_or_kept(read):
    examples = read(QUESTIONS, task={"name": "question_answering"})
    assert examples.texts == {"question": ["Who?"], "context": ["Ada wrote it."]}
    assert examples.labels == [[("Ada", 0)]]
    assert examples.counts["questions without an answer left out"] == 1
    kept = read(QUESTIONS, task={"name": "question_answering", "unanswerable": True})
    assert kept.labels == [[("Ada", 0)], []]
    assert "questions without an answer left out" not in kept.counts


def test_a_share_has_contexts_of_its_own(tmp_path, experiment):
    rows = [f"q{n},context {n // 5} says so,says" for n in range(50)]
    (tmp_path / "train.csv").write_text("\n".join(["question,context,answers", *rows]))
    splits = load_splits(
        experiment(
            train="train.csv",
            validation_fraction=0.2,
            test_fraction=0.1,
            task={"name": "question_answering"},
        )
    )
    contexts = [set(splits[name].texts["context"]) for name in ("train", "validation", "test")]
    assert [len(each) for each in contexts] == [7, 2, 1]
    assert len(set.union(*contexts)) == 10


@pytest.mark.parametrize(
    ("task", "columns", "fields"),
    [
        ({}, {}, ("text",)),
        ({}, {"text_pair": "b"}, ("text", "text_pair")),
        (REGRESSION, {"text_pair": "b"}, ("text", "text_pair")),
        (TAGGING, {}, ("text",)),
        ({"name": "question_answering"}, {}, ("question", "context")),
    ],
)
def test_what_the_texts_of_a_task_are_called(experiment, task, columns, fields):
    assert text_fields(experiment(train="a.csv", columns=columns, task=task)) == fields
