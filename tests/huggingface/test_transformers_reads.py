"""transformers reads what we write, and we read what it writes of that again.

Skipped where torch and transformers are not installed; `make benchmark`'s environment has both.
They are asked in processes of their own: beside TensorFlow, torch may end a process.
"""

import json
import re
import subprocess
import sys

import numpy as np
import pytest

from tfft.backbones import write_huggingface
from tfft.backbones.checkpoints import load_encoder
from tfft.errors import ExportCheckError
from tfft.huggingface import export_huggingface
from tfft.huggingface.check import can_check
from tfft.inference import tokenize_texts
from tfft.tasks.published_heads import begin_with_head

if not can_check():
    pytest.skip("torch and transformers are not installed", allow_module_level=True)

FAMILIES = ["bert", "distil_bert", "roberta", "electra", "albert", "xlm_roberta", "deberta_v3"]
KINDS = ["single", "multi_label", "pair", "regression", "tags", "questions"]
WINDOWS = ("tags", "questions")
PROGRAM = """
import json, sys
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline
place = sys.argv[1]
print(json.dumps({expression}, default=float))
"""


@pytest.fixture
def ask_transformers():
    """The value of an expression on the directory `place`."""

    def ask(place, expression):
        command = [sys.executable, "-P", "-c", PROGRAM.format(expression=expression), str(place)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return ask


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("family", FAMILIES)
def test_ids_and_logits_are_ours(family, kind, make_run, columns):
    said = []
    # Long enough for some texts to be one window.
    trained = make_run(family, kind, sequence_length=150 if kind in WINDOWS else 40)
    export_huggingface(trained, columns(trained.task), report=said.append)
    found = re.match(r"Checked in .*: the same ids for (\d+) texts", said[-1])
    assert found and int(found[1]) >= 5, said[-1]


@pytest.mark.parametrize("family", FAMILIES)
def test_what_transformers_saves_is_read_again(family, make_run, columns, ask_transformers):
    trained = make_run(family, "single")
    place = export_huggingface(trained, columns(trained.task))
    saved = place / "saved"
    for kind in ("AutoModelForSequenceClassification", "AutoTokenizer"):
        save = f"{kind}.from_pretrained(place).save_pretrained({str(saved)!r})"
        ask_transformers(place, f"[{save}] and None")
    encoder = load_encoder(str(saved), sequence_length=40)
    model = trained.task.build_model(encoder)
    (note,) = begin_with_head(model, trained.task, encoder)
    assert note.endswith("is used: bad, good, mixed.")
    ours, theirs = (
        tokenize_texts(trained.task, each, columns(trained.task))
        for each in (trained.encoder, encoder)
    )
    assert theirs.features["token_ids"].to_list() == ours.features["token_ids"].to_list()
    features = encoder.pad(ours.features)
    np.testing.assert_allclose(
        model.predict_on_batch(features), trained.model.predict_on_batch(features), atol=1e-6
    )


def test_other_weights_are_a_fault(make_run, columns):
    trained = make_run("bert", "single")
    ours = trained.model.predict_on_batch
    trained.model.predict_on_batch = lambda features: ours(features) + 1e-3
    with pytest.raises(ExportCheckError, match="of transformers differ by up to 1.0e-03 from"):
        export_huggingface(trained, columns(trained.task))
    assert not list(trained.directory.path.iterdir())


def test_other_activation_is_a_fault(make_run, columns, monkeypatch):
    """The tanh form of GELU, which KerasHub's BERT has, is not the exact one."""
    monkeypatch.setitem(write_huggingface.ACTIVATIONS, "gelu_approximate", "gelu")
    trained = make_run("bert", "tags")
    with pytest.raises(ExportCheckError, match="The logits of transformers differ by up to"):
        export_huggingface(trained, columns(trained.task))


def test_pipeline_of_labels(make_run, columns, ask_transformers):
    trained = make_run("bert", "multi_label")
    place = export_huggingface(trained, columns(trained.task))
    ask = "pipeline('text-classification', place)('The old miller', truncation=True, top_k=None)"
    found = {each["label"]: each["score"] for each in ask_transformers(place, ask)}
    (answer,) = trained.predict(["The old miller"])
    assert found == pytest.approx(answer["probabilities"], abs=1e-5)


def test_pipeline_of_numbers(make_run, columns, ask_transformers):
    trained = make_run("distil_bert", "regression")
    place = export_huggingface(trained, columns(trained.task))
    pair = {"text": "The river", "text_pair": "was high"}
    found = ask_transformers(
        place, f"pipeline('text-classification', place)([{pair}], truncation=True)"
    )
    (answer,) = trained.predict([pair])
    assert found[0]["score"] == pytest.approx(answer["value"], rel=1e-5)


def test_pipeline_of_tags(make_run, columns, ask_transformers):
    # Not RoBERTa: of single bytes as pieces the pipeline makes words of its own.
    trained = make_run("bert", "tags")
    place = export_huggingface(trained, columns(trained.task))
    words = ["The", "old", "miller", "walked"]
    options = "is_split_into_words=True, aggregation_strategy='first'"
    found = ask_transformers(
        place, f"pipeline('token-classification', place)([{words}], {options})"
    )
    found = found[0] if isinstance(found[0], list) else found
    (answer,) = trained.predict([words])
    assert answer["entities"]
    spans = [(each["start"], each["end"], each["entity_group"]) for each in found]
    assert spans == [(e["start"], e["end"], e["type"]) for e in answer["entities"]]
