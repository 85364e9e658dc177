"""The regions of a source's pictures, kept in the cache and extracted where they are missing or outdated."""

from __future__ import annotations

from typing import TYPE_CHECKING

from filelock import FileLock

from semshare.data.dataset import items_checksum
from semshare.data.regions.extract import extract_to_store, refresh
from semshare.data.regions.registry import EXTRACTORS
from semshare.data.regions.simulated import RegionSimulator, simulate_to_store
from semshare.data.regions.store import FeatureStore
from semshare.errors import UserError
from semshare.utils.devices import find_device
from semshare.utils.home import cache_folder
from semshare.utils.progress import Progress
from semshare.utils.source import code_digest

if TYPE_CHECKING:
    from semshare.data.regions.base import RegionExtractor
    from semshare.data.source import Item, Source


def region_store(source: Source, items: list[Item], regions: str, device: str, verify: bool) -> FeatureStore:
    """The regions of the source's pool, extracted now where an item has none or its picture has changed.

    ``verify`` reads every picture's file; else only one whose stamp is another one is read.
    """
    if source.without_pictures and regions != "simulated":
        source.picture(source.pool_ids()[0])  # says so, before a folder is made
    drawn_from = items_checksum(items, source.label_names)[:12] if regions == "simulated" else source.pool
    folder = cache_folder("regions") / f"{drawn_from}-{regions}-{region_code(regions)}"
    with FileLock(f"{folder}.lock"):
        try:
            store = FeatureStore(folder)
            store.verify()
            complete = all(item.id in store or item.id in store.skipped for item in items)
        except UserError:
            complete = False  # none there, or a damaged one: extract again

        def make() -> RegionExtractor:
            return EXTRACTORS[regions](find_device(device))

        track, files = Progress(f"regions of {source.pool}").track, source.files
        if complete and regions == "simulated":
            return store
        if complete:
            return refresh(store, make, source.picture, files, track, verify)
        if regions == "simulated":
            column = {label: index for index, label in enumerate(source.label_names)}
            labels = [[column[label] for label in item.labels] for item in items]
            return simulate_to_store(RegionSimulator(len(column)), [item.id for item in items], labels, folder, track)
        extractor = make()
        ids, batch = source.pool_ids(), extractor.batch
        return extract_to_store(extractor, ids, source.picture, folder, track, batch, files=files)


def region_code(regions: str) -> str:
    """The digest of the code that makes ``regions``: its extractor and what opens a picture, with their imports."""
    if regions == "simulated":
        return code_digest(RegionSimulator.__module__)
    extractor = EXTRACTORS[regions]
    opens = "semshare.data.pictures:as_rgb"
    return code_digest(f"{extractor.__module__}:{extractor.__qualname__.partition('.')[0]}", opens)
