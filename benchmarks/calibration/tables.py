"""Tables of shares as aligned text, and promised limits of shares."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

_ERRORS = 3.0


def percent(share: float) -> str:
    """Percent with at least one digit after the point below 10: 0.4, 4.1, 41."""
    value = 100.0 * share
    return f"{value:.1f}" if value < 9.95 else f"{value:.0f}"


@dataclass
class Table:
    """Shares in percent; each row has a label and one cell per column."""

    title: str
    columns: Sequence[str]
    rows: list[tuple[str, list[str]]] = field(default_factory=list)

    def add(self, label: str, cells: Sequence[float | str]) -> None:
        self.rows.append((label, [c if isinstance(c, str) else percent(c) for c in cells]))

    def lines(self) -> Iterator[str]:
        label = max((len(name) for name, _ in self.rows), default=0)
        widths = [
            max(len(head), *(len(cells[i]) for _, cells in self.rows))
            for i, head in enumerate(self.columns)
        ]
        yield self.title
        yield ""
        for name, cells in [("", list(self.columns)), *self.rows]:
            text = "  ".join(cell.rjust(w) for cell, w in zip(cells, widths, strict=True))
            yield f"{name:<{label}}  {text}".rstrip()
        yield ""


@dataclass(frozen=True)
class Cell:
    """One measured share with its Monte-Carlo standard error."""

    row: str
    share: float
    error: float

    def excess(self, limit: float, *, at_most: bool) -> float:
        """How far the share is beyond the limit; negative on the right side."""
        return self.share - limit if at_most else limit - self.share


@dataclass
class Promise:
    """Every cell is at most (or at least) ``limit``, up to 3 Monte-Carlo errors."""

    text: str
    limit: float
    at_most: bool = True
    cells: list[Cell] = field(default_factory=list)

    def add(self, row: str, share: float, runs: int) -> None:
        """Adds a share of ``runs`` runs; its error is that of a share exactly at the limit."""
        error = math.sqrt(self.limit * (1.0 - self.limit) / runs)
        self.cells.append(Cell(row, float(share), error))

    @property
    def worst(self) -> Cell:
        return max(self.cells, key=lambda cell: cell.excess(self.limit, at_most=self.at_most))

    @property
    def broken(self) -> list[Cell]:
        return [
            cell
            for cell in self.cells
            if cell.excess(self.limit, at_most=self.at_most) > _ERRORS * cell.error + 1e-12
        ]

    def lines(self) -> Iterator[str]:
        most = "at most" if self.at_most else "at least"
        worst = f"{100.0 * self.worst.share:.2f} % ({self.worst.row})"
        state = "BROKEN" if self.broken else "kept"
        yield f"{state:<6}  {self.text}: {most} {100.0 * self.limit:g} %"
        yield f"        measured {worst}, the worst of {len(self.cells)}"
        for cell in self.broken:
            yield f"        BROKEN in {cell.row}: {100.0 * cell.share:.2f} %"
