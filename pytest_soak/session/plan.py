"""What the controller resolved before iteration 1, as workers receive it: plain data."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from pytest_soak.protocol import Lane, Swept
from pytest_soak.settings import Settings, as_data, from_data
from pytest_soak.store import names


@dataclass(frozen=True, slots=True)
class LanePlan:
    lane: Lane
    directory: Path
    done: int
    """Iterations that a resumed lane has behind it."""
    over: bool
    """The lane ended in good order (its data did) and runs no further."""
    criteria: int
    """How many criteria of its gate are reported, for the progress figure."""
    scenarios: tuple[str, ...]
    """``NAME@ITERATION`` of those that are scheduled, for the header; the journal has the rest."""
    section: Mapping[str, Any] | None = field(default=None, repr=False)
    """The section ``target`` of the profile, for a live target; plain data."""


@dataclass(frozen=True, slots=True)
class Plan:
    settings: Settings
    run_id: str
    run_path: Path
    lanes: tuple[LanePlan, ...]
    target: str
    """The target's name as it stands in journals; ``conftest`` for the hook's."""

    @property
    def has_items(self) -> bool:
        """Whether a lane has iterations left; a stored run may be over."""
        return any(not item.over and item.done < self.settings.iterations for item in self.lanes)

    def lane(self, lane_id: str) -> LanePlan:
        """The plan of a lane. Raises StopIteration for a lane that is not in it."""
        return next(item for item in self.lanes if item.lane.id == lane_id)

    def only(self, lane_ids: Collection[str]) -> Plan:
        """The plan of these lanes alone, for a session that selects whole lanes.

        Controller and workers work it out from the same items, and so agree on the directories.
        Of a stored run all lanes stay, selected or not; so do they where nothing is selected.
        """
        lanes = [item for item in self.lanes if item.lane.id in lane_ids]
        if self.settings.resume or not lanes:
            return self
        return replace(self, lanes=in_directories(lanes, self.run_path))

    def as_data(self) -> dict[str, Any]:
        """Plain values for a worker."""
        return {
            "settings": as_data(self.settings),
            "run_id": self.run_id,
            "run_path": str(self.run_path),
            "target": self.target,
            "lanes": [
                {
                    "lane": _lane_data(plan.lane),
                    "directory": str(plan.directory),
                    "done": plan.done,
                    "over": plan.over,
                    "criteria": plan.criteria,
                    "scenarios": list(plan.scenarios),
                    "section": plan.section,
                }
                for plan in self.lanes
            ],
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Plan:
        return cls(
            settings=from_data(data["settings"]),
            run_id=data["run_id"],
            run_path=Path(data["run_path"]),
            target=data["target"],
            lanes=tuple(
                LanePlan(
                    lane=_lane_from(item["lane"]),
                    directory=Path(item["directory"]),
                    done=item["done"],
                    over=item["over"],
                    criteria=item["criteria"],
                    scenarios=tuple(item["scenarios"]),
                    section=item["section"],
                )
                for item in data["lanes"]
            ),
        )


def in_directories(lanes: Sequence[LanePlan], run_path: Path) -> tuple[LanePlan, ...]:
    """The lanes of a new run with their directories: that of the run itself for a single lane."""
    single = len(lanes) == 1
    return tuple(placed(item, run_path if single else run_path / item.lane.id) for item in lanes)


def placed(plan: LanePlan, directory: Path) -> LanePlan:
    """The plan of a lane whose files are in ``directory``."""
    lane = replace(plan.lane, dir=directory.absolute() / names.TARGET)
    return replace(plan, lane=lane, directory=directory)


def _lane_data(lane: Lane) -> dict[str, Any]:
    return {**asdict(lane), "dir": None if lane.dir is None else str(lane.dir)}


def _lane_from(data: Mapping[str, Any]) -> Lane:
    sweep = tuple(Swept(**swept) for swept in data["sweep"])
    folder = None if data["dir"] is None else Path(data["dir"])
    return Lane(**{**data, "sweep": sweep, "dir": folder})
