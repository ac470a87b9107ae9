"""The processes of one lane, as its target uses them: start, watch, restart, signal, stop."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from pytest_soak.processes import wire
from pytest_soak.processes.errors import Kind, ProcessError
from pytest_soak.processes.identity import Identity, is_suspended
from pytest_soak.processes.log_file import last_lines
from pytest_soak.processes.plan import (
    ProcessPlan,
    dependents,
    missing_variables,
    secret_values,
    variables,
)
from pytest_soak.processes.ports import is_taken, listener
from pytest_soak.processes.ready import Readiness
from pytest_soak.processes.restarts import Restarts
from pytest_soak.processes.state import Ended, State
from pytest_soak.processes.supervision import Supervision

LOG_LINES = 20
"""So many last lines an error has."""
_PAUSE_S = 0.02
_MASK = "***"


class Processes:
    """The processes of one lane, below a supervisor of their own.

    Methods may be called from several threads; :meth:`close` cuts the others short. A fork of
    this process has no part in it: its calls raise ProcessError, and its ``close`` does nothing.
    """

    def __init__(
        self,
        plans: Sequence[ProcessPlan],
        *,
        folder: Path,
        cwd: Path,
        environment: Mapping[str, str],
        clock: Callable[[], float] = time.monotonic,
        portable: bool = False,
    ) -> None:
        """``folder`` exists and belongs to the lane; it gets ``log/`` and ``processes.json``.

        ``cwd`` is the directory of a process without one of its own, ``environment`` what all
        inherit. ``clock`` is that of restarts, in seconds. ``portable`` uses no features of Linux.
        """
        self._plans = tuple(plans)
        self._folder = folder.absolute()
        self._cwd = cwd.absolute()
        self._environment = dict(environment)
        self._clock = clock
        self._states = {plan.name: State(plan, Restarts(plan.restart)) for plan in plans}
        self._secrets = secret_values(self._plans, self._environment)
        self._supervision = Supervision(
            self._folder, self._environment, self._on_event, portable=portable
        )
        self._ended: list[Ended] = []
        self._lock = threading.RLock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def names(self) -> tuple[str, ...]:
        """In start order."""
        return tuple(self._states)

    @property
    def notices(self) -> tuple[str, ...]:
        """After the start: what this operating system lacks, as sentences."""
        return self._supervision.notices

    @property
    def leftover(self) -> tuple[int, ...]:
        """After the start: the processes of an earlier session that were ended, by number."""
        return self._supervision.leftover

    # Start and end.

    def start(self) -> None:
        """End what is left of an earlier session, then start all, each when those before are ready.

        Raises ProcessError; then all is ended again.
        """
        for name, variable in missing_variables(self._plans, self._environment):
            raise self._error("variable_missing", name, f"the variable {variable} is not set")
        try:
            self._supervision.start(max((plan.grace_s for plan in self._plans), default=0.0))
            for plan in self._plans:
                self._start_process(self._states[plan.name])
        except BaseException:
            with suppress(ProcessError):
                self.close()
            raise

    def stop(self) -> None:
        """Stop all, the last first: the stop signal, the grace, the kill of what is left.

        Raises ProcessError of the kind ``not_ended``.
        """
        for name in reversed(self.names):
            self._stop_process(self._states[name])

    def close(self) -> None:
        """Stop all and end the supervisor; nothing is left of the lane. May be called again.

        Raises ProcessError of the kind ``not_ended``.
        """
        self._supervision.end(sum(plan.grace_s for plan in self._plans))

    def restart(self, name: str, *, planned: bool = False) -> tuple[str, ...]:
        """Restart a process and what comes after it. Returns their names, in start order.

        If it is not ``planned``, it spends one restart of the budget, and waits as the section
        says before the start. Raises ProcessError: ``dead`` if the budget is used up, else as
        :meth:`start`, and what was started goes on.
        """
        state = self._states[name]
        self._pump(None)
        if not planned:
            restarts = state.restarts.after_death(self._clock())
            if restarts is None:
                how = f"it ended with {state.ended.text}, and " if state.ended else ""
                budget = state.plan.restart.budget
                text = (
                    f"{how}all {budget} restarts are used up"
                    if budget
                    else f"{how}restart.budget is 0"
                )
                raise self._error("dead", name, text)
            state.restarts = restarts
        names = dependents(self._plans, name)
        for affected in reversed(names):
            self._stop_process(self._states[affected])
        if not planned:
            while wait_s := state.restarts.wait_s(self._clock()):
                self._pump(min(wait_s, 0.1))
        for affected in names:
            self._start_process(self._states[affected])
        return names

    # Watching.

    def poll(self) -> tuple[Ended, ...]:
        """The processes that ended by themselves since the last call.

        Raises ProcessError of the kind ``supervisor_lost`` or ``log_failed``.
        """
        self._pump(None)
        for state in self._states.values():
            if state.log_problem is not None:
                problem, state.log_problem = state.log_problem, None
                raise self._error("log_failed", state.plan.name, f"its output is lost: {problem}")
        with self._lock:
            ended, self._ended = tuple(self._ended), []
        return ended

    def is_ready(self, name: str) -> bool:
        """Whether it was ready after its last start, and runs."""
        return self._states[name].is_ready

    def is_suspended(self, name: str) -> bool:
        """Whether a signal (SIGSTOP) or a debugger stopped it."""
        identity = self._states[name].identity
        return identity is not None and is_suspended(identity)

    def identity(self, name: str) -> Identity | None:
        """Number and start of the running process; None if it does not run."""
        state = self._states[name]
        return state.identity if state.ended is None else None

    def restarts(self, name: str) -> Restarts:
        """How many restarts it had, and has left."""
        return self._states[name].restarts

    def signal(self, name: str, number: int) -> None:
        """Send a signal to the process, not to its children.

        Raises ProcessError: ``not_ready`` if it is not ready, and ``dead`` if it ended.
        """
        state = self._states[name]
        self._pump(None)
        if state.ended is not None:
            raise self._error("dead", name, f"it ended with {state.ended.text}")
        if not state.is_ready:
            raise self._error("not_ready", name, "it gets no signal before it is ready")
        command = wire.Signal(self._supervision.next_id(), name, number)
        answer = self._supervision.ask(command)
        if isinstance(answer, wire.Failed):
            raise self._error("dead", name, answer.problem)

    def log_path(self, name: str) -> Path:
        """The file with its standard output and error."""
        return self._folder / "log" / f"{name}.log"

    def last_lines(self, name: str, count: int = LOG_LINES) -> tuple[str, ...]:
        """The last lines of its log, oldest first, with the values of its variables masked."""
        return tuple(self._masked(line) for line in last_lines(self.log_path(name), count))

    # One process.

    def _start_process(self, state: State) -> None:
        plan = state.plan
        for port in plan.ready.ports:
            if is_taken(port):
                by = listener(port)
                raise self._error(
                    "port_taken", plan.name, f"port {port} is taken" + (f" by {by}" if by else "")
                )
        cwd = self._cwd / plan.cwd if plan.cwd is not None else self._cwd
        log = self.log_path(plan.name)
        with self._readiness(state, log, cwd) as readiness:
            command = wire.Start(
                id=self._supervision.next_id(),
                name=plan.name,
                command=plan.command,
                cwd=os.fspath(cwd),
                env=variables(plan, self._environment),
                log=os.fspath(log),
                log_bytes=plan.log_bytes,
                log_keep=plan.log_keep,
                notify=plan.ready.notify,
                stop_signal=plan.stop_signal,
                grace_s=plan.grace_s,
            )
            state.ended = None
            answer = self._supervision.ask(command)
            if isinstance(answer, wire.Failed):
                text = f"{plan.command[0]!r} cannot be started: {answer.problem}"
                raise self._error("not_started", plan.name, text)
            if isinstance(answer, wire.Started):
                with self._lock:
                    state.identity = Identity(answer.pid, answer.mark)
            self._write_record()
            self._wait_until_ready(state, readiness)

    def _wait_until_ready(self, state: State, readiness: Readiness) -> None:
        plan = state.plan
        deadline = time.monotonic() + plan.ready.within_s
        pause_s = _PAUSE_S
        while True:
            self._pump(None)
            if state.ended is not None:
                raise self._error(
                    "not_ready", plan.name, f"it ended with {state.ended.text} before it was ready"
                )
            missing = readiness.missing()
            if missing is None:
                break
            if time.monotonic() >= deadline:
                text = f"not ready within {plan.ready.within_s:g} s: {missing}"
                raise self._error("not_ready", plan.name, text)
            self._pump(pause_s)
            pause_s = min(pause_s * 1.2, 0.1)
        with self._lock:
            state.is_ready = state.ended is None

    def _stop_process(self, state: State) -> None:
        name = state.plan.name
        with self._lock:
            was_started, state.is_ready = state.identity is not None, False
        if not was_started:
            return
        command = wire.Stop(self._supervision.next_id(), name)
        stopped = self._supervision.ask(command, state.plan.grace_s)
        with self._lock:
            state.identity = None
            self._ended = [ended for ended in self._ended if ended.process != name]
        self._write_record()
        if isinstance(stopped, wire.Stopped) and stopped.denied:
            raise self._error("not_ended", name, f"of another user: processes {stopped.denied}")

    @contextmanager
    def _readiness(self, state: State, log: Path, cwd: Path) -> Iterator[Readiness]:
        try:
            readiness = Readiness(state.plan.ready, log, cwd)
        except OSError as error:
            raise self._error(
                "log_failed", state.plan.name, f"{log} cannot be written: {error.strerror}"
            ) from error
        with self._lock:
            state.readiness = readiness
        try:
            yield readiness
        finally:
            with self._lock:
                state.readiness = None
            readiness.close()

    # Events and errors.

    def _pump(self, seconds: float | None) -> None:
        """Handle events: those that have come, or the first within ``seconds``."""
        self._supervision.pump(seconds)

    def _on_event(self, event: wire.Event) -> None:
        with self._lock:
            match event:
                case wire.Exited(name, _, status, requested):
                    state = self._states[name]
                    state.is_ready = False
                    if not requested:
                        state.ended = Ended(name, status)
                        self._ended.append(state.ended)
                case wire.Notified(name, _):
                    readiness = self._states[name].readiness
                    if readiness is not None:
                        readiness.is_notified = True
                case wire.LogFailed(name, problem):
                    self._states[name].log_problem = problem

    def _write_record(self) -> None:
        with self._lock:
            recorded = [state.recorded for state in self._states.values()]
            self._supervision.record([process for process in recorded if process is not None])

    def _masked(self, text: str) -> str:
        for value in self._secrets:
            text = text.replace(value, _MASK)
        return text

    def _error(self, kind: Kind, name: str, text: str) -> ProcessError:
        return ProcessError(kind, name, self._masked(text), self.last_lines(name))
