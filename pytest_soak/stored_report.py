"""REPORT.html of a stored run, as its session writes it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from pytest_soak.loop.entries import Record
from pytest_soak.loop.history import moments
from pytest_soak.report.explain.iteration import explain_iteration
from pytest_soak.report.page.iteration_rows import explained_iterations
from pytest_soak.report.page.page import report_page
from pytest_soak.report.view.model import RunView, to_json
from pytest_soak.store.rundir import RunDirectory
from pytest_soak.stored import read_entries, unreadable
from pytest_soak.stored_view import stored_view
from pytest_soak.vendored import uplot, why_absent


def stored_report(path: str | Path) -> str:
    """The page of the run at ``path``. Raises StoreError."""
    return session_report(RunDirectory.open(Path(path)), stored_view(path))


def view_json(path: str | Path) -> str:
    """The view of the run at ``path`` as JSON, one line. Raises StoreError."""
    return to_json(stored_view(path)).decode() + "\n"


def session_report(directory: RunDirectory, view: RunView) -> str:
    """The page of the run of a session that has just ended. Raises StoreError."""
    lanes = {lane for lane, _ in explained_iterations(view)}
    return page_of(view, {lane: read_entries(directory, lane).entries for lane in sorted(lanes)})


def page_of(view: RunView, journals: Mapping[str, Iterable[Record]]) -> str:
    """The page of a run. ``journals``: lane to its entries, of the lanes that are explained.

    A lane without its journal has the command instead of the explanations.
    """
    explained: dict[tuple[str, int], str] = {}
    numbers: dict[str, list[int]] = {}
    for lane, number in explained_iterations(view):
        numbers.setdefault(lane, []).append(number)
    for lane, journal in journals.items():
        if lane in numbers:
            explained |= _explained(lane, journal, numbers[lane])
    ordered = {key: explained[key] for key in explained_iterations(view) if key in explained}
    return report_page(view, explained=ordered, uplot=uplot(), absent=why_absent())


def _explained(
    lane: str, journal: Iterable[Record], numbers: Collection[int]
) -> dict[tuple[str, int], str]:
    with unreadable(Path(lane)):
        return {
            (lane, number): explain_iteration(moment)
            for number, moment in moments(journal, numbers)
        }
