"""One function per table of the book: runs in, a DataFrame (or a styled one) out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from pandas.io.formats.style import Styler
from torch import Tensor, nn

from semshare import methods, reference, training
from semshare.data import catalogue
from semshare.data.dataset import PairedDataset
from semshare.data.source import SPLITS
from semshare.data.words import MAX_LENGTH
from semshare.experiment import DIFFERENCES
from semshare.failures import KINDS, Failures
from semshare.model import MODALITIES
from semshare.recorded import Recording
from semshare.runs import Run
from semshare.verdicts import Interval, Verdict

MEASURE_TITLES = {"image_f1": "image F1", "text_f1": "text F1", "i2t": "I2T NDCG", "t2i": "T2I NDCG"}


_REGION_RULES = {"grid": "all cells of the grid", "simulated": "none: drawn from the labels"}  # others are detectors


def dataset_table(datasets: Sequence[PairedDataset]) -> pd.DataFrame:
    """One row a dataset: its status, the sizes of its splits, labels a pair and words a text on train, its regions."""
    rows = {}
    for one in datasets:
        part = one.parts["train"]
        rows[one.name] = {
            "status": one.status,
            **{f"{split} pairs": len(one.parts[split].image_ids) for split in SPLITS},
            "labels": len(one.label_names),
            "labels a pair": float(part.labels.sum(1).mean()),
            "texts a picture": len(part.words) // len(part.image_ids),
            "words a text": float(np.mean([len(words) - 2 for words in part.words])),
            "vocabulary": len(one.vocabulary),
            "regions": one.regions,
            "pictures that cannot be read": len(one.store.skipped),
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def settings_table(run: Run) -> pd.DataFrame:
    """Every setting that section 2 of the supplementary states, beside the value that ``run`` used."""
    longest = max(len(words) for part in run.dataset.parts.values() for words in part.words)
    used = {
        "regions an image": f"{run.dataset.store.shape[0]} ({run.experiment.regions})",
        "region rule": _REGION_RULES.get(run.experiment.regions, "the 36 best, whatever their score"),
        "region feature": f"{run.dataset.feature_size}-d",
        "word vector": f"{run.dataset.vectors.shape[1]}-d Word2Vec",
        "maximum sequence length": f"{MAX_LENGTH} (longest text: {longest})",
        "optimiser": "Adam",
        "device": run.record["device"],
    }
    rows = {}
    for setting in reference.SETTINGS:
        value = used[setting.name] if setting.field is None else getattr(run.experiment, setting.field)
        rows[setting.name] = {"paper": setting.paper, "this run": "none" if value is None else str(value)}
    return pd.DataFrame.from_dict(rows, orient="index")


@torch.inference_mode()
def shapes_table(run: Run, batch: int = 4) -> pd.DataFrame:
    """What one batch of test items looks like at each step, read off the network as it runs."""
    network, dataset = run.network(), run.dataset
    shapes: dict[tuple[str, str], tuple[int, ...]] = {}

    def watch(modality: str, step: str, module: nn.Module) -> torch.utils.hooks.RemovableHandle:
        def note(_module: nn.Module, _inputs: object, output: object) -> None:
            value = output.features if hasattr(output, "features") else output
            shapes[modality, step] = tuple(value.shape)

        return module.register_forward_hook(note)

    batch = min(batch, len(dataset.parts["test"].image_ids))
    for modality in MODALITIES:
        owner = "both" if network.shared else modality
        fetch = dataset.images if modality == "image" else dataset.texts
        segments = fetch("test", range(batch))
        if modality == "image":
            if not getattr(dataset.source, "without_pictures", False):
                picture = np.asarray(dataset.source.picture(dataset.parts["test"].image_ids[0]))
                shapes[modality, "the first picture (height, width, RGB)"] = picture.shape
            shapes[modality, "region features"] = tuple(segments.features.shape)
            shapes[modality, "boxes"] = tuple(segments.positions.shape)
        else:
            shapes[modality, "word ids"] = tuple(segments.features.shape)
        handles = [watch(modality, "word vectors", network.segments["text"].vectors)] if modality == "text" else []
        handles += [
            watch(modality, "segments", network.segments[modality]),
            watch(modality, "hidden states", network.encoders[owner]),
            watch(modality, "label scores of each segment", network.classifiers[owner]),
        ]
        shapes_of_output = tuple(network(modality, segments).embedding.shape)
        shapes[modality, "class-space embedding"] = shapes_of_output
        for handle in handles:
            handle.remove()
    return pd.DataFrame({"shape": {key: " x ".join(map(str, shape)) for key, shape in shapes.items()}})


def parameter_table(network: nn.Module) -> pd.DataFrame:
    """Trainable parameters of each part of ``network``, and their sum."""
    counts: dict[str, int] = {}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            part = ".".join(name.split(".")[:2])
            counts[part] = counts.get(part, 0) + parameter.numel()
    return pd.DataFrame({"parameters": counts | {"sum": sum(counts.values())}})


def still_improving(runs: Iterable[Run]) -> str:
    """How many of the distinct ``runs`` were best on dev in their last epoch, in words."""
    distinct = list({run.key: run for run in runs}.values())
    late = sum(training.best_epoch(run.history)["epoch"] == len(run.history) for run in distinct)
    return f"{late} of {len(distinct)}"


def classification_table(runs: Mapping[tuple[str, str], Sequence[Run]]) -> pd.DataFrame:
    """Table 1: Micro-F1 by (method, dataset), the mean over seeds, the paper's value beside it.

    Rows are (dataset, method); columns are (modality, "here" or "paper"), "paper" empty where the dataset
    stands in for none of the paper's.
    """
    rows: dict[tuple[str, str], dict[tuple[str, str], float]] = {}
    for dataset in dict.fromkeys(dataset for _, dataset in runs):
        for method in (method for method, other in runs if other == dataset):
            paper = _paper_f1(method, dataset)
            row = rows.setdefault((dataset, methods.get(method).title), {})
            for place, modality in enumerate(MODALITIES):
                here = [run.test.numbers()[f"{modality}_f1"] for run in runs[method, dataset]]
                row[modality, "here"] = float(np.mean(here))
                row[modality, "paper"] = np.nan if paper is None else paper[place]
    return pd.DataFrame.from_dict(rows, orient="index")


def retrieval_table(runs: Mapping[tuple[str, str], Sequence[Run]]) -> pd.DataFrame:
    """NDCG@500 x 100 and mAP x 100 in both directions by (dataset, method), the mean over seeds.

    "T2I, rank" is T2I with the ordinary discount: on tags it is T2I itself. The row "Random" is the expected
    NDCG of a random ranking of the same gallery.
    """
    rows: dict[tuple[str, str], dict[str, float]] = {}
    for dataset in dict.fromkeys(dataset for _, dataset in runs):
        for method in (method for method, other in runs if other == dataset):
            some = runs[method, dataset]
            numbers = 100 * pd.DataFrame([run.test.numbers() | run.mean_average_precision() for run in some]).mean()
            rows[dataset, methods.get(method).title] = {
                "I2T": numbers["i2t"],
                "T2I": numbers["t2i"],
                "T2I, rank": numbers["t2i_rank"],
                "I2T mAP": numbers["i2t_map"],
                "T2I mAP": numbers["t2i_map"],
            }
        rows[dataset, "Random"] = {"I2T": numbers["i2t_random"], "T2I, rank": numbers["t2i_random"]}
    return pd.DataFrame.from_dict(rows, orient="index")


def best_in_bold(table: pd.DataFrame, digits: int, by: int | None = None) -> Styler:
    """``table`` with the best value of each column in bold, within each group of index level ``by``."""

    def bold(column: pd.Series) -> list[str]:
        best = column.groupby(level=by).transform("max") if by is not None else column.max()
        return ["font-weight: bold" if value else "" for value in column == best]

    return table.style.apply(bold).format(precision=digits, na_rep="–", escape="html")


def gain_table(gains: Mapping[tuple[str, str], Interval]) -> pd.DataFrame:
    """NDCG@500 above a random ranking, in points, with its interval, by (dataset, direction)."""
    rows = {
        key: {"gain": 100 * gain.value, "low": 100 * gain.low, "high": 100 * gain.high} for key, gain in gains.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index")


def dev_choice(runs: Mapping[str, Mapping[float, Sequence[Run]]]) -> pd.DataFrame:
    """The lambda that dev would choose, by the mean of both modalities' F1 (mean over seeds), and the paper's."""
    rows = {}
    for dataset, by_lambda in runs.items():
        dev = {
            lam: float(np.mean([training.dev_score(training.best_epoch(run.history)) for run in some]))
            for lam, some in by_lambda.items()
        }
        chosen = max(dev, key=dev.__getitem__)
        paper = reference.chosen_lambda(catalogue.entry(dataset).text_kind)
        rows[dataset] = {"dev chooses": chosen, "dev F1 there": dev[chosen], "the paper's": paper}
        rows[dataset] |= {"dev F1 at the paper's": dev[paper]}
    return pd.DataFrame.from_dict(rows, orient="index")


def failure_shares(failures: Sequence[Failures]) -> pd.DataFrame:
    """The share of each kind among wrong retrieved items beside that among random wrong items.

    An item can be semantic and super-class at once, so the shares need not sum to 1.
    """
    rows = {}
    for one in failures:
        for kind in KINDS:
            rows[one.direction.upper(), {"superclass": "super-class"}.get(kind, kind)] = {
                "retrieved": one.share(kind),
                "random": one.chance_share(kind),
                "wrong items": int(one.wrong.sum()),
            }
    return pd.DataFrame.from_dict(rows, orient="index")


def confusion_pairs(names: Sequence[str], shares: Tensor, count: int = 5) -> pd.DataFrame:
    """The most frequent confusions of two different super-categories, from ``failures.confusion``."""
    rows = [
        {"query": query, "retrieved": item, "share": float(shares[i, j])}
        for i, query in enumerate(names)
        for j, item in enumerate(names)
        if i != j
    ]
    return pd.DataFrame(rows).nlargest(count, "share").reset_index(drop=True)


def verdict_table(verdicts: Sequence[Verdict]) -> Styler:
    """The verdicts as a table: claim, dataset, measure, estimate with its interval, verdict."""
    rows = [
        {
            "claim": one.claim,
            "dataset": one.dataset,
            "measure": one.measure,
            "estimate [95 %]": str(one.interval),
            "verdict": one.verdict,
        }
        for one in verdicts
    ]
    return words(pd.DataFrame(rows)).hide(axis="index")


def words(table: pd.DataFrame) -> Styler:
    """A table of texts: escaped, and flush left as prose is."""
    left = [{"selector": "th, td", "props": [("text-align", "left")]}]
    return table.style.format(escape="html").set_table_styles(left)


def preset_differences() -> pd.DataFrame:
    """The two presets field by field: the value under each, what it means, and where the released one is taken."""
    where = {None: "everywhere", "full": "at scale full", "captions": "on captions", "independent": "by Independent"}
    rows = {
        one.field: {
            "paper": "none" if one.paper is None else str(one.paper),
            "released": str(one.released),
            "what it is": one.about,
            "taken": where[one.only],
        }
        for one in DIFFERENCES
    }
    return pd.DataFrame.from_dict(rows, orient="index")


def comparison_table(recording: Recording, *by: str) -> pd.DataFrame:
    """A recording's comparisons, in points: a row for each value of ``by``, a column for each measure.

    A cell is the difference with its 95 % interval, and a star where the interval does not hold 0.
    """
    rows: dict[tuple, dict[str, str]] = {}
    for one in recording.comparisons:
        low, value, high = (100 * one[name] for name in ("low", "value", "high"))
        star = "*" if low > 0 or high < 0 else ""
        row = rows.setdefault(tuple(one[name] for name in by), {})
        row[MEASURE_TITLES[one["measure"]]] = f"{value:+.1f} [{low:+.1f}, {high:+.1f}]{star}"
    index = pd.MultiIndex.from_tuples(rows, names=by) if len(by) > 1 else pd.Index([key for (key,) in rows], name=by[0])
    return pd.DataFrame(list(rows.values()), index=index)


def recorded_table(recording: Recording, paper: str) -> pd.DataFrame:
    """Recorded runs of Table 1's methods, the mean over seeds, beside the paper's values for its dataset ``paper``."""
    rows = {}
    for method in reference.TABLE_1:
        lam = reference.chosen_lambda("tags") if method.startswith("ours") else 0.0
        if not (some := recording.select(method=method, lam=lam)):
            continue
        numbers = pd.DataFrame([run.test.numbers() for run in some]).mean()
        printed = reference.TABLE_1[method][list(reference.DATASETS).index(paper)]
        rows[some[0].title] = {
            ("image F1", "here"): numbers["image_f1"],
            ("image F1", "paper"): printed[0],
            ("text F1", "here"): numbers["text_f1"],
            ("text F1", "paper"): printed[1],
            ("NDCG@500", "I2T"): numbers["i2t"],
            ("NDCG@500", "T2I"): numbers["t2i"],
            ("", "seeds"): len(some),
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def _paper_f1(method: str, dataset: str) -> tuple[float, float] | None:
    """Table 1's (image, text), None where the paper has no such cell."""
    stand_ins = list(reference.DATASETS.values())
    if dataset not in stand_ins or method not in reference.TABLE_1:
        return None
    return reference.TABLE_1[method][stand_ins.index(dataset)]
