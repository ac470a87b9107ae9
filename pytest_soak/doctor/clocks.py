"""The clocks: resolution, steps of the wall clock, and the times that the file system gives."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pytest_soak.doctor.finding import Finding

_SAMPLE_S = 0.2
_DRIFT_S = 0.02
"""Within the sample; a clock that is slewed by a time server moves by 0.0001 s."""
_COARSE_S = 0.001
OFF_S = 1.0
"""A larger difference between the file system and this machine confuses ages of files."""


@dataclass(frozen=True, slots=True)
class Clocks:
    """What is read; tests give their own."""

    monotonic: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep


def clock_findings(clocks: Clocks | None = None) -> Iterator[Finding]:
    """The monotonic clock, which decides everything, and the wall clock against it."""
    clocks = clocks or Clocks()
    resolution = time.get_clock_info("monotonic").resolution
    fine = resolution <= _COARSE_S
    yield Finding(
        "clock",
        "OK" if fine else "WARN",
        f"monotonic, resolution {resolution:.3g} s",
        "" if fine else "use intervals of a second and more",
    )
    begin, wall = clocks.monotonic(), clocks.wall()
    clocks.sleep(_SAMPLE_S)
    difference = (clocks.wall() - wall) - (clocks.monotonic() - begin)
    steady = abs(difference) <= _DRIFT_S
    yield Finding(
        "wall clock",
        "OK" if steady else "WARN",
        f"moved by {abs(difference) * 1000:.1f} ms against the monotonic clock in {_SAMPLE_S:g} s",
        "" if steady else "it is being set; start the soak when the time server has ended that",
    )


def file_time_finding(folder: Path, clocks: Clocks | None = None) -> Finding:
    """The time that the file system gives to a new file, against the wall clock.

    Raises OSError if the file cannot be written.
    """
    clocks = clocks or Clocks()
    file = folder / "time"
    before = clocks.wall()
    file.write_bytes(b"")
    after = clocks.wall()
    return time_finding("file times", file.stat().st_mtime, before, after)


def time_finding(name: str, given: float, before: float, after: float) -> Finding:
    """``given``, the time of a file that was written between two times of the wall clock."""
    # Some file systems give the time of the last tick, or whole seconds.
    off = max(before - given, given - after, 0.0)
    if off <= OFF_S:
        return Finding(name, "OK", f"{off:.3f} s off the wall clock")
    way = "ahead of" if given > after else "behind"
    return Finding(
        name,
        "WARN",
        f"{off:.1f} s {way} the wall clock: the files are on another machine",
        "synchronize the clocks of the two machines; ages of files are wrong until then",
    )
