"""The regions of a source's pictures, kept in the cache and extracted where they are missing or outdated."""

from __future__ import annotations

from contextlib import ExitStack
from itertools import islice
from typing import TYPE_CHECKING

from semshare.data.dataset import items_checksum
from semshare.data.readers.precomputed.base import PrecomputedSource
from semshare.data.regions.extract import doubted, extract_to_store, refresh
from semshare.data.regions.registry import EXTRACTORS, PRECOMPUTED, SIMULATED
from semshare.data.regions.simulated import RegionSimulator, simulate_to_store
from semshare.data.regions.store import FeatureStore
from semshare.data.regions.visual_words import classes_code
from semshare.errors import UserError
from semshare.utils.counts import counted
from semshare.utils.devices import find_device
from semshare.utils.files import ReadOnlyError, file_lock
from semshare.utils.home import cache_folder
from semshare.utils.progress import Progress, tell
from semshare.utils.source import code_digest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from semshare.data.regions.arrays import ArrayStore
    from semshare.data.regions.base import RegionExtractor
    from semshare.data.source import Item, Source

_NAMED = 3  # pictures left out that are named; the others are counted


def region_store(
    source: Source, items: list[Item], regions: str, device: str, verify: bool
) -> FeatureStore | ArrayStore:
    """The regions of the source's pool, extracted now where an item has none or its picture has changed.

    ``verify`` reads every picture's file; else only one whose stamp is another one is read. Regions of feature files
    stay where they are.
    """
    if regions == PRECOMPUTED:
        if isinstance(source, PrecomputedSource):
            return source.region_store(verify)
        raise UserError(f"regions: {source.name} has no feature files, which {PRECOMPUTED!r} would be read from")
    if source.without_pictures and regions != SIMULATED:
        source.picture(source.pool_ids()[0])  # says so, before a folder is made
    extractor = None if regions == SIMULATED else EXTRACTORS[regions]
    if extractor is not None and extractor.weights:
        fetch = extractor.weights().fetch  # the folder's name holds their digest
        fetch(lambda line: tell(line, stays=True))  # standard output is the command's
    folder = _folder(source, items, regions)
    store, files = _complete(folder, items), source.files
    if store is not None and (regions == SIMULATED or not doubted(store, files, verify)):
        return store  # reading takes no lock
    with ExitStack() as stack:
        try:
            stack.enter_context(file_lock(folder.with_name(f"{folder.name}.lock")))
        except ReadOnlyError:
            if store is None:
                raise
        store = _complete(folder, items)  # another process may have been faster

        def make() -> RegionExtractor:
            return EXTRACTORS[regions].make(find_device(device))

        track = Progress(f"regions of {source.pool}").track
        if store is not None:
            return store if regions == SIMULATED else refresh(store, make, source.picture, files, track, verify)
        if regions == SIMULATED:
            column = {label: index for index, label in enumerate(source.label_names)}
            labels = [[column[label] for label in item.labels] for item in items]
            return simulate_to_store(RegionSimulator(len(column)), [item.id for item in items], labels, folder, track)
        extractor = make()
        ids, batch = source.pool_ids(), extractor.batch
        return extract_to_store(extractor, ids, source.picture, folder, track, batch, files=files)


def _complete(folder: Path, items: list[Item]) -> FeatureStore | None:
    """The store in ``folder``, if it is whole and has been through all of ``items``."""
    try:
        store = FeatureStore(folder)
        store.verify()
    except UserError:
        return None  # none there, or a damaged one: extracted again
    return store if all(item.id in store or item.id in store.skipped for item in items) else None


def left_out(source: Source, items: list[Item], regions: str) -> dict[str, str]:
    """The items without regions and why, as far as they were tried to be extracted before."""
    try:
        skipped = FeatureStore(_folder(source, items, regions)).skipped
    except UserError:
        return {}
    return {item.id: skipped[item.id] for item in items if item.id in skipped}


def left_out_notes(skipped: Mapping[str, str]) -> list[str]:
    """How many pictures were left out, the first few named with the reason; no line where there are none."""
    if not skipped:
        return []
    first = "; ".join(
        reason if f"/{id}: " in reason else f"{id}: {reason}"  # a path that stands in the reason stands there once
        for id, reason in islice(skipped.items(), _NAMED)
    )
    more = f"; ... and {len(skipped) - _NAMED:,} more" if len(skipped) > _NAMED else ""
    return [f"{counted(len(skipped), 'picture')} cannot be used, left out: {first}{more}"]


def _folder(source: Source, items: list[Item], regions: str) -> Path:
    """Where the regions of the source's pool are kept."""
    drawn_from = items_checksum(items, source.label_names)[:12] if regions == SIMULATED else source.pool
    return cache_folder("regions") / f"{drawn_from}-{regions}-{region_code(regions)}"


def region_code(regions: str) -> str:
    """The digest of the code that makes ``regions``: its extractor and what opens a picture, with their imports.

    That of the extractor's file of weights follows it, where there is one.
    """
    if regions == SIMULATED:
        return code_digest(RegionSimulator.__module__)
    if regions == PRECOMPUTED:
        return classes_code()
    extractor = EXTRACTORS[regions]
    opens = "semshare.data.pictures:as_rgb"
    make = extractor.make
    code = code_digest(f"{make.__module__}:{make.__qualname__.partition('.')[0]}", opens)
    weights = extractor.weights().digest() if extractor.weights else ""
    return code + (f"-{weights}" if weights else "")
