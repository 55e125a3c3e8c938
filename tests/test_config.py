"""Reading configs: what is refused and how that is said, and that a resolved config reloads."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfft.config import BaselineBackbone, RandomBackbone, build_config, config_yaml, load_config
from tfft.config.yaml_file import parse_value
from tfft.errors import ConfigError

ROOT = Path(__file__).parents[1]
BASE = """\
name: reviews
output_dir: runs/reviews
backbone: {preset: minilm}
data: {train: train.csv}
"""
VALUES = {
    "name": "reviews",
    "output_dir": "runs/reviews",
    "backbone": {"preset": "minilm"},
    "data": {"train": "train.csv"},
}


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Loads config text from the file c.yaml of the working directory."""
    monkeypatch.chdir(tmp_path)

    def from_text(text, overrides=()):
        data = text if isinstance(text, bytes) else text.encode("utf-8")
        Path("c.yaml").write_bytes(data)
        return load_config("c.yaml", overrides)

    return from_text


@pytest.fixture
def faults(load):
    """The lines of the message with which config text is refused."""

    def of(text, overrides=()):
        with pytest.raises(ConfigError) as caught:
            load(text, overrides)
        return str(caught.value).split("\n")

    return of


# ------------------------------------------------------------------------------- what is read


def test_what_is_not_said_has_defaults(load):
    experiment = load(BASE)
    assert experiment.task.name == "text_classification"
    assert experiment.optimizer.learning_rate == 5e-5
    assert [file.path for file in experiment.data.files("train")] == ["train.csv"]
    assert experiment.data.files("test") == []


def test_experiment_is_frozen(load):
    with pytest.raises(ValueError, match="frozen"):
        load(BASE).seed = 3


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5e-5", 5e-5),
        ("1E-4", 1e-4),
        ("2", 2.0),
        (".5", 0.5),
        ("3.", 3.0),
        ("+1e-3", 1e-3),
    ],
)
def test_numbers(load, text, value):
    assert load(BASE + f"optimizer: {{learning_rate: {text}}}\n").optimizer.learning_rate == value


@pytest.mark.parametrize(("text", "value"), [("10", 10), ("010", 10), ("08", 8), ("0x1F", 31)])
def test_integers(load, text, value):
    assert load(BASE + f"seed: {text}\n").seed == value


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("[yes, no]", ["yes", "no"]),
        ("[on, off]", ["on", "off"]),
        ("[0, 1]", ["0", "1"]),
        ("[true, false]", ["true", "false"]),
        ("[~a, 1_000]", ["~a", "1_000"]),
    ],
)
def test_labels_are_words(load, text, labels):
    assert load(BASE + f"task: {{labels: {text}}}\n").task.labels == labels


def test_class_weights_of_labels_that_are_numbers(load):
    task = load(BASE + "task: {class_weights: {0: 1, 1: 2.5, no: 0}}\n").task
    assert task.class_weights == {"0": 1.0, "1": 2.5, "no": 0.0}


def test_byte_order_mark(load):
    assert load(b"\xef\xbb\xbf" + BASE.encode()) == load(BASE)


def test_backbone_of_random_weights(load):
    experiment = load(BASE.replace("minilm", "random, num_layers: 1"))
    assert isinstance(experiment.backbone, RandomBackbone)
    assert experiment.backbone.num_layers == 1


def test_dict_of_a_notebook():
    assert build_config(VALUES).name == "reviews"
    with pytest.raises(ConfigError, match="config: there is no key 'sed' in the config"):
        build_config(VALUES | {"sed": 1})


# --------------------------------------------------------------------------------- the tasks

TASKS = [
    "text_classification",
    "token_classification",
    "question_answering",
    "regression",
    "similarity",
    "ranking",
]


@pytest.mark.parametrize("name", TASKS)
def test_task_is_told_by_its_name(load, name):
    experiment = load(BASE + f"task: {{name: {name}, dropout: 0.3}}\n")
    assert (experiment.task.name, experiment.task.dropout) == (name, 0.3)
    assert load(config_yaml(experiment)) == experiment


def test_override_of_a_task_without_name(load):
    assert load(BASE, ["task.multi_label=true"]).task.multi_label
    assert load(BASE, ["task.name=regression", "task.dropout=0.2"]).task.dropout == 0.2


def test_columns_of_a_task(load):
    text = BASE + "task: {name: question_answering}\n"
    data = load(text.replace("train.csv", "train.csv, columns: {answers: a}")).data
    assert data.files("train")[0].columns.answers == "a"


@pytest.mark.parametrize(
    ("task", "columns", "message"),
    [
        (
            "question_answering",
            "{text: said}",
            "data.columns.text is not a column of question_answering; it has question, context,",
        ),
        ("text_classification", "{tags: pos}", "data.columns.tags is not a column of text_class"),
        ("token_classification", "{label: y}", "data.columns.label is not a column of token_cl"),
        ("regression", "{answers: a}", "it has text, text_pair, label, sample_weight"),
        ("similarity", "{query: a}", "it has text, text_pair, negative, label"),
        ("ranking", "{text: a}", "it has query, passage, relevance, query_id"),
    ],
)
def test_column_of_another_task(faults, task, columns, message):
    text = BASE + f"task: {{name: {task}}}\n"
    (fault,) = faults(text.replace("train.csv", f"train.csv, columns: {columns}"))
    assert message in fault
    one = "{path: train.csv, columns: " + columns + "}"
    (fault,) = faults(text.replace("train.csv", one))
    assert message in fault


MASKED = BASE + "task: {name: masked_lm}\n"


def test_for_masked_lm_a_line_has_no_label_in_front(load):
    experiment = load(MASKED)
    assert experiment.data.label_in_front is False
    assert experiment.data.files("train")[0].label_in_front is False
    assert load(config_yaml(experiment)) == experiment
    one = MASKED.replace("train.csv", "{path: train.csv, label_in_front: true}")
    assert load(one).data.files("train")[0].label_in_front


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ("training: {packing: true}", "training.packing is for text_classification"),
        ("backbone: {preset: minilm, freeze: 1, cache_frozen: true}", "computes each text once"),
        ("backbone: {preset: bilstm}", "preset: bilstm knows nothing to adapt"),
        ("task: {name: masked_lm, mask_fraction: 0.9}", "mask_fraction is 0.9"),
    ],
)
def test_what_does_not_go_with_masked_lm(section, message):
    values = parse_value(section)
    with pytest.raises(ConfigError, match=message):
        build_config(VALUES | {"task": {"name": "masked_lm"}} | values)


@pytest.mark.parametrize("option", ["class_weights: balanced", "label_smoothing: 0.1"])
def test_crf_takes_no_other_loss(faults, option):
    (fault,) = faults(BASE + f"task: {{name: token_classification, crf: true, {option}}}\n")
    assert fault.startswith("c.yaml:5: task: crf scores whole sequences: it takes neither")


def test_range_of_scores_that_is_none(faults):
    (fault,) = faults(BASE + "task: {name: similarity, lowest_score: 5, highest_score: 5}\n")
    assert fault == "c.yaml:5: task: lowest_score must be below highest_score."


def test_misspelled_key_is_compared_with_those_of_its_task(faults):
    (fault,) = faults(BASE + "task: {name: question_answering, multi_label: true}\n")
    assert fault == (
        "c.yaml:5: there is no key 'multi_label' in task. It has: name, unanswerable, threshold, "
        "stride, question_length, answer_length, by_character, label_smoothing, dropout."
    )
    (fault,) = faults(BASE + "task: {multilabel: true}\n")
    assert fault.endswith("Did you mean 'multi_label'?")


# -------------------------------------------------------------------------- options of one file


def test_options_of_a_file_go_before_those_of_the_section(load):
    data = load(
        BASE.replace(
            "{train: train.csv}",
            "{train: {path: a.tsv, header: true, columns: {text: 2}}, test: [b.tsv, c.tsv], "
            "header: false, columns: {text: 0, label: 1}}",
        )
    ).data
    (train,) = data.files("train")
    assert (train.header, train.columns.text, train.columns.label) == (True, 2, 1)
    assert [(file.path, file.header, file.columns.text) for file in data.files("test")] == [
        ("b.tsv", False, 0),
        ("c.tsv", False, 0),
    ]


# ----------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("sed: 1", "there is no key 'sed' in the config. Did you mean 'seed'?"),
        (
            "optimizer: {learning_rat: 1}",
            "there is no key 'learning_rat' in optimizer. Did you mean 'learning_rate'?",
        ),
        ("Seed: 1", "there is no key 'Seed' in the config. Did you mean 'seed'?"),
        ("export: {zzz: 1}", "there is no key 'zzz' in export. It has: enabled, check_texts,"),
        ("7: x", "there is no key '7' in the config. It has: name, seed,"),
    ],
)
def test_unknown_key(faults, line, message):
    (fault,) = faults(f"{BASE}{line}\n")
    assert message in fault


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("seed: -1", "seed is -1: input should be greater than or equal to 0"),
        ("seed: one", "seed is 'one': input should be a valid integer"),
        ("training: {epochs: -1}", "training.epochs is -1: input should be greater than or equal"),
        ("training: {batch_size: 2.5}", "training.batch_size is 2.5: input should be a valid int"),
        ("training: {precision: float16}", "precision is 'float16'; it can be float32, mixed_b"),
        ("training: {precision: float16}", "Did you mean 'float32'?"),
        ("training: {length_buckets: [8, 0]}", "training.length_buckets.1 is 0: input should be"),
        ("optimizer: {learning_rate: 0}", "learning_rate is 0: input should be greater than 0"),
        ("optimizer: {learning_rate: .inf}", "learning_rate is inf: input should be a finite"),
        ("optimizer: {learning_rate: .nan}", "learning_rate is nan: input should be a finite"),
        ("optimizer: {warmup_fraction: 1}", "warmup_fraction is 1: input should be less than 1"),
        ("optimizer:", "optimizer is None; expected a section with some of the keys name, learn"),
        ("task: {name: clasification}", "task.name is 'clasification'; it can be text_classif"),
        ("task: {name: regresion}", ". Did you mean 'regression'?"),
        ("task: {name: regression, dropout: 1}", "task.dropout is 1: input should be less than 1"),
        ("task: {name: question_answering, stride: -1}", "task.stride is -1: input should be gr"),
        ("task: {name: null, dropout: 1}", "task.dropout is 1: input should be less than 1"),
        ("task: {labels: [a, null]}", "task.labels.1 is None: input should be a valid string"),
        ("task: {class_weights: balancd}", "is 'balancd'; it can be balanced. Did you mean 'bala"),
        ("task: {class_weights: {a: -1}}", "task.class_weights.a is -1: input should be greater"),
        ("callbacks: {early_stopping: 3}", "early_stopping is 3; expected a section with some of"),
        ("export: {tolerance: 1e-3}", "export.tolerance is 0.001: input should be less than or e"),
    ],
)
def test_value_of_wrong_type_or_out_of_range(faults, line, message):
    found = faults(f"{BASE}{line}\n")
    assert any(fault.startswith("c.yaml:5: ") and message in fault for fault in found)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("{}", "'data.train' is missing"),
        ("{train: []}", "data.train: value should have at least 1 item"),
        ("{train: 5}", "data.train is 5: a file is given by its path, or by {path: ..."),
        ("{train: {pth: a}}", "there is no key 'pth' in data.train. Did you mean 'path'?"),
        ("{train: [a, {path: b, hedaer: 1}]}", "no key 'hedaer' in data.train.1. Did you mean 'he"),
        ("{train: a, columns: {txt: 0}}", "no key 'txt' in data.columns. Did you mean 'text'?"),
        ("{train: a, columns: {text: 1.5}}", "data.columns.text is 1.5: a column is given by its"),
        ("{train: a, columns: {label: true}}", "data.columns.label is True: a column is given by"),
        ("{train: a, format: exel}", "data.format is 'exel'; it can be csv, tsv,"),
        ("{train: a, cleaning: [strp]}", "data.cleaning.0 is 'strp'; it can be strip,"),
        (
            "{train: a, validation: b, validation_fraction: 0.1}",
            "data: give either validation or validation_fraction, not both",
        ),
        (
            "{train: a, validation_fraction: 0.5, test_fraction: 0.5}",
            "data: validation_fraction and test_fraction leave nothing to train on",
        ),
    ],
)
def test_fault_in_data(faults, data, message):
    found = faults(BASE.replace("{train: train.csv}", data))
    assert any(fault.startswith("c.yaml:4: ") and message in fault for fault in found)


def test_key_of_another_branch_of_a_union(faults):
    (fault,) = faults(BASE.replace("minilm", "minilm, num_layers: 2"))
    assert fault == (
        "c.yaml:3: there is no key 'num_layers' in backbone. "
        "It has: sequence_length, truncation, dropout, attention_dropout, freeze, cache_frozen, "
        "preset."
    )


def test_misspelled_key_is_compared_with_those_of_its_branch(faults):
    (fault,) = faults(BASE.replace("minilm", "random, num_layrs: 2"))
    assert fault.endswith("Did you mean 'num_layers'?")


def test_backbone_without_preset(faults):
    assert faults(BASE.replace("{preset: minilm}", "{}")) == [
        "c.yaml:3: 'backbone.preset' is missing."
    ]


def test_all_faults_at_once_each_with_its_line(faults):
    found = faults(
        "name: reviews\n"
        "backbone: {preset: minilm}\n"
        "data:\n"
        "  train: train.csv\n"
        "  hedaer: false\n"
        "training:\n"
        "  epochs: -1\n"
        "  # a comment\n"
        "  precision: mixed_bfloat61\n"
        "name: again\n"
    )
    assert [fault.split(" ")[0] for fault in sorted(found)] == [
        "c.yaml:",
        "c.yaml:10:",
        "c.yaml:5:",
        "c.yaml:7:",
        "c.yaml:9:",
    ]
    assert "c.yaml: 'output_dir' is missing." in found


def test_early_stopping_without_validation(faults):
    (fault,) = faults(BASE + "callbacks: {early_stopping: {}}\n")
    assert "callbacks.early_stopping needs validation data: set data.validation or" in fault


def test_duplicate_keys(faults):
    found = faults(BASE + "training:\n  epochs: 1\n  epochs: 2\nseed: 1\nseed: 1\n")
    assert found == [
        "c.yaml:7: the key 'training.epochs' already stands on line 6. Keep one of the two.",
        "c.yaml:9: the key 'seed' already stands on line 8. Keep one of the two.",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [\n", "c.yaml:2: this is not YAML"),
        ("a: 1\n\tb: 2\n", "c.yaml:2: this is not YAML"),
        ("a: 1\n---\nb: 2\n", "c.yaml:2: this is not YAML"),
        ("a: {{ name }}\n", "c.yaml:1: this is not YAML: found unhashable key"),
        ("seed: !!int x\n", "c.yaml: this is not YAML: invalid literal"),
        ("a: &a [*a]\n", "c.yaml: this is not YAML"),
        ("a: !!python/object/apply:os.system [ls]\n", "c.yaml:1: this is not YAML"),
        ("a: \x07\n", "c.yaml: this is not YAML: unacceptable character"),
        ("- a\n", "c.yaml: expected sections such as `task:` and `data:`, found a list"),
        ("word", "c.yaml: expected sections such as `task:` and `data:`, found a str"),
        (b"name: caf\xe9\n", "c.yaml is not UTF-8 text"),
    ],
)
def test_file_that_is_no_config(faults, text, message):
    assert faults(text)[0].startswith(message)


def test_empty_file(faults):
    assert "c.yaml: 'data' is missing." in faults("")


def test_file_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match=r"There is no file .*none\.yaml \(looked from "):
        load_config(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match="is a directory; --config takes a YAML file"):
        load_config(tmp_path)


# -------------------------------------------------------------------------------- overrides


def test_overrides_are_read_as_yaml(load):
    experiment = load(
        BASE,
        [
            "optimizer.learning_rate=3e-5",
            "seed = 4",
            "task.labels=[yes, no]",
            "data.validation_fraction=0.1",
            "callbacks.early_stopping.patience=5",
            "data.cleaning=[strip, nfc]",
            "name=a=b",
            "data.columns.text_pair=null",
        ],
    )
    assert experiment.optimizer.learning_rate == 3e-5
    assert (experiment.seed, experiment.name) == (4, "a=b")
    assert experiment.task.labels == ["yes", "no"]
    assert experiment.callbacks.early_stopping.patience == 5
    assert experiment.data.cleaning == ["strip", "nfc"]


def test_the_last_override_counts(load):
    assert load(BASE, ["seed=1", "seed=2"]).seed == 2


def test_override_inside_a_split_that_is_only_a_path(load):
    (train,) = load(BASE, ["data.train.header=false"]).data.files("train")
    assert (train.path, train.header) == ("train.csv", False)


def test_override_makes_a_list_of_files(load):
    data = load(BASE, ["data.train=[a.csv, {path: b.csv, header: false}]"]).data
    assert [(file.path, file.header) for file in data.files("train")] == [
        ("a.csv", None),
        ("b.csv", False),
    ]


def test_override_inside_a_list_of_files(faults):
    (fault,) = faults(BASE.replace("train.csv", "[a.csv, b.csv]"), ["data.train.header=false"])
    assert fault.startswith("--set data.train.header=false: train is a list; set it as a whole")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("seed", "--set seed: expected key=value, such as optimizer.learning_rate=3e-5."),
        ("=3", "--set =3: expected key=value"),
        ("optimizer.learning_rat=1", "--set: there is no key 'learning_rat' in optimizer. Did you"),
        ("training.epochs=-1", "--set: training.epochs is -1: input should be greater"),
        ("task.labels=[a", "--set:1: this is not YAML"),
        ("data.train.pth=a", "--set: there is no key 'pth' in data.train. Did you mean 'path'?"),
    ],
)
def test_faulty_override(faults, override, message):
    assert faults(BASE, [override])[0].startswith(message)


# ---------------------------------------------------------------------------- resolved configs


def test_resolved_config_reloads_equal(load):
    experiment = load(
        "name: 'no'\n"
        "output_dir: '010'\n"
        "task: {labels: ['1e5', '0o17', 'no', 'null', '~', '', ' x', '3', 'a: b', '#c', 'é']}\n"
        "backbone: {preset: random, family: roberta}\n"
        "data:\n"
        "  header: false\n"
        "  columns: {text: [0, b], label: 1}\n"
        "  label_separator: ','\n"
        "  train:\n"
        "    - a.csv\n"
        "    - {path: b.csv, header: null, columns: {text: 2}, label_separator: null}\n"
        "  test: {path: c.csv, quoting: false, split: [x, y]}\n"
        "callbacks: {dropout_schedule: {hidden: {start: 0.3, end: 0}}}\n"
    )
    again = load(config_yaml(experiment))
    assert again == experiment
    assert again.data.files("train") == experiment.data.files("train")
    second = again.data.files("train")[1]
    assert (second.header, second.columns.text, second.columns.label) == (None, 2, 1)
    assert second.label_separator is None


def test_resolved_config_holds_every_key(load):
    text = config_yaml(load(BASE))
    for key in ("seed: 0", "learning_rate: 5.0e-05", "early_stopping: null", "quoting: true"):
        assert key in text


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=3))
def test_any_label_survives_writing_and_reading(tmp_path_factory, labels):
    experiment = build_config(VALUES | {"task": {"labels": labels}})
    path = tmp_path_factory.getbasetemp() / "labels.yaml"
    path.write_bytes(config_yaml(experiment).encode())
    assert load_config(path).task.labels == labels


@pytest.mark.parametrize(
    "path", sorted((ROOT / "configs").rglob("*.yaml")), ids=lambda path: path.stem
)
def test_shipped_config(path):
    experiment = load_config(path)
    assert experiment.output_dir == f"runs/{experiment.name}"
    assert f"--config {path.relative_to(ROOT)}" in path.read_text("utf-8")


# ------------------------------------------------------------------------------- the baseline

TAKE_THE_BASELINE = ("text_classification", "token_classification", "regression")


@pytest.mark.parametrize(
    "path", sorted((ROOT / "configs").rglob("*.yaml")), ids=lambda path: path.stem
)
def test_every_config_takes_the_baseline(path):
    """With one override and nothing else."""
    before = load_config(path)
    if before.task.name in TAKE_THE_BASELINE:
        after = load_config(path, ["backbone.preset=bilstm"])
        assert isinstance(after.backbone, BaselineBackbone)
        assert after.backbone.sequence_length == before.backbone.sequence_length
        assert after.learning_rate == after.backbone.learning_rate == 1e-2
        assert after.model_copy(update={"backbone": before.backbone}) == before


def test_learning_rate_of_the_baseline(load):
    text = BASE + "optimizer: {learning_rate: 1e-4}\n"
    assert load(text).learning_rate == 1e-4
    assert load(text, ["backbone.preset=bilstm"]).learning_rate == 1e-2
    overrides = ["backbone.preset=bilstm", "backbone.learning_rate=5e-3"]
    assert load(text, overrides).learning_rate == 5e-3
    assert load(text, [*overrides, "backbone.learning_rate=null"]).learning_rate == 1e-4


def test_the_baseline_keeps_case_where_it_tells_names():
    section = {"preset": "bilstm"}
    for task, lowercase in (("token_classification", False), ("text_classification", True)):
        values = {
            "name": "x",
            "output_dir": "x",
            "task": {"name": task},
            "data": {"train": "x.csv"},
        }
        assert build_config({**values, "backbone": section}).backbone.lowercase is lowercase
        given = {**section, "lowercase": not lowercase}
        assert build_config({**values, "backbone": given}).backbone.lowercase is not lowercase


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("freeze: 0", "freeze does not go with preset: bilstm, which has no pretrained layers"),
        ("freeze: 2", "freeze does not go with preset: bilstm, which has no pretrained layers"),
        ("cache_frozen: true", "cache_frozen does not go with preset: bilstm"),
        ("attention_dropout: 0.1", "attention_dropout does not go with preset: bilstm, which has"),
        ("hidden_dim: 15", "input should be a multiple of 2"),
        ("num_heads: 2", "there is no key 'num_heads' in backbone."),
    ],
)
def test_what_has_no_sense_for_the_baseline(faults, key, message):
    (fault,) = faults(BASE.replace("preset: minilm", f"preset: bilstm, {key}"))
    assert fault.startswith("c.yaml:3: ") and message in fault


def test_nothing_else_is_to_be_set_where_layers_were_frozen(load, faults):
    keys = "minilm, freeze: 2, cache_frozen: true, attention_dropout: 0.1, sequence_length: 9"
    text = BASE.replace("minilm", keys)
    backbone = load(text, ["backbone.preset=bilstm"]).backbone
    assert (backbone.freeze, backbone.cache_frozen, backbone.sequence_length) == (None, False, 9)
    (fault,) = faults(text, ["backbone.preset=bilstm", "backbone.freeze=2"])
    assert "freeze does not go with preset: bilstm" in fault


def test_another_preset_leaves_out_keys_of_the_old_one(load, faults):
    text = BASE.replace("minilm", "random, num_heads: 4, sequence_length: 9, vocabulary: v.txt")
    assert load(text, ["backbone.preset=minilm"]).backbone.sequence_length == 9
    assert load(text, ["backbone.preset=bilstm"]).backbone.vocabulary == "v.txt"
    overrides = ["backbone.preset=minilm", "backbone.num_heads=2"]
    assert "there is no key 'num_heads' in backbone." in faults(text, overrides)[0]
    misspelled = text.replace("num_heads", "num_hads")
    assert "there is no key 'num_hads'" in faults(misspelled, ["backbone.preset=minilm"])[0]


# -------------------------------------------------------------------------------- TensorFlow


def test_refusing_a_config_does_not_import_tensorflow(run_python, tmp_path):
    (tmp_path / "c.yaml").write_text(BASE + "sed: 1\n", "utf-8")
    program = (
        "import sys\n"
        "from tfft.fit import main\n"
        "code = main(['--config', 'c.yaml'])\n"
        "heavy = {'tensorflow', 'keras', 'keras_hub', 'jax'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else code)\n"
    )
    done = run_python("-c", program)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "error: c.yaml:5: there is no key 'sed' in the config. Did you mean 'seed'?\n"
    )


@pytest.mark.parametrize(
    "task", ["{name: question_answering}", "{name: token_classification, crf: true}"]
)
def test_packing_is_refused_where_a_whole_row_is_learned_from(task):
    overrides = [f"task={task}", "training.packing=true"]
    with pytest.raises(ConfigError, match=r"training\.packing is for text_classification, "):
        load_config(ROOT / "configs/smoke/text_classification.yaml", overrides)


def test_attention_dropout_needs_layers_that_drop():
    overrides = ["backbone.dropout=0", "backbone.attention_dropout=0.1"]
    with pytest.raises(ConfigError, match="attention_dropout needs a dropout above 0"):
        load_config(ROOT / "configs/smoke/text_classification.yaml", overrides)


def test_packing_needs_rows_in_memory():
    overrides = ["training.packing=true", "data.cache=disk"]
    with pytest.raises(ConfigError, match=r"training\.packing plans with all rows"):
        load_config(ROOT / "configs/smoke/text_classification.yaml", overrides)
