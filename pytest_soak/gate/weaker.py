"""In which ways the gate of a profile is weaker than the shipped one."""

from __future__ import annotations

import math
from collections.abc import Iterator

from pytest_soak.profile.model import Criterion, GateLimits


def weakened(limits: GateLimits, planned: int | None = None) -> tuple[str, ...]:
    """The limits of a profile that are weaker than the shipped ones, for the verdict line.

    ``planned``: the iterations of the run, of which a warm-up may leave too few.
    """
    delta, window = limits.delta, limits.window
    needed, ready = delta.needed, limits.freeze_ready_pass_count
    rules = (
        (window < 8, f"window {window} below 8"),
        (limits.confidence < 0.95, f"confidence {limits.confidence:g} below 0.95"),
        (limits.pass_from < 24, f"pass_from {limits.pass_from} below 24"),
        (limits.no_data_ratio > 0.25, f"no_data_ratio {limits.no_data_ratio:g} above 0.25"),
        (
            limits.pass_count_slack > window / 4,
            f"pass_count_slack {limits.pass_count_slack} above a quarter of {window}",
        ),
        (
            ready is not None and ready < math.floor(window * 0.75),
            f"freeze_ready_pass_count {ready} below three quarters of {window}",
        ),
        (delta.full < 0.95, f"delta.full {delta.full:g} below 0.95"),
        (delta.relaxed < 0.90, f"delta.relaxed {delta.relaxed:g} below 0.9"),
        (delta.stuck_max > 1, f"delta.stuck_max {delta.stuck_max} above 1"),
        *(
            [(needed.warn_below < 0.8, f"delta.needed.warn_below {needed.warn_below:g} below 0.8")]
            if needed is not None
            else []
        ),
        *((item.kpi not in limits.drift, f"no drift of {item.kpi}") for item in limits.criteria),
        *(
            (drift.alpha < 0.05, f"drift of {kpi} at alpha {drift.alpha:g} below 0.05")
            for kpi, drift in limits.drift.items()
        ),
        *(rule for item in limits.criteria for rule in _of_criterion(item, window)),
        (
            planned is not None and 2 * limits.warmup_iterations > planned,
            f"warmup_iterations {limits.warmup_iterations} above half of {planned}",
        ),
    )
    return tuple(text for weaker, text in rules if weaker)


def _of_criterion(criterion: Criterion, window: int) -> Iterator[tuple[bool, str]]:
    """The ways in which a criterion may be weaker than one on the mean of a KPI."""
    kpi, length = criterion.kpi, criterion.window
    yield criterion.optional, f"{kpi} is optional"
    yield not criterion.fails, f"{kpi} can WARN only"
    yield length is not None and length < min(window, 8), f"window of {kpi} {length} below 8"
    if criterion.share is not None:
        yield criterion.share < 0.5, f"share of {kpi} {criterion.share:g} below 0.5"
    elif criterion.statistic in ("max", "min"):
        yield True, f"{criterion.name} has no bound"
    relative = criterion.relative
    if relative is not None and relative.ratio is not None:
        yield relative.ratio > 0.5, f"relative:{kpi} {relative.ratio:g} above 0.5"
