"""The effect of a change, reported ``n`` iterations later."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Callable
from typing import Any

import pytest

from pytest_soak.loop.attribution import aims_of
from pytest_soak.loop.entries import entry_of, record_of, runtime_of
from pytest_soak.loop.model import Attribution, Decision, Proposal
from tests.unit.loop.lanes import (
    Drive,
    as_written,
    changed,
    edge_report,
    nothing,
    proposing,
    shipped,
)


def quiet(mean: float, seed: int, sd: float = 0.1) -> dict[str, Any]:
    return edge_report(net=mean + random.Random(seed).gauss(0.0, sd))


def changed_at(
    at: int, before: float, after: float, *, length: int = 4, **options: Any
) -> tuple[Drive, Decision]:
    """A change of tail_age_ms for net_bps after iteration ``at``, and the decision after it."""
    drive = Drive(**options)
    for number in range(1, at + length + 1):
        report = quiet(before if number <= at else after, number)
        how = proposing("MINE", "net_bps", tail_age_ms=25) if number == at else nothing
        decision = drive.step(report, how)
    return drive, decision


def test_a_change_is_reported_after_its_window_and_once() -> None:
    drive, decision = changed_at(20, 3.0, 3.0)
    (attribution,) = decision.attributed
    assert (attribution.iteration, attribution.rule, attribution.keys) == (
        20,
        "MINE",
        {"tail_age_ms": (600.0, 625.0)},
    )
    assert attribution.verdict == "no evidence"
    assert all(not earlier.attributed for earlier in drive.decisions[:-1])
    assert not drive.step(edge_report(), nothing).attributed
    assert drive.state.attribution.changes == ()


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
    (attribution,) = decision.attributed
    assert (attribution.verdict, attribution.beyond_doubt) == (verdict, doubtless)


def attribution_of(series: Callable[[int], float], at: int = 24) -> Attribution:
    """The attribution of a change for net_bps after iteration ``at`` of the series."""
    drive = Drive(changed(shipped(), panic=None))
    for number in range(1, at + 5):
        how = proposing("MINE", "net_bps", tail_age_ms=25) if number == at else nothing
        decision = drive.step(edge_report(net=series(number)), how)
    (attribution,) = decision.attributed
    return attribution


def test_a_kpi_that_falls_by_itself_is_not_an_effect_of_the_change() -> None:
    # With this seed the estimated φ is small. With a large φ the trend would not be needed.
    noise = random.Random(0)
    attribution = attribution_of(lambda number: 6.0 - 0.1 * number + noise.gauss(0.0, 0.03))
    assert attribution.verdict == "hurt"
    assert not attribution.beyond_doubt, "the trend predicts it"


def test_a_latency_that_jumps_by_itself_is_not_an_effect_of_its_rule() -> None:
    """It jumps, the rule reacts, it jumps again: no parameter is the cause."""
    hurt = 0
    for seed in range(20):
        noise, drive = random.Random(seed), Drive()
        for number in range(1, 31):
            level = 310.0 if number <= 24 else 420.0 if number <= 26 else 900.0
            drive.step(edge_report(p95=noise.gauss(level, 18.0)))
        attributions = [
            attribution for decision in drive.decisions for attribution in decision.attributed
        ]
        hurt += any(attribution.verdict == "hurt" for attribution in attributions)
        assert not any(attribution.beyond_doubt for attribution in attributions), (
            "blamed for a jump"
        )
    assert hurt >= 10, "the mean before and after alone shows harm"


def test_a_rise_that_ends_has_no_evidence_of_harm() -> None:
    noise = random.Random(0)
    attribution = attribution_of(
        lambda number: 3.0 + 0.1 * min(number, 25) + noise.gauss(0.0, 0.03)
    )
    assert not attribution.beyond_doubt, "lower than predicted, and higher than before"


def width(before: float, after: float, phi: float = 0.0, seed: int = 0) -> float:
    """The width of the interval with these standard deviations before and after; maybe infinite."""
    noise, value, at = random.Random(seed), 0.0, 24

    def series(number: int) -> float:
        nonlocal value
        value = phi * value + math.sqrt(1.0 - phi * phi) * noise.gauss(0.0, 1.0)
        return 4.0 + (before if number <= at else after) * value

    (effect,) = attribution_of(series, at).effects
    return math.inf if effect.low is None or effect.high is None else effect.high - effect.low


def test_the_interval_is_as_wide_as_the_noise_of_either_side() -> None:
    quiet_width = width(0.05, 0.05)
    assert width(0.3, 0.05) > 3 * quiet_width
    assert width(0.05, 0.3) > 3 * quiet_width


def test_correlated_noise_makes_it_wider() -> None:
    white, red = ([width(0.1, 0.1, phi, seed) for seed in range(12)] for phi in (0.0, 0.5))
    assert statistics.median(red) > 1.3 * statistics.median(white)


def test_without_noise_nothing_is_beyond_doubt() -> None:
    drive = Drive(changed(shipped(), panic=None))
    for number in range(1, 25):
        how = proposing("MINE", "net_bps", tail_age_ms=25) if number == 20 else nothing
        decision = drive.step(edge_report(net=3.0 if number <= 20 else 2.5), how)
    (attribution,) = decision.attributed
    (effect,) = attribution.effects
    assert effect.low == effect.high == pytest.approx(-0.5)
    assert (attribution.verdict, attribution.beyond_doubt) == ("hurt", False)


def test_early_changes_have_no_evidence() -> None:
    _, decision = changed_at(3, 3.0, 2.0, profile=changed(shipped(), panic=None))
    (attribution,) = decision.attributed
    assert attribution.verdict == "no evidence"
    assert attribution.effects[0].low is None


def test_the_dwell_of_a_rule_is_its_window() -> None:
    drive = Drive()
    drive.steps(16, edge_report(p95=345.0))
    assert "LATENCY_BUFFER" in drive.decisions[-1].rules
    attributions: list[Attribution] = []
    for _ in range(16):
        assert not attributions
        attributions += drive.step(edge_report(p95=320.0), nothing).attributed
    (attribution,) = attributions
    assert (attribution.rule, attribution.iteration) == ("LATENCY_BUFFER", 16)
    assert [(effect.kpi, effect.aim) for effect in attribution.effects] == [
        ("p95_latency_ms", "down")
    ]


def test_another_rule_that_moved_something_shares_the_effect() -> None:
    drive = Drive()
    drive.steps(12)
    drive.step(edge_report(), proposing("MINE", "net_bps", tail_age_ms=25))
    drive.step(edge_report(), proposing("OTHER", "net_bps", vip_tilt_cap=0.05))
    for _ in range(4):
        decision = drive.step(edge_report(), nothing)
    assert decision.attributed[0].rule == "OTHER"
    mine = drive.decisions[-2].attributed[0]
    assert mine.shared == ("OTHER",)
    # Iterations before the moves of OTHER and MINE are not compared: one iteration is left.
    (effect,) = decision.attributed[0].effects
    assert (effect.n_before, effect.n_after) == (1, 4)
    assert "too few" in decision.attributed[0].note


def test_several_moves_of_one_rule_are_not_shared() -> None:
    drive = Drive()
    drive.steps(12)
    for _ in range(2):
        drive.step(edge_report(), proposing("MINE", "net_bps", tail_age_ms=25))
    for _ in range(3):
        decision = drive.step(edge_report(), nothing)
    assert decision.attributed[0].shared == ()


def test_an_edit_of_its_key_ends_the_measurement() -> None:
    drive = Drive()
    drive.steps(8)
    drive.step(edge_report(), proposing("", "net_bps", tail_age_ms=25, vip_tilt_cap=0.05))
    drive.edit(tail_age_ms=700)
    (attribution,) = drive.step(edge_report(), nothing).attributed
    assert attribution.verdict == "no evidence"
    assert attribution.note == "tail_age_ms edited by hand after iteration 9"


def test_an_edit_of_another_key_shares_the_effect() -> None:
    drive = Drive()
    drive.steps(8)
    drive.step(edge_report(), proposing("", "net_bps", tail_age_ms=25))
    drive.edit(vip_tilt_cap=0.5)
    for _ in range(4):
        decision = drive.step(edge_report(), nothing)
    assert decision.attributed[0].shared == ("EXTERNAL",)


def test_a_panic_ends_the_measurement() -> None:
    drive = Drive()
    drive.steps(8)
    drive.step(edge_report(net=1.0), proposing("", "net_bps", tail_age_ms=25))
    for _ in range(3):
        decision = drive.step(edge_report(net=1.0), nothing)
    assert [attribution.note for attribution in decision.attributed] == ["panic at iteration 11"]


def test_iterations_of_a_scenario_are_left_out() -> None:
    fired = [{"name": "flash_crash", "started_s": 0.0, "ended_s": 60.0}]
    drive = Drive()
    for number in range(1, 25):
        report = quiet(3.0, number)
        if number in (18, 23, 24):
            report["scenarios"] = fired
        how = proposing("MINE", "net_bps", tail_age_ms=25) if number == 20 else nothing
        decision = drive.step(report, how)
    (effect,) = decision.attributed[0].effects
    assert (effect.n_before, effect.n_after) == (3, 2)


def test_iterations_with_other_values_are_left_out() -> None:
    drive = Drive()
    for number in range(1, 25):
        report = edge_report()
        if number in (18, 23, 24):
            values = {**drive.state.values, "tail_age_ms": 5000.0}
            report["effective_params"] = runtime_of(drive.state.profile, values)
        how = proposing("MINE", "net_bps", tail_age_ms=25) if number == 20 else nothing
        decision = drive.step(report, how)
    (effect,) = decision.attributed[0].effects
    assert (effect.n_before, effect.n_after) == (3, 2)


@pytest.mark.parametrize(("during", "compare"), [(False, 3), (True, 2)], ids=["before", "during"])
def test_iterations_before_an_edit_are_not_compared(during: bool, compare: int) -> None:
    """An edit before or during iteration 9; the change is applied after iteration 11."""
    drive = Drive()
    drive.steps(8)
    if during:
        drive.observe()
    drive.edit(vip_tilt_cap=0.1)
    if not during:
        drive.observe()
    drive.settle()
    drive.step()
    drive.step(edge_report(), proposing("MINE", "net_bps", tail_age_ms=25))
    for _ in range(4):
        decision = drive.step(edge_report(), nothing)
    assert decision.attributed[0].effects[0].n_before == compare


def test_missing_data_is_left_out() -> None:
    drive = Drive()
    for number in range(1, 25):
        how = proposing("MINE", "net_bps", tail_age_ms=25) if number == 20 else nothing
        decision = drive.step(edge_report(net=None if number > 21 else 3.0), how)
    (attribution,) = decision.attributed
    assert attribution.effects[0].n_after == 1
    assert attribution.note == "too few comparable iterations: net_bps 4 before and 1 after"


def test_a_dry_run_has_no_attributions() -> None:
    drive, _ = changed_at(20, 3.0, 3.0, dry_run=True)
    assert not any(decision.attributed for decision in drive.decisions)


def test_it_can_be_switched_off() -> None:
    drive, _ = changed_at(20, 3.0, 2.0, profile=changed(shipped(), attribution=None, rollback=None))
    assert not any(decision.attributed for decision in drive.decisions)
    assert drive.state.attribution.changes == ()


def test_the_kpis_that_rules_aim_at() -> None:
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
    entry = as_written(record_of(decision))
    assert entry_of(entry) == decision
    assert entry["attributed"][0]["verdict"] == "hurt"
    attributions = [
        attribution for entry in drive.entries for attribution in entry.get("attributed", ())
    ]
    assert len(attributions) == 1
    assert all(math.isfinite(attributions[0]["effects"][0][name]) for name in ("low", "high"))


@pytest.mark.parametrize("huge", [1e308, -1e308, 1e200])
def test_huge_figures_give_no_evidence_and_do_not_raise(huge: float) -> None:
    drive = Drive(changed(shipped(), panic=None))
    for number in range(1, 29):
        how = proposing("MINE", "net_bps", tail_age_ms=25) if number == 20 else nothing
        decision = drive.step(edge_report(net=huge if number % 3 else 3.0), how)
        if decision.attributed:
            (effect,) = decision.attributed[0].effects
            assert (effect.verdict, effect.doubtless) == ("no evidence", False)
    assert drive.state.done == 28


def test_figures_whose_sums_overflow_give_no_evidence() -> None:
    drive = Drive(changed(shipped(), panic=None))
    for number in range(1, 14):
        net = 1e155 if number in (3, 4) else 3.0 + 0.01 * (number % 3)
        how = proposing("MINE", "net_bps", tail_age_ms=25) if number == 8 else nothing
        drive.step(edge_report(net=net), how)
    attributions = [
        attribution for decision in drive.decisions for attribution in decision.attributed
    ]
    assert [attribution.verdict for attribution in attributions] == ["no evidence"]
