"""The plan of a live target: the section with the values of one lane in it. Contacts nothing."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from msgspec import UNSET

from pytest_soak.json_types import WrongValueError
from pytest_soak.live.audit_file import AuditFile
from pytest_soak.live.channels import Context, Reader, Writer
from pytest_soak.live.declared import read_section, settle_s
from pytest_soak.live.endpoint import header_values
from pytest_soak.live.files import canonical_name, file_place
from pytest_soak.live.placeholders import expanded, values_of
from pytest_soak.live.registry import reader_of, writer_of
from pytest_soak.live.sections import ReportFields, TargetSection
from pytest_soak.processes.plan import (
    ProcessPlan,
    missing_programs,
    missing_variables,
    plan_processes,
)
from pytest_soak.processes.ports import FreePorts
from pytest_soak.processes.sections import RestartFields
from pytest_soak.profile.model import Profile
from pytest_soak.protocol import Lane

_HIDDEN = ("PYTEST_CURRENT_TEST", "PYTEST_ADDOPTS", "PYTEST_VERSION")
"""Variables of the session that are nothing to a bot."""


_A_DAY = 86_400.0


def _waits(restart: RestartFields) -> float:
    """Seconds of all waits before the restarts of a process."""
    waits = restart.backoff_s
    return sum(waits[min(used, len(waits) - 1)] for used in range(restart.budget))


@dataclass(frozen=True, slots=True)
class Notify:
    """The signal after each delivery."""

    process: str
    signal: int


@dataclass(frozen=True, slots=True)
class LivePlan:
    """What a live target does in one lane."""

    lane: Lane
    profile: Profile
    run_id: str
    folder: Path
    """``{dir}``."""
    root: Path
    section: TargetSection
    settle_s: float
    environment: Mapping[str, str]
    """Of its processes and commands."""
    writer: Writer
    readers: tuple[tuple[ReportFields, Reader], ...]
    audit: AuditFile | None
    processes: tuple[ProcessPlan, ...]
    notify: Notify | None
    fixed_ports: tuple[int, ...]
    """Ports on which its processes will listen, and which the section names as numbers."""
    secrets: tuple[str, ...] = field(default=(), repr=False)
    """Values that the section takes from the environment, and those of headers."""

    @property
    def places(self) -> tuple[str, ...]:
        """What no other lane may use at the same time: destinations, sources and fixed ports."""
        sources = [source for _, reader in self.readers for source in reader.sources]
        audits = [] if self.audit is None else [canonical_name(Path(self.audit.place))]
        ports = [f"port {port}" for port in self.fixed_ports]
        return tuple(dict.fromkeys([*self.writer.destinations, *sources, *audits, *ports]))

    @property
    def longest_call_s(self) -> float:
        """The longest that one iteration may take, with all restarts of a process in it."""
        ready = sum(plan.ready.within_s + plan.grace_s for plan in self.processes)
        restarts = max(
            (_waits(plan.restart) + plan.restart.budget * ready for plan in self.processes),
            default=0.0,
        )
        timing = self.section.timing
        return self.lane.interval_s + timing.deadline_s + 5.0 + min(restarts, _A_DAY)

    @property
    def stop_s(self) -> float:
        """The longest that the end may take."""
        return 5.0 + sum(plan.grace_s + 2.0 for plan in self.processes)


def plan_live(
    lane: Lane,
    section: Mapping[str, Any],
    profile: Profile,
    *,
    root: Path,
    run_id: str,
    environment: Mapping[str, str] = os.environ,
) -> LivePlan:
    """The plan of a lane. Raises WrongValueError with the path within the section."""
    if lane.dir is None:
        raise WrongValueError((), "a live target needs a directory; this lane has none")
    fields = read_section(section)
    _check_places(fields, profile)
    _check_metrics(fields, profile)
    free = FreePorts()
    values = values_of(lane, lane.dir, root, run_id)

    def expand(text: str) -> str:
        return expanded(text, values, free.port)

    variables = _variables(lane, fields, expand, root, run_id)
    kept = {name: value for name, value in environment.items() if name not in _HIDDEN}
    context = Context(
        expand=expand,
        folder=lane.dir,
        root=root,
        paths={key: parameter.path for key, parameter in profile.parameters.items()},
        sections=frozenset(str(kpi.path[0]) for kpi in profile.kpis.values() if kpi.path),
        words=frozenset(key for key, item in profile.parameters.items() if item.choices),
        metrics={name: kpi.metric for name, kpi in profile.kpis.items() if kpi.metric},
        block_reasons=profile.block_reasons,
        environment={**kept, **variables},
    )
    every_s = poll_every_s(lane.interval_s)
    try:
        writer = writer_of(fields.parameters, context)
    except ValueError as error:
        raise below(("parameters",), error) from None
    readers = []
    audit = None
    for place, report in enumerate(fields.reports):
        path = ("report", str(place)) if isinstance(fields.report, tuple) else ("report",)
        try:
            readers.append((report, reader_of(report, context, every_s)))
            if report.audit is not UNSET:
                audit = AuditFile(file_place(report.audit, context, ("audit",)))
        except ValueError as error:
            raise below(path, error) from None
    processes = _processes(fields, expand, context.environment, root)
    listening = {port for process in processes for port in process.ready.ports}
    return LivePlan(
        lane=lane,
        profile=profile,
        run_id=run_id,
        folder=lane.dir,
        root=root,
        section=fields,
        settle_s=settle_s(fields, lane.interval_s),
        environment=context.environment,
        writer=writer,
        readers=tuple(readers),
        audit=audit,
        processes=processes,
        notify=_notify(fields),
        fixed_ports=tuple(sorted(listening - free.numbers)),
        secrets=(*_secrets_of(processes, context), *_secrets_in_headers(fields, context)),
    )


def poll_every_s(interval_s: float) -> float:
    """How often a source is looked at in the measured span: BRIDGE's min(5 s, interval / 10),
    and at least twenty times a second."""
    return min(5.0, max(0.05, interval_s / 10))


def below(path: tuple[str, ...], error: ValueError) -> WrongValueError:
    """The error of a part of the section, with the path of the part."""
    if isinstance(error, WrongValueError):
        return WrongValueError((*path, *error.path), error.problem)
    return WrongValueError(path, str(error))


def _check_places(fields: TargetSection, profile: Profile) -> None:
    """Refuse a parameter whose place in the body is that of the block ``soak``."""
    for key, parameter in profile.parameters.items():
        if parameter.path[0] == "soak" and not fields.parameters.keys:
            raise WrongValueError(
                ("parameters",),
                f"{key} is at {'.'.join(parameter.path)}, where a delivery has its own block "
                "'soak'; give it another path",
            )


def _check_metrics(fields: TargetSection, profile: Profile) -> None:
    """Refuse a KPI that reads a metric where no source has metrics."""
    if any(source.prometheus or source.reader for source in fields.reports):
        return
    for name, kpi in profile.kpis.items():
        if kpi.metric is not None:
            raise WrongValueError(
                ("report",),
                f"the KPI {name} reads the metric {kpi.metric.sample}, and no source of reports "
                "has 'prometheus', the URL of the metrics",
            )


def _processes(
    fields: TargetSection, expand: Any, environment: Mapping[str, str], root: Path
) -> tuple[ProcessPlan, ...]:
    if fields.processes is UNSET:
        return ()
    try:
        plans = plan_processes(fields.processes, expand)
    except ValueError as error:
        raise below(("processes",), error) from None
    if missing := missing_variables(plans, environment):
        name = missing[0][0]
        variables = list(dict.fromkeys(variable for _, variable in missing))
        text = (
            f"the variable {variables[0]} is not set in the environment"
            if len(variables) == 1
            else f"the variables {', '.join(variables)} are not set in the environment"
        )
        raise WrongValueError(("processes", name), text)
    for name, problem in missing_programs(plans, environment, root):
        raise WrongValueError(("processes", name, "command"), problem)
    return plans


def _secrets_of(processes: Sequence[ProcessPlan], context: Context) -> Iterator[str]:
    for process in processes:
        yield from (context.environment[name] for name in process.env_of.values())


def _secrets_in_headers(fields: TargetSection, context: Context) -> Iterator[str]:
    """The values of headers, and what is behind a word such as ``Bearer``."""
    for headers in (fields.parameters.headers, *(report.headers for report in fields.reports)):
        for value in header_values(headers, context).values():
            yield value
            yield value.rpartition(" ")[2]


def _notify(fields: TargetSection) -> Notify | None:
    given = fields.parameters.notify
    if given is UNSET:
        return None
    return Notify(given.process, signal.Signals["SIG" + given.signal.removeprefix("SIG")])


def _variables(
    lane: Lane, fields: TargetSection, expand: Any, root: Path, run_id: str
) -> dict[str, str]:
    """The placeholders as variables, for bots that read their environment."""
    parameters = fields.parameters
    is_list = isinstance(fields.report, tuple)

    def path(text: Any, *where: str) -> str:
        try:
            return "" if text is UNSET else str(root / expand(text))
        except ValueError as error:
            raise below(where, error) from None

    def of_report(field: str) -> str:
        """The file of the first source that has one."""
        for place, source in enumerate(fields.reports):
            if (text := getattr(source, field)) is not UNSET:
                return path(text, "report", *([str(place)] if is_list else []), field)
        return ""

    destination = "file" if parameters.yaml is UNSET else "yaml"
    return {
        "SOAK_DIR": str(lane.dir),
        "SOAK_LANE": lane.id,
        **({"SOAK_SYMBOL": lane.symbol} if lane.symbol else {}),
        "SOAK_SEED": str(lane.seed),
        "SOAK_RUNTIME": path(getattr(parameters, destination), "parameters", destination),
        "SOAK_REPORT": of_report("file"),
        "SOAK_AUDIT": of_report("audit"),
        "SOAK_INTERVAL_S": f"{lane.interval_s:.12g}",
        "SOAK_RUN_ID": run_id,
    }
