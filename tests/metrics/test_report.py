import io

import numpy as np
import pytest
from rich.console import Console

from tfft.metrics.classification import classification_scores, confusions
from tfft.metrics.multi_label import multi_label_scores
from tfft.metrics.report import print_report


def report(metrics, *, width=80, terminal=False, **options):
    """The report as text, as a pipe would get it, without the blanks at the ends of lines."""
    console = Console(
        file=io.StringIO(),
        width=width,
        force_terminal=terminal,
        color_system="standard" if terminal else "auto",
    )
    print_report(console, metrics, **options)
    lines = console.file.getvalue().splitlines()
    assert terminal or all(len(line) <= width for line in lines)
    return "\n".join(line.rstrip() for line in lines)


def scores_of(num_classes, *, name="intent_{}", rows=1000):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, num_classes, rows)
    predicted = np.where(rng.random(rows) < 0.8, labels, rng.integers(0, num_classes, rows))
    names = [name.format(i) for i in range(num_classes)]
    scores = classification_scores(labels, np.eye(num_classes)[predicted], names=names)
    return scores, confusions(labels, predicted, names)


def test_report_of_two_classes():
    names = ["negative", "positive"]
    labels, predicted = np.array([0, 0, 0, 1, 1]), np.array([0, 0, 1, 1, 1])
    scores = classification_scores(labels, np.eye(2)[predicted], names=names)
    text = report(
        {"validation": {"loss": 0.5, **scores}, "test": {"loss": 12.25, **scores}},
        confusions=confusions(labels, predicted, names),
        notes=["read me"],
    )
    assert text == (
        "                loss   accuracy   macro_f1   micro_f1   matthews\n"
        "────────────────────────────────────────────────────────────────\n"
        "validation    0.5000     0.8000     0.8000     0.8000     0.6667\n"
        "test         12.2500     0.8000     0.8000     0.8000     0.6667\n"
        "\n"
        "test\n"
        "class           precision   recall       f1   support\n"
        "─────────────────────────────────────────────────────\n"
        "negative           1.0000   0.6667   0.8000         3\n"
        "positive           0.6667   1.0000   0.8000         2\n"
        "\n"
        "macro average      0.8333   0.8333   0.8000\n"
        "micro average                        0.8000\n"
        "\n"
        "the commonest confusions\n"
        "label      answered   rows\n"
        "──────────────────────────\n"
        "negative   positive      1\n"
        "\n"
        "Note: read me"
    )


def test_report_of_150_classes_shows_the_weakest():
    scores, mistakes = scores_of(150)
    text = report({"test": scores}, confusions=mistakes)
    weakest = sorted(scores["by_label"], key=lambda name: scores["by_label"][name]["f1"])[:10]
    shown = [line.split()[0] for line in text.splitlines() if line.startswith("intent_")]
    assert shown[:10] == weakest
    assert len(shown) == 10 + 5  # and the confusions
    assert "test: the 10 weakest of 150 classes by f1" in text
    assert f"macro average      {scores['macro_precision']:.4f}" in text


def test_report_number_of_weakest_classes():
    scores, _ = scores_of(30)
    text = report({"test": scores}, weakest=3)
    assert "the 3 weakest of 30" in text
    assert sum(line.startswith("intent_") for line in text.splitlines()) == 3


def test_report_of_20_classes_shows_all_in_order():
    scores, _ = scores_of(20)
    shown = [line.split()[0] for line in report({"test": scores}).splitlines() if "intent" in line]
    assert shown == [f"intent_{i}" for i in range(20)]


def test_report_classes_without_rows_are_not_the_weakest():
    scores, _ = scores_of(100, rows=60)
    absent = [name for name, row in scores["by_label"].items() if not row["support"]]
    shown = {line.split()[0] for line in report({"test": scores}).splitlines() if "intent" in line}
    assert len(absent) > 10
    assert not shown.intersection(absent)


def test_report_long_names_are_wrapped_not_cut():
    name = "a_very_long_class_name_without_a_single_blank_that_goes_on_and_on_{}_until_here"
    scores, mistakes = scores_of(3, name=name)
    text = report({"test": scores}, confusions=mistakes)
    assert "…" not in text
    letters = "".join(line.split("  ")[0].strip() for line in text.splitlines())
    assert all(name.format(i) in letters for i in range(3))


def test_report_names_are_not_markup():
    scores, mistakes = scores_of(2, name="[bold]:cat:[/]{}")
    text = report({"test": scores}, confusions=mistakes)
    assert text.count("[bold]:cat:[/]1") == 3


def test_report_of_several_labels():
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 2, (50, 4))
    scores = multi_label_scores(targets, rng.random((50, 4)), threshold=0.35, names=list("abcd"))
    text = report({"validation": {"loss": 0.1, **scores}, "test": {"loss": 0.2, **scores}})
    heading, _, validation, test = text.splitlines()[:4]
    names = ["loss", "accuracy", "macro_f1", "micro_f1", "matthews", "threshold"]
    assert heading.split() == names
    assert validation.split()[0] == "validation"
    assert test.split()[:2] == ["test", "0.2000"]
    assert test.split()[-1] == "0.3500"
    assert f"{scores['micro_precision']:.4f}   {scores['micro_recall']:.4f}" in text
    at_half = next(line for line in text.splitlines() if line.startswith("micro, threshold 0.5"))
    assert at_half.split()[-1] == f"{scores['micro_f1_at_0.5']:.4f}"


@pytest.mark.parametrize("width", [40, 80])
def test_report_scores_too_many_for_a_line_stand_below_each_other(width):
    many = {f"has_answer_f1_{i}": 0.25 for i in range(9)}
    lines = report({"validation": many, "test": many}, width=width).splitlines()
    assert lines[0].split() == ["validation", "test"]
    assert lines[2].split() == ["has_answer_f1_0", "0.2500", "0.2500"]


def test_report_of_another_task():
    by_type = {"person": {"precision": 0.5, "recall": 0.4, "f1": 0.4444, "support": 10}}
    text = report({"test": {"entity_f1": 0.4444, "by_type": by_type}})
    assert "entity_f1" in text
    assert "person" in text


def test_report_without_classes_shows_all_scores():
    assert "macro_precision" in report({"test": {"macro_precision": 0.5}})


def test_report_splits_with_different_scores():
    text = report({"validation": {"threshold": 0.2}, "test": {"pearson": 0.8}})
    assert text.splitlines()[0].split() == ["threshold", "pearson"]


@pytest.mark.parametrize("metrics", [{}, {"seconds": 3}])
def test_report_of_nothing(metrics):
    assert report(metrics) == ""


def test_report_has_colours_on_a_terminal_only():
    scores, _ = scores_of(2)
    assert "\x1b[" in report({"test": scores}, terminal=True)
    assert "\x1b[" not in report({"test": scores}, notes=["a note"])
