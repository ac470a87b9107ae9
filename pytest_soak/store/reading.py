"""Reads files that other programs may write: regular files of bounded size, strict JSON."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NoReturn

from pytest_soak.canonical import canonical_json, number
from pytest_soak.store.errors import StoreError, describe_os_error

MAX_JSON_BYTES = 16 * 2**20
MAX_JSON_DEPTH = 100

# A plain open hangs on a FIFO, and a link may point anywhere.
_CAREFUL = (
    getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)


def open_regular_file(path: str | os.PathLike[str], flags: int = os.O_RDONLY) -> int:
    """A file descriptor of the regular file ``path``, opened with ``flags``.

    Raises StoreError if it is absent, or a link, a FIFO, a device or a directory.
    """
    return _opened(path, flags)[0]


def _opened(path: str | os.PathLike[str], flags: int) -> tuple[int, int]:
    """The descriptor of :func:`open_regular_file`, and the size of the file."""
    try:
        descriptor = os.open(path, flags | _CAREFUL, 0o666)
        status = os.fstat(descriptor)
    except OSError as error:
        raise describe_os_error("open", path, error) from error
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise StoreError(f"cannot open {os.fspath(path)}: it is no regular file; remove it")
    return descriptor, status.st_size


def read_regular_file(path: str | os.PathLike[str], *, max_bytes: int) -> bytes:
    """All bytes of ``path``.

    Raises StoreError as :func:`open_regular_file`, and for more than ``max_bytes``.
    """
    descriptor, size = _opened(path, os.O_RDONLY)
    try:
        try:
            # One byte more than allowed: the file may grow while it is read.
            data = _read(descriptor, size, max_bytes + 1) if size <= max_bytes else b""
        finally:
            os.close(descriptor)
    except OSError as error:
        raise describe_os_error("read", path, error) from error
    if size > max_bytes or len(data) > max_bytes:
        raise StoreError(
            f"cannot read {os.fspath(path)}: it has {max(size, len(data))} bytes or more, "
            f"at most {max_bytes} are allowed"
        )
    return data


def _read(descriptor: int, size: int, most: int) -> bytes:
    """At most ``most`` bytes, of a file that had ``size`` when it was opened.

    Without a stream: the runtime file is read twice in an iteration, and a stream takes longer than
    the read.
    """
    data = b""
    while len(data) < most and (more := os.read(descriptor, min(size + 4096, most - len(data)))):
        data += more
    return data


def read_json_with_hash(
    path: str | os.PathLike[str], *, max_bytes: int = MAX_JSON_BYTES
) -> tuple[Any, str]:
    """The JSON value in ``path`` and its state hash: SHA-256 of its canonical JSON, in hex.

    The hash is of the value, so a hand-edited file with other spaces has the same one. Raises
    StoreError for a file that :func:`read_regular_file` refuses and for what is no strict JSON:
    a byte order mark, bytes that are not UTF-8, NaN, infinities, numbers too large for a float,
    duplicate keys, lone surrogates, more than ``MAX_JSON_DEPTH`` levels.
    """
    data = read_regular_file(path, max_bytes=max_bytes)
    try:
        value = parse_json_strictly(data)
        return value, hashlib.sha256(canonical_json(value)).hexdigest()
    except ValueError as error:
        raise StoreError(
            f"{os.fspath(path)} is no valid JSON: {describe_value_error(error)}; "
            "correct the file or remove it"
        ) from error


def holds_canonical(path: str | os.PathLike[str], state_hash: str) -> bool:
    """Whether the bytes of ``path`` are the canonical JSON with this hash; does not parse them.

    Raises StoreError as :func:`read_regular_file`.
    """
    data = read_regular_file(path, max_bytes=MAX_JSON_BYTES)
    return hashlib.sha256(data).hexdigest() == state_hash


def parse_json_strictly(data: bytes) -> Any:
    """The JSON value in ``data``; ValueError for what :func:`read_json_with_hash` refuses."""
    if data.startswith(b"\xef\xbb\xbf"):
        raise ValueError("it begins with a byte order mark")
    try:
        value = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_unique_keys,
            parse_constant=_refuse_constant,
            parse_float=_finite,
        )
    except RecursionError:
        raise ValueError(f"it has more than {MAX_JSON_DEPTH} levels") from None
    check_json_depth(value)
    if b"\\ud" in data.lower():  # only an escape can make a lone surrogate
        canonical_json(value)
    return value


_SCALARS = frozenset({str, int, float, bool, type(None)})
"""Checked first: ``isinstance`` with an abstract class takes ten times as long."""


def check_json_depth(value: Any) -> None:
    """Raises ValueError if ``value`` has more than ``MAX_JSON_DEPTH`` levels."""
    level = _containers([value])
    for _ in range(MAX_JSON_DEPTH):
        if not level:
            return
        level = _containers(
            item
            for parent in level
            for item in (parent.values() if isinstance(parent, Mapping) else parent)
        )
    if level:
        raise ValueError(f"it has more than {MAX_JSON_DEPTH} levels")


def _containers(values: Iterable[Any]) -> list[Any]:
    return [
        value
        for value in values
        if type(value) not in _SCALARS and isinstance(value, (Mapping, list, tuple))
    ]


def describe_value_error(error: ValueError) -> str:
    """The reason in words: Python's own text does not name a surrogate."""
    if isinstance(error, UnicodeEncodeError):
        return f"it has the lone surrogate {error.object[error.start]!r} in a text"
    if isinstance(error, UnicodeDecodeError):
        return f"byte {error.start} is not UTF-8"
    return str(error)


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise ValueError(f"the key {key!r} is there twice")
            seen.add(key)
    return value


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON number")


def _finite(text: str) -> float:
    finite = number(float(text))
    if finite is None:
        raise ValueError(f"{text} is too large a number")
    return finite


def read_json_object(path: Path) -> dict[str, Any]:
    """The JSON object in ``path``. Raises StoreError as :func:`read_json_with_hash`."""
    value, _ = read_json_with_hash(path)
    if not isinstance(value, dict):
        raise StoreError(f"{path} must hold a JSON object, not {type(value).__name__}")
    return value
