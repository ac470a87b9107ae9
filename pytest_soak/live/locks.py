"""A lock for each destination and source of a live target, across sessions and soak directories.

Two lanes that write their parameters to one file, or read one report, measure each other. A lock is
the operating system's, so that it ends with the process that holds it.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from collections.abc import Iterable
from pathlib import Path

from pytest_soak.store.errors import StoreError
from pytest_soak.store.lock import DirectoryLock, LockHeld, live_holder


class DestinationInUse(Exception):  # noqa: N818 - no fault: another session is at work
    """Another session uses the destination; the text names both."""


class Locks:
    """The locks of one lane, until :meth:`release`."""

    def __init__(self, names: Iterable[str], run_id: str) -> None:
        """Lock every name, or none. Raises DestinationInUse, and StoreError without a place."""
        self._locks: list[DirectoryLock] = []
        try:
            for name in sorted(set(names)):
                self._locks.append(_acquired(name, run_id))
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        """Give them back. Their files stay: one that is removed may be another's by then."""
        while self._locks:
            self._locks.pop().release()


def _acquired(name: str, run_id: str) -> DirectoryLock:
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:32]
    folder = _folder() / digest
    try:
        return DirectoryLock.acquire(folder, run_id)
    except LockHeld:
        holder = live_holder(folder)
        by = "" if holder is None else f": run {holder.run_id}, process {holder.pid}"
        raise DestinationInUse(
            f"{name.removeprefix('file:')} is in use by another lane or session{by}"
        ) from None


def _folder() -> Path:
    """A directory of this user alone. Raises StoreError if another user made it."""
    user = os.getuid() if hasattr(os, "getuid") else 0
    folder = Path(tempfile.gettempdir()) / f"pytest-soak-{user}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
    except OSError as error:
        raise StoreError(f"cannot make {folder} for the locks: {error.strerror}") from error
    if not stat.S_ISDIR(status.st_mode) or (hasattr(os, "getuid") and status.st_uid != user):
        raise StoreError(f"{folder} is a link or of another user; locks cannot be made there")
    return folder
