"""What scenarios do to the mock market: volatility, depth, spread, latency, price and takers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from pytest_soak.targets.mock.flow import Takers
from pytest_soak.targets.mock.grid import DT, Floats
from pytest_soak.targets.mock.scenario import FORGET_S, ActiveSpan

_CRASH_FALL_S, _CRASH_RETRACE_S, _CRASH_RETRACE = 8.0, 90.0, (0.4, 0.6)
_CRASH_DEPTH, _CRASH_SPREAD, _CRASH_LATENCY, _CRASH_VOLATILITY = 0.12, 8.0, 3.0, 2.0
_GAP_DEPTH = 0.8
_FINGER_DEPTH = 0.2
_FINGER_PUSH, _FINGER_LASTING = 0.5, 0.05
"""Shares of the sweep by which the mid is off at once, and for good."""
_SLIP_BPS = 0.6
"""Of the venue's square-root walk through the book, from which the size of a sweep follows."""


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


def disturbance_of(windows: Sequence[ActiveSpan], interval_s: float) -> Disturbance | None:
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


def _ages(one: ActiveSpan, ticks: int) -> Floats:
    # (ticks + 1,) at the borders of the ticks: what happens in a tick is felt at its end.
    ages: Floats = np.clip(np.arange(ticks + 1) * DT - one.start, 0.0, FORGET_S)
    return ages


def _crash_bps(one: ActiveSpan, ticks: int) -> Floats:
    age = _ages(one, ticks)
    low, high = _CRASH_RETRACE
    retrace = low + (high - low) * one.draw
    fall = np.minimum(age / _CRASH_FALL_S, 1.0)
    back = 1.0 - np.exp(-np.maximum(age - _CRASH_FALL_S, 0.0) / _CRASH_RETRACE_S)
    path: Floats = -one.strength * fall * (1.0 - retrace * back)
    return path


def _finger_side(one: ActiveSpan) -> float:
    return 1.0 if one.draw < 0.5 else -1.0


def _finger_bps(one: ActiveSpan, ticks: int) -> Floats:
    # The taker itself trades before the mid has moved: felt from the next tick on.
    age = _ages(one, ticks) - DT
    refill = np.exp(-3.0 * age / (one.end - one.start))
    push = _FINGER_LASTING + (_FINGER_PUSH - _FINGER_LASTING) * refill
    path: Floats = _finger_side(one) * one.strength * np.where(age > 1e-9, push, 0.0)
    return path
