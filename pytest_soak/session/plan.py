"""What the controller resolved before iteration 1, as workers receive it: plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pytest_soak.protocol import Lane, Swept
from pytest_soak.settings import Settings, as_data, from_data


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


@dataclass(frozen=True, slots=True)
class Plan:
    settings: Settings
    run_id: str
    run_path: Path
    lanes: tuple[LanePlan, ...]
    target: str
    """The target's name as it stands in journals; ``conftest`` for the hook's."""

    def as_data(self) -> dict[str, Any]:
        """Plain values for a worker."""
        return {
            "settings": as_data(self.settings),
            "run_id": self.run_id,
            "run_path": str(self.run_path),
            "target": self.target,
            "lanes": [
                {
                    "lane": asdict(plan.lane),
                    "directory": str(plan.directory),
                    "done": plan.done,
                    "over": plan.over,
                    "criteria": plan.criteria,
                    "scenarios": list(plan.scenarios),
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
                )
                for item in data["lanes"]
            ),
        )


def _lane_from(data: Mapping[str, Any]) -> Lane:
    return Lane(**{**data, "sweep": tuple(Swept(**one) for one in data["sweep"])})
