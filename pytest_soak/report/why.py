"""The sentence that says why a lane, or a run, has its verdict."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pytest_soak.gate.criteria import CriterionResult
from pytest_soak.gate.judge import LaneJudgement, RunJudgement
from pytest_soak.loop.model import Verdict
from pytest_soak.report.lane_words import joined
from pytest_soak.report.layout import criterion_value, listed, sides_of
from pytest_soak.report.lists import names
from pytest_soak.report.markdown import cell
from pytest_soak.report.trends import Trend, gated, is_outside, since_text, trend_of, trends_of
from pytest_soak.statistics import PHI_MAX

_DRIFT = re.compile(r"(?:falls|rises) .*? an iteration(?: \([^)]*\))?, (.*)")
"""A drift without its slope and interval."""
_MOST_REASONS = 2
"""Criteria that the sentence names; the others are counted."""


def deciding(lane: LaneJudgement) -> list[CriterionResult]:
    """The criteria that give the lane its verdict, the pass count last: it follows from others."""
    worst = [
        item
        for item in lane.criteria
        if item.binding and item.verdict is lane.verdict and item.verdict is not Verdict.PASS
    ]
    return sorted(worst, key=lambda item: item.name.startswith("pass_count_last"))


def why_lane(lane: LaneJudgement) -> str:
    """``net_bps is 0.917 bps over the last 10, limit >= 2.7; …``, without a full stop."""
    worst = deciding(lane)
    if not worst:
        return _passes(lane)
    texts = [criterion_text(lane, item) for item in worst[:_MOST_REASONS]]
    rest = [item.name for item in worst[_MOST_REASONS:]]
    also = f"; also {names(rest)}" if rest else ""
    return "; ".join(texts) + also


def headline(judgement: RunJudgement) -> str:
    """The verdict of a run and the sentence why, for the top of a file."""
    return f"**{judgement.verdict}**: {cell(why_run(judgement))}."


def why_run(judgement: RunJudgement) -> str:
    """The same of a run."""
    lanes = judgement.lanes
    if not lanes:
        return "no lane was judged"
    if len(lanes) == 1:
        return why_lane(lanes[0])
    worst = [lane for lane in lanes if lane.verdict is judgement.verdict]
    if judgement.verdict is Verdict.PASS:
        ready = [lane.freeze_ready for lane in lanes if lane.freeze_ready is not None]
        of_them = f"{sum(ready)} of them freeze ready" if ready else ""
        return joined(f"all {len(lanes)} lanes PASS", of_them)
    ids = names([lane.lane_id for lane in worst], 4)
    count = f"{len(worst)} of {len(lanes)} lanes {_has(judgement.verdict, len(worst))}: {ids}"
    shared = _shared(worst) if len(worst) > 1 else ""
    if shared:
        return f"{count}; all of them by {shared}"
    first = f"the first, {worst[0].lane_id}: " if len(worst) > 1 else ""
    return f"{count}; {first}{why_lane(worst[0])}"


def _has(verdict: Verdict, count: int) -> str:
    return f"{'are' if count > 1 else 'is'} {verdict}"


def _shared(lanes: Sequence[LaneJudgement]) -> str:
    """The criteria that decide in every one of these lanes."""
    every = [{item.name for item in deciding(lane)} for lane in lanes]
    common = set.intersection(*every) if every else set()
    return listed([item.name for item in deciding(lanes[0]) if item.name in common][:4])


def criterion_text(lane: LaneJudgement, item: CriterionResult) -> str:
    """One criterion that is not PASS, with since when."""
    window = lane.window
    if window.comparison(item.name) is not None and item.value is not None:
        trend = trend_of(window, item.name)
        head = f"{item.name} is {criterion_value(item)}{trend.unit}"
        head += f" over the last {trend.window.bounds.iterations} iterations, limit {item.limit}"
        sides, value = sides_of(item.limit), item.value
        fails = item.verdict is Verdict.FAIL
        if fails and any(is_outside(side, value) for side in sides):
            since = since_text(trend)
            return head + (f"; {since}" if since else "") + _onset(trend)
        # Without the bound and its statistics, which stand in the gate's table.
        return f"{head}; {note_of(item) or _facts(item)}"
    if item.name.startswith("pass_count_last"):
        return " ".join(item.reason.split()).partition("; ")[0]
    kpi, reason = item.name.removeprefix("drift:"), " ".join(item.reason.split())
    if kpi != item.name and window.history.profile.kpis.get(kpi) is not None:
        text = reason.removeprefix(f"{item.name}: ")
        return f"{kpi} {text}{_onset(trend_of(window, kpi))}"
    prefix = f"{item.name}: "
    return f"{item.name}: {reason.removeprefix(prefix)}" if reason else item.name


def _onset(trend: Trend) -> str:
    if not trend.worse or trend.began is None:
        return ""
    return f"; steadily worse since about iteration {trend.began}"


def _facts(item: CriterionResult) -> str:
    """The reason without its name, figure and limit, which stand before it already."""
    reason = " ".join(item.reason.split()).removeprefix(f"{item.name}: ")
    head, _, rest = reason.partition("; ")
    return rest if rest and ("limit" in head) else reason


def note_of(item: CriterionResult) -> str:
    """What a criterion says beyond its value, limit and bounds, for a table that has these."""
    facts = [fact for fact in _facts(item).split("; ") if " bound " not in fact]
    if item.name.startswith("drift:") and (match := _DRIFT.fullmatch(facts[0])):
        return match[1]
    if item.name.startswith("pass_count_last"):
        facts = facts[:1]  # the reasons of the iterations are in FAILURES.md, grouped
    if item.marginal and item.phi is not None and item.phi >= PHI_MAX:
        facts.append(f"it wanders (φ {item.phi:.2f})")
    return "; ".join(facts)


def _passes(lane: LaneJudgement) -> str:
    kpis = [item for item in lane.criteria if lane.window.comparison(item.name) is not None]
    if lane.explores:
        return (
            "the lane is complete and its changes are verified; KPI limits do not bind in a sweep"
        )
    kpis = [item for item in kpis if item.binding]
    near = [(_distance(item, lane), item) for item in kpis]
    certain = [(far, item) for far, item in near if far is not None]
    if not certain:
        return "every criterion passes"
    _, item = min(certain, key=lambda pair: pair[0])
    trend = trend_of(lane.window, item.name)
    bound = lane.window.kpi(item.name).towards
    shown = f" (certain to {trend.shown(bound)})" if bound is not None else ""
    return (
        f"all {len(kpis)} gated KPIs are inside their limits with certainty; the closest is "
        f"{item.name}: {criterion_value(item)}{trend.unit}{shown}, limit {item.limit}"
        f"{_healed(lane)}"
    )


def _healed(lane: LaneJudgement) -> str:
    """The KPIs that began outside their limit."""
    texts = [
        f"{trend.kpi} began outside its limit, {trend.shown(trend.begin)} in the first quarter, "
        f"and is inside since iteration {trend.inside_since}"
        for trend in trends_of(lane.window, gated(lane.window))
        if trend.inside_since is not None
    ]
    return "".join(f"; {text}" for text in texts)


def _distance(item: CriterionResult, lane: LaneJudgement) -> float | None:
    """How far the deciding bound is from the limit, as a ratio of the limit."""
    limit, bound = lane.window.comparison(item.name), lane.window.kpi(item.name).deciding
    if limit is None or bound is None:
        return None
    return abs(limit.limit - bound) / (abs(limit.limit) or 1.0)
