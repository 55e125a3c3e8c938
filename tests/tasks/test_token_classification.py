"""Tags for words: where targets land, what windows do, how logits become entities."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfft.config import build_config
from tfft.data import pipeline
from tfft.data.examples import Examples
from tfft.data.pipeline import IGNORED, training_dataset
from tfft.errors import DataError
from tfft.inference import tokenize_examples, tokenize_texts
from tfft.tasks import TokenClassification, build_task
from tfft.tasks.crf import CrfLoss

IOB2 = ["O", "B-loc", "I-loc", "B-per", "I-per"]
# Of one piece, of three, and of more than a window holds.
LONG_WORD = "abcdefghijklmnopqrstuvwxyz"
SENTENCES = [
    ["the", "unbelievable", "film"],
    ["the", "unbelievable", LONG_WORD, "was", "good", *["unbelievable", "bad"] * 9],
    ["good"],
    ["not", "bad", ".", *["the", "film", "was", "not", "good", ","] * 5],
]
TAGS = [
    ["O", "B-per", "I-per"],
    ["B-loc", "I-loc", "O", "O", "B-per", *["B-loc", "O"] * 9],
    ["B-per"],
    ["O", "B-loc", "I-loc", *["O", "B-per", "I-per", "I-per", "B-loc", "O"] * 5],
]


def sentences(words=SENTENCES, tags=TAGS, weights=None):
    weights = None if weights is None else np.array(weights, "float32")
    return Examples({"words": ["\n".join(row) for row in words]}, tags, weights)


@pytest.fixture(scope="module", params=["bert", "roberta"])
def encoder(request, tiny_encoders):
    return tiny_encoders[request.param]


@pytest.fixture
def bert(tiny_encoders):
    return tiny_encoders["bert"]


def first_words(rows):
    """For each example the numbers of the words that its rows tag, in the order of the rows."""
    found = [[] for _ in range(rows.num_examples)]
    words = rows.alignment.by_row["word"].to_list()
    for example, row in zip(rows.alignment.example, words, strict=True):
        found[example] += [word for word in row if word != IGNORED]
    return found


def certain(task, rows, tags, *, seed=0):
    """Logits that are sure of tags at the words' first pieces, and anything elsewhere."""
    random = np.random.default_rng(seed)
    word = rows.alignment.by_row["word"]
    example = rows.alignment.example[word.value_rowids().numpy()]
    logits = random.normal(size=(len(example), len(task.labels))).astype("float32") * 9
    for place, (row, number) in enumerate(zip(example, word.flat_values.numpy(), strict=True)):
        if number != IGNORED:
            logits[place] = 20.0 * np.eye(len(task.labels))[task.labels.index(tags[row][number])]
    return word.with_flat_values(tf.constant(logits))


# ------------------------------------------------------------------------------------ the targets


def test_targets_are_at_the_first_piece_of_each_word(bert):
    rows = tokenize_examples(TokenClassification(IOB2), bert, sentences(SENTENCES[:1], TAGS[:1]))
    # [CLS] the un ##believ ##able film [SEP]
    assert rows.features["token_ids"].to_list() == [[2, 5, 11, 12, 13, 6, 3]]
    assert rows.targets.to_list() == [[-1, 0, 3, -1, -1, 4, -1]]
    assert rows.targets.dtype == tf.int32


@pytest.mark.parametrize("stride", [0, 1, 5, 40])
def test_each_word_of_a_long_sentence_is_trained_once(encoder, stride):
    task = TokenClassification(IOB2, stride=stride)
    rows = tokenize_examples(task, encoder, sentences())
    assert rows.lengths.max() <= encoder.sequence_length < 2 * len(rows)
    assert first_words(rows) == [list(range(len(words))) for words in SENTENCES]
    targets = rows.targets.flat_values.numpy()
    expected = [task.labels.index(tag) for row in TAGS for tag in row]
    assert targets[targets != IGNORED].tolist() == expected


def test_neighbouring_windows_share_pieces(bert):
    rows = tokenize_texts(
        TokenClassification(IOB2, stride=5), bert, {"words": ["\n".join("a" * 40)]}
    )
    windows = [row[1:-1] for row in rows.alignment.by_row["word"].to_list()]
    # Of 14 pieces each goes on by 9; of the shared ones a window tags those near its middle.
    assert [len(window) for window in windows] == [14, 14, 14, 13]
    assert windows[1] == [IGNORED] * 3 + list(range(12, 21)) + [IGNORED] * 2


def test_word_longer_than_a_window_is_trained_at_its_first_piece(bert):
    rows = tokenize_examples(
        TokenClassification(IOB2, stride=2), bert, sentences([[LONG_WORD]], [["B-loc"]])
    )
    assert len(rows) > 1
    assert rows.targets.to_list()[0][:3] == [-1, 1, -1]
    assert sum(tag != IGNORED for row in rows.targets.to_list() for tag in row) == 1


def test_weights_of_a_batch_are_those_of_sentences_at_their_words(bert):
    rows = tokenize_examples(
        TokenClassification(IOB2, stride=4), bert, sentences(weights=[1, 2, 0.5, 0])
    )
    batches, _ = training_dataset(rows, bert.pad, batch_size=len(rows) + 2, seed=1)
    _, targets, weights = next(iter(batches))
    words = [len(row) for row in SENTENCES]
    assert float(tf.reduce_sum(weights)) == words[0] + 2 * words[1] + 0.5 * words[2]
    assert not weights.numpy()[targets.numpy() == IGNORED].any()


def test_unknown_tag_is_refused(bert):
    with pytest.raises(DataError, match="row 1: word 2 has the tag 'B-org'"):
        tokenize_examples(
            TokenClassification(IOB2), bert, sentences([["a", "b"]], [["O", "B-org"]])
        )


def test_texts_in_many_calls_are_the_same_rows(bert, monkeypatch):
    task = TokenClassification(IOB2, stride=4)
    at_once = tokenize_examples(task, bert, sentences())
    monkeypatch.setattr(pipeline, "TEXTS_PER_CALL", 3)
    in_parts = tokenize_examples(task, bert, sentences())
    assert in_parts.targets.to_list() == at_once.targets.to_list()
    assert in_parts.alignment.example.tolist() == at_once.alignment.example.tolist()
    for name, values in at_once.alignment.by_example.items():
        found = in_parts.alignment.by_example[name]
        assert list(map(repr, found.numpy())) == list(map(repr, values.numpy()))


# --------------------------------------------------------------------------------------- answers


@pytest.mark.parametrize("crf", [False, True])
def test_tags_of_a_sentence_in_several_windows(encoder, crf, monkeypatch):
    monkeypatch.setattr(pipeline, "EXAMPLES_AT_ONCE", 3)
    task = TokenClassification(IOB2, crf=crf, stride=4)
    task.build_model(encoder)
    rows = tokenize_examples(task, encoder, sentences())
    outputs = certain(task, rows, TAGS)
    assert task.tags(rows, outputs) == TAGS
    scores = task.scores(rows, outputs)
    assert (scores["entity_f1"], scores["accuracy"]) == (1.0, 1.0)
    assert scores["loss"] < 1e-4


def test_entities_of_given_words(bert):
    """Offsets are those in the words with single blanks between them."""
    task = TokenClassification(IOB2)
    rows = tokenize_examples(task, bert, sentences([["the", "bad", "film", "."]], [["O"] * 4]))
    outputs = certain(task, rows, [["O", "B-per", "I-per", "O"]])
    ((entity,),) = (answer["entities"] for answer in task.answers(rows, outputs))
    assert {name: entity[name] for name in ("text", "type", "start", "end")} == {
        "text": "bad film",
        "type": "per",
        "start": 4,
        "end": 12,
    }
    assert list(entity) == ["text", "type", "start", "end", "score"]
    assert entity["score"] == pytest.approx(1.0)


def test_entities_of_raw_texts(encoder):
    """Offsets count characters, whatever the pieces are."""
    texts = [" L'été 👩‍👩‍👧 in  Zürich!", "", "\u3000", "good"]
    tags = [["O", "B-per", "B-loc", "I-loc", "O"], [], [], ["I-loc"]]
    task = TokenClassification(IOB2)
    rows = tokenize_texts(task, encoder, {"text": texts})
    answers = task.answers(rows, certain(task, rows, tags))
    found = [[(e["text"], e["type"], e["start"]) for e in a["entities"]] for a in answers]
    assert found == [
        [("👩‍👩‍👧", "per", 7), ("in  Zürich", "loc", 13)],
        [],
        [],
        [("good", "loc", 0)],
    ]
    for text, answer in zip(texts, answers, strict=True):
        assert all(text[e["start"] : e["end"]] == e["text"] for e in answer["entities"])


def test_texts_without_words_alone(bert):
    task = TokenClassification(IOB2, crf=True)
    task.build_model(bert)
    rows = tokenize_texts(task, bert, {"text": ["", " "]})
    assert task.answers(rows, certain(task, rows, [[], []])) == [{"entities": []}] * 2


def test_score_is_the_mean_over_the_words(bert):
    task = TokenClassification(["O", "B-x", "I-x"])
    rows = tokenize_texts(task, bert, {"text": ["good bad"]})
    logits = np.log([[1, 1, 1], [1, 8, 1], [1, 1, 2], [1, 1, 1]]).astype("float32")
    outputs = rows.alignment.by_row["word"].with_flat_values(tf.constant(logits))
    ((entity,),) = (answer["entities"] for answer in task.answers(rows, outputs))
    assert entity["score"] == pytest.approx((0.8 + 0.5) / 2)


def test_each_word_of_plain_tags_is_answered(bert):
    """But for O, which says that a word has none."""
    task = TokenClassification(["ADJ", "DET", "NOUN", "O"])
    rows = tokenize_texts(task, bert, {"text": ["the good good film ."]})
    outputs = certain(task, rows, [["DET", "ADJ", "ADJ", "NOUN", "O"]])
    (answer,) = task.answers(rows, outputs)
    assert [(e["text"], e["type"]) for e in answer["entities"]] == [
        ("the", "DET"),
        ("good", "ADJ"),
        ("good", "ADJ"),
        ("film", "NOUN"),
    ]


def test_crf_answers_with_legal_tags_alone(bert):
    """Without one each word has its own best tag, and an I- may begin an entity."""
    answers = {}
    for crf in (False, True):
        task = TokenClassification(IOB2, crf=crf)
        task.build_model(bert)
        rows = tokenize_texts(task, bert, {"text": ["the film was good"]})
        outputs = certain(task, rows, [["I-per", "O", "B-loc", "I-per"]])
        answers[crf] = task.tags(rows, outputs)[0]
    assert answers[False] == ["I-per", "O", "B-loc", "I-per"]
    legal = answers[True]
    assert legal != answers[False]
    for before, tag in zip(["O", *legal], legal, strict=False):
        assert tag[0] != "I" or before[1:] == tag[1:]


def test_crf_answers_with_what_its_model_learned(bert):
    """Transitions outweigh logits; of two models those of the one built last."""
    task = TokenClassification(["A", "B"], crf=True)
    first, last = task.build_model(bert), task.build_model(bert)
    rows = tokenize_texts(task, bert, {"text": ["the film was good"]})
    outputs = rows.alignment.by_row["word"].with_flat_values(tf.zeros([6, 2]))
    for model, weight in ((first, -1.0), (last, 1.0)):
        transitions, start, _ = model.get_layer("crf").weights
        start.assign([weight, 0.0])
        transitions.assign([[0.0, weight], [weight, 0.0]])
    assert task.tags(rows, outputs) == [["A", "B", "A", "B"]]
    probabilities = [entity["score"] for entity in task.answers(rows, outputs)[0]["entities"]]
    assert min(probabilities) > 0.9


# --------------------------------------------------------------------------- scores and losses


def test_scores_of_wrong_answers(bert):
    task = TokenClassification(IOB2, stride=4)
    rows = tokenize_examples(task, bert, sentences(SENTENCES[:1], TAGS[:1]))
    outputs = certain(task, rows, [["B-loc", "B-per", "O"]])
    scores = task.scores(rows, outputs)
    assert scores["accuracy"] == pytest.approx(1 / 3)
    assert scores["entity_f1"] == 0.0
    assert scores["by_type"]["loc"]["predicted"] == 1
    # Two of three words have 20 on the wrong tag.
    assert scores["loss"] == pytest.approx(2 * 20 / 3, rel=1e-4)
    assert task.confusions(rows, outputs) == [("O", "loc", 1), ("per", "O", 1)]


def test_loss_is_the_mean_over_words_without_weights_and_smoothing(bert):
    tuned = TokenClassification(IOB2, stride=4, class_weights=[1, 2, 3, 4, 5], label_smoothing=0.3)
    rows = tokenize_examples(tuned, bert, sentences())
    random = np.random.default_rng(1)
    logits = random.normal(size=(int(rows.lengths.sum()), 5)).astype("float32")
    outputs = rows.alignment.by_row["word"].with_flat_values(tf.constant(logits))
    targets = rows.targets.flat_values.numpy()
    chosen = logits[targets >= 0].astype("float64")
    log = chosen - np.log(np.exp(chosen).sum(axis=1, keepdims=True))
    expected = -log[np.arange(len(log)), targets[targets >= 0]].mean()
    assert tuned.scores(rows, outputs)["loss"] == pytest.approx(expected, rel=1e-5)
    assert tuned.loss().class_weights == [1, 2, 3, 4, 5]
    assert tuned.loss().label_smoothing == 0.3


def test_monitor_and_scores_of_plain_tags(bert):
    task = TokenClassification(["ADJ", "NOUN"])
    assert (task.monitor, TokenClassification(IOB2).monitor) == ("accuracy", "entity_f1")
    rows = tokenize_examples(task, bert, sentences([["good", "film"]], [["ADJ", "NOUN"]]))
    scores = task.scores(rows, certain(task, rows, [["ADJ", "ADJ"]]))
    assert (scores["accuracy"], set(scores["by_label"])) == (0.5, {"ADJ", "NOUN"})
    assert "entity_f1" not in scores
    assert task.counts(rows.examples) == {"ADJ": 1, "NOUN": 1}
    assert task.notes(rows, certain(task, rows, [["ADJ", "ADJ"]])) == []


def test_note_where_no_entity_is_found(bert):
    task = TokenClassification(IOB2)
    rows = tokenize_examples(task, bert, sentences(SENTENCES[:1], TAGS[:1]))
    (note,) = task.notes(rows, certain(task, rows, [["O", "O", "O"]]))
    assert "No word is given a tag but O" in note
    assert task.notes(rows, certain(task, rows, [["O", "B-loc", "O"]])) == []
    assert task.counts(rows.examples) == {"loc": 0, "per": 1}


def test_crf_loss_is_that_of_the_given_model(bert):
    task = TokenClassification(IOB2, crf=True)
    first, second = task.build_model(bert), task.build_model(bert)
    assert isinstance(task.loss(first), CrfLoss)
    assert task.loss(first).crf is first.get_layer("crf")
    assert task.loss(second).crf is task.loss().crf is second.get_layer("crf")


# ---------------------------------------------------------------------------------------- configs


def config(**task):
    return build_config(
        {
            "name": "x",
            "output_dir": "x",
            "task": {"name": "token_classification", **task},
            "backbone": {"preset": "minilm"},
            "data": {"train": "a.conll"},
        }
    )


def test_task_of_a_config():
    experiment = config(stride=7, dropout=0.3, label_smoothing=0.2, class_weights={"B-per": 4})
    task = build_task(experiment, train=sentences())
    assert task.labels == IOB2
    assert (task.stride, task.dropout, task.label_smoothing) == (7, 0.3, 0.2)
    assert task.class_weights == [1.0, 1.0, 1.0, 4.0, 1.0]
    assert build_task(config(), labels=task.labels).labels == IOB2


def test_balanced_weights_are_of_words():
    train = sentences([["a", "b", "c"], ["d"]], [["O", "O", "B-x"], ["O"]])
    task = build_task(config(class_weights="balanced"), train=train)
    assert task.labels == ["O", "B-x", "I-x"]
    assert task.class_weights == pytest.approx([4 / (3 * 3), 4 / 3, 4 / 3])


def test_crf_of_a_config(bert):
    task = build_task(config(crf=True), train=sentences())
    layers = [layer.name for layer in task.build_model(bert).layers]
    assert layers[-2:] == ["logits", "crf"]
    assert isinstance(task.metrics()[0], keras.metrics.Metric)
