"""The gate: every criterion of every lane, and what they say together.

It is judged once, at the end: tested again after every iteration, almost anything passes sooner
or later.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from pytest_soak.gate.baseline import Reference
from pytest_soak.gate.criteria import (
    CriterionResult,
    Window,
    completeness_criterion,
    delta_criterion,
    kpi_criterion,
    pass_count,
    pass_count_criterion,
    window_of,
)
from pytest_soak.gate.delta import DeltaReport, verify_deltas
from pytest_soak.gate.figures import measured_iterations
from pytest_soak.gate.recovery import excluded_by, recoveries, scenario_criteria
from pytest_soak.loop.model import History, Verdict, worst_of
from pytest_soak.profile.model import Criterion
from pytest_soak.protocol import Lane


@dataclass(frozen=True, slots=True)
class LaneJudgement:
    lane_id: str
    verdict: Verdict
    criteria: tuple[CriterionResult, ...]
    delta: DeltaReport
    pass_count: int
    """PASS and WARN iterations of the window."""
    freeze_ready: bool
    """The parameters may be frozen as they are: no KPI FAILs, enough iterations of the window
    pass, and delta quality does not FAIL."""
    measured: int
    planned: int
    windows: Mapping[str, Window]
    """Every KPI of the profile over the gate's window."""
    mock: bool
    """The mock limits were used."""

    @property
    def means(self) -> dict[str, float | None]:
        """KPI to its figure over the window, None without data."""
        return {
            name: window.interval.mean if window.interval is not None else None
            for name, window in self.windows.items()
        }


@dataclass(frozen=True, slots=True)
class RunJudgement:
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

    ``mock`` chooses the limits, None those of the run; ``strict`` allows no relaxed delta limit;
    ``reference`` is the noise of a tuner-off run; ``extra`` are criteria judged elsewhere. What
    raises while it is judged is INCONCLUSIVE with its text, never PASS.

    A sweep explores: that a point of it is beyond a limit is what it was run to find out. Its KPI
    criteria and pass count are judged and shown, and bind under ``strict`` only.
    """
    limits = history.profile.gate
    mock = history.mock if mock is None else mock
    history, scenarios = _scenarios(history, mock)
    delta = _verified(history, strict)
    kpis = tuple(_kpi_result(history, criterion, mock, reference) for criterion in limits.criteria)
    criteria = (
        *kpis,
        _judged(history, f"pass_count_last{limits.window}", lambda: pass_count_criterion(history)),
        _judged(history, "delta_quality", lambda: delta_criterion(history, delta)),
        _judged(history, "completeness", lambda: completeness_criterion(history)),
        *scenarios,
        *(_from_elsewhere(history, result) for result in extra),
    )
    if explores(history.lane, strict):
        shown = {item.kpi for item in limits.criteria} | {f"pass_count_last{limits.window}"}
        criteria = tuple(replace(item, binding=item.name not in shown) for item in criteria)
    passed = pass_count(history)
    return LaneJudgement(
        lane_id=history.lane.id,
        verdict=worst_of([result.verdict for result in criteria if result.binding]),
        criteria=criteria,
        delta=delta,
        pass_count=passed,
        freeze_ready=passed >= limits.freeze_ready_pass_count
        and delta.verdict in (Verdict.PASS, Verdict.WARN)
        and not any(result.verdict is Verdict.FAIL for result in kpis),
        measured=len(measured_iterations(history)),
        planned=history.lane.iterations,
        windows=_windows(history, reference),
        mock=mock,
    )


def explores(lane: Lane, strict: bool) -> bool:
    """Whether the KPI criteria of a lane are shown without binding."""
    return bool(lane.sweep) and not strict


def judge_run(judgements: Sequence[LaneJudgement]) -> RunJudgement:
    """The worst verdict of the lanes; a run without one has proved nothing and FAILs."""
    verdict = worst_of([lane.verdict for lane in judgements], default=Verdict.PASS)
    return RunJudgement(verdict if judgements else Verdict.FAIL, tuple(judgements))


def exit_code(run: RunJudgement, strict: bool = False) -> int:
    """0 or 1: FAIL is 1, WARN and INCONCLUSIVE are 1 under ``strict``."""
    failing = run.verdict is Verdict.FAIL or (strict and run.verdict is not Verdict.PASS)
    return 1 if failing else 0


def _kpi_result(
    history: History, criterion: Criterion, mock: bool, reference: Reference | None
) -> CriterionResult:
    return _judged(
        history, criterion.kpi, lambda: kpi_criterion(history, criterion, mock, reference)
    )


def _from_elsewhere(history: History, result: CriterionResult) -> CriterionResult:
    """A criterion of the user's: its value may be any number there is, or none at all."""
    value = result.value
    return _judged(
        history,
        str(result.name),
        lambda: replace(
            result,
            verdict=Verdict(result.verdict),
            value=None if value is None else float(value),
            lane=history.lane.id,
        ),
    )


def _judged(history: History, name: str, judge: Callable[[], CriterionResult]) -> CriterionResult:
    try:
        return judge()
    except Exception as error:
        return CriterionResult(
            name,
            Verdict.INCONCLUSIVE,
            reason=f"{name}: could not be judged: {type(error).__name__}: {error}",
            lane=history.lane.id,
        )


def _scenarios(history: History, mock: bool) -> tuple[History, tuple[CriterionResult, ...]]:
    """The history with what the windows leave out, and the criteria of its scenarios."""
    try:
        found = recoveries(history, mock)
        results = scenario_criteria(history, found)
    except Exception as error:
        reason = f"scenarios: could not be judged: {type(error).__name__}: {error}"
        trouble = CriterionResult(
            "scenarios", Verdict.INCONCLUSIVE, reason=reason, lane=history.lane.id
        )
        return history, (trouble,)
    return replace(history, excluded=excluded_by(found)), results


def _verified(history: History, strict: bool) -> DeltaReport:
    try:
        return verify_deltas(history, strict)
    except Exception as error:
        reason = f"delta_quality: could not be judged: {type(error).__name__}: {error}"
        return DeltaReport(
            0, 0, 0, 0, None, 0, None, None, None, (), Verdict.INCONCLUSIVE, False, reason, ()
        )


def _windows(history: History, reference: Reference | None) -> dict[str, Window]:
    windows = {}
    for kpi in history.profile.kpis:
        try:
            windows[kpi] = window_of(history, kpi, reference)
        except (ArithmeticError, ValueError):
            # Figures beyond the floats; where the KPI is gated its criterion says so.
            windows[kpi] = Window(kpi, 0, 0, None, weak=False)
    return windows
