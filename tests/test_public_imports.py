"""What importing a public module drags in, each measured in an interpreter of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
# What takes long to load, or may be missing in the base install.
HEAVY = {
    "datasets",
    *("accelerate", "dask", "distributed", "faiss", "gensim", "IPython", "matplotlib", "nbformat", "numpy", "pandas"),
    *("papermill", "PIL", "pooch", "requests", "scipy", "seaborn", "sklearn", "torch", "torchvision", "transformers"),
}
# torch imports numpy where it is installed, seaborn scipy.
TENSORS = {"torch", "numpy"}
PICTURES = {*TENSORS, "IPython", "PIL", "matplotlib", "pandas", "scipy", "seaborn"}
TRAINING = {*TENSORS, "PIL", "accelerate"}  # transformers takes seconds, and only a network needs it
ALLOWED = {
    "semshare": set(),
    "semshare.errors": set(),
    "semshare.experiment": set(),
    "semshare.paper.reference": set(),
    "semshare.cli.app": set(),
    "semshare.utils.html": set(),
    "semshare.paper.display": set(),
    "semshare.losses": TENSORS,
    "semshare.ranking": TENSORS,
    "semshare.metrics": TENSORS,
    "semshare.runs": set(),
    "semshare.data.regions.base": {*TENSORS},
    "semshare.data.source": {"PIL", "numpy"},
    "semshare.data.catalogue": TRAINING,
    "semshare.model": TENSORS,
    "semshare.runs.store": TRAINING,
    "semshare.search.retriever": TRAINING,
    "semshare.paper.verdicts": {*TRAINING, "scipy"},
    "semshare.paper.figures": PICTURES,
}
LOADED = """
import importlib, json, sys
importlib.import_module(sys.argv[1])
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules} & set(json.loads(sys.argv[2])))))
print(json.dumps(sorted(name for name in sys.modules if name.partition(".")[0] == "semshare")))
"""


def loaded(module: str) -> tuple[set[str], set[str]]:
    """The heavy packages and the modules of semshare that are loaded after ``import module`` in a fresh interpreter."""
    command = [sys.executable, "-c", LOADED, module, json.dumps(sorted(HEAVY))]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, encoding="utf-8")
    heavy, own = map(json.loads, done.stdout.splitlines())
    return set(heavy), set(own)


def test_every_heavy_package_is_installed() -> None:
    """A misspelt or missing one would never be found among the loaded."""
    assert [name for name in sorted(HEAVY) if find_spec(name) is None] == []


@pytest.mark.slow
@pytest.mark.parametrize("module", ALLOWED)
def test_an_import_drags_in_no_more_than_it_needs(module: str) -> None:
    heavy, _ = loaded(module)
    assert heavy <= ALLOWED[module]


def test_semshare_alone_is_light() -> None:
    heavy, own = loaded("semshare")
    assert heavy == set() and own == {"semshare"}


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        ("semshare.utils.progress", {"semshare.utils", "semshare.utils.counts"}),
        ("semshare.paper.reference", {"semshare.paper"}),
        ("semshare.data.segments", {"semshare.data"}),
        ("semshare.data.scenes.things", {"semshare.data", "semshare.data.scenes"}),
        ("semshare.runs", set()),
        ("semshare.search", set()),
        ("semshare.book", {"semshare.errors", "semshare.utils", "semshare.utils.extras"}),
    ],
)
def test_an_import_does_not_load_its_siblings(module: str, expected: set[str]) -> None:
    _, own = loaded(module)
    assert own == {"semshare", module} | expected


def test_importing_semshare_takes_a_moment() -> None:
    """Under 0.1 s beside an interpreter that imports only the standard library's importlib and typing."""
    command = [sys.executable, "-X", "importtime", "-c", "import importlib, typing; import semshare"]
    lines = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=True, encoding="utf-8"
    ).stderr.splitlines()
    (line,) = [line for line in lines if line.rpartition("|")[2].strip() == "semshare"]
    assert int(line.split("|")[1]) < 100_000  # microseconds, with all that it imports


def test_the_help_of_every_command_loads_no_network() -> None:
    program = (
        "import sys\nfrom semshare.cli.app import app\nfrom typer.main import get_command\n"
        "for words in ([], ['train'], ['search'], ['book'], ['grid']):\n"
        "    try: get_command(app).main([*words, '--help'])\n"
        "    except SystemExit as end: assert not end.code\n"
        "print([name for name in ('torch', 'dask', 'faiss', 'papermill') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True, encoding="utf-8"
    )
    assert done.stdout.splitlines()[-1] == "[]" and "--dataset" in done.stdout
