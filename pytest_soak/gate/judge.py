"""The gate: every criterion of every lane, and the verdict of them together.

The gate is judged once, at the end. A test that is repeated after every iteration passes almost any
run sooner or later.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

from pytest_soak.gate.criteria import (
    CriterionResult,
    checks_criterion,
    completeness_criterion,
    delta_criterion,
    pass_count_criterion,
)
from pytest_soak.gate.delta import DeltaReport, verify_deltas
from pytest_soak.gate.drifts import drift_criteria, stale_criterion
from pytest_soak.gate.kpi import is_certain, kpi_criterion
from pytest_soak.gate.noise import Reference
from pytest_soak.gate.recovery import Recovery, excluded_by, recoveries, scenario_criteria
from pytest_soak.gate.result import judged, unjudged
from pytest_soak.gate.window import KpiWindow, LaneWindow
from pytest_soak.loop.model import History, Verdict, worst_of
from pytest_soak.profile.model import GateLimits
from pytest_soak.protocol import Lane


@dataclass(frozen=True, slots=True)
class LaneJudgement:
    """The verdict of one lane, with its criteria and the data they are based on."""

    lane_id: str
    verdict: Verdict
    criteria: tuple[CriterionResult, ...]
    delta: DeltaReport
    pass_count: int
    """PASS and WARN iterations of the window."""
    freeze_ready: bool
    """The parameters may be frozen as they are: every gated KPI is certain to be inside its limit,
    none drifts towards it, enough iterations pass, the deltas are verified, the run is complete,
    its reports are not stale, no check failed, nothing is INCONCLUSIVE, and no scenario or its
    recovery reaches into the window."""
    window: LaneWindow
    """The iterations that were judged, and the KPIs over the gate's window."""
    recoveries: tuple[Recovery, ...]
    """The recovery from each scheduled scenario."""
    mock: bool
    """The mock limits were used."""

    @property
    def weakened(self) -> tuple[str, ...]:
        """The limits that are weaker than those of the shipped gate, as texts."""
        return weakened(self.window.limits)

    @property
    def measured(self) -> int:
        return len(self.window.measured)

    @property
    def planned(self) -> int:
        return self.window.history.lane.iterations

    @property
    def windows(self) -> Mapping[str, KpiWindow]:
        """Every KPI of the profile over the gate's window."""
        return self.window.kpis

    @property
    def means(self) -> dict[str, float | None]:
        """KPI to its figure over the window; None without data."""
        return {name: window.figure for name, window in self.windows.items()}


@dataclass(frozen=True, slots=True)
class RunJudgement:
    """The verdict of a run, with the judgements of its lanes."""

    verdict: Verdict
    lanes: tuple[LaneJudgement, ...]


def judge_lane(
    history: History,
    *,
    mock: bool | None = None,
    strict: bool = False,
    reference: Reference | None = None,
    extra: Sequence[CriterionResult] = (),
) -> LaneJudgement:
    """Judge a lane by its profile's gate.

    ``mock`` chooses the mock limits (None: as the run was made); ``strict`` allows no relaxed delta
    limit; ``reference`` is the noise of a tuner-off run; ``extra`` are further criteria, judged by
    the caller. A criterion that raises is INCONCLUSIVE with the text of its error, never PASS.

    A sweep explores parameters, so some of its points are expected to be outside a limit. Its KPI
    criteria and pass count are judged and shown, but count for the verdict under ``strict`` only.
    """
    mock = history.mock if mock is None else mock
    lane, occurrences, scenarios = _with_scenarios(LaneWindow(history, reference, mock))
    delta = _delta_report(lane, strict=strict)
    limits = lane.limits
    kpis = tuple(
        _judged(lane, item.kpi, partial(kpi_criterion, lane, item)) for item in limits.criteria
    )
    drifts = _criteria_of(lane, "drift", lambda: drift_criteria(lane))
    stale = _criteria_of(lane, "stale", lambda: _as_tuple(stale_criterion(lane)))
    pass_count = f"pass_count_last{limits.window}"
    criteria = (
        *kpis,
        _judged(lane, pass_count, lambda: pass_count_criterion(lane)),
        _judged(lane, "delta_quality", lambda: delta_criterion(lane, delta)),
        _judged(lane, "checks", lambda: checks_criterion(lane)),
        _judged(lane, "completeness", lambda: completeness_criterion(lane)),
        *stale,
        *drifts,
        *scenarios,
        *(_external_criterion(lane, result) for result in extra),
    )
    if explores(history.lane, strict=strict):
        shown = {item.kpi for item in limits.criteria} | {pass_count, "stale"}
        shown |= {item.name for item in drifts}
        criteria = tuple(replace(item, binding=item.name not in shown) for item in criteria)
    return LaneJudgement(
        lane_id=history.lane.id,
        verdict=worst_of([result.verdict for result in criteria if result.binding]),
        criteria=criteria,
        delta=delta,
        pass_count=lane.pass_count,
        freeze_ready=_freeze_ready(lane, criteria, occurrences),
        window=lane,
        recoveries=occurrences,
        mock=mock,
    )


def _freeze_ready(
    lane: LaneWindow, criteria: Sequence[CriterionResult], occurrences: Sequence[Recovery]
) -> bool:
    """Whether the parameters may be frozen as they are at the end of the run."""
    verdicts = {item.name: item.verdict for item in criteria}
    drifts = {verdict for name, verdict in verdicts.items() if name.startswith("drift:")}
    if {Verdict.INCONCLUSIVE, Verdict.FAIL} & set(verdicts.values()):
        return False
    if Verdict.WARN in drifts:
        return False
    whole = {verdicts.get(name, Verdict.PASS) for name in ("checks", "completeness", "stale")}
    if whole != {Verdict.PASS}:
        return False
    certain = [
        is_certain(item.mock if lane.mock else item.production, lane.kpi(item.kpi))
        for item in lane.limits.criteria
    ]
    hurt = {number for item in occurrences for number in item.hurt}
    hurt |= {item.number for item in lane.measured} - {item.number for item in lane.undisturbed}
    first = lane.long[0].number if lane.long else 0
    return (
        all(certain)
        and lane.pass_count >= lane.limits.freeze_ready_pass_count
        and verdicts["delta_quality"] in (Verdict.PASS, Verdict.WARN)
        and not any(number >= first for number in hurt)
    )


def weakened(limits: GateLimits) -> tuple[str, ...]:
    """The limits of a profile that are weaker than the shipped ones, for the verdict line."""
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
            ready < math.floor(window * 0.75),
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
    )
    return tuple(text for weaker, text in rules if weaker)


def explores(lane: Lane, *, strict: bool) -> bool:
    """Whether the KPI criteria of a lane are shown but do not count for the verdict."""
    return bool(lane.sweep) and not strict


def judge_run(judgements: Sequence[LaneJudgement]) -> RunJudgement:
    """The worst verdict of the lanes. A run without any lane FAILs, since nothing was measured."""
    verdict = worst_of([lane.verdict for lane in judgements], default=Verdict.PASS)
    return RunJudgement(verdict if judgements else Verdict.FAIL, tuple(judgements))


def exit_code(run: RunJudgement, *, strict: bool = False) -> Literal[0, 1]:
    """0 or 1: FAIL is 1, WARN and INCONCLUSIVE are 1 under ``strict``."""
    failing = run.verdict is Verdict.FAIL or (strict and run.verdict is not Verdict.PASS)
    return 1 if failing else 0


def _external_criterion(lane: LaneWindow, result: CriterionResult) -> CriterionResult:
    """A criterion of the user, checked: its value may have any type."""
    value = result.value
    return _judged(
        lane,
        str(result.name),
        lambda: replace(
            result,
            verdict=Verdict(result.verdict),
            value=None if value is None else float(value),
            lane=lane.history.lane.id,
        ),
    )


def _judged(lane: LaneWindow, name: str, judge: Callable[[], CriterionResult]) -> CriterionResult:
    return judged(lane.history.lane.id, name, judge)


def _criteria_of(
    lane: LaneWindow, name: str, judge: Callable[[], tuple[CriterionResult, ...]]
) -> tuple[CriterionResult, ...]:
    try:
        return judge()
    except Exception as error:
        return (unjudged(lane.history.lane.id, name, error),)


def _as_tuple(result: CriterionResult | None) -> tuple[CriterionResult, ...]:
    return () if result is None else (result,)


def _with_scenarios(
    lane: LaneWindow,
) -> tuple[LaneWindow, tuple[Recovery, ...], tuple[CriterionResult, ...]]:
    """The lane without the iterations that scenarios exclude, their recoveries and criteria."""
    try:
        occurrences = recoveries(lane, mock=lane.mock)
        return (
            lane.without(excluded_by(occurrences)),
            occurrences,
            scenario_criteria(lane, occurrences),
        )
    except Exception as error:
        return lane, (), (unjudged(lane.history.lane.id, "scenarios", error),)


def _delta_report(lane: LaneWindow, *, strict: bool) -> DeltaReport:
    try:
        return verify_deltas(lane, strict=strict)
    except Exception as error:
        reason = f"delta_quality: could not be judged: {type(error).__name__}: {error}"
        return DeltaReport(
            full=0,
            partial_ok=0,
            fail=0,
            unverified=0,
            full_apply_ratio=None,
            signature_stuck_count=0,
            withheld_ratio=None,
            requested_apply_ratio=None,
            explained_ratio=None,
            proposes_when_needed=None,
            failures=(),
            verdict=Verdict.INCONCLUSIVE,
            applicable=False,
            reason=reason,
            checks=(),
        )
