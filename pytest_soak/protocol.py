"""What a target is: the one page that the author of a target needs.

A target is the system under test. ``run(iteration, runtime)`` lets it trade (or serve) for one
interval with the parameters in ``runtime`` and returns an EDGE_REPORT, a mapping with a mapping
``totals`` in it. Everything else is optional; see :class:`Target`.

This module imports nothing of the package, so that targets know the protocol and no more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

Runtime = Mapping[str, Mapping[str, Any]]
"""Nested live parameters, ``{"risk": {...}, "engine": {...}, "tuner": {...}}``."""

Report = Mapping[str, Any]
"""An EDGE_REPORT as a target returns it; the key ``audit`` may hold a list of audit events."""


@dataclass(frozen=True, slots=True)
class Swept:
    """The value of one parameter at one point of a sweep (docs/sweep.md)."""

    key: str
    value: float
    replaces: float
    """The start value without the sweep."""


@dataclass(frozen=True, slots=True)
class Lane:
    """One independent run: profile × symbol × seed, and in a sweep × point."""

    id: str
    """ASCII, unique in the run; the name of the lane's directory when there are several."""
    profile: str
    symbol: str
    seed: int
    interval_s: float
    """Target time of one iteration, seconds."""
    iterations: int
    """How many iterations the lane is planned to run."""
    data: str | None = None
    """Path of the recorded market data (``--soak-data``), for targets that replay some."""
    sweep: tuple[Swept, ...] = ()
    """In a sweep, the lane's point: one per swept parameter."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One planned disturbance of a lane (docs/scenarios.md)."""

    name: str
    at: int
    """The iteration in which it begins."""
    after_s: float
    """Seconds from the start of that iteration."""
    for_s: float
    """How long it lasts; it may reach into the iterations that follow."""
    strength: float
    """In the scenario's own unit."""


class EndOfData(Exception):  # noqa: N818 - not an error: the lane ends in good order
    """Raised by ``run`` when the target has nothing left to run on; the lane is INCONCLUSIVE."""


class Target(Protocol):
    """The system under test. Only ``run`` is required.

    Optional methods, looked up by name:

    ``start(runtime)``
        called once before the first iteration of this process;
    ``stop()``
        called once when the lane is over;
    ``snapshot() -> JSON-able`` and ``restore(state)``
        state after an iteration, stored with it; a resumed lane restores the newest one;
    ``fast_forward(history: Sequence[Runtime])``
        instead of a snapshot: the runtimes of the iterations done so far, oldest first;
    ``scenarios(schedule: Sequence[Scenario])``
        called first of all, and only in a lane that has some scheduled: the target makes them
        happen, and shows each that really fired in its report,
        ``{"scenarios": [{"name", "started_s", "ended_s", …}]}``. Raises ValueError for one that
        it cannot make. A lane with scenarios halts with a target that has no such method.
    """

    def run(self, iteration: int, runtime: Runtime, /) -> Report: ...


@runtime_checkable
class SnapshotTarget(Protocol):
    """A target whose state fits into a JSON value."""

    def snapshot(self) -> Any: ...

    def restore(self, state: Any, /) -> None: ...


@runtime_checkable
class FastForwardTarget(Protocol):
    """A target that finds its state again by running its parameter history."""

    def fast_forward(self, history: Sequence[Runtime], /) -> None: ...
