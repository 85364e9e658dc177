"""How a finished run shows itself: in a line of text, and in a notebook as its curve, its scores and its origin.

Nothing is computed for it: the scores on test are those that were read before.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from semshare import training
from semshare.data.about import STATUS
from semshare.errors import UserError
from semshare.runs import quantities
from semshare.runs.quantities import HEADLINE
from semshare.utils import html

if TYPE_CHECKING:
    from collections.abc import Mapping

    from semshare.evaluation import Evaluation
    from semshare.runs.store import Run

_MEASURES = (*HEADLINE, "t2i_rank")


def run_text(run: Run) -> str:
    """A run in a line."""
    experiment = run.experiment
    seed = f", seed {experiment.seed}" if run.seeded else ""
    return f"<Run {run.key}: {run.title} on {experiment.dataset}, scale {experiment.scale}{seed}>"


def run_html(run: Run, test: Evaluation | None) -> str:
    """A run as HTML, with its evaluation on test where there is one."""
    history = run.history
    best = training.best_epoch(history) if history else {}
    blocks = [html.row(_curves(history, best)), _scores(best, test)]
    if test is None:
        blocks.append(html.paragraph(html.text("Not read on test yet: run.test reads it.", html.NOTE)))
    if run.experiment.scale == "smoke":
        blocks.append(html.paragraph(html.text("At scale smoke no number means anything.", html.NOTE)))
    title = f"{run.title} on {run.experiment.dataset}, run {run.key}"
    return html.shown(title, *blocks, html.folded("Made from", html.facts(_origin(run))))


def _curves(history: list[dict[str, float]], best: Mapping[str, float]) -> list[str]:
    if not history:
        return [html.text("Not trained by steps: no curve.", html.NOTE)]
    kept = int(best["epoch"])
    loss = html.curve("loss", {"loss": [row["loss"] for row in history]}, kept)
    named = [name for name in ("image", "text") if f"{name}_f1" in history[0]]
    measures = {name: [row[f"{name}_f1"] for row in history] for name in named}
    return [loss, html.curve("Micro-F1 on dev", measures, kept)]


def _scores(best: Mapping[str, float], test: Evaluation | None) -> str:
    read = {"dev": best} | ({} if test is None else {"test": test.numbers()})
    rows = [
        [split, *(f"{numbers[name]:.3f}" if name in numbers else "–" for name in _MEASURES)]
        for split, numbers in read.items()
        if numbers.keys() >= {*HEADLINE}
    ]
    return html.table(["split", *map(quantities.title, _MEASURES)], rows) if rows else ""


def _origin(run: Run) -> dict[str, object]:
    """What the run was made from, as its record has it."""
    record, experiment = run.record, run.experiment
    told: dict[str, object] = {"dataset": experiment.dataset}
    with suppress(UserError):  # its data may be gone
        told["dataset"] = f"{experiment.dataset}: {STATUS[run.dataset.status]}"
    told |= {"data's checksum": record["data"][:12], "experiment": repr(experiment)}
    named = {"device": "device", "trained at commit": "commit", "made": "made"}
    told |= {name: record[field] for name, field in named.items() if field in record}
    if "seconds" in record:
        told["training"] = f"{record['seconds']:.1f} s"
    if "versions" in record:
        told["versions"] = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
    return told | {"folder": run.folder}
