"""The runs of a soak directory, for ``pytest-soak list``.

A run is listed by its ``run.json``, the entries of its journals, which are counted and not judged,
and the verdict of its seal, which counts only as long as the journals are as they were sealed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pytest_soak.report.layout import WIDTH, cut
from pytest_soak.run_state import State, holder_of, progress_in, progress_state, run_state
from pytest_soak.sealed import LaneInputs, Seal, read_seal
from pytest_soak.store import names
from pytest_soak.store.errors import StoreError
from pytest_soak.store.rundir import RunDirectory
from pytest_soak.store.stacks import has_stacks
from pytest_soak.stored import read_entries, unreadable

_HEAD = ("run", "started (UTC)", "state", "measured", "lanes", "profile", "target")
_LONGEST = {"profile": 12, "target": 10}


@dataclass(frozen=True, slots=True)
class ListedRun:
    """One run of a soak directory."""

    path: Path
    run_id: str
    started_utc: str
    """Empty if ``run.json`` does not have it."""
    state: State
    verdict: str
    """Of the seal; empty if it is not judged, or went on since."""
    measured: int
    planned: int
    """Iterations of all lanes."""
    lanes: int
    profiles: tuple[str, ...]
    symbols: tuple[str, ...]
    seeds: tuple[int, ...]
    target: str


@dataclass(frozen=True, slots=True)
class UnreadableRun:
    """A directory among the runs that cannot be read as one."""

    path: Path
    problem: str


@dataclass(frozen=True, slots=True)
class RunList:
    directory: Path
    runs: tuple[ListedRun, ...]
    """The newest first."""
    unreadable: tuple[UnreadableRun, ...]


def stored_runs(directory: Path) -> RunList:
    """Every run of a soak directory. Raises StoreError if there is no such directory."""
    if not directory.is_dir():
        raise StoreError(f"{directory} is no directory; give the one of --soak-dir")
    runs: list[ListedRun] = []
    problems: list[UnreadableRun] = []
    for path in _paths(directory):
        try:
            with unreadable(path):
                runs.append(_listed(path))
        except StoreError as error:
            problems.append(UnreadableRun(path, str(error)))
    runs.sort(key=lambda run: (run.started_utc, run.run_id), reverse=True)
    return RunList(directory, tuple(runs), tuple(problems))


def list_lines(runs: RunList) -> list[str]:
    """The runs as an aligned table of at most 100 columns, then those that cannot be read."""
    rows = [(*_HEAD, "seed"), *(_row(run) for run in runs.runs)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(_HEAD))]
    lines = [
        "  ".join([*(text.ljust(width) for text, width in zip(row, widths, strict=False)), row[-1]])
        for row in rows
    ]
    if not runs.runs:
        lines = [f"{runs.directory} has no run" + (" that can be read" * bool(runs.unreadable))]
    problems = [_problem(runs.directory, item) for item in runs.unreadable]
    return [cut(line, WIDTH).rstrip() for line in [*lines, *problems]]


def _problem(directory: Path, item: UnreadableRun) -> str:
    """The run as seen from the soak directory, and its problem without the same path again."""
    path = str(item.path.absolute())
    text = item.problem.replace(f"{path}/", "").removeprefix(f"{path}: ").removeprefix(path)
    return f"unreadable: {item.path.relative_to(directory)}: {text.strip()}"


def list_object(runs: RunList) -> list[dict[str, Any]]:
    """The runs as JSON; one that cannot be read has ``path`` and ``problem`` alone."""
    listed = [
        {
            "path": str(run.path),
            "run_id": run.run_id,
            "started_utc": run.started_utc or None,
            "state": str(run.state),
            "verdict": run.verdict or None,
            "measured": run.measured,
            "planned": run.planned,
            "lanes": run.lanes,
            "profiles": list(run.profiles),
            **({"symbols": list(run.symbols)} if run.symbols else {}),
            "seeds": list(run.seeds),
            "target": run.target,
        }
        for run in runs.runs
    ]
    return [*listed, *({"path": str(i.path), "problem": i.problem} for i in runs.unreadable)]


def _paths(directory: Path) -> list[Path]:
    latest, older = directory / names.LATEST, directory / names.RUNS
    try:
        children = sorted(older.iterdir()) if older.is_dir() else []
    except OSError as error:
        raise StoreError(f"{older} cannot be listed: {error.strerror}") from error
    children = [path for path in children if not path.name.startswith(".")]
    return [latest, *children] if latest.is_symlink() or latest.exists() else children


def _listed(path: Path) -> ListedRun:
    if path.is_dir() and not (path / names.RUN).exists():
        raise StoreError(f"it has no {names.RUN}")
    run = RunDirectory.open(path)
    seal, live = _seal(run), holder_of(run) is not None
    measured, planned, states, sealed = 0, 0, [], seal is not None
    for record in run.lanes:
        lane_id = str(record["id"])
        try:
            records = read_entries(run, lane_id)
        except StoreError:
            if not live:
                raise
            planned += int(run.about.get("iterations", 0))  # its journal has not begun
            continue
        progress = progress_in(records.entries)
        measured, planned = measured + progress.measured, planned + progress.planned
        inputs = LaneInputs()
        if seal is not None and lane_id in seal.lanes:
            inputs = seal.inputs.lanes.get(lane_id, inputs)
            sealed = sealed and seal.lanes[lane_id].end.digest == records.digest
        if inputs.halt is not None and progress.halt is None:
            progress = replace(progress, halt=inputs.halt.kind)
        lost = bool(inputs.lost) or has_stacks(run.lane_directory(lane_id).path)
        states.append(progress_state(progress, live=live, lost=lost))
    lanes: Sequence[Mapping[str, Any]] = run.lanes
    return ListedRun(
        path=path,
        run_id=run.run_id,
        started_utc=str(run.about.get("started_utc") or ""),
        state=State.RUNNING if live else run_state(states),
        verdict=str(seal.verdict) if seal is not None and sealed and not live else "",
        measured=measured,
        planned=planned,
        lanes=len(lanes),
        profiles=tuple(dict.fromkeys(str(lane["profile"]) for lane in lanes)),
        symbols=tuple(dict.fromkeys(str(lane["symbol"]) for lane in lanes if "symbol" in lane)),
        seeds=tuple(dict.fromkeys(int(lane["seed"]) for lane in lanes)),
        target=str(run.about.get("target") or ""),
    )


def _seal(run: RunDirectory) -> Seal | None:
    try:
        return read_seal(run)
    except StoreError:
        return None


def _row(run: ListedRun) -> tuple[str, ...]:
    texts = {
        "run": run.run_id,
        "started (UTC)": run.started_utc[:16].replace("T", " ") or "-",
        "state": f"{run.state} {run.verdict}".rstrip(),
        "measured": f"{run.measured}/{run.planned}",
        "lanes": str(run.lanes),
        "profile": ",".join(run.profiles),
        "target": run.target or "-",
    }
    seeds = ",".join(map(str, run.seeds))
    return (*(cut(texts[name], _LONGEST.get(name, WIDTH)) for name in _HEAD), seeds)
