"""The catalogue: from a dataset's name to a :class:`PairedDataset`, its regions and words cached on disk."""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, Literal

from semshare.data.collections import Datasets
from semshare.data.dataset import PairedDataset, build_parts, check_items, check_words, items_checksum
from semshare.data.labels import check_labels, unlearnt_notes
from semshare.data.readers.coco import CocoSource, KarpathySource
from semshare.data.readers.custom import tagged_rows
from semshare.data.readers.manifest import COCO16K, ManifestSource, remembered, remembered_names
from semshare.data.readers.mirflickr import FlickrTextSource, MirflickrSource
from semshare.data.readers.nuswide import Concepts, NusWideSource
from semshare.data.regions.extract import say
from semshare.data.regions.kept import left_out_notes, region_store
from semshare.data.regions.registry import known_regions
from semshare.data.remembered import noted_tokens, stored
from semshare.data.scenes.source import ScenesSource
from semshare.data.scripts import unspaced_notes
from semshare.data.source_checks import checked
from semshare.data.tokens import OWN, Tokenizer, find
from semshare.data.words import Vocabulary, word_vectors
from semshare.errors import UserError
from semshare.utils.home import cache_folder, home
from semshare.utils.plugins import use_entry_points

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from semshare.data.scenes.layout import View
    from semshare.data.source import Item, Source


@dataclass(frozen=True)
class Entry:
    """How a dataset is opened.

    ``open`` takes scale, root and split seed; ``reads`` names which of the last two mean something. A dataset with
    ``trained_as`` shares that one's training and tests on the first ``test_size`` images of its test split (COCO1K
    within COCO5K). Where no root is given, a dataset that is not generated is looked for in the ``folders`` of the data
    cache, the first of them first (:func:`semshare.data.remembered.stored`). ``regions`` is the region extractor it
    takes when none is named and it was not prepared with another.
    """

    open: Callable[[str, Path | None, int], Source]
    text_kind: Literal["tags", "captions"]
    reads: frozenset[str] = frozenset()
    trained_as: str | None = None
    test_size: int | None = None
    folders: tuple[str, ...] = ()
    regions: str = "grid"


def _scenes(view: View) -> Callable[[str, Path | None, int], Source]:
    return lambda scale, root, split_seed: ScenesSource.at(view, scale, cache_folder("scenes"))


def _nuswide(concepts: Concepts) -> Callable[[Path, int], Source]:
    return lambda root, split_seed: NusWideSource(root, concepts, split_seed)


def _on_disk(
    name: str,
    read: Callable[[Path, int], Source],
    text_kind: Literal["tags", "captions"],
    holds: str,
    folders: tuple[str, ...],
    **shared: Any,
) -> Entry:
    """The entry of a dataset that lies in a folder which ``holds`` what the message says where there is none."""

    reads = frozenset({"root"} if read is _karpathy else {"root", "split_seed"})
    return Entry(
        lambda scale, root, seed: read(root or _found(name, holds, folders), seed),
        text_kind,
        reads,
        folders=folders,
        **shared,
    )


def _found(name: str, holds: str, folders: tuple[str, ...]) -> Path:
    """Where dataset ``name`` lies, which needs what ``holds`` says, when no root is given."""
    if (place := stored(folders)) is not None:
        return place.resolve()
    raise UserError(
        f"root: missing; dataset {name!r} needs {holds}: run semshare data prepare {name}, with --root where you "
        f"have it at hand (nothing at {home() / 'data' / folders[0]})"
    )


def _listed(name: str, manifest: Path) -> Entry:
    """The entry of the part of COCO that ``manifest`` lists; COCO as prepared for ``coco5k`` serves as well."""
    folders = (name, "coco")
    return Entry(
        lambda scale, root, seed: ManifestSource(root or _found(name, _COCO_OR_PAIRS, folders), manifest, scale),
        "captions",
        frozenset({"root"}),
        folders=folders,
    )


def _karpathy(root: Path, split_seed: int) -> Source:
    return KarpathySource(root)  # its split is fixed, whatever the seed


_FLICKR = ("flickr25k-simulated", "flickr25k")
_FOLDER = "the folder that holds"
_NUS = f"{_FOLDER} ImageList/, Groundtruth/ and NUS_WID_Tags/"
_TAGS_ONLY = f"{_FOLDER} all_tags.txt and the files beside it, or mirflickr/meta/tags"
_COCO_2014 = f"{_FOLDER} COCO 2014's annotations/ and dataset_coco.json"
_COCO_OR_PAIRS = f"{_FOLDER} COCO 2014's annotations/ and pictures, or pairs.jsonl and small copies"
_ROWS = "the JSONL or CSV file of your collection"

CATALOGUE = Datasets(
    {
        "scenes-flickr25k": Entry(_scenes("flickr25k"), "tags"),
        "scenes-nuswide": Entry(_scenes("nuswide"), "tags"),
        "scenes-coco1k": Entry(_scenes("coco"), "captions", trained_as="scenes-coco5k", test_size=1000),
        "scenes-coco5k": Entry(_scenes("coco"), "captions"),
        "flickr25k": _on_disk("flickr25k", MirflickrSource, "tags", f"{_FOLDER} mirflickr/", ("flickr25k",)),
        "flickr25k-simulated": _on_disk(
            "flickr25k-simulated", FlickrTextSource, "tags", _TAGS_ONLY, _FLICKR, regions="simulated"
        ),
        "nuswide": _on_disk("nuswide", _nuswide("tc10"), "tags", _NUS, ("nuswide",)),
        "nuswide-tc21": _on_disk("nuswide-tc21", _nuswide("tc21"), "tags", _NUS, ("nuswide",)),
        "coco1k": _on_disk("coco1k", _karpathy, "captions", _COCO_2014, ("coco",), trained_as="coco5k", test_size=1000),
        "coco5k": _on_disk("coco5k", _karpathy, "captions", _COCO_2014, ("coco",)),
        "coco": _on_disk("coco", CocoSource, "captions", f"{_FOLDER} COCO's annotations/", ("coco",)),
        "coco16k": _listed("coco16k", COCO16K),
        "custom": _on_disk("custom", tagged_rows, "tags", _ROWS, ("custom",)),
    },
    Entry,
    _found,
)


ENTRY_POINTS = "semshare.datasets"  # the group in which another package names functions that register datasets
_registered: dict[str, str] = {}  # datasets from outside, by name the module that registers them


def register(
    name: str,
    open: Callable[[], Source],
    text_kind: Literal["tags", "captions"],
    regions: str = "grid",
    module: str | None = None,
) -> None:
    """Add a dataset from outside; the command line, the run store and worker processes then know it.

    A worker process imports the module that calls this, so call it when that module is imported. Code in a notebook
    cannot be imported: its runs are trained in the notebook's own process, one after another.

    ``name`` is what it is called everywhere, ``open`` gives the source, ``text_kind`` is what its texts are (lambda and
    what retrieval ranks follow from it), ``regions`` what makes its regions when none are named, ``module`` what a
    worker imports (by default the caller's; ``__main__`` can be imported by none). Raises :class:`UserError` where
    another dataset has that name.
    """
    module = module or sys._getframe(1).f_globals["__name__"]
    if name in CATALOGUE and _registered.get(name) != module:
        raise UserError(f"dataset: {name!r} is there already; give yours another name")
    CATALOGUE[name] = Entry(lambda scale, root, split_seed: checked(name, open()), text_kind, regions=regions)
    _registered[name] = module


def modules_to_import() -> list[str]:
    """The modules that a worker process must import to know the datasets registered here."""
    return sorted(set(_registered.values()) - {"__main__"})


def is_of_main(name: str) -> bool:
    """Whether the dataset called ``name`` was registered by code that no other process can import: a notebook's."""
    return _registered.get(name) == "__main__"


def is_from_outside(name: str) -> bool:
    """Whether the dataset called ``name`` was registered by code from outside."""
    return name in _registered


def entry(name: str) -> Entry:
    """The entry of ``name``; raises :class:`UserError` listing the known datasets."""
    if name not in CATALOGUE:
        _load_entry_points()
    if name in CATALOGUE:
        return CATALOGUE[name]
    if (manifest := remembered(name)) is not None:
        return _listed(name, manifest)
    raise UserError(f"dataset: unknown {name!r}, expected one of {', '.join(names())}")


def names() -> list[str]:
    """Every dataset's name: the catalogue's, other packages' among them, then those prepared with a manifest."""
    _load_entry_points()
    return [*CATALOGUE, *(name for name in remembered_names() if name not in CATALOGUE)]


@cache
def _load_entry_points() -> None:
    use_entry_points(ENTRY_POINTS, "dataset", lambda register: register())


def note_file(name: str, kind: Literal["regions", "tokens"]) -> Path | None:
    """Where ``semshare data prepare`` leaves the name of the regions, or tokens, that a dataset was last prepared with.

    None for a generated dataset: what the book shows by default does not depend on what was prepared.
    """
    folders = entry(name).folders
    return home() / "data" / f"{folders[0]}.{kind}" if folders else None


def regions_of(name: str) -> str:
    """The regions that a dataset takes where none are named: those it was last prepared with, else its own.

    Raises:
        UserError: an unknown dataset, or a file of :func:`note_file` that names no regions.
    """
    path = note_file(name, "regions")
    if path is None or not path.is_file():
        return entry(name).regions
    return known_regions(path.read_text(encoding="utf-8", errors="replace").strip(), f"{path}: regions")


def tokens_of(name: str) -> Tokenizer:
    """How the texts of a dataset are cut where nothing is said: as when it was last prepared, else by the own rule.

    Raises:
        UserError: an unknown dataset, or a file of :func:`note_file` that names no tokenizer that is there.
    """
    return noted_tokens(note_file(name, "tokens"))


def trained_as(name: str) -> str:
    """The dataset whose training ``name`` shares: itself, for all but COCO1K."""
    return entry(name).trained_as or name


def load(
    name: str,
    scale: str,
    root: Path | None = None,
    regions: str | None = None,
    split_seed: int = 0,
    seed: int = 0,
    device: str = "auto",
    missing_regions: float = 0.0,
    missing_words: float = 0.0,
    train_items: int | None = None,
    first_boxes: bool = False,
    unknown_words: bool = False,
    verify: bool = False,
    tokens: str | None = None,
) -> PairedDataset:
    """Open dataset ``name``, extracting regions and training Word2Vec the first time.

    Args:
        name: a name of the catalogue.
        scale: decides the size of generated datasets.
        root: the folder of a dataset that is not generated.
        regions: the region extractor's name, or ``simulated``; :func:`regions_of` the dataset by default.
        split_seed: seed of the split, where the dataset has no official one.
        seed: seed of Word2Vec.
        device: where regions are extracted; ``auto`` takes CUDA when present.
        missing_regions, missing_words, train_items: see :meth:`~semshare.data.dataset.PairedDataset.thinned`.
        first_boxes, unknown_words: see :class:`~semshare.data.dataset.PairedDataset`.
        verify: read every picture again, and extract those whose content is another one; else only a picture whose
            file has another size, time or inode is.
        tokens: how texts are cut into words (:func:`semshare.data.tokens.find`); :func:`tokens_of` it by default.

    Raises:
        UserError: an unknown name, or data that cannot be used.
    """
    if verify:
        forget_loaded()
    chosen = known_regions(regions) if regions else regions_of(name)
    tokenizer = find(tokens) if tokens else tokens_of(name)
    dataset = _load(name, scale, root, chosen, split_seed, seed, _Place(device, verify), tokenizer)
    if missing_regions or missing_words or train_items:
        dataset = dataset.thinned(missing_regions, missing_words, train_items)
    if first_boxes or unknown_words:
        dataset = replace(dataset, first_boxes=first_boxes, unknown_words=unknown_words)
    return dataset


@dataclass(frozen=True)
class _Place:
    """Where missing regions are extracted; all are equal, since a cached dataset is the same wherever that was."""

    device: str = field(compare=False)
    verify: bool = field(default=False, compare=False)


@lru_cache(maxsize=64)
def _load(
    name: str, scale: str, root: Path | None, regions: str, split_seed: int, seed: int, place: _Place, tokens: Tokenizer
) -> PairedDataset:
    """:func:`load` of all the data, with the regions named."""
    chosen = entry(name)
    if chosen.trained_as:
        whole = _load(chosen.trained_as, scale, root, regions, split_seed, seed, place, tokens)
        test = whole.parts["test"].first(chosen.test_size)
        return replace(whole, name=name, parts={**whole.parts, "test": test})
    source = chosen.open(scale, root, split_seed)
    items = source.items()
    check_labels(name, source.label_names)
    check_items(name, items, source.label_names)
    check_words(name, items, tokens)
    store = region_store(source, items, regions, place.device, place.verify)
    if skipped := {item.id: store.skipped[item.id] for item in items if item.id in store.skipped}:
        source.notes = (*source.notes, *left_out_notes(skipped))
        say(f"{name}: {source.notes[-1]}")
        items = [item for item in items if item.id not in skipped]
        check_items(name, items, source.label_names)
        check_words(name, items, tokens)
    source.notes = (*source.notes, *unlearnt_notes(items, source.label_names), *unspaced_notes(items, tokens))
    texts, vocabulary = vocabulary_of(items, source.text_kind, tokens)
    made_from = f"{items_checksum(items, source.label_names)} {store.checksum}"
    made_from += "" if tokens == OWN else f" {tokens.digest}"  # so that older checksums stay
    return PairedDataset(
        name=name,
        status="simulated" if regions == "simulated" and source.status != "stand-in" else source.status,
        text_kind=source.text_kind,
        label_names=source.label_names,
        supercategories=source.supercategories,
        attribution=source.attribution,
        parts=build_parts(items, source.label_names, vocabulary, tokens),
        vocabulary=vocabulary,
        vectors=word_vectors(texts, vocabulary, seed),
        store=store,
        source=source,
        checksum=hashlib.sha256(made_from.encode()).hexdigest(),
        tokenizer=tokens,
    )


def vocabulary_of(items: Sequence[Item], text_kind: str, tokenizer: Tokenizer) -> tuple[list[list[str]], Vocabulary]:
    """The words of each training text among ``items``, and the vocabulary: of many captions without rare words."""
    texts = [tokenizer.cut(text) for item in items if item.split == "train" for text in item.texts]
    return texts, Vocabulary.build(texts, min_count=4 if text_kind == "captions" and len(texts) > 10_000 else 1)


def forget_loaded() -> None:
    """Let the next :func:`load` read from disk again, whatever was loaded before."""
    _load.cache_clear()
