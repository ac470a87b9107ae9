"""The line of an iteration of a service whose report has more than its gated KPIs."""

from __future__ import annotations

from dataclasses import replace

from pytest_soak.loop.model import Iteration, Reading, Requested
from pytest_soak.profile.resolve import Source, resolve
from pytest_soak.report.layout import main_kpis
from pytest_soak.report.table import iteration_line
from tests.unit.gate.histories import applied, make_history

PROFILE = b"""
parameters: {workers: {type: int, start: 2, min: 1, max: 8}}
kpis: {uptime_s: uptime_s, p50_ms: p50_ms, p95_ms: p95_ms, done: done, failed: failed}
rules: {GROW: {when: {p95_ms: "> 100"}, moves: {workers: {add: 1}}}}
gate: {criteria: {p95_ms: "<= 120", failed: "<= 3"}}
"""
VALUES = {"uptime_s": 218.3, "p50_ms": 91.85, "p95_ms": 115.1, "done": 11931.0, "failed": 0.0}
SHOP = resolve("./shop.yaml", lambda reference, _: Source(reference, PROFILE)).profile


def moved(number: int = 3) -> Iteration:
    history = make_history(
        number,
        outcomes={number: [applied("base_spread_bps", 0.02)]},
        requested={number: Requested(rules=("GROW",))},
    )
    readings = {name: Reading(value, name) for name, value in VALUES.items()}
    return replace(history.iterations[-1], readings=readings)


def test_kpis_with_a_limit_come_first_in_the_line() -> None:
    assert main_kpis(moved().readings, SHOP) == ["p95_ms", "failed", "uptime_s", "p50_ms"]
    assert main_kpis(moved().readings) == ["uptime_s", "p50_ms", "p95_ms", "done"]
    assert iteration_line(moved(), profile=SHOP, planned=24) == (
        " 3/24 PASS p95_ms=115 failed=0 uptime_s=218 p50_ms=91.8 | GROW | applied 1"
    )


def test_a_kpi_without_a_limit_gives_way_to_rule_and_change() -> None:
    whole = iteration_line(moved(), profile=SHOP, planned=24)
    least = " 3/24 PASS p95_ms=115 failed=0 | GROW | applied 1"
    for width in range(len(whole) - 1, len(least) - 1, -1):
        line = iteration_line(moved(), profile=SHOP, planned=24, width=width)
        assert line.startswith(" 3/24 PASS p95_ms=115 failed=0")
        assert line.endswith("| GROW | applied 1")
        assert len(line) <= width
    narrow = " 3/24 PASS p95_ms=115 | applied 1"
    assert iteration_line(moved(), profile=SHOP, planned=24, width=len(narrow)) == narrow
