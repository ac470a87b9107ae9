"""The start values of a lane, and where each comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pytest_soak.profile.errors import Invalid, ProfileError
from pytest_soak.profile.parameters import ParameterError, Table, bounded, key_at, leaves
from pytest_soak.profile.resolve import Resolved
from pytest_soak.profile.tunable import check_couplings


@dataclass(frozen=True, slots=True)
class Overrides:
    """Values that replace those of a profile."""

    origin: str
    """The variable or the file that has them."""
    values: Any
    """Nested or flat; as it was given, and checked where the start values are made."""


@dataclass(frozen=True, slots=True)
class StartValues:
    values: Mapping[str, float]
    """Flat, every parameter."""
    origins: Mapping[str, str]
    """Parameter to the source of its value: a profile's name, the variable, or the file."""


def start_values(
    resolved: Resolved,
    *,
    explicit: bool,
    environment: Overrides | None,
    file: Overrides | None,
) -> StartValues:
    """The start values. Each key has the value of the first of these sources that sets it.

    1. an explicit profile (of the option, variable or ini), for the keys that it or an ancestor
       below the root of its chain sets;
    2. the overrides of the environment;
    3. the overrides of the file;
    4. the profile.

    Overrides are nested or flat and may set only some keys; their ``tuner`` section is read-only
    and ignored. Raises ProfileError for an override that is unknown, no number or out of bounds,
    even where a stronger source replaces it, and for values that break a limit between parameters.
    """
    table = resolved.profile.parameters
    values = {key: parameter.fitted(parameter.start) for key, parameter in table.items()}
    origins = dict(resolved.origins)
    kept = resolved.named_below_base if explicit else frozenset()
    for overrides in filter(None, (file, environment)):
        for key, value in _flat(overrides, table).items():
            if key not in kept:
                values[key], origins[key] = value, overrides.origin
    try:
        check_couplings(values, table, ())
    except Invalid as finding:
        raise finding.at("start values") from None
    return StartValues(values=values, origins=origins)


def _flat(given: Overrides, table: Table) -> dict[str, float]:
    result: dict[str, float] = {}
    try:
        if not isinstance(given.values, Mapping):
            raise ParameterError("is not a JSON object of parameters")
        for path, value in leaves(given.values):
            key = path[0] if len(path) == 1 and path[0] in table else key_at(path, table)
            if key in result:
                raise ParameterError(f"{'.'.join(path)}: {key} is there twice")
            result[key] = bounded(value, table[key])
    except ParameterError as error:
        raise ProfileError(f"{given.origin}: {error}") from None
    return result
