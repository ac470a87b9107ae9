"""The section ``target`` of a profile, as a document has it: fields, types, limits, defaults.

The one definition for reading, checking and JSON Schema. What several fields say together is
checked by :mod:`.declared`. The fields ``processes`` are those of
:mod:`pytest_soak.processes.sections`. A field whose type has ``UnsetType`` may be left out, but not
be null.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from pytest_soak.json_types import Share
from pytest_soak.processes.sections import (
    Argument,
    FromEnvironment,
    Processes,
    ProcessName,
    Seconds,
    Text,
)
from pytest_soak.profile.sections import AParameter, MetricFields, SeriesFields

Argv = Annotated[
    tuple[Argument, ...],
    Meta(min_length=1, max_length=1000, description="a program at least, then its arguments"),
]
Headers = dict[Text, str | FromEnvironment]
"""Names of HTTP headers to their values; secrets come from variables: ``{env: NAME}``."""


class NotifyFields(Struct, frozen=True, forbid_unknown_fields=True):
    """A signal to a process after each delivery."""

    process: ProcessName
    signal: Text = "HUP"


class ParametersFields(Struct, frozen=True, forbid_unknown_fields=True):
    """Where the parameters are delivered: exactly one of ``file``, ``yaml``, ``http``,
    ``command`` and ``writer``."""

    file: Text | UnsetType = UNSET
    yaml: Text | UnsetType = UNSET
    keys: dict[AParameter, Text] = {}
    """For ``yaml``: parameter to the path of its scalar, ``controller.spread``."""
    http: Text | UnsetType = UNSET
    method: Literal["PUT", "POST", "PATCH"] = "PUT"
    headers: Headers = {}
    allow_hosts: tuple[Text, ...] = ()
    """Hosts beyond the loopback interface that may be contacted."""
    command: Argv | UnsetType = UNSET
    timeout_s: Seconds = 10.0
    """Of one request or command."""
    soak_block: bool = True
    """For ``http`` and ``command``: whether the block ``soak`` is sent beside the parameters."""
    writer: Text | UnsetType = UNSET
    """The name of a writer that another distribution registers; ``options`` are its own."""
    options: dict[str, Any] = {}
    notify: NotifyFields | UnsetType = UNSET
    on_end: Literal["keep", "restore"] = "keep"


class ReportFields(Struct, frozen=True, forbid_unknown_fields=True):
    """Where reports are read: exactly one of ``file``, ``http``, ``prometheus``, ``command`` and
    ``reader``."""

    file: Text | UnsetType = UNSET
    http: Text | UnsetType = UNSET
    prometheus: Text | UnsetType = UNSET
    """The URL of the service's own ``/metrics``."""
    inputs: dict[Text, MetricFields] = {}
    """For ``prometheus``: the path of a field of the report, ``fills.maker_count``, to what it is
    read from."""
    headers: Headers = {}
    allow_hosts: tuple[Text, ...] = ()
    command: Argv | UnsetType = UNSET
    timeout_s: Seconds = 10.0
    reader: Text | UnsetType = UNSET
    options: dict[str, Any] = {}
    audit: Text | UnsetType = UNSET
    """A file of audit events, one JSON object a line."""
    take: Literal["last", "merge"] = "last"
    echo: Text | dict[AParameter, Text | SeriesFields] | UnsetType = UNSET
    """Where the report has the parameters that the bot runs with, if not ``effective_params``: the
    path of a mapping, or for each parameter the path of its value, of ``prometheus`` its metric."""


class TimingFields(Struct, frozen=True, forbid_unknown_fields=True):
    settle_s: Seconds | UnsetType = UNSET
    """After a delivery so long nothing is measured; default: the smaller of 10 and a tenth of the
    interval."""
    deadline_s: Seconds = 30.0
    """So long after the measured span a report may arrive."""


class FaultsFields(Struct, frozen=True, forbid_unknown_fields=True):
    in_a_row: Annotated[int, Meta(ge=1, le=1000)] = 3
    """The lane halts after so many iterations in a row without data."""
    ratio: Share = 0.05
    """It halts when more than this part of the planned iterations is lost, and more than
    ``in_a_row`` are."""


class TargetSection(Struct, frozen=True, forbid_unknown_fields=True):
    parameters: ParametersFields = ParametersFields(file="{dir}/runtime_overrides.json")
    report: ReportFields | tuple[ReportFields, ...] = ReportFields(
        file="{dir}/EDGE_REPORT.json", audit="{dir}/audit.jsonl"
    )
    timing: TimingFields = TimingFields()
    faults: FaultsFields = FaultsFields()
    processes: Processes | UnsetType = UNSET

    @property
    def reports(self) -> tuple[ReportFields, ...]:
        """``report`` as a tuple, in the order of the document."""
        return self.report if isinstance(self.report, tuple) else (self.report,)
