"""How a candidate's tokenizer cuts texts, and what its vectors tell."""

import numpy as np
import pytest

from tfft.choosing.directories import Preset
from tfft.choosing.probe import score_counts, score_vectors, standard_error
from tfft.choosing.probes import PROBES, build_probe
from tfft.choosing.sample import PROBED, describe_data
from tfft.choosing.trial import Rates, Trial, measure_rates, warnings_of
from tfft.choosing.vectors import pair_vectors, text_vectors, word_vectors
from tfft.data.examples import Examples


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


def test_rates_of_words(build_tiny_encoder):
    encoder = build_tiny_encoder(sequence_length=16)
    encoder.sequence_length = 5
    # A word stands for itself, whatever `split_words` would make of it.
    words = ["the\nun,film\n中", "film\ngood"]
    rates = measure_rates(encoder, Examples({"words": words}), longest=16)
    assert (rates.unknown, rates.pieces_a_word) == (1 / 7, 7 / 5)
    assert (rates.cut, rates.in_windows) == (0.5, True)


def test_rates_of_texts_that_are_rows_of_their_own(build_tiny_encoder):
    encoder = build_tiny_encoder(sequence_length=6)
    examples = Examples({"text": ["the film was good"], "text_pair": ["the film was not bad"]})
    assert measure_rates(encoder, examples, longest=6, apart=True).cut == 0.5
    assert measure_rates(encoder, examples, longest=6).cut == 1.0


@pytest.mark.parametrize("family", ["bert", "roberta", "deberta_v3", "bilstm"])
def test_vectors_are_means_without_padding(build_tiny_encoder, family):
    encoder = build_tiny_encoder(family)
    both = text_vectors(encoder, ["the film", "the film was good, not bad"])
    alone = text_vectors(encoder, ["the film"])
    assert both.shape == (2, 8)
    np.testing.assert_allclose(both[:1], alone, atol=1e-5)
    features = encoder.pad(encoder.features([["the film"]]))
    outputs = encoder.backbone(features)
    sequence = outputs["sequence_output"] if isinstance(outputs, dict) else outputs
    np.testing.assert_allclose(alone[0], np.mean(sequence[0], axis=0), atol=1e-5)


def test_vectors_of_pairs(build_tiny_encoder):
    encoder = build_tiny_encoder()
    first, second = text_vectors(encoder, ["the film", "not bad"])
    (vectors,) = pair_vectors(encoder, Examples({"query": ["the film"], "passage": ["not bad"]}))
    expected = [first, second, np.abs(first - second), first * second]
    np.testing.assert_allclose(vectors, np.concatenate(expected), atol=1e-6)


def test_vectors_of_words_are_those_of_their_first_pieces(build_tiny_encoder):
    encoder = build_tiny_encoder(sequence_length=16)
    sentences = ["the\nunbelievable\nfilm", "good"]
    vectors = word_vectors(encoder, Examples({"words": sentences}))
    outputs = encoder.backbone(encoder.pad(encoder.features([["the unbelievable film"]])))
    # [CLS] the un ##believ ##able film [SEP]
    expected = np.asarray(outputs["sequence_output"])[0, [1, 2, 5]]
    assert vectors.shape == (4, 8)
    np.testing.assert_allclose(vectors[:3], expected, atol=1e-5)


def test_each_word_of_a_long_sentence_has_a_vector(build_tiny_encoder):
    encoder = build_tiny_encoder(sequence_length=16)
    sentences = ["\n".join(["good"] * 70), "the"]
    assert word_vectors(encoder, Examples({"words": sentences})).shape == (71, 8)


# ------------------------------------------------------------------------------------ the probes


def probe_of(*settings):
    return build_probe(describe_data("data.csv", None, settings))


def of(labels):
    """Examples of which only the labels are read."""
    return Examples({"text": [""] * len(labels)}, labels)


def test_each_task_that_is_drawn_for_has_a_probe():
    assert PROBES.keys() == PROBED.keys()


def test_the_probe_finds_what_is_in_the_vectors():
    random = np.random.default_rng(0)
    labels = ["yes" if number % 3 else "no" for number in range(120)]
    noise = random.normal(size=(120, 10))
    told = noise + 3 * np.array([[label == "yes"] for label in labels])
    with_it, without = (score_vectors(each, of(labels), probe_of()) for each in (told, noise))
    assert list(with_it) == ["macro_f1", "accuracy"]
    assert np.mean(with_it["macro_f1"]) > 0.95 > 0.7 > np.mean(without["macro_f1"])
    assert with_it["macro_f1"].shape == (5,)


@pytest.mark.parametrize("names", ["abc", "a"])
def test_the_probe_of_several_labels(names):
    random = np.random.default_rng(0)
    vectors = random.normal(size=(200, 6))
    given = vectors[:, : len(names)] > 0.5
    labels = [[names[place] for place in np.flatnonzero(row)] for row in given]
    scores = score_vectors(vectors, of(labels), probe_of("task.multi_label=true"))
    assert list(scores) == ["micro_f1", "macro_f1"]
    assert np.mean(scores["micro_f1"]) > 0.8


def test_the_probe_of_numbers():
    random = np.random.default_rng(0)
    vectors = random.normal(size=(200, 6))
    numbers = [float(number) for number in vectors @ np.arange(6)]
    scores = score_vectors(vectors, of(numbers), probe_of("task.name=regression"))
    assert np.mean(scores["spearman"]) > 0.95


TAGGING = "task.name=token_classification"


def sentences(*tags):
    return Examples({"words": ["\n".join("x" * len(each)) for each in tags]}, list(tags))


def test_the_probe_of_words_scores_entities():
    tags = [["O", "B-per", "I-per"], ["O", "O"], ["B-loc"]] * 20
    labels = [tag for sentence in tags for tag in sentence]
    told = np.array([[tag == name for name in sorted(set(labels))] for tag in labels], float)
    scores = score_vectors(told, sentences(*tags), probe_of(TAGGING))
    assert list(scores) == ["entity_f1", "accuracy"]
    assert np.mean(scores["entity_f1"]) == 1.0
    # Who always answers O is right in words, never in entities.
    nothing = score_vectors(0 * told, sentences(*tags), probe_of(TAGGING))
    assert np.mean(nothing["entity_f1"]) == 0.0 and np.mean(nothing["accuracy"]) == 0.5


def test_the_words_of_a_sentence_are_in_one_fold():
    # Each sentence has a vector of its own: what was learned of one says nothing of the others.
    tags = [["A" if number % 2 else "B"] * 9 for number in range(30)]
    vectors = np.repeat(np.eye(30), 9, axis=0)
    scores = score_vectors(vectors, sentences(*tags), probe_of(TAGGING))
    assert list(scores) == ["accuracy", "macro_f1"]
    assert np.mean(scores["accuracy"]) < 0.6


def test_counted_characters_of_words_and_their_neighbours():
    words = ["Mr\nAda\nsleeps", "the\nlamp\nburns"] * 20
    tags = [["O", "B-per", "O"], ["O", "O", "O"]] * 20
    examples = Examples({"words": words}, tags)
    assert np.mean(score_counts(examples, probe_of(TAGGING))["entity_f1"]) == 1.0


def test_similarity_is_the_cosine():
    random = np.random.default_rng(0)
    first = random.normal(size=(100, 8))
    noise = random.uniform(0, 3, (100, 1))
    second = first + noise * random.normal(size=(100, 8))
    texts = {name: [f"{name} {row}" for row in range(100)] for name in ("text", "text_pair")}
    vectors = np.hstack([first, second])
    settings = ["task.name=similarity", "columns.text_pair=text_pair"]
    scored = Examples(texts, [-float(number) for number in noise[:, 0]])
    scores = score_vectors(vectors, scored, probe_of(*settings, "task.loss=cosent"))
    assert list(scores) == ["spearman"] and 0.6 < np.mean(scores["spearman"]) < 1
    scores = score_vectors(vectors, Examples(texts), probe_of(*settings))
    assert list(scores) == ["ndcg_at_10", "recall_at_1"]
    assert 0.5 < np.mean(scores["ndcg_at_10"]) < 1


def test_counted_characters_of_pairs_without_a_score():
    texts = {"text": [f"{n}{n}{n}" for n in range(30)], "text_pair": [f"{n}{n}" for n in range(30)]}
    settings = ["task.name=similarity", "columns.text_pair=text_pair"]
    assert np.mean(score_counts(Examples(texts), probe_of(*settings))["recall_at_1"]) > 0.9


def test_ranking_is_scored_by_query():
    labels = [(query, float(place == query % 4)) for query in range(20) for place in range(4)]
    told = np.array([[relevance, 0.0] for _, relevance in labels])
    probe = probe_of("task.name=ranking")
    scores = score_vectors(told, Examples({"query": [""] * 80}, labels), probe)
    assert list(scores) == ["ndcg_at_10", "mrr_at_10"] and np.mean(scores["mrr_at_10"]) == 1.0
    nothing = score_vectors(0 * told, Examples({"query": [""] * 80}, labels), probe)
    assert np.mean(nothing["mrr_at_10"]) == pytest.approx((1 + 1 / 2 + 1 / 3 + 1 / 4) / 4)


def test_counted_characters_of_pairs_tell_equal_texts():
    words = ["cat", "violin", "drum", "goat", "choir"]
    pairs = [(a, b) for a in words for b in words if a == b or len(a) > len(b)] * 3
    labels = ["same" if a == b else "other" for a, b in pairs]
    texts = {"text": [a for a, _ in pairs], "text_pair": [b for _, b in pairs]}
    scores = score_counts(Examples(texts, labels), probe_of("columns.text_pair=text_pair"))
    assert np.mean(scores["macro_f1"]) > 0.9


def test_counted_characters():
    texts = ["the cat sat", "a violin rang", "one cat ran", "my violin broke"] * 10
    examples = Examples({"text": texts}, ["animals", "music"] * 20)
    assert np.mean(score_counts(examples, probe_of())["macro_f1"]) > 0.9


# ------------------------------------------------------------------------------ what is told of it


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
