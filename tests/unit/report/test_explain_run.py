"""``explain`` of whole runs, of users' proposers, and of lanes that ended early."""

from __future__ import annotations

import math
import random
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from pytest_soak.loop.history import moment_of
from pytest_soak.loop.model import Halt, Requested
from pytest_soak.loop.tuner import requested_from
from pytest_soak.profile.condition import Comparison
from pytest_soak.report.explain.iteration import explain_iteration
from pytest_soak.report.explain.run import explain_run
from pytest_soak.report.layout import (
    WIDTH,
    change,
    difference,
    kept,
    labelled,
    plain,
    reading,
    spans,
)
from tests.unit.loop.lanes import edge_report, nothing, proposing
from tests.unit.report.explained import lane, mine, moment, story, text_of

# -- the story of a run --------------------------------------------------------------------------


def test_alike_changes_are_one_line_with_their_count() -> None:
    drive = lane(iterations=12)
    drive.steps(8, edge_report(maker=0.7))
    drive.steps(4, edge_report(maker=0.9))
    text = story(drive)
    assert (
        "lane: 12 of 12 iterations of 300 s, profile steady, target mock verdicts PASS 12" in text
    )
    assert "decisions with a change 10; without a request 2" in text
    assert "base_spread_bps 0.5 -> 0.65 bps, 10 changes" in text
    assert (
        "1-10 0.5 -> 0.65 MAKER_BOOST 10 times, APPLIED +0.015 each "
        "because maker_taker_ratio < 0.85: 0.7 -> 0.8 effect: "
    ) in text
    assert "not reported before the end 2 replace_rate_per_min 400 -> 340 1/min, 1 change" in text
    assert "MAKER_BOOST twice, APPLIED +5 to +25, 1 of them withheld in part (velocity)" in text
    assert (
        "velocity min_interval_ms 8 3-10 withheld velocity min_interval_ms 1 2 withheld in part"
        in text
    )
    assert "slippage_penalty_coef 0 not requested by SLIPPAGE" in text
    assert "inventory_tilt_cap 0.3 no rule of the profile moves it" in text


def test_another_way_another_rule_and_another_hand_are_lines_of_their_own() -> None:
    drive = lane()
    drive.steps(2, edge_report(maker=0.7))
    drive.edit(base_spread_bps=0.9, tail_age_ms=650.0)
    drive.observe(edge_report(net=1.0))
    drive.edit(concurrency_limit=3.0)
    drive.settle()
    drive.steps(2, edge_report(net=1.0))
    text = story(drive)
    assert (
        "1-2 0.5 -> 0.53 MAKER_BOOST twice, APPLIED +0.015 each because maker_taker_ratio < 0.85: "
        "0.7 effect: no evidence 2 "
        "3 0.53 -> 0.9 EXTERNAL: edited by hand before iteration 3 "
        "5 0.9 -> 0.65 PANIC: reverted to steady_safe"
    ) in text
    assert "3 2 -> 3 EXTERNAL: edited by hand during iteration 3" in text
    assert "concurrency_limit 2 -> 1.8 (requests in flight), 2 changes" in text
    assert "note panic: 3 FAIL iterations in a row, reverted to steady_safe, over the pins" in text
    assert "pinned base_spread_bps, concurrency_limit and tail_age_ms: edited by hand" in text
    assert "verdicts PASS 2; FAIL 3 (iterations 3-5)" in text
    assert "panic 1 (iteration 5)" in text
    text = text_of(drive, 3)
    assert "edited by hand before this iteration: base_spread_bps 0.53 -> 0.9" in text
    assert "edited by hand during this iteration: concurrency_limit 2 -> 3" in text
    assert "no evidence: shared: an edit by hand moved something as well; base_spread_" in text


def test_clipped_and_refused_moves() -> None:
    drive = lane()
    drive.step(proposer=proposing("MINE", tail_age_ms=500.0, vip_tilt_cap=0.19))
    drive.step(proposer=proposing("MINE", tail_age_ms=200.0))
    text = story(drive)
    assert "1 600 -> 900 MINE (pytest_soak_propose), CLIPPED +300 by velocity" in text
    assert "velocity tail_age_ms 1 1 CLIPPED" in text
    assert "cooldown tail_age_ms 1 2 SKIPPED" in text
    assert "CLIPPED +300 of +500, 600 -> 900 by velocity: 300 of 300 per hour left" in text_of(
        drive, 1
    )


def test_a_parameter_that_was_always_refused_names_the_guard() -> None:
    drive = lane(iterations=4)
    drive.steps(3, edge_report(slippage=3.0))  # the evidence of SLIPPAGE is six iterations
    drive.step(proposer=proposing(inventory_tilt_cap=0.01))
    text = story(drive)
    refused = "no request was applied: SKIPPED by late once (iteration 4)"
    assert f"inventory_tilt_cap 0.3 {refused}" in text
    assert "slippage_penalty_coef 0 not requested by SLIPPAGE (SLIPPAGE waited 3 times)" in text


def test_a_dry_run_and_a_tuner_that_is_off() -> None:
    dry = lane(dry_run=True)
    dry.steps(2, edge_report(maker=0.7))
    assert "mode dry run: what is decided is recorded, nothing is applied" in story(dry)
    assert "dry run; MAKER_BOOST would have moved it in iterations 1-2" in story(dry)
    assert "changed nothing; without the dry run: base_spread_bps 0.5 -> 0.515" in text_of(dry, 2)
    assert "APPLIED +0.015, 0.5 -> 0.515 (dry run: not applied)" in text_of(dry, 2)
    off = lane(tune=False)
    off.steps(3, edge_report(net=1.0))
    assert "min_interval_ms 50: the tuner was off" in story(off)
    assert "Rules not used the tuner is off" in text_of(off, 3)
    assert "Panic would revert to steady_safe" in text_of(off, 3)
    assert "pause" not in text_of(off, 3).partition("Panic would")[2]


def test_a_long_story_keeps_its_ends_and_every_panic() -> None:
    drive = lane(iterations=200)
    for number in range(1, 151):
        rule = "UP" if number % 2 else "ON"
        poor = number in (80, 81, 82)
        drive.step(edge_report(net=1.0 if poor else 3.0), mine(1.0, rule=rule))
    text = explain_run(drive.entries)
    assert len(text.splitlines()) < 110
    flat = " ".join(text.split())
    assert "9-81 608 -> 681 73 changes: UP (pytest_soak_propose) 37, ON (pytest_" in flat
    assert "82 681 -> 700 PANIC: reverted to steady_safe" in flat
    assert "effect: no evidence 73" in flat
    block = text.partition("\ntail_age_ms  600 -> 764 ms, 146 changes\n")[2].partition("\n\n")[0]
    ways = re.findall(r"^  \S+ +(\S+) -> (\S+)  ", block, re.MULTILINE)
    assert len(ways) == 8 + 1 + 1 + 1 + 12
    assert (ways[0][0], ways[-1][1]) == ("600", "764")
    assert all(left[1] == right[0] for left, right in pairwise(ways))


# -- other proposers, and lanes that ended early -------------------------------------------------


def test_a_users_proposer_is_named() -> None:
    drive = lane()
    drive.step(proposer=mine(25.0))
    drive.step(proposer=mine(25.0, rule=""))
    drive.step(edge_report(net=None), mine(25.0))
    text = text_of(drive, 1)
    assert "Rules not used pytest_soak_propose proposed instead, as MINE" in text
    assert "tail_age_ms 600 ms requested MINE +25 (based on net_bps) headroom -300" in text
    assert "proposed instead, without a rule name" in text_of(drive, 2)
    assert "requested pytest_soak_propose +25 (based on net_bps)" in text_of(drive, 2)
    assert "answer SKIPPED +25 by nodata: no data of net_bps" in text_of(drive, 3)
    text = story(drive)
    assert "proposer pytest_soak_propose in place of the rules in iterations 1-3" in text
    assert "1 600 -> 625 MINE (pytest_soak_propose), APPLIED +25 based on net_bps 3" in text
    assert (
        "vip_tilt_cap 0, replace_rate_per_min 400, concurrency_limit 2, min_interval_ms 50: "
        in (text)
    )
    assert ": pytest_soak_propose never proposed it" in text


def test_a_rules_name_in_a_users_proposal_is_no_rule() -> None:
    """A proposal may not claim it, and ``explain`` shows no rule for it."""
    drive = lane()
    drive.step(edge_report(maker=0.9), mine(25.0, rule="MAKER_BOOST"))
    assert "note the rule name MAKER_BOOST is reserved" in text_of(drive, 1)
    assert "proposed instead, without a rule name" in text_of(drive, 1)
    assert "pytest_soak_propose, APPLIED +25 based on net_bps 3" in story(drive)


def test_a_proposer_that_fails_or_is_silent() -> None:
    def fails(*_: Any) -> Requested:
        raise RuntimeError("no\x1b[31m luck")

    drive = lane()
    drive.step(edge_report(maker=0.7), fails)
    drive.step(edge_report(maker=0.7), lambda *_: Requested())
    text = text_of(drive, 1)
    assert "not used pytest_soak_propose was called instead and failed, so nothing" in text
    assert "note the proposer failed: RuntimeError" in text
    assert "was called instead and proposed nothing" in text_of(drive, 2)
    assert "note the proposer failed: RuntimeError" in story(drive)
    assert "in place of the rules in iterations 1-2" in story(drive)
    quiet = lane()
    quiet.step(proposer=fails)
    assert "failed, so nothing is proposed" in text_of(quiet, 1), "no rule requests anything"


HOSTILE: tuple[Any, ...] = (
    {"\x1b[2J\x07": 1.0, "a\nb\r": math.nan, "k" * 500: 1e308, "tail_age_ms": "\x1b]0;x\x07" * 99},
    {f"key-{number}": math.inf for number in range(200)},
    {"tail_age_ms": {"delta": -1e308, "rule": "R\x00\n" * 300, "kpis": ["\x9b1m", "net_bps"]}},
    {"vip_tilt_cap": {"delta": 0.01, "rule": "\u202e" + "x" * 200}},
)


@pytest.mark.parametrize("answer", HOSTILE, ids=("keys", "many", "rule", "applied"))
def test_hostile_words_fit_the_terminal_and_do_not_steer_it(answer: Any) -> None:
    drive = lane()
    for _ in range(3):
        drive.step(proposer=lambda state, readings, headroom: requested_from(answer, headroom))
    moment = moment_of(drive.entries, 2)
    assert moment is not None
    assert moment.decision is not None
    assert moment.decision.outcomes
    for text in (explain_run(drive.entries), explain_iteration(moment)):
        lines = text.split("\n")
        assert max(map(len, lines)) <= WIDTH
        assert all(line.isprintable() for line in lines)
        assert len(lines) < 900


def test_a_lane_that_halted_or_was_cut_off() -> None:
    drive = lane()
    assert "lane: 0 of 100 iterations" in story(drive)
    drive.step(edge_report(maker=0.7))
    assert moment(drive, 1).in_force
    drive.observe(edge_report(maker=0.7))
    undecided = "none yet: the session ended before it; --soak-resume makes it"
    assert f"decision {undecided}" in text_of(drive, 2)
    assert "FIRES MAKER_BOOST" in text_of(drive, 2)
    assert "Parameters" not in text_of(drive, 2)
    drive.intend()
    assert "not confirmed in the runtime file yet: --soak-resume completes" in text_of(drive, 2)
    drive.halt(Halt(2, "write", "disk full"))
    assert not moment(drive, 2).in_force
    assert "unfinished the change after iteration 2 is not confirmed in the file" in story(drive)
    drive.edit(vip_tilt_cap=0.1)
    assert "in force from iteration 3" in text_of(drive, 2)
    assert "3 0 -> 0.1 EXTERNAL: edited by hand before iteration 3" in story(drive)
    drive.halt(Halt(3, "error", "ValueError: no feed"))
    assert "halted at iteration 3 (error): ValueError: no feed" in story(drive)
    assert moment_of(drive.entries, 3) is None
    assert moment_of(drive.entries, 0) is None
    drive.observe()
    drive.halt(Halt(3, "error", "RuntimeError: a hook"))
    assert "decision none: the lane halted (error): RuntimeError: a hook" in text_of(drive, 3)
    drive.settle(nothing)
    assert moment(drive, 3).in_force, "it changed nothing"


def test_the_page_shows_what_the_command_prints() -> None:
    drive = lane(iterations=24)
    drive.steps(4, edge_report(maker=0.7, risk=0.37))
    drive.edit(replace_rate_per_min=300.0)
    drive.steps(3, edge_report(maker=0.7, risk=0.37, adverse=3.6))
    drive.steps(3, edge_report(maker=0.7, risk=0.37, adverse=3.6, p95=342.0))
    drive.steps(3, edge_report(net=1.0))
    printed = explain_run(drive.entries) + explain_iteration(moment(drive, 10))
    page = (Path(__file__).parents[3] / "docs" / "explain.md").read_text("utf-8")
    shown = [line for block in page.split("```")[3::2] for line in block.splitlines() if line]
    assert len(shown) > 20
    assert [line for line in shown if line not in printed.splitlines()] == []


# -- lines ---------------------------------------------------------------------------------------


def test_a_figure_has_the_digits_that_show_its_side() -> None:
    assert reading(0.71234) == "0.712"
    assert reading(329.96123, Comparison(">=", 330.0)) == "329.96"
    assert reading(339.9991, Comparison(">=", 330.0, margin=10.0)) == "339.999"
    assert reading(17999.6) == "18000"
    assert reading(None) == "no data"
    below = math.nextafter(0.4, 0.0)
    assert float(reading(below, Comparison("<", 0.4))) == below
    rng = random.Random(5)
    for _ in range(2000):
        limit = rng.choice([0.4, 2.7, 330.0, 1e6])
        value = limit * (1 + rng.gauss(0, 10.0 ** -rng.randrange(1, 17)))
        for op in ("<", "<=", ">", ">="):
            comparison = Comparison(op, limit)
            shown = float(reading(value, comparison))
            assert comparison.holds(shown) == comparison.holds(value)


def test_spans_and_labels() -> None:
    assert spans([3, 1, 2, 7, 9, 10]) == "1-3, 7, 9-10"
    assert spans(range(1, 40, 2)) == "1, 3, 5, 7, 9 .. 39"
    assert labelled("a", "b") == ["  a                 b"]
    kept_together = kept("a b " * 30 + "c")
    assert labelled("x", f"{kept_together} d", column=8) == [
        "  x     " + "a b " * 22 + "a b",
        "        " + "a b " * 7 + "c d",
    ]
    assert labelled("long" * 6, "b", column=8) == ["  " + "long" * 6, "        b"]
    assert len(plain("x" * 1000)) == len(plain("x" * 9999)) < 500
    assert plain("a\r\nb\x1b[0m\t") == "a b\\x1b[0m\\t"


def test_figures_are_shown_as_what_they_are() -> None:
    assert list(map(change, (-0.0, 0.1, "5", "NaN"))) == ["+0", "+0.1", '"5"', "NaN"]
    assert list(map(difference, (-1419.3, 999.4, -0.0784))) == ["-1419", "+999", "-0.0784"]


def test_what_a_run_had_no_data_of_and_what_scenarios_fired_is_in_its_header() -> None:
    drive = lane(iterations=4)
    fired = {"name": "latency_spike", "started_s": 10.0, "ended_s": 40.0}
    drive.step(edge_report(risk=None))
    drive.step(edge_report(scenarios=[fired]))
    drive.step(edge_report(risk=None))
    text = story(drive)
    assert "no data risk_ratio twice (iterations 1, 3)" in text
    assert "scenario latency_spike (iteration 2)" in text


def test_a_run_that_decided_nothing_says_so() -> None:
    drive = lane()
    assert ": there is no decision yet" in story(drive)


def test_the_end_of_a_parameter_is_that_of_its_last_change_in_an_unfinished_run_too() -> None:
    drive = lane()
    drive.step(edge_report(maker=0.7))
    drive.observe(edge_report(maker=0.7))
    drive.intend()
    assert "base_spread_bps 0.5 -> 0.53 bps, 2 changes 1-2 0.5 -> 0.53" in story(drive)
