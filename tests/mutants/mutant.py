"""A mutant: one wrong line, the tests that must fail with it, and the reason of their failure."""

from __future__ import annotations

from dataclasses import dataclass

GUARDS = "tests/properties/test_machine_guards.py"
LANE = "tests/properties/test_machine_lane.py"
UNIT = "tests/unit/loop"


@dataclass(frozen=True)
class Mutant:
    """One wrong change of the product that the tests must find."""

    name: str
    file: str
    """The path below ``pytest_soak``."""
    old: str
    """The text to replace; it occurs exactly once."""
    new: str
    tests: tuple[str, ...]
    """Each of these must fail."""
    reason: str
    """A regular expression that matches their error messages."""


def oracle_differs_on(guard: str) -> str:
    """The reason that the oracle and the product differ on this guard, and maybe on others too."""
    return rf"oracle.*(?P<shown>\[([a-z_]+ )*{guard}( [a-z_]+)*\])"


NOT_JSON = "not JSON compliant"
"""The error of the journal for a NaN."""
