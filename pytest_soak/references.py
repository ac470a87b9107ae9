"""References: the noise of a stored A/A run (tuner off), for the judgement of another run.

A reference can turn a WARN into a PASS. So its run must be finished, judged and unchanged since,
and must have measured the same KPIs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pytest_soak.gate.baseline import reference_of
from pytest_soak.loop.model import History
from pytest_soak.profile.model import Profile
from pytest_soak.protocol import Lane
from pytest_soak.sealed import check_seal, read_seal
from pytest_soak.store.errors import StoreError
from pytest_soak.store.rundir import RunDirectory
from pytest_soak.stored import StoredReference, check_directories, read_lanes


@dataclass(frozen=True, slots=True)
class ReferenceRun:
    """A stored run whose tuner-off lanes are references."""

    run_id: str
    lanes: Mapping[str, History]
    """Lane id to history, and profile name to the history of its first lane."""


def read_references(path: Path) -> ReferenceRun:
    """The tuner-off lanes of a stored run.

    Its verdict does not matter: beyond a limit the noise is the same. Raises StoreError if there
    is no such run, if it is not sealed or has changed since, or if none of its lanes ran with the
    tuner off.
    """
    run = RunDirectory.open(path)
    check_directories(run)
    lanes = list(read_lanes(run))
    try:
        check_seal(run, lanes, read_seal(run))
    except StoreError as error:
        raise StoreError(f"{path} is no reference: {error}") from error
    references: dict[str, History] = {}
    for stored in lanes:
        if not stored.history.tune:
            references[stored.id] = stored.history
            references.setdefault(stored.history.lane.profile, stored.history)
    if not references:
        raise StoreError(
            f"{path}: no lane of this run had the tuner off; a reference is a run with "
            "--soak-no-tune"
        )
    return ReferenceRun(run.run_id, references)


def reference_for(lane: Lane, profile: Profile, target: str, run: ReferenceRun) -> StoredReference:
    """The noise for one lane: that of the same lane, else of the same profile.

    Raises StoreError if no lane of the reference fits: with another target, interval or KPI the
    noise differs.
    """
    history = run.lanes.get(lane.id) or run.lanes.get(lane.profile)
    if history is None:
        raise StoreError(
            f"the reference has no lane for {lane.id}, nor one of profile {lane.profile}; it has "
            f"{', '.join(sorted({item.lane.id for item in run.lanes.values()}))}"
        )
    if (history.target, history.lane.interval_s) != (target, lane.interval_s):
        raise StoreError(
            f"the reference {history.lane.id} is of target {history.target} at "
            f"{history.lane.interval_s:g} s, lane {lane.id} of {target} at {lane.interval_s:g} s"
        )
    for criterion in profile.gate.criteria:
        kpi = criterion.kpi
        if kpi in history.profile.kpis and history.profile.kpis[kpi] != profile.kpis[kpi]:
            raise StoreError(
                f"the reference {history.lane.id} measured another {kpi}: the definition in its "
                f"profile {history.profile.name} is not the one of lane {lane.id}"
            )
    noise = reference_of(history, least=profile.gate.pass_from)
    return StoredReference(run.run_id, history.lane.id, noise)
