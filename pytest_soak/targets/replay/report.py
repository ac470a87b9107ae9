"""The EDGE_REPORT of an iteration. A figure without data is None, never 0."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pytest_soak.targets.quoting import Params
from pytest_soak.targets.replay.bot import Fill, QuotingBot, Tally
from pytest_soak.targets.replay.event_file import LARGEST_GIB
from pytest_soak.targets.replay.market import RecordedMids

_DIGITS = 9


@dataclass(frozen=True, slots=True)
class ReplaySettings:
    """Settings that recorded data do not contain. Your own factory can pass other values."""

    maker_fee_bps: float = -0.5
    """Per notional; negative is a rebate, as a liquidity provider has it."""
    taker_fee_bps: float = 2.0
    markout_s: float = 5.0
    """A fill is valued at the recorded mid this much later."""
    tick_size: float | None = None
    """None: the smallest distance between recorded prices."""
    lot_size: float | None = None
    """None: the smallest recorded quantity, or distance between two."""
    contract: Literal["linear", "inverse"] | None = None
    """Notional is quantity × price (linear) or quantity alone (inverse, coin-margined). It weights
    fills and scales volumes; no figure in bps of a single fill depends on it. An event array does
    not contain the kind; None: linear, reported as assumed."""
    contract_size: float = 1.0
    largest_gib: float = LARGEST_GIB
    """Memory that the events may use. Reading needs twice as much."""

    def __post_init__(self) -> None:
        for name in ("maker_fee_bps", "taker_fee_bps"):
            if not math.isfinite(getattr(self, name)):
                raise ValueError(f"replay: {name} is {getattr(self, name)!r}, must be finite")
        for name in ("markout_s", "tick_size", "lot_size", "contract_size", "largest_gib"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value > 0):
                raise ValueError(f"replay: {name} is {value!r}, must be a number above 0")
        if self.contract not in ("linear", "inverse", None):
            raise ValueError(
                f"replay: contract is {self.contract!r}, must be 'linear' or 'inverse'"
            )


@dataclass(frozen=True, slots=True)
class MeasuredFill:
    """A fill and its outcome in bps of the fill price; positive is a gain, for costs a loss."""

    notional: float
    maker: bool
    gross_bps: float
    fee_bps: float
    adverse_bps: float
    """Move of the mid against us from the fill to the markout."""
    slippage_bps: float
    """How much worse the price was than the mid: the mid when a hedge was sent, or the mid at the
    execution of a quote that took."""


def edge_report(
    tally: Tally,
    bot: QuotingBot,
    params: Params,
    mids: RecordedMids,
    settings: ReplaySettings,
    tick_size: float,
    lot_size: float,
) -> dict[str, Any]:
    """The report of one iteration: ``totals``, ``fills``, ``block_reasons``, ``effective_params``.

    ``gross_bps`` is the mean of the markouts, ``side·(mid later − price)/price``, weighted by
    notional; ``fees_bps`` that of the fees (negative: a rebate); ``net_bps`` their difference.
    ``hit_ratio`` is quotes that filled over quotes that could: those open when the iteration began
    and those sent in it. ``inventory_bps`` is the mean of |inventory| over its limit, 10,000 being
    at the limit.
    """
    measured = [measured_fill(fill, mids, settings, tick_size, lot_size) for fill in tally.fills]
    maker = [fill for fill in measured if fill.maker]
    taker = [fill for fill in measured if not fill.maker]
    gross, fees = _mean(measured, "gross_bps"), _mean(measured, "fee_bps")
    quote_fills = len(measured) - tally.hedges_filled
    could_fill = tally.open_before + tally.quotes
    return {
        "totals": {
            "net_bps": None if gross is None or fees is None else _rounded(gross - fees),
            "gross_bps": _rounded(gross),
            "fees_bps": _rounded(fees),
            "adverse_bps_p95": _p95([fill.adverse_bps for fill in maker]),
            "slippage_bps_p95": _p95([fill.slippage_bps for fill in taker]),
            "inventory_bps": _inventory_bps(tally.inventory_ratios),
            "p95_latency_ms": _p95(bot.gateway.latencies_ms),
            "hit_ratio": _rounded(quote_fills / could_fill) if could_fill else None,
        },
        "fills": {
            "maker_count": len(maker),
            "taker_count": len(taker),
            "maker_volume": _rounded(math.fsum(fill.notional for fill in maker)),
            "taker_volume": _rounded(math.fsum(fill.notional for fill in taker)),
        },
        "block_reasons": dict(bot.gateway.blocks),
        "effective_params": params.as_dict(),
    }


def measured_fill(
    fill: Fill, mids: RecordedMids, settings: ReplaySettings, tick_size: float, lot_size: float
) -> MeasuredFill:
    quantity = fill.lots * lot_size * settings.contract_size
    notional = quantity if settings.contract == "inverse" else quantity * fill.tick * tick_size
    later = mids.at(fill.time_ns + round(settings.markout_s * 1e9))
    return MeasuredFill(
        notional=notional,
        maker=fill.maker,
        gross_bps=fill.side * (later / fill.tick - 1.0) * 1e4,
        fee_bps=settings.maker_fee_bps if fill.maker else settings.taker_fee_bps,
        adverse_bps=fill.side * (1.0 - later / fill.mid_tick) * 1e4,
        slippage_bps=fill.side * (fill.tick / (fill.hedged_from or fill.mid_tick) - 1.0) * 1e4,
    )


def _mean(fills: Sequence[MeasuredFill], field: str) -> float | None:
    """Mean weighted by notional."""
    if not fills:
        return None
    weighted = math.fsum(fill.notional * getattr(fill, field) for fill in fills)
    return weighted / math.fsum(fill.notional for fill in fills)


def _inventory_bps(ratios: Sequence[float]) -> float | None:
    return _rounded(math.fsum(map(abs, ratios)) / len(ratios) * 1e4) if ratios else None


def _p95(values: Sequence[float]) -> float | None:
    """The 95th percentile, linear between order statistics (type 7, numpy's default)."""
    if not values:
        return None
    ordered = sorted(values)
    place = 0.95 * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return _rounded(ordered[below] + (place - below) * (ordered[above] - ordered[below]))


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, _DIGITS)
