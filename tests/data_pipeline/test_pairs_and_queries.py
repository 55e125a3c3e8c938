"""Files become what embeddings and rankings are learned from: columns, scores, candidates."""

import json

import pytest

from tfft.config import build_config
from tfft.data.examples import load_examples, load_table
from tfft.data.fields import build_reader, text_fields
from tfft.data.splits import load_splits
from tfft.errors import ConfigError, DataError

PAIRS = [
    {"text": "a cat", "text_pair": "a kitten", "other": "a car", "label": 4},
    {"text": "a dog", "text_pair": "a puppy", "other": "a bus", "label": 3.5},
    {"text": "a cat", "text_pair": "a tomcat", "other": "a map", "label": 0},
]


@pytest.fixture
def write(tmp_path):
    """Writes rows into a file; returns its name."""

    def rows_of(name, rows):
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (tmp_path / f"{name}.jsonl").write_text(text, "utf-8")
        return f"{name}.jsonl"

    return rows_of


@pytest.fixture
def experiment(tmp_path, write):
    """Builds a config of a task for rows; keyword arguments are keys of `data`.

    `files` are those of train, as they stand in a config.
    """

    def build(task, files=None, **data):
        for name in ("train", "validation", "test"):
            if isinstance(data.get(name), list):
                data[name] = write(name, data[name])
        if files:
            data["train"] = files
        return build_config(
            {"name": "x", "output_dir": "x", "task": task, "backbone": {"preset": "minilm"}}
            | {"data": {"dir": str(tmp_path), **data}}
        )

    return build


def read(config, split="train"):
    return load_examples(config.data, split, build_reader(config))


# ---------------------------------------------------------------------------------------- pairs


def similarity(loss, **columns):
    names = {"text_pair": "text_pair", **columns}
    return {"task": {"name": "similarity", "loss": loss}, "columns": names}


@pytest.mark.parametrize("loss", ["cosine", "cosent"])
def test_pairs_with_a_score(experiment, loss):
    examples = read(experiment(train=PAIRS, **similarity(loss)))
    assert examples.labels == [4.0, 3.5, 0.0]
    assert list(examples.texts) == ["text", "text_pair"]


def test_score_that_is_missing_or_no_number(experiment):
    config = experiment(train=PAIRS, **similarity("cosent", label="score"))
    with pytest.raises(DataError, match="has no column 'score'"):
        read(config)
    config = experiment(train=[PAIRS[0] | {"label": "much"}], **similarity("cosine"))
    with pytest.raises(DataError, match="the score is 'much'; expected a number"):
        read(config)


def test_score_of_several_columns(experiment):
    with pytest.raises(ConfigError, match="data.columns.label names 2 columns, 'label', 'other'"):
        read(experiment(train=PAIRS, **similarity("cosine", label=["label", "other"])))


def test_pairs_alone_train_without_their_scores(experiment):
    """Validation of scored pairs is scored, that of others is searched."""
    rows = [row | {"label": "like"} for row in PAIRS]
    without = [{k: v for k, v in row.items() if k != "label"} for row in PAIRS]
    config = experiment(
        train=rows, validation=PAIRS, test=without, **similarity("in_batch_negatives")
    )
    splits = load_splits(config)
    assert splits["train"].labels is None and splits["test"].labels is None
    assert splits["validation"].labels == [4.0, 3.5, 0.0]


@pytest.mark.parametrize("loss", ["triplet", "in_batch_negatives"])
def test_triplets(experiment, loss):
    examples = read(experiment(train=PAIRS, **similarity(loss, negative="other")))
    assert examples.texts["negative"] == ["a car", "a bus", "a map"]
    assert examples.labels is None


def test_triplets_are_validated_on_pairs(experiment, write):
    path = write("pairs", [{name: row[name] for name in ("text", "text_pair")} for row in PAIRS])
    config = experiment(
        train=PAIRS,
        validation={"path": path, "columns": {"negative": None}},
        **similarity("triplet", negative="other"),
    )
    splits = load_splits(config)
    assert list(splits["train"].texts) == ["text", "text_pair", "negative"]
    assert list(splits["validation"].texts) == ["text", "text_pair"]


def test_files_of_pairs_and_of_triplets(experiment, write):
    files = [
        write("triplets", PAIRS),
        {"path": write("pairs", PAIRS), "columns": {"negative": None}},
    ]
    for order in (files, files[::-1]):
        config = experiment(files=order, **similarity("in_batch_negatives", negative="other"))
        with pytest.raises(DataError, match="All files of a split need the same ones"):
            read(config)


def test_negative_that_is_missing_in_some_rows(experiment):
    rows = [*PAIRS, {**PAIRS[0], "other": None}]
    data = similarity("in_batch_negatives", negative="other")
    with pytest.raises(DataError, match=r"train\.jsonl:4: the negative is empty"):
        read(experiment(train=rows, **data))
    assert len(read(experiment(train=rows, empty_text="skip", **data))) == 3


@pytest.mark.parametrize("cell", [["a car", "a bus"], {"a": 1}])
def test_cells_that_hold_no_text(experiment, cell):
    rows = [PAIRS[0], {**PAIRS[1], "other": cell}]
    with pytest.raises(DataError, match=r"jsonl:2: the column 'other' holds .*; expected a text"):
        read(experiment(train=rows, **similarity("in_batch_negatives", negative="other")))


def test_equal_texts_stay_on_one_side(experiment):
    rows = [row | {"text": f"{row['text']} {number}"} for number in range(10) for row in PAIRS]
    config = experiment(train=rows, validation_fraction=0.3, **similarity("in_batch_negatives"))
    splits = load_splits(config)
    train, validation = (set(splits[name].texts["text"]) for name in ("train", "validation"))
    assert train and validation and not train & validation


def test_texts_alone_to_answer(experiment, tmp_path):
    config = experiment(train=PAIRS, **similarity("cosent"))
    (file,) = config.data.files("train")
    table = load_table(file, str(tmp_path / "train.jsonl"))
    examples = build_reader(config)(table, file, with_labels=False)
    assert list(examples.texts) == ["text"] == list(text_fields(config))


@pytest.mark.parametrize(
    ("loss", "columns", "message"),
    [
        ("cosent", {"text_pair": None}, "name the column of the second ones in data.columns.text_"),
        ("triplet", {}, "task.loss: triplet learns from triplets: name the column"),
        ("cosine", {"negative": "other"}, "learns from pairs with a score, but data.columns.neg"),
    ],
)
def test_columns_that_do_not_fit_the_loss(experiment, loss, columns, message):
    with pytest.raises(ConfigError, match=message):
        read(experiment(train=PAIRS, **similarity(loss, **columns)))


# -------------------------------------------------------------------------------------- queries

QUERIES = [
    {"query": "q1", "passage": "a", "relevance": 1},
    {"query": "q1", "passage": "b", "relevance": 0},
    {"query": "q2", "passage": "c", "relevance": 0},
    {"query": "q1", "passage": "d", "relevance": 2},
    {"query": "q1", "passage": "e", "relevance": 0},
]
RANKING = {"task": {"name": "ranking"}}


def test_rows_of_queries_and_passages(experiment):
    config = experiment(train=QUERIES, **RANKING)
    examples = read(config)
    assert examples.labels == [("q1", 1), ("q1", 0), ("q2", 0), ("q1", 2), ("q1", 0)]
    assert examples.groups == ["q1", "q1", "q2", "q1", "q1"]
    assert list(examples.texts) == ["query", "passage"] == list(text_fields(config))


def test_queries_told_apart_by_their_number(experiment):
    rows = [row | {"id": number // 2} for number, row in enumerate(QUERIES)]
    examples = read(experiment(train=rows, columns={"query_id": "id"}, **RANKING))
    assert [query for query, _ in examples.labels] == ["0", "0", "1", "1", "2"]


def test_candidates_of_a_query_in_two_files(experiment, write, tmp_path):
    """The number of a query in one file is text in another."""
    (tmp_path / "b.csv").write_text("query,passage,relevance,id\nq1,f,1,7\n", "utf-8")
    files = [write("a", [{**QUERIES[0], "id": 7}]), "b.csv"]
    examples = read(experiment(files=files, columns={"query_id": "id"}, **RANKING))
    assert [query for query, _ in examples.labels] == ["7", "7"]


def test_query_without_an_id(experiment):
    rows = [{**row, "id": number or None} for number, row in enumerate(QUERIES)]
    with pytest.raises(DataError, match=r"train\.jsonl:1: the query has no id"):
        read(experiment(train=rows, columns={"query_id": "id"}, **RANKING))


def test_relevance_that_is_no_number(experiment):
    with pytest.raises(DataError, match=r"jsonl:1: the relevance is 'yes'; expected a number"):
        read(experiment(train=[QUERIES[0] | {"relevance": "yes"}], **RANKING))


@pytest.mark.parametrize("most", [2, 3])
def test_relevant_candidates_stay_first(experiment, most):
    examples = read(experiment(train=QUERIES, candidates=most, **RANKING))
    kept = {passage for query, passage in zip(*examples.texts.values(), strict=True)}
    assert kept >= {"a", "c", "d"} and len(kept) == most + 1


def test_relevance_below_0(experiment):
    with pytest.raises(DataError, match=r"train\.jsonl:1: the relevance is -1; expected 0 where"):
        read(experiment(train=[QUERIES[0] | {"relevance": -1}], **RANKING))


def squad(*articles):
    """Articles are lists of paragraphs, these are (text, number of questions)."""

    def question(article, number, text, each):
        answers = [{"text": text[:3], "answer_start": 0}] if each % 2 == 0 else []
        return {"id": f"{article}.{number}.{each}", "question": "what ?", "answers": answers}

    return {
        "data": [
            {
                "title": f"article {article}",
                "paragraphs": [
                    {
                        "context": text,
                        "qas": [question(article, number, text, each) for each in range(count)],
                    }
                    for number, (text, count) in enumerate(paragraphs)
                ],
            }
            for article, paragraphs in enumerate(articles)
        ]
    }


@pytest.fixture
def read_squad(experiment, tmp_path):
    def of(articles, **data):
        (tmp_path / "a.json").write_text(json.dumps(squad(*articles)), "utf-8")
        return read(experiment(train="a.json", format="squad", **RANKING, **data))

    return of


def by_query(examples):
    found = {}
    for (query, relevance), passage in zip(examples.labels, examples.texts["passage"], strict=True):
        found.setdefault(query, {})[passage] = relevance
    return found


ARTICLES = [[("one is", 1), ("two is", 2), ("six is", 1)], [("far is", 1)]]


def test_questions_with_the_paragraphs_of_their_article(read_squad):
    examples = read_squad(ARTICLES)
    assert by_query(examples) == {
        "0.0.0": {"one is": 1, "two is": 0, "six is": 0},
        "0.1.0": {"one is": 0, "two is": 1, "six is": 0},
        "0.2.0": {"one is": 0, "two is": 0, "six is": 1},
        "1.0.0": {"far is": 1},
    }
    # Questions with the same words are not the same query.
    assert set(examples.texts["query"]) == {"what ?"}
    assert examples.counts == {"questions without an answer left out": 1}
    assert set(examples.groups) == {"article 0", "article 1"}


def test_questions_of_two_files_without_ids(experiment, write):
    row = {"question": "what ?", "context": "one is", "answers": ["one"], "title": "a"}
    files = [write(name, [row, row | {"context": f"two {name}"}]) for name in "ab"]
    rows = read(experiment(files=files, **RANKING))
    assert len(by_query(rows)) == 4


def test_paragraphs_are_drawn_and_filled_up_from_other_articles(read_squad):
    for most in (2, 3, 4, 9):
        for query, passages in by_query(read_squad(ARTICLES, candidates=most)).items():
            assert len(passages) == min(most, 4) and sum(passages.values()) == 1
            if query.startswith("0"):
                assert ("far is" in passages) == (most > 3)
    first, second = (by_query(read_squad(ARTICLES, candidates=2)) for _ in range(2))
    assert first == second


def test_questions_none_of_which_is_answered(read_squad, experiment, tmp_path):
    document = squad([("one is", 1)])
    document["data"][0]["paragraphs"][0]["qas"][0]["answers"] = []
    (tmp_path / "b.json").write_text(json.dumps(document), "utf-8")
    with pytest.raises(DataError, match="none of its 1 questions has an answer, so no paragraph"):
        read(experiment(train="b.json", format="squad", **RANKING))


def test_questions_to_answer_are_asked_of_their_own_paragraph(experiment, tmp_path):
    (tmp_path / "a.json").write_text(json.dumps(squad(*ARTICLES)), "utf-8")
    config = experiment(train="a.json", format="squad", **RANKING)
    (file,) = config.data.files("train")
    table = load_table(file, str(tmp_path / "a.json"))
    examples = build_reader(config)(table, file, with_labels=False)
    assert examples.texts["passage"] == ["one is", "two is", "two is", "six is", "far is"]
