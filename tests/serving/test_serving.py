"""The export as a whole. All SavedModels are asked in one fresh process: it costs seconds."""

import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from tensorflow.core.protobuf import saved_model_pb2

import tfft.export
import tfft.serving
from tfft.backbones.checkpoints import build_random_encoder
from tfft.backbones.vocabularies import byte_level_bpe
from tfft.config import build_config
from tfft.data.pipeline import TokenizedSet
from tfft.errors import ConfigError, ExportCheckError
from tfft.inference import TrainedRun, tokenize_texts
from tfft.runs import RunDir
from tfft.serving import export_saved_model, version_directory, write_saved_model
from tfft.serving.check import ask_in_fresh_process
from tfft.serving.comparison import compare, expected_answers
from tfft.serving.ops import check_operations, served_operations, used_operations
from tfft.serving.probe import encode
from tfft.serving.requests import (
    EDGE_TEXTS,
    Request,
    build_requests,
    choose_check_texts,
    readable,
)
from tfft.tasks import TextClassification

TOLERANCE = 1e-5
SEQUENCE_LENGTH = 24
NUM_TEXTS = 20
TEXTS = [
    f"the {adjective} {noun} {verb} over {'the lazy dog and ' * (number % 5)}the fence"
    for number, (adjective, noun, verb) in enumerate(
        (a, n, v)
        for a in ("quick", "brown", "naïve", "很好")
        for n in ("fox", "hound", "café")
        for v in ("jumps", "leaps", "looks")
    )
]
PAIRS = {"text": TEXTS, "text_pair": TEXTS[::-1]}
TASKS: dict[str, dict[str, Any]] = {
    "bert": {"labels": ["no", "maybe", "déjà vu"]},
    "distil_bert": {"labels": ["a", "b", "c", "d"], "multi_label": True, "threshold": 0.4},
    "roberta": {"labels": ["different", "same"], "pair": True},
}


def build_run(family: str, directory: Path) -> TrainedRun:
    """A run with random weights, large enough for answers that differ from text to text."""
    directory.mkdir(exist_ok=True)
    vocabulary = write_bpe(directory / "bpe") if family == "roberta" else None
    encoder = build_random_encoder(
        family=family,
        vocabulary=vocabulary,
        texts=TEXTS,
        vocabulary_size=100,
        sequence_length=SEQUENCE_LENGTH,
        num_layers=1,
        hidden_dim=16,
        intermediate_dim=16,
    )
    task = TextClassification(**TASKS[family])
    model = task.build_model(encoder)
    random = np.random.default_rng(0)
    for weight in model.weights:
        if len(weight.shape) > 1:
            weight.assign(random.normal(0.0, 0.7, weight.shape))
    config = {"name": family, "output_dir": str(directory / "run")}
    config |= {"backbone": {"preset": "random"}, "data": {"train": "train.csv"}}
    return TrainedRun(RunDir.create(build_config(config)), task, encoder, model)


def write_bpe(directory: Path) -> str:
    directory.mkdir()
    vocabulary = byte_level_bpe()["vocabulary"] | {"Ġt": 261, "he": 262, "Ġthe": 263}
    (directory / "vocab.json").write_text(json.dumps(vocabulary), "utf-8")
    (directory / "merges.txt").write_text("Ġ t\nh e\nĠt he\n", "utf-8")
    return str(directory)


def check_texts(family: str) -> dict[str, list[str]]:
    return choose_check_texts(PAIRS if family == "roberta" else {"text": TEXTS}, NUM_TEXTS)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, TrainedRun]:
    root = tmp_path_factory.mktemp("runs")
    return {family: build_run(family, root / family) for family in TASKS}


@pytest.fixture(scope="module")
def saved(runs: dict[str, TrainedRun]) -> dict[str, Path]:
    paths = {}
    for family, run in runs.items():
        paths[family] = run.directory.path / "saved"
        write_saved_model(run.task, run.encoder, run.model, paths[family])
    return paths


@pytest.fixture(scope="module")
def tokenized(runs: dict[str, TrainedRun]) -> dict[str, TokenizedSet]:
    return {
        family: tokenize_texts(run.task, run.encoder, readable(check_texts(family)))
        for family, run in runs.items()
    }


@pytest.fixture(scope="module")
def asked(
    runs: dict[str, TrainedRun], tokenized: dict[str, TokenizedSet]
) -> dict[str, list[Request]]:
    """The check's requests, and one of no texts at all."""
    none = {name: Request([], "serving_default", {"text": []}) for name in TASKS}
    none["roberta"].inputs["text_pair"] = []
    return {
        family: [
            *build_requests(run.task, run.encoder, check_texts(family), tokenized[family]),
            none[family],
        ]
        for family, run in runs.items()
    }


@pytest.fixture(scope="module")
def answered(saved: dict[str, Path], asked: dict[str, list[Request]]) -> dict[str, Any]:
    answers = ask_in_fresh_process([(saved[family], asked[family]) for family in TASKS])
    return dict(zip(TASKS, answers, strict=True))


def graph_of(path: Path) -> Any:
    model = saved_model_pb2.SavedModel.FromString((path / "saved_model.pb").read_bytes())
    return model.meta_graphs[0]


# ------------------------------------------------------------------------------------- answers


@pytest.mark.parametrize("family", TASKS)
def test_answers_equal_the_trained_model(family, runs, tokenized, asked, answered):
    expected = expected_answers(runs[family], tokenized[family], tolerance=TOLERANCE)
    largest, faults = compare(
        asked[family][:-1], answered[family][:-1], expected, tolerance=TOLERANCE
    )
    assert not faults
    assert largest <= TOLERANCE
    for signature in expected.values():
        assert np.std(signature.values["probabilities"], axis=0).min() > 0.005
        assert all(signature.is_decided(row) for row in range(len(tokenized[family])))


@pytest.mark.parametrize("family", TASKS)
def test_expected_answers_are_those_in_python(family, runs, tokenized):
    """Each signature answers each text as `TrainedRun.predict` does."""
    run, texts = runs[family], readable(check_texts(family))
    asked = list(zip(*texts.values(), strict=True)) if len(texts) > 1 else texts["text"]
    answers = run.predict(asked)
    for signature in expected_answers(run, tokenized[family], tolerance=TOLERANCE).values():
        values = signature.values
        probabilities = [list(answer["probabilities"].values()) for answer in answers]
        np.testing.assert_allclose(values["probabilities"], probabilities, atol=1e-6)
        if "labels" in answers[0]:
            given = [[label in a["labels"] for label in run.task.labels] for a in answers]
            np.testing.assert_array_equal(values["predictions"], given)
        else:
            assert [str(label) for label in values["label"]] == [a["label"] for a in answers]
            np.testing.assert_allclose(values["score"], [a["score"] for a in answers], atol=1e-6)


@pytest.mark.parametrize("family", TASKS)
def test_batch_without_rows(family, answered):
    assert all(len(output) == 0 for output in answered[family][-1].values())


def test_tokens_of_batch_without_rows(saved):
    tokens = tf.saved_model.load(str(saved["bert"])).signatures["tokens"]
    names = ("token_ids", "segment_ids", "padding_mask")
    outputs = tokens(**{name: tf.zeros([0, 4], tf.int32) for name in names})
    assert outputs["probabilities"].shape == (0, 3)


def test_columns_of_padding_change_nothing(saved):
    tokens = tf.saved_model.load(str(saved["distil_bert"])).signatures["tokens"]
    ids = tf.constant([[2, 7, 8, 3], [2, 3, 0, 0]])
    mask = tf.constant([[1, 1, 1, 1], [1, 1, 0, 0]])
    # Wider than the model has positions for: possible only if the columns are cut.
    wide = [[0, 0], [0, SEQUENCE_LENGTH]]
    narrow = tokens(token_ids=ids, padding_mask=mask)
    padded = tokens(token_ids=tf.pad(ids, wide), padding_mask=tf.pad(mask, wide))
    np.testing.assert_allclose(narrow["probabilities"], padded["probabilities"], atol=1e-6)


# ----------------------------------------------------------------------------------- the graph


@pytest.mark.parametrize("family", TASKS)
def test_signatures(family, saved):
    signatures = graph_of(saved[family]).signature_def
    texts = {"text", "text_pair"} if family == "roberta" else {"text"}
    segments = {"segment_ids"} if family == "bert" else set()
    assert set(signatures["serving_default"].inputs) == texts
    assert set(signatures["tokens"].inputs) == {"token_ids", "padding_mask"} | segments
    for name, rank, dtype in (("serving_default", 1, tf.string), ("tokens", 2, tf.int32)):
        for tensor in signatures[name].inputs.values():
            assert [dim.size for dim in tensor.tensor_shape.dim] == [-1] * rank
            assert tensor.dtype == dtype.as_datatype_enum


@pytest.mark.parametrize("family", TASKS)
@pytest.mark.parametrize("signature", ["serving_default", "tokens"])
def test_outputs(family, signature, saved):
    outputs = graph_of(saved[family]).signature_def[signature].outputs
    found = {name: tf.dtypes.as_dtype(tensor.dtype) for name, tensor in outputs.items()}
    if TASKS[family].get("multi_label"):
        assert found == {"probabilities": tf.float32, "predictions": tf.int32}
    else:
        assert found == {"label": tf.string, "score": tf.float32, "probabilities": tf.float32}
    count = len(TASKS[family]["labels"])
    assert [dim.size for dim in outputs["probabilities"].tensor_shape.dim] == [-1, count]


@pytest.mark.parametrize("family", TASKS)
def test_variables_are_the_model_and_nothing_else(family, runs, saved):
    reader = tf.train.load_checkpoint(str(saved[family] / "variables" / "variables"))
    shapes = [
        tuple(shape)
        for name, shape in reader.get_variable_to_shape_map().items()
        if name.startswith("weights/")
    ]
    # Projections that are computed together stand side by side, so their shapes differ.
    used = [w for w in runs[family].model.weights if "reverse" not in w.path]
    assert sum(map(math.prod, shapes)) == sum(math.prod(weight.shape) for weight in used)
    assert len(shapes) < len(used)


def test_graph_is_not_bound_to_devices_or_lengths(saved):
    graph = graph_of(saved["bert"]).graph_def
    nodes = [*graph.node, *(n for f in graph.library.function for n in f.node_def)]
    assert {node.device for node in nodes if "GPU" in node.device} == set()


# ------------------------------------------------------------------------------- the operations


@pytest.mark.parametrize("family", TASKS)
def test_operations_are_served(family, saved):
    check_operations(saved[family])


def test_operations_inside_functions_are_seen(saved):
    used = used_operations(saved["roberta"])
    stripped = {op.name for op in graph_of(saved["roberta"]).meta_info_def.stripped_op_list.op}
    assert "Assert" in used - stripped


def test_nothing_is_remembered_between_requests(saved):
    assert not [name for name in used_operations(saved["roberta"]) if "HashTable" in name]


def test_served_operations():
    served = served_operations()
    assert {"MatMul", "If", "While", "FastWordpieceTokenizeWithOffsets"} <= served
    assert not served & {"TFText>RoundRobinTrim", "TFText>Utf8Binarize", "PyFunc", "Foo1"}


def test_operation_that_servers_lack_is_named(runs, monkeypatch):
    import tensorflow_text

    run = runs["bert"]
    features = run.encoder.features

    def trimmed(texts):
        whole = features(texts)
        trimmer = tensorflow_text.RoundRobinTrimmer(5)
        return {name: trimmer.trim([ids])[0] for name, ids in whole.items()}

    monkeypatch.setattr(run.encoder, "features", trimmed)
    with pytest.raises(ExportCheckError, match="TFText>RoundRobinTrim") as refused:
        export_saved_model(run, check_texts("bert"), report=lambda line: None)
    assert refused.value.exit_code == 3
    assert not run.directory.export.exists()


# ------------------------------------------------------------------------------------- versions


def test_version_is_one_more_than_the_highest(tmp_path):
    assert version_directory(tmp_path).name == "1"
    for name in ("2", "10", "unfinished", "11.old"):
        (tmp_path / name).mkdir()
    assert version_directory(tmp_path).name == "11"
    assert version_directory(tmp_path, 3).name == "3"


def test_version_that_exists_is_refused(tmp_path):
    (tmp_path / "3").mkdir()
    with pytest.raises(ConfigError, match="exists already"):
        version_directory(tmp_path, 3)


# ------------------------------------------------------------------------------------ the whole


@pytest.fixture(scope="module")
def exported(runs: dict[str, TrainedRun]) -> tuple[Path, list[str]]:
    lines: list[str] = []
    run = runs["distil_bert"]
    (run.directory.export / "4").mkdir(parents=True)
    return export_saved_model(run, check_texts("distil_bert"), report=lines.append), lines


def test_export_leaves_a_new_version_and_nothing_else(exported):
    place, lines = exported
    assert place.name == "5"
    assert sorted(path.name for path in place.parent.iterdir()) == ["4", "5"]
    rows = NUM_TEXTS + len(EDGE_TEXTS)
    assert any(f"{rows} texts" in line and "within 1e-05" in line for line in lines)


def test_files_beside_the_graph(exported, runs):
    extras = exported[0] / "assets.extra"
    assert (extras / "labels.txt").read_text("utf-8") == "a\nb\nc\nd\n"
    pieces = (extras / "vocab.txt").read_text("utf-8").splitlines()
    assert pieces == runs["distil_bert"].encoder.tokenizer.get_vocabulary()
    described = json.loads((extras / "signature.json").read_text("utf-8"))
    assert described["threshold"] == 0.4
    assert described["texts"] == ["text"]


def test_bpe_vocabulary(runs, tmp_path):
    tfft.serving.write_extras(tmp_path, runs["roberta"].task, runs["roberta"].encoder)
    assert json.loads((tmp_path / "vocab.json").read_text("utf-8"))["Ġthe"] == 263
    assert (tmp_path / "merges.txt").read_text("utf-8") == "Ġ t\nh e\nĠt he\n"


def test_warmup_requests_decode(exported):
    path = exported[0] / "assets.extra" / "tf_serving_warmup_requests"
    prediction_log = build_prediction_log()
    records = list(tf.data.TFRecordDataset(str(path)).as_numpy_iterator())
    logs = [prediction_log.FromString(record) for record in records]
    requests = [log.predict_log.request for log in logs]
    assert [request.model_spec.name for request in requests] == ["distil_bert"] * 4
    names = [request.model_spec.signature_name for request in requests]
    assert names == ["serving_default"] * 2 + ["tokens"] * 2
    texts = [tf.make_ndarray(request.inputs["text"]).tolist() for request in requests[:2]]
    asked = encode(check_texts("distil_bert")["text"])
    assert texts == [asked[:1], asked[:8]]
    for request in requests[2:]:
        ids, mask = (tf.make_ndarray(request.inputs[n]) for n in ("token_ids", "padding_mask"))
        assert ids.dtype == mask.dtype == np.int32
        assert ids.shape == mask.shape


def build_prediction_log() -> Any:
    """TensorFlow Serving's `PredictionLog`, as far as it matters here."""
    tensor = ".tensorflow.TensorProto"
    messages = {
        "ModelSpec": [("name", 1, None), ("signature_name", 3, None)],
        "PredictRequest": [("model_spec", 1, "ModelSpec"), ("inputs", 2, "InputsEntry")],
        "InputsEntry": [("key", 1, None), ("value", 2, tensor)],
        "PredictLog": [("request", 1, "PredictRequest")],
        "PredictionLog": [("predict_log", 6, "PredictLog")],
    }
    file = descriptor_pb2.FileDescriptorProto(
        name="tests/prediction_log.proto", package="tfft_tests", syntax="proto3"
    )
    file.dependency.append("tensorflow/core/framework/tensor.proto")
    for name, fields in messages.items():
        message = file.message_type.add(name=name)
        for field, number, kind in fields:
            described = message.field.add(name=field, number=number, label=1)
            described.type = 9 if kind is None else 11
            if kind:
                described.type_name = kind if kind == tensor else f".tfft_tests.{kind}"
    request = file.message_type[1]
    entry = file.message_type[2]
    entry.options.map_entry = True
    request.nested_type.append(entry)
    request.field[1].label = 3
    request.field[1].type_name = ".tfft_tests.PredictRequest.InputsEntry"
    pool = descriptor_pool.Default()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("tfft_tests.PredictionLog"))


# ------------------------------------------------------------------------------ export/ask.py


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The script, which imports what lies beside it."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "export"))
    yield __import__("ask")
    for name in ("ask", "client"):
        sys.modules.pop(name)


def test_ask_answers_like_the_run(ask, exported, runs, capsys):
    texts = ["the quick fox", "naïve café"]
    ask.main([str(exported[0].parent), *texts])
    lines = capsys.readouterr().out.splitlines()
    for line, text, answer in zip(lines, texts, runs["distil_bert"].predict(texts), strict=True):
        assert line.endswith(f"  {text}")
        for label, probability in answer["probabilities"].items():
            assert (f"{label} {probability:.4f}" in line) == (label in answer["labels"])


def test_ask_pairs(ask, runs, saved, capsys):
    tfft.serving.write_extras(
        saved["roberta"] / "assets.extra", runs["roberta"].task, runs["roberta"].encoder
    )
    ask.main([str(saved["roberta"]), "the fox\tthe hound"])
    (answer,) = runs["roberta"].predict([("the fox", "the hound")])
    expected = f"{answer['label']:<9}  {answer['score']:.4f}  the fox\tthe hound\n"
    assert capsys.readouterr().out == expected


def test_ask_pair_without_tab(ask, runs, saved):
    with pytest.raises(SystemExit, match="text and text_pair with a tab between"):
        ask.main([str(saved["roberta"]), "the fox"])


def test_ask_directory_without_model(ask, tmp_path):
    with pytest.raises(SystemExit, match="holds no SavedModel"):
        ask.main([str(tmp_path), "the fox"])


# -------------------------------------------------------------------------------------- failures


def test_changed_weight_fails_the_check(runs, monkeypatch):
    run = runs["bert"]
    kernel = run.model.get_layer("logits").kernel

    def write_changed(*arguments):
        before = kernel.numpy()
        kernel.assign(before * 1.001)
        write_saved_model(*arguments)
        kernel.assign(before)

    monkeypatch.setattr(tfft.serving, "write_saved_model", write_changed)
    with pytest.raises(ExportCheckError, match="does not answer like the trained one") as failed:
        export_saved_model(run, check_texts("bert"), report=lambda line: None)
    assert "signature serving_default, batch of 1: probabilities" in str(failed.value)
    assert not run.directory.export.exists()


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit, OSError])
def test_interruption_leaves_nothing(interruption, runs, monkeypatch):
    def interrupted(*arguments, **named):
        raise interruption

    monkeypatch.setattr(tfft.serving, "check_answers", interrupted)
    with pytest.raises(interruption):
        export_saved_model(runs["bert"], check_texts("bert"), report=lambda line: None)
    assert not runs["bert"].directory.export.exists()


def test_what_a_killed_export_left_is_no_obstacle(runs, monkeypatch):
    left = runs["bert"].directory.export / tfft.serving.UNFINISHED
    left.mkdir(parents=True)
    (left / "saved_model.pb").write_bytes(b"half")
    monkeypatch.setattr(tfft.serving, "check_answers", lambda *a, **b: [])
    place = export_saved_model(runs["bert"], check_texts("bert"), report=lambda line: None)
    assert (place / "saved_model.pb").stat().st_size > 1000
    assert not left.exists()


def test_command_ends_with_3_if_the_check_fails(runs, monkeypatch, capsys):
    def refused(*arguments, **named):
        raise ExportCheckError("it differs")

    run = runs["bert"]
    for name in ("CUDA_VISIBLE_DEVICES", "KERAS_BACKEND"):
        monkeypatch.setenv(name, "")
    monkeypatch.setattr(tfft.export, "load_columns", lambda *arguments: {"text": TEXTS})
    monkeypatch.setattr("tfft.inference.load_run", lambda directory: run)
    monkeypatch.setattr("tfft.serving.export_saved_model", refused)
    monkeypatch.setattr(RunDir, "open", classmethod(lambda cls, path: run.directory))
    monkeypatch.setattr(tfft.export, "start_tensorflow", lambda: None)
    assert tfft.export.main(["--run", str(run.directory.path)]) == 3
    assert capsys.readouterr().err == "error: it differs\n"


def test_command_refuses_a_directory_without_run(tmp_path, capsys):
    assert tfft.export.main(["--run", str(tmp_path)]) == 2
    assert "holds no run" in capsys.readouterr().err
