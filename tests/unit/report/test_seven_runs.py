"""The files of seven kinds of runs, as one reads them who is woken at night and has only these."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pytest_soak.loop.model import Verdict
from pytest_soak.profile.resolve import resolve
from pytest_soak.report.summary import final_values
from pytest_soak.store.sources import read_source
from tests.unit.report.seven_runs import (
    RUNS,
    Run,
    calm,
    files_of,
    history_of,
    run_of,
    with_figures,
)

AUDIT, ADVICE, FAILURES = "audit", "recommendations", "failures"

MUST: dict[tuple[str, str], tuple[str, ...]] = {
    ("good", AUDIT): (
        "**PASS**: all 4 gated KPIs are inside their limits with certainty; the closest is",
        "| net_bps | PASS | 3.41",
        " bps | >= 2.7 | 3.3",
        "| net_bps | 3.392 bps | 3.410 bps | 1-36 | -5.83e-05 (-0.00301 to +0.00289) | steady |",
        "| steady |",
        "freeze 6 times: after stable iterations nothing moves impact_cap_ratio and",
        "| event FILL | 3600 | 100.0 | 100.0 |",
        "`pytest-soak explain . --iteration ",
    ),
    ("good", ADVICE): (
        "The gate calls these values freeze ready:",
        "extends: steady\n",
        "\nbase_spread_bps: 0.5       # start value, never moved\n",
    ),
    ("good", FAILURES): ("No failures.",),
    ("healed", AUDIT): (
        "p95_latency_ms began outside its limit, 364.8 ms in the first quarter, and is inside "
        "since iteration 37.",
        "| concurrency_limit | 3.5 | 2.40975 | -1.09025 | requests in flight | 3 | after iteration "
        "36 by LATENCY_BUFFER |",
        "| p95_latency_ms | 364.8 ms | 324.7 ms | 37-72 |",
        "| LATENCY_HARD | 1 | 1 | 4 |",
    ),
    ("healed", ADVICE): (
        "concurrency_limit: 2.40975   # 36 iterations with it; from 3.5 in 3 moves, the last by "
        "LATENCY_BUFFER; it helped (p95_latency_ms -32.1 to -0.916)",
    ),
    ("decaying", AUDIT): (
        "**FAIL**: net_bps falls 0.05",
        "crosses 2.7 now (iterations 1 to 48)",
        "worse; at this rate the limit is reached in iteration 9",
        "Not freeze ready: drift:net_bps is FAIL; p95_latency_ms drifts towards its limit.",
        "Never moved: base_spread_bps 0.5,",
    ),
    ("decaying", ADVICE): (
        "net_bps gets steadily worse since the start: 4.6",
        "A longer run does not help.",
        "p95_latency_ms gets steadily worse since the start",
        "net_bps: no rule of the profile aims at net_bps",
        "p95_latency_ms: LATENCY_HARD aims at it and never fired: p95_latency_ms > 360 is not met",
        "No parameter moved in the whole run, so no move of the tuner is the cause.",
        "Freeze nothing: this lane is not PASS.",
    ),
    ("decaying", FAILURES): (
        "**FAIL**: net_bps falls",
        "- gate: drift:net_bps: falls",
        "net_bps gets steadily worse since the start",
        "no iteration FAILs by itself",
        "no parameter was changed in the whole run",
    ),
    ("late_decay", ADVICE): (
        "net_bps gets steadily worse since about iteration 29",
        "in the target or around it from iteration 29 on",
        "no rule of the profile aims at net_bps",
        "`pytest-soak explain . --iteration 29`",
    ),
    ("panicking", AUDIT): (
        "**FAIL**: net_bps is 0.9",
        "every value since iteration 8 is outside (23 in a row)",
        "- iteration 12: 3 FAIL iterations in a row (10-12: net_bps < 2: 3 times, worst 0.9",
        "7 parameters reverted to steady_safe, nothing else moved until iteration 16. It did not "
        "help: all 3 iterations after it FAIL (iterations 13-15)",
        "nothing was changed, steady_safe was in force already",
        "- iterations 10-30: FAIL: net_bps < 2: 21 times, worst 0.7",
        "| panic | concurrency_limit | withheld | 4 | 13-16 |",
        "No drift can be shown, since it wanders: net_bps.",
    ),
    ("panicking", ADVICE): (
        "no rule of the profile aims at net_bps, so the tuner cannot repair it",
        "steady_safe failed as well, after the panic in iterations 12, 15",
        "look at the target and around it from iteration 10 on",
    ),
    ("panicking", FAILURES): (
        "every value since iteration 8 is outside",
        "- iterations 10-30: FAIL, 21 in a row: net_bps < 2: 21 times, worst 0.7",
        "- announced by WARN in iterations 7-9: adverse_bps_p95 > 3: 3 times, worst 3.6",
        "- nothing was changed in the 9 iterations before iteration 10",
        "It did not help: all 3 iterations after it FAIL",
        "`pytest-soak explain . --iteration 10`",
        "net_bps < 2: 8 times, worst ",
    ),
    ("reverted", AUDIT): ("No FAIL in the 8 iterations after it (iterations 13-20); net_bps 1.2",),
    ("reverted", ADVICE): (
        "Start from steady_safe, or nearer to it",
        "by the panic revert to steady_safe",
        "NOT SETTLED: 11 iterations with it; from 600 in 3 moves, the last by LATENCY_RECOVER",
        "Not settled: concurrency_limit, tail_age_ms moved within the window",
    ),
    ("tuner_off", AUDIT): (
        "The tuner was off: nothing was proposed, withheld or moved.",
        "it would have reverted to steady_safe, but the tuner was off",
    ),
    ("tuner_off", ADVICE): (
        "MAKER_BOOST aims at it; the tuner was off; its conditions are met in 27 of 30 iterations, "
        "so it would have acted on base_spread_bps",
        "The tuner would have reverted to steady_safe after iteration 11",
        "Run with the tuner on",
    ),
    ("tuner_off", FAILURES): (
        "every value since iteration 1 is outside",
        "it would have reverted to steady_safe",
    ),
    ("capped", ADVICE): (
        "MAKER_BOOST fired 35 times and moved something 35 times",
        "of its own requests were withheld, wholly or in part: min_interval_ms by velocity 32",
        "No effect was shown of base_spread_bps (",
        "Never moved: impact_cap_ratio, max_delta_ratio,",
    ),
    ("lanes", AUDIT): (
        "**FAIL**: 3 of 18 lanes are FAIL: steady-ETHUSDT-1, steady-ETHUSDT-2, steady-ETHUSDT-3; "
        "all of them by maker_taker_ratio.",
        "| lane | verdict | maker_taker_ratio | risk_ratio | net_bps | p95_latency_ms | measured |",
        "| steady-ETHUSDT-1 | FAIL | 0.804 FAIL | 0.317 | 3.6",
        "S1 against steady: S1 is better at maker_taker_ratio by 0.0",
        "`pytest-soak explain . --lane steady-ETHUSDT-1 --iteration ",
        "All sections: `S1-ETHUSDT-3/POST_SOAK_AUDIT.md`.",
    ),
    ("lanes", ADVICE): (
        "**ultra_safe against S1**: ultra_safe is better at",
        "| better | 6 pairs, correlation ",
        "worse at fills_per_hour by ",
        "maker_taker_ratio began outside its limit and is inside since iteration 21. Start the "
        "next run with the values at the end of this one",
        "## Lanes S1-BTCUSDT-1, S1-BTCUSDT-2, S1-BTCUSDT-3, S1-ETHUSDT-1, S1-ETHUSDT-2, ",
    ),
    ("lanes", FAILURES): (
        "**FAIL**: 3 of 18 lanes are FAIL",
        "4 of the 8 values in the window are outside; the first of the run is that of iteration 1, "
        "and all since iteration 21 are inside",
        "it is so from the first iteration on",
        "No failures in 15 of 18 lanes: ",
    ),
    ("scenario", AUDIT): (
        "iterations 15-16 (explained by latency_spike): p95_latency_ms 379.6 to 519.2 is +",
        "Not judged, left out: iterations 15, 16 (latency_spike).",
        "recovered after 2 iterations",
    ),
    ("scenario_late", AUDIT): (
        "Not freeze ready: latency_spike disturbs the window (iterations 20-21)",
    ),
    ("scenario_late", ADVICE): ("Freeze nothing yet: latency_spike disturbs the window",),
}

MUST_NOT: dict[tuple[str, str], tuple[str, ...]] = {
    ("good", AUDIT): ("nan", "Traceback", "applicable: False", "net_bps: 3.", "| worse"),
    ("good", ADVICE): ("longer run", "safer", "NOT SETTLED"),
    ("healed", ADVICE): ("NOT SETTLED", "Freeze nothing"),
    ("decaying", ADVICE): (
        "There is nothing to change", "--soak-resume", "run at least", "may help", "safer",
        "```yaml", "more iterations",
    ),
    ("late_decay", ADVICE): ("may help", "run at least", "```yaml", "since the start"),
    ("panicking", AUDIT): ("reverted to steady_safe\n- iteration 12: panic",),
    ("panicking", ADVICE): (
        "safer profile", "Start from", "longer run", "may help", "```yaml",
        "withheld", "NORMALIZE", "MAKER_BOOST",
    ),
    ("reverted", ADVICE): ("failed as well",),
    ("tuner_off", AUDIT): ("parameters reverted", "No panic"),
    ("tuner_off", ADVICE): ("there was a panic", "Start from a safer", "NORMALIZE", "withheld"),
    ("capped", ADVICE): ("raise it for", "safer", "longer run", "```yaml"),
    ("lanes", ADVICE): ("longer interval", "Take them out", "No effect was shown"),
    ("scenario_late", ADVICE): ("```yaml", "freeze ready:"),
    ("scenario", ADVICE): ("longer run",),
}  # fmt: skip


@pytest.mark.parametrize(("run", "file"), MUST)
def test_the_file_answers(run: str, file: str) -> None:
    text = getattr(files_of(run), file)
    assert [answer for answer in MUST[run, file] if answer not in text] == []


@pytest.mark.parametrize(("run", "file"), MUST_NOT)
def test_the_file_does_not_speak_against_the_evidence(run: str, file: str) -> None:
    text = getattr(files_of(run), file)
    assert [claim for claim in MUST_NOT[run, file] if claim in text] == []


@pytest.mark.parametrize("run", RUNS)
def test_every_file_has_the_verdict_and_why_on_top(run: str) -> None:
    verdict, files = run_of(run).judgement.verdict, files_of(run)
    for text in (files.audit, files.recommendations, files.failures):
        assert re.fullmatch(rf"# [A-Z].*[ (]{verdict}\)?", text.splitlines()[0])
    for text in (files.audit, files.recommendations):
        assert text.splitlines()[2].startswith(f"**{verdict}**: ")
    assert files.audit.startswith(f"# Soak audit: {verdict}\n\n**{verdict}**: ")


@pytest.mark.parametrize("run", RUNS)
def test_a_panic_is_in_the_audit_once(run: str) -> None:
    text = files_of(run).audit
    lines = [line for line in text.splitlines() if line.startswith("- iteration 12: ")]
    assert len(lines) <= 1
    assert "panic: 3 FAIL" not in text


@pytest.mark.parametrize("run", RUNS)
def test_tables_have_the_columns_of_their_heads(run: str) -> None:
    files = files_of(run)
    for text in (files.audit, files.recommendations, files.failures):
        for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
            columns = {len(re.findall(r"(?<!\\)\|", row)) for row in table.splitlines()}
            assert len(columns) == 1, table
        assert "\n\n\n" not in text
        assert "  \n" not in text


@pytest.mark.parametrize("run", ["good", "healed", "reverted"])
def test_the_block_of_values_is_a_profile(run: str, tmp_path: Path) -> None:
    """It can be copied into a file: the start values are those at the end of the run."""
    history = run_of(run).histories[0]
    block = files_of(run).recommendations.partition("```yaml\n")[2].partition("```")[0]
    path = tmp_path / "frozen.yaml"
    path.write_text(block, "utf-8")
    profile = resolve(str(path), read_source).profile
    starts = {key: parameter.start for key, parameter in profile.parameters.items()}
    assert starts == final_values(history)


def test_a_lane_that_does_not_fail_lists_its_fail_iterations() -> None:
    run = Run.of(history_of(with_figures(calm, net={9: 1.0, 10: 1.0}), 24, tune=False))
    text = run.files.failures
    assert "iterations 9-10: FAIL, 2 in a row: net_bps < 2: twice, worst 0.905" in text
    assert "no WARN iteration announced the FAIL of iteration 9" in text


def test_many_iterations_and_lanes_stay_readable() -> None:
    """Every list has an end: a lane of 600 iterations that FAILs every third is no longer."""
    bad = dict.fromkeys(range(1, 601, 3), 1.0)
    long = history_of(with_figures(calm, net=bad), 600, tune=False)
    run = Run.of(long)
    assert run.judgement.verdict is Verdict.FAIL
    assert "66 of the 200 values in the window are outside; the first of" in run.files.audit
    assert len(run.files.audit.splitlines()) < 140
    assert re.search("^- and [0-9]+ more$", run.files.audit, re.MULTILINE)
    assert len(run.files.failures.splitlines()) < 50
    assert "more FAIL iterations in 188 stretches, the last is iteration 598" in run.files.failures
    many = Run.of(*[long] * 40)
    for text in (many.files.audit, many.files.recommendations, many.files.failures):
        assert len(text.splitlines()) < 3400
    assert "And 16 more lanes, in their own directories" in many.files.audit
    assert "And 16 more lanes, in their own directories" in many.files.failures
