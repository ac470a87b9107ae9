"""The axes of a panel: which values it spans, where they are drawn, and their labels."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pytest_soak.report.layout import cut
from pytest_soak.report.page.canvas import Canvas
from pytest_soak.report.svg import Frame, short, ticks

_LARGEST = 1e300
"""A larger value is drawn at the end of the axis, so that its ticks are finite."""
_SMALLEST_SPAN = 1e-290
_LETTER = 6.4
"""Width of a digit of a label."""
_NAME = 9
"""Characters of a name beside the axis."""
_NEAR = 3.5
"""A limit is in the picture if it is not farther from the values than their range, so often."""
_FLAT = 1e-9
"""A range that is smaller than its values by this ratio is shown as a flat line."""


@dataclass(frozen=True, slots=True)
class Scale:
    """``low`` to ``high`` of a figure onto ``start`` to ``end`` of the picture."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        # Halves, because the difference of two finite numbers may be infinite.
        ratio = (value / 2 - self.low / 2) / (self.high / 2 - self.low / 2)
        return self.start + min(max(ratio, -0.05), 1.05) * (self.end - self.start)

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high


@dataclass(frozen=True, slots=True)
class Axes:
    """Iterations from left to right, figures from bottom to top, in a frame."""

    frame: Frame
    x: Scale
    y: Scale

    @classmethod
    def of(cls, frame: Frame, first: int, last: int, low: float, high: float) -> Axes:
        """Half an iteration of space left and right; ``low`` < ``high``.

        Left of ``frame`` there is space for the labels; long ones make the frame smaller.
        """
        labels = [label for _, label in labelled_ticks(low, high, _rows(frame))]
        more = max(_LETTER * max(map(len, labels)) + 8 - frame.x, 0.0)
        frame = Frame(frame.x + more, frame.y, frame.width - more, frame.height)
        return cls(
            frame,
            Scale(first - 0.5, max(last, first) + 0.5, frame.x, frame.right),
            Scale(low, high, frame.bottom, frame.y),
        )

    def stretch(self, first: float, last: float) -> tuple[float, float]:
        """Left edge and width of the iterations ``first`` to ``last``, at least a pixel wide."""
        left = max(self.x(first - 0.5), self.frame.x)
        right = min(self.x(last + 0.5), self.frame.right)
        return left, max(right - left, 1.0)

    def draw(
        self, canvas: Canvas, below: float = 0.0, *, end: int, names: Sequence[str] = ()
    ) -> None:
        """Grid and labels. ``below``: height of what lies between the frame and its labels;
        ``end``: the last iteration, whose label says what the numbers are.

        ``names``: those of the values 0, 1, 2, … where the axis has names instead of numbers.
        """
        frame, bottom = self.frame, self.frame.bottom + below
        rows = labelled_ticks(self.y.low, self.y.high, _rows(frame))
        if names:
            places = [place for place in range(len(names)) if float(place) in self.y]
            rows = [(float(place), cut(names[place], _NAME)) for place in places]
        for value, _ in rows:
            canvas.line(frame.x, self.y(value), frame.right, self.y(value), "grid")
        for value, label in rows:
            canvas.text(frame.x - 5, self.y(value) + 3.5, label, "tick end")
        last = f"iteration {end}"
        space = frame.right - _LETTER * len(last) - 12
        numbers = [
            number
            for number in iteration_ticks(self.x.low, self.x.high, max(int(frame.width / 70), 2))
            if self.x(number) < space
        ]
        for number in numbers:
            canvas.text(self.x(number), bottom + 15, str(number), "tick mid")
        canvas.text(frame.right, bottom + 15, last, "tick end")
        for number in numbers:
            canvas.line(self.x(number), bottom, self.x(number), bottom + 4, "axis")
        canvas.line(frame.x, bottom, frame.right, bottom, "axis")


def _rows(frame: Frame) -> int:
    """About how many labels an axis from bottom to top has."""
    return max(int(frame.height / 28), 3)


def span_of(values: Iterable[float | None], *near: float | None) -> tuple[float, float]:
    """The range of the values with a little space, and of each of ``near`` that is not far away.

    Without any value it is the range of ``near``.
    """
    present = [_within(value) for value in values if value is not None]
    others = [_within(value) for value in near if value is not None]
    if not present:
        present = others or [0.0]
    low, high = min(present), max(present)
    reach = _NEAR * _size(low, high)
    for value in others:
        if low / 2 - reach / 2 <= value / 2 <= high / 2 + reach / 2:
            low, high = min(low, value), max(high, value)
    pad = 0.08 * _size(low, high)
    return low - pad, high + pad


def _within(value: float) -> float:
    return min(max(value, -_LARGEST), _LARGEST)


def _size(low: float, high: float) -> float:
    """The length of a range; of a single value a part of it, and never 0."""
    size, largest = high / 2 - low / 2, max(abs(low), abs(high))
    if size > max(largest * _FLAT, _SMALLEST_SPAN):
        return min(size * 2, _LARGEST)
    return largest * 0.1 if largest > _SMALLEST_SPAN else 1.0


def labelled_ticks(low: float, high: float, about: int) -> list[tuple[float, str]]:
    """Round values with labels that differ from each other."""
    if not math.isfinite(high - low):
        return [(value, short(value)) for value in (low, 0.0, high)]
    for more in range(about, about + 8):
        # A multiple of the step may miss an end by a rounding error.
        values = [min(max(value, low), high) + 0.0 for value in ticks(low, high, more)]
        if len(values) > 1:
            break
    return list(zip(values, tick_labels(values), strict=True))


def tick_labels(values: Sequence[float]) -> list[str]:
    """The labels of equally spaced values, with as many digits as keep them apart."""
    labels = [short(value) for value in values]
    for digits in range(3, 17):
        if len(set(labels)) == len(labels):
            break
        labels = [f"{value:.{digits}g}" for value in values]
    return labels


def iteration_ticks(low: float, high: float, about: int) -> list[int]:
    """Round numbers of iterations, at least three if there are so many."""
    numbers: list[int] = []
    for more in range(about, about + 8):
        numbers = sorted({round(at) for at in ticks(low, high, more) if float(at).is_integer()})
        if len(numbers) > 2:
            break
    return numbers
