"""A parameter for which the target is restarted, and what the iteration after it counts for."""

from __future__ import annotations

import json
from functools import cache

from pytest_soak.canonical import canonical_json
from pytest_soak.gate.judge import judge_lane
from pytest_soak.gate.window import RESTART, LaneWindow
from pytest_soak.loop.history import read_history
from pytest_soak.profile.build import build
from pytest_soak.profile.model import Profile
from tests.unit.loop.lanes import Drive, nothing, shipped


@cache
def restarting() -> Profile:
    """The shipped profile; the target is restarted for another ``tail_age_ms``."""
    document = json.loads(canonical_json(shipped().document))
    document["parameters"]["tail_age_ms"]["restart"] = True
    return build(document)


def test_a_decision_that_moves_it_restarts_for_the_next_iteration() -> None:
    drive = Drive(restarting())
    drive.move("MINE", base_spread_bps=0.02)
    assert drive.state.restarted == 0
    drive.move("MINE", tail_age_ms=20)
    assert drive.state.restarted == 3
    drive.step(proposer=nothing)
    assert drive.state.restarted == 3
    assert drive.state.memory.excluded == (3,)
    assert drive.state.memory.disturbed == (3,)


def test_a_dry_run_and_a_refused_move_restart_nothing() -> None:
    dry = Drive(restarting(), dry_run=True)
    dry.move("MINE", tail_age_ms=20)
    refused = Drive(restarting())
    refused.move("MINE", tail_age_ms="x")
    assert (dry.state.restarted, refused.state.restarted) == (0, 0)


def test_an_edit_by_hand_restarts_too() -> None:
    between = Drive(restarting())
    between.step(proposer=nothing)
    between.edit(tail_age_ms=650.0)
    assert between.state.restarted == 2
    during = Drive(restarting())
    during.step(proposer=nothing)
    during.observe()
    during.edit(tail_age_ms=650.0)
    during.settle(nothing)
    assert during.state.restarted == 3


def test_another_profile_never_restarts() -> None:
    drive = Drive()
    drive.move("MINE", tail_age_ms=20)
    assert drive.state.restarted == 0
    assert LaneWindow(read_history(drive.entries)).restarts == {}


def test_the_gate_leaves_the_iteration_out() -> None:
    drive = Drive(restarting(), iterations=12)
    drive.step(proposer=nothing)
    drive.move("MINE", tail_age_ms=20)
    for _ in range(10):
        drive.step(proposer=nothing)
    lane = judge_lane(read_history(drive.entries))
    assert lane.window.excluded == {3: RESTART}
    assert [item.number for item in lane.window.judged] == [1, 2, *range(4, 13)]
    reasons = {item.name: item.reason for item in lane.criteria}
    assert reasons["net_bps"].endswith("left out: iteration 3 (restart)")
    assert {item.name: item.verdict for item in lane.criteria}["completeness"] == "PASS"
