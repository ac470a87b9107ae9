"""All that the doctor looks at, in its order."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_soak.doctor.clocks import clock_findings, file_time_finding
from pytest_soak.doctor.directory import (
    directory_findings,
    disk_finding,
    existing_part,
    own_folder,
)
from pytest_soak.doctor.finding import Finding
from pytest_soak.doctor.profile import (
    DEFAULT_INTERVAL_S,
    DEFAULT_ITERATIONS,
    Planned,
    Request,
    planned_of,
    profile_findings,
)
from pytest_soak.doctor.versions import plugin_findings, version_findings
from pytest_soak.profile.errors import ProfileError


def findings(request: Request) -> Iterator[Finding]:
    """Every line, as it becomes known: the last ones may take a minute."""
    yield from version_findings()
    yield from plugin_findings(request.root)
    yield from directory_findings(request.directory)
    yield disk_finding(request.directory, _planned(request).iterations)
    yield from clock_findings()
    try:
        with own_folder(existing_part(request.directory)) as folder:
            yield file_time_finding(folder)
    except OSError:
        pass  # the directory cannot be written, which is said above
    yield from profile_findings(request)


def _planned(request: Request) -> Planned:
    try:
        return planned_of(request)
    except ProfileError:  # the line of the profile says so
        return Planned(DEFAULT_INTERVAL_S, DEFAULT_ITERATIONS)
