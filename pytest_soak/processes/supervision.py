"""The life of a lane's supervisor as the client sees it: start, calls, loss, end, the record."""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import msgspec

from pytest_soak.processes import wire
from pytest_soak.processes.errors import ProcessError
from pytest_soak.processes.kernel import is_supported
from pytest_soak.processes.leftover import end_leftover, end_recorded
from pytest_soak.processes.link import Link, LinkLost, OnEvent
from pytest_soak.processes.log_file import last_lines
from pytest_soak.processes.record import (
    Record,
    RecordedProcess,
    new_record,
    remove_record,
    write_record,
)

ERRORS = "_supervisor.log"
"""The file beside the logs of the processes with the supervisor's own errors."""
_ANSWER_S = 30.0
"""A supervisor that does not answer for so long (beyond a grace) is given up."""
_LOST_GRACE_S = 2.0
_ERROR_LINES = 20


@dataclass(frozen=True, slots=True)
class _Present:
    """What there is while the supervisor runs."""

    link: Link
    record: Record


class Supervision:
    """One supervisor. Before its start and after its end, calls raise ProcessError ``closed``."""

    def __init__(
        self,
        folder: Path,
        environment: Mapping[str, str],
        on_event: OnEvent,
        *,
        portable: bool = False,
    ) -> None:
        """``on_event`` gets every event that is no answer, on the thread that reads it."""
        self._folder = folder
        self._environment = environment
        self._on_event = on_event
        self._portable = portable
        self._owner = os.getpid()
        self._lock = threading.Lock()
        self._present: _Present | None = None
        self._hello: wire.Hello | None = None
        self._is_over = False
        self.leftover: tuple[int, ...] = ()

    @property
    def notices(self) -> tuple[str, ...]:
        return self._hello.notices if self._hello is not None else ()

    def start(self, grace_s: float) -> None:
        """End what is left of an earlier session within ``grace_s``, and start the supervisor."""
        if os.getpid() != self._owner or self._is_over or self._present is not None:
            raise ProcessError("closed", None, "processes are started once")
        if not is_supported():
            raise ProcessError(
                "unsupported", None, "processes of a target need Linux or macOS; on Windows, WSL"
            )
        self.leftover = end_leftover(self._folder, grace_s=grace_s)
        log = self._folder / "log"
        record = new_record(self._folder, secrets.token_hex(16))
        try:
            log.mkdir(exist_ok=True)
            write_record(self._folder, record)
            link = Link(
                record.token,
                self._environment,
                log / ERRORS,
                self._handle,
                portable=self._portable,
            )
        except OSError as error:
            raise ProcessError(
                "supervisor_lost", None, f"the supervisor cannot be started: {error}"
            ) from error
        self._present = _Present(link, record)
        self.record(())
        deadline = time.monotonic() + _ANSWER_S
        while self._hello is None:
            if time.monotonic() >= deadline:
                self._lost(f"it did not begin within {_ANSWER_S:g} s")
            self.pump(0.1)

    def next_id(self) -> int:
        """The number of the next command."""
        return self._get().link.next_id()

    def ask(self, command: wire.Command, grace_s: float = 0.0) -> wire.Answer:
        """The answer to a command, which may take ``grace_s`` longer than others."""
        try:
            return self._get().link.ask(command, _ANSWER_S + grace_s)
        except LinkLost as error:
            self._lost(str(error))

    def pump(self, seconds: float | None) -> None:
        """Handle the events that have come; with ``seconds``, wait so long for the first."""
        link = self._get().link
        try:
            if seconds is None:
                link.read()
            else:
                link.wait(seconds)
        except LinkLost as error:
            self._lost(str(error))

    def record(self, processes: Sequence[RecordedProcess]) -> None:
        """Write the record, with the supervisor itself and these processes."""
        with self._lock:
            present = self._get()
            own = RecordedProcess("_supervisor", *present.link.identity)
            record = msgspec.structs.replace(present.record, processes=(own, *processes))
            self._present = _Present(present.link, record)
            write_record(self._folder, record)

    def end(self, grace_s: float) -> None:
        """End everything, which may take ``grace_s`` and a while. Does nothing the second time.

        Raises ProcessError of the kind ``not_ended``.
        """
        if os.getpid() != self._owner:
            return
        with self._lock:
            self._is_over, present, self._present = True, self._present, None
        if present is None:
            return
        link = present.link
        denied: tuple[int, ...] = ()
        try:
            answer = link.ask(wire.End(link.next_id()), _ANSWER_S + grace_s)
            denied = answer.denied if isinstance(answer, wire.Stopped) else ()
            if not link.close(_ANSWER_S):
                raise LinkLost("it did not end")
        except LinkLost:
            link.kill()
            end_recorded(present.record, grace_s=_LOST_GRACE_S)
        if denied:
            numbers = ", ".join(map(str, denied))
            raise ProcessError("not_ended", None, f"processes of another user: {numbers}")
        remove_record(self._folder)

    def _handle(self, event: wire.Event) -> None:
        if isinstance(event, wire.Hello):
            self._hello = event
        else:
            self._on_event(event)

    def _get(self) -> _Present:
        present = self._present
        if present is None or os.getpid() != self._owner:
            where = "in a fork of the process that started them" if present else "any more, or yet"
            raise ProcessError("closed", None, f"there are no processes {where}")
        return present

    def _lost(self, why: str) -> NoReturn:
        """End what a dead supervisor left behind, and raise."""
        with self._lock:
            present, self._present = self._present, None
            is_over, self._is_over = self._is_over, True
        if is_over or present is None:
            raise ProcessError("closed", None, "the processes are being ended")
        present.link.kill()
        left = end_recorded(present.record, grace_s=_LOST_GRACE_S)
        remove_record(self._folder)
        rest = f"; processes that it left were ended: {', '.join(map(str, left))}" if left else ""
        raise ProcessError(
            "supervisor_lost",
            None,
            f"the supervisor was lost ({why}; {present.link.exit_text()}){rest}",
            last_lines(self._folder / "log" / ERRORS, _ERROR_LINES),
        )
