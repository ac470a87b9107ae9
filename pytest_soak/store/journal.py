"""The journal of a lane on disk: one checksummed line an entry. See ``docs/journal.md``.

A line is kept only if every byte of it is as it was written, so that a flipped bit in white space
or in the case of an exponent is found too. A bad last line is what a torn write leaves behind: it
was never acknowledged, and is dropped. After a loss of power it may have its full length and its
newline and zeros in between, so the newline does not tell. Anything bad before it is damage to what
was acknowledged, and stops the reader.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from filelock import BaseFileLock, FileLock, Timeout

from pytest_soak.loop.model import Entry
from pytest_soak.store import names
from pytest_soak.store.atomic import encode_json, sync_directory, write_all
from pytest_soak.store.errors import StoreError, describe_os_error
from pytest_soak.store.reading import open_regular_file

MAX_LINE_BYTES = 64 * 2**20
_APPEND = os.O_WRONLY | os.O_APPEND


@dataclass(frozen=True, slots=True)
class JournalContents:
    entries: tuple[Entry, ...]
    """With ``seq`` and ``type``, without ``check``."""
    torn: int
    """Bytes of a torn last line that were dropped; 0 when there was none."""
    size: int
    """Bytes of the good lines."""
    last: int = field(default=0, compare=False)
    """Bytes of the last good line."""

    def in_whole_writes(self) -> JournalContents:
        """Without checks whose decision is missing: both are one write, so half of it was torn."""
        if not self.entries or self.entries[-1]["type"] != "checks":
            return self
        return JournalContents(self.entries[:-1], self.torn + self.last, self.size - self.last)


def read_journal(path: str | os.PathLike[str]) -> JournalContents:
    """What the journal at ``path`` holds.

    Raises StoreError, naming the line, for a bad line that is not the last, for a good line whose
    ``seq`` is not the next one, and for a file that cannot be read.
    """
    path = Path(path)
    entries: list[Entry] = []
    size = last = 0
    lines = _lines(path)
    for number, line in enumerate(lines, start=1):
        try:
            entry = _decode(line)
        except ValueError as error:
            if next(lines, None) is not None or _holds_whole_entry(line):
                raise StoreError(
                    f"{path} line {number} is damaged: {error}; the journal cannot be trusted from "
                    "there on, restore it from a copy or start a new run"
                ) from None
            return JournalContents(tuple(entries), torn=len(line), size=size, last=last)
        if entry["seq"] != len(entries):
            raise StoreError(
                f"{path} line {number} has seq {entry['seq']!r}, {len(entries)} is next: lines are "
                "missing or two processes wrote it; restore it from a copy or start a new run"
            )
        entries.append(entry)
        last = len(line)
        size += last
    return JournalContents(tuple(entries), torn=0, size=size, last=last)


class Journal:
    """The one writer of a lane's journal. Entries are durable when :meth:`append` returns."""

    def __init__(
        self, path: Path, descriptor: int, contents: JournalContents, lock: BaseFileLock
    ) -> None:
        self.path = path
        self._lock = lock
        self.contents = contents
        self._next = len(contents.entries)
        self._descriptor: int | None = descriptor
        self._ended = ""

    @classmethod
    def create(cls, path: str | os.PathLike[str]) -> Self:
        """A new, empty journal. Raises StoreError, also if there is a file."""
        path = Path(path)
        lock = _locked(path)
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
        return cls(path, descriptor, JournalContents((), torn=0, size=0), lock)

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Self:
        """The journal at ``path``, read, with its torn tail cut off for good.

        Raises StoreError, also while another process writes it: a killed session leaves workers
        behind for a moment, and two writers would be the end of the journal.
        """
        path = Path(path)
        lock = _locked(path)
        try:
            contents = read_journal(path).in_whole_writes()
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
    def entries(self) -> tuple[Entry, ...]:
        """What was in it when it was opened."""
        return self.contents.entries

    def append(self, *entries: Entry, sync: bool = True) -> None:
        """Adds ``seq`` and ``check`` to ``entries``, writes them in one go and syncs.

        ``sync=False`` leaves the sync to the next append: for an entry on which nothing is built,
        and which nobody is told of, before that one.
        Raises StoreError. After a write or sync that failed the journal is closed for good; for an
        entry that is no JSON nothing is written, and it stays open.
        """
        descriptor = self._descriptor
        if descriptor is None:
            raise StoreError(f"cannot append to {self.path}: {self._ended}")
        data = b"".join(
            _encode(self.path, entry, self._next + offset) for offset, entry in enumerate(entries)
        )
        # Given back only when all is well: whatever ends this early, an interrupt too, leaves a
        # file whose end is not known.
        self._descriptor = None
        self._ended = "an earlier write to it was not finished; resume the run to go on"
        try:
            write_all(descriptor, data)
            if sync:
                getattr(os, "fdatasync", os.fsync)(descriptor)
            self._next += len(entries)
            self._descriptor = descriptor
        except OSError as error:
            raise describe_os_error("append to", self.path, error) from error
        finally:
            if self._descriptor is None:
                os.close(descriptor)
                self._lock.release()

    def close(self) -> None:
        """Ends the writing; a second call does nothing."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
            self._ended = "it is closed"
            self._lock.release()


def _locked(path: Path) -> BaseFileLock:
    lock = FileLock(path.with_name(names.JOURNAL_LOCK), thread_local=False)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise StoreError(
            f"{path} is being written by another process: a worker of an ended session may still "
            "be at its iteration; wait for it, or end it"
        ) from None
    except OSError as error:
        raise describe_os_error("lock", path, error) from error
    return lock


def _encode(path: Path, entry: Entry, seq: int) -> bytes:
    if "check" in entry or not isinstance(entry.get("type"), str):
        raise StoreError(
            f"cannot append to {path}: an entry has a text `type` and no `check` of its own, "
            f"this one has the keys {', '.join(map(str, entry))}"
        )
    numbered = {**entry, "seq": seq}
    check = _checksum(encode_json(path, numbered))
    line = encode_json(path, {**numbered, "check": check}) + b"\n"
    if len(line) > MAX_LINE_BYTES:
        raise StoreError(
            f"cannot append to {path}: the entry {entry['type']!r} has {len(line)} bytes, "
            f"at most {MAX_LINE_BYTES} are allowed"
        )
    return line


def _decode(line: bytes) -> dict[str, Any]:
    """The entry of a line; ValueError with the reason if the line is not as it was written."""
    if not line.endswith(b"\n"):
        raise ValueError("it has no end")
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        raise ValueError("it is no JSON") from None
    if not isinstance(entry, dict) or not isinstance(entry.get("check"), str):
        raise ValueError("it has no checksum")
    check = entry.pop("check")
    # ``check`` sorts before ``seq``, so a comma follows it; what is left is the text it is of.
    body = line[:-1].replace(f'"check":"{check}",'.encode("utf-8", "replace"), b"", 1)
    if _checksum(body) != check:
        raise ValueError("its checksum does not fit")
    return entry


def _holds_whole_entry(line: bytes) -> bool:
    """Whether a bad last line begins with an entry that is whole, and something else follows.

    Then the newline after an acknowledged entry was damaged. Zeros that follow are a torn write.
    """
    text = line.decode("utf-8", "surrogateescape")
    try:
        _, end = json.JSONDecoder().raw_decode(text)
        whole = text[:end].encode("utf-8", "surrogateescape")
        _decode(whole + b"\n")
    except (ValueError, RecursionError):
        return False
    return bool(line[len(whole) :].strip(b"\0\n"))


def _checksum(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()[:16]


def _lines(path: Path) -> Iterator[bytes]:
    descriptor = open_regular_file(path)
    try:
        with os.fdopen(descriptor, "rb") as stream:
            while line := stream.readline(MAX_LINE_BYTES + 1):
                if len(line) > MAX_LINE_BYTES:
                    raise StoreError(f"{path} is no journal: a line of it has no end")
                yield line
    except OSError as error:
        raise describe_os_error("read", path, error) from error
