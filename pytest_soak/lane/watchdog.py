"""Ends a process whose interpreter does not come back from a call, and writes its stacks.

Code in C that keeps the interpreter's lock stops every thread of Python, and a deadline with them.
A timer and a signal handler of faulthandler are C themselves and work all the same.
"""

from __future__ import annotations

import faulthandler
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

GRACE_S = 5.0
"""A call that keeps the interpreter for so long after its deadline ends the process."""

_EXIT_AFTER_S = 0.5
"""The process ends so long after its stacks were written to the file."""
_BEAT_S = 1.0


class Stacks(Protocol):
    """The file for the stacks of a lane's process."""

    @property
    def descriptor(self) -> int: ...

    def clear(self) -> None:
        """Empty the file: the call did come back."""


class Watchdog:
    """Watches the calls of one process. Without ``stderr`` it does nothing.

    ``stderr`` is a descriptor of the standard error of the process itself: while a test runs,
    pytest captures the usual one. When a call does not come back, the stacks of all threads are
    written to it, and the process exits with 1.
    """

    def __init__(self, stderr: int | None = None) -> None:
        self._stderr = stderr
        self._is_closed = threading.Event()
        self._lock = threading.Lock()

    @contextmanager
    def over(self, seconds: float, stacks: Stacks | None = None) -> Iterator[None]:
        """Watch a call with a deadline of ``seconds``; its stacks are written to ``stacks`` too."""
        if self._stderr is None:
            yield
            return
        limit = seconds + GRACE_S
        began = time.monotonic()
        with self._lock:
            uses_alarm = stacks is not None and _alarm_is_free()
            if stacks is not None and uses_alarm:
                # faulthandler has one timer, which writes to one file. The signal is for the other.
                faulthandler.register(signal.SIGALRM, file=stacks.descriptor, all_threads=True)
                signal.setitimer(signal.ITIMER_REAL, limit)
                limit += _EXIT_AFTER_S
            faulthandler.dump_traceback_later(limit, file=self._stderr, exit=True)
            try:
                yield
            finally:
                faulthandler.cancel_dump_traceback_later()
                if stacks is not None and uses_alarm:
                    signal.setitimer(signal.ITIMER_REAL, 0)
                    faulthandler.unregister(signal.SIGALRM)
                    if time.monotonic() - began > seconds:
                        stacks.clear()

    def stay_while(self, is_running: Callable[[], bool]) -> None:
        """Go on watching the interpreter while a call that was left behind still runs."""
        if self._stderr is None or not is_running():
            return

        def stay() -> None:
            while is_running() and not self._is_closed.is_set():
                with self._lock:  # a call with a deadline of its own has the timer meanwhile
                    if self._stderr is not None:
                        limit = GRACE_S + _BEAT_S
                        faulthandler.dump_traceback_later(limit, file=self._stderr, exit=True)
                self._is_closed.wait(_BEAT_S)
            with self._lock:
                faulthandler.cancel_dump_traceback_later()

        threading.Thread(target=stay, name="soak-watchdog", daemon=True).start()

    def close(self) -> None:
        """Watch nothing any more: the descriptor is about to be closed."""
        self._is_closed.set()
        with self._lock:
            if self._stderr is not None:
                faulthandler.cancel_dump_traceback_later()
            self._stderr = None


def _alarm_is_free() -> bool:
    """Whether the alarm clock of the process is unused; pytest-timeout uses it."""
    if not (hasattr(faulthandler, "register") and hasattr(signal, "setitimer")):
        return False
    is_default = signal.getsignal(signal.SIGALRM) == signal.SIG_DFL
    return is_default and signal.getitimer(signal.ITIMER_REAL)[0] == 0
