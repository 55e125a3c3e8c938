"""Files become the examples of each task: what is read, and what is said of wrong columns."""

import json

import numpy as np
import pytest

from tfft.config import build_config
from tfft.data.examples import load_examples, load_table
from tfft.data.fields import READERS, build_reader, raw_texts, text_fields
from tfft.data.labels import grouped_split, stratified_split
from tfft.data.splits import load_splits
from tfft.data.table import Table
from tfft.errors import DataError

TAGGING, QUESTIONS, REGRESSION = (
    {"name": name} for name in ("token_classification", "question_answering", "regression")
)


@pytest.fixture
def experiment(tmp_path):
    """Builds a config of a task for files in `tmp_path`; keyword arguments are keys of `data`."""

    def build(task, **data):
        backbone = {"preset": "minilm"}
        return build_config(
            {"name": "x", "output_dir": "x", "task": task, "backbone": backbone}
            | {"data": {"dir": str(tmp_path), **data}}
        )

    return build


@pytest.fixture
def read(tmp_path, experiment):
    """Writes files, text or rows for json lines, and reads the first one for a task."""

    def from_files(task, files, *, label_names=None, **data):
        for name, content in files.items():
            if isinstance(content, list):
                content = "".join(json.dumps(row) + "\n" for row in content)
            (tmp_path / name).write_text(content, "utf-8")
        config = experiment(task, train=next(iter(files)), **data)
        return load_examples(config.data, "train", build_reader(config, label_names))

    return from_files


def sentences(examples):
    return [text.split("\n") for text in examples.texts["words"]]


def unlabelled(config, table):
    """What is read of a table where only the texts are wanted."""
    return build_reader(config)(table, config.data.files("train")[0], with_labels=False)


# --------------------------------------------------------------------------------------- tagging

CONLL = "-DOCSTART- O\n\nAda NNP I-per\nL. NNP I-per\nmet VB O\nBob NNP I-per\n\nYes UH O\n"


def test_conll_has_words_first_and_tags_last(read):
    examples = read(TAGGING, {"a.conll": CONLL.replace("-DOCSTART- O\n", "")})
    assert sentences(examples) == [["Ada", "L.", "met", "Bob"], ["Yes"]]
    assert examples.labels == [["B-per", "I-per", "O", "B-per"], ["O"]]
    assert examples.counts == {"tags read as IOB1": 2}
    assert [place.rpartition(":")[2] for place in examples.places] == ["2", "7"]


def test_conll_columns_by_position(read):
    examples = read(TAGGING, {"a.conll": CONLL}, columns={"words": 0, "tags": 1})
    assert examples.labels[1:] == [["UH"]]
    assert examples.counts == {"tags read as plain": 2}
    assert read(TAGGING, {"a.conll": CONLL}, columns={"tags": -2}).labels == examples.labels


def test_conll_with_words_alone_has_no_tags(read):
    with pytest.raises(DataError, match=r"a\.conll: the column 0 would be both the words and"):
        read(TAGGING, {"a.conll": "Ada\nmet\n\nYes\n"})


@pytest.mark.parametrize(
    ("words", "tags"), [("words", "tags"), ("tokens", "ner_tags"), ("words", "labels")]
)
def test_lists_of_words_and_tags_by_their_usual_names(read, words, tags):
    rows = [{words: ["Ada", "met"], tags: ["S-per", "O"], "id": 1}, {words: ["No"], tags: ["O"]}]
    rows[1]["id"] = 2
    examples = read(TAGGING, {"a.jsonl": rows})
    assert sentences(examples) == [["Ada", "met"], ["No"]]
    assert examples.labels == [["B-per", "O"], ["O"]]
    assert examples.counts == {"tags read as IOBES": 2}


def test_tags_as_numbers_of_given_names(read):
    rows = [{"tokens": ["Ada", "L.", "met"], "ner_tags": [1, 2, 0]}]
    names = ["O", "B-per", "I-per"]
    examples = read(TAGGING, {"a.jsonl": rows}, label_names=names, label_numbers_from=0)
    assert examples.labels == [["B-per", "I-per", "O"]]


def test_bare_tags_have_one_type(read):
    rows = [{"words": ["a", "b", "c", "d"], "tags": ["B", "I", "O", "B"]}]
    examples = read(TAGGING, {"a.jsonl": rows})
    assert examples.labels == [["B-entity", "I-entity", "O", "B-entity"]]


def test_line_ends_inside_words_are_blanks(read):
    """Words travel with line ends between them."""
    rows = [{"words": ["New\nYork", "is\r\n"], "tags": ["N", "V"]}]
    assert sentences(read(TAGGING, {"a.jsonl": rows})) == [["New York", "is "]]


def test_spans_of_raw_texts(read):
    rows = [
        {"text": "Ada L. met Bob", "spans": [{"start": 0, "end": 6, "label": "per"}], "weight": 2},
        {"text": " \u00e9t\u00e9 ", "spans": [[1, 4, "time"], [1, 4, "x"]], "weight": 0.5},
    ]
    columns = {"spans": "spans", "sample_weight": "weight"}
    examples = read(TAGGING, {"a.jsonl": rows}, columns=columns)
    assert sentences(examples) == [["Ada", "L", ".", "met", "Bob"], ["\u00e9t\u00e9"]]
    assert examples.labels == [["B-per", "I-per", "I-per", "O", "O"], ["B-time"]]
    assert examples.counts == {"overlapping": 1, "widened": 0}
    assert examples.sample_weight.tolist() == [2.0, 0.5]


def test_weights_of_sentences(read):
    rows = [{"words": ["a"], "tags": ["X"], "w": 2}, {"words": ["b"], "tags": ["Y"], "w": 0}]
    examples = read(TAGGING, {"a.jsonl": rows}, columns={"sample_weight": "w"})
    assert examples.sample_weight.tolist() == [2.0, 0.0]


def test_sentences_without_tags(experiment):
    """Words that are given, also in a file of one column; else texts."""
    config = experiment(TAGGING, train="a.jsonl", columns={"spans": "spans"})
    words = unlabelled(config, Table({"tokens": [["Ada", "met"]], "text": ["x"]}, "a.jsonl"))
    assert (words.texts, words.labels) == ({"words": ["Ada\nmet"]}, None)
    assert unlabelled(config, Table({"0": [["Ada"]]}, "a.conll")).texts == {"words": ["Ada"]}
    assert unlabelled(config, Table({"text": ["Ada met"]}, "a.csv")).texts == {"text": ["Ada met"]}


def test_strata_of_sentences_are_their_types(read):
    rows = [
        {"words": ["a", "b"], "tags": tags}
        for tags in (["B-per", "B-loc"], ["O", "O"], ["B-loc", "B-per"], ["B-per", "I-per"])
    ]
    assert read(TAGGING, {"a.jsonl": rows}).strata == [("loc", "per"), (), ("loc", "per"), ("per",)]


# ----------------------------------------------------------------------------- question answering

CONTEXT = "Ada came to Paris in May. Bob came in June."
ARTICLE = {
    "title": "Ada",
    "paragraphs": [
        {
            "context": CONTEXT,
            "qas": [
                {
                    "id": "1",
                    "question": "Who came in May?",
                    "answers": [{"text": "Ada", "answer_start": 0}],
                    "is_impossible": False,
                },
                {"id": "2", "question": "Who left?", "answers": [], "is_impossible": True},
            ],
        }
    ],
}
MAY_BE_NONE = QUESTIONS | {"unanswerable": True}


def test_squad_json(read):
    document = json.dumps({"data": [ARTICLE]})
    examples = read(MAY_BE_NONE, {"a.json": document}, format="squad")
    assert examples.texts == {
        "question": ["Who came in May?", "Who left?"],
        "context": [CONTEXT, CONTEXT],
    }
    assert examples.labels == [[("Ada", 0)], []]
    assert examples.groups == [CONTEXT, CONTEXT]
    assert examples.counts == {}


def test_questions_without_an_answer_are_left_out_where_all_have_one(read):
    examples = read(QUESTIONS, {"a.json": json.dumps({"data": [ARTICLE]})}, format="squad")
    assert examples.texts["question"] == ["Who came in May?"]
    assert (examples.labels, examples.groups) == ([[("Ada", 0)]], [CONTEXT])
    assert examples.counts == {"questions without an answer left out": 1}
    assert len(examples.places) == 1


@pytest.mark.parametrize("answers", [[], [{"text": "Zoe", "answer_start": 3}]])
def test_no_question_with_an_answer(read, answers):
    rows = [{"question": "Who?", "context": CONTEXT, "answers": answers}] * 2
    with pytest.raises(DataError, match=r"none of its 2 questions has an answer.*unanswerable"):
        read(QUESTIONS, {"a.jsonl": rows})


def test_csv_with_a_question_on_each_line(read):
    text = (
        "q,c,answer,answer_start\n"
        f"Who?,{CONTEXT},Ada,0\n"
        f"Who came?,{CONTEXT},came,27\n"
        f"When?,{CONTEXT},July,4\n"
        f"Where?,{CONTEXT},Paris,-1\n"
        f"Why?,{CONTEXT},,\n"
    )
    examples = read(MAY_BE_NONE, {"a.csv": text}, columns={"question": "q", "context": "c"})
    assert examples.texts["question"] == ["Who?", "Where?", "Why?"]
    assert examples.labels == [[("Ada", 0)], [("Paris", 12)], []]
    assert examples.counts == {
        "answers repaired": 1,
        "answers skipped_answers": 2,
        "answers skipped_rows": 2,
    }
    assert [place.rpartition(":")[2] for place in examples.places] == ["2", "5", "6"]


def test_answers_of_hugging_face(read):
    answers = {"text": ["came", "Bob came"], "answer_start": [30, 26]}
    rows = [{"question": "Who?", "context": CONTEXT, "answers": answers}]
    assert read(QUESTIONS, {"a.jsonl": rows}).labels == [[("came", 30), ("Bob came", 26)]]


def test_questions_are_cleaned_and_contexts_are_not(read):
    row = {"question": " Who?  ", "context": "  Ada  came ", "answer": "Ada", "answer_start": 2}
    examples = read(QUESTIONS, {"a.jsonl": [row]}, cleaning=["whitespace", "strip"])
    assert examples.texts == {"question": ["Who?"], "context": ["  Ada  came "]}
    assert examples.labels == [[("Ada", 2)]]


def test_questions_without_answers_asked_for(experiment):
    config = experiment(QUESTIONS, train="a.jsonl")
    table = Table({"context": [CONTEXT], "question": ["Who?"]}, "a.jsonl")
    examples = unlabelled(config, table)
    assert list(examples.texts) == ["question", "context"]
    assert examples.labels is None


# ------------------------------------------------------------------------------------ regression


def test_numbers(read):
    text = "a,b,score\none,two,3\none,three,-0.25\nfour,five,1e3\n"
    columns = {"text": "a", "text_pair": "b", "label": "score"}
    examples = read(REGRESSION, {"a.csv": text}, columns=columns)
    assert examples.labels == [3.0, -0.25, 1000.0]
    assert list(examples.texts) == ["text", "text_pair"]
    assert len(examples.strata) == 3


@pytest.mark.parametrize("cell", ["", "high", "nan", "inf"])
def test_what_is_no_number(read, cell):
    with pytest.raises(DataError, match=r"a\.csv:3: the label is .*; expected a number"):
        read(REGRESSION, {"a.csv": f"text,label\nx,1\ny,{cell}\n"})


def test_share_of_numbers_is_drawn_from_their_whole_range(read):
    rows = "".join(f"text {number},{(number * 37) % 200}\n" for number in range(200))
    examples = read(REGRESSION, {"a.csv": "text,label\n" + rows})
    assert sorted({examples.strata.count(tenth) for tenth in set(examples.strata)}) == [20]
    rest, drawn = stratified_split(examples, 0.1, seed=1)
    assert (len(rest), len(drawn)) == (180, 20)
    assert sorted(int(number // 20) for number in drawn.labels) == sorted(2 * list(range(10)))


# --------------------------------------------------------------------------------- wrong columns

WORDS = [{"words": ["a"], "tags": ["X"]}, {"words": ["b"], "tags": ["Y"]}]


@pytest.mark.parametrize(
    ("task", "rows", "columns", "message"),
    [
        (TAGGING, [{"word": ["a"], "tags": ["X"]}], {}, "no column 'words'.*'word', 'tags'"),
        (TAGGING, [{"words": ["a"], "tag": ["X"]}], {}, "no column 'tags'.*'words', 'tag'"),
        (TAGGING, WORDS, {"words": "wrods"}, "no column 'wrods'.*'words', 'tags'"),
        (TAGGING, WORDS, {"tags": 5}, "no column at position 5.*'words', 'tags'"),
        (TAGGING, WORDS, {"tags": "words"}, "'words' would be both the words and their tags"),
        (TAGGING, WORDS, {"spans": "entities"}, "no column 'text'"),
        (TAGGING, [{"text": "a"}], {"spans": "spans"}, "no column 'spans'.*'text'"),
        (QUESTIONS, [{"query": "a", "context": "b"}], {}, "no column 'question'.*'query'"),
        (QUESTIONS, [{"question": "a", "text": "b"}], {}, "no column 'context'.*'text'"),
        (QUESTIONS, [{"question": "a", "context": "b"}], {}, "no column 'answers'"),
        (REGRESSION, [{"text": "a", "score": 1}], {}, "no column 'label'.*'text', 'score'"),
        (REGRESSION, [{"label": 1}], {}, "no column 'text'.*'label'"),
    ],
)
def test_missing_column_says_which_there_are(read, task, rows, columns, message):
    with pytest.raises(DataError, match=rf"a\.jsonl\b.*{message}"):
        read(task, {"a.jsonl": rows}, columns=columns)


def test_every_task_has_a_reader(experiment):
    for name in READERS:
        assert callable(build_reader(experiment({"name": name}, train="a.csv")))


# ------------------------------------------------------------------------------- rows left out


def test_rows_to_skip(read, experiment, tmp_path):
    text = "text,label,source\na,1,web\nb,2,book\nc,-,web\nd,4,web\n"
    skip = {"label": ["-", 4], "source": ["book"]}
    examples = read(REGRESSION, {"a.csv": text}, skip=skip)
    assert (examples.texts["text"], examples.labels) == (["a"], [1.0])
    assert examples.places[0].endswith("a.csv:2")
    file = experiment(REGRESSION, train="a.csv", skip={"sorce": ["web"]}).data.files("train")[0]
    with pytest.raises(DataError, match="no column 'sorce'.*'source'"):
        load_table(file, str(tmp_path / "a.csv"))


def test_skip_of_one_file_alone(tmp_path, experiment):
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("text,label\nx,1\ny,2\n", "utf-8")
    config = experiment(REGRESSION, train=[{"path": "a.csv", "skip": {"label": [1]}}, "b.csv"])
    examples = load_examples(config.data, "train", build_reader(config))
    assert examples.labels == [2.0, 1.0, 2.0]


def test_parallel_files(tmp_path, experiment):
    (tmp_path / "words.txt").write_text("Ada met Bob\n\nYes\n", "utf-8")
    (tmp_path / "tags.txt").write_text("B-per O B-per\n\nO\n", "utf-8")
    config = experiment(TAGGING, train="words.txt", format="parallel", tags="tags.txt")
    examples = load_examples(config.data, "train", build_reader(config))
    assert sentences(examples) == [["Ada", "met", "Bob"], ["Yes"]]
    assert examples.labels == [["B-per", "O", "B-per"], ["O"]]


# ---------------------------------------------------------------------------------------- shares


def question_rows(contexts, questions):
    return [
        {
            "question": f"q{number}?",
            "context": f"context {context}",
            "answers": [{"text": "context", "answer_start": 0}],
        }
        for number in range(questions)
        for context in range(contexts)
    ]


def test_questions_on_a_context_stay_together(read, experiment):
    rows = question_rows(10, 4)
    read(QUESTIONS, {"a.jsonl": rows})
    config = experiment(QUESTIONS, train="a.jsonl", validation_fraction=0.2, test_fraction=0.3)
    splits = load_splits(config)
    assert {name: len(part) for name, part in splits.items()} == {
        "train": 20,
        "validation": 8,
        "test": 12,
    }
    contexts = [set(part.texts["context"]) for part in splits.values()]
    assert sum(map(len, contexts)) == len(set.union(*contexts)) == 10
    assert all(part.groups == part.texts["context"] for part in splits.values())


def test_grouped_share_depends_on_the_seed_and_keeps_the_order(read):
    examples = read(QUESTIONS, {"a.jsonl": question_rows(12, 3)})
    drawn = [grouped_split(examples, 0.25, seed)[1] for seed in (1, 1, 2, 3)]
    assert drawn[0].texts == drawn[1].texts
    assert len({tuple(part.texts["context"]) for part in drawn}) == 3
    rest, part = grouped_split(examples, 0.25, 1)
    assert len(rest) + len(part) == 36
    place = {row: number for number, row in enumerate(zip(*examples.texts.values(), strict=True))}
    for half in (rest, part):
        order = [place[row] for row in zip(*half.texts.values(), strict=True)]
        assert order == sorted(order)


def test_one_context_cannot_be_shared_out(read, experiment):
    read(QUESTIONS, {"a.jsonl": question_rows(1, 6)})
    config = experiment(QUESTIONS, train="a.jsonl", validation_fraction=0.5)
    with pytest.raises(DataError, match="leaves none for train"):
        load_splits(config)


def test_types_have_their_share(read):
    random = np.random.default_rng(0)
    kinds = random.choice(["per", "loc", "org"], 100, p=[0.6, 0.3, 0.1])
    rows = [{"words": ["a", "b"], "tags": [f"B-{kind}", "O"]} for kind in kinds]
    rest, drawn = stratified_split(read(TAGGING, {"a.jsonl": rows}), 0.2, seed=3)
    for kind in ("per", "loc", "org"):
        expected = 0.2 * list(kinds).count(kind)
        assert abs(drawn.strata.count((kind,)) - expected) <= 1
    assert len(rest.strata) == len(rest.labels) == 80


# ----------------------------------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("task", "columns", "fields"),
    [
        (TAGGING, {}, ("text",)),
        (QUESTIONS, {}, ("question", "context")),
        (REGRESSION, {}, ("text",)),
        (REGRESSION, {"text_pair": "b"}, ("text", "text_pair")),
    ],
)
def test_text_fields(experiment, task, columns, fields):
    config = experiment(task, train="a.csv", columns=columns)
    assert text_fields(config) == fields


def test_words_as_somebody_would_send_them():
    assert raw_texts({"words": ["Ada\nmet", "a b\nc"]}) == {"text": ["Ada met", "a b c"]}
    assert raw_texts({"question": ["a\nb"], "context": ["c"]}) == {
        "question": ["a\nb"],
        "context": ["c"],
    }
