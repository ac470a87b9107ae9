"""Plans of lanes, for what a session shows of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pytest_soak.protocol import Lane
from pytest_soak.session.plan import LanePlan, Plan


def plan_of(
    planned: int, *lanes: str, done: int = 0, target: str = "conftest", interval_s: float = 300.0
) -> Plan:
    class Given:
        iterations = planned
        mock = False

    settings: Any = Given()
    settings.target, settings.interval_s = target, interval_s
    plans = [
        LanePlan(Lane(name, "steady", "X", 1, interval_s, planned), Path(), done, False, 13, ())
        for name in lanes or ("a",)
    ]
    return Plan(settings, "run", Path(), tuple(plans), target)
