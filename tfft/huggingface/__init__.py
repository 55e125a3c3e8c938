"""A trained run becomes a directory that Hugging Face transformers loads.

In order: the files are written aside, a fresh process with torch and transformers is asked and
compared with the trained model (where both are installed), a model card says what it is and what
has no counterpart there, and the whole is moved to its place.
"""

import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.numpy import save_file

from tfft.backbones.weight_files import FILE
from tfft.backbones.write_huggingface import backbone_config, backbone_weights
from tfft.backbones.write_tokenizer import write_tokenizer
from tfft.errors import ConfigError
from tfft.huggingface.card import describe_checked, differences, model_card
from tfft.huggingface.check import can_check, check_answers
from tfft.inference import TrainedRun
from tfft.runs import write_json, write_text
from tfft.tasks.published_chain import FILE as CHAIN
from tfft.tasks.published_chain import describe_chain, find_chain
from tfft.tasks.published_heads import CLASSIFICATION, head_config, head_weights

UNCHECKED = (
    "Unchecked: torch and transformers are not installed here, so nobody has compared what "
    "transformers answers with the trained model."
)


def export_huggingface(
    trained: TrainedRun,
    check_texts: Mapping[str, list[str]],
    place: str | Path | None = None,
    *,
    tolerance: float = 1e-5,
    report: Callable[[str], None] = print,
) -> Path:
    """Writes a directory for `from_pretrained`, checked where torch and transformers are there.

    Args:
        trained: the run, its model in float32.
        check_texts: columns of texts; see `tfft.serving.requests.choose_check_texts`.
        place: the directory. Default: `huggingface` in the run's.
        tolerance: the most that a logit may differ (if logits are over 1: as a part of the
            largest).
        report: takes lines that say what was done.

    Returns:
        The directory.

    Raises:
        ConfigError: it holds something already, or Hugging Face has no such model.
        ExportCheckError: transformers does not answer like the trained model. Nothing is left.
    """
    place = Path(place or trained.directory.path / "huggingface")
    refuse_if_taken(place)
    try:
        # In an empty directory that is there already, which may be a volume or somebody's ".".
        above = next(path for path in (place, *place.absolute().parents) if path.is_dir())
        with tempfile.TemporaryDirectory(prefix=f"{place.name}.part.", dir=above) as aside:
            files = Path(aside, "written")
            write_model(trained, files)
            checked = None
            if can_check():
                checked = check_answers(files, trained, check_texts, tolerance=tolerance)
            said = describe_checked(checked) if checked else UNCHECKED
            write_text(files / "README.md", model_card(trained, said))
            _move(files, place)
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"{place} cannot be written: {reason}.") from None
    for line in (*differences(trained), said):
        report(line)
    return place


def refuse_if_taken(place: Path) -> None:
    """Raises ConfigError if there is anything in the place but an empty directory."""
    if place.is_dir() and not any(place.iterdir()):
        return
    if place.exists():
        raise ConfigError(
            f"{place} exists already. Nothing was changed. Remove it, or name another place with "
            "--output."
        )


def write_model(trained: TrainedRun, place: Path) -> None:
    """Writes config, weights and tokenizer to a new directory.

    Raises:
        ConfigError: Hugging Face has no such model.
    """
    task, encoder = trained.task, trained.encoder
    head = head_config(task, encoder)
    config = {**head, **backbone_config(encoder), "dtype": "float32"}
    weights = backbone_weights(encoder, with_pooler=task.name in CLASSIFICATION)
    place.mkdir()
    write_json(place / "config.json", config)
    # transformers asks the file whose tensors it holds.
    all_weights = weights | head_weights(trained.model, task, encoder)
    save_file(all_weights, place / FILE, metadata={"format": "pt"})
    shutil.copymode(place / "config.json", place / FILE)  # it was made for its owner alone
    write_tokenizer(place, encoder, for_words=task.takes_words)
    if (crf := find_chain(trained.model)) is not None:
        write_json(place / CHAIN, describe_chain(crf, task.labels))


def _move(files: Path, place: Path) -> None:
    if not place.is_dir():
        place.parent.mkdir(parents=True, exist_ok=True)
        files.rename(place)
        return
    # Without its config the directory is no model: it comes last.
    for file in sorted(files.iterdir(), key=lambda file: file.name == "config.json"):
        file.rename(place / file.name)
