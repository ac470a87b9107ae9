"""The replay as a target: one lane trades through a recording, one interval per iteration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pytest_soak.protocol import EndOfData, Lane, Runtime
from pytest_soak.targets.quoting import params_of
from pytest_soak.targets.replay.bot import QuotingBot
from pytest_soak.targets.replay.engine import Engine, EngineError, engine_package
from pytest_soak.targets.replay.event_file import RecordingError
from pytest_soak.targets.replay.events import SECOND_NS
from pytest_soak.targets.replay.market import recorded_mids
from pytest_soak.targets.replay.plausibility import figure
from pytest_soak.targets.replay.recording import load_recording
from pytest_soak.targets.replay.report import ReplaySettings, edge_report

WARM_UP_NS = 2 * SECOND_NS
"""Recorded time in which the bot only watches, so that its estimates exist at iteration 1."""


class ReplayTarget:
    """A quoting bot that trades against recorded market data, on hftbacktest.

    Inventory, resting orders, tokens and the position in the recording stay from one iteration to
    the next. The engine's state cannot be saved, so a lane is resumed by ``fast_forward``.

    The constructor raises ValueError, one line, if the extra is missing or the data cannot be used.
    """

    def __init__(self, lane: Lane, settings: ReplaySettings | None = None) -> None:
        self._settings = settings or ReplaySettings()
        self._recording = load_recording(
            lane.data,
            self._settings.tick_size,
            self._settings.lot_size,
            self._settings.largest_gib,
        )
        self._version = str(engine_package().__version__)
        self._interval_ns = round(lane.interval_s * SECOND_NS)
        self._done = 0
        self._running: tuple[Engine, QuotingBot] | None = None
        # Checked before the engine reads it, which a very short recording would end at once.
        self._check_length(self._recording.start_ns + WARM_UP_NS)
        try:
            self._mids = recorded_mids(self._recording)
        except EngineError as error:
            raise RecordingError(
                f"{error}; the engine cannot read {self._recording.plausibility.name}"
            ) from error
        self._first_ns = self._mids.start_ns + WARM_UP_NS
        self._check_length(self._first_ns)

    def describe(self) -> tuple[str, ...]:
        """The figures of the recording in one line, and a line for each doubt about it."""
        plausibility = self._recording.plausibility
        doubts = (f"recorded data in doubt: {doubt}" for doubt in plausibility.doubts)
        return (plausibility.line, *doubts)

    def start(self, runtime: Runtime) -> None:
        """Opens the engine and lets the bot watch the market for a moment."""
        self._bot()

    def stop(self) -> None:
        """Frees the engine. A later run begins at the beginning of the recording."""
        if self._running:
            self._running[0].close()
        self._running = None
        self._done = 0

    def fast_forward(self, history: Sequence[Runtime]) -> None:
        """Repeats the completed iterations, so that the next one starts from their final state."""
        for iteration, runtime in enumerate(history, start=self._done + 1):
            self.run(iteration, runtime)

    def run(self, iteration: int, runtime: Runtime) -> dict[str, Any]:
        """Trades one interval with ``runtime`` and reports it.

        Raises EndOfData when less than an interval is left, ValueError for an iteration out of
        turn or a runtime without the bot's parameters, EngineError when the engine fails.
        """
        if iteration != self._done + 1:
            raise ValueError(
                f"replay: iteration {iteration} cannot run after {self._done}: a recording plays "
                "in order; fast_forward(history) brings a new target to where a run stopped"
            )
        if self._left_ns < self._interval_ns:
            raise EndOfData(
                f"replay: {self._left_ns / SECOND_NS:.1f} s of {self._recording.name} are left "
                f"after iteration {self._done}, an interval needs "
                f"{self._interval_ns / SECOND_NS:g} s"
            )
        params = params_of(runtime)
        engine, bot = self._bot()
        begin_ns = self._first_ns + self._done * self._interval_ns
        tally = bot.trade_until(begin_ns + self._interval_ns, params)
        lots = round(engine.position / self._recording.lot_size)
        if lots != bot.inventory_lots:
            raise EngineError(
                f"replay: the engine's position is {lots} lots, the bot counts "
                f"{bot.inventory_lots}: a fill was missed"
            )
        self._done = iteration
        report = edge_report(
            tally,
            bot,
            params,
            self._mids,
            self._settings,
            self._recording.tick_size,
            self._recording.lot_size,
        )
        return report | {"replay": self._diagnostics(bot, begin_ns)}

    def _check_length(self, first_ns: int) -> None:
        """That the recording holds one interval at least, traded from ``first_ns`` on."""
        left_ns = max(0, self._recording.end_ns - first_ns)
        if left_ns < self._interval_ns:
            plausibility = self._recording.plausibility
            raise RecordingError(
                f"replay: {plausibility.name} spans {figure(plausibility.span_s)} s, of which "
                f"{left_ns / SECOND_NS:.1f} s can be traded once the book is whole and the bot "
                f"has watched it for {WARM_UP_NS // SECOND_NS} s: less than one interval of "
                f"{self._interval_ns / SECOND_NS:g} s. Give a longer recording or a smaller "
                "--soak-interval; times must be ns"
            )

    @property
    def _left_ns(self) -> int:
        return self._recording.end_ns - self._first_ns - self._done * self._interval_ns

    def _bot(self) -> tuple[Engine, QuotingBot]:
        if self._running is None:
            engine = Engine(self._recording)
            bot = QuotingBot(engine, self._recording.lot_size)
            engine.advance_to(self._mids.start_ns)
            bot.watch_until(self._first_ns)
            self._running = engine, bot
        return self._running

    def _diagnostics(self, bot: QuotingBot, begin_ns: int) -> dict[str, Any]:
        """Further fields of the report; times in seconds since the book was whole."""
        recording, settings, tally = self._recording, self._settings, bot.tally
        end_ns = begin_ns + self._interval_ns
        mid_before, mid_after = self._mids.at(begin_ns), self._mids.at(end_ns)
        return {
            "data": recording.name,
            "recording": list(self.describe()),
            "engine": f"hftbacktest {self._version}",
            "from_s": (begin_ns - self._mids.start_ns) / SECOND_NS,
            "to_s": (end_ns - self._mids.start_ns) / SECOND_NS,
            "tick_size": recording.tick_size,
            "tick_size_source": "given" if settings.tick_size else "recorded prices",
            "lot_size": recording.lot_size,
            "lot_size_source": "given" if settings.lot_size else "recorded quantities",
            "contract": settings.contract or "linear",
            "contract_source": "given" if settings.contract else "assumed",
            "contract_size": settings.contract_size,
            "maker_fee_bps": settings.maker_fee_bps,
            "taker_fee_bps": settings.taker_fee_bps,
            "markout_s": settings.markout_s,
            "market_move_bps": round((mid_after / mid_before - 1.0) * 1e4, 6),
            "sigma_bps": round(bot.sigma_bps, 6),
            "inventory_lots": bot.inventory_lots,
            "inventory_cap_lots": round(bot.inventory_cap_lots, 6),
            "open_quotes_before": tally.open_before,
            "quotes": tally.quotes,
            "requests": bot.gateway.requests,
            "open_orders": bot.open_orders,
            "hedges": tally.hedges,
            "hedges_filled": tally.hedges_filled,
            "hedges_expired": tally.hedges_expired,
        }
