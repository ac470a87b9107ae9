"""A whole lane by one call, for notebooks, benchmarks and tests: no pytest, no command line."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pytest_soak.lane.files import NoFiles, StoredFiles
from pytest_soak.lane.hooks import proposer_of
from pytest_soak.lane.runner import LaneHalted, LaneRunner
from pytest_soak.loop.entries import Entry, record_of, runtime_of, start_entry
from pytest_soak.loop.history import read_history
from pytest_soak.loop.model import History
from pytest_soak.masking import Masker
from pytest_soak.profile.model import Profile
from pytest_soak.profile.resolve import resolve
from pytest_soak.protocol import Lane, Target, lane_name
from pytest_soak.store import names
from pytest_soak.store.atomic import atomic_write_json
from pytest_soak.store.journal import Journal, read_journal
from pytest_soak.store.lock import DirectoryLock
from pytest_soak.store.rundir import LaneDirectory, RunDirectory
from pytest_soak.store.sources import read_source


def run_lane(
    target: Target | Callable[[Lane], Target],
    *,
    profile: str | Profile = "steady",
    iterations: int = 24,
    seed: int = 1,
    symbol: str | None = None,
    interval: float = 300.0,
    tune: bool = True,
    mock: bool = False,
    propose: Callable[..., Any] | None = None,
    directory: str | os.PathLike[str] | None = None,
) -> History:
    """Run one lane from its first iteration to its last, and return all that happened.

    :param target: an object with ``run(iteration, runtime)``, or a function of the lane that makes
        one, as for ``--soak-target``.
    :param profile: the name of a shipped profile, the path of a file, or a :class:`Profile`.
    :param iterations: how many to run; each stands for ``interval`` seconds of the target.
    :param seed: of the lane; the mock market draws from it.
    :param symbol: of the lane; None is that of the profile's file, and none for a :class:`Profile`.
    :param tune: False leaves every parameter at its start.
    :param mock: True as for ``--soak-mock``: KPIs without data have the mock's stand-in values.
    :param propose: a function with the arguments of the hook ``pytest_soak_propose``; its answer
        replaces the profile's rules, None leaves the iteration to them.
    :param directory: a soak directory. The run becomes its ``latest``, with journal, runtime file
        and logs, for ``pytest-soak gate --unsealed`` and the other commands. Without it nothing is
        written.

    A target that raises or returns no report halts the lane: ``History.halt`` has the reason.
    Secrets in its texts are masked, as in a session.
    Raises ProfileError, ValueError and TypeError for bad arguments, StoreError for the directory.
    """
    for flag, value in (("mock", mock), ("tune", tune)):
        if type(value) is not bool:
            raise TypeError(f"{flag} is {value!r}; it must be True or False")
    if isinstance(profile, Profile):
        resolved, own = profile, ""
    else:
        file = resolve(profile, read_source)
        resolved, own = file.profile, file.symbol
    lane = lane_of(resolved, iterations, seed, own if symbol is None else str(symbol), interval)
    make = _factory(target)
    name = "mock" if mock else "function"
    start = {key: parameter.start for key, parameter in resolved.parameters.items()}
    first = start_entry(lane, resolved, name, start, mock=mock, tune=tune, dry_run=False)
    proposer = None if propose is None else proposer_of(propose)
    mask = Masker.of((), os.environ)
    if directory is None:
        memory = NoFiles(first)
        _run(LaneRunner(lane, memory, make, proposer=proposer, mask=mask))
        return read_history(memory.journal)
    run_id = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
    with DirectoryLock.acquire(Path(directory), run_id):
        about = {
            "iterations": iterations,
            "interval_s": interval,
            "target": name,
            "mock": mock,
            "tune": tune,
            "dry_run": False,
        }
        run = RunDirectory.create(directory, run_id, [lane], about)
        place = run.lane_directory(lane.id)
        lane = replace(lane, dir=place.path.absolute() / names.TARGET)
        create_lane(place, resolved, start, first)
        _run(LaneRunner(lane, StoredFiles(place.path), make, proposer=proposer, mask=mask))
        return read_history(read_journal(place.journal_path).entries)


def lane_of(
    profile: Profile, iterations: int, seed: int, symbol: str = "", interval: float = 300.0
) -> Lane:
    """The lane of these values. Raises ValueError where a value is out of its range."""
    if type(iterations) is not int or not 1 <= iterations <= 1_000_000:
        raise ValueError(f"iterations is {iterations!r}; it must be 1 to 1,000,000")
    if type(seed) is not int or seed < 0:
        raise ValueError(f"seed is {seed!r}; it must be a whole number from 0")
    if not 0.0 < interval < float("inf"):
        raise ValueError(f"interval is {interval!r}; it must be a positive number of seconds")
    lane_id = names.checked_identifier("lane id", lane_name(profile.name, symbol, seed))
    return Lane(lane_id, profile.name, symbol, seed, float(interval), iterations)


def create_lane(
    directory: LaneDirectory, profile: Profile, values: Mapping[str, float], start: Entry
) -> None:
    """Write the files that a lane begins with: runtime and journal. Raises StoreError."""
    atomic_write_json(directory.runtime_path, runtime_of(profile, values))
    journal = Journal.create(directory.journal_path)
    try:
        journal.append(record_of(start))
    finally:
        journal.close()


def _factory(target: Target | Callable[[Lane], Target]) -> Callable[[Lane], Target]:
    run = getattr(target, "run", None)
    if callable(run) and not isinstance(target, type):
        ready: Any = target
        return lambda lane: ready
    if not callable(target):
        raise TypeError(
            f"target is {type(target).__name__}; it must have run(iteration, runtime), or be a "
            "function of the lane that makes such an object"
        )
    return target


def _run(runner: LaneRunner) -> None:
    """All iterations; a halt is in the journal."""
    try:
        for number in range(1, runner.state.iterations + 1):
            runner.observe(number)
            runner.decide({}, ())
    except LaneHalted:
        pass
    finally:
        runner.stop()
