"""What the tests of runs share."""

from __future__ import annotations

from pathlib import Path

import pytest

from semshare import training
from semshare.data import words
from semshare.data.regions import kept


@pytest.fixture
def no_work(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing may be opened, drawn, extracted or trained; gives the home, which must stay empty of results."""

    def work(*_: object, **__: object) -> None:
        raise AssertionError("work was begun")

    for module, name in ((kept, "extract_to_store"), (words, "train_word2vec"), (training, "fit")):
        monkeypatch.setattr(module, name, work)
    return own_home
