"""Stored runs like those of a session: run.json, journals, and the seal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pytest_soak.loop.entries import Record
from pytest_soak.loop.history import read_history
from pytest_soak.sealed import Inputs, LaneInputs, judge_stored, seal
from pytest_soak.store.journal import Journal
from pytest_soak.store.rundir import RunDirectory
from pytest_soak.stored import read_lanes

VERSIONS = {"numpy": "2.4.6"}


def stored_run(
    base: Path,
    *lanes: Sequence[Record],
    strict: bool = False,
    sealed: bool = True,
    run_id: str = "run-1",
    inputs: Mapping[str, LaneInputs] | None = None,
    **about: Any,
) -> Path:
    """Writes a run with the journals of ``lanes`` into ``base``; returns its directory."""
    histories = [read_history(entries) for entries in lanes]
    first = histories[0]
    fields = {
        "iterations": first.lane.iterations,
        "interval_s": first.lane.interval_s,
        "target": first.target,
        "mock": first.mock,
        "tune": first.tune,
        "dry_run": first.dry_run,
        "strict": strict,
        "versions": VERSIONS,
        **about,
    }
    run = RunDirectory.create(base, run_id, [history.lane for history in histories], fields)
    for history, entries in zip(histories, lanes, strict=True):
        write_journal(run.lane_directory(history.lane.id).journal_path, entries)
    if sealed:
        seal_run(run.path, Inputs(strict, first.mock, inputs or {}))
    return run.path


def write_journal(path: Path, entries: Sequence[Mapping[str, Any]]) -> None:
    """Replaces the journal at ``path`` by one of ``entries``, with valid checksums."""
    path.unlink(missing_ok=True)
    journal = Journal.create(path)
    for entry in entries:
        journal.append({key: value for key, value in entry.items() if key != "seq"})
    journal.close()


def seal_run(path: Path, inputs: Inputs) -> None:
    """Judges and seals a run, as the end of a session does."""
    run = RunDirectory.open(path)
    lanes = read_lanes(run)
    seal(run, lanes, inputs, judge_stored(lanes, inputs))
