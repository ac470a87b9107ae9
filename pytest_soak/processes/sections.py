"""The section ``processes:`` of a target, as a document has it: fields, types, limits, defaults.

The one definition for reading, checking and JSON Schema. What several fields say together is
checked by :mod:`.declared`. A text may have placeholders (``{dir}``, ``{port:NAME}``), which are
expanded when the plan is made (:mod:`.plan`). A field whose type has ``UnsetType`` may be left
out, but not be null.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

_NAME = r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}"
_VARIABLE = r"[A-Za-z_][A-Za-z0-9_]{0,127}"

ProcessName = Annotated[
    str,
    Meta(
        pattern=rf"^{_NAME}$(?!\n)",
        description="name of up to 32 letters, digits, '_' and '-', the first a letter or digit",
    ),
]
"""It is part of the names of log files, metrics and resource samples."""

Variable = Annotated[
    str,
    Meta(
        pattern=rf"^{_VARIABLE}$(?!\n)",
        description="name of a variable: letters, digits and '_', the first no digit",
    ),
]
Text = Annotated[str, Meta(min_length=1, max_length=4096, description="text of 1 to 4096")]
Argument = Annotated[str, Meta(max_length=65536, description="text of up to 65536 characters")]
Port = Annotated[int, Meta(ge=1, le=65535, description="port from 1 to 65535")]
Seconds = Annotated[float, Meta(ge=0.0, le=3600.0, description="number of seconds from 0 to 3600")]
Within = Annotated[
    float, Meta(gt=0.0, le=3600.0, description="number of seconds above 0, at most 3600")
]


class FromEnvironment(Struct, frozen=True, forbid_unknown_fields=True):
    """The value of another variable: ``{env: NAME}``."""

    env: Variable


class ReadyFields(Struct, frozen=True, forbid_unknown_fields=True):
    """When a process is ready: all conditions that are given hold."""

    log: Text | UnsetType = UNSET
    """A regular expression; it matches in a whole line that the process writes."""
    port: Port | Text | UnsetType = UNSET
    """It accepts a connection on the loopback interface."""
    file: Text | UnsetType = UNSET
    """It exists, and was written after the start."""
    http: Text | UnsetType = UNSET
    """A URL on the loopback interface that answers with a status from 200 to 299."""
    notify: bool = False
    """The process sends ``READY=1`` to ``NOTIFY_SOCKET``, as services of systemd do."""
    within_s: Within = 20.0


class StopFields(Struct, frozen=True, forbid_unknown_fields=True):
    signal: Text = "TERM"
    grace_s: Seconds = 10.0
    """So long after the signal, what is left of the process and its children is killed."""


class RestartFields(Struct, frozen=True, forbid_unknown_fields=True):
    budget: Annotated[int, Meta(ge=0, le=1000)] = 3
    """Restarts of a process that died, in the whole run."""
    backoff_s: Annotated[
        tuple[Seconds, ...], Meta(min_length=1, max_length=20, description="1 to 20 numbers")
    ] = (1.0, 5.0, 30.0)
    """Waits before the first, second, … restart; the last is for all later ones."""


class LogFields(Struct, frozen=True, forbid_unknown_fields=True):
    max_mb: Annotated[float, Meta(ge=0.01, le=10_000.0)] = 10.0
    """Largest size of one file, in units of a million bytes."""
    keep: Annotated[int, Meta(ge=0, le=100)] = 2
    """Full files that are kept beside the present one."""


class ProcessFields(Struct, frozen=True, forbid_unknown_fields=True):
    """One process; its ``command`` is a list of arguments, never a line for a shell."""

    command: Annotated[
        tuple[Argument, ...],
        Meta(min_length=1, max_length=1000, description="a program at least, then its arguments"),
    ]
    after: str | tuple[str, ...] = ()
    """The processes that are ready before this one is started."""
    env: dict[Variable, str | int | FromEnvironment] = {}
    env_from: tuple[Variable, ...] = ()
    """Variables that must be set, and whose values are secrets."""
    cwd: Text | UnsetType = UNSET
    ready: ReadyFields = ReadyFields()
    stop: StopFields = StopFields()
    restart: RestartFields = RestartFields()
    log: LogFields = LogFields()

    @property
    def after_names(self) -> tuple[str, ...]:
        """``after`` as a tuple, in the order of the document."""
        return (self.after,) if isinstance(self.after, str) else self.after


Processes = Annotated[
    dict[ProcessName, ProcessFields],
    Meta(min_length=1, max_length=64, description="1 to 64 processes"),
]
"""The whole section."""
