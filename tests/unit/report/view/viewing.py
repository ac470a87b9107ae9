"""Views of lanes that were driven entry by entry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pytest_soak.gate.judge import judge_lane, judge_run
from pytest_soak.loop.history import Past
from pytest_soak.report.view.build import About, LaneParts, LaneTimes, run_view
from pytest_soak.report.view.collect import LaneCollector
from pytest_soak.report.view.model import EventView, LaneView, RunView, SpanView
from tests.unit.loop.lanes import Drive

ABOUT = About(
    "20261129T120000Z-abc123", "done", "2026-11-29T12:00:00+00:00", command=("pytest", "--soak")
)

UNKNOWN = LaneTimes()


def collected(entries: Sequence[Mapping[str, object]]) -> tuple[LaneCollector, Past]:
    collector = LaneCollector()
    return collector, Past.of(entries, collector.add)


def run_of(*drives: Drive, judged: bool = True, times: LaneTimes = UNKNOWN) -> RunView:
    """The view of a run with these lanes."""
    parts, judgements = [], []
    for drive in drives:
        collector, past = collected(drive.entries)
        judgement = judge_lane(past.history) if judged else None
        if judgement is not None:
            judgements.append(judgement)
        parts.append(LaneParts(collector, "done", judgement, times))
    return run_view(ABOUT, parts, judge_run(judgements) if judged else None)


def lane_of(drive: Drive, *, judged: bool = True) -> LaneView:
    return run_of(drive, judged=judged).lanes[0]


def spans(lane: LaneView, kind: str) -> list[tuple[int, int, tuple[str, ...], str]]:
    def shown(span: SpanView) -> tuple[int, int, tuple[str, ...], str]:
        return span.first, span.last, span.keys, span.name

    return [shown(span) for span in lane.spans if span.kind == kind]


def events(lane: LaneView, kind: str) -> list[EventView]:
    return [event for event in lane.events if event.kind == kind]
