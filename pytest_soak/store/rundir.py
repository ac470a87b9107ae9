"""The directory of a run, and of each lane in it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from msgspec import UNSET, Struct, UnsetType

from pytest_soak.json_types import Finite, Whole, WrongValueError, converted
from pytest_soak.protocol import Lane
from pytest_soak.store import names
from pytest_soak.store.atomic import (
    atomic_write_bytes,
    atomic_write_json,
    atomic_write_parts,
    atomic_write_text,
    encode_json,
    make_directory,
    sync_directory,
)
from pytest_soak.store.errors import StoreError, describe_os_error
from pytest_soak.store.lock import refuse_writers
from pytest_soak.store.reading import read_json_object
from pytest_soak.store.temporary import remove_temporary

_KINDS = {"link": "a link", "file": "no directory"}
_OWN_FIELDS = ("run_id", "lanes")


class HookRecord(Struct, frozen=True):
    """Where a hook of the soak is implemented."""

    hook: str
    file: str
    line: Whole


class RunFields(Struct, frozen=True, kw_only=True):
    """The other fields of ``run.json`` that are read; each is optional."""

    iterations: Whole | UnsetType = UNSET
    interval_s: Finite | UnsetType = UNSET
    target: str | UnsetType = UNSET
    mock: bool | UnsetType = UNSET
    tune: bool | UnsetType = UNSET
    dry_run: bool | UnsetType = UNSET
    strict: bool | UnsetType = UNSET
    metrics: str | UnsetType = UNSET
    resumed: Whole | UnsetType = UNSET
    fresh_targets: dict[str, Whole] | UnsetType = UNSET
    versions: dict[str, Any] | UnsetType = UNSET
    verdict: str | UnsetType | None = UNSET
    data_hash: str | UnsetType | None = UNSET
    left_out: tuple[str, ...] | UnsetType = UNSET
    command: tuple[str, ...] | UnsetType = UNSET
    hooks: tuple[HookRecord, ...] | UnsetType = UNSET


@dataclass(frozen=True, slots=True)
class ArtifactDirectory:
    """A directory of projections: its files can be rebuilt from the journal and are not synced."""

    path: Path

    def write_json(self, name: str, obj: Any) -> None:
        """Replaces the file ``name`` by canonical JSON. Raises StoreError."""
        path = self._path(name)
        atomic_write_bytes(path, encode_json(path, obj), durable=False)

    def write_parts(self, name: str, parts: Iterable[bytes]) -> None:
        """Replaces the file ``name`` by the parts, which are not in memory at once.

        Raises StoreError.
        """
        atomic_write_parts(self._path(name), parts)

    def write_text(self, name: str, text: str) -> None:
        """Replaces the file ``name`` by ``text``. Raises StoreError."""
        atomic_write_text(self._path(name), text, durable=False)

    def remove(self, name: str) -> None:
        """Removes the file ``name``, if there is one. Raises StoreError."""
        path = self.file(name)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise describe_os_error("remove", path, error) from error

    def file(self, name: str) -> Path:
        """The path of the file ``name``. Raises StoreError for a name that leads outside."""
        return Path(self._path(name))

    def _path(self, name: str) -> str:
        if name in ("", ".", "..") or "/" in name or "\\" in name or "\0" in name:
            raise StoreError(f"{name!r} is no file name inside {self.path}")
        return os.path.join(self.path, name)  # noqa: PTH118


@dataclass(frozen=True, slots=True)
class LaneDirectory(ArtifactDirectory):
    """The directory of a lane's journal, runtime file and projections."""

    @property
    def journal_path(self) -> Path:
        return self.path / names.JOURNAL

    @property
    def runtime_path(self) -> Path:
        return self.path / names.RUNTIME

    def file_names(self) -> frozenset[str]:
        """The names of the regular files in it. Raises StoreError."""
        try:
            with os.scandir(self.path) as files:
                return frozenset(file.name for file in files if file.is_file(follow_symlinks=False))
        except OSError as error:
            raise describe_os_error("look into", self.path, error) from error


class RunDirectory:
    """A run on disk: ``run.json``, and a directory for each lane (with one lane, this one).

    Callers of :meth:`create` and :meth:`resume` must hold the lock of the soak directory. The paths
    are absolute, because the tested code may change the working directory.
    """

    def __init__(self, path: Path, about: Mapping[str, Any], *, writable: bool) -> None:
        self.path = path
        self._about = dict(about)
        self._writable = writable
        self._lanes: tuple[Mapping[str, Any], ...] = tuple(
            dict(record) for record in about["lanes"]
        )

    @classmethod
    def create(
        cls,
        base: str | os.PathLike[str],
        run_id: str,
        lanes: Sequence[Lane],
        about: Mapping[str, Any],
    ) -> Self:
        """A new ``base/latest``; the earlier run there moves to ``base/runs/<its run_id>``.

        Nothing is overwritten: if that name is taken, ``-2``, ``-3`` … is added to it, and a run
        without a readable ``run.json`` becomes ``unnamed-1`` …. ``about`` has the other fields of
        ``run.json``. Raises StoreError, also while a process still writes a journal of the earlier
        run; that run stays where it is then.
        """
        base = Path(base).absolute()
        names.checked_identifier("run id", run_id)
        taken = [field for field in _OWN_FIELDS if field in about]
        if taken:
            raise StoreError(f"{names.RUN} has its own {taken[0]!r}, it cannot be set")
        document = {**about, "run_id": run_id, "lanes": _lane_records(lanes)}
        latest = base / names.LATEST
        encode_json(latest / names.RUN, document)  # refused before anything is moved
        make_directory(base)
        _retire(base)
        make_directory(latest)
        for record in document["lanes"]:
            make_directory(latest / record["dir"])
        atomic_write_json(latest / names.RUN, document)
        return cls(latest, document, writable=True)

    @classmethod
    def resume(cls, base: str | os.PathLike[str]) -> Self:
        """``base/latest`` as it is, to continue it. Raises StoreError if there is none."""
        latest = Path(base).absolute() / names.LATEST
        if _kind(latest / names.RUN) == "absent":
            raise StoreError(
                f"there is no run to resume in {base}: {latest / names.RUN} does not exist; "
                "start one without resuming, or give the directory of the earlier run"
            )
        run = cls(latest, _read_about(latest), writable=True)
        for record in run.lanes:
            _check_lane_directory(latest, record["dir"])
        return run

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Self:
        """A stored run, read-only. ``path`` is a soak directory, a run's, or a lane's inside a run.

        Given a lane's directory, the run has only that lane. Raises StoreError.
        """
        path = Path(path).absolute()
        for directory in (path, path / names.LATEST):
            if _kind(directory / names.RUN) != "absent":
                return cls(directory, _read_about(directory), writable=False)
        if _kind(path.parent / names.RUN) != "absent":
            run = cls(path.parent, _read_about(path.parent), writable=False)
            run._lanes = tuple(record for record in run.lanes if record["dir"] == path.name)
            if run.lanes:
                return run
        kinds = {"absent": "does not exist", "file": "is a file"}
        what = kinds.get(_kind(path), f"has no {names.RUN}")
        raise StoreError(
            f"{path} is no run: it {what}; give a soak directory, one of its runs/…, or a lane "
            "directory inside a run"
        )

    @property
    def run_id(self) -> str:
        return str(self._about["run_id"])

    @property
    def about(self) -> Mapping[str, Any]:
        """The whole of ``run.json``."""
        return self._about

    @property
    def lanes(self) -> tuple[Mapping[str, Any], ...]:
        """``{"id", "profile", "seed", "dir"}`` of each lane, and its ``symbol`` if it has one."""
        return self._lanes

    @property
    def top(self) -> ArtifactDirectory:
        """The directory of the artifacts of the run as a whole."""
        return ArtifactDirectory(self.path)

    def lane_directory(self, lane_id: str) -> LaneDirectory:
        """Raises StoreError if the run has no such lane, or its directory is gone or a link."""
        for record in self._lanes:
            if record["id"] == lane_id:
                return LaneDirectory(_check_lane_directory(self.path, record["dir"]))
        lanes = ", ".join(record["id"] for record in self._lanes)
        raise StoreError(f"{self.path} has no lane {lane_id!r}; it has {lanes}")

    def update(self, **fields: Any) -> None:
        """Sets ``fields`` in ``run.json``, durably. Raises StoreError."""
        path = self.path / names.RUN
        if not self._writable:
            raise StoreError(f"cannot write {path}: the run was opened to be read")
        taken = [field for field in _OWN_FIELDS if field in fields]
        if taken:
            raise StoreError(f"{names.RUN} has its own {taken[0]!r}, it cannot be set")
        about = {**self._about, **fields}
        atomic_write_json(path, about)
        self._about = about


def refuse_other_run(path: Path, run_id: str) -> None:
    """Raises StoreError if the directory ``path`` does not have the run ``run_id``."""
    present = RunDirectory.open(path).run_id
    if present != run_id:
        raise StoreError(
            f"{path} is of run {present}, not of run {run_id}: another session took its place; "
            f"look for {run_id} in {names.RUNS}"
        )


def _lane_records(lanes: Sequence[Lane]) -> list[dict[str, Any]]:
    reserved = {name.casefold() for name in names.FILES_OF_A_RUN}
    seen: set[str] = set()
    for lane in lanes:
        names.checked_identifier("lane id", lane.id)
        # Some file systems ignore upper and lower case.
        folded = lane.id.casefold()
        if folded in seen or folded in reserved:
            why = "there is another of that name" if folded in seen else "a file has that name"
            raise StoreError(f"the lane id {lane.id!r} cannot name a directory: {why}")
        seen.add(folded)
    if not lanes:
        raise StoreError("a run has at least one lane")
    return [
        {
            "id": lane.id,
            "profile": lane.profile,
            **({"symbol": lane.symbol} if lane.symbol else {}),
            "seed": lane.seed,
            "dir": "." if len(lanes) == 1 else lane.id,
        }
        for lane in lanes
    ]


def _read_about(directory: Path) -> dict[str, Any]:
    path = directory / names.RUN
    about = read_json_object(path)
    try:
        names.checked_identifier("run id", about.get("run_id"))
        _check_records(about.get("lanes"))
        converted(about, RunFields)
    except (StoreError, WrongValueError) as error:
        raise StoreError(f"{path} cannot be used: {error}") from None
    return about


def _check_records(records: Any) -> None:
    if not isinstance(records, list) or not records:
        raise StoreError(f"`lanes` must be a list with at least one lane, not {records!r:.80}")
    for number, record in enumerate(records):
        where = f"lanes[{number}]"
        if not isinstance(record, dict):
            raise StoreError(f"{where} must be an object, not {record!r:.80}")
        names.checked_identifier(f"{where}.id", record.get("id"))
        for key, text in (("profile", record.get("profile")), ("symbol", record.get("symbol", ""))):
            if not isinstance(text, str):
                raise StoreError(f"{where}.{key} must be a text, not {text!r:.80}")
        if type(record.get("seed")) is not int:
            raise StoreError(f"{where}.seed must be a whole number, not {record.get('seed')!r:.80}")
        expected = "." if len(records) == 1 else record["id"]
        if record.get("dir") != expected:
            raise StoreError(f"{where}.dir must be {expected!r:.80}, not {record.get('dir')!r}")
    identifiers = [record["id"] for record in records]
    if len(set(identifiers)) < len(identifiers):
        raise StoreError(f"`lanes` has an id twice: {', '.join(identifiers)}")


def _check_lane_directory(run: Path, name: str) -> Path:
    path = run / name
    kind = "directory" if name == "." else _kind(path)
    if kind == "absent":
        raise StoreError(f"the lane directory {path} does not exist; restore it from a copy")
    if kind != "directory":
        raise StoreError(f"{path} is {_KINDS[kind]}; put the lane's directory itself there")
    return path


def _retire(base: Path) -> None:
    """Moves ``base/latest``, if there is one, to a free name in ``base/runs``."""
    latest = base / names.LATEST
    kind = _kind(latest)
    if kind == "absent":
        return
    if kind != "directory":
        raise StoreError(f"{latest} is {_KINDS[kind]}; move it away, the newest run goes there")
    try:
        run_id = str(_read_about(latest)["run_id"])
    except StoreError:
        run_id = ""
    runs = base / names.RUNS
    make_directory(runs)
    target = _free_name(runs, run_id)
    lanes = _lane_directories(latest)
    refuse_writers(lanes)
    for lane in lanes:
        remove_temporary(lane)
    try:
        latest.rename(target)
        try:
            # Once more: a journal that was opened in between is a journal of that run. From now on
            # its path leads to no journal of it.
            refuse_writers(_lane_directories(target))
        except StoreError:
            target.rename(latest)
            raise
    except OSError as error:
        raise describe_os_error(f"move the earlier run to {target} from", latest, error) from error
    sync_directory(runs)  # and `base` when the new directory is made in it


def _lane_directories(run: Path) -> list[Path]:
    """Where the run may have lanes, whatever its ``run.json`` says. Raises OSError."""
    return [run, *(path for path in run.iterdir() if path.is_dir() and not path.is_symlink())]


def _free_name(runs: Path, run_id: str) -> Path:
    stem, number = (run_id, 2) if run_id else ("unnamed", 1)
    path = runs / (run_id or "unnamed-1")
    while _kind(path) != "absent":
        path = runs / f"{stem}-{number}"
        number += 1
    return path


def _kind(path: Path) -> Literal["absent", "link", "directory", "file"]:
    """The kind of ``path`` itself. Raises StoreError if it cannot be read."""
    try:
        mode = path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return "absent"
    except OSError as error:
        raise describe_os_error("look at", path, error) from error
    return "link" if stat.S_ISLNK(mode) else "directory" if stat.S_ISDIR(mode) else "file"
