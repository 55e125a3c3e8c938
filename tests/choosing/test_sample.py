"""Which rows the candidates are tried on."""

import pytest

from tfft.choosing.sample import describe_data, draw_sample
from tfft.errors import ConfigError, DataError


def test_draws_as_many_rows_as_asked(data):
    experiment = describe_data("data.csv", None, [])
    sample = draw_sample(experiment, 60)
    assert (len(sample.examples), sample.num_rows) == (60, 160)
    assert len(set(sample.examples.texts["text"])) == 60
    assert sample.examples.texts == draw_sample(experiment, 60).examples.texts
    other = draw_sample(describe_data("data.csv", None, ["seed=1"]), 60)
    assert other.examples.texts != sample.examples.texts


def test_draws_from_the_whole_file(place):
    rows = "".join(f"text {number},{'ab'[number // 1000]}\n" for number in range(2000))
    (place / "sorted.csv").write_text(f"text,label\n{rows}")
    examples = draw_sample(describe_data("sorted.csv", None, []), 200).examples
    assert 70 < (examples.labels or []).count("a") < 130
    assert examples.path == "sorted.csv"


def test_a_short_file_is_taken_whole(data):
    sample = draw_sample(describe_data("data.csv", None, []), 1000)
    assert len(sample.examples) == sample.num_rows == 160


@pytest.mark.parametrize("prefix", ["", "data."])
def test_how_the_file_is_read(place, prefix):
    (place / "own.tsv").write_text("".join(f"{'xy'[n % 2]}\ttext {n}\n" for n in range(20)))
    settings = [f"{prefix}header=false", f"{prefix}columns.text=1", f"{prefix}columns.label=0"]
    sample = draw_sample(describe_data("own.tsv", None, settings), 100)
    assert sample.examples.texts["text"][0] == "text 0"
    assert sample.examples.labels[:2] == ["x", "y"]


def test_a_key_that_does_not_exist(data):
    with pytest.raises(ConfigError, match="^--set: .*colums.*Did you mean 'columns'"):
        describe_data("data.csv", None, ["colums.text=review"])


def test_a_config_says_data_and_task(data):
    (data.parent / "mine.yaml").write_text(
        "name: mine\noutput_dir: runs/mine\ntask: {name: regression}\n"
        "backbone: {preset: minilm}\ndata: {train: data.csv}\n"
    )
    experiment = describe_data(None, "mine.yaml", ["data.columns.label=score"])
    assert experiment.task.name == "regression"
    assert experiment.data.columns.label == "score"


def test_a_task_that_is_not_probed(data):
    with pytest.raises(ConfigError, match="question_answering cannot be probed yet; it can be "):
        describe_data("data.csv", None, ["task.name=question_answering"])


def test_rare_labels_are_left_out(place):
    rows = ["often,a", "other,b"] * 10 + ["seldom,c"] * 4
    (place / "data.csv").write_text("\n".join(["text,label", *rows]))
    sample = draw_sample(describe_data("data.csv", None, []), 100)
    assert (set(sample.examples.labels), sample.num_left_out) == ({"a", "b"}, 4)


def test_too_few_rows(place):
    (place / "data.csv").write_text("text,label\n" + "one,a\ntwo,b\n" * 4)
    with pytest.raises(DataError, match="of the 8 rows that were drawn 0 can be probed"):
        draw_sample(describe_data("data.csv", None, []), 100)


def test_one_label(place):
    (place / "data.csv").write_text("text,label\n" + "one,a\n" * 20)
    with pytest.raises(DataError, match="20 can be probed, which have 1 different labels"):
        draw_sample(describe_data("data.csv", None, []), 100)
