"""Real data made ready: fetched or taken from a folder, verified, unpacked, opened, its regions extracted.

What lies where under a dataset's root is the official layout; ``archives/`` beside it holds what was downloaded,
and the checksums, which stay when the archives are deleted.
"""

from __future__ import annotations

import os
from collections import Counter
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from semshare.data import catalogue
from semshare.data.collections import keeping, recognise
from semshare.data.dataset import PairedDataset, items_checksum
from semshare.data.fetch.download import Remote, check_space, fetch, recorded, verify
from semshare.data.fetch.official import COCO_2014, PLANS, Piece, Plan
from semshare.data.fetch.unpack import unpack
from semshare.data.labels import unlearnt_notes
from semshare.data.links import check_reads_root, make_link, place_of_link, remember
from semshare.data.oddities import oddities
from semshare.data.readers.manifest import read_manifest, remembered, remembering
from semshare.data.regions.base import UNTRAINED
from semshare.data.regions.kept import left_out, left_out_notes
from semshare.data.regions.registry import PRECOMPUTED, known_regions, seen, take_weights
from semshare.data.scripts import unspaced_notes
from semshare.data.shown import as_lines, words_of_texts
from semshare.data.source import SPLITS, Item, Source
from semshare.data.tokens import WORDS, find
from semshare.errors import UserError
from semshare.utils.devices import find_device
from semshare.utils.home import cache_folder, lock
from semshare.utils.progress import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator, Mapping, Sequence

ARCHIVES = "archives"


def prepare(
    name: str,
    root: Path | None = None,
    from_dir: Path | None = None,
    regions: str | None = None,
    device: str = "auto",
    say: Callable[[str], None] = print,
    verify: bool = False,
    tokens: str | None = None,
    manifest: Path | None = None,
    text: str | None = None,
    weights: Path | None = None,
    fields: Mapping[str, str] | None = None,
    **fetching: Any,
) -> dict[str, Any]:
    """Make dataset ``name`` ready for training: files, regions, word vectors. What is done already is not repeated.

    What was named is found afterwards without being named: the data cache gets a link to ``root``, and notes of the
    regions and the tokens.

    Args:
        name: ``NAME=FOLDER`` for a collection of your own, whose layout is seen from its files and which is found by
            NAME from then on (:mod:`semshare.data.collections`); ``flickr25k``, ``nuswide``, ``coco`` (which opens
            ``coco5k``), or any other name of the catalogue, which is only opened.
        root: the dataset's folder (of ``custom`` also the file); by default what an earlier call was given, or one
            in the data cache. A folder that was filled by hand is used as it is: nothing is fetched into it, unless
            ``from_dir`` is given.
        from_dir: a folder of archives at hand; they are verified like downloads and stay where they are.
        regions: the region extractor's name; by default what an earlier call was given, or the dataset's own.
        device: where regions are extracted.
        say: receives a line for every step.
        verify: read every picture again and extract those whose content changed, whatever their files' times say.
        tokens: how texts are cut into words (:func:`semshare.data.tokens.find`); by default as an earlier call was
            told, or by this library's rule.
        manifest: the COCO ids and splits of a new dataset called ``name``; kept in the home, and the dataset is found
            by its name from then on (:mod:`semshare.data.readers.manifest`).
        text: ``captions`` or ``tags``: what the texts of a collection of your own are; guessed where nothing says it.
        fields: which fields or columns of a collection of your own hold its ``texts`` (in COCO-like exports and Hugging
            Face datasets), its ``image`` and its ``labels`` (in these datasets).
        weights: the file of a region extractor's weights, copied into the cache; else it is fetched where it is
            missing.
        fetching: handed to :func:`semshare.data.fetch.download.fetch`.

    Returns:
        What :func:`describe` returns, with the size of the regions' store, ``words``, and what is ``odd``.

    Raises:
        UserError: an unknown name, a file that is missing, wrong or cannot be fetched, data that cannot be used, or
            a ``root`` that cannot be linked, because data stands where the link would.
    """
    name, own, folder = name.partition("=")
    if own or text is not None or fields:
        if manifest is not None or from_dir is not None or (own and root is not None):
            raise UserError(f"name: {name}=FOLDER says where a collection lies; leave root, from-dir and manifest away")
        if own and not folder:
            raise UserError(f"name: found no folder after {name}=, expected {name}=FOLDER")
        where = Path(os.path.expanduser(folder)) if own else root
        collection, root = recognise(name, where, text, fields, catalogue.names(), say)
        catalogue.forget_loaded()
        regions = regions or (collection.layout.regions if own else catalogue.regions_of(name))
        if weights is not None:
            take_weights(known_regions(regions), weights, say)
        with keeping(collection):
            return _prepare(name, root, None, regions, device, say, verify, tokens, {})
    if weights is not None:
        take_weights(known_regions(regions or catalogue.regions_of(name)), weights, say)
    with nullcontext() if manifest is None else _with_manifest(name, manifest):
        return _prepare(name, root, from_dir, regions, device, say, verify, tokens, fetching)


@contextmanager
def _with_manifest(name: str, path: Path) -> Iterator[None]:
    """Know the dataset that the manifest at ``path`` describes; for good, if the block succeeds."""
    manifest = read_manifest(path)
    if manifest.name != name:
        raise UserError(f"{path}: dataset: found {manifest.name!r}, expected {name!r} as in the command")
    if name in catalogue.CATALOGUE:
        raise UserError(f"{path}: dataset: {name!r} is a dataset of the catalogue; give yours another name")
    catalogue.forget_loaded()
    with remembering(manifest):
        yield


def _prepare(
    name: str, root: Path | None, from_dir: Path | None, regions: str | None, device: str, say: Callable[[str], None],
    verify: bool, tokens: str | None, fetching: dict[str, Any],
) -> dict[str, Any]:  # fmt: skip
    """:func:`prepare` of a dataset that is known."""
    entry = catalogue.entry(name)
    before = catalogue.regions_of(name)
    regions = known_regions(regions) if regions else before
    tokenizer = find(tokens) if tokens else catalogue.tokens_of(name)
    if from_dir is not None and not from_dir.is_dir():
        raise UserError(f"from-dir: {from_dir} is no folder, expected one that holds archives")
    on_device = find_device(device)
    plan = PLANS.get(name) or (COCO_2014 if remembered(name) else None)
    link = None if root is None else place_of_link(name, root)
    if root is None and (known_as := catalogue.stored(entry.folders)) is not None and known_as.is_symlink():
        root = known_as.resolve()
    if plan is not None and root is not None and from_dir is None and _is_own(root):
        say(f"{root}: used as it is; to fetch the official files, name another folder with --root")
    elif plan is not None:
        root = root or cache_folder("data") / plan.folder
        _collect(plan, root, from_dir, regions != "simulated", say, fetching)
    opened = "coco5k" if name == "coco" and root is not None and (root / "dataset_coco.json").is_file() else name
    first = (
        "the feature files are read to their end" if regions == PRECOMPUTED else f"regions {regions!r} are extracted"
    )
    say(f"{opened}: reading; {first} the first time")
    dataset = _load(opened, root, regions, str(on_device), verify, tokenizer.name)
    if link is not None and root is not None:
        make_link(link, root.resolve(), say)
    if regions != before:
        remember(name, "regions", regions, say)
    if tokens:
        remember(name, "tokens", tokenizer.name, say)
    meta = {
        "extractor": regions,
        "pictures": len(dataset.store),
        "regions_a_picture": dataset.store.shape[0],
        "features": dataset.feature_size,
    }
    made = {"status": dataset.status, "regions": meta, "tokens": tokenizer.name, "words": len(dataset.vocabulary)}
    items = _items(opened, dataset.source, dataset.store.skipped)
    summed = summary(opened, dataset.source, root, dataset.store.skipped) | made
    known = getattr(dataset.store, "pictures", {})  # feature files have none
    digests = {id: sha256 for id, (_, sha256) in known.items() if sha256} or dataset.source.digests()
    summed["odd"] = oddities(items, dataset.label_names, dataset.text_kind, tokenizer, digests)
    return summed


def describe(
    name: str, root: Path | None = None, scale: str = "laptop", tokens: str | None = None, texts: int = 0
) -> dict[str, Any]:
    """What is known of a dataset without its pictures: see :func:`summary`, and which regions and tokens it takes.

    With ``texts``, what the texts of so many items became (:func:`semshare.data.shown.words_of_texts`), cut by
    ``tokens`` where they are given.

    Raises:
        UserError: an unknown name, or data that is not there or cannot be read.
    """
    if root is not None:
        check_reads_root(name)
    regions = catalogue.regions_of(name)
    tokenizer = find(tokens) if tokens else catalogue.tokens_of(name)
    source = catalogue.entry(catalogue.trained_as(name)).open(scale, root, 0)
    skipped = left_out(source, source.items(), regions)
    items = [item for item in source.items() if item.id not in skipped]
    told = [*left_out_notes(skipped), *unlearnt_notes(items, source.label_names), *unspaced_notes(items, tokenizer)]
    source.notes = tuple(dict.fromkeys((*source.notes, *told)))
    described = summary(name, source, root or source.root, skipped)
    described |= {"regions": {"extractor": regions}, "tokens": tokenizer.name}
    chosen = _items(name, source, skipped)
    return described | ({"texts": words_of_texts(source, chosen, tokenizer, texts)} if texts else {})


def summary(name: str, source: Source, root: Path | None, left_out: Container[str] = ()) -> dict[str, Any]:
    """Counts, label frequencies, splits, checksums, licence and the reader's notes, ready for JSON.

    The items ``left_out``, whose pictures cannot be used, do not count.
    """
    items = _items(name, source, left_out)
    counts = Counter(label for item in items for label in item.labels)
    splits = {split: [item for item in items if item.split == split] for split in SPLITS}
    return {
        "dataset": name,
        "status": source.status,
        "root": None if root is None else str(root),
        "splits": {
            split: {"images": len(items), "texts": sum(len(item.texts) for item in items)}
            for split, items in splits.items()
        },
        "labels": {label: counts[label] for label in source.label_names},
        "items_checksum": f"sha256:{items_checksum(items, source.label_names)}",
        "archives": {} if root is None else recorded(root / ARCHIVES),
        "licence": source.attribution,
        "notes": list(source.notes),
    }


def _items(name: str, source: Source, left_out: Container[str]) -> list[Item]:
    """The items of dataset ``name`` but for those ``left_out``."""
    items, test_size = [item for item in source.items() if item.id not in left_out], catalogue.entry(name).test_size
    if test_size is None:
        return items
    test = [item for item in items if item.split == "test"][:test_size]
    return [item for item in items if item.split != "test"] + test


def as_text(described: Mapping[str, Any]) -> str:
    """A summary as lines for a terminal, which no character in it can upset."""
    where = f" in {described['root']}" if described["root"] else ""
    labels = sorted(described["labels"].items(), key=lambda pair: -pair[1])
    lines = [f"{described['dataset']}: {described['status']}{where}"]
    for split, counts in described["splits"].items():
        lines.append(f"  {split:6} {counts['images']:>9,} images {counts['texts']:>9,} texts")
    lines.append(f"  labels {len(labels):>9,}: {', '.join(f'{label} {count:,}' for label, count in labels)}")
    regions = described["regions"]
    size = ""
    if "pictures" in regions:
        size = f": {regions['pictures']:,} pictures x {regions['regions_a_picture']} x {regions['features']}"
    no_result = " (random weights, to try the pipeline: no result)" if regions["extractor"].endswith(UNTRAINED) else ""
    lines.append(f"  regions {regions['extractor']}{size}{no_result}")
    if about := seen(regions["extractor"]):
        lines.append(f"  note: {about}")
    if described["tokens"] != WORDS:
        lines.append(f"  tokens {described['tokens']}")
    if "words" in described:
        lines.append(f"  words {described['words']:,}")
    lines.append(f"  checksum of texts, labels and splits {described['items_checksum']}")
    lines += [
        f"  archive {name} {archive['checksum']}, {archive['size']:,} bytes"
        for name, archive in described["archives"].items()
    ]
    lines.append(f"  licence: {described['licence']}")
    lines += [f"  note: {note}" for note in described["notes"]]
    lines += [f"  odd: {line}" for line in described.get("odd", ())]
    lines += as_lines(described["texts"]) if "texts" in described else []
    return "\n".join(map(printable, lines))  # names, labels and texts are strangers' words


def _collect(
    plan: Plan, root: Path, from_dir: Path | None, pictures: bool, say: Callable[[str], None], fetching: dict[str, Any]
) -> None:
    """Fetch and unpack the pieces that ``root`` lacks; the pieces left to a person come last."""
    missing = [piece for piece in plan.pieces if (pictures or not piece.pictures) and piece.lacks(root)]
    to_fetch = [(piece, piece.remote) for piece in missing if piece.remote]
    if to_fetch:
        archives = root / ARCHIVES
        made = [folder for folder in (archives, root) if not folder.exists()]
        try:
            archives.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"{archives}: cannot be made: {error.strerror}") from None
        with lock(root), _removed_while_empty(made):
            here = {remote.name: _at_hand(remote, from_dir) for _, remote in to_fetch}
            sizes = [(2 - (here[remote.name] is not None)) * (remote.size or 0) for _, remote in to_fetch]
            check_space(root, sum(sizes), f"{plan.folder} (archives and their content)")
            for number, (piece, remote) in enumerate(to_fetch, 1):
                if not piece.lacks(root):  # another process was faster
                    continue
                _one(plan, piece, remote, here[remote.name], root, f"[{number}/{len(to_fetch)}] ", say, fetching)
    for piece in missing:
        if not piece.remote:
            raise UserError(f"{piece.lacks(root)}: {piece.by_hand}; then run this again ({plan.page})")


@contextmanager
def _removed_while_empty(folders: Sequence[Path]) -> Iterator[None]:
    """Leave no empty folder behind when the block fails."""
    try:
        yield
    except BaseException:
        with suppress(OSError):  # one that is not empty, and those around it
            for folder in folders:
                folder.rmdir()
        raise


def _at_hand(remote: Remote, from_dir: Path | None) -> Path | None:
    path = from_dir / remote.name if from_dir else None
    return path if path and path.is_file() else None


def _one(
    plan: Plan, piece: Piece, remote: Remote, path: Path | None, root: Path, step: str, say: Callable[[str], None],
    fetching: dict[str, Any],
) -> None:  # fmt: skip
    """Verify and unpack one archive, fetched first where it is not at hand."""
    archives = root / ARCHIVES
    if path:
        say(f"{step}{path}: verifying")
        try:
            verify(path, remote, archives)
        except UserError as error:
            raise UserError(f"{path}: {error}; it was left as it is") from None
    else:
        say(f"{step}{remote.url}: fetching")
        try:
            path = fetch(remote, archives, **fetching)
        except UserError as error:
            raise UserError(f"{error} (official page: {plan.page})") from None
    target = root / piece.folders[0] if piece.folders[0] else root
    say(f"{step}{path.name}: unpacking into {target}")
    unpack(path, target, piece.only)
    if lacks := piece.lacks(root):
        raise UserError(f"{path.name} was unpacked, but {lacks}")


def _is_own(root: Path) -> bool:
    """Whether ``root`` holds files that did not come from here."""
    return root.is_dir() and not (root / ARCHIVES).exists() and any(root.iterdir())


def _load(name: str, root: Path | None, regions: str, device: str, verify: bool, tokens: str) -> PairedDataset:
    """The catalogue's dataset, its regions extracted on ``device``."""
    return catalogue.load(name, "full", root=root, regions=regions, device=device, verify=verify, tokens=tokens)
