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
    with pytest.raises(ConfigError, match=r"question_answering cannot be probed: .* ranking"):
        describe_data("data.csv", None, ["task.name=question_answering"])
    with pytest.raises(ConfigError, match="question_answering cannot be probed"):
        describe_data("dev.json", None, ["format=squad"])


@pytest.mark.parametrize(
    ("path", "settings", "task"),
    [
        ("data.conll", [], "token_classification"),
        ("data.any", ["format=conll"], "token_classification"),
        ("data.any", ["train.format=conll"], "token_classification"),
        ("data.conll", ["task.name=regression"], "regression"),
        ("data.csv", [], "text_classification"),
        ("data.any", [], "text_classification"),
    ],
)
def test_the_format_tells_the_task(place, path, settings, task):
    (place / path).write_text("")
    assert describe_data(path, None, settings).task.name == task


TAGGED = "In\tO\nRome\tB-loc\n\nNo\tO\n\n"


def test_sentences_up_to_so_many_words(place, monkeypatch):
    (place / "data.conll").write_text(TAGGED * 40)
    experiment = describe_data("data.conll", None, [])
    assert len(draw_sample(experiment, 30).examples) == 30
    monkeypatch.setattr("tfft.choosing.sample.MOST_WORDS", 45)
    sample = draw_sample(experiment, 1000)
    assert sum(len(tags) for tags in sample.examples.labels) <= 45
    assert len(sample.examples) >= 22 and sample.num_rows == 80
    monkeypatch.setattr("tfft.choosing.sample.MOST_WORDS", 1)
    assert len(draw_sample(experiment, 1000).examples) == 10


@pytest.mark.parametrize("content", ["No\tO\n\n" * 20, TAGGED * 4])
def test_too_few_entities(place, content):
    (place / "data.conll").write_text(content)
    with pytest.raises(DataError, match="have a tag other than O"):
        draw_sample(describe_data("data.conll", None, []), 100)


def queries(count, candidates):
    rows = [
        f"q{n},p{m},{int(m == n % candidates)}" for n in range(count) for m in range(candidates)
    ]
    return "\n".join(["query,passage,relevance", *rows])


def test_whole_queries_are_drawn(place):
    (place / "data.csv").write_text(queries(40, 20) + "\nalone,p,1\n")
    sample = draw_sample(describe_data("data.csv", None, ["task.name=ranking"]), 100)
    asked = [query for query, _ in sample.examples.labels]
    assert (len(asked), len(set(asked)), sample.num_rows) == (104, 13, 801)
    assert sum(relevance for _, relevance in sample.examples.labels) == 13


def test_too_few_queries(place):
    (place / "data.csv").write_text(queries(9, 2))
    with pytest.raises(DataError, match="9 queries were drawn that have both"):
        draw_sample(describe_data("data.csv", None, ["task.name=ranking"]), 100)


def test_pairs_with_and_without_a_score(place):
    rows = "".join(f"a{n},b{n},{n / 20}\n" for n in range(20))
    (place / "data.csv").write_text(f"text,other,label\n{rows}")
    settings = ["task.name=similarity", "columns.text_pair=other"]
    assert draw_sample(describe_data("data.csv", None, settings), 12).examples.labels is None
    scored = draw_sample(describe_data("data.csv", None, [*settings, "task.loss=cosine"]), 12)
    assert len(scored.examples.labels) == 12


def test_numbers_that_are_all_equal(place):
    (place / "data.csv").write_text("text,label\n" + "one,3\n" * 20)
    with pytest.raises(DataError, match="20 rows were drawn, which all have the same number"):
        draw_sample(describe_data("data.csv", None, ["task.name=regression"]), 100)


def test_rare_labels_are_left_out(place):
    rows = ["often,a", "other,b"] * 10 + ["seldom,c"] * 4
    (place / "data.csv").write_text("\n".join(["text,label", *rows]))
    sample = draw_sample(describe_data("data.csv", None, []), 100)
    assert (set(sample.examples.labels), sample.num_left_out) == ({"a", "b"}, 4)


def test_too_few_rows(place):
    (place / "data.csv").write_text("text,label\n" + "one,a\ntwo,b\n" * 4)
    with pytest.raises(DataError, match="of the 8 rows that were drawn 0 can be probed"):
        draw_sample(describe_data("data.csv", None, []), 100)


def test_rows_without_a_text_are_left_out_and_counted(place):
    (place / "data.csv").write_text("text,label\n" + "one,a\ntwo,b\n,a\n" * 10)
    sample = draw_sample(describe_data("data.csv", None, []), 100)
    assert (len(sample.examples), sample.num_rows, sample.num_empty) == (20, 20, 10)


def test_one_label(place):
    (place / "data.csv").write_text("text,label\n" + "one,a\n" * 20)
    with pytest.raises(DataError, match="20 can be probed, which have 1 different labels"):
        draw_sample(describe_data("data.csv", None, []), 100)
