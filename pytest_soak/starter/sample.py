"""A sample of what a service reports: from a file, a URL or a program, once."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pytest_soak.json_types import WrongValueError
from pytest_soak.live.channels import ChannelFault, Context
from pytest_soak.live.commands import command_of
from pytest_soak.live.endpoint import Endpoint, endpoint_of, header_values
from pytest_soak.live.http_client import HttpClient
from pytest_soak.live.sections import Headers
from pytest_soak.printing import CommandError
from pytest_soak.processes.sections import FromEnvironment
from pytest_soak.store.reading import (
    describe_value_error,
    parse_json_strictly,
    read_json_object,
)

_TIMEOUT_S = 10.0
_LARGEST_BYTES = 16 * 2**20


def from_file(path: Path) -> dict[str, Any]:
    """The object in a JSON file. Raises StoreError as ``read_json_object``: also for a link, a
    FIFO, and more than 16 MB."""
    return read_json_object(path)


def checked_url(url: str, allow_hosts: Sequence[str], option: str) -> Endpoint:
    """The parts of a URL that may be contacted. Contacts nothing. Raises CommandError.

    A host beyond this machine may be contacted only if ``allow_hosts`` names it.
    """
    try:
        return endpoint_of(url, allow_hosts, ())
    except WrongValueError as error:
        problem = error.problem.replace("allow_hosts names", "--allow-host names")
        raise CommandError(f"{option}: {problem}") from None


def values_of(headers: Mapping[str, str]) -> Mapping[str, str]:
    """The values of headers, each from its variable. Raises CommandError, without any value."""
    fields: Headers = {name: FromEnvironment(variable) for name, variable in headers.items()}
    try:
        return header_values(fields, _context(Path()), ("--header",))
    except WrongValueError as error:
        raise CommandError(f"{' '.join(error.path)}: {error.problem}") from None


def from_url(
    url: str, allow_hosts: Sequence[str], headers: Mapping[str, str], option: str
) -> dict[str, Any]:
    """The object that one GET gives. Raises CommandError."""
    endpoint = checked_url(url, allow_hosts, option)
    client = HttpClient(endpoint, values_of(headers), _TIMEOUT_S, max_bytes=_LARGEST_BYTES)
    try:
        return _object(client.request("GET"), endpoint.place)
    except ChannelFault as fault:
        hint = "; start it, or give --from and --no-run" if fault.name == "unreachable" else ""
        raise CommandError(f"{option}: {fault}{hint}") from None


def from_command(argv: Sequence[str], folder: Path, option: str) -> dict[str, Any]:
    """The object that a program prints. Raises CommandError."""
    try:
        command = command_of(argv, _TIMEOUT_S, _context(folder))
        return _object(command.run(argv), command.place)
    except (ChannelFault, WrongValueError) as error:
        raise CommandError(f"{option}: {error}") from None


def _context(folder: Path) -> Context:
    return Context(str, folder, folder, {}, os.environ)


def _object(data: bytes, place: str) -> dict[str, Any]:
    try:
        value = parse_json_strictly(data)
    except ValueError as error:
        raise CommandError(f"{place}: is no valid JSON: {describe_value_error(error)}") from None
    if not isinstance(value, Mapping):
        raise CommandError(f"{place}: is no JSON object; a report is one")
    return dict(value)
