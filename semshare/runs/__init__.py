"""Finished runs: planned, trained once, found again. The names below load what they need when they are first used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from semshare.runs.finding import find
    from semshare.runs.parallel import get_all
    from semshare.runs.planning import plan
    from semshare.runs.store import Run, get

_WHERE = {"plan": "planning", "Run": "store", "find": "finding", "get": "store", "get_all": "parallel"}
__all__ = ["Run", "find", "get", "get_all", "plan"]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
