"""Label-wise image-text retrieval. The names below load what they need when they are first used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from semshare import losses, metrics
    from semshare.experiment import Experiment
    from semshare.runs.planning import plan
    from semshare.runs.store import get
    from semshare.runs.train import train
    from semshare.search.retriever import Retriever

__version__ = "0.1.0"
_WHERE = {
    "Experiment": "semshare.experiment",
    "plan": "semshare.runs.planning",
    "get": "semshare.runs.store",
    "Retriever": "semshare.search.retriever",
    "train": "semshare.runs.train",
}
_MODULES = ("losses", "metrics")
__all__ = ["Experiment", "Retriever", "__version__", "get", "losses", "metrics", "plan", "train"]


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(import_module(_WHERE[name]), name)
    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
