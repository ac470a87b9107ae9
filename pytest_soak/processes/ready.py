"""Whether a process that was just started is ready: its conditions, looked at again and again."""

from __future__ import annotations

import contextlib
import re
import socket
import time
from collections.abc import Callable
from pathlib import Path

from pytest_soak.messages import without_secrets
from pytest_soak.processes.log_file import LogReader
from pytest_soak.processes.plan import ReadyPlan, Url
from pytest_soak.processes.ports import accepts

_HTTP_S = 1.0
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})[ \r]")
_LONGEST_STATUS = 1024


class Readiness:
    """The conditions of one start. Made before the process is started. Raises OSError."""

    def __init__(self, plan: ReadyPlan, log: Path, cwd: Path) -> None:
        """``log`` is the log file of the process, ``cwd`` its working directory."""
        self._plan = plan
        self._reader = None if plan.log is None else LogReader(log)
        self._file = None if plan.file is None else cwd / plan.file
        self._file_before = _version(self._file)
        self._has_logged = False
        self.is_notified = False
        """Set by the owner, when the process sent ``READY=1``."""

    def missing(self) -> str | None:
        """The first condition that does not hold now, as the end of a sentence; None if all do."""
        return next((text for is_met, text in self._conditions() if not is_met()), None)

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()

    def _conditions(self) -> list[tuple[Callable[[], bool], str]]:
        plan = self._plan
        conditions: list[tuple[Callable[[], bool], str]] = []
        if plan.log is not None:
            conditions.append((self._logged, f"no line of its log matches {plan.log.pattern!r}"))
        if plan.notify:
            conditions.append((lambda: self.is_notified, "it did not send READY=1"))
        if self._file is not None:
            conditions.append((self._wrote, f"it did not write {self._file}"))
        if (port := plan.port) is not None:
            conditions.append((lambda: accepts(port), f"nothing listens on port {port}"))
        if (http := plan.http) is not None:
            conditions.append(
                (lambda: _answers(http), f"{without_secrets(http.text)} does not answer with 2xx")
            )
        return conditions

    def _logged(self) -> bool:
        if not self._has_logged and self._reader is not None and self._plan.log is not None:
            search = self._plan.log.search
            self._has_logged = any(search(line) for line in self._reader.lines())
        return self._has_logged

    def _wrote(self) -> bool:
        """Newer than the start, without comparing clocks: another file, or written again."""
        version = _version(self._file)
        return version is not None and version != self._file_before


def _version(path: Path | None) -> tuple[int, int, int, int] | None:
    if path is None:
        return None
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_dev, stat.st_ino, stat.st_mtime_ns, stat.st_size


def _answers(url: Url) -> bool:
    """Whether a GET of ``url`` has a status of 2xx. No proxy is used, no redirect followed."""
    return _status(url) // 100 == 2


def _status(url: Url) -> int:
    hosts = ("127.0.0.1", "::1") if url.host == "localhost" else (url.host,)
    bracketed = f"[{url.host}]" if ":" in url.host else url.host
    request = (
        f"GET {url.path} HTTP/1.1\r\nHost: {bracketed}:{url.port}\r\n"
        "Accept: */*\r\nConnection: close\r\n\r\n"
    ).encode("ascii")
    for host in hosts:
        deadline = time.monotonic() + _HTTP_S
        with (
            contextlib.suppress(OSError),
            socket.create_connection((host, url.port), timeout=_HTTP_S) as connection,
        ):
            connection.sendall(request)
            return _status_of(_first_line(connection, deadline))
    return 0


def _first_line(connection: socket.socket, deadline: float) -> bytes:
    """What comes up to the end of the first line, or to the deadline of ``time.monotonic``."""
    data = b""
    while b"\n" not in data and len(data) < _LONGEST_STATUS:
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            break
        connection.settimeout(left_s)
        part = connection.recv(_LONGEST_STATUS)
        if not part:
            break
        data += part
    return data


def _status_of(line: bytes) -> int:
    match = _STATUS.match(line)
    return int(match[1]) if match else 0
