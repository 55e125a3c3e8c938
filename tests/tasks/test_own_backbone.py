"""Every task on a plain Keras model that is no KerasHub backbone."""

import keras
import numpy as np
import pytest

import tfft
from tfft.errors import ConfigError

IDS = {
    "token_ids": np.array([[1, 2, 3, 4, 0, 0], [5, 6, 7, 8, 9, 1]], "int32"),
    "padding_mask": np.array([[1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 1, 1]], "int32"),
}
TAGS = np.array([[-1, 1, 2, -1, -1, -1], [-1, 0, -1, 1, 0, -1]])
TASKS = [
    (tfft.tasks.TextClassification(["no", "yes"]), np.array([0, 1]), (2, 2)),
    (tfft.tasks.TokenClassification(["O", "B-per", "I-per"]), TAGS, (2, 6, 3)),
    (tfft.tasks.TokenClassification(["O", "B-per", "I-per"], crf=True), TAGS, (2, 6, 3)),
    (tfft.tasks.QuestionAnswering(), np.array([[1, 2], [3, 3]]), (2, 6, 2)),
    (tfft.tasks.Regression(mean=3.0, deviation=2.0), np.array([1.0, 5.0]), (2, 1)),
]


def recurrent_backbone(*, as_dict=False, names=("token_ids", "padding_mask")):
    inputs = {name: keras.Input((None,), dtype="int32", name=name) for name in names}
    vectors = keras.layers.Embedding(10, 8)(inputs["token_ids"])
    mask = inputs[names[-1]] > 0
    outputs = keras.layers.LSTM(6, return_sequences=True)(vectors, mask=mask)
    return keras.Model(inputs, {"sequence_output": outputs} if as_dict else outputs)


@pytest.mark.parametrize(
    ("task", "targets", "shape"), TASKS, ids=lambda value: type(value).__name__
)
@pytest.mark.parametrize("as_dict", [False, True])
def test_learns(task, targets, shape, as_dict):
    keras.utils.set_random_seed(0)
    backbone = recurrent_backbone(as_dict=as_dict)
    model = task.build_model(backbone)
    model.compile(keras.optimizers.Adam(0.05), loss=task.loss(model))
    weights = {"sample_weight": targets >= 0} if targets is TAGS else {}
    before = backbone.get_weights()
    history = model.fit(IDS, targets, epochs=20, verbose=0, **weights).history["loss"]
    assert history[-1] < 0.7 * history[0]
    assert not np.allclose(before[0], backbone.get_weights()[0])
    assert model.predict(IDS, verbose=0).shape == shape


def test_takes_no_texts():
    encoder = tfft.Encoder(recurrent_backbone(), sequence_length=6)
    with pytest.raises(ValueError, match="no tokenizer"):
        encoder.features([["a text"]])


def test_needs_the_names():
    with pytest.raises(ConfigError, match="A Functional is of no family that tfft knows"):
        tfft.Encoder(recurrent_backbone(names=("token_ids",)))
