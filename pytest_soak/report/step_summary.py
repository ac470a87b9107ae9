"""The Markdown summary of a run for the page of a CI job: why, the gate, trends, what to do.

It has at most ``MOST_BYTES``, whatever the run is: lanes that do not PASS come first, and what does
not fit is left out lane by lane, with a line that says so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from pytest_soak.gate.figures import with_unit
from pytest_soak.gate.judge import LaneJudgement, RunJudgement
from pytest_soak.gate.result import CriterionResult, kpi_of
from pytest_soak.loop.model import History, Verdict
from pytest_soak.report.commands import explain_commands
from pytest_soak.report.lane_words import joined, limits_text, readiness
from pytest_soak.report.layout import (
    criterion_bounds,
    criterion_margin,
    criterion_value,
    cut,
)
from pytest_soak.report.lists import bounded
from pytest_soak.report.markdown import bullet, cell, code, unlinked
from pytest_soak.report.recommend import iterations_to_explain, recommended
from pytest_soak.report.trends import trend_table
from pytest_soak.report.why import why_lane, why_run

MOST_BYTES = 50_000
"""GitHub shows 1 MiB for a step; a page that a person reads is shorter."""
_FOR_LINES = 6_000
"""Bytes that are kept for lanes that get one line each."""
_FOR_THE_REST = 400
"""Bytes that are kept for the line on lanes that are left out."""
_LONGEST_NAME = 80
_LONGEST_WHY = 400
_MOST_ROWS = 40
_MOST_ITEMS = 8
_AUDIT = "POST_SOAK_AUDIT.md"


def step_summary(
    histories: Sequence[History], judgement: RunJudgement, directory: str, *, most: int = MOST_BYTES
) -> str:
    """The summary; ``histories`` in the order of ``judgement.lanes``, ``most`` in bytes of UTF-8.

    ``directory`` is where the artifacts of the run are, as a reader of the page finds them.
    """
    page = _Page(most)
    page.add(_head(judgement, directory))
    several = len(judgement.lanes) > 1
    pairs = list(zip(histories, judgement.lanes, strict=True))
    pairs.sort(key=lambda pair: -pair[1].verdict.severity)
    left: list[LaneJudgement] = []
    listed = False
    for history, lane in pairs:
        blocks = [] if listed else list(_blocks(history, lane, directory, several=several))
        if any(page.add(block, _FOR_LINES if several else _FOR_THE_REST) for block in blocks):
            continue
        line = _line(lane)
        if not listed:
            line = ["### Further lanes, in short", "", *line]
            listed = True
        if left or not page.add(line, _FOR_THE_REST):
            left.append(lane)
    page.add(_rest(left, directory))
    return page.text


class _Page:
    """Lines that together have at most a number of bytes."""

    def __init__(self, most: int) -> None:
        self._left = most
        self._parts: list[str] = []

    def add(self, lines: Sequence[str], kept: int = 0) -> bool:
        """Add all lines if ``kept`` bytes are left after them; whether they were added."""
        part = "".join(f"{line}\n" for line in lines)
        size = len(part.encode("utf-8", "replace"))
        if size + kept > self._left:
            return False
        self._left -= size
        self._parts.append(part)
        return True

    @property
    def text(self) -> str:
        return "".join(self._parts)


def _head(judgement: RunJudgement, directory: str) -> list[str]:
    shown = code(cut(directory, 200))
    return [
        f"## Soak: {judgement.verdict}",
        "",
        _text(f"{why_run(judgement)}."),
        "",
        f"The artifacts of the run are in {shown}: {code(_AUDIT)} has all sections of each lane, "
        f"{code('FAILURES.md')} every iteration that failed, {code('RECOMMENDATIONS.md')} what to "
        "change.",
        "",
    ]


def _rest(lanes: Sequence[LaneJudgement], directory: str) -> list[str]:
    if not lanes:
        return []
    counts = Counter(lane.verdict for lane in lanes)
    verdicts = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
    where = code(cut(f"{directory}/{_AUDIT}", 200))
    return ["", f"Left out for the length of this page: {len(lanes)} lanes ({verdicts}); {where}."]


# -- one lane ------------------------------------------------------------------------------------


def _blocks(
    history: History, lane: LaneJudgement, directory: str, *, several: bool
) -> Iterator[list[str]]:
    """The sections of a lane: all of them, then without the trends, then the gate alone."""
    parts: list[tuple[str, Callable[[], list[str]]]] = [
        ("what to do", lambda: _to_do(history, lane, directory, several=several)),
        ("trends", lambda: _trends(lane)),
    ]
    head = [*_lane_head(lane, several=several), *_gate(lane)]
    for count in range(len(parts), -1, -1):
        lines = [line for _, make in parts[:count] for line in make()]
        omitted = [name for name, _ in parts[count:]]
        yield [*head, *lines, *_omitted(lane, omitted, directory, several=several)]


def _omitted(
    lane: LaneJudgement, names: Sequence[str], directory: str, *, several: bool
) -> list[str]:
    if not names:
        return []
    folder = f"{directory}/{lane.lane_id}" if several else directory
    where = code(cut(f"{folder}/{_AUDIT}", 200))
    return [f"Left out for the length of this page: {', '.join(names)}; {where}.", ""]


def _lane_head(lane: LaneJudgement, *, several: bool) -> list[str]:
    measured = f"{lane.measured} of {lane.planned} iterations measured"
    facts = joined(measured, readiness(lane), limits_text(lane.limit_set))
    why = [_text(f"{why_lane(lane)}."), ""] if several else []
    return [f"### Lane {_name(lane.lane_id)}: {lane.verdict}", "", *why, f"{facts}.", ""]


def _line(lane: LaneJudgement) -> list[str]:
    return [unlinked(bullet(cut(f"{lane.verdict} {lane.lane_id}: {why_lane(lane)}", 200)))]


def _gate(lane: LaneJudgement) -> list[str]:
    """The criteria; of very many, those that are not PASS first."""
    items = list(lane.criteria)
    if len(items) > _MOST_ROWS:
        items.sort(key=lambda item: -item.verdict.severity)
    counts = Counter(str(item.verdict) for item in items[_MOST_ROWS:])
    rest = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
    return [
        "| criterion | verdict | value | bounds | limit | margin |",
        "|---|---|---|---|---|---|",
        *(_row(lane, item) for item in items[:_MOST_ROWS]),
        "",
        *([f"And {len(items) - _MOST_ROWS} more criteria: {rest}.", ""] if rest else []),
    ]


def _row(lane: LaneJudgement, item: CriterionResult) -> str:
    kpi = lane.window.history.profile.kpis.get(kpi_of(item.name))
    unit = with_unit(kpi.unit) if kpi is not None and item.value is not None else ""
    if item.name.startswith("drift:") and item.value is not None:
        unit += " an iteration"
    verdict = str(item.verdict) if item.applicable else "n/a"
    if item.verdict is not Verdict.PASS:
        verdict = f"**{verdict}**"
    if not item.binding:
        verdict += ", not binding"
    margin = criterion_margin(item) if item.margin is not None else "-"
    cells = (
        _name(item.name),
        verdict,
        _name(criterion_value(item) + unit),
        criterion_bounds(item) or "-",
        _name(item.limit) or "-",
        margin,
    )
    return f"| {' | '.join(cells)} |"


def _to_do(history: History, lane: LaneJudgement, directory: str, *, several: bool) -> list[str]:
    texts = [unlinked(bullet(cut(text, _LONGEST_WHY))) for text in recommended(history, lane)]
    commands: list[str] = []
    if lane.verdict is not Verdict.PASS:
        numbers = iterations_to_explain(history, lane)
        commands = explain_commands(numbers, lane.lane_id, several=several, directory=directory)
    elif lane.keepable:
        kept = "kept" if lane.freeze_ready is None else "frozen"
        texts.append(f"- The values can be {kept}: {code('RECOMMENDATIONS.md')} has them.")
    if not texts and not commands:
        return []
    return [
        "**What to do**",
        "",
        *bounded(texts, _MOST_ITEMS),
        *(f"- {code(command)}" for command in commands),
        "",
    ]


def _trends(lane: LaneJudgement) -> list[str]:
    return ["**Trends**", "", *(unlinked(line) for line in trend_table(lane)), ""]


def _text(text: str) -> str:
    """A sentence with texts of others in it."""
    return unlinked(cell(cut(text, _LONGEST_WHY)))


def _name(text: str) -> str:
    """A name, or a figure, for a cell or a heading."""
    return unlinked(cell(cut(text, _LONGEST_NAME)))
