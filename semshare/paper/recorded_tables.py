"""Tables of what was recorded, and of the presets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from semshare.experiment import DIFFERENCES
from semshare.model import MODALITIES
from semshare.paper import plans, reference
from semshare.paper.recordings import decided

if TYPE_CHECKING:
    from semshare.paper.recordings import RecordedRun, Recording

BEFORE = " (interval of before)"  # in the title of a column
_TITLES = {"image_f1": "image F1", "text_f1": "text F1", "i2t": "I2T NDCG", "t2i": "T2I NDCG"}


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

    A cell is the difference with its 95 % interval, and a star where the interval does not hold 0; an interval over
    test images alone has none. The columns of a recording that kept no standard errors say that its intervals are those
    of before.
    """
    titles = {measure: title + (BEFORE if recording.before else "") for measure, title in _TITLES.items()}
    rows: dict[str, dict[str, str]] = {}
    for comparison in recording.comparisons:
        low, value, high = (100 * comparison[name] for name in ("low", "value", "high"))
        star = "*" if decided(comparison) else ""
        row = rows.setdefault(", ".join(str(comparison[name]) for name in by), {})
        row[titles[comparison["measure"]]] = f"{value:+.1f} [{low:+.1f}, {high:+.1f}]{star}"
    return pd.DataFrame.from_dict(rows, orient="index", columns=list(titles.values()))


def signs(recording: Recording) -> dict[str, int]:
    """How many comparisons of each measure there are, and which are decided below or above 0, named for prose."""
    counts = {}
    for measure, rows in recording.frame().groupby("measure"):
        counts[f"{measure}_all"] = len(rows)
        counts[f"{measure}_lower"] = int((rows["decided"] & (rows["value"] < 0)).sum())
        counts[f"{measure}_raise"] = int((rows["decided"] & (rows["value"] > 0)).sum())
    return counts


def recorded_table(recording: Recording) -> pd.DataFrame:
    """Recorded runs of Table 1's methods on one dataset, the mean over seeds, beside the paper's values."""
    f1 = [(title, who) for title in ("image F1", "text F1") for who in ("here", "paper")]
    columns = pd.MultiIndex.from_tuples([*f1, ("NDCG@500", "I2T"), ("NDCG@500", "T2I"), ("", "seeds")])
    rows = {}
    for method in reference.TABLE_1:
        some = [run for run in recording.select(method=method) if run.experiment.lam in (0, _chosen(run))]
        if some:
            numbers = pd.DataFrame([run.test.numbers() for run in some]).mean()
            paper = [reference.table_1(method, some[0].experiment.dataset, f"{m}_f1") for m in MODALITIES]
            rows[some[0].title] = [
                numbers["image_f1"], paper[0], numbers["text_f1"], paper[1], numbers["i2t"], numbers["t2i"], len(some)
            ]  # fmt: skip
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)


def initial_weights_table(recording: Recording) -> pd.DataFrame:
    """Recorded runs by initial weights and attention heads, the mean over seeds: Micro-F1 and NDCG@500 on test."""
    numbers: dict[tuple[str, int], list[dict[str, float]]] = {}
    for run in recording.runs:
        numbers.setdefault((run.experiment.bert or "random", run.experiment.heads), []).append(run.test.numbers())
    rows = {
        key: {title: sum(one[name] for one in some) / len(some) for name, title in _TITLES.items()}
        | {"seeds": len(some)}
        for key, some in numbers.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["initial weights", "heads"])


def _chosen(run: RecordedRun) -> float:
    return plans.chosen_lambda(run.experiment.dataset, run.experiment.preset)
