"""Keys follow meaning: a copied tree is edited, and the keys of the edited code are compared."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from semshare import methods
from semshare.runs import keys
from semshare.utils.source import Code

PACKAGE = Path(keys.__file__).parent.parent
HERE = Code(PACKAGE)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The package in a folder of its own, to be edited."""
    copy = tmp_path / "semshare"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__", "*.json"))
    return copy


def _edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text, f"{path}: {old!r} is not there any more"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def _changed(tree: Path, of: Callable[[str, Code], object] = keys.code_parts) -> set[str]:
    """The methods whose code is another in ``tree`` than here."""
    code = Code(tree)
    return {method for method in methods.METHODS if of(method, code) != of(method, HERE)}


ALL = set(methods.METHODS)


def test_the_same_code_gives_the_same_keys(tree: Path) -> None:
    assert _changed(tree) == _changed(tree, keys.encoding_code) == set()


@pytest.mark.parametrize("file", ["losses.py", "methods.py", "training.py", "model.py", "data/dataset.py"])
def test_comments_docstrings_and_formatting_change_no_key(file: str, tree: Path) -> None:
    path = tree / file
    _edit(path, '"""', '"""Another docstring. ')
    _edit(path, "\ndef ", "\n\n\n# a comment\ndef ")
    _edit(path, "return ", "return   ")
    path.write_text(path.read_text(encoding="utf-8") + "\n# the end\n", encoding="utf-8")
    assert _changed(tree) == set()


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("def label_prediction(", "@torch.no_grad()\ndef label_prediction(", ALL - {"dscmr", "linear"}),
        ("def dscmr(", "@torch.no_grad()\ndef dscmr(", {"dscmr"}),
        ("def context_prediction(", "@torch.no_grad()\ndef context_prediction(", {"ours", "ours+con"}),
        ("def consistency(", "@torch.no_grad()\ndef consistency(", ALL - {"independent", "linear"}),
    ],
    ids=["label", "dscmr", "context", "consistency"],
)
def test_a_loss_edited_changes_every_key_that_uses_it_and_no_other(
    old: str, new: str, expected: set[str], tree: Path
) -> None:
    _edit(tree / "losses.py", old, new)
    assert _changed(tree) == expected


def test_how_linear_is_fitted_changes_its_own_keys_alone(tree: Path) -> None:
    _edit(tree / "linear.py", "GRID = (", "GRID = (0.00001, ")
    assert _changed(tree) == {"linear"} and _changed(tree, keys.encoding_code) == set()
    _edit(tree / "linear.py", ".amax(1)", ".amin(1)")
    assert _changed(tree) == _changed(tree, keys.encoding_code) == {"linear"}


def test_a_new_loss_and_a_new_dataset_change_no_key(tree: Path) -> None:
    _edit(tree / "losses.py", "\ndef dscmr(", "\ndef triplet(image, text):\n    return image @ text\n\n\ndef dscmr(")
    _edit(
        tree / "data" / "catalogue.py", '    "custom": _on_disk(', '    "mine": _on_disk("x"),\n    "custom": _on_disk('
    )
    assert _changed(tree) == set()


@pytest.mark.parametrize(
    "file",
    [
        "data/readers/coco.py", "data/readers/mirflickr.py", "data/readers/splits.py", "data/scenes/paint.py",
        "data/fetch/download.py", "data/regions/detector.py", "data/regions/grid.py", "data/regions/extract.py",
        "data/prepare.py", "data/labels.py", "runs/cards.py", "runs/grid.py", "runs/store.py", "runs/keys.py",
        "ranking.py", "paper/figures.py", "cli/app.py", "utils/progress.py", "errors.py", "__init__.py",
    ],
)  # fmt: skip
def test_what_the_data_covers_and_what_trains_nothing_changes_no_key(file: str, tree: Path) -> None:
    path = tree / file
    path.write_text(path.read_text(encoding="utf-8") + "\nADDED = 1\n", encoding="utf-8")
    assert _changed(tree) == set()


@pytest.mark.parametrize(
    "file",
    [
        "training.py", "evaluation.py", "metrics.py", "model.py", "attention.py", "bert.py", "distributed.py",
        "runs/trainer.py", "data/dataset.py", "data/words.py", "data/segments.py", "data/prefetch.py",
        "data/regions/base.py", "data/regions/store.py", "utils/devices.py", "utils/processes.py",
    ],
)  # fmt: skip
def test_shared_training_code_changes_every_key(file: str, tree: Path) -> None:
    path = tree / file
    path.write_text(path.read_text(encoding="utf-8") + "\nADDED = 1\n", encoding="utf-8")
    assert _changed(tree) == ALL


def test_how_an_object_shows_itself_changes_no_key(tree: Path) -> None:
    _edit(tree / "data" / "dataset.py", "return display.dataset_html(self)", "return display.dataset_text(self)")
    _edit(tree / "data" / "dataset.py", 'return f"<Part: ', 'return f"<A part: ')
    for file in ("data/display.py", "utils/html.py", "runs/display.py"):
        (tree / file).write_text("ADDED = 1\n", encoding="utf-8")
    assert _changed(tree) == _changed(tree, keys.encoding_code) == set()
    _edit(tree / "data" / "dataset.py", "def images(self", "def shown_images(self")
    assert _changed(tree) == ALL


def test_how_data_is_loaded_changes_every_key(tree: Path) -> None:
    _edit(tree / "data" / "catalogue.py", "min_count=4 if", "min_count=5 if")
    assert _changed(tree) == ALL


def test_what_is_left_out_of_the_key_exists_and_tables_count_by_definition() -> None:
    covered = {unit.partition(":")[0] for method in ALL for unit in keys.code_parts(method)}
    for unit in keys.STOP:
        module, _, name = unit.partition(":")
        path = PACKAGE.joinpath(*module.split(".")[1:])
        assert path.is_dir() or path.with_suffix(".py").is_file(), f"{unit} stops nothing"
        assert not name or name in path.with_suffix(".py").read_text(encoding="utf-8"), f"{unit} stops nothing"
    assert {"semshare.losses", "semshare.methods", "semshare.data.catalogue"} <= covered


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("data/dataset.py", "def pad_words(", "@torch.no_grad()\ndef pad_words("),
        ("data/words.py", "MAX_LENGTH = 150", "MAX_LENGTH = 151"),
        ("data/regions/grid.py", "\nclass ", "\nADDED = 1\n\n\nclass "),
        ("data/regions/detector.py", "\nclass ", "\nADDED = 1\n\n\nclass "),
        ("model.py", "\nMODALITIES", "\nADDED = 1\nMODALITIES"),
    ],
)
def test_what_reads_pictures_and_texts_changes_a_models_fingerprint(file: str, old: str, new: str, tree: Path) -> None:
    _edit(tree / file, old, new)
    assert _changed(tree, keys.encoding_code) == ALL


@pytest.mark.parametrize("file", ["training.py", "runs/store.py", "runs/cards.py", "data/readers/coco.py"])
def test_what_only_trains_changes_no_models_fingerprint(file: str, tree: Path) -> None:
    path = tree / file
    path.write_text(path.read_text(encoding="utf-8") + "\nADDED = 1\n", encoding="utf-8")
    assert _changed(tree, keys.encoding_code) == set()


@pytest.mark.parametrize(
    ("file", "evaluation", "retrieval"),
    [
        ("ranking.py", True, True),
        ("metrics.py", True, True),
        ("runs/protocols.py", False, True),
        ("model.py", False, False),
    ],
)
def test_what_was_read_of_a_run_is_kept_under_the_code_that_read_it(
    file: str, evaluation: bool, retrieval: bool, tree: Path
) -> None:
    path = tree / file
    path.write_text(path.read_text(encoding="utf-8") + "\nADDED = 1\n", encoding="utf-8")
    assert (keys.evaluation_code(Code(tree)) != keys.evaluation_code()) == evaluation
    assert (keys.retrieval_code(Code(tree)) != keys.retrieval_code()) == retrieval
