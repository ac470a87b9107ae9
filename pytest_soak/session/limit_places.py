"""Where the limit of a criterion is written, for the reports of the gate."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pytest_soak.profile.places import Places

Location = tuple[str, int]
"""A file relative to the root of the session, and a line counted from 0, as pytest counts."""

_GATE = ("gate",)
_OF_A_KPI = ("relative", "share", "median", "p95", "max", "min", "last")
_OF_SCENARIOS = ("scenario:", "recovers_within:")


@dataclass(frozen=True, slots=True)
class LimitPlaces:
    """Where the limits of the lanes of a run are written."""

    root: Path
    """The root of the session (``rootdir``)."""
    lanes: Mapping[str, Places]
    """Lane to the places of the values of its profile."""

    def location(self, lane_id: str, criterion: str, *, mock: bool) -> Location | None:
        """The line that limits a criterion.

        A criterion without a limit of its own in the profile has the line of the nearest section.
        None where no file below the root has it.
        """
        places = self.lanes.get(lane_id)
        place = None if places is None else places.of(*limit_paths(criterion, mock=mock))
        if place is None:
            return None
        file = _below(self.root, place.file)
        return None if file is None else (file, place.line - 1)


def limit_paths(criterion: str, *, mock: bool) -> tuple[tuple[str, ...], ...]:
    """The key paths in a profile that limit a criterion of the gate, the closest first."""
    if criterion.startswith(_OF_SCENARIOS):
        kind, _, name = criterion.partition(":")
        scenario = ("scenarios", name)
        return ((*scenario, kind), scenario, ("scenarios",), _GATE)
    if criterion.startswith("drift:"):
        kpi = criterion.partition(":")[2]
        own = (*_GATE, "drift", kpi)
        return ((*own, "budget"), *_of_kpi(kpi, mock=mock), own, (*_GATE, "throughput"), _GATE)
    kind, _, kpi = criterion.partition(":")
    if kpi and kind in _OF_A_KPI:
        own = (*_GATE, "criteria", kpi)
        first = {"relative": ("ratio", "amount", "relative_to"), "share": ("share",)}.get(kind, ())
        return (*((*own, name) for name in first), *_of_kpi(kpi, mock=mock), _GATE)
    if criterion.startswith("pass_count_last"):
        return ((*_GATE, "pass_count_slack"), (*_GATE, "window"), _GATE)
    if criterion == "delta_quality":
        return ((*_GATE, "delta", "full"), (*_GATE, "delta"), _GATE)
    return (*_of_kpi(criterion, mock=mock), _GATE)


def _of_kpi(kpi: str, *, mock: bool) -> tuple[tuple[str, ...], ...]:
    own = (*_GATE, "criteria", kpi)
    names = ("mock" if mock else "production", "limit", "fail", "warn")
    return (*((*own, name) for name in names), own)


def _below(root: Path, file: str) -> str | None:
    """``file`` relative to ``root``; None if it is elsewhere."""
    for path, folder in (
        (Path(os.path.normpath(file)), root),  # links stay as they are named
        (Path(file).resolve(), root.resolve()),
    ):
        if path.is_relative_to(folder):
            return str(path.relative_to(folder))
    return None
