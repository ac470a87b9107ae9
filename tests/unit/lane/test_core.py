"""A lane in memory: pure steps, whose entries fold to the state that a runner's journal has."""

from __future__ import annotations

import pytest

from pytest_soak.lane.core import LaneCore
from pytest_soak.lane.files import NoFiles
from pytest_soak.lane.run import lane_of
from pytest_soak.lane.runner import LaneRunner
from pytest_soak.loop.entries import Entry, Start, record_of, runtime_of, start_entry
from pytest_soak.loop.fold import fold, started
from pytest_soak.loop.model import Halt
from pytest_soak.targets.mock import make_mock
from tests.unit.loop.lanes import edge_report, proposing, shipped, starts

pytestmark = pytest.mark.smoke


def start(iterations: int = 10, *, mock: bool = False) -> Start:
    profile = shipped()
    lane = lane_of(profile, iterations, 1)
    return start_entry(lane, profile, "mock", starts(profile), mock=mock, tune=True, dry_run=False)


def test_a_step_changes_nothing_until_its_entry_is_taken() -> None:
    core = LaneCore(started(start()))
    before = core.state
    observation = core.observe(edge_report())
    assert core.state is before
    assert before.observed is None
    observed = core.after(observation)
    decision = observed.decide(proposing(tail_age_ms=5.0))
    assert observed.state.intent is None
    intended = observed.after(decision)
    assert intended.state.intent == decision
    assert intended.state.values == before.values
    settled = intended.after(intended.done())
    assert settled.state.values["tail_age_ms"] == 605
    assert (settled.state.done, settled.state.intent) == (1, None)


def test_the_entries_alone_give_the_same_state() -> None:
    core, journal = LaneCore(started(start())), [record_of(start())]

    def take(*lines: Entry) -> None:
        nonlocal core
        journal.extend(map(record_of, lines))
        core = core.after(*lines)

    take(core.observe(edge_report()))
    take(core.check({"own": 1.5}, ("test_bot.py::test_edge",)))
    _, lines = core.complete(proposing(tail_age_ms=5.0))
    take(*lines)
    take(core.edit({**core.state.values, "tail_age_ms": 700.0}))
    take(core.plan(12))
    take(core.observe(edge_report()))
    take(core.halt(Halt(2, "error", "the end")))
    assert fold(journal) == core.state
    assert core.state.iterations == 12
    assert core.state.halt == Halt(2, "error", "the end")


def test_steps_out_of_order_are_refused() -> None:
    core = LaneCore(started(start()))
    with pytest.raises(ValueError, match="no decision is due"):
        core.decide()
    with pytest.raises(ValueError, match="no decision is pending"):
        core.done()
    observed = core.after(core.observe(edge_report()))
    with pytest.raises(ValueError, match="the next iteration to observe"):
        observed.after(observed.observe(edge_report()))


def test_a_runner_without_files_appends_what_the_core_gives() -> None:
    first = start(6, mock=True)
    files = NoFiles(first)
    runner = LaneRunner(LaneCore(started(first)).state.lane, files, make_mock)
    target, core, journal = make_mock(runner.lane), LaneCore(started(first)), [record_of(first)]
    for number in range(1, 7):
        runner.observe(number)
        runner.decide({}, ())
        report = target.run(number, runtime_of(core.state.profile, core.state.values))
        lines: list[Entry] = [core.observe(report)]
        core = core.after(*lines)
        _, decided = core.complete()
        core = core.after(*decided)
        journal += map(record_of, [*lines, *decided])
    assert files.journal == journal
    assert runner.state == core.state
