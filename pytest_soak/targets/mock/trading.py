"""The event loop of one iteration: ticks, takers, landings and the bot's own moments in time.

About 15,000 light steps for 300 s, scalar floats over flat columns: lists in plain Python, whose
elements are twice as quick to reach as an array's, arrays when :mod:`.compiled` runs the same
functions. So that it can, nothing from :func:`walk` down uses more than numbers, indices,
attributes and ``append``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pytest_soak.targets.mock import bot, gateway, venue
from pytest_soak.targets.mock.conditions import Conditions, conditions_of
from pytest_soak.targets.mock.desk import (
    DEPTH,
    EXIT,
    FAST_IMPACT,
    IN_FLIGHT,
    INVENTORY,
    SENT_AT,
    SLOW_IMPACT,
    TOKENS,
    TOKENS_AT,
    VARIANCE,
    WAKE,
    Desk,
    Tape,
    first_to_land,
)
from pytest_soak.targets.mock.grid import DT, FINE_PER_TICK
from pytest_soak.targets.mock.market import Market
from pytest_soak.targets.quoting import (
    ADMITTED,
    CONCURRENCY,
    RISK,
    THROTTLE,
    Params,
    admit,
    half_spread_bps,
    refilled_tokens,
)

_BURST = 8.0
"""Size of the token bucket."""
_FEED_TICKS = 2
"""The bot sees the market this many ticks late."""
_FADE_TIME_S = 5.0
"""In which the passing part of the bot's own impact fades."""


Floats = NDArray[np.float64]


class Course(NamedTuple):
    """What an iteration's market does, column by column, and what is known before its start."""

    mid: Floats
    fair: Floats
    spread: Floats
    depth: Floats
    imbalance: Floats
    latency: Floats
    moves: Floats
    """(ticks,) squared returns over one second: what the bot's volatility is a mean of."""
    latency_noise: Floats
    venue_noise: Floats
    dither: Floats
    """(5 · ticks,) the gateway's and the venue's own noise."""
    taker_time: Floats
    """(takers + 1,) the last is infinite."""
    taker_side: Floats
    taker_size: Floats
    taker_reach: Floats
    known_mid: Floats
    known_depth: Floats
    """(ticks,) as the feed has them."""
    rate: Floats
    release: Floats
    lost: Floats
    """What the venue gives and what cannot get through, as in :class:`.scenario.Conditions`."""


Walk = Callable[[Course, Params, Desk], Tape]
"""Lets the bot trade; the desk is left as it is at the end."""


def trade(
    market: Market,
    params: Params,
    desk: Desk,
    walk: Walk,
    conditions: Conditions | None = None,
) -> Tape:
    """Let the bot trade through ``market``; ``desk`` is left as it is at the end.

    ``conditions`` are those of an iteration with scenarios.
    """
    course = course_of(market, conditions)
    values = desk.values
    if values[VARIANCE] < 0.0:
        values[VARIANCE] = float(np.mean(course.moves))
    if values[DEPTH] < 0.0:
        values[DEPTH] = float(course.known_depth[0])
    return walk(course, params, desk)


def course_of(market: Market, conditions: Conditions | None = None) -> Course:
    """The columns of ``market`` that trading reads."""
    if conditions is None:
        conditions = conditions_of((), market)
    return Course(
        market.mid,
        market.fair,
        market.spread,
        market.depth,
        conditions.imbalance,
        market.latency,
        bot.squared_moves(conditions.mid),
        market.latency_noise,
        market.venue_noise,
        market.dither,
        np.append(market.taker_time, math.inf),
        market.taker_side,
        market.taker_size,
        market.taker_reach,
        conditions.mid,
        conditions.depth,
        conditions.rate,
        conditions.release,
        conditions.lost,
    )


def walk_plainly(course: Course, params: Params, desk: Desk) -> Tape:
    """:func:`walk` in plain Python, on lists."""
    tape = Tape()
    walk(Course(*(column.tolist() for column in course)), params, desk, tape)
    return tape


def walk(course: Course, params: Params, desk: Desk, tape: Tape) -> None:
    """Every event of an iteration in its order; ``tape`` takes down what came of it."""
    values, lands = desk.values, desk.lands
    mids, spreads, depths, moves = course.mid, course.spread, course.depth, course.moves
    taker_time, taker_side = course.taker_time, course.taker_side
    taker_size, taker_reach = course.taker_size, course.taker_reach
    known_mids, known_depths = course.known_mid, course.known_depth
    fade = math.exp(-DT / _FADE_TIME_S)
    taker = 0
    first = first_to_land(lands)
    for tick in range(len(mids)):
        start, end = tick * DT, (tick + 1) * DT
        spread, depth = spreads[tick], depths[tick]
        values[FAST_IMPACT] *= fade
        mid = mids[tick] + values[FAST_IMPACT] + values[SLOW_IMPACT]
        late = known_mids[max(0, tick - _FEED_TICKS)] - mids[tick]
        half = half_spread_bps(
            params.base_spread_bps, bot.VOLATILITY_COEF, bot.sigma_bps(values, moves[tick])
        )
        limit = bot.LIMIT_LOTS * bot.usual_depth(values, known_depths[tick])
        tape.mids.append(mid)
        fair = course.fair[tick] + values[FAST_IMPACT] + values[SLOW_IMPACT]
        venue.pick_off(desk, tape, start, fair, mid, depth)
        tape.held.append(abs(values[INVENTORY]))
        _leave_if_wanted(course, params, desk, tick, start, limit)
        if lands[EXIT] < lands[first]:
            first = EXIT
        while True:
            now = min(taker_time[taker], lands[first], values[WAKE])
            if now >= end:
                break
            mid = mids[tick] + values[FAST_IMPACT] + values[SLOW_IMPACT]
            if now == lands[first]:
                _land(desk, tape, first, now, mid, spread, depth)
                first = first_to_land(lands)
            elif now == taker_time[taker]:
                side, size, reach = taker_side[taker], taker_size[taker], taker_reach[taker]
                venue.hit(desk, tape, now, side, size, reach, mid, depth)
                taker += 1
            else:
                seen = mid + late
                slot = bot.most_urgent(desk, params, now, seen, half, limit)
                if slot < 0:
                    values[WAKE] = end
                elif _admitted(course, params, desk, tape, slot, tick, now, half, limit):
                    bot.quote(desk, params, slot, seen, half, limit, known_depths[tick])
                    first = first_to_land(lands)


def _land(
    desk: Desk, tape: Tape, slot: int, now: float, mid: float, spread: float, depth: float
) -> None:
    if slot == EXIT:
        venue.leave(desk, tape, slot, now, mid, spread, depth)
        return
    desk.values[IN_FLIGHT] -= 1.0
    venue.land(desk, tape, slot, now, mid, spread, depth)


def _leave_if_wanted(
    course: Course, params: Params, desk: Desk, tick: int, now: float, limit: float
) -> None:
    # An exit goes past the bot's own limits on requests: they are there for quotes.
    size = bot.exit_wanted(desk, params, limit)
    if size != 0.0:
        desk.next_size[EXIT] = size
        _send(course, desk, EXIT, tick, tick * FINE_PER_TICK, now)


def _admitted(
    course: Course,
    params: Params,
    desk: Desk,
    tape: Tape,
    slot: int,
    tick: int,
    now: float,
    half: float,
    limit: float,
) -> bool:
    """Ask for a request, count the answer, and set when the bot looks again."""
    values = desk.values
    pause = params.min_interval_ms / 1000.0
    fine = min(int(now / DT * FINE_PER_TICK), len(course.dither) - 1)
    rate = params.replace_rate_per_min * course.rate[tick]
    values[TOKENS] = refilled_tokens(values[TOKENS], rate, now - values[TOKENS_AT], _BURST)
    values[TOKENS_AT] = now
    code = admit(
        bot.risk_blocks(values[INVENTORY], limit, slot, course.imbalance[tick], half),
        now - values[SENT_AT],
        venue.venue_interval_s(course.venue_noise[fine]),
        int(values[IN_FLIGHT]),
        params.concurrency_limit,
        course.dither[fine],
        values[TOKENS],
    )
    tape.blocks[code] += 1
    values[WAKE] = now + pause
    if code == ADMITTED:
        values[TOKENS] -= 1.0
        values[SENT_AT] = now
        tape.sent.append(now)
        tape.latency.append(_send(course, desk, slot, tick, fine, now))
        values[IN_FLIGHT] += 1.0
        return True
    tape.refused.append(now)
    tape.reason.append(code)
    if code == RISK:
        desk.retry[slot] = now + bot.RETRY_S + bot.RETRY_PAUSES * pause
    elif code == CONCURRENCY:
        values[WAKE] = now + max(pause, bot.CONCURRENCY_PAUSE_S)
    elif code == THROTTLE:
        values[WAKE] = now + max(pause, bot.THROTTLE_PAUSE_S)
    return False


def _send(course: Course, desk: Desk, slot: int, tick: int, fine: int, now: float) -> float:
    """Put the request of ``slot`` on its way; its latency, seconds."""
    load = gateway.loaded(desk.values, now)
    latency = gateway.latency_s(
        course.latency_noise[fine], course.latency[tick], desk.values[IN_FLIGHT], load
    )
    lands = now + latency
    release = course.release[min(int(lands / DT), len(course.release) - 1)]
    if release > lands and course.lost[fine] > 0.0:
        lands, latency = release, release - now
    desk.lands[slot] = lands
    return latency
