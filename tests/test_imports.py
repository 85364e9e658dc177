"""The order of imports: a module's place says what it may import (CONTRIBUTING, "Where things are")."""

from __future__ import annotations

import ast
import shutil
from graphlib import CycleError, TopologicalSorter
from importlib import import_module
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "semshare"
# A module imports from its own folder and from those to its left; "" is what lies directly in semshare/.
ORDER = (("errors",), ("utils",), ("data",), ("",), ("runs",), ("search", "paper"), ("book",), ("cli",))
NEEDS = "from semshare.utils.extras import needs"  # asks whether packages are there and loads none
FREE = {"semshare", "semshare.__main__"}  # lazy names, and the start of the command line


def modules(package: Path) -> dict[str, Path]:
    """Every module of ``package`` by its dotted name."""
    names = {}
    for path in sorted(package.rglob("*.py")):
        parts = ("semshare", *path.relative_to(package).with_suffix("").parts)
        names[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return names


def runtime_imports(path: Path, known: dict[str, Path]) -> set[str]:
    """The modules of semshare that the module at ``path`` imports when it is run, in functions too."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing_only = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for statement in block.body
        for node in ast.walk(statement)
    }
    imported = set()
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: a relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            imported |= {name if name in known else str(node.module) for name in names}
        elif isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
    return {name for name in imported if name.partition(".")[0] == "semshare"}


def folder(module: str, known: dict[str, Path]) -> str:
    """The folder in semshare/ that holds ``module``, "" for none; ``errors`` is a place of its own."""
    first = module.split(".")[1]
    inside = module.count(".") > 1 or known[module].name == "__init__.py" or first == "errors"
    return first if inside else ""


def faults(package: Path) -> list[str]:
    """Every import that breaks the order, and the first circle, in words."""
    places = {name: place for place, names in enumerate(ORDER) for name in names}
    known, found, graph = modules(package), [], {}
    for module, path in known.items():
        if module in FREE:
            continue
        imported = runtime_imports(path, known) - {module}
        # A folder that hands out names lazily is no step of a circle: the module behind the name is.
        graph[module] = {name for name in imported if name in known and known[name].name != "__init__.py"}
        here = folder(module, known)
        if here not in places:
            found.append(f"{module}: the order does not name {here!r}")
            continue
        for name in imported - FREE:
            there = folder(name, known)
            if there != here and places.get(there, len(ORDER)) >= places[here]:
                found.append(f"{module} imports {name}")
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        found.append(f"circle: {' -> '.join(error.args[1])}")
    return found


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The package in a folder of its own, to be spoilt."""
    target = tmp_path / "semshare"
    shutil.copytree(PACKAGE, target, ignore=shutil.ignore_patterns("__pycache__"))
    return target


def add(path: Path, line: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text((path.read_text(encoding="utf-8") if path.exists() else "") + f"\n{line}\n", encoding="utf-8")


def test_every_import_points_downwards() -> None:
    assert faults(PACKAGE) == []


@pytest.mark.parametrize(
    ("file", "line", "expected"),
    [
        ("methods.py", "from semshare.paper import reference", "semshare.methods imports semshare.paper.reference"),
        ("utils/devices.py", "from semshare.data.dataset import Batch", "semshare.utils.devices imports semshare.data"),
        ("data/words.py", "import semshare.model", "semshare.data.words imports semshare.model"),
        ("search/index.py", "from semshare.paper import plans", "semshare.search.index imports semshare.paper.plans"),
        ("runs/cards.py", "def f():\n    from semshare.book import build", "semshare.runs.cards imports semshare.book"),
        ("bert.py", "from semshare import model", "circle: "),
        ("new/thing.py", "from semshare import errors", "semshare.new.thing: the order does not name 'new'"),
    ],
)
def test_an_import_turned_round_is_found(copy: Path, file: str, line: str, expected: str) -> None:
    add(copy / file, line)
    assert any(fault.startswith(expected) for fault in faults(copy)), faults(copy)


def test_an_import_for_annotations_alone_is_free(copy: Path) -> None:
    add(copy / "losses.py", "if TYPE_CHECKING:\n    from semshare.book import build")
    assert faults(copy) == []


def test_folders_are_empty_or_lazy() -> None:
    for path in PACKAGE.rglob("__init__.py"):
        body = ast.parse(path.read_text(encoding="utf-8")).body
        top = [ast.unparse(node) for node in body if isinstance(node, (ast.Import, ast.ImportFrom))]
        assert not any("semshare" in line for line in top if line != NEEDS), path


def test_no_module_has_the_name_of_something_that_its_folder_hands_out() -> None:
    for package in ("semshare", "semshare.runs"):
        module = import_module(package)
        stems = {path.stem for path in Path(str(module.__file__)).parent.iterdir()}
        assert not (set(module.__all__) - {"losses", "metrics"}) & stems


def test_no_module_is_longer_than_one_sitting() -> None:
    """What is longer holds two ideas; data tables may be, and none is."""
    long = {
        path.name: count
        for path in PACKAGE.rglob("*.py")
        if (count := len(path.read_text(encoding="utf-8").splitlines())) > 350
    }
    assert long == {}
