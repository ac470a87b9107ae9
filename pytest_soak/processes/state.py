"""The state of one process, as the client knows it."""

from __future__ import annotations

import signal
from contextlib import suppress
from dataclasses import dataclass

from pytest_soak.processes.identity import Identity
from pytest_soak.processes.plan import ProcessPlan
from pytest_soak.processes.ready import Readiness
from pytest_soak.processes.record import RecordedProcess
from pytest_soak.processes.restarts import Restarts


@dataclass(frozen=True, slots=True)
class Ended:
    """A process that ended by itself."""

    process: str
    status: int
    """The exit code; the negative number of the signal that ended it."""

    @property
    def text(self) -> str:
        """``exit code 1`` or ``signal SIGKILL``, the end of a sentence that says it ended with."""
        if self.status >= 0:
            return f"exit code {self.status}"
        with suppress(ValueError):
            return f"signal {signal.Signals(-self.status).name}"
        return f"signal {-self.status}"


@dataclass(slots=True)
class State:
    """Changes with each event of the supervisor, and with each call of the client."""

    plan: ProcessPlan
    restarts: Restarts
    identity: Identity | None = None
    """None before its first start, and while it is stopped."""
    ended: Ended | None = None
    is_ready: bool = False
    readiness: Readiness | None = None
    log_problem: str | None = None

    @property
    def recorded(self) -> RecordedProcess | None:
        """As it is in the record of the lane; None if it was not started."""
        if self.identity is None:
            return None
        return RecordedProcess(self.plan.name, self.identity.pid, self.identity.mark)
