"""The error of a process, as data for the outcome of an iteration and as text for people."""

from __future__ import annotations

from typing import Literal

Kind = Literal[
    "closed",
    "dead",
    "log_failed",
    "not_ended",
    "not_ready",
    "not_started",
    "port_taken",
    "record_unreadable",
    "supervisor_lost",
    "unsupported",
    "variable_missing",
]
"""What happened:

- ``closed``: a call after :meth:`.client.Processes.stop`, or one that it cut short;
- ``dead``: the process ended by itself, and its restarts are used up;
- ``log_failed``: the directory or file of the log cannot be made;
- ``not_ended``: what could not be ended: a process of another user, or one that the kernel keeps;
- ``not_ready``: a condition did not hold in time, or the process ended before;
- ``not_started``: the program is missing, or may not be run;
- ``port_taken``: another program listens where the process should;
- ``record_unreadable``: the record of earlier processes of the lane is damaged;
- ``supervisor_lost``: the supervisor was killed; all its processes are ended;
- ``unsupported``: the operating system lacks what is needed;
- ``variable_missing``: an environment variable of ``env`` or ``env_from`` is not set.
"""


class ProcessError(Exception):
    """A process of a live target, and what is wrong with it. The text has no values of ``env``."""

    def __init__(
        self, kind: Kind, process: str | None, text: str, log: tuple[str, ...] = ()
    ) -> None:
        super().__init__(f"process {process!r}: {text}" if process is not None else text)
        self.kind: Kind = kind
        self.process = process
        """The name in the profile; None if it concerns all processes of a lane."""
        self.text = text
        self.log = log
        """Its last lines on standard output and error, oldest first."""
