"""One lane in the audit, section by section."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from pytest_soak.gate.criteria import CriterionResult
from pytest_soak.gate.figures import figure, with_unit
from pytest_soak.gate.judge import LaneJudgement
from pytest_soak.gate.result import kpi_of
from pytest_soak.loop.model import History, Verdict
from pytest_soak.report.anomalies import anomalies
from pytest_soak.report.commands import explain_commands
from pytest_soak.report.effects import effect_lines
from pytest_soak.report.events import closed_lines, count_rows, panic_lines, withheld
from pytest_soak.report.freezable import moves_of, why_not
from pytest_soak.report.lane_words import joined, limits_text
from pytest_soak.report.layout import (
    criterion_bounds,
    criterion_value,
    parameter_change,
    parameter_value,
    spans,
)
from pytest_soak.report.lists import MOST, bounded, names
from pytest_soak.report.markdown import bullet, cell, code
from pytest_soak.report.missing_kpis import MOST as MOST_MISSING
from pytest_soak.report.missing_kpis import missing_texts
from pytest_soak.report.notices import notice_lines
from pytest_soak.report.scenarios import scenario_lines
from pytest_soak.report.summary import final_values
from pytest_soak.report.trends import trend_table, trends_of
from pytest_soak.report.why import note_of, why_lane


def lane_lines(
    history: History, lane: LaneJudgement, *, several: bool, short: bool = False
) -> list[str]:
    """The sections of one lane. In a run of several lanes it has its own reason and command.

    ``short``: what the lane did, without gate, parameters and counts, which its own audit has.
    """
    head = [
        f"## Lane {cell(lane.lane_id)}: {lane.verdict}",
        "",
        *_facts(history, lane, several=several),
        *_recorded_data(history),
        *_unknown(history),
        *_missing(history),
    ]
    if short:
        return [*head, *_in_short(history, lane)]
    return [
        *head,
        *_section("Gate", _gate(lane)),
        *_section("Trends", trend_table(lane)),
        *_disturbed(lane),
        *_section("Anomalies", bounded([bullet(text) for text in anomalies(lane)]) or ["None."]),
        *_section("Tuner", _tuner(history)),
        *_withheld(history),
        *_section("Parameters", _parameters(history)),
        *_section("Rules", _rules(history)),
        *_section("Effects", effect_lines(history)),
        *_section("Deltas", _deltas(lane)),
        *_counts(history, lane),
    ]


def _section(title: str, lines: Sequence[str]) -> list[str]:
    return [f"### {title}", "", *lines, ""]


def _in_short(history: History, lane: LaneJudgement) -> list[str]:
    """Trends that are not steady, anomalies, what the tuner did."""
    trends = [
        f"{trend.kpi} {trend.word}: {trend.shown(trend.begin)} in the first quarter, "
        f"{trend.shown(trend.window.figure)} in the window; slope {trend.slope_text or 'not known'}"
        for trend in trends_of(lane.window)
        if trend.word not in ("steady", "rises", "falls")
    ]
    moved = Counter(
        outcome.rule
        for item in history.iterations
        if item.decision is not None
        for outcome in item.decision.outcomes
        if outcome.applied
    )
    moves = ", ".join(f"{rule or 'the proposer'} {count}" for rule, count in moved.most_common(6))
    lines = [*trends, *anomalies(lane), *_events(history)]
    lines.append(f"applied moves: {moves}" if moves else "no parameter was moved")
    file = code(f"{lane.lane_id}/POST_SOAK_AUDIT.md")
    return [*bounded([bullet(text) for text in lines], 8), "", f"All sections: {file}.", ""]


# -- what it is ----------------------------------------------------------------------------------


def _facts(history: History, lane: LaneJudgement, *, several: bool) -> list[str]:
    mode = "" if history.tune else ", tuner off"
    mode += ", dry run" if history.dry_run else ""
    of_lane = history.lane
    what = joined(
        f"Profile {cell(history.profile.name)}", cell(of_lane.symbol), f"seed {of_lane.seed}"
    )
    limits = limits_text(lane.limit_set)
    lines = [
        f"{what}, target {cell(history.target)}{mode}; {lane.measured} of {lane.planned} "
        f"iterations of {of_lane.interval_s:g} s{f'; {limits}' if limits else ''}.",
        "",
    ]
    if several:
        (command,) = explain_commands((), lane.lane_id, several=True)
        lines += [f"{lane.verdict}: {cell(why_lane(lane))}. More: {code(command)}.", ""]
    freezes = lane.freeze_ready is not None
    if lane.keepable:
        ready = "Freeze ready: the" if freezes else "The"
        may = "" if freezes else "that may be kept "
        return [*lines, f"{ready} values {may}are in RECOMMENDATIONS.md.", ""]
    not_yet = "Not freeze ready" if freezes else "No values to keep yet"
    return [*lines, f"{not_yet}: {cell('; '.join(why_not(lane)))}.", ""]


def _recorded_data(history: History) -> list[str]:
    """What a replay reports about its recording, and what is doubtful about it."""
    section = history.iterations[0].report.get("replay") if history.iterations else None
    lines = section.get("recording") if isinstance(section, Mapping) else None
    if not isinstance(lines, list):
        return []
    return [*(bullet(str(line)) for line in lines[:MOST]), ""]


def _unknown(history: History) -> list[str]:
    """Names in reports that the profile does not declare; no figure uses them."""
    lines = [bullet(text) for text in notice_lines([history])]
    title = "Names that the profile does not declare, so no figure uses them:"
    return [title, "", *lines, ""] if lines else []


def _missing(history: History) -> list[str]:
    """KPIs that something reads, and that the first report of the target does not have."""
    lines = bounded([bullet(text) for text in missing_texts(history)], MOST_MISSING)
    title = "KPIs without data in the first measured iteration:"
    return [title, "", *lines, ""] if lines else []


def _disturbed(lane: LaneJudgement) -> list[str]:
    lines = scenario_lines(lane)
    return ["### Scenarios", "", *lines] if lines else []


# -- gate ----------------------------------------------------------------------------------------


def _gate(lane: LaneJudgement) -> list[str]:
    """A row for each criterion; drifts and stale reports have one only if they are not PASS."""
    quiet = [item for item in lane.criteria if _is_quiet(item)]
    rows = [_row(lane, item) for item in lane.criteria if item not in quiet]
    excluded = lane.window.left_out.removeprefix("; ")
    lines = [
        "| criterion | verdict | value | limit | bounds | n (independent) | note |",
        "|---|---|---|---|---|---|---|",
        *rows,
    ]
    drifts = [item for item in quiet if item.name.startswith("drift:")]
    wandering = [item.name.removeprefix("drift:") for item in drifts if "it wanders" in item.reason]
    tested = [item.name.removeprefix("drift:") for item in drifts if item.applicable]
    tested = [kpi for kpi in tested if kpi not in wandering]
    if wandering:
        lines += ["", f"No drift can be shown, since it wanders: {cell(', '.join(wandering))}."]
    untested = [item.name.removeprefix("drift:") for item in drifts if not item.applicable]
    if tested:
        lines += ["", f"No drift that reaches a limit soon: {cell(', '.join(tested))}."]
    if untested:
        lines += ["", f"Too few values to test for a drift: {cell(', '.join(untested))}."]
    if excluded:
        lines += ["", f"Not judged, {cell(excluded)}."]
    return lines


def _is_quiet(item: CriterionResult) -> bool:
    return item.verdict is Verdict.PASS and item.name.startswith(("drift:", "stale"))


def _row(lane: LaneJudgement, item: CriterionResult) -> str:
    kpis = lane.window.history.profile.kpis
    kpi = kpis.get(kpi_of(item.name))
    unit = with_unit(kpi.unit) if kpi is not None else ""
    drift = item.name.startswith("drift:")
    unit += " an iteration" if drift and item.value is not None else ""
    note = note_of(item).removesuffix(lane.window.left_out.removeprefix("; ")).rstrip("; ")
    own = {name for criterion in lane.window.limits.criteria for name in criterion.names}
    plain = item.verdict is Verdict.PASS and item.name not in own
    value = criterion_value(item) + (unit if item.value is not None else "")
    verdict = f"{item.verdict}{'' if item.binding else ', not binding'}"
    return (
        f"| {cell(item.name)} | {verdict if item.applicable else 'n/a'} | {cell(value)} "
        f"| {cell(item.limit) or '-'} | {criterion_bounds(item) or '-'} | {_size(item)} "
        f"| {cell(note) if note and not (plain and item.applicable) else '-'} |"
    )


def _size(item: CriterionResult) -> str:
    if not item.n:
        return "-"
    if item.n_eff is None or not math.isfinite(item.n_eff):
        return f"{item.n}"
    return f"{item.n} ({item.n_eff:.1f})"


# -- tuner ---------------------------------------------------------------------------------------


def _tuner(history: History) -> list[str]:
    """Panics, freezes, cooldowns and pauses."""
    lines = _events(history)
    off = [] if history.tune else ["The tuner was off: nothing was proposed, withheld or moved."]
    if history.dry_run:
        off.append("A dry run: what the tuner decided is recorded, and nothing was moved.")
    if not lines:
        return off or ["No panic, no freeze, no cooldown."]
    return [*off, *([""] if off else []), *map(bullet, lines)]


def _events(history: History) -> list[str]:
    live = history.tune and not history.dry_run
    return [*panic_lines(history), *(closed_lines(history) if live else [])]


def _withheld(history: History) -> list[str]:
    items = withheld(history)
    if not items:
        return []
    rows = [
        f"| {cell(item.guard)} | {cell(item.key)} | {item.what} | {len(item.iterations)} "
        f"| {spans(item.iterations)} |"
        for item in items[:MOST]
    ]
    rest = len(items) - MOST
    return _section(
        "Withheld or refused",
        [
            "| guard | parameter | result | times | after iterations |",
            "|---|---|---|---|---|",
            *rows,
            *(["", f"And {rest} more."] if rest > 0 else []),
        ],
    )


def _parameters(history: History) -> list[str]:
    """Those that moved in a table, the others in one line."""
    end, table = final_values(history), history.profile.parameters
    rows, still = [], []
    for key, start in history.start_values.items():
        value = end.get(key, start)
        parameter = history.profile.parameters.get(key)
        moved = any(item.values.get(key) != start for item in history.iterations)
        if value == start and not moved:
            still.append(f"{key} {parameter_value(table, key, start)}")
            continue
        unit = parameter.unit if parameter is not None else ""
        ends = [cell(parameter_value(table, key, item)) for item in (start, value)]
        figures = f"{' | '.join(ends)} | {parameter_change(table, key, value - start)}"
        moves = list(moves_of(history, key))
        last = f"after iteration {moves[-1][0]} by {moves[-1][3]}" if moves else "-"
        rows.append(f"| {cell(key)} | {figures} | {cell(unit)} | {len(moves)} | {cell(last)} |")
    heads = "key | start | end | change | unit | moves | last move"
    head = [f"| {heads} |", "|---|---|---|---|---|---|---|"]
    lines = [*head, *rows] if rows else []
    lines += [""] if rows and still else []
    return lines + ([f"Never moved: {cell(', '.join(still))}."] if still else [])


def _rules(history: History) -> list[str]:
    fired: Counter[str] = Counter()
    acted: Counter[str] = Counter()
    latest: dict[str, int] = {}
    for item in history.iterations:
        if item.decision is not None:
            moved = {o.rule for o in item.decision.outcomes if o.applied != 0.0 and o.rule}
            for rule in dict.fromkeys((*item.decision.rules, *sorted(moved))):
                fired[rule] += 1
                acted[rule] += rule in moved
                latest[rule] = item.number
    if not fired:
        return ["No rule fired." if history.tune else "The tuner was off."]
    verb = "would have moved something" if history.dry_run else "moved something"
    rows = [
        f"| {cell(name)} | {n} | {acted[name]} | {latest[name]} |"
        for name, n in fired.most_common()
    ]
    rest = len(rows) - MOST
    return [
        f"| rule | fired | {verb} | last in iteration |",
        "|---|---|---|---|",
        *rows[:MOST],
        *(["", f"And {rest} more."] if rest > 0 else []),
    ]


def _deltas(lane: LaneJudgement) -> list[str]:
    """Whether the changes took effect, in one or two sentences."""
    delta = lane.delta
    if not delta.applicable:
        lines = [cell(delta.reason.removeprefix("delta_quality: ").capitalize()) + "."]
    else:
        lines = [
            f"Decisions with a proposal: {delta.full} applied in full, {delta.partial_ok} in part "
            f"with a reason, {delta.fail} unexplained, {delta.unverified} unverified, "
            f"{delta.signature_stuck_count} without effect on the state hash. "
            f"Of what the rules requested {_percent(delta.requested_apply_ratio)} was applied."
        ]
    failures = bounded([bullet(text) for text in delta.failures])
    return [*lines, *([""] if failures else []), *failures]


def _percent(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:.0%}"


# -- counts --------------------------------------------------------------------------------------


def _counts(history: History, lane: LaneJudgement) -> list[str]:
    """Blocks and events; the window is that of the gate."""
    rows = count_rows(history, lane.window.long)
    if not rows:
        return []
    shown = [
        f"| {cell(name)} | {total:.0f} | {figure(begin)} | {figure(end)} |"
        for name, total, begin, end in rows[:MOST]
    ]
    kinds = names([name for name, *_ in rows[MOST:]])
    return _section(
        "Blocks and events",
        [
            "| what | total | an iteration, first quarter | an iteration, window |",
            "|---|---|---|---|",
            *shown,
            *(["", f"And {len(rows) - MOST} more: {cell(kinds)}."] if len(rows) > MOST else []),
        ],
    )
