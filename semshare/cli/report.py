"""What ``semshare train``, ``grid``, ``eval`` and ``verdicts`` print, for people and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

from semshare import methods
from semshare.data import catalogue
from semshare.data.regions.base import UNTRAINED
from semshare.paper import reference
from semshare.paper.verdicts import Verdict, rule, summary
from semshare.runs import protocols
from semshare.runs.intervals import Interval, SeedVariance, by_query, gain_over_random, mean, over_splits
from semshare.utils.counts import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from semshare.runs.grid import Outcome
    from semshare.runs.store import Run


def report(runs: Sequence[Run]) -> dict[str, Any]:
    """The result of one experiment on one or several splits, ready for JSON.

    F1 and NDCG are in [0, 1]; ``gain`` is NDCG@500 (ordinary discount) above a random ranking of the same
    gallery with a 95 % interval: of one split over its test images alone, of several over splits.
    """
    numbers = [run.test.numbers() for run in runs]
    result: dict[str, Any] = {
        "experiment": runs[0].experiment.model_dump(mode="json"),
        "status": runs[0].dataset.status,
        "notes": list(runs[0].dataset.source.notes),
        "device": runs[0].record["device"],
        "initial_weights": runs[0].record["initial_weights"],
        "thresholds": [vars(run.thresholds) for run in runs],
        "half_means_something": runs[0].half_means_something,
        "test": {name: float(np.mean([of_run[name] for of_run in numbers])) for name in numbers[0]},
        "gain": {},
        "runs": [
            {"key": run.key, "folder": str(run.folder), "split_seed": run.experiment.split_seed}
            | {"seconds": run.record["seconds"], "test": of_run}
            for run, of_run in zip(runs, numbers, strict=True)
        ],
    }
    for direction in ("i2t", "t2i"):
        gain = _gain(runs, direction)
        result["gain"][direction] = {"value": gain.value, "low": gain.low, "high": gain.high}
    return result


def _gain(runs: Sequence[Run], direction: Literal["i2t", "t2i"]) -> Interval:
    """NDCG@500 above a random ranking, of one split or over several."""
    gains = [gain_over_random([run.scored], direction, SeedVariance()) for run in runs]
    if len(gains) == 1:
        return gains[0]
    sizes = [len(runs[0].dataset.parts[split].image_ids) for split in ("train", "test")]
    return over_splits([gain.value for gain in gains], *sizes)


def as_text(result: dict[str, Any]) -> str:
    """``report`` for people."""
    experiment, test = result["experiment"], result["test"]
    half = f"  at 0.5     image {test['image_f1_at_half']:.3f}   text {test['text_f1_at_half']:.3f}"
    lines = [
        f"{experiment['method']} on {experiment['dataset']} ({_data(result['status'], experiment['regions'])}), scale "
        f"{experiment['scale']}, "
        f"{result['device']}, {len(result['runs'])} run(s)",
        f"  initial weights: {result['initial_weights']}",
        f"  Micro-F1   image {test['image_f1']:.3f}   text {test['text_f1']:.3f}   (thresholds tuned on dev)",
        *([half] if result["half_means_something"] else []),
        f"  NDCG@500   I2T {test['i2t']:.3f}   T2I {test['t2i']:.3f}   T2I, ordinary discount {test['t2i_rank']:.3f}",
    ]
    for direction, gain in result["gain"].items():
        random = test[f"{direction}_random"]
        lines.append(f"  {direction.upper()} above a random ranking, which gives {random:.3f}: {Interval(**gain)}")
    lines += [f"  note: {note}" for note in result["notes"]]
    return "\n".join([*lines, *(f"  run {run['folder']}" for run in result["runs"])])


def grid_report(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """How many of a grid's runs are in which state, and each of them with its measures on test, ready for JSON."""
    states = [outcome.state for outcome in outcomes]
    listed = []
    for outcome in outcomes:
        row: dict[str, Any] = {"name": outcome.name, "state": outcome.state}
        row["experiment"] = outcome.experiment.model_dump(mode="json")
        if outcome.run is not None:
            row |= {
                "status": outcome.run.dataset.status,
                "device": outcome.run.record["device"],
                "key": outcome.run.key,
            }
            row |= {
                "folder": str(outcome.run.folder),
                "seconds": outcome.run.record["seconds"],
                "test": outcome.run.test.numbers(),
            }
        if outcome.reason:
            row["reason"] = outcome.reason
        listed.append(row)
    return {"count": {state: states.count(state) for state in dict.fromkeys(states)}, "runs": listed}


def grid_as_text(result: dict[str, Any]) -> str:
    """``grid_report`` for people: one line a run, with what failed at the end."""
    lines = []
    for run in sorted(result["runs"], key=lambda run: run["state"] == "failed"):
        if test := run.get("test"):
            said = (
                f"Micro-F1 image {test['image_f1']:.3f} text {test['text_f1']:.3f}  "
                f"NDCG@500 I2T {test['i2t']:.3f} T2I {test['t2i']:.3f}  {run['key']}"
            )
        else:
            said = run.get("reason", "")
        lines.append(f"{run['state']:<8} {run['name']}{': ' if said else ''}{said}")
    data = dict.fromkeys(
        f"{run['experiment']['dataset']}: {_data(run['status'], run['experiment']['regions'])}"
        for run in result["runs"]
        if "status" in run
    )
    scales = ", ".join(dict.fromkeys(run["experiment"]["scale"] for run in result["runs"]))
    counted = ", ".join(f"{count} {state}" for state, count in result["count"].items())
    return "\n".join([*lines, f"{counted}; scale {scales}", *data])


def protocol_report(run: Run, names: Sequence[str] = ()) -> dict[str, Any]:
    """What the protocols ``names`` (all that fit the dataset by default) say of ``run`` on test, ready for JSON.

    For each protocol and direction ``value`` with its 95 % interval over test images, ``random``, what a
    random ranking of the same gallery is expected to give, the number of queries that count, and the size of the
    gallery: a list, since the parts of a test split that are ranked apart have one each.

    Raises:
        UserError: an unknown protocol, or one that does not fit the dataset.
    """
    part = run.dataset.parts["test"]
    owners = {"i2t": torch.arange(len(part.image_ids)), "t2i": part.owner}
    fitting = protocols.fitting(catalogue.entry(run.experiment.dataset))
    names = list(dict.fromkeys(names)) or [protocol.name for protocol in fitting]
    rows = []
    for name, retrieval in run.retrieval(names).items():
        row: dict[str, Any] = {"protocol": name, "description": protocols.get(name).description}
        for column, (direction, owner) in enumerate(owners.items()):
            values = getattr(retrieval, direction)
            here = mean([by_query(values, owner, run.key)], "query", SeedVariance())
            row[direction] = vars(here) | {
                "random": float(getattr(retrieval, f"{direction}_random").nanmean()),
                "queries": int((~values.isnan()).sum()),
                "gallery": retrieval.gallery[:, column].tolist(),
            }
        rows.append(row)
    return {
        "run": run.key,
        "folder": str(run.folder),
        "experiment": run.experiment.model_dump(mode="json"),
        "status": run.dataset.status,
        "device": run.record["device"],
        "commit": run.record["commit"],
        "protocols": rows,
    }


def protocols_as_text(result: dict[str, Any]) -> str:
    """``protocol_report`` for people."""
    experiment = result["experiment"]
    lines = [
        f"{experiment['method']} on {experiment['dataset']} ({result['status']}), preset {experiment['preset']}, scale "
        f"{experiment['scale']}, run {result['run']}"
    ]
    for row in result["protocols"]:
        lines.append(f"{row['protocol']}: {row['description']}")
        for direction in ("i2t", "t2i"):
            values = row[direction]
            sizes = sorted(set(values["gallery"]))
            gallery = f"{sizes[0]}" if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
            lines.append(
                f"  {direction.upper()} {values['value']:.4f} [{values['low']:.4f}, {values['high']:.4f}]   random "
                f"{values['random']:.4f}   {counted(values['queries'], 'query', 'queries')}, gallery {gallery}"
            )
    return "\n".join(lines)


def _data(status: str, regions: str) -> str:
    """What the data is, in a few words."""
    return f"{status}; regions {regions}" + (": random weights, no result" if regions.endswith(UNTRAINED) else "")


def verdicts_report(verdicts: Sequence[Verdict], runs: Sequence[Run]) -> dict[str, Any]:
    """The verdicts and what they rest on, ready for JSON; ``runs`` are all the runs behind them."""
    one_of_each = {run.experiment.dataset: run for run in runs}
    return {
        "scale": runs[0].experiment.scale,
        "preset": runs[0].experiment.preset,
        "data": {name: run.dataset.status for name, run in one_of_each.items()},
        "regions": {name: run.experiment.regions for name, run in one_of_each.items()},
        "devices": sorted({run.record["device"] for run in runs}),
        "rule": rule(),
        "claims": {str(number): text for number, text in reference.TESTED.items()},
        "summary": summary(verdicts),
        "verdicts": [verdict.as_dict() for verdict in verdicts],
    }


def verdicts_as_text(verdicts: Sequence[Verdict], runs: Sequence[Run]) -> str:
    """:func:`verdicts_report` for people: a table, then the rule by which it judges."""
    result, table = verdicts_report(verdicts, runs), [verdict.in_words() for verdict in verdicts]
    rows = [list(table[0]), *(list(row.values()) for row in table)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    data = ", ".join(f"{name} ({_data(status, result['regions'][name])})" for name, status in result["data"].items())
    lines = [
        f"{data}; scale {result['scale']}, preset {result['preset']}, {'; '.join(result['devices'])}",
        *("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows),
        result["rule"],
        f"In short: {result['summary']}.",
    ]
    return "\n".join(lines)


def what_follows(dataset: str, words: int) -> str:
    """What follows from a dataset's texts: the paper's lambda, what an image ranks, how many words there are."""
    kind = catalogue.entry(dataset).text_kind
    gallery = "every caption" if kind == "captions" else "the distinct tag sets"
    return f"  texts are {kind}: lambda {methods.chosen_lambda(kind):g}; an image ranks {gallery}; {words:,} words"
