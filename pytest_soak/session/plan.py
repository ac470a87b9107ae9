"""What the controller resolves before iteration 1, and workers receive as data."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from pytest_soak.loop import entries
from pytest_soak.loop.state import LaneState, fold
from pytest_soak.profile.errors import ProfileError
from pytest_soak.profile.parameters import nest, tuner_copies
from pytest_soak.profile.resolve import Resolved, resolve
from pytest_soak.profile.scenarios import Scheduled
from pytest_soak.profile.start import StartValues, start_values
from pytest_soak.protocol import Lane
from pytest_soak.session import targets
from pytest_soak.session.fingerprint import versions
from pytest_soak.session.scenarios import named, scheduled_in
from pytest_soak.settings import Settings, as_data, from_data
from pytest_soak.store import names
from pytest_soak.store.atomic import atomic_write_json
from pytest_soak.store.errors import StoreError
from pytest_soak.store.journal import Journal, read_journal
from pytest_soak.store.lines import LineFile
from pytest_soak.store.lock import DirectoryLock
from pytest_soak.store.reading import parse_json_strictly, read_json_with_hash
from pytest_soak.store.rundir import RunDirectory
from pytest_soak.store.sources import read_source
from pytest_soak.stored import read_references, reference_for

OVERRIDES_VARIABLE = "MM_RUNTIME_OVERRIDES_JSON"


@dataclass(frozen=True, slots=True)
class LanePlan:
    lane: Lane
    directory: Path
    done: int
    """Iterations that a resumed lane has behind it."""
    over: bool
    """The lane ended in good order (its data did) and runs no further."""
    criteria: int
    """How many criteria its gate has, for the progress figure."""
    scenarios: tuple[str, ...]
    """``NAME@ITERATION`` of those that are scheduled, for the header; the journal has the rest."""


@dataclass(frozen=True, slots=True)
class Plan:
    settings: Settings
    run_id: str
    run_path: Path
    lanes: tuple[LanePlan, ...]
    target: str
    """The target's name as it stands in journals; ``conftest`` for the hook's."""

    def as_data(self) -> dict[str, Any]:
        """Plain values for a worker."""
        return {
            "settings": as_data(self.settings),
            "run_id": self.run_id,
            "run_path": str(self.run_path),
            "target": self.target,
            "lanes": [
                {
                    "lane": asdict(plan.lane),
                    "directory": str(plan.directory),
                    "done": plan.done,
                    "over": plan.over,
                    "criteria": plan.criteria,
                    "scenarios": list(plan.scenarios),
                }
                for plan in self.lanes
            ],
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Plan:
        return cls(
            settings=from_data(data["settings"]),
            run_id=data["run_id"],
            run_path=Path(data["run_path"]),
            target=data["target"],
            lanes=tuple(
                LanePlan(
                    lane=Lane(**item["lane"]),
                    directory=Path(item["directory"]),
                    done=item["done"],
                    over=item["over"],
                    criteria=item["criteria"],
                    scenarios=tuple(item["scenarios"]),
                )
                for item in data["lanes"]
            ),
        )


@dataclass(frozen=True, slots=True)
class _Prepared:
    """One lane before it has a directory."""

    lane: Lane
    resolved: Resolved
    start: StartValues
    scenarios: tuple[Scheduled, ...]

    def plan(self, directory: Path, done: int = 0, over: bool = False) -> LanePlan:
        # Besides the gated KPIs: pass count, delta quality, completeness.
        criteria = len(self.resolved.profile.gate.criteria) + 3
        criteria += len({one.name for one in self.scenarios})
        criteria += len({one.name for one in self.scenarios if one.recovers_within is not None})
        return LanePlan(self.lane, directory, done, over, criteria, named(self.scenarios))


def collect_only_plan(settings: Settings) -> Plan:
    """The plan of a session that only lists its items: nothing is written."""
    lanes = tuple(prepared.plan(Path()) for prepared in _prepare_lanes(settings))
    return Plan(settings, "", Path(), lanes, _target_name(settings))


def make_plan(settings: Settings, hook_answers: bool) -> tuple[Plan, DirectoryLock]:
    """Resolve everything, take the directory's lock, and make or reopen the run.

    Raises pytest.UsageError for anything that is wrong before iteration 1.
    """
    if settings.target is None and not hook_answers:
        raise pytest.UsageError(
            "soak: no target. Name one of: --soak-mock (the built-in market), "
            "--soak-target=mock|replay|module:factory (or ini soak_target), "
            "or a hook pytest_soak_target(lane) in conftest.py"
        )
    prepared = _prepare_lanes(settings)
    if settings.target is not None:
        targets.check(settings.target, prepared[0].lane)
        for item in prepared:
            targets.check_scenarios(settings.target, item.lane, item.scenarios)
    _check_reference(settings, prepared)
    _check_exports(settings)
    run_id = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
    try:
        lock = DirectoryLock.acquire(settings.directory, run_id)
        try:
            if settings.resume:
                return _resumed(settings, prepared), lock
            return _created(settings, prepared, run_id), lock
        except BaseException:
            lock.release()
            raise
    except (ProfileError, StoreError) as error:
        raise pytest.UsageError(f"soak: {error}") from error


def _check_reference(settings: Settings, prepared: tuple[_Prepared, ...]) -> None:
    if settings.compare is None:
        return
    try:
        references = read_references(settings.compare)
        for lane in (item.lane for item in prepared):
            reference_for(
                lane.id, lane.profile, _target_name(settings), lane.interval_s, references
            )
    except (StoreError, ValueError) as error:
        raise pytest.UsageError(f"soak: --soak-compare: {error}") from error


def _check_exports(settings: Settings) -> None:
    """A file that cannot be written is told before hours of soaking, not after."""
    for option, path in (
        ("--soak-export-json", settings.export_json),
        ("--soak-export-md", settings.export_md),
    ):
        if path is None:
            continue
        if path.is_dir():
            raise pytest.UsageError(f"soak: {option}: {path} is a directory, not a file")
        if not path.parent.is_dir():
            raise pytest.UsageError(f"soak: {option}: there is no directory {path.parent}")


def _target_name(settings: Settings) -> str:
    return settings.target or "conftest"


def _prepare_lanes(settings: Settings) -> tuple[_Prepared, ...]:
    try:
        environment = _environment_overrides()
        beside = _file_overrides(settings.directory / names.RUNTIME)
        profiles = [resolve(reference, read_source) for reference in settings.profiles]
        lanes = []
        for resolved, symbol, seed in product(profiles, settings.symbols, settings.seeds):
            start = start_values(resolved, settings.explicit_profile, environment, beside)
            name = resolved.profile.name
            lane = Lane(
                id=f"{name}-{symbol}-{seed}",
                profile=name,
                symbol=symbol,
                seed=seed,
                interval_s=settings.interval_s,
                iterations=settings.iterations,
                data=settings.data,
            )
            planned = scheduled_in(lane, resolved, settings.scenarios)
            lanes.append(_Prepared(lane, resolved, start, planned))
    except (ProfileError, StoreError) as error:
        raise pytest.UsageError(f"soak: {error}") from error
    ids = [item.lane.id for item in lanes]
    for lane_id in ids:
        if ids.count(lane_id) > 1:
            raise pytest.UsageError(f"soak: two lanes are called {lane_id!r}; rename a profile")
    return tuple(lanes)


def _environment_overrides() -> Mapping[str, Any] | None:
    text = os.environ.get(OVERRIDES_VARIABLE, "").strip()
    if not text:
        return None
    if text.startswith("{"):
        try:
            value = parse_json_strictly(text.encode("utf-8", "surrogateescape"))
        except ValueError as error:
            raise ProfileError(f"variable {OVERRIDES_VARIABLE}: {error}") from error
    else:
        value, _ = read_json_with_hash(Path(text))
    return _object(value, f"variable {OVERRIDES_VARIABLE}")


def _file_overrides(path: Path) -> Mapping[str, Any] | None:
    if not os.path.lexists(path):
        return None
    value, _ = read_json_with_hash(path)
    return _object(value, str(path))


def _object(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ProfileError(f"{where}: a JSON object of parameters is expected, not {value!r:.40}")
    return value


def _about(settings: Settings, resumed: int) -> dict[str, Any]:
    return {
        "iterations": settings.iterations,
        "interval_s": settings.interval_s,
        "target": _target_name(settings),
        "mock": settings.mock,
        "tune": settings.tune,
        "dry_run": settings.dry_run,
        "strict": settings.strict,
        "timeout_s": settings.timeout_s,
        "data": settings.data,
        "profiles": list(settings.profiles),
        "compare": str(settings.compare) if settings.compare else None,
        "resumed": resumed,
        "versions": versions(),
    }


def _created(settings: Settings, prepared: tuple[_Prepared, ...], run_id: str) -> Plan:
    about = {
        **_about(settings, resumed=0),
        "started_utc": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    run = RunDirectory.create(settings.directory, run_id, [item.lane for item in prepared], about)
    log = LineFile(run.path / names.LOG)
    plans = []
    for item in prepared:
        profile = item.resolved.profile
        directory = run.lane_directory(item.lane.id)
        runtime = nest(item.start.values, profile.parameters, tuner_copies(profile))
        atomic_write_json(directory.path / names.RUNTIME, runtime)
        directory.write_json(names.APPLIED_PROFILE, _applied_profile(item, runtime))
        journal = Journal.create(directory.path / names.JOURNAL)
        journal.append(
            entries.start_entry(
                item.lane,
                profile,
                _target_name(settings),
                settings.mock,
                settings.tune,
                settings.dry_run,
                item.start.values,
                item.scenarios,
            )
        )
        journal.close()
        log.write(f"| profile_apply | OK | PROFILE={profile.name} |")
        plans.append(item.plan(directory.path))
    log.close()
    return Plan(settings, run.run_id, run.path, tuple(plans), _target_name(settings))


def _applied_profile(item: _Prepared, runtime: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "profile": item.resolved.profile.name,
        "lineage": list(item.resolved.profile.lineage),
        "runtime": dict(runtime),
        "values": dict(item.start.values),
        "origins": dict(item.start.origins),
    }


def _resumed(settings: Settings, prepared: tuple[_Prepared, ...]) -> Plan:
    run = RunDirectory.resume(settings.directory)
    wanted = {item.lane.id: item for item in prepared}
    stored = [str(record["id"]) for record in run.lanes]
    if sorted(wanted) != sorted(stored):
        raise pytest.UsageError(
            f"soak: --soak-resume: the run in {run.path} has the lanes {', '.join(stored)}; "
            f"profile, symbol and seed now name {', '.join(wanted)}"
        )
    plans = []
    for lane_id in stored:
        item = wanted[lane_id]
        directory = run.lane_directory(lane_id)
        path = directory.path / names.JOURNAL
        stored_entries = read_journal(path).entries
        state = fold(stored_entries)
        # Where a scenario goes without being told follows from the length that the run began with.
        first = replace(item.lane, iterations=int(stored_entries[0]["iterations"]))
        item = replace(item, scenarios=scheduled_in(first, item.resolved, settings.scenarios))
        _check_same(settings, item, state)
        if state.iterations != settings.iterations:
            journal = Journal.open(path)
            journal.append(entries.plan_entry(settings.iterations))
            journal.close()
        over = state.halt is not None and state.halt.kind == "end_of_data"
        plans.append(item.plan(directory.path, state.done, over))
    run.update(**_about(settings, resumed=int(run.about.get("resumed", 0)) + 1))
    return Plan(settings, run.run_id, run.path, tuple(plans), _target_name(settings))


def _check_same(settings: Settings, item: _Prepared, state: LaneState) -> None:
    """A resumed run is the same run: anything that would change its journal is refused."""
    for name, now, then in (
        ("profile", item.resolved.profile.document, state.profile.document),
        ("target", _target_name(settings), state.target),
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
    late = [one for one in state.scenarios if one.at > settings.iterations]
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
