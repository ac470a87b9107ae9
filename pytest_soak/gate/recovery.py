"""Scenarios in the gate: whether they fired, which iterations they exclude, and the recovery.

An iteration is *disturbed* if its report shows that a scenario fired. It is *recovered* if every
gated KPI has data and is inside its limit or inside its band. The band ends at the one-sided 99 %
prediction bound for one more iteration, from the last ``gate.window`` undisturbed iterations before
the scenario (four at least). It allows for the noise of one iteration, since a limit is meant for
the mean of eight.

The recovery is complete when two iterations in a row are recovered. The count begins with the last
iteration that the scenario reached into (0: no KPI ever left its limit) and skips iterations in
which another scenario ran.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pytest_soak.gate.criteria import CriterionResult
from pytest_soak.gate.figures import figure_by, series_of
from pytest_soak.gate.window import LaneWindow
from pytest_soak.loop.model import Iteration, Verdict
from pytest_soak.loop.scenarios import Fired, fired_of
from pytest_soak.profile.condition import Comparison
from pytest_soak.profile.scenarios import Scheduled
from pytest_soak.statistics import standard_deviation, student_t_quantile

STAYS = 2
"""This many iterations in a row must be recovered."""
_BAND_CONFIDENCE = 0.99
_FEWEST_FOR_BAND = 4


@dataclass(frozen=True, slots=True)
class Recovery:
    """The recovery from one scheduled scenario."""

    scheduled: Scheduled
    fired: tuple[Fired, ...]
    took: int | None
    """Iterations until the recovery was complete; None if it was not complete in this run."""
    looked: int
    """The number of undisturbed iterations after the scenario."""
    open: bool
    """The run ended too early to show whether it recovers within ``recovers_within``."""
    outside: tuple[str, ...]
    """One text for each KPI that is not recovered: in the first such iteration, or, if the recovery
    is not complete, in the last one."""
    hurt: tuple[int, ...]
    """The iterations of the scenario, and those after it until the recovery was complete (at most
    ``recovers_within``)."""


def recoveries(lane: LaneWindow, *, mock: bool) -> tuple[Recovery, ...]:
    """Every scheduled scenario of a lane, in the order of time."""
    return tuple(_recovery(lane, item, mock=mock) for item in lane.history.scenarios)


def excluded_by(occurrences: Sequence[Recovery]) -> dict[int, str]:
    """Iteration that the gate's windows leave out to the scenario that is the cause."""
    return {
        number: recovery.scheduled.name
        for recovery in occurrences
        if recovery.scheduled.gate == "exclude"
        for number in recovery.hurt
    }


def scenario_criteria(
    lane: LaneWindow, occurrences: Sequence[Recovery]
) -> tuple[CriterionResult, ...]:
    """``scenario:NAME`` for every scheduled scenario, ``recovers_within:NAME`` if required."""
    results = []
    for name in dict.fromkeys(recovery.scheduled.name for recovery in occurrences):
        same_name = [recovery for recovery in occurrences if recovery.scheduled.name == name]
        results.append(_fired_criterion(lane, name, same_name))
        if same_name[0].scheduled.recovers_within is not None:
            results.append(_recovery_criterion(lane, name, same_name))
    return tuple(results)


def _fired_criterion(
    lane: LaneWindow, name: str, occurrences: Sequence[Recovery]
) -> CriterionResult:
    missing = [recovery.scheduled.at for recovery in occurrences if not recovery.fired]
    fired = len(occurrences) - len(missing)
    where = "; ".join(
        f"iteration {firing.iteration}, {firing.started_s:.1f} to {firing.ended_s:.1f} s"
        for recovery in occurrences
        for firing in recovery.fired
    )
    text = f"scenario:{name}: fired {fired} of {len(occurrences)} times"
    text += f": {where}" if where else ""
    if missing:
        numbers = ", ".join(map(str, missing))
        text += f"; no report shows that it fired in iteration {numbers}, as scheduled"
    return CriterionResult(
        f"scenario:{name}",
        Verdict.FAIL if missing else Verdict.PASS,
        float(fired),
        f">= {len(occurrences)}",
        float(-len(missing)),
        len(occurrences),
        reason=text,
        lane=lane.history.lane.id,
    )


def _recovery_criterion(
    lane: LaneWindow, name: str, occurrences: Sequence[Recovery]
) -> CriterionResult:
    within = occurrences[0].scheduled.recovers_within or 0
    late = [recovery for recovery in occurrences if recovery.took is None or recovery.took > within]
    verdict = Verdict.PASS
    if any(recovery.fired and not recovery.open for recovery in late):
        verdict = Verdict.FAIL
    elif late:
        verdict = Verdict.INCONCLUSIVE
    took = [recovery.took for recovery in occurrences if recovery.took is not None]
    worst = float(max(took)) if len(took) == len(occurrences) else None
    texts = "; ".join(map(recovery_text, occurrences))
    return CriterionResult(
        f"recovers_within:{name}",
        verdict,
        worst,
        f"<= {within}",
        None if worst is None else within - worst,
        len(occurrences),
        reason=f"recovers_within:{name}: {texts}, limit <= {within}",
        lane=lane.history.lane.id,
    )


def recovery_text(recovery: Recovery) -> str:
    """One line on one occurrence of a scenario: whether it fired, and the recovery."""
    at = f"iteration {recovery.scheduled.at}"
    if not recovery.fired:
        return f"{at}: it did not fire"
    why = f" ({', '.join(recovery.outside)})" if recovery.outside else ""
    if recovery.took is not None:
        return f"{at}: recovered after {recovery.took} iteration{'s' * (recovery.took != 1)}{why}"
    plural = "s" * (recovery.looked != 1)
    return f"{at}: not recovered in {recovery.looked} undisturbed iteration{plural} after it{why}"


def _recovery(lane: LaneWindow, scheduled: Scheduled, *, mock: bool) -> Recovery:
    fired = fired_of(lane.history, scheduled)
    if not fired:
        return Recovery(scheduled, (), None, 0, open=False, outside=(), hurt=())
    first, last = scheduled.at, fired[-1].iteration
    before, after = lane.undisturbed_before(first), lane.undisturbed_after(last)
    limits = [
        (criterion.kpi, side)
        for criterion in lane.limits.criteria
        if criterion.fails and not criterion.optional
        for side in criterion.limit(mock=mock).sides
    ]
    bounds = {(kpi, limit): _bound(before, kpi, limit) for kpi, limit in limits}
    ran = [item for item in lane.measured if item.number == last]
    texts = [_outside(item, limits, bounds) for item in (*ran, *after)]
    back = [not text for text in texts]
    took = next((k for k in range(len(back) - STAYS + 1) if all(back[k : k + STAYS])), None)
    within = scheduled.recovers_within or 0
    # Position 0 is the scenario's last iteration, so k is the k-th undisturbed one after it.
    unknown = any(all(back[k : k + STAYS]) and k + STAYS > len(back) for k in range(within + 1))
    reach = within if took is None or took > within else max(0, took - 1)
    during = [item for item in lane.measured if first <= item.number <= last]
    hurt = (*during, *after[:reach])
    reported = reversed(texts) if took is None else texts[:took]
    return Recovery(
        scheduled,
        fired,
        took,
        len(after),
        open=took is None and unknown,
        outside=next((text for text in reported if text), ()),
        hurt=tuple(item.number for item in hurt),
    )


def _bound(before: Sequence[Iteration], kpi: str, limit: Comparison) -> float | None:
    """The end of the KPI's band towards its limit; None if it cannot be computed."""
    values = [value for value in series_of(before, kpi) if value is not None]
    n = len(values)
    if n < _FEWEST_FOR_BAND:
        return None
    reach = student_t_quantile(_BAND_CONFIDENCE, n - 1.0) * math.sqrt(1.0 + 1.0 / n)
    away = reach * standard_deviation(values)
    mean = math.fsum(values) / n
    return mean - away if limit.op.startswith(">") else mean + away


def _outside(
    item: Iteration,
    limits: Sequence[tuple[str, Comparison]],
    bounds: Mapping[tuple[str, Comparison], float | None],
) -> tuple[str, ...]:
    """Why the iteration is not recovered, one text for each KPI; empty if it is."""
    texts = []
    for kpi, limit in limits:
        value = series_of([item], kpi)[0]
        bound = bounds[kpi, limit]
        if value is None:
            texts.append(f"iteration {item.number}: {kpi} without data")
            continue
        inside = bound is not None and (
            value >= bound if limit.op.startswith(">") else value <= bound
        )
        if not (limit.holds(value) or inside):
            both = [limit, *([] if bound is None else [_band(limit, bound)])]
            shown = max((figure_by(value, comparison) for comparison in both), key=len)
            band = "" if bound is None else f", band {both[-1]}"
            texts.append(f"iteration {item.number}: {kpi} {shown}, limit {limit}{band}")
    return tuple(texts)


def _band(limit: Comparison, bound: float) -> Comparison:
    """The bound of the band before the scenario, on the same side as the limit."""
    return Comparison(">=" if limit.op.startswith(">") else "<=", float(f"{bound:.6g}"))
