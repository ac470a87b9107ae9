"""Files that a bot writes or reads: their place, their version, and their bytes.

A file is opened only if it is a regular one. A link, a FIFO, a device and a directory are refused.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import NamedTuple

from pytest_soak.json_types import WrongValueError
from pytest_soak.live.channels import LARGEST_BYTES, ChannelFault, Context
from pytest_soak.messages import shown
from pytest_soak.store.errors import StoreError
from pytest_soak.store.reading import open_regular_file

_KINDS = (
    (stat.S_ISLNK, "a link"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
_ABSENT = (errno.ENOENT, errno.ENOTDIR)


class Version(NamedTuple):
    """What differs between a file and the one that replaces it, or that is written again."""

    device: int
    inode: int
    mtime_ns: int
    size: int

    @classmethod
    def of(cls, status: os.stat_result) -> Version:
        return cls(status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size)


class Content(NamedTuple):
    data: bytes
    version: Version


def file_place(text: str, context: Context, path: tuple[str, ...]) -> Path:
    """The file that ``text`` of a profile names: absolute, and its directory without links.

    Touches no file. Raises WrongValueError, with ``path``, for what names no file.
    """
    expanded = context.expand(text)
    if "\0" in expanded:
        raise WrongValueError(path, f"{shown(expanded)} has a NUL character")
    place = context.root / expanded
    if os.path.basename(expanded) in ("", ".", ".."):  # noqa: PTH119 - a Path drops "/" and "."
        raise WrongValueError(path, f"{shown(expanded)} names a directory; it needs a file")
    return Path(os.path.realpath(place.parent), place.name)


def canonical_name(place: Path) -> str:
    """How ``Writer.destinations`` and ``Reader.sources`` name a file."""
    return f"file:{place}"


def status_of(place: Path) -> os.stat_result | None:
    """The status of a regular file; None if there is no file.

    Raises ChannelFault: ``not_a_file`` for what is no regular file, ``unreachable`` if that cannot
    be known.
    """
    try:
        status = place.lstat()
    except OSError as error:
        if error.errno in _ABSENT:
            return None
        raise ChannelFault("unreachable", str(place), _unusable(error)) from None
    kind = next((kind for is_of_kind, kind in _KINDS if is_of_kind(status.st_mode)), "")
    if kind:
        raise ChannelFault("not_a_file", str(place), f"is {kind}; it must be a regular file")
    return status


def opened(place: Path) -> int | None:
    """A descriptor of a regular file, to read it; None if there is no file.

    Raises ChannelFault as :func:`status_of`.
    """
    if status_of(place) is None:
        return None
    try:
        return open_regular_file(place)
    except StoreError as error:
        cause = error.__cause__
        if not isinstance(cause, OSError) or cause.errno == errno.ELOOP:
            text = "is no regular file; it must be one"
            raise ChannelFault("not_a_file", str(place), text) from None
        if cause.errno in _ABSENT:
            return None
        raise ChannelFault("unreachable", str(place), _unusable(cause)) from None


def content_of(place: Path, *, max_bytes: int = LARGEST_BYTES) -> Content | None:
    """All bytes of a regular file, and its version; None if there is no file.

    Raises ChannelFault as :func:`status_of`, and ``too_large``.
    """
    descriptor = opened(place)
    if descriptor is None:
        return None
    try:
        return content_of_open(descriptor, str(place), max_bytes=max_bytes)
    finally:
        os.close(descriptor)


def content_of_open(descriptor: int, place: str, *, max_bytes: int = LARGEST_BYTES) -> Content:
    """All bytes of an opened file, from its begin, and its version.

    Raises ChannelFault: ``too_large``, or ``unreachable`` if it cannot be read.
    """
    data = b""
    try:
        status = os.fstat(descriptor)
        # One byte more than allowed: the file may grow while it is read.
        most = max_bytes + 1 if status.st_size <= max_bytes else 0
        os.lseek(descriptor, 0, os.SEEK_SET)
        while len(data) < most and (more := os.read(descriptor, min(2**20, most - len(data)))):
            data += more
    except OSError as error:
        raise ChannelFault("unreachable", place, _unusable(error)) from None
    if (size := max(status.st_size, len(data))) > max_bytes:
        text = f"is {size:,} bytes large; at most {max_bytes:,} are read"
        raise ChannelFault("too_large", place, text)
    return Content(data, Version.of(status))


def _unusable(error: OSError) -> str:
    return f"cannot be read: {error.strerror or type(error).__name__}"
