"""The variance over images and seeds against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from semshare.runs.variance import Estimates, Seeds, combined, pooled, quantile, ratios, reach


def test_a_ratio_of_nothing_is_zero_and_certain() -> None:
    found = ratios(np.zeros((2, 5, 2)))
    assert not found.values.any() and not found.noise.any()


def test_the_pool_is_worked_out_by_hand() -> None:
    """Squares 2 and 6 on 1 and 2 degrees; item noise that runs do not share is .3 each, what they share falls out."""
    shared = 5.0
    settings = [
        Estimates(np.array(values), shared + 0.3 * np.eye(len(values)), 9) for values in ([1.0, 3.0], [2.0, 2.0, 5.0])
    ]
    seeds = pooled(settings)
    assert seeds is not None and (seeds.between, seeds.freedom) == (pytest.approx(8 / 3), 3)
    assert seeds.unshared == pytest.approx(0.3) and seeds.variance == pytest.approx(8 / 3 - 0.3)
    assert pooled(settings[:0]) is None
    quiet = Seeds(np.array(0.2), np.array(0.3), 3)
    assert quiet.variance == 0, "a variance is not negative"


def test_a_combination_is_worked_out_by_hand() -> None:
    """Item noise 2 x .4 - 2 x .1, seeds 2 x (.5 - .2); Satterthwaite over (2 x .5) on 4 and .6 on 10 degrees."""
    estimates = Estimates(np.array([3.0, 1.0]), np.array([[0.4, 0.1], [0.1, 0.4]]), 11)
    value, error, freedom = combined(estimates, np.array([1.0, -1.0]), Seeds(np.array(0.5), np.array(0.2), 4))
    assert (value, error) == (2, pytest.approx(1.2**0.5))
    assert freedom == pytest.approx(max(1.2**2 / (1.0**2 / 4 + 0.6**2 / 10), 4))
    _, alone, freedom = combined(estimates, np.array([1.0, -1.0]), None)
    assert alone == pytest.approx(0.6**0.5) and freedom == 10


def test_an_effect_is_found_from_two_quantiles_beyond_the_bound_on() -> None:
    """Of the t distribution with 10 degrees: 2.228139 at .975 and .879058 at .8; Bonferroni's for three is 2.870."""
    assert quantile(10) == pytest.approx(2.228139, abs=1e-6) and quantile(10, 3) == pytest.approx(2.870, abs=1e-3)
    assert reach(0.01, 10) == pytest.approx(0.031072, abs=1e-6)
