"""Scenarios: the disturbances that a profile declares, and the schedule of one run.

A profile's section ``scenarios`` is no part of its resolved document: the journal stores the
schedule of a run separately, so a run that schedules nothing has the same profile as without the
section. docs/scenarios.md describes every field.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from msgspec import UNSET

from pytest_soak.canonical import compute_json_hash
from pytest_soak.json_types import Finite, Whole
from pytest_soak.messages import nearest
from pytest_soak.profile.errors import Invalid, ProfileError
from pytest_soak.profile.reading import ScenarioName, read
from pytest_soak.profile.sections import ScenarioFields

SECTION = "scenarios"
"""The optional section of a profile."""

GateMode = Literal["exclude", "judge"]

_DEFAULT_PLACE = 0.625
"""The middle of the third quarter: after the first trends, with iterations left to recover."""


@dataclass(frozen=True, slots=True)
class Declared:
    """A scenario as a profile declares it."""

    name: str
    for_s: float
    """How long it lasts, seconds of target time."""
    strength: float
    unit: str
    """Unit of the strength, for messages."""
    gate: GateMode
    """``exclude``: the gate's window leaves its iterations out, until the KPIs have recovered."""
    at: tuple[int, ...] = ()
    """The iterations in which it begins; empty: only ``--soak-scenario`` schedules it."""
    after_s: float | None = None
    """Seconds from the start of the iteration; None: drawn by the lane's seed."""
    recovers_within: int | None = None
    """The gated KPIs must recover within this many iterations after it; None: no limit."""


@dataclass(frozen=True, slots=True)
class Scheduled:
    """One occurrence of a scenario in one lane; a part of the journal's start entry."""

    name: str
    at: Whole
    """The iteration in which it begins."""
    after_s: Finite
    """Seconds from the start of that iteration."""
    for_s: Finite
    strength: Finite
    gate: GateMode
    recovers_within: Whole | None

    def last(self, interval_s: float) -> int:
        """The last iteration in which it is active."""
        return self.at + max(0, math.ceil((self.after_s + self.for_s) / interval_s - 1e-9) - 1)


def declared(section: Any) -> dict[str, Declared]:
    """The scenarios of a profile's section, plain data, by name. Raises Invalid."""
    fields = read(section, dict[ScenarioName, ScenarioFields], (SECTION,))
    return {name: _declared(name, scenario) for name, scenario in fields.items()}


def _declared(name: str, fields: ScenarioFields) -> Declared:
    at = fields.at if isinstance(fields.at, tuple) else (fields.at,)
    if len(set(at)) < len(at):
        raise Invalid((SECTION, name, "at"), "an iteration is named twice")
    return Declared(
        name=name,
        for_s=fields.for_s,
        strength=fields.strength,
        unit=fields.unit,
        gate=fields.gate,
        at=at,
        after_s=None if fields.after_s is UNSET else fields.after_s,
        recovers_within=fields.recovers_within or None,
    )


def schedule(
    scenarios: Mapping[str, Declared],
    requested: Sequence[str],
    *,
    iterations: int,
    interval_s: float,
    seed: int,
) -> tuple[Scheduled, ...]:
    """The scenarios of one lane, in the order of time.

    ``requested`` are the texts ``NAME`` or ``NAME@ITERATION`` of ``--soak-scenario``; they replace
    the iterations that the profile names. A scenario without an iteration in either begins in the
    middle of the third quarter of the run. Raises ProfileError for an unknown scenario and for one
    that lies outside of the run.
    """
    planned = {name: list(scenario.at) for name, scenario in scenarios.items() if scenario.at}
    replaced: dict[str, list[int]] = {}
    for text in requested:
        name, _, at = text.partition("@")
        if name not in scenarios:
            raise ProfileError(f"unknown scenario {name!r}{nearest(name, scenarios)}")
        default = planned.get(name) or [math.ceil(_DEFAULT_PLACE * iterations)]
        replaced.setdefault(name, []).extend([int(at)] if at else default)
    occurrences = [
        _occurrence(scenarios[name], at, iterations, interval_s, seed)
        for name, places in {**planned, **replaced}.items()
        for at in places
    ]
    begins = [(occurrence.name, occurrence.at) for occurrence in occurrences]
    for name, iteration in begins:
        if begins.count((name, iteration)) > 1:
            raise ProfileError(f"scenario {name} is scheduled twice in iteration {iteration}")
    return tuple(sorted(occurrences, key=lambda item: (item.at, item.after_s, item.name)))


def _occurrence(
    scenario: Declared, at: int, iterations: int, interval_s: float, seed: int
) -> Scheduled:
    if not 1 <= at <= iterations:
        raise ProfileError(
            f"scenario {scenario.name} is scheduled in iteration {at}; "
            f"the run has 1 to {iterations}"
        )
    after_s = scenario.after_s
    if after_s is None:
        # A hash, not a random generator: every version and platform draws the same time.
        drawn = int(compute_json_hash([seed, scenario.name, at])[:12], 16) / 16.0**12
        after_s = round(drawn * max(0.0, interval_s - scenario.for_s), 1)
    elif after_s >= interval_s:
        raise ProfileError(
            f"scenario {scenario.name} begins after {after_s:g} s; "
            f"an iteration has {interval_s:g} s"
        )
    return Scheduled(
        name=scenario.name,
        at=at,
        after_s=after_s,
        for_s=scenario.for_s,
        strength=scenario.strength,
        gate=scenario.gate,
        recovers_within=scenario.recovers_within,
    )
