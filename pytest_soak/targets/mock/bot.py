"""The bot's decisions: what it quotes, which request it sends next, when it exits a position."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from pytest_soak.targets.mock.grid import DT
from pytest_soak.targets.mock.order_state import (
    DEPTH,
    EXIT,
    INVENTORY,
    LEVELS,
    VARIANCE,
    OrderState,
)
from pytest_soak.targets.quoting import (
    Params,
    exit_size,
    level_size,
    needs_reprice,
    size_tilt,
    skew_bps,
)

LIMIT_LOTS = 18.0
"""The inventory limit in a book of normal depth. It scales with the depth, because inventory is
a risk in proportion to what the book can absorb. Tilt and risk check measure against it."""
VOLATILITY_COEF = 0.05
LEVEL_STEP = 8.0
SIZE_GROWTH = 1.2
VISIBLE_LOTS = 10.0
"""Size that others show at the touch in a normal book."""
RETRY_S, RETRY_PAUSES = 0.2, 4.0
"""After a refusal by the risk check, a quote waits this time plus so many intervals between
requests before it is tried again. A bot with a longer interval retries less often."""
THROTTLE_PAUSE_S = 0.15
CONCURRENCY_PAUSE_S = 0.1
"""After a refusal by throttle or concurrency the bot sends nothing for this time."""
_HEDGE_AT = 1.25
_HEDGE_TO = 0.75
_FLOW_DRIFT_BPS = 1.65
"""How far a completely one-sided taker flow moves the price before a request takes effect."""
_SIGMA_TIME_S = 30.0
_SIGMA_KEEP = math.exp(-DT / _SIGMA_TIME_S)
_LONG_SIGMA = 1.28
_DEPTH_TIME_S = 60.0
_DEPTH_KEEP = math.exp(-DT / _DEPTH_TIME_S)
_RECENT_WEIGHT = 0.5
"""Weight of the recent variance against the long-run one."""
_ABSENT_URGENCY = 2.0


def squared_moves(mid: NDArray[np.float64]) -> NDArray[np.float64]:
    """(ticks,) squared returns over one second; the first second has the value at its end."""
    lag = 10
    moves = np.zeros(len(mid))
    if len(mid) > lag:
        moves[lag:] = (mid[lag:] - mid[:-lag]) ** 2
        moves[:lag] = moves[lag]
    return moves


def sigma_bps(values: list[float], squared_move: float) -> float:
    """The bot's estimate of volatility before this tick, bps per √s; then updates it with the tick.

    An exponential mean of squared returns over one second, shrunk towards the long-run figure,
    because an estimate from a short window has a large error.
    """
    variance = values[VARIANCE]
    values[VARIANCE] = _SIGMA_KEEP * variance + (1.0 - _SIGMA_KEEP) * squared_move
    return math.sqrt(_RECENT_WEIGHT * variance + (1.0 - _RECENT_WEIGHT) * _LONG_SIGMA**2)


def usual_depth(values: list[float], depth: float) -> float:
    """An exponential mean of the depth before this tick; then updates it with the tick."""
    usual = values[DEPTH]
    values[DEPTH] = _DEPTH_KEEP * usual + (1.0 - _DEPTH_KEEP) * depth
    return usual


def most_urgent(
    orders: OrderState, params: Params, now: float, mid: float, half: float, limit: float
) -> int:
    """The slot whose quote is furthest off, relative to its tolerance, and may move now, or -1."""
    used = orders.values[INVENTORY] / limit
    fair = mid + skew_bps(used, params.inventory_tilt_cap, half)
    price, size, lands, retry, placed = (
        orders.price,
        orders.size,
        orders.lands,
        orders.retry,
        orders.placed,
    )
    ratio, tail = params.max_delta_ratio, params.tail_age_ms
    best, urgency = -1, 0.0
    side = -1.0
    # A missing quote on the side that reduces the inventory is more urgent than one that adds.
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
            relative = abs(off) / (2.0 * offset * ratio)
            if relative > urgency:
                best, urgency = slot, relative
    return best


def quote(
    orders: OrderState,
    params: Params,
    slot: int,
    mid: float,
    half: float,
    limit: float,
    depth: float,
) -> None:
    """Write the new price and size of ``slot`` into its request."""
    ratio = orders.values[INVENTORY] / limit
    level = slot if slot < LEVELS else slot - LEVELS
    side = 1 if slot < LEVELS else -1
    fair = mid + skew_bps(ratio, params.inventory_tilt_cap, half)
    orders.next_price[slot] = fair - side * half * (1.0 + LEVEL_STEP * level)
    orders.next_size[slot] = level_size(
        params.impact_cap_ratio, VISIBLE_LOTS * depth, level, SIZE_GROWTH
    ) * size_tilt(ratio, side, params.vip_tilt_cap, params.slippage_penalty_coef)


def risk_blocks(inventory: float, limit: float, slot: int, imbalance: float, half: float) -> bool:
    """Whether exposure or flow forbids a quote on this side now.

    Exposure: the inventory is beyond its limit on that side. Flow: the expected drift, which grows
    with the square of the imbalance, exceeds the half spread.
    """
    side = 1.0 if slot < LEVELS else -1.0
    if inventory * side > limit:
        return True
    return imbalance * side < 0.0 and imbalance * imbalance * _FLOW_DRIFT_BPS > half


def exit_order_size(orders: OrderState, params: Params, limit: float) -> float:
    """Signed size of the exit order to send now; 0 means none."""
    inventory = orders.values[INVENTORY]
    if abs(inventory) <= _HEDGE_AT * limit or orders.lands[EXIT] < math.inf:
        return 0.0
    excess = abs(inventory) - _HEDGE_TO * limit
    size = exit_size(excess, params.slippage_penalty_coef)
    return -size if inventory > 0.0 else size
