"""The EDGE_REPORT of an iteration: what its fills earned and cost."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_soak.targets.mock.fill_log import CROSS, HEDGE, MAKER, FillLog
from pytest_soak.targets.mock.grid import DT
from pytest_soak.targets.mock.market import REGIMES, Market
from pytest_soak.targets.mock.order_state import VOLUME_RATE, OrderState
from pytest_soak.targets.quoting import ADMITTED, BLOCK_REASONS, MIN_INTERVAL, Params

Floats = NDArray[np.float64]

MARKOUT_S = 1.0
"""Horizon of net, gross and adverse: a fill is valued at the mid-price this much later."""
_MORE_MARKOUTS_S = (0.1, 1.0, 5.0, 10.0)
_MAKER_REBATE_BPS, _TIER_BPS, _TIER_LOTS_PER_HOUR = 1.3, 0.3, 12_000.0
_TAKER_FEE_BPS = 2.4
_TIER_MEMORY_S = 3600.0
_FREE_REQUESTS_PER_MIN, _EXCESS_LOT_BPS = 450.0, 1.8


def edge_report(
    market: Market, params: Params, orders: OrderState, log: FillLog, open_before: int
) -> dict[str, Any]:
    """The EDGE_REPORT of one iteration: plain Python numbers, None where there is no data.

    ``open_before`` quotes were at rest or on their way when the iteration began.
    """
    seconds = market.ticks * DT
    side, price = np.asarray(log.side), np.asarray(log.price)
    size, kind, mid = np.asarray(log.size), np.asarray(log.kind), np.asarray(log.mid)
    makes = kind == MAKER
    volume = float(size.sum())
    maker_volume = float(size[makes].sum())
    rebate = _rebate_bps(orders, maker_volume, seconds)
    gross = side * (_mid_after(log, MARKOUT_S) - price)
    fees = _fees(log, size, makes, rebate, seconds)
    gross_bps = _over(float((gross * size).sum()), volume)
    fees_bps = _over(fees, volume)
    adverse = side * (mid - _mid_after(log, MARKOUT_S))
    return {
        "totals": {
            "net_bps": None if gross_bps is None or fees_bps is None else gross_bps - fees_bps,
            "gross_bps": gross_bps,
            "fees_bps": fees_bps,
            "adverse_bps_p95": _p95(adverse[makes]),
            "slippage_bps_p95": _p95((side * (price - mid))[~makes]),
            "inventory_bps": _over(1e4 * float(np.sum(log.inventory)) / market.ticks, volume),
            "p95_latency_ms": _p95(np.asarray(log.latency) * 1000.0),
            "hit_ratio": _hit_ratio(log, open_before),
        },
        "fills": {
            "maker_count": int(np.count_nonzero(makes)),
            "taker_count": int(np.count_nonzero(~makes)),
            "maker_volume": maker_volume,
            "taker_volume": float(size[~makes].sum()),
        },
        "block_reasons": dict(zip(BLOCK_REASONS, log.blocks[1:], strict=True)),
        "audit": _audit(log),
        "effective_params": params.as_dict(),
        "summary": {
            "requests": log.blocks[ADMITTED],
            "crossing_count": int(np.count_nonzero(kind == CROSS)),
            "hedge_count": int(np.count_nonzero(kind == HEDGE)),
            "hedge_volume": float(size[kind == HEDGE].sum()),
            "maker_rebate_bps": rebate,
            "maker_markout_bps": {
                f"{after:g}s": _over(
                    float((side * (_mid_after(log, after) - price) * size)[makes].sum()),
                    maker_volume,
                )
                for after in _MORE_MARKOUTS_S
            },
        },
        "market": {
            "volatility": float(market.volatility.mean()),
            "regime": dict(zip(REGIMES, market.regime_share, strict=True)),
            "jumps": market.jumps,
            "flash_crashes": market.crashes,
            "gap_seconds": market.gap_s,
            "takers": len(market.taker_time),
        },
    }


def _hit_ratio(log: FillLog, open_before: int) -> float | None:
    """Quotes that traded, wholly or in part, divided by quotes that could trade.

    The latter are the quotes that were open when the iteration began and those sent in it. The
    ratio is at most 1: several fills of one quote count once.
    """
    traded = {
        (slot, placed)
        for slot, placed, kind in zip(
            np.asarray(log.slot).tolist(),
            np.asarray(log.placed).tolist(),
            np.asarray(log.kind).tolist(),
            strict=True,
        )
        if kind != HEDGE
    }
    return _over(float(len(traded)), float(open_before + log.blocks[ADMITTED]))


def _audit(log: FillLog) -> list[dict[str, Any]]:
    # Plain dicts, because there are thousands: one for each refusal, in the order of time.
    return [
        {"ts": now, "event": "BLOCK", "reason": BLOCK_REASONS[code - 1]}
        for now, code in zip(
            np.asarray(log.refused).tolist(), np.asarray(log.reason).tolist(), strict=True
        )
    ]


def _mid_after(log: FillLog, seconds: float) -> Floats:
    # The last fills are valued at the end of the iteration, because later prices do not exist yet.
    mids = np.asarray(log.mids)
    tick = np.asarray(log.time) / DT + seconds / DT
    after: Floats = mids[np.minimum(tick.astype(np.int64), len(mids) - 1)]
    return after


def _rebate_bps(orders: OrderState, maker_volume: float, seconds: float) -> float:
    # The fee tier follows the maker volume of about the last hour.
    rate = maker_volume / seconds * 3600.0
    before = orders.values[VOLUME_RATE]
    weight = 1.0 if before < 0.0 else min(1.0, seconds / _TIER_MEMORY_S)
    orders.values[VOLUME_RATE] = rate = weight * rate + (1.0 - weight) * before
    step = min(1.0, max(-1.0, rate / _TIER_LOTS_PER_HOUR - 1.0))
    return _MAKER_REBATE_BPS + _TIER_BPS * step


def _fees(
    log: FillLog, size: Floats, makes: NDArray[np.bool_], rebate: float, seconds: float
) -> float:
    """Fees in lots · bps: taker fees less maker rebates, plus a charge for excessive messages.

    The venue charges for requests beyond an allowance, including those it refuses, as exchanges do
    under names like "excessive system usage" or "order-to-trade ratio".
    """
    trading = float(np.where(makes, -rebate, _TAKER_FEE_BPS) @ size)
    sent = log.blocks[ADMITTED] + log.blocks[MIN_INTERVAL]
    excess = max(0.0, sent - _FREE_REQUESTS_PER_MIN * seconds / 60.0)
    return trading + _EXCESS_LOT_BPS * excess


def _over(numerator: float, denominator: float) -> float | None:
    return numerator / denominator if denominator > 0.0 else None


def _p95(values: Floats) -> float | None:
    return float(np.percentile(values, 95.0)) if len(values) else None
