"""Lanes with real decisions, for the tests of reports and command line."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from pytest_soak.loop.decide import decide
from pytest_soak.loop.entries import (
    Entry,
    Observation,
    Record,
    checks_entry,
    done_entry,
    record_of,
    start_entry,
)
from pytest_soak.loop.fold import advance, started
from pytest_soak.loop.history import read_history
from pytest_soak.loop.model import Halt, History
from pytest_soak.protocol import Lane
from tests.unit.gate.histories import steady


def decided_entries(
    n: int = 24,
    *,
    lane_id: str = "steady-BTCUSDT-1",
    maker: float = 0.7,
    net: float = 3.5,
    planned: int | None = None,
    mock: bool = True,
    halt: Halt | None = None,
    failed: Mapping[int, tuple[str, ...]] | None = None,
) -> list[Record]:
    """The journal of a lane whose maker share rises with the spread; seeded noise."""
    profile = steady()
    rng = random.Random(lane_id)
    start = {key: parameter.start for key, parameter in profile.parameters.items()}
    lane = Lane(lane_id, "steady", "BTCUSDT", 1, 300.0, n if planned is None else planned)
    first = start_entry(lane, profile, "mock", start, mock=mock, tune=True, dry_run=False)
    entries: list[Record] = [record_of(first)]
    state = started(first)

    def add(entry: Entry) -> None:
        nonlocal state
        entries.append({"seq": len(entries), **record_of(entry)})
        state = advance(state, entry)

    for number in range(1, n + 1):
        share = maker + 0.1 * (state.values["base_spread_bps"] - 0.5) + rng.gauss(0.0, 0.01)
        add(Observation(number, _report(net + rng.gauss(0.0, 0.1), share), None, None))
        if failed and number in failed:
            add(checks_entry(number, {}, failed[number]))
        decision = decide(state)
        add(decision)
        if decision.changes:
            add(done_entry(decision))
    if halt is not None:
        add(halt)
    return entries


def decided(n: int = 24, **options: Any) -> History:
    return read_history(decided_entries(n, **options))


def _report(net: float, share: float) -> dict[str, Any]:
    return {
        "totals": {"net_bps": net, "p95_latency_ms": 310.0, "adverse_bps_p95": 2.0},
        "fills": {
            "maker_count": 500,
            "taker_count": 200,
            "maker_volume": 100.0 * share,
            "taker_volume": 100.0 * (1.0 - share),
        },
        "block_reasons": {"risk": 36, "min_interval": 20, "concurrency": 24, "throttle": 20},
    }
