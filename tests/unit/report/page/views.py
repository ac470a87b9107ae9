"""Views by hand, of any length and with any text, without a run behind them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pytest_soak.report.view.model import (
    EventView,
    GateRowView,
    IterationsView,
    KpiView,
    LaneView,
    LimitView,
    OutcomesView,
    ParameterView,
    ResourceView,
    RunView,
    SpanView,
    StepView,
    VerdictWord,
    WindowView,
)

GATED = ("net_bps", "risk_ratio", "p95_latency_ms", "maker_taker_ratio")
OTHERS = tuple(f"other_{number}" for number in range(10))
RULES = ("MAKER_BOOST", "RELAX", "PANIC", "EXTERNAL", "ROLLBACK")


@dataclass(frozen=True)
class Library:
    """A library that draws nothing, in the size of uPlot."""

    script: str = "var uPlot;" + "/" * 51_000
    style: str = ".uplot{}"
    licence: str = "MIT <licence>"
    version: str = "1.2.3"


def step(iteration: int, value: float, by: str) -> StepView:
    return StepView(iteration, value, f"{value:.6g}", by)


def iterations(verdicts: Sequence[VerdictWord]) -> IterationsView:
    count = len(verdicts)
    return IterationsView(
        tuple(range(1, count + 1)),
        tuple(verdicts),
        tuple("" if verdict == "PASS" else "net_bps 1.9 < 2" for verdict in verdicts),
        (1,) * count,
        (2,) * count,
        (1.5,) * count,
    )


def gate_row(name: str = "net_bps", verdict: VerdictWord = "PASS", **others: Any) -> GateRowView:
    fields: dict[str, Any] = {
        "value": 5.7, "limit": ">= 2.7", "limit_value": 2.7, "low": 5.4, "high": 6.0,
        "margin": 3.0, "unit": "bps",
    }  # fmt: skip
    reason = f"{name}: 5.7 bps over the last 8 (n 24, n_eff 8.0, φ 0.00)"
    return GateRowView(name, verdict, reason, **(fields | others))


def kpi(name: str, values: Sequence[float | None], **others: Any) -> KpiView:
    return KpiView(name, "bps", "up", tuple(values), **others)


def gated_kpi(name: str, values: Sequence[float | None]) -> KpiView:
    count = len(values)
    window = WindowView(max(count - 7, 1), count, 5.7, 5.4, 6.0, 5.0) if count else None
    return kpi(name, values, gated=True, limit=LimitView(">= 2.7", 2.7, upper=False), window=window)


def lane(
    count: int = 24,
    *,
    ident: str = "steady-BTCUSDT-1",
    verdict: VerdictWord = "PASS",
    seed: int = 1,
    rare: int = 10,
    moves: int = 5,
    **others: Any,
) -> LaneView:
    """A lane of ``count`` iterations: some do not PASS, rules move parameters, a rare event in
    every ``rare`` iterations, a move of each parameter in every ``moves`` iterations."""
    noise = random.Random(seed)
    words: tuple[VerdictWord, ...] = ("PASS", "WARN", "INCONCLUSIVE", "FAIL")
    verdicts = noise.choices(words, (85, 7, 3, 5), k=count)

    def values() -> list[float | None]:
        return [noise.gauss(5.7, 0.4) for _ in range(count)]

    events = [
        EventView(number, "refusal", "velocity: withheld min_interval_ms, replace_rate_per_min")
        for number in range(1, count + 1)
    ]
    events += [
        EventView(number, "rule", f"MAKER_BOOST: base_spread_bps 0.5 → 0.5{number}")
        for number in range(1, count + 1, 2)
    ]
    events += [
        EventView(number, "panic", "panic: reverted 7 parameters to steady_safe")
        for number in range(rare, count + 1, rare)
    ]
    parameters = [
        ParameterView(
            f"parameter_{place}",
            "ms",
            0.0,
            100.0,
            "0",
            "100",
            (),
            (
                step(1, 50.0, "start"),
                *(
                    step(number, noise.uniform(1, 99), noise.choice(RULES))
                    for number in range(2, count + 1, moves)
                ),
            ),
        )
        for place in range(9)
    ]
    fields: dict[str, Any] = {
        "id": ident,
        "profile": "steady",
        "symbol": "BTCUSDT",
        "seed": seed,
        "interval_s": 300.0,
        "target": "mock",
        "state": "done",
        "planned": count,
        "measured": count,
        "verdict": verdict,
        "why": "all 4 gated KPIs are inside their limits",
        "judged": count,
        "gate": tuple(gate_row(name, verdict) for name in GATED)
        + tuple(
            GateRowView(f"drift:{name}", "PASS", f"drift:{name}: no drift is shown", 0.1)
            for name in GATED
        ),
        "iterations": iterations(verdicts),
        "kpis": (
            *(gated_kpi(name, values()) for name in GATED),
            *(kpi(name, values()) for name in OTHERS),
        ),
        "parameters": (
            *parameters,
            ParameterView("fixed", "1", 0.0, 9.0, "0", "9", (), parameters[0].steps[:1]),
        ),
        "spans": (
            *(SpanView("frozen", at, min(at + 3, count)) for at in range(5, count + 1, 10)),
            SpanView("excluded", 3, 4, (), "crash"),
        ),
        "events": tuple(sorted(events, key=lambda event: event.iteration)),
        "outcomes": OutcomesView(count, 1, 2, 3, (("velocity", 5), ("late", 1))),
        "resources": (ResourceView("bot", "memory", "MB", tuple(values())),),
        "last_utc": "2030-01-02T03:04:05+00:00",
    }
    return LaneView(**(fields | others))


def run(*lanes: LaneView, **others: Any) -> RunView:
    fields: dict[str, Any] = {
        "run_id": "20300102T030405Z-abcdef",
        "state": "done",
        "verdict": lanes[0].verdict if lanes else None,
        "why": lanes[0].why if lanes else "",
        "sealed": True,
        "started_utc": "2030-01-02T03:04:05+00:00",
        "duration_s": 7.5,
        "command": ("pytest", "--soak-iterations=24", "--soak-mock"),
        "fingerprint": {"mock": True, "versions": {"python": "3.11", "cpu_features": ["A"] * 90}},
        "lanes": lanes,
    }
    return RunView(**(fields | others))


def empty_lane(**others: Any) -> LaneView:
    """A lane that has not begun."""
    fields: dict[str, Any] = {
        "state": "planned", "verdict": None, "measured": 0, "judged": 0, "gate": (), "kpis": (),
        "parameters": (), "spans": (), "events": (), "resources": (), "last_utc": None,
        "outcomes": OutcomesView(0, 0, 0, 0, ()),
    }  # fmt: skip
    return lane(0, **(fields | others))
