"""What carries the project elsewhere: workflows, the container, the source distribution and the wheel.

actionlint and hadolint look at them where they are on the PATH or beside this Python.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
VARIABLES = set(re.findall(r"^([A-Z]+) \?=", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")


def tool(name: str) -> str:
    """Where the program ``name`` is; without it the test is skipped."""
    path = shutil.which(name, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    return path or pytest.skip(f"{name} is not installed")


def made_by(words: list[str]) -> None:
    """Check that ``make`` knows the targets and variables of the command ``words``."""
    assert words[0] == "make", words
    targets = [word for word in words[1:] if "=" not in word]
    assert targets and set(targets) <= TARGETS, words
    assert {word.partition("=")[0] for word in words[1:] if "=" in word} <= VARIABLES, words


def read(path: Path) -> dict[Any, Any]:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def steps(path: Path) -> list[dict[str, Any]]:
    return [step for job in read(path)["jobs"].values() for step in job["steps"]]


def test_there_are_workflows() -> None:
    assert [path.name for path in WORKFLOWS] == ["pages.yml", "tests.yml"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_calls_what_the_makefile_has_and_pinned_actions(path: Path) -> None:
    for step in steps(path):
        assert ("run" in step) != ("uses" in step), step
        if "run" in step:
            made_by(shlex.split(re.sub(r"\$\{\{.*?\}\}", "value", step["run"])))
        else:
            assert re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", step["uses"]), step
    named = re.findall(r"uses: \S+(.*)", path.read_text(encoding="utf-8"))
    assert named and all(re.fullmatch(r" # v\d+\.\d+\.\d+", comment) for comment in named)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_may_read_and_no_more_unless_a_job_says_so(path: Path) -> None:
    workflow = read(path)
    assert workflow["permissions"] == {"contents": "read"}
    granted = {name: job["permissions"] for name, job in workflow["jobs"].items() if "permissions" in job}
    assert granted == ({"deploy": {"pages": "write", "id-token": "write"}} if path.name == "pages.yml" else {})
    assert all(job["timeout-minutes"] for job in workflow["jobs"].values())
    assert "secrets." not in path.read_text(encoding="utf-8")


def test_the_tests_run_on_every_python_that_the_package_allows() -> None:
    jobs = read(ROOT / ".github" / "workflows" / "tests.yml")["jobs"]
    assert jobs["test"]["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13"]
    assert [step["run"] for step in jobs["test"]["steps"] if "run" in step] == ["make test PYTHON=python"]


def test_the_smoke_book_is_kept_and_the_laptop_book_goes_to_pages_on_a_tag() -> None:
    smoke = read(ROOT / ".github" / "workflows" / "tests.yml")["jobs"]["book"]["steps"]
    assert [step["run"] for step in smoke if "run" in step] == ['make book PYTHON=python BOOK="--scale smoke"']
    assert smoke[-1]["with"]["path"] == "_build/html"
    pages = read(ROOT / ".github" / "workflows" / "pages.yml")
    assert pages[True] == {"push": {"tags": ["v*"]}}  # YAML 1.1 reads the key `on` as a truth value
    build = pages["jobs"]["build"]["steps"]
    assert [step["run"] for step in build if "run" in step] == ["make book PYTHON=python"]  # laptop is the default
    assert build[-1]["with"]["path"] == "_build/html"
    assert pages["jobs"]["deploy"]["needs"] == "build"


def test_actionlint_finds_nothing() -> None:
    done = subprocess.run([tool("actionlint"), *map(str, WORKFLOWS)], capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, done.stdout + done.stderr


def instructions() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile, each with the rest of its line, continued lines joined."""
    kept = "\n".join(line for line in DOCKERFILE.splitlines() if not line.startswith("#"))
    lines = kept.replace("\\\n", " ").splitlines()
    return [(line.split()[0], line.split(None, 1)[1]) for line in lines if line.strip()]


def test_the_container_copies_what_exists_and_makes_what_the_makefile_has() -> None:
    copied = [shlex.split(rest) for name, rest in instructions() if name == "COPY"]
    for words in copied:
        files = [word for word in words if not word.startswith("--")][:-1]
        assert files and all((ROOT / file).exists() for file in files), words
        assert "--chown=${NB_UID}" in words
    assert any("." in words for words in copied)
    made = [shlex.split(rest) for name, rest in instructions() if name == "RUN" and rest.startswith("make ")]
    made += [yaml.safe_load(rest) for name, rest in instructions() if name == "CMD"]
    for words in made:
        made_by(words)
    assert [words[1] for words in made] == ["venv", "book", "lab"]


def test_the_environment_of_the_container_needs_no_more_than_is_copied_before_it(tmp_path: Path) -> None:
    """What setup reads is there before the code is, so that an edit of the code installs nothing anew."""
    before: list[str] = []
    for name, rest in instructions():
        if name == "RUN" and rest == "make venv":
            break
        if name == "COPY":
            before += [word for word in shlex.split(rest) if not word.startswith("--")][:-1]
    rule = re.search(r"^\.venv/\.stamp: (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert rule and set(rule[1].split()) <= set(before)
    for name in before:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    ask = "from setuptools import build_meta; build_meta.prepare_metadata_for_build_editable('.')"
    done = subprocess.run([sys.executable, "-c", ask], cwd=tmp_path, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr


def test_the_container_is_pinned_and_runs_as_no_root() -> None:
    (base,) = [rest for name, rest in instructions() if name == "FROM"]
    assert re.fullmatch(r"python:3\.1[123]\.\d+-slim-[a-z]+", base)
    users = [rest for name, rest in instructions() if name == "USER"]
    assert users == ["${NB_UID}"] and "ARG NB_UID=1000" in DOCKERFILE
    names = [name for name, _ in instructions()]
    assert names.index("USER") < min(place for place, (name, _) in enumerate(instructions()) if name == "COPY")


def test_hadolint_finds_nothing() -> None:
    done = subprocess.run([tool("hadolint"), ROOT / "Dockerfile"], capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, done.stdout + done.stderr


def tracked() -> list[str]:
    """The files that git knows, as they are here; without git the test is skipped."""
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, encoding="utf-8")
    if done.returncode:
        pytest.skip("no git checkout here")
    return [name for name in done.stdout.splitlines() if (ROOT / name).is_file()]


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source distribution of a copy of the checkout, unpacked."""
    folder = tmp_path_factory.mktemp("sdist")
    for name in tracked():
        (folder / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / "tree" / name)
    ask = "from setuptools import build_meta; print(build_meta.build_sdist('../out'))"
    subprocess.run([sys.executable, "-c", ask], cwd=folder / "tree", capture_output=True, check=True)
    (archive,) = (folder / "out").glob("semshare-*.tar.gz")
    with tarfile.open(archive) as packed:
        packed.extractall(folder / "unpacked", filter="data")
    (unpacked,) = (folder / "unpacked").iterdir()
    return unpacked


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that the source distribution gives without the network."""
    folder = tmp_path_factory.mktemp("wheel")
    words = ["-m", "pip", "wheel", "--no-build-isolation", "--no-deps", "--no-index", "-q", "-w", str(folder), "."]
    subprocess.run([sys.executable, *words], cwd=sdist, check=True)
    (built,) = folder.glob("semshare-*.whl")
    return built


@pytest.mark.slow
def test_the_source_distribution_holds_every_file_of_the_checkout(sdist: Path) -> None:
    assert [name for name in tracked() if not (sdist / name).is_file()] == []


@pytest.mark.slow
def test_the_wheel_holds_every_file_of_the_package(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as packed:
        names = {name for name in packed.namelist() if ".dist-info/" not in name}
    assert names == {name for name in tracked() if name.startswith("semshare/")}


@pytest.mark.slow
def test_the_wheel_works_in_an_empty_environment_with_its_extras(wheel: Path, tmp_path: Path) -> None:
    """Its dependencies are seen through a .pth file; pip looks at no index and checks that all extras are met."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    python = tmp_path / "venv" / "bin" / "python"
    (site,) = (tmp_path / "venv" / "lib").glob("python3*/site-packages")
    here = next(path for path in sys.path if path.endswith("site-packages"))
    (site / "dependencies.pth").write_text(f"{here}\n", encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHONPATH", "PIP_"))}
    environment |= {"SEMSHARE_HOME": str(tmp_path / "home"), "PIP_CONFIG_FILE": os.devnull}

    def run(*words: str | Path) -> str:
        done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, encoding="utf-8")
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    install = (sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-index")
    run(*install, "--force-reinstall", "--no-deps", wheel)
    run(*install, f"semshare[all] @ {wheel.as_uri()}")
    printed = run(python, "-c", "import semshare; print(semshare.__version__, semshare.__file__)").split()
    assert printed[1] == str(site / "semshare" / "__init__.py")
    assert printed[0] in run(python.with_name("semshare"), "--version")
    plan = "import semshare; print(semshare.plan('scenes-flickr25k', 'ours', 'smoke').to_json())"
    assert '"method": "ours"' in run(python, "-c", plan)
    manifests = (
        "from importlib.resources import files; print(*(files('semshare') / 'data/readers/manifests').iterdir())"
    )
    assert "coco16k.json" in run(python, "-c", manifests)
