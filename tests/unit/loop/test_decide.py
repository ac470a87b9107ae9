from __future__ import annotations

from typing import Any

import pytest

from pytest_soak.canonical import compute_json_hash
from pytest_soak.loop.decide import decide
from pytest_soak.loop.entries import runtime_of, state_hash_of
from pytest_soak.loop.model import Panic, Proposal, Requested, Verdict
from tests.unit.loop.lanes import Drive, edge_report, nothing, proposing, shipped, starts

FAIL = edge_report(net=1.0)


def test_a_decision_changes_values_and_hash() -> None:
    drive = Drive()
    decision = drive.step(proposer=proposing(tail_age_ms=25))
    assert decision.values == starts(shipped()) | {"tail_age_ms": 625.0}
    assert decision.old_hash == state_hash_of(shipped(), starts(shipped()))
    assert decision.state_hash == state_hash_of(shipped(), decision.values)
    assert decision.changes
    assert drive.state.values == decision.values


def test_the_hash_is_of_the_nested_runtime_with_the_tuners_copies() -> None:
    runtime = runtime_of(shipped(), starts(shipped()))
    assert state_hash_of(shipped(), starts(shipped())) == compute_json_hash(runtime)
    assert runtime["risk"]["base_spread_bps"] == 0.5
    assert runtime["engine"]["tail_age_ms"] == 600
    assert runtime["tuner"] == {"cooldown_iters": 2, "freeze_iters": 4}


def test_there_is_no_decision_without_an_observation_and_none_twice() -> None:
    drive = Drive()
    with pytest.raises(ValueError, match="no decision is due after iteration 0"):
        decide(drive.state)
    drive.observe()
    drive.intend(proposing(tail_age_ms=25))
    with pytest.raises(ValueError, match="no decision is due"):
        decide(drive.state)


def test_values_are_rounded_to_twelve_digits() -> None:
    drive = Drive()
    decision = drive.step(proposer=proposing(base_spread_bps=0.1 / 3))
    assert decision.values["base_spread_bps"] == 0.533333333333
    assert decision.outcomes[0].applied == 0.033333333333


def safe_values() -> dict[str, float]:
    guard = shipped().guards.panic
    assert guard is not None
    return dict(guard.values)


class TestPanic:
    safe = safe_values()

    def test_three_failures_in_a_row_revert_to_the_safe_profile(self) -> None:
        drive = Drive(iterations=3)
        decisions = drive.steps(3, FAIL)
        assert [decision.panic for decision in decisions[:2]] == [None, None]
        panic = decisions[2].panic
        assert panic is not None
        assert (panic.revert_to, panic.would, panic.paused_until) == ("steady_safe", False, 7)
        assert drive.state.values == self.safe
        assert decisions[2].signature is None
        assert decisions[2].note == (
            "panic: 3 FAIL iterations in a row, reverted to steady_safe, paused until 7"
        )

    def test_missing_data_leaves_the_streak_and_a_good_iteration_ends_it(self) -> None:
        drive = Drive()
        reports = [FAIL, edge_report(risk=None), FAIL]
        assert [drive.step(report, nothing).verdict for report in reports] == [
            Verdict.FAIL,
            Verdict.INCONCLUSIVE,
            Verdict.FAIL,
        ]
        assert drive.state.streaks.fail == 2
        assert drive.step(edge_report(), nothing).panic is None
        assert drive.state.streaks.fail == 0

    def test_it_clears_what_the_guards_remember_but_not_the_hour(self) -> None:
        drive = Drive()
        drive.step(edge_report(), proposing(tail_age_ms=25))
        before = drive.state
        for _ in range(3):
            drive.step(FAIL, nothing)
        state = drive.state
        assert (state.charges.signature, state.charges.before, state.streaks.fail) == (None, {}, 0)
        assert (
            state.timers.frozen_until,
            state.timers.cooldown_until,
            state.timers.paused_until,
        ) == (0, 0, 8)
        assert state.charges.moves == before.charges.moves
        assert len(state.charges.moves) == 1

    def test_it_overrides_freeze_cooldown_and_late(self) -> None:
        drive = Drive(iterations=5)
        stable = edge_report(risk=0.3)
        drive.step(stable, nothing)
        drive.step(stable, nothing)
        drive.step(FAIL, nothing)
        drive.step(FAIL, proposing(inventory_tilt_cap=0.1, vip_tilt_cap=0.1))
        assert drive.state.timers.frozen_until == 6
        assert drive.state.timers.cooldown_until == 6
        assert drive.step(FAIL, nothing).panic is not None
        assert drive.state.values == self.safe
        assert (drive.state.timers.frozen_until, drive.state.timers.cooldown_until) == (0, 0)

    def test_at_the_safe_profile_it_is_journaled_without_a_hold(self) -> None:
        drive = Drive(values=self.safe)
        for _ in range(2):
            drive.step(FAIL, nothing)
        decision = drive.step(FAIL, proposing(tail_age_ms=5))
        assert decision.panic == Panic("steady_safe", {}, would=False, paused_until=None)
        assert decision.outcomes[0].reason == "panic"
        assert drive.state.streaks.fail == 0
        assert drive.state.timers.paused_until == 0
        assert drive.move(tail_age_ms=5)["tail_age_ms"].outcome == "APPLIED"

    @pytest.mark.parametrize(("tune", "dry_run"), [(False, False), (True, True)])
    def test_it_only_would_without_tuning_or_in_a_dry_run(self, tune: bool, dry_run: bool) -> None:
        drive = Drive(tune=tune, dry_run=dry_run)
        decisions = [drive.step(FAIL, nothing) for _ in range(6)]
        panics = [decision.panic for decision in decisions]
        assert [panic is not None for panic in panics] == [False, False, True] * 2
        assert panics[2] is not None
        assert panics[2].would
        assert panics[2].moves["min_interval_ms"] == 75
        assert not any(decision.changes for decision in decisions)
        assert drive.state.timers.paused_until == 0
        assert "would revert to steady_safe" in decisions[2].note


def test_without_tuning_nothing_is_ever_proposed() -> None:
    drive = Drive(tune=False)
    decisions = drive.steps(6, edge_report(maker=0.6, risk=0.3))
    assert all(decision.proposed == () and decision.outcomes == () for decision in decisions)
    assert drive.state.timers.frozen_until > 0, "streaks are still counted"


def test_a_dry_run_decides_and_charges_nothing() -> None:
    drive = Drive(dry_run=True)
    decisions = drive.steps(3, edge_report(maker=0.7))
    for decision in decisions:
        assert [outcome.outcome for outcome in decision.outcomes] == ["APPLIED"] * 3
        assert decision.dry_run
        assert not decision.changes
        assert decision.signature is None
        assert decision.values == starts(shipped())
    assert (drive.state.charges.moves, drive.state.rules.acted, drive.state.charges.before) == (
        (),
        {},
        {},
    )
    assert drive.state.charges.signature is None


def explode(state: Any, readings: Any, headroom: Any) -> Requested:
    raise KeyError("no such thing")


def endless(state: Any, readings: Any, headroom: Any) -> Requested:
    return endless(state, readings, headroom)


def no_tuple(state: Any, readings: Any, headroom: Any) -> Requested:
    proposals: Any = 5
    return Requested(proposals=proposals)


@pytest.mark.parametrize(
    ("proposer", "note"),
    [
        (explode, "the proposer failed: KeyError('no such thing')"),
        (endless, "RecursionError"),
        (lambda state, readings, headroom: None, "a proposer answers Requested, not NoneType"),
        (no_tuple, "TypeError"),
    ],
)
def test_a_proposer_that_fails_is_a_note(proposer: Any, note: str) -> None:
    drive = Drive()
    decision = drive.step(proposer=proposer)
    assert note in decision.note
    assert decision.outcomes == ()
    assert not decision.changes
    assert drive.state.done == 1


def test_a_proposers_note_reaches_the_decision() -> None:
    drive = Drive()
    decision = drive.step(proposer=lambda *_: Requested(note="odd"))
    assert decision.note == "odd"


def test_proposals_are_journaled_sorted_whatever_their_order() -> None:
    proposals = (Proposal("tail_age_ms", 5, ""), Proposal("base_spread_bps", 0.01, ""))
    forward = Drive().step(proposer=lambda *_: Requested(proposals=proposals))
    backward = Drive().step(proposer=lambda *_: Requested(proposals=proposals[::-1]))
    assert forward == backward
    assert [proposal.key for proposal in forward.proposed] == [
        "base_spread_bps",
        "tail_age_ms",
    ]
