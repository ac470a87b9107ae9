"""The figures of the bot's report: what its fills earned and cost since the last parameters."""

from __future__ import annotations

from collections import Counter
from typing import Any

MARKOUT_S = 1.0
"""A fill is valued at the mid so much later."""
INVENTORY_S = 300.0
"""The mean position is compared with the volume that trades in so many seconds."""
REASONS = ("risk", "min_interval", "concurrency", "throttle")
Fill = dict[str, Any]


class Figures:
    """One measured span. It begins anew when other parameters are applied."""

    def __init__(self, started_unix: float, open_orders: int) -> None:
        self.from_unix = self.to_unix = started_unix
        self.could_trade = open_orders
        self.traded: set[tuple[str, int]] = set()
        self.blocks: Counter[str] = Counter()
        self.latencies: list[float] = []
        self.waiting: list[Fill] = []
        """Fills whose mid a second later is not known yet."""
        self.fills: list[Fill] = []
        self.position_s = 0.0
        """Lots times seconds."""

    def ordered(self) -> None:
        self.could_trade += 1

    def blocked(self, reason: str) -> None:
        self.blocks[reason] += 1

    def acked(self, latency_ms: float) -> None:
        self.latencies.append(latency_ms)

    def filled(self, fill: Fill) -> None:
        self.waiting.append(fill)
        if fill["id"] != "exit":
            self.traded.add((fill["id"], fill["revision"]))

    def passed(self, ticks: list[list[float]], position: float, now_unix: float) -> None:
        """A turn of the market has passed."""
        self.to_unix = now_unix
        self.position_s += abs(position) * len(ticks) * (ticks[1][0] - ticks[0][0])
        waiting: list[Fill] = []
        for fill in self.waiting:
            later = (tick[1] for tick in ticks if tick[0] >= fill["at"] + MARKOUT_S)
            mid = next(later, None)
            if mid is None:
                waiting.append(fill)
            else:
                self.fills.append({**fill, "mid_later": mid})
        self.waiting = waiting

    def report(self) -> dict[str, Any]:
        """None stands for what an empty span does not have."""
        makes = [fill for fill in self.fills if fill["liquidity"] == "maker"]
        takes = [fill for fill in self.fills if fill["liquidity"] == "taker"]
        maker_volume, taker_volume = _volume(makes), _volume(takes)
        volume = maker_volume + taker_volume
        earned = sum(_gain(fill, "price") * fill["size"] for fill in self.fills)
        fees = sum(fill["fee_bps"] * fill["size"] for fill in self.fills)
        return {
            "totals": {
                "net_bps": _over(earned - fees, volume),
                "gross_bps": _over(earned, volume),
                "fees_bps": _over(fees, volume),
                "adverse_bps_p95": p95([-_gain(fill, "mid") for fill in makes]),
                "slippage_bps_p95": p95(
                    [fill["side"] * (fill["price"] - fill["mid"]) for fill in takes]
                ),
                "inventory_bps": _over(1e4 * self.position_s, volume * INVENTORY_S),
                "p95_latency_ms": p95(self.latencies),
                "hit_ratio": _over(len(self.traded), self.could_trade),
            },
            "fills": {
                "maker_count": len(makes),
                "taker_count": len(takes),
                "maker_volume": maker_volume,
                "taker_volume": taker_volume,
            },
            "block_reasons": {reason: self.blocks[reason] for reason in REASONS},
            "from_unix": self.from_unix,
            "to_unix": self.to_unix,
        }


def p95(values: list[float]) -> float | None:
    """The value below which 95 % of the values are."""
    return sorted(values)[int(0.95 * len(values))] if values else None


def _gain(fill: Fill, field: str) -> float:
    """What the mid moved in favour of the fill, counted from ``field``."""
    return float(fill["side"] * (fill["mid_later"] - fill[field]))


def _volume(fills: list[Fill]) -> float:
    return float(sum(fill["size"] for fill in fills))


def _over(numerator: float, denominator: float) -> float | None:
    return numerator / denominator if denominator > 0 else None
