"""``explain``: what it computes again agrees with the decisions, and every line is true."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

from pytest_soak.loop.history import Moment, transitions
from pytest_soak.loop.model import Decision
from pytest_soak.loop.rollback import ROLLBACK
from pytest_soak.loop.state import LaneState
from pytest_soak.report.explain.iteration import explain_iteration
from pytest_soak.report.explain.rules import rule_views
from pytest_soak.report.explain.run import explain_run
from pytest_soak.report.explain.story import Story
from pytest_soak.report.layout import WIDTH
from tests.unit.loop.lanes import Drive, changed, edge_report, nothing, proposing
from tests.unit.report.explained import fixed, lane, mine, story, text_of

SEEDS = range(4)


@cache
def wild(seed: int, iterations: int = 60, **options: Any) -> Drive:
    """A lane in which every rule and most guards have something to do; seeded."""
    rng = random.Random(seed)
    drive = Drive(iterations=iterations, **options)
    level: dict[str, float] = {}
    for number in range(1, iterations + 1):
        if number % 7 == 1:
            level = {
                "risk": rng.choice([0.25, 0.3, 0.38, 0.45, 0.65]),
                "maker": rng.choice([0.7, 0.8, 0.93]),
                "p95": rng.choice([280.0, 310.0, 345.0, 380.0]),
                "adverse": rng.choice([2.0, 3.4]),
                "slippage": rng.choice([1.5, 2.8]),
                "min_interval": rng.choice([0.1, 0.3]),
            }
        noisy: dict[str, Any] = {kpi: mean * rng.gauss(1, 0.03) for kpi, mean in level.items()}
        noisy["net"] = rng.choice([3.2, 3.0, 3.4, 3.1, None if number % 11 == 0 else 2.9])
        if number % 9 == 0:
            drive.edit(slippage_penalty_coef=0.1 + number / 1000)
        drive.observe(edge_report(**noisy))
        if number % 13 == 0:
            drive.edit(vip_tilt_cap=number / 1000)
        drive.settle()
    return drive


def moments(drive: Drive) -> Iterator[tuple[LaneState, Decision]]:
    """Every decision, and the lane just before it."""
    decisions = iter(drive.decisions)
    for transition in transitions(drive.entries):
        if isinstance(transition.entry, Decision):
            yield transition.before, next(decisions)


# -- what is recomputed is what was decided ------------------------------------------------------


def test_the_rules_computed_again_agree_with_the_decision() -> None:
    seen: Counter[str] = Counter()
    for seed in SEEDS:
        for state, decision in moments(wild(seed)):
            assert state.observed is not None
            assert decision.by_rules
            views = rule_views(state, state.observed.readings)
            seen.update(view.word for view in views)
            proposed = {proposal.key for proposal in decision.proposed}
            acting = [view for view in views if proposed & view.requests.keys()]
            recorded = tuple(name for name in decision.rules if name != ROLLBACK)
            assert tuple(view.rule.name for view in acting) == recorded
            assert all(view.word == "FIRES" for view in acting)
            for view in views:
                for key in view.requests.keys() - proposed:
                    assert key in decision.withheld, f"{view.rule.name} requested {key}"
            waiting = {view.rule.name for view in views if view.word == "waits"}
            assert waiting == set(decision.waiting)
            seen["overruled"] += len(decision.overruled)
            seen["withheld"] += len(decision.withheld)
    assert min(seen[word] for word in ("FIRES", "idle", "waits", "quiet")) > 10, seen
    assert min(seen["overruled"], seen["withheld"]) > 10, seen


def test_the_conditions_show_why_a_rule_does_not_fire() -> None:
    for state, _ in moments(wild(1)):
        assert state.observed is not None
        for view in rule_views(state, state.observed.readings):
            over = all(part.holds_over for part in view.parts)
            alone = all(part.holds_alone for part in view.parts)
            if view.word in ("FIRES", "idle"):
                assert over
                assert not view.delay
            elif view.word == "waits":
                assert alone
                assert view.delay or not over
            else:
                assert not alone


@pytest.mark.parametrize("seed", SEEDS)
def test_every_answer_of_the_guards_is_shown(seed: int) -> None:
    drive = wild(seed)
    for state, decision in moments(drive):
        assert state.observed is not None
        text = explain_iteration(Moment(state, decision, in_force=True))
        assert max(map(len, text.splitlines())) <= WIDTH
        assert f"iteration {decision.iteration} of 60: {decision.verdict}\n" in text
        for outcome in decision.outcomes:
            block = text.split(f"\n  {outcome.key} ")[-1]
            assert f"answer              {outcome.outcome}" in block
        for key, reason in decision.withheld.items():
            assert f"withheld            {reason}" in text.split(f"\n  {key} ")[-1]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_changes_of_a_parameter_are_a_chain_from_start_to_end(seed: int) -> None:
    drive = wild(seed)
    kinds: Counter[str] = Counter()
    steps = Story.of(drive.entries).steps
    for key, value in drive.state.start_values.items():
        for step in steps.get(key, ()):
            assert step.before == value
            assert step.after != step.before
            value = step.after
            kinds[step.kind] += 1
        assert value == drive.state.values[key]
    assert kinds["APPLIED"] > 0
    assert kinds["EXTERNAL"] > 0


def test_what_was_left_out_is_counted_as_the_journal_has_it() -> None:
    drive = wild(2)
    counted = Story.of(drive.entries).left_out
    withheld = sum(len(decision.withheld) for decision in drive.decisions)
    assert (
        sum(len(v) for (_, _, what), v in counted.items() if what.startswith("withheld"))
        == withheld
    )
    rows = [line.split() for line in explain_run(drive.entries).splitlines()]
    by_guard = Counter(r for d in drive.decisions for r in d.withheld.values())
    for guard, times in by_guard.items():
        assert sum(int(row[2]) for row in rows if row[:1] == [guard]) == times


# -- one iteration -------------------------------------------------------------------------------


def test_a_rule_that_fires_and_what_was_withheld_of_its_requests() -> None:
    drive = lane()
    drive.steps(2, edge_report(maker=0.7))
    text = text_of(drive, 2)
    assert "lane, iteration 2 of 100: PASS changed base_spread_bps 0.515 -> 0.53" in text
    assert "min_interval_ms 75 -> 80 (MAKER_BOOST) in force from iteration 3" in text
    assert "FIRES MAKER_BOOST iterations 1-2: fills_per_hour 12000 >= 0.5 of its first 4" in text
    assert "maker_taker_ratio 0.7 < 0.85" in text
    assert "requests base_spread_bps +0.015, min_interval_ms +25, replace_rate_per_min -51" in text
    assert (
        "min_interval_ms 75 ms requested MAKER_BOOST +25 headroom -5 (velocity) to +5 (velocity) "
        "withheld velocity: only +5 of it is proposed answer APPLIED +5, 75 -> 80"
    ) in text
    assert "headroom none: velocity withheld velocity: nothing of it is proposed" in text
    assert (
        "moved in the last 3600 s: base_spread_bps 0.015 of 0.2, min_interval_ms 25 of 30" in text
    )


def test_waiting_and_quiet_rules_say_what_is_missing() -> None:
    drive = lane()
    drive.steps(8, edge_report(p95=345.0))
    drive.step(edge_report(p95=345.0))
    text = text_of(drive, 9)
    assert "waits LATENCY_BUFFER dwell: acted at iteration 8, may act again at 16" in text
    drive = lane()
    drive.step()
    drive.step(edge_report(p95=365.0, maker=None))
    text = text_of(drive, 2)
    hard = "p95_latency_ms 338 in iterations 1-2 is not > 360 (now 365)"
    assert f"waits LATENCY_HARD {hard}" in text
    assert "quiet LATENCY_BUFFER p95_latency_ms 338 in iterations 1-2 is not >= 330 by 10" in text
    assert "quiet NORMALIZE maker_taker_ratio has no data" in text
    drive.step(edge_report(risk=0.5999))
    assert "quiet RISK_AGGRESSIVE risk_ratio 0.5999 is not >= 0.6" in text_of(drive, 3)


def test_a_stopped_rule_names_its_figure() -> None:
    drive = lane()
    drive.steps(4, edge_report(maker=0.9))
    drive.step(edge_report(maker=0.8))
    text = text_of(drive, 5)
    assert (
        "hysteresis: stopped until maker_taker_ratio <= 0.82 (maker_taker_ratio is 0.875)" in text
    )


def test_conflicts_and_rules_without_anything_to_move() -> None:
    drive = lane()
    drive.steps(3, edge_report(risk=0.45))
    drive.step(edge_report(risk=0.65))
    text = text_of(drive, 4)
    assert "conflict RISK_MODERATE +0.02 gives way to RISK_AGGRESSIVE +0.05" in text
    drive = lane()
    drive.steps(4, edge_report(p95=280.0))
    assert (
        "idle LATENCY_RECOVER iterations 1-4: p95_latency_ms 280 < 300 requests nothing: every "
        "parameter is already where the rule moves it"
    ) in text_of(drive, 4)


def test_guards_in_force_are_shown_with_their_end() -> None:
    drive = lane()
    drive.steps(2, edge_report(risk=0.3, adverse=3.5))
    drive.step(edge_report(risk=0.3), proposing("BIG", vip_tilt_cap=0.15))
    drive.edit(tail_age_ms=650.0)
    drive.step(edge_report(risk=0.3), proposing(max_delta_ratio=-0.01, tail_age_ms=5.0))
    text = text_of(drive, 4)
    assert "edited by hand before this iteration: tail_age_ms 600 -> 650" in text
    assert "pin tail_age_ms for the rest of the run: edited by hand" in text
    assert "freeze impact_cap_ratio and max_delta_ratio until iteration 6" in text
    assert "cooldown until iteration 5" in text
    assert "answer SKIPPED -0.01 by freeze, also cooldown: frozen until iteration 6" in text
    assert "answer SKIPPED +5 by pin, also cooldown: pinned for the rest of the run" in text
    drive.steps(3)
    assert "freeze impact_cap_ratio and max_delta_ratio until iteration 6" in text_of(drive, 6)
    stable = "0 stable iterations in a row before this one; 2 in a row freeze"
    assert f"freeze no; {stable}" in text_of(drive, 7)
    assert "cooldown until iteration 5" in text_of(drive, 5)
    assert "cooldown no" in text_of(drive, 6)
    off = lane(changed(fixed(), freeze=None, cooldown=None, panic=None, pin={"for": 0}))
    off.step()
    assert text_of(off, 1).count("off in this profile") == 4


def test_a_panic_over_pins() -> None:
    drive = lane()
    drive.edit(tail_age_ms=650.0)
    drive.steps(4, edge_report(net=1.0))
    text = text_of(drive, 3)
    assert "panic 2 FAIL iterations in a row before this one; 3 in a row revert" in text
    assert "tail_age_ms 650 -> 700 (PANIC)" in text
    streak = "3 FAIL iterations in a row, this one included"
    assert f"Panic reverted to steady_safe: {streak} moves base_" in text
    assert "over pins tail_age_ms: edited by hand; the panic moves them, they stay pinned" in text
    assert "pause nothing else moves until iteration 7" in text
    assert "panic paused until iteration 7; 0 FAIL iterations in a row" in text_of(drive, 4)


def test_a_change_that_hurt_and_its_rollback() -> None:
    drive = lane()
    rng = random.Random(3)
    for number in range(1, 26):
        how = nothing if number != 20 else mine(0.1, "base_spread_bps")
        drive.step(edge_report(net=(3.0 if number <= 20 else 2.2) + rng.gauss(0, 0.1)), how)
    text = text_of(drive, 24)
    assert "base_spread_bps 0.6 -> 0.5 (ROLLBACK)" in text
    cause = "the change by MINE after iteration 20 hurt net_bps"
    assert f"requested ROLLBACK to 0.5: {cause}" in text
    assert "MINE after iteration 20: base_spread_bps 0.5 -> 0.6 hurt beyond doubt: net_bps" in text
    run = story(drive)
    assert "base_spread_bps 0.5 -> 0.5 bps, 2 changes" in run
    assert "MINE (pytest_soak_propose), APPLIED +0.1 based on net_bps" in run
    assert f"24 0.6 -> 0.5 ROLLBACK: {cause}" in run
