"""`tfft predict`: one JSON object a row, in order, whatever the texts come from."""

import json
import shutil
import socket

import pytest

import tfft


@pytest.fixture
def predict(capsys):
    """Runs the command on a place's run; returns the rows that it prints."""

    def run(place, *arguments, code=0):
        from tfft import predict

        capsys.readouterr()
        assert predict.main(["--run", str(place.run), *map(str, arguments)]) == code
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return (
            captured.err if code else [json.loads(line) for line in captured.out.split("\n")[:-1]]
        )

    return run


def test_answers_its_arguments(predict, single_run):
    first, second = predict(single_run, "the cat again", "the flute again")
    assert list(first) == ["text", "label", "score", "probabilities"]
    assert first["text"] == "the cat again"
    assert (first["label"], second["label"]) == ("animals", "music")
    assert list(first["probabilities"]) == ["animals", "music", "weather"]
    assert [first, second] == [
        {"text": text, **answer}
        for text, answer in zip(
            ["the cat again", "the flute again"],
            tfft.load_run(single_run.run).predict(["the cat again", "the flute again"]),
            strict=True,
        )
    ]


def test_answers_the_lines_of_standard_input(predict, single_run, standard_input):
    standard_input("\ufeffthe cat again\r\n\r\nthe dru\u2028m again\nthe frost again")
    rows = predict(single_run)
    texts = ["the cat again", "", "the dru\u2028m again", "the frost again"]
    assert [row["text"] for row in rows] == texts
    assert (rows[0]["label"], rows[-1]["label"]) == ("animals", "weather")


def test_nothing_on_standard_input_is_no_fault(predict, single_run, standard_input):
    standard_input("")
    assert predict(single_run) == []


def test_bytes_that_are_not_utf8_are_a_clear_fault(predict, single_run, standard_input):
    standard_input(b"a line\n" + "Café\n".encode("latin-1"))
    message = predict(single_run, code=2)
    assert "standard input" in message
    assert "UTF-8" in message


def test_pairs_have_a_tab_between_them(predict, pair_run, standard_input):
    standard_input("we heard the cat\tthere was nothing\n")
    (row,) = predict(pair_run)
    assert (row["text"], row["text_pair"]) == ("we heard the cat", "there was nothing")
    assert row["label"] == "other"
    assert predict(pair_run, "we heard the cat\tthere was one")[0]["label"] == "same"
    assert "expected text and text_pair with a tab" in predict(pair_run, "only one", code=2)


def test_several_labels_are_a_list(predict, multi_run):
    none, two = predict(multi_run, "ak", "ak # @")
    assert list(two) == ["text", "labels", "probabilities"]
    assert two["labels"] == ["animals", "music"]
    assert none["labels"] == []


def test_a_file_keeps_its_columns_in_order(predict, single_run, tmp_path):
    path = tmp_path / "new.csv"
    path.write_text('id,text,note\n7,the cat again,"a, b"\n8,the rain again,\n', "utf-8")
    rows = predict(single_run, "--data", path)
    assert [list(row)[:3] for row in rows] == [["id", "text", "note"]] * 2
    assert [row["id"] for row in rows] == ["7", "8"]
    assert rows[0]["note"] == "a, b"
    assert [row["label"] for row in rows] == ["animals", "weather"]


def test_columns_named_as_the_answer_are_kept_under_another_name(predict, single_run, tmp_path):
    path = tmp_path / "new.jsonl"
    row = {"text": "the cat again", "label": "mine", "input_label": "older", "score": 3}
    path.write_text(json.dumps(row), "utf-8")
    (answer,) = predict(single_run, "--data", path)
    assert answer["label"] == "animals"
    assert answer["input_input_label"] == "mine"
    assert answer["input_label"] == "older"
    assert answer["input_score"] == 3
    assert 0 < answer["score"] <= 1


def test_values_of_json_stay_what_they_are(predict, single_run, tmp_path):
    path = tmp_path / "new.jsonl"
    row = {"text": "half \ud800 cat", "tags": ["a", {"b": 1}], "n": None, "x": float("nan")}
    path.write_text(json.dumps(row), "utf-8")
    (answer,) = predict(single_run, "--data", path)
    assert answer["text"] == "half \ud800 cat"
    assert answer["tags"] == ["a", {"b": 1}]
    assert answer["n"] is None
    assert answer["x"] is None


def test_the_text_column_may_be_named(predict, single_run, tmp_path):
    path = tmp_path / "new.jsonl"
    path.write_text(json.dumps({"body": "the cat again"}), "utf-8")
    assert "Its columns: 'body'" in predict(single_run, "--data", path, code=2)
    (row,) = predict(single_run, "--data", path, "--set", "columns.text=body")
    assert row["label"] == "animals"


def test_more_rows_than_are_answered_at_once(predict, single_run, tmp_path, monkeypatch):
    from tfft import predict as command

    monkeypatch.setattr(command, "ROWS_AT_ONCE", 7)
    answers = predict(single_run, "--data", single_run.data / "test.csv")
    rows = single_run.rows("test")
    assert [row["text"] for row in answers] == [row["text"] for row in rows]
    assert [row["label"] for row in answers] == [row["input_label"] for row in answers]


@pytest.mark.parametrize(("name", "content"), [("empty.csv", "text\n"), ("empty.jsonl", "")])
def test_a_file_without_rows_gives_none(predict, single_run, tmp_path, name, content):
    (tmp_path / name).write_text(content, "utf-8")
    assert predict(single_run, "--data", tmp_path / name) == []


def test_writes_a_file(predict, single_run, tmp_path):
    output = tmp_path / "answers.jsonl"
    assert predict(single_run, "--output", output, "the cat — again") == []
    assert json.loads(output.read_text("utf-8"))["text"] == "the cat — again"
    assert list(tmp_path.iterdir()) == [output]


def test_a_failure_leaves_the_old_output(predict, single_run, tmp_path, monkeypatch):
    output = tmp_path / "answers.jsonl"
    output.write_text("old", "utf-8")
    monkeypatch.setattr(tfft.inference.TrainedRun, "answer_columns", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        predict(single_run, "--output", output, "a text")
    assert output.read_text("utf-8") == "old"
    assert list(tmp_path.iterdir()) == [output]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "x.csv", "a text"], "either texts or --data"),
        (["--data", "nowhere.csv"], "There is no file nowhere.csv"),
        (["--output", "nowhere/x.jsonl", "a text"], "no such directory"),
    ],
)
def test_wrong_arguments_are_clear_faults(predict, single_run, arguments, message):
    assert message in predict(single_run, *arguments, code=2)


def test_without_a_run_it_says_so(predict, place):
    assert "holds no run" in predict(place, "a text", code=2)


def test_an_unfinished_run_is_told_from_a_finished_one(predict, place):
    place.run.mkdir()
    (place.run / "config.yaml").write_text("", "utf-8")
    message = predict(place, "a text", code=2)
    assert "has not finished" in message
    assert "--resume" in message


def test_texts_are_cleaned_as_those_trained_on(predict, place, single_run, tmp_path):
    shutil.copytree(single_run.run, place.run)
    config = place.run / "config.yaml"
    text = config.read_text("utf-8")
    config.write_text(text.replace("cleaning: []", "cleaning: [html_entities, strip]"), "utf-8")
    escaped, plain = predict(place, "the &#99;at again ", "the cat again")
    assert escaped["text"] == "the &#99;at again "
    assert escaped["probabilities"] == plain["probabilities"]
    path = tmp_path / "new.jsonl"
    path.write_text(json.dumps({"text": "the &#99;at again"}), "utf-8")
    (row,) = predict(place, "--data", path)
    assert row["probabilities"] == pytest.approx(plain["probabilities"], abs=1e-6)


def test_needs_no_network(predict, single_run, monkeypatch):
    def refuse(*_):
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert predict(single_run, "the cat again")[0]["label"] == "animals"
