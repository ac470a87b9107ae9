"""The lanes that the settings ask for: profiles × symbols × points of a sweep × seeds."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from pytest_soak.gate.judge import explores
from pytest_soak.profile.errors import ProfileError
from pytest_soak.profile.resolve import Resolved, resolve
from pytest_soak.profile.scenarios import Scheduled, schedule
from pytest_soak.profile.start import StartValues, start_values
from pytest_soak.protocol import Lane
from pytest_soak.session.plan import LanePlan
from pytest_soak.session.sweep import (
    axes_of,
    lane_suffix,
    point_at,
    points_of,
    refuse_too_many,
    swept_start,
)
from pytest_soak.settings import Settings
from pytest_soak.store import names
from pytest_soak.store.errors import StoreError
from pytest_soak.store.reading import parse_json_strictly, read_json_with_hash
from pytest_soak.store.sources import read_source

OVERRIDES_VARIABLE = "MM_RUNTIME_OVERRIDES_JSON"


@dataclass(frozen=True, slots=True)
class PreparedLane:
    """One lane before it has a directory."""

    lane: Lane
    resolved: Resolved
    start: StartValues
    scenarios: tuple[Scheduled, ...]
    binding: bool
    """Its KPI criteria and pass count are reported by the gate."""

    def plan(self, directory: Path, done: int = 0, over: bool = False) -> LanePlan:
        gate = self.resolved.profile.gate
        # Checks, delta quality and completeness always bind; a sweep's KPIs do not.
        criteria = 3
        if self.binding:  # with pass count and stale
            drifts = {*gate.drift, *((gate.throughput,) if gate.throughput else ())}
            criteria += len(gate.criteria) + 2 + len(drifts)
        criteria += len({one.name for one in self.scenarios})
        criteria += len({one.name for one in self.scenarios if one.recovers_within is not None})
        return LanePlan(self.lane, directory, done, over, criteria, named(self.scenarios))


def prepare_lanes(settings: Settings) -> tuple[PreparedLane, ...]:
    """Every lane, resolved and checked. Raises pytest.UsageError."""
    try:
        environment = _environment_overrides()
        beside = _file_overrides(settings.directory / names.RUNTIME)
        profiles = [resolve(reference, read_source) for reference in settings.profiles]
        lanes = []
        axes = axes_of(settings.sweep)
        refuse_too_many(axes, len(profiles) * len(settings.symbols) * len(settings.seeds))
        for resolved, symbol, values, seed in product(
            profiles, settings.symbols, points_of(axes), settings.seeds
        ):
            start = start_values(resolved, settings.explicit_profile, environment, beside)
            point = point_at(axes, values, start, resolved.profile.parameters)
            name = resolved.profile.name
            lane = Lane(
                id=f"{name}-{symbol}-{seed}{lane_suffix(point)}",
                profile=name,
                symbol=symbol,
                seed=seed,
                interval_s=settings.interval_s,
                iterations=settings.iterations,
                data=settings.data,
                sweep=point,
            )
            planned = scheduled_in(lane, resolved, settings.scenarios)
            start = swept_start(start, point)
            binding = not explores(lane, settings.strict)
            lanes.append(PreparedLane(lane, resolved, start, planned, binding))
    except (ProfileError, StoreError) as error:
        raise pytest.UsageError(f"soak: {error}") from error
    for lane_id, times in Counter(item.lane.id for item in lanes).items():
        if times > 1:
            raise pytest.UsageError(f"soak: two lanes are called {lane_id!r}; rename a profile")
    return tuple(lanes)


def _environment_overrides() -> Mapping[str, Any] | None:
    text = os.environ.get(OVERRIDES_VARIABLE, "").strip()
    if not text:
        return None
    if text.startswith("{"):
        try:
            value = parse_json_strictly(text.encode("utf-8", "surrogateescape"))
        except ValueError as error:
            raise ProfileError(f"variable {OVERRIDES_VARIABLE}: {error}") from error
    else:
        value, _ = read_json_with_hash(Path(text))
    return _object(value, f"variable {OVERRIDES_VARIABLE}")


def _file_overrides(path: Path) -> Mapping[str, Any] | None:
    if not os.path.lexists(path):
        return None
    value, _ = read_json_with_hash(path)
    return _object(value, str(path))


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
