"""A user's mistake: a clear message, exit code 2, no traceback, and nothing is lost."""

import pytest


@pytest.fixture
def refused(place, capsys):
    """Runs a fit that must be refused; returns its message."""

    def fit(*arguments, code=2, **sections):
        files = place.files()
        assert place.fit(*arguments, **sections) == code
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        assert captured.err.startswith("error: ")
        assert place.files() == files
        return captured.err

    return fit


@pytest.fixture
def message_of(refused, place):
    """Checks that nothing was begun: a corrected config can use the same output directory."""

    def fit(*arguments, **sections):
        message = refused(*arguments, **sections)
        assert not place.run.exists()
        return message

    return fit


# -------------------------------------------------------------------------------------- data


def test_a_missing_file(message_of):
    message = message_of(data={"train": "trian.csv"})
    assert "There is no file" in message
    assert "Did you mean 'train.csv'?" in message


def test_a_missing_file_of_another_split(message_of):
    assert "There is no file" in message_of(data={"test": "nowhere/test.csv"})


def test_a_wrong_column_lists_those_that_exist(message_of):
    message = message_of(data={"columns": {"text": "txt"}})
    assert "no column 'txt'" in message
    assert "'text', 'label'" in message


def test_a_column_position_that_does_not_exist(message_of):
    assert "position 5" in message_of(data={"columns": {"text": 0, "label": 5}})


def test_an_unknown_label_in_validation(message_of, place):
    place.set_rows("validation", [{"text": "a cat", "label": "animal"}])
    message = message_of()
    assert "validation.csv:2" in message
    assert "'animal' is not one of the task's 3 labels" in message
    assert "Did you mean 'animals'?" in message


def test_an_empty_text(message_of, place):
    place.set_rows("train", [*place.rows("train"), {"text": " ", "label": "music"}])
    message = message_of()
    assert "train.csv:242: the text is empty" in message
    assert "empty_text: skip" in message


def test_bytes_that_are_not_text(message_of, place):
    content = "text,label\nun chat,animals\nle café,music\n".encode("latin-1")
    (place.data / "train.csv").write_bytes(content)
    message = message_of()
    assert "train.csv:3" in message
    assert "e9" in message
    assert "encoding: cp1252" in message


def test_one_class_only(message_of, place):
    place.set_rows("train", [{"text": "a cat", "label": "animals"}] * 3)
    message = message_of(data={"validation": None, "test": None})
    assert "all 3 training rows have the same label (animals)" in message


def test_a_split_without_rows(message_of, place):
    (place.data / "validation.csv").write_text("text,label\n", "utf-8")
    assert "has no rows" in message_of()


def test_a_split_without_rows_after_the_empty_ones_are_skipped(message_of, place):
    place.set_rows("test", [{"text": "", "label": "music"}])
    message = message_of(data={"empty_text": "skip"})
    assert "the test split has no rows with a text" in message


def test_a_weight_that_is_no_number(message_of, place):
    place.set_rows("train", [{"text": "a cat", "label": "animals", "weight": "much"}])
    message = message_of(data={"columns": {"sample_weight": "weight"}, "validation": None})
    assert "train.csv:2: the sample weight is 'much'" in message


def test_given_labels_that_do_not_fit(message_of):
    assert "not one of the task's 2 labels" in message_of(task={"labels": ["animals", "music"]})


def test_labels_given_twice(message_of):
    labels = ["animals", "music", "weather", "music"]
    assert "'music' stands twice" in message_of(task={"labels": labels})


# ------------------------------------------------------------------------------------ config


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"task": {"label_smoothing": 1.0}}, "task.label_smoothing is 1.0"),
        ({"training": {"batch_size": 0}}, "training.batch_size is 0"),
        ({"optimizer": {"learing_rate": 1e-4}}, "Did you mean 'learning_rate'?"),
        ({"data": {"validation_fraction": 0.1}}, "either validation or validation_fraction"),
        (
            {"data": {"validation": None}, "callbacks": {"early_stopping": {}}},
            "callbacks.early_stopping needs validation data",
        ),
        (
            {"callbacks": {"dropout_schedule": {"hidden": {"schedule": "linear", "start": 0.3}}}},
            "linear needs start and end",
        ),
        (
            {
                "callbacks": {
                    "dropout_schedule": {"head": {"schedule": "step", "rates": [0.3, 0.1]}}
                }
            },
            "2 rates need 1 boundaries",
        ),
        ({"callbacks": {"dropout_schedule": {}}}, "hidden, attention or head"),
    ],
)
def test_values_that_cannot_be(message_of, sections, message):
    assert message in message_of(**sections)


def test_weights_for_an_unknown_label(message_of):
    message = message_of(task={"class_weights": {"animal": 2.0}})
    assert "task.class_weights: there is no label 'animal'" in message
    assert "Did you mean 'animals'?" in message


def test_a_number_to_follow_that_does_not_exist(message_of):
    message = message_of(callbacks={"early_stopping": {"monitor": "val_acuracy"}})
    assert "there is no number 'val_acuracy'. Did you mean 'val_accuracy'?" in message
    assert "val_macro_f1" in message


def test_dropout_that_cannot_be_scheduled(message_of):
    schedule = {"attention": {"start": 0.2, "end": 0.1}}
    message = message_of(backbone={"dropout": 0.0}, callbacks={"dropout_schedule": schedule})
    assert "callbacks.dropout_schedule" in message


def test_a_sequence_length_over_the_backbones(message_of, single_run):
    backbone = {"preset": str(single_run.run / "preset"), "sequence_length": 64}
    message = message_of(replace={"backbone": backbone})
    assert "sequence_length is 64" in message
    assert "positions for 24 pieces" in message


def test_a_preset_that_does_not_exist(message_of):
    backbone = {"preset": "bert_tiny_en_uncase", "sequence_length": 64}
    message = message_of(replace={"backbone": backbone})
    assert "Did you mean 'bert_tiny_en_uncased'?" in message


def test_heads_that_do_not_divide_the_width(message_of):
    message = message_of(backbone={"num_heads": 3})
    assert "a multiple of num_heads, 3" in message


def test_families_whose_rows_are_not_packed(message_of):
    message = message_of(backbone={"family": "albert"}, training={"packing": True})
    assert "training.packing is for bert, distil_bert, roberta; this backbone is of the" in message
    assert "family albert. Leave it out." in message


def test_layers_of_albert_cannot_be_frozen_apart(message_of):
    message = message_of(backbone={"family": "albert", "freeze": 1, "num_layers": 2})
    assert "backbone.freeze is 1, but the" in message and "share their weights" in message


# ---------------------------------------------------------------------------------- directory


def test_a_directory_that_holds_a_run(refused, place, single_run):
    place.run = single_run.run
    message = refused()
    assert "holds a run already" in message
    assert "--resume" in message


def test_an_output_directory_that_is_a_file(place, capsys):
    place.run.write_text("mine", "utf-8")
    assert place.fit() == 2
    assert "is a file" in capsys.readouterr().err
    assert place.run.read_text("utf-8") == "mine"


def test_an_output_directory_below_a_file(place, capsys):
    (place.folder / "file").write_text("mine", "utf-8")
    place.run = place.folder / "file" / "run"
    assert place.fit(training={"batch_size": 240}) == 2
    message = capsys.readouterr().err
    assert "output_dir: cannot write" in message
    assert "Traceback" not in message


# -------------------------------------------------------------------------------------- loss


def test_a_loss_that_is_no_number_ends_with_exit_code_4(place, capsys):
    optimizer = {"learning_rate": 1e20, "warmup_fraction": 0.0, "clip_norm": None}
    assert place.fit(optimizer=optimizer, training={"epochs": 3, "batch_size": 8}) == 4
    message = capsys.readouterr().err
    assert "Training stopped: " in message
    assert "optimizer.learning_rate" in message
    assert "Traceback" not in message
    assert not (place.run / "model.weights.h5").exists()
