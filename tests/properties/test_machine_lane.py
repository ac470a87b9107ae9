"""A lane with real files that is killed, edited and without disk space, beside an unstopped twin.

It checks the invariants I6, I12 and I13, and that no clock changes a decision. The docstring of
``test_machine_guards.py`` has the command that runs it for an hour.
"""

from __future__ import annotations

import json
import re
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
from tests.properties.drawn import KEYS, TIGHT, Observation, edits, observations, profile_with
from tests.properties.lane_files import Disk, LaneFiles, Step
from tests.properties.shapes import SHAPES
from tests.unit.loop.invariants import check_lane
from tests.unit.loop.lanes import Drive

requested = st.none() | st.lists(
    st.tuples(st.sampled_from(KEYS), st.sampled_from([-0.4, 0.1, 0.3, 1.0, 1.5])),
    max_size=3,
    unique_by=lambda pair: pair[0],
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
"""Bad texts of the runtime file, and the words of the error of the lane."""


def with_value(runtime: dict[str, Any], text: str) -> str:
    engine = {**runtime["engine"], "tail_age_ms": "HERE"}
    return json.dumps({**runtime, "engine": engine}).replace('"HERE"', text)


class Clock:
    """The clocks of the runner's modules; the machine sets them."""

    def __init__(self) -> None:
        self.monotonic_s, self.wall_s = 1000.0, 0.0

    def monotonic(self) -> float:
        return self.monotonic_s

    def now(self, zone: Any) -> datetime:
        offset = max(-6e10, min(2e11, self.wall_s))  # the range of a datetime
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=offset)


class LaneMachine(CountedMachine):
    """``main`` is killed and runs out of disk space; ``twin`` does the same steps unstopped."""

    main: LaneFiles
    twin: LaneFiles

    @initialize(
        iterations=st.sampled_from([6, 12]),
        mode=st.sampled_from(["live"] * 6 + ["dry run", "no tune"]),
        bot=st.sampled_from(["snapshot", "fast forward"]),
        pin=st.sampled_from(["run", "run", 0, 2]),
        tight=st.booleans(),
        shape=st.sampled_from(["plain", "plain", "whole", "ratios", "limited"]),
    )
    def begin(
        self, iterations: int, mode: str, bot: str, pin: Any, tight: bool, shape: str
    ) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.patch = pytest.MonkeyPatch()
        self.clock = Clock()
        self.patch.setattr(runner_module, "time", SimpleNamespace(monotonic=self.clock.monotonic))
        self.patch.setattr(files_module, "datetime", SimpleNamespace(now=self.clock.now))
        self.patch.setattr("os.fsync", lambda descriptor: None)
        self.patch.setattr("os.fdatasync", lambda descriptor: None)
        self.places, self.settled, self.tight = 0, True, tight
        self.steps: list[Step] = []
        profile = profile_with({**(TIGHT if tight else {}), "pin": {"for": pin}}, {}, SHAPES[shape])
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
    @rule(observation=observations, requested=requested, edit=st.none() | edits, jump=jumps)
    def iterate(
        self, observation: Observation, requested: Any, edit: dict[str, float] | None, jump: float
    ) -> None:
        """An iteration; an operator may edit during it, and the clocks of ``main`` jump."""
        step = self.step(observation, requested, edit)
        self.twin.do(step)
        self.jump(jump)
        self.main.do(step)

    @precondition(is_going)
    @rule(
        observation=observations,
        requested=requested,
        at=places,
        again=st.integers(0, 9),
        torn=st.booleans(),
        jump=jumps,
    )
    def killed(
        self,
        observation: Observation,
        requested: Any,
        at: float,
        again: int,
        torn: bool,
        jump: float,
    ) -> None:
        """``main`` is killed at any system call, and perhaps again while it is resumed."""
        step = self.step(observation, requested)
        calls = self.calls_of(step)
        self.jump(jump)
        self.kill(step, 1 + round(at * calls), torn)
        if again:
            self.kill(step, again, torn)
        self.main.do(step)
        self.count("kills")

    @precondition(is_going)
    @rule(observation=observations, requested=requested, at=places, edit=edits)
    def killed_and_edited(
        self, observation: Observation, requested: Any, at: float, edit: dict[str, float]
    ) -> None:
        """An operator edits the file of a killed lane."""
        step = self.step(observation, requested)
        self.kill(step, 1 + round(at * self.calls_of(step)), torn=False)
        lane = self.main
        before, count = lane.state, len(lane.entries)
        lane.file.write_text(self.edited(lane, edit))
        values = flatten(json.loads(lane.file.read_text()), before.profile.parameters)
        lane.do(step)
        external = [entry for entry in lane.entries[count:] if entry["type"] == "external"]
        if before.done == step.number:
            self.settled = False  # the next iteration journals the edit
            self.separate()
            return
        # The decision that was being written counts, except for the keys that the operator changed.
        decided = before.values if before.intent is None else before.intent.values
        # If the file has one of its values, the decision was written; else it was probably not.
        moved = [key for key, value in decided.items() if value != before.values[key]]
        is_written = any(values[key] == decided[key] for key in moved)
        old = decided if is_written else before.values
        edited = {key: value for key, value in values.items() if value != old[key]}
        edited = {key: value for key, value in edited.items() if value != decided[key]}
        expected = {**decided, **edited}
        table = before.profile.parameters
        if edited and not all(of.is_within(expected[key], expected) for key, of in table.items()):
            # The decided value of a key breaks a limit with an edited one: the operator wins.
            self.count("edits of a killed lane that replace its decision")
            assert external, "the edit of a killed lane is not in the journal"
            journaled = {key: new for key, (_, new) in external[0]["keys"].items()}
            assert journaled.items() >= edited.items(), "the journal has another edit"
            assert all(journaled[key] == values[key] for key in journaled), "a third value"
        elif edited:
            self.count("edits of a killed lane")
            assert external, "the edit of a killed lane is not in the journal"
            journaled = {key: new for key, (_, new) in external[0]["keys"].items()}
            assert journaled == edited, "the journal has another edit"
            assert external[0]["values"] == {**decided, **edited}, "a decision was lost"
        else:
            assert not external, "an edit that changes no parameter was journaled"
        self.separate()

    @precondition(is_going)
    @rule(observation=observations, requested=requested, at=places, torn=st.booleans())
    def a_write_fails(
        self, observation: Observation, requested: Any, at: float, torn: bool
    ) -> None:
        """The lane halts and a new session continues it; a failed summary halts nothing."""
        step = self.step(observation, requested)
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
            assert re.search(rf"\| artifact \| FAILED \| lane=\S+ iter={step.number} ", log)
            self.count("summaries that could not be written")
        self.separate()

    # -- between iterations --------------------------------------------------------------------

    @rule(edit=edits, pretty=st.booleans(), copies=st.booleans())
    def an_operator_edits(self, edit: dict[str, float], pretty: bool, copies: bool) -> None:
        self.settled = False
        for lane in (self.main, self.twin):
            runtime = json.loads(self.edited(lane, edit))
            if copies:
                runtime["tuner"] = {"cooldown_iters": 99}
            lane.file.write_text(json.dumps(runtime, indent=2 if pretty else None))

    @precondition(is_going)
    @rule(how=st.sampled_from(sorted(BAD_EDITS)), during=st.booleans(), observation=observations)
    def an_edit_is_no_runtime(self, how: str, during: bool, observation: Observation) -> None:
        """Both lanes halt with the reason, and continue once the file is restored."""
        spoil, words = BAD_EDITS[how]
        runtime = json.loads(self.twin.file.read_text())
        step = self.step(observation, ())
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
            assert lane.entries[-1]["type"] == "halt", "the halt is not in the journal"
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

    # -- helpers -------------------------------------------------------------------------------

    def step(
        self, observation: Observation, requested: Any, edit: dict[str, float] | None = None
    ) -> Step:
        number = len(self.steps) + 1
        recorded = {"mine": 0.5 * number} if number % 3 == 0 else {}
        failed = ("test_mine",) if number % 4 == 0 else ()
        text = None if edit is None else self.edited(self.twin, edit)
        self.settled = True  # the step will be completed, which journals the earlier edits
        self.steps.append(Step(number, observation, requested, recorded, failed, text))
        return self.steps[-1]

    def place(self) -> Path:
        self.places += 1
        return Path(self.folder.name) / f"{self.places}"

    def calls_of(self, step: Step) -> int:
        """Runs the step on the twin, whose files must be readable at each of its system calls."""
        untouched = self.twin.file_hash == self.twin.state.state_hash
        disk = Disk(before_each=self.twin.is_readable if untouched else lambda: None)
        with disk.watching():
            self.twin.do(step)
        return disk.calls

    def kill(self, step: Step, at: int, torn: bool) -> None:
        """Replaces ``main`` by the files that a kill at this call of the step leaves behind."""
        lane, place = self.main, self.place()
        disk = Disk(at, lambda: lane.copied(place), torn=torn)
        with disk.watching():
            lane.do(step)
        if not place.exists():
            lane.copied(place)
        lane.close()
        self.main = LaneFiles(place, self.steps, lane.target)

    def separate(self) -> None:
        """Makes a new twin from ``main``, because an unstopped lane cannot have this journal."""
        self.main.close()
        self.twin.close()
        place = self.place()
        self.main.copied(place)
        self.twin = LaneFiles(place, self.steps, self.main.target)

    def edited(self, lane: LaneFiles, edit: dict[str, float]) -> str:
        """The runtime with these values; one beyond the limit that another sets is on the limit."""
        runtime = json.loads(lane.file.read_text())
        table = lane.state.profile.parameters
        for key, share in edit.items():
            of, now = table[key], flatten(runtime, table)
            low, high = of.limits(now)
            width = of.maximum - of.minimum
            value = of.minimum + share * width if share < 1 else of.maximum
            value = min(max(value, low), high)
            value = of.toward(now[key], value) if of.step else value
            runtime[of.path[0]][key] = of.outer(value)
        return json.dumps(runtime)

    def jump(self, seconds: float) -> None:
        self.clock.monotonic_s += seconds
        self.clock.wall_s += seconds

    # -- properties that always hold -----------------------------------------------------------

    def agree(self) -> None:
        main, twin = self.main, self.twin
        assert main.journal == twin.journal, (
            f"I13: not as without a stop: {differing(main.entries, twin.entries)}"
        )
        assert main.state == main.runner.state, "I12: the files differ from the state of the lane"
        if self.settled:
            assert main.file_hash == main.state.state_hash, "I6: the file differs from the journal"

    def teardown(self) -> None:
        if not hasattr(self, "folder"):
            return
        try:
            if hasattr(self, "twin") and sys.exc_info()[0] is None:  # else the error counts
                for left, right in zip(self.main.summaries(), self.twin.summaries(), strict=True):
                    assert left == right, f"I13: ITER_SUMMARY: {differing([left], [right])}"
                self.count("iterations", len(self.steps))
                if not self.tight:  # the invariants use the numbers of the shipped profile
                    check_lane(Drive.replayed(self.main.entries))
        finally:
            for name in ("main", "twin"):
                if hasattr(self, name):
                    getattr(self, name).close()
            self.patch.undo()
            self.folder.cleanup()


def differing(lefts: Sequence[Mapping[str, Any]], rights: Sequence[Mapping[str, Any]]) -> str:
    """The fields that differ in the first pair of objects that differ."""
    nothing: Mapping[str, Any] = {}
    for left, right in zip_longest(lefts, rights, fillvalue=nothing):
        fields = [key for key in {**left, **right} if left.get(key) != right.get(key)]
        if fields:
            texts = [f"{key}: {left.get(key)!r:.500} and {right.get(key)!r:.500}" for key in fields]
            return f"{left.get('type', '')} of {left.get('iteration')}: {'; '.join(texts)}"
    return "only in their bytes"


TestLaneMachine = LaneMachine.TestCase
TestLaneMachine.settings = machine_settings(examples=170, nightly=4_000, steps=12)
