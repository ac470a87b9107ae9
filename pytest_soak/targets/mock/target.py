"""The mock market as a target: one lane's market, desk and memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_soak.protocol import Lane, Runtime
from pytest_soak.targets.mock.accounts import edge_report
from pytest_soak.targets.mock.desk import Desk
from pytest_soak.targets.mock.market import DT, MarketState, first_state, next_market
from pytest_soak.targets.mock.trading import trade
from pytest_soak.targets.quoting import params_of


class MockTarget:
    """A quoting bot in a simulated market; ``docs/mock.md`` says what is in it.

    Random numbers come from ``SeedSequence([seed, iteration, stream])``, so the market of an
    iteration is the same whatever the parameters, and a restored snapshot goes on exactly.
    """

    def __init__(self, lane: Lane) -> None:
        self._lane = lane
        self._market = first_state(lane.seed)
        self._desk = Desk()

    def run(self, iteration: int, runtime: Runtime, /) -> dict[str, Any]:
        """Trade for one interval and report it.

        Raises ValueError, naming the path, if ``runtime`` lacks one of the bot's parameters.
        """
        params = params_of(runtime)
        market, after = next_market(self._market, self._lane.seed, iteration, self._lane.interval_s)
        tape = trade(market, params, self._desk)
        report = edge_report(market, params, self._desk, tape)
        self._desk.shift(market.ticks * DT)
        self._market = after
        return report

    def snapshot(self) -> dict[str, Any]:
        """Market and desk as JSON values, under 4 kB."""
        return {"market": self._market.to_json(), "desk": self._desk.to_json()}

    def restore(self, state: Mapping[str, Any], /) -> None:
        """Go on as after the iteration whose :meth:`snapshot` this is."""
        self._market = MarketState.from_json(state["market"])
        self._desk = Desk.from_json(state["desk"])
