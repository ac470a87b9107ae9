"""Scenarios in the mock market: what a schedule does to market, venue, gateway and feed.

Everything follows from the schedule and the seed, so no scenario has a memory of its own: a window
that reaches over the border of an iteration goes on in the next one. Random numbers come from
streams of their own, which leaves those of the market as they are. Times are seconds from the
start of the iteration at hand, and may lie before or behind it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pytest_soak.protocol import Scenario
from pytest_soak.targets.mock.grid import DT
from pytest_soak.targets.mock.market import FINE_PER_TICK, Market

Floats = NDArray[np.float64]
Takers = tuple[Floats, Floats, Floats, Floats]

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

_SHAPE, _LOSS = 100, 101
"""Random streams: of a scenario as a whole, and of what is lost in one iteration."""
_CRASH_FALL_S, _CRASH_RETRACE_S, _CRASH_RETRACE = 8.0, 90.0, (0.4, 0.6)
_CRASH_DEPTH, _CRASH_SPREAD, _CRASH_LATENCY, _CRASH_VOLATILITY = 0.12, 8.0, 3.0, 2.0
_GAP_DEPTH = 0.8
_FINGER_DEPTH = 0.2
_FINGER_PUSH, _FINGER_LASTING = 0.5, 0.05
"""Shares of the sweep by which the mid is off at once, and for good."""
_SLIP_BPS = 0.6
"""Of the venue's square-root walk through the book, from which the size of a sweep follows."""
_FORGET_S = 600.0
_LONGEST_FLIGHT_S = 20.0


@dataclass(frozen=True, slots=True)
class Window:
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


@dataclass(slots=True)
class Disturbance:
    """What the market of an iteration is told, and what it was before that."""

    factors: list[Floats]
    """(4, ticks) on volatility, depth, spread and the gateway's latency."""
    moves: Floats
    """(ticks,) bps by which the price moves in each."""
    takers: Takers
    """Times, sides, sizes and reaches of takers that come on top."""
    calm: list[Floats] = field(default_factory=list)
    """The four arrays as they were."""

    def on(self, arrays: Sequence[Floats]) -> list[Floats]:
        """Volatility, depth, spread and latency, disturbed."""
        self.calm = list(arrays)
        return [values * factor for values, factor in zip(arrays, self.factors, strict=True)]

    def among(self, takers: Takers) -> Takers:
        """All takers in the order of time."""
        if not len(self.takers[0]):
            return takers
        order = np.argsort(np.concatenate([takers[0], self.takers[0]]), kind="stable")
        time, side, size, reach = (
            np.concatenate([usual, more])[order]
            for usual, more in zip(takers, self.takers, strict=True)
        )
        return time, side, size, reach


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
) -> tuple[Window, ...]:
    """The scenarios that are felt in ``iteration``, in the order of the schedule."""
    ticks = max(1, round(interval_s / DT))
    found = []
    for one in schedule:
        start = (one.at - iteration) * ticks * DT + one.after_s
        end = start + one.for_s
        if start >= ticks * DT or max(end, start + _FORGET_S) <= 0.0:
            continue
        draw = float(_stream(seed, one.at, _SHAPE, one.name).random())
        first, stop = (min(max(0, _tick(time)), ticks) for time in (start, end))
        found.append(Window(one.name, start, end, one.strength, draw, first, stop))
    return tuple(found)


def _tick(time: float) -> int:
    # The first that does not begin before; with slack for what decimal seconds are off by.
    return math.ceil(time / DT - 1e-6)


def _stream(seed: int, iteration: int, stream: int, name: str) -> np.random.Generator:
    entropy = [seed % 2**64, iteration, stream, list(LIMITS).index(name) + 1]
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy)))


def disturbance_of(windows: Sequence[Window], interval_s: float) -> Disturbance | None:
    """What they do to the market; None for nothing."""
    if not windows:
        return None
    ticks = max(1, round(interval_s / DT))
    factors: list[Floats] = [np.ones(ticks) for _ in range(4)]
    volatility, depth, spread, latency = factors
    moves = np.zeros(ticks)
    takers: list[tuple[float, float, float, float]] = []
    for one in windows:
        inside, strength = one.ticks, one.strength
        if one.name == "flash_crash":
            volatility[inside] *= _CRASH_VOLATILITY
            depth[inside] *= _CRASH_DEPTH
            spread[inside] *= _CRASH_SPREAD
            latency[inside] *= _CRASH_LATENCY
            moves += np.diff(_crash_bps(one, ticks))
        elif one.name == "volatility_spike":
            # Depth and spread follow the volatility as they do in the calm market.
            volatility[inside] *= strength
            depth[inside] /= math.sqrt(strength)
            spread[inside] *= strength**0.7
        elif one.name == "liquidity_gap":
            depth[inside] *= _GAP_DEPTH / strength
            spread[inside] *= strength
        elif one.name == "latency_spike":
            latency[inside] *= strength
        elif one.name == "fat_finger":
            depth[inside] *= _FINGER_DEPTH
            moves += np.diff(_finger_bps(one, ticks))
            if 0.0 <= one.start < ticks * DT:
                size = 4.0 * (strength / _SLIP_BPS) ** 2
                takers.append((one.start, _finger_side(one), size, strength))
    columns = np.array(takers).reshape(-1, 4).T
    return Disturbance(factors, moves, (columns[0], columns[1], columns[2], columns[3]))


def _ages(one: Window, ticks: int) -> Floats:
    # (ticks + 1,) at the borders of the ticks: what happens in a tick is felt at its end.
    ages: Floats = np.clip(np.arange(ticks + 1) * DT - one.start, 0.0, _FORGET_S)
    return ages


def _crash_bps(one: Window, ticks: int) -> Floats:
    age = _ages(one, ticks)
    low, high = _CRASH_RETRACE
    retrace = low + (high - low) * one.draw
    fall = np.minimum(age / _CRASH_FALL_S, 1.0)
    back = 1.0 - np.exp(-np.maximum(age - _CRASH_FALL_S, 0.0) / _CRASH_RETRACE_S)
    path: Floats = -one.strength * fall * (1.0 - retrace * back)
    return path


def _finger_side(one: Window) -> float:
    return 1.0 if one.draw < 0.5 else -1.0


def _finger_bps(one: Window, ticks: int) -> Floats:
    # The taker itself trades before the mid has moved: felt from the next tick on.
    age = _ages(one, ticks) - DT
    refill = np.exp(-3.0 * age / (one.end - one.start))
    push = _FINGER_LASTING + (_FINGER_PUSH - _FINGER_LASTING) * refill
    path: Floats = _finger_side(one) * one.strength * np.where(age > 1e-9, push, 0.0)
    return path


def conditions_of(
    windows: Sequence[Window],
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
        rng = _stream(seed, iteration, _LOSS, one.name)
        if one.name == "throttle":
            rate[one.ticks] /= one.strength
        elif one.name == "disconnect":
            release[one.first : max(one.first, _tick(one.end))] = one.end
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
