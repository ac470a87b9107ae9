"""Names of KPIs, made of the paths of a report, and what a name says about its direction. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Literal

from pytest_soak.profile.kpis import RESERVED_NAMES
from pytest_soak.profile.reading import IDENTIFIER

_LONGEST = 64
_NO_PART = re.compile(r"[^A-Za-z0-9]+")
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_SECTIONS = frozenset({"totals", "stats", "metrics", "summary", "data", "kpis", "figures"})
"""Top-level objects whose name says nothing about the figures in them."""
_OF_THE_GATE = frozenset(
    {"checks", "completeness", "delta_quality", "items", "judged", "scenarios", "seal", "stale"}
)
"""Criteria that every gate has: a KPI of that name would be shown beside its namesake."""

_DOWN = frozenset(
    {
        *("ms", "us", "ns", "latency", "latencies", "error", "errors", "failure", "failures"),
        *("failed", "dropped", "drops", "lost", "loss", "timeouts", "retries", "rejected"),
        *("rejections", "exceptions", "crashes", "lag"),
    }
)
_UP = frozenset({"tps", "rps", "qps", "throughput", "success", "successes", "succeeded"})
_NO_FIGURE = frozenset(
    {
        *("uptime", "up", "since", "started", "start", "timestamp", "time", "unix", "now", "age"),
        *("interval", "version", "pid", "port", "id"),
    }
)
"""Words of numbers that describe the process or the moment, and are neither better nor worse."""


def names_of(paths: Sequence[Sequence[str | int]], taken: Collection[str] = ()) -> list[str]:
    """For each path a name: letters, digits and underscores; no two are the same."""
    used = {*taken, *RESERVED_NAMES, *_OF_THE_GATE}
    names = []
    for path in paths:
        name = _free(_name(path), used)
        used.add(name)
        names.append(name)
    return names


def direction(name: str) -> Literal["up", "down", ""]:
    """Which values of a figure are better, if its name is clear; else empty."""
    words = {word.lower() for word in _WORDS.findall(name)}
    if words & _NO_FIGURE:
        return ""
    down, up = bool(words & _DOWN), bool(words & _UP)
    if down is up:
        return ""
    return "down" if down else "up"


def _name(path: Sequence[str | int]) -> str:
    """The parts of the path that are worth a name, from the end as many as fit."""
    inner = path[1:] if len(path) > 1 and path[0] in _SECTIONS else path
    parts = [part for step in inner if (part := _NO_PART.sub("_", str(step)).strip("_"))]
    name = ""
    for part in reversed(parts):
        longer = f"{part}_{name}" if name else part
        if len(longer) > _LONGEST - 1:
            break
        name = longer
    name = name or (parts[-1][: _LONGEST - 1] if parts else "kpi")
    return name if IDENTIFIER.fullmatch(name) else f"_{name}"


def _free(name: str, used: Collection[str]) -> str:
    free, place = name, 1
    while free in used:
        place += 1
        end = f"_{place}"
        free = name[: _LONGEST - len(end)] + end
    return free
