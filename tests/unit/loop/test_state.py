from __future__ import annotations

import json
from typing import Any

import pytest

from pytest_soak.loop.blocks import count_audit
from pytest_soak.loop.entries import EntryError, Observation, done_entry, entry_of, record_of
from pytest_soak.loop.fold import fold
from pytest_soak.loop.model import Halt, Reading, Verdict
from pytest_soak.loop.state import Edits, evolved
from pytest_soak.loop.state_document import tuning_state
from tests.unit.loop.lanes import Drive, edge_report, nothing, proposing, shipped, starts

FAIL = edge_report(net=1.0)


def busy() -> Drive:
    """A lane with every type of entry."""
    drive = Drive(iterations=8)
    drive.steps(2, edge_report(maker=0.7, risk=0.3))
    drive.observe(edge_report(maker=0.7))
    drive.check({"queue": 4}, ["test_a"])
    drive.settle()
    drive.edit(tail_age_ms=640.0)
    drive.halt(Halt(4, "error", "boom"))
    drive.plan(20)
    drive.step(edge_report(maker=None), proposing(tail_age_ms=float("nan"), nonsense=1))
    drive.observe(edge_report(maker=0.6))
    drive.intend(proposing(base_spread_bps=0.02))
    drive.edit(base_spread_bps=0.7)
    for _ in range(4):
        drive.step(FAIL, nothing)
    return drive


def test_folding_any_prefix_gives_the_state_at_its_end() -> None:
    drive = busy()
    assert drive.state.done == 9
    for length, state in enumerate(drive.states, start=1):
        assert fold(drive.entries[:length]) == state


def test_the_start() -> None:
    state = Drive(iterations=7, mock=True).state
    assert state.values == state.start_values == starts(shipped())
    assert (state.done, state.next_iteration, state.iterations) == (0, 1, 7)
    assert state.profile == shipped()
    assert state.mock


def test_an_observation_waits_for_its_decision() -> None:
    drive = Drive()
    state = drive.add(
        Observation(
            1, edge_report(), count_audit([{"event": "BLOCK", "reason": "risk"}]), {"clock": 5}
        )
    )
    assert state.observed is not None
    assert state.observed.number == 1
    assert state.observed.verdict is Verdict.PASS
    assert state.target_state == {"clock": 5}
    assert state.done == 0


def in_force(drive: Drive) -> tuple[int, float, bool]:
    state = drive.state
    return state.done, state.values["tail_age_ms"], state.intent is not None


def test_an_intent_is_not_in_force_before_it_is_done() -> None:
    drive = Drive()
    drive.observe()
    decision = drive.intend(proposing(tail_age_ms=25))
    assert in_force(drive) == (0, 600, True)
    drive.add(done_entry(decision))
    assert in_force(drive) == (1, 625, False)
    assert drive.state.charges.signature == decision.signature


def test_a_decision_that_changes_nothing_needs_no_done() -> None:
    drive = Drive()
    drive.step(proposer=nothing)
    assert drive.state.done == 1
    assert drive.entries[-1]["type"] == "decision"


def test_recorded_values_join_the_readings_of_their_iteration() -> None:
    drive = Drive()
    drive.observe()
    drive.check({"queue": 4, "broken": float("nan")}, ["test_a"])
    observed = drive.state.observed
    assert observed is not None
    assert observed.readings["queue"] == Reading(4.0, "recorded")
    assert observed.readings["broken"].value is None
    assert observed.failed_checks == ("test_a",)
    assert observed.verdict is Verdict.PASS
    drive.settle()
    assert drive.state.memory.recent[-1]["queue"].value == 4.0


def test_an_echo_of_other_values_is_noted() -> None:
    drive = Drive()
    drive.observe(edge_report(effective_params={"tail_age_ms": 500}))
    assert drive.state.observed is not None
    assert drive.state.observed.echo_mismatch == {"tail_age_ms": "500"}


def test_a_halt_stays_until_the_lane_goes_on() -> None:
    drive = Drive()
    drive.halt(Halt(1, "timeout", "too slow"))
    assert drive.state.halt == Halt(1, "timeout", "too slow")
    drive.plan(50)
    assert drive.state.halt is not None
    drive.observe()
    assert drive.state.halt is None


def test_a_failed_write_is_completed_by_its_done() -> None:
    drive = Drive()
    drive.observe()
    decision = drive.intend(proposing(tail_age_ms=25))
    drive.halt(Halt(1, "write", "disk full"))
    assert drive.state.intent is not None
    drive.add(done_entry(decision))
    assert drive.state.halt is None
    assert drive.state.done == 1


class TestExternalEdit:
    def test_it_replaces_the_values_and_marks_the_next_iteration(self) -> None:
        drive = Drive()
        drive.step(proposer=proposing(tail_age_ms=25, min_interval_ms=5))
        drive.edit(tail_age_ms=600.0)
        assert drive.entries[-1]["keys"] == {"tail_age_ms": [625, 600]}
        assert drive.entries[-1]["iteration"] == 1
        assert drive.state.values["tail_age_ms"] == 600
        drive.observe()
        assert drive.state.observed is not None
        assert drive.state.observed.external
        drive.settle(nothing)
        drive.observe()
        assert drive.state.observed is not None
        assert not drive.state.observed.external

    def test_an_edit_is_not_charged_and_ends_the_oscillation_memory(self) -> None:
        drive = Drive()
        drive.step(proposer=proposing(tail_age_ms=25, min_interval_ms=5))
        moves, signature = drive.state.charges.moves, drive.state.charges.signature
        drive.edit(tail_age_ms=4000.0)
        assert drive.state.charges.moves == moves
        assert drive.state.charges.signature == signature
        assert set(drive.state.charges.before) == {"min_interval_ms"}

    def test_it_completes_a_decision_that_is_being_written(self) -> None:
        drive = Drive()
        drive.observe()
        decision = drive.intend(proposing(tail_age_ms=25, min_interval_ms=5))
        drive.edit(tail_age_ms=700.0)
        entry = drive.entries[-1]
        assert (entry["iteration"], entry["old_hash"]) == (1, decision.state_hash)
        assert entry["keys"] == {"tail_age_ms": [625, 700]}
        assert (drive.state.done, drive.state.intent) == (1, None)
        assert drive.state.values["tail_age_ms"] == 700
        assert drive.state.values["min_interval_ms"] == 55
        assert {move.key for move in drive.state.charges.moves} == {
            "tail_age_ms",
            "min_interval_ms",
        }

    @pytest.mark.parametrize(
        ("values", "message"),
        [
            ({"tail_age_ms": 5001.0}, "tail_age_ms = 5001.0; it must lie in .50, 5000. ms"),
            ({"tail_age_ms": float("nan")}, "tail_age_ms = nan"),
            ({"nonsense": 1.0}, "different: .'nonsense'."),
        ],
    )
    def test_it_must_be_a_runtime_within_its_bounds(
        self, values: dict[str, float], message: str
    ) -> None:
        with pytest.raises(ValueError, match=message):
            Drive().edit(**values)


def test_memory_is_bounded() -> None:
    drive = Drive(iterations=400, interval_s=60.0)
    sizes = []
    for number in range(300):
        drive.step(edge_report(maker=0.7 + 0.001 * (number % 7), risk=0.30 + 0.02 * (number % 9)))
        state = drive.state
        sizes.append(
            (
                len(state.charges.moves),
                len(state.memory.recent),
                len(state.memory.first),
                len(state.charges.before),
                len(state.attribution.changes),
            )
        )
    moves, recent, first, before, changes = (max(column) for column in zip(*sizes, strict=True))
    assert recent == 24 + 16 - 1, "noise before a change, and RELAX is reported after 16"
    assert first == 4
    assert 0 < changes <= 16 * len(shipped().parameters)
    assert before <= len(shipped().parameters)
    assert 0 < moves <= 60 * len(shipped().parameters)
    assert max(moves for moves, *_ in sizes[200:]) <= max(moves for moves, *_ in sizes[:100])


def test_a_decision_read_from_its_entry_is_equal() -> None:
    drive = busy()
    for decision in drive.decisions:
        assert entry_of(json.loads(json.dumps(record_of(decision)))) == decision


def entry(kind: Any, **fields: Any) -> dict[str, Any]:
    return {"seq": 7, "type": kind, **fields}


def start() -> dict[str, Any]:
    return {**Drive().entries[0], "seq": 7}


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (start(), "a journal has one entry 'start', its first"),
        (entry("nonsense"), "the types are start, plan, observation"),
        (entry(["plan"]), "the types are start, plan, observation"),
        (entry("observation", iteration=1), "'report' is missing"),
        (
            entry("observation", iteration=2, report={}, audit=None, target_state=None),
            "to observe is 1",
        ),
        (entry("decision", iteration=1), "'verdict' is missing"),
        (entry("done", iteration=1, state_hash="x"), "done follows a decision"),
        (entry("checks", iteration=1, recorded={}, failed=[]), "between an observation"),
        (
            entry("external", iteration=0, old_hash="x", new_hash="y", values={}, keys={}),
            "it starts from x",
        ),
        (entry("plan", iterations=None), "iterations: null is not a finite number"),
        (entry("plan", iterations=10**400), f"is above {2**53}"),
        (entry("plan", iterations=True), "iterations: true is not a finite number"),
        (entry("done", iteration=10**400, state_hash="x"), "iteration: 1000"),
        (
            {"seq": 7, "type": "halt", "iteration": 1, "kind": "error", "text": ["x"]},
            "text: a list is not a text",
        ),
        (
            entry("external", iteration=0, old_hash="x", new_hash="y", values={"a": "1"}, keys={}),
            "values.a: '1' is not a finite number",
        ),
        (
            entry("external", iteration=0, old_hash="x", new_hash="y", values={}, keys={"a": [1]}),
            "keys.a: has 1 item; needs 2",
        ),
    ],
)
def test_an_entry_that_does_not_follow_is_an_error_that_says_where(
    bad: dict[str, Any], message: str
) -> None:
    drive = Drive()
    with pytest.raises(EntryError, match=r"journal: entry 7 \(") as caught:
        fold([*drive.entries, bad])
    assert message in str(caught.value)


def test_a_decision_from_another_state_is_refused() -> None:
    drive = Drive()
    drive.observe()
    decision = drive.intend(proposing(tail_age_ms=25))
    strange = record_of(evolved(decision, old_hash="0" * 64))
    done = record_of(done_entry(decision))
    with pytest.raises(EntryError, match="in force is"):
        fold([*drive.entries[:-1], strange])
    with pytest.raises(EntryError, match="the decision's hash is"):
        fold([*drive.entries, {**done, "state_hash": "0" * 64}])
    with pytest.raises(EntryError, match="done follows a decision"):
        fold([*drive.entries, done, done])


@pytest.mark.parametrize("entries", [[], [{"type": "plan"}], [{"type": "start", "schema": 1}]])
def test_a_journal_begins_with_a_start_of_this_schema(entries: list[dict[str, Any]]) -> None:
    with pytest.raises(EntryError):
        fold(entries)


def test_tuning_state_has_the_state_of_the_guards() -> None:
    drive = Drive()
    drive.step(edge_report(maker=0.7, risk=0.3))
    drive.step(edge_report(maker=0.7, risk=0.3), nothing)
    content = tuning_state(drive.state)
    assert json.loads(json.dumps(content)) == content
    assert content["iteration"] == 2
    assert content["frozen_until_iter"] == 6
    assert content["frozen_keys"] == ["impact_cap_ratio", "max_delta_ratio"]
    assert content["last_signature"] == drive.decisions[0].signature
    assert content["acted"] == {"MAKER_BOOST": 1}
    assert content["values_before_last_change"]["base_spread_bps"] == {"value": 0.5, "iteration": 1}


def test_a_lane_that_starts_outside_its_bounds_is_refused() -> None:
    """As with a profile whose bounds are narrower than before."""
    start = Drive().entries[0]
    values = {**start["values"], "tail_age_ms": 5000.5}
    with pytest.raises(EntryError, match=r"tail_age_ms = 5000\.5, outside 50 to 5000"):
        fold([{**start, "values": values}])
    assert fold([{**start, "values": {**values, "tail_age_ms": 5000}}]).values["tail_age_ms"] == 5e3


def test_an_iteration_has_the_edits_since_the_decision_before() -> None:
    drive = Drive()
    drive.edit(tail_age_ms=650)
    drive.edit(tail_age_ms=700, vip_tilt_cap=0.1)
    drive.observe()
    drive.edit(min_interval_ms=60)
    assert drive.state.observed is not None
    assert drive.state.observed.edits == {
        "tail_age_ms": (600.0, 700.0),
        "vip_tilt_cap": (0.0, 0.1),
        "min_interval_ms": (50.0, 60.0),
    }
    drive.settle(nothing)
    drive.step()
    assert drive.states[-2].observed is not None
    assert drive.states[-2].observed.edits == {}


def test_a_state_with_other_values_differs_in_these_only() -> None:
    state = busy().state
    halts = (Halt(1, "error", "x"),)
    changed: dict[str, Any] = {"done": 7, "edits": Edits(pinned={"tail_age_ms": None})}
    other = evolved(state, **changed, halts=halts)
    assert (other.done, other.edits, other.halts) == (7, changed["edits"], halts)
    assert evolved(other, done=state.done, edits=state.edits, halts=state.halts) == state
    assert evolved(state) is not state
    with pytest.raises(TypeError, match="nothing"):
        evolved(state, nothing=1)
    with pytest.raises(AttributeError, match="immutable"):
        state.done = 8  # type: ignore[misc]
