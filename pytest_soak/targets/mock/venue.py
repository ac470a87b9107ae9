"""The matching engine as the bot meets it: queue, fills, pick-offs, crossing, impact.

Functions over the flat lists of :mod:`pytest_soak.targets.mock.desk`. Every fill goes through
:func:`fill`, which books inventory and the bot's own impact and writes the tape.
"""

from __future__ import annotations

import math

from pytest_soak.targets.mock.desk import (
    CROSS,
    FAST_IMPACT,
    HEDGE,
    INVENTORY,
    LEVELS,
    MAKER,
    SLOW_IMPACT,
    Desk,
    Tape,
)

QUEUE_BASE, QUEUE_PER_DEPTH = 0.5, 1.5
"""Lots ahead of a new quote: ``.5 + 1.5 D``."""
_QUEUE_STAY_S = 2.0
"""Mean time before what is ahead of a quote is cancelled."""
_THROUGH_BPS = 0.5
"""A taker that reaches this far past our quote has taken everything ahead of it."""
_STALE_BPS = 0.3
"""The fair price past our quote by this much: it is picked off."""
_DUST = 0.01
_SLIP_BPS = 0.6
_OWN_TAKE_BPS = 0.08
_OWN_QUOTE_BPS = 0.10
_LASTING = 0.4
"""Share of the own impact that stays; the rest fades within seconds."""
_VENUE_INTERVAL_S, _VENUE_SPREAD_OF_LOG = 0.024, 0.5
_VENUE_BUSY_FROM, _VENUE_BUSY = 1.6, 6.0
"""Beyond so many standard deviations the venue is busy and asks for far more."""


def venue_interval_s(noise: float) -> float:
    """The venue's own minimum between two requests at this moment; ``noise`` standard normal."""
    busy = _VENUE_BUSY * (noise - _VENUE_BUSY_FROM) if noise > _VENUE_BUSY_FROM else 0.0
    return _VENUE_INTERVAL_S * math.exp(_VENUE_SPREAD_OF_LOG * noise + busy)


def slippage_bps(size: float, spread: float, depth: float) -> float:
    """What taking ``size`` lots costs against the mid: half the spread and a square-root walk."""
    return 0.5 * spread + _SLIP_BPS * math.sqrt(size / (4.0 * depth))


def fill(
    desk: Desk,
    tape: Tape,
    slot: int,
    now: float,
    side: float,
    price: float,
    size: float,
    kind: int,
    mid: float,
    depth: float,
) -> None:
    """Book one fill. Taking pushes the mid along; a filled quote lets it fall against us."""
    values = desk.values
    values[INVENTORY] += side * size
    root = math.sqrt(size / depth)
    push = -side * _OWN_QUOTE_BPS * root if kind == MAKER else side * _OWN_TAKE_BPS * root
    values[SLOW_IMPACT] += _LASTING * push
    values[FAST_IMPACT] += (1.0 - _LASTING) * push
    tape.time.append(now)
    tape.side.append(side)
    tape.price.append(price)
    tape.size.append(size)
    tape.kind.append(kind)
    tape.mid.append(mid)
    tape.slot.append(slot)
    tape.placed.append(desk.placed[slot] if kind == MAKER else now)


def pick_off(desk: Desk, tape: Tape, now: float, fair: float, mid: float, depth: float) -> None:
    """Fill, at their own price, the quotes that the fair price has left behind.

    Who picks a quote off knows what it is worth, and does not take a bounce of the mid for news.
    """
    price, size = desk.price, desk.size
    for slot in range(LEVELS):
        if size[slot] > 0.0 and price[slot] > fair + _STALE_BPS:
            fill(desk, tape, slot, now, 1.0, price[slot], size[slot], MAKER, mid, depth)
            size[slot] = 0.0
    for slot in range(LEVELS, 2 * LEVELS):
        if size[slot] > 0.0 and price[slot] < fair - _STALE_BPS:
            fill(desk, tape, slot, now, -1.0, price[slot], size[slot], MAKER, mid, depth)
            size[slot] = 0.0


def hit(
    desk: Desk,
    tape: Tape,
    now: float,
    taker_side: float,
    taker_size: float,
    reach: float,
    mid: float,
    depth: float,
) -> None:
    """Let one taker meet our quotes on the side that it hits, each behind its queue."""
    side = -taker_side
    first = 0 if side > 0.0 else LEVELS
    price, size, queue = desk.price, desk.size, desk.queue
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
            # Those ahead of us leave as well: the place gets better with the quote's age.
            stay = math.exp((desk.placed[slot] - now) / _QUEUE_STAY_S)
            ahead = queue[slot] * stay
            queue[slot] = (ahead - left) / stay if ahead > left else 0.0
            part = left - ahead
            if part <= 0.0:
                continue
        if part > ours - _DUST:
            part = ours
        fill(desk, tape, slot, now, side, price[slot], part, MAKER, mid, depth)
        size[slot] = ours - part
        left -= part
        if left < _DUST:
            return


def land(
    desk: Desk, tape: Tape, slot: int, now: float, mid: float, spread: float, depth: float
) -> None:
    """A request takes effect: the quote rests behind a new queue, or crosses and takes."""
    size, price = desk.next_size[slot], desk.next_price[slot]
    desk.lands[slot] = math.inf
    side = 1.0 if slot < LEVELS else -1.0
    if side * (price - mid) >= 0.5 * spread:
        paid = mid + side * slippage_bps(size, spread, depth)
        worse = side * (paid - price) > 0.0
        fill(desk, tape, slot, now, side, price if worse else paid, size, CROSS, mid, depth)
        desk.size[slot] = 0.0
        return
    desk.price[slot] = price
    desk.size[slot] = size
    desk.placed[slot] = now
    desk.queue[slot] = QUEUE_BASE + QUEUE_PER_DEPTH * depth


def leave(
    desk: Desk, tape: Tape, slot: int, now: float, mid: float, spread: float, depth: float
) -> None:
    """An exit order arrives at the market: ``next_size`` is signed."""
    size = desk.next_size[slot]
    desk.lands[slot] = math.inf
    side = 1.0 if size > 0.0 else -1.0
    paid = mid + side * slippage_bps(abs(size), spread, depth)
    fill(desk, tape, slot, now, side, paid, abs(size), HEDGE, mid, depth)
