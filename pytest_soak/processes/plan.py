"""The plan of a lane's processes: the section with its placeholders expanded, in start order."""

from __future__ import annotations

import ipaddress
import os
import re
import shutil
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from msgspec import UnsetType

from pytest_soak.json_types import WrongValueError
from pytest_soak.messages import shown, without_secrets
from pytest_soak.processes.declared import as_port, check_processes, start_order
from pytest_soak.processes.sections import (
    FromEnvironment,
    ProcessFields,
    ReadyFields,
    RestartFields,
)

Expand = Callable[[str], str]
"""A text with its placeholders replaced. Pure; may raise an error of the caller's own."""

_SHORTEST_SECRET = 6
"""A shorter value of a variable, such as ``debug``, is no secret: figures stay figures."""


@dataclass(frozen=True, slots=True)
class Url:
    """A URL on the loopback interface, in parts."""

    text: str
    host: str
    """``localhost``, or a loopback address without brackets."""
    port: int
    path: str
    """With its query, as it is sent."""


@dataclass(frozen=True, slots=True)
class ReadyPlan:
    """Conditions that hold together when a process is ready; None: not given."""

    log: re.Pattern[str] | None = None
    port: int | None = None
    file: str | None = None
    http: Url | None = None
    notify: bool = False
    within_s: float = 20.0

    @property
    def ports(self) -> tuple[int, ...]:
        """The ports on which the process will listen, without repetition."""
        ports = (self.port, self.http.port if self.http else None)
        return tuple(dict.fromkeys(port for port in ports if port is not None))


@dataclass(frozen=True, slots=True)
class ProcessPlan:
    """One process, as the supervisor starts it and the client watches it."""

    name: str
    command: tuple[str, ...]
    after: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    env_of: Mapping[str, str] = field(default_factory=dict)
    """Variables that take the value of another one: name to the name of the other."""
    cwd: str | None = None
    """None: the directory that the client was given."""
    ready: ReadyPlan = ReadyPlan()
    stop_signal: int = signal.SIGTERM
    grace_s: float = 10.0
    restart: RestartFields = field(default_factory=RestartFields)
    log_bytes: int = 10_000_000
    """Largest size of one log file."""
    log_keep: int = 2


def plan_processes(
    processes: Mapping[str, ProcessFields], expand: Expand
) -> tuple[ProcessPlan, ...]:
    """The plans in the order in which the processes are started.

    ``expand`` is called for every text but names, signals and the regular expression, whose braces
    are its own. Raises WrongValueError, with the path within the section.
    """
    check_processes(processes)
    return tuple(_planned(name, processes[name], expand) for name in start_order(processes))


def missing_variables(
    plans: Sequence[ProcessPlan], environment: Mapping[str, str]
) -> tuple[tuple[str, str], ...]:
    """Pairs of a process and a variable that it needs and ``environment`` lacks."""
    return tuple(
        (plan.name, source)
        for plan in plans
        for source in plan.env_of.values()
        if source not in environment
    )


def missing_programs(
    plans: Sequence[ProcessPlan], environment: Mapping[str, str], cwd: Path
) -> tuple[tuple[str, str], ...]:
    """Pairs of a process and what it needs and is not there: its program, or its directory."""
    missing = []
    for plan in plans:
        folder = cwd if plan.cwd is None else cwd / plan.cwd
        program = plan.command[0]
        if not folder.is_dir():
            missing.append((plan.name, f"there is no directory {folder}"))
        elif os.sep in program and not os.access(folder / program, os.X_OK):
            missing.append((plan.name, f"there is no program {folder / program}"))
        elif os.sep not in program and shutil.which(program, path=environment.get("PATH")) is None:
            missing.append((plan.name, f"there is no program {shown(program)} on PATH"))
    return tuple(missing)


def variables(plan: ProcessPlan, environment: Mapping[str, str]) -> dict[str, str]:
    """The variables of the section with their values; ``environment`` has those of ``env_of``."""
    return {**plan.env, **{name: environment[source] for name, source in plan.env_of.items()}}


def expanded_secret(text: str, expand: Expand, path: tuple[str, ...]) -> str:
    """``text`` expanded. Raises WrongValueError, whose text has nothing of it."""
    try:
        return expand(text)
    except ValueError:
        problem = "has an unknown placeholder or a single brace; a brace is written '{{' or '}}'"
        raise WrongValueError(path, problem) from None


def expanded_url(url: str, expand: Expand, path: tuple[str, ...]) -> str:
    """``url`` expanded. Raises WrongValueError, whose text has no credentials and no query."""
    if without_secrets(url) != url:
        return expanded_secret(url, expand, path)
    try:
        return expand(url)
    except ValueError as error:
        raise WrongValueError(path, str(error)) from None


def secret_values(plans: Sequence[ProcessPlan], environment: Mapping[str, str]) -> tuple[str, ...]:
    """Values of the sections' variables to mask in texts, the longest first."""
    values = {
        value
        for plan in plans
        for whole in (*plan.env.values(), *(environment.get(s, "") for s in plan.env_of.values()))
        for value in (whole, *whole.splitlines())  # a log has its lines one by one
        if len(value) >= _SHORTEST_SECRET
    }
    return tuple(sorted(values, key=lambda value: (-len(value), value)))


def dependents(plans: Sequence[ProcessPlan], name: str) -> tuple[str, ...]:
    """``name`` and all that comes after it, directly or not, in start order."""
    affected = {name}
    for plan in plans:  # in start order, so one pass is enough
        if affected.intersection(plan.after):
            affected.add(plan.name)
    return tuple(plan.name for plan in plans if plan.name in affected)


def _planned(name: str, fields: ProcessFields, expand: Expand) -> ProcessPlan:
    def expanded(text: str, *path: str) -> str:
        try:
            result = expand(text)
        except ValueError as error:
            raise WrongValueError((name, *path), str(error)) from None
        if "\0" in result:
            raise WrongValueError((name, *path), "has a NUL character")
        return result

    signal_name = "SIG" + fields.stop.signal.removeprefix("SIG")
    return ProcessPlan(
        name=name,
        command=tuple(
            expanded(text, "command", str(place)) for place, text in enumerate(fields.command)
        ),
        after=fields.after_names,
        env={
            variable: expanded_secret(str(value), expand, (name, "env", variable))
            for variable, value in fields.env.items()
            if not isinstance(value, FromEnvironment)
        },
        env_of={
            **{variable: variable for variable in fields.env_from},
            **{
                variable: value.env
                for variable, value in fields.env.items()
                if isinstance(value, FromEnvironment)
            },
        },
        cwd=_text(fields.cwd, expanded, "cwd"),
        ready=_ready(name, fields.ready, expanded, expand),
        stop_signal=signal.Signals[signal_name],
        grace_s=fields.stop.grace_s,
        restart=fields.restart,
        log_bytes=round(fields.log.max_mb * 1_000_000),
        log_keep=fields.log.keep,
    )


def _text(text: str | UnsetType, expanded: Callable[..., str], *path: str) -> str | None:
    return None if isinstance(text, UnsetType) else expanded(text, *path)


def _ready(
    name: str, fields: ReadyFields, expanded: Callable[..., str], expand: Expand
) -> ReadyPlan:
    path = (name, "ready", "port")
    port = fields.port
    if isinstance(port, str):
        port = as_port(expanded(port, "ready", "port"), path)
    where = (name, "ready", "http")
    http = None if isinstance(fields.http, UnsetType) else expanded_url(fields.http, expand, where)
    return ReadyPlan(
        log=None if isinstance(fields.log, UnsetType) else re.compile(fields.log),
        port=None if isinstance(port, UnsetType) else port,
        file=_text(fields.file, expanded, "ready", "file"),
        http=None if http is None else loopback_url(http, where),
        notify=fields.notify,
        within_s=fields.within_s,
    )


def loopback_url(text: str, path: tuple[str, ...]) -> Url:
    """``text`` in parts. Raises WrongValueError for what is no URL on the loopback interface."""
    url = shown(without_secrets(text))
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port or 80
    except ValueError:  # its text repeats a part of the URL
        raise WrongValueError(path, f"{url} is no URL") from None
    if parts.scheme != "http" or parts.username is not None or not text.isascii():
        raise WrongValueError(path, f"{url} is not of the form 'http://127.0.0.1:8080/'")
    if re.search(r"[\x00-\x20\x7f]", text):
        raise WrongValueError(path, f"{url} has a space or a control character")
    if host != "localhost" and not _is_loopback(host):
        raise WrongValueError(
            path, f"{url} is not on this machine: the host is 127.0.0.1, ::1 or localhost"
        )
    query = f"?{parts.query}" if parts.query else ""
    return Url(text, host, port, (parts.path or "/") + query)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
