"""The protocol of targets: all that the author of a target needs.

A target is the system under test. ``run(iteration, runtime)`` lets it trade (or serve) for one
interval with the parameters in ``runtime`` and returns an EDGE_REPORT, a mapping with a mapping
``totals`` in it. Everything else is optional; see :class:`Target`.

This module imports nothing of the package, so that a target depends on the protocol alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from pathlib import Path

Runtime = Mapping[str, Mapping[str, Any]]
"""Nested live parameters, ``{"risk": {...}, "engine": {...}, "tuner": {...}}``."""

Report = Mapping[str, Any]
"""An EDGE_REPORT as a target returns it.

Three keys are no figures. ``audit`` may hold audit events. ``fault``, a short text such as
``stale``, says that the target has no data of this iteration: it is NODATA, and the lane goes on.
``details`` are lines for ``run.log`` and for the report of the item, which the journal leaves out.
"""


@dataclass(frozen=True, slots=True)
class Swept:
    """The value of one parameter at one point of a sweep (docs/sweep.md)."""

    key: str
    value: float
    replaces: float
    """The start value without the sweep."""


@dataclass(frozen=True, slots=True)
class Lane:
    """One independent run of a profile and seed, and where they are used, of a symbol and of a
    point of a sweep."""

    id: str
    """ASCII, unique in the run; the name of the lane's directory when there are several."""
    profile: str
    symbol: str
    """What is traded: ``--soak-symbol``, or ``symbol`` of the profile; empty without one."""
    seed: int
    interval_s: float
    """Target time of one iteration, seconds."""
    iterations: int
    """Planned number of iterations."""
    data: str | None = None
    """Path of recorded market data (``--soak-data``), for targets that replay it."""
    sweep: tuple[Swept, ...] = ()
    """In a sweep, the point of the lane: one entry per swept parameter."""
    dir: Path | None = None
    """A directory for the files of the target, absolute and in that of the lane; None in a lane
    without files. A target makes it if it needs one; it stays with the run."""


def lane_name(profile: str, symbol: str, seed: int) -> str:
    """The id of a lane outside a sweep: ``steady-BTCUSDT-1``, and ``web-1`` without a symbol."""
    return "-".join((profile, *([symbol] if symbol else []), str(seed)))


@dataclass(frozen=True, slots=True)
class Scenario:
    """One planned disturbance of a lane (docs/scenarios.md)."""

    name: str
    at: int
    """The iteration in which it begins."""
    after_s: float
    """Seconds from the start of that iteration."""
    for_s: float
    """Duration in seconds; it may last into the next iterations."""
    strength: float
    """In the unit of the scenario."""


class EndOfData(Exception):  # noqa: N818 - not an error: the lane ends as planned
    """Raised by ``run`` when there are no more data to run on; the lane is INCONCLUSIVE."""


class Target(Protocol):
    """The system under test. Only ``run`` is required.

    Optional methods, looked up by name:

    ``start(runtime)``
        called once before the first iteration of this process;
    ``stop()``
        called once at the end of the lane;
    ``snapshot() -> JSON-able`` and ``restore(state)``
        the state after an iteration, stored with it; a resumed lane restores the newest one;
    ``fast_forward(history: Sequence[Runtime])``
        in place of a snapshot: the runtimes of the finished iterations, oldest first;
    ``edits() -> Mapping[str, float]``
        parameters that an operator changed at the target itself, with their new values, since they
        were handed over; called before each ``run`` and before each decision. They are pinned, as
        edits of the runtime file are;
    ``stop_s``
        no method but a number: so many seconds ``stop()`` may take; 10 without;
    ``scenarios(schedule: Sequence[Scenario])``
        called before all others, and only in a lane with scheduled scenarios: the target runs
        them, and lists each that fired in its report,
        ``{"scenarios": [{"name", "started_s", "ended_s", …}]}``. Raises ValueError for a scenario
        that it cannot run. A lane with scenarios halts if its target has no such method.
    """

    def run(self, iteration: int, runtime: Runtime, /) -> Report: ...


@runtime_checkable
class SnapshotTarget(Protocol):
    """A target whose state can be stored as a JSON value."""

    def snapshot(self) -> Any: ...

    def restore(self, state: Any, /) -> None: ...


@runtime_checkable
class FastForwardTarget(Protocol):
    """A target that restores its state by running its parameter history again."""

    def fast_forward(self, history: Sequence[Runtime], /) -> None: ...
