"""What the operating system does for a supervisor: orphans, deaths and the parent's end.

Linux has all of it. Elsewhere the token in the environment finds orphans, and the parent is looked
at from time to time.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass

_SET_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG
_SET_CHILD_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER
_NOT_RESET = {signal.SIGKILL, signal.SIGSTOP} if sys.platform != "win32" else set()


@dataclass(frozen=True, slots=True)
class Kernel:
    """What the supervisor may rely on."""

    adopts_orphans: bool
    """Orphans below the supervisor become its children."""
    ends_children: bool
    """Its children are killed when the supervisor is killed."""
    watches_parent: bool
    """The end of the parent is an event."""

    @property
    def notices(self) -> tuple[str, ...]:
        """What is lacking, as sentences for the start of a session."""
        lacking = (
            (
                self.adopts_orphans,
                "a process that leaves its session and clears its environment is not ended",
            ),
            (
                self.ends_children,
                "if the supervisor itself is killed, its processes live until the next start",
            ),
        )
        return tuple(
            f"on {sys.platform} {sentence}" for is_there, sentence in lacking if not is_there
        )


PORTABLE = Kernel(adopts_orphans=False, ends_children=False, watches_parent=False)


def is_supported() -> bool:
    """Whether a supervisor can run here at all: it needs pipes to wait for, sessions, signals."""
    return os.name == "posix"


def prepare() -> Kernel:
    """Make this process a supervisor. Returns what the kernel does for it."""
    prctl = _prctl()
    if prctl is None:
        return PORTABLE
    return Kernel(
        adopts_orphans=prctl(_SET_CHILD_SUBREAPER, 1),
        ends_children=True,
        watches_parent=hasattr(os, "pidfd_open"),
    )


def open_parent(pid: int) -> int | None:
    """A descriptor that is readable when the process ``pid`` has ended; None if there is none."""
    with contextlib.suppress(OSError, AttributeError):
        return os.pidfd_open(pid)
    return None


def child_setup(kernel: Kernel) -> Callable[[], None]:
    """What a new process does before it becomes another program. It must not take any lock."""
    prctl = _prctl() if kernel.ends_children else None
    supervisor = os.getpid()
    numbers = [number for number in signal.valid_signals() if number not in _NOT_RESET]

    def set_up() -> None:
        if prctl is not None:
            prctl(_SET_DEATH_SIGNAL, int(signal.SIGKILL))
            if os.getppid() != supervisor:  # it was killed before the line above
                os._exit(1)
        # A program that inherits an ignored signal may never look at it: SIGINT below nohup.
        for number in numbers:
            with contextlib.suppress(OSError, ValueError):
                signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())

    return set_up


def _prctl() -> Callable[[int, int], bool] | None:
    """The call of Linux, as a function that returns whether it worked."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        function = ctypes.CDLL(None, use_errno=True).prctl
    except (OSError, AttributeError):
        return None
    unsigned = ctypes.c_ulong
    function.argtypes = [ctypes.c_int, unsigned, unsigned, unsigned, unsigned]
    function.restype = ctypes.c_int

    def call(option: int, value: int) -> bool:
        return bool(function(option, value, 0, 0, 0) == 0)

    return call
