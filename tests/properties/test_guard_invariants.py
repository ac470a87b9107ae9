"""The invariants I1-I17 on lanes with random observations and random or hostile proposals.

The lanes are drawn; ``tests/unit/loop/invariants.py`` has the invariants. With any one guard
switched off, an invariant must break.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pytest_soak.canonical import canonical_json
from pytest_soak.loop.decide import Proposer, decide
from pytest_soak.loop.entries import done_entry
from pytest_soak.loop.fold import advance
from pytest_soak.loop.guards import GUARDS
from pytest_soak.loop.model import Decision, Proposal, Readings, Requested
from pytest_soak.loop.state import LaneState
from pytest_soak.loop.tuner import requested_from
from pytest_soak.profile.build import build
from pytest_soak.profile.model import Profile
from tests.unit.loop.invariants import check_lane
from tests.unit.loop.lanes import Drive, changed, edge_report, shipped

KEYS = ("impact_cap_ratio", "max_delta_ratio", "tail_age_ms", "min_interval_ms", "vip_tilt_cap")
RULES = ("", "MINE", "RELAX", "ROLLBACK", "MAKER_BOOST")
HOSTILE: tuple[Any, ...] = (
    math.nan,
    math.inf,
    1e308,
    -1e308,
    10**400,
    5e-324,
    0,
    -0.0,
    True,
    None,
    "1",
    [1],
    b"x",
)

# The delta of an action is computed when the state is known, so that moves back, repeated moves and
# moves up to a cap are frequent.
Action = tuple[str, str, Any, str, tuple[str, ...]]


def _delta(state: LaneState, kind: str, key: str, amount: Any) -> Any:
    parameter = state.profile.parameters[key]
    if kind == "share of cap":
        return amount * parameter.cap_per_hour
    if kind == "share of range":
        return amount * parameter.span
    if kind == "back":
        return (
            state.charges.before.get(key, (state.values[key] + parameter.cap_per_hour / 4, 0))[0]
            - (state.values[key])
        )
    if kind == "to bound":
        end = parameter.maximum if amount > 0 else parameter.minimum
        return (end - state.values[key]) * abs(amount)
    return amount


shares = st.sampled_from([-1.5, -1.0, -0.4, -0.1, 0.05, 0.1, 0.3, 0.6, 1.0, 1.9])
actions = st.one_of(
    st.tuples(st.just("share of cap"), st.sampled_from(KEYS), shares),
    st.tuples(st.just("share of cap"), st.sampled_from(KEYS), shares),
    st.tuples(st.just("share of range"), st.sampled_from(KEYS), shares),
    st.tuples(st.just("back"), st.sampled_from(KEYS), st.none()),
    st.tuples(st.just("back"), st.sampled_from(KEYS), st.none()),
    st.tuples(st.just("to bound"), st.sampled_from(KEYS), shares),
    st.tuples(st.just("hostile"), st.sampled_from(KEYS), st.sampled_from(HOSTILE)),
).flatmap(
    lambda core: st.tuples(
        *(st.just(part) for part in core),
        st.sampled_from(RULES),
        st.sampled_from([(), (), ("net_bps",), ("maker_taker_ratio", "risk_ratio"), ("nonsense",)]),
    )
)


@dataclass(frozen=True)
class Step:
    report: dict[str, Any]
    how: str
    actions: tuple[Action, ...]
    undo: bool
    """An operator undoes the last change before this iteration."""


reports = st.one_of(
    st.just(edge_report()),
    st.just(edge_report(risk=0.3, maker=0.7)),
    st.just(edge_report(net=1.0)),
    st.just(edge_report(net=1.0, risk=0.65)),
    st.builds(
        edge_report,
        risk=st.sampled_from([None, 0.2, 0.34, 0.38, 0.45, 0.7]),
        net=st.sampled_from([None, math.nan, "3", 1.0, 2.7, 3.0, 1e308]),
        maker=st.sampled_from([None, 0.6, 0.8, 0.9, 1.0]),
        p95=st.sampled_from([None, 200.0, 320.0, 345.0, 400.0]),
        adverse=st.sampled_from([2.0, 4.0]),
    ),
)
steps = st.builds(
    Step,
    report=reports,
    how=st.sampled_from(["actions", "actions", "actions", "built-in", "answer", "raise", "none"]),
    actions=st.lists(actions, max_size=4).map(tuple),
    undo=st.integers(0, 4).map(lambda number: number == 4),
)
lanes = st.fixed_dictionaries(
    {
        "steps": st.lists(steps, min_size=4, max_size=18),
        "interval_s": st.sampled_from([60.0, 300.0, 300.0, 1200.0, 3600.0]),
        "spare": st.sampled_from([0, 0, 1, 50]),
        "mode": st.sampled_from(["live", "live", "live", "dry_run", "no_tune"]),
        "start": st.sampled_from(["start", "low", "high", "safe"]),
        # If an operator's undo pins nothing, the tuner may propose the same change again.
        "pin": st.sampled_from(["run", "run", 0, 2]),
        "warmup": st.sampled_from([0, 0, 0, 3]),
    }
)


Arrange = Callable[[Sequence[Any]], Sequence[Any]]


def proposer_of(step: Step, last: Decision | None, arrange: Arrange = tuple) -> Proposer | None:
    """The proposer of a step; after an operator's undo it repeats the last change."""

    def proposals(state: LaneState) -> list[Proposal]:
        if step.undo and last is not None and last.signature is not None:
            return [
                Proposal(outcome.key, outcome.applied, "MINE")
                for outcome in last.outcomes
                if outcome.applied
            ]
        return [
            Proposal(key, _delta(state, kind, key, amount), rule, kpis)
            for kind, key, amount, rule, kpis in step.actions
        ]

    def actions(state: LaneState, readings: Readings, headroom: Any) -> Requested:
        return Requested(proposals=tuple(arrange(proposals(state))))

    def answer(state: LaneState, readings: Readings, headroom: Any) -> Requested:
        result: dict[Any, Any] = {"spread": 1, None: 2, 3.5: math.nan}
        result |= {item.key: {"delta": item.delta, "rule": item.rule} for item in proposals(state)}
        return requested_from(dict(arrange(list(result.items()))), headroom)

    def fail(state: LaneState, readings: Readings, headroom: Any) -> Requested:
        raise RuntimeError("hostile")

    def nothing(state: LaneState, readings: Readings, headroom: Any) -> Requested:
        return Requested()

    table: dict[str, Proposer | None] = {
        "actions": actions,
        "built-in": None,
        "answer": answer,
        "raise": fail,
        "none": nothing,
    }
    return table[step.how]


@cache
def pinning(length: int | str) -> Profile:
    return changed(shipped(), pin={"for": length})


@cache
def profile_of(pin: Any, warmup: int) -> Profile:
    """The shipped profile with these pins and so many iterations of warm-up."""
    if not warmup:
        return pinning(pin)
    document = dict(pinning(pin).document)
    return build({**document, "gate": {**document["gate"], "warmup_iterations": warmup}})


def run(lane: dict[str, Any], arrange: Arrange = tuple) -> Drive:
    profile = profile_of(lane["pin"], lane["warmup"])
    panic = profile.guards.panic
    assert panic is not None
    values = {
        "start": {},
        "low": {key: parameter.minimum for key, parameter in profile.parameters.items()},
        "high": {key: parameter.maximum for key, parameter in profile.parameters.items()},
        "safe": dict(panic.values),
    }[lane["start"]]
    drive = Drive(
        profile,
        iterations=len(lane["steps"]) + lane["spare"],
        interval_s=lane["interval_s"],
        dry_run=lane["mode"] == "dry_run",
        tune=lane["mode"] != "no_tune",
        values=values,
    )
    for step in lane["steps"]:
        last = drive.decisions[-1] if drive.decisions else None
        if step.undo and last is not None and last.signature is not None:
            undone = {item.key: item.before for item in last.outcomes if item.before is not None}
            drive.edit(**undone)
        drive.step(step.report, proposer_of(step, last, arrange))
    return drive


SETTINGS = settings(
    max_examples=150,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@given(lane=lanes)
@SETTINGS
def test_a_lane_keeps_every_invariant(lane: dict[str, Any]) -> None:
    check_lane(run(lane))


@given(lane=lanes)
@settings(SETTINGS, max_examples=40)
def test_the_order_of_proposals_does_not_matter(lane: dict[str, Any]) -> None:
    """I15."""
    forwards, backwards = run(lane), run(lane, lambda proposals: proposals[::-1])
    assert forwards.entries == backwards.entries


@given(lane=lanes)
@settings(SETTINGS, max_examples=25)
def test_the_same_observations_give_the_same_bytes(lane: dict[str, Any]) -> None:
    """I17."""
    first, second = run(lane), run(lane)
    assert list(map(canonical_json, first.entries)) == list(map(canonical_json, second.entries))


@given(lane=lanes)
@settings(SETTINGS, max_examples=25)
def test_a_decision_is_the_same_when_it_is_repeated_and_counts_once(
    lane: dict[str, Any],
) -> None:
    """I10: deciding again from the folded state, or completing it twice, changes nothing."""
    drive = run(lane)
    waiting = [state for state in drive.states if state.observed and not state.intent]
    lasts = [None, *drive.decisions[:-1]]
    for state, step, last, decision in zip(
        waiting, lane["steps"], lasts, drive.decisions, strict=True
    ):
        again = decide(state, proposer_of(step, last))
        assert again == decision
        intended = advance(state, again)
        if not again.changes:
            continue
        done = advance(intended, done_entry(again))
        assert done.values == again.values
        with pytest.raises(ValueError, match="done follows a decision"):
            advance(done, done_entry(again))


@pytest.mark.parametrize("disabled", GUARDS)
def test_without_a_guard_an_invariant_breaks(
    disabled: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(GUARDS, disabled, lambda ask: None)

    @given(lane=lanes)
    @settings(SETTINGS, max_examples=500, phases=[Phase.generate], report_multiple_bugs=False)
    def lane_keeps_every_invariant(lane: dict[str, Any]) -> None:
        check_lane(run(lane))

    with pytest.raises((AssertionError, TypeError, ValueError, KeyError)):
        lane_keeps_every_invariant()
