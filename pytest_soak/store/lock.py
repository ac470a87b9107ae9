"""One session at a time in a soak directory, and one writer at a time for a journal.

A lock is the operating system's, on an open file, so it always ends with the process. A file
beside it names the process that holds the lock. That file is no lock itself: it counts only while
the lock is held and the named process is alive.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pytest_soak.store import names
from pytest_soak.store.atomic import atomic_write_bytes, encode_json, make_directory
from pytest_soak.store.errors import StoreError, describe_os_error
from pytest_soak.store.reading import read_json_object
from pytest_soak.store.temporary import is_alive, remove_temporary

if TYPE_CHECKING:
    from filelock import BaseFileLock


class LockHeld(StoreError):  # noqa: N818 - no fault: another session is at work
    """Another session works in the directory; the message names it."""


class DirectoryLock:
    """A held lock; :meth:`release` it, or use it as a context manager."""

    def __init__(self, directory: Path, lock: BaseFileLock) -> None:
        self.directory = directory
        self._lock = lock

    @classmethod
    def acquire(cls, directory: str | os.PathLike[str], run_id: str) -> Self:
        """Locks ``directory``, which is made if need be, for ``run_id``, without waiting.

        Raises LockHeld if a session (of this process too) holds it, StoreError if it cannot be
        locked.
        """
        directory = Path(directory)
        make_directory(directory)
        lock = _acquired(directory / names.LOCK)
        if lock is None:
            raise LockHeld(_describe_holder(directory))
        acquired = cls(directory, lock)
        for written in (directory, directory / names.LATEST):
            remove_temporary(written)
        try:
            holder = directory / names.LOCK_HOLDER
            atomic_write_bytes(holder, encode_json(holder, _this_process(run_id)), durable=False)
        except BaseException:
            acquired.release()
            raise
        return acquired

    def release(self) -> None:
        """Releases the lock; a second call does nothing."""
        if self._lock.is_locked:
            # Removed first: after the release it may be the file of another session.
            with contextlib.suppress(OSError):
                (self.directory / names.LOCK_HOLDER).unlink()
            with contextlib.suppress(OSError):  # the end of the process releases it then
                self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


class JournalLock:
    """The held lock of the journal of one lane; :meth:`release` it."""

    def __init__(self, holder: Path, lock: BaseFileLock) -> None:
        self._holder = holder
        self._lock = lock

    @classmethod
    def acquire(cls, journal: Path) -> Self:
        """Locks ``journal`` without waiting.

        Raises LockHeld, with the number of the process, if a journal object holds it in any
        process: the workers of a killed session may still run for a moment, and two writers would
        damage the journal. Raises StoreError if it cannot be locked.
        """
        lock = _acquired(journal.with_name(names.JOURNAL_LOCK))
        if lock is None:
            raise LockHeld(_describe_writer(journal))
        holder = journal.with_name(names.JOURNAL_HOLDER)
        # The lock works without the name, which is for a message only.
        with contextlib.suppress(StoreError):
            atomic_write_bytes(holder, encode_json(holder, _this_process()), durable=False)
        return cls(holder, lock)

    def release(self) -> None:
        """Releases the lock; a second call does nothing."""
        if self._lock.is_locked:
            with contextlib.suppress(OSError):
                self._holder.unlink()
            with contextlib.suppress(OSError):
                self._lock.release()


def refuse_writers(directories: Iterable[Path]) -> None:
    """Raises LockHeld, with the number of the process, if a journal in them is being written."""
    for directory in directories:
        if _is_locked(directory / names.JOURNAL_LOCK):
            raise LockHeld(_describe_writer(directory / names.JOURNAL))


def _acquired(path: Path) -> BaseFileLock | None:
    """The lock on ``path``; None if another holds it. Raises StoreError if it cannot be locked."""
    from filelock import FileLock, Timeout

    # Not bound to a thread: another thread may release it.
    lock = FileLock(path, thread_local=False)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return None
    except OSError as error:
        raise describe_os_error("lock", path, error) from error
    except NotImplementedError as error:
        raise StoreError(
            f"cannot lock {path}: its file system has no locks; choose a local directory"
        ) from error
    return lock


def _this_process(run_id: str = "") -> dict[str, Any]:
    return {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
        "run_id": run_id,
    }


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that ``.lock-holder.json`` or ``.journal-holder.json`` names."""

    pid: int
    host: str
    since: str
    run_id: str


def live_holder(directory: Path) -> Holder | None:
    """The process that works in the soak directory ``directory`` now, or None.

    Both must hold: ``.lock-holder.json`` names a process that may be alive, and the lock is held.
    """
    holder = _named_holder(directory / names.LOCK_HOLDER)
    return holder if holder is not None and _is_locked(directory / names.LOCK) else None


def holder_text(directory: Path) -> str:
    """Which session works in ``directory`` now, as a sentence; empty if none does."""
    return _describe_holder(directory) if _is_locked(directory / names.LOCK) else ""


def is_stale(directory: Path) -> bool:
    """Whether a session that was killed left its name; the next one replaces it."""
    named = (directory / names.LOCK_HOLDER).is_file()
    return named and not _is_locked(directory / names.LOCK)


def _describe_holder(directory: Path) -> str:
    advice = "wait until it ends, stop it, or give another directory"
    holder = _named_holder(directory / names.LOCK_HOLDER)
    if holder is None:
        # The named process was killed; its child or a new session holds the lock, and the new
        # session has not written its name yet.
        return f"{directory} is in use by a process that is not named; {advice}"
    return (
        f"{directory} is in use by run {holder.run_id} (process {holder.pid} on {holder.host}, "
        f"since {holder.since}); {advice}"
    )


def _describe_writer(journal: Path) -> str:
    holder = _named_holder(journal.with_name(names.JOURNAL_HOLDER))
    process = "it is not named"
    if holder is not None:
        process = f"process {holder.pid} on {holder.host}, since {holder.since}"
    return (
        f"{journal} is being written by another process ({process}): a worker of an ended session "
        "may still run its iteration; wait until it ends, or stop it"
    )


def _named_holder(path: Path) -> Holder | None:
    """The process that the file names, unless it is known to be dead."""
    try:
        named = read_json_object(path)
        holder = Holder(
            int(named["pid"]), str(named["host"]), str(named["since"]), str(named["run_id"])
        )
    except (StoreError, KeyError, TypeError, ValueError, OverflowError):
        return None
    dead = holder.host == socket.gethostname() and not is_alive(holder.pid)
    return None if dead else holder


def _is_locked(path: Path) -> bool:
    if not path.is_file():
        return False
    try:
        lock = _acquired(path)
    except StoreError:
        return False  # a run that this user may only read, or a file system without locks
    if lock is None:
        return True
    lock.release()
    return False
