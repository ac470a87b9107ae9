"""A profile: what ``profile check`` says, and the plan of its live target."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_soak.doctor.contents import content_findings
from pytest_soak.doctor.destination import apply_findings, destination_findings
from pytest_soak.doctor.finding import Finding
from pytest_soak.doctor.sources import Source, source_findings, watched
from pytest_soak.json_types import WrongValueError
from pytest_soak.live.clock import Clock, MonotonicClock
from pytest_soak.live.declared import located
from pytest_soak.live.plan import LivePlan, plan_live
from pytest_soak.profile.errors import ProfileError
from pytest_soak.profile.resolve import Resolved, run_defaults
from pytest_soak.profile.warnings import PlacedWarning
from pytest_soak.profile_commands import checked_profile, counts_text
from pytest_soak.protocol import Lane, lane_name
from pytest_soak.store import names
from pytest_soak.store.sources import read_source

_RUN_ID = "doctor"
DEFAULT_INTERVAL_S = 300.0
DEFAULT_ITERATIONS = 24
_LONGEST_WAIT_S = 60.0


@dataclass(frozen=True, slots=True)
class Request:
    """What the user gave."""

    profile: str | None
    directory: Path
    root: Path
    """A relative path of a profile is relative to this folder."""
    interval_s: float | None = None
    iterations: int | None = None
    symbol: str = ""
    wait_s: float | None = None
    apply: bool = False


@dataclass(frozen=True, slots=True)
class Planned:
    """How long a run is meant to be."""

    interval_s: float
    iterations: int


def planned_of(request: Request) -> Planned:
    """By the arguments, else by the profile's section ``run``, else the defaults of a session.

    Raises ProfileError.
    """
    given = {} if request.profile is None else run_defaults(request.profile, read_source)
    interval, iterations = given.get("interval"), given.get("iterations")
    return Planned(
        request.interval_s or (DEFAULT_INTERVAL_S if interval is None else float(interval.value)),
        request.iterations or (DEFAULT_ITERATIONS if iterations is None else int(iterations.value)),
    )


def profile_findings(request: Request, clock: Clock | None = None) -> Iterator[Finding]:
    """The profile of the request, and its live target if it has one."""
    if request.profile is None:
        return
    try:
        resolved, warnings = checked_profile(request.profile)
        planned = planned_of(request)
    except ProfileError as error:
        advice = f"pytest-soak profile check {request.profile}"
        yield Finding("profile", "FAIL", str(error).partition("\n")[0], advice)
        return
    yield _profile(request.profile, resolved, warnings)
    if resolved.target is None:
        yield Finding("live target", "OK", "the profile has no section target")
        return
    # Not the directory of a run: a delivery keeps what was there before in it.
    with tempfile.TemporaryDirectory(prefix="pytest-soak-doctor-") as folder:
        try:
            plan = _plan(resolved, request, planned, Path(folder) / names.TARGET)
        except WrongValueError as error:
            text = str(located(resolved, error)).partition("\n")[0]
            yield Finding("live target", "FAIL", text, "correct the section target")
            return
        yield from live_findings(plan, request, clock or MonotonicClock())


def _profile(name: str, resolved: Resolved, warnings: Sequence[PlacedWarning]) -> Finding:
    counted = counts_text(resolved.profile)
    if not warnings:
        return Finding("profile", "OK", f"{name}: {counted}")
    several = f"{len(warnings)} warning{'s' * (len(warnings) > 1)}"
    first = warnings[0].warning
    text = f"{name}: {several}; the first: {'.'.join(first.path)}: {first.problem}"
    return Finding("profile", "WARN", text, f"pytest-soak profile check {name}")


def _plan(resolved: Resolved, request: Request, planned: Planned, folder: Path) -> LivePlan:
    """The plan of one lane of the profile, with ``folder`` as its directory. Contacts nothing.

    Raises WrongValueError.
    """
    profile, symbol = resolved.profile, request.symbol or resolved.symbol
    lane = Lane(
        id=lane_name(profile.name, symbol, 1),
        profile=profile.name,
        symbol=symbol,
        seed=1,
        interval_s=planned.interval_s,
        iterations=planned.iterations,
        dir=folder,
    )
    section: Mapping[str, object] = resolved.target or {}
    return plan_live(lane, section, profile, root=request.root, run_id=_RUN_ID)


def live_findings(plan: LivePlan, request: Request, clock: Clock) -> Iterator[Finding]:
    """The destination, and the reports as they come."""
    timing = plan.section.timing
    yield Finding(
        "timing",
        "OK",
        f"interval {plan.lane.interval_s:g} s: {plan.settle_s:g} s to settle, then measured; a "
        f"report may come {timing.deadline_s:g} s late",
    )
    yield from destination_findings(plan, apply=request.apply and not plan.processes)
    if plan.processes:
        started = ", ".join(process.name for process in plan.processes)
        text = f"not measured: a session starts {started}, and the doctor does not"
        command = f"pytest --soak-target=live --soak-profile={request.profile}"
        yield Finding("reports", "OK", text, f"{command} --soak-iterations=2 --soak-interval=1")
        return
    if inside := [place for place in plan.places if _is_below(place, plan.folder)]:
        name = Path(inside[0]).name
        text = f"not measured: {name} is in {{dir}}, which is another directory in each run"
        advice = "name a file elsewhere, or let the session start the service (target.processes)"
        yield Finding("reports", "WARN", text, advice)
        return
    wait_s = request.wait_s
    if wait_s is None:
        wait_s = min(2 * plan.lane.interval_s, _LONGEST_WAIT_S)
    sources = watched(plan, clock, wait_s)
    yield from source_findings(plan, sources, wait_s, [_age_of(source) for source in sources])
    if any(source.report is None for source in sources):
        return
    yield from content_findings(plan, sources)
    if request.apply:
        longest = max(wait_s, plan.lane.interval_s)
        yield from apply_findings(plan, sources, clock, longest)
    else:
        text = "not measured: it takes a delivery, which changes the service"
        yield Finding("reload", "OK", text, "--apply delivers the start values once")


def _is_below(place: str, folder: Path) -> bool:
    """Whether a destination or source is a file in ``folder``."""
    name, is_file, path = place.partition("file:")
    return bool(is_file) and not name and Path(path).is_relative_to(folder.resolve())


def _age_of(source: Source) -> float | None:
    """Seconds since the file of the report was written; None for another source."""
    if not isinstance(source.fields.file, str):
        return None
    try:
        return time.time() - os.stat(source.reader.place).st_mtime  # noqa: PTH116
    except OSError:
        return None
