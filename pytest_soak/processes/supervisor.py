"""The supervisor: the process above the processes of one lane, which ends them whatever happens.

``python -m pytest_soak.processes.supervisor --parent=PID`` takes commands on its standard input
and writes events on its standard output (:mod:`.wire`). It has one thread, and waits for all at
once: commands, output, ended children, signals, and the end of its parent. When its parent or its
standard input ends, it ends the whole tree; after SIGTERM, SIGINT or SIGHUP it stops one process
after another, and a second such signal kills them.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import selectors
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from pytest_soak.processes import wire
from pytest_soak.processes.child import Child
from pytest_soak.processes.ending import PAUSE_S, Ending
from pytest_soak.processes.identity import TOKEN, Identity, send
from pytest_soak.processes.kernel import PORTABLE, Kernel, child_setup, open_parent, prepare
from pytest_soak.processes.tree import Tree

_POLL_PARENT_S = 0.5
_FLUSH_S = 2.0


class Supervisor:
    """The state of the one supervisor of this process."""

    def __init__(self, kernel: Kernel, token: str, parent: int) -> None:
        self._kernel = kernel
        self._parent = parent
        self._set_up = child_setup(kernel)
        self._children: dict[str, Child] = {}
        """The present process of each name, in the order of their starts; it may have ended."""
        self._tree = Tree(token, adopts_orphans=kernel.adopts_orphans)
        self._selector = selectors.DefaultSelector()
        self._paused: dict[str, float] = {}
        """Output that is not read before this time."""
        self._commands: deque[wire.Command] = deque()
        self._events = bytearray()
        self._input = wire.LineReader(sys.stdin.fileno())
        self._parent_ended = False
        self._signals = 0
        self._ending: Ending | None = None

    def run(self) -> None:
        """Work until the end of all. Nothing of the tree is left afterwards."""
        self._listen()
        self._emit(wire.Hello(self._kernel.notices))
        try:
            answer: int | None = None
            while answer is None and not self._parent_ended and not self._signals:
                while self._commands and not self._parent_ended and not self._signals:
                    command = self._commands.popleft()
                    if isinstance(command, wire.End):
                        answer = command.id
                        break
                    self._do(command)
                else:
                    self._turn(None)
            ended = self._end_in_order()
        except BaseException:
            Ending(self._reaped_tree, grace_of=lambda _: 0.0).wait()
            raise
        if answer is not None:
            self._emit(wire.Stopped(answer, *ended))
        self._flush()

    # The loop.

    def _listen(self) -> None:
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        os.set_blocking(writing, False)
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
            if number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN:
                continue  # below nohup
            signal.signal(number, lambda *_: None)
        self._selector.register(reading, selectors.EVENT_READ, lambda: self._on_signals(reading))
        self._selector.register(self._input.descriptor, selectors.EVENT_READ, self._on_input)
        os.set_blocking(sys.stdout.fileno(), False)
        parent = open_parent(self._parent) if self._kernel.watches_parent else None
        if parent is not None:
            self._selector.register(parent, selectors.EVENT_READ, lambda: self._on_parent(parent))
        self._polls_parent = parent is None
        self._look_at_parent()

    def _turn(self, timeout_s: float | None) -> None:
        """Wait for the next event, at most so long, and handle what there is."""
        waits = [timeout_s, _POLL_PARENT_S if self._polls_parent else None]
        now = time.monotonic()
        waits += [until - now for until in self._paused.values()]
        due = [wait for wait in waits if wait is not None]
        for key, _ in self._selector.select(max(0.0, min(due)) if due else None):
            key.data()
        for name, until in list(self._paused.items()):
            if time.monotonic() >= until:
                del self._paused[name]
                self._read_output(self._children[name])
        if self._polls_parent:
            self._look_at_parent()
        self._reap()

    def _on_signals(self, descriptor: int) -> None:
        with contextlib.suppress(BlockingIOError):
            numbers = os.read(descriptor, 4096)
            self._signals += sum(number != signal.SIGCHLD for number in numbers)
        if self._signals > 1 and self._ending is not None:
            self._ending.hurry()

    def _on_input(self) -> None:
        for line in self._input.lines():
            self._commands.append(wire.command_of(line))
        if self._input.is_at_end:
            self._selector.unregister(self._input.descriptor)
            self._parent_ended = True

    def _on_parent(self, descriptor: int) -> None:
        self._selector.unregister(descriptor)
        self._parent_ended = True

    def _look_at_parent(self) -> None:
        self._parent_ended = self._parent_ended or os.getppid() != self._parent

    def _reap(self) -> None:
        """Take the exit codes of all that ended; orphans that became children have no reader."""
        by_pid = {child.pid: child for child in self._children.values() if child.is_running}
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            child = by_pid.get(pid)
            if child is not None:
                child.reaped(os.waitstatus_to_exitcode(status))
                self._report_log(child)
                self._emit(wire.Exited(child.name, pid, int(child.status or 0), child.is_stopping))

    # Commands.

    def _do(self, command: wire.Command) -> None:
        match command:
            case wire.Start():
                self._start(command)
            case wire.Stop():
                child = self._children.get(command.name)
                ended = self._stop(child) if child is not None else (False, ())
                self._emit(wire.Stopped(command.id, *ended))
            case wire.Signal():
                self._signal(command)

    def _start(self, start: wire.Start) -> None:
        if start.name in self._children:
            self._stop(self._children[start.name])
        try:
            child = Child(start, os.environ, self._set_up)
        except (OSError, ValueError) as error:
            self._emit(wire.Failed(start.id, _problem(error)))
            return
        self._children[start.name] = child
        self._tree.add(child.identity, child.name)
        self._selector.register(
            child.output.descriptor, selectors.EVENT_READ, lambda: self._read_output(child)
        )
        if child.notify is not None:
            self._selector.register(
                child.notify.socket, selectors.EVENT_READ, lambda: self._read_notify(child)
            )
        self._emit(wire.Started(start.id, child.name, child.pid, child.identity.mark))

    def _signal(self, command: wire.Signal) -> None:
        child = self._children.get(command.name)
        if child is None or not child.is_running:
            self._emit(wire.Failed(command.id, "it does not run"))
            return
        try:
            send(child.identity, command.signal)
        except OSError as error:
            self._emit(wire.Failed(command.id, _problem(error)))
        else:
            self._emit(wire.Done(command.id))

    # Output.

    def _read_output(self, child: Child) -> None:
        pause_s = child.output.pump()
        self._report_log(child)
        descriptor = child.output.descriptor
        is_registered = descriptor in self._selector.get_map()
        if is_registered and (pause_s or child.output.is_at_end):
            self._selector.unregister(descriptor)
        elif not is_registered and not pause_s and not child.output.is_at_end:
            self._selector.register(
                descriptor, selectors.EVENT_READ, lambda: self._read_output(child)
            )
        if pause_s:
            self._paused[child.name] = time.monotonic() + pause_s

    def _read_notify(self, child: Child) -> None:
        if child.notify is not None and child.notify.is_ready():
            self._emit(wire.Notified(child.name, child.pid))

    def _report_log(self, child: Child) -> None:
        if child.output.problem is not None and not child.log_is_reported:
            child.log_is_reported = True
            self._emit(wire.LogFailed(child.name, child.output.problem))

    # The end.

    def _stop(self, child: Child) -> tuple[bool, tuple[int, ...]]:
        """End a process and all that belongs to it: whether it was killed, what may not be."""
        child.is_stopping = True
        ending = self._complete(
            lambda: self._tree.of(child.name),
            lambda: child.is_running,
            lambda _: child.start.stop_signal,
            lambda _: child.start.grace_s,
            is_last=False,
        )
        if not self._parent_ended:  # else it ends with all others
            self._forget(child)
        return bool(ending.killed), tuple(sorted(member.pid for member in ending.denied))

    def _end_in_order(self) -> tuple[bool, tuple[int, ...]]:
        """Stop one after another, the last one first; all at once when the parent has ended."""
        killed, denied = False, set[int]()
        for child in reversed(list(self._children.values())):
            if self._parent_ended or self._signals > 1:
                break
            child_killed, child_denied = self._stop(child)
            killed = killed or child_killed
            denied.update(child_denied)
        rest = self._end_all()
        return killed or bool(rest.killed), (*denied, *(member.pid for member in rest.denied))

    def _end_all(self) -> Ending:
        """End the whole tree at once, each member as its process says."""
        starts = {child.name: child.start for child in self._children.values()}
        rest_grace_s = max((start.grace_s for start in starts.values()), default=0.0)

        def start_of(member: Identity) -> wire.Start | None:
            return starts.get(self._tree.owner(member) or "")

        def signal_of(member: Identity) -> int:
            start = start_of(member)
            return start.stop_signal if start else signal.SIGTERM

        def grace_of(member: Identity) -> float:
            start = start_of(member)
            return start.grace_s if start else rest_grace_s

        for child in self._children.values():
            child.is_stopping = True
        ending = self._complete(
            self._tree.all,
            lambda: any(child.is_running for child in self._children.values()),
            signal_of,
            grace_of,
            is_last=True,
        )
        for child in list(self._children.values()):
            self._forget(child)
        return ending

    def _complete(
        self,
        members: Callable[[], Iterable[Identity]],
        has_main: Callable[[], bool],
        signal_of: Callable[[Identity], int],
        grace_of: Callable[[Identity], float],
        *,
        is_last: bool,
    ) -> Ending:
        """Work until the members have ended; until the parent ends, unless it ``is_last``."""
        ending = Ending(members, signal_of=signal_of, has_main=has_main, grace_of=grace_of)
        self._ending = ending
        if self._signals > 1:
            ending.hurry()
        pause_s = PAUSE_S
        while not ending.step() and (is_last or not self._parent_ended):
            self._turn(pause_s)
            pause_s = min(pause_s * 1.2, 0.25)
        self._ending = None
        return ending

    def _reaped_tree(self) -> list[Identity]:
        self._reap()
        return self._tree.all()

    def _forget(self, child: Child) -> None:
        self._children.pop(child.name, None)
        self._paused.pop(child.name, None)
        for readable in (child.output.descriptor, child.notify and child.notify.socket):
            with contextlib.suppress(KeyError, ValueError):
                self._selector.unregister(readable or -1)
        child.close()

    # Events.

    def _emit(self, event: wire.Event) -> None:
        if not self._parent_ended:
            self._events += wire.encoded(event)
        self._write_events()

    def _write_events(self) -> None:
        """Write what the pipe takes. The rest waits: a parent that does not read stops nothing."""
        descriptor = sys.stdout.fileno()
        while self._events:
            try:
                del self._events[: os.write(descriptor, self._events)]
            except BlockingIOError:
                break
            except OSError:  # the parent is gone
                self._events.clear()
        is_registered = descriptor in self._selector.get_map()
        if self._events and not is_registered:
            self._selector.register(descriptor, selectors.EVENT_WRITE, self._write_events)
        elif not self._events and is_registered:
            self._selector.unregister(descriptor)

    def _flush(self) -> None:
        deadline = time.monotonic() + _FLUSH_S
        while self._events and time.monotonic() < deadline and not self._parent_ended:
            self._turn(PAUSE_S)


def _problem(error: OSError | ValueError) -> str:
    """What is wrong, without the environment: a text for the error of the client."""
    if isinstance(error, OSError):
        name = f" ({os.fsdecode(error.filename)})" if error.filename is not None else ""
        return f"{error.strerror or type(error).__name__}{name}"
    return str(error)


def main(arguments: list[str] | None = None) -> Any:
    """The program. The token is in its environment, as in that of all processes below it."""
    parser = argparse.ArgumentParser(prog="python -m pytest_soak.processes.supervisor")
    parser.add_argument("--parent", type=int, required=True, help="number of the parent process")
    parser.add_argument("--portable", action="store_true", help="use no features of Linux")
    options = parser.parse_args(arguments)
    kernel = PORTABLE if options.portable else prepare()
    token = os.environ[TOKEN].split(":")[-1]
    Supervisor(kernel, token, options.parent).run()


if __name__ == "__main__":
    main()
