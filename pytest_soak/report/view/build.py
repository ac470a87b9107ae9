"""Builds the view of a run from what was collected of its lanes, and from its judgement."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pytest_soak.gate.figures import with_unit
from pytest_soak.gate.judge import LaneJudgement, RunJudgement
from pytest_soak.gate.result import CriterionResult, kpi_of
from pytest_soak.loop.state import LaneState
from pytest_soak.profile.model import Limit
from pytest_soak.report.layout import nearest_side, sides_of
from pytest_soak.report.view.collect import LaneCollector, verdict_word
from pytest_soak.report.view.model import (
    GateRowView,
    IterationsView,
    KpiView,
    LaneView,
    LimitView,
    OutcomesView,
    ResourceView,
    RunView,
    StateWord,
    WindowView,
)
from pytest_soak.report.why import why_lane, why_run
from pytest_soak.statistics import first_quarter_figure


@dataclass(frozen=True, slots=True)
class LaneTimes:
    """When the iterations of a lane ended, as far as it was recorded."""

    seconds: Mapping[int, float] = field(default_factory=dict)
    """Iteration to its wall time."""
    last_utc: str | None = None
    eta_s: float | None = None


@dataclass(frozen=True, slots=True)
class LaneParts:
    """What the view of one lane is built from."""

    collected: LaneCollector
    """Of a lane that has begun."""
    word: StateWord
    judgement: LaneJudgement | None = None
    times: LaneTimes = LaneTimes()
    resources: tuple[ResourceView, ...] = ()


@dataclass(frozen=True, slots=True)
class About:
    """What is known of a run beside its lanes."""

    run_id: str
    state: StateWord
    started_utc: str | None = None
    duration_s: float | None = None
    command: tuple[str, ...] = ()
    fingerprint: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    sealed: bool = False


@dataclass(frozen=True, slots=True)
class PlannedLane:
    """A lane that has not begun."""

    id: str
    profile: str
    symbol: str
    seed: int
    interval_s: float
    target: str
    planned: int
    judgement: LaneJudgement | None = None
    """That it did not run, if the run was judged all the same."""


def run_view(
    about: About, lanes: Sequence[LaneParts | PlannedLane], judgement: RunJudgement | None = None
) -> RunView:
    """The view of a run; ``judgement`` is that of the whole run, if it was judged."""
    views = tuple(
        lane_view(lane) if isinstance(lane, LaneParts) else _planned_view(lane) for lane in lanes
    )
    etas = [lane.eta_s for lane in views if lane.state in ("running", "planned")]
    seconds = [eta for eta in etas if eta is not None]
    return RunView(
        run_id=about.run_id,
        state=about.state,
        verdict=None if judgement is None else verdict_word(judgement.verdict),
        why="" if judgement is None else why_run(judgement),
        sealed=about.sealed,
        started_utc=about.started_utc,
        eta_s=math.fsum(seconds) if seconds and len(seconds) == len(etas) else None,
        duration_s=about.duration_s,
        command=about.command,
        fingerprint=dict(about.fingerprint),
        notes=about.notes,
        lanes=views,
    )


def lane_view(parts: LaneParts) -> LaneView:
    """The view of one lane."""
    collected, state, judgement = parts.collected, _state(parts), parts.judgement
    lane = state.lane
    mock = state.mock if judgement is None else judgement.mock
    return LaneView(
        id=lane.id,
        profile=lane.profile,
        symbol=lane.symbol,
        seed=lane.seed,
        interval_s=lane.interval_s,
        target=state.target,
        state=parts.word,
        planned=lane.iterations,
        measured=len(collected.numbers),
        limits=state.profile.gate.limit_set(mock=mock),
        iterations=collected.iterations(parts.times.seconds),
        kpis=_kpis(parts, mock=mock),
        parameters=collected.parameters(state),
        spans=collected.spans({} if judgement is None else judgement.window.not_judged),
        events=collected.events(),
        outcomes=collected.outcomes(),
        resources=parts.resources,
        last_utc=parts.times.last_utc,
        eta_s=parts.times.eta_s,
        **_judged(judgement),
    )


def _judged(judgement: LaneJudgement | None) -> dict[str, Any]:
    """The fields of a lane's view that only a judgement gives."""
    if judgement is None:
        return {}
    return {
        "verdict": verdict_word(judgement.verdict),
        "why": why_lane(judgement),
        "judged": judgement.measured,
        "freeze_ready": judgement.freeze_ready,
        "gate": tuple(_gate_row(judgement, result) for result in judgement.criteria),
    }


def _planned_view(lane: PlannedLane) -> LaneView:
    return LaneView(
        id=lane.id,
        profile=lane.profile,
        symbol=lane.symbol,
        seed=lane.seed,
        interval_s=lane.interval_s,
        target=lane.target,
        state="planned",
        planned=lane.planned,
        measured=0,
        iterations=IterationsView((), (), (), (), (), ()),
        kpis=(),
        parameters=(),
        spans=(),
        events=(),
        outcomes=OutcomesView(0, 0, 0, 0, ()),
        **_judged(lane.judgement),
    )


def _state(parts: LaneParts) -> LaneState:
    if parts.collected.state is None:
        raise ValueError("a lane that has not begun has no parts")
    return parts.collected.state


def _kpis(parts: LaneParts, *, mock: bool) -> tuple[KpiView, ...]:
    """Every KPI of the profile, those with a limit first, in the order of the gate."""
    profile, columns = _state(parts).profile, parts.collected.kpis
    limits = {item.kpi: item.limit(mock=mock) for item in profile.gate.criteria}
    names = dict.fromkeys((*limits, *profile.kpis))
    views = []
    for name in names:
        kpi, limit = profile.kpis[name], limits.get(name)
        views.append(
            KpiView(
                name,
                with_unit(kpi.unit).strip(),
                kpi.better,
                tuple(columns.get(name, ())),
                limit is not None,
                None if limit is None else _limit(limit),
                None if parts.judgement is None else _window(parts.judgement, name),
            )
        )
    return tuple(views)


def _limit(limit: Limit) -> LimitView:
    """Of two limits the upper one is the limit, the lower one the other."""
    *others, side = limit.sides
    other = others[0].limit if others else None
    return LimitView(str(limit), side.limit, side.upper, other)


def _window(judgement: LaneJudgement, kpi: str) -> WindowView | None:
    """The iterations that the KPI's figure is of, and its bounds."""
    window, lane = judgement.windows[kpi], judgement.window
    count = window.bounds.iterations
    if not count or not lane.judged:
        return None
    iterations = lane.judged[-count:]
    return WindowView(
        iterations[0].number,
        iterations[-1].number,
        window.figure,
        _finite(window.low),
        _finite(window.high),
        _finite(first_quarter_figure(lane.judged_series(kpi))),
    )


def _gate_row(judgement: LaneJudgement, result: CriterionResult) -> GateRowView:
    sides = sides_of(result.limit)
    limit = judgement.window.comparison(result.name) if len(sides) > 1 else None
    limit = limit or nearest_side(result)
    others = [side.limit for side in sides if limit is not None and side.upper != limit.upper]
    kpis = judgement.window.history.profile.kpis
    kpi = None if result.name.startswith("drift:") else kpis.get(kpi_of(result.name))
    return GateRowView(
        result.name,
        verdict_word(result.verdict),
        " ".join(result.reason.split()),
        _finite(result.value),
        result.limit,
        None if limit is None else limit.limit,
        limit is not None and limit.upper,
        others[0] if others else None,
        _finite(result.low),
        _finite(result.high),
        _finite(result.margin),
        "" if kpi is None else with_unit(kpi.unit).strip(),
        result.n,
        _finite(result.n_eff),
        result.applicable,
        result.binding,
        result.marginal,
    )


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
