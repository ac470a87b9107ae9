"""A drawing as SVG text: shapes, text, and colours that colour-blind readers can distinguish."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pytest_soak.report.html import html_text

FONT = "DejaVu Sans, Verdana, Segoe UI, Arial, sans-serif"
INK, FAINT, RULE, PAPER = "#1b1f24", "#5b6570", "#c9d0d6", "#ffffff"
# Blue and vermilion of Okabe and Ito (2008): distinct with any common colour blindness.
INSIDE, OUTSIDE = "#0072b2", "#d55e00"

_TOWARDS_INSIDE = ((246, 248, 250), (146, 197, 222), (5, 97, 160))
_TOWARDS_OUTSIDE = ((255, 243, 230), (253, 184, 99), (190, 85, 10))
_PLAIN = ((247, 247, 250), (158, 154, 200), (84, 39, 143))


@dataclass(frozen=True, slots=True)
class Frame:
    """A rectangle to draw in."""

    x: float
    y: float
    width: float
    height: float

    @property
    def right(self) -> float:
        return self.x + self.width

    @property
    def bottom(self) -> float:
        return self.y + self.height


def coordinate(value: float, digits: int = 2) -> str:
    """A place in a drawing as SVG has it, without needless zeros."""
    return f"{round(value, digits) + 0.0:.{digits}f}".rstrip("0").rstrip(".")


_n = coordinate


class Drawing:
    """Shapes in the order in which they were drawn, in a frame of ``width`` by ``height``."""

    def __init__(self, width: float, height: float) -> None:
        self._size = (width, height)
        self._parts: list[str] = []
        self._clips = 0

    def rect(
        self, x: float, y: float, width: float, height: float, fill: str, *,
        stroke: str = "none", line: float = 1.0, opacity: float = 1.0, dash: str = "",
    ) -> None:  # fmt: skip
        self._parts.append(
            f'<rect x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" height="{_n(height)}" '
            f'fill="{fill}"{_stroke(stroke, line, dash)}{_opacity(opacity)}/>'
        )

    def line(
        self, x1: float, y1: float, x2: float, y2: float, stroke: str, *,
        line: float = 1.0, dash: str = "", opacity: float = 1.0,
    ) -> None:  # fmt: skip
        self._parts.append(
            f'<line x1="{_n(x1)}" y1="{_n(y1)}" x2="{_n(x2)}" y2="{_n(y2)}"'
            f"{_stroke(stroke, line, dash)}{_opacity(opacity)}/>"
        )

    def path(
        self, points: Sequence[tuple[float, float]], *, stroke: str = "none", fill: str = "none",
        line: float = 1.5, closed: bool = False, opacity: float = 1.0, clip: str = "",
    ) -> None:  # fmt: skip
        if points:
            line_to = "L".join(f"{_n(x)},{_n(y)}" for x, y in points)
            within = f' clip-path="url(#{clip})"' if clip else ""
            self._parts.append(
                f'<path d="M{line_to}{"Z" if closed else ""}" fill="{fill}" '
                f'stroke-linejoin="round"{_stroke(stroke, line, "")}{_opacity(opacity)}{within}/>'
            )

    def circle(self, x: float, y: float, radius: float, fill: str, stroke: str) -> None:
        self._parts.append(
            f'<circle cx="{_n(x)}" cy="{_n(y)}" r="{_n(radius)}" fill="{fill}"'
            f"{_stroke(stroke, 1.8, '')}/>"
        )

    def text(
        self, x: float, y: float, words: str, *, size: float = 12, fill: str = INK,
        anchor: str = "start", bold: bool = False, turned: bool = False,
    ) -> None:  # fmt: skip
        turn = f' transform="rotate(-90 {_n(x)} {_n(y)})"' if turned else ""
        weight = ' font-weight="bold"' if bold else ""
        self._parts.append(
            f'<text x="{_n(x)}" y="{_n(y)}" font-size="{_n(size)}" fill="{fill}" '
            f'text-anchor="{anchor}"{weight}{turn}>{html_text(words)}</text>'
        )

    def clip(self, x: float, y: float, width: float, height: float) -> str:
        """Adds a frame to which a path may be clipped, and returns its name."""
        self._clips += 1
        name = f"frame{self._clips}"
        self._parts.append(
            f'<clipPath id="{name}"><rect x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" '
            f'height="{_n(height)}"/></clipPath>'
        )
        return name

    def svg(self) -> str:
        """The file. It refers to nothing outside itself."""
        width, height = map(_n, self._size)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            f'width="{width}" height="{height}" font-family="{FONT}">\n'
            f'<rect width="{width}" height="{height}" fill="{PAPER}"/>\n'
            + "\n".join(self._parts)
            + "\n</svg>\n"
        )


def shade(ratio: float) -> str:
    """From -1 (farthest beyond the limit, vermilion) over 0 (at it, pale) to 1 (blue)."""
    return _ramp(_TOWARDS_INSIDE if ratio >= 0.0 else _TOWARDS_OUTSIDE, abs(ratio))


def plain_shade(ratio: float) -> str:
    """From 0 (pale) to 1 (dark violet), for figures without a limit."""
    return _ramp(_PLAIN, ratio)


def ink_on(colour: str) -> str:
    """Black or white, whichever is read more easily on ``colour``."""
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return INK if 0.299 * red + 0.587 * green + 0.114 * blue > 140 else PAPER


def ticks(low: float, high: float, about: int = 7) -> list[float]:
    """Round values within ``low`` to ``high``, steps of 1, 2 or 5 times a power of ten."""
    span = high - low
    if not (span > 0.0 and math.isfinite(span)):
        return [low]
    raw = span / about
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(
        (factor * power for factor in (1.0, 2.0, 5.0) if factor * power >= raw), 10.0 * power
    )
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [number * step for number in range(first, last + 1)]


def short(value: float) -> str:
    """Three significant digits without an exponent: 0.361, 325, 22.7k."""
    size = abs(value)
    if size >= 1e9:
        return f"{value:.2e}"
    if size >= 999_500.0:
        return f"{value / 1e6:.3g}M"
    if size >= 9_995.0:
        return f"{value / 1e3:.3g}k"
    return f"{value:.0f}" if size >= 100.0 else f"{value:.3g}"


def _ramp(stops: Sequence[tuple[int, int, int]], ratio: float) -> str:
    place = min(max(ratio, 0.0), 1.0) * (len(stops) - 1)
    at = min(int(place), len(stops) - 2)
    mixed = (
        round(a + (b - a) * (place - at)) for a, b in zip(stops[at], stops[at + 1], strict=True)
    )
    return "#" + "".join(f"{channel:02x}" for channel in mixed)


def _stroke(stroke: str, line: float, dash: str) -> str:
    if stroke == "none":
        return ""
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return f' stroke="{stroke}" stroke-width="{_n(line)}"{dashed}'


def _opacity(opacity: float) -> str:
    return f' opacity="{_n(opacity)}"' if opacity < 1.0 else ""
