"""What the data page says of its datasets: what they are, how their texts were made, where they come from."""

from __future__ import annotations

import html
from collections import Counter
from typing import TYPE_CHECKING

import pandas as pd
from IPython.display import HTML

from semshare.data.about import STATUS
from semshare.data.collections import kept
from semshare.data.dataset import PairedDataset, items_checksum
from semshare.data.fetch.official import PLANS
from semshare.data.readers.coco import ATTRIBUTION, CAPTIONS
from semshare.data.readers.coco_labels import LABELS, SUPERCATEGORIES
from semshare.data.readers.manifest import COCO16K, read_manifest
from semshare.data.source import SPLITS, portable_notes
from semshare.paper.baselines import f1_frame
from semshare.paper.tables import words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pandas.io.formats.style import Styler

    from semshare.runs.store import Run

_MEANING = {
    "real": "Pictures, texts and labels are the real ones, all of them.",
    "subset": "Pictures, texts and labels are real, but not the whole dataset is here: a score is that of this part.",
    "own": "What lay in somebody's folder, which does not say that it is a published dataset.",
    "simulated": (
        "Texts and labels are real. Regions are not: they are drawn from the labels, a fixed share of which is wrong. "
        "That share was set once, on FLICKR25K's dev split, so that an image model scores there what the paper's does. "
        "How well images are classified is thereby put in, so an image score's height, or its distance from the "
        "paper's, says nothing. Text scores are real. No verdict is about how high a score is."
    ),
    "stand-in": (
        "Scenes drawn from OpenMoji glyphs before painted backgrounds, with labels, and with texts that a program "
        "wrote; all of them show one pool of pictures. They copy the shape of the originals: the label names, how many "
        "labels a pair has, how long a text is, several captions or one handful of tags, and above all that the text "
        "tells less than the picture does. They are not photographs: a number obtained on them is a number about "
        "drawings."
    ),
}


def what_they_are(datasets: Sequence[PairedDataset]) -> HTML:
    """What the status of each of ``datasets`` means for the numbers obtained on it."""
    by_status: dict[str, list[str]] = {}
    for dataset in datasets:
        by_status.setdefault(dataset.status, []).append(f"<code>{html.escape(dataset.name)}</code>")
    paragraphs = [
        f"<p>{', '.join(names)}: <strong>{html.escape(STATUS[status])}</strong>. {html.escape(_MEANING[status])}</p>"
        for status, names in by_status.items()
    ]
    return HTML("".join(paragraphs))


def photographs() -> Styler:
    """The photographs that the recorded results are of, as their manifest has them; none of them lies in the book."""
    manifest = read_manifest(COCO16K)
    counts = Counter(manifest.splits.values())
    facts = {
        "status": STATUS["subset"],
        "how they were drawn": manifest.rule,
        **{f"{split} pairs": f"{counts[split]:,}" for split in SPLITS},
        "labels": f"{len(LABELS)}, COCO's, in {len(set(SUPERCATEGORIES.values()))} super-categories",
        "texts": f"COCO's captions: {CAPTIONS} a picture from the official files, one from small copies",
        "licence and attribution": ATTRIBUTION,
        "command": f"semshare data prepare {manifest.name} --root PLACE",
    }
    return words(pd.DataFrame({manifest.name: facts}))


def text_noise(datasets: Sequence[PairedDataset]) -> Styler | HTML:
    """The levels at which the texts of stand-ins fall short of their pictures; a sentence where there is none."""
    levels = {dataset.name: dataset.source.text_noise for dataset in datasets if dataset.source.text_noise}
    if not levels:
        return HTML("<p>Nothing: no dataset of this page is a stand-in. The texts are what their authors wrote.</p>")
    return pd.DataFrame(levels).rename_axis("level").style.format(precision=2)


def origin_table(datasets: Sequence[PairedDataset]) -> Styler:
    """One row a dataset: the checksums of its items and regions, and the command that prepares it, or the real one."""
    rows = {}
    for dataset in datasets:
        real = dataset.name.removeprefix("scenes-").removesuffix("-simulated")
        items = items_checksum(dataset.source.items(), dataset.label_names)
        rows[dataset.name] = {
            "items": items[:12],
            "regions": dataset.store.checksum[:12],
            "command": f"semshare data prepare {_how_named(real)}",
        }
    return words(pd.DataFrame.from_dict(rows, orient="index"))


def _how_named(name: str) -> str:
    """A dataset as ``semshare data prepare`` takes it."""
    if name in PLANS:
        return name
    return f"{name}=FOLDER" if kept(name) else f"{name} --root PLACE"


def licences(datasets: Sequence[PairedDataset]) -> HTML:
    """Whose work the datasets are."""
    names: dict[str, list[str]] = {}
    for dataset in datasets:
        names.setdefault(dataset.attribution, []).append(f"<code>{html.escape(dataset.name)}</code>")
    return HTML("".join(f"<p>{', '.join(whose)}: {html.escape(text)}</p>" for text, whose in names.items()))


def reader_notes(datasets: Sequence[PairedDataset]) -> HTML:
    """Where what was read is not what a dataset's reader expects, without the folders of this machine."""
    lines = []
    for dataset in datasets:
        for note in portable_notes(dataset.source, dataset.name):
            lines.append(f"<li><code>{html.escape(dataset.name)}</code>: {html.escape(note)}</li>")
    if not lines:
        return HTML("<p>No reader found a count or a split that is not the expected one.</p>")
    return HTML(f"<p>What the readers found otherwise than expected:</p><ul>{''.join(lines)}</ul>")


def real_tags_table(done: Sequence[Run]) -> Styler | HTML:
    """How well FLICKR25K's real tags are classified (:func:`~semshare.paper.baselines.f1_frame`), if they are here."""
    if not done:
        return HTML("<p>No dataset of this page holds the real tags of FLICKR25K.</p>")
    return f1_frame(done).style.format(precision=3, na_rep="–")
