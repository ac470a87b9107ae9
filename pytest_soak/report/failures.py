"""FAILURES.md: what failed, since when, what came before it, and how to go on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pytest_soak.gate.criteria import CriterionResult
from pytest_soak.gate.echo import echo_lines
from pytest_soak.gate.judge import LaneJudgement, RunJudgement
from pytest_soak.loop.model import PROPOSER_FAILED, History, Iteration, Verdict
from pytest_soak.loop.scenarios import fired_in
from pytest_soak.report.commands import command_lines, explain_commands
from pytest_soak.report.events import panic_lines, panics
from pytest_soak.report.layout import Table, edits_text, moves_text, times
from pytest_soak.report.lists import (
    bounded,
    grouped_reasons,
    iterations_text,
    names,
    stretches,
)
from pytest_soak.report.markdown import bullet, cell
from pytest_soak.report.remedies import never_moved
from pytest_soak.report.trends import decline_text, onsets, since_text, trends_of
from pytest_soak.report.why import headline, why_lane

_MOST_LANES = 24
"""Lanes with failures that are shown one by one; those that FAIL come first."""
_MOST_STRETCHES = 12
_MOST_CHANGES = 5
_BEFORE = 12
"""Changes and WARN iterations at most so many iterations before the first failure."""


def failures(histories: Sequence[History], judgement: RunJudgement) -> str:
    """The text of the file; it says so when nothing failed."""
    lines = [f"# Failures ({judgement.verdict})", ""]
    if judgement.verdict is not Verdict.PASS:
        lines += [headline(judgement), ""]
    several, calm, shown = len(histories) > 1, [], []
    for history, lane in zip(histories, judgement.lanes, strict=True):
        sections = _lane(history, lane, several=several)
        if sections:
            shown.append((lane, sections))
        else:
            calm.append(lane)
    shown.sort(key=lambda pair: -pair[0].verdict.severity)
    for lane, sections in shown[:_MOST_LANES]:
        lines += [f"## Lane {cell(lane.lane_id)}: {lane.verdict}", "", *sections]
    rest = [lane.lane_id for lane, _ in shown[_MOST_LANES:]]
    if rest:
        lines += [f"And {len(rest)} more lanes, in their own directories: {cell(names(rest))}.", ""]
    if calm and several:
        ids = [lane.lane_id for lane in calm]
        lines += [f"No failures in {len(calm)} of {len(histories)} lanes: {cell(names(ids))}.", ""]
    elif calm:
        lines += [f"## Lane {cell(calm[0].lane_id)}: {calm[0].verdict}", "", "No failures.", ""]
    return "\n".join(lines)


def _lane(history: History, lane: LaneJudgement, *, several: bool) -> list[str]:
    """The sections of one lane; empty if nothing failed."""
    criteria = [*_criteria(lane)]
    iterations = [*_failing(history), *_others(history)]
    if not criteria and not iterations:
        return []
    lines = []
    if several and lane.verdict is not Verdict.PASS:
        lines += [f"{cell(why_lane(lane))}.", ""]
    lines += criteria
    for title, entries in (
        ("Since when", list(_since(lane))),
        ("Iterations", iterations),
        ("Before it", list(_before(history, lane))),
        ("What the safe profile did", panic_lines(history)),
    ):
        if entries:
            lines += [*([""] if lines and lines[-1] else []), f"### {title}", ""]
            lines += bounded([bullet(text) for text in entries])
    numbers = _to_look_at(history, lane)
    commands = explain_commands(numbers, lane.lane_id, several=several)
    return [*lines, "", "### Go on", "", *command_lines(commands), ""]


def _criteria(lane: LaneJudgement) -> Iterator[str]:
    for result in lane.criteria:
        if result.verdict is Verdict.FAIL:
            kind = "gate" if result.binding else "not binding"
            yield f"- {kind}: {cell(_reason(lane, result))}"


def _reason(lane: LaneJudgement, result: CriterionResult) -> str:
    """The reason in full; that of the pass count with the reasons of its iterations grouped."""
    if not result.name.startswith("pass_count_last"):
        return result.reason or result.name
    window = lane.window
    facts = result.reason.split("; ")[:2]
    return "; ".join((*facts, *grouped_reasons(window.not_passing, window.history.profile)[:3]))


def _since(lane: LaneJudgement) -> Iterator[str]:
    """Since when each gated KPI is outside its limit or gets worse, if it is a reason."""
    failing = {
        item.name.removeprefix("drift:")
        for item in lane.criteria
        if item.verdict in (Verdict.FAIL, Verdict.WARN)
    }
    for trend in trends_of(lane.window, failing):
        since = since_text(trend)
        if since and trend.limit is not None:
            yield f"{trend.kpi} (limit {trend.limit}): {since}"
        if trend.worse:
            forecast = trend.forecast_text
            yield decline_text(trend) + (f"; {forecast}" if forecast else "")


# -- iterations ----------------------------------------------------------------------------------


def _failing(history: History) -> list[str]:
    """The FAIL iterations, those in a row together, their reasons grouped."""
    groups = stretches(history.iterations, Verdict.FAIL)
    lines = [_stretch_text(group, history) for group in groups[:_MOST_STRETCHES]]
    rest = groups[_MOST_STRETCHES:]
    if rest:
        items = [item for group in rest for item in group]
        lines.append(
            f"{len(items)} more FAIL iterations in {len(rest)} stretches, the last is iteration "
            f"{items[-1].number}: {_reasons(items, history)}"
        )
    return lines


def _stretch_text(group: Sequence[Iteration], history: History) -> str:
    fired = dict.fromkeys(fired.name for item in group for fired in fired_in(item))
    scenario = f" (while {names(list(fired))} ran)" if fired else ""
    count = "" if len(group) == 1 else f", {len(group)} in a row"
    where = iterations_text(item.number for item in group)
    return f"{where}: FAIL{count}{scenario}: {_reasons(group, history)}"


def _reasons(items: Sequence[Iteration], history: History) -> str:
    return "; ".join(grouped_reasons(items, history.profile)[:4]) or "no reason is given"


def _others(history: History) -> Iterator[str]:
    """INCONCLUSIVE iterations, failed checks, failed proposers, echoes and the halt."""
    unclear = [item for item in history.iterations if item.verdict is Verdict.INCONCLUSIVE]
    if unclear:
        where = iterations_text(item.number for item in unclear)
        yield f"{where}: INCONCLUSIVE: {_reasons(unclear, history)}"
    for kind, at in _noted(history).items():
        yield f"{iterations_text(at)}: {kind}" + (f", {times(len(at))}" if len(at) > 1 else "")
    for line in echo_lines(history.profile.parameters, history.iterations):
        yield f"the target ran with other values: {line}"
    if history.halt is not None:
        yield f"iteration {history.halt.iteration}: {history.halt.kind}: {history.halt.text}"


def _noted(history: History) -> dict[str, list[int]]:
    """Failed check, or note of a proposer that failed, to its iterations."""
    at: dict[str, list[int]] = {}
    for item in history.iterations:
        if item.decision is not None and PROPOSER_FAILED in item.decision.note:
            at.setdefault(item.decision.note, []).append(item.number)
        for check in item.failed_checks:
            at.setdefault(f"failed check: {check}", []).append(item.number)
    return at


# -- before --------------------------------------------------------------------------------------


def _before(history: History, lane: LaneJudgement) -> Iterator[str]:
    """What announced the failure, and what was changed before it."""
    groups = stretches(history.iterations, Verdict.FAIL)
    warned = [item for item in history.iterations if item.verdict is Verdict.WARN]
    if groups:
        first, what = groups[0][0].number, f"the FAIL of iteration {groups[0][0].number}"
        warned = [item for item in warned if first - _BEFORE <= item.number < first]
    elif lane.verdict is Verdict.PASS:
        return
    else:
        yield "no iteration FAILs by itself: the gate judges the window and the trend"
        first, what = _first_sign(lane), "it"
        if first <= 1:
            yield "it is so from the first iteration on, so nothing came before it"
    if warned:
        where = iterations_text(item.number for item in warned)
        yield f"announced by WARN in {where}: {_reasons(warned, history)}"
    elif first > 1:
        yield f"no WARN iteration announced {what}"
    if len(never_moved(history)) == len(history.profile.parameters):
        yield "no parameter was changed in the whole run"
    near = [item for item in history.iterations if first - _BEFORE <= item.number < first]
    yield from _changed(history.profile.parameters, near, first)


def _first_sign(lane: LaneJudgement) -> int:
    """The first iteration outside a limit, or of a decline, of the KPIs that are a reason."""
    failing = {item.name for item in lane.criteria if item.verdict is Verdict.FAIL}
    outside = [trend.outside[0] for trend in trends_of(lane.window, failing) if trend.outside]
    return min((*outside, *onsets(lane)), default=1)


def _changed(table: Table, near: Sequence[Iteration], first: int) -> Iterator[str]:
    lines = []
    for item in near:
        for name in dict.fromkeys(fired.name for fired in fired_in(item)):
            lines.append(f"iteration {item.number}: {name} ran, a scheduled scenario")
        if item.edits:
            edits = edits_text(table, item.edits)
            lines.append(f"iteration {item.number}: edited by hand: {edits}")
        if item.decision is not None and item.decision.changes:
            by = names(_movers(item), 3)
            moved = moves_text(table, item.basis, item.decision.values).replace("\xa0", " ")
            lines.append(f"after iteration {item.number}: {by} moved {moved}")
    if not lines and near:
        yield f"nothing was changed in the {len(near)} iterations before iteration {first}"
    rest = len(lines) - _MOST_CHANGES
    if rest > 0:
        yield f"{rest} earlier changes in these {len(near)} iterations"
    yield from lines[-_MOST_CHANGES:]


def _movers(item: Iteration) -> list[str]:
    decision = item.decision
    if decision is None:
        return []
    if decision.panic is not None:
        return ["PANIC"]
    rules = (outcome.rule or "the proposer" for outcome in decision.outcomes if outcome.applied)
    return list(dict.fromkeys(rules))


def _to_look_at(history: History, lane: LaneJudgement) -> list[int]:
    """The first FAIL and the first panic; without them where it began to get worse."""
    groups = stretches(history.iterations, Verdict.FAIL)
    numbers = [groups[0][0].number] if groups else []
    numbers += [event.iteration for event in panics(history)[:1]]
    if history.halt is not None and not numbers and history.iterations:
        numbers = [history.iterations[-1].number]
    return sorted(numbers) or onsets(lane)[:2]
