"""The effects of scenarios on feed, gateway and venue of the mock market."""

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
    """Feed, gateway and venue of one iteration."""

    mid: Floats
    depth: Floats
    imbalance: Floats
    """(ticks,) the market as the feed delivers it: without the updates that were lost."""
    rate: Floats
    """(ticks,) factor on the rate of tokens."""
    release: Floats
    """(ticks + 200,) by tick of landing: when a blocked request takes effect; 0: not blocked."""
    lost: Floats
    """(5 · ticks,) by time of sending: 1 if a request of that moment can be blocked."""
    stale_s: Floats
    """(ticks,) age of the feed's newest update, beyond its usual delay."""


def conditions_of(
    spans: Sequence[ActiveSpan],
    market: Market,
    seed: int = 0,
    iteration: int = 0,
    last: float | None = None,
) -> Conditions:
    """The effects of ``spans`` on venue, gateway and feed.

    ``last`` is the newest mid, in bps, that the feed had delivered when the iteration began; None
    in the first iteration.
    """
    ticks = market.ticks
    rate = np.ones(ticks)
    release = np.zeros(ticks + round(_LONGEST_FLIGHT_S / DT))
    lost = np.zeros(FINE_PER_TICK * ticks)
    stale = np.zeros(ticks, dtype=np.bool_)
    for span in spans:
        rng = stream_of(seed, iteration, LOSS, span.name)
        if span.name == "throttle":
            rate[span.ticks] /= span.strength
        elif span.name == "disconnect":
            release[span.first : max(span.first, tick_of(span.end))] = span.end
            lost[rng.random(len(lost)) < span.strength] = 1.0
        elif span.name == "stale_feed":
            stale[span.ticks] |= rng.random(span.stop - span.first) < span.strength
    mid, depth, imbalance = market.mid, market.depth, market.imbalance
    age: Floats = np.zeros(ticks)
    if stale.any():
        newest = np.maximum.accumulate(np.where(stale, -1, np.arange(ticks)))
        source = np.maximum(newest, 0)
        mid, depth, imbalance = mid[source], depth[source], imbalance[source]
        if last is not None:
            mid = np.where(newest < 0, last, mid)
        age = DT * (np.arange(ticks) - newest).astype(np.float64)
    return Conditions(mid, depth, imbalance, rate, release, lost, age)
