"""RECOMMENDATIONS.md: what to change and why, from the figures of the run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from pytest_soak.gate.criteria import CriterionResult
from pytest_soak.gate.judge import LaneJudgement, RunJudgement
from pytest_soak.gate.kpi import NO_LONGER
from pytest_soak.loop.model import History, Verdict
from pytest_soak.profile.kpi import path_text
from pytest_soak.report.commands import command_lines, explain_commands
from pytest_soak.report.comparison import comparison_lines
from pytest_soak.report.events import PanicEvent, panics
from pytest_soak.report.freezable import freeze_block, unsettled, why_not
from pytest_soak.report.layout import named_reason, parameter_value
from pytest_soak.report.lists import iterations_text, names
from pytest_soak.report.markdown import bullet, cell, code
from pytest_soak.report.remedies import (
    never_moved,
    tuner_text,
    without_effect,
)
from pytest_soak.report.summary import final_values
from pytest_soak.report.trends import Trend, decline_text, gated, onsets, trends_of
from pytest_soak.report.why import deciding, headline, note_of, why_lane

_MOST_LANES = 24
"""Lanes of a run that are shown one by one; those that do not PASS come first."""


def recommendations(histories: Sequence[History], judgement: RunJudgement) -> str:
    """The text of the file; ``histories`` in the order of ``judgement.lanes``."""
    lines = [f"# Recommendations ({judgement.verdict})", "", headline(judgement), ""]
    lanes = list(zip(histories, judgement.lanes, strict=True))
    compared = comparison_lines(judgement.lanes)
    if compared:
        lines += ["## Profiles compared", "", *compared]
    lanes.sort(key=lambda pair: -pair[1].verdict.severity)
    groups: dict[str, list[LaneJudgement]] = {}
    for history, lane in lanes:
        text = "\n".join(_lane(history, lane, several=len(lanes) > 1))
        groups.setdefault(f"{lane.verdict}\n\n{text}", []).append(lane)
    for text, alike in list(groups.items())[:_MOST_LANES]:
        ids = names([lane.lane_id for lane in alike])
        lines.append(f"## Lane{'s' * (len(alike) > 1)} {cell(ids)}: {text}")
    rest = [lane.lane_id for alike in list(groups.values())[_MOST_LANES:] for lane in alike]
    if rest:
        lines += [f"And {len(rest)} more lanes, in their own directories: {cell(names(rest))}.", ""]
    return "\n".join(lines)


def _lane(history: History, lane: LaneJudgement, *, several: bool) -> list[str]:
    texts = recommended(history, lane)
    lines = [f"{cell(why_lane(lane))}.", ""] if several and lane.verdict is not Verdict.PASS else []
    lines += [*map(bullet, texts), ""] if texts else []
    lines += _freeze(lane)
    if lane.verdict is not Verdict.PASS:
        commands = explain_commands(
            iterations_to_explain(history, lane), lane.lane_id, several=several
        )
        lines += ["Go on with:", "", *command_lines(commands)[2:], ""]
    return lines


def iterations_to_explain(history: History, lane: LaneJudgement) -> list[int]:
    """The iterations with which a search for the cause begins."""
    failing = [item.number for item in history.iterations if item.verdict is Verdict.FAIL]
    numbers = [*failing[:1], *(event.iteration for event in panics(history)[:1])]
    return numbers or onsets(lane)[:2]


def _freeze(lane: LaneJudgement) -> list[str]:
    freezes = lane.freeze_ready is not None
    verb = "freeze" if freezes else "keep"
    if not lane.window.history.profile.parameters:
        return []
    if lane.verdict is not Verdict.PASS:
        return [f"{verb.capitalize()} nothing: this lane is not PASS.", ""]
    if not lane.keepable:
        reasons = "; ".join(why_not(lane))
        return [f"{verb.capitalize()} nothing yet: {cell(reasons)}.", ""]
    moving = unsettled(lane)
    may = "The gate calls these values freeze ready:" if freezes else "These values may be kept:"
    lines = [may, "", *freeze_block(lane), ""]
    if moving:
        lines += [
            f"Not settled: {cell(names(moving))} moved within the window, so it shows the last "
            "value in a part of its iterations only. Repeat the run with these start values before "
            f"you {verb} them.",
            "",
        ]
    return lines


def recommended(history: History, lane: LaneJudgement) -> list[str]:
    """What to do about a lane, as sentences, each of them once."""
    return list(dict.fromkeys(_recommended(history, lane)))


def _recommended(history: History, lane: LaneJudgement) -> Iterator[str]:
    yield from _for_the_end(history, lane)
    kpis = {*gated(lane.window), lane.window.limits.throughput or ""}
    trends = {trend.kpi: trend for trend in trends_of(lane.window, kpis)}
    yield from _for_declines(lane, trends)
    for result in lane.criteria:
        if lane.window.comparison(result.name) is not None and result.verdict is not Verdict.PASS:
            yield from _for_kpi(history, lane, result, trends.get(result.name))
    yield from _for_panics(history)
    yield from _for_deltas(lane)
    yield from _for_the_rest(lane)
    yield from _at_bounds(history)
    if lane.verdict is Verdict.FAIL and history.tune:
        yield from _for_parameters(history, lane)


def _for_the_end(history: History, lane: LaneJudgement) -> Iterator[str]:
    if history.halt is not None and history.halt.kind != "end_of_data":
        yield (
            f"First repair what ended the lane at iteration {history.halt.iteration} "
            f"({history.halt.kind}): {history.halt.text}. Then continue with --soak-resume."
        )
    elif lane.measured < lane.planned:
        yield (
            f"Finish the run with --soak-resume: {lane.measured} of {lane.planned} iterations "
            "are measured."
        )


def _for_declines(lane: LaneJudgement, trends: dict[str, Trend]) -> Iterator[str]:
    """Gated KPIs, and the throughput, that get worse and matter for it."""
    alarms = {
        item.name.removeprefix("drift:")
        for item in lane.criteria
        if item.name.startswith("drift:") and item.verdict in (Verdict.WARN, Verdict.FAIL)
    }
    failing = {item.name for item in lane.criteria if item.verdict is Verdict.FAIL}
    for kpi, trend in trends.items():
        if not trend.worse:
            continue
        if kpi in alarms | failing:
            forecast = f"; {trend.forecast_text}" if trend.forecast_text else ""
            yield (
                f"{decline_text(trend)}{forecast}. A longer run does not "
                f"help. Find what grows or wears out in the target or around it {_from(trend)}."
            )
            if kpi not in failing and trend.limit is not None:
                yield f"{kpi}: {tuner_text(lane.window.history, kpi)}."
        elif trend.forecast is not None and kpi != lane.window.limits.throughput:
            yield f"To watch: {decline_text(trend)}; {trend.forecast_text}."


def _from(trend: Trend) -> str:
    began = trend.began
    return "from the start of the run on" if began is None else f"from iteration {began} on"


def _for_kpi(
    history: History, lane: LaneJudgement, result: CriterionResult, trend: Trend | None
) -> Iterator[str]:
    window = lane.windows.get(result.name)
    limits = history.profile.gate
    missing = window.bounds.no_data if window is not None else 0
    length = window.bounds.long_iterations if window is not None else 0
    if missing > limits.no_data_ratio * max(length, limits.window):
        source = _source_of(history, result.name)
        yield (
            f"{result.name}: make the target report it{source}; there is no data in "
            f"{missing} of the last {length} iterations."
        )
        return
    if result.verdict is not Verdict.FAIL:
        if trend is not None and (trend.worse or len(trend.outside) > 1):
            return  # a longer run is no remedy for a decline, which has its own item
        if trend is not None and trend.inside_since is not None:
            yield _healed_late(history, trend, trend.inside_since)
        elif NO_LONGER in result.reason:
            yield f"{result.name}: {note_of(result)}."
        elif lane.measured < limits.pass_from:
            yield (
                f"{result.name}: run at least {limits.pass_from} iterations, or give a stored "
                "tuner-off run with --soak-reference; without either the gate cannot say PASS."
            )
        elif result.margin is not None:
            yield (
                f"{result.name}: its distance of {result.margin:.3g} from the limit "
                f"({result.limit}) is within its noise. A longer interval makes each figure more "
                "certain; a tuner-off run as --soak-reference makes the noise known."
            )
        return
    since = ""
    if trend is not None and trend.outside:
        first = trend.outside[0]
        since = f" (outside since iteration {first}, {len(trend.outside)} in a row)"
    if trend is not None and trend.inside_since is not None:
        yield _healed_late(history, trend, trend.inside_since)
    unit = trend.unit if trend is not None else ""
    shown = f"{result.value:.4g}{unit}" if result.value is not None else "no figure"
    yield (
        f"{result.name} is {shown}, limit {result.limit}{since}: "
        f"{tuner_text(history, result.name)}."
    )


def _healed_late(history: History, trend: Trend, since: int) -> str:
    """Start values for the next run; where no parameter moved, a warm-up."""
    began = f"{trend.kpi} began outside its limit and is inside since iteration {since}."
    start, table = history.start_values, history.profile.parameters
    moved = [
        f"{key} {parameter_value(table, key, value)}"
        for key, value in final_values(history).items()
        if key in table and value != start.get(key)
    ]
    if not moved:
        return (
            f"{began} No parameter differs from its start value, so the target needed that time "
            f"by itself: gate.warmup_iterations: {since - 1} in the profile leaves it out; give "
            "the run so many iterations more."
        )
    return (
        f"{began} Start the next run with the values at the end of this one, so that it is steady "
        f"from the start on; start values in the profile: {names(moved, 12)}."
    )


def _source_of(history: History, kpi: str) -> str:
    declared = history.profile.kpis.get(kpi)
    if declared is None or not declared.path:
        return ""
    return f" as {code(path_text(declared.path))}"


def _for_panics(history: History) -> Iterator[str]:
    """By what came of the panics, and never a safer profile where the safe one failed."""
    events = panics(history)
    if not events:
        return
    at = iterations_text(event.iteration for event in events)
    safe = events[0].panic.revert_to
    if events[0].panic.would:
        why = "the tuner was off" if not history.tune else "it was a dry run"
        yield (
            f"The tuner would have reverted to {safe} after {at}, but {why}: whether {safe} helps "
            "is not known. Run with the tuner on, or start from it, to see."
        )
        return
    failed = [event for event in events if event.failed_after]
    if events[-1].repaired and not failed:
        yield _repaired(events[-1], safe)
    elif failed:
        numbers = [
            item.number for event in failed for item in event.after if item.verdict is Verdict.FAIL
        ]
        yield (
            f"{safe} failed as well, after the panic in {at}: {len(set(numbers))} iterations "
            f"after it FAIL ({iterations_text(numbers)}). The cause is not in the "
            "parameters that it changes: look at the target and around it from iteration "
            f"{events[0].failing[0].number} on."
        )


def _repaired(event: PanicEvent, safe: str) -> str:
    return (
        f"Start from {safe}, or nearer to it: the start values led to the panic after iteration "
        f"{event.iteration}, and with the values of {safe} no FAIL came in the next "
        f"{len(event.after)} iterations."
    )


def _for_deltas(lane: LaneJudgement) -> Iterator[str]:
    delta = lane.delta
    if delta.failures:
        yield (
            "Make the target run with the values in runtime_overrides.json: "
            f"{len(delta.failures)} changes are unexplained, the first is {delta.failures[0]}."
        )
    elif delta.verdict is Verdict.FAIL:
        reasons = Counter(reason for check in delta.checks for reason in check.refused.values())
        shown = ", ".join(f"{name} {count}" for name, count in reasons.most_common(3))
        yield f"Too few changes were applied in full; refused by: {shown or 'no guard'}."
    if delta.signature_stuck_count:
        yield "Propose larger steps: a change that leaves the state hash as it was is rounded away."
    if delta.verdict is Verdict.WARN:
        yield f"Find out why the tuner proposed too little: {delta.reason}."


def _for_the_rest(lane: LaneJudgement) -> Iterator[str]:
    """What decides the verdict and has no item of its own: checks, scenarios, criteria of hooks."""
    for item in deciding(lane):
        own = lane.window.comparison(item.name) is not None
        own = own or item.name.startswith(("drift:", "pass_count_last"))
        if not own and item.name not in ("delta_quality", "completeness"):
            yield f"Look at {named_reason(item)}."


def _for_parameters(history: History, lane: LaneJudgement) -> Iterator[str]:
    """What the tuner did not do or did in vain, for a lane that FAILs."""
    still = never_moved(history)
    if still and len(still) == len(history.profile.parameters):
        yield "No parameter moved in the whole run, so no move of the tuner is the cause."
    elif still:
        yield f"Never moved: {names(still, 12)}."
    idle = [f"{key} ({text})" for key, text in without_effect(history).items()]
    if idle:
        yield f"No effect was shown of {names(idle)}. Take them out of the rules, or move farther."


def _at_bounds(history: History) -> Iterator[str]:
    for key, value in final_values(history).items():
        parameter = history.profile.parameters.get(key)
        if parameter is None or value == history.start_values.get(key):
            continue
        if parameter.kind == "bool":
            continue  # a switch has no other values
        for name, bound in (("minimum", parameter.minimum), ("maximum", parameter.maximum)):
            if parameter.same(value, bound):
                yield (
                    f"{key} ended at its {name} of {parameter.text(bound)}: there the tuner has no "
                    "headroom left."
                )
