"""What came of a change, told ``n`` iterations later."""

from __future__ import annotations

import math
import random
import statistics
from typing import Any

import pytest

from pytest_soak.loop.attribution import aims_of
from pytest_soak.loop.decide import Proposer
from pytest_soak.loop.entries import decision_entry, decision_from_entry
from pytest_soak.loop.model import Attribution, Decision, Proposal, Wanted
from tests.unit.loop.lanes import Drive, as_written, changed, edge_report, nothing, shipped


def quiet(mean: float, seed: int, sd: float = 0.1) -> dict[str, Any]:
    return edge_report(net=mean + random.Random(seed).gauss(0.0, sd))


def proposing_for(kpi: str, rule: str = "", /, **deltas: float) -> Proposer:
    proposals = tuple(Proposal(key, delta, rule, (kpi,)) for key, delta in deltas.items())
    return lambda state, readings, room: Wanted(proposals=proposals)


def changed_at(
    at: int, before: float, after: float, *, length: int = 4, **options: Any
) -> tuple[Drive, Decision]:
    """A change of tail_age_ms for net_bps after iteration ``at``; the decision that tells of it."""
    drive = Drive(**options)
    for number in range(1, at + length + 1):
        report = quiet(before if number <= at else after, number)
        how = proposing_for("net_bps", "MINE", tail_age_ms=25) if number == at else nothing
        decision = drive.step(report, how)
    return drive, decision


def test_a_change_is_told_of_after_its_window_and_once() -> None:
    drive, decision = changed_at(20, 3.0, 3.0)
    (told,) = decision.attributed
    assert (told.iteration, told.rule, told.keys) == (20, "MINE", {"tail_age_ms": (600.0, 625.0)})
    assert told.verdict == "no evidence"
    assert all(not earlier.attributed for earlier in drive.decisions[:-1])
    assert not drive.step(edge_report(), nothing).attributed
    assert drive.state.changes == ()


def test_the_means_are_those_of_as_many_before_as_after() -> None:
    _, decision = changed_at(20, 3.0, 3.0)
    (effect,) = decision.attributed[0].effects
    nets = [quiet(3.0, number)["totals"]["net_bps"] for number in range(1, 25)]
    assert (effect.n_before, effect.n_after) == (4, 4)
    before, after = statistics.mean(nets[16:20]), statistics.mean(nets[20:24])
    assert effect.before == pytest.approx(before)
    assert effect.after == pytest.approx(after)
    assert effect.low is not None
    assert effect.high is not None
    assert (effect.low + effect.high) / 2 == pytest.approx(after - before)
    assert effect.low < effect.high


@pytest.mark.parametrize(
    ("after", "verdict", "doubtless"),
    [(3.6, "helped", False), (2.6, "hurt", False), (2.1, "hurt", True)],
)
def test_helped_and_hurt(after: float, verdict: str, doubtless: bool) -> None:
    _, decision = changed_at(20, 3.0, after)
    (told,) = decision.attributed
    assert (told.verdict, told.beyond_doubt) == (verdict, doubtless)


def test_a_kpi_that_falls_by_itself_is_not_the_fault_of_the_change() -> None:
    drive = Drive()
    for number in range(1, 29):
        how = proposing_for("net_bps", "MINE", tail_age_ms=25) if number == 24 else nothing
        decision = drive.step(quiet(6.0 - 0.1 * number, number, sd=0.03), how)
    (told,) = decision.attributed
    assert told.verdict == "hurt"
    assert not told.beyond_doubt, "the trend foretold it"


def test_without_noise_nothing_is_beyond_doubt() -> None:
    drive = Drive()
    for number in range(1, 25):
        how = proposing_for("net_bps", "MINE", tail_age_ms=25) if number == 20 else nothing
        decision = drive.step(edge_report(net=3.0 if number <= 20 else 1.0), how)
        if decision.panic:
            break
    drive = Drive(changed(shipped(), panic=None))
    for number in range(1, 25):
        how = proposing_for("net_bps", "MINE", tail_age_ms=25) if number == 20 else nothing
        decision = drive.step(edge_report(net=3.0 if number <= 20 else 2.5), how)
    (told,) = decision.attributed
    (effect,) = told.effects
    assert effect.low == effect.high == pytest.approx(-0.5)
    assert (told.verdict, told.beyond_doubt) == ("hurt", False)


def test_early_changes_have_no_evidence() -> None:
    _, decision = changed_at(3, 3.0, 2.0, profile=changed(shipped(), panic=None))
    (told,) = decision.attributed
    assert told.verdict == "no evidence"
    assert told.effects[0].low is None


def test_the_dwell_of_a_rule_is_its_window() -> None:
    drive = Drive()
    drive.steps(16, edge_report(p95=345.0))
    assert "LATENCY_BUFFER" in drive.decisions[-1].wanted.rules
    told: list[Attribution] = []
    for _ in range(16):
        assert not told
        told += drive.step(edge_report(p95=320.0), nothing).attributed
    (one,) = told
    assert (one.rule, one.iteration) == ("LATENCY_BUFFER", 16)
    assert [(effect.kpi, effect.aim) for effect in one.effects] == [("p95_latency_ms", "down")]


def test_who_moved_something_else_shares_it() -> None:
    drive = Drive()
    drive.steps(12)
    drive.step(edge_report(), proposing_for("net_bps", "MINE", tail_age_ms=25))
    drive.step(edge_report(), proposing_for("net_bps", "OTHER", vip_tilt_cap=0.05))
    for _ in range(4):
        decision = drive.step(edge_report(), nothing)
    assert decision.attributed[0].rule == "OTHER"
    mine = drive.decisions[-2].attributed[0]
    assert mine.shared == ("OTHER",)
    # What was before OTHER moved, and MINE before it, does not compare: one iteration is left.
    (effect,) = decision.attributed[0].effects
    assert (effect.n_before, effect.n_after) == (1, 4)
    assert "too few" in decision.attributed[0].note


def test_a_row_of_moves_of_one_rule_is_not_shared() -> None:
    drive = Drive()
    drive.steps(12)
    for _ in range(2):
        drive.step(edge_report(), proposing_for("net_bps", "MINE", tail_age_ms=25))
    for _ in range(3):
        decision = drive.step(edge_report(), nothing)
    assert decision.attributed[0].shared == ()


def test_an_edit_of_its_key_spoils_it() -> None:
    drive = Drive()
    drive.steps(8)
    drive.step(edge_report(), proposing_for("net_bps", tail_age_ms=25, vip_tilt_cap=0.05))
    drive.edit(tail_age_ms=700)
    (told,) = drive.step(edge_report(), nothing).attributed
    assert told.verdict == "no evidence"
    assert told.note == "tail_age_ms edited by hand after iteration 9"


def test_an_edit_of_another_key_shares_it() -> None:
    drive = Drive()
    drive.steps(8)
    drive.step(edge_report(), proposing_for("net_bps", tail_age_ms=25))
    drive.edit(vip_tilt_cap=0.5)
    for _ in range(4):
        decision = drive.step(edge_report(), nothing)
    assert decision.attributed[0].shared == ("EXTERNAL",)


def test_a_panic_spoils_it() -> None:
    drive = Drive()
    drive.steps(8)
    drive.step(edge_report(net=1.0), proposing_for("net_bps", tail_age_ms=25))
    for _ in range(3):
        decision = drive.step(edge_report(net=1.0), nothing)
    assert [one.note for one in decision.attributed] == ["panic at iteration 11"]


def test_iterations_of_a_scenario_are_left_out() -> None:
    fired = [{"name": "flash_crash", "started_s": 0.0, "ended_s": 60.0}]
    drive = Drive()
    for number in range(1, 25):
        report = quiet(3.0, number)
        if number in (18, 23, 24):
            report["scenarios"] = fired
        how = proposing_for("net_bps", "MINE", tail_age_ms=25) if number == 20 else nothing
        decision = drive.step(report, how)
    (effect,) = decision.attributed[0].effects
    assert (effect.n_before, effect.n_after) == (3, 2)


def test_missing_data_is_left_out() -> None:
    drive = Drive()
    for number in range(1, 25):
        how = proposing_for("net_bps", "MINE", tail_age_ms=25) if number == 20 else nothing
        decision = drive.step(edge_report(net=None if number > 21 else 3.0), how)
    (told,) = decision.attributed
    assert told.effects[0].n_after == 1
    assert told.note == "too few iterations that compare: net_bps 4 before and 1 after"


def test_a_dry_run_changes_nothing_so_nothing_comes_of_it() -> None:
    drive, _ = changed_at(20, 3.0, 3.0, dry_run=True)
    assert not any(decision.attributed for decision in drive.decisions)


def test_it_can_be_switched_off() -> None:
    drive, _ = changed_at(20, 3.0, 2.0, profile=changed(shipped(), attribution=None, rollback=None))
    assert not any(decision.attributed for decision in drive.decisions)
    assert drive.state.changes == ()


def test_what_rules_aim_at() -> None:
    profile = shipped()
    assert {rule.name: dict(aims_of(profile, rule.name, ())) for rule in profile.rules} == {
        "RISK_AGGRESSIVE": {"risk_ratio": "down"},
        "RISK_MODERATE": {"risk_ratio": "down"},
        "LATENCY_HARD": {"p95_latency_ms": "down"},
        "LATENCY_BUFFER": {"p95_latency_ms": "down"},
        "LATENCY_RECOVER": {"p95_latency_ms": "down"},
        "ADVERSE": {"adverse_bps_p95": "down"},
        "SLIPPAGE": {"slippage_bps_p95": "down"},
        "BLOCKED_MIN_INTERVAL": {"min_interval_ratio": "down"},
        "MAKER_BOOST": {"maker_taker_ratio": "up"},
        "NORMALIZE": {
            "risk_ratio": "down",
            "net_bps": "up",
            "maker_taker_ratio": "up",
            "adverse_bps_p95": "down",
        },
        "RELAX": {
            "risk_ratio": "down",
            "net_bps": "up",
            "maker_taker_ratio": "up",
            "p95_latency_ms": "down",
            "adverse_bps_p95": "down",
        },
    }
    proposals = [Proposal("tail_age_ms", 1.0, "MINE", ("net_bps", "inventory_bps", "nonsense"))]
    assert aims_of(profile, "MINE", proposals) == (("net_bps", "up"),)


def test_it_goes_through_the_journal_unchanged() -> None:
    drive, decision = changed_at(20, 3.0, 2.0, profile=changed(shipped(), panic=None))
    entry = as_written(decision_entry(decision))
    assert decision_from_entry(entry).attributed == decision.attributed
    assert entry["attributed"][0]["verdict"] == "hurt"
    told = [one for entry in drive.entries for one in entry.get("attributed", ())]
    assert len(told) == 1
    assert all(math.isfinite(told[0]["effects"][0][name]) for name in ("low", "high"))


@pytest.mark.parametrize("huge", [1e308, -1e308, 1e200])
def test_figures_beyond_reason_tell_nothing_and_break_nothing(huge: float) -> None:
    drive = Drive(changed(shipped(), panic=None))
    for number in range(1, 29):
        how = proposing_for("net_bps", "MINE", tail_age_ms=25) if number == 20 else nothing
        decision = drive.step(edge_report(net=huge if number % 3 else 3.0), how)
        if decision.attributed:
            (effect,) = decision.attributed[0].effects
            assert (effect.verdict, effect.doubtless) == ("no evidence", False)
    assert drive.state.done == 28


def test_figures_whose_sums_are_no_number_tell_nothing() -> None:
    drive = Drive(changed(shipped(), panic=None))
    for number in range(1, 14):
        net = 1e155 if number in (3, 4) else 3.0 + 0.01 * (number % 3)
        how = proposing_for("net_bps", "MINE", tail_age_ms=25) if number == 8 else nothing
        drive.step(edge_report(net=net), how)
    told = [one for decision in drive.decisions for one in decision.attributed]
    assert [one.verdict for one in told] == ["no evidence"]
