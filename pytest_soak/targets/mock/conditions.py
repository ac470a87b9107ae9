"""What bot, venue and gateway of the mock meet beside the market, while scenarios last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pytest_soak.targets.mock.grid import DT, FINE_PER_TICK, Floats
from pytest_soak.targets.mock.market import Market
from pytest_soak.targets.mock.scenario import LOSS, ActiveSpan, stream_of, tick_of

_LONGEST_FLIGHT_S = 20.0


@dataclass(frozen=True, slots=True)
class Conditions:
    """What bot, gateway and venue of an iteration meet beside the market."""

    mid: Floats
    depth: Floats
    imbalance: Floats
    """(ticks,) the market as the feed has it: equal to it but for updates that were lost."""
    rate: Floats
    """(ticks,) factor on the tokens that the venue gives."""
    release: Floats
    """(ticks + 200,) by tick of landing: when what cannot get through then does; 0: it can."""
    lost: Floats
    """(5 · ticks,) by moment of sending, 1 if a request is among those that cannot."""
    stale_s: Floats
    """(ticks,) age of what the feed has, beyond its usual delay."""


def conditions_of(
    windows: Sequence[ActiveSpan],
    market: Market,
    seed: int = 0,
    iteration: int = 0,
    last: float | None = None,
) -> Conditions:
    """What they do to venue, gateway and feed.

    ``last`` is the newest mid that the bot knew of when the iteration began, bps; None: it begins
    with this one.
    """
    ticks = market.ticks
    rate = np.ones(ticks)
    release = np.zeros(ticks + round(_LONGEST_FLIGHT_S / DT))
    lost = np.zeros(FINE_PER_TICK * ticks)
    stale = np.zeros(ticks, dtype=np.bool_)
    for one in windows:
        rng = stream_of(seed, iteration, LOSS, one.name)
        if one.name == "throttle":
            rate[one.ticks] /= one.strength
        elif one.name == "disconnect":
            release[one.first : max(one.first, tick_of(one.end))] = one.end
            lost[rng.random(len(lost)) < one.strength] = 1.0
        elif one.name == "stale_feed":
            stale[one.ticks] |= rng.random(one.stop - one.first) < one.strength
    mid, depth, imbalance = market.mid, market.depth, market.imbalance
    age: Floats = np.zeros(ticks)
    if stale.any():
        newest = np.maximum.accumulate(np.where(stale, -1, np.arange(ticks)))
        known = np.maximum(newest, 0)
        mid, depth, imbalance = mid[known], depth[known], imbalance[known]
        if last is not None:
            mid = np.where(newest < 0, last, mid)
        age = DT * (np.arange(ticks) - newest).astype(np.float64)
    return Conditions(mid, depth, imbalance, rate, release, lost, age)
