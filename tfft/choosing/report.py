"""The ranking, as a table for a person and as JSON."""

import json
import re
import shlex
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tfft.choosing.listing import in_millions
from tfft.choosing.probe import standard_error
from tfft.choosing.probes import build_probe
from tfft.choosing.ranking import Ranking, describe_not_tried
from tfft.choosing.trial import Trial, warnings_of

NOTE = (
    "Ranked by the first score: {}, which nothing trains, over five folds; +- is a standard error. "
    "Fine-tuning reaches more, and can change the order where candidates are close."
)


FEW_ROWS = 100


def print_ranking(
    ranking: Ranking, console: Console, config: str | None = None, overrides: Sequence[str] = ()
) -> None:
    """Prints the ranking, what is wrong with candidates, what was not tried and what to do."""

    def say(text: str) -> None:
        console.print(text, markup=False, soft_wrap=not console.is_terminal)

    say(describe_sample(ranking))
    console.print()
    console.print(_table(ranking))
    console.print()
    told = build_probe(ranking.sample.experiment).told
    say(f"{NOTE.format(told)} {describe_counts(ranking)}")
    of_trials = [text for trial in ranking.trials for text in warnings_of(trial)]
    of_sample = [*describe_size(ranking), *describe_guess(ranking), *describe_ties(ranking)]
    for text in [*of_sample, *of_trials]:
        say(f"note: {text}")
    for text in describe_not_tried(ranking.not_tried):
        say(f"not tried: {text}")
    say(how_to_use(ranking, config, overrides))


def describe_sample(ranking: Ranking) -> str:
    """Which rows were tried."""
    sample = ranking.sample
    rare = f", without {sample.num_left_out} of rare labels" if sample.num_left_out else ""
    return (
        f"Tried on {len(sample.examples):,} of the {sample.num_rows:,} rows of "
        f"{sample.examples.path}{rare}{_empty(sample.num_empty)}."
    )


def _empty(count: int) -> str:
    return f"; {count:,} without a text were left out" if count else ""


def _table(ranking: Ranking) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("", justify="right", no_wrap=True)
    table.add_column("preset", overflow="fold")
    scores = list(ranking.trials[0].scores)
    length = max(trial.rates.length for trial in ranking.trials)
    longer = "over" if ranking.trials[0].rates.in_windows else "cut at"
    heads = [*scores, "parameters", "unknown", "pieces a word", f"{longer} {length}", "seconds"]
    for head in heads:
        table.add_column(in_words(head), justify="right")
    ties = ranking.ties
    for place, trial in enumerate(ranking.trials, start=1):
        rank = f"{1 if trial in ties else place}{'=' if trial in ties and len(ties) > 1 else ''}"
        table.add_row(rank, Text(trial.preset.name), *_cells(trial))
    return table


def _cells(trial: Trial) -> list[str]:
    rates = trial.rates
    return [
        *(with_error(values) for values in trial.scores.values()),
        in_millions(trial.preset.parameters),
        f"{rates.unknown:.1%}",
        f"{rates.pieces_a_word:.2f}",
        f"{rates.cut:.1%}",
        f"{trial.seconds:.0f}",
    ]


def in_words(score: str) -> str:
    """`macro F1` of macro_f1, `nDCG at 10` of ndcg_at_10."""
    names = {"f1": "F1", "ndcg": "nDCG", "mrr": "MRR", "spearman": "Spearman"}
    return " ".join(names.get(word, word) for word in score.split("_"))


def with_error(values: np.ndarray) -> str:
    """The mean of a score over folds, in percent, with its standard error."""
    return f"{100 * np.mean(values):.1f} +- {100 * standard_error(values):.1f}"


def describe_counts(ranking: Ranking) -> str:
    """What counting characters alone reaches."""
    best = ranking.trials[0]
    counted = ranking.counts[best.score]
    told = (
        f"Counted characters alone, without any of them, reach {with_error(counted)} "
        f"{in_words(best.score)}"
    )
    if np.mean(counted) >= np.mean(best.ranked):
        return (
            f"{told}, no less than the best: letters may be enough here, or another candidate be "
            "worth its download."
        )
    return f"{told}."


def describe_size(ranking: Ranking) -> list[str]:
    """Says so where there are too few rows to tell anything."""
    rows = len(ranking.sample.examples)
    if rows >= FEW_ROWS:
        return []
    return [f"{rows} rows tell little: with {FEW_ROWS} or more the scores would mean something."]


def describe_guess(ranking: Ranking) -> list[str]:
    """Says so where no candidate is clearly better than the commonest label for every row."""
    if ranking.guess is None:
        return []
    accuracy = max((t.scores["accuracy"] for t in ranking.trials), key=np.mean)
    if np.mean(accuracy) - 2 * standard_error(accuracy) > ranking.guess:
        return []
    return [
        f"no candidate is clearly better than always answering the commonest label, whose accuracy "
        f"is {100 * ranking.guess:.1f}: as they are, their vectors do not tell these labels."
    ]


def describe_ties(ranking: Ranking) -> list[str]:
    """Which candidates the sample does not tell apart."""
    best, *others = ranking.ties
    if not others:
        return []
    names = ", ".join(trial.preset.name for trial in [best, *others])
    known = [trial.preset for trial in ranking.ties if trial.preset.parameters]
    smallest = min(known, key=lambda preset: preset.parameters or 0, default=best.preset)
    return [
        f"{names} are within one standard error of the best: the sample does not tell them apart. "
        f"The smallest is {smallest.name}. More rows (--rows) tell more."
    ]


def settings_to_use(ranking: Ranking) -> dict[str, str | int]:
    """The keys of `backbone` that make a config take the best candidate.

    Of candidates that the sample does not tell apart it is the one that least is noted of.
    """
    best, section = ranking.advised, ranking.sample.experiment.backbone
    settings: dict[str, str | int] = {"preset": best.preset.name}
    if best.rates.length < section.sequence_length:
        settings["sequence_length"] = best.rates.length
    return settings


def how_to_use(ranking: Ranking, config: str | None, overrides: Sequence[str]) -> str:
    """The lines with which the advised candidate is trained."""
    settings = settings_to_use(ranking)
    noted = ", in spite of what is noted of it" if warnings_of(ranking.advised) else ""
    title = f"To use {settings['preset']}{noted}"
    given = [f"backbone.{name}={value}" for name, value in settings.items()]
    if config is None:
        section = ", ".join(f"{name}: {_in_yaml(value)}" for name, value in settings.items())
        return (
            f"{title}, in your config:\nbackbone: {{{section}}}\n"
            f"or beside --config FILE:{_options(given)}"
        )
    options = _options([*overrides, *given])
    return f"{title}:\npython -m tfft.fit --config {shlex.quote(config)}{options}"


def _options(settings: Sequence[str]) -> str:
    return "".join(f" --set {shlex.quote(setting)}" for setting in settings)


def _in_yaml(value: str | int) -> str:
    """A value as it can stand between braces."""
    plain = isinstance(value, int) or re.fullmatch(r"[\w./][\w./:-]*", value, re.ASCII)
    return str(value) if plain else json.dumps(value, ensure_ascii=False)


def as_json(ranking: Ranking) -> str:
    """The ranking as JSON."""
    sample = ranking.sample
    values = {
        "sample": {
            "path": sample.examples.path,
            "rows": len(sample.examples),
            "of": sample.num_rows,
            "left_out": sample.num_left_out,
            "empty": sample.num_empty,
        },
        "accuracy_of_the_commonest_label": ranking.guess,
        "ranked_by": ranking.trials[0].score,
        "settings_to_use": settings_to_use(ranking),
        "candidates": [_plain(trial, trial in ranking.ties) for trial in ranking.trials],
        "counted_characters": _scores(ranking.counts),
        "not_tried": ranking.not_tried,
    }
    return json.dumps(values, indent=2, ensure_ascii=False)


def _plain(trial: Trial, is_tied: bool) -> dict[str, Any]:
    return {
        "preset": trial.preset.name,
        "parameters": trial.preset.parameters,
        "scores": _scores(trial.scores),
        "within_one_standard_error_of_the_best": is_tied,
        **asdict(trial.rates),
        "warnings": warnings_of(trial),
        "seconds": trial.seconds,
    }


def _scores(scores: dict[str, np.ndarray]) -> dict[str, dict[str, float]]:
    return {
        name: {"mean": float(np.mean(values)), "standard_error": standard_error(values)}
        for name, values in scores.items()
    }
