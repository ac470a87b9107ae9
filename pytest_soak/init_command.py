"""The command that begins a soak of an own service: ``init``.

It exits with 0 if every KPI has a value, 1 if one has none, 2 if it was refused and wrote nothing.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pytest_soak.live.declared import check_target
from pytest_soak.masking import Masker
from pytest_soak.messages import nearest
from pytest_soak.printing import CommandError, show
from pytest_soak.profile.errors import ProfileError
from pytest_soak.profile.resolve import Source, resolve
from pytest_soak.profile.yaml_text import parse
from pytest_soak.report.layout import cut
from pytest_soak.report.lists import names as listed
from pytest_soak.starter import sample as samples
from pytest_soak.starter import templates
from pytest_soak.starter.draft import TEMPLATE, Draft, draft_of, parameters_of
from pytest_soak.starter.fields import (
    OWN_SECTIONS,
    Sample,
    Setting,
    leaves_of,
    sample_of,
    settings_of,
)
from pytest_soak.starter.folder import (
    NewFile,
    check_free,
    ini_of,
    is_below_repository,
    named,
    names_profile,
    write_files,
)
from pytest_soak.starter.profile_lines import document_of, profile_text
from pytest_soak.starter.service import Service, Way, exchanged, target_section
from pytest_soak.starter.trial import INTERVAL_S, ITERATIONS, Trial, run_trial
from pytest_soak.starter.trial_text import (
    counted,
    ended_early_text,
    files_text,
    kpis_text,
    missing_of,
)

PROFILE = "soak.yaml"
CHECK = "test_soak.py"
CONFTEST = "conftest.py"
INI = "pytest.ini"
JOB = ".github/workflows/soak.yml"
_RUN: Mapping[str, Any] = {"interval": 5, "iterations": 24}

_OF_A_WAY: Mapping[str, Way] = {
    "report_url": "http",
    "parameters_url": "http",
    "method": "http",
    "allow_host": "http",
    "header": "http",
    "command": "command",
    "report_command": "command",
    "parameters_command": "command",
}
"""Argument to the way that it belongs to."""


@dataclass(frozen=True, slots=True)
class Start:
    """All that is written and tried."""

    service: Service
    draft: Draft
    files: tuple[NewFile, ...]


def begin_soak(arguments: argparse.Namespace) -> int:
    """Write the files, and run two dry iterations. Raises CommandError and StoreError."""
    service = _service(arguments)
    folder = Path(arguments.folder)
    own_ini = ini_of(folder) if folder.is_dir() else ""
    names = [PROFILE, CHECK, JOB]
    names += [CONFTEST] if service.way == "function" else []
    names += [] if own_ini else [INI]
    check_free(folder, names, force=arguments.force)
    report = _report(service, arguments.sample, folder)
    start = _start(service, report, _source(service, arguments.sample), names)
    write_files(folder, start.files)
    show("\n".join(files_text(named(folder), start.files)))
    for line in _notes(service, folder, own_ini):
        show(line)
    if arguments.no_run:
        show("\n".join(_next(service, folder, missing=())))
        return 0
    return _tried(start, folder, names)


def _service(arguments: argparse.Namespace) -> Service:
    """What the arguments say. Raises CommandError for those that do not go together."""
    given = vars(arguments)
    ways = {
        name: way
        for name, way in _OF_A_WAY.items()
        if given["program" if name == "command" else name] is not None
    }
    way = _way(arguments.way, ways)
    _check_together(way, ways, arguments)
    headers = _headers(arguments.header or ())
    samples.values_of(headers)
    method = arguments.method or ""
    if method not in ("", "PUT", "POST", "PATCH"):
        raise CommandError(f"--method: {method!r} is none of PUT, POST, PATCH")
    return Service(
        way=way,
        report_url=arguments.report_url or "",
        parameters_url=arguments.parameters_url or "",
        method=method,
        allow_hosts=tuple(arguments.allow_host or ()),
        headers=headers,
        program=_argv(arguments.program, "--command"),
        report_command=_argv(arguments.report_command, "--report-command"),
        parameters_command=_argv(arguments.parameters_command, "--parameters-command"),
    )


def _check_together(way: Way, ways: Mapping[str, Way], arguments: argparse.Namespace) -> None:
    """Raises CommandError for an argument of another way, a missing one, and a URL that is none."""
    for name, of in ways.items():
        if of != way:
            option = "--" + name.replace("_", "-")
            raise CommandError(f"{option} belongs to --for {of}, and this is --for {way}")
    if way == "http" and arguments.report_url is None:
        raise CommandError(
            "--for http needs --report-url URL, the address at which a GET gives the figures"
        )
    if way == "command" and arguments.program is None and arguments.report_command is None:
        raise CommandError(
            "--for command needs --command COMMAND, which starts the service, or "
            "--report-command COMMAND, which prints its figures"
        )
    for name in ("report_url", "parameters_url"):
        url = getattr(arguments, name)
        if url is not None:
            option = "--" + name.replace("_", "-")
            samples.checked_url(url, arguments.allow_host or (), option)


def _headers(given: Sequence[str]) -> dict[str, str]:
    """Header to variable. Raises CommandError, without the text: it may be a value by mistake."""
    headers = {}
    for text in given:
        name, separator, variable = text.partition("=")
        if not separator or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", variable):
            raise CommandError(
                "--header is NAME=VARIABLE, such as Authorization=API_TOKEN: the variable of the "
                "environment has the value, so that no file has it"
            )
        headers[name] = variable
    return headers


def _way(given: str | None, ways: Mapping[str, Way]) -> Way:
    if given is None:
        return next(iter(ways.values()), "function")
    for way in ("function", "command", "http"):
        if given == way:
            return way
    raise CommandError(
        f"--for: {given!r} is unknown{nearest(given, ('function', 'command', 'http'))}"
    )


def _argv(text: str | None, option: str) -> tuple[str, ...]:
    if text is None:
        return ()
    try:
        argv = tuple(shlex.split(text))
    except ValueError as error:
        raise CommandError(f"{option}: {error}, as a shell splits it") from None
    if not argv:
        raise CommandError(f"{option}: is empty; it is a program with its arguments")
    return argv


def _start(
    service: Service, report: Mapping[str, Any] | None, source: str, names: Sequence[str]
) -> Start:
    """``source`` names where the report is from, for messages. Raises CommandError."""
    if report is None:
        # Without a sample nothing is known of the parameters of a program.
        draft = TEMPLATE if service.way == "function" else replace(TEMPLATE, parameters={})
        read = Sample()
    else:
        if not isinstance(report.get("totals", {}), dict):
            raise CommandError(f"{source} has 'totals' that is no object; of a report it is one")
        read = sample_of(report)
        draft = draft_of(read, _settings(service, read))
        if not draft.figures:
            raise CommandError(
                f"{source} has no number, so there is no KPI; its fields are "
                f"{', '.join(list(report)[:8]) or 'none'}"
            )
    section = target_section(service, read, draft)
    run = _RUN if section is None else {**_RUN, "target": "live"}
    text = profile_text(PROFILE, draft, run, section)
    _check(text, document_of(draft, run, section))
    counts = (
        f"{counted(draft.figures, 'KPI')}, {counted(draft.gated, 'limit')}, "
        f"{counted(draft.parameters, 'parameter')}"
    )
    files = {
        PROFILE: NewFile(PROFILE, f"the profile: {counts}", text),
        CONFTEST: NewFile(CONFTEST, "the target: a class to fill in", _conftest(report, draft)),
        CHECK: NewFile(CHECK, "a check of each iteration", templates.CHECK),
        INI: NewFile(INI, "names the profile", templates.INI),
        JOB: NewFile(JOB, "a CI job", templates.job(starts_service=_is_started(service))),
    }
    chosen = tuple(file for name, file in files.items() if name in names)
    return Start(service, draft, chosen)


def _report(service: Service, sample: str | None, folder: Path) -> dict[str, Any] | None:
    """A sample of the reports; None for a service that gives none before it runs."""
    if sample is not None:
        return samples.from_file(Path(sample))
    if service.way == "http":
        return samples.from_url(
            service.report_url, service.allow_hosts, service.headers, "--report-url"
        )
    if service.report_command:
        where = folder if folder.is_dir() else Path()
        return samples.from_command(service.report_command, where, "--report-command")
    return None


def _source(service: Service, sample: str | None) -> str:
    """Where the sample is from, for messages."""
    if sample is not None:
        return sample
    return "--report-url" if service.way == "http" else "--report-command"


def _settings(service: Service, sample: Sample) -> tuple[Setting, ...] | None:
    """What a GET of the address of the parameters gives; None where it gives none.

    Without an address, or another way of delivery, a change would not reach the service.
    """
    if not (service.way == "function" or service.parameters_url or service.program):
        return None if service.parameters_command else ()
    if not service.parameters_url:
        return None
    try:
        given = samples.from_url(
            service.parameters_url, service.allow_hosts, service.headers, "--parameters-url"
        )
    except CommandError:
        return None  # many services take parameters there, and show none
    settings = settings_of(given)
    if settings and not service.method:
        _check_method(given, settings)
    return settings or None


def _check_method(given: Mapping[str, Any], settings: Sequence[Setting]) -> None:
    """Raises CommandError if a PUT of the parameters alone could remove what else is there."""
    parameters, _ = parameters_of(settings)
    kept = {".".join(filter(None, (item.get("path"), key))) for key, item in parameters.items()}
    others = [path for path, _ in leaves_of(given) if path[0] not in OWN_SECTIONS]
    lost = [name for path in others if (name := ".".join(map(str, path))) not in kept]
    if lost:
        raise CommandError(
            f"--parameters-url: a GET also gives what is no parameter ({listed(lost, 4)}), and "
            "a PUT of the parameters alone may remove it from the service; give --method PATCH, "
            "POST or PUT, whichever leaves the rest as it is"
        )


def _is_started(service: Service) -> bool:
    return service.way == "function" or bool(service.program)


def _conftest(report: Mapping[str, Any] | None, draft: Draft) -> str:
    if report is None:
        return templates.WORKING_TARGET
    paths = [figure.path for figure in draft.figures]
    return templates.target_of(paths)


def _check(text: str, document: Mapping[str, Any]) -> None:
    """Read the profile again, as ``profile check`` will. Raises CommandError."""
    data = text.encode()
    try:
        written = parse(data)
        resolved = resolve(f"./{PROFILE}", lambda reference, _: Source(reference, data))
        check_target(resolved)
    except ProfileError as error:
        raise CommandError(f"the sample makes no valid profile: {error}") from None
    if written != document:
        raise CommandError("the profile is read back with other values; nothing was written")


def _notes(service: Service, folder: Path, own_ini: str) -> list[str]:
    lines = []
    if own_ini:
        lines.append(f"  {own_ini} has the options of pytest already, and stays as it is")
    if "?" in service.report_url + service.parameters_url:
        lines.append(f"  {PROFILE} has the query of an address: if it is a secret, use a header")
    if any(_mask(shlex.join(argv)) != shlex.join(argv) for argv in service.commands):
        lines.append(f"  {PROFILE} has a command with a secret: let the program read a variable")
    if is_below_repository(folder):
        lines.append("  GitHub reads .github at the top of the repository only: move it there")
    return lines


def _mask(text: str) -> str:
    return Masker.of((), os.environ)(text)


def _tried(start: Start, folder: Path, names: Sequence[str]) -> int:
    mask = _mask
    show(f"\n{ITERATIONS} dry iterations of {INTERVAL_S} s: start values, no change by the tuner")
    for line in exchanged(start.service, start.draft.parameters):
        show(cut(f"  {mask(line)}", 100))
    sys.stdout.flush()
    trial = run_trial(folder, PROFILE, CHECK)
    again = _from_its_report(start, trial, names)
    if again is not None:
        write_files(folder, again.files)
        show("the program reports other figures: the profile is written again from its report")
        return _tried(again, folder, names)
    if trial.problem:
        show("\n".join(ended_early_text(mask(trial.problem), map(mask, trial.output))))
    missing = missing_of(start.draft, trial.readings)
    if trial.readings:
        show(mask("\n".join(kpis_text(start.draft, trial.readings))))
    lines = _next(start.service, folder, missing=missing, problem=bool(trial.problem))
    show("\n".join(lines))
    return 1 if missing or trial.problem else 0


def _from_its_report(start: Start, trial: Trial, names: Sequence[str]) -> Start | None:
    """The profile made of what a program reported; None where the first one fits, or no report."""
    fits = start.draft.guessed or not missing_of(start.draft, trial.readings)
    if fits or not start.service.program or not trial.report:
        return None
    with suppress(CommandError):
        written = [name for name in names if name == PROFILE]
        return _start(start.service, trial.report, "the report of the program", written)
    return None


def _next(
    service: Service, folder: Path, *, missing: Sequence[str], problem: bool = False
) -> list[str]:
    """The files to edit, and the commands to go on with."""
    enter = [] if folder.resolve() == Path.cwd() else [f"  cd {shlex.quote(str(folder))}"]
    is_named = names_profile(folder, ini_of(folder), PROFILE)
    option = "" if is_named else f" --soak-profile=./{PROFILE}"
    edits = [f"  {CONFTEST}: what says EDIT"] if service.way == "function" else []
    if problem and service.way != "function":
        edits += [f"  {PROFILE}: what ended the session, in the section target"]
    edits += [f"  {PROFILE}: the limits, and what else says EDIT"]
    if missing and not problem:
        edits += [f"  {PROFILE}: the KPIs that have no data, if they never will"]
    seconds = int(_RUN["interval"]) * int(_RUN["iterations"])
    command = f"  pytest --soak{option}"
    about = f"{_RUN['iterations']} iterations of {_RUN['interval']} s: {seconds // 60} minutes"
    look = f"  pytest-soak doctor ./{PROFILE}"
    lines = [(look, "whether a soak can run here"), (command, about)]
    width = max(len(look), len(command))
    commands = [f"{line:<{width}}    # {what}" for line, what in lines]
    return ["", "edit:", *edits, "then run:", *enter, *commands]
