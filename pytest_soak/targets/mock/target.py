"""The mock market as a target: the market and the order state of one lane."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping, Sequence
from typing import Any

from pytest_soak.protocol import Lane, Runtime, Scenario
from pytest_soak.targets.mock import scenario
from pytest_soak.targets.mock.accounts import edge_report
from pytest_soak.targets.mock.conditions import conditions_of
from pytest_soak.targets.mock.disturbance import disturbance_of
from pytest_soak.targets.mock.fired import fired
from pytest_soak.targets.mock.grid import DT
from pytest_soak.targets.mock.market import MarketState, first_state, next_market
from pytest_soak.targets.mock.order_state import OrderState
from pytest_soak.targets.mock.trading import EventLoop, run_plainly, trade
from pytest_soak.targets.quoting import params_of

_FAST = "PYTEST_SOAK_FAST"
_WORTH_COMPILING_S = 86_400.0
"""Simulated seconds of a lane from which compiling saves more time than it takes."""


class MockTarget:
    """A quoting bot in a simulated market, described in ``docs/mock.md``.

    Random numbers come from ``SeedSequence([seed, iteration, stream])``. So the market of an
    iteration is the same for all parameters, and a restored snapshot continues exactly.
    """

    def __init__(self, lane: Lane) -> None:
        self._lane = lane
        self._market = first_state(lane.seed)
        self._orders = OrderState()
        self._event_loop = _event_loop_of(lane)
        self._schedule: tuple[Scenario, ...] = ()
        self._last_seen: float | None = None

    def scenarios(self, schedule: Sequence[Scenario], /) -> None:
        """Schedule these scenarios. Raises ValueError for one that this market does not have."""
        scenario.check(schedule)
        self._schedule = tuple(schedule)

    def run(self, iteration: int, runtime: Runtime, /) -> dict[str, Any]:
        """Trade for one interval and report it.

        Raises ValueError, naming the path, if ``runtime`` lacks one of the bot's parameters.
        """
        params = params_of(runtime)
        seed, interval_s = self._lane.seed, self._lane.interval_s
        spans = scenario.spans_of(self._schedule, seed, iteration, interval_s)
        disturbance = disturbance_of(spans, interval_s)
        market, after = next_market(self._market, seed, iteration, interval_s, disturbance)
        conditions = conditions_of(spans, market, seed, iteration, self._last_seen)
        pending, open_before = tuple(self._orders.lands), self._orders.open_quotes
        log = trade(market, params, self._orders, self._event_loop, conditions)
        report = edge_report(market, params, self._orders, log, open_before)
        occurred = fired(spans, market, disturbance, conditions, log, pending)
        if occurred:
            report["scenarios"] = occurred
        if self._schedule:
            self._last_seen = float(conditions.mid[-1])
        self._orders.shift(market.ticks * DT)
        self._market = after
        return report

    def snapshot(self) -> dict[str, Any]:
        """The state of market and orders as JSON values, less than 4 kB."""
        seen = {} if self._last_seen is None else {"last_seen": self._last_seen}
        return {"market": self._market.to_json(), "order_state": self._orders.to_json(), **seen}

    def restore(self, state: Mapping[str, Any], /) -> None:
        """Continue after the iteration in which :meth:`snapshot` returned ``state``."""
        self._market = MarketState.from_json(state["market"])
        self._orders = OrderState.from_json(state["order_state"])
        self._last_seen = state.get("last_seen")


def _event_loop_of(lane: Lane) -> EventLoop:
    """The event loop of this lane, plain or compiled. Both give the same reports.

    Raises ValueError for a ``PYTEST_SOAK_FAST`` that is neither 0 nor 1, and for 1 without numba.
    """
    mode = os.environ.get(_FAST, "")
    if mode not in ("", "0", "1"):
        raise ValueError(f"{_FAST} is {mode!r}: it must be 0 (never), 1 (always) or unset")
    if mode == "0":
        return run_plainly
    if mode == "" and (
        lane.iterations * lane.interval_s < _WORTH_COMPILING_S
        or importlib.util.find_spec("numba") is None
    ):
        return run_plainly
    try:
        from pytest_soak.targets.mock.compiled import compiled_event_loop
    except ImportError as error:
        if mode == "":  # it is installed, but does not work with this Python or numpy
            return run_plainly
        raise ValueError(
            f"{_FAST}=1 needs numba (pip install 'pytest-soak[fast]'): {error}"
        ) from error
    return compiled_event_loop()
