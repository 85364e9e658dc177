"""Index: a collection's vectors on disk, brought up to date piece by piece, searched exactly.

A folder holds ``index.json`` (the model's fingerprint, the items with what tells their versions apart, what was left
out and why) and the two files it names: ``vectors-*.safetensors`` and ``scores-*.safetensors``. ``index.json`` is
replaced last and in one move, so that whatever breaks off leaves the index of before.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from semshare import checks
from semshare.errors import UserError
from semshare.search.vectors import Vectors
from semshare.utils.files import DamagedError, ReadOnlyError, atomic_write, read_json, read_tensors, write_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

_INDEX = "index.json"
_FORMAT = 3
_NOT_FINITE = "the model's numbers for it are not finite"
_SAVE_EVERY = 60.0  # seconds of encoding after which what is there is kept, so that a killed build goes on from it


@dataclass(frozen=True)
class Piece:
    """Some items as they were encoded: ``ids`` with ``vectors`` [n, E] and ``scores`` [n, C]; others and why not.

    ``digests`` are those of the items' contents, where these can change.
    """

    ids: Sequence[str]
    vectors: Tensor
    scores: Tensor
    skipped: Mapping[str, str]
    digests: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Owner:
    """Whom an index is for: only the model that ``fingerprint`` names may read it, as a gallery of ``modality``.

    ``collection`` is a digest of where the indexed collection lies; empty where it is a list in memory. ``code`` is the
    model's method and the digest of the code that encodes with it.
    """

    title: str
    fingerprint: str
    modality: str
    collection: str
    code: str = ""


class Index:
    """Vectors and scores of items.

    Attributes:
        stamps: the items' ids in the order of rows, each with what tells its versions apart.
        digests: the digests of those items' contents that have one.
        skipped: the ids that could not be encoded, each with its stamp and the reason.
        scores: [N, C] what the labels of a hit are read from.
    """

    def __init__(self, owner: Owner, folder: Path | None, must_keep: bool = True) -> None:
        """An empty index, kept in ``folder`` or nowhere; :meth:`open` reads what is there.

        Without ``must_keep`` a folder that the user may not write is no error: what is new is then kept nowhere.
        """
        self.owner = owner
        self.folder = folder
        self._must_keep = must_keep
        self.stamps: dict[str, str] = {}
        self.digests: dict[str, str] = {}
        self.skipped: dict[str, tuple[str, str]] = {}
        self.scores = torch.empty(0, 0)
        self._ids: list[str] = []
        self._vectors = Vectors(torch.empty(0, 1))

    def __len__(self) -> int:
        return len(self.stamps)

    @classmethod
    def open(cls, folder: Path, owner: Owner, say: Callable[[str], None], must_keep: bool = True) -> Index:
        """The index in ``folder``; an empty one where there is none or where it is damaged, which is said.

        Raises:
            UserError: the folder holds something else, or the index of another model or of another collection.
        """
        index, path = cls(owner, folder, must_keep), folder / _INDEX
        if not path.is_file():
            if folder.exists() and (not folder.is_dir() or set(folder.iterdir()) - set(index._files())):
                raise UserError(f"{folder}: holds something and no {_INDEX}, expected an index or a new folder")
            return index  # what lies there is left of a first save that was killed
        try:
            content = read_json(path)
            described, built_by = content["format"], Owner(**content["owner"])
        except (DamagedError, KeyError, TypeError) as error:
            say(f"{error}; built anew" if isinstance(error, DamagedError) else f"{path}: damaged, built anew")
            return index
        if isinstance(described, int) and described < _FORMAT:
            say(f"{path}: of an older format, built anew")
            return index
        if described != _FORMAT:
            raise UserError(f"{path}: format: found {str(described)[:40]!r}, expected {_FORMAT}")
        if built_by.modality != owner.modality:
            raise UserError(f"{path}: found an index of {built_by.modality}s, expected one of {owner.modality}s")
        if built_by.fingerprint != owner.fingerprint:
            raise UserError(
                f"{path}: model: found {built_by.title} ({built_by.fingerprint[:12]}), expected {owner.title} "
                f"({owner.fingerprint[:12]}): another model or version built it; name another folder or delete it"
            )
        if built_by.collection != owner.collection:
            raise UserError(f"{path}: found the index of another collection; name another folder or delete it")
        try:
            index._read(content)
        except (DamagedError, ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
            say(f"{folder}: damaged ({str(error).strip().split(chr(10))[0][:120]}), built anew")
            return cls(owner, folder, must_keep)
        return index

    def update(
        self,
        stamps: Mapping[str, str],
        encode: Callable[[list[str]], Iterator[Piece]],
        same: Callable[[Mapping[str, str]], set[str]] | None = None,
        verify: bool = False,
    ) -> tuple[int, int]:
        """Make the index hold exactly the items ``stamps``, in that order: what is new or changed is encoded.

        An item of which the model says NaN or infinity has no place in a ranking: it is left out, with that reason.

        Args:
            stamps: the collection's ids, each with what changes when the item does.
            encode: encodes the ids it is given, piece by piece.
            same: given the digests of items whose stamps changed, says which of these have their old content, read
                anew; they keep their vectors. Without it, none do.
            verify: take every stamp for changed.

        Returns:
            How many items were encoded (or tried), and how many were taken out because they are gone or changed.

        Raises:
            UserError: the folder cannot be written.
        """
        trusted = {id for id, stamp in self.stamps.items() if not verify and stamps.get(id) == stamp}
        doubted = {id: digest for id, digest in self.digests.items() if id in stamps and id not in trusted}
        confirmed = same(doubted) if same is not None and doubted else set()
        kept = [row for row, id in enumerate(self._ids) if id in trusted or id in confirmed]
        digests = {self._ids[row]: self.digests.get(self._ids[row], "") for row in kept}
        skipped = {id: entry for id, entry in self.skipped.items() if not verify and stamps.get(id) == entry[0]}
        gone = len(self) - len(kept)
        known = {self._ids[row] for row in kept} | skipped.keys()
        new = [id for id in stamps if id not in known]
        restamped = any(self.stamps[id] != stamps[id] for id in confirmed)
        if not (new or gone or restamped or len(skipped) < len(self.skipped)):
            return 0, 0
        ids, vectors, scores = [self._ids[row] for row in kept], [self.vectors()[kept]], [self.scores[kept]]
        saved = time.monotonic()
        for piece in map(_finite, encode(new)):
            skipped |= {id: (stamps[id], reason) for id, reason in piece.skipped.items()}
            digests |= piece.digests
            if piece.ids:
                ids += piece.ids
                vectors.append(piece.vectors)
                scores.append(piece.scores)
            if time.monotonic() - saved > _SAVE_EVERY:
                self._hold(stamps, ids, vectors, scores, skipped, digests)
                self._save()
                saved = time.monotonic()
        self._hold(stamps, ids, vectors, scores, skipped, digests)
        self._save()
        return len(new), gone

    def vectors(self) -> Tensor:
        """[N, E] what is compared, a copy."""
        return self._vectors.tensor()

    def search(self, queries: Tensor, top: int) -> tuple[Tensor, list[list[str]], Tensor]:
        """The ``top`` items (or all, where there are fewer) with the largest inner product, best first.

        Returns:
            Inner products [Q, k], ids [Q][k], and the items' scores [Q, k, C].

        Raises:
            ValueError: queries of another width, that are not finite, or too long to be multiplied; a ``top`` that is
                no whole number from 1.
        """
        checks.whole_number("top", top)
        if not len(self):
            return torch.empty(len(queries), 0), [[] for _ in queries], torch.empty(len(queries), 0, 0)
        checks.matrix("queries", queries, columns=self._vectors.width)
        checks.finite("queries", queries)
        scores, rows = self._vectors.search(queries, min(top, len(self)))
        return scores, [[self._ids[row] for row in of_query] for of_query in rows.tolist()], self.scores[rows]

    def _hold(
        self,
        stamps: Mapping[str, str],
        ids: Sequence[str],
        vectors: Sequence[Tensor],
        scores: Sequence[Tensor],
        skipped: Mapping[str, tuple[str, str]],
        digests: Mapping[str, str],
    ) -> None:
        """Take over items, sorted as ``stamps`` lists them: however often it was updated, an index is the same."""
        row_of = {id: row for row, id in enumerate(ids)}
        order = [row_of[id] for id in stamps if id in row_of]
        self._ids = [ids[row] for row in order]
        self.stamps = {id: stamps[id] for id in self._ids}
        self.digests = {id: digests[id] for id in self._ids if digests.get(id)}
        self.skipped = dict(skipped)
        rows = [torch.cat([part for part in parts if len(part)] or [torch.empty(0, 1)]) for parts in (vectors, scores)]
        self.scores = rows[1][order]
        self._vectors = Vectors(rows[0][order])

    def _save(self) -> None:
        if self.folder is None:
            return
        token = uuid4().hex[:12]
        files = {"vectors": f"vectors-{token}.safetensors", "scores": f"scores-{token}.safetensors"}
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for kind, tensor in (("vectors", self._vectors.tensor()), ("scores", self.scores)):
                with atomic_write(self.folder / files[kind]) as part:
                    save_file({kind: tensor}, part)
            content = {"format": _FORMAT, "owner": vars(self.owner), "files": files}
            content |= {"items": self.stamps, "digests": self.digests, "skipped": self.skipped}
            write_json(self.folder / _INDEX, content)
        except (ReadOnlyError, PermissionError) as error:
            self._remove(lambda name: name in files.values())
            if self._must_keep:
                raise UserError(f"{self.folder}: the index cannot be written: {error}") from None
            self.folder = None
            return
        except (OSError, SafetensorError) as error:
            self._remove(lambda name: name in files.values())
            raise UserError(
                f"{self.folder}: the index cannot be written: {getattr(error, 'strerror', None) or error}"
            ) from None
        except BaseException:
            self._remove(lambda name: name in files.values())
            raise
        self._remove(lambda name: name not in files.values())

    def _remove(self, unwanted: Callable[[str], bool]) -> None:
        """Remove those of the index's own files whose names are ``unwanted``, as far as that is possible."""
        for path in self._files():
            if unwanted(path.name):
                with suppress(OSError):
                    path.unlink()

    def _files(self) -> list[Path]:
        """The index's own files but for ``index.json``, in use or left behind."""
        patterns = ("vectors-*", "scores-*", f"{_INDEX}.*.part")
        return [path for pattern in patterns for path in (self.folder.glob(pattern) if self.folder else ())]

    def _read(self, content: dict) -> None:
        """Take over what the folder's files hold; any error means that they are damaged."""
        stamps = {str(id): str(stamp) for id, stamp in content["items"].items()}
        digests = {str(id): str(digest) for id, digest in content["digests"].items()}
        skipped = {str(id): (str(stamp), str(reason)) for id, (stamp, reason) in content["skipped"].items()}
        names = [Path(content["files"][kind]).name for kind in ("vectors", "scores")]
        vectors = read_tensors(self.folder / names[0])["vectors"]
        scores = read_tensors(self.folder / names[1])["scores"]
        if vectors.dim() != 2 or vectors.dtype != torch.float32 or not len(stamps) == len(vectors) == len(scores):
            raise ValueError(f"{len(stamps)} items, vectors {tuple(vectors.shape)}, {len(scores)} scores")
        checks.finite("vectors", vectors)
        checks.finite("scores", scores)
        self.stamps, self.skipped, self.scores, self._vectors = stamps, skipped, scores, Vectors(vectors)
        self._ids, self.digests = list(stamps), digests


def _finite(piece: Piece) -> Piece:
    """``piece`` with the items whose vectors or scores are not finite among the skipped ones."""
    good = torch.isfinite(piece.vectors).all(1) & torch.isfinite(piece.scores).all(1)
    if good.all():
        return piece
    ids = [id for id, kept in zip(piece.ids, good.tolist(), strict=True) if kept]
    skipped = {id: _NOT_FINITE for id in piece.ids if id not in set(ids)}
    return replace(
        piece, ids=ids, vectors=piece.vectors[good], scores=piece.scores[good], skipped={**piece.skipped, **skipped}
    )
