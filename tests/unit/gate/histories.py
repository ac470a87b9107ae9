"""Histories made by hand, for the tests of gate and report."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from pytest_soak.canonical import compute_json_hash
from pytest_soak.loop.model import (
    Decision,
    Halt,
    History,
    Iteration,
    Outcome,
    Panic,
    Proposal,
    Reading,
    Requested,
    Verdict,
)
from pytest_soak.loop.state import evolved
from pytest_soak.profile.model import Profile
from pytest_soak.profile.resolve import resolve
from pytest_soak.protocol import Lane
from pytest_soak.store.sources import read_source

GOOD: Mapping[str, float] = {
    "net_bps": 3.0,
    "risk_ratio": 0.35,
    "maker_taker_ratio": 0.9,
    "p95_latency_ms": 310.0,
    "fills_per_hour": 6000.0,
}
"""Every gated KPI well inside its limit."""

Kpis = Mapping[str, float | Reading | Sequence[float | Reading | None] | None]


@cache
def steady() -> Profile:
    return resolve("steady", read_source).profile


def applied(key: str, delta: float, rule: str = "MAKER_BOOST") -> Outcome:
    return Outcome(key, "APPLIED", delta, delta, None, None, "", (), "", rule)


def clipped(key: str, delta: float, applied: float, reason: str = "velocity") -> Outcome:
    return Outcome(key, "CLIPPED", delta, applied, None, None, reason, (), "", "MAKER_BOOST")


def skipped(key: str, delta: Any, reason: str = "velocity", note: str = "") -> Outcome:
    return Outcome(key, "SKIPPED", delta, 0.0, None, None, reason, (), note, "MAKER_BOOST")


def noise(n: int, phi: float, rng: random.Random) -> list[float]:
    """A stationary AR(1) series of mean 0 and standard deviation 1."""
    step = (1.0 - phi * phi) ** 0.5
    series = [rng.gauss(0.0, 1.0)]
    while len(series) < n:
        series.append(phi * series[-1] + step * rng.gauss(0.0, 1.0))
    return series


def make_history(
    n: int = 24,
    *,
    kpis: Kpis | None = None,
    outcomes: Mapping[int, Sequence[Outcome]] | None = None,
    requested: Mapping[int, Requested] | None = None,
    verdicts: Mapping[int, Verdict] | None = None,
    panics: Mapping[int, Panic] | None = None,
    planned: int | None = None,
    halt: Halt | None = None,
    mock: bool = False,
    tune: bool = True,
    dry_run: bool = False,
    profile: Profile | None = None,
    lane_id: str = "steady-BTCUSDT-1",
) -> History:
    """A lane without problems: ``n`` iterations whose values follow from ``outcomes`` and panics.

    ``kpis`` replaces figures of GOOD, by one figure or one an iteration.
    """
    profile = profile or steady()
    start = {key: parameter.start for key, parameter in profile.parameters.items()}
    values, iterations = start, []
    for number in range(1, n + 1):
        decision = _decision(
            number,
            values,
            list((outcomes or {}).get(number, ())),
            (requested or {}).get(number),
            (panics or {}).get(number),
            dry_run,
        )
        verdict = (verdicts or {}).get(number, Verdict.PASS)
        iterations.append(
            Iteration(
                number=number,
                values=values,
                state_hash=decision.old_hash,
                readings=_readings(number - 1, {**GOOD, **(kpis or {})}),
                report={},
                decision=evolved(decision, verdict=verdict),
                verdict=verdict,
                reasons=() if verdict is Verdict.PASS else ("net_bps 1.5 < 2",),
            )
        )
        values = dict(decision.values)
    lane = Lane(lane_id, profile.name, "BTCUSDT", 1, 300.0, n if planned is None else planned)
    return History(lane, profile, "mock", mock, tune, dry_run, start, tuple(iterations), halt)


def with_iteration(history: History, number: int, **changes: Any) -> History:
    """``history`` with fields of one iteration replaced."""
    iterations = tuple(
        replace(item, **changes) if item.number == number else item for item in history.iterations
    )
    return replace(history, iterations=iterations)


def with_decision(history: History, number: int, **changes: Any) -> History:
    """``history`` with fields of one decision replaced."""
    decision = history.iterations[number - 1].decision
    assert decision is not None
    return with_iteration(history, number, decision=evolved(decision, **changes))


def _readings(index: int, kpis: Kpis) -> dict[str, Reading]:
    readings = {}
    for name, given in kpis.items():
        value = given[index] if isinstance(given, Sequence) else given
        if given is GOOD["fills_per_hour"]:  # a constant report would be stale
            value = 6000.0 + index % 3
        readings[name] = value if isinstance(value, Reading) else Reading(value, f"totals.{name}")
    return readings


def _decision(
    number: int,
    values: Mapping[str, float],
    outcomes: list[Outcome],
    requested: Requested | None,
    panic: Panic | None,
    dry_run: bool,
) -> Decision:
    after = dict(values)
    moved = []
    for item in outcomes:
        before = values.get(item.key)
        landing = None if before is None else before + item.applied
        moved.append(replace(item, before=before, after=landing))
        if landing is not None and not dry_run:
            after[item.key] = landing
    if panic is not None and not panic.would:
        after |= panic.moves
    if requested is None:
        proposals = tuple(Proposal(o.key, o.proposed, o.rule) for o in outcomes)
        rules = tuple(dict.fromkeys(o.rule for o in outcomes))
        requested = Requested(proposals, rules)
    old, new = compute_json_hash(values), compute_json_hash(after)
    return Decision(
        iteration=number,
        verdict=Verdict.PASS,
        reasons=(),
        by_rules=requested.by_rules,
        rules=requested.rules,
        proposed=requested.proposals,
        requested=requested.deltas,
        withheld=requested.withheld,
        waiting=requested.waiting,
        overruled=requested.overruled,
        stopped=requested.stopped,
        outcomes=tuple(sorted(moved, key=lambda item: item.key)),
        panic=panic,
        values=after,
        old_hash=old,
        state_hash=new,
        signature=new[:16] if new != old and panic is None else None,
        large=False,
        dry_run=dry_run,
        note="",
    )
