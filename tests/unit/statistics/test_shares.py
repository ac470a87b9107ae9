"""Shares and quantiles with bounds: known values, monotony, and the replica of the calibration."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_soak.statistics import effective_size, quantile_estimate, share_estimate, share_low
from pytest_soak.statistics.shares import quantile, share_high

TABLE = [
    # inside, of, lower and upper bound at 95 % (one-sided, Clopper and Pearson)
    (5, 10, 0.22244, 0.77756),
    (10, 10, 0.74113, 1.0),
    (0, 10, 0.0, 0.25887),
    (59, 59, 0.95049, 1.0),
    (58, 58, 0.94966, 1.0),
    (299, 299, 0.99003, 1.0),
    (95, 100, 0.89775, 0.98009),
]


@pytest.mark.parametrize(("inside", "n", "low", "high"), TABLE)
def test_the_bounds_are_those_of_clopper_and_pearson(
    inside: int, n: int, low: float, high: float
) -> None:
    assert share_low(inside / n, n, 0.95) == pytest.approx(low, abs=2e-5)
    assert share_high(inside / n, n, 0.95) == pytest.approx(high, abs=2e-5)


def test_they_are_those_of_scipy() -> None:
    special = pytest.importorskip("scipy.special")
    rng = random.Random(3)
    for _ in range(300):
        size, share = rng.uniform(1.2, 2000.0), rng.random()
        confidence = rng.choice([0.5, 0.9, 0.95, 0.98, 0.9999])
        k = share * size
        expected = special.betaincinv(k, size - k + 1.0, 1.0 - confidence)
        assert share_low(share, size, confidence) == pytest.approx(float(expected), rel=1e-8)


def test_fewer_independent_values_give_a_lower_bound() -> None:
    independent, dependent = share_estimate(72, 72, 0.0), share_estimate(72, 72, 0.6)
    assert independent.towards == pytest.approx(0.05 ** (1 / 72))
    assert dependent.towards is not None
    assert independent.towards is not None
    assert dependent.towards < 0.9 < independent.towards
    assert dependent.n_eff == effective_size(72, 0.6)


def test_the_worst_case_bound_counts_where_phi_is_larger() -> None:
    """A run that the tuner healed has a φ of .95; that is no noise."""
    healed = share_estimate(500, 500, 0.95)
    assert healed.worst_case
    assert healed.towards == pytest.approx(0.02 ** (1 / effective_size(500, 0.8)))


@given(
    n=st.integers(1, 400),
    data=st.data(),
    phi=st.floats(0.0, 0.95),
    confidence=st.sampled_from([0.5, 0.95, 0.99]),
)
def test_more_inside_is_never_a_lower_bound(
    n: int, data: st.DataObject, phi: float, confidence: float
) -> None:
    inside = data.draw(st.integers(0, n - 1))
    less = share_estimate(inside, n, phi, confidence)
    more = share_estimate(inside + 1, n, phi, confidence)
    assert less.towards is not None
    assert more.towards is not None
    assert less.away is not None
    assert 0.0 <= less.towards <= more.towards + 1e-12
    assert less.towards <= less.figure + 1e-12
    assert less.figure <= less.away + 1e-12
    assert more.towards <= 1.0


@given(
    values=st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=80),
    ratio=st.sampled_from([0.5, 0.95]),
    phi=st.sampled_from([0.0, 0.3, 0.9]),
    limit=st.floats(-1e6, 1e6),
)
def test_a_quantile_is_inside_where_its_share_is(
    values: list[float], ratio: float, phi: float, limit: float
) -> None:
    """The two forms of the question have one answer: the bound is inside, the share is sure."""
    estimate = quantile_estimate(values, ratio, phi, upper=True)
    share = share_estimate(sum(value <= limit for value in values), len(values), phi)
    assert share.towards is not None
    sure = share.towards >= ratio - 1e-9
    assert (estimate.towards is not None and estimate.towards <= limit) == sure
    if estimate.towards is not None:
        assert estimate.figure <= estimate.towards
    if estimate.away is not None:
        assert estimate.away <= estimate.figure
    mirrored = quantile_estimate([-x for x in values], 1.0 - ratio, phi, upper=False)
    assert mirrored.towards == (None if estimate.towards is None else -estimate.towards)


def test_quantiles() -> None:
    assert quantile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert quantile([4.0, 1.0, 2.0, 3.0], 0.5) == 2.5
    assert quantile([float(i) for i in range(1, 21)], 0.95) == 19.0  # .95 · 20 is no 20
    assert quantile([float(i) for i in range(1, 25)], 0.95) == 23.0
    with pytest.raises(ValueError, match="at least one value"):
        quantile([], 0.5)


def test_the_replica_of_the_calibration_is_as_sure_as_the_product() -> None:
    np = pytest.importorskip("numpy")
    pytest.importorskip("scipy.special")
    from benchmarks.calibration import noise, replica

    for n in (24, 72, 300):
        values = noise.normal(noise.generator("shares", n), 60, n, 0.4)
        phi = replica.fit_lines(values).phi
        for aim, limit in ((0.5, 0.3), (0.95, 2.0)):
            sure = replica.certain_share(values <= limit, aim, phi)
            for row, own, phi_of_row in zip(values, sure, phi, strict=True):
                inside = int(np.count_nonzero(row <= limit))
                low = share_estimate(inside, n, float(phi_of_row)).towards
                assert low is not None
                assert (low >= aim - 1e-9) == bool(own)
