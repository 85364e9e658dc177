"""Retriever: a trained model, your own pictures or texts, and what is found among them for a text or a picture."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from PIL import Image

from semshare.data.about import STATUS
from semshare.data.decode import computed, decoded
from semshare.data.files import digest
from semshare.data.pictures import content_digest, open_picture, unchanged
from semshare.errors import UserError
from semshare.search import display, pretrained
from semshare.search.index import Index, Owner, Piece
from semshare.search.pretrained import Encoded, PretrainedModel
from semshare.search.queries import check_texts, check_top, opened
from semshare.search.walk import NO_PICTURE, check_is_picture, count_no_pictures, walk
from semshare.utils.counts import counted
from semshare.utils.files import ReadOnlyError
from semshare.utils.home import home, lock
from semshare.utils.memory import memory_kept
from semshare.utils.progress import Progress, printable
from semshare.utils.text_files import read_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from semshare.model import Modality

_TEXTS = 2048  # texts encoded between two looks at the clock
_NO_WORD = "none of its words is known to the model"
_SHOWN = 5  # items left out that are named one by one; the rest are counted
_WIDEST = 160  # characters of a text that are shown


@dataclass(frozen=True)
class Hit:
    """One item that was found: a picture's path or a text, its score, and the labels predicted for it.

    ``modality`` says which of the two it is.
    """

    item: str
    score: float
    labels: tuple[str, ...]
    modality: Modality = "text"

    def __repr__(self) -> str:
        return f"<Hit {self.score:.4f}  {_shown(self.item)}  [{_listed(self.labels)}]>"

    def _repr_html_(self) -> str:
        return display.hit_html(self)


@dataclass(frozen=True)
class Found:
    """What was found for one query, best first.

    ``labels`` are those predicted for the query itself. ``unknown`` lists a text's words that the model does not know;
    a text of which it knows none finds nothing, since any ranking would be one of no word. ``modality`` says whether
    the query is a text or a picture, which is named by its file where it has one.
    """

    query: str
    labels: tuple[str, ...]
    unknown: tuple[str, ...]
    hits: tuple[Hit, ...]
    modality: Modality = "text"

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return display.found_html([self])

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


class Answers(list[Found]):
    """What was found for several queries, one after the other."""

    def __repr__(self) -> str:
        return "\n".join(map(str, self))

    def _repr_html_(self) -> str:
        return display.found_html(self)


class Retriever:
    """Search in collections of pictures and texts by texts and pictures: exact, by the model's own measure."""

    def __init__(self, model: PretrainedModel | str | Path, device: str = "auto", quiet: bool = False) -> None:
        """Load a model.

        Args:
            model: a model, its folder, ``"coco16k"``, which comes with semshare, a finished run's key or folder, or a
                name on the hub, ``"user/name"``.
            device: where it computes, if it is to be loaded.
            quiet: show no progress.

        Raises:
            UserError: no such model, or a damaged one.
        """
        self.model = model if isinstance(model, PretrainedModel) else pretrained.load(model, device)
        self._quiet = quiet
        self._collections: dict[str, tuple[Index, Callable[[str], str]]] = {}

    def add_images(self, folder: str | Path, index: str | Path | None = None, verify: bool = False) -> Index:
        """Add the pictures in ``folder`` and the folders below it; hidden ones and links to folders are left out.

        What is a picture is said by its content, whatever its name. Only pictures that are new or changed since the
        last time are encoded: a file of another size, time or inode is read again, and encoded where its content is
        another one. One that cannot be read is left out and tried again when it changes.

        Args:
            folder: the pictures; nothing is written there.
            index: the folder of the index; by default one of this model and collection in the cache.
            verify: read every picture again, whatever its file's size and times say.

        Raises:
            UserError: no such folder, no picture in it that can be read, a model that reads no pictures, or an index
                of another model or another folder.
        """
        root = Path(folder)
        self.model.extractor  # noqa: B018 - a model that reads no pictures is refused before any is looked for
        stamps, notes = walk(root)
        if not stamps:
            raise UserError("\n".join([f"{root}: no pictures here, expected a folder that holds some", *notes]))

        def same(digests: Mapping[str, str]) -> set[str]:
            return unchanged({id: root / id for id in digests}, digests)

        encode = partial(self._encode_pictures, root)
        look = partial(Index.update, stamps=stamps, same=same, verify=verify)
        return self._add(str(root), "image", look, encode, root, index, lambda id: str(root / id), notes)

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
        listed = list(texts) if path is None else read_lines(path)
        check_texts(listed)
        stamps = {text: "" for text in listed if text.strip()}  # a text is its own version
        name = counted(len(listed), "text") if path is None else str(path)
        if not stamps:
            raise UserError(f"{name}: no text in it, expected one a line")
        return self._add(name, "text", partial(Index.update, stamps=stamps), self._encode_texts, path, index, str)

    def search_texts(self, *texts: str, top: int = 10) -> Answers:
        """The ``top`` items for each of ``texts``; all texts are searched at once.

        Raises:
            UserError: nothing was added yet, ``top`` is no whole number from 1, something that is no text, or a text of
                which the model's numbers are not finite.
        """
        self._check(top)
        check_texts(texts)
        split = [self.model.words_of(text) for text in texts]
        readable = [text for text, (known, _) in zip(texts, split, strict=True) if known]
        answers = iter(self._search("text", readable, self.model.encode_texts(readable), top) if readable else ())
        results = Answers()
        for text, (known, unknown) in zip(texts, split, strict=True):
            results.append(replace(next(answers) if known else Found(text, (), (), ()), unknown=tuple(unknown)))
        return results

    def search_images(self, *images: str | Path | Image.Image, top: int = 10) -> Answers:
        """The ``top`` items for each of ``images``, files or opened pictures; all are searched at once.

        Raises:
            UserError: nothing was added yet, ``top`` is no whole number from 1, or something that is no picture.
        """
        self._check(top)
        if not images:
            return Answers()  # a model of texts alone reads no pictures
        names = [
            str(getattr(image, "filename", "") or "picture" if isinstance(image, Image.Image) else image)
            for image in images
        ]
        numbered = {str(number): opened(*pair) for number, pair in enumerate(zip(images, names, strict=True))}
        size = self.model.extractor.batch
        parts = []
        for start in range(0, len(numbered), size):
            ids = list(numbered)[start : start + size]
            done, failed = computed(self.model.encode_pictures, {id: numbered[id] for id in ids})
            for id, reason in failed.items():
                raise UserError(f"{names[int(id)]}: {reason}")
            parts += [encoded for _, encoded in done]
        encoded = [torch.cat(of_kind) for of_kind in zip(*parts, strict=True)]
        return self._search("image", names, Encoded(*encoded), top)

    @property
    def about(self) -> str:
        """A line about the model, what its data is, its scale, and how many items are searched."""
        config, count = self.model.config, sum(len(index) for index, _ in self._collections.values())
        return f"{self.model.title}, {STATUS[config.status]}, scale {config.experiment.scale}; {counted(count, 'item')}"

    def _add(
        self,
        name: str,
        modality: Modality,
        update: Callable[..., tuple[int, int]],
        encode: Callable[[list[str], Progress], Iterator[Piece]],
        collection: Path | None,
        at: str | Path | None,
        item: Callable[[str], str],
        notes: Sequence[str] = (),
    ) -> Index:
        """Bring the index at ``place``, by default the collection's own in the cache, up to date; a list has none."""
        told = "" if collection is None else digest(os.path.realpath(collection))
        named = at is not None
        if at is None and collection is not None:
            at = home() / "indexes" / f"{self.model.fingerprint[:12]}-{told}"
        owner = Owner(self.model.title, self.model.fingerprint, modality, told, self.model.code)
        progress = Progress(f"index of {printable(name)}", self._quiet)
        if at is None:
            index = Index(owner, None)
            update(index, encode=partial(encode, progress=progress))
        else:
            with ExitStack() as stack:
                with suppress(ReadOnlyError):  # who may only read the cache reads what is there
                    stack.enter_context(lock(Path(at)))  # two searches of one new collection encode it once
                index = Index.open(Path(at), owner, lambda line: progress.say(printable(line)), must_keep=named)
                update(index, encode=partial(encode, progress=progress))
        left_out = self._tell(index, notes, progress)
        if not len(index):
            if not left_out:
                beside = count_no_pictures(reason for _, reason in index.skipped.values())
                raise UserError("\n".join([f"{name}: no pictures here: {beside}", *notes]))
            id, reason = next(iter(left_out.items()))
            raise UserError(f"{name}: nothing of {len(index.skipped):,} can be used, the first: {item(id)}: {reason}")
        # A collection that is added again takes its own place.
        held = digest("\n".join([*index.stamps, *index.skipped])) if at is None else str(at)
        self._collections[held] = index, item
        return index

    def _tell(self, index: Index, notes: Sequence[str], progress: Progress) -> dict[str, str]:
        """Say what was left out; return the items that were to be used, and why they cannot be."""
        left_out = {id: reason for id, (_, reason) in index.skipped.items() if reason != NO_PICTURE}
        for id, reason in islice(left_out.items(), _SHOWN):
            progress.say(f"left out {_shown(id)}: {printable(reason)}", stays=True)
        beside = count_no_pictures(reason for _, reason in index.skipped.values())
        for note in [*([beside] if beside else []), *notes]:
            progress.say(printable(note), stays=True)
        beyond = f" ({more:,} more)" if (more := len(left_out) - _SHOWN) > 0 else ""
        progress.say(f"{counted(len(index), 'item')}, {len(left_out):,} left out{beyond}", stays=bool(left_out))
        return left_out

    def _encode_pictures(self, root: Path, ids: list[str], progress: Progress) -> Iterator[Piece]:
        start, count, batch = time.perf_counter(), 0, self.model.extractor.batch
        batches = [ids[first : first + batch] for first in range(0, len(ids), batch)]
        digests: dict[str, str] = {}

        def read(id: str) -> Image.Image:
            check_is_picture(root / id)  # so that no film is read whole
            digests[id] = content_digest(root / id)  # before the picture is read: what comes between is seen next time
            return self.model.extractor.shrink(open_picture(root / id))

        with memory_kept():
            for pictures, unreadable in progress.track(decoded(batches, read), len(batches)) if batches else ():
                skipped = {id: reason.removeprefix(f"{root / id}: ") for id, reason in unreadable.items()}
                parts, failed = computed(self.model.encode_pictures, pictures)
                count += len(pictures) - len(failed)
                for good, encoded in parts:
                    yield self._piece(good, {}, encoded, {id: digests.pop(id) for id in good})
                if skipped or failed:
                    yield self._piece([], skipped | failed, None)
        self._rate(progress, count, "pictures", start)

    def _encode_texts(self, texts: list[str], progress: Progress) -> Iterator[Piece]:
        start = time.perf_counter()
        readable = {text: bool(self.model.words_of(text)[0]) for text in texts}
        batches = [texts[first : first + _TEXTS] for first in range(0, len(texts), _TEXTS)]
        for batch in progress.track(batches, len(batches)) if batches else ():
            good = [text for text in batch if readable[text]]
            skipped = {text: _NO_WORD for text in batch if not readable[text]}
            yield self._piece(good, skipped, self.model.encode_texts(good) if good else None)
        self._rate(progress, sum(readable.values()), "texts", start)

    def _piece(
        self, ids: list[str], skipped: dict[str, str], encoded: Encoded | None, digests: Mapping[str, str] | None = None
    ) -> Piece:
        if encoded is None:
            return Piece([], torch.empty(0, 1), torch.empty(0, 1), skipped)
        return Piece(ids, self.model.comparable(encoded.embedding), encoded.scores, skipped, digests or {})

    def _rate(self, progress: Progress, count: int, what: str, start: float) -> None:
        if count:
            seconds = time.perf_counter() - start
            progress.say(f"{count:,} {what} encoded in {seconds:.1f} s, {count / seconds:,.1f} a second")

    def _search(self, modality: Modality, names: Sequence[str], encoded: Encoded, top: int) -> Answers:
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
            for query, (row, items, labelled) in enumerate(zip(values.tolist(), ids, scores, strict=True)):
                labels, kind = self.model.predicted(index.owner.modality, labelled), index.owner.modality
                hits[query] += [Hit(item(id), *rest, kind) for id, *rest in zip(items, row, labels, strict=True)]
        best = [tuple(sorted(of_query, key=lambda hit: -hit.score)[:top]) for of_query in hits]
        labels = self.model.predicted(modality, encoded.scores)
        return Answers(
            Found(name, own, (), of_query, modality) for name, own, of_query in zip(names, labels, best, strict=True)
        )

    def _check(self, top: int) -> None:
        check_top(top)
        if not self._collections:
            raise UserError("nothing to search in: add a collection first, by add_images or add_texts")


def _shown(text: str) -> str:
    """A stranger's text for a terminal: no control character, of a sane length."""
    return printable(text if len(text) <= _WIDEST else f"{text[:_WIDEST]}...")


def _listed(labels: Sequence[str]) -> str:
    return printable(", ".join(labels)) or "no label"
