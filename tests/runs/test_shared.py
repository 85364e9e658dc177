"""One cache, several users: who may only read reads everything, and what is made is the group's as the mask says."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from semshare import runs
from semshare.data.words import words_code
from semshare.runs.store import Run
from semshare.search.pretrained import PretrainedModel
from semshare.search.retriever import Retriever
from semshare.utils.files import ReadOnlyError, atomic_write, file_lock
from semshare.utils.home import cache_folder

# Several commands in one process: torch takes seconds to import.
COMMANDS = """
import json, sys
from semshare.cli import app
for arguments in json.loads(sys.argv[1]):
    sys.argv = ["semshare", *arguments]
    try:
        app.main()
    except SystemExit as stop:
        if stop.code:
            sys.exit(f"{arguments} ended with {stop.code}")
"""


def _as_reader() -> list[str]:
    """What a command begins with so that the rights of files hold for it: root may write everywhere."""
    if os.geteuid():
        return []
    if (setpriv := shutil.which("setpriv")) is None:
        pytest.skip("root may write everywhere, and setpriv (util-linux) is not there to take that right away")
    return [setpriv, "--bounding-set=-dac_override,-dac_read_search"]


def _seal(folder: Path, writable: bool) -> None:
    for path in (folder, *folder.rglob("*")):
        path.chmod(path.stat().st_mode & ~0o222 | (0o200 if writable else 0))


@pytest.fixture(scope="module")
def run(semshare_home: Path) -> Run:
    plan = runs.plan("scenes-flickr25k", "dscmr", "smoke", "cpu", epochs=1, seed=51)
    return runs.get(plan, "cpu", quiet=True)


@pytest.mark.parametrize("read", ["never read", "read before"])
def test_who_may_only_read_a_cache_reads_all_of_it(read: str, run: Run, tmp_path: Path) -> None:
    home, own = tmp_path / "home", tmp_path / "own"
    own.mkdir()
    pool = cache_folder("scenes") / run.dataset.source.pool
    for folder in (run.dataset.store.folder, pool, cache_folder("words")):
        shutil.copytree(folder, home / folder.parent.name / folder.name if folder.name != "words" else home / "words")
    if read == "never read":
        shutil.rmtree(home / "words")  # what cannot be kept is computed all the same
    ignored = shutil.ignore_patterns("*.evaluation", "*.md", ".lock") if read == "never read" else None
    shutil.copytree(run.folder, home / "runs" / run.folder.name, ignore=ignored)
    run.dataset.source.picture("dev-000000").save(own / "a.png")
    commands = [
        [
            "train",
            "--dataset",
            "scenes-flickr25k",
            "--method",
            "dscmr",
            "--scale",
            "smoke",
            "--seed",
            "51",
            "--epochs",
            "1",
        ],
        ["runs"],
        ["runs", "show", run.key],
        ["eval", run.key, "--protocol", "map", "--json"],
        ["export", run.key, str(own / "model")],
        ["search", run.key, "--images", str(own), "--text", "dog tree sky"],
        ["data", "show", "scenes-flickr25k", "--scale", "smoke"],
    ]
    before = {path: path.stat().st_mtime_ns for path in home.rglob("*")}
    _seal(home, writable=False)
    try:
        done = subprocess.run(
            [*_as_reader(), sys.executable, "-c", COMMANDS, json.dumps(commands)],
            env=os.environ | {"SEMSHARE_HOME": str(home)},
            capture_output=True,
            text=True,
            encoding="utf-8",
        )
    finally:
        _seal(home, writable=True)
    assert done.returncode == 0, done.stderr
    assert {path: path.stat().st_mtime_ns for path in home.rglob("*")} == before
    shown = json.loads(done.stdout[done.stdout.index("\n{") : done.stdout.index("\n}\n") + 2])
    (protocol,) = shown["protocols"]
    assert protocol["i2t"]["value"] == pytest.approx(run.retrieval(["map"])["map"].i2t.nanmean().item(), abs=1e-6)
    assert {path.name for path in (own / "model").iterdir()} == {
        "config.json", "model.safetensors", "vocab.txt", "README.md", "DATA_CARD.md"
    }  # fmt: skip


def test_who_may_not_write_is_told_so_where_nothing_can_be_made(tmp_path: Path) -> None:
    script = "import sys\nfrom pathlib import Path\nfrom semshare.utils.files import file_lock\n"
    script += "with file_lock(Path(sys.argv[1]) / '.lock'): pass"
    tmp_path.chmod(0o555)
    command = [*_as_reader(), sys.executable, "-c", script, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8")
    assert done.stderr.strip().endswith(f"ReadOnlyError: {tmp_path / '.lock'}: cannot be locked: Permission denied")


@pytest.mark.parametrize("mask", [0o002, 0o022, 0o077])
def test_what_is_made_is_the_groups_as_the_mask_says(mask: int, run: Run, tmp_path: Path) -> None:
    run.dataset.source.picture("dev-000000").save(tmp_path / "a.png")
    seed, before = 60 + mask, {*cache_folder("words").iterdir(), *cache_folder("locks").iterdir()}
    earlier = os.umask(mask)
    try:
        made = runs.get(run.experiment.change(seed=seed), "cpu", quiet=True)
        _ = made.test
        model = PretrainedModel.of_run(made, "cpu")
        model.save_pretrained(tmp_path / "model")
        Retriever(model, "cpu", quiet=True).add_images(tmp_path, tmp_path / "index")
    finally:
        os.umask(earlier)
    folders = [made.folder, tmp_path / "model", tmp_path / "index"]
    files = [path for folder in folders for path in folder.iterdir()]
    files += {*cache_folder("words").iterdir(), *cache_folder("locks").iterdir()} - before
    assert {folder.stat().st_mode & 0o777 for folder in folders} == {0o777 & ~mask}
    assert {path.name: path.stat().st_mode & 0o777 for path in files} == dict.fromkeys(
        [path.name for path in files], 0o666 & ~mask
    )
    assert {".lock", "run.json", "model.safetensors", "index.json"} <= {path.name for path in files}
    assert sum(words_code() in path.name for path in files) == 2, "vectors and their lock"


def test_a_lock_is_held_by_one(tmp_path: Path) -> None:
    with file_lock(tmp_path / "a.lock"), pytest.raises(TimeoutError), file_lock(tmp_path / "a.lock", timeout=0):
        pass
    with file_lock(tmp_path / "a.lock", timeout=0):
        pass


def test_rights_and_a_full_disk_are_told_apart(tmp_path: Path) -> None:
    for code, readonly in ((13, True), (30, True), (1, True), (5, False)):
        with pytest.raises(Exception) as caught, atomic_write(tmp_path / "a"):
            raise OSError(code, os.strerror(code))
        assert isinstance(caught.value, ReadOnlyError) is readonly
