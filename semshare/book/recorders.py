"""All that ``semshare record`` makes, by the name of its file in ``book/recorded/``."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from semshare.book import unseen
from semshare.paper import recordings
from semshare.paper.ablations import STUDIES
from semshare.search import transfer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# From the dataset's folder and a device to the file that was written.
RECORDERS: dict[str, Callable[[Path | None, str], Path]] = {
    **{name: partial(recordings.record, study) for name, study in STUDIES.items()},
    transfer.NAME: transfer.record,
    unseen.NAME: unseen.record,
}
