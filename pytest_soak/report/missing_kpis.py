"""The KPIs that the first measured iteration lacks, for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pytest_soak.loop.missing import MissingKpi, is_measured, missing_kpis
from pytest_soak.loop.model import History, Iteration
from pytest_soak.report.layout import labelled
from pytest_soak.report.lists import names

MOST = 8
"""KPIs beyond this number are only counted."""
_COLUMN = 24


def missing_lines(missing: Sequence[MissingKpi], number: int, lane: str = "") -> list[str]:
    """A note for the terminal; nothing if no KPI is missing. ``lane``: its id, of several."""
    if not missing:
        return []
    where = f" of {lane}" if lane else ""
    several = len(missing) > 1
    lines = labelled(
        "soak:",
        f"no data for {len(missing)} KPI{'s' * several} that "
        f"{'are' if several else 'is'} read, in iteration {number}{where}:",
        indent=0,
        column=6,
    )
    for item in missing[:MOST]:
        text = f"{item.why} (read by {readers_text(item)})"
        lines += labelled(item.kpi, text, indent=2, column=_COLUMN)
    rest = len(missing) - MOST
    return [*lines, f"  and {rest} more"] if rest > 0 else lines


def missing_in(history: History) -> tuple[int, tuple[MissingKpi, ...]]:
    """The number of the first measured iteration (0 if there is none), and what it lacks."""
    first = first_measured(history.iterations)
    if first is None:
        return 0, ()
    return first.number, missing_kpis(history.profile, first.readings)


def first_measured(iterations: Sequence[Iteration]) -> Iteration | None:
    """The first iteration with a report of the target."""
    return next((item for item in iterations if item.decision and is_measured(item)), None)


def missing_texts(history: History) -> Iterator[str]:
    """For the audit: a line for each KPI that is missing in the first measured iteration."""
    number, missing = missing_in(history)
    for item in missing:
        later = next(
            (
                iteration.number
                for iteration in history.iterations
                if (reading := iteration.readings.get(item.kpi)) is not None
                and reading.usable is not None
            ),
            None,
        )
        ends = "no iteration has it" if later is None else f"iteration {later} has it"
        readers = readers_text(item)
        yield f"{item.kpi} (read by {readers}): {item.why}, in iteration {number}; {ends}"


def readers_text(item: MissingKpi) -> str:
    """``verdict, rule GROW and gate``."""
    return names(list(item.readers))
