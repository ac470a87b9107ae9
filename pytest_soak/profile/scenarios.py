"""Scenarios: disturbances that a profile declares, and the schedule of a run's own.

A profile's section ``scenarios`` is no part of its resolved document: what a run schedules stands
in the journal of its own account, and a run that schedules nothing does not know of any.
docs/scenarios.md describes every field.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pytest_soak.canonical import compute_json_hash
from pytest_soak.profile.errors import ProfileError, nearest
from pytest_soak.profile.reading import Node

SECTION = "scenarios"
"""The optional section of a profile."""

GateMode = Literal["exclude", "judge"]

_MODES: tuple[GateMode, ...] = ("exclude", "judge")
_DEFAULT_PLACE = 0.625
"""The middle of the third quarter: behind the start's trends, with iterations left to recover."""


@dataclass(frozen=True, slots=True)
class Declared:
    """A scenario as a profile has it."""

    name: str
    for_s: float
    """How long it lasts, seconds of target time."""
    strength: float
    unit: str
    """Of the strength, for people."""
    gate: GateMode
    """``exclude``: its iterations, until recovered, are no part of the gate's window."""
    at: tuple[int, ...] = ()
    """The iterations in which it begins; empty: not scheduled unless asked for."""
    after_s: float | None = None
    """Seconds from the start of the iteration; None: drawn by the lane's seed."""
    recovers_within: int | None = None
    """Within so many iterations after it the gated KPIs must be back; None: not demanded."""


@dataclass(frozen=True, slots=True)
class Scheduled:
    """One occurrence of a scenario in one lane."""

    name: str
    at: int
    """The iteration in which it begins."""
    after_s: float
    """Seconds from the start of that iteration."""
    for_s: float
    strength: float
    gate: GateMode
    recovers_within: int | None

    def last(self, interval_s: float) -> int:
        """The last iteration that it reaches into."""
        return self.at + max(0, math.ceil((self.after_s + self.for_s) / interval_s - 1e-9) - 1)

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "at": self.at,
            "after_s": self.after_s,
            "for_s": self.for_s,
            "strength": self.strength,
            "gate": self.gate,
            "recovers_within": self.recovers_within,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Scheduled:
        within = value["recovers_within"]
        mode: GateMode = "exclude" if value["gate"] == "exclude" else "judge"
        return cls(
            name=str(value["name"]),
            at=int(value["at"]),
            after_s=float(value["after_s"]),
            for_s=float(value["for_s"]),
            strength=float(value["strength"]),
            gate=mode,
            recovers_within=None if within is None else int(within),
        )


def declared(section: Node) -> dict[str, Declared]:
    """The scenarios of a profile's section, by name. Raises Invalid."""
    return {name: _declared(name, node) for name, node in section.entries()}


def _declared(name: str, node: Node) -> Declared:
    node.fields(("for_s", "strength", "unit", "gate"), ("at", "after_s", "recovers_within"))
    at: tuple[int, ...] = ()
    if node.has("at"):
        given = node.child("at")
        each = given.items() if isinstance(given.value, list) else (given,)
        at = tuple(item.count() for item in each)
        if len(set(at)) < len(at):
            raise given.wrong("an iteration is named twice")
    after_s = None
    if node.has("after_s"):
        after_s = node.child("after_s").number()
        if after_s < 0.0:
            raise node.child("after_s").wrong(f"{after_s:g} is below 0")
    return Declared(
        name=name,
        for_s=node.child("for_s").positive(),
        strength=node.child("strength").positive(),
        unit=node.child("unit").text(),
        gate=node.child("gate").choice(_MODES),
        at=at,
        after_s=after_s,
        recovers_within=node.child("recovers_within").count()
        if node.has("recovers_within")
        else None,
    )


def schedule(
    known: Mapping[str, Declared],
    wanted: Sequence[str],
    *,
    iterations: int,
    interval_s: float,
    seed: int,
) -> tuple[Scheduled, ...]:
    """What happens in a lane, in the order of time.

    ``requested`` are the texts ``NAME`` or ``NAME@ITERATION`` that were asked for; they replace the
    iterations that the profile names. Without either it is the middle of the third quarter of
    the run. Raises ProfileError for what is unknown or lies outside of the run.
    """
    planned = {name: list(each.at) for name, each in known.items() if each.at}
    asked: dict[str, list[int]] = {}
    for text in wanted:
        name, _, at = text.partition("@")
        if name not in known:
            raise ProfileError(f"unknown scenario {name!r}{nearest(name, known)}")
        usual = planned.get(name) or [math.ceil(_DEFAULT_PLACE * iterations)]
        asked.setdefault(name, []).extend([int(at)] if at else usual)
    found = [
        _occurrence(known[name], at, iterations, interval_s, seed)
        for name, each in {**planned, **asked}.items()
        for at in each
    ]
    places = [(one.name, one.at) for one in found]
    for place in places:
        if places.count(place) > 1:
            raise ProfileError(f"scenario {place[0]} is scheduled twice in iteration {place[1]}")
    return tuple(sorted(found, key=lambda one: (one.at, one.after_s, one.name)))


def _occurrence(
    known: Declared, at: int, iterations: int, interval_s: float, seed: int
) -> Scheduled:
    if not 1 <= at <= iterations:
        raise ProfileError(
            f"scenario {known.name} is scheduled in iteration {at}; the run has 1 to {iterations}"
        )
    after_s = known.after_s
    if after_s is None:
        # By a hash, not by a generator: the schedule is data that any reader can make again.
        drawn = int(compute_json_hash([seed, known.name, at])[:12], 16) / 16.0**12
        after_s = round(drawn * max(0.0, interval_s - known.for_s), 1)
    elif after_s >= interval_s:
        raise ProfileError(
            f"scenario {known.name} begins after {after_s:g} s; an iteration has {interval_s:g} s"
        )
    return Scheduled(
        known.name, at, after_s, known.for_s, known.strength, known.gate, known.recovers_within
    )
