"""Simulated regions: what they show of an item's labels, and how often they show another."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from semshare.data.regions.simulated import RegionSimulator, simulate_to_store
from semshare.errors import UserError


def test_simulated_regions_follow_labels_seed_and_id(tmp_path: Path) -> None:
    simulator = RegionSimulator(3, noise=0)
    rows = simulator.simulate(["a", "b"], [[0, 2], [1]])
    assert rows.shape == (2, 36, 71) and set(rows[0, :, -2].astype(int)) == {0, 1, 3}
    np.testing.assert_array_equal(RegionSimulator(3, noise=0).simulate(["b"], [[1]])[0], rows[1])
    assert not np.array_equal(RegionSimulator(3, seed=1, noise=0).simulate(["b"], [[1]])[0], rows[1])
    assert not np.array_equal(simulator.simulate(["c"], [[1]])[0], rows[1])
    one = rows[1].astype(np.float32)
    shown = one[:, -2] == 2
    assert 5 < shown.sum() < 31, "half of the regions are background"
    assert np.linalg.norm(one[shown, :64].mean(0)) > 3 * np.linalg.norm(one[~shown, :64].mean(0))
    store = simulate_to_store(simulator, ["a", "b"], [[0, 2], [1]], tmp_path, lambda w, n: w)
    np.testing.assert_array_equal(store.read(["a", "b"]), rows)
    assert store.meta == {"extractor": "simulated", "features": 64, "classes": 4}
    with pytest.raises(UserError, match=r"label columns \[3\], expected 0 to 2"):
        simulator.simulate(["a"], [[3]])


def test_what_an_items_regions_show_is_drawn_once_an_item() -> None:
    """The noise is in the labels that are seen: all of an item's regions agree on them, so averaging removes none."""
    count, noise, ids = 5, 0.4, [str(number) for number in range(3000)]
    rows = RegionSimulator(count, noise=noise).simulate(ids, [[2]] * len(ids))
    seen = [set(classes[classes > 0].astype(int)) for classes in rows[:, :, -2]]
    assert {len(one) for one in seen} == {1}
    shares = np.bincount([one.pop() - 1 for one in seen], minlength=count) / len(ids)
    # Seen rightly with probability 1 - noise, else as any other label: 0.03 is over three standard deviations.
    np.testing.assert_allclose(shares, np.where(np.arange(count) == 2, 1 - noise, noise / 4), atol=0.03)
    # A region seen wrongly is, feature and class, what a region of that label is.
    right = RegionSimulator(count, noise=0).simulate(ids[:300], [[0]] * 300).astype(np.float32)
    wrong = rows[:300].astype(np.float32)
    means = [part[part[..., -2] == 1][:, :64].mean(0) for part in (right, wrong)]
    np.testing.assert_allclose(*means, atol=0.2)
    assert np.linalg.norm(means[0]) > 7


def test_a_label_seen_wrongly_is_seen_as_another_one() -> None:
    rows = RegionSimulator(3, noise=1).simulate([str(number) for number in range(200)], [[0]] * 200)
    assert not (rows[:, :, -2] == 1).any() and {2, 3} <= set(rows[:, :, -2].flatten().astype(int))


def test_one_label_cannot_be_taken_for_another() -> None:
    with pytest.raises(UserError, match="at least 2 labels, to take one for another; found 1"):
        RegionSimulator(1)
