"""Which presets there are, what is known of them, and where they lie."""

import json
import re
import shutil

import keras_hub
import pytest

from tfft.backbones.families import FAMILIES
from tfft.choosing.catalogue import find_named, find_presets
from tfft.choosing.directories import describe_directory
from tfft.choosing.facts import FACTS
from tfft.errors import ConfigError

VOCABULARIES = {30522, 28996, 21128, 119547, 50265, 250002, 250037, 30000, 128100, 251000}
# Their number of parameters in KerasHub's metadata is not that of the model, or their embedding is
# not as wide as the rest.
OTHERWISE = {"paraphrase_minilm_l3_v2_en", "electra_small", "electra_base_gen", "electra_large_gen"}


@pytest.fixture
def presets(place):
    return {preset.name: preset for preset in find_presets()}


def test_lists_every_preset_of_the_families(presets):
    known = keras_hub.models.Backbone.presets.items()
    expected = {name for name, entry in known if entry["metadata"]["path"] in FAMILIES}
    assert set(presets) == expected
    assert not any(preset.is_at_hand for preset in presets.values())
    tiny = presets["bert_tiny_en_uncased"]
    assert (tiny.family, tiny.parameters, tiny.size) == ("bert", 4385920, 4 * 4385920)
    assert tiny.facts == (2, 128, "en", "uncased", "Apache-2.0", 512)


def test_names_of_the_table_exist(presets):
    assert set(FACTS) - {"minilm"} <= set(presets)


def test_layers_are_those_of_the_description(presets):
    for name, facts in FACTS.items():
        found = re.match(r"(\d+)-layer", presets[name].description) if name in presets else None
        if found and name != "bge_small_v1.5_zh":
            assert int(found[1]) == facts.num_layers, name


def test_sizes_leave_a_known_vocabulary(presets):
    for name, facts in FACTS.items():
        if name in presets and not name.startswith(tuple(OTHERWISE)):
            assert vocabulary_size(presets[name], facts) in VOCABULARIES, name


def vocabulary_size(preset, facts):
    """What is left of the parameters when layers, positions, norms and pooler are taken away."""
    width, length = facts.hidden_dim, facts.sequence_length
    layer = 12 * width**2 + 13 * width
    table = 128 if preset.family == "albert" else width
    layers = layer if preset.family == "albert" else facts.num_layers * layer
    outside = {
        "bert": (length + 2) * width + 2 * width + width**2 + width,
        "electra": (length + 2) * width + 2 * width + width**2 + width,
        "albert": (length + 4) * table + table * width + width + width**2 + width,
        "deberta_v3": 512 * width + 4 * width,
    }.get(preset.family, length * width + 2 * width)
    return (preset.parameters - layers - outside) / table


def test_a_downloaded_preset_is_at_hand(place, save, knowing):
    handle = keras_hub.models.Backbone.presets["bert_tiny_en_uncased"]["kaggle_handle"]
    folder = place / "kagglehub" / "models" / handle.removeprefix("kaggle://")
    save(knowing, folder)
    first, second, *_ = find_presets()
    assert (first.name, first.directory) == ("bert_tiny_en_uncased", str(folder))
    assert first.size == sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    assert not second.is_at_hand


def test_a_part_of_a_download_is_not_at_hand(place, save, knowing):
    handle = keras_hub.models.Backbone.presets["bert_tiny_en_uncased"]["kaggle_handle"]
    folder = place / "kagglehub" / "models" / handle.removeprefix("kaggle://")
    save(knowing, folder)
    (folder / "model.weights.h5").unlink()
    assert not find_presets()[0].is_at_hand


def test_a_run_has_the_languages_and_licence_of_what_it_began_from(place, write_run, knowing):
    write_run("adapted", knowing, preset="minilm")
    write_run("again", knowing, preset="runs/adapted/preset")
    _, again, *_ = find_presets()
    assert again.name == "runs/again/preset"
    assert again.facts == (1, 32, "en", "uncased", "Apache-2.0", 16)
    assert again.parameters == knowing.backbone.count_params()
    assert again.description == "minilm fine-tuned for text_classification."


def test_what_adapts_to_texts_has_not_learned_their_labels(place, write_run, knowing):
    run = write_run("adapted", knowing, train="data.csv")
    assert find_presets()[0].trained_on
    config = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(f"{config}task: {{name: masked_lm}}\n")
    assert not find_presets()[0].trained_on


def test_a_run_of_random_weights(place, write_run, knowing):
    write_run("scratch", knowing)
    facts = find_presets()[0].facts
    assert (facts.languages, facts.licence) == ("unknown", "unknown")


def test_what_cannot_be_read_is_left_out(place, write_run, knowing):
    run = write_run("broken", knowing)
    (run / "preset" / "config.json").write_text('{"registered_name": "mine>Backbone"}')
    assert not find_presets()[0].is_at_hand


@pytest.mark.parametrize("content", ["[]", "{", '{"model_type": []}', '{"model_type": "bert"}'])
def test_a_config_that_is_none(place, write_run, knowing, content):
    run = write_run("broken", knowing)
    (run / "preset" / "config.json").write_text(content)
    assert not find_presets()[0].is_at_hand
    (named,) = find_named([str(run / "preset")], [])
    assert named.family == "unknown"


def test_weights_that_are_cut_off(place, fixtures):
    broken = place / "runs" / "broken" / "preset"
    shutil.copytree(fixtures / "huggingface" / "BertForSequenceClassification", broken)
    weights = broken / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    assert not find_presets()[0].is_at_hand


def test_a_baseline_is_listed(place, write_run, build_tiny_encoder):
    write_run("baseline", build_tiny_encoder("bilstm"))
    first = find_presets()[0]
    assert (first.name, first.family) == ("runs/baseline/preset", "bilstm")
    assert first.facts.sequence_length == 0


def test_a_download_from_hugging_face(place, fixtures):
    repository = place / "hub" / "models--user--small"
    snapshot = repository / "snapshots" / "abc"
    shutil.copytree(fixtures / "huggingface" / "BertForSequenceClassification", snapshot)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("abc")
    first = find_presets()[0]
    config = json.loads((snapshot / "config.json").read_text())
    assert (first.name, first.family) == ("hf://user/small", "bert")
    assert first.directory == str(snapshot)
    assert first.facts.hidden_dim == config["hidden_size"]
    assert first.parameters > config["vocab_size"] * config["hidden_size"]


@pytest.mark.parametrize("kind", ["Roberta", "DistilBert", "Albert", "DebertaV2", "XLMRoberta"])
def test_a_directory_of_hugging_face(fixtures, kind):
    directory = min((fixtures / "huggingface").glob(f"{kind}For*"))
    preset = describe_directory("it", directory)
    assert preset.family in FAMILIES and preset.facts.sequence_length > 0
    assert preset.size == sum(path.stat().st_size for path in directory.iterdir())


def test_filters(place):
    assert {preset.family for preset in find_presets("albert")} == {"albert"}
    chinese = find_presets(language="zh")
    assert {"bert_base_zh", "xlm_roberta_base_multi"} <= {preset.name for preset in chinese}
    assert "bert_base_en" not in {preset.name for preset in chinese}


def test_names_of_candidates(place, write_run, knowing):
    run = write_run("mine", knowing)
    names = ["bert_base_zh", "", f" {run / 'preset'}", "hf://user/model", "bert_base_zh"]
    named = find_named(names, find_presets())
    assert [preset.family for preset in named] == ["bert", "bert", "unknown"]
    with pytest.raises(ConfigError, match=r"no preset or directory 'bert_base_hz'.*bert_base_zh"):
        find_named(["bert_base_hz"], find_presets())
