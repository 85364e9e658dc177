"""How a dataset shows itself: in a line of text, and in a notebook as some of its pictures, texts and labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from semshare.data.about import STATUS
from semshare.data.pictures import as_rgb
from semshare.data.regions import registry
from semshare.utils import html

if TYPE_CHECKING:
    from PIL import Image

    from semshare.data.dataset import PairedDataset
    from semshare.data.source import Source

_EXAMPLES = 6  # items shown, spread over the train split, whose numbers are nobody's result
_TEXTS = 2  # of each item; the rest are counted


def dataset_text(dataset: PairedDataset) -> str:
    """A dataset in a line."""
    counts = ", ".join(f"{len(part.image_ids):,} {split}" for split, part in dataset.parts.items())
    return (
        f"<PairedDataset {dataset.name}: {STATUS[dataset.status]}; images: {counts}; {len(dataset.label_names)} "
        f"labels; {dataset.text_kind}; regions {dataset.regions}>"
    )


def dataset_html(dataset: PairedDataset) -> str:
    """A dataset as HTML: what it is, how much of it there is, and examples of its train split."""
    counts = html.table(
        ("split", "images", "texts", "labels an image"),
        [
            (split, f"{len(part.image_ids):,}", f"{len(part.texts):,}", f"{float(part.labels.sum(1).mean()):.2f}")
            for split, part in dataset.parts.items()
        ],
    )
    told = {
        "labels": f"{len(dataset.label_names)}: {', '.join(dataset.label_names)}",
        "texts": f"{dataset.text_kind}, {len(dataset.vocabulary.words):,} words in the vocabulary",
        "regions": f"{dataset.regions}: {registry.about(dataset.regions)}. {registry.seen(dataset.regions)}".strip(),
        "attribution": dataset.attribution,
        "checksum, with regions": dataset.checksum[:12],
    }
    title = f"{dataset.name}: {STATUS[dataset.status]}"
    return html.shown(title, counts, html.row(_examples(dataset)), html.folded("About this data", html.facts(told)))


def _examples(dataset: PairedDataset) -> list[str]:
    part = dataset.parts["train"]
    texts: dict[int, list[str]] = {}
    for owner, text in zip(part.owner.tolist(), part.texts, strict=True):
        texts.setdefault(owner, []).append(text)
    count = min(_EXAMPLES, len(part.image_ids))
    examples = []
    for row in (number * len(part.image_ids) // count for number in range(count)):
        own = texts.get(row, [])
        names = [name for name, held in zip(dataset.label_names, part.labels[row].tolist(), strict=True) if held]
        lines = [html.paragraph(html.text(text)) for text in own[:_TEXTS]]
        if len(own) > _TEXTS:
            lines.append(html.paragraph(html.text(f"and {len(own) - _TEXTS} more", html.NOTE)))
        caption = "".join([*lines, html.paragraph(html.labels(names))])
        examples.append(html.picture(_picture(dataset.source, part.image_ids[row]), ", ".join(names), caption))
    return examples


def _picture(source: Source, id: str) -> Image.Image | str:
    """The picture of an item, or why there is none to show."""
    if source.without_pictures:
        return "no picture"
    try:
        return as_rgb(source.picture(id))
    except Exception as error:  # a source from outside may raise what opening and reading a file raises
        return str(error) or type(error).__name__
