"""``semshare runs`` and ``semshare cache``: what is listed is what is there, and only what is stale goes."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import run as semshare
from filelock import FileLock

from semshare import runs
from semshare.runs import caches, inventory, keys, quantities
from semshare.runs.store import Run

pytestmark = pytest.mark.slow


@pytest.fixture
def trained(own_home: Path) -> Run:
    """A run of a home of its own."""
    return runs.get(runs.plan("scenes-flickr25k", "dscmr", "smoke", "cpu"), quiet=True)


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """What a command prints; its exit code must be 0."""

    def show(*arguments: str) -> str:
        capsys.readouterr()
        assert semshare(monkeypatch, *arguments) == 0
        return capsys.readouterr().out

    return show


def test_a_run_is_listed_with_what_it_is(trained: Run, shown: Callable[..., str]) -> None:
    (entry,) = json.loads(shown("runs", "list", "--json"))
    assert Path(entry["folder"]) == trained.folder and entry["state"] == "current" and entry["scored_on"] == "dev"
    assert entry["experiment"]["method"] == "dscmr"
    assert entry["bytes"] == sum(path.stat().st_size for path in trained.folder.rglob("*") if path.is_file())
    numbers = trained.test.numbers()
    (entry,) = json.loads(shown("runs", "list", "--json"))
    assert entry["scored_on"] == "test" and entry["scores"] == {name: numbers[name] for name in quantities.HEADLINE}
    table = shown("runs")
    assert trained.folder.name in table and "current" in table and "1 run, " in table


def test_show_says_what_the_key_is_made_of(trained: Run, shown: Callable[..., str]) -> None:
    text = shown("runs", "show", trained.key[:6])
    assert "the key is made of:" in text and '"torch"' in text and trained.record["data"] in text
    assert json.loads(shown("runs", "show", trained.key, "--json"))["key_parts"]["data"] == trained.record["data"]


def test_only_what_no_key_reaches_is_pruned(
    trained: Run, shown: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert shown("runs", "prune").startswith("Nothing to delete")
    monkeypatch.setattr(keys, "library_versions", lambda: {"torch": "9.9"})
    assert trained.folder.name in shown("runs", "prune", "--dry-run") and trained.folder.exists()
    assert "1 stale" in shown("runs", "list")
    assert "1 deleted" in shown("runs", "prune", "--yes") and not trained.folder.exists()


def test_a_run_whose_data_is_not_at_hand_is_never_pruned(trained: Run, shown: Callable[..., str]) -> None:
    record = json.loads((trained.folder / "run.json").read_text(encoding="utf-8"))
    record["experiment"]["root"] = "/nowhere"
    (trained.folder / "run.json").write_text(json.dumps(record), encoding="utf-8")
    assert inventory.entries()[0].state == "current"
    assert shown("runs", "prune", "--yes").startswith("Nothing to delete") and trained.folder.exists()


def test_an_unfinished_or_damaged_run_is_listed_and_not_pruned(trained: Run, shown: Callable[..., str]) -> None:
    (trained.folder / "run.json").write_bytes(b"\0" * 100)
    assert inventory.entries()[0].state == "unknown"
    (trained.folder / "run.json").unlink()
    assert inventory.entries()[0].state == "unfinished"
    assert shown("runs", "prune", "--yes").startswith("Nothing to delete") and trained.folder.exists()


def test_rm_asks_and_leaves_a_run_that_is_in_use(
    trained: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert semshare(monkeypatch, "runs", "rm", trained.key) == 2 and trained.folder.exists()
    assert capsys.readouterr().err == "error: no answer, so nothing is deleted; --yes answers beforehand\n"
    monkeypatch.setattr("typer.confirm", lambda question: False)
    assert semshare(monkeypatch, "runs", "rm", trained.key) == 0 and trained.folder.exists()
    with FileLock(trained.folder / ".lock"):
        assert semshare(monkeypatch, "runs", "rm", trained.key, "--yes") == 2
    assert "in use by another process" in capsys.readouterr().err and trained.folder.exists()
    assert semshare(monkeypatch, "runs", "rm", trained.key, "--yes") == 0 and not trained.folder.exists()
    assert semshare(monkeypatch, "runs", "rm", trained.key, "--yes") == 2
    assert "no such run" in capsys.readouterr().err


def test_the_cache_tells_what_todays_code_would_use(
    trained: Run, shown: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = {entry.kind: entry for entry in caches.kept()}
    assert {"scenes", "regions", "words"} <= kept.keys() and all(entry.state == "current" for entry in kept.values())
    monkeypatch.setattr(caches.words, "words_code", lambda: "other")
    stale = [entry for entry in caches.kept() if entry.state == "stale"]
    assert [entry.kind for entry in stale] == ["words"]
    assert stale[0].path.name in shown("cache", "prune", "--dry-run") and stale[0].path.exists()
    assert "1 deleted" in shown("cache", "prune", "--yes")
    assert not stale[0].path.exists() and kept["scenes"].path.exists() and kept["regions"].path.exists()
    assert "regions" in shown("cache")
