"""What the fields of the section ``processes:`` say together, before placeholders are expanded."""

from __future__ import annotations

import graphlib
import re
import signal
from collections.abc import Mapping
from typing import Any

from msgspec import UNSET

from pytest_soak.json_types import WrongValueError, converted
from pytest_soak.messages import nearest, shown, without_secrets
from pytest_soak.processes.sections import Processes, ProcessFields

STOP_SIGNALS = tuple(
    name
    for name in ("TERM", "INT", "QUIT", "HUP", "USR1", "USR2", "ABRT", "KILL")
    if hasattr(signal, f"SIG{name}")
)
"""The signals that may end a process, as its section names them."""

OWN_VARIABLES = ("SOAK_TOKEN", "SOAK_PROCESS", "NOTIFY_SOCKET")
"""Variables of every process that this package sets."""


def read_processes(value: Any) -> dict[str, ProcessFields]:
    """The section ``processes:`` read from plain data and checked.

    Raises WrongValueError: the path within the section, and what is wrong there.
    """
    processes: dict[str, ProcessFields] = converted(value, Processes)
    check_processes(processes)
    return processes


def check_processes(processes: Mapping[str, ProcessFields]) -> None:
    """Check what no type says. Raises WrongValueError for the first fault."""
    folded: dict[str, str] = {}
    for name, fields in processes.items():
        if (other := folded.setdefault(name.casefold(), name)) != name:
            raise WrongValueError(
                (name,), f"differs from {other!r} by capitals only; their log files would be one"
            )
        _check_after(name, fields, processes)
        _check_texts(name, fields)
        _check_stop(name, fields)
        _check_ready(name, fields)
    start_order(processes)


def start_order(processes: Mapping[str, ProcessFields]) -> tuple[str, ...]:
    """The names, every process behind those of its ``after``, else as in the document.

    Raises WrongValueError for a circle.
    """
    try:
        graphlib.TopologicalSorter({name: p.after_names for name, p in processes.items()}).prepare()
    except graphlib.CycleError as error:
        circle = list(reversed(error.args[1]))
        raise WrongValueError(
            (circle[0], "after"),
            f"a circle: {' after '.join(circle)}; none of them can start first",
        ) from None
    order: list[str] = []
    while len(order) < len(processes):
        order += [
            next(
                name
                for name, fields in processes.items()
                if name not in order and set(fields.after_names) <= set(order)
            )
        ]
    return tuple(order)


def _check_after(name: str, fields: ProcessFields, processes: Mapping[str, ProcessFields]) -> None:
    for other in fields.after_names:
        if other == name:
            raise WrongValueError((name, "after"), "a process cannot start after itself")
        if other not in processes:
            others = [key for key in processes if key != name]
            raise WrongValueError(
                (name, "after"), f"unknown process {shown(other)}{nearest(other, others)}"
            )


def _check_texts(name: str, fields: ProcessFields) -> None:
    """A program has a name, and no text for the operating system has a NUL character."""
    if not fields.command[0].strip():
        raise WrongValueError((name, "command", "0"), "the name of the program is empty")
    for place, argument in enumerate(fields.command):
        if "\0" in argument:
            raise WrongValueError((name, "command", str(place)), "has a NUL character")
    for variable, value in fields.env.items():
        if variable in OWN_VARIABLES:
            raise WrongValueError((name, "env", variable), "is set by the supervisor itself")
        if isinstance(value, str) and "\0" in value:
            raise WrongValueError((name, "env", variable), "has a NUL character")
    for variable in fields.env_from:
        if variable in fields.env:
            raise WrongValueError((name, "env_from"), f"{variable} is in env too")


def _check_stop(name: str, fields: ProcessFields) -> None:
    stop = fields.stop.signal
    if stop.removeprefix("SIG") not in STOP_SIGNALS:
        raise WrongValueError(
            (name, "stop", "signal"),
            f"unknown signal {shown(stop)}{nearest(stop.removeprefix('SIG'), STOP_SIGNALS)}",
        )


def _check_ready(name: str, fields: ProcessFields) -> None:
    ready = fields.ready
    if ready.log is not UNSET:
        try:
            re.compile(ready.log)
        except (re.error, RecursionError, OverflowError) as error:
            raise WrongValueError(
                (name, "ready", "log"), f"{shown(ready.log)} is no regular expression: {error}"
            ) from None
    if isinstance(ready.port, str) and "{" not in ready.port:
        as_port(ready.port, (name, "ready", "port"))
    if ready.http is not UNSET and not ready.http.startswith(("http://", "{")):
        raise WrongValueError(
            (name, "ready", "http"),
            f"{shown(without_secrets(ready.http))} does not begin with 'http://'",
        )


def as_port(value: int | str, path: tuple[str, ...]) -> int:
    """A port that is given as a number or, because of its placeholder, as a text."""
    text = str(value)
    if re.fullmatch(r"[0-9]{1,5}", text) and 1 <= int(text) <= 65535:
        return int(text)
    raise WrongValueError(path, f"{shown(value)} is no port from 1 to 65535")
