"""SQuAD's json becomes rows, and answers of somebody else stand beside the right ones."""

import gzip
import json
import zipfile

import pytest

from tfft.data.answer_predictions import read_answer_predictions
from tfft.data.squad import is_squad, read_squad
from tfft.data.table import ReadOptions
from tfft.errors import DataError
from tfft.metrics.squad import squad_scores

CONTEXT = "Köln lies on the Rhine."


def question(number, answers=(), **more):
    found = [{"text": text, "answer_start": start} for text, start in answers]
    return {"id": f"q{number}", "question": f"Where {number}?", "answers": found, **more}


def document(*qas, **article):
    return {
        "data": [{"title": "Köln", "paragraphs": [{"context": CONTEXT, "qas": qas}], **article}]
    }


RHINE = [("Rhine", 17), ("the Rhine", 13)]
VERSION_2 = document(
    question(1, RHINE, is_impossible=False),
    question(2, [], is_impossible=True, plausible_answers=[{"text": "Köln", "answer_start": 0}]),
)


@pytest.fixture
def write(tmp_path):
    def write(content, name="squad.json"):
        path = tmp_path / name
        text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
        path.write_text(text, "utf-8")
        return str(path)

    return write


@pytest.fixture
def read(write):
    def read(content):
        return read_squad(write(content), ReadOptions())

    return read


# -------------------------------------------------------------------------------------- reading


def test_version_2(read):
    table = read(VERSION_2)
    assert table.columns == {
        "id": ["q1", "q2"],
        "title": ["Köln", "Köln"],
        "question": ["Where 1?", "Where 2?"],
        "context": [CONTEXT, CONTEXT],
        "answers": [
            [{"text": "Rhine", "answer_start": 17}, {"text": "the Rhine", "answer_start": 13}],
            [],
        ],
    }
    assert table.where(1).endswith("squad.json, row 2")


def test_version_1_has_no_is_impossible(read):
    assert read(document(question(1, RHINE[:1]))).column("answers") == [
        [{"text": "Rhine", "answer_start": 17}]
    ]


def test_rows_stand_in_the_order_of_the_file(read):
    content = {
        "data": [
            {
                "title": title,
                "paragraphs": [
                    {"context": f"{title}{n}", "qas": [question(f"{title}{n}{q}") for q in "ab"]}
                    for n in range(2)
                ],
            }
            for title in "XY"
        ]
    }
    table = read(content)
    assert table.column("id") == [f"q{t}{n}{q}" for t in "XY" for n in range(2) for q in "ab"]
    assert table.column("context")[:3] == ["X0", "X0", "X1"]
    assert table.column("title") == ["X"] * 4 + ["Y"] * 4


def test_is_impossible_wins_over_answers(read):
    content = document(question(1, RHINE, is_impossible=True), question(2, RHINE))
    assert [len(answers) for answers in read(content).column("answers")] == [0, 2]


def test_a_title_may_be_missing_and_an_id_a_number(read):
    content = document(question(1, RHINE) | {"id": 7})
    del content["data"][0]["title"]
    table = read(content)
    assert (table.column("title"), table.column("id")) == ([""], ["7"])


def test_an_answer_without_its_place(read):
    entry = question(1) | {"answers": [{"text": "Rhine"}]}
    assert read(document(entry)).column("answers") == [[{"text": "Rhine", "answer_start": None}]]


def test_ids_may_stand_twice(read):
    assert read(document(question(1, RHINE), question(1, RHINE))).column("id") == ["q1", "q1"]


def test_no_questions(read):
    table = read({"data": []})
    assert (table.names, table.rows) == (["id", "title", "question", "context", "answers"], 0)


def test_a_test_set_without_its_answers(read):
    bare = [{"id": str(n), "question": "Who?"} for n in range(2)]
    table = read(document(*bare))
    assert table.names == ["id", "title", "question", "context"]
    assert table.rows == 2
    with pytest.raises(DataError, match=r"qas\[1\] has no answers, and other questions have"):
        read(document(question(1, RHINE), bare[0]))


def test_byte_order_mark_gz_and_zip(write, tmp_path):
    expected = read_squad(write(VERSION_2), ReadOptions()).columns
    data = json.dumps(VERSION_2, ensure_ascii=False).encode("utf-8-sig")
    (tmp_path / "bom.json").write_bytes(data)
    (tmp_path / "a.json.gz").write_bytes(gzip.compress(data))
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("x/dev.json", data)
        archive.writestr("x/train.json", "{}")
    for name, member in [("bom.json", None), ("a.json.gz", None), ("a.zip", "x/dev.json")]:
        table = read_squad(str(tmp_path / name), ReadOptions(member=member))
        assert table.columns == expected


# ------------------------------------------------------------------------------------ other shapes

WHERE = r"squad\.json: data\[0\]\.paragraphs\[0\]"


@pytest.mark.parametrize("key", ["id", "question"])
def test_a_question_without(read, key):
    entry = question(2)
    del entry[key]
    with pytest.raises(DataError, match=rf"{WHERE}\.qas\[1\] has no {key}\. Expected SQuAD's json"):
        read(document(question(1), entry))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], r"squad\.json is a list, expected an object with 'data'"),
        ({}, r"squad\.json has no data\. Expected"),
        ({"data": {}}, r"squad\.json: data is an object, expected a list"),
        ({"data": ["x"]}, r"data\[0\] is a string, expected an object with 'paragraphs'"),
        ({"data": [{}]}, r"squad\.json: data\[0\] has no paragraphs"),
        ({"data": [{"paragraphs": [{"qas": []}]}]}, rf"{WHERE} has no context"),
        ({"data": [{"paragraphs": [{"context": "x"}]}]}, rf"{WHERE} has no qas"),
        ({"data": [{"paragraphs": [{"context": 1}]}]}, rf"{WHERE}\.context is a number, expected"),
        (document({"id": True, "question": ""}), rf"{WHERE}\.qas\[0\]\.id is true or false"),
        (document(question(1, is_impossible="no")), r"qas\[0\]: is_impossible is 'no'; expected"),
        (document(question(1) | {"answers": "x"}), r"qas\[0\]\.answers is a string, expected a li"),
        (document(question(1) | {"answers": ["x"]}), r"answers\[0\] is a string, expected an obj"),
        (document(question(1) | {"answers": [{}]}), r"qas\[0\]\.answers\[0\] has no text"),
        (document(question(1, [(7, 0)])), r"answers\[0\]\.text is a number, expected a string"),
        ('{"data": [}', r"squad\.json:1:11: this is not JSON"),
    ],
)
def test_another_shape(read, content, message):
    with pytest.raises(DataError, match=message):
        read(content)


def test_squad_is_told_from_rows():
    assert is_squad(VERSION_2)
    for content in [[], {}, {"data": []}, {"data": {}}, {"data": [{"text": "x"}]}, {"data": ["x"]}]:
        assert not is_squad(content)


# --------------------------------------------------------------------------- answers and their gold

GOLD = document(question(1, RHINE), question(2, is_impossible=True), question(3, RHINE[:1]))


def test_answers_beside_the_right_ones(write):
    answers = write({"q3": "", "q1": "Rhine", "q2": "Köln"}, "answers.json")
    assert read_answer_predictions(answers, write(GOLD)) == (
        [["Rhine", "the Rhine"], [], ["Rhine"]],
        ["Rhine", "Köln", ""],
        0,
    )


def test_missing_answers_are_counted(write):
    right, answers, missing = read_answer_predictions(write({"q3": "x"}, "a.json"), write(GOLD))
    assert (len(right), answers, missing) == (3, ["", "", "x"], 2)


def test_answers_as_lines(write):
    lines = '{"id": "q2", "answer": "", "score": 0.5}\n{"id": "q1", "answer": "the Rhine"}\n'
    _, answers, missing = read_answer_predictions(write(lines, "a.jsonl"), write(GOLD))
    assert (answers, missing) == (["the Rhine", "", ""], 1)


def test_one_line_is_no_object_of_answers(write):
    _, answers, _ = read_answer_predictions(
        write('{"id": "q1", "answer": "x"}', "a.jsonl"), write(GOLD)
    )
    assert answers == ["x", "", ""]


def test_packed_lines(write, tmp_path):
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(b'{"id": "q1", "answer": "x"}'))
    _, answers, _ = read_answer_predictions(str(tmp_path / "a.jsonl.gz"), write(GOLD))
    assert answers == ["x", "", ""]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("gold.jsonl", '{"id": 1, "answers": ["x", "y"]}\n{"id": 2, "answers": []}\n'),
        ("gold.csv", 'id,answers\n1,"[""x"", ""y""]"\n2,\n'),
        ("gold.json", '[{"id": 1, "answers": {"text": ["x", "y"]}}, {"id": 2, "answers": null}]'),
    ],
)
def test_gold_in_other_formats(write, name, content):
    found = read_answer_predictions(write({"2": "b", "1": "a"}, "a.json"), write(content, name))
    assert found == ([["x", "y"], []], ["a", "b"], 0)


def test_an_answer_to_an_unknown_question(write):
    with pytest.raises(
        DataError, match=r"a\.json: no question of .*squad\.json .*: 'qx' \(1 in all"
    ):
        read_answer_predictions(write({"q1": "x", "qx": "y"}, "a.json"), write(GOLD))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (["x"], r"a\.json holds a list\. Expected a json object"),
        ({"q1": None}, r"a\.json answers 'q1' with null\. Expected"),
        ({"q1": ["x"]}, r"a\.json answers 'q1' with a list\. Expected"),
    ],
)
def test_answers_of_another_shape(write, content, message):
    with pytest.raises(DataError, match=message):
        read_answer_predictions(write(content, "a.json"), write(GOLD))


def test_lines_of_another_shape(write):
    with pytest.raises(DataError, match=r"has no column 'answer'.*'id', 'label'"):
        read_answer_predictions(write('{"id": "q1", "label": "x"}', "a.jsonl"), write(GOLD))
    with pytest.raises(DataError, match=r"a\.jsonl answers 'q1' with a number"):
        read_answer_predictions(write('{"id": "q1", "answer": 1}', "a.jsonl"), write(GOLD))


def test_ids_that_stand_twice_cannot_be_told_apart(write):
    twice = write(document(question(1), question(1)), "twice.json")
    with pytest.raises(DataError, match=r"twice\.json has ids more than once: 'q1'"):
        read_answer_predictions(write({}, "a.json"), twice)
    line = '{"id": "q1", "answer": "x"}\n'
    with pytest.raises(DataError, match=r"a\.jsonl has ids more than once: 'q1'"):
        read_answer_predictions(write(line * 2, "a.jsonl"), write(GOLD))


# ------------------------------------------------------------------------------------- real sets


def test_squad_2_of_cs224n(shared_data):
    table = read_squad(str(shared_data / "squad2_cs224n/data/dev-v2.0.json"), ReadOptions())
    answers = table.column("answers")
    assert table.rows == 6078
    assert sum(not each for each in answers) == 3168
    assert sum(map(len, answers)) == 10052
    assert len(set(table.column("title"))) == 16
    assert len(set(table.column("context"))) == 646


def test_xquad_outside_the_articles_of_training(shared_data):
    train = read_squad(str(shared_data / "squad2_cs224n/data/dev-v2.0.json"), ReadOptions())
    table = read_squad(str(shared_data / "xquad/xquad.en.json"), ReadOptions())
    assert table.rows == 1190
    assert {len(answers) for answers in table.column("answers")} == {1}
    titles = set(train.column("title"))
    assert titles <= set(table.column("title"))
    assert sum(title not in titles for title in table.column("title")) == 838


def test_gold_as_answers_scores_one(shared_data, write):
    path = str(shared_data / "squad2_cs224n/data/dev-v2.0.json")
    gold = read_squad(path, ReadOptions())
    pairs = zip(gold.column("id"), gold.column("answers"), strict=True)
    answers = {each: right[0]["text"] if right else "" for each, right in pairs}
    right, given, missing = read_answer_predictions(write(answers, "answers.json"), path)
    assert missing == 0
    assert set(squad_scores(right, given).values()) == {1.0}
