"""The mock market as a target: one lane's market, desk and memory."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping, Sequence
from typing import Any

from pytest_soak.protocol import Lane, Runtime, Scenario
from pytest_soak.targets.mock import scenario
from pytest_soak.targets.mock.accounts import edge_report
from pytest_soak.targets.mock.conditions import conditions_of
from pytest_soak.targets.mock.desk import Desk
from pytest_soak.targets.mock.disturbance import disturbance_of
from pytest_soak.targets.mock.fired import fired
from pytest_soak.targets.mock.grid import DT
from pytest_soak.targets.mock.market import MarketState, first_state, next_market
from pytest_soak.targets.mock.trading import Walk, trade, walk_plainly
from pytest_soak.targets.quoting import params_of

_FAST = "PYTEST_SOAK_FAST"
_WORTH_COMPILING_S = 86_400.0
"""Simulated seconds of a lane from which on compiling saves more time than it takes."""


class MockTarget:
    """A quoting bot in a simulated market; ``docs/mock.md`` says what is in it.

    Random numbers come from ``SeedSequence([seed, iteration, stream])``, so the market of an
    iteration is the same whatever the parameters, and a restored snapshot goes on exactly.
    """

    def __init__(self, lane: Lane) -> None:
        self._lane = lane
        self._market = first_state(lane.seed)
        self._desk = Desk()
        self._walk = _walk_of(lane)
        self._schedule: tuple[Scenario, ...] = ()
        self._last_seen: float | None = None

    def scenarios(self, schedule: Sequence[Scenario], /) -> None:
        """Make these happen. Raises ValueError for one that this market cannot make."""
        scenario.check(schedule)
        self._schedule = tuple(schedule)

    def run(self, iteration: int, runtime: Runtime, /) -> dict[str, Any]:
        """Trade for one interval and report it.

        Raises ValueError, naming the path, if ``runtime`` lacks one of the bot's parameters.
        """
        params = params_of(runtime)
        seed, interval_s = self._lane.seed, self._lane.interval_s
        windows = scenario.windows_of(self._schedule, seed, iteration, interval_s)
        disturbance = disturbance_of(windows, interval_s)
        market, after = next_market(self._market, seed, iteration, interval_s, disturbance)
        conditions = conditions_of(windows, market, seed, iteration, self._last_seen)
        pending, open_before = tuple(self._desk.lands), self._desk.open_quotes
        tape = trade(market, params, self._desk, self._walk, conditions)
        report = edge_report(market, params, self._desk, tape, open_before)
        happened = fired(windows, market, disturbance, conditions, tape, pending)
        if happened:
            report["scenarios"] = happened
        if self._schedule:
            self._last_seen = float(conditions.mid[-1])
        self._desk.shift(market.ticks * DT)
        self._market = after
        return report

    def snapshot(self) -> dict[str, Any]:
        """Market and desk as JSON values, under 4 kB."""
        seen = {} if self._last_seen is None else {"last_seen": self._last_seen}
        return {"market": self._market.to_json(), "desk": self._desk.to_json(), **seen}

    def restore(self, state: Mapping[str, Any], /) -> None:
        """Go on as after the iteration whose :meth:`snapshot` this is."""
        self._market = MarketState.from_json(state["market"])
        self._desk = Desk.from_json(state["desk"])
        self._last_seen = state.get("last_seen")


def _walk_of(lane: Lane) -> Walk:
    """The event loop of this lane; which one it is changes the time it takes and nothing else.

    Raises ValueError for a ``PYTEST_SOAK_FAST`` that is neither 0 nor 1, and for 1 without numba.
    """
    wanted = os.environ.get(_FAST, "")
    if wanted not in ("", "0", "1"):
        raise ValueError(f"{_FAST} is {wanted!r}: it must be 0 (never), 1 (always) or unset")
    if wanted == "0":
        return walk_plainly
    if wanted == "" and (
        lane.iterations * lane.interval_s < _WORTH_COMPILING_S
        or importlib.util.find_spec("numba") is None
    ):
        return walk_plainly
    try:
        from pytest_soak.targets.mock.compiled import compiled_walk
    except ImportError as error:
        if wanted == "":  # installed, but not for this Python or numpy
            return walk_plainly
        raise ValueError(
            f"{_FAST}=1 needs numba (pip install 'pytest-soak[fast]'): {error}"
        ) from error
    return compiled_walk()
