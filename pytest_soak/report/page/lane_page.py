"""The parts of one lane in the page, in the detail that the number of lanes leaves space for."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from markupsafe import Markup

from pytest_soak.report.commands import explain_commands
from pytest_soak.report.layout import cut
from pytest_soak.report.page.axes import span_of
from pytest_soak.report.page.bars import gate_bar, outcome_bars, sparkline, verdict_strip
from pytest_soak.report.page.iteration_rows import Rows, iteration_rows, summaries
from pytest_soak.report.page.kpi_panel import figure_text, kpi_panel
from pytest_soak.report.page.panel import LARGE, SMALL, LegendItem, Panel, Table
from pytest_soak.report.page.parameter_panel import has_moved, parameter_panel
from pytest_soak.report.page.plot_data import script_json
from pytest_soak.report.page.strip import DRAWN_FIRST, RARE, by_kind
from pytest_soak.report.page.subject import Subject
from pytest_soak.report.page.words import (
    EVENT_WORDS,
    GLYPHS,
    MARKS,
    SYMBOLS,
    row_bounds,
    row_figure,
    row_margin,
    stretch,
    with_unit,
)
from pytest_soak.report.view.model import (
    EventKind,
    GateRowView,
    KpiView,
    LaneView,
    ParameterView,
    RunView,
)
from pytest_soak.report.view.scale import MOST_POINTS

_FULL_LANES = 4
_COMPACT_LANES = 24
_MOST_EVENTS = 2_000
_SUMMARY = 140
_UNIT = 40
_LIMIT = 28
"""Characters of a limit that a hook of the user gives."""


class Detail(Enum):
    """How much of a lane the page shows."""

    FULL = "full"
    COMPACT = "compact"
    """Panels of the gated KPIs only; the other figures are in tables."""
    SHORT = "short"
    """The gate, the verdicts and the events in words."""


ROWS = {Detail.FULL: 100, Detail.COMPACT: 50, Detail.SHORT: 4}


def detail_of(lanes: int) -> Detail:
    """The detail for a run of so many lanes."""
    if lanes <= _FULL_LANES:
        return Detail.FULL
    return Detail.COMPACT if lanes <= _COMPACT_LANES else Detail.SHORT


@dataclass(frozen=True, slots=True)
class GateLine:
    """A criterion as the table of the gate shows it."""

    row: GateRowView
    verdict: str
    """``n/a`` where the criterion does not apply."""
    reason: str
    """Shown in a row of its own; empty for a PASS with figures."""
    value: str
    bounds: str
    limit: str
    margin: str
    bar: str


@dataclass(frozen=True, slots=True)
class Explained:
    """The text of ``explain`` of one iteration."""

    iteration: int
    verdict: str
    summary: str
    text: str


@dataclass(frozen=True, slots=True)
class LanePage:
    """What the template shows of one lane."""

    ident: str
    lane: LaneView
    detail: str
    gate: tuple[GateLine, ...]
    passed: tuple[str, ...]
    """The reasons of the criteria that PASS; of many lanes the names of those without a row."""
    strip: str
    strip_words: str
    marks: tuple[LegendItem, ...]
    """The legend of the panels."""
    gated: tuple[Panel, ...]
    others: tuple[Panel, ...]
    without_data: tuple[str, ...]
    """The KPIs without a limit that have no data."""
    parameters: tuple[Panel, ...]
    other_figures: Table | None
    """The KPIs without a panel."""
    moved: Table | None
    """The parameters that moved, where they have no panels."""
    unmoved: tuple[str, ...]
    """``KEY = VALUE UNIT`` of each parameter that never moved."""
    outcomes: str
    outcomes_table: Table | None
    resources: tuple[Panel, ...]
    rows: Rows
    events: tuple[tuple[str, str, int], ...]
    """Symbol, meaning and number of each kind of event."""
    command: str
    """What prints the explanation of one iteration."""
    data: Markup | str
    """JSON for the script; empty without pictures."""
    explained: tuple[Explained, ...] = ()

    def explaining(self, texts: Mapping[tuple[str, int], str]) -> LanePage:
        """The same with those texts of ``explain`` that are of this lane."""
        columns, words = self.lane.iterations, summaries(self.lane)
        explained = tuple(
            Explained(
                number,
                verdict,
                textwrap.shorten(words.get(number, ""), _SUMMARY, placeholder=" …"),
                texts[self.lane.id, number],
            )
            for number, verdict in zip(columns.numbers, columns.verdicts, strict=True)
            if (self.lane.id, number) in texts
        )
        return replace(self, explained=explained)


def lane_page(view: RunView, place: int) -> LanePage:
    """The lane at ``place`` of the run."""
    lane, ident = view.lanes[place], f"lane-{place + 1}"
    detail = detail_of(len(view.lanes))
    subject = Subject.of(lane)
    gated = [kpi for kpi in lane.kpis if kpi.gated]
    others = [kpi for kpi in lane.kpis if not kpi.gated and has_data(kpi)]
    moved = [parameter for parameter in lane.parameters if has_moved(parameter)]
    full, drawn = detail is Detail.FULL, detail is not Detail.SHORT and bool(subject.numbers)
    size = LARGE if full else SMALL
    gated_panels = _kpi_panels(f"{ident}-g", subject, gated, size) if drawn else ()
    other_panels = _kpi_panels(f"{ident}-k", subject, others, SMALL) if drawn and full else ()
    parameters = tuple(
        parameter_panel(f"{ident}-p{number}", subject, parameter, LARGE)
        for number, parameter in enumerate(moved, 1)
        if drawn and full
    )
    resources = _resource_panels(f"{ident}-r", subject) if drawn and full else ()
    outcomes, outcomes_table = _outcomes(f"{ident}-o", lane, detail)
    panels = [*gated_panels, *other_panels, *parameters, *resources]
    return LanePage(
        ident,
        lane,
        detail.value,
        *_shown_lines(lane, _gate_lines(f"{ident}-b", lane, detail), detail),
        verdict_strip(f"{ident}-v", subject.numbers, lane.iterations.verdicts)
        if subject.numbers
        else "",
        _strip_words(lane) if subject.numbers else "",
        _marks(subject) if panels else (),
        gated_panels,
        other_panels,
        tuple(kpi.name for kpi in lane.kpis if not kpi.gated and not has_data(kpi)),
        parameters,
        None if full or not others else _figures_table(others),
        None if full or not moved else _moved_table(lane),
        tuple(_unmoved(parameter) for parameter in lane.parameters if not has_moved(parameter)),
        outcomes,
        outcomes_table,
        resources,
        iteration_rows(subject, ROWS[detail], brief=not full),
        tuple(
            (SYMBOLS[kind], EVENT_WORDS[kind], count)
            for kind, count in by_kind(lane.events).items()
        ),
        f"{explain_commands((), lane.id, several=len(view.lanes) > 1)[0]} --iteration N",
        script_json(_data(subject, panels)) if panels else "",
    )


def has_data(kpi: KpiView) -> bool:
    """Whether it has a value in any iteration."""
    return any(item is not None for item in kpi.values)


def matrix_ranges(view: RunView) -> dict[str, tuple[float, float]]:
    """Gated KPI to the range of its column: of all lanes, so that their pictures compare."""
    values: dict[str, list[float | None]] = {}
    limits: dict[str, list[float]] = {}
    for lane in view.lanes:
        for kpi in lane.kpis:
            if kpi.gated:
                values.setdefault(kpi.name, []).extend(kpi.values)
                limits.setdefault(kpi.name, []).extend([kpi.limit.value] if kpi.limit else [])
    return {name: span_of(column, *limits[name]) for name, column in values.items()}


def matrix_cells(
    ident: str, lane: LaneView, ranges: Mapping[str, tuple[float, float]]
) -> list[tuple[str, str, str]]:
    """Per gated KPI: its verdict, its figure, its sparkline; empty where the lane has none."""
    kpis = {kpi.name: kpi for kpi in lane.kpis if kpi.gated}
    verdicts = {row.criterion: str(row.verdict) for row in lane.gate}
    cells = []
    for number, (name, span) in enumerate(ranges.items(), 1):
        kpi = kpis.get(name)
        if kpi is None or not kpi.values:
            cells.append(("", "", ""))
            continue
        verdict = verdicts.get(name, "")
        figure = None if kpi.window is None else kpi.window.figure
        text = with_unit(figure_text(kpi, figure), kpi.unit)
        cells.append((verdict, text, sparkline(f"{ident}-s{number}", kpi, verdict, span)))
    return cells


def _kpi_panels(
    ident: str, subject: Subject, kpis: Sequence[KpiView], size: Any
) -> tuple[Panel, ...]:
    return tuple(
        kpi_panel(f"{ident}{number}", subject, kpi, size) for number, kpi in enumerate(kpis, 1)
    )


def _resource_panels(ident: str, subject: Subject) -> tuple[Panel, ...]:
    kpis = [
        KpiView(f"{item.process}: {item.name}", item.unit, "none", item.values)
        for item in subject.lane.resources
    ]
    return _kpi_panels(ident, subject, kpis, SMALL)


def _gate_lines(ident: str, lane: LaneView, detail: Detail) -> tuple[GateLine, ...]:
    """The criteria, the worst verdicts first, otherwise in the order of the gate."""
    values = {kpi.name: kpi.values for kpi in lane.kpis}
    order = list(MARKS)
    lines = []
    for number, row in enumerate(lane.gate, 1):
        # Without a limit the figure is the slope of a trend, which only the sentence explains.
        has_limit = row.limit != ""
        verdict = row.verdict if row.applicable else "n/a"
        shows = verdict != "PASS" or not has_limit
        lines.append(
            GateLine(
                row,
                verdict,
                row.reason.removeprefix(f"{row.criterion}: ") if shows else "",
                with_unit(row_figure(row, row.value), row.unit) if has_limit else "",
                row_bounds(row) if has_limit else "",
                with_unit(cut(row.limit, _LIMIT), row.unit if row.limit_value is not None else ""),
                row_margin(row) if has_limit else "",
                gate_bar(f"{ident}{number}", row, values.get(row.criterion, ()))
                if detail is Detail.FULL
                else "",
            )
        )
    return tuple(sorted(lines, key=lambda line: -order.index(line.row.verdict)))


def _shown_lines(
    lane: LaneView, lines: Sequence[GateLine], detail: Detail
) -> tuple[tuple[GateLine, ...], tuple[str, ...]]:
    """The rows of the table, and what is in words below it: the reasons of those that PASS, or
    the names of criteria without a row, where there are many lanes."""
    if detail is Detail.FULL:
        return tuple(lines), tuple(line.row.reason for line in lines if not line.reason)
    gated = {kpi.name for kpi in lane.kpis if kpi.gated}
    shown = [line for line in lines if line.verdict != "PASS" or line.row.criterion in gated]
    others = [line.row.criterion for line in lines if line not in shown]
    return tuple(shown), tuple(others)


def _marks(subject: Subject) -> tuple[LegendItem, ...]:
    """The marks of the panels that occur in the lane."""
    lane = subject.lane
    occurring = [
        LegendItem(GLYPHS[shape], f"{verdict} iteration", verdict)
        for verdict, shape in MARKS.items()
        if verdict in lane.iterations.verdicts
    ]
    if any(span.kind == "excluded" for span in lane.spans):
        occurring.append(LegendItem("▨", "left out of the gate", "sign"))
    kinds = by_kind(lane.events)
    occurring += [LegendItem(SYMBOLS[kind], EVENT_WORDS[kind], "sign") for kind in kinds]
    if any(kpi.window is not None for kpi in lane.kpis):
        occurring.append(
            LegendItem("▭", "judged window; the box in it: bounds of the figure", "box")
        )
    return tuple(occurring)


def _strip_words(lane: LaneView) -> str:
    """What the strip of verdicts shows, in words."""
    columns = lane.iterations
    counts = [
        f"{columns.verdicts.count(verdict):,} {verdict}"
        for verdict in MARKS
        if verdict in columns.verdicts
    ]
    return f"Verdict of each iteration, {stretch(columns.numbers)}: {', '.join(counts)}"


def _figures_table(kpis: Sequence[KpiView]) -> Table:
    rows = []
    for kpi in kpis:
        present = sorted(item for item in kpi.values if item is not None)
        figures = (
            (present[0], present[len(present) // 2], present[-1]) if present else (None, None, None)
        )
        rows.append((kpi.name, kpi.unit, *(figure_text(kpi, item) for item in figures)))
    heads = ("KPI", "unit", "lowest", "middle", "highest")
    return Table("KPIs without a limit", heads, tuple(rows))


def _unmoved(parameter: ParameterView) -> str:
    unit = "" if parameter.unit == "1" else f" {cut(parameter.unit, _UNIT)}"
    return f"{cut(parameter.key, _UNIT)} = {parameter.steps[0].text}{unit}"


def _moved_table(lane: LaneView) -> Table:
    rows = []
    for parameter in lane.parameters:
        if has_moved(parameter):
            steps = parameter.steps
            movers = sorted({step.by for step in steps[1:]})
            rows.append(
                (
                    parameter.key,
                    steps[0].text,
                    with_unit(steps[-1].text, parameter.unit),
                    f"{parameter.low_text} to {parameter.high_text}",
                    str(len(steps) - 1),
                    ", ".join(movers[:4]),
                )
            )
    heads = ("parameter", "start", "end", "bounds", "moves", "moved by")
    return Table("Parameters that moved", heads, tuple(rows))


def _outcomes(ident: str, lane: LaneView, detail: Detail) -> tuple[str, Table | None]:
    counts = lane.outcomes
    if not (counts.applied or counts.clipped or counts.skipped or counts.withheld):
        return "", None
    picture, table = outcome_bars(ident, counts)
    return (picture, table) if detail is Detail.FULL else ("", None)


def _data(subject: Subject, panels: Sequence[Panel]) -> dict[str, Any]:
    """What the script draws: numbers, verdicts by their first letters, panels, symbols."""
    numbers = subject.numbers
    verdicts = subject.lane.iterations.verdicts
    data: dict[str, Any] = {
        "first": numbers[0],
        "last": subject.last,
        "end": numbers[-1],
        "panels": [panel.data for panel in panels],
        "excluded": [
            [span.first, span.last] for span in subject.lane.spans if span.kind == "excluded"
        ],
        "events": _events(subject),
    }
    if len(numbers) <= MOST_POINTS:
        if numbers == tuple(range(numbers[0], numbers[0] + len(numbers))):
            data["count"] = len(numbers)
        else:
            data["numbers"] = list(numbers)
        data["verdicts"] = "".join(verdict[0] for verdict in verdicts)
    return data


def _events(subject: Subject) -> list[list[Any]]:
    """Symbol, whether it is a rare one, and its iterations; the most important ones first."""
    places: dict[EventKind, list[int]] = {}
    for item in subject.happenings:
        places.setdefault(item.kind, []).append(item.iteration)
    return [
        [SYMBOLS[kind], int(kind in RARE), places[kind][:_MOST_EVENTS]]
        for kind in DRAWN_FIRST
        if kind in places
    ]
