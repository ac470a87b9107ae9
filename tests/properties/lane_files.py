"""A lane with real files: written, killed at any system call, copied, and resumed."""

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
from pytest_soak.loop.entries import Plan, Record, record_of, runtime_of, start_entry
from pytest_soak.loop.fold import fold
from pytest_soak.loop.history import read_history
from pytest_soak.loop.model import Headroom, Iteration, Proposal, Readings, Requested
from pytest_soak.loop.state import LaneState
from pytest_soak.profile.model import Profile
from pytest_soak.protocol import Lane
from pytest_soak.report.summary import iteration_summary
from pytest_soak.store import names
from pytest_soak.store.atomic import atomic_write_json
from pytest_soak.store.journal import Journal, read_journal
from pytest_soak.store.reading import read_json_with_hash
from tests.properties.drawn import Observation


@dataclass(frozen=True)
class Step:
    """The inputs of one iteration, so that it can be repeated exactly."""

    number: int
    observation: Observation
    requested: tuple[tuple[str, float], ...] | None
    """Key and share of its cap; None: the built-in tuner decides."""
    recorded: Mapping[str, float]
    failed: tuple[str, ...]
    during: str | None = None
    """The text that an operator writes into the runtime file during the interval."""


class ScriptedTarget:
    """Reports the observations of the steps, and its memory of the earlier iterations."""

    def __init__(self, steps: Sequence[Step], file: Path) -> None:
        self.steps, self.file = steps, file
        self.memory: dict[str, Any] = {"iterations": 0, "trace": ""}

    def run(self, iteration: int, runtime: Mapping[str, Any]) -> dict[str, Any]:
        step = self.steps[iteration - 1]
        self.remember(runtime)
        extra = {"effective_params": runtime, "memory": dict(self.memory)}
        report = step.observation.report() | extra
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
    """Counts the system calls that change files, and interferes with one of them.

    ``then`` is called before the call number ``at``; with ``torn``, a write is cut in two there.
    With ``fails`` that call raises instead, like a full disk. ``before_each`` is called before
    every call. Syncs are counted, but not made: a killed process loses nothing that it has written.
    """

    def __init__(
        self,
        at: int | None = None,
        then: Callable[[], None] = lambda: None,
        *,
        torn: bool = False,
        fails: bool = False,
        before_each: Callable[[], None] = lambda: None,
    ) -> None:
        self.at, self.then, self.torn, self.fails = at, then, torn, fails
        self.before_each = before_each
        self.calls = 0
        self._thread = threading.get_ident()

    @contextmanager
    def watching(self) -> Iterator[None]:
        real = {name: getattr(os, name) for name in ("write", "replace", "fsync", "fdatasync")}

        def write(descriptor: int, data: bytes) -> int:
            if not self._is_the_call():
                return int(real["write"](descriptor, data))
            half = len(data) // 2 if self.torn else 0
            done = int(real["write"](descriptor, data[:half])) if half else 0
            self._interfere()
            return done + int(real["write"](descriptor, data[done:]))

        def replace(source: Any, target: Any) -> None:
            if self._is_the_call():
                self._interfere()
            real["replace"](source, target)

        def sync(descriptor: int) -> None:
            if self._is_the_call():
                self._interfere()

        shims = {"write": write, "replace": replace, "fsync": sync, "fdatasync": sync}
        try:
            for name, shim in shims.items():
                setattr(os, name, shim)
            yield
        finally:
            for name, function in real.items():
                setattr(os, name, function)

    def _is_the_call(self) -> bool:
        if threading.get_ident() != self._thread:
            return False
        self.before_each()
        self.calls += 1
        return self.calls == self.at

    def _interfere(self) -> None:
        if self.fails:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.then()


class LaneFiles:
    """One lane in ``path``, with its runner and its steps."""

    def __init__(self, path: Path, steps: Sequence[Step], target: str) -> None:
        self.path, self.steps, self.target = path, steps, target
        self._runner: LaneRunner | None = None
        self._folded: tuple[bytes, LaneState | None] = (b"", None)

    @classmethod
    def begin(
        cls, path: Path, steps: Sequence[Step], target: str, profile: Profile, **options: Any
    ) -> LaneFiles:
        """A new lane, made as a session does it. ``options``: iterations, tune and dry_run."""
        path.mkdir()
        lane = Lane("lane", profile.name, "BTCUSDT", 1, 300.0, options["iterations"])
        values = {key: parameter.start for key, parameter in profile.parameters.items()}
        atomic_write_json(path / names.RUNTIME, runtime_of(profile, values))
        journal = Journal.create(path / names.JOURNAL)
        modes = {"tune": options["tune"], "dry_run": options["dry_run"]}
        start = start_entry(lane, profile, "scripted", mock=False, values=values, **modes)
        journal.append(record_of(start))
        journal.close()
        return cls(path, steps, target)

    # -- the contents of the files ---------------------------------------------------------------

    @property
    def file(self) -> Path:
        return self.path / names.RUNTIME

    @property
    def journal(self) -> bytes:
        return (self.path / names.JOURNAL).read_bytes()

    @property
    def entries(self) -> tuple[Record, ...]:
        return read_journal(self.path / names.JOURNAL).entries

    @property
    def state(self) -> LaneState:
        """The fold of the journal, which is made once for the same bytes."""
        content = self.journal
        if content != self._folded[0]:
            self._folded = (content, fold(self.entries))
        state = self._folded[1]
        assert state is not None
        return state

    @property
    def file_hash(self) -> str:
        return read_json_with_hash(self.file)[1]

    def summaries(self) -> list[dict[str, Any]]:
        """All summaries without their times; a missing one is made as at the end of a session."""
        summaries = []
        history = read_history(self.entries)
        table = history.profile.parameters
        for iteration in history.iterations:
            path = self.path / names.iteration_summary(iteration.number)
            if path.exists():
                text = path.read_bytes()
            else:
                text = canonical_json(iteration_summary(iteration, None, table))
            summary = json.loads(text)
            del summary["summary"]["runtime_utc"]
            summaries.append(summary)
        return summaries

    # -- actions ---------------------------------------------------------------------------------

    @property
    def runner(self) -> LaneRunner:
        """The runner, which is opened first if need be; opening completes a half-done iteration."""
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
        """Runs the step, or the rest of it. Raises LaneHalted."""
        runner = self.runner
        if runner.state.done < step.number:
            runner.observe(step.number)
            runner.decide(step.recorded, step.failed)

    def close(self) -> None:
        if self._runner is not None:
            self._runner.stop()
            self._runner = None

    def copied(self, path: Path) -> None:
        """Copies the files to ``path``, as a kill would leave them."""
        shutil.copytree(self.path, path)

    def grow(self, iterations: int) -> None:
        self.close()
        journal = Journal.open(self.path / names.JOURNAL)
        journal.append(record_of(Plan(iterations)))
        journal.close()

    def is_readable(self) -> None:
        """I12: at every moment the journal can be folded, and the runtime file is whole."""
        state = self.state
        hashes = {state.state_hash, state.intent.state_hash if state.intent else None}
        assert self.file_hash in hashes, "I6: the file has a hash that is not in the journal"

    # -- the proposer of the runner ----------------------------------------------------------------

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
        # A hash of the history goes into the journal: a resumed lane must pass the same history.
        return Requested(proposals=proposals, note=f"history {hash_of(past)}")


def hash_of(past: Sequence[Iteration]) -> str:
    """A short hash of the earlier iterations that a proposer receives."""
    return compute_json_hash(
        [
            [iteration.number, dict(iteration.values), str(iteration.verdict), iteration.state_hash]
            + [[item.key, item.outcome, item.applied] for item in iteration.decision.outcomes]
            for iteration in past
            if iteration.decision is not None
        ]
    )[:12]
