"""Files are UTF-8 whatever the locale, and what a terminal cannot show is written otherwise."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).parents[1]
STARTS = {"run", "Popen", "check_output", "check_call"}


def _without_encoding(path: Path) -> Iterator[str]:
    """The calls that read or write text as the locale says; ruff's rule sees only paths whose type it can work out."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute | ast.Name):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
        given = {keyword.arg for keyword in node.keywords}
        position = {"read_text": 0, "write_text": 1}.get(name)
        text = (position is not None and len(node.args) <= position) or (name in STARTS and "text" in given)
        if text and "encoding" not in given:
            yield f"{path.relative_to(ROOT)}:{node.lineno}: {ast.unparse(node)[:80]}"


@pytest.mark.parametrize("folder", ["semshare", "benchmarks", "book/_ext", "tests"])
def test_no_text_is_read_or_written_as_the_locale_says(folder: str) -> None:
    paths = sorted((ROOT / folder).rglob("*.py"))
    assert paths and [call for path in paths for call in _without_encoding(path)] == []


def test_a_call_without_an_encoding_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    lines = ["p.read_text()", "p.write_text('a')", "subprocess.run(a, text=True)", "p.read_text('utf-8')", "run(a)"]
    (tmp_path / "a.py").write_text("\n".join(lines), encoding="utf-8")
    assert [call.split(": ")[0] for call in _without_encoding(tmp_path / "a.py")] == ["a.py:1", "a.py:2", "a.py:3"]


@pytest.fixture(scope="module", params=["C", "en_US.ISO-8859-1"])
def environment(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The variables of a machine whose locale is not UTF-8, with Python's own remedies turned off."""
    folder = tmp_path_factory.mktemp("locale")
    if request.param != "C":
        language, charmap = request.param.split(".")
        command = ["localedef", "-i", language, "-f", charmap, str(folder / request.param)]
        if shutil.which("localedef") is None or subprocess.run(command, capture_output=True).returncode > 1:
            pytest.skip(f"the locale {request.param} cannot be made here: localedef and its charmaps are missing")
    off = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": request.param, "LANG": request.param}
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONIOENCODING", "LC_CTYPE")}
    made = kept | off | {"LOCPATH": str(folder), "SEMSHARE_HOME": str(folder / "home")}
    command = [sys.executable, "-c", "import locale; print(locale.getencoding())"]
    found = subprocess.run(command, env=made, capture_output=True, encoding="ascii", check=True).stdout.strip()
    assert found in ("ANSI_X3.4-1968", "ISO-8859-1"), "the locale is in force"
    return made


def _semshare(environment: dict[str, str], *arguments: str) -> tuple[str, str]:
    command = [sys.executable, "-m", "semshare", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True)
    errors = done.stderr.decode("ascii", "backslashreplace")
    assert done.returncode == 0 and "Traceback" not in errors, errors
    return done.stdout.decode("latin-1"), errors


@pytest.mark.slow
def test_an_own_collection_is_prepared_whatever_the_locale(environment: dict[str, str], tmp_path: Path) -> None:
    labels, rows = ("Größe", "犬"), []
    for number in range(20):
        Image.new("RGB", (16, 16), (number, 0, 0)).save(tmp_path / f"{number}.png")
        rows.append({"image": f"{number}.png", "texts": ["ein Hund – 犬 größer"], "labels": [labels[number % 2]]})
    content = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    (tmp_path / "rows.jsonl").write_text(content, encoding="utf-8")
    output, _ = _semshare(
        environment, "data", "prepare", "custom", "--root", str(tmp_path / "rows.jsonl"), "--regions", "simulated"
    )
    assert "\\u72ac 10" in output, "what the terminal lacks is escaped"
    assert Path(environment["SEMSHARE_HOME"], "data", "custom.regions").read_text(encoding="utf-8") == "simulated\n"
    shown, _ = _semshare(environment, "data", "show", "custom", "--json")
    assert json.loads(shown)["labels"] == dict.fromkeys(labels, 10)


@pytest.mark.slow
@pytest.mark.parametrize("command", ["train", "data prepare", "search", "book", "grid"])
def test_help_is_shown_whatever_the_locale(command: str, environment: dict[str, str]) -> None:
    output, errors = _semshare(environment, *command.split(), "--help")
    assert "Usage:" in output and "--help" in output and not errors
