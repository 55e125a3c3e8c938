"""Tries the candidates one after the other, and ranks them."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tfft.choosing.directories import Preset, training_files
from tfft.choosing.probe import score_counts
from tfft.choosing.probes import build_probe
from tfft.choosing.sample import Sample
from tfft.choosing.trial import Trial, try_preset, warnings_of
from tfft.errors import ConfigError

FEW = 4
NOT_NAMED = "not among --candidates"
LEARNED = "it was trained on these rows"
AWAY = "not on this disk (tfft backbones lists them; --candidates A,B downloads what it names)"


@dataclass(frozen=True)
class Ranking:
    """What came out.

    Attributes:
        sample: what the candidates were tried on.
        trials: the best first.
        not_tried: by name the reason.
        counts: the scores (folds,) of counted characters, by name.
    """

    sample: Sample
    trials: list[Trial]
    not_tried: dict[str, str]
    counts: dict[str, np.ndarray]

    @property
    def ties(self) -> list[Trial]:
        """Those that are within one standard error of the best one, which comes first."""
        return [trial for trial in self.trials if trial.equals(self.trials[0])]

    @property
    def advised(self) -> Trial:
        """The one of the ties that the fewest warnings are for; of these the best."""
        return min(self.ties, key=lambda trial: len(warnings_of(trial)))

    @property
    def guess(self) -> float | None:
        """The accuracy of always answering the commonest label; None where rows have not one."""
        labels = self.sample.examples.labels or []
        if self.sample.experiment.task.name != "text_classification":
            return None
        if any(isinstance(label, list) for label in labels):
            return None
        return max(Counter(labels).values()) / len(labels)


def choose_candidates(
    presets: Sequence[Preset], named: Sequence[Preset] | None, sample: Sample
) -> tuple[list[Preset], dict[str, str]]:
    """What is tried, and why the rest is not.

    Args:
        presets: see `tfft.choosing.catalogue.find_presets`.
        named: by the user. None: all that are on this disk and have not learned the sample.
        sample: the user's rows.
    """
    if named is not None:
        chosen = {preset.name for preset in named}
        rest = [preset.name for preset in presets if preset.name not in chosen]
        return list(named), dict.fromkeys(rest, NOT_NAMED)
    files = training_files(sample.experiment)
    at_hand = [preset for preset in presets if preset.is_at_hand]
    learned = [preset for preset in at_hand if preset.trained_on & files]
    reasons = {preset.name: LEARNED for preset in learned}
    away = [preset.name for preset in presets if not preset.is_at_hand]
    candidates = [preset for preset in at_hand if preset not in learned]
    return candidates, reasons | dict.fromkeys(away, AWAY)


def rank(
    candidates: Sequence[Preset],
    not_tried: Mapping[str, str],
    sample: Sample,
    note: Callable[[str], None] = lambda text: None,
) -> Ranking:
    """Tries candidates on a sample.

    Args:
        candidates: see `choose_candidates`.
        not_tried: what is not, and why.
        sample: the user's rows.
        note: is told what is being tried.

    Raises:
        ConfigError: none of them could be tried.
    """
    trials: list[Trial] = []
    reasons = dict(not_tried)
    for preset in candidates:
        note(f"trying {preset.name}")
        try:
            trials.append(try_preset(preset, sample))
        except ConfigError as error:
            reasons[preset.name] = str(error)
    if not trials:
        told = "\n".join(f"  {text}" for text in describe_not_tried(reasons))
        raise ConfigError(
            f"There is nothing to try. Name candidates (--candidates A,B), or install the weights "
            f"behind minilm. Not tried:\n{told}"
        )
    trials.sort(key=lambda trial: -float(np.mean(trial.ranked)))
    best = trials[0]
    trials.sort(key=lambda trial: not trial.equals(best))
    counts = score_counts(sample.examples, build_probe(sample.experiment))
    return Ranking(sample, trials, reasons, counts)


def describe_not_tried(reasons: Mapping[str, str]) -> list[str]:
    """A line for each preset and its reason; many with the same one are counted."""
    names: dict[str, list[str]] = {}
    for name, reason in reasons.items():
        names.setdefault(reason, []).append(name)
    return [
        f"{', '.join(those) if len(those) < FEW else f'{len(those)} presets'}: {reason}"
        for reason, those in names.items()
    ]
