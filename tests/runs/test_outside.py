"""Methods and datasets from outside: registered by a module, trained in worker processes, with keys of their own."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from semshare import methods, runs
from semshare.data import catalogue
from semshare.errors import UserError
from semshare.runs import grid, keys, parallel

pytestmark = pytest.mark.slow
MODULE = """
from dataclasses import replace

import torch

from semshare import methods
from semshare.data import catalogue
from semshare.data.scenes.source import ScenesSource
from semshare.utils.home import cache_folder


def terms(outputs, labels, experiment):
    return {name: 2.0 * term for name, term in methods.label_terms(outputs, labels, experiment).items()}


def fit(experiment, dataset):
    return methods.dscmr_network(experiment, dataset)


methods.register(replace(methods.get("independent"), name="doubled", title="Doubled", terms=terms))
methods.register(replace(methods.get("dscmr"), name="fitted", title="Fitted", fit=fit))
catalogue.register("mine", lambda: ScenesSource.at("flickr25k", "smoke", cache_folder("scenes")), "tags")
"""


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    (tmp_path / "someones_package.py").write_text(MODULE, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("someones_package")
    for name in ("doubled", "fitted"):
        methods.METHODS.pop(name)
        methods._registered.pop(name)
    catalogue.CATALOGUE.pop("mine")
    catalogue._registered.pop("mine")
    sys.modules.pop("someones_package")


@pytest.mark.usefixtures("outside")
def test_worker_processes_know_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "cores", lambda: 2)
    plans = [runs.plan("mine", "doubled", "smoke", "cpu", seed=seed, epochs=1) for seed in (31, 32)]
    done = runs.get_all(plans, "cpu", quiet=True)
    assert [run.title for run in done] == ["Doubled"] * 2 and len({run.key for run in done}) == 2
    assert done[0].dataset.name == "mine" and done[0].test.numbers()["image_f1"] >= 0


@pytest.mark.usefixtures("outside")
def test_a_fit_of_its_own_has_an_empty_history_and_is_read_like_any_other() -> None:
    run = runs.get(runs.plan("scenes-flickr25k", "fitted", "smoke", "cpu", seed=33), quiet=True)
    assert run.history == [] and 0 <= run.test.numbers()["i2t"] <= 1
    assert run.card.exists()


def test_the_code_from_outside_is_in_the_key(outside: ModuleType) -> None:
    before = keys.code_parts("doubled")
    assert any(name.startswith("someones_package") for name in before)
    path = Path(str(outside.__file__))
    path.write_text(path.read_text(encoding="utf-8").replace("2.0 *", "3.0 *"), encoding="utf-8")
    keys._code_parts.cache_clear()
    other = keys.code_parts("doubled", keys.installed().__class__())
    assert other != before
    assert {name for name in before if name.startswith("semshare")} == {
        name for name in other if name.startswith("semshare")
    }


@pytest.mark.usefixtures("outside")
def test_what_a_notebook_registers_is_trained_in_its_own_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(methods._registered, "doubled", "__main__")
    monkeypatch.setattr(parallel, "cores", lambda: 2)
    monkeypatch.setattr(parallel, "ProcessPoolExecutor", lambda *_, **__: pytest.fail("a worker was started"))
    plans = [runs.plan("mine", "doubled", "smoke", "cpu", seed=seed, epochs=1) for seed in (34, 35)]
    assert len(runs.get_all(plans, "cpu", quiet=True)) == 2
    with pytest.raises(UserError, match="registered in a script or notebook, which workers cannot import"):
        grid.train(plans, "cpu")


@pytest.mark.usefixtures("outside")
def test_a_name_that_is_taken_is_refused() -> None:
    with pytest.raises(UserError, match="dataset: 'coco' is there already"):
        catalogue.register("coco", lambda: None, "captions")  # type: ignore[arg-type, return-value]


SCRIPT = """
from dataclasses import replace

from semshare import methods, runs
from semshare.runs import keys

FACTOR = 2.0

def scaled(terms):
    return {name: FACTOR * term for name, term in terms.items()}

def terms(outputs, labels, experiment):
    return scaled(methods.label_terms(outputs, labels, experiment))

methods.register(replace(methods.get("independent"), name="mine", title="Mine", terms=terms))
print("CODE", keys.key_of(keys.code_parts("mine")))
if __name__ == "__main__" and TRAIN:
    run = runs.get(runs.plan("scenes-flickr25k", "mine", "smoke", "cpu", epochs=1), quiet=True)
    print("F1", run.test.numbers()["image_f1"])
"""


def _script(folder: Path, text: str) -> str:
    path = folder / "script.py"
    path.write_text(text, encoding="utf-8")
    done = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, check=True, encoding="utf-8")
    return done.stdout


def test_a_method_of_a_script_or_notebook_is_trained_and_its_code_is_in_the_key(tmp_path: Path) -> None:
    out = _script(tmp_path, SCRIPT.replace("TRAIN", "True"))
    assert "F1 0." in out
    code = out.splitlines()[0]
    asks = SCRIPT.replace("TRAIN", "False")
    assert _script(tmp_path, asks).strip() == code
    assert _script(tmp_path, asks.replace("def terms", "# a comment\ndef terms")).strip() == code
    assert _script(tmp_path, asks.replace("FACTOR = 2.0", "FACTOR = 3.0")).strip() != code
    assert _script(tmp_path, asks.replace("FACTOR * term", "term * FACTOR")).strip() != code


@pytest.mark.parametrize(
    ("setting", "other"),
    [
        ("[.1, .2]", "[.1, .3]"),
        ('{"weight": 1.}', '{"weight": 2.}'),
        ('{"a", "b", "c"}', '{"a", "b", "d"}'),
        ('{"a": {"x", "y", "zz"}}', '{"a": {"x", "y"}}'),
        ("None", "True"),
        ("(1, [2])", "(1, [3])"),
        ("__import__('os').times_result((1, 2, 3, 4, 5))", "__import__('os').times_result((1, 2, 3, 4, 6))"),
        (
            "__import__('collections').namedtuple('Pair', 'a b')(1, 2)",
            "__import__('collections').namedtuple('Pair', 'a b')(1, 3)",
        ),
    ],
)
def test_what_a_scripts_method_is_set_to_is_in_the_key(tmp_path: Path, setting: str, other: str) -> None:
    asks = SCRIPT.replace("TRAIN", "False")
    first, again, changed = (
        _script(tmp_path, asks.replace("FACTOR = 2.0", f"SET = {value}").replace("FACTOR *", "len(str(SET)) *"))
        for value in (setting, setting, other)
    )
    assert first == again != changed


def test_a_module_of_the_users_own_counts_for_a_scripts_method(tmp_path: Path) -> None:
    (tmp_path / "my_losses.py").write_text("FACTOR = 2.0\n\ndef weight():\n    return FACTOR\n", encoding="utf-8")
    asks = SCRIPT.replace("TRAIN", "False").replace("FACTOR = 2.0", "import my_losses")
    asks = asks.replace("FACTOR *", "my_losses.weight() *")
    before = _script(tmp_path, asks)
    (tmp_path / "my_losses.py").write_text("FACTOR = 3.0\n\ndef weight():\n    return FACTOR\n", encoding="utf-8")
    assert _script(tmp_path, asks) != before
    taken = asks.replace("import my_losses", "from my_losses import weight").replace("my_losses.weight()", "weight()")
    before = _script(tmp_path, taken)
    (tmp_path / "my_losses.py").write_text("FACTOR = 4.0\n\ndef weight():\n    return FACTOR\n", encoding="utf-8")
    assert _script(tmp_path, taken) != before
