"""What the tests of drawn scenes share."""

from __future__ import annotations

import pytest

from semshare.data.scenes.layout import LABELS, View
from semshare.data.scenes.source import ScenesSource


@pytest.fixture(scope="session")
def many(tmp_path_factory: pytest.TempPathFactory) -> dict[View, ScenesSource]:
    """1,500 scenes a view, listed and never drawn."""
    folder = tmp_path_factory.mktemp("listed")
    sizes = {"train": 1500, "dev": 1, "test": 1}
    sources = {view: ScenesSource(view, sizes, folder) for view in LABELS}
    for source in sources.values():
        source.items()
    assert list(folder.iterdir()) == [], "listing items draws nothing"
    return sources
