"""A key that an operator edits by hand is pinned: the tuner does not move it."""

from __future__ import annotations

import pytest

from pytest_soak.loop.fold import fold
from pytest_soak.loop.headroom import headroom_of
from tests.unit.loop.lanes import Drive, changed, edge_report, proposing, shipped

BAD = edge_report(net=1.0)


def test_an_edited_key_is_pinned_and_the_tuner_works_around_it() -> None:
    drive = Drive()
    drive.step()
    drive.edit(base_spread_bps=0.7)
    boost = drive.steps(4, edge_report(maker=0.7))
    assert all(decision.withheld["base_spread_bps"] == "pin" for decision in boost)
    assert all(decision.values["base_spread_bps"] == 0.7 for decision in boost)
    assert {outcome.rule for decision in boost for outcome in decision.outcomes} == {"MAKER_BOOST"}
    assert boost[-1].values["min_interval_ms"] > 50, "the other keys move"
    drive.observe()
    headroom = headroom_of(drive.state)["base_spread_bps"]
    assert (headroom.down, headroom.up, headroom.reason_down) == (0.0, 0.0, "pin")


def test_a_proposal_for_a_pinned_key_is_refused_and_says_so() -> None:
    drive = Drive()
    drive.edit(tail_age_ms=650)
    outcomes = drive.move(tail_age_ms=25, vip_tilt_cap=0.05)
    assert (outcomes["tail_age_ms"].outcome, outcomes["tail_age_ms"].reason) == ("SKIPPED", "pin")
    assert outcomes["tail_age_ms"].note == "pinned for the rest of the run, edited by hand"
    assert outcomes["vip_tilt_cap"].outcome == "APPLIED"


def test_only_the_edited_keys_are_pinned() -> None:
    drive = Drive()
    drive.edit(tail_age_ms=650)
    assert drive.state.edits.pinned == {"tail_age_ms": None}
    drive.edit(vip_tilt_cap=0.1)
    assert drive.state.edits.pinned == {"tail_age_ms": None, "vip_tilt_cap": None}


@pytest.mark.parametrize(("length", "free_at"), [(0, 2), (1, 3), (3, 5)])
def test_the_length_is_settable(length: int, free_at: int) -> None:
    drive = Drive(changed(shipped(), pin={"for": length}))
    drive.step()
    drive.edit(tail_age_ms=650)
    answers: list[str] = []
    for _ in range(5):
        move = drive.move(tail_age_ms=5 * (len(answers) + 1))["tail_age_ms"]
        answers.append(move.outcome)
    assert answers.index("APPLIED") + 2 == free_at


def test_pins_are_on_by_default() -> None:
    assert changed(shipped(), pin=None).guards.pin.iterations is None


def test_panic_overrides_pins_and_says_so() -> None:
    drive = Drive()
    drive.edit(tail_age_ms=650, vip_tilt_cap=0.1)
    panic = drive.steps(3, BAD)[-1]
    assert panic.panic is not None
    guard = drive.state.profile.guards.panic
    assert guard is not None
    assert panic.values == guard.values
    assert panic.panic.pins == ("tail_age_ms", "vip_tilt_cap")
    assert "over the pins of tail_age_ms, vip_tilt_cap" in panic.note
    assert set(drive.state.edits.pinned) == {"tail_age_ms", "vip_tilt_cap"}, "still the operator's"
    drive.steps(4)
    assert drive.move(tail_age_ms=25)["tail_age_ms"].reason == "pin"


def test_the_note_of_a_panic_that_moves_no_pinned_key_has_no_pins() -> None:
    guard = shipped().guards.panic
    assert guard is not None
    drive = Drive()
    drive.edit(tail_age_ms=guard.values["tail_age_ms"])
    panic = drive.steps(3, BAD)[-1]
    assert panic.panic is not None
    assert panic.panic.pins == ()
    assert "pins" not in panic.note


def test_an_edit_during_the_interval_pins_from_its_own_decision_on() -> None:
    drive = Drive()
    drive.observe()
    drive.edit(tail_age_ms=650)
    decision = drive.settle(proposing(tail_age_ms=25))
    assert [outcome.reason for outcome in decision.outcomes] == ["pin"]


def test_pins_come_from_the_journal() -> None:
    drive = Drive()
    drive.edit(tail_age_ms=650)
    drive.step()
    assert fold(drive.entries).edits.pinned == {"tail_age_ms": None}
