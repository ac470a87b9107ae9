"""A mutant: one wrong line, the tests that must die of it, and of what."""

from __future__ import annotations

from dataclasses import dataclass

GUARDS = "tests/properties/test_machine_guards.py"
LANE = "tests/properties/test_machine_lane.py"
UNIT = "tests/unit/loop"


@dataclass(frozen=True)
class Mutant:
    """One change of the product that must not go unseen."""

    name: str
    file: str
    """Below ``pytest_soak``."""
    old: str
    """It is there exactly once."""
    new: str
    tests: tuple[str, ...]
    """Each of them must fail."""
    reason: str
    """A pattern of what they say when they do."""


def said(guard: str) -> str:
    """The oracle and the product differ on this guard; others may follow from it."""
    return rf"oracle.*(?P<shown>\[([a-z_]+ )*{guard}( [a-z_]+)*\])"


NOT_JSON = "not JSON compliant"
"""What the journal says of a NaN that came so far."""
