"""Prepares the run of a session, and makes it, or goes on with the stored one.

Two steps, for the items are known only after the collection: :func:`prepare_run` refuses what is
wrong before it, :meth:`PreparedRun.begin` writes once whole lanes are known to be selected.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any, NoReturn

import pytest

from pytest_soak.lane.files import StoredFiles
from pytest_soak.lane.runner import LaneRunner
from pytest_soak.loop import entries
from pytest_soak.loop.state import LaneState
from pytest_soak.profile.errors import ProfileError
from pytest_soak.profile.parameters import nest, tuner_copies
from pytest_soak.protocol import Lane
from pytest_soak.report.log_lines import plan_line, unpiped
from pytest_soak.session import targets
from pytest_soak.session.about import about_run, about_sources, data_hash, target_name
from pytest_soak.session.lanes import PreparedLane, named, prepare_lanes, scheduled_in
from pytest_soak.session.plan import Plan, in_directories
from pytest_soak.session.sources import Source, hashes_of
from pytest_soak.settings import LIVE, Settings
from pytest_soak.store import names
from pytest_soak.store.atomic import atomic_write_json
from pytest_soak.store.documents import AppliedProfile
from pytest_soak.store.errors import StoreError
from pytest_soak.store.journal import Journal, JournalRead
from pytest_soak.store.lines import LineFile, append_lines
from pytest_soak.store.lock import DirectoryLock
from pytest_soak.store.rundir import RunDirectory
from pytest_soak.stored import (
    StoredReference,
    check_directories,
    read_lane_journal,
)

_LEFT_OUT = "left_out"
"""Lanes that the settings of a run name, and its session did not select."""


def collect_only_plan(settings: Settings) -> Plan:
    """The plan of a session that only lists its items: nothing is written."""
    lanes = tuple(prepared.plan(Path()) for prepared in prepare_lanes(settings))
    return Plan(settings, "", Path(), lanes, target_name(settings))


@dataclass(frozen=True, slots=True)
class PreparedRun:
    """What a session is about to run. Nothing but the lock is on disk until it begins."""

    plan: Plan
    """Of all lanes that the settings name."""
    lock: DirectoryLock
    """To release at the end of the session."""
    references: Mapping[str, StoredReference]
    """Lane to reference (``--soak-reference``)."""
    lanes: tuple[PreparedLane, ...]
    stored: _StoredRun | None
    about_target: tuple[str, ...]
    """What the target says about its data, for the header."""

    def begin(
        self,
        lane_ids: Collection[str],
        sources: Sequence[Source] = (),
        command: Sequence[str] = (),
    ) -> Plan:
        """Make the run of these lanes, and retire ``latest``; or go on with the stored run.

        ``sources`` are the places in the code that answer its hooks, ``command`` the command line
        without secrets. Raises pytest.UsageError where the directory cannot be written.
        """
        plan = self.plan.only(lane_ids)
        try:
            if self.stored:
                _go_on(plan, self.stored, sources, command)
            else:
                _create(plan, self.lanes, sources, command)
        except (StoreError, ValueError) as error:
            raise pytest.UsageError(f"soak: {error}") from error
        return plan

    @property
    def journals(self) -> Mapping[str, JournalRead]:
        """Lane to journal, as far as it was read already: nothing of it is read twice."""
        return self.stored.journals if self.stored else {}

    def changed_files(self, sources: Sequence[Source]) -> list[str]:
        """A warning for each file of the hooks that is not as the stored run had it."""
        stored = self.stored.directory.about.get("versions", {}) if self.stored else {}
        before = stored.get("files")
        return [
            f"{file} is not as it was when the run was last begun"
            for file, digest in hashes_of(sources).items()
            if isinstance(before, Mapping) and before.get(file, digest) != digest
        ]

    def update(self, sources: Sequence[Source]) -> None:
        """Store the sources once more: a worker found others. Raises StoreError."""
        RunDirectory.resume(self.plan.settings.directory).update(**about_sources(sources))


@dataclass(frozen=True, slots=True)
class _StoredRun:
    directory: RunDirectory
    lengthened: tuple[str, ...]
    """Lanes whose journal plans another number of iterations."""
    journals: Mapping[str, JournalRead]
    """Lane to journal, as it was when the session began."""


def prepare_run(settings: Settings) -> PreparedRun:
    """Resolve everything and take the directory's lock.

    Raises pytest.UsageError for anything that is wrong before iteration 1.
    """
    prepared = prepare_lanes(settings)
    if settings.target == LIVE:
        from pytest_soak.session import live  # with psutil, so only where it is needed

        prepared = live.with_sections(prepared, settings)
    about_target: tuple[str, ...] = ()
    if settings.target is not None:
        about_target = targets.check(settings.target, prepared[0].lane, settings.target_folder)
        for item in prepared:
            targets.check_scenarios(settings.target, item.lane, item.scenarios)
    references = _references(settings, prepared)
    _check_exports(settings)
    run_id = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
    try:
        if settings.resume:  # the holder of the lock names the run that it works on
            run_id = RunDirectory.resume(settings.directory).run_id
        lock = DirectoryLock.acquire(settings.directory, run_id)
        try:
            if settings.resume:
                plan, stored = _stored_plan(settings, prepared)
                about_target += _about_live(prepared, plan)
                return PreparedRun(plan, lock, references, prepared, stored, about_target)
            plan = _new_plan(settings, prepared, run_id)
            about_target += _about_live(prepared, plan)
            return PreparedRun(plan, lock, references, prepared, None, about_target)
        except BaseException:
            lock.release()
            raise
    except (ProfileError, StoreError, ValueError) as error:  # bad entries and runtimes among them
        raise pytest.UsageError(f"soak: {error}") from error


def _about_live(prepared: tuple[PreparedLane, ...], plan: Plan) -> tuple[str, ...]:
    """Lines on a live target for the header. Raises pytest.UsageError for a wrong section."""
    if plan.settings.target != LIVE:
        return ()
    from pytest_soak.session import live

    return live.check_lanes(prepared, plan.lanes, plan.settings, plan.run_id)


def _references(
    settings: Settings, prepared: tuple[PreparedLane, ...]
) -> Mapping[str, StoredReference]:
    """Lane to reference. Read now: ``latest`` is another run when the gate is due."""
    if settings.reference is None:
        return {}
    from pytest_soak.references import read_references, reference_for  # with much of the gate

    target = target_name(settings)
    try:
        stored = read_references(settings.reference)
        return {
            item.lane.id: reference_for(item.lane, item.resolved.profile, target, stored)
            for item in prepared
        }
    except (StoreError, ValueError) as error:
        raise pytest.UsageError(f"soak: --soak-reference: {error}") from error


def _check_exports(settings: Settings) -> None:
    """Refuse an export file that cannot be written, before hours of soaking."""
    for option, path in (
        ("--soak-export-json", settings.export_json),
        ("--soak-export-md", settings.export_md),
        ("--soak-summary", None if settings.appends_summary else settings.summary),
    ):
        if path is None:
            continue
        if path.is_dir():
            raise pytest.UsageError(f"soak: {option}: {path} is a directory, not a file")
        # The end of the session makes the folder.
        parent = next((folder for folder in path.parents if os.path.lexists(folder)), path.parent)
        if not parent.is_dir():
            raise pytest.UsageError(f"soak: {option}: {path}: {parent} is no directory")
        if not os.access(parent, os.W_OK | os.X_OK):
            raise pytest.UsageError(f"soak: {option}: the directory {parent} cannot be written")
        if os.path.lexists(path) and (path.is_symlink() or not path.is_file()):
            raise pytest.UsageError(
                f"soak: {option}: {path} is a device, a pipe or a link; it would be replaced by a "
                "file, so name one"
            )


def _new_plan(settings: Settings, prepared: tuple[PreparedLane, ...], run_id: str) -> Plan:
    path = settings.directory.absolute() / names.LATEST
    lanes = in_directories([item.plan(path) for item in prepared], path)
    return Plan(settings, run_id, path, lanes, target_name(settings))


def _create(
    plan: Plan,
    prepared: tuple[PreparedLane, ...],
    sources: Sequence[Source],
    command: Sequence[str],
) -> None:
    """The directory of a new run, with the start of each lane of the plan in it."""
    settings = plan.settings
    selected = {item.lane.id for item in plan.lanes}
    left_out = [item.lane.id for item in prepared if item.lane.id not in selected]
    about = {
        **about_run(settings, 0, sources, command),
        "data_hash": data_hash(settings),
        "started_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        **({_LEFT_OUT: left_out} if left_out else {}),
    }
    lanes = [item.lane for item in plan.lanes]
    ended = _end_earlier(plan, prepared)
    run = RunDirectory.create(settings.directory, plan.run_id, lanes, about)
    log = LineFile(run.path / names.LOG)
    log.write(*(f"| target | ENDED | {unpiped(line)} |" for line in ended))
    for item in prepared:
        if item.lane.id not in selected:
            continue
        profile = item.resolved.profile
        directory = run.lane_directory(item.lane.id)
        runtime = nest(item.start.values, profile.parameters, tuner_copies(profile))
        atomic_write_json(directory.path / names.RUNTIME, runtime)
        directory.write_json(names.APPLIED_PROFILE, _applied_profile(item, runtime))
        start = entries.start_entry(
            item.lane,
            profile,
            target_name(settings),
            item.start.values,
            item.scenarios,
            mock=settings.mock,
            tune=settings.tune,
            dry_run=settings.dry_run,
        )
        journal = Journal.create(directory.path / names.JOURNAL)
        journal.append(entries.record_of(start))
        journal.close()
        applied = f"| profile_apply | OK | PROFILE={profile.name} |"
        log.write(applied)
        if directory.path != run.path:  # of several lanes, each has a log of its own
            append_lines(directory.path / names.LOG, applied)
    log.close()


def _end_earlier(plan: Plan, prepared: tuple[PreparedLane, ...]) -> list[str]:
    """End what a killed session of the directory left; lines for the log."""
    if plan.settings.target != LIVE:
        return []
    from pytest_soak.session import live

    return live.end_earlier(prepared, plan.lanes, plan.settings, plan.run_id)


def _applied_profile(item: PreparedLane, runtime: Mapping[str, Any]) -> AppliedProfile:
    return {
        "profile": item.resolved.profile.name,
        "lineage": list(item.resolved.profile.lineage),
        "runtime": dict(runtime),
        "values": dict(item.start.values),
        "origins": dict(item.start.origins),
    }


def _stored_plan(settings: Settings, prepared: tuple[PreparedLane, ...]) -> tuple[Plan, _StoredRun]:
    """The plan of what is left of the stored run; refuses settings that are another run's."""
    run = RunDirectory.resume(settings.directory)
    check_directories(run)
    requested = {item.lane.id: item for item in prepared}
    stored = [str(record["id"]) for record in run.lanes]
    left_out = [lane_id for lane_id in run.about.get(_LEFT_OUT, ()) if lane_id in requested]
    if sorted(requested) != sorted([*stored, *left_out]):
        raise pytest.UsageError(
            f"soak: --soak-resume: the run in {run.path} has the lanes {_some(stored)}; "
            f"profile, symbol, seed and sweep now name {_some(list(requested))}"
        )
    data = data_hash(settings)
    if run.about.get("data_hash") != data:
        raise pytest.UsageError("soak: --soak-resume: --soak-data is not the stored run's file")
    plans = []
    lengthened = []
    journals: dict[str, JournalRead] = {}
    for lane_id in stored:
        item = requested[lane_id]
        directory = run.lane_directory(lane_id)
        journal = read_lane_journal(run, lane_id)
        # A scenario without an iteration takes its place from the length of the first session.
        first = replace(item.lane, iterations=int(journal.records.entries[0]["iterations"]))
        item = replace(item, scenarios=scheduled_in(first, item.resolved, settings.scenarios))
        _check_same(settings, item, journal.past.state)
        # Opening it finishes what a stop left between a decision and its file, so that the items
        # which are left begin at the right one.
        runner = LaneRunner(item.lane, StoredFiles(directory.path, journal), _no_target)
        runner.stop()
        journals[lane_id] = journal
        if runner.state.iterations != settings.iterations:
            lengthened.append(lane_id)
        plans.append(item.plan(directory.path, runner.state.done, over=runner.halt is not None))
    plan = Plan(settings, run.run_id, run.path, tuple(plans), target_name(settings))
    return plan, _StoredRun(run, tuple(lengthened), journals)


def _go_on(
    plan: Plan, stored: _StoredRun, sources: Sequence[Source], command: Sequence[str]
) -> None:
    """Write into the stored run that it goes on, and as what."""
    run = stored.directory
    for lane_id in stored.lengthened:
        path = run.lane_directory(lane_id).journal_path
        journal = Journal.open(path, stored.journals[lane_id].records)
        journal.append(entries.record_of(entries.Plan(plan.settings.iterations)))
        journal.close()
        next_iteration = stored.journals[lane_id].past.state.next_iteration
        line = plan_line(lane_id, next_iteration, plan.settings.iterations)
        append_lines(path.with_name(names.LOG), line)
    about = about_run(plan.settings, int(run.about.get("resumed", 0)) + 1, sources, command)
    run.update(**about, verdict=None)
    if plan.has_items:
        # What an earlier end of the run said of it is no longer true.
        judged = [run.top, *(run.lane_directory(item.lane.id) for item in plan.lanes)]
        for place, name in product(judged, names.JUDGED):
            place.remove(name)


def _some(lanes: list[str]) -> str:
    more = f" and {len(lanes) - 4} more" if len(lanes) > 4 else ""
    return ", ".join(lanes[:4]) + more


def _no_target(lane: Lane) -> NoReturn:
    raise AssertionError(f"lane {lane.id} is only opened")


def _check_same(settings: Settings, item: PreparedLane, state: LaneState) -> None:
    """A resumed run is the same run: anything that would change its journal is refused."""
    for name, now, then in (
        ("profile", item.resolved.profile.document, state.profile.document),
        ("target", target_name(settings), state.target),
        ("--soak-mock", settings.mock, state.mock),
        ("--soak-interval", settings.interval_s, state.lane.interval_s),
        ("--soak-no-tune", not settings.tune, not state.tune),
        ("--soak-dry-run", settings.dry_run, state.dry_run),
    ):
        if now != then:
            shown = "" if name == "profile" else f": it ran with {then!r}, now {now!r}"
            raise pytest.UsageError(
                f"soak: --soak-resume: lane {item.lane.id}: the {name} is not the stored "
                f"run's{shown}"
            )
    if item.scenarios != state.scenarios:
        raise pytest.UsageError(
            f"soak: --soak-resume: lane {item.lane.id}: the scenarios are not the stored run's: "
            f"it ran with {', '.join(named(state.scenarios)) or 'none'}, now "
            f"{', '.join(named(item.scenarios)) or 'none'}"
        )
    late = [item for item in state.scenarios if item.at > settings.iterations]
    if late:
        raise pytest.UsageError(
            f"soak: --soak-resume: lane {item.lane.id}: {', '.join(named(late))} lies beyond "
            f"--soak-iterations={settings.iterations}"
        )
    if settings.iterations < state.done:
        raise pytest.UsageError(
            f"soak: --soak-resume: lane {item.lane.id} has done {state.done} iterations; "
            f"--soak-iterations={settings.iterations} is fewer"
        )
