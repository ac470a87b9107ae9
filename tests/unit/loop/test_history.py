from __future__ import annotations

import pytest

from pytest_soak.loop.entries import EntryError
from pytest_soak.loop.history import read_history
from pytest_soak.loop.model import Halt
from tests.unit.loop.lanes import Drive, edge_report, nothing, proposing, shipped, starts


def test_every_iteration_with_its_values_and_its_decision() -> None:
    drive = Drive(iterations=9, mock=True)
    drive.steps(3, edge_report(maker=0.7))
    history = read_history(drive.entries)
    assert [iteration.number for iteration in history.iterations] == [1, 2, 3]
    assert history.iterations[0].values == history.start_values == starts(shipped())
    for iteration, following in zip(history.iterations, history.iterations[1:], strict=False):
        assert iteration.decision is not None
        assert iteration.decision.values == following.values
        assert iteration.decision.state_hash == following.state_hash
    assert history.iterations[0].readings["maker_taker_ratio"].value == pytest.approx(0.7)
    assert (history.lane.iterations, history.mock, history.tune, history.halt) == (
        9,
        True,
        True,
        None,
    )
    assert history.profile == shipped()


def test_an_iteration_without_a_decision_and_one_with_an_intent() -> None:
    drive = Drive()
    drive.step(proposer=nothing)
    drive.observe()
    history = read_history(drive.entries)
    assert [iteration.decision is None for iteration in history.iterations] == [False, True]
    drive.check({"queue": 4}, ["test_a"])
    drive.intend(proposing(tail_age_ms=25))
    history = read_history(drive.entries)
    assert [iteration.decision is None for iteration in history.iterations] == [False, False]
    assert history.iterations[1].failed_checks == ("test_a",)
    assert history.iterations[1].readings["queue"].value == 4


def test_edits_halts_and_a_longer_plan() -> None:
    drive = Drive(iterations=4)
    drive.observe()
    drive.intend(proposing(tail_age_ms=25))
    drive.edit(tail_age_ms=700.0)
    drive.step(proposer=nothing)
    drive.plan(6)
    drive.halt(Halt(3, "end_of_data", "no more"))
    history = read_history(drive.entries)
    assert [iteration.external for iteration in history.iterations] == [False, True]
    assert history.iterations[1].values["tail_age_ms"] == 700
    assert history.lane.iterations == 6
    assert history.halt == Halt(3, "end_of_data", "no more")


def test_an_empty_journal_is_an_error() -> None:
    with pytest.raises(EntryError, match="must begin with an entry 'start'"):
        read_history([])
