"""Whether a hub of models can be reached, found out within seconds."""

import contextlib
import os
import threading
from pathlib import Path

from tfft.errors import ConfigError

# An unreachable hub is given up within 20 s, of which importing TensorFlow takes up to 10.
PROBE_SECONDS = 9.0
POINTER = b"version https://git-lfs"
OFFLINE = (
    "Offline, give a directory with the files (backbone.preset: path/to/dir, a KerasHub preset or "
    "a Hugging Face model with config.json, model.safetensors and vocabulary), or use "
    "backbone.preset: minilm, whose weights come with the installed packages."
)


def reach_or_find(preset: str) -> str:
    """The address `hf://...` if its hub can be reached, else the directory of an earlier download.

    Raises:
        ConfigError: neither.
    """
    import huggingface_hub

    try:
        reach(preset, preset)
        return preset
    except ConfigError:
        name = preset.removeprefix("hf://")
        with contextlib.suppress(ValueError):  # what can be no name of a model
            found = huggingface_hub.try_to_load_from_cache(name, "config.json")
            if isinstance(found, str):
                return os.path.dirname(found)
        raise


def find_file(source: str, name: str) -> Path | None:
    """A file of a model; None where it has none.

    Args:
        source: a directory, or `hf://user/model`, from which the file is fetched. Elsewhere there
            are none.
        name: of the file.
    """
    if not source.startswith("hf://"):
        path = Path(source, name)
        return path if path.is_file() else None
    import huggingface_hub

    try:
        return Path(huggingface_hub.hf_hub_download(source.removeprefix("hf://"), name))
    except huggingface_hub.errors.EntryNotFoundError as error:
        # Where the hub was not asked, nobody knows.
        if isinstance(error, huggingface_hub.errors.LocalEntryNotFoundError):
            raise
        return None


def check_content(path: Path) -> Path:
    """The path of a file that was really fetched.

    Raises:
        ValueError: in its place is the pointer that `git clone` leaves without git-lfs.
    """
    with path.open("rb") as file:
        if file.read(len(POINTER)) == POINTER:
            raise ValueError(f"{path} is a pointer of git-lfs. Fetch the file: git lfs pull")
    return path


def reach(preset: str, address: str) -> None:
    """Fetches the small config.json first: an unreachable hub then costs seconds, not minutes.

    Args:
        preset: as messages show it.
        address: `kaggle://...` or `hf://...`.

    Raises:
        ConfigError: nothing was fetched in `PROBE_SECONDS`; says what to do offline.
    """
    problem: list[BaseException] = []

    def fetch() -> None:
        try:
            _fetch_config(address)
        except BaseException as error:  # whatever a hub's client raises is told to the user below
            problem.append(error)

    thread = threading.Thread(target=fetch, daemon=True)
    thread.start()
    thread.join(PROBE_SECONDS)
    if thread.is_alive():
        raise ConfigError(
            f"backbone.preset: {preset!r} could not be reached in {PROBE_SECONDS:.0f} s. {OFFLINE}"
        )
    if problem:
        lines = [line.strip() for line in str(problem[0]).split("\n") if line.strip()]
        reason = " ".join(lines[:2]) or type(problem[0]).__name__
        raise ConfigError(f"backbone.preset: {preset!r} could not be fetched: {reason}\n{OFFLINE}")


def _fetch_config(address: str) -> None:
    scheme, _, handle = address.partition("://")
    if scheme == "kaggle":
        import kagglehub

        kagglehub.model_download(handle, "config.json")
        return
    import huggingface_hub

    # Asks once, where hf_hub_download would ask five times and write notes about it.
    url = huggingface_hub.hf_hub_url(handle, "config.json")
    huggingface_hub.get_hf_file_metadata(url, timeout=PROBE_SECONDS / 2)
