"""A lane in memory under everything at once, against the oracle (SPEC §10, I1-I17).

The default is a part of the ordinary run. An hour of it, with new seeds each time:

    pytest -n 2 --hypothesis-profile=nightly tests/properties/test_machine_guards.py \
        tests/properties/test_machine_lane.py
"""

from __future__ import annotations

import json
import random
import sys
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from pytest_soak.canonical import canonical_json
from pytest_soak.loop.entries import runtime_of
from pytest_soak.loop.fold import advance, fold
from pytest_soak.profile.errors import ProfileError
from pytest_soak.profile.resolve import Resolved
from pytest_soak.profile.start import start_values
from tests.properties.counting import CountedMachine, machine_settings
from tests.properties.drawn import (
    KEYS,
    QUIET,
    TIGHT,
    Seen,
    Wish,
    edits,
    numbers_of,
    profile_with,
    rows,
    seen,
    wishes,
)
from tests.properties.oracle import Asked, Oracle
from tests.properties.watched import WatchedLane
from tests.unit.loop import invariants
from tests.unit.loop.lanes import Drive, starts

keys = st.sampled_from(KEYS)


class GuardMachine(CountedMachine):
    """Observations, proposals, edits, crashes and new beginnings in any order."""

    lane: WatchedLane

    @initialize(
        interval_s=st.sampled_from([60.0, 300.0, 300.0, 1200.0, 3600.0]),
        planned=st.sampled_from([8, 30, 60]),
        mode=st.sampled_from(["live"] * 6 + ["dry run", "no tune"]),
        at=st.sampled_from(["start", "start", "low", "high", "safe"]),
        pin=st.sampled_from(["run", 0, 0, 3]),
        tight=st.booleans(),
    )
    def begin(
        self, interval_s: float, planned: int, mode: str, at: str, pin: Any, tight: bool
    ) -> None:
        self.tight = tight
        self.guards = {**(TIGHT if tight else {}), "pin": {"for": pin}}
        profile = profile_with(self.guards, {})
        numbers = numbers_of(profile.document)
        places = {"low": numbers.low, "high": numbers.high, "safe": numbers.safe}
        values = places.get(at, starts(profile))
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
        return len(self.drive.entries) % 24 > 18  # for what costs more than a decision

    def has_changed(self) -> bool:
        return self.lane.is_going and any(one.moves for one in self.oracle.list)

    # -- iterations ----------------------------------------------------------------------------

    @precondition(is_going)
    @rule(
        what=seen,
        requested=st.lists(wishes, max_size=4),
        meanwhile=st.sampled_from(["", "", "", "before the decision", "before done"]),
        edit=edits,
    )
    def somebody_proposes(
        self, what: Seen, requested: list[Wish], meanwhile: str, edit: dict[str, float]
    ) -> None:
        self.lane.observe(what)
        if meanwhile == "before the decision":
            self.lane.edit(self.placed(edit))
        asked = [self.asked(wish) for wish in requested]
        self.lane.decide(asked, self.placed(edit) if meanwhile == "before done" else {})

    @precondition(is_going)
    @rule(row=rows, key=keys, first=st.sampled_from([0.02, 0.02, 1.0]))
    def somebody_insists(self, row: list[Seen], key: str, first: float) -> None:
        """A step a time on two keys, so that what ends is seen to end at its decision."""
        both = sorted({key, "max_delta_ratio"})
        for number, what in enumerate(row):
            share = 0.02 if number else first
            self.iterate(what, [Asked(one, share * self.oracle.n.cap[one]) for one in both])

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
        self.iterate(QUIET, [Asked(key, there * self.oracle.n.cap[key], "MINE")])
        for _ in range(wait):
            self.iterate(QUIET, [])
        self.iterate(QUIET, [self.asked(Wish(key, back, share, name, ()))])

    @precondition(is_going)
    @rule(row=rows)
    def nobody_proposes(self, row: list[Seen]) -> None:
        for what in row:
            self.iterate(what, [])

    @precondition(is_going)
    @rule(what=seen, count=st.integers(1, 6))
    def the_tuner_proposes(self, what: Seen, count: int) -> None:
        for _ in range(count):
            self.iterate(what, None)

    @precondition(is_going)
    @rule(
        key=keys,
        share=st.sampled_from([-0.5, 0.2, 0.5, 1.0]),
        before=st.sampled_from([6, 12, 14]),
        seed=st.integers(0, 3),
        twice=st.booleans(),
    )
    def a_change_hurts(self, key: str, share: float, before: int, seed: int, twice: bool) -> None:
        """Latency rises by more than chance right after it, so that it is rolled back; once."""
        noise, cap = random.Random(seed), self.oracle.n.cap[key]
        # The second time by far more: the first is a part of what is taken for noise then.
        for rise, size in [(30.0, share * cap), (1e6, 0.7 * share * cap)][: 1 + twice]:
            change = Asked(key, size, "MINE", ("p95_latency_ms",))
            for number in range(before + 5):
                p95 = noise.gauss(310.0, 2.0) + (rise if number > before else 0.0)
                self.iterate(Seen(p95=p95), [change] if number == before else [])
        self.iterate(QUIET, [self.asked(Wish(key, "left", 1.0, "", ()))])

    @precondition(has_changed)
    @rule(undone=st.booleans())
    def the_last_change_is_repeated(self, undone: bool) -> None:
        last = [one for one in self.oracle.list if one.moves][-1]
        if undone:
            self.lane.edit({key: old for key, old, _, _ in last.moves})
        self.iterate(QUIET, [Asked(key, new - old) for key, old, new, _ in last.moves])

    # -- what comes between --------------------------------------------------------------------

    @rule(edit=edits)
    def an_operator_edits(self, edit: dict[str, float]) -> None:
        self.lane.edit(self.placed(edit))

    @precondition(now_and_then)
    @rule(key=keys, up=st.booleans(), share=st.sampled_from([1e-6, 0.5]))
    def an_edit_leaves_the_bounds(self, key: str, up: bool, share: float) -> None:
        span, numbers = share * self.oracle.span(key), self.oracle.n
        with pytest.raises(ValueError, match=key):
            self.drive.edit(**{key: numbers.high[key] + span if up else numbers.low[key] - span})

    @precondition(now_and_then)
    @rule(share=st.floats(0, 1))
    def crash(self, share: float) -> None:
        """I12: any prefix of the bytes is the state of that moment, and the lane goes on."""
        written = [json.loads(canonical_json(entry)) for entry in self.drive.entries]
        count = 1 + round(share * (len(written) - 1))
        state = fold(written[:count])
        assert state == self.drive.states[count - 1], "I12: a prefix is another state"
        for entry in written[count:]:
            state = advance(state, entry)
        assert state == self.drive.state, "I12: the fold is another state"
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
        """A lane that starts from the runtime file of this one, whose profile has changed."""
        values, numbers = self.oracle.values(), self.oracle.n
        bounds = {key: (numbers.low[key], numbers.high[key]) for key in KEYS}
        bounds |= {key: smaller(how, *bounds[key], values[key]) for key, how in shrunk.items()}
        # Values have 12 digits: on the shares of a range that is much smaller they say nothing.
        if any(high - low <= 1e-3 * max(abs(low), abs(high)) for low, high in bounds.values()):
            return
        profile = profile_with(self.guards, bounds)
        file = runtime_of(self.drive.state.profile, values)
        resolved = Resolved(profile, {}, frozenset(), {})
        outside = [key for key, (low, high) in bounds.items() if not low <= values[key] <= high]
        if outside:
            with pytest.raises(ProfileError, match="|".join(outside)):
                start_values(resolved, False, None, file)
            return
        started = start_values(resolved, False, None, file).values
        for key, value in started.items():
            assert abs(value - values[key]) <= 1e-9 * self.oracle.span(key), "a bound is inside"
        self.end()
        self.lane = WatchedLane(
            profile,
            started,
            interval_s=self.oracle.interval_s,
            planned=self.oracle.planned,
            mode=self.lane.mode,
        )

    # -- in words ------------------------------------------------------------------------------

    def iterate(self, what: Seen, asked: list[Asked] | None) -> None:
        if self.lane.is_going:
            self.lane.observe(what)
            self.lane.decide(asked)

    def asked(self, wish: Wish) -> Asked:
        key, share, oracle = wish.key, wish.share, self.oracle
        if wish.of == "raw":
            return Asked(key, share, wish.rule, wish.kpis)
        value, span = oracle.values()[key], oracle.span(key)
        past = oracle.came_from(key)
        slip = {0.05: 0.5e-9, 0.1: -0.5e-9, 0.3: 3e-9, 0.5: -3e-9}.get(share, 0.0)
        delta = {
            "cap": share * oracle.n.cap[key],
            "left": share * oracle.left_of_cap(key),
            "range": share * span,
            "back": (value if past is None else past) + slip * span - value,
            "bound": share * ((oracle.n.high if share > 0 else oracle.n.low)[key] - value),
        }[wish.of]
        if wish.of == "bound" and share < 0:
            delta = -delta
        return Asked(key, delta, wish.rule, wish.kpis)

    def placed(self, edit: dict[str, float]) -> dict[str, float]:
        """Shares of the range as values; 1 is the upper bound itself."""
        low, high = self.oracle.n.low, self.oracle.n.high
        return {
            key: high[key] if share == 1 else low[key] + share * (high[key] - low[key])
            for key, share in edit.items()
        }

    def agree(self) -> None:
        self.lane.check()

    def end(self) -> None:
        for what, much in self.lane.counts.items():
            self.count(what, much)
        if not self.tight:  # they count with the shipped profile's numbers
            invariants.check_lane(self.drive)

    def teardown(self) -> None:
        if hasattr(self, "lane") and sys.exc_info()[0] is None:  # else that is what counts
            self.end()


def smaller(how: str, low: float, high: float, value: float) -> tuple[float, float]:
    """Bounds inside the old ones: ``value`` is on them, between them, or outside."""
    if how == "past it":
        upper = value - low < high - value
        return (value + (high - value) / 3, high) if upper else (low, value - (value - low) / 3)
    return {
        "up to it": (low, value),
        "down to it": (value, high),
        "about it": (low + (value - low) / 2, high - (high - value) / 2),
    }[how]


TestGuardMachine = GuardMachine.TestCase
TestGuardMachine.settings = machine_settings(examples=700, nightly=20_000, steps=30)
