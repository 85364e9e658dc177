"""What a command says where the extra that it needs is not installed: which one brings it, in one line."""

from __future__ import annotations

import subprocess
import sys

import pytest

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
sys.argv = ["semshare", *sys.argv[2:]]
from semshare.cli.app import main
main()
"""


def _without(packages: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, packages, *arguments], capture_output=True, text=True, encoding="utf-8"
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("packages", "arguments", "extra"),
    [
        ("distributed,dask", ("grid", "--dataset", "scenes-flickr25k", "--scale", "smoke", "--dry-run"), "grid"),
        ("papermill,jupyter_book", ("book", "--scale", "smoke"), "book"),
        ("jupyter_book", ("book", "--scale", "smoke"), "book"),
        ("matplotlib,seaborn", ("book", "--scale", "smoke"), "book"),
    ],
)
def test_a_command_names_the_extra_that_it_lacks(packages: str, arguments: tuple[str, ...], extra: str) -> None:
    done = _without(packages, *arguments)
    assert done.returncode == 2 and done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ") and f"pip install 'semshare[{extra}]'" in line


@pytest.mark.slow
def test_training_needs_no_extra() -> None:
    hidden = "distributed,dask,faiss,papermill,jupyter_book,nbformat,IPython,matplotlib,seaborn,pandas,torchvision"
    done = _without(hidden, "train", "--dataset", "scenes-flickr25k", "--scale", "smoke", "--method", "dscmr")
    assert done.returncode == 0, done.stderr
    assert "Micro-F1" in done.stdout
