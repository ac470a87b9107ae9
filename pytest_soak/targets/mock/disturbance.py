"""The effects of scenarios on the mock market: on volatility, depth, spread, price and more."""

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
"""Move of the mid as a ratio of the sweep: at once, and permanently."""
_SLIP_BPS = 0.6
"""Coefficient of the venue's square-root slippage, from which the size of a sweep follows."""


@dataclass(slots=True)
class Disturbance:
    """Changes to the market of one iteration, and the market without them."""

    factors: list[Floats]
    """(4, ticks) on volatility, depth, spread and the gateway's latency."""
    moves: Floats
    """(ticks,) additional move of the price in each tick, bps."""
    takers: Takers
    """Times, sides, sizes and reaches of additional takers."""
    calm: list[Floats] = field(default_factory=list)
    """The four arrays without the disturbance."""

    def on(self, arrays: Sequence[Floats]) -> list[Floats]:
        """Volatility, depth, spread and latency with the disturbance."""
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


def disturbance_of(spans: Sequence[ActiveSpan], interval_s: float) -> Disturbance | None:
    """The effects of ``spans`` on the market; None without a span."""
    if not spans:
        return None
    ticks = max(1, round(interval_s / DT))
    factors: list[Floats] = [np.ones(ticks) for _ in range(4)]
    volatility, depth, spread, latency = factors
    moves = np.zeros(ticks)
    takers: list[tuple[float, float, float, float]] = []
    for span in spans:
        inside, strength = span.ticks, span.strength
        if span.name == "flash_crash":
            volatility[inside] *= _CRASH_VOLATILITY
            depth[inside] *= _CRASH_DEPTH
            spread[inside] *= _CRASH_SPREAD
            latency[inside] *= _CRASH_LATENCY
            moves += np.diff(_crash_bps(span, ticks))
        elif span.name == "volatility_spike":
            # Depth and spread depend on the volatility as in the undisturbed market.
            volatility[inside] *= strength
            depth[inside] /= math.sqrt(strength)
            spread[inside] *= strength**0.7
        elif span.name == "liquidity_gap":
            depth[inside] *= _GAP_DEPTH / strength
            spread[inside] *= strength
        elif span.name == "latency_spike":
            latency[inside] *= strength
        elif span.name == "fat_finger":
            depth[inside] *= _FINGER_DEPTH
            moves += np.diff(_finger_bps(span, ticks))
            if 0.0 <= span.start < ticks * DT:
                size = 4.0 * (strength / _SLIP_BPS) ** 2
                takers.append((span.start, _finger_side(span), size, strength))
    columns = np.array(takers).reshape(-1, 4).T
    return Disturbance(factors, moves, (columns[0], columns[1], columns[2], columns[3]))


def _ages(span: ActiveSpan, ticks: int) -> Floats:
    # (ticks + 1,) at the borders of the ticks: an event takes effect at the end of its tick.
    ages: Floats = np.clip(np.arange(ticks + 1) * DT - span.start, 0.0, FORGET_S)
    return ages


def _crash_bps(span: ActiveSpan, ticks: int) -> Floats:
    age = _ages(span, ticks)
    low, high = _CRASH_RETRACE
    retrace = low + (high - low) * span.draw
    fall = np.minimum(age / _CRASH_FALL_S, 1.0)
    back = 1.0 - np.exp(-np.maximum(age - _CRASH_FALL_S, 0.0) / _CRASH_RETRACE_S)
    path: Floats = -span.strength * fall * (1.0 - retrace * back)
    return path


def _finger_side(span: ActiveSpan) -> float:
    return 1.0 if span.draw < 0.5 else -1.0


def _finger_bps(span: ActiveSpan, ticks: int) -> Floats:
    # The taker itself trades before the mid has moved: the effect begins in the next tick.
    age = _ages(span, ticks) - DT
    refill = np.exp(-3.0 * age / (span.end - span.start))
    push = _FINGER_LASTING + (_FINGER_PUSH - _FINGER_LASTING) * refill
    path: Floats = _finger_side(span) * span.strength * np.where(age > 1e-9, push, 0.0)
    return path
