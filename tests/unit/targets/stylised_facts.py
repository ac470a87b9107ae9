"""Recorded facts of real markets, and how the mock market is measured against them.

The recorded figures come from public samples: one month of 1-minute bars of a BTC perpetual
(``BARS``), and 345 s of every trade and quote of Binance's BTCUSDT perpetual, 2024-08-08
(``TRADES``; the sample of hftbacktest's examples). The facts are those of Cont, *Empirical
properties of asset returns* (2001). Units are bps and seconds unless a row says otherwise.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pytest_soak.targets.mock.fill_log import MAKER
from pytest_soak.targets.mock.grid import DT
from pytest_soak.targets.mock.market import Market, MarketState, first_state, next_market
from pytest_soak.targets.mock.order_state import OrderState
from pytest_soak.targets.mock.trading import run_plainly, trade
from pytest_soak.targets.quoting import Params

Floats = NDArray[np.float64]

INTERVAL_S = 300.0
START = Params(0.5, 0.1, 0.15, 0.0, 0.3, 0.0, 400.0, 2.0, 600.0, 50.0)
"""The bot's parameters as ``market_maker.yaml`` starts them."""

BARS = "BTC perpetual, one month of 1-minute bars"
TRADES = "Binance BTCUSDT perpetual, 2024-08-08, 345 s"
SPOT = "a liquid spot market"


@dataclass(frozen=True)
class Fact:
    """One row: the recorded figure, and the band in which the model's figure must be."""

    name: str
    recorded: float
    low: float
    high: float
    source: str

    def holds(self, value: float) -> bool:
        return self.low <= value <= self.high


FACTS = tuple(
    itertools.starmap(
        Fact,
        (
            ("sd of 1 s returns", 1.28, 1.0, 1.7, TRADES),
            ("sd of 1 min returns", 9.9, 7.5, 12.5, BARS),
            ("excess kurtosis, 1 min", 23.0, 6.0, 80.0, BARS),
            ("excess kurtosis, 5 min", 14.0, 3.0, 30.0, BARS),
            ("excess kurtosis, 15 min", 6.8, 1.5, 15.0, BARS),
            ("excess kurtosis, 60 min", 5.0, -0.5, 9.0, BARS),
            ("autocorrelation of |r|, 1 min", 0.33, 0.22, 0.45, BARS),
            ("autocorrelation of |r|, 5 min", 0.25, 0.15, 0.35, BARS),
            ("autocorrelation of |r|, 15 min", 0.23, 0.10, 0.32, BARS),
            ("autocorrelation of |r|, 60 min", 0.18, 0.06, 0.28, BARS),
            ("autocorrelation of |r|, 240 min", 0.12, 0.02, 0.22, BARS),
            ("autocorrelation of r, 1 min", 0.02, -0.1, 0.1, BARS),
            ("realised 1 min sd, p5", 3.1, 2.2, 4.2, BARS),
            ("realised 1 min sd, p50", 6.3, 5.0, 8.0, BARS),
            ("realised 1 min sd, p95", 17.6, 13.0, 23.0, BARS),
            ("realised 1 min sd, p99", 30.0, 20.0, 42.0, BARS),
            ("autocorrelation of signs, lag 1", 0.20, 0.15, 0.25, TRADES),
            ("autocorrelation of signs, lag 2", 0.20, 0.14, 0.25, TRADES),
            ("autocorrelation of signs, lag 5", 0.16, 0.11, 0.21, TRADES),
            ("autocorrelation of signs, lag 10", 0.12, 0.08, 0.16, TRADES),
            ("autocorrelation of signs, lag 50", 0.03, 0.015, 0.06, TRADES),
            ("orders a second", 15.9, 13.0, 20.0, TRADES),
            ("variance / mean of orders in 10 s", 48.7, 10.0, 70.0, TRADES),
            ("reach: k, 1/bps", 0.94, 0.75, 1.15, TRADES),
            ("spread, p50", 0.13, 0.09, 0.25, SPOT),
            ("spread, p99", 0.64, 0.4, 1.0, SPOT),
        ),
    )
)
"""Figures of the exogenous market, over several days of 24 simulated hours together."""

REACH_A = Fact("reach: A, 1/s", 0.36, 10.0, 22.0, TRADES)
"""The model's figure is 40 times the recorded one, so this row is separate. In the recording most
orders end at the touch. In the model each order reaches beyond it, because the noise of an
iteration must be small."""

MARKOUTS = tuple(
    itertools.starmap(
        Fact,
        (
            ("markout of passive fills, 0.1 s", -0.33, -0.8, -0.2, TRADES),
            ("markout of passive fills, 1 s", -0.39, -0.9, -0.2, TRADES),
            ("markout of passive fills, 5 s", -0.15, -0.9, -0.1, TRADES),
            ("markout of passive fills, 10 s", -0.42, -0.9, -0.1, TRADES),
            ("markout, 5 % worst, 5 s", -6.1, -6.5, -2.5, TRADES),
            ("markout, 5 % worst, 10 s", -6.5, -7.5, -3.5, TRADES),
        ),
    )
)
"""Figures of the bot's passive fills with the start parameters. A market maker of the recording
quoted within .01 bps of the mid. The bot quotes further away, so the comparison is of the move of
the mid against it afterwards, measured from the fill price if the mid had already passed it. Means
are weighted by volume, the worst by count."""

CRASH = (
    Fact("flash crash: depth", 301.0, 80.0, 400.0, BARS),
    Fact("flash crash: retraced after 30 min", 0.39, 0.25, 0.65, BARS),
)
"""The worst five minutes of the month, and the half hour after."""


def market_day(seed: int, hours: float = 24.0) -> list[Market]:
    """The iterations of 300 s of the first ``hours`` of a lane."""
    state, markets = first_state(seed), []
    for iteration in range(1, round(hours * 3600.0 / INTERVAL_S) + 1):
        market, state = next_market(state, seed, iteration, INTERVAL_S)
        markets.append(market)
    return markets


@dataclass(frozen=True)
class Day:
    """The series of a day that the rows need; nothing else is kept in memory."""

    seconds: Floats
    """1 s returns."""
    minutes: Floats
    """1 min returns."""
    signs: Floats
    counts: Floats
    """Orders in each 10 s."""
    reach: Floats
    spread: Floats


def day_of(markets: Sequence[Market]) -> Day:
    """The series of consecutive iterations, joined."""
    mid = np.concatenate([market.mid for market in markets])
    return Day(
        seconds=np.diff(mid[:: round(1.0 / DT)]),
        minutes=np.diff(mid[:: round(60.0 / DT)]),
        signs=np.concatenate([market.taker_side for market in markets]),
        counts=np.concatenate(
            [
                np.bincount((market.taker_time / 10.0).astype(np.int64), minlength=30)[:30]
                for market in markets
            ]
        ).astype(np.float64),
        reach=np.concatenate([market.taker_reach for market in markets]),
        spread=np.concatenate([market.spread for market in markets]),
    )


def measured(days: Sequence[Day]) -> dict[str, float]:
    """Every row of :data:`FACTS`, and A of the reach, over all days together."""
    minutes = [day.minutes for day in days]
    sizes = [np.abs(returns) for returns in minutes]
    signs = [day.signs for day in days]
    counts = np.concatenate([day.counts for day in days])
    spread = np.concatenate([day.spread for day in days])
    k, a = reach_fit(
        np.concatenate([day.reach for day in days]), sum(len(day.counts) for day in days) * 10.0
    )
    figures = {
        "sd of 1 s returns": float(np.concatenate([day.seconds for day in days]).std()),
        "sd of 1 min returns": float(np.concatenate(minutes).std()),
        "autocorrelation of r, 1 min": autocorrelation(minutes, 1),
        "orders a second": float(counts.mean()) / 10.0,
        "variance / mean of orders in 10 s": float(counts.var() / counts.mean()),
        "reach: k, 1/bps": k,
        REACH_A.name: a,
    }
    for horizon in (1, 5, 15, 60):
        figures[f"excess kurtosis, {horizon} min"] = excess_kurtosis(minutes, horizon)
    for lag in (1, 5, 15, 60, 240):
        figures[f"autocorrelation of |r|, {lag} min"] = autocorrelation(sizes, lag)
    for lag in (1, 2, 5, 10, 50):
        figures[f"autocorrelation of signs, lag {lag}"] = autocorrelation(signs, lag)
    for percent in (5, 50, 95, 99):
        name = f"realised 1 min sd, p{percent}"
        figures[name] = float(np.percentile(realised(minutes), percent))
    for percent in (50, 99):
        figures[f"spread, p{percent}"] = float(np.percentile(spread, percent))
    return figures


def autocorrelation(series: Sequence[Floats], lag: int) -> float:
    """At ``lag``, around the mean of all series. No pair has values of two series."""
    mean = np.concatenate(series).mean()
    pairs = np.concatenate([(part[lag:] - mean) * (part[:-lag] - mean) for part in series])
    return float(pairs.mean() / np.concatenate([(part - mean) ** 2 for part in series]).mean())


def excess_kurtosis(minutes: Sequence[Floats], horizon: int) -> float:
    """Excess kurtosis of overlapping returns over ``horizon`` minutes, whose mean is taken as 0."""
    sums = np.concatenate([np.convolve(returns, np.ones(horizon), "valid") for returns in minutes])
    return float(np.mean(sums**4) / np.mean(sums**2) ** 2 - 3.0)


def realised(minutes: Iterable[Floats]) -> Floats:
    """Standard deviation of the 1 min returns of every 15 minutes."""
    return np.concatenate(
        [returns[: len(returns) // 15 * 15].reshape(-1, 15).std(axis=1) for returns in minutes]
    )


def reach_rates(reach: Floats, seconds: float) -> tuple[Floats, Floats]:
    """Distances of .1 to 3 bps from the mid, and how many orders a second reach them."""
    distance = np.array([0.1 * step for step in range(1, 31)])
    short = np.searchsorted(np.sort(reach), distance)
    rate: Floats = (len(reach) - short) / seconds
    return distance, rate


def reach_fit(reach: Floats, seconds: float) -> tuple[float, float]:
    """k (1/bps) and A (1/s) of ``A·exp(-k·distance)`` (Avellaneda and Stoikov 2008)."""
    distance, rate = reach_rates(reach, seconds)
    slope, intercept = np.polyfit(distance, np.log(rate), 1)
    return -float(slope), math.exp(float(intercept))


def measured_markouts(seeds: Iterable[int], iterations: int) -> dict[str, float]:
    """Every row of :data:`MARKOUTS`."""
    horizons = (0.1, 1.0, 5.0, 10.0)
    moves: dict[float, list[Floats]] = {horizon: [] for horizon in horizons}
    sizes: list[Floats] = []
    for seed in seeds:
        state, orders = first_state(seed), OrderState()
        for iteration in range(1, iterations + 1):
            market, state = next_market(state, seed, iteration, INTERVAL_S)
            log = trade(market, START, orders, run_plainly)
            orders.shift(INTERVAL_S)
            time, mids = np.array(log.time), np.array(log.mids)
            passive = (np.array(log.kind) == MAKER) & (time < INTERVAL_S - max(horizons))
            side, price = np.array(log.side)[passive], np.array(log.price)[passive]
            mid = np.array(log.mid)[passive]
            touch = side * np.maximum(side * mid, side * price)
            sizes.append(np.array(log.size)[passive])
            for horizon in horizons:
                after = mids[((time[passive] + horizon) / DT).astype(np.int64)]
                moves[horizon].append(side * (after - touch))
    volume = np.concatenate(sizes)
    figures = {
        f"markout of passive fills, {horizon:g} s": float(
            np.average(np.concatenate(moves[horizon]), weights=volume)
        )
        for horizon in horizons
    }
    for horizon in (5.0, 10.0):
        worst = float(np.percentile(np.concatenate(moves[horizon]), 5.0))
        figures[f"markout, 5 % worst, {horizon:g} s"] = worst
    return figures


def measured_crash(seeds: Sequence[int]) -> dict[str, float]:
    """Every row of :data:`CRASH`: means over seeds, each with a crash in its first iteration.

    The market draws the depth of a crash uniformly from 80 to 350 bps; here it is the middle.
    """
    falls, retraced = [], []
    for seed in seeds:
        state = MarketState(0.0, 0.0, 1, (0.0, 0.0, 0.0), 0.0, 0.0, 0.0, 215.0, 0.5, 0.0)
        mids = []
        for iteration in range(1, 7):
            market, state = next_market(state, seed, iteration, INTERVAL_S)
            mids.append(market.mid)
        low = float(mids[0].min())
        falls.append(-low)
        retraced.append((float(mids[-1][-1]) - low) / -low)
    return {
        CRASH[0].name: float(np.mean(falls)),
        CRASH[1].name: float(np.mean(retraced)),
    }


def misses(facts: Iterable[Fact], figures: Mapping[str, float]) -> list[str]:
    """The rows that are outside of their bands, as text."""
    return [
        f"{fact.name}: {figures[fact.name]:.3f}, band {fact.low:g} to {fact.high:g}, "
        f"recorded {fact.recorded:g} ({fact.source})"
        for fact in facts
        if not fact.holds(figures[fact.name])
    ]
