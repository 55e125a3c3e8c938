"""Masked language modelling: what is covered, the tied head, rows, scores, answers."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfft.backbones.word_rows import used_rows
from tfft.data.examples import Examples
from tfft.data.pipeline import training_dataset
from tfft.errors import ConfigError
from tfft.inference import predict_outputs, tokenize_examples, tokenize_texts
from tfft.tasks import MaskedLM
from tfft.tasks.masked_pieces import (
    COVERED,
    GIVEN,
    IS_BEST,
    LIKELIEST,
    LOG_PROBABILITY,
    MaskPieces,
)

TEXTS = ["the film was good not bad " * 3, "an unbelievable film", "was it good or bad , " * 9, ""]


@pytest.fixture(scope="module")
def encoder(tiny_encoders):
    return tiny_encoders["bert"]


@pytest.fixture(scope="module")
def mask(encoder):
    """What covers pieces, half of them, in the model of a task."""
    return MaskedLM(mask_fraction=0.5).build_model(encoder).get_layer("mask")


@pytest.fixture(scope="module")
def rows(encoder):
    return tokenize_examples(MaskedLM(), encoder, Examples({"plain_text": TEXTS}))


def features(encoder, rows, length=None):
    return encoder.pad(rows.features, length)


# ------------------------------------------------------------------------------------------ rows


def test_texts_are_cut_into_rows_and_nothing_is_lost(encoder, rows):
    whole = [piece for text in encoder.pieces(tf.constant(TEXTS)).to_list() for piece in text]
    ids = rows.features["token_ids"].to_list()
    assert [piece for row in ids for piece in row[1:-1]] == whole
    assert rows.lengths.max() == encoder.sequence_length == 16
    assert rows.alignment.example.tolist() == [0, 0, 1, 2, 2, 2, 2, 2, 2, 3]
    assert rows.targets.tolist() == [0] * 10


def test_counts_words():
    assert MaskedLM().counts(Examples({"plain_text": ["a b", "c"]})) == {"words": 3}


# --------------------------------------------------------------------------------------- covering


def covered(encoder, rows, mask, training, length=None):
    """The pieces, and which of them are covered, (rows, length)."""
    found = mask(features(encoder, rows, length), training=training)
    found = {name: keras.ops.convert_to_numpy(values) for name, values in found.items()}
    flags = np.take_along_axis(
        np.pad(found["is_covered"], ((0, 0), (0, found["slots"].shape[1]))), found["slots"], 1
    )
    return found, flags > 0


def test_special_pieces_and_padding_are_never_covered(encoder, rows, mask):
    dense = {name: values.numpy() for name, values in features(encoder, rows).items()}
    special = np.isin(dense["token_ids"], encoder.tokenizer.special_token_ids)
    for training in (True, False):
        found, flags = covered(encoder, rows, mask, training)
        assert not flags[special].any()
        number = (~special).sum(axis=1)
        assert flags.sum(axis=1).tolist() == np.floor(number / 2 + 0.5).tolist()
        np.testing.assert_array_equal(found["token_ids"][~flags], dense["token_ids"][~flags])
        right = np.take_along_axis(dense["token_ids"], found["places"], 1)
        np.testing.assert_array_equal(found["right"], right)


def test_another_mask_each_time_while_training_and_the_same_in_scores(encoder, rows, mask):
    training = [covered(encoder, rows, mask, True)[1] for _ in range(2)]
    assert (training[0] != training[1]).any()
    fixed = covered(encoder, rows, mask, False)
    longer = covered(encoder, rows, mask, False, length=23)
    np.testing.assert_array_equal(fixed[1], longer[1][:, :16])
    np.testing.assert_array_equal(fixed[0]["token_ids"], longer[0]["token_ids"][:, :16])


def test_while_training_no_more_places_than_the_share(encoder, rows, mask):
    assert covered(encoder, rows, mask, True)[0]["places"].shape[1] == 8
    assert covered(encoder, rows, mask, False)[0]["places"].shape[1] == 16  # there may be 20 given


def test_whole_words(encoder):
    rows = tokenize_texts(MaskedLM(), encoder, {"text": ["unbelievable film unbelievable was"]})
    mask = MaskedLM(whole_words=True, mask_fraction=0.4).build_model(encoder).get_layer("mask")
    seen = set()
    for _ in range(20):
        _, flags = covered(encoder, rows, mask, True)
        seen.add("".join(np.where(flags[0], "x", ".")))
    assert seen == {".xxx......", ".....xxx..", "....x...x.", "....x.....", "........x."} & seen
    assert len(seen) > 2


def test_given_masks_stay_and_are_asked_alone(encoder, mask):
    texts = {"text": ["the [MASK] was good and the [MASK] bad film"]}
    rows = tokenize_texts(MaskedLM(), encoder, texts)
    found, flags = covered(encoder, rows, mask, False)
    assert not flags.any()
    assert found["is_given"][0].tolist()[:3] == [1, 1, 0]
    assert found["places"][0, :2].tolist() == [2, 9]
    np.testing.assert_array_equal(found["token_ids"], features(encoder, rows)["token_ids"])
    found, flags = covered(encoder, rows, mask, True)
    assert flags.any() and not found["is_given"].any() and not flags[0, [2, 9]].any()


@pytest.mark.parametrize("family", ["bert", "roberta", "xlm_roberta", "albert", "deberta_v3"])
def test_no_special_piece_is_covered_or_stands_in_a_pieces_place(tiny_encoders, family):
    """Of a family whose mask is not among KerasHub's special pieces neither."""
    encoder = tiny_encoders[family]
    rows = tokenize_texts(MaskedLM(), encoder, {"text": ["[MASK] film [MASK] was [MASK]"] * 32})
    layer = MaskedLM(mask_fraction=0.5).build_model(encoder).get_layer("mask")
    dense = {name: values.numpy() for name, values in features(encoder, rows).items()}
    _, flags = covered(encoder, rows, layer, True)
    mask_id = encoder.tokenizer.mask_token_id
    assert flags.any() and not flags[dense["token_ids"] == mask_id].any()
    special = {*encoder.tokenizer.special_token_ids, mask_id}
    assert not special & set(layer.others.tolist())


def test_many_given_masks(encoder):
    layer = MaskPieces(mask_id=4, special_ids=[0, 1, 2, 3, 4], vocabulary_size=9)
    ids = np.array([[2, *[4] * 28, 3]], "int32")
    found = layer({"token_ids": ids, "padding_mask": np.ones_like(ids)}, training=False)
    assert keras.ops.convert_to_numpy(found["places"]).tolist() == [list(range(1, 21))]


# --------------------------------------------------------------------------------------- the head


def test_says_what_the_layers_say(encoder, rows):
    task = MaskedLM(mask_fraction=0.5)
    model = task.build_model(encoder)
    head, batch = model.get_layer("guess"), features(encoder, rows)
    head.bias.assign(np.random.default_rng(0).normal(0, 2, head.bias.shape))
    outputs = model(batch).numpy()
    found, flags = covered(encoder, rows, model.get_layer("mask"), False)
    np.testing.assert_array_equal(outputs[:, :, COVERED] > 0, flags)
    assert not outputs[~flags].any()
    vectors = encoder.sequence({**batch, "token_ids": found["token_ids"]})
    table = encoder.backbone.token_embedding.embeddings
    logits = keras.ops.matmul(head.norm(head.dense(vectors)), keras.ops.transpose(table))
    right = keras.ops.log_softmax(logits + head.bias, axis=-1).numpy()[flags]
    ids, said = batch["token_ids"].numpy()[flags], outputs[flags]
    expected = np.take_along_axis(right, ids[:, None], 1)[:, 0]
    np.testing.assert_allclose(said[:, LOG_PROBABILITY], expected, atol=1e-5)
    np.testing.assert_array_equal(said[:, IS_BEST], right.argmax(1) == ids)
    likeliest, logarithms = np.split(said[:, LIKELIEST:], 2, axis=1)
    np.testing.assert_array_equal(likeliest[:, 0], right.argmax(1))
    np.testing.assert_allclose(logarithms, np.sort(right, 1)[:, :-11:-1], atol=1e-5)


def test_scores_and_loss_are_of_covered_pieces(encoder, rows):
    task = MaskedLM()
    model = task.build_model(encoder)
    outputs = predict_outputs(model, rows, encoder)
    scores, said = task.scores(rows, outputs), outputs.flat_values.numpy()
    said = said[said[:, COVERED] > 0]
    assert len(said) == 2 + 1 + 1 + 5 * 2 + 1  # 15 % of 14 pieces are 2, of fewer than 10 one
    assert scores["loss"] == pytest.approx(-said[:, LOG_PROBABILITY].mean(), rel=1e-6)
    assert scores["perplexity"] == pytest.approx(np.exp(scores["loss"]))
    (batch,) = training_dataset(rows, encoder.pad, batch_size=10, seed=0)[0].take(1)
    loss = task.loss(model)(batch[1], model(batch[0]), sample_weight=batch[2])
    assert float(loss) == pytest.approx(scores["loss"], rel=1e-5)
    half = task.loss(model)(batch[1], model(batch[0]), sample_weight=batch[2] * 0.5)
    assert float(half) == pytest.approx(scores["loss"], rel=1e-5)
    better = outputs.with_flat_values(outputs.flat_values * 0.5)
    assert task.notes(rows, better) == []
    worse = outputs.with_flat_values(outputs.flat_values * 2.0)
    assert "nothing was learned" in task.notes(rows, worse)[0]


def test_rows_with_given_masks_are_not_scored(encoder):
    task = MaskedLM()
    model = task.build_model(encoder)
    rows = tokenize_examples(task, encoder, Examples({"plain_text": ["the [MASK] was good"]}))
    assert task.scores(rows, predict_outputs(model, rows, encoder)) == {
        "loss": 0.0,
        "perplexity": 1.0,
        "accuracy": 0.0,
    }


def test_the_word_table_learns_through_the_head_and_as_a_whole(build_tiny_encoder):
    encoder, task = build_tiny_encoder(), MaskedLM()
    model, table = task.build_model(encoder), encoder.backbone.token_embedding.embeddings
    rows = tokenize_examples(task, encoder, Examples({"plain_text": TEXTS}))
    dataset, _ = training_dataset(rows, encoder.pad, batch_size=10, seed=0)
    before = table.numpy()
    with used_rows(model, rows.used_pieces):
        assert table.trainable
        model.compile("adam", loss=task.loss(model), weighted_metrics=task.metrics())
        history = model.fit(dataset, steps_per_epoch=2, shuffle=False, verbose=0).history
    # Each piece is one that could have been right.
    assert (table.numpy() != before).any(axis=1).all()
    assert history.keys() == {"loss", "accuracy"}


def test_encoder_without_a_mask(build_tiny_encoder):
    with pytest.raises(ConfigError, match="masked_lm needs the pieces of an encoder"):
        MaskedLM().build_model(build_tiny_encoder().backbone)


def test_the_baseline_knows_nothing_to_adapt(build_tiny_encoder):
    with pytest.raises(ConfigError, match="masked_lm adapts a pretrained encoder to texts; this"):
        MaskedLM().build_model(build_tiny_encoder("bilstm"))


# ---------------------------------------------------------------------------------------- answers


def test_answers_in_the_order_of_the_masks_over_rows(encoder):
    task = MaskedLM()
    model = task.build_model(encoder)
    bias = np.zeros(model.get_layer("guess").bias.shape, "float32")
    bias[[5, 7]] = 40.0, 30.0
    model.get_layer("guess").bias.assign(bias)
    long = "the [MASK] " * 9
    rows = tokenize_texts(task, encoder, {"text": ["no mask", long, "[MASK]", ""]})
    answers = task.answers(rows, predict_outputs(model, rows, encoder))
    assert [len(answer["masks"]) for answer in answers] == [0, 9, 1, 0]
    for filled in [filled for answer in answers for filled in answer["masks"]]:
        assert [best["piece"] for best in filled[:2]] == ["the", "was"]
        assert len(filled) == 5 and filled[0]["score"] == pytest.approx(1.0, abs=1e-3)
    assert GIVEN == 1
