"""Stored runs, read back: the lanes of a run from their journals, and references from a run.

Sessions and the offline commands both judge what is read here, so they cannot differ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pytest_soak.gate.baseline import KpiNoise, Reference, reference_of
from pytest_soak.gate.criteria import CriterionResult
from pytest_soak.loop.history import read_history
from pytest_soak.loop.model import Entry, History, Verdict
from pytest_soak.store.errors import StoreError
from pytest_soak.store.journal import read_journal
from pytest_soak.store.rundir import RunDirectory


def read_entries(run: RunDirectory, lane_id: str) -> Sequence[Entry]:
    """The journal of one lane of a run, as it is. Raises StoreError."""
    path = run.lane_directory(lane_id).journal_path
    entries = read_journal(path).entries
    if not entries:
        raise StoreError(f"{path}: it has no entries; the lane never started")
    return entries


def read_lane(run: RunDirectory, lane_id: str) -> History:
    """One lane of a run. Raises StoreError naming the journal that makes no lane."""
    entries = read_entries(run, lane_id)
    try:
        return read_history(entries)
    except (LookupError, TypeError, ValueError) as error:
        path = run.lane_directory(lane_id).journal_path
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


def inputs_to_store(
    references: Mapping[str, Reference], extra: Mapping[str, Sequence[CriterionResult]]
) -> dict[str, Any]:
    """For ``run.json``: what a run was judged with that is in no journal."""
    return {
        "references": {
            lane_id: {kpi: asdict(noise) for kpi, noise in reference.kpis.items()}
            for lane_id, reference in references.items()
        },
        "criteria": {
            lane_id: [
                {
                    "name": result.name,
                    "verdict": str(result.verdict),
                    "value": result.value,
                    "limit": result.limit,
                    "reason": result.reason,
                }
                for result in results
            ]
            for lane_id, results in extra.items()
            if results
        },
    }


def stored_reference(run: RunDirectory, lane_id: str) -> Reference | None:
    """The reference that the session judged a lane by."""
    stored = _judged_with(run, "references").get(lane_id)
    if not isinstance(stored, Mapping):
        return None
    return Reference(
        {
            kpi: KpiNoise(float(noise["phi"]), float(noise["sd"]), int(noise["n"]))
            for kpi, noise in stored.items()
        }
    )


def stored_criteria(run: RunDirectory, lane_id: str) -> tuple[CriterionResult, ...]:
    """The criteria that the session's own hooks added to a lane, as they were judged then."""
    return tuple(
        CriterionResult(
            str(one["name"]),
            Verdict(one["verdict"]),
            value=one["value"],
            limit=str(one["limit"]),
            reason=str(one["reason"]),
        )
        for one in _judged_with(run, "criteria").get(lane_id, ())
    )


def _judged_with(run: RunDirectory, what: str) -> Mapping[str, Any]:
    stored = run.about.get("judged_with")
    found = stored.get(what) if isinstance(stored, Mapping) else None
    return found if isinstance(found, Mapping) else {}
