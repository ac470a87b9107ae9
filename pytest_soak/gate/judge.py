"""The gate: every criterion of every lane, and the verdict of them together.

The gate is judged once, at the end. A test that is repeated after every iteration passes almost any
run sooner or later.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
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
from pytest_soak.gate.kpi import kpi_criterion
from pytest_soak.gate.noise import Reference
from pytest_soak.gate.recovery import Recovery, excluded_by, recoveries, scenario_criteria
from pytest_soak.gate.relative import relative_criterion
from pytest_soak.gate.result import judged, unjudged
from pytest_soak.gate.statistic import is_certain, statistic_criterion
from pytest_soak.gate.weaker import weakened
from pytest_soak.gate.window import KpiWindow, LaneWindow
from pytest_soak.loop.model import History, Verdict, worst_of
from pytest_soak.profile.model import Criterion, GateLimits, LimitSet
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
    keepable: bool
    """The parameters may be kept as they are: every gated KPI is certain to be inside its limit,
    and inside its warning, none is in doubt against its base or drifts towards its limit, enough
    iterations pass, the deltas are verified, the run is complete, its reports are not stale, no
    check failed, nothing is INCONCLUSIVE, and no scenario or its recovery reaches into the window.
    Optional criteria do not count."""
    window: LaneWindow
    """The iterations that were judged, and the KPIs over the gate's window."""
    recoveries: tuple[Recovery, ...]
    """The recovery from each scheduled scenario."""
    mock: bool
    """The mock limits were used."""

    @property
    def freeze_ready(self) -> bool | None:
        """``keepable`` where the profile declares ``freeze_ready_pass_count``; else None."""
        declared = self.window.limits.freeze_ready_pass_count is not None
        return self.keepable if declared else None

    @property
    def limit_set(self) -> LimitSet:
        """The set of limits that was used."""
        return self.window.limits.limit_set(mock=self.mock)

    @property
    def weakened(self) -> tuple[str, ...]:
        """The limits that are weaker than those of the shipped gate, as texts."""
        return weakened(self.window.limits, self.planned)

    @property
    def explores(self) -> bool:
        """It is a point of a sweep, whose KPI criteria do not count."""
        return any(not item.binding and item.name.startswith("pass_") for item in self.criteria)

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
    kpis = tuple(chain.from_iterable(_of_kpi(lane, item) for item in limits.criteria))
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
        shown = {item.name for item in (*kpis, *drifts)} | {pass_count, "stale"}
    else:
        shown = _optional(limits)
    if shown:
        criteria = tuple(replace(item, binding=item.name not in shown) for item in criteria)
    return LaneJudgement(
        lane_id=history.lane.id,
        verdict=worst_of([result.verdict for result in criteria if result.binding]),
        criteria=criteria,
        delta=delta,
        pass_count=lane.pass_count,
        keepable=_keepable(lane, criteria, occurrences),
        window=lane,
        recoveries=occurrences,
        mock=mock,
    )


def _of_kpi(lane: LaneWindow, criterion: Criterion) -> tuple[CriterionResult, ...]:
    """The results of a gated KPI: against its limit, and relative to its base if it has one."""
    judge = kpi_criterion if criterion.averaged else statistic_criterion
    results = [_judged(lane, criterion.name, partial(judge, lane, criterion))]
    for name in criterion.names[1:]:
        results.append(_judged(lane, name, partial(relative_criterion, lane, criterion)))
    return tuple(results)


def _optional(limits: GateLimits) -> set[str]:
    """The criteria that are shown only."""
    optional = [item for item in limits.criteria if item.optional]
    return {name for item in optional for name in (*item.names, f"drift:{item.kpi}")}


def _keepable(
    lane: LaneWindow, criteria: Sequence[CriterionResult], occurrences: Sequence[Recovery]
) -> bool:
    """Whether the parameters may be kept as they are at the end of the run."""
    optional = _optional(lane.limits)
    verdicts = {item.name: item.verdict for item in criteria if item.name not in optional}
    drifts = {
        verdict for name, verdict in verdicts.items() if name.startswith(("drift:", "relative:"))
    }
    if {Verdict.INCONCLUSIVE, Verdict.FAIL} & set(verdicts.values()):
        return False
    if Verdict.WARN in drifts:
        return False
    whole = {verdicts.get(name, Verdict.PASS) for name in ("checks", "completeness", "stale")}
    if whole != {Verdict.PASS}:
        return False
    certain = [is_certain(lane, item) for item in lane.limits.criteria if not item.optional]
    hurt = {number for item in occurrences for number in item.hurt}
    hurt |= {item.number for item in lane.measured} - {item.number for item in lane.undisturbed}
    first = lane.long[0].number if lane.long else 0
    return (
        all(certain)
        and lane.pass_count >= (lane.limits.freeze_ready_pass_count or 0)
        and verdicts["delta_quality"] in (Verdict.PASS, Verdict.WARN)
        and not any(number >= first for number in hurt)
    )


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
    """The lane without the iterations that restarts and scenarios exclude; the recoveries from
    scenarios, and their criteria."""
    try:
        occurrences = recoveries(lane, mock=lane.mock)
        return (
            lane.without({**lane.restarts, **excluded_by(occurrences)}),
            occurrences,
            scenario_criteria(lane, occurrences),
        )
    except Exception as error:
        failed = unjudged(lane.history.lane.id, "scenarios", error)
        return lane.without(lane.restarts), (), (failed,)


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
