"""The book at scale smoke, in a copy of the checkout: built, looked at, built again, broken, kept."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import papermill
import pytest
from bs4 import BeautifulSoup

from semshare import book
from semshare.data import catalogue
from semshare.errors import UserError

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
NAMES = [path.stem for path in NOTEBOOKS]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what the book is made from, so that the checkout's own book stays as it is."""
    copy = tmp_path_factory.mktemp("checkout")
    for name in ("_config.yml", "_toc.yml"):
        shutil.copy(ROOT / name, copy / name)
    for name in ("book", "notebooks"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("sections", "_build"))
    return copy


@pytest.fixture(scope="module")
def built(checkout: Path) -> Path:
    """The HTML folder of the whole book at scale smoke."""
    return book.build("smoke", root=checkout).parent


def page(built: Path, name: str) -> BeautifulSoup:
    return BeautifulSoup((built / "book" / "sections" / f"{name}.html").read_text(), "html.parser")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=NAMES)
def test_notebooks_hold_no_outputs_and_one_parameters_cell(path: Path) -> None:
    notebook = nbformat.read(path, 4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in code)
    assert sum("parameters" in cell.metadata.get("tags", []) for cell in code) == 1
    starts = ("class ", "def ", "for ", "while ")
    assert not any(line.startswith(starts) for cell in code for line in cell.source.splitlines())


@pytest.mark.parametrize("name", NAMES)
def test_every_section_says_what_it_was_made_from(built: Path, name: str) -> None:
    banner = page(built, name).select_one(".banner")
    assert banner is not None
    shown = banner.get_text(" ")
    for expected in ("drawn stand-in, not the real dataset", "Scale smoke", "Device cpu", "Page at commit", "Seeds"):
        assert expected in " ".join(shown.split()), shown
    wall_time = banner.select_one("dd:last-of-type")
    assert wall_time is not None and wall_time.get_text().strip().endswith(("s", "min"))


@pytest.mark.parametrize("name", NAMES)
def test_sections_have_no_errors_progress_lines_or_images_without_alt(built: Path, name: str) -> None:
    main = page(built, name).select_one("main")
    assert main is not None
    assert "[semshare]" not in main.get_text() and "Traceback" not in main.get_text()
    images = main.select(".cell_output img")
    assert all(len(image.get("alt", "")) > 20 for image in images)
    assert len(images) == {"00": 4, "01": 1, "02": 1, "03": 0, "04": 3, "05": 1, "06": 1}[name[:2]]


def test_pages_load_nothing_from_the_network(built: Path) -> None:
    pages = list(built.rglob("*.html"))
    assert len(pages) > len(NAMES)
    for path in pages:
        soup = BeautifulSoup(path.read_text(), "html.parser")
        loaded = [tag.get("src") for tag in soup.select("script[src], img[src]")]
        loaded += [tag.get("href") for tag in soup.select("link[rel=stylesheet]")]
        assert not [one for one in loaded if one and one.startswith(("http:", "https:", "//"))], path


def test_numbers_reach_the_prose(built: Path) -> None:
    text = page(built, "01_consistency").select_one("main").get_text()
    assert "In short: of 5 tests," in " ".join(text.split())


def test_status_page_lists_every_section(built: Path) -> None:
    text = page(built, "status").get_text()
    assert all(name in text for name in NAMES)


def test_executed_notebooks_keep_no_paths_of_this_machine(checkout: Path, built: Path) -> None:
    for path in (checkout / "book" / "sections").glob("*.ipynb"):
        text = path.read_text()
        assert str(checkout) not in text and "papermill" not in json.loads(text)["metadata"]


def test_a_second_build_executes_nothing(
    checkout: Path, built: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_arguments: object, **_options: object) -> None:
        raise AssertionError("a notebook was executed again")

    monkeypatch.setattr(papermill, "execute_notebook", refuse)
    book.build("smoke", root=checkout)
    assert capsys.readouterr().out.count("up to date") == len(NAMES)


def test_a_failing_cell_is_named_and_the_previous_book_stays(checkout: Path, built: Path) -> None:
    path = checkout / "notebooks" / "00_data.ipynb"
    sound = path.read_text()
    before = (built / "book" / "sections" / "00_data.html").read_text()
    notebook = nbformat.reads(sound, 4)
    notebook.cells.append(nbformat.v4.new_code_cell("1 / 0"))
    nbformat.write(notebook, path)
    try:
        with pytest.raises(UserError, match=rf"00_data.ipynb: cell {len(notebook.cells)} failed with ZeroDivision"):
            book.build("smoke", only=["00"], root=checkout)
    finally:
        path.write_text(sound)
    assert (built / "book" / "sections" / "00_data.html").read_text() == before


def test_a_page_with_a_warning_is_refused_and_the_previous_book_stays(checkout: Path, built: Path) -> None:
    path = checkout / "book" / "glossary.md"
    sound = path.read_text()
    before = (built / "book" / "glossary.html").read_text()
    path.write_text(sound + "\n{doc}`no-such-page`\n")
    try:
        with pytest.raises(UserError, match=r"no-such-page"):
            book.build("smoke", only=["00"], root=checkout)
    finally:
        path.write_text(sound)
    assert (built / "book" / "glossary.html").read_text() == before


@pytest.mark.parametrize(
    ("notebook", "taken"),
    [
        ("00_data", ["scenes-nuswide", "scenes-coco1k", "scenes-coco5k"]),
        ("01_consistency", ["scenes-nuswide"]),
        ("02_implementation", ["scenes-nuswide"]),
        ("03_classification", ["scenes-nuswide", "scenes-coco1k", "scenes-coco5k"]),
        ("04_failure_cases", ["scenes-coco1k"]),
        ("06_retrieval", ["scenes-nuswide", "scenes-coco1k", "scenes-coco5k"]),
    ],
)
def test_each_notebook_takes_the_datasets_it_can_use(notebook: str, taken: list[str]) -> None:
    given = ["scenes-nuswide", "scenes-coco1k", "scenes-coco5k", "scenes-nuswide"]
    own = {"scale": "full", "device": "cpu"}
    assert book.parameters(notebook, "full", "cpu", given) == own | {"datasets": taken}
    assert book.parameters(notebook, "full", "cpu") == own


def test_a_notebook_without_a_dataset_of_use_is_left_out() -> None:
    assert book.parameters("04_failure_cases", "smoke", "cpu", ["scenes-nuswide", "scenes-flickr25k"]) is None


def test_datasets_that_need_super_categories_have_them() -> None:
    """04 takes captioned datasets: what the choice rests on."""
    for name, entry in catalogue.CATALOGUE.items():
        if name.startswith("scenes-"):
            assert bool(entry.open("smoke", None, 0).supercategories) == (entry.text_kind == "captions"), name


def test_other_datasets_make_another_page() -> None:
    notebook = NOTEBOOKS[0]
    digests = {
        book._digest(notebook, parameters)
        for parameters in ({"scale": "smoke"}, {"scale": "full"}, {"scale": "full", "datasets": ["scenes-nuswide"]})
    }
    assert len(digests) == 3


def test_an_unknown_dataset_is_named_before_anything_runs(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(book, "_execute", lambda *_: pytest.fail("executed"))
    with pytest.raises(UserError, match=r"unknown 'flickr', expected one of .*scenes-flickr25k"):
        book.build("smoke", root=checkout, datasets=["scenes-coco5k", "flickr"])


def test_an_unknown_notebook_is_named(checkout: Path) -> None:
    with pytest.raises(UserError, match=r"no notebook '07'.*00_data"):
        book.build("smoke", only=["07"], root=checkout)


def test_papermill_runs_a_notebook_from_a_plain_checkout(tmp_path: Path, built: Path) -> None:
    out = tmp_path / "out.ipynb"
    command = [sys.executable, "-m", "papermill", "notebooks/03_classification.ipynb", str(out), "-p", "scale", "smoke"]
    subprocess.run([*command, "-y", "datasets: [scenes-nuswide]"], cwd=ROOT, check=True, capture_output=True)
    notebook = nbformat.read(out, 4)
    assert notebook.metadata.papermill.exception is None
    assert "scenes-nuswide" in out.read_text()


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_a_book_never_replaces_what_is_no_book(checkout: Path, tmp_path: Path, kind: str) -> None:
    out = tmp_path / "precious"
    kept = out / "letter.txt" if kind == "folder" else out
    kept.parent.mkdir(exist_ok=True)
    kept.write_text("keep me")
    with pytest.raises(UserError, match="precious exists and holds no book"):
        book.build("smoke", only=["00"], out=out, root=checkout)
    assert kept.read_text() == "keep me"
