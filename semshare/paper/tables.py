"""One function per table of the book: runs in, a DataFrame (or a styled one) out."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from semshare import methods, training
from semshare.data import catalogue
from semshare.data.source import SPLITS
from semshare.data.words import MAX_LENGTH
from semshare.model import MODALITIES
from semshare.paper import oracles, plans, reference, retrieval
from semshare.paper.failures import KINDS, TITLES, Direction, Failures
from semshare.paper.verdicts import ESTIMATE, Verdict, summary
from semshare.runs import protocols
from semshare.runs.intervals import MEASURES, SeedVariance, gain_over_random, mean
from semshare.runs.quantities import title
from semshare.utils.extras import extra

with extra("book"):
    import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pandas.io.formats.style import Styler

    from semshare.data.dataset import PairedDataset
    from semshare.paper.recordings import RecordedRun
    from semshare.runs.store import Run


_REGION_RULES = {"grid": "all cells of the grid", "simulated": "none: drawn from the labels"}  # others are detectors


def dataset_table(datasets: Sequence[PairedDataset]) -> pd.DataFrame:
    """One row a dataset: its status, the sizes of its splits, labels a pair and words a text on train, its regions."""
    rows = {}
    for dataset in datasets:
        part = dataset.parts["train"]
        rows[dataset.name] = {
            "status": dataset.status,
            **{f"{split} pairs": len(dataset.parts[split].image_ids) for split in SPLITS},
            "labels": len(dataset.label_names),
            "labels a pair": float(part.labels.sum(1).mean()),
            "texts a picture": len(part.words) // len(part.image_ids),
            "words a text": float(np.mean([len(words) - 2 for words in part.words])),
            "vocabulary": len(dataset.vocabulary),
            "regions": dataset.regions,
            "pictures that cannot be read": len(dataset.store.skipped),
        }
    return pd.DataFrame.from_dict(rows, orient="index")


_WORD_VECTORS = {"word2vec": "Word2Vec", "uniform": "uniform in ±0.1"}


def settings_table(run: Run) -> pd.DataFrame:
    """Every setting that section 2 of the supplementary states, beside the value that ``run`` used."""
    longest = max(len(words) for part in run.dataset.parts.values() for words in part.words)
    used = {
        "regions an image": f"{run.dataset.store.shape[0]} ({run.experiment.regions})",
        "region rule": _REGION_RULES.get(run.experiment.regions, "the 36 best, whatever their score"),
        "region feature": f"{run.dataset.feature_size}-d",
        "word vector": f"{run.dataset.vectors.shape[1]}-d {_WORD_VECTORS[run.experiment.initial_words]}",
        "maximum sequence length": f"{MAX_LENGTH} (longest text: {longest})",
        "initial weights": run.record["initial_weights"],
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
            if not dataset.source.without_pictures:
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


def last_epoch_table(without: Sequence[Run], with_: Sequence[Run]) -> pd.DataFrame:
    """Where Fig. 1's curves end: each measure without and with the consistency loss, here and in the paper.

    "±" is half the width of the mean's 95 % interval, here and in the tables below; seeds are pooled over the rows of a
    dataset, and with one seed the interval is of the test images alone.
    """
    sides = {"without": without, "with": with_}
    last = {name: [run.scored_epochs[-1] for run in runs] for name, runs in sides.items()}
    variance = SeedVariance.pool(last.values())
    rows: dict[str, dict[tuple[str, str], float]] = {}
    for measure in MEASURES:
        row = rows.setdefault(title(measure), {})
        for name, evaluated in last.items():
            here = mean(evaluated, measure, variance)
            row["here", name], row["here", f"{name} ±"] = here.value, here.half_width
        paper = reference.figure_1(without[0].experiment.dataset, measure) or (np.nan, np.nan)
        row |= {("paper", name): value for name, value in zip(sides, paper, strict=True)}
    return _with_keys(pd.DataFrame.from_dict(rows, orient="index"), sides)


def _with_keys(table: pd.DataFrame, made_of: Mapping[str, Sequence[Run]]) -> pd.DataFrame:
    """``table`` with the keys of the runs behind its means, by row or column, for the drawer under it."""
    table.attrs["keys"] = {name: [run.key for run in runs] for name, runs in made_of.items()}
    return table


def _by_row(runs: Mapping[tuple[str, str], Sequence[Run]]) -> dict[str, Sequence[Run]]:
    """The runs of Table 1 by the names of its rows."""
    return {f"{dataset}, {methods.get(method).title}": side for (method, dataset), side in runs.items()}


def classification_table(runs: Mapping[tuple[str, str], Sequence[Run]]) -> pd.DataFrame:
    """Table 1: Micro-F1 by (method, dataset), the mean over seeds, the paper's value beside it.

    Rows are (dataset, method); columns are (modality, "here", "±", "at 0.5" or "paper"). "here" is at the threshold
    tuned on dev; "at 0.5" is empty where that threshold means nothing to the scores, "paper" where the dataset is, or
    stands in for, none of the paper's.
    """
    rows: dict[tuple[str, str], dict[tuple[str, str], float]] = {}
    for dataset in dict.fromkeys(dataset for _, dataset in runs):
        of_method = plans.by_method(runs, dataset)
        evaluated = {method: [run.scored for run in side] for method, side in of_method.items()}
        variance = SeedVariance.pool(evaluated.values())
        for method, side in of_method.items():
            row = rows.setdefault((dataset, methods.get(method).title), {})
            for modality in MODALITIES:
                here = mean(evaluated[method], f"{modality}_f1", variance)
                half = mean(evaluated[method], f"{modality}_f1_at_half", variance).value
                paper = reference.table_1(method, dataset, f"{modality}_f1")
                row[modality, "here"], row[modality, "±"] = here.value, here.half_width
                row[modality, "at 0.5"] = half if side[0].half_means_something else np.nan
                row[modality, "paper"] = np.nan if paper is None else paper
    return _with_keys(pd.DataFrame.from_dict(rows, orient="index"), _by_row(runs))


def protocol_table(names: Sequence[str]) -> Styler:
    """How each of the protocols ``names`` reads retrieval."""
    rows = [{"protocol": name, "how it is read": protocols.get(name).description} for name in names]
    return words(pd.DataFrame(rows)).hide(axis="index")


def retrieval_table(runs: Mapping[tuple[str, str], Sequence[Run | RecordedRun]], names: Sequence[str]) -> pd.DataFrame:
    """What the protocols ``names`` say in both directions by (dataset, method), the mean over seeds x 100 with its "±".

    Columns are (protocol, direction); a protocol that does not fit a dataset is empty there. The row "Random" is what
    a random ranking of the same gallery is expected to give. The oracles' rows are what *Ours* would reach if it knew
    one modality's labels; recorded runs, which have no items any more, have none.
    """
    rows: dict[tuple[str, str], dict[tuple[str, str], float]] = {}
    for dataset in dict.fromkeys(dataset for _, dataset in runs):
        fitting = [
            protocol.name
            for protocol in map(protocols.get, names)
            if protocol in protocols.fitting(catalogue.entry(dataset))
        ]
        of_method = {method: side for method, side in plans.by_method(runs, dataset).items() if side}
        if not of_method:
            continue
        read = {
            methods.get(method).title: [retrieval.of(run, fitting) for run in side]
            for method, side in of_method.items()
        }
        read |= retrieval.oracle_rows(of_method.get("ours", ()), fitting)
        random: dict[tuple[str, str], float] = {}
        for name in fitting:
            for direction in retrieval.DIRECTIONS:
                evaluated = {row: [of_run[name, direction].scored for of_run in side] for row, side in read.items()}
                variance = SeedVariance.pool(side for row, side in evaluated.items() if row not in oracles.ROWS)
                column = name, direction.upper()
                for row, side in evaluated.items():
                    # What one seed does to an oracle is its own, and not what it does to the methods.
                    own = SeedVariance.pool([side]) if row in oracles.ROWS else variance
                    cells, here = rows.setdefault((dataset, row), {}), mean(side, "query", own)
                    cells[column], cells[name, f"{column[1]} ±"] = 100 * here.value, 100 * here.half_width
                random[column] = 100 * next(iter(read.values()))[0][name, direction].random
        rows[dataset, "Random"] = random
    known = {f"{dataset}, {row}": runs["ours", dataset] for dataset, row in rows if row in oracles.ROWS}
    return _with_keys(pd.DataFrame.from_dict(rows, orient="index"), _by_row(runs) | known)


def best_in_bold(table: pd.DataFrame, digits: int, by: int | None = None) -> Styler:
    """``table`` with the best value of each column in bold, within each group of index level ``by``.

    A column of interval widths ("±") or of seeds, and one that few rows have ("at 0.5"), has no best. An oracle is
    none of those that are compared.
    """
    oracle = table.index.get_level_values(-1).isin(list(oracles.ROWS))

    def bold(column: pd.Series) -> list[str]:
        column = column.mask(oracle)
        best = column.groupby(level=by).transform("max") if by is not None else column.max()
        return ["font-weight: bold" if value else "" for value in column == best]

    names = table.columns.get_level_values(-1)
    compared = table.columns[~(names.str.endswith("±") | names.isin(["at 0.5", "seeds"]))]
    styled = table.style.apply(bold, subset=compared.tolist()).set_table_attributes("class='dense'")
    return styled.format(precision=digits, na_rep="–", escape="html")


def gain_table(runs: Mapping[tuple[str, str], Sequence[Run]], method: str = "ours") -> pd.DataFrame:
    """NDCG@500 of ``method`` above a random ranking, in points, with its interval, by (dataset, direction)."""
    rows: dict[tuple[str, str], dict[str, float]] = {}
    directions: tuple[Direction, ...] = ("i2t", "t2i")
    for dataset in dict.fromkeys(dataset for _, dataset in runs):
        evaluated = {name: [run.scored for run in side] for name, side in plans.by_method(runs, dataset).items()}
        variance = SeedVariance.pool(evaluated.values())
        for direction in directions:
            gain = gain_over_random(evaluated[method], direction, variance)
            rows[dataset, direction] = {"gain": 100 * gain.value, "low": 100 * gain.low, "high": 100 * gain.high}
    of_method = {dataset: plans.by_method(runs, dataset)[method] for dataset in dict.fromkeys(name for _, name in runs)}
    return _with_keys(pd.DataFrame.from_dict(rows, orient="index"), of_method)


def dev_choice(runs: Mapping[str, Mapping[float, Sequence[Run]]]) -> pd.DataFrame:
    """The lambda that dev would choose, by the mean of both modalities' F1 (mean over seeds), and the paper's."""
    rows, columns = {}, ["dev chooses", "dev F1 there", "the paper's", "dev F1 at the paper's"]
    for dataset, by_lambda in runs.items():
        if not by_lambda:  # a recording that has only begun
            continue
        dev = {
            lam: float(np.mean([training.dev_score(training.best_epoch(run.history)) for run in side]))
            for lam, side in by_lambda.items()
        }
        chosen = max(dev, key=dev.__getitem__)
        paper = methods.chosen_lambda(catalogue.entry(dataset).text_kind)
        rows[dataset] = dict(zip(columns, (chosen, dev[chosen], paper, dev[paper]), strict=True))
    by_setting = {
        f"{dataset}, lambda {lam:g}": side for dataset, by_lambda in runs.items() for lam, side in by_lambda.items()
    }
    return _with_keys(pd.DataFrame.from_dict(rows, orient="index", columns=columns), by_setting)


def failure_shares(failures: Sequence[Failures]) -> pd.DataFrame:
    """The share of each kind among wrong retrieved items beside that among random wrong items.

    An item can be semantic and super-class at once, so the shares need not sum to 1.
    """
    rows = {}
    for of_direction in failures:
        for kind in KINDS:
            rows[of_direction.direction.upper(), TITLES[kind]] = {
                "retrieved": of_direction.share(kind),
                "random": of_direction.chance_share(kind),
                "wrong items": int(of_direction.wrong.sum()),
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
    """One row a verdict; what was measured stands under its claim, the runs it rests on unfold to their keys."""
    rows = [{name: html.escape(text) for name, text in verdict.in_words().items()} for verdict in verdicts]
    for row in rows:
        row[ESTIMATE] = row[ESTIMATE].replace(", ", ",&nbsp;")  # an interval is not broken
        row["claim"] += f"<div class='measure'>{row.pop('measure')}</div>"
        keys = row["runs"].split()
        row["runs"] = f"<details><summary>{len(keys)}</summary>{'<br>'.join(keys)}</details>"
    return _flush_left(pd.DataFrame(rows).style).set_table_attributes("class='dense verdicts'").hide(axis="index")


def verdicts_by_claim(evidence: Mapping[str, Sequence[Verdict]]) -> str:
    """HTML: each claim with how its tests came out on each kind of data, which unfolds to the rows of the table.

    ``evidence`` are the verdicts by what they were made on, in plain words, the strongest first.
    """
    parts = []
    for claim, text in reference.TESTED.items():
        outcomes, tables = [], []
        for number, (made_on, verdicts) in enumerate(evidence.items()):
            own = [verdict for verdict in verdicts if verdict.claim == claim]
            name = html.escape(made_on)
            outcomes.append(f"<em>{name}: {summary(own) if own else 'not tested'}</em>")
            if own:
                rows = verdict_table(own).set_uuid(f"claim-{claim}-{number}").to_html()
                tables.append(f"<p>{name}</p>{rows}")
        told = f"<summary>{claim}. {html.escape(text)} {' '.join(outcomes)}</summary>"
        parts.append(f"<details>{told}{''.join(tables)}</details>")
    return f"<div class='claims'>{''.join(parts)}</div>"


def words(table: pd.DataFrame) -> Styler:
    """A table of texts: escaped, and flush left as prose is."""
    return _flush_left(table.style.format(escape="html"))


def _flush_left(styled: Styler) -> Styler:
    return styled.set_table_styles([{"selector": "th, td", "props": [("text-align", "left")]}])
