"""What is said of a directory for transformers: in its README.md, and by the command."""

from typing import Any

from tfft.huggingface.check import Checked
from tfft.inference import TrainedRun
from tfft.tasks.published_chain import find_chain

PIPELINES = {
    "text_classification": "text-classification",
    "regression": "text-classification",
    "token_classification": "token-classification",
    "question_answering": "question-answering",
}
_PIPELINE = """from transformers import pipeline

ask = pipeline("{pipeline}", "{place}")
"""
_WORDS = """ask(
    [["Some", "words", "of", "a", "sentence"]],
    is_split_into_words=True,
    aggregation_strategy="first",
)"""
# transformers 5 has no pipeline for questions.
_QUESTION = """import torch
from transformers import AutoModelForQuestionAnswering, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("{place}")
model = AutoModelForQuestionAnswering.from_pretrained("{place}")
inputs = tokenizer("a question", "a context", return_tensors="pt")
with torch.no_grad():
    outputs = model(**inputs)
# Of an answer from each piece to each piece.
scores = outputs.start_logits[0][:, None] + outputs.end_logits[0]"""
EXAMPLES = {
    "text_classification": _PIPELINE + "ask({text}, truncation=True, top_k=None)",
    "regression": _PIPELINE + "ask({text}, truncation=True)",
    "token_classification": _PIPELINE + _WORDS,
    "question_answering": _QUESTION,
}
PLACE = "THIS DIRECTORY"


def describe_checked(checked: Checked) -> str:
    """What the check found, in a sentence."""
    return (
        f"Checked in a fresh process with transformers: the same ids for {checked.num_texts} "
        f"texts, and the logits of {checked.num_rows} rows of pieces within "
        f"{checked.largest:.1e} of the float32 model's, of which the largest is "
        f"{checked.largest_logit:.3g}."
    )


def model_card(trained: TrainedRun, checked: str) -> str:
    """The README.md: what the model is, how it is asked, what is different, how good it is.

    Args:
        trained: the run.
        checked: the sentence that says what was compared.
    """
    task, pipeline = trained.task, PIPELINES[trained.task.name]
    text = '{"text": "one", "text_pair": "two"}' if len(task.text_fields) == 2 else '"a text"'
    example = EXAMPLES[task.name]
    for name, value in {"pipeline": pipeline, "place": PLACE, "text": text}.items():
        example = example.replace(f"{{{name}}}", value)
    parts = [
        f"---\nlibrary_name: transformers\npipeline_tag: {pipeline}\n---",
        f"# {trained.directory.experiment.name}",
        f"A {trained.encoder.family_name} model for {task.name.replace('_', ' ')}, trained with "
        "tfft (TensorFlow and Keras) and written for transformers.",
        f"```python\n{example}\n```",
        checked,
        f"Labels: {', '.join(task.labels)}." if task.labels else "",
        "Its number is in the units of the training data." if task.name == "regression" else "",
        _list("What is different in transformers:", differences(trained)),
        _list("Scores of the run:", _scores(trained.directory.metrics)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def differences(trained: TrainedRun) -> list[str]:
    """What the run does and transformers does not, a sentence or two each."""
    task: Any = trained.task
    encoder = trained.encoder
    found = [*_of_decisions(task), *_of_texts(task, encoder)]
    if find_chain(trained.model) is not None:
        found.append(
            "The run answers with the best chain of tags by its CRF, which transformers lacks: the "
            "best tag of each word can be another. What the chain has learned is in crf.json."
        )
    experiment = trained.directory.experiment
    if experiment.data.cleaning and set(experiment.task.cleaned) & set(task.text_fields):
        steps = ", ".join(experiment.data.cleaning)
        found.append(f"The run cleans texts first ({steps}); transformers takes them as they are.")
    return found


def _of_decisions(task: Any) -> list[str]:
    if getattr(task, "multi_label", False):
        return [
            f"The run gives a label from the probability {task.threshold:.4g} on. transformers "
            "knows no threshold: compare its scores with this one."
        ]
    if getattr(task, "unanswerable", False):
        return [
            f"The run gives no answer where the first piece's score is over the best one by more "
            f"than {task.threshold:.4g}. transformers knows no threshold: compare the two yourself."
        ]
    return []


def _of_texts(task: Any, encoder: Any) -> list[str]:
    found, length = [], encoder.sequence_length
    if task.takes_words:
        found.append(
            "The run cuts a text into words first and reads each tag from its word's first piece. "
            "Give transformers words, too: it cuts raw texts in another way."
        )
    if hasattr(task, "stride"):
        found.append(
            f"The run reads what is over {length} pieces through windows that share {task.stride}; "
            "transformers cuts it, or needs stride and return_overflowing_tokens."
        )
    elif encoder.truncation not in ("end", "head"):
        found.append(
            f"The run cuts what is over {length} pieces by truncation: {encoder.truncation}; "
            "transformers cuts the end."
        )
    if "text_pair" in task.text_fields:
        found.append(
            "transformers leaves out a second text that is empty; in a list of pairs it does not."
        )
    if encoder.family.vocabulary == "sentencepiece":
        found.append('The name of a special piece in a text, such as "[SEP]", is text to the run.')
    return found


def _scores(metrics: dict[str, Any]) -> list[str]:
    return [
        f"{split}: " + ", ".join(f"{name} {v:.4g}" for name, v in found.items() if _is_number(v))
        for split, found in metrics.items()
        if isinstance(found, dict)
    ]


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _list(title: str, lines: list[str]) -> str:
    return "\n".join([title, "", *(f"- {line}" for line in lines)]) if lines else ""
