"""The masked-language heads that transformers writes say here what they say there."""

import json
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf
from safetensors.numpy import load_file, save_file

from tfft.backbones.checkpoints import load_encoder
from tfft.tasks import MaskedLM, begin_with_head
from tfft.tasks.masked_pieces import CANDIDATES, GIVEN, LIKELIEST

KINDS = [
    "AlbertForSequenceClassification",
    "BertForSequenceClassification",
    "BertForTokenClassification",
    "DebertaV2ForSequenceClassification",
    "DistilBertForSequenceClassification",
    "ElectraForSequenceClassification",
    "RobertaForQuestionAnswering",
    "XLMRobertaForSequenceClassification",
]
NAMES = {
    # As older checkpoints of DeBERTa-v3 have them.
    "cls.predictions.transform.dense": "lm_predictions.lm_head.dense",
    "cls.predictions.transform.LayerNorm": "lm_predictions.lm_head.LayerNorm",
    "cls.predictions": "lm_predictions.lm_head",
}


def copy_with_head(source, place, rename=lambda name: name):
    shutil.copytree(source, place)
    head = {rename(name): w for name, w in load_file(place / "masked_lm.safetensors").items()}
    save_file(load_file(place / "model.safetensors") | head, place / "model.safetensors")
    return place


def check(place, source):
    encoder, task = load_encoder(str(place)), MaskedLM()
    model = task.build_model(encoder)
    notes = begin_with_head(model, task, encoder)
    assert notes == ["The masked-language head that was published with the encoder is used."]
    expected = json.loads((source / "masked_lm.json").read_text())
    rows = task.inputs({"text": tf.constant(["The miller[MASK] the gate."])}, encoder)
    assert rows["token_ids"].to_list() == [expected["ids"]]
    rows.pop("alignment")
    (said,) = model(encoder.pad(rows)).numpy()
    (mask,) = np.flatnonzero(said[:, GIVEN])
    right = np.array(expected["logits"])
    right -= np.log(np.sum(np.exp(right)))
    likeliest = np.argsort(-right)[:CANDIDATES]
    ids, logarithms = np.split(said[mask, LIKELIEST:], 2)
    tolerance = 2e-3 if encoder.family_name in ("bert", "electra") else 2e-5
    np.testing.assert_allclose(logarithms, right[likeliest], atol=tolerance, rtol=0)
    np.testing.assert_allclose(right[ids.astype(int)], right[likeliest], atol=tolerance, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_head_of_transformers(kind, fixtures, tmp_path):
    source = fixtures / "huggingface" / kind
    check(copy_with_head(source, tmp_path / kind), source)


def test_older_names_of_deberta(fixtures, tmp_path):
    source = fixtures / "huggingface" / "DebertaV2ForSequenceClassification"

    def rename(name):
        owner, _, weight = name.rpartition(".")
        return f"{NAMES[owner]}.{weight}"

    check(copy_with_head(source, tmp_path / "x", rename), source)


def test_encoder_without_such_a_head(fixtures):
    place = str(fixtures / "huggingface" / "BertForSequenceClassification")
    encoder, task = load_encoder(place), MaskedLM()
    model = task.build_model(encoder)
    before = keras.ops.convert_to_numpy(model.get_layer("guess").dense.kernel)
    (note,) = begin_with_head(model, task, encoder)
    assert note == f"{place} has no masked-language head: it begins with random numbers."
    after = keras.ops.convert_to_numpy(model.get_layer("guess").dense.kernel)
    np.testing.assert_array_equal(before, after)
