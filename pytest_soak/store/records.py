"""Files of checksummed lines: the format that journals and judgements share.

A line is the record's canonical JSON with two fields added: ``seq`` (0, 1, 2, …) and ``check``. A
line counts only if every byte is as it was written, so a flipped bit in white space or in the case
of an exponent is detected too. A bad last line is the result of a torn write. After a loss of power
it may have its full length, its newline, and zeros in between, so the newline proves nothing. A bad
line before the last is damage to acknowledged data, and the reader stops.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn

import msgspec

from pytest_soak.canonical import canonical_json
from pytest_soak.store.atomic import encode_json, sync_directory, write_all
from pytest_soak.store.errors import StoreError, describe_os_error
from pytest_soak.store.reading import (
    MAX_JSON_DEPTH,
    check_json_depth,
    describe_value_error,
    open_regular_file,
)

if TYPE_CHECKING:
    from hashlib import _Hash as Hash

MAX_LINE_BYTES = 64 * 2**20

Record = Mapping[str, Any]
"""One line without its checksum: ``{"seq": n, "type": ..., ...}``, JSON values only."""


@dataclass(frozen=True, slots=True)
class Records:
    """The contents of a file of checksummed lines."""

    entries: tuple[Record, ...]
    """With ``seq`` and ``type``, without ``check``."""
    torn: int
    """Bytes of a torn last line that were dropped; 0 when there was none."""
    size: int
    """Bytes of the good lines."""
    last: int = field(default=0, compare=False)
    """Bytes of the last good line."""
    digest: str = field(default="", compare=False)
    """SHA-256 of the good lines, 64 hexadecimal digits."""


def read_records(
    path: str | os.PathLike[str], what: str, advice: str, earlier: Records | None = None
) -> Records:
    """The good lines of the file at ``path``, from the first to the last.

    ``what`` is the kind of file and ``advice`` what to do, both for the message. ``earlier`` are
    lines that were read from it before: if it still begins with the same bytes, they are not
    decoded again. Raises StoreError, naming the line, for a bad line that is not the last, for a
    good line whose ``seq`` is not the next one, and for a file that cannot be read.
    """
    path = Path(path)
    with _reading(path) as stream:
        before, digest = _first_bytes(stream, earlier)
        return _read_on(path, what, advice, _lines(path, what, stream), before, digest)


_NOTHING = Records((), torn=0, size=0)


def _first_bytes(stream: BinaryIO, earlier: Records | None) -> tuple[Records, Hash]:
    """What the file begins with, of what was read before; the stream stands behind it."""
    digest = hashlib.sha256()
    if earlier is not None:
        digest.update(stream.read(earlier.size))
        if digest.hexdigest() == earlier.digest:
            return replace(earlier, torn=0), digest
        stream.seek(0)
    return _NOTHING, hashlib.sha256()


def _read_on(
    path: Path, what: str, advice: str, lines: Iterator[bytes], before: Records, digest: Hash
) -> Records:
    entries = list(before.entries)
    size, last, torn = before.size, before.last, 0
    for number, line in enumerate(lines, start=len(entries) + 1):
        try:
            entry = decode(line)
        except ValueError as error:
            if next(lines, None) is not None or _holds_whole_record(line):
                raise StoreError(
                    f"{path} line {number} is damaged: {error}; the {what} cannot be trusted from "
                    f"there on, {advice}"
                ) from None
            torn = len(line)
            break
        if entry["seq"] != len(entries):
            raise StoreError(
                f"{path} line {number} has seq {entry['seq']!r:.40}, {len(entries)} is next: lines "
                f"are missing or two processes wrote it; {advice}"
            )
        entries.append(entry)
        digest.update(line)
        last = len(line)
        size += last
    return Records(tuple(entries), torn, size, last, digest.hexdigest())


def append_durably(path: Path, record: Record, what: str, advice: str) -> None:
    """Adds one line to the file at ``path``, and makes the file if there is none.

    The line, and the name of a new file, are durable when this returns. A torn last line is removed
    first. Raises StoreError as :func:`read_records`, and for what cannot be written; the file then
    has its earlier lines, and perhaps a torn one.
    """
    is_new = not os.path.lexists(path)
    before = Records((), torn=0, size=0) if is_new else read_records(path, what, advice)
    line = encode(path, record, len(before.entries))
    flags = os.O_WRONLY | os.O_APPEND | (os.O_CREAT | os.O_EXCL if is_new else 0)
    descriptor = open_regular_file(path, flags)
    try:
        if before.torn:
            os.ftruncate(descriptor, before.size)
        write_all(descriptor, line)
        os.fsync(descriptor)
    except OSError as error:
        raise describe_os_error("append to", path, error) from error
    finally:
        os.close(descriptor)
    if is_new:
        sync_directory(path.parent)


def encode(path: Path, record: Record, seq: int) -> bytes:
    """The line of ``record`` at place ``seq``. Raises StoreError for what is no record."""
    if "check" in record or not isinstance(record.get("type"), str):
        raise StoreError(
            f"cannot append to {path}: an entry has a text `type` and no `check` of its own, "
            f"this one has the keys {', '.join(map(str, record))}"
        )
    # Keys are sorted: `check` comes between these two, so that nothing is encoded twice. The second
    # has `seq` at least, the first may be empty.
    before: dict[str, Any] = {}
    after: dict[str, Any] = {"seq": seq}
    for key, value in record.items():
        if str(key) < "check":
            before[key] = value
        elif key != "seq":
            after[key] = value
    first, second = encode_json(path, before), encode_json(path, after)
    begin, end = first[:-1] + b"," if len(first) > 2 else b"{", second[1:] + b"\n"
    check = _checksum(begin + end[:-1])
    line = b'%b"check":"%b",%b' % (begin, check.encode(), end)
    if len(line) > MAX_LINE_BYTES:
        raise StoreError(
            f"cannot append to {path}: the entry {record['type']!r} has {len(line)} bytes, "
            f"at most {MAX_LINE_BYTES} are allowed"
        )
    return line


def decode(line: bytes) -> dict[str, Any]:
    """The record of a line; ValueError with the reason if the line is not as it was written."""
    if not line.endswith(b"\n"):
        raise ValueError("it has no end")
    try:
        entry = _decoded(line)
    except (ValueError, RecursionError):
        raise ValueError("it is no JSON") from None
    if not isinstance(entry, dict) or not isinstance(entry.get("check"), str):
        raise ValueError("it has no checksum")
    check = entry.pop("check")
    # The checksum is of the text without ``check``; ``seq`` sorts after it, so a comma follows.
    body = line[:-1].replace(f'"check":"{check}",'.encode("utf-8", "replace"), b"", 1)
    if _checksum(body) != check:
        raise ValueError("its checksum does not fit")
    # The checksum fits, yet no session writes what canonical JSON cannot hold: it was forged.
    if not isinstance(entry.get("type"), str) or "seq" not in entry:
        raise ValueError("it has no text `type`, or no `seq`")
    if b"\\ud" in line:  # a surrogate escape, or a text with these letters
        _refuse_surrogates(entry)
    if line.count(b"[") + line.count(b"{") > MAX_JSON_DEPTH:
        check_json_depth(entry)
    return entry


_DECODER = msgspec.json.Decoder()


def _decoded(line: bytes) -> Any:
    """The JSON value of a line, as the standard library reads it, in half of the time.

    What msgspec refuses is left to the standard library: it accepts a lone surrogate and reads
    ``1e999`` as infinity, and what is read here says later what is wrong with them.
    """
    try:
        return _DECODER.decode(line)
    except (msgspec.DecodeError, RecursionError):
        return json.loads(line, parse_constant=_refuse_constant)


def _refuse_surrogates(entry: Record) -> None:
    try:
        canonical_json(entry)
    except ValueError as error:
        raise ValueError(describe_value_error(error)) from None


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON number")


def _holds_whole_record(line: bytes) -> bool:
    """Whether a bad last line begins with a whole record that something else follows.

    Then the newline after an acknowledged record is damaged. If only zeros follow, the write was
    torn.
    """
    text = line.decode("utf-8", "surrogateescape")
    try:
        _, end = json.JSONDecoder().raw_decode(text)
        whole = text[:end].encode("utf-8", "surrogateescape")
        decode(whole + b"\n")
    except (ValueError, RecursionError):
        return False
    return bool(line[len(whole) :].strip(b"\0\n"))


def _checksum(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()[:16]


@contextmanager
def _reading(path: Path) -> Iterator[BinaryIO]:
    descriptor = open_regular_file(path)
    try:
        with os.fdopen(descriptor, "rb") as stream:
            yield stream
    except OSError as error:
        raise describe_os_error("read", path, error) from error


def _lines(path: Path, what: str, stream: BinaryIO) -> Iterator[bytes]:
    while line := stream.readline(MAX_LINE_BYTES + 1):
        if len(line) > MAX_LINE_BYTES:
            raise StoreError(f"{path} is no {what}: a line of it has no end")
        yield line
