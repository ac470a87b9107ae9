"""What lies along the bottom of a panel: the events of the iterations, one symbol per place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pytest_soak.report.layout import cut
from pytest_soak.report.page.axes import Axes
from pytest_soak.report.page.canvas import Canvas, marks
from pytest_soak.report.page.words import EVENT_WORDS, SYMBOLS, counted
from pytest_soak.report.view.model import EVENT_KINDS, EventKind, EventView

HEIGHT = 14.0
RARE: frozenset[EventKind] = frozenset(EVENT_KINDS) - {"rule", "refusal", "effect", "resume"}
"""What a person looks at first; the other kinds are in almost every iteration of some runs."""
_APART = 9.0
"""Pixels between two symbols."""
_LONGEST_TITLE = 160
_RANK = {kind: rank for rank, kind in enumerate(EVENT_KINDS)} | {"refusal": len(EVENT_KINDS)}
"""A refusal is in almost every iteration of some runs, so every other event is drawn before it."""


@dataclass(frozen=True, slots=True)
class Happening:
    """The events of one iteration, the most important one first."""

    iteration: int
    events: tuple[EventView, ...]

    @property
    def kind(self) -> EventKind:
        return self.events[0].kind

    @property
    def rare(self) -> bool:
        return self.kind in RARE


def happenings(events: Sequence[EventView]) -> tuple[Happening, ...]:
    """The events by iteration, in the order of iterations."""
    grouped: dict[int, list[EventView]] = {}
    for event in events:
        grouped.setdefault(event.iteration, []).append(event)
    return tuple(
        Happening(number, tuple(sorted(grouped[number], key=lambda event: _RANK[event.kind])))
        for number in sorted(grouped)
    )


def draw_events(canvas: Canvas, axes: Axes, items: Iterable[Happening]) -> None:
    """Symbols below the frame. Where two have no space the more important one is drawn."""
    middle = axes.frame.bottom + HEIGHT / 2
    moved: list[tuple[float, float]] = []
    refused: list[tuple[float, float]] = []
    for item in _apart(axes, items):
        place = axes.x(item.iteration)
        if item.kind == "rule":
            moved.append((place, middle))
        elif item.kind == "refusal":
            refused.append((place, middle))
        else:
            name = "event rare mid" if item.rare else "event mid"
            canvas.text(place, middle + 3.5, SYMBOLS[item.kind], name, _title(item))
    canvas.path(marks(moved, "dot"), "moved", f"{EVENT_WORDS['rule']} ({len(moved)} places)")
    canvas.path(
        marks(refused, "dot"), "refused", f"{EVENT_WORDS['refusal']} ({len(refused)} places)"
    )


def described(items: Sequence[Happening]) -> str:
    """How many iterations have events of the kinds that a person looks at first."""
    counts: dict[EventKind, int] = {}
    for item in items:
        for kind in {event.kind for event in item.events} & RARE:
            counts[kind] = counts.get(kind, 0) + 1
    texts = [
        f"{EVENT_WORDS[kind]}: {counted(counts[kind], 'iteration')}"
        for kind in EVENT_KINDS
        if kind in counts
    ]
    return "; ".join(texts)


def by_kind(events: Sequence[EventView]) -> Mapping[EventKind, int]:
    """How many events of each kind, those first that a person looks at first."""
    counts = dict.fromkeys(EVENT_KINDS, 0)
    for event in events:
        counts[event.kind] += 1
    return {kind: count for kind, count in counts.items() if count}


def _title(item: Happening) -> str:
    text = "; ".join(event.text for event in item.events[:3])
    more = f"; and {len(item.events) - 3} more" if len(item.events) > 3 else ""
    return f"iteration {item.iteration}: {cut(text, _LONGEST_TITLE)}{more}"


def _apart(axes: Axes, items: Iterable[Happening]) -> list[Happening]:
    kept: dict[int, Happening] = {}
    for item in items:
        if not axes.x.low <= item.iteration <= axes.x.high:
            continue
        cell = int((axes.x(item.iteration) - axes.frame.x) / _APART)
        other = kept.get(cell)
        if other is None or _RANK[item.kind] < _RANK[other.kind]:
            kept[cell] = item
    return list(kept.values())
