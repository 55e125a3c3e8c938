"""Imports point down only, model code is Keras alone, and nothing heavy is imported early."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "tfft"

# A module imports those of lower levels, never of its own or a higher one; inside a package, which
# stands here as one name, anything but a circle goes. A new module must find its place here.
LEVELS = [
    {"errors"},
    {"config"},
    {"text", "cli", "memory"},
    {"data", "metrics", "console", "adamw", "fused_dropout"},
    {"backbones", "devices", "fused_adam"},
    {"tasks"},
    {"callbacks", "optim", "runs", "presets"},
    {"inference"},
    {"streaming"},
    {"preparation"},
    {"watching", "frozen"},
    {"check", "summary", "scoring", "choosing"},
    {"serving"},
    {"huggingface"},
    {"training"},
    {"fit", "evaluate", "predict", "export", "backbones.__main__"},
    {"__main__"},
]
# The lazy table of public names, which imports nothing by itself.
WITHOUT_LEVEL = {"__init__"}

KERAS_ALONE = [
    "backbones/attention.py",
    "backbones/bilstm.py",
    "backbones/families.py",
    "backbones/halves.py",
    "backbones/pointwise.py",
    "backbones/transformer.py",
    "callbacks/*.py",
    "adamw.py",
    "optim.py",
    "tasks/crf.py",
    "tasks/heads.py",
    "tasks/losses.py",
    "tasks/ranking_losses.py",
    "tasks/similarity_losses.py",
    "tasks/masked_pieces.py",
    "text/masking.py",
]
# What a command may import before its arguments and its config are known to be right.
LIGHT = [
    "tfft",
    "tfft.__main__",
    "tfft.fit",
    "tfft.evaluate",
    "tfft.predict",
    "tfft.export",
    "tfft.backbones.__main__",
]
HEAVY = {"tensorflow", "tensorflow_text", "keras", "keras_hub", "jax"}

FILES = sorted(PACKAGE.rglob("*.py"))


def unit(module: str) -> str:
    """`tasks` for tfft.tasks.heads, `fit` for tfft.fit, `__init__` for tfft itself.

    A command that is called as a package is, `backbones.__main__`, is no part of that package.
    """
    parts = module.split(".")[1:]
    return ".".join(parts) if parts[-1:] == ["__main__"] else [*parts, "__init__"][0]


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def imported(path: Path) -> set[str]:
    """Every module that a file imports, wherever the import stands."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            name = node.module or ""
            submodules = [f"{name}.{alias.name}" for alias in node.names]
            found |= {s if is_module(s) else name for s in submodules}
    return found


def is_module(name: str) -> bool:
    path = PACKAGE.parent.joinpath(*name.split("."))
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def arrows_up(levels: list[set[str]], imports: dict[str, set[str]]) -> list[str]:
    """`a -> b` for each import that does not point down."""
    level = {name: number for number, names in enumerate(levels) for name in names}
    return [
        f"{module} -> {other}"
        for module, others in imports.items()
        for other in sorted(others)
        if unit(module) not in WITHOUT_LEVEL
        and unit(other) not in {unit(module), *WITHOUT_LEVEL}
        and level[unit(other)] >= level[unit(module)]
    ]


@pytest.fixture(scope="module")
def imports() -> dict[str, set[str]]:
    return {
        module_name(path): {name for name in imported(path) if name.split(".")[0] == "tfft"}
        for path in FILES
    }


def test_each_module_has_one_level():
    placed = [name for names in LEVELS for name in names]
    units = {unit(module_name(path)) for path in FILES} - WITHOUT_LEVEL
    assert sorted(placed) == sorted(units)


def test_imports_point_down(imports):
    assert arrows_up(LEVELS, imports) == []


@pytest.mark.parametrize(
    ("module", "other"),
    [
        ("tfft.tasks.heads", "tfft.training"),
        ("tfft.text.segments", "tfft.data.labels"),
        ("tfft.config", "tfft.runs"),
        ("tfft.serving", "tfft.training"),
        ("tfft.tasks.base", "tfft.callbacks"),
    ],
)
def test_an_arrow_up_is_found(module, other):
    assert arrows_up(LEVELS, {module: {other}}) == [f"{module} -> {other}"]


def test_no_circles(imports):
    left = {module: others & set(imports) - {module} for module, others in imports.items()}
    left = {module: others for module, others in left.items() if module != "tfft"}
    while free := [module for module, others in left.items() if not others & set(left)]:
        for module in free:
            del left[module]
    # A package and its modules: `tfft.tasks` imports tfft.tasks.base, which may not import it.
    assert left == {}


@pytest.mark.parametrize("pattern", KERAS_ALONE)
def test_model_code_is_keras_alone(pattern):
    files = list(PACKAGE.glob(pattern))
    assert files
    for path in files:
        foreign = {name for name in imported(path) if name.startswith(("tensorflow", "jax"))}
        assert not foreign, path


def test_commands_and_config_import_nothing_heavy(run_python):
    names = [*LIGHT, *(f"tfft.{path.stem}" for path in PACKAGE.glob("config*.py"))]
    program = f"import sys, {', '.join(names)}; print(sorted({HEAVY} & set(sys.modules)))"
    done = run_python("-c", program)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_public_names_exist():
    import tfft

    assert set(tfft.__all__) == set(tfft._PUBLIC)
    modules = {path.stem for path in PACKAGE.glob("*.py")}
    assert not modules & set(tfft.__all__)
    for name in tfft.__all__:
        assert getattr(tfft, name).__name__ == name
    assert set(tfft.__all__) | {"tasks", "callbacks"} <= set(dir(tfft))
    with pytest.raises(AttributeError, match="module 'tfft' has no attribute 'fitt'"):
        tfft.fitt  # noqa: B018
