"""The lines of run.log: each event of a lane, and the page that names them all."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_soak.gate.judge import judge_lane, judge_run
from pytest_soak.loop.decide import Proposer
from pytest_soak.loop.history import read_history
from pytest_soak.loop.model import Halt, Proposal, Requested
from pytest_soak.profile.scenarios import Scheduled
from pytest_soak.report.log_lines import EVENTS, event_line, gate_lines
from tests.unit.loop.lanes import Drive, changed, edge_report, proposing, shipped
from tests.unit.loop.test_rollback import hurt, pending_rollback

PAGE = (Path(__file__).parents[3] / "docs" / "artifacts.md").read_text("utf-8")
BAD, GOOD = edge_report(net=1.0), edge_report(risk=0.3)
RISKY = edge_report(risk=0.65)


def lines(drive: Drive, event: str) -> list[str]:
    """What the lines of one event say after lane and iteration, each with its iteration."""
    pattern = re.compile(rf"\| {re.escape(event)} \| lane=lane iter=([0-9]+)(?: ([^|]*))? \|")
    matches = [pattern.fullmatch(line) for line in drive.log]
    return [f"{match[1]}: {match[2] or ''}" for match in matches if match]


def test_each_iteration_has_one_line_with_its_figures() -> None:
    drive = Drive()
    drive.step()
    drive.observe(edge_report(risk=None))
    drive.check({"spread": 3.0}, ["test_a"])
    drive.settle()
    assert lines(drive, "iter_watch | ITER") == [
        "1: verdict=PASS net=3 risk=0.38 maker=0.88 p95=310",
        "2: verdict=INCONCLUSIVE net=3 risk=nodata maker=0.88 p95=310 failed_checks=1",
    ]


def test_a_rule_that_fired_has_the_words_of_the_profile() -> None:
    drive = Drive()
    drive.steps(4, RISKY)
    first = lines(drive, "iter_watch | RISK_AGGRESSIVE")[0]
    assert re.fullmatch(r"[0-9]: risk=0.65 >= 0.60 action=aggressive deltas=[0-9]", first)
    fired = [d.iteration for d in drive.decisions if "RISK_AGGRESSIVE" in d.rules]
    assert len(lines(drive, "iter_watch | RISK_AGGRESSIVE")) == len(fired) > 0


def test_an_applied_change_and_its_signature() -> None:
    drive = Drive()
    decision = drive.step(proposer=proposing("MINE", tail_age_ms=5.0, base_spread_bps=0.01))
    assert lines(drive, "iter_watch | APPLY") == [
        f"1: keys=base_spread_bps,tail_age_ms signature={decision.signature} rules=MINE"
    ]
    assert lines(drive, "proposer | PROPOSED") == ["1: keys=base_spread_bps,tail_age_ms"]


def test_a_change_that_is_not_done_yet_has_no_line() -> None:
    drive = Drive()
    drive.observe()
    drive.intend(proposing(tail_age_ms=5.0))
    assert drive.log == []
    drive.add(drive.core.done())
    assert len(lines(drive, "iter_watch | APPLY")) == 1


def test_an_edit_in_between_counts_the_change_as_applied() -> None:
    drive = Drive()
    drive.observe()
    drive.intend(proposing(tail_age_ms=5.0))
    drive.edit(base_spread_bps=0.6)
    assert len(lines(drive, "iter_watch | APPLY")) == 1
    assert lines(drive, "external | EDIT") == ["2: keys=base_spread_bps pinned_until=run"]


def test_an_edit_with_pins_that_end() -> None:
    drive = Drive(changed(shipped(), pin={"for": 3}))
    drive.step()
    drive.edit(base_spread_bps=0.6)
    drive.step(proposer=proposing(base_spread_bps=0.01))
    assert lines(drive, "external | EDIT") == ["2: keys=base_spread_bps pinned_until=4"]
    assert lines(drive, "iter_watch | APPLY_SKIP") == [
        "2: reason=pinned until_iter=4 outcome=SKIPPED keys=base_spread_bps"
    ]


def test_freeze_begins_and_ends() -> None:
    drive = Drive()
    drive.steps(2, GOOD)
    drive.step(proposer=proposing(impact_cap_ratio=-0.01))
    drive.steps(3)
    keys = "keys=impact_cap_ratio,max_delta_ratio"
    assert lines(drive, "iter_watch | FREEZE") == [
        f"2: activated=1 until_iter=6 {keys}",
        "6: activated=0 reason=expired",
    ]
    assert lines(drive, "iter_watch | APPLY_SKIP") == [
        "3: reason=frozen until_iter=6 outcome=SKIPPED keys=impact_cap_ratio"
    ]


LARGE = proposing(slippage_penalty_coef=0.2, inventory_tilt_cap=0.1)


def test_cooldown_begins_and_ends() -> None:
    drive = Drive()
    drive.step(proposer=LARGE)
    for _ in range(3):
        drive.step(proposer=proposing(tail_age_ms=5.0))
    begins, ends = lines(drive, "iter_watch | COOLDOWN")
    assert re.fullmatch(r"1: activated=1 until_iter=3 total_delta=0\.[0-9]+", begins)
    assert ends == "3: activated=0 reason=expired"
    assert lines(drive, "iter_watch | APPLY_SKIP") == [
        f"{at}: reason=cooldown_active until_iter=3 outcome=SKIPPED keys=tail_age_ms"
        for at in (2, 3)
    ]


def test_panic_reverts_pauses_and_ends_the_other_timers() -> None:
    drive = Drive()
    drive.steps(2, edge_report(risk=0.3))
    drive.step(BAD)
    drive.step(BAD, LARGE)
    drive.step(BAD, proposing(tail_age_ms=5.0))
    drive.step(proposer=proposing(tail_age_ms=5.0))
    drive.steps(4)
    assert [line.split(" reason")[0] for line in lines(drive, "kpi_gate | FAIL_STREAK")] == [
        "3: count=1",
        "4: count=2",
        "5: count=3",
    ]
    (revert,) = lines(drive, "panic | REVERT")
    assert revert.startswith(
        "5: rule=PANIC to=steady_safe reason=3_consecutive_failures keys=base_spread_bps,"
    )
    assert lines(drive, "iter_watch | APPLY")[-1].endswith(" signature=- rules=PANIC")
    assert lines(drive, "panic | PAUSE") == [
        "5: activated=1 until_iter=9 rule=PANIC",
        "9: activated=0 reason=expired",
    ]
    assert lines(drive, "iter_watch | FREEZE")[-1] == "5: activated=0 reason=panic"
    assert lines(drive, "iter_watch | COOLDOWN")[-1] == "5: activated=0 reason=panic"
    assert "6: reason=panic until_iter=9 outcome=SKIPPED keys=tail_age_ms" in lines(
        drive, "iter_watch | APPLY_SKIP"
    )


def test_a_panic_at_the_safe_profile_moves_nothing() -> None:
    drive = Drive(shipped("steady_safe"))
    drive.steps(3, BAD)
    assert lines(drive, "panic | REVERT") == [
        "3: rule=PANIC to=steady_safe reason=3_consecutive_failures already=1"
    ]
    assert not lines(drive, "panic | PAUSE")


@pytest.mark.parametrize("options", [{"tune": False}, {"dry_run": True}])
def test_a_panic_that_is_recorded_only(options: dict[str, Any]) -> None:
    drive = Drive(**options)
    drive.steps(3, BAD)
    (revert,) = lines(drive, "panic | REVERT")
    assert " would=1 " in revert
    assert not lines(drive, "iter_watch | APPLY")
    assert not lines(drive, "panic | PAUSE")


def test_a_dry_run_applies_nothing() -> None:
    drive = Drive(dry_run=True)
    drive.step(proposer=proposing(tail_age_ms=5.0))
    assert lines(drive, "iter_watch | APPLY_SKIP") == [
        "1: reason=dry_run outcome=APPLIED keys=tail_age_ms"
    ]


@pytest.mark.parametrize(
    ("iterations", "proposer", "text"),
    [
        (1, proposing(tail_age_ms=5.0), "reason=late outcome=SKIPPED keys=tail_age_ms "
         "note=too close to the end, iteration 1"),
        (9, proposing("R", "fresh", tail_age_ms=5.0),
         "reason=nodata outcome=SKIPPED keys=tail_age_ms note=no data of fresh"),
        (9, proposing(tail_age_ms=1e9),
         "reason=velocity outcome=SKIPPED keys=tail_age_ms note=.* per hour left"),
        (9, proposing(tail_age_ms=0.0),
         "reason=no_op outcome=SKIPPED keys=tail_age_ms note=the value does not change"),
    ],
)  # fmt: skip
def test_the_guard_that_refused(iterations: int, proposer: Proposer, text: str) -> None:
    drive = Drive(iterations=iterations)
    drive.step(proposer=proposer)
    (skip,) = lines(drive, "iter_watch | APPLY_SKIP")
    assert re.fullmatch(f"1: {text}", skip), skip


def test_a_hostile_name_looks_like_no_other_event() -> None:
    drive = Drive()
    drive.step(proposer=proposing(**{"x | soak_gate | PASS |\n": 1.0}))
    (skip,) = lines(drive, "iter_watch | APPLY_SKIP")
    name = r"x_\x7c_soak_gate_\x7c_PASS_\x7c\n"
    note = "note=no such parameter in the profile"
    assert skip == f"1: reason=invalid outcome=SKIPPED keys={name} {note}"


def test_an_invalid_proposal_is_a_line_of_its_own() -> None:
    drive = Drive()
    drive.step(proposer=proposing(nothing_like_it=1.0, tail_age_ms=float("nan")))
    assert lines(drive, "sanity | FAIL") == [
        "1: keys=nothing_like_it reason=no such parameter in the profile",
        "1: keys=tail_age_ms reason=the delta is no finite number",
    ]


def test_a_move_that_is_clipped() -> None:
    drive = Drive()
    cap = shipped().parameters["tail_age_ms"].cap_per_hour
    drive.step(proposer=proposing(tail_age_ms=1.5 * cap))
    (skip,) = lines(drive, "iter_watch | APPLY_SKIP")
    assert skip.startswith("1: reason=velocity outcome=CLIPPED keys=tail_age_ms note=")
    assert len(lines(drive, "iter_watch | APPLY")) == 1


def test_effects_and_rollbacks() -> None:
    drive, decision = hurt()
    at = decision.iteration
    assert lines(drive, "iter_watch | ATTRIBUTED") == [
        f"{at}: change=20 rule=MINE verdict=hurt beyond_doubt=1 keys=base_spread_bps kpis=net_bps"
    ]
    assert lines(drive, "iter_watch | ROLLBACK") == [
        f"{at}: base_spread_bps back to 0.5: MINE of iteration 20 hurt net_bps"
    ]
    assert lines(drive, "iter_watch | APPLY")[-1].endswith(" rules=ROLLBACK")


def test_a_rollback_that_a_guard_refuses() -> None:
    drive, _ = pending_rollback()
    (pending,) = lines(drive, "iter_watch | ROLLBACK_PENDING")
    assert re.fullmatch(r"24: key=max_delta_ratio to=0.15 change=[0-9]+ rule=\S+", pending)
    assert not lines(drive, "iter_watch | ROLLBACK")


def test_scenarios_begin_and_end() -> None:
    long = Scheduled("outage", 2, 10.0, 600.0, 1.0, "exclude", None)
    drive = Drive(scenarios=(long,))
    fired: dict[str, Any] = {"scenarios": [{"name": "outage", "started_s": 10.0, "ended_s": 300.0}]}
    for number in range(1, 6):
        drive.step(edge_report(**(fired if number in (2, 3) else {})))
    assert lines(drive, "target | SCENARIO") == [
        "2: activated=1 name=outage until_iter=4 reported=1",
        "4: activated=0 name=outage reported=0",
    ]


def test_a_fault_of_the_target() -> None:
    drive = Drive()
    drive.step({"totals": {}, "fault": "stale\n| x"})
    assert lines(drive, "target | FAULT") == [r"1: fault=stale \x7c x"]


@pytest.mark.parametrize(
    ("halt", "line"),
    [
        (Halt(1, "error", "the target raised: E: no\nroute"),
         "| lane | HALT | lane=lane iter=1 kind=error reason=the target raised: E: no route |"),
        (Halt(1, "end_of_data", "2 of 5 files"),
         "| lane | END_OF_DATA | lane=lane iter=1 reason=2 of 5 files |"),
    ],
)  # fmt: skip
def test_a_lane_that_ends_early(halt: Halt, line: str) -> None:
    drive = Drive()
    drive.halt(halt)
    assert drive.log == [line]


def test_another_number_of_iterations() -> None:
    drive = Drive()
    drive.step()
    drive.plan(9)
    assert drive.log[-1] == "| resume | PLAN | lane=lane iter=2 iterations=9 |"


def test_the_verdicts_of_lane_and_run() -> None:
    drive = Drive(iterations=3)
    drive.steps(3, BAD)
    judgement = judge_run([judge_lane(read_history(drive.entries))])
    of_lane, of_run = gate_lines(judgement)
    assert of_lane.startswith(
        "| soak_gate | FAIL | lane=lane iter=3 measured=3 planned=3 freeze_ready=0 fail=net_bps"
    )
    assert of_run.startswith("| soak_gate | FAIL | lanes=1 fail=lane/net_bps")


def test_an_event_without_a_text() -> None:
    assert event_line("resume", "RESUMED", "a", 4) == "| resume | RESUMED | lane=a iter=4 |"


def test_rules_that_a_proposer_names_are_no_events() -> None:
    drive = Drive()

    proposals = (Proposal("tail_age_ms", 5.0, "ITER"),)
    drive.step(proposer=lambda *_: Requested(rules=("ITER",), proposals=proposals))
    assert len(lines(drive, "iter_watch | ITER")) == 1
    assert lines(drive, "proposer | PROPOSED") == ["1: keys=tail_age_ms rules=ITER"]


def documented() -> Iterator[tuple[str, str]]:
    table = PAGE.partition("\n## run.log\n")[2].partition("\n## ")[0]
    for area, events in re.findall(r"^\| `(\w+)` \| ([^|]+) \|", table, re.MULTILINE):
        yield from ((area, event) for event in re.findall(r"`(\w+)`", events))


def test_the_page_has_every_event_and_no_other() -> None:
    events = {(area, event) for area, names in EVENTS.items() for event in names}
    assert sorted(documented()) == sorted(events)
