"""Tests mirror the package: ``semshare/runs/keys.py`` is tested by ``tests/runs/test_keys.py``."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
# Modules without a test file of their name, and why; a test file that is named is where they are tested.
ALLOWED = {
    "errors": "one exception without logic",
    "book/recorders": "a table: cli/test_app.py and paper/test_ablations.py ask what it names",
    "cli/datasets": "parses and calls: data/test_prepare.py tries its commands",
    "cli/options": "types of options; cli/test_app.py tries them",
    "cli/report": "what commands print: cli/test_app.py, runs/test_grid.py and paper/test_verdicts.py read it",
    "data/about": "words; book/test_data_page.py checks that each status has one",
    "data/catalogue": "a table and what opens it: data/test_prepare.py, runs/test_outside.py and test_leaks.py",
    "data/fetch/official": "a table: data/test_prepare.py checks it against archives of that layout",
    "data/readers/coco_labels": "a table; data/readers/test_manifest.py holds it against COCO's own",
    "data/readers/records": "types in messages: data/readers/test_coco.py and data/readers/test_custom.py",
    "data/readers/whole": "asked by the readers of rows and of class folders: data/readers/test_custom.py",
    "data/regions/base": "a shape; data/regions/test_grid.py checks the rows that it stores",
    "data/regions/kept": "what is extracted and what is kept: data/test_prepare.py",
    "data/remembered": "what `data prepare` left: data/test_prepare.py and data/test_tokens.py",
    "data/scenes/brush": "draws; seen as pictures by data/scenes/test_source.py",
    "data/scenes/grounds": "draws; seen as pictures by data/scenes/test_source.py",
    "data/scenes/paint": "draws; seen as pictures by data/scenes/test_source.py",
    "data/scenes/places": "a table that data/scenes/test_layout.py counts labels over",
    "data/scenes/sprites": "draws; seen as pictures by data/scenes/test_source.py",
    "data/scenes/things": "a table; data/scenes/test_source.py checks its supercategories against COCO's",
    "data/source": "a shape; each reader and data/test_dataset.py fill it",
    "paper/drawing": "what figures share: paper/test_figures.py and paper/test_recorded_figures.py",
    "paper/failure_figures": "draws Fig. 2: test_hostile.py and book/test_build.py see it",
    "paper/recorded_sums": "what a recording keeps by image: paper/test_recordings.py",
    "paper/reference": "the paper's numbers; paper/test_verdicts.py and paper/test_plans.py read them",
    "runs/caches": "what `semshare cache` lists: cli/test_housekeeping.py",
    "runs/inventory": "what `semshare runs` lists: cli/test_housekeeping.py",
    "runs/record": "reads and writes run.json: runs/test_store.py, runs/test_finding.py and runs/test_damage.py",
    "runs/trainer": "trains one run for the store: runs/test_store.py",
    "search/walk": "the files of a gallery: search/test_retriever.py",
    "utils/source": "compares code; runs/test_keys.py and book/test_execute.py edit a copied tree",
}
# Test files that no module answers to: they look across modules, or at what is not in the package.
ACROSS = {
    "book/test_unrendered": "executed notebooks outside the book: converted, and in JupyterLab",
    "runs/test_damage": "files of runs and caches that a power cut left damaged",
    "runs/test_interval_coverage": "how often intervals of the whole chain cover the truth",
    "runs/test_outside": "methods and datasets from other packages",
    "runs/test_shared": "one cache that several users share",
    "search/test_shipped": "the model that comes with the package, and weights in float16",
    "test_benchmarks": "the scripts in benchmarks/",
    "test_browser": "the built book in a browser",
    "test_delivery": "workflows, the container, the source distribution and the wheel",
    "test_doctests": "examples in docstrings",
    "test_encoding": "text files and pipes whatever the locale",
    "test_environment": "pyproject.toml, environment.yml and requirements.lock",
    "test_hostile": "strangers' text on every page",
    "test_imports": "the order of imports",
    "test_kernels": "notebooks run in kernels of their own",
    "test_launch": "notebooks opened elsewhere",
    "test_leaks": "no split sees another, from readers to runs",
    "test_mirror": "this file",
    "test_notebooks": "the notebooks hold no outputs",
    "test_properties": "what holds for all inputs of losses and measures",
    "test_public_imports": "what each import drags in",
    "test_readme": "what documents tell people to type",
    "test_released": "preset `released` beside a slow network written from its description",
}


def modules(root: Path) -> set[str]:
    """Every module in ``root``, as its path without ending; a file that only makes a folder a package is none."""
    paths = (path.relative_to(root).with_suffix("") for path in root.rglob("*.py"))
    return {path.as_posix() for path in paths if not path.name.startswith("__")}


MODULES = modules(ROOT / "semshare")
TESTS = {name for name in modules(ROOT / "tests") if name.rpartition("/")[2].startswith("test_")}


def answers(test: str) -> str | None:
    """The module that the file ``test`` is named after: ``data/test_dataset_thinned`` after ``data/dataset``."""
    folder, _, name = test.rpartition("/")
    words = name.removeprefix("test_").split("_")
    names = ("/".join(filter(None, (folder, "_".join(words[:count])))) for count in range(len(words), 0, -1))
    return next((name for name in names if name in MODULES), None)


def test_each_module_has_a_test_file_of_its_name_or_a_reason_why_not() -> None:
    named = {answers(test) for test in TESTS}
    assert MODULES - named == ALLOWED.keys()


def test_each_test_file_is_named_after_a_module_or_looks_across_them() -> None:
    assert {test for test in TESTS if answers(test) is None} == ACROSS.keys()


@pytest.mark.parametrize("module", ALLOWED)
def test_the_test_files_that_a_reason_names_exist(module: str) -> None:
    assert {name.removesuffix(".py") for name in re.findall(r"[\w/]+\.py", ALLOWED[module])} <= TESTS


def test_there_is_something_to_mirror() -> None:
    assert len(MODULES) > 80 and answers("runs/test_keys") == "runs/keys" and answers("test_leaks") is None
