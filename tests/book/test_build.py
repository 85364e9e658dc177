"""The book at scale smoke, in a copy of the checkout: built, looked at, built again, broken, kept."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import converted
import nbformat
import papermill
import pytest
from bs4 import BeautifulSoup, Tag
from feature_files import array_rows
from PIL import Image

from semshare.book import build, front
from semshare.book.execute import digest_of
from semshare.book.parameters import Given
from semshare.data import catalogue, prepare
from semshare.errors import UserError
from semshare.paper import recordings, reference
from semshare.paper.plans import has_supercategories
from semshare.utils.home import lock

ROOT = Path(__file__).resolve().parent.parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
NAMES = [path.stem for path in NOTEBOOKS]
RECORDED = ("07_presets", "09_flickr25k")  # they show what was recorded, whatever they are asked for
PICTURES = {"00": 3, "01": 2, "02": 1, "03": 1, "04": 3, "05": 2, "06": 2, "07": 1, "08": 3, "09": 2, "10": 2}
TUTORIALS = ("12_your_collection", "13_the_library")  # what readers do themselves: there is nothing to judge
SECTIONS = [name for name in NAMES if name not in ("11_explorer", *TUTORIALS)]  # what says and judges
LIVE = [name for name in NAMES if name not in RECORDED]
HTML = Path("_build", "html")  # where a checkout's book is


@pytest.fixture(scope="module")
def small(checkout: Path, built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the built checkout in which the page on the library, most of jupyter-book's time, is a line."""
    copy = tmp_path_factory.mktemp("small") / "checkout"
    shutil.copytree(checkout, copy)
    (copy / "book" / "api.md").write_text("# The library\n", encoding="utf-8")
    assert (copy / HTML).is_dir() and built == checkout / HTML
    return copy


def _notebook(name: str) -> Path:
    return ROOT / "notebooks" / f"{name}.ipynb"


def page(built: Path, name: str) -> BeautifulSoup:
    return BeautifulSoup((built / "book" / "sections" / f"{name}.html").read_text(encoding="utf-8"), "html.parser")


@pytest.mark.parametrize("path", [path for path in NOTEBOOKS if path.stem in LIVE], ids=LIVE)
def test_notebooks_have_every_parameter_that_they_are_handed(path: Path) -> None:
    """papermill injects a parameter that a notebook does not have all the same, and nothing reads it."""
    cells = nbformat.read(path, 4).cells
    own = next(cell.source for cell in cells if "parameters" in cell.metadata.get("tags", []))
    handed = build.parameters(path, "smoke", "cpu", ["scenes-coco5k"]) or {}
    assert {"scale", "preset", "device", "datasets"} == handed.keys()
    if path.stem == "12_your_collection":  # its data is in a folder, of one's own or drawn
        assert handed.pop("datasets") and re.search(r"^root = None", own, re.MULTILINE)
    assert all(re.search(rf"^{name} = ", own, re.MULTILINE) for name in handed), own


# What may hold digits that are no typed result, in this order: fenced code, mathematics, code spans, fields for values.
_NO_PROSE = (r"^```.*?^```", r"\$\$.*?\$\$", r"\$[^$\n]+\$", r"`[^`]*`", r"\{[^{}]*\}")
_TYPED = r"(?<![\w.])(?:\d*[.,]\d+|\d+(?=[eE]))(?:[eE][-+−]?\d+)?"


def typed_numbers(prose: str) -> list[str]:
    for pattern in _NO_PROSE:
        prose = re.sub(pattern, " ", prose, flags=re.DOTALL | re.MULTILINE)
    return re.findall(_TYPED, prose)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=NAMES)
def test_no_number_in_prose_is_typed(path: Path) -> None:
    """A result in prose, caption or alt text comes from a run through `say`: no decimal stands there as text."""
    notebook = nbformat.read(path, 4)
    prose = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    prose += converted.strings_shown(notebook, "say", "caption", "alt")
    found = [number for text in prose for number in typed_numbers(text)]
    assert not found, f"{path.name}: {', '.join(found)} typed; say it with a value"


@pytest.mark.parametrize(
    ("prose", "numbers"),
    [
        ("a margin of 0.005 and an F1 of .67 (12.3 points), 1e-4 or 2.5e-3; 0,5", "0.005 .67 12.3 1e-4 2.5e-3 0,5"),
        ("36 regions of 2,500 pictures, section 3. Fig. 1 of 2021", "2,500"),
        ("is $\\lambda = 0.1$, **{f1:1.3f}**, `0.5` and\n$$\n0.25\n$$\n```\nx = 0.75\n```\nthat is 0.9", "0.9"),
    ],
)
def test_what_counts_as_a_typed_number(prose: str, numbers: str) -> None:
    assert typed_numbers(prose) == numbers.split()


@pytest.mark.parametrize("name", RECORDED)
def test_a_recorded_page_is_handed_nothing_and_says_what_was_recorded(built: Path, name: str) -> None:
    assert (
        build._declared(ROOT / "notebooks" / f"{name}.ipynb", {"scale": "smoke", "datasets": ["scenes-coco5k"]}) == {}
    )
    shown = " ".join(page(built, name).select_one(".banner").get_text(" ").split())
    status = "real text and labels, simulated regions" if name == "09_flickr25k" else "drawn stand-in"
    for expected in ("Recorded runs", status, "Scale laptop", "Preset paper", "Trained at commit", "Device cpu"):
        assert expected in shown, shown


@pytest.mark.parametrize("name", LIVE)
def test_every_section_says_what_it_was_made_from(built: Path, name: str) -> None:
    banners = page(built, name).select(".banner")  # of what was recorded there are others
    (banner,) = [banner for banner in banners if banner.strong.get_text() == "Made from"]
    shown = banner.get_text(" ")
    preset = "Preset none: nothing was trained" if name == "00_data" else "Preset paper"
    for expected in (
        "drawn stand-in, not the real dataset", "Scale smoke", preset, "Device cpu", "Page at commit", "Seeds"
    ):  # fmt: skip
        assert expected in " ".join(shown.split()), shown
    wall_time = banner.select_one("dd:last-of-type")
    assert wall_time is not None and wall_time.get_text().strip().endswith(("s", "min"))


@pytest.mark.parametrize("name", NAMES)
def test_sections_have_no_errors_progress_lines_or_images_without_alt(built: Path, name: str) -> None:
    main = page(built, name).select_one("main")
    assert main is not None
    assert "[semshare]" not in main.get_text() and "Traceback" not in main.get_text()
    images = main.select(".cell_output img")
    thumbnails = [image for image in images if image.find_parent(class_="semshare-shown")]
    assert all(image.get("alt") for image in thumbnails) and bool(thumbnails) == (name == "12_your_collection")
    images = [image for image in images if image not in thumbnails]
    assert all(len(image.get("alt", "")) > 20 for image in images)
    assert len(images) == PICTURES.get(name[:2], 0)


@pytest.mark.parametrize("name", [*SECTIONS, *TUTORIALS])
def test_under_every_figure_and_table_is_a_drawer_with_its_data(built: Path, name: str) -> None:
    outputs = page(built, name).select("main .cell_output")
    outputs = [one for one in outputs if not one.select(".semshare-shown")]  # they say it themselves
    shown = [one for one in outputs if one.select("img, table")]
    assert len(shown) >= 1
    for place, output in enumerate(outputs):
        if output.select("img, table"):
            drawer = (output.select("details.provenance") or outputs[place + 1].select("details.provenance"))[0]
            links = [link["href"] for link in drawer.select("a")]
            data = json.loads((built / "book" / "sections" / links[0]).read_text(encoding="utf-8"))
            assert data["page"] == name and data["commit"] and {"runs", "data", "versions"} <= data.keys()
            assert ("table" in data) == bool(output.select("table")) and links[1].endswith(f"{name}.ipynb")


@pytest.mark.parametrize("name", SECTIONS)
def test_every_section_opens_with_what_the_paper_says_and_ends_with_a_verdict(built: Path, name: str) -> None:
    main = page(built, name).select_one("main article")
    opening = " ".join(main.select_one("blockquote").get_text().split())
    assert opening.startswith("The paper") or any(claim in opening for claim in reference.CLAIMS.values()), opening
    last = main.select("h2")[-1].get_text()
    assert last.startswith(("Verdict", "Why not"))


def test_figures_are_numbered_and_referred_to(built: Path) -> None:
    numbers = []
    for name in NAMES:
        main = page(built, name).select_one("main")
        numbers += [int(one.get_text().split()[-1]) for one in main.select("figcaption .caption-number")]
        referred = {link["href"] for link in main.select("a.reference.internal[href^='#fig-']")}
        assert {f"#{one['id']}" for one in main.select("figure[id^='fig-']")} <= referred, name
    assert len(numbers) == len(set(numbers)) == sum(PICTURES.values())


def test_pages_load_nothing_from_the_network(built: Path) -> None:
    pages = list(built.rglob("*.html"))
    assert len(pages) > len(NAMES)
    for path in pages:
        soup = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
        loaded = [tag.get("src") for tag in soup.select("script[src], img[src]")]
        loaded += [tag.get("href") for tag in soup.select("link[rel=stylesheet]")]
        assert not [one for one in loaded if one and one.startswith(("http:", "https:", "//"))], path


def test_numbers_reach_the_prose(built: Path) -> None:
    text = page(built, "01_consistency").select_one("main").get_text()
    assert "In short: of 5 tests," in " ".join(text.split())


def rows_of(tables: list[Tag]) -> list[list[str]]:
    """The cells' texts of every table's body."""
    rows = [row for table in tables for row in table.select("tbody tr")]
    return [[cell.get_text(" ", strip=True) for cell in row.select("td")] for row in rows]


def test_the_front_page_shows_the_table_of_all_verdicts(built: Path) -> None:
    first = BeautifulSoup((built / "book" / "index.html").read_text(encoding="utf-8"), "html.parser")
    claims = first.select(".claims > details")
    assert [claim.summary.get_text()[:2] for claim in claims] == ["1.", "2.", "3.", "4.", "5.", "6."]
    assert "of 24 tests," in claims[2].summary.get_text()
    shown = rows_of(first.select(".claims table"))
    recorded = recordings.load("coco16k").comparisons
    assert len(shown) == len(recorded) + 2 + 3 + 24 + 24 + 8 + 16 and all(len(row) == 9 for row in shown)
    own_page = page(built, "10_verdicts").select("main .cell_output table:not(.glance)")
    assert sorted(shown) == sorted(rows_of(own_page))
    about = first.select_one(".claims").find_previous("p").get_text()
    for expected in ("scenes-flickr25k", "a drawn stand-in, not the real dataset", "scale smoke", "preset paper"):
        assert expected in about


def test_the_sections_show_rows_of_that_table(built: Path) -> None:
    every = rows_of(page(built, "10_verdicts").select("main .cell_output table"))
    for name, count in (("01_consistency", 5), ("03_classification", 24 + 16), ("04_failure_cases", 4)):
        tables = page(built, name).select("main .cell_output table")
        rows = rows_of([tables[-1]])
        assert len(rows) == count and all(row in every for row in rows), name


def test_the_front_page_has_a_picture_of_every_section(built: Path) -> None:
    first = BeautifulSoup((built / "book" / "index.html").read_text(encoding="utf-8"), "html.parser")
    cards = [card for card in first.select(".sd-card") if card.select("img.sd-card-img-top")]
    assert len(cards) == len(SECTIONS)
    for card in cards:
        image, link = card.select_one("img"), card.select_one("a.sd-stretched-link")["href"]
        assert Path(link).stem in NAMES and len(image["alt"]) > 20
        with Image.open(built / "book" / image["src"]) as picture:
            assert len(picture.convert("L").getcolors()) > 5, "a picture, not the empty one"


def test_the_front_page_says_when_there_are_no_verdicts_yet() -> None:
    assert "have not been computed yet" in front.verdicts([])


def test_status_page_lists_every_section(built: Path) -> None:
    rows = rows_of(page(built, "status").select("table")[:1])
    assert [row[0] for row in rows] == NAMES
    assert [row[1:3] for row in rows] == [
        ["recorded", ""] if row[0] in RECORDED else ["smoke", "paper"] for row in rows
    ]


def test_status_page_says_what_data_each_section_was_made_from(built: Path) -> None:
    table = page(built, "status").select("table")[-1]
    rows = [[cell.get_text().strip() for cell in row.select("td")] for row in table.select("tbody tr")]
    expected = ["a drawn stand-in, not the real dataset", "grid"]
    for name in reference.DATASETS.values():
        assert [name, *expected, catalogue.load(name, "smoke").checksum[:12]] in [row[:4] for row in rows]
    sections = {row[0]: row[4].split(", ") for row in rows}
    assert len(sections) == len(rows) == 5, "one row a dataset: all pages were made from the same data"
    assert sections["notebook-12"] == ["12"]
    assert (
        "04" in sections["scenes-coco5k"]
        and "04" not in sections["scenes-nuswide"]
        and "00" in sections["scenes-coco1k"]
    )


def test_notebooks_and_pages_keep_no_paths_of_this_machine(checkout: Path, built: Path, semshare_home: Path) -> None:
    paths = [str(place) for place in (checkout, semshare_home, ROOT, Path(sys.prefix), Path.home() / ".cache")]
    executed = list((checkout / "book" / "sections").glob("*.ipynb"))
    assert len(executed) == len(NAMES)
    for path in executed:
        assert "papermill" not in json.loads(path.read_text(encoding="utf-8"))["metadata"], path
    for path in [*executed, *built.rglob("*.html"), *built.rglob("*.js"), *built.rglob("*.ipynb")]:
        found = [place for place in paths if place in path.read_text(errors="replace", encoding="utf-8")]
        assert not found, f"{path}: {found}"


def test_every_page_shows_its_parameters_folded(built: Path) -> None:
    for name, own in build.declared(ROOT).items():
        shown = page(built, name).select_one("details.parameters")
        assert [one.get_text().split(" = ")[0] for one in shown.select("dt")] == own, name
        assert ("scale = 'smoke'" in shown.get_text()) == (name in LIVE)


def test_a_book_with_a_name_is_a_book_of_its_own(small: Path, tmp_path: Path) -> None:
    """Two sets of parameters: neither shows a page of the other or of the usual book, and that one stays."""
    built = small / HTML
    before = (built / "book" / "sections" / "00_data.html").read_text(encoding="utf-8")
    for name in ("nus", "coco"):
        dataset = {"nus": "scenes-nuswide", "coco": "scenes-coco5k"}[name]
        given = Given(name, {"scale": "smoke"}, {"00_data": {"datasets": [dataset]}})
        first = build.build("full", only=["00"], out=tmp_path / "books", root=small, given=given)
        assert first == tmp_path / "books" / name / "index.html" and first.exists()
        shown = page(first.parent, "00_data").select_one("main").get_text()
        assert f"datasets = ['{dataset}']" in shown and "scale = 'smoke'" in shown
        assert "has not been executed yet" in page(first.parent, "01_consistency").get_text()
    assert (built / "book" / "sections" / "00_data.html").read_text(encoding="utf-8") == before


@pytest.mark.usefixtures("built")
def test_no_page_trains_a_run_that_the_queue_has_not(checkout: Path) -> None:
    queued = json.loads((checkout / "queued.json").read_text(encoding="utf-8"))
    tutorial = {name for name in queued["after"] if name.startswith("notebook-12-") or "-contrastive-" in name}
    assert len(tutorial) == 3, "what readers train themselves"
    trained = set(queued["after"]) - tutorial
    assert set(queued["before"]) == trained, "a page trained what its metadata (trains) does not name"
    assert len(queued["asked"]) > 20 and set(queued["asked"]) <= set(queued["before"])


def test_a_second_build_executes_nothing(
    small: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_arguments: object, **_options: object) -> None:
        raise AssertionError("a notebook was executed again")

    monkeypatch.setattr(papermill, "execute_notebook", refuse)
    build.build("smoke", root=small)
    assert capsys.readouterr().out.count("up to date") == len(NAMES)


def test_a_book_with_a_folder_holds_no_page_of_another(small: Path, tmp_path: Path) -> None:
    built = small / HTML
    before = (built / "book" / "sections" / "00_data.html").read_text(encoding="utf-8")
    first = build.build("smoke", only=["00", "04"], out=tmp_path / "site", root=small, datasets=["scenes-nuswide"])
    assert "datasets = ['scenes-nuswide']" in page(first.parent, "00_data").select_one("main").get_text()
    assert "has not been executed yet" in page(first.parent, "01_consistency").get_text()
    assert "left out: none of scenes-nuswide has super-categories" in page(first.parent, "04_failure_cases").get_text()
    assert (built / "book" / "sections" / "00_data.html").read_text(encoding="utf-8") == before


@pytest.mark.slow
def test_a_killed_build_leaves_the_book_and_the_next_one_is_whole(small: Path) -> None:
    """SIGKILL while jupyter-book writes pages, one of them cut short as a kill in mid-write leaves it."""
    built = small / HTML
    before = {path.relative_to(built): path.read_bytes() for path in built.rglob("*.html")}
    (small / "_build" / "jupyter-book.log").unlink()
    shutil.rmtree(small / "_build" / "work")
    command = [sys.executable, "-c", "from semshare.book import build; build.build('smoke')"]
    written = small / "_build" / "work" / "_build" / "html" / "book" / "glossary.html"
    with subprocess.Popen(command, cwd=small, start_new_session=True, stdout=subprocess.DEVNULL) as building:
        while not written.exists():
            assert building.poll() is None, "the build ended before it was killed"
            time.sleep(0.05)
        os.killpg(building.pid, signal.SIGKILL)
    assert not (small / "_build" / "jupyter-book.log").exists(), "killed too late"
    written.write_text("<!DOCTYPE html><html><head><title>Glo", encoding="utf-8")
    assert {path.relative_to(built): path.read_bytes() for path in built.rglob("*.html")} == before
    left = built.parent / f".{built.name}.semshare-left"
    left.mkdir()
    again = build.build("smoke", root=small).parent
    assert not left.exists()
    index = {Path("py-modindex.html")}  # of the page on the library, where that is whole
    assert {path.relative_to(again) for path in again.rglob("*.html")} | index == before.keys() | index
    assert all(path.read_text(encoding="utf-8").rstrip().endswith("</html>") for path in again.glob("book/*.html"))


def test_two_builds_at_once_are_refused(checkout: Path, built: Path) -> None:
    with lock(checkout / "_build"), pytest.raises(UserError, match=r"another build of .* is under way"):
        build.build("smoke", root=checkout)


def test_a_failing_cell_is_named_and_the_previous_book_stays(small: Path) -> None:
    built = small / HTML
    path = small / "notebooks" / "00_data.ipynb"
    sound = path.read_text(encoding="utf-8")
    before = (built / "book" / "sections" / "00_data.html").read_text(encoding="utf-8")
    notebook = nbformat.reads(sound, 4)
    notebook.cells.append(nbformat.v4.new_code_cell("1 / 0"))
    nbformat.write(notebook, path)
    try:
        with pytest.raises(UserError, match=rf"00_data.ipynb: cell {len(notebook.cells)} failed with ZeroDivision"):
            build.build("smoke", only=["00"], root=small)
    finally:
        path.write_text(sound, encoding="utf-8")
    assert (built / "book" / "sections" / "00_data.html").read_text(encoding="utf-8") == before


def test_a_page_with_a_warning_is_refused_and_the_previous_book_stays(small: Path) -> None:
    built = small / HTML
    path = small / "book" / "glossary.md"
    sound = path.read_text(encoding="utf-8")
    before = (built / "book" / "glossary.html").read_text(encoding="utf-8")
    path.write_text(sound + "\n{doc}`no-such-page`\n", encoding="utf-8")
    try:
        with pytest.raises(UserError, match=r"no-such-page"):
            build.build("smoke", only=["00"], root=small)
    finally:
        path.write_text(sound, encoding="utf-8")
    assert (built / "book" / "glossary.html").read_text(encoding="utf-8") == before


@pytest.mark.parametrize(
    ("notebook", "taken"),
    [
        ("00_data", ["scenes-nuswide", "scenes-coco1k", "scenes-coco5k"]),
        ("01_consistency", ["scenes-nuswide"]),
        ("02_implementation", ["scenes-nuswide"]),
        ("03_classification", ["scenes-nuswide", "scenes-coco1k", "scenes-coco5k"]),
        ("04_failure_cases", ["scenes-coco1k"]),
        ("06_retrieval", ["scenes-nuswide", "scenes-coco1k", "scenes-coco5k"]),
        ("10_verdicts", ["scenes-nuswide", "scenes-coco1k", "scenes-coco5k"]),
    ],
)
def test_each_notebook_takes_the_datasets_it_can_use(notebook: str, taken: list[str]) -> None:
    given = ["scenes-nuswide", "scenes-coco1k", "scenes-coco5k", "scenes-nuswide"]
    own = {"scale": "full", "preset": "released", "device": "cpu"}
    assert build.parameters(_notebook(notebook), "full", "cpu", given, "released") == own | {"datasets": taken}
    assert build.parameters(_notebook(notebook), "full", "cpu", preset="released") == own


def test_a_notebook_without_a_dataset_of_use_is_left_out() -> None:
    assert (
        build.parameters(_notebook("04_failure_cases"), "smoke", "cpu", ["scenes-nuswide", "scenes-flickr25k"]) is None
    )


@pytest.mark.usefixtures("own_home")
def test_a_collection_without_super_categories_is_not_what_failures_are_counted_on(tmp_path: Path) -> None:
    root = array_rows(tmp_path / "own", count=30)
    prepare.prepare(f"mine={root}", text="captions", say=lambda line: None)
    page = _notebook("04_failure_cases")
    assert build.parameters(page, "smoke", datasets=["mine"]) is None
    taken = build.parameters(page, "smoke", datasets=["mine", "scenes-coco5k"])
    assert taken is not None and taken["datasets"] == ["scenes-coco5k"]
    (root / "supercategories.yaml").write_text("animal: [dog]\nplace: [sea]\n", encoding="utf-8")
    taken = build.parameters(page, "smoke", datasets=["mine"])
    assert taken is not None and taken["datasets"] == ["mine"]


@pytest.mark.parametrize(("given", "field"), [({"most": 0}, "most"), ({"at_most": 1}, "at_most"), ([], "")])
def test_wrong_metadata_of_a_notebook_is_named(given: object, field: str, tmp_path: Path) -> None:
    path = tmp_path / "20_mine.ipynb"
    path.write_text(json.dumps({"metadata": {"takes_datasets": given}}), encoding="utf-8")
    with pytest.raises(UserError, match=rf"^20_mine.ipynb: metadata takes_datasets.?{field}: found"):
        build.takes(path)


def test_datasets_that_need_super_categories_have_them() -> None:
    """04 takes datasets with super-categories: what the choice rests on."""
    for name, entry in catalogue.CATALOGUE.items():
        if name.startswith("scenes-"):
            assert bool(entry.open("smoke", None, 0).supercategories) == has_supercategories(name), name


def test_other_parameters_make_another_page() -> None:
    notebook = "03_classification"
    given = [
        build.parameters(_notebook(notebook), "smoke"),
        build.parameters(_notebook(notebook), "full"),
        build.parameters(_notebook(notebook), "full", datasets=["scenes-nuswide"]),
        build.parameters(_notebook(notebook), "full", preset="released"),
    ]
    assert len({digest_of(NOTEBOOKS[0], parameters, {}) for parameters in given}) == len(given)
    assert digest_of(NOTEBOOKS[0], given[0], {"coco": ["a"]}) != digest_of(NOTEBOOKS[0], given[0], {})


def test_an_unknown_dataset_is_named_before_anything_runs(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build.queue, "execute_all", lambda *_: pytest.fail("executed"))
    with pytest.raises(UserError, match=r"unknown 'flickr', expected one of .*scenes-flickr25k"):
        build.build("smoke", root=checkout, datasets=["scenes-coco5k", "flickr"])


def test_data_that_is_not_there_is_named_before_anything_runs(
    checkout: Path, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build.queue, "execute_all", lambda *_: pytest.fail("executed"))
    with pytest.raises(UserError, match=r"dataset 'custom' needs .*: run semshare data prepare custom, with --root"):
        build.build("smoke", root=checkout, datasets=["custom"])


def test_a_users_mistake_in_a_notebook_is_one_line(small: Path) -> None:
    path = small / "notebooks" / "00_data.ipynb"
    sound = path.read_text(encoding="utf-8")
    notebook = nbformat.reads(sound, 4)
    notebook.cells.insert(2, nbformat.v4.new_code_cell("from semshare.errors import UserError\nraise UserError('no')"))
    nbformat.write(notebook, path)
    try:
        with pytest.raises(UserError) as caught:
            build.build("smoke", only=["00"], root=small)
    finally:
        path.write_text(sound, encoding="utf-8")
    assert str(caught.value) == "00_data.ipynb: no; the previous book stays as it was"


def test_what_decides_a_page_about_real_data(own_home: Path, tmp_path: Path) -> None:
    """Other rows, pictures, regions and words each make the pages anew; a link to the same does not."""
    folder = tmp_path / "mine"
    folder.mkdir()
    for number in range(5):
        Image.new("RGB", (40, 30), (50 * number, 0, 0)).save(folder / f"{number}.png")
    rows = [{"image": f"{n}.png", "texts": ["a sky"], "labels": [("sky", "sea")[n % 2]]} for n in range(5)]
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    prepare.prepare("custom", folder)
    seen = [build._contents(["custom"])]
    prepare.prepare("custom", folder / "rows.jsonl")
    assert build._contents(["custom"]) == seen[0] and build._contents(["scenes-coco1k"]) == {}
    prepare.prepare("custom", regions="simulated")
    seen.append(build._contents(["custom"]))
    Image.new("RGB", (41, 30)).save(folder / "4.png")
    seen.append(build._contents(["custom"]))
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)).replace("a sky", "the sky"), encoding="utf-8")
    seen.append(build._contents(["custom"]))
    prepare.prepare("custom", tokens="space")
    seen.append(build._contents(["custom"]))
    assert len({json.dumps(one) for one in seen}) == 5


def test_an_unknown_notebook_is_named(checkout: Path) -> None:
    with pytest.raises(UserError, match=r"no notebook '77'.*00_data"):
        build.build("smoke", only=["77"], root=checkout)


def test_papermill_runs_a_notebook_from_a_plain_checkout(tmp_path: Path, built: Path) -> None:
    out = tmp_path / "out.ipynb"
    command = [sys.executable, "-m", "papermill", "notebooks/03_classification.ipynb", str(out), "-p", "scale", "smoke"]
    subprocess.run([*command, "-y", "datasets: [scenes-nuswide]"], cwd=ROOT, check=True, capture_output=True)
    notebook = nbformat.read(out, 4)
    assert notebook.metadata.papermill.exception is None
    assert "scenes-nuswide" in out.read_text(encoding="utf-8")
    shown = converted.page(notebook).get_text()
    assert "In short: of " in shown and not converted.raw_markup(shown)


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_a_book_never_replaces_what_is_no_book(checkout: Path, tmp_path: Path, kind: str) -> None:
    out = tmp_path / "precious"
    kept = out / "letter.txt" if kind == "folder" else out
    kept.parent.mkdir(exist_ok=True)
    kept.write_text("keep me", encoding="utf-8")
    with pytest.raises(UserError, match="precious exists and holds no book"):
        build.build("smoke", only=["00"], out=out, root=checkout)
    assert kept.read_text(encoding="utf-8") == "keep me"


def test_a_book_never_replaces_what_lies_beside_an_earlier_one(checkout: Path, built: Path, tmp_path: Path) -> None:
    out = tmp_path / "site"
    shutil.copytree(built, out)
    build._check_out(out)
    for name in ("CNAME", ".git"):
        (out / name).write_text("keep me", encoding="utf-8")
        with pytest.raises(UserError, match=rf"site holds '{name}', no part of a book"):
            build.build("smoke", only=["00"], out=out, root=checkout)
        (out / name).unlink()
    (out / ".semshare-book").write_text("3", encoding="utf-8")
    with pytest.raises(UserError, match="holds no book"):
        build.build("smoke", only=["00"], out=out, root=checkout)


def test_a_book_that_cannot_be_put_in_place_leaves_the_previous_one(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = small / HTML
    rename, before = Path.rename, (built / "index.html").read_text(encoding="utf-8")

    def broken(path: Path, target: Path) -> Path:
        if path.name == "new":
            raise OSError(5, "Input/output error")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", broken)
    with pytest.raises(OSError, match="Input/output"):
        build.build("smoke", only=["00"], root=small)
    assert (built / "index.html").read_text(encoding="utf-8") == before
