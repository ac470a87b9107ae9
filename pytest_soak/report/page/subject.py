"""The lane of a page's panels, with what all of them share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from pytest_soak.report.page.strip import Happening, described, happenings, thinned
from pytest_soak.report.view.model import LaneView, VerdictWord

_SHAPES = ("dot", "triangle", "cross", "ring")
"""Of the rules, the one with the most moves in the lane first; more than these share the last."""
_MOST_SHOWN = 1_000
_OWN_SHAPES = {"PANIC": "down", "ROLLBACK": "diamond", "EXTERNAL": "square"}


@dataclass(frozen=True, slots=True)
class Subject:
    """The lane of the panels, and what all of them show."""

    lane: LaneView
    happenings: tuple[Happening, ...]
    shown: tuple[Happening, ...]
    """Those that a picture may have space for."""
    described: str
    """The rare ones in words."""
    shapes: Mapping[str, str]
    """What moved a parameter to its shape."""

    verdicts: Mapping[int, VerdictWord]
    """Iteration to its verdict."""

    @classmethod
    def of(cls, lane: LaneView) -> Subject:
        """The lane with what its panels share, which is computed once."""
        columns, items = lane.iterations, happenings(lane.events)
        return cls(
            lane,
            items,
            thinned(items, _MOST_SHOWN),
            described(items),
            shapes_of(lane),
            dict(zip(columns.numbers, columns.verdicts, strict=True)),
        )

    @property
    def numbers(self) -> tuple[int, ...]:
        return self.lane.iterations.numbers

    @property
    def last(self) -> int:
        """The right end of the panels: the last planned iteration, if it is not far away."""
        measured = self.numbers[-1] if self.numbers else 1
        return self.lane.planned if measured <= self.lane.planned <= 4 * measured else measured


def shapes_of(lane: LaneView) -> dict[str, str]:
    """What moved a parameter to its shape, which is the same in every panel of the lane."""
    counts = Counter(step.by for item in lane.parameters for step in item.steps[1:])
    rules = [by for by, _ in counts.most_common() if by not in _OWN_SHAPES]
    last = len(_SHAPES) - 1
    return _OWN_SHAPES | {by: _SHAPES[min(place, last)] for place, by in enumerate(rules)}
