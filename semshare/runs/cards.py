"""The cards of a run: ``MODEL_CARD.md`` and ``DATA_CARD.md`` beside its weights, in the form that model hubs read.

Everything in them comes from the run's record, its data and its measures; nothing is typed by hand. Of the test split
they say nothing before it was read. What strangers named (labels, attributions, notes) is shown as text, escaped for
YAML, Markdown and HTML, and no folder of the machine that trained is named.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from huggingface_hub import DatasetCardData, EvalResult, ModelCardData

from semshare import methods, training
from semshare.data.about import LIMITS, STATUS
from semshare.data.regions import registry
from semshare.data.regions.base import UNTRAINED
from semshare.data.source import portable_notes
from semshare.data.tokens import OWN
from semshare.runs.quantities import QUANTITIES
from semshare.utils.files import read_tensors, write_text
from semshare.utils.markdown import bullets, page, table, text

if TYPE_CHECKING:
    from semshare.data.dataset import PairedDataset, Part

MODEL, DATA = "MODEL_CARD.md", "DATA_CARD.md"

_PRESETS = {
    "paper": "the supplementary's reading, the released code's defects mended",
    "released": "the behaviour of the authors' released code",
}
_MEASURES = {name: quantity.about for name, quantity in QUANTITIES.items()}
Measures = Mapping[str, float]


def contents(
    record: Mapping[str, Any], dataset: PairedDataset, tested: Mapping[str, Measures], half: bool, weights: Path
) -> dict[str, str]:
    """Both cards, by the names of their files.

    Args:
        record: the run's record.
        dataset: the data it was trained on.
        tested: the test measures by dataset, none while test was not read.
        half: whether 0.5 is a threshold for the scores; else its measures are left out.
        weights: the run's ``best.safetensors``.
    """
    return {
        DATA: data_card(record, dataset, tested=bool(tested)),
        MODEL: model_card(record, dataset, tested, half, _parameters(weights)),
    }


def write(folder: Path, texts: Mapping[str, str]) -> None:
    """Write cards (:func:`contents`) into ``folder``, each in one move."""
    for name, content in texts.items():
        write_text(folder / name, content)


def model_card(
    record: Mapping[str, Any], dataset: PairedDataset, tested: Mapping[str, Measures], half: bool, parameters: int
) -> str:
    """The model card as Markdown with YAML in front; ``parameters`` counts the kept weights, the rest is as above."""
    experiment, method = record["experiment"], methods.get(record["experiment"]["method"])
    title = f"{method.title} on {dataset.name}"
    dev, epoch = _dev(record["history"], method.selection, experiment.get("checkpoint", "dev"))
    dev, tested = _meant(dev, half), {name: _meant(measures, half) for name, measures in tested.items()}
    meaning, limit = STATUS[dataset.status], LIMITS[dataset.status]
    sections = [
        f"# {text(title)}",
        text(method.about),
        f"**Data: {meaning}.** {limit}",
        f"Written by semshare from the record of run `{record['key']}`. The data is described in [{DATA}]({DATA}).",
        "## The run",
        table(("", ""), _run_facts(record, parameters)),
        "## Measures",
        f"Kept: {epoch}. Thresholds tuned on dev for the kept weights: "
        f"image {record['thresholds']['image']:.4f}, text {record['thresholds']['text']:.4f}. Test chose nothing.",
        _measures_table(dev, tested),
        "" if tested else "Test has not been read yet; its measures are added when it is.",
        "### Dev, epoch by epoch",
        _history_table(record["history"]),
        "## The experiment",
        "Every field that decides the result:",
        table(
            ("field", "value"), [(f"`{name}`", _value(name, experiment[name], method)) for name in sorted(experiment)]
        ),
        "## Training data",
        f"{text(dataset.name)}, {meaning}; checksum `{text(record['data'])}`. {_counts(dataset)}",
        f"Licence and attribution: {text(dataset.attribution)}",
        "The code that trained the weights is under the MIT licence; the weights were made from this data.",
        "## Intended use",
        "To reproduce and study label-wise image-text retrieval: ranking texts for an image and images for a text by "
        "shared labels, and predicting those labels. It is made for research, and for no decision about people.",
        "## Limits",
        bullets([limit, *_limits(experiment, method, dataset)]),
    ]
    return page(_model_facts(record, dataset, title, dev, tested), sections)


def data_card(record: Mapping[str, Any], dataset: PairedDataset, tested: bool) -> str:
    """The data card as Markdown with YAML in front; the test split's rows where it was ``tested``."""
    experiment = record["experiment"]
    parts = {split: dataset.parts[split] for split in ("train", "dev", *(("test",) if tested else ()))}
    meaning, limit = STATUS[dataset.status], LIMITS[dataset.status]
    facts = DatasetCardData(
        license="other",
        license_name="see-license-details",
        license_details=dataset.attribution,
        pretty_name=dataset.name,
        tags=["image-text-retrieval", "multi-label", dataset.status, dataset.text_kind],
    ).to_dict()
    region = registry.about(dataset.regions)
    features = f"{dataset.feature_size} numbers and one of {dataset.region_classes} classes"
    each = f"{dataset.store.shape[0]} an image at most, each {features}"
    vectors = f"Word2Vec of size {dataset.vectors.shape[1]} from the training texts alone"
    cut = "" if dataset.tokenizer == OWN else f", {text(dataset.tokenizer.about)}"
    rows = [
        ("status", f"{dataset.status}: {meaning}"),
        ("texts", text(dataset.text_kind)),
        ("regions", f"{text(dataset.regions)}: {region}; {each}"),
        ("words", f"{len(dataset.vocabulary):,}{cut}; {vectors}"),
        ("split seed", str(experiment["split_seed"])),
        ("checksum", f"`sha256:{text(record['data'])}`"),
    ]
    for kind in ("regions", "words"):
        if share := experiment[f"missing_{kind}"]:
            rows.append((f"{kind} withheld", f"a share of {share:g}, everywhere the same ones"))
    sections = [
        f"# {text(dataset.name)}",
        f"**{meaning.capitalize()}.** {limit}",
        f"The data behind run `{record['key']}` ([{MODEL}]({MODEL})), as the trainer read it.",
        f"Licence and attribution: {text(dataset.attribution)}",
        "## What is in it",
        table(("", ""), rows),
        "## Splits",
        _splits_table(parts),
        "" if tested else "The test split is described once it was read.",
        "## Labels",
        "Images that carry each label:",
        _labels_table(dataset, parts),
        _notes(dataset),
    ]
    return page(facts, sections)


def _model_facts(
    record: Mapping[str, Any], dataset: PairedDataset, title: str, dev: Measures, tested: Mapping[str, Measures]
) -> dict[str, Any]:
    """What stands in front of the model card: tags, data, and the measures in the model-index form."""
    experiment = record["experiment"]
    tags = ["image-text-retrieval", "multi-label-classification", experiment["method"]]
    tags += [f"preset-{experiment['preset']}", f"scale-{experiment['scale']}", f"data-{dataset.status}"]
    bert = experiment["bert"]
    read = [(dataset.name, "dev", dev), *((name, "test", measures) for name, measures in tested.items())]
    results = [
        EvalResult(
            task_type="image-text-retrieval",
            task_name="Label-wise image-text retrieval",
            dataset_type=name,
            dataset_name=name,
            dataset_split=split,
            metric_type="f1" if "_f1" in measure else "ndcg",
            metric_name=_MEASURES.get(measure, measure),
            metric_value=value,
        )
        for name, split, measures in read
        for measure, value in measures.items()
    ]
    # As a dict: the hub's own YAML would write an object as one that is made when the card is read.
    return ModelCardData(
        license="other",
        license_name="as-the-training-data",
        library_name="semshare",
        tags=tags,
        datasets=[dataset.name],
        base_model=bert if bert and not _is_folder(bert) else None,
        metrics=["f1", "ndcg"],
        model_name=title,
        eval_results=results,
    ).to_dict()


def _run_facts(record: Mapping[str, Any], parameters: int) -> list[tuple[str, str]]:
    experiment = record["experiment"]
    versions = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
    return [
        ("run", f"`{record['key']}`"),
        ("method", f"`{experiment['method']}`"),
        ("preset", f"{experiment['preset']}: {_PRESETS[experiment['preset']]}"),
        ("scale", experiment["scale"]),
        ("seed", str(experiment["seed"])),
        ("initial weights", text(record["initial_weights"])),
        ("weights", f"{parameters:,} numbers in `{training.BEST}`, which `Run.network()` loads"),
        ("trained", f"{record['made']}: {len(record['history'])} epochs, wall time {record['seconds']:.1f} s"),
        ("device", text(record["device"])),
        ("threads", str(record["threads"])),
        ("precision", experiment["precision"]),
        ("versions", text(versions)),
        ("commit", text(record["commit"])),
    ]


def _dev(history: Sequence[Mapping[str, float]], selection: str, checkpoint: str) -> tuple[dict[str, float], str]:
    """The dev measures of the kept weights, and which epochs those are of.

    Where each modality keeps its own epoch, no epoch has the retrieval measures of the two together. Where the lowest
    training loss selects, the kept weights are of the midst of an epoch, and dev was not asked.
    """
    if not history:
        return {}, "the weights that the method's own fit gives"
    if checkpoint == "lowest-loss":
        return {}, "the weights after the batch with the lowest training loss among every tenth; dev selected nothing"
    if selection == "mean":
        row = training.best_epoch(list(history))
        return {name: row[name] for name in _MEASURES if name in row}, (
            f"epoch {row['epoch']:.0f}, whose mean of image and text F1 on dev is highest"
        )
    rows = {modality: training.best_epoch(list(history), modality) for modality in ("image", "text")}
    measures = {name: rows[name.split("_")[0]][name] for name in _MEASURES if "_f1" in name}
    image, text = (int(rows[modality]["epoch"]) for modality in ("image", "text"))
    return measures, f"the image side of epoch {image} and the text side of epoch {text}, each of the highest F1 on dev"


def _meant(measures: Measures, half: bool) -> Measures:
    """The measures without those at threshold 0.5 where that is no threshold for the scores."""
    return {name: value for name, value in measures.items() if half or not name.endswith("_at_half")}


def _measures_table(dev: Measures, tested: Mapping[str, Measures]) -> str:
    columns = [dev, *tested.values()]
    names = dict.fromkeys([*_MEASURES, *(name for column in columns for name in column)])
    rows = [
        (_MEASURES.get(name, text(name)), *(f"{column[name]:.4f}" if name in column else "" for column in columns))
        for name in names
        if any(name in column for column in columns)
    ]
    return table(("measure", "dev", *(f"test of {text(name)}" for name in tested)), rows)


def _history_table(history: Sequence[Mapping[str, float]]) -> str:
    shown = ("loss", "image_f1", "text_f1", "i2t", "t2i")
    rows = [(f"{row['epoch']:.0f}", *(f"{row[name]:.4f}" for name in shown)) for row in history]
    return table(("epoch", "training loss", *(_MEASURES[name] for name in shown[1:])), rows)


def _splits_table(parts: Mapping[str, Part]) -> str:
    rows = []
    for split, part in parts.items():
        images, texts = len(part.image_ids), len(part.texts)
        least, most = (int(value) for value in part.owner.bincount(minlength=images).aminmax())
        words = sum(len(text) - 2 for text in part.words) / texts  # without <start> and <end>
        each = f"{least}" if least == most else f"{least} to {most}"
        labels = float(part.labels.sum()) / images
        rows.append((split, f"{images:,}", f"{texts:,}", each, f"{labels:.2f}", f"{words:.1f}"))
    return table(("split", "images", "texts", "texts an image", "labels an image", "words a text"), rows)


def _labels_table(dataset: PairedDataset, parts: Mapping[str, Part]) -> str:
    counts = {split: part.labels.sum(0).int().tolist() for split, part in parts.items()}
    rows = []
    for column, label in enumerate(dataset.label_names):
        above = (text(dataset.supercategories[label]),) if dataset.supercategories else ()
        rows.append((text(label), *above, *(f"{counts[split][column]:,}" for split in parts)))
    return table(("label", *(("super-category",) if dataset.supercategories else ()), *parts), rows)


def _notes(dataset: PairedDataset) -> str:
    """What the reader found different from what it expected; files are named from the data's folder on."""
    notes = portable_notes(dataset.source, dataset.name)
    return f"## Notes of the reader\n\n{bullets(map(text, notes))}" if notes else ""


def _counts(dataset: PairedDataset) -> str:
    train, dev = dataset.parts["train"], dataset.parts["dev"]
    trained = f"{len(train.image_ids):,} images with {len(train.texts):,} texts to train on"
    return f"{trained}, {len(dev.image_ids):,} with {len(dev.texts):,} to select on; {len(dataset.label_names)} labels."


def _limits(experiment: Mapping[str, Any], method: methods.Method, dataset: PairedDataset) -> list[str]:
    """What a reader should know before using the weights, as far as the experiment says it."""
    limits = [
        f"It was taught {len(dataset.label_names)} labels and no other: what counts as found is what shares a label, "
        "whatever else it shows.",
    ]
    if dataset.regions.endswith(UNTRAINED):
        limits.append(f"Its regions come from {registry.RANDOM}.")
    if seen := registry.seen(dataset.regions):
        limits.append(seen)
    if experiment["scale"] != "full":
        limits.append(
            f"Scale {experiment['scale']} shrinks network, data and epochs: no number here is of the paper's sizes."
        )
    if experiment["padding"] == "read" and "padding" not in method.unread:
        limits.append("Padding is read like a segment: an item's embedding depends on the batch it is read in.")
    if experiment.get("boxes") == "first" and "boxes" not in method.unread:
        limits.append(
            "Every image was read with the boxes of its split's first image: where its regions lie is nothing to it."
        )
    if experiment["missing_regions"] or experiment["missing_words"] or experiment["train_items"]:
        limits.append("Part of the data was withheld on purpose (see the experiment): a study, not the best model.")
    return limits


def _value(name: str, value: Any, method: methods.Method) -> str:
    """An experiment's field as text; a folder is not named, it is nobody's business."""
    if name in method.unread:
        return f"not read by {method.name}"
    if value is None:
        return "none"
    is_folder = {"root": True, "bert": _is_folder(str(value)), "tokens": Path(str(value)).is_absolute()}
    if is_folder.get(name):
        return "a folder of the machine that trained"
    return f"{value:g}" if isinstance(value, float) else text(value)


def _is_folder(bert: str) -> bool:
    """Whether a BERT checkpoint's name is no public name but a path."""
    return not re.fullmatch(r"[\w-][\w.-]*(/[\w-][\w.-]*)?", bert) or Path(bert).exists()


def _parameters(weights: Path) -> int:
    """How many numbers a safetensors file holds."""
    return sum(tensor.numel() for tensor in read_tensors(weights).values())
