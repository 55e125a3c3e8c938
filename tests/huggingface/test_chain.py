"""The chain of a CRF beside a directory for transformers: written, and read again."""

import json

import numpy as np

from tfft import huggingface
from tfft.backbones.checkpoints import load_encoder
from tfft.huggingface import export_huggingface, write_model
from tfft.tasks import TokenClassification
from tfft.tasks.published_heads import begin_with_head


def test_chain_of_a_crf_stands_beside(make_run, columns, monkeypatch):
    monkeypatch.setattr(huggingface, "can_check", lambda: False)
    trained = make_run("bert", "tags", TokenClassification(["O", "B-x"], crf=True))
    said = []
    place = export_huggingface(trained, columns(trained.task), report=said.append)
    assert any("crf.json" in line for line in said)
    chain = json.loads((place / "crf.json").read_text())
    assert chain["labels"] == ["O", "B-x"]
    np.testing.assert_allclose(chain["transitions"], trained.model.get_layer("crf").transitions)


def test_chain_is_read_again(make_run, tmp_path):
    def build(labels, crf):
        task, encoder = TokenClassification(labels, crf=crf), load_encoder(str(place))
        model = task.build_model(encoder)
        return model, begin_with_head(model, task, encoder)[-1]

    trained = make_run("bert", "tags", TokenClassification(["O", "B-x", "I-x"], crf=True))
    place = tmp_path / "written"
    write_model(trained, place)
    model, note = build(["B-x", "I-x", "O"], True)
    assert note == "The head of BertForTokenClassification is used: B-x, I-x, O. So is its CRF."
    learned, order = trained.model.get_layer("crf"), [1, 2, 0]
    for name in ("transitions", "start", "end"):
        expected = np.asarray(getattr(learned, name))[order]
        expected = expected[:, order] if name == "transitions" else expected
        found = np.asarray(getattr(model.get_layer("crf"), name))
        np.testing.assert_allclose(found, expected, rtol=1e-6)
        assert found.any()
    assert build(["O", "B-x", "I-x"], False)[1].endswith("is not used: task.crf is false.")
    (place / "crf.json").unlink()
    model, note = build(["O", "B-x", "I-x"], True)
    assert note.endswith("Its CRF is new: there is no crf.json.")
    assert not np.asarray(model.get_layer("crf").transitions).any()
