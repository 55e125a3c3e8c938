"""How a candidate's tokenizer cuts texts, and what its vectors tell."""

import numpy as np
import pytest

from tfft.choosing.directories import Preset
from tfft.choosing.probe import build_probe, score_vectors, score_words, standard_error
from tfft.choosing.sample import describe_data
from tfft.choosing.trial import Rates, Trial, mean_vectors, measure_rates, warnings_of
from tfft.data.examples import Examples
from tfft.tasks import TextClassification


def test_rates(build_tiny_encoder):
    encoder = build_tiny_encoder(sequence_length=16)
    encoder.sequence_length = 6
    # 4 words and 4 pieces; 1 word and 3 pieces; 2 words of which one is unknown; 5 words, 5 pieces.
    texts = ["the film was good", "unbelievable", "film 中", "the film was good ."]
    rates = measure_rates(encoder, Examples({"text": texts}), longest=7)
    assert rates.unknown == 1 / 14
    assert rates.pieces_a_word == 14 / 12
    # With [CLS] and [SEP]: 6, 5, 4 and 7 pieces.
    assert (rates.length, rates.cut, rates.longest, rates.cut_at_longest) == (6, 0.25, 7, 0.0)


def test_rates_of_pairs(build_tiny_encoder):
    encoder = build_tiny_encoder(sequence_length=8)
    examples = Examples({"text": ["the film", "good"], "text_pair": ["was not bad", "中"]})
    rates = measure_rates(encoder, examples, longest=8)
    assert (rates.unknown, rates.cut) == (1 / 7, 0.0)


@pytest.mark.parametrize("family", ["bert", "roberta", "deberta_v3"])
def test_vectors_are_means_without_padding(build_tiny_encoder, family):
    encoder = build_tiny_encoder(family)
    task = TextClassification(["a", "b"])
    texts = ["the film", "the film was good, not bad"]
    both = mean_vectors(encoder, task, Examples({"text": texts}))
    alone = mean_vectors(encoder, task, Examples({"text": texts[:1]}))
    assert both.shape == (2, 8)
    np.testing.assert_allclose(both[:1], alone, atol=1e-5)
    features = encoder.pad(task.inputs({"text": texts[:1]}, encoder))
    outputs = encoder.backbone(features)
    sequence = outputs["sequence_output"] if isinstance(outputs, dict) else outputs
    np.testing.assert_allclose(alone[0], np.mean(sequence[0], axis=0), atol=1e-5)


def experiment(*settings):
    return describe_data("data.csv", None, settings)


def test_the_probe_finds_what_is_in_the_vectors():
    random = np.random.default_rng(0)
    labels = ["yes" if number % 3 else "no" for number in range(120)]
    noise = random.normal(size=(120, 10))
    told = noise + 3 * np.array([[label == "yes"] for label in labels])
    probe = build_probe(experiment())
    with_it, without = (score_vectors(vectors, labels, probe) for vectors in (told, noise))
    assert list(with_it) == ["macro_f1", "accuracy"]
    assert np.mean(with_it["macro_f1"]) > 0.95 > 0.7 > np.mean(without["macro_f1"])
    assert with_it["macro_f1"].shape == (5,)


def test_the_probe_of_several_labels():
    random = np.random.default_rng(0)
    vectors = random.normal(size=(200, 6))
    labels = [["abc"[place] for place in np.flatnonzero(row[:3] > 0.5)] for row in vectors]
    probe = build_probe(experiment("task.multi_label=true"))
    scores = score_vectors(vectors, labels, probe)
    assert list(scores) == ["micro_f1", "macro_f1"]
    assert np.mean(scores["micro_f1"]) > 0.8


def test_the_probe_of_numbers():
    random = np.random.default_rng(0)
    vectors = random.normal(size=(200, 6))
    numbers = [float(number) for number in vectors @ np.arange(6)]
    scores = score_vectors(vectors, numbers, build_probe(experiment("task.name=regression")))
    assert np.mean(scores["spearman"]) > 0.95


def test_counted_characters():
    texts = ["the cat sat", "a violin rang", "one cat ran", "my violin broke"] * 10
    labels = ["animals", "music"] * 20
    assert np.mean(score_words(texts, labels, build_probe(experiment()))["macro_f1"]) > 0.9


def trial(values, **rates):
    usual = {"unknown": 0.0, "pieces_a_word": 1.2, "length": 128, "cut": 0.0, "longest": 512}
    found = Rates(**{**usual, "cut_at_longest": 0.0, **rates})
    return Trial(Preset("it", "bert"), found, {"macro_f1": np.array(values)}, "macro_f1", 1.0)


def test_ties_are_within_one_standard_error_fold_by_fold():
    best = trial([0.80, 0.82, 0.84, 0.86, 0.88])
    assert best.equals(best)
    assert trial([0.82, 0.80, 0.84, 0.88, 0.85]).equals(best)
    # Always a little behind, though by less than the folds differ.
    assert not trial([0.79, 0.81, 0.82, 0.85, 0.87]).equals(best)
    assert standard_error(best.ranked) > 0.013


@pytest.mark.parametrize(
    ("rates", "message"),
    [
        ({"unknown": 0.3}, "it does not know 30% of the pieces"),
        ({"pieces_a_word": 3.14}, "it cuts a word into 3.1 pieces"),
        ({"cut": 0.4}, "the end of 40% of the rows: backbone.sequence_length can be up to 512"),
        ({"cut": 0.4, "length": 512}, "the end of 40% of the rows: it takes no more"),
    ],
)
def test_warnings(rates, message):
    (told,) = warnings_of(trial([0.8, 0.8], **rates))
    assert message in told


def test_nothing_to_warn_of():
    assert warnings_of(trial([0.8, 0.8], cut=0.05, pieces_a_word=1.5, unknown=0.01)) == []
