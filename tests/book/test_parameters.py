"""The notebooks' parameters: checked for whoever sets them, shown on the page, read from a file."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from bs4 import BeautifulSoup

from semshare.book import build, parameters
from semshare.cli import app
from semshare.errors import UserError

ROOT = Path(__file__).resolve().parent.parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
DECLARED = {"03_classification": ["scale", "datasets", "seeds"], "05_sensitivity": ["scale"], "07_presets": ["study"]}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_notebook_first_checks_all_of_its_parameters(path: Path) -> None:
    code = [cell for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]
    before = next(number for number, cell in enumerate(code) if "parameters" in cell.metadata.get("tags", []))
    for cell in code[:before]:  # prose may come first, and no work
        calls = re.findall(r"^(?!from |import )([\w.]+)", cell.source, re.MULTILINE)
        assert set(calls) <= {"provenance.quote_claims", "provenance.say"}
    code = code[before:]
    own = re.findall(r"^(\w+) = ", code[0].source, re.MULTILINE)
    assert own and set(own) <= parameters.Parameters.model_fields.keys()
    assert own == build.declared(ROOT)[path.stem]
    call = "".join(code[1].source.split()).replace(",)", ")")
    assert (
        call == "fromsemshare.bookimportparameters" + f"parameters.page({','.join(f'{name}={name}' for name in own)})"
    )
    exec(f"{code[0].source}\n{code[1].source}", {})  # the defaults pass


def test_the_page_shows_names_values_and_what_may_be_as_text() -> None:
    shown = BeautifulSoup(parameters.page(scale="smoke", seeds=None, device="<b>cpu").data, "html.parser")
    assert [one.get_text() for one in shown.select("dt")] == ["scale = 'smoke'", "seeds = None", "device = '<b>cpu'"]
    assert "smoke, laptop or full" in shown.select("dd")[0].get_text() and not shown.select("b")
    assert not shown.details.has_attr("open")


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("scale", "tiny", "scale: found 'tiny', expected smoke, laptop or full"),
        ("preset", "theirs", "preset: found 'theirs', expected paper or released"),
        ("datasets", "scenes-nuswide", "datasets: found 'scenes-nuswide', expected a list of names"),
        ("datasets", [], r"datasets: found \[\], expected a list of names"),
        ("datasets", ["flickr"], "dataset: unknown 'flickr', expected one of scenes-flickr25k"),
        ("root", 3, "root: found 3, expected a folder or file, or None"),
        ("seeds", "3", "seeds: found '3', expected a whole number from 1, or None"),
        ("seeds", 0, "seeds: found 0, expected a whole number from 1"),
        ("seeds", True, "seeds: found True, expected a whole number from 1"),
        ("seed", 0.5, "seed: found 0.5, expected a whole number from 0"),
        ("protocols", "map", "protocols: found 'map', expected a list of names of protocols"),
        ("device", 0, "device: found 0, expected auto, cpu"),
        ("study", None, "study: found None, expected the name"),
    ],
)
def test_a_value_of_the_wrong_type_is_named(name: str, value: object, expected: str) -> None:
    with pytest.raises(UserError, match=f"^{expected}") as caught:
        parameters.page(**{name: value})
    assert "\n" not in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("studdy", "presets", "UserError: studdy: no such parameter; this notebook has study"),
        ("study", "3", "UserError: study: found 3, expected the name of a recorded study"),
    ],
)
def test_papermill_with_a_mistake_ends_with_one_clear_line(
    name: str, value: str, expected: str, tmp_path: Path
) -> None:
    out = tmp_path / "out.ipynb"
    command = [sys.executable, "-m", "papermill", "notebooks/07_presets.ipynb", str(out), "-p", name, value]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode and done.stderr.rstrip().splitlines()[-1] == expected


def _file(folder: Path, text: str) -> Path:
    path = folder / "book.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_has_parameters_of_all_notebooks_and_of_single_ones(tmp_path: Path) -> None:
    text = "scale: smoke\nseeds: 2\n05_sensitivity: {scale: full}\n03:\n  datasets: [scenes-nuswide]\n  seeds: null\n"
    (given,) = parameters.read(_file(tmp_path, text), DECLARED)
    assert given.name == "" and given.everywhere == {"scale": "smoke", "seeds": 2}
    assert given.own == {
        "05_sensitivity": {"scale": "full"},
        "03_classification": {"datasets": ["scenes-nuswide"], "seeds": None},
    }


def test_a_list_is_of_books_with_names(tmp_path: Path) -> None:
    text = "- {name: tags, datasets: [scenes-nuswide]}\n- {name: captions, seeds: 2}\n"
    given = parameters.read(_file(tmp_path, text), DECLARED)
    assert [(one.name, one.everywhere) for one in given] == [
        ("tags", {"datasets": ["scenes-nuswide"]}),
        ("captions", {"seeds": 2}),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("scal: smoke", "scal: no such parameter, expected one of datasets, scale, seeds, study or a notebook: 03_cl"),
        ("77: {scale: smoke}", "77: no such parameter, expected one of "),
        ("scale: 3", "scale: found 3, expected smoke, laptop or full"),
        ("05: {seeds: 3}", "05_sensitivity: seeds: no such parameter, expected one of scale$"),
        ("05_sensitivity: {scale: tiny}", "05_sensitivity: scale: found 'tiny', expected smoke, laptop or full"),
        ("03: {datasets: [flickr]}", "03_classification: dataset: unknown 'flickr', expected one of "),
        ("05: smoke", "05_sensitivity: found 'smoke', expected parameters with their values"),
        ("smoke", "found 'smoke', expected parameters with their values"),
        ("", "found None, expected parameters with their values"),
        ("- {scale: smoke}", "name: found None, expected a name for the book's folder"),
        ("- {name: ../other}", r"name: found '\.\./other', expected a name"),
        ("[{name: a}, {name: a}]", "name: 'a' is given twice"),
        ("scale: [", "no YAML: .*line 1"),
        ("seeds: 0b_", "no YAML: invalid literal"),
    ],
)
def test_a_mistake_in_the_file_is_one_line_and_exit_code_2_before_anything_runs(
    text: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = _file(tmp_path, text)
    with pytest.raises(UserError, match=f"^{path}: {expected}"):
        parameters.read(path, DECLARED)
    monkeypatch.setattr(build, "build", lambda *_, **__: pytest.fail("built"))
    monkeypatch.setattr(build, "declared", lambda: DECLARED)
    monkeypatch.setattr(sys, "argv", ["semshare", "book", "--parameters", str(path)])
    with pytest.raises(SystemExit) as stopped:
        app.main()
    shown = capsys.readouterr()
    assert stopped.value.code == 2 and shown.out == "" and len(shown.err.splitlines()) == 1
