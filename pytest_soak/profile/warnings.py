"""What a valid profile probably does not mean: warnings, each with its place and what would help.

A profile with warnings is used as it is. Only the profile is looked at: what a proposer of the user
or an operator does is not known here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pytest_soak.profile.conditions import kpis_in
from pytest_soak.profile.limit_warnings import limit_warnings
from pytest_soak.profile.model import Profile
from pytest_soak.profile.outcomes import Space
from pytest_soak.profile.parameter import Parameter
from pytest_soak.profile.places import Place, Places
from pytest_soak.profile.rule_warnings import rule_warnings, start_warning
from pytest_soak.profile.warning import ProfileWarning

__all__ = ["PlacedWarning", "ProfileWarning", "placed_warnings", "warnings"]


def warnings(profile: Profile, iterations: int | None = None) -> tuple[ProfileWarning, ...]:
    """The warnings of a resolved profile, in the order of its sections.

    ``iterations``: how long it is meant to be run (its section ``run``); None: that is not known.
    """
    space = Space.of(profile)
    of_rules = [
        item for rule in profile.rules for item in rule_warnings(profile, rule, space, iterations)
    ]
    return (*_parameters(profile), *limit_warnings(profile, space), *of_rules, *_gated(profile))


def _parameters(profile: Profile) -> Iterator[ProfileWarning]:
    moved = {move.key for rule in profile.rules for move in rule.moves}
    for key, parameter in profile.parameters.items() if profile.rules else ():
        if key not in moved and parameter.span:
            yield ProfileWarning(
                "parameter_without_rule",
                ("parameters", key),
                f"no rule moves {key}, {_stays(profile, parameter)}",
                "name it in the 'moves' of a rule, or set its min and max to the start",
            )
        elif (item := start_warning(profile, parameter)) is not None:
            yield item


def _stays(profile: Profile, parameter: Parameter) -> str:
    """What becomes of a parameter that no rule moves: only a panic may change it."""
    start, panic = parameter.start, profile.guards.panic
    if panic is None or panic.values[parameter.key] == start:
        return f"so it stays at its start, {parameter.text(start)}"
    safe = parameter.text(panic.values[parameter.key])
    return f"so it stays at its start, {parameter.text(start)}, unless a panic sets it to {safe}"


def _gated(profile: Profile) -> Iterator[ProfileWarning]:
    read = {kpi for rule in profile.rules for kpi in kpis_in(rule.when)}
    for criterion in profile.gate.criteria if profile.rules else ():
        parts = profile.kpis[criterion.kpi].parts
        if criterion.optional or criterion.kpi in read or read & set(parts):
            continue
        yield ProfileWarning(
            "kpi_without_rule",
            ("gate", "criteria", criterion.kpi),
            f"{criterion.kpi} is gated ({criterion.production}), and no rule reads it: the tuner "
            "does nothing when it is beyond its limit",
            f"give a rule a condition on it: rules.NAME.when.{criterion.kpi}",
        )


@dataclass(frozen=True, slots=True)
class PlacedWarning:
    """A warning with the line of the profile that it is about."""

    warning: ProfileWarning
    place: Place | None
    """None: no file of the profile has this value; it is a default."""

    def document(self) -> dict[str, Any]:
        """As JSON."""
        item, place = self.warning, self.place
        return {
            "kind": item.kind,
            "path": list(item.path),
            "problem": item.problem,
            "remedy": item.remedy,
            "file": None if place is None else place.file,
            "line": None if place is None else place.line,
        }


def placed_warnings(
    profile: Profile, places: Places, iterations: int | None = None
) -> tuple[PlacedWarning, ...]:
    """The warnings, each with the line of its key path, or of the nearest part of it."""
    return tuple(
        PlacedWarning(item, places.of(*_paths(item.path))) for item in warnings(profile, iterations)
    )


def _paths(path: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    return tuple(path[:length] for length in range(len(path), 0, -1))
