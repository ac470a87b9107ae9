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
_DOTS: Mapping[EventKind, str] = {"rule": "moved", "refusal": "refused"}
"""Kinds that are dots, with their classes."""
_MOST_TITLES = 12
"""Symbols up to which each has its text; of more the table of iterations has it."""
_APART = 9.0
"""Pixels between two symbols."""
_LONGEST_TITLE = 160
DRAWN_FIRST: tuple[EventKind, ...] = (
    *(kind for kind in EVENT_KINDS if kind != "refusal"),
    "refusal",
)
"""A refusal is in almost every iteration of some runs, so every other event is drawn before it."""
_RANK = {kind: rank for rank, kind in enumerate(DRAWN_FIRST)}


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


def thinned(items: Sequence[Happening], most: int) -> tuple[Happening, ...]:
    """At most ``most`` of them, of each stretch the most important one."""
    size = -(-len(items) // most) or 1
    return tuple(
        min(items[first : first + size], key=lambda item: _RANK[item.kind])
        for first in range(0, len(items), size)
    )


def draw_events(canvas: Canvas, axes: Axes, items: Iterable[Happening]) -> None:
    """Symbols below the frame. Where two have no space the more important one is drawn."""
    middle = axes.frame.bottom + HEIGHT / 2
    places: dict[EventKind, list[float]] = {}
    kept = _apart(axes, items)
    titled = sum(item.kind not in _DOTS for item in kept) <= _MOST_TITLES
    for item in kept:
        place = axes.x(item.iteration)
        if titled and item.kind not in _DOTS:
            canvas.text(place, middle + 3.5, SYMBOLS[item.kind], _look(item.kind), _title(item))
        else:
            places.setdefault(item.kind, []).append(place)
    for kind, at in places.items():
        if kind in _DOTS:
            title = f"{EVENT_WORDS[kind]} ({len(at)} places)"
            canvas.path(marks([(place, middle) for place in at], "dot"), _DOTS[kind], title)
        else:
            canvas.symbols(at, middle + 3.5, SYMBOLS[kind], _look(kind))


def _look(kind: EventKind) -> str:
    return "event rare mid" if kind in RARE else "event mid"


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
