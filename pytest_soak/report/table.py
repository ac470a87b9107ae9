"""Lines for the terminal: one per iteration, and the table of the gate at the end.

They are aligned, have at most 100 columns, and are readable without colour.
"""

from __future__ import annotations

import math
import textwrap
from collections import Counter
from collections.abc import Iterable, Sequence

from pytest_soak.canonical import escaped
from pytest_soak.gate.criteria import CriterionResult
from pytest_soak.gate.judge import LaneJudgement, RunJudgement
from pytest_soak.loop.model import PROPOSER_FAILED, Decision, Iteration, Verdict
from pytest_soak.loop.scenarios import fired_in
from pytest_soak.profile.model import Profile
from pytest_soak.report.lane_table import MOST_LISTED, lane_table
from pytest_soak.report.lane_words import joined, limits_text, readiness
from pytest_soak.report.layout import (
    SHORT_NAMES,
    WIDTH,
    criterion_bounds,
    criterion_value,
    cut,
    kpi_figure,
    main_kpis,
    moved_text,
    named_reason,
)

INDENT = 2
"""Free columns before the line of an iteration."""

_HEADINGS = ("criterion", "value", "bounds", "limit", "n (eff)", "verdict")
_WIDTHS = (29, 11, 23, 11, 10, 13)
_LONGEST_VALUE = 20
_MOST_EXPLORED = 8
"""Lanes of a sweep that are listed one by one."""
_MOST_LISTED = 8
"""Iterations, or edits, that are listed one by one."""
_LEAST_TEXT = 8
"""Columns below which a text is left out of the line."""


def iteration_line(
    iteration: Iteration,
    kpis: Sequence[str] = (),
    *,
    width: int = WIDTH - INDENT,
    profile: Profile | None = None,
    planned: int = 0,
) -> str:
    """One iteration: number, verdict, KPIs, rules that fired, and the outcomes of the deltas.

    ``kpis`` chooses the KPIs; without it the line shows the usual ones, or four, those with a limit
    first. Of these four those for which the rest of the line leaves no columns are left out.
    ``width``: columns of the terminal, less those printed before the line. With ``profile`` a
    figure has as many digits as show on which side of the limits of an iteration it is. With
    ``planned``, the number of iterations, the line begins ``3/24``.
    """
    names = _fitting(iteration, kpis, profile, planned, width)
    head = cut(_head(iteration, names, profile, planned), width)
    if iteration.decision is None:
        return head
    panic, rules = _panic(iteration.decision), " ".join(iteration.decision.rules)
    edits, unclear = ", ".join(sorted(iteration.edits)), _unclear(iteration, names)
    texts = [
        _joined(panic, rules, edits and f"EDITED {edits}", unclear),
        _joined(panic, edits and f"EDITED {edits}", unclear) or rules,
        _joined(panic, edits and f"EDITED {len(iteration.edits)} keys", unclear) or rules,
    ]
    # The outcomes matter most. In a line that is too long, the reasons of what was withheld are
    # left out first, then the reasons of refusals, then rules, then the names of edited keys.
    for text, refused, withheld in (
        (texts[0], True, True),
        (texts[0], True, False),
        *((text, False, False) for text in texts),
    ):
        outcome = _outcome(iteration.decision, refused=refused, withheld=withheld)
        line = escaped(_parts(head, text, outcome))
        if len(line) <= width:
            return line
    named = _outcome(iteration.decision, refused=True, withheld=False)
    if unclear and width - len(head) - len(named) > _LEAST_TEXT + 6:
        outcome = named  # the guard that refused matters more; the reason of no data is cut
    left = width - len(head) - len(outcome) - (6 if outcome else 3)
    parts = [head, cut(texts[-1], left) if left > _LEAST_TEXT else "", outcome]
    return cut(_parts(*parts), width)


def _fitting(
    iteration: Iteration, kpis: Sequence[str], profile: Profile | None, planned: int, width: int
) -> list[str]:
    """The KPIs of the line. Those without a limit give way to the rules, all to the outcomes."""
    names = list(kpis) or main_kpis(iteration.readings, profile)
    decision = iteration.decision
    if decision is None or kpis or profile is None:
        return names
    limited = {item.kpi for item in profile.gate.criteria}
    rules = " ".join(decision.rules)
    whole = _parts(rules, _outcome(decision, refused=True, withheld=True))
    least = _outcome(decision, refused=False, withheld=False)
    while len(names) > 1:
        rest = least if names[-1] in limited else whole
        if len(_parts(_head(iteration, names, profile, planned), rest)) <= width:
            break
        names.pop()
    return names


def _head(iteration: Iteration, names: Sequence[str], profile: Profile | None, planned: int) -> str:
    """The part of the line with number, verdict and figures, with its whole length."""
    number = f"{iteration.number:>{len(str(planned))}}/{planned}" if planned else iteration.number
    figures = " ".join(
        f"{SHORT_NAMES.get(name, name)}={kpi_figure(iteration.readings.get(name), name, profile)}"
        for name in names
    )
    scenarios = dict.fromkeys(fired.name for fired in fired_in(iteration))
    figures += f" scenario {', '.join(scenarios)}" if scenarios else ""
    if profile is not None and iteration.number <= profile.gate.warmup_iterations:
        figures += " warm-up"
    return f"{number:>{0 if planned else 4}} {iteration.verdict:<4} {figures}"


def _parts(*parts: str) -> str:
    return " | ".join(part for part in parts if part)


def _joined(*parts: str) -> str:
    return " ".join(part for part in parts if part)


def _unclear(iteration: Iteration, shown: Sequence[str]) -> str:
    """What no other part of the line shows: why it is INCONCLUSIVE, that its proposer failed.

    For the KPIs in ``shown`` the line has "nodata" already, so only the reason is added.
    """
    texts = []
    if iteration.verdict is Verdict.INCONCLUSIVE:
        reasons = list(iteration.reasons)
        for name in shown:
            prefix = f"{name} has no data"
            reasons = [
                reason.removeprefix(prefix).removeprefix(": ")
                if reason.startswith(prefix)
                else reason
                for reason in reasons
            ]
        texts += [reason for reason in reasons if reason][:1]
    if iteration.decision is not None and PROPOSER_FAILED in iteration.decision.note:
        texts.append(PROPOSER_FAILED.upper())
    return " ".join(texts)


def _panic(decision: Decision) -> str:
    panic = decision.panic
    if panic is None:
        return ""
    if not panic.moves:
        return f"PANIC at {panic.revert_to} already"
    would = "would revert" if panic.would else "reverted"
    return f"PANIC {would} to {panic.revert_to}{' over pins' if panic.pins else ''}"


def _outcome(decision: Decision, *, refused: bool, withheld: bool) -> str:
    """The outcomes of the deltas, with the reasons of what was ``refused`` and ``withheld``."""
    counts: Counter[str] = Counter(outcome.outcome for outcome in decision.outcomes)
    kinds = ("APPLIED", "CLIPPED", "SKIPPED")
    parts = [f"{kind.lower()} {counts[kind]}" for kind in kinds if counts[kind]]
    refusals = dict.fromkeys(item.reason for item in decision.outcomes if item.reason)
    if refused and refusals:
        parts.append(f"({', '.join(refusals)})")
    if decision.withheld:
        parts.append(f"withheld {len(decision.withheld)}")
        # The line shows the guard's name alone, without the details that may follow it.
        guards = (reason.partition(" ")[0].rstrip(":,") for reason in decision.withheld.values())
        if withheld:
            parts.append(f"({', '.join(dict.fromkeys(guards))})")
    if decision.dry_run and decision.outcomes:
        parts.append("dry run")
    return " ".join(parts)


def final_table(run: RunJudgement) -> list[str]:
    """The gate as a table of each lane, of many lanes as one; the reasons; the verdict last."""
    lines: list[str] = []
    explored = [lane for lane in run.lanes if lane.explores]
    others = [lane for lane in run.lanes if lane not in explored]
    if len(others) > MOST_LISTED:
        lines += lane_table(others)
    else:
        for lane in others:
            lines += _lane_lines(lane)
    if explored:
        lines += _explored_lines(explored)
    if not run.lanes:
        lines.append("no lane was judged")
    return [*lines, *_last_lines(run)]


def _explored_lines(lanes: Sequence[LaneJudgement]) -> list[str]:
    """The lanes of a sweep. There may be hundreds, so only the first that do not PASS."""
    others = [lane for lane in lanes if lane.verdict is not Verdict.PASS]
    lines = []
    for lane in others[:_MOST_EXPLORED]:
        title = f"lane {cut(lane.lane_id, 75)}: {lane.verdict}"
        lines += [title, *_reasons(lane)]
    if len(others) > _MOST_EXPLORED:
        lines.append(f"and {len(others) - _MOST_EXPLORED} more lanes, in POST_SOAK_AUDIT.md")
    lines.append(
        f"sweep: {len(lanes) - len(others)} of {len(lanes)} lanes PASS: complete, and their deltas "
        "verified; KPI limits do not bind"
    )
    return [*lines, ""]


def _lane_lines(lane: LaneJudgement) -> list[str]:
    measured = f"{lane.measured} of {lane.planned} measured"
    limits = limits_text(lane.limit_set) if lane.mock else ""
    facts = joined(measured, readiness(lane), limits)
    title = f"lane {cut(lane.lane_id, 50)}: {lane.verdict} ({facts})"
    lines = [
        cut(title, WIDTH),
        _row(_HEADINGS),
        "  " + "-" * (sum(_WIDTHS) - 2),
        *(_row(_cells(result)) for result in lane.criteria if _has_row(result)),
        *_drift_lines(lane),
        *(cut(line, WIDTH) for line in _delta_lines(lane)),
        *_event_lines(lane),
    ]
    return [*lines, *_reasons(lane), ""]


def _has_row(result: CriterionResult) -> bool:
    """A KPI without drift, and a report that is not stale, have no row of their own."""
    quiet = result.name.startswith("drift:") or result.name == "stale"
    return not quiet or result.verdict is not Verdict.PASS


def _drift_lines(lane: LaneJudgement) -> list[str]:
    """Which KPIs were tested for a drift and show none, and which could not be tested."""
    drifts = [item for item in lane.criteria if item.name.startswith("drift:")]
    if not drifts:
        return []
    steady = [item for item in drifts if item.applicable and item.verdict is Verdict.PASS]
    wandering = [item for item in steady if "it wanders" in item.reason]
    parts = [
        ("none shown for", [item for item in steady if item not in wandering]),
        ("cannot be shown (the KPI wanders):", wandering),
        ("not tested (fewer than 24 values):", [item for item in drifts if not item.applicable]),
    ]
    lines: list[str] = []
    for text, items in parts:
        if items:
            names = ", ".join(item.name.removeprefix("drift:") for item in items)
            lines += textwrap.wrap(
                f"drift: {text} {names}", WIDTH, initial_indent="  ", subsequent_indent="      "
            )
    return lines


def _reasons(lane: LaneJudgement) -> list[str]:
    """The reasons of the criteria that are not PASS."""
    lines: list[str] = []
    for result in lane.criteria:
        if result.verdict is not Verdict.PASS and result.binding:
            lines += textwrap.wrap(
                f"{result.verdict} {named_reason(result)}",
                WIDTH,
                initial_indent="  ",
                subsequent_indent="      ",
            )
    return lines


def _cells(result: CriterionResult) -> tuple[str, ...]:
    size = f"{result.n}" if result.n else ""
    if result.n_eff is not None and math.isfinite(result.n_eff):
        size += f" ({result.n_eff:.1f})"
    verdict = str(result.verdict) if result.applicable else "n/a"
    verdict += "" if result.binding else " (opt.)"
    value, bounds = criterion_value(result), criterion_bounds(result)
    return result.name, value, bounds, result.limit, size, verdict


def _row(cells: Sequence[str]) -> str:
    widths = list(_WIDTHS)
    # A value with many digits is shown as a whole; it takes columns from its bounds.
    widths[1] = max(widths[1], min(len(cells[1]), _LONGEST_VALUE) + 1)
    widths[2] -= widths[1] - _WIDTHS[1]
    name, *rest, verdict = [cut(cell, width - 1) for cell, width in zip(cells, widths, strict=True)]
    numbers = "".join(
        f"{cell:>{width - 1}} " for cell, width in zip(rest, widths[1:-1], strict=True)
    )
    return f"  {name:<{_WIDTHS[0] - 1}}{numbers} {verdict}".rstrip()


def _delta_lines(lane: LaneJudgement) -> list[str]:
    """What became of the proposals, and of the requests before them."""
    delta = lane.delta
    belonging = ", ".join(f"{by} in {count} iterations" for by, count in delta.belonging.items())
    by = [f"  reports belong to their delivery by: {belonging}"] if belonging else []
    if delta.belonging.get("replaced") and not any(
        item.report.get("effective_params") for item in lane.window.measured
    ):
        unconfirmed = "nothing shows what the target ran with"
        by.append(f"  no report has an echo (effective_params): {unconfirmed}")
    if not delta.applicable:
        return [f"  deltas: {delta.reason.removeprefix('delta_quality: ')}", *by]
    applied, withheld = _percent(delta.requested_apply_ratio), _percent(delta.withheld_ratio)
    return [
        f"  deltas: {delta.full} full, {delta.partial_ok} in part with a reason, "
        f"{delta.fail} unexplained, {delta.unverified} unverified, "
        f"{delta.signature_stuck_count} stuck",
        f"  requests: {applied} of the requested moves applied, a key withheld in {withheld} of "
        "iterations with requests",
        *by,
    ]


def _event_lines(lane: LaneJudgement) -> list[str]:
    """The iterations that a fault left without data, and the edits by hand: also in a PASS."""
    faults: dict[str, list[int]] = {}
    edits: list[str] = []
    table = lane.window.history.profile.parameters
    for item in lane.window.measured:
        fault = item.report.get("fault")
        if isinstance(fault, str):
            faults.setdefault(fault, []).append(item.number)
        edits += [
            f"{moved_text(table, key, old, new)} in {item.number}"
            for key, (old, new) in item.edits.items()
        ]
    lost = [f"{escaped(fault)} in {_first(map(str, numbers))}" for fault, numbers in faults.items()]
    lines: list[str] = []
    for head, items in (("faults, by iteration", lost), ("edits by hand, by iteration", edits)):
        if items:
            lines += textwrap.wrap(
                f"{head}: {_first(items)}", WIDTH, initial_indent="  ", subsequent_indent="      "
            )
    return lines


def _first(items: Iterable[str]) -> str:
    """The items of a list, of a long one the first."""
    listed = list(items)
    rest = len(listed) - _MOST_LISTED
    return ", ".join(listed[:_MOST_LISTED]) + (f", … and {rest} more" if rest > 0 else "")


def _percent(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:.0%}"


def _last_lines(run: RunJudgement) -> list[str]:
    """The verdict in one line. It names a weaker gate; a long name is on the lines above it."""
    failing = [
        f"{cut(lane.lane_id, 40)}/{result.name}"
        for lane in run.lanes
        for result in lane.criteria
        if result.verdict is run.verdict and result.binding
    ]
    by = ""
    if run.verdict is not Verdict.PASS and failing:
        by = f" by {failing[0]}"
        by += f" and {len(failing) - 1} more" if len(failing) > 1 else ""
    head, than = f"gate: {run.verdict}", "weaker than the shipped gate"
    weaker = list(dict.fromkeys(text for lane in run.lanes for text in lane.weakened))
    if not weaker:
        return [cut(head + by, WIDTH)]
    whole = f"{head} ({than}: {', '.join(weaker)}){by}"
    if len(whole) <= WIDTH:
        return [whole]
    above = textwrap.wrap(f"{than}: {', '.join(weaker)}", WIDTH, subsequent_indent="  ")
    ways = f"in {len(weaker)} ways, above" if len(weaker) > 1 else "as above"
    return [*above, cut(f"{head} ({than} {ways}){by}", WIDTH)]
