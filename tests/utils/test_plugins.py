"""Entry points of other packages are used, and what is wrong with one is said."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from semshare.data import catalogue
from semshare.data.regions import registry
from semshare.errors import UserError
from semshare.utils import plugins


def _point(monkeypatch: pytest.MonkeyPatch, load: object, group: str) -> None:
    point = SimpleNamespace(value="package:thing", load=load)
    monkeypatch.setattr(plugins, "entry_points", lambda group: [point] if group == asked else [])
    asked = group


def test_each_is_loaded_and_handed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    _point(monkeypatch, lambda: 5, "g")
    used: list[int] = []
    plugins.use_entry_points("g", "thing", used.append)
    plugins.use_entry_points("other", "thing", used.append)
    assert used == [5]


def test_what_cannot_be_loaded_or_used_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    _point(monkeypatch, lambda: 1 / 0, "g")
    with pytest.raises(UserError, match="thing: package:thing of another package cannot be loaded: division by zero"):
        plugins.use_entry_points("g", "thing", print)

    def refuse(loaded: object) -> None:
        raise UserError("dataset: 'mine' is there already")

    _point(monkeypatch, lambda: 1, "g")
    with pytest.raises(UserError, match=r"^dataset: 'mine' is there already"):
        plugins.use_entry_points("g", "thing", refuse)


@pytest.mark.parametrize("module", [catalogue, registry])
def test_names_are_those_of_other_packages_too(module: object, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[bool] = []
    _point(monkeypatch, lambda: lambda: called.append(True), module.ENTRY_POINTS)
    module._load_entry_points.cache_clear()
    module.names()
    module._load_entry_points.cache_clear()
    assert called == [True]
