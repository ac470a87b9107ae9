from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

import pytest

from pytest_soak.gate.criteria import CriterionResult
from pytest_soak.gate.judge import judge_lane, judge_run
from pytest_soak.loop.model import Halt, History, Outcome, Panic, Reading, Requested, Verdict
from pytest_soak.profile.resolve import resolve
from pytest_soak.report.audit import audit
from pytest_soak.report.failures import failures
from pytest_soak.report.layout import WIDTH
from pytest_soak.report.profile_text import profile_text
from pytest_soak.report.recommend import recommendations
from pytest_soak.report.table import INDENT, final_table, iteration_line
from pytest_soak.store.sources import read_source
from tests.unit.gate.histories import (
    applied,
    clipped,
    make_history,
    skipped,
    steady,
    with_decision,
    with_iteration,
)
from tests.unit.profile.typed import parameter
from tests.unit.report.runs import decided


def table(*histories: History, strict: bool = False) -> list[str]:
    return final_table(judge_run([judge_lane(history, strict=strict) for history in histories]))


def test_the_table_is_aligned_and_narrow() -> None:
    lines = table(decided(), decided(lane_id="x" * 100, net=1.0))
    assert max(map(len, lines)) <= WIDTH
    heads = [line for line in lines if line.lstrip().startswith("criterion")]
    rows = [line for line in lines if line.startswith(("  net_bps ", "  delta_quality "))]
    column = heads[0].index("verdict")
    assert {row[column - 1 :].strip() for row in rows} == {"PASS", "n/a", "FAIL"}
    deltas = lines.index(
        "  deltas: 23 full, 0 in part with a reason, 0 unexplained, 0 unverified, 0 stuck"
    )
    assert re.fullmatch(
        r"  requests: \d+% of the requested moves applied, a key withheld in \d+% of iterations "
        "with requests",
        lines[deltas + 1],
    )
    assert lines[-1].startswith("gate: FAIL by xxx")
    assert "net_bps" in lines[-1]


def test_the_table_gives_the_reason_of_what_did_not_pass() -> None:
    lines = table(make_history(11, planned=24, halt=Halt(12, "error", "ValueError:\nno feed")))
    text = "\n".join(lines)
    assert "FAIL completeness: 11 of 24 iterations measured; halted at iteration 12" in text
    assert "ValueError: no feed" in " ".join(text.split())
    assert "deltas: not applicable: nothing was proposed" in text
    assert table(decided())[-1] == "gate: PASS"


def test_the_table_names_faults_and_edits_also_of_a_lane_that_passes() -> None:
    history = decided()
    for number in (3, 9):
        history = with_iteration(history, number, report={"totals": {}, "fault": "dead (bot)"})
    history = with_iteration(
        history, 12, external=True, edits={"tail_age_ms": (700.0, 650.0)}, edited=None
    )
    lines = table(history)
    assert "  faults, by iteration: dead (bot) in 3, 9" in lines
    assert "  edits by hand, by iteration: tail_age_ms 700 -> 650 in 12" in lines
    assert not any("by iteration" in line for line in table(decided()))


def test_of_many_faults_the_table_lists_the_first() -> None:
    history = decided()
    for number in range(1, 11):
        history = with_iteration(history, number, report={"totals": {}, "fault": "stale"})
    assert "  faults, by iteration: stale in 1, 2, 3, 4, 5, 6, 7, 8, … and 2 more" in table(history)


def test_the_table_says_that_nothing_confirms_the_parameters() -> None:
    report = {"totals": {}, "belongs_by": "replaced"}
    history = decided()
    text = "no report has an echo (effective_params): nothing shows what the target ran with"
    unconfirmed = with_iteration(history, 1, report=report)
    confirmed = with_iteration(history, 1, report={**report, "effective_params": {"risk": {}}})
    assert f"  {text}" in table(unconfirmed)
    assert f"  {text}" not in table(confirmed)
    assert f"  {text}" not in table(history)


def test_the_table_takes_any_criterion() -> None:
    extra = [
        CriterionResult("memory_" + "x" * 80, Verdict.WARN, 1e300, ">= 1e300", reason="r" * 400),
        CriterionResult("nothing", Verdict.INCONCLUSIVE),
    ]  # fmt: skip
    lines = final_table(judge_run([judge_lane(make_history(1), extra=extra)]))
    assert max(map(len, lines)) <= WIDTH
    assert final_table(judge_run([])) == ["no lane was judged", "gate: FAIL"]


def test_the_line_of_an_iteration() -> None:
    outcomes = {
        3: [
            applied("base_spread_bps", 0.02),
            clipped("min_interval_ms", 25.0, 15.0),
            skipped("tail_age_ms", 5.0, "cooldown"),
        ]
    }
    history = make_history(5, outcomes=outcomes, kpis={"net_bps": None})
    assert iteration_line(history.iterations[2]) == (
        "   3 PASS net=nodata risk=0.35 maker=0.9 p95=310 | MAKER_BOOST | "
        "applied 1 clipped 1 skipped 1"
    )
    assert "skipped 1 (cooldown)" in iteration_line(
        make_history(5, outcomes={3: [skipped("tail_age_ms", 5.0, "cooldown")]}).iterations[2]
    )
    assert iteration_line(history.iterations[3]) == (
        "   4 PASS net=nodata risk=0.35 maker=0.9 p95=310"
    )
    undecided = with_iteration(history, 3, decision=None).iterations[2]
    assert iteration_line(undecided).endswith("p95=310")


def test_the_line_shows_panic_withheld_and_dry_run() -> None:
    panic = Panic("steady_safe", {"base_spread_bps": 0.65}, would=True, paused_until=None)
    line = iteration_line(make_history(5, panics={3: panic}).iterations[2])
    assert "PANIC would revert to steady_safe" in line
    already = Panic("steady_safe", {}, would=False, paused_until=None)
    line = iteration_line(make_history(5, panics={3: already}).iterations[2])
    assert "PANIC at steady_safe already" in line
    requested = {3: Requested(withheld={"tail_age_ms": "velocity"})}
    line = iteration_line(make_history(5, requested=requested).iterations[2])
    assert line.endswith("p95=310 | withheld 1 (velocity)")
    dry = make_history(5, outcomes={3: [applied("tail_age_ms", 1.0)]}, dry_run=True)
    assert iteration_line(dry.iterations[2]).endswith("applied 1 dry run")


def test_in_a_long_line_the_panic_stays_and_edits_are_counted() -> None:
    panic = Panic(
        "steady_safe", {"base_spread_bps": 0.65}, would=False, paused_until=7, pins=("a",)
    )
    edits = {f"a_parameter_{number}": (0.0, 1.0) for number in range(4)}
    edited = with_iteration(make_history(5, panics={3: panic}), 3, edits=edits)
    line = iteration_line(edited.iterations[2])
    assert "PANIC reverted to steady_safe over pins EDITED 4" in line
    assert len(line) <= LINE


def test_the_line_moves_no_cursor() -> None:
    line = line_of({}, rules=("OK\n   4 PASS \x1b[2J",))
    assert line.endswith("| OK\\n   4 PASS \\x1b[2J")


def line_of(withheld: Mapping[str, str], *outcomes: Outcome, rules: tuple[str, ...] = ()) -> str:
    requested = {3: Requested(withheld=withheld, rules=rules)}
    return iteration_line(
        make_history(5, requested=requested, outcomes={3: list(outcomes)}).iterations[2]
    )


LINE = WIDTH - INDENT
HEAD = "   3 PASS net=3 risk=0.35 maker=0.9 p95=310"


def test_the_line_names_the_guards_that_withheld() -> None:
    withheld = {"a": "freeze", "b": "velocity", "c": "freeze", "d": "small"}
    assert line_of(withheld) == f"{HEAD} | withheld 4 (freeze, velocity, small)"
    assert (
        line_of({"a": "rollback: is suspended until iteration 30"})
        == f"{HEAD} | withheld 1 (rollback)"
    )
    assert line_of({"a": "pin"}, skipped("tail_age_ms", 5.0, "bounds"), rules=("ADVERSE",)) == (
        f"{HEAD} | ADVERSE | skipped 1 (bounds) withheld 1 (pin)"
    )


def test_a_long_line_loses_the_reasons_of_what_was_withheld_first() -> None:
    withheld, refused = {"a": "freeze", "b": "pin"}, skipped("tail_age_ms", 5.0, "bounds")
    tail = "skipped 1 (bounds) withheld 2"
    headroom = LINE - len(f"{HEAD} |  | {tail} (freeze, pin)")
    for length, end in (
        (headroom, f"{tail} (freeze, pin)"),
        (headroom + 1, tail),
        (headroom + len(" (freeze, pin)"), tail),
        (headroom + len(" (freeze, pin)") + 1, "skipped 1 withheld 2"),
        (headroom + len(" (freeze, pin) (bounds)"), "skipped 1 withheld 2"),
    ):
        rule = "R" * length
        assert line_of(withheld, refused, rules=(rule,)) == f"{HEAD} | {rule} | {end}"
    longest = line_of(withheld, refused, rules=("R" * 90,))
    assert len(longest) == LINE
    assert longest.endswith("RR.. | skipped 1 withheld 2")


def test_the_line_says_why_it_is_inconclusive_unless_a_figure_does() -> None:
    reasons = ("net_bps has no data", "adverse_bps_p95 has no data")
    refused = {3: [skipped("tail_age_ms", 5.0, "nodata")]}
    history = make_history(5, kpis={"net_bps": None}, outcomes=refused, requested={3: Requested()})
    head = "   3 INCONCLUSIVE net=nodata risk=0.35 maker=0.9 p95=310"
    for causes, end in (
        (reasons[:1], "skipped 1 (nodata)"),
        (reasons[1:], "adverse_bps_p95 has no data | skipped 1"),
        (reasons, "adverse_bps_p95 has no data | skipped 1"),
    ):
        unclear = with_iteration(history, 3, verdict=Verdict.INCONCLUSIVE, reasons=causes)
        line = iteration_line(unclear.iterations[2])
        assert line == f"{head} | {end}"


def test_the_line_takes_other_kpis() -> None:
    iteration = make_history(3).iterations[0]
    other = replace(iteration, readings={"pool_p95": Reading(1234.5, "totals.pool_p95")})
    assert "pool_p95=1234" in iteration_line(other)
    assert "fills_per_hour=6000" in iteration_line(iteration, ["fills_per_hour"])
    many = replace(iteration, reasons=("x",), verdict=Verdict.INCONCLUSIVE)
    assert len(iteration_line(many, ["k" * 60, "l" * 60])) <= LINE
    assert len(iteration_line(many, ["k" * 60, "l" * 60], width=70)) <= 70


def audited(*histories: History) -> str:
    return audit(histories, judge_run([judge_lane(history) for history in histories]))


def test_the_audit_has_the_verdict_first_and_all_sections() -> None:
    text = audited(decided())
    assert text.startswith("# Soak audit: PASS\n\n**PASS**: all 4 gated KPIs are inside")
    sections = [line[4:] for line in text.splitlines() if line.startswith("### ")]
    assert sections == [
        *("Gate", "Trends", "Anomalies", "Tuner", "Withheld or refused", "Parameters", "Rules"),
        *("Effects", "Deltas", "Blocks and events"),
    ]
    assert "| base_spread_bps | 0.5 | 0.845 | +0.345 | bps | 23 | after iteration 23 by " in text
    assert (
        "| maker_taker_ratio | 0.704 | 0.736 | 1-24 | +0.00209 (+0.00141 to +0.00277) | better |"
        in text
    )
    assert "| MAKER_BOOST | 23 | 23 | 23 |" in text
    assert "| block risk | 864 | 36.000 | 36.000 |" in text
    assert "Without data: gross_bps, fees_bps," in text


def test_the_audit_names_what_is_odd() -> None:
    series = [3.0 + 0.01 * (-1) ** t for t in range(24)]
    series[9] = 9.0
    history = make_history(
        kpis={"net_bps": series},
        verdicts={4: Verdict.FAIL},
        panics={6: Panic("steady_safe", {"tail_age_ms": 700.0}, would=False, paused_until=10)},
    )
    history = with_iteration(history, 12, external=True)
    history = with_iteration(
        history, 13, echo_mismatch={"tail_age_ms": "500"}, failed_checks=("t",)
    )
    edits = {"tail_age_ms": (700.0, 650.0)}
    history = with_iteration(history, 15, external=True, edits=edits)
    history = with_decision(history, 14, note="the proposer failed: boom | pipe\nand more")
    text = audited(replace(history, halt=Halt(25, "timeout", "took too long")))
    for expected in (
        "- iteration 4: FAIL: net_bps 1.5 < 2",
        "1 parameter reverted to steady_safe, nothing else moved until iteration 10",
        "- iteration 10: net_bps 9.000 is +",
        "- before iteration 12: the runtime file was edited by hand\n",
        "- before iteration 15: the runtime file was edited by hand, tail_age_ms 700 -> 650; the "
        "tuner does not move it any more (guard pin)",
        "- iteration 13: failed checks: t",
        "- the target ran with other values: tail_age_ms: in iteration 13 700 was in force and",
        "- iteration 14: the proposer failed: boom \\| pipe and more",
        "- iteration 25: timeout: took too long",
    ):
        assert expected in text


def test_the_audit_of_little_and_of_much() -> None:
    assert "| 3 values are too few |" in audited(make_history(3))
    assert "The tuner was off." in audited(make_history(24, tune=False))
    assert "fills_per_hour, min_interval_ratio" in audited(
        make_history(kpis={"fills_per_hour": None})
    )
    assert "None." in audited(make_history())
    bad = make_history(60, verdicts=dict.fromkeys(range(1, 61, 2), Verdict.FAIL))
    assert "- and 10 more" in audited(bad)
    two = audited(make_history(), make_history(lane_id="other-1"))
    assert "| other-1 | PASS | 0.900 | 0.350 | 3.000 | 310.0 | 24 of 24 | yes | - |" in two


def recommended(history: History, strict: bool = False) -> str:
    return recommendations([history], judge_run([judge_lane(history, strict=strict)]))


@pytest.mark.parametrize(
    ("history", "text"),
    [
        (make_history(), "The gate calls these values freeze ready"),
        (
            make_history(3, planned=24, halt=Halt(4, "error", "ValueError: x")),
            "First repair what ended the lane at iteration 4 (error): ValueError: x",
        ),
        (make_history(20, planned=24), "Finish the run with --soak-resume: 20 of 24"),
        (make_history(20), "run at least 24 iterations"),
        (make_history(kpis={"net_bps": None}), "make the target report it as `totals.net_bps`"),
        (
            make_history(kpis={"maker_taker_ratio": 0.7}),
            "MAKER_BOOST aims at it and never fired: its conditions were met",
        ),
        (make_history(kpis={"net_bps": 1.0}, tune=False), "the tuner was off"),
        (
            make_history(
                panics={6: Panic("steady_safe", {"tail_age_ms": 700.0}, False, 10)},
                verdicts=dict.fromkeys((4, 5, 6), Verdict.FAIL),
            ),
            "Start from steady_safe, or nearer to it: the start values led to the panic after",
        ),
        (
            with_iteration(make_history(), 5, echo_mismatch={"tail_age_ms": "500"}),
            "Make the target run with the values in runtime_overrides.json",
        ),
        (
            make_history(outcomes={3: [skipped("tail_age_ms", 5.0)]}),
            "Too few changes were applied in full; refused by: velocity 1",
        ),
        (make_history(kpis={"maker_taker_ratio": 0.7}, mock=True), "the tuner proposed too little"),
        (
            make_history(outcomes={3: [applied("tail_age_ms", 4400.0)]}),
            "tail_age_ms ended at its maximum of 5000",
        ),
    ],
)  # fmt: skip
def test_recommendations_follow_from_the_run(history: History, text: str) -> None:
    assert text in recommended(history)


def test_recommendations_name_what_withheld_the_keys_of_a_rule() -> None:
    text = recommended(decided(mock=False))
    assert "MAKER_BOOST fired 23 times" in text
    assert "of its own requests were withheld, wholly or in part: min_interval_ms by velo" in text


def test_a_switch_has_no_end_of_its_headroom() -> None:
    """It has two values, so each of them is an end; a choice may have another one beyond."""
    table = {
        "jit": parameter(type="bool", start=False),
        "mode": parameter(type="choice", choices=["slow", "fast"], start="slow"),
    }
    profile = replace(steady(), parameters={**steady().parameters, **table})
    moved = [applied("jit", 1.0), applied("mode", 1.0)]
    text = recommended(make_history(outcomes={3: moved}, profile=profile))
    assert "mode ended at its maximum of fast" in text
    assert "jit ended" not in text


def test_a_value_within_its_noise_is_named() -> None:
    series = [2.75 + 0.4 * (-1) ** t for t in range(24)]
    assert "is within its noise" in recommended(make_history(kpis={"net_bps": series}))


def failed(history: History) -> str:
    return failures([history], judge_run([judge_lane(history)]))


def test_failures_lists_all_of_them_or_none() -> None:
    assert "No failures." in failed(make_history())
    history = make_history(verdicts={4: Verdict.FAIL, 5: Verdict.WARN})
    history = with_iteration(history, 6, failed_checks=("test_bot.py::test_edge",))
    history = with_iteration(history, 7, echo_mismatch={"tail_age_ms": "500"})
    text = failed(replace(history, halt=Halt(25, "contract", "no totals")))
    assert "- iteration 4: FAIL: net_bps 1.5 < 2\n" in text
    assert "iteration 5" not in text
    assert "- iteration 6: failed check: test_bot.py::test_edge" in text
    assert (
        "- the target ran with other values: tail_age_ms: in iteration 7 600 was in force" in text
    )
    assert "- iteration 25: contract: no totals" in text
    assert "- gate: delta_quality" in text


def test_a_profile_for_people() -> None:
    resolved = resolve("S1", read_source)
    text = profile_text(resolved.profile, resolved.origins)
    assert text.startswith("profile S1 < market_maker\n")
    assert "MAKER_BOOST: " in text
    assert "concurrency_limit      1.9 " in text
    assert "net_bps            >= 2.7      >= 2.7" in text
