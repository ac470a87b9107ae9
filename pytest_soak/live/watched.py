"""The processes of a live target as its iterations see them: alive, silent, stopped, dead."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from pytest_soak.live.faults import HALTS, LiveHalt
from pytest_soak.live.plan import LivePlan, Notify
from pytest_soak.processes.client import Processes
from pytest_soak.processes.errors import ProcessError

T = TypeVar("T")


class Watched:
    """There may be none: then another program starts and ends the bot."""

    def __init__(self, plan: LivePlan) -> None:
        self._plan = plan
        self._processes: Processes | None = None
        self._sizes: dict[str, tuple[tuple[int, int], ...]] = {}
        self._dead: list[str] = []
        self._restarted: Counter[str] = Counter()

    def start(self) -> list[str]:
        """End what an earlier session left, then start all; lines on both. Raises LiveHalt."""
        plan = self._plan
        if not plan.processes:
            return []
        self._processes = processes = Processes(
            plan.processes, folder=plan.folder, cwd=plan.root, environment=plan.environment
        )
        self._asking(processes.start)
        return [*processes.notices, *ended_lines(processes.leftover)]

    def close(self) -> None:
        """Nothing is left of the processes. Raises ProcessError for what could not be ended."""
        if self._processes is not None:
            self._processes.close()

    def died(self) -> str | None:
        """The first process that ended by itself and was not started again yet."""
        processes = self._processes
        if processes is None:
            return None
        ended = self._asking(processes.poll)
        self._dead += [item.process for item in ended if item.process not in self._dead]
        return self._dead[0] if self._dead else None

    def revive(self) -> list[str]:
        """Start all again that died between two iterations; a line for each. Raises LiveHalt."""
        lines: list[str] = []
        while (name := self.died()) is not None:
            lines += self.restart(name)
        return lines

    def restart(self, name: str) -> list[str]:
        """Start a process again, and what comes after it. Raises LiveHalt beyond its budget."""
        processes = self._processes
        if processes is None:
            return []
        last = [f"log {name} | {line}" for line in processes.last_lines(name)]
        try:
            names = self._asking(lambda: _restarted(processes, name))
        except LiveHalt as halt:
            halt.add_note(f"this was a restart: {name} had ended by itself, after these lines")
            for line in last:
                halt.add_note(line)
            raise
        self._dead = [dead for dead in self._dead if dead not in names]
        self._restarted.update(names[:1])
        left = processes.restarts(name).left
        also = f", and after it {', '.join(names[1:])}" if len(names) > 1 else ""
        return [f"{name} ended and was started again{also}; {left} restarts left", *last]

    def take_restarts(self) -> dict[str, int]:
        """Process to how often it was started again since the last call, because it had ended."""
        restarts, self._restarted = dict(self._restarted), Counter()
        return restarts

    def signal(self, notify: Notify) -> None:
        """Tell a process of the delivery. One that just died is noticed by :meth:`died`.

        Raises LiveHalt if the supervisor was lost.
        """
        processes = self._processes
        if processes is not None:
            self._asking(lambda: _signal(processes, notify))

    def mark(self) -> None:
        """From now on it counts whether a process logs (:meth:`silent`)."""
        if self._processes is not None:
            self._sizes = {name: self._written(name) for name in self._processes.names}

    def suspended(self) -> str | None:
        """The first process that a signal or a debugger stopped."""
        processes = self._processes
        if processes is None:
            return None
        return next((name for name in processes.names if processes.is_suspended(name)), None)

    def silent(self) -> str | None:
        """The process that should report, if it wrote no log and no audit since :meth:`mark`.

        It is the one that is notified of deliveries, else the last in the order of starts.
        """
        if self._processes is None:
            return None
        notify = self._plan.notify
        name = notify.process if notify is not None else self._processes.names[-1]
        return name if self._sizes.get(name) == self._written(name) else None

    def log_lines(self) -> list[str]:
        """The last lines of each process, with its name before them."""
        processes = self._processes
        if processes is None:
            return []
        return [
            f"log {name} | {line}"
            for name in processes.names
            for line in processes.last_lines(name)
        ]

    def _written(self, name: str) -> tuple[tuple[int, int], ...]:
        """What differs once the process wrote to its log, or the bot to its audit."""
        paths = [] if self._processes is None else [self._processes.log_path(name)]
        if self._plan.audit is not None:
            paths.append(Path(self._plan.audit.place))
        return tuple(_size(path) for path in paths)

    def _asking(self, ask: Callable[[], T]) -> T:
        try:
            return ask()
        except ProcessError as error:
            process = "" if error.process is None else f" ({error.process})"
            notes = [str(error), *(f"log {error.process} | {line}" for line in error.log)]
            raise LiveHalt(error.kind + process, HALTS[error.kind], notes) from None


def ended_lines(leftover: Sequence[int]) -> list[str]:
    """A line for what an earlier session left and this one ended; none if it left nothing."""
    numbers = ", ".join(map(str, leftover))
    return [f"processes that an earlier session left were ended: {numbers}"] if leftover else []


def _signal(processes: Processes, notify: Notify) -> None:
    try:
        processes.signal(notify.process, notify.signal)
    except ProcessError as error:
        if error.kind not in ("dead", "not_ready"):
            raise


def _restarted(processes: Processes, name: str) -> tuple[str, ...]:
    """Restart, and again where a restart does not become ready: each spends one of the budget.

    What a process needs, such as an exchange, may be away for longer than the first wait. Raises
    ProcessError.
    """
    while True:
        try:
            return processes.restart(name)
        except ProcessError as error:
            if error.kind != "not_ready" or not processes.restarts(name).left:
                raise


def _size(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError:
        return 0, 0
    return status.st_ino, status.st_size
