"""The matching engine as the bot meets it: queue, fills, pick-offs, crossing, impact.

Functions over the flat lists of :mod:`pytest_soak.targets.mock.order_state`. Every fill goes
through :func:`fill`, which updates the inventory and the bot's own impact and writes the log.
"""

from __future__ import annotations

import math

from pytest_soak.targets.mock.fill_log import CROSS, HEDGE, MAKER, FillLog
from pytest_soak.targets.mock.order_state import (
    FAST_IMPACT,
    INVENTORY,
    LEVELS,
    SLOW_IMPACT,
    OrderState,
)

QUEUE_BASE, QUEUE_PER_DEPTH = 0.5, 1.5
"""Lots ahead of a new quote: ``.5 + 1.5 D``."""
_QUEUE_STAY_S = 2.0
"""Mean time before what is ahead of a quote is cancelled."""
_THROUGH_BPS = 0.5
"""A taker that reaches this far beyond our quote has taken every order ahead of it."""
_STALE_BPS = 0.3
"""A quote is picked off when the fair price is beyond it by this much."""
_DUST = 0.01
_SLIP_BPS = 0.6
_OWN_TAKE_BPS = 0.08
_OWN_QUOTE_BPS = 0.10
_LASTING = 0.4
"""Ratio of the own impact that is permanent; the rest fades within seconds."""
_VENUE_INTERVAL_S, _VENUE_SPREAD_OF_LOG = 0.024, 0.5
_VENUE_BUSY_FROM, _VENUE_BUSY = 1.6, 6.0
"""Beyond so many standard deviations the venue is busy and its minimum is much longer."""


def venue_interval_s(noise: float) -> float:
    """The venue's own minimum time between two requests; ``noise`` is a standard normal."""
    busy = _VENUE_BUSY * (noise - _VENUE_BUSY_FROM) if noise > _VENUE_BUSY_FROM else 0.0
    return _VENUE_INTERVAL_S * math.exp(_VENUE_SPREAD_OF_LOG * noise + busy)


def slippage_bps(size: float, spread: float, depth: float) -> float:
    """Cost of taking ``size`` lots against the mid: half the spread and a square root of size."""
    return 0.5 * spread + _SLIP_BPS * math.sqrt(size / (4.0 * depth))


def fill(
    orders: OrderState,
    log: FillLog,
    slot: int,
    now: float,
    side: float,
    price: float,
    size: float,
    kind: int,
    mid: float,
    depth: float,
) -> None:
    """Record one fill, with its impact on the mid.

    An order that takes pushes the mid in its own direction. When a resting quote is filled, the mid
    moves against it.
    """
    values = orders.values
    values[INVENTORY] += side * size
    root = math.sqrt(size / depth)
    push = -side * _OWN_QUOTE_BPS * root if kind == MAKER else side * _OWN_TAKE_BPS * root
    values[SLOW_IMPACT] += _LASTING * push
    values[FAST_IMPACT] += (1.0 - _LASTING) * push
    log.time.append(now)
    log.side.append(side)
    log.price.append(price)
    log.size.append(size)
    log.kind.append(kind)
    log.mid.append(mid)
    log.slot.append(slot)
    log.placed.append(orders.placed[slot] if kind == MAKER else now)


def pick_off(
    orders: OrderState, log: FillLog, now: float, fair: float, mid: float, depth: float
) -> None:
    """Fill, at their own price, the quotes that the fair price has moved beyond.

    The taker of a stale quote compares it with the fair price, not with the mid, which bounces.
    """
    price, size = orders.price, orders.size
    for slot in range(LEVELS):
        if size[slot] > 0.0 and price[slot] > fair + _STALE_BPS:
            fill(orders, log, slot, now, 1.0, price[slot], size[slot], MAKER, mid, depth)
            size[slot] = 0.0
    for slot in range(LEVELS, 2 * LEVELS):
        if size[slot] > 0.0 and price[slot] < fair - _STALE_BPS:
            fill(orders, log, slot, now, -1.0, price[slot], size[slot], MAKER, mid, depth)
            size[slot] = 0.0


def hit(
    orders: OrderState,
    log: FillLog,
    now: float,
    taker_side: float,
    taker_size: float,
    reach: float,
    mid: float,
    depth: float,
) -> None:
    """Match one taker with our quotes on the other side, each behind its queue."""
    side = -taker_side
    first = 0 if side > 0.0 else LEVELS
    price, size, queue = orders.price, orders.size, orders.queue
    left = taker_size
    for slot in range(first, first + LEVELS):
        ours = size[slot]
        if ours <= 0.0:
            continue
        beyond = reach - side * (mid - price[slot])
        if beyond < 0.0:
            continue
        part = left
        if beyond < _THROUGH_BPS:
            # Orders ahead of us are also cancelled, so the queue shortens with the quote's age.
            stay = math.exp((orders.placed[slot] - now) / _QUEUE_STAY_S)
            ahead = queue[slot] * stay
            queue[slot] = (ahead - left) / stay if ahead > left else 0.0
            part = left - ahead
            if part <= 0.0:
                continue
        if part > ours - _DUST:
            part = ours
        fill(orders, log, slot, now, side, price[slot], part, MAKER, mid, depth)
        size[slot] = ours - part
        left -= part
        if left < _DUST:
            return


def land(
    orders: OrderState, log: FillLog, slot: int, now: float, mid: float, spread: float, depth: float
) -> None:
    """Let a request take effect: its quote joins the end of the queue, or crosses and takes."""
    size, price = orders.next_size[slot], orders.next_price[slot]
    orders.lands[slot] = math.inf
    side = 1.0 if slot < LEVELS else -1.0
    if side * (price - mid) >= 0.5 * spread:
        paid = mid + side * slippage_bps(size, spread, depth)
        worse = side * (paid - price) > 0.0
        fill(orders, log, slot, now, side, price if worse else paid, size, CROSS, mid, depth)
        orders.size[slot] = 0.0
        return
    orders.price[slot] = price
    orders.size[slot] = size
    orders.placed[slot] = now
    orders.queue[slot] = QUEUE_BASE + QUEUE_PER_DEPTH * depth


def leave(
    orders: OrderState, log: FillLog, slot: int, now: float, mid: float, spread: float, depth: float
) -> None:
    """Let an exit order take at the market; its ``next_size`` is signed."""
    size = orders.next_size[slot]
    orders.lands[slot] = math.inf
    side = 1.0 if size > 0.0 else -1.0
    paid = mid + side * slippage_bps(abs(size), spread, depth)
    fill(orders, log, slot, now, side, paid, abs(size), HEDGE, mid, depth)
