"""The event loop of one iteration: ticks, takers, landings and the bot's own moments in time.

Scalar floats over flat lists: about 15,000 light steps for 300 s.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from pytest_soak.targets.mock import bot, gateway, venue
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
)
from pytest_soak.targets.mock.market import DT, FINE_PER_TICK, Market
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

_BURST = 4.0
"""Size of the token bucket."""
_FEED_TICKS = 2
"""The bot sees the market this many ticks late."""
_FADE_TIME_S = 5.0
"""In which the passing part of the bot's own impact fades."""


def trade(market: Market, params: Params, desk: Desk) -> Tape:
    """Let the bot trade through ``market``; ``desk`` is left as it is at the end."""
    tape = Tape()
    values, lands = desk.values, desk.lands
    mids, spreads, depths = market.mid.tolist(), market.spread.tolist(), market.depth.tolist()
    taker_time = [*market.taker_time.tolist(), math.inf]
    taker_side, taker_size = market.taker_side.tolist(), market.taker_size.tolist()
    taker_reach = market.taker_reach.tolist()
    gate = _gate(market)
    sigmas, values[VARIANCE] = bot.sigma_bps(market.mid, values[VARIANCE])
    usual = bot.usual_depth(market.depth, values[DEPTH])
    values[DEPTH] = usual[-1]
    fade = math.exp(-DT / _FADE_TIME_S)
    taker = 0
    for tick in range(market.ticks):
        start, end = tick * DT, (tick + 1) * DT
        spread, depth = spreads[tick], depths[tick]
        values[FAST_IMPACT] *= fade
        mid = mids[tick] + values[FAST_IMPACT] + values[SLOW_IMPACT]
        late = mids[max(0, tick - _FEED_TICKS)] - mids[tick]
        half = half_spread_bps(params.base_spread_bps, bot.VOLATILITY_COEF, sigmas[tick])
        limit = bot.LIMIT_LOTS * usual[tick]
        tape.mids.append(mid)
        venue.pick_off(desk, tape, start, mid, depth)
        tape.held += abs(values[INVENTORY])
        _leave_if_wanted(gate, params, desk, tick, start, limit)
        while True:
            landing = min(lands)
            now = min(taker_time[taker], landing, values[WAKE])
            if now >= end:
                break
            mid = mids[tick] + values[FAST_IMPACT] + values[SLOW_IMPACT]
            if now == landing:
                _land(desk, tape, now, mid, spread, depth)
            elif now == taker_time[taker]:
                side, size, reach = taker_side[taker], taker_size[taker], taker_reach[taker]
                venue.hit(desk, tape, now, side, size, reach, mid, depth)
                taker += 1
            else:
                seen = mid + late
                slot = bot.most_urgent(desk, params, now, seen, half, limit)
                if slot < 0:
                    values[WAKE] = end
                elif _admitted(gate, params, desk, tape, slot, tick, now, half, limit):
                    bot.quote(desk, params, slot, seen, half, limit, depth)
    return tape


@dataclass(frozen=True, slots=True)
class _Gate:
    """What decides on a request, per tick and per 20 ms, as lists."""

    imbalance: list[float]
    latency: list[float]
    latency_noise: list[float]
    venue_noise: list[float]
    dither: list[float]


def _gate(market: Market) -> _Gate:
    return _Gate(
        market.imbalance.tolist(),
        market.latency.tolist(),
        market.latency_noise.tolist(),
        market.venue_noise.tolist(),
        market.dither.tolist(),
    )


def _land(desk: Desk, tape: Tape, now: float, mid: float, spread: float, depth: float) -> None:
    slot = desk.lands.index(now)
    if slot == EXIT:
        venue.leave(desk, tape, slot, now, mid, spread, depth)
        return
    desk.values[IN_FLIGHT] -= 1.0
    venue.land(desk, tape, slot, now, mid, spread, depth)


def _leave_if_wanted(
    gate: _Gate, params: Params, desk: Desk, tick: int, now: float, limit: float
) -> None:
    # An exit goes past the bot's own limits on requests: they are there for quotes.
    size = bot.exit_wanted(desk, params, limit)
    if size != 0.0:
        desk.next_size[EXIT] = size
        _send(gate, desk, EXIT, tick, tick * FINE_PER_TICK, now)


def _admitted(
    gate: _Gate,
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
    fine = min(int(now / DT * FINE_PER_TICK), len(gate.dither) - 1)
    values[TOKENS] = refilled_tokens(
        values[TOKENS], params.replace_rate_per_min, now - values[TOKENS_AT], _BURST
    )
    values[TOKENS_AT] = now
    code = admit(
        bot.risk_blocks(values[INVENTORY], limit, slot, gate.imbalance[tick], half),
        now - values[SENT_AT],
        venue.venue_interval_s(gate.venue_noise[fine]),
        int(values[IN_FLIGHT]),
        params.concurrency_limit,
        gate.dither[fine],
        values[TOKENS],
    )
    tape.blocks[code] += 1
    values[WAKE] = now + pause
    if code == ADMITTED:
        values[TOKENS] -= 1.0
        values[SENT_AT] = now
        tape.latency.append(_send(gate, desk, slot, tick, fine, now))
        values[IN_FLIGHT] += 1.0
    elif code == RISK:
        desk.retry[slot] = now + bot.RETRY_S + bot.RETRY_PAUSES * pause
    elif code == CONCURRENCY:
        values[WAKE] = now + max(pause, bot.CONCURRENCY_PAUSE_S)
    elif code == THROTTLE:
        values[WAKE] = now + max(pause, bot.THROTTLE_PAUSE_S)
    return code == ADMITTED


def _send(gate: _Gate, desk: Desk, slot: int, tick: int, fine: int, now: float) -> float:
    """Put the request of ``slot`` on its way; its latency, seconds."""
    load = gateway.loaded(desk.values, now)
    latency = gateway.latency_s(
        gate.latency_noise[fine], gate.latency[tick], desk.values[IN_FLIGHT], load
    )
    desk.lands[slot] = now + latency
    return latency
