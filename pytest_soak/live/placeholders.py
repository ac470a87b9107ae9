"""Placeholders in the texts of a section: ``{dir}``, ``{port:md}``; ``{{`` stands for a brace."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from pytest_soak.messages import nearest, shown
from pytest_soak.protocol import Lane

_PART = re.compile(r"\{\{|\}\}|\{(?P<name>[^{}]*)\}|[{}]")
_PORT = re.compile(r"port:(?P<name>[A-Za-z0-9][A-Za-z0-9_-]{0,31})")
NAMES = (
    "dir",
    "lane",
    "symbol",
    "seed",
    "profile",
    "interval",
    "iterations",
    "root",
    "run_id",
    "python",
    "port:NAME",
)
"""All placeholders of docs/live.md."""


class UnknownPlaceholderError(ValueError):
    """A text has a placeholder that there is not, or a brace alone."""


def values_of(lane: Lane, folder: Path, root: Path, run_id: str) -> dict[str, str]:
    """Placeholder to its value.

    The names of a lane have letters, digits, ``_``, ``.`` and ``-`` alone, so that each may be a
    part of a path.
    """
    return {
        "dir": str(folder),
        "lane": lane.id,
        **({"symbol": lane.symbol} if lane.symbol else {}),
        "seed": str(lane.seed),
        "profile": lane.profile,
        "interval": f"{lane.interval_s:.12g}",
        "iterations": str(lane.iterations),
        "root": str(root),
        "run_id": run_id,
        "python": sys.executable,
    }


def expanded(text: str, values: Mapping[str, str], port: Callable[[str], int]) -> str:
    """``text`` with its placeholders replaced once; a value is not looked at again.

    ``port`` gives the port with a name. Raises UnknownPlaceholderError.
    """

    def replaced(match: re.Match[str]) -> str:
        part = match[0]
        if part in ("{{", "}}"):
            return part[0]
        name = match["name"]
        if name is None:
            raise UnknownPlaceholderError(
                f"{shown(text)} has a single {part!r}; a brace is written {part * 2!r}"
            )
        if (named := _PORT.fullmatch(name)) is not None:
            return str(port(named["name"]))
        if name not in values and name in NAMES:
            raise UnknownPlaceholderError(
                f"{shown(text)} has {{{name}}}, and the lane has no {name}; give --soak-{name}, "
                f"or '{name}' in the profile"
            )
        if name not in values:
            raise UnknownPlaceholderError(
                f"{shown(text)} has the unknown placeholder {{{name}}}{nearest(name, NAMES)}"
            )
        return values[name]

    return _PART.sub(replaced, text)


def ports_in(text: str) -> tuple[str, ...]:
    """The names of the ports that ``text`` asks for."""
    names = (match["name"] for match in _PART.finditer(text) if match["name"])
    return tuple(named["name"] for name in names if (named := _PORT.fullmatch(name)))
