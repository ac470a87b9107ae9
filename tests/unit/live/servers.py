"""HTTP servers on the loopback interface whose answers a test writes byte by byte."""

from __future__ import annotations

import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

Handler = Callable[[socket.socket], None]


@dataclass
class Server:
    port: int
    requests: list[bytes] = field(default_factory=list)
    ends: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/parameters"


def answer(body: bytes, status: str = "200 OK", length: int | None = None) -> bytes:
    size = len(body) if length is None else length
    return f"HTTP/1.1 {status}\r\nContent-Length: {size}\r\n\r\n".encode() + body


@contextmanager
def serving(
    reply: bytes | Callable[[bytes], bytes],
    handler: Handler | None = None,
    tls: ssl.SSLContext | None = None,
) -> Iterator[Server]:
    """Each connection gets ``reply``, made of its request if that is a function; or ``handler``
    writes to it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Server(listener.getsockname()[1])

        def answer_one(connection: socket.socket) -> None:
            with connection, suppress(OSError):
                if tls is not None:
                    connection = tls.wrap_socket(connection, server_side=True)
                with connection:
                    request = read_request(connection)
                    server.requests.append(request)
                    if handler is not None:
                        handler(connection)
                    else:
                        connection.sendall(reply(request) if callable(reply) else reply)

        def serve() -> None:
            with suppress(OSError):
                while True:
                    answer_one(listener.accept()[0])

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server
        finally:
            server.ends.set()
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def read_request(connection: socket.socket) -> bytes:
    """One request with its body; less if something else is sent, as the begin of TLS."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = connection.recv(65536)
        data += part
        if not part or not data[:1].isalpha():
            return data
    head, _, body = data.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: *([0-9]+)", head)
    while length and len(body) < int(length[1]):
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body
