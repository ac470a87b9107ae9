"""The bot's mind: what it wants to quote, which request comes next, when it leaves a position."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from pytest_soak.targets.mock.desk import DEPTH, EXIT, INVENTORY, LEVELS, VARIANCE, Desk
from pytest_soak.targets.mock.grid import DT
from pytest_soak.targets.quoting import (
    Params,
    exit_size,
    level_size,
    needs_reprice,
    size_tilt,
    skew_bps,
)

LIMIT_LOTS = 18.0
"""The inventory limit, what tilt and exposure check call full, in a book of normal depth: what
may be held is a multiple of what the book can take back."""
VOLATILITY_COEF = 0.05
LEVEL_STEP = 8.0
SIZE_GROWTH = 1.2
VISIBLE_LOTS = 10.0
"""Shown at the touch by others in a normal book."""
RETRY_S, RETRY_PAUSES = 0.2, 4.0
"""A quote that the risk check refused is not tried again before this and so many of the bot's
own intervals: a calmer bot insists less."""
THROTTLE_PAUSE_S = 0.15
CONCURRENCY_PAUSE_S = 0.1
"""After a refusal for too many requests, in total or in flight, nothing is sent before."""
_HEDGE_AT = 1.25
_HEDGE_TO = 0.75
_FLOW_DRIFT_BPS = 1.65
"""What a wholly one-sided taker flow moves the price by before a request lands."""
_SIGMA_TIME_S = 30.0
_SIGMA_KEEP = math.exp(-DT / _SIGMA_TIME_S)
_LONG_SIGMA = 1.28
_DEPTH_TIME_S = 60.0
_DEPTH_KEEP = math.exp(-DT / _DEPTH_TIME_S)
_TRUST = 0.5
"""Weight of the recent variance against the long one."""
_ABSENT_URGENCY = 2.0


def squared_moves(mid: NDArray[np.float64]) -> NDArray[np.float64]:
    """(ticks,) squared returns over one second; in the first second those of its end."""
    lag = 10
    moves = np.zeros(len(mid))
    if len(mid) > lag:
        moves[lag:] = (mid[lag:] - mid[:-lag]) ** 2
        moves[:lag] = moves[lag]
    return moves


def sigma_bps(values: list[float], squared_move: float) -> float:
    """The bot's volatility before this tick, bps per √s; the tick then enters the mean.

    An exponential mean of squared returns over one second, shrunk towards a long-run figure as
    estimates from a short window must be.
    """
    variance = values[VARIANCE]
    values[VARIANCE] = _SIGMA_KEEP * variance + (1.0 - _SIGMA_KEEP) * squared_move
    return math.sqrt(_TRUST * variance + (1.0 - _TRUST) * _LONG_SIGMA**2)


def usual_depth(values: list[float], depth: float) -> float:
    """An exponential mean of the depth shown before this tick, which then enters it."""
    usual = values[DEPTH]
    values[DEPTH] = _DEPTH_KEEP * usual + (1.0 - _DEPTH_KEEP) * depth
    return usual


def most_urgent(
    desk: Desk, params: Params, now: float, mid: float, half: float, limit: float
) -> int:
    """The slot whose quote is off by most of its tolerance and may be moved now, or -1."""
    used = desk.values[INVENTORY] / limit
    fair = mid + skew_bps(used, params.inventory_tilt_cap, half)
    price, size, lands, retry, placed = desk.price, desk.size, desk.lands, desk.retry, desk.placed
    ratio, tail = params.max_delta_ratio, params.tail_age_ms
    best, urgency = -1, 0.0
    side = -1.0
    # A missing quote on the side that reduces the inventory comes before one that adds to it.
    absent = _ABSENT_URGENCY - used
    for slot in range(2 * LEVELS):
        level = slot if slot < LEVELS else slot - LEVELS
        if slot == LEVELS:
            side = 1.0
            absent = _ABSENT_URGENCY + used
        if lands[slot] < math.inf or retry[slot] > now:
            continue
        if size[slot] <= 0.0:
            if urgency < absent:
                best, urgency = slot, absent
            continue
        offset = half * (1.0 + LEVEL_STEP * level)
        off = price[slot] - (fair + side * offset)
        if needs_reprice(off, offset, ratio, (now - placed[slot]) * 1000.0, tail):
            this = abs(off) / (2.0 * offset * ratio)
            if this > urgency:
                best, urgency = slot, this
    return best


def quote(
    desk: Desk, params: Params, slot: int, mid: float, half: float, limit: float, depth: float
) -> None:
    """Write the wanted price and size of ``slot`` into its request."""
    ratio = desk.values[INVENTORY] / limit
    level = slot if slot < LEVELS else slot - LEVELS
    side = 1 if slot < LEVELS else -1
    fair = mid + skew_bps(ratio, params.inventory_tilt_cap, half)
    desk.next_price[slot] = fair - side * half * (1.0 + LEVEL_STEP * level)
    desk.next_size[slot] = level_size(
        params.impact_cap_ratio, VISIBLE_LOTS * depth, level, SIZE_GROWTH
    ) * size_tilt(ratio, side, params.vip_tilt_cap, params.slippage_penalty_coef)


def risk_blocks(inventory: float, limit: float, slot: int, imbalance: float, half: float) -> bool:
    """Whether exposure or flow forbids a quote on this side now.

    Exposure: the position is full on that side. Flow: the drift to expect from the imbalance,
    which grows with its square, eats the half spread.
    """
    side = 1.0 if slot < LEVELS else -1.0
    if inventory * side > limit:
        return True
    return imbalance * side < 0.0 and imbalance * imbalance * _FLOW_DRIFT_BPS > half


def exit_wanted(desk: Desk, params: Params, limit: float) -> float:
    """Signed size of the exit order to send now, 0 for none."""
    inventory = desk.values[INVENTORY]
    if abs(inventory) <= _HEDGE_AT * limit or desk.lands[EXIT] < math.inf:
        return 0.0
    excess = abs(inventory) - _HEDGE_TO * limit
    size = exit_size(excess, params.slippage_penalty_coef)
    return -size if inventory > 0.0 else size
