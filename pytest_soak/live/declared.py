"""The section ``target`` read from a profile, and what its fields say together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import UNSET

from pytest_soak.json_types import WrongValueError, converted
from pytest_soak.live.sections import ParametersFields, ReportFields, TargetSection
from pytest_soak.messages import nearest, shown
from pytest_soak.processes.declared import STOP_SIGNALS, check_processes
from pytest_soak.profile.errors import Invalid, ProfileError
from pytest_soak.profile.resolve import Resolved
from pytest_soak.profile.sections import SeriesFields

DESTINATIONS = ("file", "yaml", "http", "command", "writer")
SOURCES = ("file", "http", "prometheus", "command", "reader")
_URLS = ("http", "prometheus")


def read_section(value: Any) -> TargetSection:
    """The section read from plain data and checked.

    Raises WrongValueError: the path within the section, and what is wrong there.
    """
    section: TargetSection = converted(value, TargetSection)
    _check_parameters(section.parameters)
    for place, report in enumerate(section.reports):
        path = ("report", str(place)) if isinstance(section.report, tuple) else ("report",)
        _check_report(report, path)
    _check_reports(section)
    processes = {} if section.processes is UNSET else section.processes
    try:
        check_processes(processes)
    except WrongValueError as error:
        raise WrongValueError(("processes", *error.path), error.problem) from None
    _check_notify(section.parameters, processes)
    return section


def check_target(resolved: Resolved) -> None:
    """Check the section ``target`` of a profile, if it has one.

    Contacts and starts nothing. Raises ProfileError, with the file and the key path.
    """
    if resolved.target is None:
        return
    try:
        read_section(resolved.target)
    except WrongValueError as error:
        raise located(resolved, error) from None


def located(resolved: Resolved, error: WrongValueError) -> ProfileError:
    """The error of the profile for a fault in its section."""
    return resolved.located(Invalid(("target", *error.path), error.problem))


def settle_s(section: TargetSection, interval_s: float) -> float:
    """Seconds after a delivery in which nothing is measured.

    Raises WrongValueError if that is more than half the interval.
    """
    given = section.timing.settle_s
    value = min(10.0, interval_s / 10) if given is UNSET else given
    if value > interval_s / 2:
        raise WrongValueError(
            ("timing", "settle_s"),
            f"{value:g} s are more than half the interval of {interval_s:g} s",
        )
    return value


def with_command(section: Mapping[str, Any] | None, command: Sequence[str]) -> dict[str, Any]:
    """The section with the command of ``--soak-command`` as its one process.

    Raises WrongValueError where it declares several processes: then it says which one is meant.
    """
    given = dict(section or {})
    processes = given.get("processes")
    if not isinstance(processes, Mapping) or not processes:
        return {**given, "processes": {"bot": {"command": list(command)}}}
    if len(processes) > 1:
        raise WrongValueError(
            ("processes",),
            f"it is the command of one process, and the profile has {len(processes)}: "
            f"{', '.join(map(str, processes))}",
        )
    ((name, fields),) = processes.items()
    inner = dict(fields) if isinstance(fields, Mapping) else {}
    return {**given, "processes": {name: {**inner, "command": list(command)}}}


def only_one(fields: ParametersFields | ReportFields, names: Sequence[str]) -> str:
    """Which of ``names`` is given. Raises WrongValueError unless it is exactly one."""
    given = [name for name in names if getattr(fields, name) is not UNSET]
    if len(given) != 1:
        null = "; null removes an inherited one" if given else ""
        raise WrongValueError(
            (), f"needs one of {', '.join(names)}; here is {' and '.join(given) or 'none'}{null}"
        )
    return given[0]


def _below(path: tuple[str, ...], error: WrongValueError) -> WrongValueError:
    return WrongValueError((*path, *error.path), error.problem)


def _check_parameters(fields: ParametersFields) -> None:
    path = ("parameters",)
    try:
        kind = only_one(fields, DESTINATIONS)
    except WrongValueError as error:
        raise _below(path, error) from None
    if kind == "yaml" and not fields.keys:
        raise WrongValueError(
            (*path, "yaml"), "needs 'keys': for each parameter the path of its value"
        )
    if kind != "yaml" and fields.keys:
        raise WrongValueError((*path, "keys"), "belongs to 'yaml'")
    if kind != "http" and fields.method != "PUT":
        raise WrongValueError((*path, "method"), "belongs to 'http'")
    if kind != "http" and (fields.headers or fields.allow_hosts):
        name = "headers" if fields.headers else "allow_hosts"
        raise WrongValueError((*path, name), "belongs to 'http'")
    if kind not in ("http", "command") and not fields.soak_block:
        raise WrongValueError((*path, "soak_block"), "belongs to 'http' and 'command'")
    if kind != "writer" and fields.options:
        raise WrongValueError((*path, "options"), "belongs to 'writer'")
    if kind == "command" and fields.on_end == "restore":
        raise WrongValueError(
            (*path, "on_end"), "a command has no original to put back; leave this field out"
        )


def _check_report(fields: ReportFields, path: tuple[str, ...]) -> None:
    try:
        kind = only_one(fields, SOURCES)
    except WrongValueError as error:
        raise _below(path, error) from None
    if kind not in _URLS and (fields.headers or fields.allow_hosts):
        name = "headers" if fields.headers else "allow_hosts"
        raise WrongValueError((*path, name), "belongs to 'http' and 'prometheus'")
    _check_metrics(fields, path, is_prometheus=kind == "prometheus")
    if kind != "reader" and fields.options:
        raise WrongValueError((*path, "options"), "belongs to 'reader'")
    if kind == "command" and fields.take == "merge":
        raise WrongValueError(
            (*path, "take"), "a command is run once an iteration; there is nothing to merge"
        )


def _check_metrics(fields: ReportFields, path: tuple[str, ...], *, is_prometheus: bool) -> None:
    if fields.inputs and not is_prometheus:
        raise WrongValueError((*path, "inputs"), "belongs to 'prometheus'")
    if is_prometheus and fields.take == "merge":
        problem = "the metrics of an iteration are one report; there is nothing to merge"
        raise WrongValueError((*path, "take"), problem)
    if isinstance(fields.echo, str) and is_prometheus:
        raise WrongValueError((*path, "echo"), "needs for each parameter {metric: NAME}")
    for key, where in fields.echo.items() if isinstance(fields.echo, dict) else ():
        if isinstance(where, SeriesFields) != is_prometheus:
            problem = "'echo' of 'prometheus' names a metric, {metric: NAME}; else it is a path"
            raise WrongValueError((*path, "echo", key), problem)


def _check_reports(section: TargetSection) -> None:
    reports = section.reports
    if not reports:
        raise WrongValueError(("report",), "is empty; name a source of reports")
    if sum(report.audit is not UNSET for report in reports) > 1:
        raise WrongValueError(("report",), "has two audits; one of the sources may have one")


def _check_notify(fields: ParametersFields, processes: Mapping[str, Any]) -> None:
    notify = fields.notify
    if notify is UNSET:
        return
    path = ("parameters", "notify")
    if notify.process not in processes:
        raise WrongValueError(
            (*path, "process"),
            f"unknown process {shown(notify.process)}{nearest(notify.process, processes)}",
        )
    name = notify.signal.removeprefix("SIG")
    if name not in STOP_SIGNALS or name == "KILL":
        signals = [signal for signal in STOP_SIGNALS if signal != "KILL"]
        raise WrongValueError(
            (*path, "signal"), f"unknown signal {shown(notify.signal)}{nearest(name, signals)}"
        )
