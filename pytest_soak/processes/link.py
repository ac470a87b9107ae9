"""The client's end of the pipes to a supervisor: commands out, answers and events in."""

from __future__ import annotations

import contextlib
import itertools
import os
import selectors
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from pytest_soak.processes import wire
from pytest_soak.processes.identity import TOKEN, Identity, identity_of

OnEvent = Callable[[wire.Event], None]


class LinkLost(Exception):  # noqa: N818 - an event, which its owner turns into an error
    """The supervisor ended, or does not answer."""


class Link:
    """A running supervisor. Threads may share it; a fork of this process may not use it."""

    def __init__(
        self,
        token: str,
        environment: Mapping[str, str],
        errors: Path,
        on_event: OnEvent,
        *,
        portable: bool = False,
    ) -> None:
        """Start the supervisor; its own errors go to the file ``errors``. Raises OSError.

        ``on_event`` gets what is no answer, in whichever thread reads it.
        """
        tokens = ":".join(filter(None, (environment.get(TOKEN), token)))
        # Its own session: Ctrl-C and the end of a terminal are for pytest, which ends the rest.
        with errors.open("ab") as stderr:
            self._process = subprocess.Popen(  # noqa: S603 - this package itself
                [
                    *(sys.executable, "-P", "-W", "ignore"),
                    *("-m", "pytest_soak.processes.supervisor", f"--parent={os.getpid()}"),
                    *(("--portable",) if portable else ()),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                env={**environment, TOKEN: tokens},
                start_new_session=True,
            )
        if self._process.stdin is None or self._process.stdout is None:
            raise OSError("the supervisor has no pipes")
        self._input = self._process.stdin
        self._output = self._process.stdout
        self._reader = wire.LineReader(self._output.fileno())
        self._on_event = on_event
        self._lock = threading.Lock()
        self._ids = itertools.count(1)
        self._answers: dict[int, wire.Answer] = {}
        self.pid = self._process.pid
        self.identity = identity_of(self.pid) or Identity(self.pid, "")

    def next_id(self) -> int:
        """The number of the next command."""
        return next(self._ids)

    def ask(self, command: wire.Command, timeout_s: float) -> wire.Answer:
        """Send a command and wait for its answer. Raises LinkLost."""
        self.send(command)
        deadline = time.monotonic() + timeout_s
        while True:
            with self._lock:
                answer = self._answers.pop(command.id, None)
            if answer is not None:
                return answer
            if time.monotonic() >= deadline:
                raise LinkLost(f"the supervisor did not answer within {timeout_s:g} s")
            try:
                self.wait(0.05)
            except LinkLost:
                with self._lock:  # another thread may have read the answer, and the end
                    if command.id not in self._answers:
                        raise

    def send(self, command: wire.Command) -> None:
        """Raises LinkLost."""
        try:
            with self._lock:
                self._input.write(wire.encoded(command))
                self._input.flush()
        except (OSError, ValueError) as error:
            raise LinkLost("the supervisor has ended") from error

    def wait(self, seconds: float) -> None:
        """Handle events until there was one, at most for so long. Raises LinkLost."""
        with selectors.DefaultSelector() as selector, contextlib.suppress(ValueError):
            selector.register(self._reader.descriptor, selectors.EVENT_READ)
            selector.select(seconds)
        self.read()

    def read(self) -> None:
        """Handle the events that have come. Raises LinkLost."""
        with self._lock:
            events = [] if self._output.closed else [*map(wire.event_of, self._reader.lines())]
            for event in events:
                if isinstance(event, wire.Answer):
                    self._answers[event.id] = event
        for event in events:
            if not isinstance(event, wire.Answer):
                self._on_event(event)
        if self._reader.is_at_end and not events:
            raise LinkLost("the supervisor has ended")

    def kill(self) -> None:
        """Kill the supervisor; what it leaves is to be ended by its token."""
        self._process.kill()
        self.close(None)

    def close(self, timeout_s: float | None) -> bool:
        """Wait for its end, then close the pipes. Returns whether it ended in time."""
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return False
        with contextlib.suppress(OSError):
            self._input.close()
        self._output.close()
        return True

    def exit_text(self) -> str:
        """How the supervisor ended, for a message."""
        status = self._process.poll()
        if status is None:
            return "it still runs"
        return f"exit code {status}" if status >= 0 else f"signal {-status}"
