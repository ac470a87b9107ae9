"""A lane with real files that is killed, edited and starved, beside a twin that never stopped.

I6, I12 and I13 of SPEC §10, and that no clock decides anything. ``test_machine_guards.py`` says how
to run it for an hour.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import zip_longest
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from pytest_soak.lane import files as files_module
from pytest_soak.lane import runner as runner_module
from pytest_soak.lane.runner import LaneHalted
from pytest_soak.profile.parameters import flatten
from pytest_soak.store import names
from tests.properties.counting import CountedMachine, machine_settings
from tests.properties.drawn import KEYS, TIGHT, Seen, edits, profile_with, seen
from tests.properties.lane_files import Disk, LaneFiles, Step
from tests.unit.loop.invariants import check_lane
from tests.unit.loop.lanes import Drive

requested = st.none() | st.lists(
    st.tuples(st.sampled_from(KEYS), st.sampled_from([-0.4, 0.1, 0.3, 1.0, 1.5])),
    max_size=3,
    unique_by=lambda one: one[0],
).map(tuple)
jumps = st.sampled_from([0.0, 0.0, 1.0, -1.0, -3600.0, 1e6, -1e9, 1e15])
places = st.floats(0, 1)

BAD_EDITS: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "torn": (lambda runtime: json.dumps(runtime)[:-7], "no valid JSON"),
    "empty": (lambda runtime: "", "no valid JSON"),
    "twice": (lambda runtime: '{"risk": {}, "risk": {}}', "there twice"),
    "NaN": (lambda runtime: with_value(runtime, "NaN"), "NaN is no JSON number"),
    "a list": (lambda runtime: "[1]", "JSON object"),
    "a text": (lambda runtime: with_value(runtime, '"600"'), "tail_age_ms"),
    "too far": (lambda runtime: with_value(runtime, "5000.1"), "tail_age_ms"),
    "unknown": (lambda runtime: json.dumps({**runtime, "more": {"tail": 1}}), "unknown parameter"),
    "missing": (lambda runtime: json.dumps({"risk": runtime["risk"]}), "missing"),
}
"""What an operator may leave in the file, and what the lane says of it."""


def with_value(runtime: dict[str, Any], text: str) -> str:
    engine = {**runtime["engine"], "tail_age_ms": "HERE"}
    return json.dumps({**runtime, "engine": engine}).replace('"HERE"', text)


class Clock:
    """The clocks of the runner's module, in the hands of the machine."""

    def __init__(self) -> None:
        self.monotonic_s, self.wall_s = 1000.0, 0.0

    def monotonic(self) -> float:
        return self.monotonic_s

    def now(self, zone: Any) -> datetime:
        offset = max(-6e10, min(2e11, self.wall_s))  # what a datetime can hold
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=offset)


class LaneMachine(CountedMachine):
    """``main`` is killed and starved; ``twin`` gets the same steps and never stops."""

    main: LaneFiles
    twin: LaneFiles

    @initialize(
        iterations=st.sampled_from([6, 12]),
        mode=st.sampled_from(["live"] * 6 + ["dry run", "no tune"]),
        bot=st.sampled_from(["snapshot", "fast forward"]),
        pin=st.sampled_from(["run", "run", 0, 2]),
        tight=st.booleans(),
    )
    def begin(self, iterations: int, mode: str, bot: str, pin: Any, tight: bool) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.patch = pytest.MonkeyPatch()
        self.clock = Clock()
        self.patch.setattr(runner_module, "time", SimpleNamespace(monotonic=self.clock.monotonic))
        self.patch.setattr(files_module, "datetime", SimpleNamespace(now=self.clock.now))
        self.patch.setattr("os.fsync", lambda descriptor: None)
        self.patch.setattr("os.fdatasync", lambda descriptor: None)
        self.places, self.settled, self.tight = 0, True, tight
        self.steps: list[Step] = []
        profile = profile_with({**(TIGHT if tight else {}), "pin": {"for": pin}}, {})
        options = {
            "iterations": iterations,
            "tune": mode != "no tune",
            "dry_run": mode == "dry run",
        }
        self.main = LaneFiles.begin(self.place(), self.steps, bot, profile, **options)
        self.twin = LaneFiles.begin(self.place(), self.steps, bot, profile, **options)

    def is_going(self) -> bool:
        return len(self.steps) < self.twin.runner.state.iterations

    def is_late(self) -> bool:
        return len(self.steps) + 2 >= self.twin.runner.state.iterations

    # -- iterations ----------------------------------------------------------------------------

    @precondition(is_going)
    @rule(what=seen, requested=requested, edit=st.none() | edits, jump=jumps)
    def iterate(
        self, what: Seen, requested: Any, edit: dict[str, float] | None, jump: float
    ) -> None:
        """An iteration; an operator may edit during it, and the clocks of one lane jump."""
        step = self.step(what, requested, edit)
        self.twin.do(step)
        self.jump(jump)
        self.main.do(step)

    @precondition(is_going)
    @rule(
        what=seen,
        requested=requested,
        at=places,
        again=st.integers(0, 9),
        torn=st.booleans(),
        jump=jumps,
    )
    def killed(
        self, what: Seen, requested: Any, at: float, again: int, torn: bool, jump: float
    ) -> None:
        """Killed at any call to the system, and killed once more while it is taken up."""
        step = self.step(what, requested)
        calls = self.calls_of(step)
        self.jump(jump)
        self.kill(step, 1 + round(at * calls), torn)
        if again:
            self.kill(step, again, torn)
        self.main.do(step)
        self.count("kills")

    @precondition(is_going)
    @rule(what=seen, requested=requested, at=places, edit=edits)
    def killed_and_edited(
        self, what: Seen, requested: Any, at: float, edit: dict[str, float]
    ) -> None:
        """An operator edits the file of a lane that is down."""
        step = self.step(what, requested)
        self.kill(step, 1 + round(at * self.calls_of(step)), torn=False)
        lane = self.main
        before, known = lane.state, len(lane.entries)
        lane.file.write_text(self.edited(lane, edit))
        values = flatten(json.loads(lane.file.read_text()), before.profile.parameters)
        lane.do(step)
        noticed = [one for one in lane.entries[known:] if one["type"] == "external"]
        if before.done == step.number:
            self.settled = False  # the next iteration takes it
            self.separate()
            return
        # The decision on its way to the file counts, but for the keys that the operator changed.
        decided = before.values if before.intent is None else before.intent.values
        # A file that has any of its values was written; one that has none of them, as far as can
        # be known, was not.
        moved = [key for key, value in decided.items() if value != before.values[key]]
        is_written = any(values[key] == decided[key] for key in moved)
        old = decided if is_written else before.values
        edited = {key: value for key, value in values.items() if value != old[key]}
        edited = {key: value for key, value in edited.items() if value != decided[key]}
        if edited:
            self.count("edits of a lane that is down")
            assert noticed, "the edit of a lane that is down was not noticed"
            told = {key: new for key, (_, new) in noticed[0]["keys"].items()}
            assert told == edited, "the edit is not journaled as it was made"
            assert noticed[0]["values"] == {**decided, **edited}, "a decision was lost"
        else:
            assert not noticed, "an edit that changes no parameter was journaled"
        self.separate()

    @precondition(is_going)
    @rule(what=seen, requested=requested, at=places, torn=st.booleans())
    def a_write_fails(self, what: Seen, requested: Any, at: float, torn: bool) -> None:
        """The lane ends there, and a new session goes on; but for a summary, which is no truth."""
        step = self.step(what, requested)
        at_call = 1 + round(at * (self.calls_of(step) - 1))
        disk = Disk(at_call, torn=torn, fails=True)
        halt = None
        try:
            with disk.watching():
                self.main.do(step)
        except LaneHalted as halted:
            halt = halted.halt
        if halt is not None:
            assert halt.kind == "write", halt
            assert self.main.file_hash, "the old file or the new one"
            self.count("writes that failed")
            self.main.close()
            self.main.do(step)
        else:
            log = (self.main.path / names.LOG).read_text("utf-8")
            assert f"| artifact | FAILED | iteration={step.number} " in log
            self.count("summaries that could not be written")
        self.separate()

    # -- what comes between --------------------------------------------------------------------

    @rule(edit=edits, pretty=st.booleans(), copies=st.booleans())
    def an_operator_edits(self, edit: dict[str, float], pretty: bool, copies: bool) -> None:
        self.settled = False
        for lane in (self.main, self.twin):
            runtime = json.loads(self.edited(lane, edit))
            if copies:
                runtime["tuner"] = {"cooldown_iters": 99}
            lane.file.write_text(json.dumps(runtime, indent=2 if pretty else None))

    @precondition(is_going)
    @rule(how=st.sampled_from(sorted(BAD_EDITS)), during=st.booleans(), what=seen)
    def an_edit_is_no_runtime(self, how: str, during: bool, what: Seen) -> None:
        """Both halt, say why, and go on once the file is as it was."""
        spoil, words = BAD_EDITS[how]
        runtime = json.loads(self.twin.file.read_text())
        step = self.step(what, ())
        if during:
            step = Step(**{**vars(step), "during": spoil(runtime)})
            self.steps[-1] = step
        for lane in (self.main, self.twin):
            before = lane.file.read_bytes()
            if not during:
                lane.file.write_text(spoil(runtime))
            with pytest.raises(LaneHalted, match=words) as halted:
                lane.do(step)
            self.count("halts")
            assert halted.value.halt.iteration == step.number
            assert lane.entries[-1]["type"] == "halt", "it is journaled"
            lane.close()
            lane.file.write_bytes(before)
            lane.do(step)

    @precondition(is_late)
    @rule(more=st.sampled_from([1, 6]))
    def the_plan_grows(self, more: int) -> None:
        planned = self.twin.runner.state.iterations + more
        for lane in (self.main, self.twin):
            lane.grow(planned)

    @rule()
    def stopped_and_resumed(self) -> None:
        self.main.close()

    # -- in words ------------------------------------------------------------------------------

    def step(self, what: Seen, requested: Any, edit: dict[str, float] | None = None) -> Step:
        number = len(self.steps) + 1
        recorded = {"mine": 0.5 * number} if number % 3 == 0 else {}
        failed = ("test_mine",) if number % 4 == 0 else ()
        text = None if edit is None else self.edited(self.twin, edit)
        self.settled = True  # whoever makes a step completes it, and takes the edits before it
        self.steps.append(Step(number, what, requested, recorded, failed, text))
        return self.steps[-1]

    def place(self) -> Path:
        self.places += 1
        return Path(self.folder.name) / f"{self.places}"

    def calls_of(self, step: Step) -> int:
        """The twin makes the step; at each of its calls to the system its files can be read."""
        untouched = self.twin.file_hash == self.twin.state.state_hash
        disk = Disk(each=self.twin.is_readable if untouched else lambda: None)
        with disk.watching():
            self.twin.do(step)
        return disk.calls

    def kill(self, step: Step, at: int, torn: bool) -> None:
        """``main`` is what its process leaves behind when it is killed at that call of the step."""
        lane, place = self.main, self.place()
        disk = Disk(at, lambda: lane.copied(place), torn=torn)
        with disk.watching():
            lane.do(step)
        if not place.exists():
            lane.copied(place)
        lane.close()
        self.main = LaneFiles(place, self.steps, lane.target)

    def separate(self) -> None:
        """What happened to ``main`` cannot happen to one that never stopped: a new twin."""
        self.main.close()
        self.twin.close()
        place = self.place()
        self.main.copied(place)
        self.twin = LaneFiles(place, self.steps, self.main.target)

    def edited(self, lane: LaneFiles, edit: dict[str, float]) -> str:
        runtime = json.loads(lane.file.read_text())
        table = lane.state.profile.parameters
        for key, share in edit.items():
            one = table[key]
            runtime[one.path[0]][key] = one.minimum + share * one.span if share < 1 else one.maximum
        return json.dumps(runtime)

    def jump(self, seconds: float) -> None:
        self.clock.monotonic_s += seconds
        self.clock.wall_s += seconds

    # -- what always holds ---------------------------------------------------------------------

    def agree(self) -> None:
        main, twin = self.main, self.twin
        assert main.journal == twin.journal, (
            f"I13: not as never stopped: {differing(main.entries, twin.entries)}"
        )
        assert main.state == main.runner.state, "I12: the files are not what the lane knows"
        if self.settled:
            assert main.file_hash == main.state.state_hash, "I6: the file is not the journal's"

    def teardown(self) -> None:
        if not hasattr(self, "folder"):
            return
        try:
            if hasattr(self, "twin") and sys.exc_info()[0] is None:  # else that is what counts
                for one, other in zip(self.main.summaries(), self.twin.summaries(), strict=True):
                    assert one == other, f"I13: ITER_SUMMARY: {differing([one], [other])}"
                self.count("iterations", len(self.steps))
                if not self.tight:  # they count with the shipped profile's numbers
                    check_lane(Drive.replayed(self.main.entries))
        finally:
            for name in ("main", "twin"):
                if hasattr(self, name):
                    getattr(self, name).close()
            self.patch.undo()
            self.folder.cleanup()


def differing(left: Sequence[Mapping[str, Any]], right: Sequence[Mapping[str, Any]]) -> str:
    """The first objects that differ, and their fields that do."""
    nothing: Mapping[str, Any] = {}
    for one, other in zip_longest(left, right, fillvalue=nothing):
        fields = [key for key in {**one, **other} if one.get(key) != other.get(key)]
        if fields:
            said = [f"{key}: {one.get(key)!r:.500} and {other.get(key)!r:.500}" for key in fields]
            return f"{one.get('type', '')} of {one.get('iteration')}: {'; '.join(said)}"
    return "only in their bytes"


TestLaneMachine = LaneMachine.TestCase
TestLaneMachine.settings = machine_settings(examples=170, nightly=4_000, steps=12)
