"""Tables of what was recorded, and of the presets."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from semshare import methods
from semshare.errors import UserError
from semshare.experiment import DIFFERENCES, Difference
from semshare.model import MODALITIES
from semshare.paper import ablations, reference, strength
from semshare.paper.comparisons import keys_of
from semshare.paper.recordings import decided
from semshare.runs.quantities import HEADLINE, title
from semshare.utils.extras import extra

with extra("book"):
    import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from semshare.paper.recordings import RecordedRun, Recording

BEFORE = " (interval of before)"  # in the title of a column
_TITLES = {name: title(name) for name in HEADLINE}


def preset_differences() -> pd.DataFrame:
    """The two presets field by field: the value under each, what it means, and where the released one is taken.

    Of what the released code does and ``released`` does not, the last column says why.
    """
    rows = [
        {
            "paper": "none" if row.paper is None else str(row.paper),
            "released": str(row.released),
            "what it is": row.about,
            "taken": row.refused or _where(row),
        }
        for row in DIFFERENCES
    ]
    fields = [row.field for row in DIFFERENCES]
    names = [row.field if fields.count(row.field) == 1 else f"{row.field}, {_where(row)}" for row in DIFFERENCES]
    return pd.DataFrame(rows, index=names)


def _where(difference: Difference) -> str:
    names = {"full": "at scale full", "captions": "on captions", "tags": "on tags"}
    names |= {name: f"by {method.title}" for name, method in methods.METHODS.items()}
    return ", ".join(names[word] for word in difference.only) or "everywhere"


def costs_table(recording: Recording) -> pd.DataFrame:
    """What every difference of a study of presets costs, in points; ``beside`` is the preset a field is changed in.

    The rows are those of the study's plan, recorded or not. The titles of a recording that kept no standard errors say
    that its intervals are those of before.
    """
    within = {row.field: row.within for row in DIFFERENCES}
    titles = {measure: title + (BEFORE if recording.before else "") for measure, title in _TITLES.items()}
    rows, keys = {}, _keys(recording, "field")
    for arms in ablations.STUDIES[recording.name].comparisons("float32", None):
        what, field = arms.what, arms.what["field"]
        compared = [row for row in recording.comparisons if row["field"] == field]
        points = dict.fromkeys(titles.values(), "not yet recorded")
        points |= {titles[row["measure"]]: _points(row) for row in compared}
        rows[field] = {
            "released": (compared or [what])[0]["value_there"],
            "beside": within.get(field, "paper"),
            "on": what["dataset"],
            "in": what["method"],
        } | points
    table = pd.DataFrame.from_dict(rows, orient="index")
    table.attrs["keys"] = {field: made_of for field, made_of in keys.items() if made_of}
    return table


def comparison_table(recording: Recording, *by: str) -> pd.DataFrame:
    """A recording's comparisons, in points: a row for each value of ``by``, a column for each measure.

    A cell is the difference with its 95 % interval, and a star where the interval does not hold 0; an interval over
    test images alone has none. The columns of a recording that kept no standard errors say that its intervals are those
    of before.
    """
    titles = {measure: title + (BEFORE if recording.before else "") for measure, title in _TITLES.items()}
    rows: dict[str, dict[str, str]] = {}
    for comparison in recording.comparisons:
        row = rows.setdefault(_row(comparison, by), {})
        row[titles[comparison["measure"]]] = _points(comparison)
    table = pd.DataFrame.from_dict(rows, orient="index", columns=list(titles.values()))
    table.attrs["keys"] = {row: made_of for row, made_of in _keys(recording, *by).items() if row in rows}
    return table


def _row(what: Mapping[str, Any], by: Sequence[str]) -> str:
    return ", ".join(str(what[name]) for name in by)


def _keys(recording: Recording, *by: str) -> dict[str, list[str]]:
    """The keys of the runs that a study's plan has behind each row; what the plan no longer knows has none."""
    made_of: dict[str, list[str]] = {}
    if study := ablations.STUDIES.get(recording.name):
        # A plan may ask for a package that only training needs: what was recorded is shown without it.
        with suppress(UserError):
            for what, keys in keys_of(study, recording.runs):
                if set(by) <= what.keys():
                    made_of.setdefault(_row(what, by), []).extend(keys)
    return made_of


def _points(comparison: Mapping[str, Any]) -> str:
    """A difference in points with its interval, starred where that does not hold 0."""
    low, value, high = (100 * comparison[name] for name in ("low", "value", "high"))
    star = "*" if decided(comparison) else ""
    return f"{value:+.1f} [{low:+.1f}, {high:+.1f}]{star}"


def transfer_table(recorded: Mapping[str, Any], own: RecordedRun) -> pd.DataFrame:
    """The transfer check in points: a row a measure, with its interval over photographs.

    Args:
        recorded: what :func:`semshare.search.transfer.load_recorded` gives.
        own: the recorded run that the model was exported from, for its own test split.
    """
    numbers, texts = own.test.numbers(), f"{recorded['images']:,} photographs, {recorded['texts']:,} captions"
    rows = {
        title(name): {
            texts: f"{100 * row['value']:.1f} [{100 * row['low']:.1f}, {100 * row['high']:.1f}]",
            "without a model": f"{100 * row['chance']:.1f}",
            "the test split of its own data": f"{100 * numbers[name]:.1f}",
        }
        for name, row in recorded["measures"].items()
    }
    return pd.DataFrame.from_dict(rows, orient="index")


def unseen_table(recorded: Mapping[str, Any], study: str, *by: str) -> pd.DataFrame:
    """A study's comparisons on photographs that were never seen, as :func:`comparison_table` has its own.

    Args:
        recorded: what ``semshare.book.unseen.load_recorded`` gives.
        study: whose rows.
        by: what names a row.
    """
    rows: dict[str, dict[str, str]] = {}
    keys: dict[str, list[str]] = {}
    for row in recorded["comparisons"]:
        if row["study"] == study:
            rows.setdefault(_row(row, by), {})[_TITLES[row["measure"]]] = _points(row)
            keys[_row(row, by)] = row["runs"]
    table = pd.DataFrame.from_dict(rows, orient="index", columns=list(_TITLES.values()))
    table.attrs["keys"] = keys
    return table


def strength_table(recording: Recording) -> pd.DataFrame:
    """Study ``strength``: a row a setting, numbered, of both F1 without the loss and the loss's effect on each measure.

    ``lead`` is image F1 minus text F1 without the loss; *Linear* is its F1 on the same data. All are in points.
    """
    rows, keys = {}, {}
    for number, (setting, arms) in enumerate(strength.arms(recording.runs).items(), 1):
        without, linear = (
            100 * pd.DataFrame([run.test.numbers() for run in side]).mean() for side in (arms.without, arms.linear)
        )
        f1 = {f"{modality} F1": f"{without[f'{modality}_f1']:.1f}" for modality in MODALITIES}
        floor = " / ".join(f"{linear[f'{modality}_f1']:.1f}" for modality in MODALITIES)
        effects = {
            f"{_TITLES[row['measure']]}, with - without": _points(row)
            for row in recording.comparisons
            if (row["setting"], row["change"]) == (setting, strength.CONSISTENCY)
        }
        lead = without["image_f1"] - without["text_f1"]
        rows[setting] = {"number": number, "lead": round(lead, 1), **f1, "Linear": floor} | effects
        keys[setting] = [run.key for run in (*arms.without, *arms.with_, *arms.linear)]
    table = pd.DataFrame.from_dict(rows, orient="index")
    if not rows:  # a recording that has only begun
        table = table.reindex(columns=["number", "lead"])
    table.attrs["keys"] = keys
    return table


def strength_signs(recording: Recording) -> dict[str, Any]:
    """In how many settings of study ``strength`` the loss lowers or raises the F1 of the stronger or weaker side.

    Only what an interval decides counts, in settings in which a side leads by more than ``margin``: ``images`` of them,
    and ``texts``, of all ``settings``. ``image_all`` and ``text_all`` are the mean effects over all settings
    in points, with their intervals; empty while runs are missing.
    """
    leads = strength_table(recording)["lead"]
    clear = leads[leads.abs() > strength.LEAD]
    names = [f"{side}_{change}" for side in ("stronger", "weaker") for change in ("lower", "raise")]
    counts: dict[str, Any] = dict.fromkeys(names, 0) | {f"{modality}_all": "" for modality in MODALITIES}
    for row in recording.comparisons:
        modality = row["measure"].removesuffix("_f1")
        if row["change"] != strength.CONSISTENCY or modality not in MODALITIES:
            continue
        if row["setting"] == strength.ALL:
            counts[f"{modality}_all"] = _points(row)
        elif row["setting"] in clear.index and decided(row):
            side = "stronger" if (modality == "image") == (clear[row["setting"]] > 0) else "weaker"
            counts[f"{side}_{'lower' if row['value'] < 0 else 'raise'}"] += 1
    ahead = {"images": int((clear > 0).sum()), "texts": int((clear < 0).sum())}
    return counts | ahead | {"settings": len(leads), "margin": f"{strength.LEAD:g}"}


def signs(recording: Recording) -> dict[str, int]:
    """How many comparisons of each measure there are, and which are decided below or above 0, named for prose."""
    counts = {}
    for measure in _TITLES:
        rows = [row for row in recording.comparisons if row["measure"] == measure]
        clear = [row for row in rows if decided(row)]
        counts[f"{measure}_all"] = len(rows)
        counts[f"{measure}_lower"] = sum(row["value"] < 0 for row in clear)
        counts[f"{measure}_raise"] = sum(row["value"] > 0 for row in clear)
    return counts


def recorded_table(runs: Mapping[tuple[str, str], Sequence[RecordedRun]]) -> pd.DataFrame:
    """Recorded runs of Table 1's methods on one dataset, the mean over seeds, beside the paper's values.

    Args:
        runs: by method and dataset, as the plan of section 3 has them; a method without a finished run has no row.
    """
    f1 = [(title, who) for title in ("image F1", "text F1") for who in ("here", "paper")]
    columns = pd.MultiIndex.from_tuples([*f1, ("NDCG@500", "I2T"), ("NDCG@500", "T2I"), ("", "seeds")])
    rows, keys = {}, {}
    for (method, dataset), of_method in runs.items():
        if of_method:
            numbers = pd.DataFrame([run.test.numbers() for run in of_method]).mean()
            paper = [reference.table_1(method, dataset, f"{modality}_f1") for modality in MODALITIES]
            here = [numbers["image_f1"], paper[0], numbers["text_f1"], paper[1], numbers["i2t"], numbers["t2i"]]
            rows[of_method[0].title] = [*here, len(of_method)]
            keys[of_method[0].title] = [run.key for run in of_method]
    table = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    table.attrs["keys"] = keys
    return table


def initial_weights_table(recording: Recording) -> pd.DataFrame:
    """Recorded runs by initial weights and attention heads, the mean over seeds: Micro-F1 and NDCG@500 on test."""
    by_setting: dict[tuple[str, int], list[RecordedRun]] = {}
    for run in recording.runs:
        by_setting.setdefault((run.experiment.bert or "random", run.experiment.heads), []).append(run)
    rows = {}
    for setting, of_setting in by_setting.items():
        numbers = pd.DataFrame([run.test.numbers() for run in of_setting]).mean()
        rows[*setting, len(of_setting)] = {title: numbers[name] for name, title in _TITLES.items()}
    names = ["initial weights", "heads", "seeds"]
    index = pd.MultiIndex.from_arrays(list(zip(*rows, strict=True)) or [[], [], []], names=names)
    table = pd.DataFrame(list(rows.values()), index=index, columns=list(_TITLES.values()))
    table.attrs["keys"] = {
        f"{weights}, {heads} heads": [run.key for run in of_setting]
        for (weights, heads), of_setting in by_setting.items()
    }
    return table
