"""The view of a lane: columns, steps, spans, events, gate rows."""

from __future__ import annotations

import json
from typing import Any, get_args

import msgspec
import pytest

from pytest_soak.loop.model import Halt, Verdict
from pytest_soak.profile.scenarios import Scheduled
from pytest_soak.report.view.build import LaneTimes, PlannedLane, run_view
from pytest_soak.report.view.model import EVENT_KINDS, EventKind, from_json, schema, to_json
from tests.unit.loop.lanes import Drive, edge_report, nothing, proposing
from tests.unit.report.view.viewing import ABOUT, events, lane_of, run_of, spans

STABLE = edge_report(risk=0.3, maker=0.82)


def test_columns_have_one_entry_per_measured_iteration() -> None:
    drive = Drive()
    drive.step(edge_report(net=3.0))
    drive.step(edge_report(net=None))
    drive.step(edge_report(net=-1.0))
    drive.observe(edge_report(net=9.0))  # not decided yet
    lane = lane_of(drive)
    assert lane.iterations.numbers == (1, 2, 3)
    assert lane.measured == 3
    assert lane.planned == 100
    values = {kpi.name: kpi.values for kpi in lane.kpis}
    assert values["net_bps"] == (3.0, None, -1.0)
    assert lane.iterations.verdicts[0] == "PASS"
    assert lane.iterations.verdicts[2] == "FAIL"
    assert lane.iterations.reasons[0] == ""
    assert lane.iterations.reasons[2].startswith("net_bps -1")


def test_gated_kpis_come_first_with_limit_and_window() -> None:
    drive = Drive()
    drive.steps(24)
    kpis = lane_of(drive).kpis
    assert [kpi.name for kpi in kpis[:4]] == [
        item.kpi for item in drive.state.profile.gate.criteria
    ]
    assert all(kpi.gated and kpi.limit is not None for kpi in kpis[:4])
    assert not any(kpi.gated or kpi.limit is not None for kpi in kpis[4:])
    p95 = next(kpi for kpi in kpis if kpi.name == "p95_latency_ms")
    assert p95.limit is not None
    assert (p95.limit.text, p95.limit.value, p95.limit.upper) == ("<= 340", 340.0, True)
    assert p95.unit == "ms"
    assert p95.window is not None
    assert (p95.window.first, p95.window.last, p95.window.figure) == (17, 24, 310.0)


def test_mock_limits_are_those_of_the_view() -> None:
    drive = Drive(mock=True)
    drive.step()
    lane = lane_of(drive)
    assert lane.limits == "mock"
    assert next(kpi for kpi in lane.kpis if kpi.name == "maker_taker_ratio").limit is not None


def test_steps_name_who_moved_a_parameter_and_when() -> None:
    drive = Drive()
    drive.move("MINE", base_spread_bps=0.02)
    drive.edit(base_spread_bps=0.6)
    drive.step()
    lane = lane_of(drive)
    steps = {item.key: item.steps for item in lane.parameters}["base_spread_bps"]
    assert [(step.iteration, step.value, step.by) for step in steps] == [
        (1, 0.5, "start"),
        (2, 0.52, "MINE"),
        (2, 0.6, "EXTERNAL"),
    ]
    assert [step.value for step in {p.key: p.steps for p in lane.parameters}["tail_age_ms"]] == [
        drive.state.start_values["tail_age_ms"]
    ]
    assert lane.iterations.moved == (1, 0)


def test_a_proposer_without_a_rule_has_a_name_of_its_own() -> None:
    drive = Drive()
    drive.move("", base_spread_bps=0.02)
    (parameter,) = [item for item in lane_of(drive).parameters if len(item.steps) > 1]
    assert parameter.steps[1].by == "proposer"


def test_an_edit_pins_its_key_until_the_end() -> None:
    drive = Drive()
    drive.step()
    drive.edit(base_spread_bps=0.6)
    drive.steps(3)
    lane = lane_of(drive)
    assert spans(lane, "pinned") == [(2, 4, ("base_spread_bps",), "")]
    (edit,) = events(lane, "edit")
    assert (edit.iteration, edit.text) == (2, "edited by hand: base_spread_bps 0.5 → 0.6")
    assert edit.keys == ("base_spread_bps",)


def test_freeze_and_cooldown_are_spans() -> None:
    drive = Drive()
    for _ in range(2):
        drive.step(STABLE, nothing)
    drive.step(STABLE, proposing(replace_rate_per_min=-60, inventory_tilt_cap=0.1))
    drive.steps(6, STABLE)
    lane, timers = lane_of(drive), drive.state.timers
    freeze = drive.state.profile.guards.freeze
    assert freeze is not None
    assert timers.cooldown_until >= 4
    assert spans(lane, "cooldown") == [(4, timers.cooldown_until, (), "")]
    first, last, keys, _ = spans(lane, "frozen")[0]
    assert (first, keys) == (3, freeze.keys)
    assert last > first


def test_a_panic_is_an_event_a_pause_and_a_step() -> None:
    drive = Drive()
    drive.move("MINE", base_spread_bps=0.02)
    while not any(item.panic for item in drive.decisions):
        drive.step(edge_report(net=-5.0))
    number = drive.decisions[-1].iteration
    drive.steps(2)
    lane = lane_of(drive)
    (panic,) = events(lane, "panic")
    assert panic.iteration == number
    assert "reverted" in panic.text
    assert spans(lane, "paused")[0][0] == number + 1
    by = {step.by for item in lane.parameters for step in item.steps}
    assert "PANIC" in by


def test_refusals_name_guard_and_keys() -> None:
    drive = Drive()
    drive.move("MINE", base_spread_bps=1e9, tail_age_ms="x")
    lane = lane_of(drive)
    texts = [event.text for event in events(lane, "refusal")]
    assert any(text.startswith("invalid: refused tail_age_ms") for text in texts)
    assert lane.iterations.refused[0] == 2
    assert lane.outcomes.skipped + lane.outcomes.clipped == 2
    assert dict(lane.outcomes.by_guard)["invalid"] == 1


def test_a_rule_that_moved_nothing_is_a_refusal_only() -> None:
    drive = Drive()
    drive.move("MINE", tail_age_ms="x")
    assert events(lane_of(drive), "rule") == []


def test_faults_restarts_scenarios_checks_and_halts_are_events() -> None:
    scenario = Scheduled(
        "crash", at=2, after_s=0.0, for_s=60.0, strength=1.0, gate="exclude", recovers_within=None
    )
    drive = Drive(scenarios=(scenario,))
    drive.observe(edge_report(fault="no_report", restarts={"bot": 2}))
    drive.check({}, ("test_a.py::test_b",))
    drive.settle()
    fired = [{"name": "crash", "started_s": 1.0, "ended_s": 9.5}]
    drive.step(edge_report(scenarios=fired))
    drive.halt(Halt(3, "error", "it broke"))
    drive.step()
    lane = lane_of(drive)
    texts = {event.kind: (event.iteration, event.text) for event in lane.events}
    assert texts["fault"] == (1, "fault: no_report")
    assert texts["restart"] == (1, "bot ended and was started again: 2")
    assert texts["check"] == (1, "failed: test_a.py::test_b")
    assert texts["scenario"] == (2, "scenario crash, 1 to 9.5 s")
    assert texts["halt"] == (3, "the lane halted (error): it broke")
    assert texts["resume"] == (3, "resumed after its halt")
    assert spans(lane, "scenario") == [(2, 2, (), "crash")]
    assert spans(lane, "excluded")[0][3] == "crash"


def test_the_end_of_data_and_a_longer_plan_are_events() -> None:
    drive = Drive(iterations=2)
    drive.step()
    drive.halt(Halt(2, "end_of_data", "the file ends"))
    drive.plan(5)
    lane = lane_of(drive)
    assert [(event.kind, event.text) for event in lane.events] == [
        ("end_of_data", "the data ended: the file ends"),
        ("resume", "resumed with 5 planned iterations"),
    ]


def test_gate_rows_have_limits_as_numbers() -> None:
    drive = Drive(iterations=24)
    drive.steps(24)
    lane = lane_of(drive)
    rows = {row.criterion: row for row in lane.gate}
    p95 = rows["p95_latency_ms"]
    assert (p95.limit_value, p95.upper, p95.unit, p95.value) == (340.0, True, "ms", 310.0)
    assert p95.margin == 30.0
    assert p95.bound == p95.high
    net = rows["net_bps"]
    assert not net.upper
    assert net.bound == net.low
    assert lane.verdict == run_of(drive).verdict
    assert lane.judged == 24
    assert lane.why


def test_a_lane_that_was_not_judged_has_no_verdict() -> None:
    drive = Drive()
    drive.step()
    run = run_of(drive, judged=False)
    assert run.verdict is None
    assert run.lanes[0].gate == ()
    assert all(kpi.window is None for kpi in run.lanes[0].kpis)
    assert run.lanes[0].kpis[0].limit is not None


def test_a_planned_lane_has_no_columns() -> None:
    planned = PlannedLane("steady-A-1", "steady", "A", 1, 300.0, "mock", 24)
    (lane,) = run_view(ABOUT, [planned]).lanes
    assert (lane.state, lane.measured, lane.planned, lane.kpis) == ("planned", 0, 24, ())


def test_seconds_are_null_where_they_were_not_recorded() -> None:
    drive = Drive()
    drive.steps(3)
    times = LaneTimes({2: 1.5}, "2026-11-29T12:10:00+00:00", 30.0)
    (lane,) = run_of(drive, times=times).lanes
    assert lane.iterations.seconds == (None, 1.5, None)
    assert (lane.last_utc, lane.eta_s) == ("2026-11-29T12:10:00+00:00", 30.0)


@pytest.mark.parametrize("verdict", list(Verdict))
def test_json_gives_the_view_again(verdict: Verdict) -> None:
    drive = Drive()
    drive.move("MINE", base_spread_bps=0.02)
    drive.steps(9, edge_report(net={"PASS": 3.0, "WARN": 2.4}.get(verdict, -1.0)))
    run = run_of(drive)
    assert from_json(to_json(run)) == run
    assert json.loads(to_json(run))["schema"] == 1


def test_the_schema_refuses_another_type() -> None:
    drive = Drive()
    drive.step()
    whole: dict[str, Any] = json.loads(to_json(run_of(drive)))
    whole["lanes"][0]["state"] = "sleeping"
    with pytest.raises(msgspec.ValidationError, match="sleeping"):
        from_json(json.dumps(whole).encode())
    definitions = schema()["$defs"]
    assert set(definitions["LaneView"]["required"]) <= set(whole["lanes"][0])


def test_every_kind_of_event_has_its_place() -> None:
    assert sorted(EVENT_KINDS) == sorted(get_args(EventKind))


def test_texts_are_one_clean_line() -> None:
    drive = Drive()
    hostile = "a\x1b[31m\nb" + "x" * 10_000
    drive.observe(edge_report(fault=hostile))
    drive.settle(proposing(hostile, base_spread_bps=0.02))
    lane = lane_of(drive)
    for event in lane.events:
        assert "\x1b" not in event.text
        assert "\n" not in event.text
        assert len(event.text) <= 300
    (parameter,) = [item for item in lane.parameters if len(item.steps) > 1]
    assert len(parameter.steps[1].by) <= 80
