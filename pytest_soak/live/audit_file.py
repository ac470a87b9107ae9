"""A file of audit events, one JSON object a line, that is read on from where it was read to.

The bot may rotate the file (rename it, and begin a new one under its name) or truncate it.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import IO, Any, NamedTuple

import msgspec

from pytest_soak.live.channels import ChannelFault
from pytest_soak.live.files import opened

BLOCK_BYTES = 65536
LONGEST_LINE = 65536
_TAIL_BYTES = 256
_NUMBERED = re.compile(r"\.([1-9][0-9]{0,2})")
_DECODE = msgspec.json.Decoder().decode


class _Event(msgspec.Struct, frozen=True, gc=False):
    """The fields of a row that are counted."""

    event: str | None = None
    reason: str | None = None


_EVENT = msgspec.json.Decoder(_Event).decode


@dataclass(frozen=True, slots=True)
class Position:
    """Up to where a file was read; its fields are JSON values.

    The position before any file has the inode 0.
    """

    device: int = 0
    inode: int = 0
    offset: int = 0
    """The begin of the first line that was not read."""
    tail: str = ""
    """Hash of the bytes before ``offset``: a file with others was truncated and written anew, or
    is a new file with an old inode."""


class AuditFile:
    """Reads complete lines, each once. All methods raise ChannelFault ``not_a_file`` for a link,
    FIFO, device or directory in its place."""

    def __init__(self, place: Path, position: Position | None = None) -> None:
        """``position`` is the one to read on from; without one, from the begin of the file."""
        self.place = str(place)
        self.position = position or Position()
        self.gaps = 0
        """How often lines may be missing: what was read before was truncated, or is gone."""
        self._file = place

    def skip(self) -> int:
        """Moves to the end. Returns how many rows were skipped."""
        return sum(map(len, self._blocks()))

    def rows(self) -> Iterator[Any]:
        """The rows from the position up to now: a JSON value, or a text for an unreadable line.

        The position moves when the last row of a file was taken. Blank lines are no rows.
        """
        return map(_row, chain.from_iterable(self._blocks()))

    def tally(self) -> Iterator[tuple[Any, int]]:
        """:meth:`rows` with how often each occurs in a part of the file, for ``count_tally``.

        A row has its event and its reason only: reading all of it takes five times as long.
        """
        for lines in self._blocks():
            try:
                # A line that is too long, or whose fields have other types, is a TypeError here.
                events = Counter(map(_EVENT, lines))  # type: ignore[arg-type]
            except (ValueError, TypeError, RecursionError):
                yield from ((_row(line), 1) for line in lines)
            else:
                for row, times in events.items():
                    yield {"event": row.event, "reason": row.reason}, times

    def _blocks(self) -> Iterator[list[bytes | None]]:
        """Lists of lines without their ends; None for one that is too long. Moves the position."""
        try:
            with ExitStack() as files:
                yield from self._blocks_of(files)
        except OSError as error:
            text = f"cannot be read: {error.strerror or type(error).__name__}"
            raise ChannelFault("unreachable", self.place, text) from None

    def _blocks_of(self, files: ExitStack) -> Iterator[list[bytes | None]]:
        """As :meth:`_blocks`. What it opens is closed with ``files``."""
        present = _open(self._file)
        if present is not None:
            files.enter_context(present)
        if self.position.inode and not self._is_at(present):
            rotated = self._rotated()
            if rotated is None:
                self.gaps += present is not None
            else:
                files.enter_context(rotated.file)
                # A tool may make an empty new file while the bot writes to the old one.
                is_done = present is not None and _size(present) > 0
                # Opened before the first line is given: the bot may rotate once more then.
                later = self._between(rotated.name, present) if is_done and present else []
                for file in later:
                    files.enter_context(file)
                yield from self._rest(rotated.file, self.position.offset, is_done=is_done)
                for file in later:
                    yield from self._rest(file, 0, is_done=True)
                if not is_done:
                    return
        if present is not None:
            is_same = self._is_at(present)
            if is_same and not self._fits(present):
                is_same = False
                self.gaps += 1
            yield from self._rest(present, self.position.offset if is_same else 0, is_done=False)

    def _is_at(self, file: IO[bytes] | None) -> bool:
        """Whether the position is in this file.

        The device of a file may have another number after a restart of the machine.
        """
        if file is None or os.fstat(file.fileno()).st_ino != self.position.inode:
            return False
        return _identity(file)[0] == self.position.device or self._fits(file)

    def _fits(self, file: IO[bytes]) -> bool:
        """Whether what was read is still in the file, which is the one of the position."""
        offset = self.position.offset
        return _size(file) >= offset and _tail(file, offset) == self.position.tail

    def _rotated(self) -> _Rotated | None:
        """The file of the position under another name of the same directory."""
        with suppress(OSError), os.scandir(self._file.parent) as entries:
            for entry in entries:
                if entry.inode() != self.position.inode or entry.name == self._file.name:
                    continue
                with suppress(ChannelFault):
                    file = _open(Path(entry.path))
                    if file is not None and self._is_at(file) and self._fits(file):
                        return _Rotated(entry.name, file)
                    if file is not None:
                        file.close()
        return None

    def _between(self, name: str, present: IO[bytes]) -> list[IO[bytes]]:
        """The files that were begun and rotated since: NAME.2 and NAME.1, if the file of the
        position is NAME.3."""
        suffix = name.removeprefix(self._file.name)
        number = _NUMBERED.fullmatch(suffix) if suffix != name else None
        files: list[IO[bytes]] = []
        for between in range(int(number[1]) - 1 if number else 0, 0, -1):
            try:
                file = _open(self._file.with_name(f"{self._file.name}.{between}"))
            except ChannelFault:
                file = None
            if file is None:
                self.gaps += 1
            elif _identity(file) == _identity(present):
                file.close()  # it was rotated since it was opened
            else:
                files.append(file)
        return files

    def _rest(self, file: IO[bytes], offset: int, *, is_done: bool) -> Iterator[list[bytes | None]]:
        """The lines from ``offset`` up to the present end; at last the position is there.

        The last line may lack its end if ``is_done``: nothing more is written to the file.
        """
        end = _size(file)
        at = begin = offset  # what was read, and the begin of the line that was not read whole
        rest, is_long = b"", False  # of that line
        file.seek(offset)
        while at < end and (block := file.read(min(BLOCK_BYTES, end - at))):
            at += len(block)
            *lines, rest = (rest + block).split(b"\n")
            if lines:
                begin = at - len(rest)
                if is_long:
                    lines[0] = b"x" * (LONGEST_LINE + 1)  # of which this is the end
                yield _checked(lines)
                is_long = False
            if len(rest) > LONGEST_LINE or is_long:
                rest, is_long = b"", True
        if is_done:
            begin = at
            yield [None] if is_long else _checked([rest])
        self.position = Position(*_identity(file), begin, _tail(file, begin))


class _Rotated(NamedTuple):
    name: str
    file: IO[bytes]


def _open(place: Path) -> IO[bytes] | None:
    """The regular file, without a buffer; None if there is none. Raises ChannelFault."""
    descriptor = opened(place)
    return None if descriptor is None else os.fdopen(descriptor, "rb", buffering=0)


def _identity(file: IO[bytes]) -> tuple[int, int]:
    status = os.fstat(file.fileno())
    return status.st_dev, status.st_ino


def _size(file: IO[bytes]) -> int:
    return os.fstat(file.fileno()).st_size


def _tail(file: IO[bytes], offset: int) -> str:
    """Hash of the last bytes before ``offset``; empty at the begin of the file."""
    if not offset:
        return ""
    file.seek(max(offset - _TAIL_BYTES, 0))
    return hashlib.sha256(file.read(min(_TAIL_BYTES, offset))).hexdigest()[:16]


def _checked(lines: list[bytes]) -> list[bytes | None]:
    """Without blank lines; None for one that is too long."""
    return [
        None if len(line) > LONGEST_LINE else line for line in lines if line and not line.isspace()
    ]


def _row(line: bytes | None) -> Any:
    if line is None:
        return f"a line of more than {LONGEST_LINE:,} bytes\n"
    try:
        return _DECODE(line)
    except (ValueError, RecursionError):  # msgspec's errors are ValueErrors
        return line.decode("utf-8", "replace") + "\n"
