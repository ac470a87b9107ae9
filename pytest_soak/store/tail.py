"""Reads on in files that grow: the journal of a running lane, and the times of its iterations.

A reader is never in the way of the writer: it takes no lock and leaves a line that is not complete
for the next time.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from pytest_soak.canonical import number
from pytest_soak.store.errors import StoreError, describe_os_error
from pytest_soak.store.reading import open_regular_file
from pytest_soak.store.records import MAX_LINE_BYTES, Record, decode


@dataclass(frozen=True, slots=True)
class NewRecords:
    """What was read since the last time."""

    entries: tuple[Record, ...]
    restarted: bool
    """The file is another one than before, or was cut: these entries are all that it has."""


class GrowingFile:
    """The complete lines that were added to a file since the last read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._offset = 0
        self._identity: tuple[int, int] | None = None

    def lines(self) -> tuple[list[bytes], bool]:
        """The new lines, each with its end; and whether they begin with the first of the file.

        They do if the file was replaced, or is shorter than what was read of it. Raises StoreError
        if it cannot be read or has a line without an end.
        """
        descriptor = open_regular_file(self.path)
        try:
            with os.fdopen(descriptor, "rb") as stream:
                status = os.fstat(stream.fileno())
                identity = (status.st_dev, status.st_ino)
                if identity != self._identity or status.st_size < self._offset:
                    self._identity, self._offset = identity, 0
                first = self._offset == 0
                stream.seek(self._offset)
                lines = stream.readlines()
        except OSError as error:
            raise describe_os_error("read", self.path, error) from error
        if lines and not lines[-1].endswith(b"\n"):
            if len(lines[-1]) > MAX_LINE_BYTES:
                raise StoreError(f"{self.path}: a line of it has no end")
            lines.pop()
        self._offset += sum(map(len, lines))
        return lines, first

    def rewind(self) -> None:
        """The next read begins with the first line."""
        self._offset = 0


class JournalTail:
    """The journal of a lane, read on from where the last read ended."""

    def __init__(self, path: Path) -> None:
        self._file = GrowingFile(path)
        self._next = 0

    def read(self) -> NewRecords:
        """The entries since the last read. Raises StoreError for a damaged line.

        A session that resumes a lane may cut the last line off and write others in its place. So a
        line that does not fit makes it read the file once more from the begin.
        """
        try:
            return self._read()
        except ValueError:
            self._file.rewind()
        try:
            return self._read()
        except ValueError as error:
            self._file.rewind()
            raise StoreError(f"{self._file.path} {error}") from None

    def _read(self) -> NewRecords:
        lines, first = self._file.lines()
        place = 0 if first else self._next
        entries = []
        for line in lines:
            try:
                entry = decode(line)
            except ValueError as error:
                raise ValueError(f"line {place + 1} is damaged: {error}") from None
            if entry["seq"] != place:
                raise ValueError(f"line {place + 1} has seq {entry['seq']!r:.40}, {place} is next")
            entries.append(entry)
            place += 1
        self._next = place
        return NewRecords(tuple(entries), first)


class TimingTail:
    """The times of the iterations of a lane, from ``timing.jsonl``. It decides nothing."""

    def __init__(self, path: Path) -> None:
        self._file = GrowingFile(path)
        self.seconds: dict[int, float] = {}
        """Iteration to its wall time in seconds."""
        self.last_utc: str | None = None
        """When the last iteration ended, ISO 8601."""

    def read(self) -> None:
        """Read on. A file that is absent or unreadable, and a bad line, add nothing."""
        try:
            lines, first = self._file.lines()
        except StoreError:
            return
        if first:
            self.seconds, self.last_utc = {}, None
        for line in lines:
            try:
                value = msgspec.json.decode(line)
            except (msgspec.DecodeError, RecursionError):
                continue
            if isinstance(value, Mapping):
                self._take(value)

    def _take(self, value: Mapping[str, Any]) -> None:
        iteration, seconds, utc = (
            value.get("iteration"),
            number(value.get("seconds")),
            value.get("utc"),
        )
        if isinstance(iteration, int) and seconds is not None:
            self.seconds[iteration] = seconds
        if isinstance(utc, str):
            self.last_utc = utc[:40]
