"""Live targets before iteration 1: sections are checked, shared destinations refused, and what a
killed session left is ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from pytest_soak.json_types import WrongValueError
from pytest_soak.live.channels import ChannelFault
from pytest_soak.live.declared import located, with_command
from pytest_soak.live.locks import DestinationInUse, Locks
from pytest_soak.live.plan import LivePlan, plan_live
from pytest_soak.live.put_back import put_back
from pytest_soak.live.watched import ended_lines
from pytest_soak.processes.errors import ProcessError
from pytest_soak.processes.leftover import end_leftover
from pytest_soak.processes.record import FILE as PROCESSES_FILE
from pytest_soak.profile.model import Profile
from pytest_soak.session.lanes import PreparedLane
from pytest_soak.session.plan import LanePlan
from pytest_soak.settings import LIVE, Settings
from pytest_soak.store import names


def with_sections(prepared: Sequence[PreparedLane], settings: Settings) -> tuple[PreparedLane, ...]:
    """The lanes with the sections of their live targets. Raises pytest.UsageError."""
    if settings.target != LIVE:
        return tuple(prepared)
    return tuple(replace(item, section=_section_of(item, settings)) for item in prepared)


def _section_of(item: PreparedLane, settings: Settings) -> Mapping[str, Any]:
    section = item.resolved.target
    if settings.command:
        try:
            return with_command(section, settings.command)
        except WrongValueError as error:
            raise pytest.UsageError(f"soak: --soak-command: {error.problem}") from None
    if section is None:
        raise pytest.UsageError(
            f"soak: --soak-target=live: profile {item.lane.profile} has no section 'target'; "
            "docs/live.md shows one, and --soak-command starts a bot without it"
        )
    return section


def live_plan(plan: LanePlan, profile: Profile, settings: Settings, run_id: str) -> LivePlan:
    """The plan of the live target of a lane. Raises WrongValueError, and OSError without a port."""
    return plan_live(plan.lane, plan.section or {}, profile, root=settings.root, run_id=run_id)


def check_lanes(
    prepared: Sequence[PreparedLane], plans: Sequence[LanePlan], settings: Settings, run_id: str
) -> tuple[str, ...]:
    """Check every section with the values of its lane; contacts and starts nothing.

    Returns lines for the header. Raises pytest.UsageError for a section that is wrong, for two
    lanes with one destination, and for a destination that another session uses.
    """
    planned: list[LivePlan] = []
    by_id = {plan.lane.id: plan for plan in plans}
    for item in prepared:
        plan = by_id.get(item.lane.id)
        if plan is None or plan.section is None:
            continue
        try:
            planned.append(live_plan(plan, item.resolved.profile, settings, run_id))
        except WrongValueError as error:
            raise pytest.UsageError(f"soak: {located(item.resolved, error)}") from None
        except OSError as error:
            raise pytest.UsageError(f"soak: lane {item.lane.id}: {error}") from error
        _check_destination(planned[-1])
    _refuse_shared(planned)
    try:
        Locks((place for plan in planned for place in plan.places), run_id).release()
    except DestinationInUse as error:
        raise pytest.UsageError(f"soak: {error}") from None
    return _header(planned)


def end_earlier(
    prepared: Sequence[PreparedLane], plans: Sequence[LanePlan], settings: Settings, run_id: str
) -> list[str]:
    """End what a killed session left of the run that a new one replaces, and undo its parameters.

    What still lives of it would use the same files.

    Returns lines for the log. Raises pytest.UsageError for what cannot be ended.
    """
    latest = settings.directory.absolute() / names.LATEST
    record = f"{names.TARGET}/{PROCESSES_FILE}"
    folders = [path.parent for path in (*latest.glob(record), *latest.glob(f"*/{record}"))]
    by_id = {item.lane.id: item.resolved.profile for item in prepared}
    planned = [live_plan(plan, by_id[plan.lane.id], settings, run_id) for plan in plans]
    graces = [process.grace_s for plan in planned for process in plan.processes]
    try:
        ended = [end_leftover(folder, grace_s=max(graces, default=0.0)) for folder in folders]
    except ProcessError as error:
        raise pytest.UsageError(f"soak: {error}") from None
    lines = ended_lines(sorted(pid for pids in ended for pid in pids))
    return [*lines, *put_back(latest, planned)]


def _check_destination(plan: LivePlan) -> None:
    """Refuse a file that cannot take the parameters, such as a YAML file without their keys."""
    if plan.writer.needs_process:
        return
    try:
        plan.writer.present()
    except ChannelFault as fault:
        raise pytest.UsageError(f"soak: lane {plan.lane.id}: {fault}") from None


def _refuse_shared(planned: Sequence[LivePlan]) -> None:
    users: dict[str, str] = {}
    for plan in planned:
        for place in plan.places:
            other = users.setdefault(place, plan.lane.id)
            if other != plan.lane.id:
                name = place.removeprefix("file:")
                raise pytest.UsageError(
                    f"soak: lanes {other} and {plan.lane.id} both use {name}; give each its own, "
                    "with {lane}, {dir} or {port:NAME} in it"
                )


def _header(planned: Sequence[LivePlan]) -> tuple[str, ...]:
    if not planned:
        return ()
    plan = planned[0]
    names = ", ".join(process.name for process in plan.processes) or "none; it runs already"
    return (f"live target: processes {names}; settles {plan.settle_s:g} s of each interval",)
