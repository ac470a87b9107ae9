"""``--soak-compare``: the noise of a stored run that had the tuner off."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pytest_soak.gate.baseline import Reference, reference_of
from pytest_soak.loop.history import read_history
from pytest_soak.loop.model import History
from pytest_soak.store.errors import StoreError
from pytest_soak.store.journal import read_journal
from pytest_soak.store.rundir import RunDirectory


def read_references(path: Path) -> dict[str, Reference]:
    """The noise of every tuner-off lane of a stored run, by lane id and by profile.

    Raises StoreError when there is no such run or none of its lanes ran with the tuner off.
    """
    run = RunDirectory.open(path)
    references: dict[str, Reference] = {}
    for record in run.lanes:
        directory = run.lane_directory(str(record["id"]))
        history = read_history(read_journal(directory.journal_path).entries)
        if not history.tune:
            reference = reference_of(history)
            references[history.lane.id] = reference
            references.setdefault(history.lane.profile, reference)
    if not references:
        raise StoreError(
            f"{path}: no lane of this run had the tuner off; a reference is a run with "
            "--soak-no-tune"
        )
    return references


def reference_for(history: History, references: Mapping[str, Reference]) -> Reference | None:
    """The reference of the same lane, else of the same profile."""
    return references.get(history.lane.id) or references.get(history.lane.profile)
