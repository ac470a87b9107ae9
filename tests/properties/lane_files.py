"""A lane with real files: written, killed at any call to the system, copied, and taken up again."""

from __future__ import annotations

import errno
import json
import os
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_soak.canonical import canonical_json, compute_json_hash
from pytest_soak.lane.files import StoredFiles
from pytest_soak.lane.runner import LaneRunner
from pytest_soak.loop.entries import plan_entry, runtime_of, start_entry
from pytest_soak.loop.fold import fold
from pytest_soak.loop.history import read_history
from pytest_soak.loop.model import Entry, Headroom, Iteration, Proposal, Readings, Requested
from pytest_soak.loop.state import LaneState
from pytest_soak.profile.model import Profile
from pytest_soak.protocol import Lane
from pytest_soak.report.summary import iteration_summary
from pytest_soak.store import names
from pytest_soak.store.atomic import atomic_write_json
from pytest_soak.store.journal import Journal, read_journal
from pytest_soak.store.reading import read_json_with_hash
from tests.properties.drawn import Seen


@dataclass(frozen=True)
class Step:
    """All that happens in one iteration: whoever repeats it does the same."""

    number: int
    seen: Seen
    requested: tuple[tuple[str, float], ...] | None
    """Key and share of its cap; None leaves it to the built-in tuner."""
    recorded: Mapping[str, float]
    failed: tuple[str, ...]
    during: str | None = None
    """What an operator writes into the runtime file during the interval."""


class ScriptedTarget:
    """Says what the steps say, and what it remembers of the iterations before."""

    def __init__(self, steps: Sequence[Step], file: Path) -> None:
        self.steps, self.file = steps, file
        self.memory: dict[str, Any] = {"iterations": 0, "trace": ""}

    def run(self, iteration: int, runtime: Mapping[str, Any]) -> dict[str, Any]:
        step = self.steps[iteration - 1]
        self.remember(runtime)
        report = step.seen.report() | {"effective_params": runtime, "memory": dict(self.memory)}
        if step.during is not None:
            self.file.write_text(step.during)
        return report

    def remember(self, runtime: Mapping[str, Any]) -> None:
        trace = compute_json_hash([self.memory["trace"], runtime])[:8]
        self.memory = {"iterations": self.memory["iterations"] + 1, "trace": trace}


class SnapshotTarget(ScriptedTarget):
    def snapshot(self) -> dict[str, Any]:
        return dict(self.memory)

    def restore(self, state: Any) -> None:
        self.memory = dict(state)


class ForwardTarget(ScriptedTarget):
    def fast_forward(self, history: Sequence[Mapping[str, Any]]) -> None:
        for runtime in history:
            self.remember(runtime)


TARGETS: Mapping[str, type[ScriptedTarget]] = {
    "snapshot": SnapshotTarget,
    "fast forward": ForwardTarget,
}


class Disk:
    """Counts the calls that change files, and does something at one of them.

    ``at`` is the call before which ``then`` is called; with ``torn``, a write is cut in two there.
    With ``fails`` that call raises instead, as a full disk does. Syncs are counted, not made: a
    killed process loses nothing that it has handed over.
    """

    def __init__(
        self,
        at: int | None = None,
        then: Callable[[], None] = lambda: None,
        *,
        torn: bool = False,
        fails: bool = False,
        each: Callable[[], None] = lambda: None,
    ) -> None:
        self.at, self.then, self.torn, self.fails, self.each = at, then, torn, fails, each
        self.calls = 0
        self._thread = threading.get_ident()

    @contextmanager
    def watching(self) -> Iterator[None]:
        real = {name: getattr(os, name) for name in ("write", "replace", "fsync", "fdatasync")}

        def write(descriptor: int, data: bytes) -> int:
            if not self._is_it():
                return int(real["write"](descriptor, data))
            half = len(data) // 2 if self.torn else 0
            done = int(real["write"](descriptor, data[:half])) if half else 0
            self._do()
            return done + int(real["write"](descriptor, data[done:]))

        def replace(source: Any, target: Any) -> None:
            if self._is_it():
                self._do()
            real["replace"](source, target)

        def sync(descriptor: int) -> None:
            if self._is_it():
                self._do()

        shims = {"write": write, "replace": replace, "fsync": sync, "fdatasync": sync}
        try:
            for name, shim in shims.items():
                setattr(os, name, shim)
            yield
        finally:
            for name, function in real.items():
                setattr(os, name, function)

    def _is_it(self) -> bool:
        if threading.get_ident() != self._thread:
            return False
        self.each()
        self.calls += 1
        return self.calls == self.at

    def _do(self) -> None:
        if self.fails:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.then()


class LaneFiles:
    """One lane in ``path``: its runner, its steps, and the clock that it sees."""

    def __init__(self, path: Path, steps: Sequence[Step], target: str) -> None:
        self.path, self.steps, self.target = path, steps, target
        self._runner: LaneRunner | None = None

    @classmethod
    def begin(
        cls, path: Path, steps: Sequence[Step], target: str, profile: Profile, **options: Any
    ) -> LaneFiles:
        """A new lane, as a session makes it. ``options``: iterations, tune and dry_run."""
        path.mkdir()
        lane = Lane("lane", profile.name, "BTCUSDT", 1, 300.0, options["iterations"])
        values = {key: one.start for key, one in profile.parameters.items()}
        atomic_write_json(path / names.RUNTIME, runtime_of(profile, values))
        journal = Journal.create(path / names.JOURNAL)
        modes = {"tune": options["tune"], "dry_run": options["dry_run"]}
        journal.append(start_entry(lane, profile, "scripted", False, values=values, **modes))
        journal.close()
        return cls(path, steps, target)

    # -- what is in the files --------------------------------------------------------------------

    @property
    def file(self) -> Path:
        return self.path / names.RUNTIME

    @property
    def journal(self) -> bytes:
        return (self.path / names.JOURNAL).read_bytes()

    @property
    def entries(self) -> tuple[Entry, ...]:
        return read_journal(self.path / names.JOURNAL).entries

    @property
    def state(self) -> LaneState:
        return fold(self.entries)

    @property
    def file_hash(self) -> str:
        return read_json_with_hash(self.file)[1]

    def summaries(self) -> list[dict[str, Any]]:
        """Without their times; one that is missing is made as the end of a session makes it."""
        made = []
        for one in read_history(self.entries).iterations:
            path = self.path / names.iteration_summary(one.number)
            text = (
                path.read_bytes() if path.exists() else canonical_json(iteration_summary(one, None))
            )
            summary = json.loads(text)
            del summary["summary"]["runtime_utc"]
            made.append(summary)
        return made

    # -- what is done with it --------------------------------------------------------------------

    @property
    def runner(self) -> LaneRunner:
        """Opened where it is not: an opened lane finishes what a stop left half done."""
        if self._runner is None:
            lane, make = self.state.lane, TARGETS[self.target]
            self._runner = LaneRunner(
                lane,
                StoredFiles(self.path),
                lambda _: make(self.steps, self.file),
                proposer=self._propose,
            )
        return self._runner

    def do(self, step: Step) -> None:
        """The step, or what is left of it. Raises LaneHalted."""
        runner = self.runner
        if runner.state.done < step.number:
            runner.observe(step.number)
            runner.decide(step.recorded, step.failed)

    def close(self) -> None:
        if self._runner is not None:
            self._runner.stop()
            self._runner = None

    def copied(self, path: Path) -> None:
        """What is on disk now, at ``path``: a kill leaves nothing else behind."""
        shutil.copytree(self.path, path)

    def grow(self, iterations: int) -> None:
        self.close()
        journal = Journal.open(self.path / names.JOURNAL)
        journal.append(plan_entry(iterations))
        journal.close()

    def is_readable(self) -> None:
        """I12: at every moment the journal folds, and the runtime file is whole."""
        state, found = self.state, self.file_hash
        known = {state.state_hash, state.intent.state_hash if state.intent else None}
        assert found in known, "I6: the file has a hash that the journal does not know"

    # -- what the runner is given ------------------------------------------------------------------

    def _propose(
        self,
        state: LaneState,
        readings: Readings,
        headroom: Mapping[str, Headroom],
        past: Sequence[Iteration],
    ) -> Requested | None:
        requested = self.steps[state.done].requested
        if requested is None:
            return None
        proposals = tuple(
            Proposal(key, share * state.profile.parameters[key].cap_per_hour, "MINE", ("net_bps",))
            for key, share in requested
        )
        # What it is shown goes into the journal, so that a lane that was stopped is shown the same.
        return Requested(proposals=proposals, note=f"shown {seen_of(past)}")


def seen_of(past: Sequence[Iteration]) -> str:
    """What a proposer can see of the iterations before, in a few digits."""
    return compute_json_hash(
        [
            [one.number, dict(one.values), str(one.verdict), one.state_hash]
            + [[each.key, each.outcome, each.applied] for each in one.decision.outcomes]
            for one in past
            if one.decision is not None
        ]
    )[:12]
