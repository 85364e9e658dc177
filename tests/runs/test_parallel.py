"""The queue of local runs: longest first, a run that fails does not hold up the others."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from semshare import runs
from semshare.experiment import Experiment
from semshare.runs import parallel


def test_the_longest_goes_first_and_one_that_fails_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    short, bad, long = (
        runs.plan(dataset, method, "smoke", "cpu")
        for dataset, method in (
            ("scenes-flickr25k", "dscmr"),
            ("scenes-flickr25k", "ours"),
            ("scenes-coco5k", "ours"),
        )
    )
    trained = []

    def get(experiment: Experiment, *_: object) -> None:
        trained.append(experiment)
        if experiment == bad:
            raise MemoryError("too large")

    def missing(experiments: Sequence[Experiment]) -> list[Experiment]:
        return list(experiments)

    monkeypatch.setattr(parallel, "missing", missing)
    monkeypatch.setattr(parallel, "places", lambda *_: [""])
    monkeypatch.setattr(parallel, "get", get)
    told = list(parallel.train_each([short, bad, long], "cpu", quiet=True))
    assert trained == [experiment for experiment, _ in told] == [long, bad, short]
    assert [str(error) for _, error in told] == ["None", "too large", "None"]
    with pytest.raises(MemoryError):
        list(parallel.train_missing([short, bad, long], "cpu", quiet=True))
