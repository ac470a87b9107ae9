"""A picture of the page as SVG text: shapes with classes, so that the style sheet colours them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import groupby

from markupsafe import Markup

from pytest_soak.report.html import html_text
from pytest_soak.report.page.look import FONT, LOOK
from pytest_soak.report.svg import coordinate

Point = tuple[float, float]


class Canvas:
    """Shapes in the order in which they were drawn. ``ident`` is the picture's id in the page.

    ``name``, of a shape, is its class in the style sheet, and in ``LOOK`` without one.
    """

    def __init__(self, ident: str, width: float, height: float, *, stretched: bool = False) -> None:
        self.ident, self.width, self.height = ident, width, height
        self._aspect = ' preserveAspectRatio="none"' if stretched else ""
        self._shapes: list[tuple[str, str]] = []
        self._words = False

    def rect(
        self, x: float, y: float, width: float, height: float, name: str, title: str = ""
    ) -> None:
        """A rectangle; ``title`` is shown when one points at it."""
        size = f'width="{_n(max(width, 0.0))}" height="{_n(max(height, 0.0))}"'
        self._add("rect", f'x="{_n(x)}" y="{_n(y)}" {size}', name, title)

    def hatched(self, x: float, y: float, width: float, height: float, title: str) -> None:
        """A rectangle with slanted lines, for what is left out."""
        self.rect(x, y, width, height, "hatch", title)
        lines, place, bottom = [], x - height, y + height
        while place < x + width:
            left, right = max(place, x), min(place + height, x + width)
            if right > left:
                ends = (bottom - (left - place), bottom - (right - place))
                lines.append(f"M{_n(left)},{_n(ends[0])}L{_n(right)},{_n(ends[1])}")
            place += 7.0
        self.path("".join(lines), "slant")

    def line(self, x1: float, y1: float, x2: float, y2: float, name: str) -> None:
        end = f"H{_n(x2)}" if y1 == y2 else f"V{_n(y2)}" if x1 == x2 else f"L{_n(x2)},{_n(y2)}"
        self.path(f"M{_n(x1)},{_n(y1)}{end}", name)

    def path(self, data: str, name: str, title: str = "") -> None:
        """A path; nothing without ``data``."""
        if data:
            self._add("path", f'd="{data}"', name, title)

    def text(self, x: float, y: float, words: str, name: str, title: str = "") -> None:
        """Words; their class says where they are anchored too."""
        inner = html_text(words) + (f"<title>{html_text(title)}</title>" if title else "")
        self._words = True
        self._shapes.append((name, f'<text x="{_n(x)}" y="{_n(y)}">{inner}</text>'))

    def symbols(self, places: Iterable[float], y: float, symbol: str, name: str) -> None:
        """The same character at each place."""
        self._words = True
        xs = [_n(place) for place in places]
        text = html_text(symbol * len(xs))
        self._shapes.append((name, f'<text x="{" ".join(xs)}" y="{_n(y)}">{text}</text>'))

    def svg(self, title: str, description: str, name: str = "plot") -> Markup:
        """The element. Its title and description are what a screen reader reads."""
        ident, width, height = self.ident, _n(self.width), _n(self.height)
        groups = (
            f'<g class="{look}" {LOOK[look]}>{_joined(text for _, text in shapes)}</g>'
            for look, shapes in groupby(self._shapes, key=lambda shape: shape[0])
        )
        font = f' font-family="{FONT}" font-size="11"' if self._words else ""
        return Markup(  # noqa: S704 - every text in it went through html_text
            f'<svg id="{ident}" class="{name}" role="img" '
            f'aria-labelledby="{ident}-t {ident}-d" width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}"{self._aspect}{font}>'
            f'<title id="{ident}-t">{html_text(title)}</title>'
            f'<desc id="{ident}-d">{html_text(description)}</desc>' + "".join(groups) + "</svg>"
        )

    def _add(self, element: str, attributes: str, name: str, title: str) -> None:
        inner = f"><title>{html_text(title)}</title></{element}>" if title else "/>"
        self._shapes.append((name, f"<{element} {attributes}{inner}"))


def _joined(shapes: Iterable[str]) -> str:
    """The shapes of a group; paths without a title become one path."""
    return "".join(shapes).replace('"/><path d="', "")


def bars(stretches: Iterable[tuple[float, float]], top: float, height: float) -> str:
    """Path data of a bar at each left edge and width."""
    return "".join(
        f"M{_n(left)},{_n(top)}h{_n(width)}v{_n(height)}h-{_n(width)}z" for left, width in stretches
    )


def polyline(points: Iterable[Point | None], *, dense: bool = False) -> str:
    """Path data of a line through the points, with a gap at each None.

    ``dense``: the points are a pixel or two apart, so that whole numbers do from left to right.
    """
    parts, first, digits = [], True, 0 if dense else 1
    for point in points:
        if point is not None:
            parts.append(f"{'M' if first else ' '}{coordinate(point[0], digits)},{_n(point[1])}")
        first = point is None
    return "".join(parts)


def stairs(points: Iterable[Point], right: float) -> str:
    """Path data of steps: each value lasts until the next one, the last one to ``right``."""
    parts: list[str] = []
    for x, y in points:
        parts.append(f"H{_n(x)}V{_n(y)}" if parts else f"M{_n(x)},{_n(y)}")
    return "".join([*parts, f"H{_n(right)}"]) if parts else ""


_Shape = tuple[float, float, str]
SHAPES: Mapping[str, _Shape] = {
    "dot": (0, 0, "h0"),
    "cross": (-3.5, -3.5, "l7,7m0-7l-7,7"),
    "triangle": (0, -4.2, "l4.2,7.4h-8.4z"),
    "square": (-3.2, -3.2, "h6.4v6.4h-6.4z"),
    "diamond": (0, -4.5, "l4.5,4.5l-4.5,4.5l-4.5-4.5z"),
    "down": (0, 4.2, "l4.2-7.4h-8.4z"),
    "ring": (-3.2, 0, "a3.2,3.2 0 1 0 6.4,0a3.2,3.2 0 1 0-6.4,0"),
}
"""Marks: where they begin relative to their middle, and path data. A dot is a stroke of no length
with round ends."""
_TINY: Mapping[str, _Shape] = {
    "cross": (-2, -2, "l4,4m0-4l-4,4"),
    "triangle": (0, -2, "l2,4h-4z"),
    "square": (-1.5, -1.5, "h3v3h-3z"),
    "diamond": (0, -3, "l3,3l-3,3l-3-3z"),
    "down": (0, 2, "l2-4h-4z"),
    "ring": (-2, 0, "a2,2 0 1 0 4,0a2,2 0 1 0-4,0"),
}


def marks(points: Iterable[Point], shape: str, *, tiny: bool = False) -> str:
    """Path data of a mark at each point; ``tiny`` where many are close to each other."""
    left, up, data = (_TINY if tiny else SHAPES).get(shape, SHAPES[shape])
    return "".join(f"M{_n(x + left)},{_n(y + up)}{data}" for x, y in points)


def _n(value: float) -> str:
    return coordinate(value, 1)
