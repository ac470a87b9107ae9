"""The takers of one iteration, and their impact on the mid.

A marked Hawkes process by cluster expansion (Bacry, Mastromatteo and Muzy 2015) with an exponential
reach into the book (Avellaneda and Stoikov 2008).
"""

from __future__ import annotations

import math

import numpy as np

from pytest_soak.targets.mock.decay import decayed
from pytest_soak.targets.mock.grid import DT, Floats

Takers = tuple[Floats, Floats, Floats, Floats]
"""Times, sides, sizes and reaches, in the order of time."""

_IMMIGRANTS_PER_S, _BRANCHING, _SAME_SIDE, _WARM_UP_S = 2.8, 0.83, 0.95, 30.0
_AT_ONCE, _AT_ONCE_S, _LATER_S = 0.8, 0.25, 3.0
_LOG_SIZE, _SIZE_DEPTH = -4.5, 0.7
_SIZE_SD, _SWEEP_SIZE_SD = 1.3, 0.4
_REACH_MEAN_BPS = 1 / 1.1
_SWEEP_SHARE, _SWEEP_MEAN_BPS, _SWEEP_SIZE = 0.05, 19.0, 300.0
_IMPACT_BPS, _INFORMED_SHARE, _INFORMED, _UNINFORMED = 0.3, 0.3, 3.0, 0.4
_FORESEEN = 0.8
_IMBALANCE_TAKERS = 3.0


def takers_of(
    volatility: Floats, spread: Floats, depth: Floats, rng: np.random.Generator
) -> Takers:
    """All takers of one iteration."""
    ticks = len(volatility)
    # Clusters that began before the iteration are drawn anew in a warm-up; no state is stored.
    # Their rate does not depend on the volatility, so that busy and quiet hours have equally many
    # fills, and the noise of one iteration is small enough to judge it.
    warm = round(_WARM_UP_S / DT)
    counts = rng.poisson(_IMMIGRANTS_PER_S * DT, warm + ticks)
    at = np.repeat(np.arange(-warm, ticks), counts)
    time = (at + rng.random(len(at))) * DT
    side = np.where(rng.random(len(at)) < 0.5, 1.0, -1.0)
    times, sides = [time], [side]
    while len(time):
        children = rng.poisson(_BRANCHING, len(time))
        time, side = np.repeat(time, children), np.repeat(side, children)
        count = len(time)
        mean = np.where(rng.random(count) < _AT_ONCE, _AT_ONCE_S, _LATER_S)
        time = time + mean * rng.standard_exponential(count)
        side = np.where(rng.random(count) < _SAME_SIDE, side, -side)
        times.append(time)
        sides.append(side)
    time, side = np.concatenate(times), np.concatenate(sides)
    inside = (time >= 0.0) & (time < ticks * DT)
    time, side = time[inside], side[inside]
    order = np.argsort(time, kind="stable")
    time, side = time[order], side[order]
    count = len(time)
    tick = np.minimum((time / DT).astype(np.int64), ticks - 1)
    usual = _REACH_MEAN_BPS * (0.6 + 0.4 * volatility[tick])
    sweeps = rng.random(count) < _SWEEP_SHARE
    reach = np.where(sweeps, _SWEEP_MEAN_BPS, usual) * rng.standard_exponential(count)
    spread_of_log = np.where(sweeps, _SWEEP_SIZE_SD, _SIZE_SD)
    size = np.exp(_LOG_SIZE + spread_of_log * rng.standard_normal(count))
    size = size * np.where(sweeps, _SWEEP_SIZE, 1.0) * depth[tick] ** _SIZE_DEPTH
    return time, side, size, reach + 0.5 * spread[tick]


def impact_bps(
    takers: Takers,
    volatility: Floats,
    depth: Floats,
    rng: np.random.Generator,
) -> Floats:
    """The takers' impact on the mid in each tick, bps."""
    time, side, size, _ = takers
    ticks = len(depth)
    tick = np.minimum((time / DT).astype(np.int64), ticks - 1)
    informed = np.where(rng.random(len(time)) < _INFORMED_SHARE, _INFORMED, _UNINFORMED)
    # Expected flow is in the price already (Lillo and Farmer 2004): only the surprise has impact.
    # Otherwise every run of takers on one side would be a trend.
    surprise = side - _FORESEEN * _recent_flow(side)[:-1]
    # A square root of size (Almgren et al. 2005), larger where the market is nervous.
    scale = _IMPACT_BPS * np.sqrt(volatility[tick] * size / depth[tick])
    moves = scale * surprise * informed
    # The taker itself trades before the mid has moved: the effect begins in the next tick.
    later = np.bincount(tick, weights=moves, minlength=ticks)
    return np.concatenate([[0.0], later[:-1]])


def imbalance_of(takers: Takers, ticks: int) -> Floats:
    """The imbalance of the recent flow at each tick, -1 (all sell) to +1 (all buy)."""
    time, side, _, _ = takers
    return _recent_flow(side)[np.searchsorted(time, np.arange(ticks) * DT)]


def _recent_flow(side: Floats) -> Floats:
    # (takers + 1,) before each taker and after the last, -1 (all sell) … +1 (all buy). Measured
    # per event, not per second, so that a busy market does not look balanced.
    speed = 1.0 / _IMBALANCE_TAKERS
    pushes = np.append(0.0, (1.0 - math.exp(-speed)) * side)
    return decayed(pushes, speed, 0.0)
