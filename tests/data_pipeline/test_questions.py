"""Columns become questions, contexts, and answers that stand in their context."""

import json

import pytest

from tfft.data.questions import given_answers, read_questions
from tfft.data.sources import read_table
from tfft.data.squad import read_squad
from tfft.data.table import ReadOptions, Table
from tfft.errors import DataError

CONTEXT = "Köln lies on the Rhine. The Rhine ends in the sea."
CITY, RHINE, SEA = ("Köln", 0), ("Rhine", 17), ("sea", 46)
NOTHING = {"repaired": 0, "ambiguous": 0, "skipped_answers": 0, "skipped_rows": 0}


def table(*answers, **columns):
    count = len(answers)
    return Table(
        {
            "question": [f"q{row}" for row in range(count)],
            "context": [CONTEXT] * count,
            "answers": list(answers),
            **columns,
        },
        "squad.json",
    )


def squad(*answers):
    return [{"text": text, "answer_start": start} for text, start in answers]


def test_the_context():
    assert [CONTEXT.find(text) for text, _ in (CITY, RHINE, SEA)] == [0, 17, 46]
    assert CONTEXT.count("Rhine") == 2


# ------------------------------------------------------------------------------- what files hold

SHAPES = [
    squad(RHINE, SEA),
    {"text": ["Rhine", "sea"], "answer_start": [17, 46]},
    json.dumps(squad(RHINE, SEA)),
    json.dumps({"text": ["Rhine", "sea"], "answer_start": [17, 46]}),
]


@pytest.mark.parametrize("cell", SHAPES)
def test_answers_with_their_places(cell):
    found = read_questions(table(cell))
    assert found.answers == [[RHINE, SEA]]
    assert (found.questions, found.contexts, found.rows) == (["q0"], [CONTEXT], [0])
    assert found.notes == NOTHING


@pytest.mark.parametrize(
    ("cell", "start"),
    [
        ("Rhine", 17),
        ("Rhine", "17"),
        ("Rhine", 17.0),
        ("Rhine", "17.0"),
        (["Rhine"], [17]),
        ('["Rhine"]', "[17]"),
        ({"text": "Rhine"}, 17),
        ({"text": "Rhine", "answer_start": 17}, None),
        ({"text": "Rhine", "answer_start": 17}, 3),  # the answer's own wins
    ],
)
def test_places_in_a_column_of_their_own(cell, start):
    found = read_questions(table(cell, answer_start=[start]))
    assert found.answers == [[RHINE]]
    assert found.notes == NOTHING


def test_several_texts_with_a_column_of_places():
    found = read_questions(table(["sea", "Rhine"], answer_start=[[46, 28]]))
    assert found.answers == [[SEA, ("Rhine", 28)]]


@pytest.mark.parametrize("cell", ["sea", ["sea"], {"text": "sea"}, {"text": ["sea"]}, '["sea"]'])
def test_texts_without_places_are_looked_up(cell):
    found = read_questions(table(cell))
    assert found.answers == [[SEA]]
    assert found.notes == NOTHING


def test_of_several_places_that_no_file_chooses_between_the_first():
    found = read_questions(table("Rhine", ["sea", "the"]))
    assert found.answers == [[RHINE], [SEA, ("the", 13)]]
    assert found.notes == NOTHING | {"ambiguous": 2}


@pytest.mark.parametrize(
    "cell",
    [
        None,
        "",
        "  ",
        [],
        "[]",
        [""],
        [None],
        {"text": [], "answer_start": []},
        '{"text": [], "answer_start": []}',
        squad(("", -1)),
        {"text": None, "answer_start": None},
    ],
)
@pytest.mark.parametrize("starts", [{}, {"answer_start": [None]}])
def test_no_answer(cell, starts):
    found = read_questions(table(cell, **starts))
    assert found.answers == [[]]
    assert found.notes == NOTHING


@pytest.mark.parametrize("cell", [None, "", []])
@pytest.mark.parametrize("start", ["", "[]", [], -1, None])
def test_no_answer_and_what_stands_for_its_place(cell, start):
    assert read_questions(table(cell, answer_start=[start])).answers == [[]]


@pytest.mark.parametrize("text", ["[sic]", "[1]", "{x}", '{"x": 1}', "[1, 2"])
def test_a_text_that_only_looks_like_json(text):
    rows = Table({"question": ["q"], "context": [f"so {text}"], "answers": [text]}, "a.csv")
    assert read_questions(rows).answers == [[(text, 3)]]


@pytest.mark.parametrize(
    ("cell", "start", "message"),
    [
        ("sea", "here", r"squad\.json, row 1: answer_start is 'here'; expected the number"),
        ("sea", 46.5, r"row 1: answer_start is 46\.5; expected the number"),
        ("sea", {}, r"row 1: answer_start is \{\}; expected the number"),
        (["sea", "Rhine"], [46], r"row 1: found 2 answers and 1 numbers in answer_start"),
        (7, 0, r"row 1: an answer is 7; expected a text"),
        ([["sea"]], 0, r"row 1: an answer is \['sea'\]; expected a text"),
        ([{"answer": "sea"}], 0, r"row 1: an answer is an object with 'answer'; expected 'text'"),
    ],
)
def test_cells_of_another_shape(cell, start, message):
    with pytest.raises(DataError, match=message):
        read_questions(table(cell, answer_start=[start]))


def test_given_answers_are_as_the_file_has_them():
    rows = table(squad(("nowhere", 99), ("sea", None)), "Rhine", None)
    assert given_answers(rows) == [[("nowhere", 99), ("sea", -1)], [("Rhine", None)], []]


# ---------------------------------------------------------------------------------------- columns


def test_columns_by_name_and_by_position(tmp_path):
    (tmp_path / "a.csv").write_text("gold,from,asked,text\nsea,46,Where?,to the sea\n", "utf-8")
    named = read_table(tmp_path / "a.csv")
    found = read_questions(
        named, question="asked", context="text", answers="gold", answer_start="from"
    )
    assert (found.questions, found.answers) == (["Where?"], [[("sea", 7)]])
    by_position = read_questions(named, question=2, context=3, answers=0, answer_start=1)
    assert by_position == found


def test_answers_are_called_answers_or_answer():
    rows = table("sea")
    rows.columns["answer"] = ["Köln"]
    assert read_questions(rows).answers == [[SEA]]
    del rows.columns["answers"]
    assert read_questions(rows).answers == [[CITY]]
    del rows.columns["answer"]
    with pytest.raises(DataError, match=r"has no column 'answers'\. Its columns: 'question', 'co"):
        read_questions(rows)


def test_without_labels_answers_are_not_looked_at():
    rows = Table({"question": ["q", None], "context": ["c", 7], "answers": [3, 4]}, "a.json")
    found = read_questions(rows, with_labels=False)
    assert (found.questions, found.contexts, found.rows) == (["q", ""], ["c", "7"], [0, 1])
    assert (found.answers, found.notes) == (None, NOTHING)


def test_cleaning_leaves_contexts_as_they_are():
    rows = Table(
        {"question": [" Where  to? "], "context": [" to  the sea"], "answers": ["sea"]}, "a.json"
    )
    found = read_questions(rows, cleaning=["whitespace", "strip"])
    assert (found.questions, found.contexts) == (["Where to?"], [" to  the sea"])
    assert found.answers == [[("sea", 9)]]


def test_no_rows():
    found = read_questions(table())
    assert (found.questions, found.contexts, found.answers, found.rows) == ([], [], [], [])


# ----------------------------------------------------------------------------- where answers stand


@pytest.mark.parametrize("start", [45, 47, 0, -1, -4, 99, None])
def test_an_answer_is_moved_to_the_one_place_where_it_stands(start):
    found = read_questions(table(squad(("sea", start))))
    assert found.answers == [[SEA]]
    assert found.notes == NOTHING | {"repaired": 1}


def test_an_empty_place_in_a_column_of_places():
    found = read_questions(table("sea", "Rhine", answer_start=["", ""]))
    assert (found.answers, found.rows) == ([[SEA]], [0])
    assert found.notes == NOTHING | {"repaired": 1, "skipped_answers": 1, "skipped_rows": 1}


def test_an_answer_at_the_second_of_two_places_stays():
    found = read_questions(table(squad(("Rhine", 28))))
    assert (found.answers, found.notes) == ([[("Rhine", 28)]], NOTHING)


def test_an_answer_that_counts_from_the_end_is_not_at_its_place():
    found = read_questions(table(squad(("Rhine", -22))))  # Python's CONTEXT[-22:] begins with it
    assert CONTEXT[-22:].startswith("Rhine")
    assert found.notes == NOTHING | {"skipped_answers": 1, "skipped_rows": 1}


def test_an_answer_is_looked_for_without_the_blanks_around_it():
    found = read_questions(table(squad((" sea\n", 46), ("\tRhine ", 17), ("sea ", 3))))
    assert found.answers == [[SEA, RHINE, SEA]]
    assert found.notes == NOTHING | {"repaired": 3}


def test_blanks_that_stand_in_the_context_are_kept():
    found = read_questions(table(squad((" Rhine", 16))))
    assert (found.answers, found.notes) == ([[(" Rhine", 16)]], NOTHING)


def test_answers_that_stand_nowhere_or_in_several_places_are_skipped():
    found = read_questions(table(squad(("Rhine", 3), ("Elbe", 17), ("köln", 0), SEA)))
    assert found.answers == [[SEA]]
    assert found.notes == NOTHING | {"skipped_answers": 3}


def test_places_that_overlap_are_several():
    rows = Table({"question": ["q"], "context": ["banana"], "answers": [squad(("ana", 0))]}, "a")
    assert read_questions(rows).rows == []


def test_a_row_whose_answers_were_all_skipped_does_not_become_unanswerable():
    found = read_questions(table(squad(SEA), squad(("Elbe", 0), ("Oder", 0)), [], squad(CITY)))
    assert found.rows == [0, 2, 3]
    assert found.questions == ["q0", "q2", "q3"]
    assert len(found.contexts) == 3
    assert found.answers == [[SEA], [], [CITY]]
    assert found.notes == NOTHING | {"skipped_answers": 2, "skipped_rows": 1}


def test_characters_are_counted_and_not_bytes():
    context = "😀 é 東京"
    rows = Table({"question": ["q"], "context": [context], "answers": [squad(("東京", 4))]}, "a")
    found = read_questions(rows)
    assert (found.answers, found.notes) == ([[("東京", 4)]], NOTHING)


# ------------------------------------------------------------------------------------- real sets


@pytest.mark.parametrize(
    ("name", "rows"), [("squad2_cs224n/data/dev-v2.0.json", 6078), ("xquad/xquad.en.json", 1190)]
)
def test_answers_of_real_sets_stand_where_they_say(shared_data, name, rows):
    found = read_questions(read_squad(str(shared_data / name), ReadOptions()))
    assert (len(found.rows), found.notes) == (rows, NOTHING)
    for context, answers in zip(found.contexts, found.answers, strict=True):
        assert all(context[start:].startswith(text) for text, start in answers)
