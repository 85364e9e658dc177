"""Retriever: a trained model, your own pictures or texts, and what is found among them for a text or a picture."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from PIL import Image

from semshare.data.about import STATUS
from semshare.data.decode import decoded
from semshare.data.files import digest, read_lines
from semshare.data.pictures import as_rgb, open_picture
from semshare.errors import UserError
from semshare.search import pretrained
from semshare.search.index import Index, Owner, Piece
from semshare.search.pretrained import Encoded, PretrainedModel
from semshare.utils.home import cache_folder, lock
from semshare.utils.progress import Progress, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from semshare.model import Modality

PICTURES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
_TEXTS = 2048  # texts encoded between two looks at the clock
_NO_WORD = "none of its words is known to the model"
_SHOWN = 5  # items left out that are named one by one; the rest are counted
_WIDEST = 160  # characters of a text that are shown


@dataclass(frozen=True)
class Hit:
    """One item that was found: a picture's path or a text, its score, and the labels predicted for it."""

    item: str
    score: float
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Found:
    """What was found for one query, best first.

    ``labels`` are those predicted for the query itself. ``unknown`` lists a text's words that the model does not know;
    a text of which it knows none finds nothing, since any ranking would be one of no word.
    """

    query: str
    labels: tuple[str, ...]
    unknown: tuple[str, ...]
    hits: tuple[Hit, ...]

    def __str__(self) -> str:
        """For a terminal: what strangers named is shown as text."""
        lines = [f"{_shown(self.query)}  [{_listed(self.labels)}]"]
        if self.unknown:
            lines.append(f"  not known to the model: {_shown(', '.join(dict.fromkeys(self.unknown)))}")
        if not self.hits:
            lines.append(f"  nothing found: {_NO_WORD}")
        for rank, hit in enumerate(self.hits, 1):
            lines.append(f"  {rank:3d}  {hit.score:.4f}  {_shown(hit.item)}  [{_listed(hit.labels)}]")
        return "\n".join(lines)


class Retriever:
    """Search in collections of pictures and texts by texts and pictures: exact, by the model's own measure."""

    def __init__(self, model: PretrainedModel | str | Path, device: str = "auto", quiet: bool = False) -> None:
        """Load a model.

        Args:
            model: a model, its folder, a finished run's key or folder, or a name on the hub, ``"user/name"``.
            device: where it computes, if it is to be loaded.
            quiet: show no progress.

        Raises:
            UserError: no such model, or a damaged one.
        """
        self.model = model if isinstance(model, PretrainedModel) else pretrained.load(model, device)
        self._quiet = quiet
        self._collections: dict[str, tuple[Index, Callable[[str], str]]] = {}

    def add_images(self, folder: str | Path, index: str | Path | None = None) -> Index:
        """Add the pictures in ``folder`` and the folders below it; hidden ones and links to folders are left out.

        Only pictures that are new or changed since the last time (by size and time of change) are encoded. One that
        cannot be read is left out and tried again when it changes.

        Args:
            folder: the pictures; nothing is written there.
            index: the folder of the index; by default one of this model and collection in the cache.

        Raises:
            UserError: no such folder, no picture in it that can be read, a model that reads no pictures, or an index
                of another model or another folder.
        """
        root = Path(folder)
        self.model.extractor  # noqa: B018 - a model that reads no pictures is refused before any is looked for
        stamps = _stamps(root)
        if not stamps:
            raise UserError(f"{root}: no pictures here, expected files that end in {', '.join(PICTURES)}")
        encode = partial(self._encode_pictures, root)
        return self._add(str(root), "image", stamps, encode, root, index, lambda id: str(root / id))

    def add_texts(self, texts: Sequence[str] | str | Path, index: str | Path | None = None) -> Index:
        """Add texts: a list of them, or the path of a UTF-8 file with one a line. Each different one counts once.

        A text without any word that the model knows is left out.

        Args:
            texts: the list or the file.
            index: the folder of the index; by default one in the cache for a file, and none for a list.

        Raises:
            UserError: no such file, no text that can be used, or an index of another model or another file.
        """
        path = Path(texts) if isinstance(texts, str | Path) else None
        listed = texts if path is None else read_lines(path)
        stamps = {text: "" for text in listed if text.strip()}  # a text is its own version
        name = f"{len(listed):,} texts" if path is None else str(path)
        if not stamps:
            raise UserError(f"{name}: no text in it, expected one a line")
        return self._add(name, "text", stamps, self._encode_texts, path, index, str)

    def search_texts(self, *texts: str, top: int = 10) -> list[Found]:
        """The ``top`` items for each of ``texts``; all texts are searched at once.

        Raises:
            UserError: nothing was added yet, ``top`` is below 1, or a text of which the model's numbers are not finite.
        """
        self._check(top)
        split = [self.model.words_of(text) for text in texts]
        readable = [text for text, (known, _) in zip(texts, split, strict=True) if known]
        found = iter(self._search("text", readable, self.model.encode_texts(readable), top) if readable else ())
        results = [
            next(found) if known else Found(text, (), (), ()) for text, (known, _) in zip(texts, split, strict=True)
        ]
        return [replace(one, unknown=tuple(unknown)) for one, (_, unknown) in zip(results, split, strict=True)]

    def search_images(self, *images: str | Path | Image.Image, top: int = 10) -> list[Found]:
        """The ``top`` items for each of ``images``, files or opened pictures; all are searched at once.

        Raises:
            UserError: nothing was added yet, ``top`` is below 1, or a file that is no picture.
        """
        self._check(top)
        if not images:
            return []  # a model of texts alone reads no pictures
        names = [
            str(getattr(image, "filename", "") or "picture" if isinstance(image, Image.Image) else image)
            for image in images
        ]
        opened = [as_rgb(image) if isinstance(image, Image.Image) else open_picture(Path(image)) for image in images]
        size = self.model.extractor.batch
        parts = [self.model.encode_pictures(opened[start : start + size]) for start in range(0, len(opened), size)]
        encoded = [torch.cat(some) for some in zip(*parts, strict=True)]
        return self._search("image", names, Encoded(*encoded), top)

    @property
    def about(self) -> str:
        """A line about the model, what its data is, its scale, and how many items are searched."""
        config, count = self.model.config, sum(len(index) for index, _ in self._collections.values())
        return f"{self.model.title}, {STATUS[config.status]}, scale {config.experiment.scale}; {count:,} items"

    def _add(
        self,
        name: str,
        modality: Modality,
        stamps: dict[str, str],
        encode: Callable[[list[str], Progress], Iterator[Piece]],
        collection: Path | None,
        place: str | Path | None,
        item: Callable[[str], str],
    ) -> Index:
        """Bring the index at ``place``, by default the collection's own in the cache, up to date; a list has none."""
        told = "" if collection is None else digest(os.path.realpath(collection))
        if place is None and collection is not None:
            place = cache_folder("indexes") / f"{self.model.fingerprint[:12]}-{told}"
        owner = Owner(self.model.title, self.model.fingerprint, modality, told, self.model.code)
        progress = Progress(f"index of {printable(name)}", self._quiet)
        if place is None:
            index = Index(owner, None)
            index.update(stamps, partial(encode, progress=progress))
        else:
            with lock(Path(place)):  # two searches of one new collection encode it once
                index = Index.open(Path(place), owner, lambda line: progress.say(printable(line)))
                index.update(stamps, partial(encode, progress=progress))
        self._tell(index, progress)
        if not len(index):
            id, (_, reason) = next(iter(index.skipped.items()))
            raise UserError(f"{name}: nothing of {len(index.skipped):,} can be used, the first: {item(id)}: {reason}")
        # A collection that is added again takes its own place.
        self._collections[digest("\n".join(stamps)) if place is None else str(place)] = index, item
        return index

    def _tell(self, index: Index, progress: Progress) -> None:
        """Say what was left out."""
        for id, (_, reason) in islice(index.skipped.items(), _SHOWN):
            progress.say(f"left out {_shown(id)}: {printable(reason)}")
        more = len(index.skipped) - _SHOWN
        progress.say(
            f"{len(index):,} items, {len(index.skipped):,} left out" + (f" ({more:,} more)" if more > 0 else "")
        )

    def _encode_pictures(self, root: Path, ids: list[str], progress: Progress) -> Iterator[Piece]:
        start, count, batch = time.perf_counter(), 0, self.model.extractor.batch
        batches = [ids[first : first + batch] for first in range(0, len(ids), batch)]
        read = decoded(batches, lambda id: open_picture(root / id))
        for pictures, unreadable in progress.track(read, len(batches)) if batches else ():
            skipped = {id: reason.removeprefix(f"{root / id}: ") for id, reason in unreadable.items()}
            count += len(pictures)
            opened = list(pictures.values())
            yield self._piece(list(pictures), skipped, lambda opened=opened: self.model.encode_pictures(opened))
        self._rate(progress, count, "pictures", start)

    def _encode_texts(self, texts: list[str], progress: Progress) -> Iterator[Piece]:
        start = time.perf_counter()
        readable = {text: bool(self.model.words_of(text)[0]) for text in texts}
        batches = [texts[first : first + _TEXTS] for first in range(0, len(texts), _TEXTS)]
        for some in progress.track(batches, len(batches)) if batches else ():
            good = [text for text in some if readable[text]]
            skipped = {text: _NO_WORD for text in some if not readable[text]}
            yield self._piece(good, skipped, lambda good=good: self.model.encode_texts(good))
        self._rate(progress, sum(readable.values()), "texts", start)

    def _piece(self, ids: list[str], skipped: dict[str, str], encode: Callable[[], Encoded]) -> Piece:
        if not ids:
            return Piece([], torch.empty(0, 1), torch.empty(0, 1), skipped)
        encoded = encode()
        return Piece(ids, self.model.comparable(encoded.embedding), encoded.scores, skipped)

    def _rate(self, progress: Progress, count: int, what: str, start: float) -> None:
        if count:
            seconds = time.perf_counter() - start
            progress.say(f"{count:,} {what} encoded in {seconds:.1f} s, {count / seconds:,.1f} a second")

    def _search(self, modality: Modality, names: Sequence[str], encoded: Encoded, top: int) -> list[Found]:
        """What is found for each query of ``encoded``: the best of every collection together."""
        queries = self.model.comparable(encoded.embedding)
        finite = torch.isfinite(queries).all(1) & torch.isfinite(encoded.scores).all(1)
        for name in (name for name, good in zip(names, finite.tolist(), strict=True) if not good):
            raise UserError(f"{name[:_WIDEST]}: the model's numbers for it are not finite, so nothing is near it")
        hits: list[list[Hit]] = [[] for _ in names]
        for index, item in self._collections.values():
            values, ids, scores = index.search(queries, top)
            if self.model.config.experiment.ranking == "cosine":
                values = values.clamp(-1, 1)  # rounding can take a product of unit vectors beyond
            for query, (row, found, labelled) in enumerate(zip(values.tolist(), ids, scores, strict=True)):
                labels = self.model.predicted(index.owner.modality, labelled)
                hits[query] += [Hit(item(id), *rest) for id, *rest in zip(found, row, labels, strict=True)]
        best = [tuple(sorted(some, key=lambda hit: -hit.score)[:top]) for some in hits]
        labels = self.model.predicted(modality, encoded.scores)
        return [Found(name, own, (), some) for name, own, some in zip(names, labels, best, strict=True)]

    def _check(self, top: int) -> None:
        if top < 1:
            raise UserError(f"top: found {top}, expected at least 1")
        if not self._collections:
            raise UserError("nothing to search in: add a collection first, by add_images or add_texts")


def _stamps(root: Path) -> dict[str, str]:
    """The pictures below ``root`` by their paths relative to it, a to z, each with its size and time of change."""
    if not root.is_dir():
        raise UserError(f"{root}: {'a file' if root.exists() else 'missing'}, expected a folder of pictures")
    found = {}
    for folder, below, names in os.walk(root, onerror=_refuse):
        below[:] = sorted(name for name in below if not name.startswith("."))
        for name in names:
            path = Path(folder, name)
            if path.suffix.lower() in PICTURES and not name.startswith("."):
                try:
                    state = path.stat()
                    found[path.relative_to(root).as_posix()] = f"{state.st_size} {state.st_mtime_ns}"
                except OSError as error:  # a link that leads nowhere is told as a picture that cannot be read
                    found[path.relative_to(root).as_posix()] = str(error.strerror)
    return dict(sorted(found.items()))


def _refuse(error: OSError) -> None:
    raise UserError(f"{error.filename}: cannot be read: {error.strerror}") from None


def _shown(text: str) -> str:
    """A stranger's text for a terminal: no control character, of a sane length."""
    return printable(text if len(text) <= _WIDEST else f"{text[:_WIDEST]}...")


def _listed(labels: Sequence[str]) -> str:
    return printable(", ".join(labels)) or "no label"
