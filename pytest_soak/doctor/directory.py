"""The soak directory: whether its file system keeps what a run needs, its lock, and its disk."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pytest_soak.doctor.finding import Finding
from pytest_soak.store import names
from pytest_soak.store.atomic import atomic_write_json
from pytest_soak.store.errors import StoreError
from pytest_soak.store.lock import DirectoryLock, LockHeld, holder_text, is_stale

SLOW_S = 0.5
"""An iteration writes durably a few times."""
PER_ITERATION = 20_000
"""Bytes of an iteration where no run shows them: of a lane with a shipped profile."""
SPARE = 2.0
"""So many times the estimate should be free: other programs write too."""


def existing_part(directory: Path) -> Path:
    """The directory, or the nearest above it that exists."""
    path = directory.absolute()
    while not path.is_dir() and path.parent != path:
        path = path.parent
    return path


def _obstacle(directory: Path) -> Path | None:
    """What is in the place of the directory, or of one above it; None if nothing is."""
    for path in (directory, *directory.parents):
        if os.path.lexists(path):
            return None if path.is_dir() else path
    return None


@contextmanager
def own_folder(directory: Path) -> Iterator[Path]:
    """A folder on the file system of the soak directory, which is removed again.

    Raises OSError if none can be made.
    """
    with tempfile.TemporaryDirectory(prefix=".pytest-soak-doctor-", dir=directory) as folder:
        yield Path(folder)


def directory_findings(directory: Path) -> Iterator[Finding]:
    """Writable, durable and atomic; locks; whether a session works in it."""
    if (obstacle := _obstacle(directory)) is not None:
        what = "is a link that leads nowhere" if obstacle.is_symlink() else "is a file"
        advice = "give another directory with --soak-dir"
        yield Finding("soak directory", "FAIL", f"{obstacle} {what}", advice)
        return
    place = existing_part(directory)
    shown = f"{directory}" if place == directory.absolute() else f"{directory} (not made yet)"
    try:
        with own_folder(place) as folder:
            yield _durable(shown, folder)
            yield _locks(folder)
    except (OSError, StoreError) as error:
        why = getattr(error, "strerror", None) or str(error)
        advice = "give another directory with --soak-dir, or the right to write there"
        yield Finding("soak directory", "FAIL", f"{shown} cannot be written: {why}", advice)
    yield lock_finding(directory)


def _durable(shown: str, folder: Path) -> Finding:
    """Write a file, replace it and read it back, each with its fsync. Raises StoreError."""
    begin = time.monotonic()
    file = folder / "probe.json"
    for number in range(2):
        atomic_write_json(file, {"number": number})
    seconds = (time.monotonic() - begin) / 2
    text = f"{shown}: a synced, atomic replacement of a file takes {seconds * 1000:.0f} ms"
    if seconds > SLOW_S:
        advice = "choose a local disk: an iteration writes durably a few times"
        return Finding("soak directory", "WARN", text, advice)
    return Finding("soak directory", "OK", text)


def _locks(folder: Path) -> Finding:
    """Whether a second lock of one directory is refused. Raises StoreError."""
    with DirectoryLock.acquire(folder, "doctor"):
        try:
            DirectoryLock.acquire(folder, "doctor").release()
        except LockHeld:
            return Finding("locks", "OK", "a directory that is locked cannot be locked again")
    advice = "choose a directory on a file system with locks, such as a local disk"
    return Finding("locks", "FAIL", "a directory that is locked can be locked again", advice)


def lock_finding(directory: Path) -> Finding:
    """Whether a session works in the directory now."""
    if holder := holder_text(directory):
        return Finding("session", "FAIL", holder.partition("; ")[0], holder.partition("; ")[2])
    if is_stale(directory):
        text = "none works in it; a session that was killed left its name"
        return Finding("session", "OK", f"{text}, which the next one replaces")
    return Finding("session", "OK", "none works in the directory")


# -- disk ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SizePerIteration:
    bytes_: float
    basis: str
    """Where the figure comes from."""


def size_per_iteration(directory: Path) -> SizePerIteration:
    """From the newest run of the directory, or a usual figure if it has none."""
    latest = directory / names.LATEST
    total = count = 0
    for folder, _, files in os.walk(latest):
        for file in files:
            try:
                total += (Path(folder) / file).lstat().st_size
            except OSError:
                continue  # removed meanwhile: a session is at work
            count += file.startswith("ITER_SUMMARY_")
    if count == 0:
        return SizePerIteration(PER_ITERATION, "a usual figure, since no run is stored there")
    iterations = f"{count} iteration{'s' * (count > 1)}"
    return SizePerIteration(total / count, f"measured on the newest run, {iterations}")


def disk_finding(directory: Path, iterations: int, lanes: int = 1) -> Finding:
    """The free disk against the size of a run of so many iterations."""
    size = size_per_iteration(directory)
    needed = size.bytes_ * iterations * lanes
    free = shutil.disk_usage(existing_part(directory)).free
    text = (
        f"{size_text(free)} free; {iterations} iterations need {size_text(needed)} "
        f"({size_text(size.bytes_)} each, {size.basis})"
    )
    advice = "free some disk, or give another directory with --soak-dir"
    if free < needed:
        return Finding("disk", "FAIL", text, advice)
    return Finding("disk", "WARN" if free < SPARE * needed else "OK", text,
                   advice if free < SPARE * needed else "")  # fmt: skip


def size_text(size: float) -> str:
    """``12 kB``, ``3.4 GB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 999.5:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"
