"""The paper's claims tested on runs: the paper's number, ours with its interval, a verdict."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from semshare.data import catalogue
from semshare.paper import failures, reference
from semshare.paper.display import Verdicts, verdict_text
from semshare.paper.plans import by_method, chosen_lambda
from semshare.runs.intervals import (
    MEASURES,
    Interval,
    Measure,
    Scored,
    SeedVariance,
    difference,
    mean,
    rank_correlation,
    spread,
)
from semshare.runs.variance import LEVEL, POWER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from semshare.runs.store import Run

Outcome = Literal["reproduced", "not reproduced", "inconclusive"]
Side = Literal["above", "below"]
MARGIN = 0.005  # "A >= B" forgives this much
FLAT = 0.025  # a spread below this is flat; the paper's own spreads among small lambdas stay below it
_SMALL = reference.LAMBDAS[1:4]  # the lambdas among which it is asked to be flat
_FLAT_TESTS = len(_SMALL) * (len(_SMALL) - 1)  # each pair of them, to both sides
COLLAPSE = 0.05  # a fall beyond this is a collapse; the paper's smallest is .095
_PERCENT = f"{100 * LEVEL:.0f} %"
ESTIMATE = f"here [{_PERCENT}]"  # the column of our values in every table
BEFORE = "interval of before: "  # how an interval is marked that was recorded by the rule before this one
FINDS = "finds"  # the column of the smallest effect that the design finds


@dataclass(frozen=True)
class Verdict:
    """One test of one claim: a statement about one measure of one dataset.

    F1 and NDCG are in [0, 1]. Every value is a difference: none judges how high a score is, which on simulated
    regions and stand-ins says nothing about the paper.

    Attributes:
        claim: its number in ``reference.TESTED``.
        statement: what is tested.
        dataset: the catalogue's name.
        measure: what was measured, and of what the difference is.
        interval: our value, the mean over seeds, with its 95 % interval (of the largest difference, for "stays flat").
        bound: the statement says that the value lies above (or below) this.
        side: on which side.
        paper: the same value from the paper's own numbers; for a stand-in, of the dataset it stands in for.
        seeds: what the runs were trained with.
        runs: the keys of the runs that the value rests on.
    """

    claim: int
    statement: str
    dataset: str
    measure: str
    interval: Interval
    bound: float
    side: Side
    paper: float | None
    seeds: tuple[int, ...]
    runs: tuple[str, ...]

    def __repr__(self) -> str:
        return verdict_text(self)

    def _repr_html_(self) -> str:
        return Verdicts([self])._repr_html_()

    @property
    def verdict(self) -> Outcome:
        """By :func:`judge`."""
        return judge(self.interval, self.bound, self.side)

    @property
    def finds(self) -> float | None:
        """The true value from which on this design says "reproduced" ``POWER`` of the time: its power.

        For a statement "below", which is of every pair of settings, it is the value up to which. None where the
        standard error is not known, as with one seed and none to pool, and where the value would have to be a negative
        spread or a difference beyond 1: then nothing could be found.
        """
        reach = self.interval.reach(1 if self.side == "above" else _FLAT_TESTS)
        if reach is None:
            return None
        needed = self.bound + reach if self.side == "above" else self.bound - reach
        return needed if needed <= 1 and (self.side == "above" or needed > 0) else None

    @property
    def gap(self) -> float | None:
        """Our value minus the paper's."""
        return None if self.paper is None else self.interval.value - self.paper

    def as_dict(self) -> dict[str, Any]:
        """Everything above by name, ready for JSON; the interval's own fields beside the others."""
        fields = {name: value for name, value in vars(self).items() if name != "interval"}
        return fields | vars(self.interval) | {"gap": self.gap, "finds": self.finds, "verdict": self.verdict}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Verdict:
        """The inverse of :meth:`as_dict`, also after a journey through JSON, and where no standard error was kept."""
        interval = Interval(**{name: fields[name] for name in Interval.__dataclass_fields__ if name in fields})
        own = {name: fields[name] for name in ("claim", "statement", "dataset", "measure", "bound", "side", "paper")}
        return cls(interval=interval, seeds=tuple(fields["seeds"]), runs=tuple(fields["runs"]), **own)

    def in_words(self) -> dict[str, str]:
        """A row of the table that pages and command line show, by its columns' names."""
        return {
            "claim": f"{self.claim}. {self.statement}",
            "dataset": self.dataset,
            "measure": self.measure,
            "paper": "–" if self.paper is None else f"{self.paper:+.3f}",
            ESTIMATE: f"{BEFORE if self.interval.error is None else ''}{self.interval}",
            FINDS: self._finds_in_words(),
            "gap": "–" if self.gap is None else f"{self.gap:+.3f}",
            "seeds": str(len(self.seeds)),
            "verdict": self.verdict,
            "runs": " ".join(self.runs),
        }

    def _finds_in_words(self) -> str:
        if self.finds is None:
            return "–" if self.interval.error is None else "nothing"
        return f"{'≥' if self.side == 'above' else '≤'} {self.finds:+.3f}"


def judge(interval: Interval, bound: float, side: Side = "above") -> Outcome:
    """The verdict on "the value lies ``side`` of ``bound``": decided where the whole interval is on one side of it.

    An interval that knows nothing of the chance in training decides nothing.
    """
    if not interval.training:
        return "inconclusive"
    above, below = interval.low > bound, interval.high < bound
    if side == "below":
        above, below = below, above
    if above:
        return "reproduced"
    return "not reproduced" if below else "inconclusive"


def rule() -> str:
    """The rule behind every verdict, in words, from the constants that apply it."""
    return (
        f"The {_PERCENT} interval of a difference counts two kinds of chance: which test images there are (a text goes "
        "with its image), and what each seed drew in training. What seeds do is pooled over the methods of a dataset "
        f"(for claims 1 and 2 over their two settings), λ = {reference.LAMBDAS[-1]:g}, which is meant to collapse, "
        "left out. With one seed everywhere there is nothing to pool, and the verdict is inconclusive. “A is at least "
        f"B” is reproduced when the interval of A − B lies wholly above −{MARGIN:g}, not reproduced when it lies "
        "wholly below, and inconclusive otherwise; “does not raise” forgives as much. “Lowers”, “beats”, “rises”, "
        "“falls” and “more frequent” are held to 0 in the same way, and “collapses” to a fall of more than "
        f"{COLLAPSE:g}. “Stays flat” asks every pair of settings for an interval of its difference within ±{FLAT:g}; "
        "it is not reproduced when a pair's lies wholly beyond. "
        f"“{FINDS.capitalize()}” is the true value from which on these runs would say “reproduced” in at least "
        f"{100 * POWER:.0f} of 100 repetitions."
    )


def all_claims(evidence: Mapping[str, Any]) -> Verdicts:
    """Every claim, from the runs of :func:`semshare.paper.plans.everything`."""
    without, with_ = evidence["consistency"].values()
    verdicts = consistency_claims(without, with_)
    table, sweeps = evidence["classification"], evidence["sensitivity"]
    for dataset in sweeps:
        verdicts += classification_claims(by_method(table, dataset), dataset)
        verdicts += linear_claims(by_method(table, dataset), dataset)
    for dataset, by_lambda in sweeps.items():
        chosen = chosen_lambda(dataset, by_lambda[0.0][0].experiment.preset)
        verdicts += sensitivity_claims(by_lambda, by_method(table, dataset), dataset, chosen)
    for methods in evidence["failure_cases"].values():
        verdicts += failure_claims(methods)
    return verdicts


def consistency_claims(without: Sequence[Run], with_: Sequence[Run]) -> Verdicts:
    """Claims 1 and 2 (Fig. 1): what the consistency loss does, read after the last epoch.

    The variance between seeds is pooled over the two settings: the other methods are read at their best epoch.
    """
    dataset, runs = without[0].experiment.dataset, _paired(without, with_)
    plain, added = ([run.scored_epochs for run in side] for side in (without, with_))
    last = [[epochs[-1] for epochs in side] for side in (plain, added)]
    variance = SeedVariance.pool(last)
    tests: tuple[tuple[int, str, Measure, float], ...] = (
        (1, "the consistency loss lowers image Micro-F1", "image_f1", 0.0),
        (1, "the consistency loss does not raise text Micro-F1", "text_f1", -MARGIN),
        (2, "I2T NDCG falls when the consistency loss is added", "i2t", 0.0),
        (2, "T2I NDCG falls when the consistency loss is added", "t2i", 0.0),
    )
    verdicts = Verdicts()
    for claim, statement, measure, bound in tests:
        fall = difference(*last, measure, variance)
        paper = _minus(*(reference.figure_1(dataset, measure) or (None, None)))
        name = f"{_named(measure, dataset)}: without - with"
        verdicts.append(_verdict(claim, statement, dataset, name, fall, bound, "above", paper, runs))
    together = rank_correlation([plain, added])
    statement, name = "NDCG rises as the classification error falls, epoch by epoch", "Spearman of F1 and NDCG"
    return Verdicts([*verdicts, _verdict(2, statement, dataset, name, together, 0.0, "above", None, runs)])


def classification_claims(runs: Mapping[str, Sequence[Run]], dataset: str) -> Verdicts:
    """Claim 3 (Table 1) on one dataset: ``runs`` by method, each one run a seed; seeds are pooled over all of them."""
    of_method = {method: [run.scored for run in side] for method, side in runs.items()}
    variance = SeedVariance.pool(of_method.values())
    measures: tuple[Measure, ...] = ("image_f1", "text_f1")
    verdicts = Verdicts()
    for other in ("independent", "dscmr", "ours+con"):
        both, title = _paired(runs["ours"], runs[other]), runs[other][0].title
        for measure in measures:
            lead = difference(of_method["ours"], of_method[other], measure, variance)
            paper = _minus(*(reference.table_1(method, dataset, measure) for method in ("ours", other)))
            name = f"{measure}: Ours - {title}"
            verdicts.append(_verdict(3, f"Ours >= {title}", dataset, name, lead, -MARGIN, "above", paper, both))
    return verdicts


def linear_claims(runs: Mapping[str, Sequence[Run]], dataset: str) -> Verdicts:
    """Claim 6, the book's own, on one dataset: ``runs`` by method, of which Linear has one, without a seed."""
    of_method = {method: [run.scored for run in side] for method, side in runs.items()}
    variance = SeedVariance.pool(of_method.values())
    verdicts = Verdicts()
    for measure in MEASURES:
        lead = difference(of_method["ours"], of_method["linear"], measure, variance)
        name, both = f"{_named(measure, dataset)}: Ours - {runs['linear'][0].title}", [*runs["ours"], *runs["linear"]]
        verdicts.append(_verdict(6, "Ours beats Linear", dataset, name, lead, 0.0, "above", None, both))
    return verdicts


def sensitivity_claims(
    runs: Mapping[float, Sequence[Run]], methods: Mapping[str, Sequence[Run]], dataset: str, chosen: float
) -> Verdicts:
    """Claim 4 (Fig. 3) on one dataset.

    Args:
        runs: by lambda.
        methods: the runs of Table 1, by method. Seeds are pooled over them and over every lambda but the largest, at
            which training is meant to collapse: a sweep may have one seed.
        dataset: the catalogue's name.
        chosen: the lambda of the tables.
    """
    at = {lam: [run.scored for run in side] for lam, side in runs.items()}
    settings = [side for lam, side in at.items() if lam < reference.LAMBDAS[-1]]
    variance = SeedVariance.pool([*settings, *([run.scored for run in side] for side in methods.values())])
    measures: tuple[Measure, ...] = ("i2t", "t2i")
    return Verdicts(
        verdict for measure in measures for verdict in _along_lambda(runs, at, variance, dataset, chosen, measure)
    )


def _along_lambda(
    runs: Mapping[float, Sequence[Run]],
    at: Mapping[float, Sequence[Scored]],
    variance: SeedVariance,
    dataset: str,
    chosen: float,
    measure: Measure,
) -> list[Verdict]:
    name, curve = _named(measure, dataset), reference.figure_3(dataset, measure)
    small, largest = _SMALL, reference.LAMBDAS[-1]

    def fall(statement: str, lam: float, bound: float) -> Verdict:
        what = f"{name}: at {chosen:g} - at {lam:g}"
        value = difference(at[chosen], at[lam], measure, variance)
        paper = _minus(curve.get(chosen), curve.get(lam))
        return _verdict(4, statement, dataset, what, value, bound, "above", paper, _paired(runs[chosen], runs[lam]))

    level = spread([at[lam] for lam in small], measure, variance)
    heights = [curve[lam] for lam in small if curve]
    paper = _minus(max(heights), min(heights)) if heights else None
    flat, what = f"NDCG stays flat from lambda {small[0]:g} to {small[-1]:g}", f"{name}: highest - lowest"
    return [
        fall(f"NDCG rises from lambda 0 to {chosen:g}", 0.0, 0.0),
        _verdict(4, flat, dataset, what, level, FLAT, "below", paper, _paired(*(runs[lam] for lam in small))),
        fall(f"NDCG collapses from lambda {chosen:g} to {largest:g}", largest, COLLAPSE),
    ]


def failure_claims(methods: Mapping[str, Sequence[Run]]) -> Verdicts:
    """Claim 5 (Fig. 2): wrong items of *Ours* are of the two kinds more often than random wrong items.

    ``methods`` are the runs of Table 1, by method: the variance between seeds is pooled over all of them.
    """
    runs = methods["ours"]
    dataset = runs[0].experiment.dataset
    directions: tuple[failures.Direction, ...] = ("i2t", "t2i")
    verdicts = Verdicts()
    for direction in directions:
        of_method = {
            method: [failures.scored(failures.find(run, direction), run.key) for run in side]
            for method, side in methods.items()
        }
        variance = SeedVariance.pool(of_method.values())
        for kind, title in (("semantic", "semantic"), ("superclass", "super-class")):
            excess, name = mean(of_method["ours"], kind, variance), f"{direction}: {title} share - by chance"
            statement = f"{title} confusion is more frequent than by chance"
            verdicts.append(_verdict(5, statement, dataset, name, excess, 0.0, "above", None, runs))
    return verdicts


def summary(verdicts: Sequence[Verdict]) -> str:
    """How many of the verdicts came out how, in words."""
    counts = Counter(verdict.verdict for verdict in verdicts)
    parts = [f"{counts[verdict]} {verdict}" for verdict in ("reproduced", "not reproduced", "inconclusive")]
    return f"of {len(verdicts)} tests, {parts[0]}, {parts[1]}, {parts[2]}"


def _named(measure: Measure, dataset: str) -> str:
    """``measure`` as tests call it: T2I of captions is read with the released code's discount."""
    captions = catalogue.entry(dataset).text_kind == "captions"
    return f"{measure}, released discount" if captions and measure == "t2i" else measure


def _verdict(
    claim: int,
    statement: str,
    dataset: str,
    measure: str,
    interval: Interval,
    bound: float,
    side: Side,
    paper: float | None,
    runs: Sequence[Run],
) -> Verdict:
    seeds = tuple(sorted({run.experiment.seed for run in runs if run.seeded}))
    keys = tuple(dict.fromkeys(run.key for run in runs))
    return Verdict(claim, statement, dataset, measure, interval, bound, side, paper, seeds, keys)


def _paired(*compared: Sequence[Run]) -> list[Run]:
    """All runs of what is compared, of which each has the same seeds in the same order."""
    seeds = [[run.experiment.seed for run in side] for side in compared]
    if any(numbers != seeds[0] for numbers in seeds):
        raise ValueError(f"verdicts: found runs of the seeds {seeds}, expected the same seeds on all sides")
    return [run for side in compared for run in side]


def _minus(first: float | None, second: float | None) -> float | None:
    """The difference of two numbers of the paper, where it has both, without the dust of binary fractions."""
    return None if first is None or second is None else round(first - second, 6)
