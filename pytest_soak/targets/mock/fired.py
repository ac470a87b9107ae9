"""The scenarios that fired in one iteration, as measured: ``report["scenarios"]``.

The figures come from the market, the orders and the feed of the iteration, not from the schedule.
A scenario without anything to disturb (no request to delay) did not fire and is not reported.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_soak.targets.mock.conditions import Conditions
from pytest_soak.targets.mock.disturbance import Disturbance
from pytest_soak.targets.mock.fill_log import MAKER, FillLog
from pytest_soak.targets.mock.grid import DT
from pytest_soak.targets.mock.market import Market
from pytest_soak.targets.mock.scenario import ActiveSpan
from pytest_soak.targets.quoting import THROTTLE

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Run:
    """What there is to measure of one iteration."""

    market: Market
    disturbance: Disturbance
    conditions: Conditions
    log: FillLog
    pending: Sequence[float]
    """Landing times of the requests that were on their way at the start of the iteration."""


def fired(
    spans: Sequence[ActiveSpan],
    market: Market,
    disturbance: Disturbance | None,
    conditions: Conditions,
    log: FillLog,
    pending: Sequence[float],
) -> list[dict[str, Any]]:
    """The scenarios that fired, with what was measured, in the order of time."""
    if disturbance is None:
        return []
    run = Run(market, disturbance, conditions, log, pending)
    occurred = []
    for span in spans:
        if span.first >= span.stop:
            continue
        measured = _MEASURES[span.name](span, run)
        if measured is not None:
            entry = {
                "name": span.name,
                "started_s": _seconds(span.first),
                "ended_s": _seconds(span.stop),
            }
            occurred.append({**entry, **measured})
    return sorted(occurred, key=lambda entry: (entry["started_s"], entry["name"]))


def _flash_crash(span: ActiveSpan, run: Run) -> dict[str, float] | None:
    before = float(run.market.mid[max(0, span.first - 1)])
    return {
        "strength": before - float(run.market.mid[span.ticks].min()),
        "spread_bps": float(run.market.spread[span.ticks].mean()),
        "depth": float(run.market.depth[span.ticks].mean()),
        "volatility": float(run.market.volatility[span.ticks].mean()),
    }


def _volatility_spike(span: ActiveSpan, run: Run) -> dict[str, float] | None:
    seconds = np.diff(run.market.mid[span.ticks][:: round(1.0 / DT)])
    return {
        "strength": _ratio(run.market.volatility, run.disturbance.calm[0], span),
        "bps_per_second": float(seconds.std()) if len(seconds) > 1 else 0.0,
    }


def _liquidity_gap(span: ActiveSpan, run: Run) -> dict[str, float] | None:
    return {
        "strength": _ratio(run.market.spread, run.disturbance.calm[2], span),
        "depth_ratio": _ratio(run.market.depth, run.disturbance.calm[1], span),
        "spread_bps": float(run.market.spread[span.ticks].mean()),
    }


def _latency_spike(span: ActiveSpan, run: Run) -> dict[str, float] | None:
    sent, latency = np.array(run.log.sent), np.array(run.log.latency)
    inside = _inside(span, sent)
    if not inside.any():
        return None
    return {
        "strength": _ratio(run.market.latency, run.disturbance.calm[3], span),
        "requests": int(np.count_nonzero(inside)),
        "mean_ms": 1000.0 * float(latency[inside].mean()),
    }


def _disconnect(span: ActiveSpan, run: Run) -> dict[str, float] | None:
    # For requests of the iteration before, the wait counts from the start of this one.
    lands = np.concatenate([run.pending, np.array(run.log.sent) + np.array(run.log.latency)])
    waited = np.concatenate([run.pending, run.log.latency])
    delayed = np.abs(lands - span.end) < 1e-6
    through = int(np.count_nonzero(_inside(span, lands) & ~delayed))
    count = int(np.count_nonzero(delayed))
    if not count:
        return None
    return {
        "strength": count / (count + through),
        "withheld": count,
        "longest_wait_s": float(waited[delayed].max()),
    }


def _throttle(span: ActiveSpan, run: Run) -> dict[str, float] | None:
    sent = int(np.count_nonzero(_inside(span, np.array(run.log.sent))))
    times, reasons = np.array(run.log.refused), np.array(run.log.reason)
    refused = int(np.count_nonzero(_inside(span, times) & (reasons == THROTTLE)))
    if not sent + refused:
        return None
    return {
        "strength": 1.0 / float(run.conditions.rate[span.ticks].mean()),
        "requests_per_min": 60.0 * sent / ((span.stop - span.first) * DT),
        "throttled": refused,
    }


def _stale_feed(span: ActiveSpan, run: Run) -> dict[str, float] | None:
    age = run.conditions.stale_s[span.ticks]
    if not age.any():
        return None
    return {
        "strength": np.count_nonzero(age) / len(age),
        "oldest_s": float(age.max()),
        "unseen_bps": float(np.abs(run.market.mid - run.conditions.mid)[span.ticks].max()),
        "requests": int(np.count_nonzero(_inside(span, np.array(run.log.sent)))),
    }


def _fat_finger(span: ActiveSpan, run: Run) -> dict[str, float] | None:
    at = np.flatnonzero(run.market.taker_time == span.start)
    if not len(at):
        return None
    taker = int(at[np.argmax(run.market.taker_size[at])])
    ours = (np.array(run.log.time) == span.start) & (np.array(run.log.kind) == MAKER)
    before = run.market.mid[min(int(span.start / DT + 1e-6), run.market.ticks - 1)]
    moved = run.market.taker_side[taker] * (run.market.mid[span.ticks] - before)
    return {
        "strength": float(run.market.taker_reach[taker]),
        "side": float(run.market.taker_side[taker]),
        "lots": float(run.market.taker_size[taker]),
        "lots_of_ours": float(np.array(run.log.size)[ours].sum()),
        "moved_bps": float(moved.max()),
    }


_Measure = Callable[[ActiveSpan, Run], Mapping[str, float] | None]
_MEASURES: Mapping[str, _Measure] = {
    "flash_crash": _flash_crash,
    "volatility_spike": _volatility_spike,
    "liquidity_gap": _liquidity_gap,
    "latency_spike": _latency_spike,
    "disconnect": _disconnect,
    "throttle": _throttle,
    "stale_feed": _stale_feed,
    "fat_finger": _fat_finger,
}


def _inside(span: ActiveSpan, times: Floats) -> NDArray[np.bool_]:
    inside: NDArray[np.bool_] = (times >= span.first * DT) & (times < span.stop * DT)
    return inside


def _ratio(values: Floats, calm: Floats, span: ActiveSpan) -> float:
    return float(values[span.ticks].mean() / calm[span.ticks].mean())


def _seconds(tick: int) -> float:
    return round(tick * DT, 6)
