"""How far a session is, followed by the ids of its items, with a clock of the test."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from pytest_soak.loop.model import Verdict
from pytest_soak.session.advance import Advance, Clocks, end_text
from pytest_soak.session.waiting import Waiting
from tests.unit.session.plans import plan_of

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Session:
    """Items that run when the test says so."""

    def __init__(
        self,
        planned: int = 4,
        *lanes: str,
        done: int = 0,
        workers: int = 1,
        checks: int = 1,
        target: str = "conftest",
        interval_s: float = 300.0,
    ) -> None:
        self.now_s = 100.0
        self.plan = plan_of(planned, *lanes, done=done, target=target, interval_s=interval_s)
        self.checks = checks
        ids = [
            self.item(item.lane.id, number, check)
            for item in self.plan.lanes
            for number in range(done + 1, planned + 1)
            for check in range(checks)
        ]
        clocks = Clocks(lambda: self.now_s, lambda: NOON)
        self.advance = Advance(self.plan, ids, workers, clocks)

    @staticmethod
    def item(lane: str, number: int, check: int = 0) -> str:
        return f"test_bot.py::test_{check}[{lane}/{number:04d}]"

    def run(self, number: int, seconds: float, lane: str = "a", **progress: Any) -> None:
        """A whole iteration."""
        self.begin(number, lane)
        self.now_s += seconds
        self.end(number, lane, **progress)

    def eta_s(self) -> float | None:
        return self.advance.eta_s

    def begin(self, number: int, lane: str = "a") -> None:
        self.advance.start(self.item(lane, number))

    def end(self, number: int, lane: str = "a", **progress: Any) -> None:
        for check in range(self.checks):
            nodeid = self.item(lane, number, check)
            self.advance.start(nodeid)
            for when in ("setup", "call", "teardown"):
                given = {"lane": lane, "verdict": "PASS", **progress}
                self.advance.report(nodeid, when, "passed", given)


def test_figures_count_iterations_not_items() -> None:
    session = Session(4, checks=3)
    assert (session.advance.passed, session.advance.planned) == (0, 4)
    session.begin(1)
    session.advance.report(session.item("a", 1, 0), "call", "passed", None)
    assert session.advance.passed == 0
    session.end(1)
    assert session.advance.passed == 1
    for number in (2, 3, 4):
        session.run(number, 1.0)
    assert session.advance.passed == 4


def test_skipped_iterations_are_passed_but_have_no_verdict() -> None:
    session = Session(3)
    session.run(1, 1.0)
    for number in (2, 3):
        session.begin(number)
        for when, outcome in (("setup", "skipped"), ("teardown", "passed")):
            session.advance.report(session.item("a", number), when, outcome, None)
    assert session.advance.passed == 3
    assert session.advance.status().verdicts == {Verdict.PASS: 1}


def test_the_eta_goes_down_while_an_iteration_runs() -> None:
    session = Session(10)
    assert session.eta_s() is None
    session.run(1, 50.0)
    assert session.eta_s() == 450.0
    session.run(2, 10.0)
    assert session.eta_s() == 80.0  # the first one had the start in it
    session.begin(3)
    session.now_s += 4.0
    assert session.eta_s() == 76.0
    session.now_s += 100.0
    assert session.eta_s() == 70.0  # the others take as long as before
    status = session.advance.status()
    assert (status.running, status.running_s) == ((("a", 3),), 104.0)
    assert status.end == "12:01"


def test_a_paced_run_has_an_eta_before_its_first_iteration_is_over() -> None:
    session = Session(4, target="live", interval_s=300.0)
    assert session.eta_s() == 1200.0
    assert session.advance.status().interval_s == 300.0
    session.run(1, 320.0)
    assert session.eta_s() == 900.0
    session.run(2, 310.0)
    assert session.eta_s() == 620.0
    assert Session(4, target="live", interval_s=0.2).advance.eta_s is None


def test_lanes_one_after_the_other_and_at_the_same_time() -> None:
    for workers, eta in ((1, 50.0), (2, 30.0), (3, 20.0), (8, 20.0)):
        session = Session(2, "a", "b", "c", workers=workers)
        session.run(1, 10.0, lane="b")
        assert session.eta_s() == eta
    status = session.advance.status()
    assert (status.done, status.planned, status.lanes, status.lanes_done) == (1, 6, 3, 0)
    session.begin(2, "b")
    assert session.advance.status().lane_index == 2
    session.end(2, "b")
    assert session.advance.status().lanes_done == 1


def test_a_resumed_run_goes_on_where_it_was() -> None:
    session = Session(10, done=6)
    assert session.advance.planned == 4
    session.run(7, 10.0, kpi="net 3 (>= 2.7)")
    status = session.advance.status()
    assert (status.done, status.planned, status.eta_s) == (7, 10, 30.0)
    assert status.kpi == "net 3 (>= 2.7)"


def test_an_item_of_no_lane_changes_nothing() -> None:
    session = Session(2)
    session.advance.start("soak::gate[a/net_bps]")
    session.advance.start("test_bot.py::test_other")
    session.advance.report("test_bot.py::test_other", "call", "passed", None)
    assert session.advance.status().running == ()
    assert session.advance.lane_of("test_bot.py::test_other") == ""


def test_the_end_of_another_day_has_a_date() -> None:
    assert end_text(NOON, 3600) == "13:00"
    assert end_text(NOON, 12 * 3600) == "2026-03-02 00:00"
    assert end_text(NOON, 1e15) == ""


@pytest.mark.parametrize(
    ("target", "interval_s", "calls", "waits"),
    [
        ("conftest", 300.0, [None], False),
        ("conftest", 300.0, [1.0], True),
        ("conftest", 300.0, [0.99], False),
        ("conftest", 300.0, [9.0, 0.01, 9.0], False),  # it loaded something first
        ("conftest", 300.0, [2.0, 3.0, None], True),
        ("mock", 300.0, [5.0], False),  # a busy machine
        ("replay", 300.0, [5.0], True),
        ("live", 300.0, [None], True),
        ("live", 0.5, [0.5], False),
        ("live", 1.0, [0.001], True),
    ],
)
def test_a_run_waits_by_its_target_or_by_its_calls(
    target: str, interval_s: float, calls: list[float | None], waits: bool
) -> None:
    waiting = Waiting(plan_of(4, done=0, target=target, interval_s=interval_s))
    assert [waiting.is_waiting(call) for call in calls][-1] is waits
