"""Files that are replaced as a whole: a reader finds the old content or the new, nothing between.

The order that survives a loss of power is: write a temporary file in the same directory, fsync it,
replace, fsync the directory. No failed step is repeated: a second fsync may succeed although the
kernel has dropped the data.

Paths are texts in here: an iteration replaces a file, and making objects of its names takes as long
as writing it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pytest_soak.canonical import canonical_json
from pytest_soak.store.errors import StoreError, describe_os_error
from pytest_soak.store.reading import (
    MAX_JSON_DEPTH,
    check_json_depth,
    describe_value_error,
    read_json_with_hash,
    read_regular_file,
)
from pytest_soak.store.temporary import temporary_path

__all__ = [
    "atomic_create_json",
    "atomic_write_bytes",
    "atomic_write_json",
    "atomic_write_parts",
    "atomic_write_text",
    "close_file",
    "encode_json",
    "make_directory",
    "read_json_with_hash",
    "sync_directory",
    "write_all",
]

_NEW_FILE = (
    os.O_WRONLY
    | os.O_CREAT
    | os.O_TRUNC
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)
_DIRECTORY = getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)


def atomic_write_bytes(
    path: str | os.PathLike[str], data: bytes, *, durable: bool = True, mode: int | None = None
) -> None:
    """Replaces ``path`` by a file with ``data``; ``path`` may be absent, a file or a link.

    ``durable=False`` leaves out both fsyncs: for what can be rebuilt from the journal. ``mode`` has
    the permission bits of the new file; without it they are those of every new file. Raises
    StoreError; the old file is then intact and no temporary file is left. The only exception is a
    failed fsync of the directory: the new file is in place, but a loss of power may bring the old
    one back, and the message says so.
    """
    path = os.fspath(path)
    _check_replaceable(path)
    temporary = temporary_path(path)
    try:
        if durable:
            # Opened first, so that only its fsync can fail after the file is replaced.
            with _open_directory(os.path.dirname(path) or os.curdir) as directory:  # noqa: PTH120
                _replace(temporary, path, data, durable=True, mode=mode)
                _sync_replaced(directory, path)
        else:
            _replace(temporary, path, data, durable=False, mode=mode)
    except OSError as error:
        raise describe_os_error("write", path, error) from error


def atomic_write_parts(path: str | os.PathLike[str], parts: Iterable[bytes]) -> None:
    """Replaces ``path`` by the parts one after another, without syncing them.

    An error while they are made, or written, leaves the old file. Raises StoreError.
    """
    path = os.fspath(path)
    _check_replaceable(path)
    try:
        _replace(temporary_path(path), path, parts, durable=False, mode=None)
    except OSError as error:
        raise describe_os_error("write", path, error) from error


def atomic_write_text(path: str | os.PathLike[str], text: str, *, durable: bool = False) -> None:
    """Replaces ``path`` by ``text`` in UTF-8. Raises StoreError as :func:`atomic_write_bytes`."""
    try:
        data = text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise StoreError(
            f"cannot write {os.fspath(path)}: {describe_value_error(error)}"
        ) from error
    atomic_write_bytes(path, data, durable=durable)


def atomic_write_json(path: str | os.PathLike[str], obj: Any) -> tuple[str, int]:
    """Replaces ``path`` durably by the canonical JSON of ``obj``: ``(state_hash, size in bytes)``.

    The file is read back, and its hash must be that of the data. Raises StoreError, also for what
    is no JSON value; then nothing is written.
    """
    data = encode_json(path, obj)
    atomic_write_bytes(path, data)
    written = hashlib.sha256(read_regular_file(path, max_bytes=len(data))).hexdigest()
    expected = hashlib.sha256(data).hexdigest()
    if written != expected:
        raise StoreError(
            f"{os.fspath(path)} was read back with the hash {written[:12]}…, {expected[:12]}… was "
            "written: another process writes this file, or the disk is faulty"
        )
    return expected, len(data)


def atomic_create_json(path: str | os.PathLike[str], obj: Any) -> bool:
    """Makes ``path`` durably and as a whole. Returns False, and writes nothing, if it exists.

    Raises StoreError as :func:`atomic_write_json`.
    """
    path = Path(path)
    whole = Path(temporary_path(os.fspath(path), ".new"))
    atomic_write_json(whole, obj)
    try:
        os.link(whole, path)
    except FileExistsError:
        return False
    except OSError as error:
        raise describe_os_error("make", path, error) from error
    finally:
        whole.unlink(missing_ok=True)
    sync_directory(path.parent)
    return True


def encode_json(path: str | os.PathLike[str], obj: Any) -> bytes:
    """Canonical JSON of ``obj`` for ``path``. Raises StoreError for what is no JSON value."""
    try:
        return _encode(obj)
    except (ValueError, TypeError) as error:
        why = describe_value_error(error) if isinstance(error, ValueError) else str(error)
        raise StoreError(f"cannot write {os.fspath(path)}: {why}") from error


def _encode(obj: Any) -> bytes:
    try:
        data = canonical_json(obj)
    except RecursionError:
        check_json_depth(obj)
        raise
    # A text with fewer brackets than levels are allowed is not too deep.
    if data.count(b"{") + data.count(b"[") > MAX_JSON_DEPTH:
        check_json_depth(obj)
    return data


def write_all(descriptor: int, data: bytes) -> None:
    """Writes all of ``data``; after a short write it continues with the rest. Raises OSError."""
    rest = memoryview(data)
    while rest:
        count = os.write(descriptor, rest)
        if count <= 0:
            raise OSError(f"{len(rest)} bytes were not written")
        rest = rest[count:]


def close_file(descriptor: int, path: Path) -> None:
    """Closes the file at ``path``. Raises StoreError: some file systems report a full disk here."""
    try:
        os.close(descriptor)
    except OSError as error:
        raise describe_os_error("close", path, error) from error


def sync_directory(path: Path) -> None:
    """Makes the names in the directory ``path`` durable. Raises StoreError."""
    try:
        with _open_directory(path) as descriptor:
            if descriptor is not None:
                os.fsync(descriptor)
    except OSError as error:
        raise describe_os_error("sync the directory", path, error) from error


def make_directory(path: Path) -> None:
    """Makes ``path`` and its missing parents, durably. Raises StoreError."""
    try:
        if path.is_dir():
            return
        if path.parent != path:
            make_directory(path.parent)
        path.mkdir(exist_ok=True)
    except OSError as error:
        raise describe_os_error("make the directory", path, error) from error
    sync_directory(path.parent)


@contextlib.contextmanager
def _open_directory(path: str | Path) -> Iterator[int | None]:
    """A descriptor to sync; None on Windows, where a directory cannot be opened."""
    if os.name == "nt":
        yield None
        return
    descriptor = os.open(path, os.O_RDONLY | _DIRECTORY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _check_replaceable(path: str) -> None:
    # Run as root, a rename would put a regular file in the place of /dev/null.
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return  # it is absent, or the write below raises the error
    if not (stat.S_ISREG(mode) or stat.S_ISLNK(mode) or stat.S_ISDIR(mode)):
        raise StoreError(f"cannot write {path}: it is a device, a pipe or a socket, not a file")


def _replace(
    temporary: str, path: str, data: bytes | Iterable[bytes], *, durable: bool, mode: int | None
) -> None:
    try:
        descriptor = os.open(temporary, _NEW_FILE, 0o666 if mode is None else 0o600)
        try:
            if mode is not None and hasattr(os, "fchmod"):
                os.fchmod(descriptor, mode)
            for part in (data,) if isinstance(data, bytes) else data:
                write_all(descriptor, part)
            if durable:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(temporary, path)  # noqa: PTH105
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)  # noqa: PTH108
        raise


def _sync_replaced(directory: int | None, path: str) -> None:
    if directory is None:
        return
    try:
        os.fsync(directory)
    except OSError as error:
        why = describe_os_error("make", path, error)
        raise StoreError(
            f"{why} (durable: its new content is in place, but may not survive a loss of power)"
        ) from error
