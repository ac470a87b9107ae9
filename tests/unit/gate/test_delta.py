from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from msgspec import structs

from pytest_soak.gate.delta import DeltaReport, verify_deltas
from pytest_soak.gate.window import LaneWindow
from pytest_soak.loop.model import Decision, History, Outcome, Panic, Proposal, Requested, Verdict
from tests.unit.gate.histories import (
    applied,
    clipped,
    make_history,
    skipped,
    steady,
    with_decision,
    with_iteration,
)

BOOST = {3: [applied("base_spread_bps", 0.02), applied("min_interval_ms", 10.0)]}


def verified(history: History, strict: bool = False) -> DeltaReport:
    return verify_deltas(LaneWindow(history), strict=strict)


def decision_of(history: History, number: int) -> Decision:
    decision = history.iterations[number - 1].decision
    assert decision is not None
    return decision


def with_outcome(history: History, number: int, outcome: Outcome) -> History:
    outcomes = decision_of(history, number).outcomes
    return with_decision(
        history,
        number,
        outcomes=tuple(outcome if item.key == outcome.key else item for item in outcomes),
    )


def test_applied_and_verified_is_full() -> None:
    report = verified(make_history(outcomes=BOOST))
    assert (report.full, report.partial_ok, report.fail, report.unverified) == (1, 0, 0, 0)
    assert (report.full_apply_ratio, report.explained_ratio) == (1.0, 1.0)
    assert report.signature_stuck_count == 0
    assert report.verdict is Verdict.PASS
    assert report.applicable


def test_nothing_proposed_is_not_applicable() -> None:
    report = verified(make_history())
    assert report.full_apply_ratio is None
    assert report.explained_ratio is None
    assert not report.applicable
    assert report.verdict is Verdict.PASS
    assert "not applicable" in report.reason


def test_clipped_and_skipped_with_reasons_are_partial() -> None:
    report = verified(
        make_history(
            outcomes={
                2: [clipped("base_spread_bps", 0.2, 0.12)],
                5: [skipped("base_spread_bps", 0.05), applied("min_interval_ms", 10.0)],
            }
        )
    )
    assert (report.full, report.partial_ok, report.fail) == (0, 2, 0)
    assert [dict(check.refused) for check in report.checks] == [
        {"base_spread_bps": "velocity"},
        {"base_spread_bps": "velocity"},
    ]
    assert report.explained_ratio == 1.0
    assert report.verdict is Verdict.FAIL  # 0 of 2 in full


def test_a_change_that_is_not_in_the_next_iteration_fails() -> None:
    history = make_history(outcomes=BOOST)
    unseen = {**history.iterations[3].values, "base_spread_bps": 0.5}
    report = verified(with_iteration(history, 4, values=unseen))
    assert report.fail >= 1
    assert report.verdict is Verdict.FAIL
    assert any("base_spread_bps: 0.52 expected, 0.5 found" in text for text in report.failures)
    assert report.explained_ratio == 0.5


def test_a_target_that_ignores_a_change_fails() -> None:
    history = make_history(outcomes=BOOST)
    report = verified(with_iteration(history, 4, echo_mismatch={"min_interval_ms": "50"}))
    assert (report.full, report.fail) == (0, 1)
    assert report.failures[0] == ("min_interval_ms: in iteration 4 60 was in force and 50 echoed")


def test_an_echo_that_differs_fails_where_nothing_was_proposed_and_at_the_start() -> None:
    later = verified(with_iteration(make_history(), 4, echo_mismatch={"tail_age_ms": "500"}))
    first = verified(
        with_iteration(make_history(tune=False), 1, echo_mismatch={"tail_age_ms": "500"})
    )
    assert (later.fail, later.verdict) == (1, Verdict.FAIL)
    assert (first.fail, first.verdict) == (1, Verdict.FAIL)
    assert first.failures == ("tail_age_ms: in iteration 1 600 was in force and 500 echoed",)


def test_a_change_that_the_echo_leaves_out_is_not_confirmed() -> None:
    history = make_history(outcomes=BOOST)
    silent: dict[str, Any] = {"totals": {}}
    partial = {"totals": {}, "effective_params": {"tail_age_ms": 600}}
    whole = {"totals": {}, "effective_params": dict(history.iterations[3].values)}
    for report, fails in ((silent, 0), (whole, 0), (partial, 1)):
        delta = verified(with_iteration(history, 4, report=report))
        assert (delta.fail, delta.verdict is Verdict.FAIL) == (fails, bool(fails)), report
    assert "not confirmed by the echo of iteration 4" in delta.failures[0]
    untouched = verified(with_iteration(make_history(), 4, report=partial))
    assert untouched.fail == 0


def test_many_equal_echoes_are_one_line_with_a_count() -> None:
    history = make_history(24, tune=False)
    for number in range(2, 25):
        history = with_iteration(history, number, echo_mismatch={"tail_age_ms": "500"})
    delta = verified(history)
    assert delta.failures == (
        "tail_age_ms: in iteration 2 600 was in force and 500 echoed, in iteration 24 600 was in "
        "force and 500 echoed (23 iterations)",
    )
    assert delta.fail == 23


def test_a_value_that_changed_without_a_decision_fails() -> None:
    history = make_history(8)
    moved = {**history.iterations[4].values, "tail_age_ms": 700.0}
    report = verified(with_iteration(history, 5, values=moved))
    assert report.fail == 2  # it changed, and it changed back
    assert report.explained_ratio is None


def test_an_edit_from_outside_explains_a_value() -> None:
    history = make_history(8)
    moved = {**history.iterations[4].values, "tail_age_ms": 700.0}
    history = with_iteration(history, 5, values=moved, external=True)
    history = with_decision(history, 5, values=moved)
    history = with_iteration(history, 6, external=True)  # and edited back
    assert verified(history).fail == 0
    assert verified(with_iteration(history, 6, external=False)).fail == 1


def test_an_edit_over_a_change_hides_whether_it_was_applied() -> None:
    history = make_history(8, outcomes=BOOST)
    edited = {**history.iterations[3].values, "base_spread_bps": 1.0}
    history = with_iteration(history, 4, values=edited, external=True)
    history = with_decision(history, 4, values=edited)
    history = with_iteration(history, 5, external=True)
    report = verified(history)
    assert (report.full, report.partial_ok, report.fail) == (0, 1, 0)
    assert report.checks[0].refused == {"base_spread_bps": "external"}


def test_a_change_before_an_iteration_without_data_is_unverified() -> None:
    lost = {"totals": {}, "fault": "stale"}
    history = with_iteration(make_history(outcomes=BOOST), 4, report=lost)
    report = verified(history)
    assert (report.full, report.unverified) == (0, 1)


def test_a_report_that_says_that_there_was_no_fault_has_data() -> None:
    sound: dict[str, object] = {"totals": {}, "fault": None}
    history = with_iteration(make_history(outcomes=BOOST), 4, report=sound)
    report = verified(history)
    assert (report.full, report.unverified) == (1, 0)


def test_the_belonging_of_live_reports_is_counted() -> None:
    by: list[dict[str, object]] = [
        {"totals": {}, "belongs_by": name} for name in ("applied_seq", "replaced")
    ]
    history = with_iteration(make_history(), 1, report=by[0])
    history = with_iteration(history, 2, report=by[1])
    assert verified(history).belonging == {"applied_seq": 1, "replaced": 1}


def test_the_last_change_is_unverified_and_not_counted() -> None:
    report = verified(make_history(6, outcomes={6: [applied("base_spread_bps", 0.02)]}))
    assert (report.full, report.fail, report.unverified) == (0, 0, 1)
    assert report.full_apply_ratio is None
    late = verified(make_history(6, outcomes={6: [skipped("base_spread_bps", 0.02, "late")]}))
    assert (late.partial_ok, late.unverified) == (1, 0)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"outcome": "SKIPPED", "reason": "velocity"}, "SKIPPED, but moved by"),
        ({"outcome": "SKIPPED", "applied": 0.0, "after": 0.5}, "SKIPPED without a reason"),
        ({"outcome": "CLIPPED", "proposed": 0.05}, "CLIPPED without a reason"),
        ({"outcome": "CLIPPED", "proposed": 0.01, "reason": "bounds"}, "CLIPPED +0.01 to +0.02"),
        ({"outcome": "CLIPPED", "proposed": -0.1, "reason": "bounds"}, "CLIPPED -0.1 to +0.02"),
        ({"proposed": 0.05}, "APPLIED +0.02 of +0.05"),
        ({"proposed": "NaN"}, "'NaN' was proposed"),
        ({"before": 0.4}, "decided from 0.4, in force was 0.5"),
        ({"after": 0.9}, "0.5 +0.02 does not give 0.9"),
        ({"before": None}, "no parameter of the profile"),
    ],
)
def test_an_outcome_that_does_not_add_up_fails(changes: dict[str, object], text: str) -> None:
    history = make_history(outcomes={3: [applied("base_spread_bps", 0.02)]})
    outcome = replace(decision_of(history, 3).outcomes[0], **changes)  # type: ignore[arg-type]
    report = verified(with_outcome(history, 3, outcome))
    assert report.fail == 1
    assert report.explained_ratio == 0.0
    assert any(text in failure for failure in report.failures)


def test_a_proposal_without_an_outcome_fails() -> None:
    history = make_history(outcomes=BOOST)
    proposed = decision_of(history, 3).proposed
    more = (*proposed, Proposal("tail_age_ms", 50.0, "LATENCY_HARD"))
    report = verified(with_decision(history, 3, proposed=more))
    assert report.fail == 1
    assert report.explained_ratio == pytest.approx(2 / 3)
    assert "it has no outcome" in report.failures[0]


def test_two_outcomes_of_one_key_fail() -> None:
    history = make_history(outcomes={3: [applied("base_spread_bps", 0.02)]})
    outcome = decision_of(history, 3).outcomes[0]
    report = verified(with_decision(history, 3, outcomes=(outcome, outcome)))
    assert "more than one outcome" in report.failures[0]


def test_a_panic_revert_is_no_proposal_and_explains_its_moves() -> None:
    panic = Panic("steady_safe", {"base_spread_bps": 0.65}, would=False, paused_until=8)
    report = verified(make_history(10, panics={4: panic}))
    assert (report.applicable, report.fail) == (False, 0)
    refused = [skipped("min_interval_ms", 10.0, "panic")]
    both = verified(make_history(10, panics={4: panic}, outcomes={4: refused}))
    assert (both.partial_ok, both.fail) == (1, 0)


def test_a_panic_that_is_only_recorded_moves_nothing() -> None:
    would = Panic("steady_safe", {"base_spread_bps": 0.65}, would=True, paused_until=8)
    assert verified(make_history(10, panics={4: would}, tune=False)).fail == 0


def test_a_dry_run_is_not_applicable() -> None:
    report = verified(make_history(outcomes=BOOST, dry_run=True))
    assert (report.full, report.partial_ok, report.fail) == (0, 0, 0)
    assert not report.applicable
    assert report.verdict is Verdict.PASS


def test_a_hash_that_does_not_move_is_stuck() -> None:
    history = make_history(60, outcomes={t: [applied("tail_age_ms", 1.0)] for t in range(1, 41)})
    once = with_decision(history, 3, state_hash=decision_of(history, 3).old_hash)
    assert verified(once).signature_stuck_count == 1
    assert verified(once).verdict is Verdict.PASS
    twice = with_iteration(once, 11, state_hash=history.iterations[9].state_hash)
    assert verified(twice).signature_stuck_count == 2
    assert verified(twice).verdict is Verdict.FAIL
    assert "signature stuck 2 times, limit <= 1" in verified(twice).reason


@pytest.mark.parametrize(
    ("partial", "stuck", "strict", "verdict"),
    [
        (1, False, False, Verdict.PASS),  # 19 of 20: .95
        (1, False, True, Verdict.PASS),
        (2, False, False, Verdict.PASS),  # 18 of 20: .90, relaxed
        (2, False, True, Verdict.FAIL),
        (2, True, False, Verdict.FAIL),
        (3, False, False, Verdict.FAIL),
    ],
)
def test_limits_of_the_ratio(partial: int, stuck: bool, strict: bool, verdict: Verdict) -> None:
    outcomes = {t: [applied("tail_age_ms", 1.0)] for t in range(1, 21)}
    outcomes |= {t: [skipped("tail_age_ms", 1.0)] for t in range(1, partial + 1)}
    history = make_history(24, outcomes=outcomes)
    if stuck:
        history = with_decision(history, 9, state_hash=decision_of(history, 9).old_hash)
    assert verified(history, strict).verdict is verdict


def needy(requested: dict[int, Requested]) -> History:
    return make_history(10, kpis={"maker_taker_ratio": 0.7}, requested=requested, mock=True)


def test_a_tuner_that_does_not_propose_when_needed_is_a_warning() -> None:
    report = verified(needy({}))
    assert report.proposes_when_needed == 0.0
    assert report.verdict is Verdict.WARN
    assert "proposes_when_needed" in report.reason


def test_withheld_waiting_and_proposing_all_count_as_a_reaction() -> None:
    requests = {
        **{t: Requested(withheld={"base_spread_bps": "velocity"}) for t in range(1, 5)},
        **{t: Requested(waiting={"MAKER_BOOST": "mean 0.86 of the last 4"}) for t in range(5, 8)},
        8: Requested(rules=("MAKER_BOOST",)),
    }
    report = verified(needy(requests))
    assert report.proposes_when_needed == 0.8
    assert report.verdict is Verdict.PASS
    assert report.withheld_ratio == 1.0
    other = {t: Requested(withheld={"tail_age_ms": "velocity"}) for t in range(1, 11)}
    assert verified(needy(other)).proposes_when_needed == 0.0


def test_without_need_or_tuner_there_is_no_ratio() -> None:
    assert verified(make_history()).proposes_when_needed is None
    off = make_history(10, kpis={"maker_taker_ratio": 0.7}, tune=False)
    assert verified(off).proposes_when_needed is None
    no_rule = structs.replace(steady().gate.delta, needed=None)
    profile = replace(steady(), gate=replace(steady().gate, delta=no_rule))
    assert verified(make_history(profile=profile)).proposes_when_needed is None


def test_withheld_ratio_is_of_the_iterations_that_requested_a_move() -> None:
    requested = {2: Requested(withheld={"tail_age_ms": "velocity"})}
    report = verified(make_history(outcomes=BOOST, requested=requested))
    assert report.withheld_ratio == 0.5


def test_requested_apply_ratio_is_of_the_moves_before_they_were_trimmed() -> None:
    """A run whose guards withhold most of what the rules request shows it here alone."""
    span = steady().parameters["tail_age_ms"].span
    history = make_history(
        24,
        outcomes={3: [applied("tail_age_ms", 0.01 * span)]},
        requested={
            3: Requested(deltas={"tail_age_ms": 0.03 * span}),
            4: Requested(deltas={"tail_age_ms": -0.01 * span}, withheld={"tail_age_ms": "pin"}),
        },
    )
    report = verify_deltas(LaneWindow(history))
    assert report.full_apply_ratio == 1.0
    assert report.requested_apply_ratio == pytest.approx(0.25)


def test_requested_apply_ratio_without_a_request_and_with_an_absurd_one() -> None:
    assert verify_deltas(LaneWindow(make_history(24))).requested_apply_ratio is None
    absurd = make_history(24, requested={3: Requested(deltas={"tail_age_ms": 1e308})})
    assert verify_deltas(LaneWindow(absurd)).requested_apply_ratio == 0.0


def test_what_the_warmup_refused_is_not_counted() -> None:
    """A proposer does not have to know of the warm-up: its refusals make no quality worse."""
    outcomes = {
        1: [skipped("base_spread_bps", 0.02, "warmup")],
        2: [skipped("base_spread_bps", 0.02, "velocity")],
        3: [applied("base_spread_bps", 0.02)],
    }
    report = verified(make_history(6, outcomes=outcomes))
    assert (report.full, report.partial_ok, report.fail) == (1, 1, 0)
    assert [check.iteration for check in report.checks] == [2, 3]
