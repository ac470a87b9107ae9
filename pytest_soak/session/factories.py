"""What makes the target of a lane, and the deadline of its calls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from pytest_soak.lane.files import StoredFiles
from pytest_soak.protocol import Lane, Target
from pytest_soak.session.plan import LanePlan, Plan
from pytest_soak.session.targets import factory_of


@dataclass(frozen=True, slots=True)
class Maker:
    make: Callable[[Lane], Target]
    timeout_s: float | None
    """The deadline of each call; None: no deadline."""
    secrets: tuple[str, ...] = ()
    """Values that nothing may show, beside those of ``--soak-mask``."""


def maker_of(config: pytest.Config, plan: Plan, planned: LanePlan, files: StoredFiles) -> Maker:
    """The maker of a lane's target. The files are closed if it raises ValueError or OSError."""
    settings = plan.settings
    if settings.target is None:
        return Maker(lambda lane: _of_conftest(config, lane), settings.timeout_s)
    if planned.section is None:
        return Maker(factory_of(settings.target, settings.target_folder), settings.timeout_s)
    from pytest_soak.live.target import LiveTarget  # with psutil, so only where it is needed
    from pytest_soak.session.live import live_plan

    try:
        live = live_plan(planned, files.past.state.profile, settings, plan.run_id)
    except BaseException:
        files.release()
        raise
    timeout_s = settings.timeout_s or live.longest_call_s
    return Maker(lambda lane: LiveTarget(live), timeout_s, live.secrets)


def _of_conftest(config: pytest.Config, lane: Lane) -> Target:
    target: Target | None = config.hook.pytest_soak_target(lane=lane)
    if target is None:
        raise LookupError(
            f"no hook pytest_soak_target(lane) made a target for lane {lane.id!r}; "
            "give --soak-target or --soak-mock, or answer the hook in conftest.py"
        )
    return target
