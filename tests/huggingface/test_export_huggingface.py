"""Directories for transformers, without transformers: our own reader gives the same numbers."""

import json
import os
import signal
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from safetensors import SafetensorError, safe_open

from tfft import export, huggingface
from tfft.backbones.checkpoints import load_encoder
from tfft.config import build_config
from tfft.errors import ConfigError, DataError, ExportCheckError
from tfft.huggingface import check, export_huggingface, write_model
from tfft.inference import tokenize_texts
from tfft.tasks import Regression, TextClassification
from tfft.tasks.published_heads import begin_with_head

FAMILIES = ["bert", "distil_bert", "roberta"]
KINDS = ["single", "multi_label", "regression", "tags", "questions"]
CASES = [(family, kind) for family in FAMILIES for kind in KINDS]
CASES += [(family, "pair") for family in ("electra", "albert", "xlm_roberta", "deberta_v3")]
CLASSES = {
    "bert": "Bert",
    "distil_bert": "DistilBert",
    "roberta": "Roberta",
    "electra": "Electra",
    "albert": "Albert",
    "xlm_roberta": "XLMRoberta",
    "deberta_v3": "DebertaV2",
}
ENDINGS = {"tags": "ForTokenClassification", "questions": "ForQuestionAnswering"}
# What anybody may add to a text, and what the libraries take for their special pieces.
NAMES = ("[", "<")


@pytest.fixture
def written(make_run, tmp_path):
    """Writes a run; returns it and the directory."""

    def write(family, kind, *args, **options):
        trained = make_run(family, kind, *args, **options)
        write_model(trained, tmp_path / "written")
        return trained, tmp_path / "written"

    return write


def read_config(place):
    return json.loads((place / "config.json").read_text("utf-8"))


# ---------------------------------------------------------------------------- what we read again


@pytest.mark.parametrize(("family", "kind"), CASES)
def test_what_is_written_is_read_again(family, kind, written, columns):
    trained, place = written(family, kind)
    task, encoder = trained.task, load_encoder(str(place), sequence_length=40)
    fresh = Regression(pair=True) if kind == "regression" else task
    model = fresh.build_model(encoder)
    named = ", ".join(task.labels) or "no labels"
    architecture = CLASSES[family] + ENDINGS.get(kind, "ForSequenceClassification")
    notes = begin_with_head(model, fresh, encoder)
    assert notes == [f"The head of {architecture} is used: {named}."]
    ours, theirs = (
        tokenize_texts(task, each, columns(task)) for each in (trained.encoder, encoder)
    )
    for name, values in ours.features.items():
        assert theirs.features[name].to_list() == values.to_list()
    features = encoder.pad(ours.features)
    found = np.asarray(model.predict_on_batch(features))
    expected = np.asarray(trained.model.predict_on_batch(features))
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)
    assert np.std(expected[:, 0]) > 1e-2


# --------------------------------------------------------------------------------- what it holds


def test_config_of_a_classifier(written):
    config = read_config(written("bert", "multi_label")[1])
    assert config["architectures"] == ["BertForSequenceClassification"]
    assert config["problem_type"] == "multi_label_classification"
    assert config["id2label"] == {"0": "bad", "1": "good", "2": "mixed"}
    assert config["label2id"] == {"bad": 0, "good": 1, "mixed": 2}
    assert (config["hidden_act"], config["layer_norm_eps"]) == ("gelu_new", 1e-12)
    assert (config["hidden_size"], config["max_position_embeddings"]) == (16, 200)
    assert (config["pad_token_id"], config["type_vocab_size"]) == (0, 2)


def test_config_of_a_number(written):
    config = read_config(written("distil_bert", "regression")[1])
    assert (config["problem_type"], config["id2label"]) == ("regression", {"0": "LABEL_0"})
    assert (config["activation"], config["dim"], config["hidden_dim"]) == ("gelu", 16, 24)


def test_config_and_weights_of_questions(written):
    _, place = written("roberta", "questions")
    config = read_config(place)
    assert "id2label" not in config
    assert (config["hidden_act"], config["layer_norm_eps"]) == ("gelu", 1e-5)
    assert (config["max_position_embeddings"], config["type_vocab_size"]) == (202, 1)
    with safe_open(place / "model.safetensors", "np") as file:
        assert file.metadata() == {"format": "pt"}
        names = set(file.keys())
        positions = file.get_tensor("roberta.embeddings.position_embeddings.weight")
    assert {"qa_outputs.weight", "roberta.encoder.layer.1.output.LayerNorm.bias"} <= names
    assert not any("pooler" in name for name in names)
    assert not positions[:2].any() and positions[2].any()


def test_tokenizer_files(written):
    _, place = written("bert", "pair", truncation="head")
    config = json.loads((place / "tokenizer_config.json").read_text("utf-8"))
    assert (config["model_max_length"], config["truncation_side"]) == (40, "left")
    assert config["model_input_names"] == ["input_ids", "token_type_ids", "attention_mask"]
    assert (config["do_lower_case"], config["strip_accents"]) == (True, None)
    assert (config["cls_token"], config["tokenizer_class"]) == ("[CLS]", "BertTokenizer")
    pieces = (place / "vocab.txt").read_text("utf-8").splitlines()
    assert pieces[:5] == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def test_merges_have_a_first_line_of_their_own(written):
    _, place = written("roberta", "tags")
    assert (place / "merges.txt").read_text("utf-8") == "#version: 0.2\nĠ t\n"
    config = json.loads((place / "tokenizer_config.json").read_text("utf-8"))
    assert config["add_prefix_space"] is True  # each word has its blank


@pytest.mark.parametrize("family", CLASSES)
def test_tokenizer_json_gives_the_same_ids(family, written, texts):
    tokenizers = pytest.importorskip("tokenizers")
    trained, place = written(family, "pair", truncation="end", sequence_length=200)
    tokenizer = tokenizers.Tokenizer.from_file(str(place / "tokenizer.json"))
    tokenizer.encode_special_tokens = True
    if trained.encoder.family.vocabulary == "sentencepiece":
        texts = [text for text in texts if not any(name in text for name in NAMES)]
    columns = [texts, [*texts[3:], *texts[:3]]]
    for asked in (columns[:1], columns):
        kept = trained.encoder.lengths([tf.constant(column) for column in asked]).numpy() <= 200
        rows = [row for row, keep in zip(zip(*asked, strict=True), kept, strict=True) if keep]
        assert len(rows) > 8
        fitting = [tf.constant(column) for column in zip(*rows, strict=True)]
        features = trained.encoder.features(fitting)
        found = [tokenizer.encode(*row) for row in rows]
        for row, encoding, ids in zip(rows, found, features["token_ids"].to_list(), strict=True):
            assert encoding.ids == ids, row
        if "segment_ids" in features:
            assert [each.type_ids for each in found] == features["segment_ids"].to_list()


def test_one_label_of_several_is_no_number(written):
    task = TextClassification(["urgent"], multi_label=True)
    _, place = written("bert", "multi_label", task)
    encoder = load_encoder(str(place))
    model = task.build_model(encoder)
    assert begin_with_head(model, task, encoder) == [
        "The head of BertForSequenceClassification is used: urgent."
    ]


# ------------------------------------------------------------------------------ the whole command


def unchecked(monkeypatch):
    monkeypatch.setattr(huggingface, "can_check", lambda: False)


def test_card_says_what_is_different_and_that_nothing_was_checked(make_run, columns, monkeypatch):
    unchecked(monkeypatch)
    trained = make_run("bert", "multi_label", truncation="middle")
    said = []
    place = export_huggingface(trained, columns(trained.task), report=said.append)
    assert place == trained.directory.path / "huggingface"
    card = (place / "README.md").read_text("utf-8")
    assert len(said) == 3
    assert all(line in card for line in said)
    assert "from the probability 0.3 on" in said[0]
    assert "truncation: middle" in said[1]
    assert said[2].startswith("Unchecked: torch and transformers are not installed here")
    assert 'pipeline("text-classification"' in card and "Labels: bad, good, mixed." in card
    assert "test: loss 0.5" in card
    assert len({path.stat().st_mode for path in place.iterdir()}) == 1
    assert [path.name for path in trained.directory.path.iterdir()] == ["huggingface"]


def test_place_that_is_taken(make_run, columns, tmp_path, monkeypatch):
    unchecked(monkeypatch)
    trained = make_run("bert", "single")
    place = tmp_path / "new" / "place"
    place.mkdir(parents=True)
    assert export_huggingface(trained, columns(trained.task), place, report=lambda line: None)
    before = {path: path.read_bytes() for path in place.iterdir()}
    with pytest.raises(ConfigError, match="place exists already. Nothing was changed"):
        export_huggingface(trained, columns(trained.task), place)
    assert {path: path.read_bytes() for path in place.iterdir()} == before
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="exists already"):
        export_huggingface(trained, columns(trained.task), tmp_path / "file")
    with pytest.raises(ConfigError, match="cannot be written"):
        export_huggingface(trained, columns(trained.task), tmp_path / "file" / "below")


def test_disk_that_is_full(make_run, columns, monkeypatch):
    def fail(*args, **options):
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(huggingface, "save_file", fail)
    trained = make_run("bert", "single")
    with pytest.raises(ConfigError, match="huggingface cannot be written: .* No space left"):
        export_huggingface(trained, columns(trained.task))
    assert not list(trained.directory.path.iterdir())


@pytest.mark.parametrize("place", [".", "../link"])
def test_empty_directory_that_is_there_is_filled(place, make_run, columns, tmp_path, monkeypatch):
    """It may be a volume, or where somebody stands: it cannot be replaced by another."""
    unchecked(monkeypatch)
    trained = make_run("bert", "single")
    volume = tmp_path / "volume"
    volume.mkdir()
    (tmp_path / "link").symlink_to(volume)
    monkeypatch.chdir(volume)
    before = volume.stat().st_ino
    export_huggingface(trained, columns(trained.task), place, report=lambda line: None)
    assert volume.stat().st_ino == before
    names = {path.name for path in volume.iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json", "README.md"} <= names
    assert not any("part" in name for name in names)


def test_task_and_family_without_a_counterpart(make_run, columns):
    trained = make_run("bert", "single")
    trained.task.name = "masked_lm"
    with pytest.raises(ConfigError, match="no head for the task masked_lm .* can be written are "):
        export_huggingface(trained, columns(trained.task))
    trained = make_own(trained)
    with pytest.raises(ConfigError, match="no model of the family own"):
        export_huggingface(trained, {"text": ["a"]})
    assert list(trained.directory.path.iterdir()) == []


def make_own(trained):
    trained.task.name = "text_classification"
    trained.encoder.family_name = "own"
    return trained


def test_padding_at_another_place(make_run, columns):
    trained = make_run("roberta", "single")
    trained.encoder.tokenizer.pad_token_id = 7
    with pytest.raises(ConfigError, match="has its padding at 7; .* expects it at 1"):
        export_huggingface(trained, columns(trained.task))


def test_nothing_is_left_of_what_fails(make_run, columns, tmp_path, monkeypatch):
    trained = make_run("bert", "single")
    before = sorted(tmp_path.rglob("*"))

    def fail(*args, **options):
        assert sorted(tmp_path.rglob("*")) != before
        raise ExportCheckError("logits differ")

    monkeypatch.setattr(huggingface, "can_check", lambda: True)
    monkeypatch.setattr(huggingface, "check_answers", fail)
    for place in (None, tmp_path / "a" / "b" / "c"):
        with pytest.raises(ExportCheckError):
            export_huggingface(trained, columns(trained.task), place)
        assert sorted(tmp_path.rglob("*")) == before


# ------------------------------------------------------------------------------------- the check


ROWS = [np.array([3.0, -8.0]), np.array([0.5, 0.25])]


def test_differences_are_measured_by_the_largest_logit():
    others = [ROWS[0], ROWS[1] + 7e-5]
    checked = check.compare_logits(ROWS, others, 2, tolerance=1e-5)
    assert (checked.num_rows, checked.largest_logit) == (2, 8.0)
    assert checked.largest == pytest.approx(7e-5)
    with pytest.raises(ExportCheckError, match=r"by up to 9.0e-05 .* up to 8; expected 1e-05"):
        check.compare_logits(ROWS, [ROWS[0], ROWS[1] + 9e-5], 2, tolerance=1e-5)
    with pytest.raises(ExportCheckError, match="by up to 2.0e-05"):
        check.compare_logits(ROWS[1:], [ROWS[1] + 2e-5], 1, tolerance=1e-5)
    with pytest.raises(ExportCheckError, match="nan"):
        check.compare_logits(ROWS, [ROWS[0], ROWS[1] * np.nan], 2, tolerance=1e-5)


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ({"lost": ["bert.x.weight"]}, "no place for these weights, or misses them: bert.x.weight"),
        ({"lost": [], "inputs": [{"input_ids": [2, 9, 3]}]}, "reads .* texts in another way"),
    ],
)
def test_other_ids_and_lost_weights_are_faults(make_run, columns, monkeypatch, found, message):
    trained = make_run("bert", "single")

    def answer(directory, trained, questions, features):
        inputs = found.get("inputs", []) * len(questions)
        return {"inputs": inputs, "lost": found["lost"]}, []

    monkeypatch.setattr(check, "ask_in_fresh_process", answer)
    with pytest.raises(ExportCheckError, match=message):
        check.check_answers(None, trained, columns(trained.task), tolerance=1e-5)


def test_texts_that_are_read_in_the_same_way(make_run, columns, texts):
    """Of a tagger without several windows, and without words that have no piece."""

    def asked(family, kind, **options):
        trained = make_run(family, kind, **options)
        rows = tokenize_texts(trained.task, trained.encoder, columns(trained.task))
        chosen = check.choose_questions(trained.task, trained.encoder, columns(trained.task), rows)
        trained.directory.path.rmdir()
        return [question.texts for question in chosen]

    assert asked("bert", "single") == [[text] for text in texts]
    assert [texts[-1]] not in asked("bert", "single", truncation="both")
    tagged = [words for (words,) in asked("bert", "tags")]
    assert ["two", "blanks", "and", "a", "line", "between"] in tagged
    assert all(tagged) and not any("\u200b" in words for words in tagged)
    assert not any(words[:2] == ["the", "river"] for words in tagged)
    assert not any("[SEP]" in text for (text,) in asked("albert", "single"))


def test_process_that_fails(make_run, columns, tmp_path, monkeypatch):
    trained = make_run("bert", "single")
    (tmp_path / "broken.py").write_text("raise SystemExit('no such model')")
    monkeypatch.setattr(check.probe, "__file__", str(tmp_path / "broken.py"))
    with pytest.raises(ExportCheckError, match=r"exit code 1\)\. .*\n?no such model"):
        check.check_answers(tmp_path, trained, columns(trained.task), tolerance=1e-5)


# -------------------------------------------------------------------------------- the command line


def run_export(*arguments):
    return export.main([str(argument) for argument in arguments])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--output", "x"], "--output goes with --format huggingface alone"),
        (["--format", "huggingface", "--version", "3"], "--version goes with --format savedmodel"),
    ],
)
def test_option_of_the_other_format(arguments, message, tmp_path, capsys):
    before = signal.getsignal(signal.SIGTERM)
    try:
        assert run_export("--run", tmp_path, *arguments) == 2
    finally:
        signal.signal(signal.SIGTERM, before)
    assert message in capsys.readouterr().err


def test_data_of_the_run_that_are_gone(tmp_path):
    """A run that was moved to another machine still has its model."""
    config = {"name": "harbour", "output_dir": "run", "backbone": {"preset": "random"}}
    experiment = build_config(config | {"data": {"dir": str(tmp_path), "train": "x.csv"}})
    run: Any = SimpleNamespace(experiment=experiment, labels=["bad", "good"])
    with pytest.raises(DataError, match=r"no file .*x\.csv .*--check-data FILE gives it others"):
        export.load_columns(run, None)
    (tmp_path / "other.csv").write_text("text\nthe river\n")
    assert export.load_columns(run, str(tmp_path / "other.csv")) == {"text": ["the river"]}


def test_command_that_is_terminated_leaves_nothing(tmp_path):
    """While the fresh process is asked."""
    program = (
        "import sys, time\n"
        "from tfft import cli, huggingface\n"
        "from types import SimpleNamespace\n"
        "say = lambda: print('here', flush=True)\n"
        "huggingface.write_model = lambda trained, files: (files.mkdir(), say())\n"
        "huggingface.can_check = lambda: time.sleep(60)\n"
        "run = lambda: huggingface.export_huggingface(None, {}, sys.argv[1])\n"
        "sys.exit(cli.run_command(run))\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "place")]
    quiet = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=quiet, text=True) as process:
        assert process.stdout.readline() == "here\n"
        assert list(tmp_path.iterdir())
        process.terminate()
        assert process.wait(30) == 143
    assert list(tmp_path.iterdir()) == []
