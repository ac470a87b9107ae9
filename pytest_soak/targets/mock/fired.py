"""What came of the scenarios of one iteration: ``report["scenarios"]``.

Measured on the market, the orders and the feed of the iteration, not copied from the schedule. A
window in which there was nothing to disturb (no request to delay) did not fire, and is not
reported.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_soak.targets.mock.conditions import Conditions
from pytest_soak.targets.mock.desk import MAKER, Tape
from pytest_soak.targets.mock.disturbance import Disturbance
from pytest_soak.targets.mock.grid import DT
from pytest_soak.targets.mock.market import Market
from pytest_soak.targets.mock.scenario import ActiveSpan
from pytest_soak.targets.quoting import THROTTLE

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Run:
    """One iteration, as it went."""

    market: Market
    disturbance: Disturbance
    conditions: Conditions
    tape: Tape
    pending: Sequence[float]
    """When the requests that were on their way at its start were to take effect."""


def fired(
    windows: Sequence[ActiveSpan],
    market: Market,
    disturbance: Disturbance | None,
    conditions: Conditions,
    tape: Tape,
    pending: Sequence[float],
) -> list[dict[str, Any]]:
    """The scenarios that fired, with what was measured, in the order of time."""
    if disturbance is None:
        return []
    run = Run(market, disturbance, conditions, tape, pending)
    found = []
    for one in windows:
        if one.first >= one.stop:
            continue
        measured = _MEASURES[one.name](one, run)
        if measured is not None:
            entry = {
                "name": one.name,
                "started_s": _seconds(one.first),
                "ended_s": _seconds(one.stop),
            }
            found.append({**entry, **measured})
    return sorted(found, key=lambda entry: (entry["started_s"], entry["name"]))


def _crash(one: ActiveSpan, run: Run) -> dict[str, float] | None:
    before = float(run.market.mid[max(0, one.first - 1)])
    return {
        "strength": before - float(run.market.mid[one.ticks].min()),
        "spread_bps": float(run.market.spread[one.ticks].mean()),
        "depth": float(run.market.depth[one.ticks].mean()),
        "volatility": float(run.market.volatility[one.ticks].mean()),
    }


def _spike(one: ActiveSpan, run: Run) -> dict[str, float] | None:
    seconds = np.diff(run.market.mid[one.ticks][:: round(1.0 / DT)])
    return {
        "strength": _ratio(run.market.volatility, run.disturbance.calm[0], one),
        "bps_per_second": float(seconds.std()) if len(seconds) > 1 else 0.0,
    }


def _gap(one: ActiveSpan, run: Run) -> dict[str, float] | None:
    return {
        "strength": _ratio(run.market.spread, run.disturbance.calm[2], one),
        "depth_ratio": _ratio(run.market.depth, run.disturbance.calm[1], one),
        "spread_bps": float(run.market.spread[one.ticks].mean()),
    }


def _slow(one: ActiveSpan, run: Run) -> dict[str, float] | None:
    sent, latency = np.array(run.tape.sent), np.array(run.tape.latency)
    inside = _inside(one, sent)
    if not inside.any():
        return None
    return {
        "strength": _ratio(run.market.latency, run.disturbance.calm[3], one),
        "requests": int(np.count_nonzero(inside)),
        "mean_ms": 1000.0 * float(latency[inside].mean()),
    }


def _withheld(one: ActiveSpan, run: Run) -> dict[str, float] | None:
    # Those of an iteration before have waited since its end, as far as this one can tell.
    lands = np.concatenate([run.pending, np.array(run.tape.sent) + np.array(run.tape.latency)])
    waited = np.concatenate([run.pending, run.tape.latency])
    held = np.abs(lands - one.end) < 1e-6
    through = int(np.count_nonzero(_inside(one, lands) & ~held))
    count = int(np.count_nonzero(held))
    if not count:
        return None
    return {
        "strength": count / (count + through),
        "withheld": count,
        "longest_wait_s": float(waited[held].max()),
    }


def _throttled(one: ActiveSpan, run: Run) -> dict[str, float] | None:
    sent = int(np.count_nonzero(_inside(one, np.array(run.tape.sent))))
    times, reasons = np.array(run.tape.refused), np.array(run.tape.reason)
    refused = int(np.count_nonzero(_inside(one, times) & (reasons == THROTTLE)))
    if not sent + refused:
        return None
    return {
        "strength": 1.0 / float(run.conditions.rate[one.ticks].mean()),
        "requests_per_min": 60.0 * sent / ((one.stop - one.first) * DT),
        "throttled": refused,
    }


def _blind(one: ActiveSpan, run: Run) -> dict[str, float] | None:
    age = run.conditions.stale_s[one.ticks]
    if not age.any():
        return None
    return {
        "strength": np.count_nonzero(age) / len(age),
        "oldest_s": float(age.max()),
        "unseen_bps": float(np.abs(run.market.mid - run.conditions.mid)[one.ticks].max()),
        "requests": int(np.count_nonzero(_inside(one, np.array(run.tape.sent)))),
    }


def _finger(one: ActiveSpan, run: Run) -> dict[str, float] | None:
    at = np.flatnonzero(run.market.taker_time == one.start)
    if not len(at):
        return None
    taker = int(at[np.argmax(run.market.taker_size[at])])
    ours = (np.array(run.tape.time) == one.start) & (np.array(run.tape.kind) == MAKER)
    before = run.market.mid[min(int(one.start / DT + 1e-6), run.market.ticks - 1)]
    moved = run.market.taker_side[taker] * (run.market.mid[one.ticks] - before)
    return {
        "strength": float(run.market.taker_reach[taker]),
        "side": float(run.market.taker_side[taker]),
        "lots": float(run.market.taker_size[taker]),
        "lots_of_ours": float(np.array(run.tape.size)[ours].sum()),
        "moved_bps": float(moved.max()),
    }


_Measure = Callable[[ActiveSpan, Run], Mapping[str, float] | None]
_MEASURES: Mapping[str, _Measure] = {
    "flash_crash": _crash,
    "volatility_spike": _spike,
    "liquidity_gap": _gap,
    "latency_spike": _slow,
    "disconnect": _withheld,
    "throttle": _throttled,
    "stale_feed": _blind,
    "fat_finger": _finger,
}


def _inside(one: ActiveSpan, times: Floats) -> NDArray[np.bool_]:
    inside: NDArray[np.bool_] = (times >= one.first * DT) & (times < one.stop * DT)
    return inside


def _ratio(values: Floats, calm: Floats, one: ActiveSpan) -> float:
    return float(values[one.ticks].mean() / calm[one.ticks].mean())


def _seconds(tick: int) -> float:
    return round(tick * DT, 6)
