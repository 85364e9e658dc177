"""Datasets: readers, pictures, regions, words. ``build`` makes one of what is in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from semshare.data.memory import build

__all__ = ["build"]


def __getattr__(name: str) -> Any:
    if name == "build":
        from semshare.data.memory import build

        return build
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
