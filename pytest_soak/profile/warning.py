"""One warning about a profile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "parameter_without_rule",
    "kpi_without_rule",
    "rule_never",
    "rule_always",
    "rule_too_late",
    "rule_stopped",
    "rule_stays_stopped",
    "move_of_constant",
    "move_too_small",
    "start_at_bound",
    "verdict_never",
    "verdict_always",
    "warn_within_fail",
    "fail_within_gate",
    "criterion_never_passes",
    "criterion_never_fails",
    "rule_weaker_than_gate",
]


@dataclass(frozen=True, slots=True)
class ProfileWarning:
    """Something that a profile may have, and that does not do what it is there for."""

    kind: Kind
    path: tuple[str, ...]
    """The key path of the value in the profile."""
    problem: str
    """What does not work, with the values: the end of a line that begins with the key path."""
    remedy: str
    """What would be right."""
