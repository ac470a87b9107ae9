"""The URL of a bot, in parts, and the headers that are sent to it: checked when a plan is made.

No message has the value of a header, nor the query or the credentials of a URL.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from pytest_soak.json_types import WrongValueError
from pytest_soak.live.channels import Context
from pytest_soak.live.sections import Headers
from pytest_soak.messages import shown, without_secrets
from pytest_soak.processes.plan import expanded_secret
from pytest_soak.processes.sections import FromEnvironment

_LOOPBACK = "127.0.0.1"
_LOOPBACK_NAMES = (_LOOPBACK, "localhost", "::1", "::ffff:7f00:1", "::ffff:127.0.0.1")
_PORTS = {"http": 80, "https": 443}
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_OF_THE_CLIENT = frozenset(
    {"connection", "content-length", "expect", "host", "te", "trailer", "transfer-encoding"}
)
"""Headers, in lower case, that describe the exchange itself."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A URL that may be contacted."""

    scheme: str
    host: str
    """A name or an address without brackets, in lower case."""
    port: int
    path: str
    query: str = field(default="", repr=False)
    is_allowed: bool = False
    """Whether ``allow_hosts`` names the host: then it need not be on this machine."""

    @property
    def place(self) -> str:
        """The URL for messages: without its query, which may have a secret."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}{self.path}"

    @property
    def canonical(self) -> str:
        """The same text for the same destination, whatever it calls this machine; a query is
        represented by its hash."""
        place = replace(self, host=_LOOPBACK).place if self.host in _LOOPBACK_NAMES else self.place
        if not self.query:
            return place
        return f"{place}?sha256={hashlib.sha256(self.query.encode()).hexdigest()[:16]}"

    @property
    def target(self) -> str:
        """What is sent in the first line of a request."""
        return f"{self.path}?{self.query}" if self.query else self.path


def endpoint_of(text: str, allow_hosts: Iterable[str], path: tuple[str, ...]) -> Endpoint:
    """The parts of a URL. Contacts nothing, and resolves no name.

    Raises WrongValueError, with ``path``, for another scheme than http and https, for credentials,
    for a control character, and for a host that is neither on this machine nor in ``allow_hosts``.
    """
    url = shown(without_secrets(text))
    if not text.isascii() or re.search(r"[\x00-\x20\x7f]", text):
        raise WrongValueError(
            path,
            f"{url} has a space, a control character or a character beyond ASCII; write it "
            "percent-encoded",
        )
    try:
        parts = urlsplit(text)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:  # its text repeats a part of the URL
        raise WrongValueError(path, f"{url} is no URL") from None
    if parts.scheme not in _PORTS or not host or port == 0:
        raise WrongValueError(path, f"{url} is not of the form 'http://127.0.0.1:8080/path'")
    if parts.username is not None or parts.password is not None:
        needs = "give them in the headers: {Authorization: {env: NAME}}"
        raise WrongValueError(path, f"{url} has credentials; {needs}")
    if "#" in text:
        raise WrongValueError(path, f"{url} has a fragment behind '#', which is never sent")
    is_allowed = host in {allowed.lower().strip("[]") for allowed in allow_hosts}
    if not is_allowed and host != "localhost" and not is_loopback(host):
        raise WrongValueError(
            path,
            f"{url} is not on this machine: the host is 127.0.0.1, ::1 or localhost, or one that "
            "allow_hosts names",
        )
    return Endpoint(
        parts.scheme,
        _written(host),
        port or _PORTS[parts.scheme],
        parts.path or "/",
        parts.query,
        is_allowed,
    )


def _written(host: str) -> str:
    """The host; an address in its usual form."""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return host


def is_loopback(address: str) -> bool:
    """Whether this is the text of an address of the loopback interface."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None)
    return "%" not in address and (mapped or parsed).is_loopback


def header_values(
    headers: Headers, context: Context, path: tuple[str, ...] = ("headers",)
) -> Mapping[str, str]:
    """The headers as they are sent. Raises WrongValueError, without any value."""
    values: dict[str, str] = {}
    for name, given in headers.items():
        where = (*path, name)
        if not _TOKEN.fullmatch(name):
            raise WrongValueError(path, f"{shown(name)} is no name of a header")
        if name.lower() in _OF_THE_CLIENT:
            raise WrongValueError(where, "this header is set by pytest-soak itself; leave it out")
        if any(name.lower() == other.lower() for other in values):
            raise WrongValueError(where, "this header is there twice")
        if not isinstance(given, FromEnvironment):
            value = expanded_secret(given, context.expand, where)
        elif given.env in context.environment:
            value = context.environment[given.env]
        else:
            raise WrongValueError(where, f"the variable {given.env} is not set")
        if re.search(r"[^\t\x20-\x7e\x80-\xff]", value):
            problem = "its value has a line end, a control character or one beyond Latin-1"
            raise WrongValueError(where, problem)
        values[name] = value.strip(" \t")
    return values
