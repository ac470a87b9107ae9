"""One panel of the page: a picture with its title, its key figures and its table."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Size:
    """A picture's width and height, and whether it has all of its parts."""

    width: float
    height: float


LARGE = Size(520, 195)
SMALL = Size(400, 150)


@dataclass(frozen=True, slots=True)
class Table:
    """The figures of a picture as rows."""

    caption: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class LegendItem:
    """A mark as a character, what it stands for, and its class, which gives it its colour."""

    mark: str
    text: str
    look: str


@dataclass(frozen=True, slots=True)
class Panel:
    """A picture, and the same figures as a table. ``data`` is what uPlot draws."""

    ident: str
    name: str
    summary: str
    svg: str
    table: Table
    verdict: str = ""
    legend: tuple[LegendItem, ...] = ()
    data: dict[str, Any] | None = None
    gated: bool = False
    notes: tuple[str, ...] = field(default=())
