"""`tfft backbones`: the list, and the ranking on somebody's data."""

import json
import shutil
import signal

import pytest

from tfft.__main__ import main

SMALL = ["--rows", "80"]


@pytest.fixture
def run(place, capsys, monkeypatch):
    """Runs the command in a terminal of some width; returns its exit code and what it prints."""
    monkeypatch.setattr(signal, "signal", lambda *_: None)

    def command(*arguments, width=160, code=0):
        monkeypatch.setenv("COLUMNS", str(width))
        assert main(["backbones", *arguments]) == code
        return capsys.readouterr()

    return command


# -------------------------------------------------------------------------------------- the list


def test_the_list(run, write_run, knowing):
    write_run("mine", knowing, preset="minilm")
    output = run("--no-cost", "--family", "bert").out
    here, _, away = output.partition("To be downloaded")
    assert "runs/mine/preset" in here and "bert_base_zh" in away
    (row,) = (line for line in away.splitlines() if line.startswith("bert_base_en_uncased "))
    cells = " ".join(row.split())
    assert cells == "bert_base_en_uncased bert 109M en uncased 512 Apache-2.0 ~438 MB"
    assert "distil_bert_base_en" not in output


def test_the_list_in_a_narrow_terminal(run):
    output = run("--no-cost", width=44).out
    assert "albert_extra_extra_large_en_uncased" in map(str.strip, output.splitlines())
    assert max(map(len, output.splitlines())) <= 44
    folded = " ".join(output.split())
    assert "bert_tiny_en_uncased bert, parameters 4.4M, en, uncased, length 512" in folded


def test_the_list_in_a_pipe_keeps_rows_whole(run, monkeypatch, capsys):
    monkeypatch.delenv("COLUMNS", raising=False)
    from tfft.backbones.__main__ import main as backbones

    assert backbones(["--no-cost"]) == 0
    rows = capsys.readouterr().out.splitlines()
    (row,) = (line for line in rows if line.startswith("electra_large_generator_uncased_en"))
    assert row.rstrip().endswith("~204 MB")


def test_the_list_as_json(run, write_run, knowing):
    write_run("mine", knowing)
    entries = json.loads(run("--no-cost", "--json").out)
    mine, *others = entries
    assert (mine["preset"], mine["bytes_measured"]) == ("runs/mine/preset", True)
    assert mine["licence"] is None and mine["step_seconds"] is None
    assert all(entry["directory"] is None for entry in others)


def test_the_list_with_costs(run, monkeypatch):
    monkeypatch.setattr("tfft.choosing.cost.calibrate", lambda: {768: 1e11})
    captured = run("--family", "albert", "--json")
    assert "timing a training step of small random models" in captured.err
    base, large = json.loads(captured.out)[:2]
    assert 0 < base["step_seconds"] < large["step_seconds"]
    assert not base["step_measured"]
    assert "~20 s" in run("--family", "albert").out


def test_nothing_to_list(run):
    assert run("--no-cost", "--language", "xx", "--family", "albert").out == (
        "There are no such presets.\n"
    )


# ----------------------------------------------------------------------------------- the ranking


def test_ranks_who_knows_the_texts_first(run, write_run, knowing, foreign, data):
    write_run("foreign", foreign)
    write_run("knowing", knowing)
    captured = run("--for", "data.csv", *SMALL)
    rows = [line.split() for line in captured.out.splitlines() if "runs/" in line]
    assert [row[:2] for row in rows[:2]] == [
        ["1", "runs/knowing/preset"],
        ["2", "runs/foreign/preset"],
    ]
    assert "Tried on 80 of the 160 rows of data.csv." in captured.out
    assert "note: 80 rows tell little" in captured.out
    assert "note: runs/foreign/preset does not know 100% of the pieces" in captured.out
    assert "presets: not on this disk" in captured.out
    assert captured.out.endswith(
        "backbone: {preset: runs/knowing/preset, sequence_length: 16}\nor beside --config FILE: "
        "--set backbone.preset=runs/knowing/preset --set backbone.sequence_length=16\n"
    )
    assert "trying runs/knowing/preset" in captured.err
    assert "the commonest label" not in captured.out


def test_equals_are_said_to_be_ties(run, write_run, knowing, data):
    run_dir = write_run("one", knowing)
    shutil.copytree(run_dir, run_dir.with_name("two"))
    output = run("--for", "data.csv", *SMALL).out
    rows = [line.split()[:2] for line in output.splitlines() if line.strip().startswith("1=")]
    assert rows == [["1=", "runs/one/preset"], ["1=", "runs/two/preset"]]
    assert "runs/one/preset, runs/two/preset are within one standard error" in output
    assert "To use runs/one/preset, in your config:" in output


def test_of_ties_the_one_is_advised_that_nothing_is_noted_of(run, write_run, knowing, data):
    write_run("alpha", knowing, train="data.csv")
    write_run("beta", knowing)
    names = "runs/alpha/preset,runs/beta/preset"
    output = run("--for", "data.csv", *SMALL, "--candidates", names).out
    assert "1=   runs/alpha/preset" in output and "was trained on these rows" in output
    assert "To use runs/beta/preset, in your config:" in output


def test_the_ranking_as_json(run, write_run, knowing, data):
    write_run("knowing", knowing)
    values = json.loads(run("--for", "data.csv", *SMALL, "--json").out)
    (candidate,) = values["candidates"]
    rows = {"rows": 80, "of": 160, "left_out": 0, "empty": 0}
    assert values["sample"] == {"path": "data.csv", **rows}
    assert values["ranked_by"] == "macro_f1"
    best = {"preset": "runs/knowing/preset", "sequence_length": 16}
    assert values["settings_to_use"] == best
    assert candidate["scores"]["macro_f1"]["mean"] > 0.8
    assert candidate["unknown"] == 0.0 and candidate["warnings"] == []
    assert values["counted_characters"].keys() == {"macro_f1", "accuracy"}
    assert values["not_tried"]["bert_base_zh"].startswith("not on this disk")


def test_a_run_that_was_trained_on_the_rows_is_not_tried(run, write_run, knowing, data):
    write_run("fresh", knowing)
    write_run("learned", knowing, train="data.csv")
    output = run("--for", "data.csv", *SMALL).out
    assert "not tried: runs/learned/preset: it was trained on these rows" in output
    output = run("--for", "data.csv", *SMALL, "--candidates", "runs/learned/preset").out
    assert "note: runs/learned/preset was trained on these rows" in output


def test_counted_characters_that_pass_every_candidate(run, write_run, foreign, data):
    write_run("foreign", foreign)
    output = run("--for", "data.csv", *SMALL).out
    assert "To use runs/foreign/preset, in spite of what is noted of it, in your" in output
    assert "note: no candidate is clearly better than always answering the commonest" in output
    assert "no less than the best: letters may be enough here, or another candidate" in output


def test_a_config_and_its_command(run, write_run, knowing, data):
    write_run("knowing", knowing)
    (data.parent / "mine.yaml").write_text(
        "name: mine\noutput_dir: runs/mine\nbackbone: {preset: minilm}\ndata: {train: none.csv}\n"
    )
    output = run("--config", "mine.yaml", "--set", "data.train=data.csv", *SMALL).out
    assert output.endswith(
        "python -m tfft.fit --config mine.yaml --set data.train=data.csv "
        "--set backbone.preset=runs/knowing/preset --set backbone.sequence_length=16\n"
    )


def test_a_candidate_that_cannot_be_loaded(run, write_run, knowing, data):
    write_run("knowing", knowing)
    (data.parent / "empty").mkdir()
    output = run("--for", "data.csv", *SMALL, "--candidates", "runs/knowing/preset,empty").out
    assert "not tried: empty: backbone.preset: the directory empty has no config.json" in output


def test_a_candidate_whose_files_are_broken(run, write_run, knowing, data):
    write_run("knowing", knowing)
    broken = write_run("broken", knowing) / "preset"
    (broken / "config.json").write_text('{"registered_name": "mine>Backbone"}')
    output = run("--for", "data.csv", *SMALL, "--candidates", f"runs/knowing/preset,{broken}").out
    assert f"not tried: {broken}: backbone.preset: " in output


def test_ranks_by_words(run, write_run, knowing, foreign, data):
    write_run("foreign", foreign)
    write_run("knowing", knowing)
    rows = data.read_text().splitlines()[1:]
    tags = {"animals": "B-animal", "music": "B-instrument"}
    with (data.parent / "data.conll").open("w") as file:
        for text, label in (row.split(",") for row in rows):
            *words, word, number = text.split()
            lines = [*(f"{each} O" for each in words), f"{word} {tags[label]}", f"{number} O"]
            file.write("\n".join([*lines, "", ""]))
    output = run("--for", "data.conll", *SMALL).out
    first, second = (line.split() for line in output.splitlines() if " runs/" in line[:10])
    assert first[:2] == ["1", "runs/knowing/preset"] and second[1] == "runs/foreign/preset"
    assert float(first[2]) > 80 > float(second[2])
    assert "entity F1" in output and "over 16" in output and "first piece" in output


# --------------------------------------------------------------------------------------- refused


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--rows", "5"], "--rows belongs to --for FILE"),
        (["--for", "data.csv", "--rows", "-1"], "--rows is -1; expected 1 or more"),
        (["--for", "data.csv", "--no-cost"], "--no-cost belongs to the list"),
        (["--for", "date.csv"], "There is no file date.csv"),
        (["--for", "data.csv", "--set", "columns.label=stars"], "no column 'stars'"),
        (["--for", "data.csv", "--set", "columns.label=stars"], "Say which are read: --set col"),
        (["--for", "data.csv", "--set", "task.name=ranking"], "The task is ranking; another one"),
        (["--for", "data.csv"], "There is nothing to try."),
        (["--for", "data.csv", "--candidates", "bert_bas_en"], "Did you mean 'bert_base_en'?"),
        (["--for", "data.csv", "--candidates", "bilstm"], "bilstm knows nothing before it is"),
        (["--for", "data.csv", "--candidates", "minilm"], "minilm: not installed"),
        (["--family", "distilbert"], "Did you mean 'distil_bert'?"),
        (["--language", "chinese"], "expected a code of ISO 639"),
    ],
)
def test_a_mistake(run, data, arguments, message):
    captured = run(*arguments, code=2)
    assert "error: " in captured.err and message in captured.err
    assert captured.out == ""


# ------------------------------------------------------------------------------------- real texts


def test_chinese_is_foreign_to_minilm(shared_data, capsys, monkeypatch):
    from tfft.backbones.checkpoints import minilm_directory
    from tfft.errors import ConfigError

    try:
        minilm_directory()
    except ConfigError:
        pytest.skip("the weights behind minilm are not installed")
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    path = str(shared_data / "chnsenticorp" / "dev.tsv")
    settings = ["--set", "columns.text=text_a", "--set", "quoting=false", "--rows", "40"]
    options = ["--for", path, *settings, "--candidates", "minilm", "--json"]
    assert main(["backbones", *options]) == 0
    (minilm,) = json.loads(capsys.readouterr().out)["candidates"]
    assert minilm["unknown"] > 0.2
    assert "another language or script" in minilm["warnings"][0]
