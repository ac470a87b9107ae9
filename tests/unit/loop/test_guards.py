from __future__ import annotations

import itertools
import math
from dataclasses import replace
from typing import Any

import pytest

from pytest_soak.loop.guards import GUARDS, Guarded, guard, signature_of
from pytest_soak.loop.model import GUARD_ORDER, Outcome, Proposal, Requested
from pytest_soak.loop.state import evolved
from tests.unit.loop.lanes import Drive, changed, edge_report, nothing, proposing, shipped

pytestmark = pytest.mark.smoke

FAIL = edge_report(net=1.0)
STABLE = edge_report(risk=0.3, maker=0.82)


def asked(drive: Drive, *proposals: Proposal) -> Guarded:
    state = drive.observe() if drive.state.observed is None else drive.state
    assert state.observed is not None
    return guard(state, state.observed.readings, proposals)


def outcome_of(
    drive: Drive, key: str, delta: Any, rule: str = "", kpis: tuple[str, ...] = ()
) -> Outcome:
    (outcome,) = asked(drive, Proposal(key, delta, rule, kpis)).outcomes
    return outcome


def verdict(outcome: Outcome) -> tuple[str, float, str]:
    return outcome.outcome, outcome.applied, outcome.reason


def test_the_table_is_the_order_of_the_reasons() -> None:
    assert tuple(GUARDS) == GUARD_ORDER


def test_a_harmless_move_is_applied() -> None:
    assert outcome_of(Drive(), "tail_age_ms", 25) == Outcome(
        key="tail_age_ms",
        outcome="APPLIED",
        proposed=25.0,
        applied=25.0,
        before=600.0,
        after=625.0,
        reason="",
        also=(),
        note="",
        rule="",
    )


# 1 panic


def test_panic_refuses_everything_while_the_revert_is_carried_out() -> None:
    drive = Drive()
    for _ in range(2):
        drive.step(FAIL, nothing)
    drive.observe(FAIL)
    outcome = outcome_of(drive, "tail_age_ms", 25)
    assert verdict(outcome) == ("SKIPPED", 0.0, "panic")
    assert outcome.note == "reverting to steady_safe"


def test_the_hold_after_a_panic_is_four_decisions() -> None:
    drive = Drive()
    for _ in range(3):
        drive.step(FAIL, nothing)
    words = [drive.move(tail_age_ms=5)["tail_age_ms"] for _ in range(5)]
    assert [outcome.reason for outcome in words] == ["panic"] * 4 + [""]
    assert words[0].note == "paused until iteration 7"


# 2 nodata


@pytest.mark.parametrize("kpi", ["net_bps", "maker_taker_ratio", "no_such_kpi"])
def test_a_delta_that_rests_on_a_kpi_without_data_is_refused(kpi: str) -> None:
    drive = Drive()
    drive.observe(edge_report(net=None, maker=None))
    outcome = outcome_of(drive, "tail_age_ms", 25, kpis=("risk_ratio", kpi))
    assert verdict(outcome) == ("SKIPPED", 0.0, "nodata")
    assert outcome.note == f"no data of {kpi}"
    assert outcome_of(drive, "tail_age_ms", 25, kpis=("risk_ratio",)).outcome == "APPLIED"


# 3 invalid


@pytest.mark.parametrize(
    ("key", "delta"),
    [
        ("tail_age_ms", math.nan),
        ("tail_age_ms", -math.inf),
        ("tail_age_ms", True),
        ("tail_age_ms", "25"),
        ("tail_age_ms", None),
        ("tail_age_ms", [25]),
        ("tail_age_ms", 10**400),
        ("tail_age", 25),
        ("", 25),
    ],
)
def test_what_is_no_change_of_a_parameter_is_invalid(key: str, delta: Any) -> None:
    outcome = outcome_of(Drive(), key, delta)
    assert verdict(outcome) == ("SKIPPED", 0.0, "invalid")
    assert outcome.before == outcome.after == (600.0 if key == "tail_age_ms" else None)


def test_a_result_that_is_no_number_is_invalid() -> None:
    profile = shipped()
    wide = replace(profile.parameters["tail_age_ms"], maximum=1.7e308)
    drive = Drive(values={"tail_age_ms": 5000.0})
    drive.observe()
    drive.states[-1] = evolved(
        drive.state,
        profile=replace(profile, parameters={**profile.parameters, "tail_age_ms": wide}),
        values={**drive.state.values, "tail_age_ms": 1.7e308},
    )
    assert outcome_of(drive, "tail_age_ms", 1.7e308).reason == "invalid"


def test_what_cannot_be_read_is_refused_and_not_raised() -> None:
    class Hostile(float):
        def __float__(self) -> float:
            raise RuntimeError("no")

    outcomes = asked(
        Drive(),
        Proposal("tail_age_ms", Hostile(3), ""),
        "junk",  # type: ignore[arg-type]
        Proposal(None, 1, ""),  # type: ignore[arg-type]
        Proposal("\ud800", 1, ""),
    ).outcomes
    assert {outcome.reason for outcome in outcomes} == {"invalid"}


# 4 late


def test_nothing_moves_on_the_last_iteration() -> None:
    drive = Drive(iterations=3)
    words = [drive.move(tail_age_ms=5)["tail_age_ms"].reason for _ in range(3)]
    assert words == ["", "", "late"]
    longer = Drive(iterations=3)
    longer.plan(4)
    assert [longer.move(tail_age_ms=5)["tail_age_ms"].reason for _ in range(4)][2:] == ["", "late"]


# 5 freeze


def test_frozen_keys_stay_for_exactly_four_decisions_and_the_streak_starts_anew() -> None:
    drive = Drive()
    reasons = []
    for _ in range(14):
        decision = drive.step(STABLE, proposing(impact_cap_ratio=0.0013, tail_age_ms=1))
        frozen, free = (outcome.reason for outcome in decision.outcomes)
        assert free == ""
        reasons.append(frozen)
    frozen_four = ["freeze"] * 4
    assert reasons == ["", "", *frozen_four, "", "", *frozen_four, "", ""]
    assert drive.state.timers.frozen_until == 18


def test_the_note_of_a_frozen_key_has_the_last_iteration() -> None:
    drive = Drive()
    drive.step(STABLE, nothing)
    drive.step(STABLE, nothing)
    assert outcome_of(drive, "max_delta_ratio", 0.01).note == "frozen until iteration 6"


def test_missing_data_breaks_the_stable_streak() -> None:
    drive = Drive()
    for report in (STABLE, edge_report(risk=None), STABLE):
        drive.step(report, nothing)
    assert drive.state.timers.frozen_until == 0
    drive.step(STABLE, nothing)
    assert drive.state.timers.frozen_until == 8


# 6 cooldown


def test_after_a_large_change_two_decisions_move_nothing_and_the_third_does() -> None:
    drive = Drive()
    first = drive.step(proposer=proposing(replace_rate_per_min=-60, inventory_tilt_cap=0.1))
    assert first.large
    words = [drive.move(tail_age_ms=5)["tail_age_ms"] for _ in range(4)]
    assert [outcome.reason for outcome in words] == ["cooldown", "cooldown", "", ""]
    assert words[0].note == "cooldown_active until iteration 3"


def test_a_change_of_exactly_a_tenth_is_not_large() -> None:
    drive = Drive()
    assert not drive.step(proposer=proposing(inventory_tilt_cap=0.1)).large
    assert drive.step(proposer=proposing(inventory_tilt_cap=0.0999, vip_tilt_cap=0.0002)).large


def test_large_counts_the_applied_and_not_the_proposed_move() -> None:
    drive = Drive()
    decision = drive.step(proposer=proposing(inventory_tilt_cap=0.1, vip_tilt_cap=0.9))
    assert [outcome.outcome for outcome in decision.outcomes] == ["APPLIED", "SKIPPED"]
    assert not decision.large


# 7 duplicate


def test_the_same_change_from_the_same_state_is_applied_once() -> None:
    drive = Drive(changed(shipped(), pin={"for": 0}))
    first = drive.step(proposer=proposing(tail_age_ms=25, base_spread_bps=0.01))
    drive.edit(tail_age_ms=600.0, base_spread_bps=0.5)
    second = drive.step(proposer=proposing(tail_age_ms=25, base_spread_bps=0.01))
    assert first.signature is not None
    assert second.signature is None
    assert [outcome.reason for outcome in second.outcomes] == ["duplicate", "duplicate"]
    assert first.signature in second.outcomes[0].note
    third = drive.step(proposer=proposing(tail_age_ms=25))
    assert third.signature not in (None, first.signature)


def test_a_duplicate_comes_before_velocity_in_the_reasons() -> None:
    drive = Drive(changed(shipped(), pin={"for": 0}))
    first = drive.move(tail_age_ms=450)["tail_age_ms"]
    assert (first.outcome, first.applied) == ("CLIPPED", 300.0)
    drive.edit(tail_age_ms=600.0)
    # The cap of this hour is spent, so go on to the next hour.
    for _ in range(11):
        drive.step(proposer=nothing)
    outcome = drive.move(tail_age_ms=450)["tail_age_ms"]
    assert (outcome.outcome, outcome.reason, outcome.also) == (
        "SKIPPED",
        "duplicate",
        ("velocity",),
    )


def test_signatures_depend_on_state_and_deltas_and_not_on_their_order() -> None:
    assert signature_of("a", {}) is None
    base = signature_of("a", {"x": 1.0, "y": 2.0})
    assert base is not None
    assert len(base) == 16
    assert base == signature_of("a", {"y": 2.0, "x": 1.0})
    assert base != signature_of("b", {"x": 1.0, "y": 2.0})
    assert base != signature_of("a", {"x": 1.0, "y": 2.5})


# 8 oscillation


def test_back_to_the_value_before_the_last_change_is_refused() -> None:
    drive = Drive()
    drive.move(tail_age_ms=25)
    back = drive.move(tail_age_ms=-25)["tail_age_ms"]
    assert verdict(back) == ("SKIPPED", 0.0, "oscillation")
    assert back.note == "back to 600, left at iteration 1"
    assert drive.move(tail_age_ms=-24)["tail_age_ms"].outcome == "APPLIED"


def test_only_the_last_change_is_remembered() -> None:
    drive = Drive()
    drive.move(tail_age_ms=25)
    drive.move(tail_age_ms=25)
    assert drive.move(tail_age_ms=-50)["tail_age_ms"].outcome == "APPLIED"


@pytest.mark.parametrize("rule", ["LATENCY_RECOVER", "NORMALIZE", "RELAX"])
def test_an_exempt_rule_may_move_back(rule: str) -> None:
    """Only the profile's own rules; a proposer that uses the name of one is not exempt."""
    for by_rules, outcome in ((True, "APPLIED"), (False, "SKIPPED")):
        drive = Drive()
        drive.move(tail_age_ms=25)
        back = Requested((Proposal("tail_age_ms", -25.0, rule),), by_rules=by_rules)
        (last,) = drive.step(proposer=lambda *_, request=back: request).outcomes
        assert last.outcome == outcome


def test_a_profile_may_exempt_a_proposer_by_name() -> None:
    drive = Drive(changed(shipped(), oscillation={"forget_after": 12, "exempt": ["MINE"]}))
    drive.move(tail_age_ms=25)
    assert drive.move("MINE", tail_age_ms=-25)["tail_age_ms"].outcome == "APPLIED"


@pytest.mark.parametrize(("quiet", "reason"), [(11, "oscillation"), (12, "")])
def test_the_value_is_forgotten_after_twelve_iterations(quiet: int, reason: str) -> None:
    drive = Drive()
    drive.move(tail_age_ms=25)
    for _ in range(quiet):
        drive.step(proposer=nothing)
    assert drive.move(tail_age_ms=-25)["tail_age_ms"].reason == reason


def test_a_move_to_within_the_tolerance_of_the_old_value_is_refused_too() -> None:
    span = shipped().parameters["tail_age_ms"].span
    drive = Drive()
    drive.move(tail_age_ms=25)
    near = drive.move(tail_age_ms=-25 + 0.5e-9 * span)["tail_age_ms"]
    assert near.reason == "oscillation"


def test_a_clipped_move_never_ends_at_the_old_value() -> None:
    drive = Drive(values={"tail_age_ms": 5000.0})
    drive.move(tail_age_ms=-100)
    outcome = drive.move(tail_age_ms=150)["tail_age_ms"]
    assert (outcome.outcome, outcome.reason, outcome.also) == (
        "SKIPPED",
        "oscillation",
        ("bounds",),
    )


# 9 velocity


def test_the_cap_is_on_the_sum_of_moves_and_not_on_the_net() -> None:
    drive = Drive()
    assert drive.move(min_interval_ms=12)["min_interval_ms"].outcome == "APPLIED"
    assert drive.move(min_interval_ms=-11)["min_interval_ms"].outcome == "APPLIED"
    clipped = drive.move(min_interval_ms=10)["min_interval_ms"]
    assert verdict(clipped) == ("CLIPPED", 7.0, "velocity")
    assert clipped.note == "7 of 30 per hour left"
    assert clipped.proposed == 10.0
    refused = drive.move(min_interval_ms=1)["min_interval_ms"]
    assert verdict(refused) == ("SKIPPED", 0.0, "velocity")


@pytest.mark.parametrize(("delta", "word"), [(60.0, "CLIPPED"), (60.001, "SKIPPED")])
def test_half_of_a_move_is_enough(delta: float, word: str) -> None:
    assert outcome_of(Drive(), "min_interval_ms", delta).outcome == word


def test_a_clipped_move_keeps_its_sign() -> None:
    outcome = outcome_of(Drive(), "min_interval_ms", -40)
    assert verdict(outcome) == ("CLIPPED", -30.0, "velocity")


@pytest.mark.parametrize(
    ("interval_s", "quiet", "word"),
    [
        (300.0, 10, "SKIPPED"),
        (300.0, 11, "APPLIED"),
        (3600.0, 0, "APPLIED"),
        (1800.0, 0, "SKIPPED"),
    ],
)
def test_the_hour_is_half_open(interval_s: float, quiet: int, word: str) -> None:
    drive = Drive(interval_s=interval_s)
    assert drive.move(min_interval_ms=30)["min_interval_ms"].outcome == "APPLIED"
    for _ in range(quiet):
        drive.step(proposer=nothing)
    assert drive.move(min_interval_ms=29)["min_interval_ms"].outcome == word


def test_moves_that_add_up_to_the_cap_fit_in_spite_of_their_rounding() -> None:
    drive = Drive()
    words = [drive.move(base_spread_bps=0.025)["base_spread_bps"].outcome for _ in range(9)]
    assert words == ["APPLIED"] * 8 + ["SKIPPED"]


# 10 bounds


@pytest.mark.parametrize(
    ("value", "delta", "word", "after"),
    [
        (4.9, 0.1, "APPLIED", 5.0),
        (4.9, 0.1 + 1e-10, "APPLIED", 5.0),
        (4.9, 0.15, "CLIPPED", 5.0),
        (4.9, 0.2, "CLIPPED", 5.0),
        (4.95, 0.11, "SKIPPED", 4.95),
        (5.0, 0.1, "SKIPPED", 5.0),
        (0.1, -0.08, "CLIPPED", 0.05),
        (0.05, -1e-6, "SKIPPED", 0.05),
    ],
)
def test_bounds_cut_or_refuse(value: float, delta: float, word: str, after: float) -> None:
    outcome = outcome_of(Drive(values={"base_spread_bps": value}), "base_spread_bps", delta)
    assert (outcome.outcome, outcome.after) == (word, after)
    assert outcome.reason == ("" if word == "APPLIED" else "bounds")


def test_a_huge_move_is_refused_by_both_limits() -> None:
    outcome = outcome_of(Drive(), "tail_age_ms", 1e308)
    assert (outcome.outcome, outcome.reason, outcome.also) == ("SKIPPED", "velocity", ("bounds",))


# no_op


@pytest.mark.parametrize("delta", [0, 0.0, -0.0, 1e-12, -1e-300])
def test_a_move_that_changes_nothing(delta: float) -> None:
    assert verdict(outcome_of(Drive(), "tail_age_ms", delta)) == ("SKIPPED", 0.0, "no_op")


# together


def test_the_first_reason_is_primary_and_the_rest_are_listed() -> None:
    drive = Drive(iterations=4)
    drive.step(STABLE, nothing)
    drive.step(STABLE, nothing)
    drive.step(STABLE, proposing(replace_rate_per_min=-60, inventory_tilt_cap=0.1))
    drive.observe(edge_report(net=None))
    outcome = outcome_of(drive, "impact_cap_ratio", -9.0, kpis=("net_bps",))
    assert outcome.reason == "nodata"
    assert outcome.also == ("late", "freeze", "cooldown", "velocity", "bounds")


def test_of_two_proposals_for_one_key_the_safest_counts() -> None:
    drive = Drive()
    up = (Proposal("tail_age_ms", 5, "A"), Proposal("tail_age_ms", 20, "B"))
    down = (Proposal("concurrency_limit", -0.2, "A"), Proposal("concurrency_limit", 0.3, "B"))
    for order in itertools.permutations((*up, *down)):
        outcomes = asked(drive, *order).outcomes
        assert [(outcome.key, outcome.applied, outcome.rule) for outcome in outcomes] == [
            ("concurrency_limit", -0.2, "A"),
            ("tail_age_ms", 20.0, "B"),
        ]


def test_a_bad_proposal_has_its_key_refused_whatever_the_order() -> None:
    bad, good = Proposal("tail_age_ms", math.nan, "Z"), Proposal("tail_age_ms", 5, "A")
    drive = Drive()
    assert asked(drive, bad, good) == asked(drive, good, bad)
    assert asked(drive, bad, good).outcomes[0].reason == "invalid"
    unread = Proposal("tail_age_ms", 5, "A", ("no_such_kpi",))
    assert asked(drive, unread, good).outcomes[0].reason == "nodata"


def test_nothing_proposed_nothing_decided() -> None:
    assert asked(Drive()) == Guarded((), None)
