"""What protocols read off a run, by test image; the oracles' rows beside."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from semshare import runs
from semshare.evaluation import Retrieval
from semshare.experiment import Experiment
from semshare.paper import retrieval
from semshare.paper.recordings import RecordedRun

NAN = float("nan")


def _run() -> SimpleNamespace:
    """Two images, the first with two texts; the second text of it asks nothing."""
    part = SimpleNamespace(image_ids=("a", "b"), owner=torch.tensor([0, 0, 1]))
    values = Retrieval(
        i2t=torch.tensor([0.5, 0.7]),
        t2i=torch.tensor([0.2, NAN, 0.8]),
        i2t_random=torch.tensor([0.1, 0.3]),
        t2i_random=torch.tensor([0.4, NAN, 0.6]),
        gallery=torch.tensor([[3, 2]]),
    )
    dataset = SimpleNamespace(parts={"test": part})
    experiment = Experiment.make(dataset="scenes-flickr25k", method="ours", scale="smoke")
    named = {"key": "k", "seeded": True, "dataset": dataset, "experiment": experiment}
    return SimpleNamespace(**named, retrieval=lambda names: dict.fromkeys(names, values))


def test_values_are_summed_by_image_and_what_asks_nothing_does_not_count() -> None:
    read = retrieval.of(_run(), ["map"])
    assert list(read) == [("map", "i2t"), ("map", "t2i")]
    np.testing.assert_allclose(read["map", "i2t"].scored.rows("query"), [[0.5, 1], [0.7, 1]], rtol=1e-6)
    np.testing.assert_allclose(read["map", "t2i"].scored.rows("query"), [[0.2, 1], [0.8, 1]], rtol=1e-6)
    assert [round(read["map", way].random, 6) for way in retrieval.DIRECTIONS] == [0.2, 0.5]


def test_a_recorded_run_gives_what_it_kept_and_has_no_oracle() -> None:
    kept = retrieval.of(_run(), ["ndcg@500", "map"])
    recorded = RecordedRun({"key": "k"}, queries=kept)
    assert retrieval.of(recorded, ["map"]) == {column: kept[column] for column in kept if column[0] == "map"}
    assert retrieval.oracle_rows([recorded], ["map"]) == {} == retrieval.oracle_rows([], ["map"])
    with pytest.raises(KeyError):
        retrieval.of(RecordedRun({"key": "k"}), ["map"])["map", "i2t"]


@pytest.mark.slow
def test_an_oracle_reaches_no_less_than_the_run() -> None:
    planned = runs.plan("scenes-flickr25k", "ours", "smoke", "cpu", epochs=1, precision="float32")
    run = runs.get(planned, "cpu", quiet=True)
    own, oracles = retrieval.of(run, ["ndcg@500"]), retrieval.oracle_rows([run], ["ndcg@500"])
    assert len(oracles) == 2
    for (of_oracle,) in oracles.values():
        for column, queries in of_oracle.items():
            assert queries.scored.rows("query")[:, 0].sum() > own[column].scored.rows("query")[:, 0].sum()
