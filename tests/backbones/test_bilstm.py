"""The baseline of LSTMs: what padding does, what it learns from, how it is kept and reloaded."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfft.backbones.attention import set_attention_dropout
from tfft.backbones.baseline import build_bilstm_encoder
from tfft.backbones.bilstm import BilstmBackbone
from tfft.backbones.checkpoints import build_random_encoder
from tfft.backbones.encoder import Encoder
from tfft.backbones.halves import freeze_layers
from tfft.errors import ConfigError
from tfft.serving import write_saved_model
from tfft.serving.ops import check_operations, used_operations
from tfft.tasks import TextClassification


@pytest.fixture(scope="module")
def backbone():
    keras.utils.set_random_seed(1)
    return BilstmBackbone(20, embedding_dim=6, hidden_dim=8, num_layers=2, dropout=0.5)


def outputs(backbone, rows, length, filler=0):
    ids = np.full((len(rows), length), filler)
    mask = np.zeros((len(rows), length), "int32")
    for number, row in enumerate(rows):
        ids[number, : len(row)] = row
        mask[number, : len(row)] = 1
    found = backbone({"token_ids": ids, "padding_mask": mask})
    return found["sequence_output"].numpy(), found["pooled_output"].numpy()


ROWS = [[2, 5, 9, 3], [2, 7, 3], [2, 11, 12, 13, 14, 3]]


def test_padding_changes_no_vector(backbone):
    """In neither direction, however much there is of it and whatever stands there."""
    alone = [outputs(backbone, [row], len(row)) for row in ROWS]
    for length, filler in ((6, 0), (11, 0), (11, 17)):
        sequence, pooled = outputs(backbone, ROWS, length, filler)
        for number, row in enumerate(ROWS):
            np.testing.assert_allclose(sequence[number, : len(row)], alone[number][0][0], atol=1e-6)
            np.testing.assert_allclose(pooled[number], alone[number][1][0], atol=1e-6)
            assert not sequence[number, len(row) :].any()


def test_both_directions_are_read(backbone):
    before, _ = outputs(backbone, [[2, 5, 9, 8, 3]], 5)
    for changed, seen_at in (([2, 5, 9, 8, 4], 0), ([1, 5, 9, 8, 3], 4)):
        after, _ = outputs(backbone, [changed], 5)
        assert np.abs(after[0, seen_at] - before[0, seen_at]).max() > 1e-6


def test_pooled_is_the_largest_of_the_pieces(backbone):
    sequence, pooled = outputs(backbone, ROWS, 9)
    for number, row in enumerate(ROWS):
        np.testing.assert_allclose(pooled[number], sequence[number, : len(row)].max(axis=0))
    # All of it is padding where short batches are filled up.
    assert np.isfinite(outputs(backbone, [[]], 3)[1]).all()


def test_everything_is_trained(backbone):
    model = keras.Model(backbone.input, backbone(backbone.input)["pooled_output"])
    with tf.GradientTape() as tape:
        features = {"token_ids": np.array([[2, 5, 3]]), "padding_mask": np.ones((1, 3))}
        loss = tf.reduce_sum(model(features))
    gradients = tape.gradient(loss, model.trainable_weights)
    assert len(gradients) == 1 + 2 * 2 * 3
    assert all(np.abs(tf.convert_to_tensor(gradient)).max() > 0 for gradient in gradients)


def test_config_makes_the_same_backbone(backbone):
    same = BilstmBackbone.from_config(backbone.get_config())
    assert [w.shape for w in same.weights] == [w.shape for w in backbone.weights]
    assert (same.dropout, same.hidden_dim, same.token_embedding.output_dim) == (0.5, 8, 6)
    with pytest.raises(ValueError, match="hidden_dim is 7; expected an even number"):
        BilstmBackbone(20, hidden_dim=7)


def test_vocabulary_is_learned_from_the_texts():
    texts = ["the Café, the lamp", "the café is not; € 中国 中", "a lamp's price \udcff"]
    encoder = build_bilstm_encoder(texts=texts, hidden_dim=8)
    pieces = encoder.tokenizer.get_vocabulary()
    letters = set("acefhilmpst中")
    words = {"the", "cafe", "lamp"}
    assert set(pieces) - {f"##{letter}" for letter in letters} - letters - words == {
        *("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
    }
    assert pieces.index("the") < pieces.index("cafe")
    rows = encoder.features([tf.constant(["CAFE", "tea", "国", "The"])])["token_ids"].to_list()
    shown = [[pieces[number] for number in row[1:-1]] for row in rows]
    assert shown == [["cafe"], ["t", "##e", "##a"], ["[UNK]"], ["the"]]
    short = build_bilstm_encoder(texts=texts, vocabulary_size=12, hidden_dim=8)
    assert short.tokenizer.get_vocabulary() == pieces[:12]
    with pytest.raises(ConfigError, match="there is no text to learn a vocabulary from"):
        build_bilstm_encoder(texts=["", " "])


def test_is_not_a_random_transformer(backbone):
    with pytest.raises(ConfigError, match="there is no family 'bilstm'; it can be bert, "):
        build_random_encoder(family="bilstm", texts=["a"])
    for ask in (lambda: freeze_layers(backbone, 1), lambda: set_attention_dropout(backbone, 0.1)):
        with pytest.raises(ConfigError, match="are for transformers; this BilstmBackbone is none"):
            ask()


def test_servers_have_all_its_operations(build_tiny_encoder, tmp_path):
    """Loops, but nothing of cuDNN, also where the model was trained on a GPU."""
    task = TextClassification(["a", "b"])
    encoder = build_tiny_encoder("bilstm")
    write_saved_model(task, encoder, task.build_model(encoder), tmp_path / "1")
    check_operations(tmp_path / "1")
    used = used_operations(tmp_path / "1")
    assert not [name for name in used if "cudnn" in name.lower()]
    assert used & {"While", "StatelessWhile"}


def test_backbone_without_a_tokenizer(backbone):
    model = TextClassification(["a", "b"]).build_model(backbone)
    features = {"token_ids": np.array([[2, 5, 3]]), "padding_mask": np.ones((1, 3), "int32")}
    assert Encoder(backbone).family_name == "bilstm"
    assert model(features).shape == (1, 2)
