"""Comparisons as data: ``"<= 0.40"`` is parsed by a pattern, never evaluated."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import cast

from pytest_soak.canonical import number
from pytest_soak.messages import shown
from pytest_soak.profile.condition import Comparison, Operator
from pytest_soak.profile.errors import Invalid
from pytest_soak.profile.sections import A_COMPARISON, COMPARISON

_COMPARISON = re.compile(COMPARISON)
_OPPOSITE: Mapping[str, Operator] = {"<": ">=", "<=": ">", ">": "<=", ">=": "<"}


def comparison(text: str, path: tuple[str, ...]) -> Comparison:
    """``text``, such as ``"<= 0.40"``, as a comparison. Raises Invalid."""
    match = _COMPARISON.fullmatch(text)
    if match is None:
        raise Invalid(path, f"{shown(text)} is no {A_COMPARISON}")
    limit = number(float(match["limit"]))
    if limit is None:
        raise Invalid(path, f"{match['limit']} is not a finite number")
    return Comparison(op=cast(Operator, match["op"]), limit=limit)


def opposite(text: str) -> str | None:
    """``"> 120"`` for ``"<= 120"``; None for a text that is no comparison."""
    match = _COMPARISON.fullmatch(text)
    return None if match is None else f"{_OPPOSITE[match['op']]} {match['limit']}"
