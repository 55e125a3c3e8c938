"""`tfft fit`, `tfft evaluate`, ...: the same as `python -m tfft.fit`, ..."""

import importlib
import sys
from types import ModuleType

COMMANDS = {
    "fit": "fine-tunes, evaluates and exports one experiment",
    "evaluate": "scores a trained run on a file",
    "predict": "answers texts with a trained run",
    "export": "writes a run's SavedModel for TensorFlow Serving",
    "backbones": "lists pretrained backbones, or tries them on your data",
}


def main(argv: list[str] | None = None) -> int:
    """Runs a subcommand and returns its exit code."""
    arguments = sys.argv[1:] if argv is None else argv
    if not arguments or arguments[0] in ("-h", "--help"):
        print(usage())
        return 0 if arguments else 2
    if arguments[0] == "--version":
        from tfft import __version__

        print(f"tfft {__version__}")
        return 0
    if arguments[0] not in COMMANDS:
        from tfft.errors import did_you_mean

        hint = did_you_mean(arguments[0], COMMANDS)
        print(f"error: there is no command {arguments[0]!r}.{hint}\n{usage()}", file=sys.stderr)
        return 2
    return load_command(arguments[0]).main(arguments[1:])


def load_command(name: str) -> ModuleType:
    """The module of a command: `tfft.NAME`, or where that is a package its `__main__`."""
    module = importlib.import_module(f"tfft.{name}")
    is_package = hasattr(module, "__path__")
    return importlib.import_module(f"tfft.{name}.__main__") if is_package else module


def usage() -> str:
    """The commands, a line each."""
    lines = [f"  {name:<10} {text}" for name, text in COMMANDS.items()]
    return "usage: tfft COMMAND ... (tfft COMMAND --help tells more)\n\n" + "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
