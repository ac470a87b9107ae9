"""The event loop of one iteration: ticks, takers, landings and the bot's own moments in time."""

from __future__ import annotations

import math

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
    MIN_INTERVAL,
    RISK,
    Params,
    admit,
    half_spread_bps,
    refilled_tokens,
)

_BURST = 4.0
_FEED_TICKS = 2
_FADE_TIME_S = 5.0


def trade(market: Market, params: Params, desk: Desk) -> Tape:
    """Let the bot trade through ``market``; ``desk`` is left as it is at the end."""
    tape = Tape()
    values, lands = desk.values, desk.lands
    exogenous, spreads, depths = market.mid.tolist(), market.spread.tolist(), market.depth.tolist()
    imbalances, factors = market.imbalance.tolist(), market.latency.tolist()
    latency_noise, venue_noise = market.latency_noise.tolist(), market.venue_noise.tolist()
    dithers = market.dither.tolist()
    taker_time = [*market.taker_time.tolist(), math.inf]
    taker_side, taker_size = market.taker_side.tolist(), market.taker_size.tolist()
    taker_reach = market.taker_reach.tolist()
    sigmas, values[VARIANCE] = bot.sigma_bps(market.mid, values[VARIANCE])
    usual = bot.usual_depth(market.depth, values[DEPTH])
    values[DEPTH] = usual[-1]
    fade = math.exp(-DT / _FADE_TIME_S)
    pause = params.min_interval_ms / 1000.0
    taker = 0
    for tick in range(market.ticks):
        start, end = tick * DT, (tick + 1) * DT
        values[FAST_IMPACT] *= fade
        base = exogenous[tick]
        mid = base + values[FAST_IMPACT] + values[SLOW_IMPACT]
        spread, depth = spreads[tick], depths[tick]
        half = half_spread_bps(params.base_spread_bps, bot.VOLATILITY_COEF, sigmas[tick])
        limit = bot.LIMIT_LOTS * usual[tick]
        feed = exogenous[max(0, tick - int(_FEED_TICKS))] - base
        tape.mids.append(mid)
        venue.pick_off(desk, tape, start, mid, depth)
        tape.held += abs(values[INVENTORY])
        size = bot.exit_wanted(desk, params, limit)
        if size != 0.0:
            fine = tick * FINE_PER_TICK
            desk.next_size[EXIT] = size
            lands[EXIT] = start + gateway.latency_s(
                latency_noise[fine],
                factors[tick],
                values[IN_FLIGHT],
                gateway.loaded(values, start),
            )
        landing = min(lands)
        while True:
            now = taker_time[taker]
            if landing < now:
                now = landing
            if values[WAKE] < now:
                now = values[WAKE]
            if now >= end:
                break
            mid = base + values[FAST_IMPACT] + values[SLOW_IMPACT]
            if now == landing:
                slot = lands.index(landing)
                if slot == EXIT:
                    venue.leave(desk, tape, slot, now, mid, spread, depth)
                else:
                    values[IN_FLIGHT] -= 1.0
                    venue.land(desk, tape, slot, now, mid, spread, depth)
                landing = min(lands)
            elif now == taker_time[taker]:
                venue.hit(
                    desk,
                    tape,
                    now,
                    taker_side[taker],
                    taker_size[taker],
                    taker_reach[taker],
                    mid,
                    depth,
                )
                taker += 1
            else:
                slot = bot.most_urgent(desk, params, now, mid + feed, half, limit)
                if slot < 0:
                    values[WAKE] = end
                    continue
                fine = min(int(now / DT * FINE_PER_TICK), len(dithers) - 1)
                values[TOKENS] = refilled_tokens(
                    values[TOKENS], params.replace_rate_per_min, now - values[TOKENS_AT], _BURST
                )
                values[TOKENS_AT] = now
                code = admit(
                    bot.risk_blocks(values[INVENTORY], limit, slot, imbalances[tick], half),
                    now - values[SENT_AT],
                    venue.venue_interval_s(venue_noise[fine]),
                    int(values[IN_FLIGHT]),
                    params.concurrency_limit,
                    dithers[fine],
                    values[TOKENS],
                )
                tape.blocks[code] += 1
                if code == ADMITTED:
                    values[TOKENS] -= 1.0
                    values[SENT_AT] = now
                    latency = gateway.latency_s(
                        latency_noise[fine],
                        factors[tick],
                        values[IN_FLIGHT],
                        gateway.loaded(values, now),
                    )
                    values[IN_FLIGHT] += 1.0
                    bot.quote(desk, params, slot, mid + feed, half, limit, depth)
                    lands[slot] = now + latency
                    if lands[slot] < landing:
                        landing = lands[slot]
                    tape.latency.append(latency)
                    values[WAKE] = now + pause
                elif code == RISK:
                    desk.retry[slot] = now + bot.RETRY_S + bot.RETRY_PAUSES * pause
                    values[WAKE] = now + pause
                elif code == MIN_INTERVAL:
                    values[WAKE] = now + pause
                elif code == CONCURRENCY:
                    values[WAKE] = now + max(pause, bot.CONCURRENCY_PAUSE_S)
                else:
                    values[WAKE] = now + max(pause, bot.THROTTLE_PAUSE_S)
    return tape
