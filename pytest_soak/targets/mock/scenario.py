"""Scenarios as an iteration of the mock market has them: names, strengths, spans and draws.

Everything follows from the schedule and the seed, so a scenario needs no stored state: a span that
crosses the border of an iteration continues in the next one. Random numbers come from separate
streams, so those of the market do not change. Times are seconds from the start of the iteration at
hand, and may lie before or after it.

``disturbance.py`` has the effects on the market, ``conditions.py`` those on venue, gateway and
feed.
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
"""The range of strengths of each, without its lower end. Units are in docs/scenarios.md."""

SHAPE, LOSS = 100, 101
"""Random streams: for a scenario as a whole, and for the losses of one iteration."""
FORGET_S = 600.0
"""Seconds from its start after which a scenario no longer changes the price."""


@dataclass(frozen=True, slots=True)
class ActiveSpan:
    """One scheduled scenario, relative to one iteration."""

    name: str
    start: float
    end: float
    strength: float
    draw: float
    """A uniform random number in [0, 1), constant for the scenario."""
    first: int
    stop: int
    """Its ticks in this iteration are ``first … stop - 1``; possibly none."""

    @property
    def ticks(self) -> slice:
        return slice(self.first, self.stop)


def check(schedule: Sequence[Scenario]) -> None:
    """Raises ValueError for a scenario that the mock market does not have."""
    for planned in schedule:
        if planned.name not in LIMITS:
            raise ValueError(
                f"the mock market has no scenario {planned.name!r}; it has {', '.join(LIMITS)}"
            )
        low, high = LIMITS[planned.name]
        if not low < planned.strength <= high:
            raise ValueError(
                f"scenario {planned.name}: its strength is {planned.strength:g}; "
                f"it must be above {low:g}, at most {high:g}"
            )


def spans_of(
    schedule: Sequence[Scenario], seed: int, iteration: int, interval_s: float
) -> tuple[ActiveSpan, ...]:
    """The scenarios that have an effect in ``iteration``, in the order of the schedule."""
    ticks = max(1, round(interval_s / DT))
    spans = []
    for planned in schedule:
        start = (planned.at - iteration) * ticks * DT + planned.after_s
        end = start + planned.for_s
        if start >= ticks * DT or max(end, start + FORGET_S) <= 0.0:
            continue
        draw = float(stream_of(seed, planned.at, SHAPE, planned.name).random())
        first, stop = (min(max(0, tick_of(time)), ticks) for time in (start, end))
        spans.append(ActiveSpan(planned.name, start, end, planned.strength, draw, first, stop))
    return tuple(spans)


def tick_of(time: float) -> int:
    # The first tick that does not begin before ``time``, with slack for the error of decimals.
    return math.ceil(time / DT - 1e-6)


def stream_of(seed: int, iteration: int, stream: int, name: str) -> np.random.Generator:
    entropy = [seed % 2**64, iteration, stream, list(LIMITS).index(name) + 1]
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy)))
