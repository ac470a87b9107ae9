"""The lanes that the settings ask for: profiles × symbols × points of a sweep × seeds."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Context, Decimal
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

import pytest

from pytest_soak.gate.judge import explores
from pytest_soak.messages import nearest
from pytest_soak.option_values import variable_of
from pytest_soak.profile.errors import Invalid, ProfileError
from pytest_soak.profile.parameter import Parameter
from pytest_soak.profile.parameters import ParameterError, Table, bounded
from pytest_soak.profile.resolve import Resolved, resolve
from pytest_soak.profile.scenarios import Scheduled, schedule
from pytest_soak.profile.start import Overrides, StartValues, start_values
from pytest_soak.profile.tunable import check_couplings
from pytest_soak.protocol import Lane, Swept, lane_name
from pytest_soak.session.plan import LanePlan, placed
from pytest_soak.settings import Settings
from pytest_soak.store import names
from pytest_soak.store.errors import StoreError
from pytest_soak.store.reading import parse_json_strictly, read_json_with_hash
from pytest_soak.store.sources import read_source

OVERRIDES_VARIABLES = ("SOAK_RUNTIME_OVERRIDES_JSON", "MM_RUNTIME_OVERRIDES_JSON")


@dataclass(frozen=True, slots=True)
class PreparedLane:
    """One lane before it has a directory."""

    lane: Lane
    resolved: Resolved
    start: StartValues
    scenarios: tuple[Scheduled, ...]
    binding: bool
    """Its KPI criteria and pass count are reported by the gate."""
    section: Mapping[str, Any] | None = field(default=None, repr=False)
    """For a live target: the section ``target`` of its profile, as plain data."""

    def plan(self, directory: Path, done: int = 0, *, over: bool = False) -> LanePlan:
        gate = self.resolved.profile.gate
        # Checks, delta quality and completeness always bind; a sweep's KPIs do not.
        criteria = 3
        if self.binding:  # with pass count and stale
            drifts = {*gate.drift, *((gate.throughput,) if gate.throughput else ())}
            drifts -= {item.kpi for item in gate.criteria if item.optional}
            shown = [item for item in gate.criteria if not item.optional]
            criteria += sum(len(item.names) for item in shown) + 2 + len(drifts)
        criteria += len({entry.name for entry in self.scenarios})
        recovers = {entry.name for entry in self.scenarios if entry.recovers_within is not None}
        criteria += len(recovers)
        plan = LanePlan(self.lane, directory, done, over, criteria, named(self.scenarios))
        return placed(replace(plan, section=self.section), directory)


def prepare_lanes(settings: Settings) -> tuple[PreparedLane, ...]:
    """Every lane, resolved and checked. Raises pytest.UsageError."""
    try:
        environment = _environment_overrides()
        beside = _file_overrides(settings.directory / names.RUNTIME)
        profiles = [resolve(reference, read_source) for reference in settings.profiles]
        lanes = []
        axes = axes_of(settings.sweep)
        named_symbols = [
            (resolved, symbol)
            for resolved in profiles
            for symbol in settings.symbols or (resolved.symbol,)
        ]
        refuse_too_many(axes, len(named_symbols) * len(settings.seeds))
        for (resolved, symbol), values, seed in product(
            named_symbols, points_of(axes), settings.seeds
        ):
            start = start_values(
                resolved,
                explicit=settings.explicit_profile,
                environment=environment,
                file=beside,
            )
            table = resolved.profile.parameters
            point = point_at(axes, values, start, table)
            name = resolved.profile.name
            lane = Lane(
                id=f"{lane_name(name, symbol, seed)}{lane_suffix(point, table)}",
                profile=name,
                symbol=symbol,
                seed=seed,
                interval_s=settings.interval_s,
                iterations=settings.iterations,
                data=settings.data,
                sweep=point,
            )
            planned = scheduled_in(lane, resolved, settings.scenarios)
            start = swept_start(start, point, table)
            binding = not explores(lane, strict=settings.strict)
            lanes.append(PreparedLane(lane, resolved, start, planned, binding))
    except (ProfileError, StoreError) as error:
        raise pytest.UsageError(f"soak: {error}") from error
    for lane_id, times in Counter(item.lane.id for item in lanes).items():
        if times > 1:
            raise pytest.UsageError(f"soak: two lanes are called {lane_id!r}; rename a profile")
    return tuple(lanes)


def _environment_overrides() -> Overrides | None:
    given = variable_of(os.environ, OVERRIDES_VARIABLES)
    if given is None:
        return None
    variable, text = given
    if text.startswith("{"):
        try:
            value = parse_json_strictly(text.encode("utf-8", "surrogateescape"))
        except ValueError as error:
            raise ProfileError(f"variable {variable}: {error}") from error
    else:
        value, _ = read_json_with_hash(Path(text))
    return Overrides(variable, _object(value, f"variable {variable}"))


def _file_overrides(path: Path) -> Overrides | None:
    if not os.path.lexists(path):
        return None
    value, _ = read_json_with_hash(path)
    return Overrides(path.name, _object(value, str(path)))


def _object(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ProfileError(f"{where}: a JSON object of parameters is expected, not {value!r:.40}")
    return value


def scheduled_in(lane: Lane, resolved: Resolved, requested: Sequence[str]) -> tuple[Scheduled, ...]:
    """What the profile and ``--soak-scenario`` plan for a lane. Raises ProfileError."""
    try:
        return schedule(
            resolved.scenarios,
            requested,
            iterations=lane.iterations,
            interval_s=lane.interval_s,
            seed=lane.seed,
        )
    except ProfileError as error:
        where = "--soak-scenario" if requested else f"profile {lane.profile}"
        raise ProfileError(f"{where}: {error}") from error


def named(scenarios: Sequence[Scheduled]) -> tuple[str, ...]:
    """``NAME@ITERATION`` of each, for people."""
    return tuple(f"{entry.name}@{entry.at}" for entry in scenarios)


OPTION = "--soak-sweep"
MOST_LANES = 1_000
_MOST_PARAMETERS = 2
_NUMBER = re.compile(
    r"[+-]?(?:[0-9]{1,15}(?:\.[0-9]{0,15})?|\.[0-9]{1,15})(?:[eE][+-]?[0-9]{1,2})?"
)
# Far more digits than two such numbers can have between them: nothing is ever rounded.
_EXACT = Context(prec=300)
_FORM = "KEY=FROM:TO:STEP or KEY=VALUE,VALUE,…"
_WORD = re.compile(r"[^\W\d][^,:=]*")
"""A value that is no number: true, a choice."""
_NO_WORDS = re.compile(r"nan|inf|infinity", re.IGNORECASE)
_IN_A_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True, slots=True)
class Axis:
    """One swept parameter and its values: numbers, rising, or words as they were given."""

    key: str
    values: tuple[Decimal, ...] | tuple[str, ...]


def axes_of(specs: Sequence[str]) -> tuple[Axis, ...]:
    """The axes of the option's parts. Raises pytest.UsageError, one line, for a bad one."""
    axes = tuple(_axis(spec) for spec in specs)
    keys = [axis.key for axis in axes]
    for key in keys:
        if keys.count(key) > 1:
            raise _bad(f"{key} is given twice")
    if len(axes) > _MOST_PARAMETERS:
        raise _bad(
            f"{len(axes)} parameters ({', '.join(keys)}); a sweep is over one or two, "
            "more can be neither drawn nor afforded"
        )
    return axes


def points_of(axes: Sequence[Axis]) -> tuple[tuple[Decimal | str, ...], ...]:
    """Every combination of the axes' values, the last axis fastest; ``((),)`` without axes."""
    return tuple(product(*(axis.values for axis in axes)))


def point_at(
    axes: Sequence[Axis], values: Sequence[Decimal | str], start: StartValues, table: Table
) -> tuple[Swept, ...]:
    """A point as a lane of one profile has it.

    Raises pytest.UsageError for an unknown parameter and a value outside its bounds.
    """
    point = []
    for axis, value in zip(axes, values, strict=True):
        if axis.key not in table:
            raise _bad(f"{axis.key}: unknown parameter{nearest(axis.key, table)}")
        try:
            given = value if isinstance(value, str) else float(value)
            number = bounded(given, table[axis.key])
        except ParameterError as error:
            raise _bad(str(error)) from None
        point.append(Swept(axis.key, number, start.values[axis.key]))
    return tuple(point)


def refuse_too_many(axes: Sequence[Axis], lanes_a_point: int) -> None:
    """Raise pytest.UsageError for more lanes than a run may have."""
    points = prod(len(axis.values) for axis in axes)
    if axes and points * lanes_a_point > MOST_LANES:
        raise _bad(
            f"{points:,} points x {lanes_a_point} (profiles, symbols and seeds) are "
            f"{points * lanes_a_point:,} lanes; at most {MOST_LANES:,}"
        )


def lane_suffix(point: Sequence[Swept], table: Table) -> str:
    """``-base_spread_bps_0.3`` for each swept parameter: of digits and letters a path may have."""
    return "".join(f"-{swept.key}_{_named(swept.value, table[swept.key])}" for swept in point)


def _named(value: float, parameter: Parameter) -> str:
    if not parameter.choices:
        return _plain(value)
    text = parameter.text(value)
    return text if _IN_A_NAME.fullmatch(text) else f"place{value:.0f}"


def swept_start(start: StartValues, point: Sequence[Swept], table: Table) -> StartValues:
    """The start values with those of the point in place. Raises ProfileError if they do not fit."""
    values = {**start.values, **{swept.key: swept.value for swept in point}}
    try:
        check_couplings(values, table, ())
    except Invalid as finding:
        raise finding.at(OPTION) from None
    origins = {**start.origins, **{swept.key: OPTION for swept in point}}
    return replace(start, values=values, origins=origins)


def _axis(spec: str) -> Axis:
    key, equals, text = (part.strip() for part in spec.partition("="))
    if not (key and equals and text):
        raise _bad(f"{spec!r} is not {_FORM}")
    if ":" in text:
        return Axis(key, tuple(_range(spec, key, text)))
    words = [part.strip() for part in text.split(",")]
    if any(_WORD.fullmatch(word) and not _NO_WORDS.fullmatch(word) for word in words):
        _refuse_twice(key, words)
        return Axis(key, tuple(words))
    values = [_number(spec, part) for part in words]
    _refuse_twice(key, values)
    return Axis(key, tuple(sorted(values)))


def _refuse_twice(key: str, values: Sequence[Decimal] | Sequence[str]) -> None:
    for place, value in enumerate(values):
        if value in values[:place]:
            raise _bad(f"{key}: {value} is given twice")


def _range(spec: str, key: str, text: str) -> list[Decimal]:
    """``0.3:1.2:0.1`` is exactly ten values: in decimal, where 0.3 + 9 · 0.1 is 1.2."""
    parts = text.split(":")
    if len(parts) != 3:
        raise _bad(f"{spec!r} is not {_FORM}")
    first, last, step = (_number(spec, part) for part in parts)
    if step <= 0:
        raise _bad(f"{key}: the step is {step}; it must be above 0")
    if last < first:
        raise _bad(f"{key}: {first}:{last} runs down; give the smaller value first")
    steps = _EXACT.divide_int(_EXACT.subtract(last, first), step)
    if steps >= MOST_LANES:
        raise _bad(f"{key}: {steps + 1:,} values are more lanes than the {MOST_LANES:,} of a run")
    return [_EXACT.add(first, _EXACT.multiply(step, Decimal(n))) for n in range(int(steps) + 1)]


def _number(spec: str, text: str) -> Decimal:
    if not _NUMBER.fullmatch(text.strip()):
        raise _bad(f"{text.strip()!r} in {spec!r} is not a number; the form is {_FORM}")
    return Decimal(text.strip())


def _plain(value: float) -> str:
    return format(Decimal(repr(value)).normalize(), "f")


def _bad(problem: str) -> pytest.UsageError:
    return pytest.UsageError(f"soak: {OPTION}: {problem}")
