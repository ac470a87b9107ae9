"""The journal of a lane on disk: one checksummed line per entry. See ``docs/journal.md``.

A torn last line was never acknowledged, and is dropped (:mod:`pytest_soak.store.records`).
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pytest_soak.loop.history import Past
from pytest_soak.store.atomic import close_file, sync_directory, write_all
from pytest_soak.store.errors import StoreError, describe_os_error
from pytest_soak.store.lock import JournalLock
from pytest_soak.store.reading import open_regular_file
from pytest_soak.store.records import Record, Records, encode, read_records

_APPEND = os.O_WRONLY | os.O_APPEND
_ADVICE = "restore it from a copy or start a new run"


def read_journal(path: str | os.PathLike[str], earlier: Records | None = None) -> Records:
    """The contents of the journal at ``path``; those that were read ``earlier`` are not decoded.

    Raises StoreError, naming the line, for a bad line that is not the last, for a good line whose
    ``seq`` is not the next one, and for a file that cannot be read.
    """
    return read_records(path, "journal", _ADVICE, earlier)


@dataclass(frozen=True, slots=True)
class JournalRead:
    """A journal that was read, with the lane that it makes: to read on from there later."""

    records: Records
    past: Past

    @classmethod
    def of(cls, records: Records, earlier: JournalRead | None = None) -> JournalRead:
        """The lane of ``records``. What it shares with ``earlier`` is not folded again.

        Raises EntryError for entries that make no lane.
        """
        if earlier is not None:
            before = earlier.records.entries
            count = len(before)
            if len(records.entries) >= count and records.entries[count - 1] is before[-1]:
                return cls(records, earlier.past.after(records.entries[count:]))
        return cls(records, Past.of(records.entries))


def _in_whole_writes(contents: Records) -> Records:
    """``contents`` without a last ``checks`` entry: it and its decision are a single write.

    A decision that is missing was torn off, so the checks count as torn too.
    """
    if not contents.entries or contents.entries[-1]["type"] != "checks":
        return contents
    return Records(
        contents.entries[:-1], contents.torn + contents.last, contents.size - contents.last
    )


class Journal:
    """The only writer of a lane's journal. Entries are durable when :meth:`append` returns."""

    def __init__(self, path: Path, descriptor: int, contents: Records, lock: JournalLock) -> None:
        self.path = path
        self._name = os.fspath(path)  # looked at several times in an iteration
        self._lock = lock
        self.contents = contents
        self._next = len(contents.entries)
        self._size = contents.size
        self._opened = os.fstat(descriptor)
        self._descriptor: int | None = descriptor
        self._ended = ""

    @classmethod
    def create(cls, path: str | os.PathLike[str]) -> Self:
        """A new, empty journal. Raises StoreError, also if there is a file."""
        path = Path(path)
        lock = JournalLock.acquire(path)
        try:
            descriptor = os.open(
                path, _APPEND | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), 0o666
            )
        except OSError as error:
            lock.release()
            raise describe_os_error("create", path, error) from error
        try:
            sync_directory(path.parent)
        except BaseException:
            os.close(descriptor)
            lock.release()
            raise
        return cls(path, descriptor, Records((), torn=0, size=0), lock)

    @classmethod
    def open(cls, path: str | os.PathLike[str], earlier: Records | None = None) -> Self:
        """The journal at ``path``, read, with its torn tail removed from the file.

        What was read of it ``earlier`` is not decoded again.

        Raises StoreError, also while another process writes it: the workers of a killed session
        may still run for a moment, and two writers would damage the journal.
        """
        path = Path(path)
        lock = JournalLock.acquire(path)
        try:
            contents = _in_whole_writes(read_journal(path, earlier))
            descriptor = open_regular_file(path, _APPEND)
        except BaseException:
            lock.release()
            raise
        if contents.torn:
            try:
                os.ftruncate(descriptor, contents.size)
                os.fsync(descriptor)
            except OSError as error:
                os.close(descriptor)
                lock.release()
                raise describe_os_error("cut the torn tail off", path, error) from error
        return cls(path, descriptor, contents, lock)

    @property
    def entries(self) -> tuple[Record, ...]:
        """The entries that it had when it was opened."""
        return self.contents.entries

    def append(self, *entries: Record, sync: bool = True) -> None:
        """Adds ``seq`` and ``check`` to ``entries``, writes all of them at once and syncs.

        ``sync=False`` leaves the sync to the next append: for an entry that nothing uses or shows
        before that append.
        Raises StoreError, also if the file was removed, replaced or changed since the last append:
        what is appended to such a file is lost. After that, as after a failed write or sync, the
        journal is closed for good; for an entry that is no JSON nothing is written, and it stays
        open.
        """
        descriptor = self._descriptor
        if descriptor is None:
            raise StoreError(f"cannot append to {self.path}: {self._ended}")
        data = b"".join(
            encode(self.path, entry, self._next + offset) for offset, entry in enumerate(entries)
        )
        # Restored only after success: an error or an interrupt may leave half a line in the file.
        self._descriptor = None
        try:
            self._ended = f"the file was removed, replaced or changed; {_ADVICE}"
            self.check_path()
            self._check_size(descriptor)
            self._ended = "an earlier write to it was not finished; resume the run to go on"
            write_all(descriptor, data)
            if sync:
                getattr(os, "fdatasync", os.fsync)(descriptor)
            self._next += len(entries)
            self._size += len(data)
            self._descriptor = descriptor
        except OSError as error:
            raise describe_os_error("append to", self.path, error) from error
        finally:
            if self._descriptor is None:
                with contextlib.suppress(OSError):  # the first error says what is wrong
                    os.close(descriptor)
                self._lock.release()

    def check_path(self) -> None:
        """Raises StoreError if the path does not lead to the opened file any more.

        Then the directory may be another run's, and nothing of this lane may be written into it.
        """
        try:
            if os.path.samestat(self._opened, os.lstat(self._name)):
                return
            problem = "was replaced by another file"
        except (FileNotFoundError, NotADirectoryError):
            problem = "was removed"
        except OSError as error:
            raise describe_os_error("look at", self.path, error) from error
        raise StoreError(f"cannot append to {self.path}: the file {problem}; {_ADVICE}")

    def _check_size(self, descriptor: int) -> None:
        size = os.fstat(descriptor).st_size
        if size != self._size:
            raise StoreError(
                f"cannot append to {self.path}: the file has {size} bytes, not the {self._size} "
                f"that were written; {_ADVICE}"
            )

    def close(self) -> None:
        """Closes the file and releases its lock; a second call does nothing. Raises StoreError."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is None:
            return
        self._ended = "it is closed"
        try:
            close_file(descriptor, self.path)
        finally:
            self._lock.release()
