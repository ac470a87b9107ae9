"""Scenarios in the gate: whether they fired, what they leave out of it, and how long they hurt.

An iteration is *disturbed* when its report shows a scenario fired, and *back* when every gated KPI
has data and is inside its limit or inside its band: no worse than the one-sided 99 % prediction
bound for one more iteration after those before the scenario (the last ``gate.window`` undisturbed
ones, four at least). The band is there for the noise of one iteration: a limit is meant for the
mean of eight.

A scenario is over once an iteration and the one after it are back. Counting begins with the last
iteration that it reached into (0: it never carried anything out), and passes over those in
which another scenario ran.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pytest_soak.gate.criteria import CriterionResult
from pytest_soak.gate.figures import figure, series_of
from pytest_soak.gate.window import LaneWindow
from pytest_soak.loop.model import Iteration, Verdict
from pytest_soak.loop.scenarios import Fired, fired_of
from pytest_soak.profile.model import Comparison
from pytest_soak.profile.scenarios import Scheduled
from pytest_soak.statistics import standard_deviation, student_t_quantile

STAYS = 2
"""So many iterations in a row must be back."""
_BAND_CONFIDENCE = 0.99
_FEWEST_FOR_BAND = 4


@dataclass(frozen=True, slots=True)
class Recovery:
    """What became of one scheduled scenario."""

    scheduled: Scheduled
    fired: tuple[Fired, ...]
    took: int | None
    """Iterations until all was back; None: it was not, as far as the run went."""
    looked: int
    """How many undisturbed iterations after it there were to look at."""
    open: bool
    """Within ``recovers_within`` it might yet have come back, had the run gone on."""
    outside: tuple[str, ...]
    """One text a KPI: of the first iteration that it carried out, or, where it is not back, of
    the last."""
    hurt: tuple[int, ...]
    """Its iterations, and those after it until all was back (at most ``recovers_within``)."""


def recoveries(lane: LaneWindow, mock: bool) -> tuple[Recovery, ...]:
    """Every scheduled scenario of a lane, in the order of time."""
    return tuple(_recovery(lane, item, mock) for item in lane.history.scenarios)


def excluded_by(found: Sequence[Recovery]) -> dict[int, str]:
    """Iteration to the scenario for whose sake the gate's windows leave it out."""
    return {
        number: one.scheduled.name
        for one in found
        if one.scheduled.gate == "exclude"
        for number in one.hurt
    }


def scenario_criteria(lane: LaneWindow, found: Sequence[Recovery]) -> tuple[CriterionResult, ...]:
    """``scenario:NAME`` for every one that was scheduled, ``recovers_within:NAME`` if demanded."""
    results = []
    for name in dict.fromkeys(one.scheduled.name for one in found):
        mine = [one for one in found if one.scheduled.name == name]
        results.append(_fired_criterion(lane, name, mine))
        if mine[0].scheduled.recovers_within is not None:
            results.append(_recovery_criterion(lane, name, mine))
    return tuple(results)


def _fired_criterion(lane: LaneWindow, name: str, mine: Sequence[Recovery]) -> CriterionResult:
    missing = [one.scheduled.at for one in mine if not one.fired]
    fired = len(mine) - len(missing)
    where = "; ".join(
        f"iteration {each.iteration}, {each.started_s:.1f} to {each.ended_s:.1f} s"
        for one in mine
        for each in one.fired
    )
    text = f"scenario:{name}: fired {fired} of {len(mine)} times"
    text += f": {where}" if where else ""
    if missing:
        numbers = ", ".join(map(str, missing))
        text += f"; no report shows that it fired in iteration {numbers}, as scheduled"
    return CriterionResult(
        f"scenario:{name}",
        Verdict.FAIL if missing else Verdict.PASS,
        float(fired),
        f">= {len(mine)}",
        float(-len(missing)),
        len(mine),
        reason=text,
        lane=lane.history.lane.id,
    )


def _recovery_criterion(lane: LaneWindow, name: str, mine: Sequence[Recovery]) -> CriterionResult:
    within = mine[0].scheduled.recovers_within or 0
    late = [one for one in mine if one.took is None or one.took > within]
    verdict = Verdict.PASS
    if any(one.fired and not one.open for one in late):
        verdict = Verdict.FAIL
    elif late:
        verdict = Verdict.INCONCLUSIVE
    took = [one.took for one in mine if one.took is not None]
    worst = float(max(took)) if len(took) == len(mine) else None
    return CriterionResult(
        f"recovers_within:{name}",
        verdict,
        worst,
        f"<= {within}",
        None if worst is None else within - worst,
        len(mine),
        reason=f"recovers_within:{name}: {'; '.join(map(told, mine))}, limit <= {within}",
        lane=lane.history.lane.id,
    )


def told(one: Recovery) -> str:
    """How one occurrence went, for people."""
    at = f"iteration {one.scheduled.at}"
    if not one.fired:
        return f"{at}: it did not fire"
    why = f" ({', '.join(one.outside)})" if one.outside else ""
    if one.took is not None:
        return f"{at}: back after {one.took} iteration{'s' * (one.took != 1)}{why}"
    plural = "s" * (one.looked != 1)
    return f"{at}: not back in {one.looked} undisturbed iteration{plural} after it{why}"


def _recovery(lane: LaneWindow, scheduled: Scheduled, mock: bool) -> Recovery:
    fired = fired_of(lane.history, scheduled)
    if not fired:
        return Recovery(scheduled, (), None, 0, False, (), ())
    first, last = scheduled.at, fired[-1].iteration
    before, after = lane.calm_before(first), lane.calm_after(last)
    limits = [
        (criterion.kpi, criterion.mock if mock else criterion.production)
        for criterion in lane.limits.criteria
    ]
    bounds = {kpi: _bound(before, kpi, limit) for kpi, limit in limits}
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
    told_of = reversed(texts) if took is None else texts[:took]
    return Recovery(
        scheduled,
        fired,
        took,
        len(after),
        open=took is None and unknown,
        outside=next((text for text in told_of if text), ()),
        hurt=tuple(item.number for item in hurt),
    )


def _bound(before: Sequence[Iteration], kpi: str, limit: Comparison) -> float | None:
    """The worst figure that one more undisturbed iteration would still show; None: not known."""
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
    bounds: dict[str, float | None],
) -> tuple[str, ...]:
    """Why the iteration is not back, one text for each KPI; empty when it is."""
    found = []
    for kpi, limit in limits:
        value = series_of([item], kpi)[0]
        bound = bounds[kpi]
        if value is None:
            found.append(f"iteration {item.number}: {kpi} without data")
            continue
        inside = bound is not None and (
            value >= bound if limit.op.startswith(">") else value <= bound
        )
        if not (limit.holds(value) or inside):
            band = "" if bound is None else f", band {limit.op[0]}= {figure(bound)}"
            found.append(f"iteration {item.number}: {kpi} {figure(value)}, limit {limit}{band}")
    return tuple(found)
