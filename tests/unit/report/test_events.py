"""Freezes, cooldowns, panics, withheld moves and counts of a lane; reasons, grouped."""

from __future__ import annotations

from dataclasses import replace

from pytest_soak.gate.judge import judge_lane
from pytest_soak.gate.window import LaneWindow
from pytest_soak.loop.model import Panic, Requested, Verdict
from pytest_soak.report.events import (
    closed,
    closed_lines,
    count_rows,
    panic_lines,
    panics,
    withheld,
)
from pytest_soak.report.freezable import why_not
from pytest_soak.report.lists import bounded, grouped_reasons, names, stretches
from pytest_soak.report.remedies import never_moved, rules_for, tuner_text, without_effect
from tests.unit.gate.histories import (
    applied,
    make_history,
    skipped,
    steady,
    with_decision,
)
from tests.unit.report.seven_runs import history_of, run_of, tight


def test_freezes_are_those_of_the_lane() -> None:
    """As the loop itself froze: after two stable iterations, for four decisions."""
    (freeze,) = closed(history_of(n=16))
    assert (freeze.kind, freeze.times) == ("freeze", 3)
    assert freeze.keys == ("impact_cap_ratio", "max_delta_ratio")
    assert freeze.iterations == (3, 4, 5, 6, 9, 10, 11, 12, 15, 16)


def test_cooldowns_and_pauses() -> None:
    large = make_history(12, kpis={"risk_ratio": 0.38}, outcomes={3: [applied("tail_age_ms", 600)]})
    lines = closed_lines(with_decision(large, 3, large=True))
    assert lines == [
        "cooldown once: after a large change nothing moves any parameter in 2 of 12 decisions (4-5)"
    ]
    kinds = [item.kind for item in closed(run_of("panicking").histories[0])]
    assert kinds == ["freeze", "pause"]


def test_what_came_of_a_panic() -> None:
    history = run_of("reverted").histories[0]
    (event,) = panics(history)
    assert [item.number for item in event.failing] == [10, 11, 12]
    assert event.repaired
    assert not event.failed_after
    first, second, *_ = panics(run_of("panicking").histories[0])
    assert not first.repaired
    assert (first.iteration, second.iteration) == (12, 15)
    assert [item.number for item in first.after] == [13, 14, 15]
    assert not second.changed


def test_a_panic_at_the_end_and_over_pins() -> None:
    panic = Panic("steady_safe", {"tail_age_ms": 700.0}, False, 28, ("tail_age_ms",))
    bad = dict.fromkeys((22, 23, 24), Verdict.FAIL)
    (line,) = panic_lines(make_history(24, panics={24: panic}, verdicts=bad))
    assert line == (
        "iteration 24: 3 FAIL iterations in a row (22-24: net_bps < 2: 3 times, worst 1.500); "
        "1 parameter reverted to steady_safe, over the pins of tail_age_ms, nothing else moved "
        "until iteration 28. The run ended with it"
    )


def test_withheld_moves_in_the_order_of_the_guards() -> None:
    requested = {
        3: Requested(withheld={"tail_age_ms": "velocity: only +5 of it"}),
        4: Requested(withheld={"tail_age_ms": "velocity"}),
        5: Requested(withheld={"base_spread_bps": "rollback: it is suspended until iteration 9"}),
    }
    outcomes = {6: [skipped("min_interval_ms", 5.0, "late")]}
    items = withheld(make_history(8, requested=requested, outcomes=outcomes))
    assert [(item.guard, item.key, item.what, item.iterations) for item in items] == [
        ("late", "min_interval_ms", "SKIPPED", (6,)),
        ("velocity", "tail_age_ms", "withheld", (3, 4)),
        ("rollback", "base_spread_bps", "withheld", (5,)),
    ]


def test_counts_are_totals_and_means() -> None:
    history = history_of(n=24)
    rows = {name: rest for name, *rest in count_rows(history, LaneWindow(history).long)}
    assert rows["event PLACE"] == [9600.0, 400.0, 400.0]
    assert rows["block min_interval"] == [3600.0, 150.0, 150.0]
    assert count_rows(make_history(24), ()) == []


def test_like_reasons_are_one_item() -> None:
    history = run_of("panicking").histories[0]
    failing = [item for item in history.iterations if item.verdict is Verdict.FAIL]
    assert grouped_reasons(failing[:1], history.profile) == list(failing[0].reasons)
    (text,) = grouped_reasons(failing, history.profile)
    assert text.startswith("net_bps < 2: 21 times, worst 0.7")
    unclear = replace(failing[0], reasons=("net_bps has no data", "risk_ratio 0.6 > 0.5"))
    assert grouped_reasons([unclear, unclear], history.profile) == [
        "risk_ratio > 0.5: twice, worst 0.600",
        "net_bps has no data: twice",
    ]
    assert [len(group) for group in stretches(history.iterations, Verdict.WARN)] == [3]


def test_lists_have_an_end() -> None:
    assert bounded(["- a", "- b", "- c"], 2) == ["- a", "- b", "- and 1 more"]
    assert bounded(["- a"], 2) == ["- a"]
    assert names(["a", "b", "c"], 2) == "a, b and 1 more"


def test_only_a_rule_on_a_bad_value_aims_at_a_kpi() -> None:
    profile = steady()
    assert rules_for(profile, "net_bps") == []
    assert [rule.name for rule in rules_for(profile, "maker_taker_ratio")] == ["MAKER_BOOST"]
    assert [rule.name for rule in rules_for(profile, "p95_latency_ms")] == [
        *("LATENCY_HARD", "LATENCY_BUFFER"),
    ]


def test_no_rule_is_blamed_for_the_moves_of_another() -> None:
    """Both rules fire and move the key, so what was withheld of it may be of either."""
    requested = Requested(
        rules=("MAKER_BOOST", "RISK_MODERATE"),
        withheld={"replace_rate_per_min": "velocity", "min_interval_ms": "velocity"},
    )
    history = make_history(
        24, kpis={"maker_taker_ratio": 0.7}, requested=dict.fromkeys(range(1, 25), requested)
    )
    text = tuner_text(history, "maker_taker_ratio")
    assert "MAKER_BOOST fired 24 times and moved something 0 times" in text
    assert "min_interval_ms by velocity 24 times" in text
    assert "replace_rate_per_min" not in text


def test_what_never_moved_and_what_had_no_effect() -> None:
    capped = run_of("capped").histories[0]
    assert "impact_cap_ratio" in never_moved(capped)
    assert set(without_effect(capped)) == {
        *("base_spread_bps", "min_interval_ms", "replace_rate_per_min"),
    }
    assert without_effect(history_of(tight, 36)) == {}  # the maker share follows the spread


def test_why_nothing_may_be_frozen() -> None:
    poor = judge_lane(make_history(24, kpis={"net_bps": 1.0}))
    assert why_not(poor)[0] == "net_bps is FAIL"
    near = [2.75 + 0.4 * (-1) ** t for t in range(24)]
    assert why_not(judge_lane(make_history(kpis={"net_bps": near}))) == [
        "net_bps: not certain to be inside the limit"
    ]
    bad = dict.fromkeys((18, 20, 22), Verdict.FAIL)
    assert "only 5 of the last 8 iterations pass" in why_not(judge_lane(make_history(verdicts=bad)))
