"""The table of iterations: all of a short run, of a long one those that matter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pytest_soak.report.layout import cut
from pytest_soak.report.page.kpi_panel import figure_text
from pytest_soak.report.page.strip import RARE, Happening, happenings
from pytest_soak.report.page.subject import Subject
from pytest_soak.report.page.words import MARKS, SYMBOLS, duration
from pytest_soak.report.view.model import EVENT_KINDS, LaneView, RunView, VerdictWord

MOST_EXPLAINED = 50
"""Iterations whose text of ``explain`` is in the page."""
_ORDER: list[VerdictWord] = list(MARKS)
_SHORT = 0.5
"""Seconds below which the time of an iteration says nothing."""
_EVENT_TEXT = 200
_MOST_EVENTS = 6


@dataclass(frozen=True, slots=True)
class Row:
    """One iteration as the table shows it."""

    number: int
    verdict: VerdictWord
    reason: str
    kpis: tuple[str, ...]
    moved: int
    refused: int
    seconds: str
    events: tuple[tuple[str, str, str], ...]
    """Symbol, kind, text."""


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows, the names of their KPIs, and what is left out."""

    kpis: tuple[str, ...]
    rows: tuple[Row, ...]
    left_out: str
    timed: bool
    """Whether any iteration took so long that its time matters."""


def iteration_rows(subject: Subject, most: int, *, brief: bool) -> Rows:
    """At most ``most`` rows: the first and the last, then the worst verdicts, then rare events.

    ``brief``: of the events that are in almost every iteration only the symbols.
    """
    lane = subject.lane
    gated = [kpi for kpi in lane.kpis if kpi.gated][:8]
    by_number = {item.iteration: item for item in subject.happenings}
    columns = lane.iterations
    places = _chosen(subject, by_number, most)
    rows = tuple(
        Row(
            columns.numbers[place],
            columns.verdicts[place],
            columns.reasons[place],
            tuple(figure_text(kpi, kpi.values[place]) for kpi in gated),
            columns.moved[place],
            columns.refused[place],
            duration(columns.seconds[place]),
            _events(by_number.get(columns.numbers[place]), brief=brief),
        )
        for place in places
    )
    timed = any(item is not None and item >= _SHORT for item in columns.seconds)
    missing = len(columns.numbers) - len(places)
    left_out = (
        f"{missing:,} of {len(columns.numbers):,} iterations are left out. Shown are the first, "
        "the last, those that did not PASS and those with rare events, the worst first if there "
        "are too many."
    )
    return Rows(tuple(kpi.name for kpi in gated), rows, left_out if missing else "", timed)


def _events(item: Happening | None, *, brief: bool) -> tuple[tuple[str, str, str], ...]:
    """Symbol, kind and text of each."""
    if item is None:
        return ()
    shown = [
        (
            SYMBOLS[event.kind],
            event.kind.replace("_", " "),
            "" if brief and event.kind not in RARE else cut(event.text, _EVENT_TEXT),
        )
        for event in item.events[:_MOST_EVENTS]
    ]
    more = len(item.events) - _MOST_EVENTS
    return (*shown, ("+", "", f"and {more} more")) if more > 0 else tuple(shown)


def _chosen(subject: Subject, items: dict[int, Happening], most: int) -> Sequence[int]:
    """Places of the iterations that are shown, in their order."""
    columns, count = subject.lane.iterations, len(subject.numbers)
    if count <= most:
        return range(count)
    rare = {number for number, item in items.items() if item.rare}
    ranked = sorted(
        (
            place
            for place in range(count)
            if columns.verdicts[place] != "PASS" or columns.numbers[place] in rare
        ),
        key=lambda place: (-_ORDER.index(columns.verdicts[place]), place),
    )
    kept = dict.fromkeys((0, count - 1, *ranked))
    return sorted(list(kept)[:most])


def summaries(lane: LaneView) -> dict[int, str]:
    """Iteration to what a list of iterations says of it: its first event, or its reason."""
    columns = lane.iterations
    texts = {
        number: reason
        for number, reason in zip(columns.numbers, columns.reasons, strict=True)
        if reason
    }
    for item in happenings(lane.events):
        if item.rare or item.iteration not in texts:
            texts[item.iteration] = item.events[0].text
    return texts


def explained_iterations(view: RunView) -> tuple[tuple[str, int], ...]:
    """Lane and iteration of those whose text of ``explain`` belongs in the page.

    They are at most ``MOST_EXPLAINED``: those that FAIL and those with an event, in the order in
    which a person looks at them; of several lanes those that did not PASS come first.
    """
    ranked: list[tuple[tuple[int, int, int, int], tuple[str, int]]] = []
    for place, lane in enumerate(view.lanes):
        kinds = _first_kinds(lane)
        columns = lane.iterations
        for number, verdict in zip(columns.numbers, columns.verdicts, strict=True):
            if verdict != "FAIL" and number not in kinds:
                continue
            kind = kinds.get(number, len(EVENT_KINDS))
            rank = -_ORDER.index(lane.verdict or "PASS")
            ranked.append(((int(verdict != "FAIL"), kind, rank, place), (lane.id, number)))
    ranked.sort(key=lambda item: item[0])
    return tuple(key for _, key in ranked[:MOST_EXPLAINED])


def _first_kinds(lane: LaneView) -> dict[int, int]:
    """Iteration to the place in EVENT_KINDS of its most important event."""
    places = {kind: place for place, kind in enumerate(EVENT_KINDS)}
    kinds: dict[int, int] = {}
    for event in lane.events:
        place = places[event.kind]
        kinds[event.iteration] = min(place, kinds.get(event.iteration, place))
    return kinds
