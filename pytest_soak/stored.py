"""Stored runs, read back: the lanes of a run from their journals, and references from a run.

Sessions and the offline commands both judge what is read here, so they cannot differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pytest_soak.gate.baseline import Reference, reference_of
from pytest_soak.loop.history import read_history
from pytest_soak.loop.model import History
from pytest_soak.store.errors import StoreError
from pytest_soak.store.journal import read_journal
from pytest_soak.store.rundir import RunDirectory


def read_lane(run: RunDirectory, lane_id: str) -> History:
    """One lane of a run. Raises StoreError naming the journal that makes no lane."""
    path = run.lane_directory(lane_id).journal_path
    entries = read_journal(path).entries
    if not entries:
        raise StoreError(f"{path}: it has no entries; the lane never started")
    try:
        return read_history(entries)
    except (LookupError, TypeError, ValueError) as error:
        raise StoreError(
            f"{path}: its entries make no run: {type(error).__name__}: {error}"
        ) from error


def read_lanes(run: RunDirectory) -> tuple[History, ...]:
    """Every lane of a run, in the run's order. Raises StoreError."""
    return tuple(read_lane(run, str(record["id"])) for record in run.lanes)


def read_references(path: Path) -> dict[str, History]:
    """The tuner-off lanes of a stored run by lane id, and the first of each profile by its name.

    Raises StoreError when there is no such run, or none of its lanes ran with the tuner off.
    """
    references: dict[str, History] = {}
    for history in read_lanes(RunDirectory.open(path)):
        if not history.tune:
            references[history.lane.id] = history
            references.setdefault(history.lane.profile, history)
    if not references:
        raise StoreError(
            f"{path}: no lane of this run had the tuner off; a reference is a run with "
            "--soak-no-tune"
        )
    return references


def reference_for(
    lane_id: str, profile: str, target: str, interval_s: float, references: Mapping[str, History]
) -> Reference | None:
    """The noise for one lane: of the same lane, else of the same profile; None without references.

    Raises StoreError when no lane of the reference fits: another target or another interval has
    another noise.
    """
    if not references:
        return None
    found = references.get(lane_id) or references.get(profile)
    if found is None:
        raise StoreError(
            f"the reference has no lane for {lane_id}, nor one of profile {profile}; it has "
            f"{', '.join(sorted({item.lane.id for item in references.values()}))}"
        )
    if (found.target, found.lane.interval_s) != (target, interval_s):
        raise StoreError(
            f"the reference {found.lane.id} is of target {found.target} at "
            f"{found.lane.interval_s:g} s, lane {lane_id} of {target} at {interval_s:g} s"
        )
    return reference_of(found)
