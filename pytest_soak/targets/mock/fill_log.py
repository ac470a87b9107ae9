"""The record of one iteration: fills, requests, refusals, mid-prices and inventory.

The event loop appends to it; ``accounts.py`` and ``fired.py`` read it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

MAKER, CROSS, HEDGE = range(3)
"""Kinds of fills: a resting quote was hit, a quote crossed on arrival, an exit order took."""


@dataclass(slots=True)
class FillLog:
    """One list per column. The first eight have a row for each fill."""

    time: list[float] = field(default_factory=list)
    side: list[float] = field(default_factory=list)
    price: list[float] = field(default_factory=list)
    size: list[float] = field(default_factory=list)
    kind: list[int] = field(default_factory=list)
    mid: list[float] = field(default_factory=list)
    """The mid-price at the time of the fill."""
    slot: list[int] = field(default_factory=list)
    """The slot of the order that was filled."""
    placed: list[float] = field(default_factory=list)
    """Since when that order rested; the time of the fill if it took liquidity. Together with the
    slot it identifies the order."""
    latency: list[float] = field(default_factory=list)
    """Seconds, one for each request."""
    blocks: list[int] = field(default_factory=lambda: [0] * 5)
    """Counts by code of :func:`pytest_soak.targets.quoting.admit`; the first is the admitted."""
    mids: list[float] = field(default_factory=list)
    """The mid-price with the bot's own impact, one for each tick."""
    inventory: list[float] = field(default_factory=list)
    """The absolute inventory, one for each tick."""
    sent: list[float] = field(default_factory=list)
    """When the requests went out, one for each latency."""
    refused: list[float] = field(default_factory=list)
    """When requests were refused, for any reason."""
    reason: list[int] = field(default_factory=list)
    """The code of each of these refusals."""
