"""What a command says where the extra that it needs is not installed: which one brings it, in one line."""

from __future__ import annotations

import subprocess
import sys

import pytest

from semshare.errors import UserError
from semshare.utils.extras import MissingExtraError, extra, needs

# A finder that goes first and finds none of the packages in HIDDEN, as if they were not installed.
PROGRAM = """
import importlib.util, sys
HIDDEN = set(sys.argv[1].split(","))
class Hide:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in HIDDEN:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Hide())
real = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name.partition(".")[0] in HIDDEN else real(name, package)
"""
COMMAND = (
    PROGRAM
    + """
sys.argv = ["semshare", *sys.argv[2:]]
from semshare.cli.app import main
main()
"""
)
IMPORT = (
    PROGRAM
    + """
try:
    importlib.import_module(sys.argv[2])
except ImportError as error:
    print(type(error).__name__, error)
"""
)


def _without(packages: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", COMMAND, packages, *arguments], capture_output=True, encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("packages", "arguments", "extra"),
    [
        ("distributed,dask", ("grid", "--dataset", "scenes-flickr25k", "--scale", "smoke", "--dry-run"), "grid"),
        ("papermill,jupyter_book", ("book", "--scale", "smoke"), "book"),
        ("jupyter_book", ("book", "--scale", "smoke"), "book"),
        ("matplotlib,seaborn", ("book", "--scale", "smoke"), "book"),
        (
            "torchvision",
            ("data", "prepare", "scenes-flickr25k", "--regions", "fasterrcnn-mobilenet-untrained"),
            "detector",
        ),
    ],
)
def test_a_command_names_the_extra_that_it_lacks(packages: str, arguments: tuple[str, ...], extra: str) -> None:
    done = _without(packages, *arguments)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ") and f"pip install 'semshare[{extra}]'" in line


@pytest.mark.slow
def test_training_needs_no_extra() -> None:
    hidden = "distributed,dask,faiss,papermill,jupyter_book,nbformat,IPython,matplotlib,seaborn,pandas,torchvision"
    done = _without(hidden, "train", "--dataset", "scenes-flickr25k", "--scale", "smoke", "--method", "dscmr")
    assert done.returncode == 0, done.stderr
    assert "Micro-F1" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("packages", "module", "extra"),
    [
        ("matplotlib", "semshare.paper.figures", "book"),
        ("pandas", "semshare.paper.tables", "book"),
        ("pandas", "semshare.paper.gradients", "book"),
        ("nbformat", "semshare.book.front", "book"),
        ("torchvision", "semshare.data.regions.detector", "detector"),
        ("distributed", "semshare.runs.cluster", "grid"),
    ],
)
def test_an_import_names_the_extra_that_it_lacks(packages: str, module: str, extra: str) -> None:
    command = [sys.executable, "-c", IMPORT, packages, module]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=True)
    assert done.stdout.startswith(f"MissingExtraError {packages} is not installed")
    assert done.stdout.endswith(f"pip install 'semshare[{extra}]'\n")


def test_a_package_that_is_missing_is_a_users_mistake_and_an_import_error() -> None:
    expected = r"^no_such_package is not installed, install it with: pip install 'semshare\[grid\]'$"
    for kind in (UserError, ImportError):
        with pytest.raises(kind, match=expected), extra("grid"):
            import no_such_package.inside  # noqa: F401
    with pytest.raises(MissingExtraError, match=expected):
        needs("grid", "torch", "no_such_package")
    needs("grid", "torch")


def test_a_module_of_ours_that_is_missing_is_no_users_mistake() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"No module named 'semshare\.nothing'") as caught, extra("grid"):
        import semshare.nothing  # noqa: F401
    assert not isinstance(caught.value, UserError)
