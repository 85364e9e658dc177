"""The banner: what a page was made from, and no page passes random weights for trained ones."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from semshare import provenance
from semshare.data.catalogue import REGION_NAMES


def _dataset(**fields: str) -> SimpleNamespace:
    return SimpleNamespace(**{"name": "coco", "status": "subset", "regions": "grid", "checksum": "abc"} | fields)


def _run(**fields: object) -> SimpleNamespace:
    experiment = SimpleNamespace(scale="smoke", preset="paper", seed=0, **fields)
    return SimpleNamespace(experiment=experiment, record={"device": "cpu", "commit": "c"})


def test_the_banner_says_status_and_regions_and_records_them() -> None:
    shown = provenance.banner([_dataset()], "smoke")
    assert "<code>coco</code>: a subset of the real dataset; regions <code>grid</code>" in shown.data
    recorded = {"name": "coco", "status": "subset", "regions": "grid", "checksum": "abc"}
    assert shown.metadata == {provenance.DATA: [recorded]}


@pytest.mark.parametrize("name", ["fasterrcnn-untrained", "fasterrcnn-mobilenet-untrained"])
def test_untrained_regions_are_no_result_wherever_results_stand(name: str) -> None:
    dataset = _dataset(regions=name)
    for shown in (
        provenance.banner([dataset], "smoke").data,
        provenance.in_a_sentence([dataset], [_run()]),
    ):
        assert "a detector with random weights, to try the pipeline: nothing on this page is a result" in shown
    assert "random weights" not in provenance.banner([_dataset(regions="fasterrcnn")], "smoke").data


def test_every_kind_of_regions_is_described() -> None:
    assert set(provenance.REGIONS) == set(REGION_NAMES)
