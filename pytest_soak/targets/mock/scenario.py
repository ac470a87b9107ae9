"""Scenarios as an iteration of the mock market sees them: names, strengths, windows and draws.

Everything follows from the schedule and the seed, so no scenario has a memory of its own: a window
that reaches over the border of an iteration goes on in the next one. Random numbers come from
streams of their own, which leaves those of the market as they are. Times are seconds from the
start of the iteration at hand, and may lie before or behind it.

``disturbance.py`` is what they do to the market, ``conditions.py`` to venue, gateway and feed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pytest_soak.protocol import Scenario
from pytest_soak.targets.mock.grid import DT

LIMITS: Mapping[str, tuple[float, float]] = {
    "flash_crash": (1.0, 2000.0),
    "volatility_spike": (1.0, 20.0),
    "liquidity_gap": (1.0, 100.0),
    "latency_spike": (1.0, 100.0),
    "disconnect": (0.0, 1.0),
    "throttle": (1.0, 1000.0),
    "stale_feed": (0.0, 1.0),
    "fat_finger": (1.0, 500.0),
}
"""The strengths that each takes, the first one excluded. Units are in docs/scenarios.md."""

SHAPE, LOSS = 100, 101
"""Random streams: of a scenario as a whole, and of what is lost in one iteration."""
FORGET_S = 600.0
"""How long after its end a scenario is still felt, at most."""


@dataclass(frozen=True, slots=True)
class ActiveSpan:
    """One scheduled scenario as an iteration sees it."""

    name: str
    start: float
    end: float
    strength: float
    draw: float
    """Uniform in [0, 1), the scenario's own."""
    first: int
    stop: int
    """Its ticks in this iteration are ``first … stop - 1``; there may be none."""

    @property
    def ticks(self) -> slice:
        return slice(self.first, self.stop)


def check(schedule: Sequence[Scenario]) -> None:
    """Raises ValueError for a scenario that the mock market cannot make."""
    for one in schedule:
        if one.name not in LIMITS:
            raise ValueError(
                f"the mock market knows no scenario {one.name!r}; it has {', '.join(LIMITS)}"
            )
        low, high = LIMITS[one.name]
        if not low < one.strength <= high:
            raise ValueError(
                f"scenario {one.name}: its strength is {one.strength:g}; "
                f"it must be above {low:g}, at most {high:g}"
            )


def windows_of(
    schedule: Sequence[Scenario], seed: int, iteration: int, interval_s: float
) -> tuple[ActiveSpan, ...]:
    """The scenarios that are felt in ``iteration``, in the order of the schedule."""
    ticks = max(1, round(interval_s / DT))
    found = []
    for one in schedule:
        start = (one.at - iteration) * ticks * DT + one.after_s
        end = start + one.for_s
        if start >= ticks * DT or max(end, start + FORGET_S) <= 0.0:
            continue
        draw = float(stream_of(seed, one.at, SHAPE, one.name).random())
        first, stop = (min(max(0, tick_of(time)), ticks) for time in (start, end))
        found.append(ActiveSpan(one.name, start, end, one.strength, draw, first, stop))
    return tuple(found)


def tick_of(time: float) -> int:
    # The first that does not begin before; with slack for what decimal seconds are off by.
    return math.ceil(time / DT - 1e-6)


def stream_of(seed: int, iteration: int, stream: int, name: str) -> np.random.Generator:
    entropy = [seed % 2**64, iteration, stream, list(LIMITS).index(name) + 1]
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy)))
