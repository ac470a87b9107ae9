"""When a process is ready, and whether its port is taken: against sockets of the test itself."""

from __future__ import annotations

import os
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from pytest_soak.processes.plan import ReadyPlan, loopback_url
from pytest_soak.processes.ports import FreePorts, accepts, is_taken, listener
from pytest_soak.processes.ready import Readiness


@contextmanager
def listening(answer: bytes | None = None, address: str = "127.0.0.1") -> Iterator[int]:
    """A port of ``address``; with ``answer``, each connection gets it and is closed.

    The kernel gives it to no other program: a number of its own range may be another's at another
    address.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as server:
        port = FreePorts().port("test")
        server.bind((address, port))
        server.listen()

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with connection, suppress(OSError):
                        connection.recv(4096)
                        connection.sendall(answer or b"")

        if answer is None:
            yield port
            return
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield port
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


def missing(plan: ReadyPlan, folder: Path) -> str | None:
    readiness = Readiness(plan, folder / "bot.log", folder)
    try:
        return readiness.missing()
    finally:
        readiness.close()


@pytest.mark.parametrize(
    ("answer", "is_ready"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", True),
        (b"HTTP/1.0 204 \r\n\r\n", True),
        (b"HTTP/1.1 200\r\n\r\n", True),
        (b"HTTP/1.1 301 Moved\r\nLocation: /\r\n\r\n", False),
        (b"HTTP/1.1 503 Busy\r\n\r\n", False),
        (b"SSH-2.0-x\r\n", False),
        (b"HTTP/1.1 20", False),
        (b"x" * 10_000, False),
        (b"", False),
    ],
)
def test_http_is_ready_with_a_status_of_2xx(
    tmp_path: Path, answer: bytes, is_ready: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9/")
    with listening(answer) as port:
        url = loopback_url(f"http://localhost:{port}/ready?now", ())
        text = missing(ReadyPlan(http=url), tmp_path)
    assert (text is None) == is_ready, text


def test_no_message_has_the_query_of_a_url(tmp_path: Path) -> None:
    with listening(b"HTTP/1.1 503 ") as port:
        url = loopback_url(f"http://127.0.0.1:{port}/ready?key=hunter2", ())
        text = missing(ReadyPlan(http=url), tmp_path)
    assert text == f"http://127.0.0.1:{port}/ready does not answer with 2xx"


def test_a_port_is_ready_when_it_accepts(tmp_path: Path) -> None:
    with listening() as port:
        assert missing(ReadyPlan(port=port), tmp_path) is None
    assert missing(ReadyPlan(port=port), tmp_path) == f"nothing listens on port {port}"


def test_a_file_is_ready_when_it_was_written_after_the_start(tmp_path: Path) -> None:
    file = tmp_path / "ready"
    for is_old in (False, True):
        readiness = Readiness(ReadyPlan(file="ready"), tmp_path / "bot.log", tmp_path)
        assert readiness.missing() == f"it did not write {file}"
        file.write_text("new" if is_old else "old")
        if is_old:  # the same time and size: another file
            file.unlink()
            (tmp_path / "other").write_text("")
            file.write_text("new")
        assert readiness.missing() is None
        readiness.close()


def test_a_line_of_the_log_is_a_whole_one_and_after_the_start(tmp_path: Path) -> None:
    log = tmp_path / "bot.log"
    log.write_text("READY\n")
    readiness = Readiness(ReadyPlan(log=re.compile("^READY$")), log, tmp_path)
    with log.open("a") as file:
        file.write("not READY\nREADY")
        file.flush()
        assert readiness.missing() == "no line of its log matches '^READY$'"
        file.write("\nmore\n")
    assert readiness.missing() is None
    assert readiness.missing() is None
    readiness.close()


def test_all_conditions_hold_together(tmp_path: Path) -> None:
    with listening() as port:
        plan = ReadyPlan(notify=True, file="ready", port=port)
        readiness = Readiness(plan, tmp_path / "bot.log", tmp_path)
        assert readiness.missing() == "it did not send READY=1"
        readiness.is_notified = True
        assert readiness.missing() == f"it did not write {tmp_path / 'ready'}"
        (tmp_path / "ready").touch()
        assert readiness.missing() is None
    assert readiness.missing() == f"nothing listens on port {port}"
    readiness.close()


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", "::1"])
def test_a_port_is_taken_while_a_program_listens(address: str) -> None:
    try:
        with listening(address=address) as port:
            assert is_taken(port)
            assert accepts(port)
            assert f"process {os.getpid()}" in str(listener(port))
    except OSError as error:
        pytest.skip(f"{address}: {error}")
    assert not is_taken(port)
    assert listener(port) is None


def test_a_port_is_free_right_after_its_connections_ended() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            connection, _ = server.accept()
            connection.close()  # closed first here: it waits for a while
    assert not is_taken(port)


def test_free_ports_are_kept_and_differ() -> None:
    ports = FreePorts()
    numbers = {name: ports.port(name) for name in "abcdef"}
    assert len(set(numbers.values())) == 6
    assert {name: ports.port(name) for name in "abcdef"} == numbers
    assert not any(is_taken(port) for port in numbers.values())
