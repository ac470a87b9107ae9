"""One HTTP request to a bot and its answer, within one deadline.

No proxy is used, no redirect is followed, and a connection is made only to an address that was
checked.
"""

from __future__ import annotations

import http.client
import io
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pytest_soak.canonical import escaped
from pytest_soak.json_types import WrongValueError
from pytest_soak.live.channels import LARGEST_BYTES, ChannelFault, Context
from pytest_soak.live.endpoint import Endpoint, endpoint_of, header_values, is_loopback
from pytest_soak.live.sections import Headers
from pytest_soak.masking import Masker
from pytest_soak.processes.plan import expanded_url

_BLOCK = 65536
_MOST_OF_ANSWER = 2000
_LONGEST_SHOWN = 300
"""Bytes that are read, and characters that are shown, of the answer to a refused request."""

Address = tuple[socket.AddressFamily, Any]
Resolve = Callable[[str, int], list[Address]]


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer whose status is 2xx."""

    body: bytes
    kind: str
    """Its ``Content-Type``; empty without it."""
    is_whole: bool
    """Whether its length was announced, so that nothing can be missing at its end."""


class HttpClient:
    """Requests of one URL. Every failure is a ChannelFault.

    Its name is ``unreachable`` for no connection, no answer in time and a broken one, ``refused``
    for a status other than 2xx, ``too_large`` for a long body.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        headers: Mapping[str, str],
        timeout_s: float,
        *,
        max_bytes: int = LARGEST_BYTES,
        resolve: Resolve | None = None,
        environment: Mapping[str, str] | None = None,
        accept: str = "application/json",
    ) -> None:
        """``environment``: its secrets are masked in what a service answers."""
        self.endpoint = endpoint
        self._headers = headers
        self._timeout_s = timeout_s
        self._max_bytes = max_bytes
        self._resolve = resolve or addresses_of
        sent = [text for value in headers.values() for text in (value, *value.split())]
        self._mask = Masker.of((), environment or {}).hiding(sent)
        self._accept = accept

    def request(self, method: str, body: bytes | None = None) -> bytes:
        """The body of the answer."""
        return self.exchange(method, body).body

    def exchange(self, method: str, body: bytes | None = None) -> Answer:
        """The answer."""
        deadline = time.monotonic() + self._timeout_s
        try:
            with self._connected(deadline) as connection:
                return self._exchanged(TimedSocket(connection, deadline), method, body)
        except TimeoutError:
            text = f"did not answer completely within {self._timeout_s:g} s"
            raise self._fault("unreachable", text) from None
        except ssl.SSLError as error:
            reason = getattr(error, "verify_message", "") or error.reason or "it failed"
            raise self._fault("unreachable", f"has no usable TLS: {reason}") from None
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise self._fault("unreachable", f"cannot be reached: {reason}") from None
        except http.client.HTTPException as error:
            # The text of the error may repeat what the server sent.
            text = f"gave no complete HTTP answer ({type(error).__name__})"
            raise self._fault("unreachable", text) from None

    def _connected(self, deadline: float) -> socket.socket:
        addresses = self._addresses(deadline)
        failure: OSError = OSError("the host has no address")
        for family, address in addresses:
            connection = socket.socket(family, socket.SOCK_STREAM)
            try:
                connection.settimeout(left_s(deadline))
                connection.connect(address)
                if self.endpoint.scheme == "http":
                    return connection
                context = ssl.create_default_context()
                connection.settimeout(left_s(deadline))
                return context.wrap_socket(connection, server_hostname=self.endpoint.host)
            except OSError as error:
                connection.close()
                failure = error
            except BaseException:
                connection.close()
                raise
        raise failure

    def _addresses(self, deadline: float) -> list[Address]:
        """Where to connect to. All of them may be contacted."""
        host, port = self.endpoint.host, self.endpoint.port
        addresses = _in_time(lambda: self._resolve(host, port), deadline)
        for _, address in addresses:
            if not self.endpoint.is_allowed and not is_loopback(address[0]):
                text = f"resolves to {address[0]}, which is not on this machine; "
                raise self._fault("unreachable", f"{text}allow_hosts must name the host")
        return addresses

    def _exchanged(self, connection: TimedSocket, method: str, body: bytes | None) -> Answer:
        endpoint = self.endpoint
        sender = http.client.HTTPConnection(endpoint.host, endpoint.port)
        sender.sock = connection
        sender.putrequest(method, endpoint.target, skip_host=True, skip_accept_encoding=True)
        for name, value in self._all_headers(body).items():
            sender.putheader(name, value.encode("latin-1"))
        sender.endheaders(body)
        with sender.getresponse() as response:
            if response.status // 100 != 2:
                details = self._answer_line(response) if body is not None else ()
                raise self._fault("refused", _of_status(response.status), details)
            is_whole = response.length is not None or bool(response.chunked)
            kind = response.getheader("Content-Type") or ""
            return Answer(self._body(response), kind, is_whole=is_whole)

    def _all_headers(self, body: bytes | None) -> dict[str, str]:
        endpoint = self.endpoint
        host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
        given = {name.lower() for name in self._headers}
        own = {
            "Host": f"{host}:{endpoint.port}",
            "Accept": self._accept,
            "Accept-Encoding": "identity",
            "Connection": "close",
        }
        if body is not None:
            own |= {"Content-Type": "application/json", "Content-Length": str(len(body))}
        return {name: own[name] for name in own if name.lower() not in given} | {**self._headers}

    def _body(self, response: http.client.HTTPResponse) -> bytes:
        length, most = response.length, self._max_bytes
        data = bytearray()
        while len(data) <= most and (length is None or length <= most):
            block = response.read(_BLOCK)
            if not block:
                break
            data += block
        if (size := max(len(data), length or 0)) > most:
            text = f"answers with {size:,} bytes or more; at most {most:,} are read"
            raise self._fault("too_large", text)
        if length is not None and len(data) < length:
            raise self._fault(
                "unreachable", f"ended its answer after {len(data):,} of {length:,} bytes"
            )
        return bytes(data)

    def _answer_line(self, response: http.client.HTTPResponse) -> tuple[str, ...]:
        """The begin of the answer to what was refused, without secrets, as a line."""
        with suppress(OSError, http.client.HTTPException):
            data = response.read(_MOST_OF_ANSWER)
            text = self._mask(data.decode("utf-8", "replace"))
            if len(data) == _MOST_OF_ANSWER:
                text = text[: len(text) // 2]  # its end may be the begin of a secret
            line = escaped(" ".join(text.split()))
            if line:
                cut = line if len(line) <= _LONGEST_SHOWN else f"{line[:_LONGEST_SHOWN]}…"
                return (f"its answer: {cut}",)
        return ()

    def _fault(self, name: str, text: str, details: tuple[str, ...] = ()) -> ChannelFault:
        return ChannelFault(name, self.endpoint.place, text, details)


def http_client(
    url: str,
    headers: Headers,
    allow_hosts: tuple[str, ...],
    timeout_s: float,
    context: Context,
    *,
    field: str = "http",
    accept: str = "application/json",
) -> HttpClient:
    """The client of a section with these fields. Contacts nothing. Raises WrongValueError.

    ``field`` is that of the URL, ``accept`` the formats that are requested.
    """
    text = expanded_url(url, context.expand, (field,))
    endpoint = endpoint_of(text, map(context.expand, allow_hosts), (field,))
    if timeout_s <= 0:
        raise WrongValueError(("timeout_s",), f"{timeout_s:g} is not above 0")
    values = header_values(headers, context)
    return HttpClient(endpoint, values, timeout_s, environment=context.environment, accept=accept)


def addresses_of(host: str, port: int) -> list[Address]:
    """All addresses of a host, each with its family."""
    results = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [(family, address) for family, _, _, _, address in results]


def left_s(deadline: float) -> float:
    """The time up to a deadline of ``time.monotonic``. Raises TimeoutError if it is over."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _in_time(resolve: Callable[[], list[Address]], deadline: float) -> list[Address]:
    """The result of ``resolve``, which no timeout of a socket ends."""
    results: list[list[Address]] = []
    errors: list[OSError] = []

    def run() -> None:
        try:
            results.append(resolve())
        except OSError as error:
            errors.append(error)
        except UnicodeError:  # a label of a name that is too long
            errors.append(OSError("its host is no name"))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(left_s(deadline))
    if errors:
        raise errors[0]
    if not results:
        raise TimeoutError
    return results[0]


class TimedSocket(io.RawIOBase):
    """A connected socket, as http.client needs it, with one deadline for all that it does.

    A timeout of the socket itself begins anew with every byte that a slow server sends.
    """

    def __init__(self, connection: socket.socket, deadline: float) -> None:
        super().__init__()
        self._connection = connection
        self._deadline = deadline

    def sendall(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            self._connection.settimeout(left_s(self._deadline))
            rest = rest[self._connection.send(rest) :]

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self, _BLOCK)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._connection.settimeout(left_s(self._deadline))
        return self._connection.recv_into(buffer)

    def close(self) -> None:
        """The socket is closed by its owner: http.client closes it before the body is read."""


def _of_status(status: int) -> str:
    phrase = http.client.responses.get(status, "")
    text = f"answers with the status {status}" + (f" ({phrase})" if phrase else "")
    is_redirect = status // 100 == 3
    return f"{text}; redirects are not followed" if is_redirect else f"{text}; it needs 2xx"
