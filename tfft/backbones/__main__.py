"""`python -m tfft.backbones`: lists pretrained backbones; `--for FILE` tries them on your data."""

import argparse
import re
import sys
import typing

from tfft.cli import run_command, start_tensorflow
from tfft.config import RandomBackbone
from tfft.errors import ConfigError, DataError, NoColumnError, did_you_mean

FAMILIES = (*typing.get_args(RandomBackbone.model_fields["family"].annotation), "bilstm")
ROWS = 1000
HOW_TO_READ = (
    " Say which are read: --set columns.text=NAME --set columns.label=NAME, or --set header=false "
    "and positions from 0. The task is {}; another one is --set task.name=NAME."
)


def build_parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = argparse.ArgumentParser(
        "tfft backbones",
        description="Lists what backbone.preset can be. With --for or --config it tries those on "
        "this disk on a sample of your data, without training them, and ranks them.",
    )
    parser.add_argument(
        "--family", metavar="NAME", help=f"only those of this family: {', '.join(FAMILIES)}"
    )
    parser.add_argument(
        "--language",
        metavar="CODE",
        help="only those that learned this language, such as zh, and those of many languages",
    )
    parser.add_argument(
        "--no-cost", action="store_true", help="times no training steps: the list is there at once"
    )
    parser.add_argument("--json", action="store_true", help="prints JSON")
    data = parser.add_mutually_exclusive_group()
    data.add_argument(
        "--for", dest="data", metavar="FILE", help="your data, in any format that fit reads"
    )
    data.add_argument("--config", metavar="FILE", help="or a config: its training data and task")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="overrides a key of the config; with --for how the file is read, such as "
        "columns.text=review",
    )
    parser.add_argument(
        "--rows", type=int, metavar="N", help=f"how many rows are tried; default: {ROWS}"
    )
    parser.add_argument(
        "--candidates",
        metavar="A,B",
        help="what is tried: presets, directories, addresses (hf://...); default: all that are on "
        "this disk",
    )
    return parser


def main(argv: list[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    arguments = build_parser().parse_args(argv)
    return run_command(lambda: backbones(arguments))


def backbones(arguments: argparse.Namespace) -> None:
    """Does what the command's arguments say."""
    check_filters(arguments.family, arguments.language)
    if arguments.data is not None or arguments.config is not None:
        choose(arguments)
    else:
        list_presets(arguments)


def check_filters(family: str | None, language: str | None) -> None:
    """Raises ConfigError for a family or a language that there cannot be."""
    if family is not None and family not in FAMILIES:
        raise ConfigError(
            f"--family: there is no family {family!r}.{did_you_mean(family, FAMILIES)} It can be "
            f"{', '.join(FAMILIES)}."
        )
    if language is not None and not re.fullmatch("[a-z]{2,3}|multi", language):
        raise ConfigError(
            f"--language is {language!r}; expected a code of ISO 639, such as en or zh."
        )


def list_presets(arguments: argparse.Namespace) -> None:
    """Prints what there is."""
    for option in ("set", "rows", "candidates"):
        if getattr(arguments, option):
            raise ConfigError(f"--{option} belongs to --for FILE or --config FILE.")
    start_tensorflow()
    from tfft.choosing.catalogue import find_presets
    from tfft.choosing.console import tell, wide_console
    from tfft.choosing.listing import as_json, print_list

    presets = find_presets(arguments.family, arguments.language)
    costs = None
    if not arguments.no_cost:
        from tfft.choosing.cost import step_costs

        costs = step_costs(presets, tell)
    if arguments.json:
        print(as_json(presets, costs))
    else:
        print_list(presets, costs, wide_console())


def choose(arguments: argparse.Namespace) -> None:
    """Prints which candidates do best on the user's data."""
    if arguments.no_cost:
        raise ConfigError("--no-cost belongs to the list; --for and --config time no steps.")
    rows = ROWS if arguments.rows is None else arguments.rows
    if rows < 1:
        raise ConfigError(f"--rows is {rows}; expected 1 or more.")
    from tfft.choosing.console import tell, wide_console
    from tfft.choosing.sample import describe_data, draw_sample

    experiment = describe_data(arguments.data, arguments.config, arguments.set)
    try:
        sample = draw_sample(experiment, rows, tell)
    except NoColumnError as error:
        hint = "" if arguments.data is None else HOW_TO_READ.format(experiment.task.name)
        raise DataError(f"{error}{hint}") from error
    start_tensorflow()
    from tfft.choosing.catalogue import find_named, find_presets
    from tfft.choosing.ranking import choose_candidates, rank
    from tfft.choosing.report import as_json, print_ranking

    presets = find_presets(arguments.family, arguments.language)
    named = None
    if arguments.candidates is not None:
        # By name also what the filters leave out.
        named = find_named(arguments.candidates.split(","), find_presets())
    ranking = rank(*choose_candidates(presets, named, sample), sample, tell)
    if arguments.json:
        print(as_json(ranking))
    else:
        print_ranking(ranking, wide_console(), arguments.config, arguments.set)


if __name__ == "__main__":
    sys.exit(main())
