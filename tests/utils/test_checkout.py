"""What the record says of the checkout that code runs from."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from semshare.utils import checkout


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with one commit, which the code seems to run from."""
    for name in ("semshare/utils/checkout.py", "book/recorded/size.json", "book/index.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("first\n", encoding="utf-8")
    identity = ("-c", "user.name=somebody", "-c", "user.email=somebody@localhost")
    for command in (("init", "-q"), ("add", "."), (*identity, "commit", "-q", "-m", "first")):
        subprocess.run(["git", "-C", tmp_path, *command], check=True)
    monkeypatch.setattr(checkout, "__file__", str(tmp_path / "semshare" / "utils" / "checkout.py"))
    return tmp_path


def test_the_commit_has_a_note_where_files_differ_from_it(repository: Path) -> None:
    clean = checkout.commit()
    assert len(clean) == 12 and clean.isalnum()
    (repository / "book" / "index.md").write_text("second\n", encoding="utf-8")
    assert checkout.commit() == f"{clean} with local changes"
    (repository / "book" / "index.md").write_text("first\n", encoding="utf-8")
    (repository / "semshare" / "utils" / "checkout.py").write_text("second\n", encoding="utf-8")
    assert checkout.commit() == f"{clean} with local changes"


def test_what_a_recording_writes_as_it_goes_is_no_change_of_what_it_trains_with(repository: Path) -> None:
    clean = checkout.commit()
    (repository / "book" / "recorded" / "size.json").write_text("second\n", encoding="utf-8")
    assert checkout.commit() == clean
