"""Pages depend on what they import: which notebooks an edit makes stale."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from semshare.book import execute
from semshare.utils.source import Code

ROOT = Path(execute.__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))

HERE = Code(ROOT / "semshare", shows=True)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    copy = tmp_path / "semshare"
    shutil.copytree(ROOT / "semshare", copy, ignore=shutil.ignore_patterns("__pycache__", "*.json"))
    return copy


def _stale(tree: Path) -> set[str]:
    """The numbers of the notebooks whose code is another in ``tree`` than here."""
    code = Code(tree, shows=True)
    return {path.name[:2] for path in NOTEBOOKS if execute.code_parts(path, code) != execute.code_parts(path, HERE)}


def test_a_changed_file_of_ones_own_collection_makes_its_page_stale(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text("{}", encoding="utf-8")
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "1.jpg").write_bytes(b"one")
    page = ROOT / "notebooks" / "12_your_collection.ipynb"

    def asked(root: Path) -> str:
        return execute.digest_of(page, {"scale": "smoke", "root": str(root)}, {})

    before = [asked(root) for root in (tmp_path, tmp_path / "rows.jsonl")]
    assert before == [asked(root) for root in (tmp_path, tmp_path / "rows.jsonl")]
    (tmp_path / "pictures" / "1.jpg").write_bytes(b"another")
    assert {*before}.isdisjoint(asked(root) for root in (tmp_path, tmp_path / "rows.jsonl"))
    now = asked(tmp_path)
    (tmp_path / ".hidden").write_bytes(b"")
    assert asked(tmp_path) == now and asked(tmp_path / "nowhere") != now, "the page says that nothing is there"


def test_the_book_looks_at_how_objects_show_themselves() -> None:
    for path in NOTEBOOKS:
        assert execute.code_parts(path) == execute.code_parts(path, HERE)


ALL = {path.name[:2] for path in NOTEBOOKS}


def test_nothing_is_stale_at_first_and_a_comment_changes_nothing(tree: Path) -> None:
    path = tree / "paper" / "figures.py"
    path.write_text(path.read_text(encoding="utf-8") + "\n# a comment\n", encoding="utf-8")
    assert _stale(tree) == set()


@pytest.mark.parametrize(
    ("file", "stale"),
    [
        ("paper/figures.py", ALL - {"04", "07", "11", "12", "13"}),
        ("paper/baselines.py", {"00"}),
        ("book/explorer.py", {"11"}),
        ("book/postprocess.py", ALL),
        ("search/retriever.py", {"06", "12"}),
        ("search/display.py", {"06", "12"}),
        ("data/display.py", ALL),
        ("cli/app.py", set()),
        ("book/build.py", set()),
        ("book/front.py", set()),
    ],
)
def test_an_edit_makes_those_pages_stale_that_import_the_module(file: str, stale: set[str], tree: Path) -> None:
    path = tree / file
    path.write_text(path.read_text(encoding="utf-8") + "\nADDED = 1\n", encoding="utf-8")
    assert _stale(tree) == stale
    assert stale in (set(), ALL) or stale < ALL
