"""The machine of the guards, on whole numbers, switches, choices, steps, ratios and limits between.

The oracle is the same. The counts at the end of the session have each type and what it met.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from tests.properties.counting import machine_settings
from tests.properties.drawn import QUIET, TIGHT
from tests.properties.oracle import PlainProposal
from tests.properties.shapes import SHAPES
from tests.properties.test_machine_guards import AnyEvents

# Almost every move of a switch or of a choice is large, so most lanes rarely move otherwise.
WIDE = {**TIGHT, "cooldown": {"large": 0.9, "iterations": 3}}


class TypeMachine(AnyEvents):
    """As the other machine; the parameters have other types."""

    @initialize(
        interval_s=st.sampled_from([60.0, 300.0, 300.0, 1200.0, 3600.0]),
        planned=st.sampled_from([30, 60]),
        mode=st.sampled_from(["live"] * 8 + ["dry run", "no tune"]),
        at=st.sampled_from(["start", "start", "low", "high"]),
        pin=st.sampled_from(["run", 0, 0, 0, 3]),
        guards=st.sampled_from([{}, WIDE, WIDE]),
        shape=st.sampled_from(sorted(SHAPES.keys() - {"plain"})),
    )
    def begin(
        self,
        interval_s: float,
        planned: int,
        mode: str,
        at: str,
        pin: Any,
        guards: dict[str, Any],
        shape: str,
    ) -> None:
        self.shape = shape
        self.begin_lane(interval_s, planned, mode, at, {**guards, "pin": {"for": pin}})

    def has_limits(self) -> bool:
        return self.lane.is_going and bool(self.oracle.n.most)

    @precondition(has_limits)
    @rule(which=st.integers(0, 3), part=st.sampled_from([0.2, 0.6, 1.0]), up=st.booleans())
    def two_keys_move_towards_their_limit(self, which: int, part: float, up: bool) -> None:
        """Each of the two moves may be within the limit, and both together are beyond it."""
        a, _, b = self.oracle.n.most[which % len(self.oracle.n.most)]
        sizes = {key: part * self.oracle.left_of_cap(key) for key in (a, b)}
        moves = {a: self.reach(a, sizes[a]), b: self.reach(b, -sizes[b] if up else sizes[b])}
        self.iterate(QUIET, [PlainProposal(key, delta) for key, delta in moves.items()])


TestTypeMachine = TypeMachine.TestCase
TestTypeMachine.settings = machine_settings(examples=250, nightly=12_000, steps=30)
