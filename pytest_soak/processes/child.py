"""One process of the supervisor: started in a session of its own, with output and socket."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from pytest_soak.processes.identity import PROCESS, Identity, identity_of
from pytest_soak.processes.log_file import CappedLog
from pytest_soak.processes.notify import VARIABLE, NotifySocket
from pytest_soak.processes.output import Output
from pytest_soak.processes.wire import Start


class Child:
    """A started process. It is reaped by the supervisor, which sets :attr:`status`."""

    def __init__(
        self, start: Start, environment: Mapping[str, str], set_up: Callable[[], None]
    ) -> None:
        """Raises OSError or ValueError if it cannot be started; then nothing of it is left."""
        self.start = start
        self.name = start.name
        self.status: int | None = None
        """None while it runs; then as in :class:`.wire.Exited`."""
        self.is_stopping = False
        self.log_is_reported = False
        with contextlib.ExitStack() as undo:
            self.log = CappedLog(Path(start.log), start.log_bytes, start.log_keep)
            undo.callback(self.log.close)
            self.notify = NotifySocket() if start.notify else None
            if self.notify is not None:
                undo.callback(self.notify.close)
            reading, writing = os.pipe()
            self.output = Output(reading, self.log)
            undo.callback(self.output.close)
            try:
                self._process = _popen(start, environment, self.notify, writing, set_up)
            finally:
                os.close(writing)
            undo.pop_all()
        self.pid = self._process.pid
        # It is not reaped yet, so it has an identity even if it has ended.
        self.identity = identity_of(self.pid) or Identity(self.pid, "")

    @property
    def is_running(self) -> bool:
        return self.status is None

    def reaped(self, status: int) -> None:
        """It ended with this exit code, or negative number of a signal."""
        self.status = self._process.returncode = status
        self.output.finish()

    def close(self) -> None:
        """Its output to the end, and nothing of it stays open: all of its tree has ended."""
        self.output.finish()
        self.output.close()
        self.log.close()
        if self.notify is not None:
            self.notify.close()


def _popen(
    start: Start,
    environment: Mapping[str, str],
    notify: NotifySocket | None,
    output: int,
    set_up: Callable[[], None],
) -> subprocess.Popen[bytes]:
    own = {PROCESS: start.name}
    if notify is not None:
        own[VARIABLE] = os.fspath(notify.path)
    return subprocess.Popen(  # noqa: S603 - the command of the user, without a shell
        start.command,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        cwd=start.cwd,
        env={**environment, **start.env, **own},
        start_new_session=True,
        preexec_fn=set_up,
    )
