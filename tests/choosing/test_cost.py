"""What a step costs: timed, and estimated."""

import pytest

from tfft.choosing import cost
from tfft.choosing.cost import estimate_step, measure_step, step_costs, step_operations
from tfft.choosing.directories import Preset, describe_directory
from tfft.choosing.facts import FACTS


def of(name, family="bert"):
    return Preset(name, family, facts=FACTS[name])


def test_operations_of_a_step():
    # One layer of width 4 whose last layer is whole: 24 * 16 + 4 * 128 * 4 a piece, and thrice.
    assert step_operations(1, 4, like_bert=False) == 3 * 32 * 128 * (24 * 16 + 4 * 128 * 4)
    assert step_operations(2, 4) == step_operations(1, 4) + step_operations(1, 4, like_bert=False)


def test_estimates_follow_the_operations():
    speeds = {128: 1e10, 768: 1e11}
    base, large = of("bert_base_en"), of("bert_large_en")
    assert estimate_step(base, speeds) == pytest.approx(step_operations(12, 768) / 1e11)
    ratio = estimate_step(large, speeds) / estimate_step(base, speeds)
    assert ratio == pytest.approx(step_operations(24, 1024) / step_operations(12, 768))
    # Between two widths the speed is between theirs.
    middle = step_operations(6, 384) / estimate_step(of("minilm"), speeds)
    assert 1e10 < middle < 1e11


def test_a_timed_step_leaves_the_encoder_usable(build_tiny_encoder):
    encoder = build_tiny_encoder("roberta")
    assert 0 < measure_step(encoder, seconds=0.01) < 5


def test_what_is_on_this_disk_is_timed(write_run, knowing, monkeypatch):
    run = write_run("mine", knowing)
    monkeypatch.setattr(cost, "calibrate", lambda: {32: 1e10})
    monkeypatch.setattr(cost, "SECONDS", 0.01)
    mine = describe_directory("mine", run / "preset")
    notes = []
    costs = step_costs([mine, of("bert_base_en"), Preset("new", "bert")], notes.append)
    assert [is_timed for _, is_timed in costs.values()] == [True, False]
    assert set(costs) == {"mine", "bert_base_en"}  # of the third no sizes are known
    assert notes[-1] == "timing a training step of mine"


def test_what_would_take_long_is_estimated(write_run, knowing, monkeypatch):
    run = write_run("mine", knowing)
    monkeypatch.setattr(cost, "calibrate", lambda: {32: 1.0})
    mine = describe_directory("mine", run / "preset")
    assert not step_costs([mine])["mine"][1]
