"""From a lane to its live target."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytest_soak.live.plan import plan_live
from pytest_soak.live.target import LiveTarget
from pytest_soak.profile.model import Profile
from pytest_soak.protocol import Lane


def make_live(
    lane: Lane, section: Mapping[str, Any], profile: Profile, *, root: Path, run_id: str
) -> LiveTarget:
    """The live target of a lane. Raises WrongValueError for a section that is wrong."""
    return LiveTarget(plan_live(lane, section, profile, root=root, run_id=run_id))
