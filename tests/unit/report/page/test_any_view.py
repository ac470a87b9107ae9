"""Any view gives a well-formed page."""

from __future__ import annotations

import re
from typing import Any, get_args

from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_soak.report.page.iteration_rows import MOST_EXPLAINED, explained_iterations
from pytest_soak.report.page.page import report_page
from pytest_soak.report.view.model import (
    EVENT_KINDS,
    EventView,
    GateRowView,
    IterationsView,
    KpiView,
    LaneView,
    LimitView,
    OutcomesView,
    ParameterView,
    ResourceView,
    RunView,
    SpanView,
    StateWord,
    StepView,
    VerdictWord,
    WindowView,
)
from tests.unit.report.page.document import parsed
from tests.unit.report.page.views import Library

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text(max_size=12)
VERDICTS: st.SearchStrategy[VerdictWord] = st.sampled_from(get_args(VerdictWord))
STATES: st.SearchStrategy[StateWord] = st.sampled_from(get_args(StateWord))


@st.composite
def lanes(draw: st.DrawFn) -> LaneView:
    count = draw(st.integers(0, 6))
    first = draw(st.integers(1, 9))
    numbers = tuple(range(first, first + count))
    end = first + max(count - 1, 0)
    within = st.integers(first, end)

    def column(items: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
        return st.tuples(*[items] * count)

    values = column(st.none() | NUMBERS)
    limit = st.builds(LimitView, st.sampled_from(["<= 3", "> 1e9", "odd"]), NUMBERS, st.booleans())
    window = st.builds(WindowView, within, within, *[st.none() | NUMBERS] * 4)
    kpi = st.builds(
        KpiView, TEXTS, TEXTS, st.just("up"), values, st.booleans(), st.none() | limit,
        st.none() | window,
    )  # fmt: skip
    later = st.lists(st.builds(StepView, st.integers(2, 12), NUMBERS, TEXTS, TEXTS), max_size=4)
    steps = later.map(
        lambda items: (
            StepView(1, 1.0, "1", "start"),
            *sorted(items, key=lambda item: item.iteration),
        )
    )
    kinds = st.sampled_from(["frozen", "cooldown", "paused", "pinned", "scenario", "excluded"])
    span = st.tuples(within, within).flatmap(
        lambda ends: st.builds(
            SpanView, kinds, st.just(min(ends)), st.just(max(ends)), st.just(()), TEXTS
        )
    )
    row = st.builds(
        GateRowView, TEXTS, VERDICTS, TEXTS, st.none() | NUMBERS, st.sampled_from(["", "<= 3"]),
        st.none() | NUMBERS, st.booleans(), *[st.none() | NUMBERS] * 4, TEXTS,
    )  # fmt: skip
    counts = st.integers(0, 10**6)

    def some(items: st.SearchStrategy[Any]) -> tuple[Any, ...]:
        return tuple(draw(st.lists(items, max_size=3)))

    return LaneView(
        id=draw(TEXTS),
        profile=draw(TEXTS),
        symbol=draw(TEXTS),
        seed=1,
        interval_s=draw(NUMBERS),
        target=draw(TEXTS),
        state=draw(STATES),
        planned=draw(st.integers(0, 40)),
        measured=count,
        verdict=draw(st.one_of(st.none(), VERDICTS)),
        why=draw(TEXTS),
        gate=some(row),
        iterations=IterationsView(
            numbers,
            draw(column(VERDICTS)),
            draw(column(TEXTS)),
            draw(column(counts)),
            draw(column(counts)),
            draw(column(st.none() | NUMBERS)),
        ),
        kpis=some(kpi),
        parameters=some(
            st.builds(
                ParameterView, TEXTS, TEXTS, NUMBERS, NUMBERS, TEXTS, TEXTS, st.just(()), steps
            )
        ),
        spans=some(span),
        events=some(st.builds(EventView, within, st.sampled_from(EVENT_KINDS), TEXTS)),
        outcomes=OutcomesView(1, draw(counts), 2, 0, some(st.tuples(TEXTS, counts))),
        resources=some(st.builds(ResourceView, TEXTS, TEXTS, TEXTS, values)),
        last_utc=draw(st.none() | TEXTS),
        eta_s=draw(st.none() | NUMBERS),
    )


@st.composite
def runs(draw: st.DrawFn) -> RunView:
    return RunView(
        run_id=draw(TEXTS),
        state=draw(STATES),
        verdict=draw(st.one_of(st.none(), VERDICTS)),
        why=draw(TEXTS),
        started_utc=draw(st.none() | TEXTS),
        duration_s=draw(st.none() | NUMBERS),
        eta_s=draw(st.none() | NUMBERS),
        command=tuple(draw(st.lists(TEXTS, max_size=3))),
        fingerprint=draw(st.dictionaries(TEXTS, TEXTS | NUMBERS, max_size=3)),
        notes=tuple(draw(st.lists(TEXTS, max_size=2))),
        lanes=tuple(draw(st.lists(lanes(), max_size=6))),
    )


@settings(max_examples=120, deadline=None)
@given(runs())
def test_a_page_is_well_formed(view: RunView) -> None:
    chosen = explained_iterations(view)
    assert len(chosen) <= MOST_EXPLAINED
    page = report_page(view, explained=dict.fromkeys(chosen, "a < b\n"), uplot=Library("var uPlot"))
    document = parsed(page)
    ids = [item.attributes["id"] for item in document.all() if "id" in item.attributes]
    assert len(ids) == len(set(ids))
    for svg in document.all("svg"):
        for path in svg.all("path"):
            assert re.fullmatch(r"[MLHVhvlmazA0-9., -]+", path.attributes["d"]), path.attributes[
                "d"
            ]
