"""How the market-making bot quotes, as scalar functions shared by the mock market and the replay.

Prices are in bps of a fixed reference, so distances are bps; sizes are in the venue's lots; a
side is +1 (we buy: bid) or -1 (we sell: ask). Nothing here keeps state, allocates or draws a
random number: the event loops call these functions with floats.

Sources: Avellaneda and Stoikov, *High-frequency trading in a limit order book* (2008) for a
half spread that grows with volatility and a reservation price that leans against the inventory;
Guéant, Lehalle and Fernandez-Tapia, *Dealing with the inventory risk* (2013) for quotes bounded
in inventory; Almgren and Chriss (2000) for slicing an exit against its own impact.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from pytest_soak.canonical import number

ADMITTED, RISK, MIN_INTERVAL, CONCURRENCY, THROTTLE = range(5)
"""The results of :func:`admit`."""

BLOCK_REASONS = ("risk", "min_interval", "concurrency", "throttle")
"""Names of the codes ``RISK`` … ``THROTTLE``, in the order in which they are checked."""

_SECTION_OF = {
    "base_spread_bps": "risk",
    "impact_cap_ratio": "risk",
    "max_delta_ratio": "risk",
    "slippage_penalty_coef": "risk",
    "inventory_tilt_cap": "risk",
    "vip_tilt_cap": "risk",
    "replace_rate_per_min": "engine",
    "concurrency_limit": "engine",
    "tail_age_ms": "engine",
    "min_interval_ms": "engine",
}


@dataclass(frozen=True, slots=True)
class Params:
    """The ten parameters in force, in the units of their names."""

    base_spread_bps: float
    impact_cap_ratio: float
    max_delta_ratio: float
    slippage_penalty_coef: float
    inventory_tilt_cap: float
    vip_tilt_cap: float
    replace_rate_per_min: float
    concurrency_limit: float
    tail_age_ms: float
    min_interval_ms: float

    def as_dict(self) -> dict[str, float]:
        """Flat key to value, the form of ``effective_params`` in a report."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def params_of(runtime: Mapping[str, Mapping[str, Any]]) -> Params:
    """The bot's parameters out of the nested ``runtime``.

    Raises ValueError, naming the path, for one that is missing or no finite number.
    """
    values: dict[str, float] = {}
    for key, section in _SECTION_OF.items():
        value = runtime.get(section, {}).get(key)
        if value is None:
            raise ValueError(f"runtime has no {section}.{key}: the quoting bot needs a number")
        finite = number(value)
        if finite is None:
            raise ValueError(f"runtime {section}.{key} is {value!r}: it must be a finite number")
        values[key] = finite
    return Params(**values)


def half_spread_bps(base_spread_bps: float, volatility_coef: float, sigma_bps: float) -> float:
    """Distance of the innermost quote from the fair price, bps.

    ``base + c·σ``, σ being the bot's estimate in bps per √second: the linear form of
    Avellaneda–Stoikov's optimal spread, whose two terms are the market's depth (a constant) and
    the risk of holding.
    """
    return base_spread_bps + volatility_coef * sigma_bps


def skew_bps(inventory_ratio: float, inventory_tilt_cap: float, half_spread: float) -> float:
    """Shift of both quotes, bps; negative with a long inventory, so that it sells sooner.

    ``inventory_ratio`` is inventory over its limit. In Avellaneda–Stoikov the reservation price is
    linear in inventory; here the shift is at most ``inventory_tilt_cap`` half spreads (Guéant et
    al.).
    """
    ratio = 1.0 if inventory_ratio > 1.0 else -1.0 if inventory_ratio < -1.0 else inventory_ratio
    return -inventory_tilt_cap * ratio * half_spread


def level_offsets(half_spread: float, levels: int, step: float = 1.0) -> tuple[float, ...]:
    """Distances of the levels of one side from the fair price, bps, innermost first.

    Level ``i`` lies at ``half·(1 + step·i)``: the ladder widens with its innermost quote.
    """
    return tuple(half_spread * (1.0 + step * level) for level in range(levels))


def level_size(
    impact_cap_ratio: float, visible_size: float, level: int, growth: float = 0.0
) -> float:
    """Size of one quote: a ratio of the size visible there, larger further out.

    ``visible_size`` is the size that others show at the touch, in lots. Deeper levels of a book
    show more, by ``growth`` a level, so the same ratio of them is more.
    """
    return impact_cap_ratio * visible_size * (1.0 + growth * level)


def size_tilt(inventory_ratio: float, side: int, vip_tilt_cap: float, slippage: float) -> float:
    """Factor on a quote's size: more on the side that reduces the inventory, less on the other.

    The reducing side grows by ``vip_tilt_cap`` times the used ratio of the limit: volume for the
    fee tier without risk. The adding side shrinks by half of ``slippage_penalty_coef`` times that
    ratio: inventory that is not bought need not be sold with slippage. Both sides shrink by a
    seventh of the coefficient, because a quote that crosses takes its whole size from the book.
    """
    used = abs(inventory_ratio)
    used = 1.0 if used > 1.0 else used
    if inventory_ratio * side < 0.0:
        return (1.0 + vip_tilt_cap * used) / (1.0 + 0.14 * slippage)
    return 1.0 / (1.0 + (0.14 + 0.5 * used) * slippage)


def exit_size(excess: float, slippage_penalty_coef: float) -> float:
    """Size of one exit order for ``excess`` inventory, lots.

    With a square-root impact, a slice of ``1/(1 + coef)`` has less slippage per lot
    (Almgren–Chriss).
    """
    return excess / (1.0 + slippage_penalty_coef)


def needs_reprice(
    resting_price_distance_bps: float,
    half_spread: float,
    max_delta_ratio: float,
    age_ms: float,
    tail_age_ms: float,
) -> bool:
    """Whether a resting quote must be moved.

    ``resting_price_distance_bps``: distance from its current target price. ``half_spread``: the
    offset of that level. It moves when the distance exceeds ``max_delta_ratio`` of the whole
    spread (twice the offset), and a quote older than ``tail_age_ms`` at a quarter of that. The
    tolerance keeps the place in the queue; a price loses value with its age.
    """
    off = abs(resting_price_distance_bps)
    tolerance = 2.0 * half_spread * max_delta_ratio
    return off > tolerance or (age_ms > tail_age_ms and off > 0.25 * tolerance)


def refilled_tokens(tokens: float, rate_per_min: float, elapsed_s: float, burst: float) -> float:
    """Tokens in the bucket after ``elapsed_s`` more seconds; at most ``burst``."""
    filled = tokens + rate_per_min * elapsed_s / 60.0
    return burst if filled > burst else filled


def admit(
    risk_blocked: bool,  # noqa: FBT001 - numba compiles no keyword-only arguments
    since_last_s: float,
    venue_interval_s: float,
    in_flight: int,
    concurrency_limit: float,
    dither: float,
    tokens: float,
) -> int:
    """``ADMITTED``, or the first reason to refuse: risk, min_interval, concurrency, throttle.

    ``since_last_s``: since the last request that was sent; ``venue_interval_s``: the venue's own
    minimum at this moment. ``dither`` is uniform in [0, 1): with a limit of 2.25 requests in
    flight, a third one is admitted for a quarter of the dithers. ``tokens``: those in the bucket;
    a request needs one.
    """
    if risk_blocked:
        return RISK
    if since_last_s < venue_interval_s:
        return MIN_INTERVAL
    if in_flight + 1 > concurrency_limit + dither:
        return CONCURRENCY
    if tokens < 1.0:
        return THROTTLE
    return ADMITTED
