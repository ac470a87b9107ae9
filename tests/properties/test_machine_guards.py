"""A lane in memory with all events in any order, against the oracle (invariants I1-I17).

A short version is a part of the ordinary tests. The long one takes an hour, with new seeds:

    pytest -n 2 --hypothesis-profile=nightly tests/properties/test_machine_guards.py \
        tests/properties/test_machine_lane.py
"""

from __future__ import annotations

import json
import math
import random
import sys
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from pytest_soak.canonical import canonical_json
from pytest_soak.loop.entries import entry_of, runtime_of
from pytest_soak.loop.fold import advance, fold
from pytest_soak.profile.errors import ProfileError
from pytest_soak.profile.resolve import Resolved
from pytest_soak.profile.start import Overrides, start_values
from tests.properties.counting import CountedMachine, add, machine_settings
from tests.properties.drawn import (
    KEYS,
    QUIET,
    TIGHT,
    Observation,
    RelativeProposal,
    edits,
    numbers_of,
    observations,
    profile_with,
    relative_proposals,
    streaks,
)
from tests.properties.oracle import Oracle, PlainProposal
from tests.properties.shapes import SHAPES
from tests.properties.watched import WatchedLane
from tests.unit.loop import invariants
from tests.unit.loop.lanes import Drive, starts

keys = st.sampled_from(KEYS)


class AnyEvents(CountedMachine):
    """Observations, proposals, edits, crashes and new lanes in any order."""

    lane: WatchedLane
    shape = "plain"
    """A name of SHAPES."""

    def begin_lane(
        self,
        interval_s: float,
        planned: int,
        mode: str,
        at: str,
        guards: dict[str, Any],
        warmup: int = 0,
    ) -> None:
        """``at`` is where the values start; ``guards`` replace those of the shipped profile."""
        self.guards = guards
        profile = profile_with(guards, {}, SHAPES[self.shape], warmup)
        numbers = numbers_of(profile.document)
        places = {"low": numbers.low, "high": numbers.high, "safe": numbers.safe}
        values = places.get(at, starts(profile))
        if Oracle(numbers, values, 1.0, 1, live=True).refuses({}):
            values = starts(profile)  # all bounds together break a limit between two
        self.lane = WatchedLane(profile, values, interval_s=interval_s, planned=planned, mode=mode)

    @property
    def drive(self) -> Drive:
        return self.lane.drive

    @property
    def oracle(self) -> Oracle:
        return self.lane.oracle

    def is_going(self) -> bool:
        return self.lane.is_going

    def now_and_then(self) -> bool:
        return len(self.drive.entries) % 24 > 18  # for rules that cost more than a decision

    def has_changed(self) -> bool:
        return self.lane.is_going and any(event.moves for event in self.oracle.events)

    # -- iterations ----------------------------------------------------------------------------

    @precondition(is_going)
    @rule(
        observation=observations,
        drawn=st.lists(relative_proposals, max_size=4),
        edited=st.sampled_from(["", "", "", "before the decision", "before done"]),
        edit=edits,
    )
    def decide_on_proposals(
        self,
        observation: Observation,
        drawn: list[RelativeProposal],
        edited: str,
        edit: dict[str, float],
    ) -> None:
        self.lane.observe(observation)
        if edited == "before the decision":
            self.lane.edit(self.values_at(edit))
        proposed = [self.proposal(item) for item in drawn]
        self.lane.decide(proposed, self.values_at(edit) if edited == "before done" else {})

    @precondition(is_going)
    @rule(streak=streaks, key=keys, first=st.sampled_from([0.02, 0.02, 1.0]))
    def propose_in_every_iteration(self, streak: list[Observation], key: str, first: float) -> None:
        """Small steps of two keys, so that the end of a pause or freeze shows at its decision."""
        both = sorted({key, "max_delta_ratio"})
        for number, observation in enumerate(streak):
            share = 0.02 if number else first
            caps = self.oracle.n.cap
            proposed = [PlainProposal(k, self.reach(k, share * caps[k])) for k in both]
            self.iterate(observation, proposed)

    @precondition(is_going)
    @rule(
        key=keys,
        there=st.sampled_from([-0.4, 0.3, 0.5, 1.0]),
        wait=st.sampled_from([0, 3, 4, 11, 12]),
        back=st.sampled_from(["back", "back", "left"]),
        share=st.sampled_from([0.05, 0.1, 0.3, 0.5, 1.0, 1.0000001, 2.0]),
        name=st.sampled_from(["", "", "MINE", "RELAX", "BACK"]),
    )
    def there_and_back(
        self, key: str, there: float, wait: int, back: str, share: float, name: str
    ) -> None:
        self.iterate(
            QUIET, [PlainProposal(key, self.reach(key, there * self.oracle.n.cap[key]), "MINE")]
        )
        for _ in range(wait):
            self.iterate(QUIET, [])
        self.iterate(QUIET, [self.proposal(RelativeProposal(key, back, share, name, ()))])

    @precondition(is_going)
    @rule(streak=streaks)
    def iterate_without_proposals(self, streak: list[Observation]) -> None:
        for observation in streak:
            self.iterate(observation, [])

    @precondition(is_going)
    @rule(observation=observations, count=st.integers(1, 6))
    def the_tuner_proposes(self, observation: Observation, count: int) -> None:
        for _ in range(count):
            self.iterate(observation, None)

    @precondition(is_going)
    @rule(
        key=keys,
        share=st.sampled_from([-0.5, 0.2, 0.5, 1.0]),
        before=st.sampled_from([6, 12, 14]),
        seed=st.integers(0, 3),
        twice=st.booleans(),
    )
    def a_change_hurts(self, key: str, share: float, before: int, seed: int, twice: bool) -> None:
        """Latency rises right after a change by more than the noise, so it is rolled back once."""
        noise, cap = random.Random(seed), self.oracle.n.cap[key]
        # The second rise is much larger, because the first one counts as noise by then.
        for rise, size in [(30.0, share * cap), (1e6, 0.7 * share * cap)][: 1 + twice]:
            change = PlainProposal(key, self.reach(key, size), "MINE", ("p95_latency_ms",))
            for number in range(before + 5):
                p95 = noise.gauss(310.0, 2.0) + (rise if number > before else 0.0)
                self.iterate(Observation(p95=p95), [change] if number == before else [])
        self.iterate(QUIET, [self.proposal(RelativeProposal(key, "left", 1.0, "", ()))])

    @precondition(has_changed)
    @rule(undone=st.booleans())
    def the_last_change_is_repeated(self, undone: bool) -> None:
        last = [event for event in self.oracle.events if event.moves][-1]
        if undone:
            self.lane.edit({key: old for key, old, _, _ in last.moves})
        self.iterate(QUIET, [PlainProposal(key, new - old) for key, old, new, _ in last.moves])

    # -- between iterations --------------------------------------------------------------------

    @rule(edit=edits)
    def an_operator_edits(self, edit: dict[str, float]) -> None:
        self.lane.edit(self.values_at(edit))

    @precondition(now_and_then)
    @rule(key=keys, up=st.booleans(), share=st.sampled_from([1e-6, 0.5]))
    def an_edit_leaves_the_bounds(self, key: str, up: bool, share: float) -> None:
        numbers = self.oracle.n
        span = share * max(numbers.high[key] - numbers.low[key], 1.0)
        with pytest.raises(ValueError, match=key):
            self.drive.edit(**{key: numbers.high[key] + span if up else numbers.low[key] - span})

    @precondition(now_and_then)
    @rule(share=st.floats(0, 1))
    def crash(self, share: float) -> None:
        """I12: every prefix of the entries folds to the state of that moment."""
        written = [json.loads(canonical_json(entry)) for entry in self.drive.entries]
        count = 1 + round(share * (len(written) - 1))
        state = fold(written[:count])
        assert state == self.drive.states[count - 1], "I12: a prefix folds to another state"
        for entry in written[count:]:
            state = advance(state, entry_of(entry))
        assert state == self.drive.state, "I12: the journal folds to another state"
        self.drive.states[-1] = state

    @precondition(now_and_then)
    @rule(more=st.sampled_from([1, 10, 40]))
    def the_plan_grows(self, more: int) -> None:
        self.oracle.planned = self.drive.state.iterations + more
        self.drive.plan(self.oracle.planned)

    @precondition(now_and_then)
    @rule(
        shrunk=st.dictionaries(
            keys,
            st.sampled_from(["up to it", "down to it", "about it", "past it"]),
            min_size=1,
            max_size=2,
        )
    )
    def begin_again_with_smaller_bounds(self, shrunk: dict[str, str]) -> None:
        """A new lane starts from the runtime file of this one, with a changed profile."""
        if self.shape != "plain":
            return  # most bounds between are off a grid
        values, numbers = self.oracle.values(), self.oracle.n
        bounds = {key: (numbers.low[key], numbers.high[key]) for key in KEYS}
        bounds |= {key: smaller(how, *bounds[key], values[key]) for key, how in shrunk.items()}
        # Values have 12 digits, which are too few for a much smaller range.
        if any(high - low <= 1e-3 * max(abs(low), abs(high)) for low, high in bounds.values()):
            return
        profile = profile_with(self.guards, bounds)
        file = Overrides("file.json", runtime_of(self.drive.state.profile, values))
        resolved = Resolved(profile, {}, frozenset(), {})
        outside = [key for key, (low, high) in bounds.items() if not low <= values[key] <= high]
        if outside:
            with pytest.raises(ProfileError, match="|".join(outside)):
                start_values(resolved, explicit=False, environment=None, file=file)
            return
        started = start_values(resolved, explicit=False, environment=None, file=file).values
        for key, value in started.items():
            assert abs(value - values[key]) <= 1e-9 * self.oracle.span(key), "a start value moved"
        self.end()
        self.lane = WatchedLane(
            profile,
            started,
            interval_s=self.oracle.interval_s,
            planned=self.oracle.planned,
            mode=self.lane.mode,
        )

    # -- helpers -------------------------------------------------------------------------------

    def iterate(self, observation: Observation, proposed: list[PlainProposal] | None) -> None:
        if self.lane.is_going:
            self.lane.observe(observation)
            self.lane.decide(proposed)

    def proposal(self, drawn: RelativeProposal) -> PlainProposal:
        key, share, oracle = drawn.key, drawn.share, self.oracle
        if drawn.of == "raw":
            return PlainProposal(key, share, drawn.rule, drawn.kpis)
        value, span = oracle.values()[key], oracle.n.high[key] - oracle.n.low[key]
        past = oracle.came_from(key)
        slip = {0.05: 0.5e-9, 0.1: -0.5e-9, 0.3: 3e-9, 0.5: -3e-9}.get(share, 0.0)
        delta = {
            "cap": self.reach(key, share * min(oracle.n.cap[key], oracle.n.cap_once.get(key, 9e9))),
            "left": self.reach(key, share * oracle.left_of_cap(key)),
            "range": share * span,
            "back": (value if past is None else past) + slip * span - value,
            "bound": share * ((oracle.n.high if share > 0 else oracle.n.low)[key] - value),
        }[drawn.of]
        if drawn.of == "bound" and share < 0:
            delta = -delta
        return PlainProposal(key, delta, drawn.rule, drawn.kpis)

    def values_at(self, edit: dict[str, float]) -> dict[str, float]:
        """The values at these positions in the ranges; 1 is the upper bound itself.

        Of a grid it is the nearest value, but for 0.999: that edit is refused.
        """
        low, high = self.oracle.n.low, self.oracle.n.high
        values = {
            key: high[key] if share == 1 else low[key] + share * (high[key] - low[key])
            for key, share in edit.items()
        }
        return {
            key: self.oracle.landing(key, value) if key in self.oracle.n.step else value
            for key, value in values.items()
            if edit[key] != 0.999
        } | {key: value for key, value in values.items() if edit[key] == 0.999}

    def reach(self, key: str, size: float) -> float:
        """The change of a move of this size from the value in force."""
        value = self.oracle.values()[key]
        return math.copysign(self.oracle.reach(key, value, size, abs(size)), size)

    def agree(self) -> None:
        self.lane.check()

    def end(self) -> None:
        for what, number in self.lane.counts.items():
            self.count(what, number)
        for of, counts in self.lane.counts_of_types.items():
            add({f"{type(self).__name__}, {of}": counts})
        if self.guards.keys() <= {"pin"}:  # the invariants use the numbers of the shipped profile
            invariants.check_lane(self.drive)

    def teardown(self) -> None:
        if hasattr(self, "lane") and sys.exc_info()[0] is None:  # else the error counts
            self.end()


def smaller(how: str, low: float, high: float, value: float) -> tuple[float, float]:
    """Bounds inside the old ones; ``value`` is on a bound, between them, or outside."""
    if how == "past it":
        upper = value - low < high - value
        return (value + (high - value) / 3, high) if upper else (low, value - (value - low) / 3)
    return {
        "up to it": (low, value),
        "down to it": (value, high),
        "about it": (low + (value - low) / 2, high - (high - value) / 2),
    }[how]


class GuardMachine(AnyEvents):
    """The parameters are those of the shipped profile."""

    @initialize(
        interval_s=st.sampled_from([60.0, 300.0, 300.0, 1200.0, 3600.0]),
        planned=st.sampled_from([8, 30, 60]),
        mode=st.sampled_from(["live"] * 6 + ["dry run", "no tune"]),
        at=st.sampled_from(["start", "start", "low", "high", "safe"]),
        pin=st.sampled_from(["run", 0, 0, 3]),
        tight=st.booleans(),
        warmup=st.sampled_from([0, 0, 0, 2]),
    )
    def begin(
        self,
        interval_s: float,
        planned: int,
        mode: str,
        at: str,
        pin: Any,
        tight: bool,
        warmup: int,
    ) -> None:
        guards = {**(TIGHT if tight else {}), "pin": {"for": pin}}
        self.begin_lane(interval_s, planned, mode, at, guards, warmup)


TestGuardMachine = GuardMachine.TestCase
TestGuardMachine.settings = machine_settings(examples=700, nightly=20_000, steps=30)
