"""A picture of the page as SVG text: shapes with classes, so that the style sheet colours them."""

from __future__ import annotations

from collections.abc import Iterable

from markupsafe import Markup

from pytest_soak.report.html import html_text
from pytest_soak.report.svg import coordinate

Point = tuple[float, float]


class Canvas:
    """Shapes in the order in which they were drawn. ``ident`` is the picture's id in the page."""

    def __init__(self, ident: str, width: float, height: float) -> None:
        self.ident, self.width, self.height = ident, width, height
        self._parts: list[str] = []

    def rect(
        self, x: float, y: float, width: float, height: float, name: str, title: str = ""
    ) -> None:
        """A rectangle of class ``name``; ``title`` is shown when one points at it."""
        self._shape(
            "rect",
            f'x="{_n(x)}" y="{_n(y)}" width="{_n(max(width, 0.0))}" height="{_n(height)}"',
            name,
            title,
        )

    def hatched(self, x: float, y: float, width: float, height: float, title: str) -> None:
        """A rectangle with slanted lines, for what is left out."""
        self.rect(x, y, width, height, "hatch", title)
        step, lines = 7.0, []
        place = x - height
        while place < x + width:
            left, right = max(place, x), min(place + height, x + width)
            if right > left:
                lines.append(
                    ((left, y + height - (left - place)), (right, y + height - (right - place)))
                )
            place += step
        self.path(
            "".join(f"M{_n(a[0])},{_n(a[1])}L{_n(b[0])},{_n(b[1])}" for a, b in lines), "slant"
        )

    def line(self, x1: float, y1: float, x2: float, y2: float, name: str) -> None:
        self._shape("path", f'd="M{_n(x1)},{_n(y1)}L{_n(x2)},{_n(y2)}"', name, "")

    def path(self, data: str, name: str, title: str = "") -> None:
        """A path of class ``name``; nothing without ``data``."""
        if data:
            self._shape("path", f'd="{data}"', name, title)

    def text(self, x: float, y: float, words: str, name: str, title: str = "") -> None:
        """Words of class ``name``, which says where they are anchored too."""
        inner = html_text(words) + (f"<title>{html_text(title)}</title>" if title else "")
        self._parts.append(f'<text x="{_n(x)}" y="{_n(y)}" class="{name}">{inner}</text>')

    def svg(self, title: str, description: str, name: str = "plot") -> Markup:
        """The element. Its title and description are what a screen reader reads."""
        ident = self.ident
        return Markup(  # noqa: S704 - every text in it went through html_text
            f'<svg id="{ident}" class="{name}" role="img" '
            f'aria-labelledby="{ident}-t {ident}-d" '
            f'viewBox="0 0 {_n(self.width)} {_n(self.height)}">'
            f'<title id="{ident}-t">{html_text(title)}</title>'
            f'<desc id="{ident}-d">{html_text(description)}</desc>'
            + "".join(self._parts)
            + "</svg>"
        )

    def _shape(self, element: str, attributes: str, name: str, title: str) -> None:
        inner = f"><title>{html_text(title)}</title></{element}>" if title else "/>"
        self._parts.append(f'<{element} class="{name}" {attributes}{inner}')


def polyline(points: Iterable[Point | None]) -> str:
    """Path data of a line through the points, with a gap at each None."""
    parts, command = [], "M"
    for point in points:
        if point is None:
            command = "M"
            continue
        parts.append(f"{command}{_n(point[0])},{_n(point[1])}")
        command = "L"
    return "".join(parts)


def stairs(points: Iterable[Point], right: float) -> str:
    """Path data of steps: each value lasts until the next one, the last one to ``right``."""
    parts: list[str] = []
    for x, y in points:
        parts.append(f"H{_n(x)}V{_n(y)}" if parts else f"M{_n(x)},{_n(y)}")
    return "".join([*parts, f"H{_n(right)}"]) if parts else ""


SHAPES = {
    "dot": "h0",
    "cross": "m-3.5,-3.5l7,7m0-7l-7,7",
    "triangle": "m0-4.2l4.2,7.4h-8.4z",
    "square": "m-3.2-3.2h6.4v6.4h-6.4z",
    "diamond": "m0-4.5l4.5,4.5l-4.5,4.5l-4.5-4.5z",
    "down": "m0,4.2l4.2-7.4h-8.4z",
}
"""Marks as path data relative to their middle. A dot is a stroke without length, round ends."""


def marks(points: Iterable[Point], shape: str) -> str:
    """Path data of a mark at each point."""
    data = SHAPES[shape]
    return "".join(f"M{_n(x)},{_n(y)}{data}" for x, y in points)


def _n(value: float) -> str:
    return coordinate(value, 1)
