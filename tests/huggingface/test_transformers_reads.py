"""transformers reads what we write: the same ids and logits, in pipelines too.

Skipped where torch and transformers are not installed; `make benchmark`'s environment has both.
"""

import pytest

pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from tfft.errors import ExportCheckError  # noqa: E402
from tfft.huggingface import export_huggingface  # noqa: E402

FAMILIES = ["bert", "distil_bert", "roberta", "electra", "albert", "xlm_roberta", "deberta_v3"]
KINDS = ["single", "multi_label", "pair", "regression", "tags", "questions"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("family", FAMILIES)
def test_ids_and_logits_are_ours(family, kind, make_run, columns):
    said = []
    trained = make_run(family, kind)
    export_huggingface(trained, columns(trained.task), report=said.append)
    print(family, kind, said[-1])
    assert said[-1].startswith("Checked in a fresh process with transformers: the same ids for ")


def test_other_weights_are_a_fault(make_run, columns):
    trained = make_run("bert", "single")
    logits = trained.model.get_layer("logits")
    write = trained.model.predict_on_batch

    def changed(features):
        return write(features) + 1e-3

    trained.model.predict_on_batch = changed
    with pytest.raises(
        ExportCheckError, match="The logits of transformers differ by up to 1.0e-03"
    ):
        export_huggingface(trained, columns(trained.task))
    assert logits.built and not list(trained.directory.path.iterdir())


def test_pipelines(make_run, columns):
    trained = make_run("bert", "multi_label")
    place = export_huggingface(trained, columns(trained.task))
    ask = transformers.pipeline("text-classification", str(place))
    text = "The old miller walked."
    found = {each["label"]: each["score"] for each in ask(text, truncation=True, top_k=None)}
    (answer,) = trained.predict([text])
    assert found == pytest.approx(answer["probabilities"], abs=1e-5)


def test_pipeline_of_numbers(make_run, columns):
    trained = make_run("distil_bert", "regression")
    place = export_huggingface(trained, columns(trained.task))
    ask = transformers.pipeline("text-classification", str(place))
    found = ask({"text": "The river", "text_pair": "was high"}, truncation=True)
    found = found[0] if isinstance(found, list) else found
    (answer,) = trained.predict([("The river", "was high")])
    assert found["score"] == pytest.approx(answer["value"], rel=1e-5)


def test_pipeline_of_tags(make_run, columns):
    trained = make_run("roberta", "tags")
    place = export_huggingface(trained, columns(trained.task))
    ask = transformers.pipeline("token-classification", str(place))
    words = ["The", "old", "miller", "walked"]
    (found,) = ask([words], is_split_into_words=True, aggregation_strategy="first")
    (answer,) = trained.predict([words])
    spans = [(each["start"], each["end"], each["entity_group"]) for each in found]
    assert spans == [(e["start"], e["end"], e["type"]) for e in answer["entities"]]
