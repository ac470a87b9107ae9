"""How the service of a new soak is reached: the section ``target`` of its profile. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pytest_soak.messages import without_secrets
from pytest_soak.starter.draft import Draft
from pytest_soak.starter.fields import Sample

REPORT = "report.json"
"""The file that a program writes its report to, in the folder of the target."""
Way = Literal["function", "command", "http"]
WAYS: tuple[Way, ...] = ("function", "command", "http")


@dataclass(frozen=True, slots=True)
class Service:
    """What the user says about the service; an empty text or list is not given."""

    way: Way
    report_url: str = ""
    parameters_url: str = ""
    method: str = ""
    """Of ``parameters_url``; empty: a PUT, because the user gave none."""
    allow_hosts: tuple[str, ...] = ()
    """Hosts beyond this machine that may be contacted."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Header to the variable of the environment that has its value."""
    program: tuple[str, ...] = ()
    """The command of the service itself, which the session starts and ends."""
    report_command: tuple[str, ...] = ()
    parameters_command: tuple[str, ...] = ()

    @property
    def commands(self) -> tuple[tuple[str, ...], ...]:
        """The programs that are given."""
        return self.program, self.report_command, self.parameters_command


def target_section(service: Service, sample: Sample, draft: Draft) -> dict[str, Any] | None:
    """The section; None for a target in Python. Texts of the user are no placeholders."""
    if service.way == "function":
        return None
    section: dict[str, Any] = {}
    if parameters := _parameters(service):
        section["parameters"] = parameters
    section["report"] = {**_report(service), **_echo(sample, draft)}
    if service.program:
        section["processes"] = {"service": {"command": list(map(_literal, service.program))}}
    return section


def _parameters(service: Service) -> dict[str, Any]:
    if service.way == "http":
        if not service.parameters_url:
            return {}
        method = {} if service.method in ("", "PUT") else {"method": service.method}
        return {"http": _literal(service.parameters_url), **method, **_of_both(service)}
    if service.parameters_command:
        return {"command": list(map(_literal, service.parameters_command))}
    return {"file": "{dir}/parameters.json"}


def _report(service: Service) -> dict[str, Any]:
    if service.way == "http":
        return {"http": _literal(service.report_url), **_of_both(service)}
    if service.report_command:
        return {"command": list(map(_literal, service.report_command))}
    return {"file": f"{{dir}}/{REPORT}"}


def _of_both(service: Service) -> dict[str, Any]:
    """The fields that both addresses have."""
    fields: dict[str, Any] = {}
    if service.headers:
        fields["headers"] = {name: {"env": variable} for name, variable in service.headers.items()}
    if service.allow_hosts:
        fields["allow_hosts"] = list(map(_literal, service.allow_hosts))
    return fields


def _echo(sample: Sample, draft: Draft) -> dict[str, Any]:
    """Where the report has the parameters, if it has all of them under another name than usual."""
    keys = {setting.path[-1] for setting in sample.settings}
    if sample.echo in ("", "effective_params") or not draft.parameters:
        return {}
    return {"echo": sample.echo} if keys >= set(draft.parameters) else {}


def _literal(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def exchanged(service: Service, parameters: Mapping[str, Any]) -> list[str]:
    """What a session with the start values starts, sends and reads: lines for people."""
    lines = [f"start: {shlex.join(service.program)}"] if service.program else []
    if service.way == "http":
        url = without_secrets(service.parameters_url)
        there = f"{service.method or 'PUT'} {url}" if service.parameters_url else ""
        report = f"GET {without_secrets(service.report_url)}"
    elif service.way == "command":
        there = shlex.join(service.parameters_command) or "the file that SOAK_RUNTIME names"
        report = shlex.join(service.report_command) or "the file that SOAK_REPORT names"
    else:
        there, report = "run(iteration, runtime) in conftest.py", "what it returns"
    values = ", ".join(f"{name} = {_shown(item['start'])}" for name, item in parameters.items())
    sent = f"{there}: {values or 'no parameters'}" if there else "nothing"
    return [*lines, f"send:  {sent}", f"read:  {report}"]


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value:.6g}"
