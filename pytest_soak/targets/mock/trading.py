"""The event loop of one iteration: ticks, takers, landing requests and the bot's own decisions.

About 15,000 small steps for 300 s, on scalar floats in flat columns. In plain Python the columns
are lists, whose elements are read twice as fast as those of an array; :mod:`.compiled` runs the
same functions on arrays. To make that possible, :func:`run_events` and all it calls use only
numbers, indices, attributes and ``append``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pytest_soak.targets.mock import bot, gateway, venue
from pytest_soak.targets.mock.conditions import Conditions, conditions_of
from pytest_soak.targets.mock.fill_log import FillLog
from pytest_soak.targets.mock.grid import DT, FINE_PER_TICK
from pytest_soak.targets.mock.market import Market
from pytest_soak.targets.mock.order_state import (
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
    OrderState,
    first_to_land,
)
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
"""The bot sees the market with a delay of this many ticks."""
_FADE_TIME_S = 5.0
"""Time constant with which the temporary part of the bot's own impact fades."""

Floats = NDArray[np.float64]


class MarketPath(NamedTuple):
    """The market of one iteration as the event loop reads it, column by column."""

    mid: Floats
    fair: Floats
    spread: Floats
    depth: Floats
    imbalance: Floats
    latency: Floats
    moves: Floats
    """(ticks,) squared returns over one second; the bot's volatility is their mean."""
    latency_noise: Floats
    venue_noise: Floats
    dither: Floats
    """(5 · ticks,) noise of gateway and venue."""
    taker_time: Floats
    """(takers + 1,) the last is infinite."""
    taker_side: Floats
    taker_size: Floats
    taker_reach: Floats
    feed_mid: Floats
    feed_depth: Floats
    """(ticks,) as the feed delivers them."""
    rate: Floats
    release: Floats
    lost: Floats
    """As in :class:`.conditions.Conditions`."""


EventLoop = Callable[[MarketPath, Params, OrderState], FillLog]
"""Runs one iteration. It changes the order state to that at the end of the iteration."""


def trade(
    market: Market,
    params: Params,
    orders: OrderState,
    event_loop: EventLoop,
    conditions: Conditions | None = None,
) -> FillLog:
    """Run the bot through ``market``; ``orders`` then holds the state at the end.

    ``conditions`` are those of an iteration with scenarios.
    """
    path = market_path_of(market, conditions)
    values = orders.values
    if values[VARIANCE] < 0.0:
        values[VARIANCE] = float(np.mean(path.moves))
    if values[DEPTH] < 0.0:
        values[DEPTH] = float(path.feed_depth[0])
    return event_loop(path, params, orders)


def market_path_of(market: Market, conditions: Conditions | None = None) -> MarketPath:
    """The columns that the event loop reads."""
    if conditions is None:
        conditions = conditions_of((), market)
    return MarketPath(
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


def run_plainly(path: MarketPath, params: Params, orders: OrderState) -> FillLog:
    """:func:`run_events` in plain Python, on lists."""
    log = FillLog()
    run_events(MarketPath(*(column.tolist() for column in path)), params, orders, log)
    return log


def run_events(path: MarketPath, params: Params, orders: OrderState, log: FillLog) -> None:
    """Handle all events of an iteration in the order of time; ``log`` records the outcome."""
    values, lands = orders.values, orders.lands
    mids, spreads, depths, moves = path.mid, path.spread, path.depth, path.moves
    taker_time, taker_side = path.taker_time, path.taker_side
    taker_size, taker_reach = path.taker_size, path.taker_reach
    feed_mids, feed_depths = path.feed_mid, path.feed_depth
    fade = math.exp(-DT / _FADE_TIME_S)
    taker = 0
    first = first_to_land(lands)
    for tick in range(len(mids)):
        start, end = tick * DT, (tick + 1) * DT
        spread, depth = spreads[tick], depths[tick]
        values[FAST_IMPACT] *= fade
        mid = mids[tick] + values[FAST_IMPACT] + values[SLOW_IMPACT]
        feed_error = feed_mids[max(0, tick - _FEED_TICKS)] - mids[tick]
        half = half_spread_bps(
            params.base_spread_bps, bot.VOLATILITY_COEF, bot.sigma_bps(values, moves[tick])
        )
        limit = bot.LIMIT_LOTS * bot.usual_depth(values, feed_depths[tick])
        log.mids.append(mid)
        fair = path.fair[tick] + values[FAST_IMPACT] + values[SLOW_IMPACT]
        venue.pick_off(orders, log, start, fair, mid, depth)
        log.inventory.append(abs(values[INVENTORY]))
        _send_exit(path, params, orders, tick, start, limit)
        if lands[EXIT] < lands[first]:
            first = EXIT
        while True:
            now = min(taker_time[taker], lands[first], values[WAKE])
            if now >= end:
                break
            mid = mids[tick] + values[FAST_IMPACT] + values[SLOW_IMPACT]
            if now == lands[first]:
                _land(orders, log, first, now, mid, spread, depth)
                first = first_to_land(lands)
            elif now == taker_time[taker]:
                side, size, reach = taker_side[taker], taker_size[taker], taker_reach[taker]
                venue.hit(orders, log, now, side, size, reach, mid, depth)
                taker += 1
            else:
                seen = mid + feed_error
                slot = bot.most_urgent(orders, params, now, seen, half, limit)
                if slot < 0:
                    values[WAKE] = end
                elif _admitted(path, params, orders, log, slot, tick, now, half, limit):
                    bot.quote(orders, params, slot, seen, half, limit, feed_depths[tick])
                    first = first_to_land(lands)


def _land(
    orders: OrderState, log: FillLog, slot: int, now: float, mid: float, spread: float, depth: float
) -> None:
    if slot == EXIT:
        venue.leave(orders, log, slot, now, mid, spread, depth)
        return
    orders.values[IN_FLIGHT] -= 1.0
    venue.land(orders, log, slot, now, mid, spread, depth)


def _send_exit(
    path: MarketPath, params: Params, orders: OrderState, tick: int, now: float, limit: float
) -> None:
    # An exit order is not subject to the bot's limits on requests, which are for quotes.
    size = bot.exit_order_size(orders, params, limit)
    if size != 0.0:
        orders.next_size[EXIT] = size
        _send(path, orders, EXIT, tick, tick * FINE_PER_TICK, now)


def _admitted(
    path: MarketPath,
    params: Params,
    orders: OrderState,
    log: FillLog,
    slot: int,
    tick: int,
    now: float,
    half: float,
    limit: float,
) -> bool:
    """Whether a request may go out. Counts the answer and sets the bot's next decision time."""
    values = orders.values
    pause = params.min_interval_ms / 1000.0
    fine = min(int(now / DT * FINE_PER_TICK), len(path.dither) - 1)
    rate = params.replace_rate_per_min * path.rate[tick]
    values[TOKENS] = refilled_tokens(values[TOKENS], rate, now - values[TOKENS_AT], _BURST)
    values[TOKENS_AT] = now
    code = admit(
        bot.risk_blocks(values[INVENTORY], limit, slot, path.imbalance[tick], half),
        now - values[SENT_AT],
        venue.venue_interval_s(path.venue_noise[fine]),
        int(values[IN_FLIGHT]),
        params.concurrency_limit,
        path.dither[fine],
        values[TOKENS],
    )
    log.blocks[code] += 1
    values[WAKE] = now + pause
    if code == ADMITTED:
        values[TOKENS] -= 1.0
        values[SENT_AT] = now
        log.sent.append(now)
        log.latency.append(_send(path, orders, slot, tick, fine, now))
        values[IN_FLIGHT] += 1.0
        return True
    log.refused.append(now)
    log.reason.append(code)
    if code == RISK:
        orders.retry[slot] = now + bot.RETRY_S + bot.RETRY_PAUSES * pause
    elif code == CONCURRENCY:
        values[WAKE] = now + max(pause, bot.CONCURRENCY_PAUSE_S)
    elif code == THROTTLE:
        values[WAKE] = now + max(pause, bot.THROTTLE_PAUSE_S)
    return False


def _send(
    path: MarketPath, orders: OrderState, slot: int, tick: int, fine: int, now: float
) -> float:
    """Send the request of ``slot``. Returns its latency in seconds."""
    load = gateway.loaded(orders.values, now)
    latency = gateway.latency_s(
        path.latency_noise[fine], path.latency[tick], orders.values[IN_FLIGHT], load
    )
    lands = now + latency
    release = path.release[min(int(lands / DT), len(path.release) - 1)]
    if release > lands and path.lost[fine] > 0.0:
        lands, latency = release, release - now
    orders.lands[slot] = lands
    return latency
