"""SIGTERM and SIGHUP end a session in good order, as Ctrl-C does: cancelled CI, docker, systemd."""

from __future__ import annotations

import _thread
import errno
import os
import signal
import stat
import threading
from collections.abc import Generator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import pytest

NAMES: Final = ("SIGTERM", "SIGHUP")
END_INPUT: Final = "soak_end"
"""A worker receives under this name the channel by which its controller ends it."""
_MOST_DESCRIPTORS: Final = 256


class EndSignals:
    """Handles the signals from the start of the session to its end, in each of its processes.

    The first one raises KeyboardInterrupt, so that targets are stopped and the run is judged. After
    it the default action applies again: a second signal ends the process at once. A signal that is
    ignored (nohup) or has a handler already is left as it is.
    """

    def __init__(self) -> None:
        self._installed: list[signal.Signals] = []
        self._process = os.getpid()
        self._received = ""
        self._is_requested = False
        self._lock = threading.RLock()
        self._terminals: dict[int, int] = {}
        """Descriptor of an output that is a terminal to the number of that terminal."""
        self.is_ending = False
        """The session ends already: a first signal changes nothing of it."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return  # Python has handlers on the main thread only
        self._terminals = {
            descriptor: os.fstat(descriptor).st_rdev
            for descriptor in (1, 2)
            if os.isatty(descriptor)
        }
        for name in NAMES:
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) == signal.SIG_DFL:
                signal.signal(number, self._receive)
                self._installed.append(number)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self) -> None:
        """Raise it again where a target or a check caught the first exception."""
        if self._received and not self.is_ending:
            raise KeyboardInterrupt(self._received)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_internalerror(
        self, excinfo: pytest.ExceptionInfo[BaseException]
    ) -> Generator[None, object, object]:
        """A worker whose controller died comes here first: it cannot send its reports.

        So does a session that writes to a terminal which was just closed, before SIGHUP arrives.
        That is no internal error: it ends as by the signal.
        """
        self.is_ending = True
        error = excinfo.value
        if isinstance(error, OSError) and error.errno == errno.EIO and self._closed():
            self.begin_end()
            code = int(pytest.ExitCode.INTERRUPTED)
            raise pytest.exit.Exception("the terminal was closed", returncode=code)
        return (yield)

    # A wrapper begins before all others, also before the lanes are stopped.
    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self) -> Generator[None, object, object]:
        self.is_ending = True
        return (yield)

    @pytest.hookimpl(trylast=True)
    def pytest_unconfigure(self) -> None:
        self._restore()

    def begin_end(self) -> None:
        """The session ends now: a first signal does not disturb it.

        A terminal that was closed, which sends SIGHUP, takes no output any more: every write would
        raise. The output goes nowhere then.
        """
        self.is_ending = True
        closed = self._closed()
        if not closed:
            return
        nowhere = os.open(os.devnull, os.O_RDWR)
        # pytest keeps copies, which it puts in place again when it ends its capturing.
        for descriptor in _descriptors():
            with suppress(OSError):
                status = os.fstat(descriptor)
                if stat.S_ISCHR(status.st_mode) and status.st_rdev in closed:
                    os.dup2(nowhere, descriptor)
        os.close(nowhere)

    def _closed(self) -> set[int]:
        """The numbers of the terminals that were closed: no descriptor of theirs is one any more.

        While pytest captures, the outputs are files, and its copies are the terminal.
        """
        living = set()
        for descriptor in _descriptors():
            with suppress(OSError):
                if os.isatty(descriptor):
                    living.add(os.fstat(descriptor).st_rdev)
        return set(self._terminals.values()) - living

    def request(self) -> None:
        """End the session as a signal does, from any thread; an ending session is not disturbed."""
        # With the lock, a signal that comes now does not restore the default action before SIGTERM
        # is sent, which would end the process at once.
        with self._lock:
            if self._received or self.is_ending or self._is_requested:
                return
            self._is_requested = True
            if signal.SIGTERM in self._installed and hasattr(signal, "pthread_kill"):
                main = threading.main_thread().ident
                if main is not None:
                    signal.pthread_kill(main, signal.SIGTERM)  # also ends what the thread waits for
            else:
                _thread.interrupt_main()

    def _receive(self, number: int, _: object) -> None:
        if os.getpid() != self._process:
            self._restore()
            os.kill(os.getpid(), number)  # a child that the target forked is no session
            return
        with self._lock:
            is_repeated = self._is_requested and bool(self._received)
            self._restore()
            self._received = signal.Signals(number).name
        if not self.is_ending and not is_repeated:
            raise KeyboardInterrupt(self._received)

    def _restore(self) -> None:
        for number in self._installed:
            if signal.getsignal(number) == self._receive:
                signal.signal(number, signal.SIG_DFL)


def _descriptors() -> Sequence[int]:
    """The open descriptors of this process, and maybe some that are none."""
    try:
        return [int(entry.name) for entry in Path("/dev/fd").iterdir()]
    except (OSError, ValueError):  # there is no such directory
        return range(_MOST_DESCRIPTORS)
