"""Fields that people look for and that a profile does not have, each with what to do instead."""

from __future__ import annotations

from collections.abc import Mapping

from pytest_soak.profile.errors import Invalid

ANYTHING = "*"

REFUSED: Mapping[tuple[str, ...], str] = {
    ("rules", ANYTHING, "moves", ANYTHING, "follow"): (
        "no key follows another, because its effect could not be separated from that of the "
        "other; move both by the same 'mul' in one rule, with at_most or at_least and a factor as "
        "the limit"
    ),
    ("rules", ANYTHING, "constants"): (
        "a rule has no constants of its own, since its few numbers stand side by side; the section "
        "'constants' of the profile is for all rules"
    ),
    ("gate", "criteria", ANYTHING, "tolerance"): (
        "a limit with a tolerance is another limit: write that one; 'warn' and 'fail' are two"
    ),
}
"""Key path to the sentence."""


def explained(finding: Invalid) -> Invalid:
    """The finding, or one with the sentence if the field is known to be refused."""
    for path, sentence in REFUSED.items():
        same_length = len(path) == len(finding.path)
        if same_length and all(a in (ANYTHING, b) for a, b in zip(path, finding.path, strict=True)):
            return Invalid(finding.path, sentence)
    return finding
