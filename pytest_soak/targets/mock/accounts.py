"""What an iteration earned and cost: from the tape to an EDGE_REPORT."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_soak.targets.mock.desk import CROSS, HEDGE, MAKER, VOLUME_RATE, Desk, Tape
from pytest_soak.targets.mock.grid import DT
from pytest_soak.targets.mock.market import REGIMES, Market
from pytest_soak.targets.quoting import ADMITTED, BLOCK_REASONS, MIN_INTERVAL, Params

Floats = NDArray[np.float64]

MARKOUT_S = 1.0
"""Horizon of net, gross and adverse: a fill is worth what the mid says this much later."""
_MORE_MARKOUTS_S = (0.1, 1.0, 5.0, 10.0)
_MAKER_REBATE_BPS, _TIER_BPS, _TIER_LOTS_PER_HOUR = 1.3, 0.3, 12_000.0
_TAKER_FEE_BPS = 2.4
_TIER_MEMORY_S = 3600.0
_FREE_REQUESTS_PER_MIN, _EXCESS_LOT_BPS = 450.0, 1.8


def edge_report(
    market: Market, params: Params, desk: Desk, tape: Tape, open_before: int
) -> dict[str, Any]:
    """The EDGE_REPORT of one iteration: plain Python numbers, None where there is no data.

    ``open_before`` quotes were at rest or on their way when the iteration began.
    """
    seconds = market.ticks * DT
    side, price = np.asarray(tape.side), np.asarray(tape.price)
    size, kind, mid = np.asarray(tape.size), np.asarray(tape.kind), np.asarray(tape.mid)
    makes = kind == MAKER
    volume = float(size.sum())
    maker_volume = float(size[makes].sum())
    rebate = _rebate_bps(desk, maker_volume, seconds)
    gross = side * (_mid_after(tape, MARKOUT_S) - price)
    fees = _fees(tape, size, makes, rebate, seconds)
    gross_bps = _over(float((gross * size).sum()), volume)
    fees_bps = _over(fees, volume)
    adverse = side * (mid - _mid_after(tape, MARKOUT_S))
    return {
        "totals": {
            "net_bps": None if gross_bps is None or fees_bps is None else gross_bps - fees_bps,
            "gross_bps": gross_bps,
            "fees_bps": fees_bps,
            "adverse_bps_p95": _p95(adverse[makes]),
            "slippage_bps_p95": _p95((side * (price - mid))[~makes]),
            "inventory_bps": _over(1e4 * float(np.sum(tape.held)) / market.ticks, volume),
            "p95_latency_ms": _p95(np.asarray(tape.latency) * 1000.0),
            "hit_ratio": _hit_ratio(tape, open_before),
        },
        "fills": {
            "maker_count": int(np.count_nonzero(makes)),
            "taker_count": int(np.count_nonzero(~makes)),
            "maker_volume": maker_volume,
            "taker_volume": float(size[~makes].sum()),
        },
        "block_reasons": dict(zip(BLOCK_REASONS, tape.blocks[1:], strict=True)),
        "audit": _audit(tape),
        "effective_params": params.as_dict(),
        "summary": {
            "requests": tape.blocks[ADMITTED],
            "crossing_count": int(np.count_nonzero(kind == CROSS)),
            "hedge_count": int(np.count_nonzero(kind == HEDGE)),
            "hedge_volume": float(size[kind == HEDGE].sum()),
            "maker_rebate_bps": rebate,
            "maker_markout_bps": {
                f"{after:g}s": _over(
                    float((side * (_mid_after(tape, after) - price) * size)[makes].sum()),
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


def _hit_ratio(tape: Tape, open_before: int) -> float | None:
    """Quotes that traded, wholly or in part, over quotes that could: never above 1.

    Those that could are the ones open when the iteration began and the ones sent in it. A quote
    may have many fills, and one that was sent before may fill now.
    """
    traded = {
        (slot, placed)
        for slot, placed, kind in zip(
            np.asarray(tape.slot).tolist(),
            np.asarray(tape.placed).tolist(),
            np.asarray(tape.kind).tolist(),
            strict=True,
        )
        if kind != HEDGE
    }
    return _over(float(len(traded)), float(open_before + tape.blocks[ADMITTED]))


def _audit(tape: Tape) -> list[dict[str, Any]]:
    # Thousands of rows an iteration: plain dicts, one for each refusal, in the order of time.
    return [
        {"ts": now, "event": "BLOCK", "reason": BLOCK_REASONS[code - 1]}
        for now, code in zip(
            np.asarray(tape.refused).tolist(), np.asarray(tape.reason).tolist(), strict=True
        )
    ]


def _mid_after(tape: Tape, seconds: float) -> Floats:
    # The last fills are measured at the end of the iteration: what comes after is not known.
    mids = np.asarray(tape.mids)
    tick = np.asarray(tape.time) / DT + seconds / DT
    after: Floats = mids[np.minimum(tick.astype(np.int64), len(mids) - 1)]
    return after


def _rebate_bps(desk: Desk, maker_volume: float, seconds: float) -> float:
    # The fee tier follows the maker volume of about the last hour.
    rate = maker_volume / seconds * 3600.0
    known = desk.values[VOLUME_RATE]
    weight = 1.0 if known < 0.0 else min(1.0, seconds / _TIER_MEMORY_S)
    desk.values[VOLUME_RATE] = rate = weight * rate + (1.0 - weight) * known
    step = min(1.0, max(-1.0, rate / _TIER_LOTS_PER_HOUR - 1.0))
    return _MAKER_REBATE_BPS + _TIER_BPS * step


def _fees(
    tape: Tape, size: Floats, makes: NDArray[np.bool_], rebate: float, seconds: float
) -> float:
    """Lot · bps paid: taker fees less rebates, and the venue's charge for excessive messages.

    A venue charges for requests beyond an allowance, refused ones too, as exchanges do under
    names like excessive system usage or order-to-trade ratio.
    """
    trading = float(np.where(makes, -rebate, _TAKER_FEE_BPS) @ size)
    sent = tape.blocks[ADMITTED] + tape.blocks[MIN_INTERVAL]
    excess = max(0.0, sent - _FREE_REQUESTS_PER_MIN * seconds / 60.0)
    return trading + _EXCESS_LOT_BPS * excess


def _over(numerator: float, denominator: float) -> float | None:
    return numerator / denominator if denominator > 0.0 else None


def _p95(values: Floats) -> float | None:
    return float(np.percentile(values, 95.0)) if len(values) else None
