"""What the README, CONTRIBUTING and the hooks tell people to type exists."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from semshare.cli import app
from semshare.runs import grid
from semshare.search.pretrained import PretrainedModel

ROOT = Path(__file__).resolve().parent.parent
TEXT = {name: (ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "CONTRIBUTING.md")}
PYTHON = re.findall(r"^```python\n(.*?)^```", TEXT["README.md"], re.M | re.S)
BLOCKS = [block for text in TEXT.values() for block in re.findall(r"^```\w*\n(.*?)^```", text, re.M | re.S)]
LINES = [line.strip() for block in BLOCKS for line in block.splitlines()]
SPANS = re.findall(r"(?<!`)`([^`\n]+)`(?!`)", "\n".join(TEXT.values()))
COMMANDS = [line for line in LINES if line.startswith(".venv/bin/semshare")]
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
MADE = [one for one in [*LINES, *SPANS] if one == "make" or one.startswith("make ")]


def _words(line: str) -> list[str]:
    return shlex.split(line, comments=True)


def _mistake(line: str) -> str:
    """What the command line would object to in ``line``, which is parsed and not called; empty where nothing."""
    command, words = typer.main.get_command(app.app), _words(line)[1:]
    while commands := getattr(command, "commands", None):
        if not words or words[0] not in commands:
            return f"no such subcommand: {words[:1]}"
        command, words = commands[words[0]], words[1:]
    try:
        command.make_context(command.name, [*words])
    except Exception as error:  # Typer's own, or click's in older versions
        return error.format_message()
    return ""


@pytest.mark.parametrize("line", COMMANDS, ids=lambda line: " ".join(_words(line)[1:]))
def test_a_command_has_this_subcommand_and_these_options(line: str) -> None:
    assert _mistake(line) == ""


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("semshare trian", "no such subcommand: ['trian']"),
        ("semshare data", "no such subcommand: []"),
        ("semshare train --datset x", "No such option: --datset"),
        ("semshare train --dataset x --scale tiny", "tiny"),
    ],
)
def test_a_command_that_does_not_exist_is_found(line: str, expected: str) -> None:
    assert expected in _mistake(line)


@pytest.mark.parametrize("line", MADE)
def test_a_make_target_exists(line: str) -> None:
    wanted = [word for word in _words(line)[1:] if "=" not in word]
    assert set(wanted) <= TARGETS, line


def test_there_is_something_to_check() -> None:
    assert len(COMMANDS) >= 20 and len(MADE) >= 8 and {"book", "test", "lint", "test-fast"} <= TARGETS


def test_the_readmes_grid_can_be_planned() -> None:
    (text,) = [block for block in BLOCKS if block.startswith("# grid.yaml")]
    experiments = grid.plan([yaml.safe_load(text)])
    assert {one.method for one in experiments} == {"independent", "dscmr", "ours+con", "ours"}
    assert len(experiments) == 2 * 3 * (1 + 1 + 3 + 3)


@pytest.mark.slow
def test_the_method_and_the_dataset_of_contributing_train(tmp_path: Path) -> None:
    """In a process of its own: what is registered stays."""
    examples = re.findall(r"^```python\n(.*?)^```", TEXT["CONTRIBUTING.md"], re.M | re.S)
    (tmp_path / "example.py").write_text("\n\n".join(examples), encoding="utf-8")
    use = "import example; from semshare import runs; print(runs.get(runs.plan('stripes', 'mine', 'smoke')).key)"
    paths = {"PYTHONPATH": str(ROOT), "SEMSHARE_HOME": str(tmp_path / "home")}
    done = subprocess.run(
        [sys.executable, "-c", use],
        cwd=tmp_path,
        env=os.environ | paths,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    (folder,) = (tmp_path / "home" / "runs").iterdir()
    assert folder.name == f"stripes-mine-{done.stdout.split()[-1]}"


def test_every_target_is_in_the_help_and_phony() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = set(re.search(r"^\.PHONY: (.*)$", makefile, re.M).group(1).split())
    assert phony == TARGETS
    assert set(re.findall(r"^([a-z-]+):.*## ", makefile, re.M)) == TARGETS


def test_the_hooks_fetch_nothing() -> None:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    assert [one["repo"] for one in config["repos"]] == ["local"]
    for hook in config["repos"][0]["hooks"]:
        assert hook["language"] == "system" and hook["entry"].startswith(".venv/bin/")
        assert all((ROOT / word).exists() for word in hook["entry"].split() if word.startswith("tests/"))


def _block(begins: str) -> str:
    (text,) = [text for text in PYTHON if text.startswith(begins)]
    return text


@pytest.mark.slow
def test_the_readmes_python_works_as_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As printed but for the scale: a run, then a search in pictures with the model that it left."""
    library = _block("from semshare import runs")
    call = 'runs.plan("scenes-flickr25k", "ours")'
    assert library.count(call) == 1
    names: dict[str, Any] = {}
    exec(library.replace(call, call[:-1] + ', "smoke")'), names)
    run, reading = names["run"], names["reading"]
    assert "'image_f1': " in capsys.readouterr().out
    assert len(reading.image) == len(run.dataset.parts["test"].image_ids)
    monkeypatch.chdir(tmp_path)
    PretrainedModel.of_run(run, "cpu").save_pretrained(tmp_path / "my-model")
    (tmp_path / "DIR").mkdir()
    source = run.dataset.source
    for item in source.items()[:6]:
        source.picture(item.id).save(tmp_path / "DIR" / f"{item.id}.png")
    exec(_block("from semshare import Retriever"), {})
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("two dogs on a beach") and sum(".png" in line for line in lines) == 5
