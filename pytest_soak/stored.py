"""Reads the lanes of stored runs from their journals.

Sessions and the offline commands both judge what is read here, so they cannot differ. A lane is
refused if its journal and ``run.json`` name different lanes: one of the two is of another run.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from pytest_soak.canonical import compute_json_hash
from pytest_soak.gate.noise import Reference
from pytest_soak.loop.entries import EntryError, Record, Start, entry_of
from pytest_soak.loop.history import Watch, read_history
from pytest_soak.loop.model import History
from pytest_soak.store import names
from pytest_soak.store.errors import StoreError, describe_os_error
from pytest_soak.store.journal import JournalRead, read_journal
from pytest_soak.store.records import Records
from pytest_soak.store.rundir import RunDirectory

_COPY = "restore the one that is wrong from a copy, or start a new run"
_LONGEST = 400


@dataclass(frozen=True, slots=True)
class JournalEnd:
    """Size and hash of a journal; equal for equal bytes only."""

    entries: int
    size: int
    """Bytes of the good lines."""
    torn: int
    """Bytes of a torn last line, which was dropped."""
    digest: str
    """SHA-256 of the good lines."""


@dataclass(frozen=True, slots=True)
class StoredLane:
    history: History
    end: JournalEnd

    @property
    def id(self) -> str:
        return self.history.lane.id

    @property
    def profile_hash(self) -> str:
        """Hash of the resolved profile in the journal."""
        return compute_json_hash(self.history.profile.document)


@dataclass(frozen=True, slots=True)
class StoredReference:
    """The noise of a tuner-off lane, with the run and the lane that it comes from."""

    run_id: str
    lane_id: str
    noise: Reference


def read_entries(run: RunDirectory, lane_id: str, earlier: JournalRead | None = None) -> Records:
    """The journal of one lane of a run; what was read of it ``earlier`` is not decoded again.

    Raises StoreError for a journal that cannot be read, is empty, or is of another lane than
    ``run.json`` names.
    """
    path = run.lane_directory(lane_id).journal_path
    records = read_journal(path, None if earlier is None else earlier.records)
    if not records.entries:
        torn = f" (its last line was torn: {records.torn} bytes)" if records.torn else ""
        raise StoreError(f"{path} is empty{torn}: the lane never started; begin a new run")
    with unreadable(path):
        _check_agreement(run, lane_id, path, records.entries)
    return records


def read_lane_journal(
    run: RunDirectory, lane_id: str, earlier: JournalRead | None = None
) -> JournalRead:
    """The journal of one lane with the lane that it makes. Raises StoreError as `read_entries`."""
    records = read_entries(run, lane_id, earlier)
    with unreadable(run.lane_directory(lane_id).journal_path):
        return JournalRead.of(records, earlier)


def read_lane(
    run: RunDirectory,
    lane_id: str,
    earlier: JournalRead | None = None,
    watch: Watch | None = None,
) -> StoredLane:
    """One lane of a run. ``watch`` is called with each of its transitions.

    Raises StoreError, naming the journal, if it makes no lane.
    """
    if earlier is not None and watch is None:
        journal = read_lane_journal(run, lane_id, earlier)
        return StoredLane(journal.past.history, _end_of(journal.records))
    records = read_entries(run, lane_id, earlier)
    end, entries = _end_of(records), deque(records.entries)
    del records
    with unreadable(run.lane_directory(lane_id).journal_path):
        # Each entry is let go when it is folded: a long journal is not twice in memory.
        return StoredLane(
            read_history((entries.popleft() for _ in range(len(entries))), watch), end
        )


def _end_of(records: Records) -> JournalEnd:
    return JournalEnd(len(records.entries), records.size, records.torn, records.digest)


def read_lanes(
    run: RunDirectory, watches: Mapping[str, Watch] = MappingProxyType({})
) -> tuple[StoredLane, ...]:
    """Every lane of a run, in the run's order; ``watches``: lane to its watch.

    Raises StoreError.
    """
    check_directories(run)
    ids = [str(record["id"]) for record in run.lanes]
    return tuple(read_lane(run, lane_id, watch=watches.get(lane_id)) for lane_id in ids)


@contextmanager
def unreadable(path: Path) -> Iterator[None]:
    """Turns the errors of odd values in the entries of ``path`` into a StoreError."""
    try:
        yield
    except (
        ArithmeticError,
        AttributeError,
        LookupError,
        RecursionError,
        TypeError,
        ValueError,
    ) as error:
        text = f"{type(error).__name__}: {error}"
        raise StoreError(f"{path}: its entries make no run: {text:.{_LONGEST}}") from error


def check_directories(run: RunDirectory) -> None:
    """Raises StoreError for a journal in the run's directory whose lane is not in ``run.json``."""
    directories = {str(record["dir"]) for record in run.about["lanes"]}
    try:
        with os.scandir(run.path) as children:
            others = [child.name for child in children if child.is_dir()]
    except OSError as error:
        raise describe_os_error("look into", run.path, error) from error
    stray = [
        name
        for name in others
        if name not in directories and (run.path / name / names.JOURNAL).is_file()
    ]
    if "." not in directories and (run.path / names.JOURNAL).is_file():
        stray.append(".")
    if stray:
        lanes = ", ".join(str(record["id"]) for record in run.about["lanes"])
        raise StoreError(
            f"{run.path} has a journal in {', '.join(sorted(stray))}, but {names.RUN} names the "
            f"lanes {lanes}; {_COPY}"
        )


def _check_agreement(
    run: RunDirectory, lane_id: str, path: Path, entries: Iterable[Record]
) -> None:
    """Raises StoreError if start entry, last plan and ``run.json`` differ about the lane."""
    first, *rest = entries
    try:
        start = entry_of(first)
    except EntryError:
        return  # reading it as a lane says what is wrong
    if not isinstance(start, Start):
        return
    (record,) = (item for item in run.lanes if item["id"] == lane_id)
    pairs = [
        (f"lanes.{name}", record.get(name, ""), getattr(start.lane, name)) for name in _OF_A_LANE
    ]
    pairs += [(name, run.about.get(name), getattr(start, name)) for name in _OF_A_RUN]
    pairs.append(("interval_s", run.about.get("interval_s"), start.lane.interval_s))
    # The KPI criteria of a sweep do not bind.
    pairs.append(("sweep", bool(run.about.get("sweep")), bool(start.lane.sweep)))
    plans = [entry["iterations"] for entry in rest if entry["type"] == "plan"]
    # A resumed session that was killed before it wrote run.json leaves its plan as the last entry.
    if not (rest and rest[-1]["type"] == "plan"):
        planned = plans[-1] if plans else start.iterations
        pairs.append(("iterations", run.about.get("iterations"), planned))
    for name, in_run, in_journal in pairs:
        if in_run != in_journal:
            raise StoreError(
                f"{run.path / names.RUN} says {name} = {in_run!r:.60}, but {path} says "
                f"{in_journal!r:.60}; {_COPY}"
            )


_OF_A_LANE = ("id", "profile", "symbol", "seed")
_OF_A_RUN = ("target", "mock", "tune", "dry_run")
