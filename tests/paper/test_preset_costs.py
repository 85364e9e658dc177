"""What each difference between the presets costs is measured beside the preset it acts in."""

from __future__ import annotations

import pytest

from semshare.experiment import DIFFERENCES, SCALES
from semshare.paper import preset_costs
from semshare.runs import planning


def test_every_difference_between_the_presets_is_measured_but_what_a_scale_sets() -> None:
    measured = {one.field: one for one in preset_costs.variants()}
    left_out = {row.field for row in DIFFERENCES if row.refused} | {"width", "feed_forward", "epochs"}
    assert {row.field for row in DIFFERENCES} - measured.keys() == left_out
    assert measured["learning_rate"].changed == {"learning_rate": pytest.approx(2 * SCALES["laptop"]["learning_rate"])}
    assert measured["similarity"].method == "ours+con" and measured["label_loss"].method == "independent"
    assert measured["precision"].base == {"preset": "released", "precision": "bfloat16"}
    for one in measured.values():
        arms = (planning.plan(one.dataset, one.method, "smoke", **fields) for fields in (one.changed, one.base))
        changed, base = (experiment.model_dump() for experiment in arms)
        assert {name for name in changed if changed[name] != base[name]} == {one.field}
