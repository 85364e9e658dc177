"""The recorded studies that test the paper's claims: sections 1, 3, 4 and 5 on a dataset too large for the book."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from semshare import methods
from semshare.data import catalogue
from semshare.paper import plans, recorded_failures
from semshare.paper.comparisons import cell
from semshare.paper.recordings import Study
from semshare.paper.verdicts import (
    classification_claims,
    consistency_claims,
    failure_claims,
    linear_claims,
    sensitivity_claims,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from semshare.experiment import Experiment
    from semshare.paper.recordings import RecordedRun
    from semshare.runs.store import Run


@dataclass(frozen=True)
class ClaimStudy:
    """The claims on one dataset at scale ``laptop``.

    Attributes:
        name: of the study, and of its file.
        about: one sentence for readers.
        dataset: the catalogue's name.
        seeds: how many the curves of section 1 and the tables of section 3 have.
        sweep_seeds: how many every lambda of section 5 has.
    """

    name: str
    about: str
    dataset: str
    seeds: int
    sweep_seeds: int

    def study(self) -> Study:
        """What ``semshare record`` runs."""
        return Study(self.name, self.about, self.plan, self.compare, self.failures, self.table)

    def plans(self, root: Path | None, device: str) -> dict[str, Any]:
        """The plans of sections 1, 3 and 5, by the name of the section."""
        dataset, device_of = self.dataset, {"device": device}
        planned = {
            "consistency": plans.consistency(dataset, seeds=self.seeds, **device_of),
            "classification": plans.classification([dataset], seeds=self.seeds, **device_of),
            "sensitivity": plans.sensitivity([dataset], seeds=self.sweep_seeds, **device_of),
        }
        # The dataset's own regions, whatever it was last prepared with.
        fields = {"root": root, "regions": catalogue.entry(dataset).regions}
        return plans.with_each(planned, lambda section: [experiment.change(**fields) for experiment in section])

    def plan(self, root: Path | None, device: str) -> list[Experiment]:
        """Every experiment once: those of sections 1 and 3 seed by seed, then the rest of the sweep."""
        planned = self.plans(root, device)
        swept = planned.pop("sensitivity")
        rows: list[Experiment] = sorted(plans.flat(planned), key=lambda experiment: experiment.seed)
        rows += sorted(plans.flat(swept), key=lambda experiment: experiment.seed)
        return list({experiment.to_json(): experiment for experiment in rows}.values())

    def sections(self, done: Sequence[Run | RecordedRun]) -> dict[str, Any]:
        """The finished runs in their places in :meth:`plans`; of the sweep those of seeds that every lambda has."""
        finished = {cell(run.experiment): run for run in done}

        def of_plan(experiments: Sequence[Experiment]) -> list[Run | RecordedRun]:
            return [finished[cell(experiment)] for experiment in experiments if cell(experiment) in finished]

        placed = plans.with_each(self.plans(None, "cpu"), of_plan)
        by_lambda = placed["sensitivity"][self.dataset]
        common = _of_common_seeds(by_lambda.values())
        placed["sensitivity"][self.dataset] = dict(zip(by_lambda, common, strict=True)) if all(common) else {}
        return placed

    def compare(self, done: Sequence[Run]) -> list[dict[str, Any]]:
        """The verdicts that rest on finished runs alone; no score's own height is judged."""
        planned = self.sections(done)
        of_method = {method: side for (method, _), side in planned["classification"].items() if side}
        drawn = {method: side for method, side in of_method.items() if "seed" not in methods.get(method).unread}
        drawn = dict(zip(drawn, _of_common_seeds(drawn.values()), strict=True))
        by_lambda = planned["sensitivity"][self.dataset]
        without, with_ = _of_common_seeds(planned["consistency"].values())
        verdicts = []
        if without:
            verdicts += consistency_claims(without, with_)
        if drawn.keys() >= set(plans.PAPERS) and all(drawn.values()):
            verdicts += classification_claims(drawn, self.dataset)
            if "linear" in of_method:
                verdicts += linear_claims(drawn | {"linear": of_method["linear"]}, self.dataset)
            # Of a recorded run no items were kept, and wrong ones are counted among items.
            if plans.has_supercategories(self.dataset) and not hasattr(drawn["ours"][0], "queries"):
                verdicts += failure_claims(drawn)
        if by_lambda:
            verdicts += sensitivity_claims(by_lambda, drawn, self.dataset, plans.chosen_lambda(self.dataset))
        return [verdict.as_dict() for verdict in verdicts]

    def table(self, done: Sequence[Run]) -> list[Run]:
        """The runs of section 3's table."""
        return plans.flat(self.sections(done)["classification"])

    def failures(self, done: Sequence[Run]) -> dict[str, Any] | None:
        """The retrieval failures of the first seed of *Ours*; None before it is there, and on tags."""
        ours = self.sections(done)["classification"]["ours", self.dataset]
        return recorded_failures.rows(ours[0]) if ours and plans.has_supercategories(self.dataset) else None


def _of_common_seeds(groups: Iterable[Sequence[Run]]) -> list[list[Run]]:
    """Each of ``groups`` without the runs of seeds that are not in all: runs finish in any order."""
    groups = list(groups)
    common = set.intersection(*({run.experiment.seed for run in runs} for runs in groups)) if groups else set()
    return [[run for run in runs if run.experiment.seed in common] for runs in groups]


CLAIM_STUDIES: Mapping[str, ClaimStudy] = {
    study.name: study
    for study in (
        ClaimStudy(
            "coco16k",
            "16,000 real photographs of COCO with their captions and labels, regions of a CNN's grid, at laptop width.",
            "coco16k",
            seeds=5,
            sweep_seeds=2,
        ),
        ClaimStudy(
            "flickr25k",
            "FLICKR25K's real tags and labels on all 16,015 training pairs, with simulated regions, at laptop width.",
            "flickr25k-simulated",
            seeds=3,
            sweep_seeds=1,
        ),
    )
}
