"""The exogenous market of one iteration: everything but what the bot does to it.

Generated vectorised on a grid of 0.1 s from four random streams of its own, so it is the same
whatever the bot's parameters are. Prices are bps of a fixed reference, sizes lots, times seconds
from the start of the iteration.

The mechanism is that of ``docs/mock.md``: a Markov regime, three Ornstein–Uhlenbeck processes and
the hour of the day make the volatility (Cont 2001: clustering over minutes to hours), jumps and
flash crashes the tails, a marked Hawkes process by cluster expansion the takers (Bacry,
Mastromatteo and Muzy 2015; a branching ratio well below 1 plus regimes, Filimonov and Sornette
2013), with an exponential reach into the book (Avellaneda and Stoikov 2008).
``tests/unit/targets/stylised_facts.py`` has the recorded figures that the constants aim at.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_soak.targets.mock.decay import decayed
from pytest_soak.targets.mock.disturbance import Disturbance
from pytest_soak.targets.mock.flow import imbalance_of, impact_bps, takers_of
from pytest_soak.targets.mock.grid import DT, FINE_PER_TICK, Floats

TICKS_PER_SECOND = 10

PRICE, FLOW, LATENCY, EVENTS = range(4)
"""The random streams of an iteration."""

REGIMES = ("calm", "normal", "stressed")
_BASE_VOLATILITY = (0.5, 1.0, 2.6)
_MEAN_STAY_S = (1800.0, 1800.0, 300.0)
_NEXT_REGIME = ((0.0, 0.9, 0.1), (0.6, 0.0, 0.4), (0.2, 0.8, 0.0))
_REGIME_SHARE = (0.390, 0.563, 0.047)  # stationary, from the two lines above
_REGIME_LATENCY = (1.0, 1.0, 1.03)
_JUMPS_PER_S = (0.5 / 3600, 2 / 3600, 12 / 3600)
_OU_TIME_S = (60.0, 2400.0, 43200.0)
_OU_SD = (0.2, 0.2, 0.3)
_DAY_S, _SEASON = 86400.0, 0.6
_LOG_SHIFT = -0.15
_DIFFUSION = 0.68 * 1.28
_JUMP_BPS, _JUMP_CLIP_BPS = 5.0, 80.0
_FLICKER_TIME_S, _FLICKER_SD, _FLICKER_BASE = 0.3, 0.51, 0.95
_CRASH_PER_S, _CRASH_FALL_S, _CRASH_RETRACE_S, _CRASH_SPAN_S = 1 / 604800, 8.0, 90.0, 60.0
_CRASH_FORGET_S = 600.0
_GAP_PER_S, _GAP_MEAN_S = 3 / 3600, 20.0
_SPREAD_BPS = 0.25
_DEPTH_NOISE_SD, _DEPTH_NOISE_TIME_S = 0.3, 10.0


@dataclass(frozen=True, slots=True)
class MarketState:
    """What the market carries from one iteration to the next."""

    price: float
    """Efficient price, bps."""
    flicker: float
    """What the quoted mid is off the efficient price, bps."""
    regime: int
    ou: tuple[float, float, float]
    depth_noise: float
    gap_left_s: float
    crash_age_s: float
    """Seconds since the last flash crash began; past ``_CRASH_FORGET_S`` there is none."""
    crash_depth: float
    crash_retrace: float
    clock_s: float
    """Time of the day."""

    def to_json(self) -> list[Any]:
        return [
            self.price,
            self.flicker,
            self.regime,
            list(self.ou),
            self.depth_noise,
            self.gap_left_s,
            self.crash_age_s,
            self.crash_depth,
            self.crash_retrace,
            self.clock_s,
        ]

    @classmethod
    def from_json(cls, value: Sequence[Any]) -> MarketState:
        price, flicker, regime, ou, depth_noise, gap, age, depth, retrace, clock = value
        fast, middle, slow = ou
        return cls(
            float(price),
            float(flicker),
            int(regime),
            (float(fast), float(middle), float(slow)),
            float(depth_noise),
            float(gap),
            float(age),
            float(depth),
            float(retrace),
            float(clock),
        )


@dataclass(frozen=True, slots=True)
class Market:
    """One iteration of it. Arrays of ``ticks`` are one value per 0.1 s."""

    ticks: int
    mid: Floats
    """(ticks,) quoted mid, bps, without the bot's own impact."""
    fair: Floats
    """(ticks,) efficient price, bps: the mid without its bounce."""
    spread: Floats
    """(ticks,) bps between best bid and best ask."""
    depth: Floats
    """(ticks,) size shown at the touch by others, in units of a normal one."""
    volatility: Floats
    """(ticks,) factor on a normal one."""
    latency: Floats
    """(ticks,) factor on the gateway's latency."""
    imbalance: Floats
    """(ticks,) recent taker flow, -1 (all sells) … +1 (all buys)."""
    taker_time: Floats
    taker_side: Floats
    taker_size: Floats
    taker_reach: Floats
    """(takers,) seconds, +1 buys / -1 sells, lots, bps beyond the mid that the order reaches."""
    latency_noise: Floats
    venue_noise: Floats
    dither: Floats
    """(5 · ticks,) standard normals of gateway and venue, uniforms for a fractional limit."""
    jumps: int
    crashes: int
    """1 while a flash crash is on, else 0."""
    gap_s: float
    """Seconds in a liquidity gap."""
    regime_share: tuple[float, float, float]


def first_state(seed: int) -> MarketState:
    """Where a lane's market begins: drawn from the stationary law, as iteration 0."""
    rng = _streams(seed, 0)[EVENTS]
    regime = int(rng.choice(3, p=_REGIME_SHARE))
    fast, middle, slow = (float(sd * rng.standard_normal()) for sd in _OU_SD)
    # A lane begins at any hour, so that no trend is common to all lanes.
    clock = _DAY_S * float(rng.random())
    ou = (fast, middle, slow)
    return MarketState(0.0, 0.0, regime, ou, 0.0, 0.0, _CRASH_FORGET_S, 0.0, 0.0, clock)


def next_market(
    state: MarketState,
    seed: int,
    iteration: int,
    interval_s: float,
    disturbance: Disturbance | None = None,
) -> tuple[Market, MarketState]:
    """The market of ``iteration``, and the state after it."""
    ticks = max(1, round(interval_s / DT))
    seconds = -(-ticks // TICKS_PER_SECOND)
    streams = _streams(seed, iteration)
    regime = _regimes(state.regime, seconds, streams[EVENTS])
    ou, ou_end = _log_volatility(state.ou, seconds, streams[EVENTS])
    in_gap, gap_left = _gaps(state.gap_left_s, seconds, streams[EVENTS])
    crash_path, in_crash, crash = _crash(state, seconds, streams[EVENTS])
    season = _season(state.clock_s, seconds)
    volatility = np.take(_BASE_VOLATILITY, regime) * np.exp(ou + season + _LOG_SHIFT)
    noise, depth_noise = _autoregression(
        streams[EVENTS].standard_normal(seconds),
        state.depth_noise,
        _DEPTH_NOISE_SD,
        1.0 / _DEPTH_NOISE_TIME_S,
    )
    depth = np.exp(noise) / np.sqrt(volatility)
    depth = depth * np.where(in_gap, 0.2, 1.0) * np.where(in_crash, 0.12, 1.0)
    spread = (
        _SPREAD_BPS * volatility**0.7 * np.where(in_gap, 4.0, 1.0) * np.where(in_crash, 8.0, 1.0)
    )
    volatility = volatility * np.where(in_crash, 2.0, 1.0)
    latency = np.take(_REGIME_LATENCY, regime) * np.where(in_crash, 3.0, 1.0)
    jump_bps, jumps = _jumps(regime, ticks, streams[EVENTS])

    by_tick = [
        np.repeat(values, TICKS_PER_SECOND)[:ticks]
        for values in (volatility, depth, spread, latency)
    ]
    if disturbance is not None:
        by_tick = disturbance.on(by_tick)
    takers = takers_of(by_tick[0], by_tick[2], by_tick[1], streams[FLOW])
    impact = impact_bps(takers, by_tick[0], by_tick[1], streams[FLOW])
    price_rng = streams[PRICE]
    steps = _DIFFUSION * by_tick[0] * math.sqrt(DT) * price_rng.standard_normal(ticks)
    crash_steps = np.diff(crash_path, prepend=0.0)[:ticks]
    if disturbance is not None:
        takers = disturbance.among(takers)
        crash_steps = crash_steps + disturbance.moves
    price = state.price + np.cumsum(steps + jump_bps + impact + crash_steps)
    bounce = _FLICKER_BASE + (1.0 - _FLICKER_BASE) * by_tick[0] ** 0.7
    flicker, flicker_end = _autoregression(
        price_rng.standard_normal(ticks) * bounce,
        state.flicker,
        _FLICKER_SD,
        DT / _FLICKER_TIME_S,
    )
    after = MarketState(
        float(price[-1]),
        flicker_end,
        int(regime[-1]),
        ou_end,
        depth_noise,
        gap_left,
        *crash,
        clock_s=(state.clock_s + ticks * DT) % _DAY_S,
    )
    fine = FINE_PER_TICK * ticks
    latency_rng = streams[LATENCY]
    market = Market(
        ticks=ticks,
        mid=price + flicker,
        fair=price,
        spread=by_tick[2],
        depth=by_tick[1],
        volatility=by_tick[0],
        latency=by_tick[3],
        imbalance=imbalance_of(takers, ticks),
        taker_time=takers[0],
        taker_side=takers[1],
        taker_size=takers[2],
        taker_reach=takers[3],
        latency_noise=latency_rng.standard_normal(fine),
        venue_noise=latency_rng.standard_normal(fine),
        dither=latency_rng.random(fine),
        jumps=jumps,
        crashes=int(in_crash.any()),
        gap_s=float(np.count_nonzero(in_gap)),
        regime_share=_shares(regime),
    )
    return market, after


def _streams(seed: int, iteration: int) -> list[np.random.Generator]:
    # A seed may be negative on the command line, SeedSequence takes none.
    return [
        np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed % 2**64, iteration, one])))
        for one in (PRICE, FLOW, LATENCY, EVENTS)
    ]


def _shares(regime: NDArray[np.int64]) -> tuple[float, float, float]:
    calm, normal, stressed = (float(np.mean(regime == one)) for one in range(3))
    return calm, normal, stressed


def _autoregression(
    innovations: Floats, first: float, sd: float, speed: float
) -> tuple[Floats, float]:
    # An OU process sampled on its grid: stationary sd, decay exp(-speed) a step.
    keep = math.exp(-speed)
    scale = sd * math.sqrt(1.0 - keep * keep)
    path = decayed(scale * innovations, speed, first)
    return path, float(path[-1])


def _regimes(first: int, seconds: int, rng: np.random.Generator) -> NDArray[np.int64]:
    leave, which = rng.random(seconds).tolist(), rng.random(seconds).tolist()
    path = np.empty(seconds, dtype=np.int64)
    regime = first
    for second in range(seconds):
        if leave[second] < 1.0 / _MEAN_STAY_S[regime]:
            share = 0.0
            for candidate, probability in enumerate(_NEXT_REGIME[regime]):
                share += probability
                if which[second] < share:
                    regime = candidate
                    break
        path[second] = regime
    return path


def _log_volatility(
    first: tuple[float, float, float], seconds: int, rng: np.random.Generator
) -> tuple[Floats, tuple[float, float, float]]:
    total = np.zeros(seconds)
    ends = []
    for start, sd, time_s in zip(first, _OU_SD, _OU_TIME_S, strict=True):
        path, end = _autoregression(rng.standard_normal(seconds), start, sd, 1.0 / time_s)
        total += path
        ends.append(end)
    fast, middle, slow = ends
    return total, (fast, middle, slow)


def _season(clock_s: float, seconds: int) -> Floats:
    # One wave a day: busy hours are more volatile than quiet ones.
    share = (clock_s + np.arange(seconds)) / _DAY_S
    wave: Floats = _SEASON * np.sin(2.0 * math.pi * share)
    return wave


def _gaps(left: float, seconds: int, rng: np.random.Generator) -> tuple[NDArray[np.bool_], float]:
    begins = rng.random(seconds) < _GAP_PER_S
    lasts = rng.exponential(_GAP_MEAN_S, seconds)
    in_gap = np.zeros(seconds, dtype=np.bool_)
    for second in range(seconds):
        if begins[second]:
            left = max(left, float(lasts[second]))
        in_gap[second] = left > 0.0
        left = max(0.0, left - 1.0)
    return in_gap, left


def _crash(
    state: MarketState, seconds: int, rng: np.random.Generator
) -> tuple[Floats, NDArray[np.bool_], tuple[float, float, float]]:
    """Path of the crash on the grid (bps since the iteration began), where it lasts, its state."""
    begins, draws = rng.random(seconds), rng.random((seconds, 2))
    age, depth, retrace = state.crash_age_s, state.crash_depth, state.crash_retrace
    level = np.zeros(seconds * TICKS_PER_SECOND)
    lasts = np.zeros(seconds, dtype=np.bool_)
    if age >= _CRASH_FORGET_S and begins.min() >= _CRASH_PER_S:
        return level, lasts, (_CRASH_FORGET_S, depth, retrace)
    value = 0.0
    previous = _crash_level(age, depth, retrace)
    for second in range(seconds):
        if age >= _CRASH_FORGET_S and begins[second] < _CRASH_PER_S:
            age, previous = 0.0, 0.0
            depth = 80.0 + 270.0 * float(draws[second, 0])
            retrace = 0.4 + 0.2 * float(draws[second, 1])
        lasts[second] = age < _CRASH_SPAN_S
        for tick in range(TICKS_PER_SECOND):
            now = _crash_level(age + (tick + 1) * DT, depth, retrace)
            value += now - previous
            previous = now
            level[second * TICKS_PER_SECOND + tick] = value
        age = min(_CRASH_FORGET_S, age + 1.0)
    return level, lasts, (age, depth, retrace)


def _crash_level(age: float, depth: float, retrace: float) -> float:
    if age >= _CRASH_FORGET_S:
        return -depth * (1.0 - retrace)
    if age < _CRASH_FALL_S:
        return -depth * age / _CRASH_FALL_S
    back = 1.0 - math.exp(-(age - _CRASH_FALL_S) / _CRASH_RETRACE_S)
    return -depth * (1.0 - retrace * back)


def _jumps(regime: NDArray[np.int64], ticks: int, rng: np.random.Generator) -> tuple[Floats, int]:
    chance = np.repeat(np.take(_JUMPS_PER_S, regime), TICKS_PER_SECOND)[:ticks] * DT
    at = np.flatnonzero(rng.random(ticks) < chance)
    jumps = np.zeros(ticks)
    size = _JUMP_BPS * rng.standard_t(3, len(at))
    jumps[at] = np.clip(size, -_JUMP_CLIP_BPS, _JUMP_CLIP_BPS)
    return jumps, len(at)
