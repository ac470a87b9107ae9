"""Which process: its number and when it was started, since numbers are used again.

On Linux the start is the boot's id and the ticks since boot, which no change of the clock moves,
and a signal goes by a pidfd, so that it can reach no other process.
"""

from __future__ import annotations

import functools
import os
import signal
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import psutil

TOKEN = "SOAK_TOKEN"  # noqa: S105 - the name of a variable
"""Variable with the random token of the lane; of a run within a run, all tokens with ``:``."""
PROCESS = "SOAK_PROCESS"
"""Variable with the name of the process."""


class Identity(NamedTuple):
    pid: int
    mark: str
    """When it was started; texts of one machine can be compared for equality only."""


def identity_of(pid: int) -> Identity | None:
    """The process that has this number now; None if there is none."""
    try:
        if _HAS_PROC:
            return Identity(pid, f"{_boot_id()}:{_stat(pid)[19]}")
        return Identity(pid, f"{psutil.Process(pid).create_time():.6f}")
    except (OSError, psutil.Error, IndexError):
        return None


def is_alive(identity: Identity) -> bool:
    """Whether it runs, or is stopped; a zombie is not alive."""
    try:
        if identity_of(identity.pid) != identity:
            return False
        return psutil.Process(identity.pid).status() not in (
            psutil.STATUS_ZOMBIE,
            psutil.STATUS_DEAD,
        )
    except psutil.Error:
        return False


def is_suspended(identity: Identity) -> bool:
    """Whether it is stopped by a signal (SIGSTOP, SIGTSTP) or a debugger."""
    try:
        return identity_of(identity.pid) == identity and psutil.Process(identity.pid).status() in (
            psutil.STATUS_STOPPED,
            psutil.STATUS_TRACING_STOP,
        )
    except psutil.Error:
        return False


def send(identity: Identity, number: int) -> None:
    """Send a signal to that process; nothing happens if it is gone.

    Raises PermissionError if it is of another user.
    """
    try:
        if hasattr(os, "pidfd_open") and hasattr(signal, "pidfd_send_signal"):
            try:
                descriptor = os.pidfd_open(identity.pid)
            except ProcessLookupError:
                return
            except OSError:  # a kernel or a sandbox without the call
                pass
            else:
                try:
                    if identity_of(identity.pid) == identity:
                        signal.pidfd_send_signal(descriptor, number)
                finally:
                    os.close(descriptor)
                return
        if identity_of(identity.pid) == identity:
            os.kill(identity.pid, number)
    except ProcessLookupError:
        return


def descendants(pid: int) -> Iterator[tuple[Identity, int]]:
    """All below the process ``pid``, parents first, with the number of the parent of each.

    Zombies are among them.
    """
    children: dict[int, list[int]] = {}
    for child, parent in _parents():
        children.setdefault(parent, []).append(child)
    queue = [pid]
    for parent in queue:
        for child in children.get(parent, ()):
            identity = identity_of(child)
            if identity is not None and child != pid:
                yield identity, parent
                queue.append(child)


def with_token(token: str) -> Iterator[Identity]:
    """Every living process whose environment has the token, as far as it may be read.

    The environment is that of the start: a process that overwrites its own memory of it, as some
    do to change their title, is not seen.
    """
    for process in psutil.process_iter():
        try:
            is_member = token in process.environ().get(TOKEN, "").split(":")
        except (psutil.Error, OSError):
            continue
        identity = identity_of(process.pid) if is_member else None
        if identity is not None and is_alive(identity):
            yield identity


def name_in_environment(pid: int) -> str | None:
    """The name of the process of a lane to which ``pid`` belongs by its environment."""
    try:
        return psutil.Process(pid).environ().get(PROCESS)
    except (psutil.Error, OSError):
        return None


def session_of(pid: int) -> int | None:
    """The number of the leader of its session."""
    try:
        return os.getsid(pid)
    except (OSError, AttributeError):
        return None


def ancestors() -> frozenset[int]:
    """This process and all above it."""
    try:
        return frozenset({os.getpid(), *(parent.pid for parent in psutil.Process().parents())})
    except psutil.Error:
        return frozenset({os.getpid(), os.getppid()})


_HAS_PROC = Path("/proc/self/stat").exists()


@functools.cache
def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return ""


def _stat(pid: int) -> list[str]:
    """The fields of ``/proc/PID/stat`` from the state on: [1] is the parent, [19] the start."""
    content = Path(f"/proc/{pid}/stat").read_bytes()
    # The name before them is in parentheses, and may have some itself.
    return content[content.rindex(b")") + 2 :].decode("ascii").split()


def _parents() -> Iterable[tuple[int, int]]:
    """Every process with its parent."""
    for pid in psutil.pids():
        try:
            yield pid, int(_stat(pid)[1]) if _HAS_PROC else psutil.Process(pid).ppid()
        except (OSError, psutil.Error, ValueError, IndexError):
            continue
