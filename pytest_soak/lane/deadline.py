"""Calls of one target, each with a deadline."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import Generic, TypeVar

from pytest_soak.lane.watchdog import Stacks, Watchdog

T = TypeVar("T")

_AGAIN_S = 1.0
"""A late call that catches the interruption is interrupted again after so many seconds."""


class DeadlinePassed(Exception):  # noqa: N818 - its meaning is the name
    """The call did not return in time; it may still be running."""


class Calls:
    """Calls functions of one target, all on one thread: many objects belong to their thread.

    With ``timeout_s`` that is a thread of its own. Python cannot end a thread: a late call is left
    behind on it, and as a daemon it does not keep the process alive. Without, it is the thread of
    the caller, so that Ctrl-C interrupts the target's own code. ``watchdog`` ends the process if a
    call keeps the interpreter beyond its deadline, and writes ``stacks``.
    """

    def __init__(
        self,
        timeout_s: float | None,
        watchdog: Watchdog | None = None,
        stacks: Stacks | None = None,
    ) -> None:
        self.timeout_s = timeout_s
        self._watchdog = watchdog or Watchdog()
        self._stacks = stacks
        self._thread = None if timeout_s is None else _Thread()

    def call(self, function: Callable[[], T]) -> T:
        """``function()``. Raises DeadlinePassed, and what the function raises."""
        if self._thread is None or self.timeout_s is None:
            return function()
        with self._watchdog.over(self.timeout_s, self._stacks):
            try:
                return self._thread.call(function, self.timeout_s)
            finally:
                self._watchdog.stay_while(self._thread.is_busy)

    def last(self, function: Callable[[], T], timeout_s: float) -> T:
        """The last call, with a deadline of its own; on a new thread if an earlier one is late."""
        with self._watchdog.over(timeout_s, self._stacks):
            if self._thread is None:
                return _interrupted(function, timeout_s)
            thread = _Thread() if self._thread.is_busy() else self._thread
            try:
                return thread.call(function, timeout_s)
            finally:
                thread.end()

    def end(self) -> None:
        """End the thread, as soon as a call that was left behind on it returns."""
        if self._thread is not None:
            self._thread.end()


class _Job(Generic[T]):
    """One call, made on another thread than that of the caller, who waits for it."""

    def __init__(self, function: Callable[[], T]) -> None:
        self.is_over = threading.Event()
        self._function = function
        self._results: list[T] = []
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            self._results.append(self._function())
        except BaseException as error:  # the caller gets it, whatever it is
            self._error = error
        finally:
            self.is_over.set()

    def result(self) -> T:
        if self._error is not None:
            raise self._error
        return self._results[0]


class _Thread:
    """A daemon thread that makes one call after another."""

    def __init__(self) -> None:
        self._jobs: SimpleQueue[_Job[object] | None] = SimpleQueue()
        self._newest: _Job[object] | None = None
        self._thread = threading.Thread(target=self._work, name="soak-target", daemon=True)
        self._thread.start()

    def is_busy(self) -> bool:
        """Whether a call was left behind that still runs."""
        return self._newest is not None and not self._newest.is_over.is_set()

    def call(self, function: Callable[[], T], timeout_s: float) -> T:
        job = _Job(function)
        self._newest = job  # type: ignore[assignment]
        self._jobs.put(job)  # type: ignore[arg-type]
        if not job.is_over.wait(timeout_s):
            raise DeadlinePassed
        return job.result()

    def end(self) -> None:
        self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job.run()
            del job  # its result and its error belong to the caller


class _Interruption(BaseException):
    """Raised inside a late call on the main thread; no ``except Exception`` catches it."""


def _interrupted(function: Callable[[], T], timeout_s: float) -> T:
    """``function()`` on this thread, which a signal interrupts after ``timeout_s``.

    The signal is SIGURG, which nothing happens at by default: one that comes late does no harm.
    Where it is in use, or where this is not the main thread, the call gets a thread of its own.
    """
    if not _is_free("SIGURG"):
        thread = _Thread()
        try:
            return thread.call(function, timeout_s)
        finally:
            thread.end()
    over = threading.Event()

    def interrupt(*_: object) -> None:
        if not over.is_set():
            raise _Interruption

    here = threading.get_ident()

    def watch() -> None:
        wait_s = timeout_s
        while not over.wait(wait_s):
            signal.pthread_kill(here, signal.SIGURG)
            wait_s = _AGAIN_S

    before = signal.signal(signal.SIGURG, interrupt)
    threading.Thread(target=watch, name="soak-deadline", daemon=True).start()
    began = time.monotonic()
    try:
        result = function()
        over.set()
    except _Interruption:
        raise DeadlinePassed from None
    finally:
        over.set()
        signal.signal(signal.SIGURG, before)
    if time.monotonic() - began > timeout_s:
        raise DeadlinePassed
    return result


def _is_free(name: str) -> bool:
    """Whether this is the main thread, and the signal exists and has no handler."""
    number = getattr(signal, name, None)
    if number is None or threading.current_thread() is not threading.main_thread():
        return False
    return signal.getsignal(number) == signal.SIG_DFL
