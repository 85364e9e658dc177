"""The retrieval explorer: what its page of the book searches, as scripts that a browser loads from a disk.

A page opened as a file may not fetch data but may load scripts, so each file is a script that puts one JSON object into
``window.semshareFiles`` under its own name: one a dataset, one a (dataset, method), one a collection of pictures.
Names hold a digest of the content, so a page never meets the files of another. ``book/_static/explorer`` holds the
page's own scripts, which rank as :func:`semshare.ranking.rank` does and judge as :mod:`semshare.paper.failures` does.

The gallery is the first images of the test split with their texts, tag sets once each as in
:func:`semshare.evaluation.retrieve`. Strangers' texts are JSON strings in ASCII; the page shows them as text.
"""

from __future__ import annotations

import base64
import hashlib
import html
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from IPython.display import HTML
from torch import Tensor
from torch.nn.functional import normalize

from semshare.data.about import STATUS
from semshare.data.dataset import Part, pad_words
from semshare.data.pictures import as_rgb
from semshare.data.tokens import OWN
from semshare.data.words import SPECIAL
from semshare.evaluation import Reading
from semshare.metrics import above
from semshare.ranking import rank
from semshare.utils.checkout import find_root
from semshare.utils.files import write_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from PIL import Image

    from semshare.runs.store import Run

FILES = "semshare-files"  # the page's own record of the data files it loads, in the notebook's output
DATA_FOLDER = Path("book", "sections", "_static", "explorer-data")  # in a checkout; Sphinx copies it

IMAGES = 300  # the gallery's images
WORDS = 2000  # the vocabulary's most frequent, which may be typed
WIDTH = 128  # longer embeddings are cut to their principal axes
CHARACTERS = 400  # longer texts are cut
_SIDE = 128  # of a thumbnail, pixels
_TOP = 10
_LEVELS = 2**15 - 1  # of a 16-bit integer, either sign


def page(runs: Iterable[Run], images: int = IMAGES, folder: Path | None = None, static: str = "../../_static") -> HTML:
    """Write what the explorer needs of ``runs`` and return its place in the page.

    Args:
        runs: finished runs; of several with one dataset and method the first counts.
        images: how many images of the test split are the gallery, the first ones.
        folder: receives the data files; the checkout's ``DATA_FOLDER`` by default.
        static: the way from the page to the folder of static files.

    Raises:
        UserError: no ``folder`` and no checkout here, or a picture that cannot be read.
    """
    folder = folder or find_root() / DATA_FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    shown: dict[str, dict[str, Any]] = {}
    shared: dict[str, dict[str, str]] = {}
    for run in runs:
        dataset = run.dataset
        sample = _Sample(run, images)
        if dataset.name not in shown:
            if not dataset.source.without_pictures:
                thumbs = shared.setdefault(dataset.source.pool, {})
                new = [id for id in sample.part.image_ids if id not in thumbs]
                thumbs.update((id, thumbnail(dataset.source.picture(id))) for id in new)
            shown[dataset.name] = {
                "file": _write(folder, dataset.name, sample.items()),
                "pool": dataset.source.pool,
                "methods": {},
            }
        methods = shown[dataset.name]["methods"]
        if run.experiment.method not in methods:
            name = f"{dataset.name}-{run.experiment.method}"
            methods[run.experiment.method] = {"title": run.title, "file": _write(folder, name, sample.vectors())}
    pictures = {pool: _write(folder, "pictures", thumbs) for pool, thumbs in shared.items()}
    for collection in shown.values():
        collection["pictures"] = pictures.get(collection.pop("pool"))
    files = [collection["file"] for collection in shown.values()] + list(pictures.values())
    files += [method["file"] for collection in shown.values() for method in collection["methods"].values()]
    return HTML(_markup(shown, static), metadata={FILES: files})


def thumbnail(picture: Image.Image) -> str:
    """``picture`` made small: WebP in base64."""
    small = as_rgb(picture)
    small.thumbnail((_SIDE, _SIDE))
    file = io.BytesIO()
    small.save(file, "WEBP", quality=75, method=6)
    return base64.b64encode(file.getvalue()).decode()


class _Sample:
    """The first images of a run's test split, the texts that are ranked for them, and what the run says of both."""

    def __init__(self, run: Run, images: int) -> None:
        self.run, self.whole = run, run.dataset.parts["test"]
        count = min(images, len(self.whole.image_ids))
        self.part: Part = self.whole.first(count)
        self.rows = place = torch.arange(len(self.part.texts))
        if run.dataset.text_kind == "tags":
            with_labels = run.experiment.gallery == "texts-and-labels"
            self.rows, place = self.part.distinct_texts(with_labels)
        self.owners: list[list[int]] = [[] for _ in self.rows]  # the images that each text belongs to
        for text, owner in zip(place.tolist(), self.part.owner.tolist(), strict=True):
            self.owners[text].append(owner)
        whole: Reading = run.reading("test").between(self.whole, 0, count)
        self.reading = Reading(whole.image, whole.text[self.rows], whole.image_scores, whole.text_scores[self.rows])

    def items(self) -> dict[str, Any]:
        """The content of a dataset's file: what is asked and found, and its ground truth."""
        dataset, text_labels = self.run.dataset, self.part.text_labels[self.rows]
        texts = [self.part.texts[row] for row in self.rows.tolist()]
        return {
            "status": STATUS[dataset.status],
            "kind": dataset.text_kind,
            "attribution": dataset.attribution,
            "labels": list(dataset.label_names),
            "supercategories": [dataset.supercategories.get(label) for label in dataset.label_names],
            "test": len(self.whole.image_ids),
            "images": [
                {"id": id, "labels": labels}
                for id, labels in zip(self.part.image_ids, _columns(self.part.labels), strict=True)
            ],
            "texts": [
                {"text": text if len(text) <= CHARACTERS else f"{text[:CHARACTERS]}…", "labels": labels, "of": owners}
                for text, labels, owners in zip(texts, _columns(text_labels), self.owners, strict=True)
            ],
        }

    def vectors(self) -> dict[str, Any]:
        """The content of a method's file: embeddings of items and words, and the labels its classifier gives.

        ``error`` is the largest difference between a score computed from what is shipped and the library's;
        ``agreement`` the share of the first ten that the two rankings have in common, ``typed`` the same for the mean
        of a text's words instead of the text, None where no text has a word. Where ``spaced``, what is typed is cut at
        white space alone, since the page has no other tokenizer than the library's own rule.
        """
        run, reading, thresholds = self.run, self.reading, self.run.thresholds
        vocabulary = run.dataset.vocabulary.words[len(SPECIAL) :][:WORDS]
        cosine = run.experiment.ranking == "cosine"
        image, text = (
            normalize(embedding, dim=1) if cosine else embedding for embedding in (reading.image, reading.text)
        )
        words = word_embeddings(run, len(vocabulary))
        packed = [pack(tensor) for tensor in narrowed([image, text, words])]
        shipped = [unpack(tensor) for tensor in packed]
        exact, scores = image @ text.T, shipped[0] @ shipped[1].T
        return {
            "ranking": run.experiment.ranking,
            "image": packed[0],
            "text": packed[1],
            "words": packed[2],
            "vocabulary": list(vocabulary),
            "spaced": run.dataset.tokenizer != OWN,
            "known": len(run.dataset.vocabulary) - len(SPECIAL),
            "image_high": _columns(above(reading.image_scores, thresholds.image)),
            "text_high": _columns(above(reading.text_scores, thresholds.text)),
            "error": float((exact - scores).abs().max()),
            "agreement": float(_agreement(exact, scores).sum() + _agreement(exact.T, scores.T).sum())
            / (len(image) + len(text)),
            "typed": self._typed(exact.T, *shipped, cosine),
        }

    def _typed(self, exact: Tensor, image: Tensor, text: Tensor, words: Tensor, cosine: bool) -> float | None:
        """How well the mean of its words finds the pictures of a text; ``exact`` [M, N] are the text's own scores."""
        ids = [[id - len(SPECIAL) for id in self.part.words[row] if id >= len(SPECIAL)] for row in self.rows.tolist()]
        ids = [[id for id in known if id < len(words)] for known in ids]
        asked = [row for row, known in enumerate(ids) if known]
        if not asked:
            return None
        means = torch.stack([words[ids[row]].mean(0) for row in asked])
        return float(_agreement(exact[asked], (normalize(means, dim=1) if cosine else means) @ image.T).mean())


@torch.inference_mode()
def word_embeddings(run: Run, count: int, batch: int = 512) -> Tensor:
    """[count, E] the run's embedding of each of the most frequent words, read alone as a text of one word."""
    start, end = SPECIAL.index("<start>"), SPECIAL.index("<end>")
    texts = [(start, id, end) for id in range(len(SPECIAL), len(SPECIAL) + count)]
    network = run.network()
    read = [network("text", pad_words(texts[at : at + batch])).embedding for at in range(0, count, batch)]
    return torch.cat(read).float()


def narrowed(blocks: Sequence[Tensor]) -> list[Tensor]:
    """``blocks`` [N, E] of embeddings on their ``WIDTH`` principal axes, where E is more: products nearly stay."""
    together = torch.cat(list(blocks)).double()
    if together.shape[1] <= WIDTH:
        return list(blocks)
    axes = torch.linalg.eigh(together.T @ together).eigenvectors[:, -WIDTH:]  # eigenvalues rise
    return [(block.double() @ axes).float() for block in blocks]


def pack(matrix: Tensor) -> dict[str, Any]:
    """``matrix`` as little-endian 16-bit integers in base64, to be multiplied by ``scale``."""
    largest = float(matrix.abs().max()) if matrix.numel() else 0.0
    scale = largest / _LEVELS or 1.0
    data = (matrix.double() / scale).round().to(torch.int16).numpy().astype("<i2").tobytes()
    return {"width": matrix.shape[1], "scale": scale, "data": base64.b64encode(data).decode()}


def unpack(packed: Mapping[str, Any]) -> Tensor:
    """The inverse of :func:`pack`, but for rounding: [N, E] float32."""
    whole = np.frombuffer(base64.b64decode(packed["data"]), "<i2").reshape(-1, packed["width"])
    return torch.from_numpy(whole.astype(np.float32)) * packed["scale"]


def _agreement(exact: Tensor, other: Tensor) -> Tensor:
    """[Q] the share of the first ten by ``exact`` [Q, G] that are among the first ten by ``other``."""
    of_exact, meant = rank(exact, _TOP), rank(other, _TOP)
    return (of_exact.unsqueeze(2) == meant.unsqueeze(1)).any(2).float().mean(1)


def _columns(rows: Tensor) -> list[list[int]]:
    """Of each row of 0/1 the columns that hold 1."""
    return [row.nonzero().flatten().tolist() for row in rows]


def _write(folder: Path, name: str, content: Any) -> str:
    """Write the file of ``content`` in one move, unless it is there; its name has a digest of it."""
    # ASCII, and no "<": nothing in it can end a script or turn a line's direction, wherever it is put. Parsed and not
    # written out as an object, in which the name "__proto__" would mean something.
    text = json.dumps(json.dumps(content, allow_nan=False, separators=(",", ":"))).replace("<", "\\u003c")
    file = f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:12]}.js"
    path = folder / file
    if not path.exists():
        write_text(path, f"(window.semshareFiles ??= {{}})[{json.dumps(file)}] = JSON.parse({text});\n")
    return file


def _markup(shown: Mapping[str, Any], static: str) -> str:
    """The explorer's place in a page: the scripts fill it."""
    manifest = html.escape(json.dumps({"data": f"{static}/explorer-data/", "datasets": shown}))
    own = f"{html.escape(static)}/explorer"
    scripts = "".join(f'<script src="{own}/{name}.js"></script>' for name in ("data", "search", "view", "page"))
    return (
        f'<link rel="stylesheet" href="{own}/explorer.css">'
        f'<div class="explorer" data-manifest="{manifest}"><p class="explorer-wait">'
        "The explorer is a page of the book: it needs JavaScript and the files beside the book's pages.</p></div>"
        f"{scripts}"
    )
