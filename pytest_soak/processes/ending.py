"""The end of a set of processes that may grow meanwhile: signal, grace, kill until none is left.

What is in the set when the end begins gets the signal once. What appears later does not, as long
as a main process lives: it may be what that process starts to end in good order. In the kill all
are suspended first, so that none of them starts another one meanwhile.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterable

from pytest_soak.processes.identity import Identity, send

Members = Callable[[], Iterable[Identity]]
"""What is in the set now."""

PAUSE_S = 0.02
"""A good time between two steps."""
_MOST_ROUNDS = 50


class Ending:
    """One end. :meth:`step` is called until it returns True."""

    def __init__(
        self,
        members: Members,
        *,
        signal_of: Callable[[Identity], int] = lambda _: signal.SIGTERM,
        has_main: Callable[[], bool] = lambda: False,
        grace_of: Callable[[Identity], float],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``signal_of`` is the first signal of a member; ``has_main``: a main process lives.

        A member is killed ``grace_of`` it seconds by ``clock`` after the first signal.
        """
        self._members = members
        self._signal_of = signal_of
        self._has_main = has_main
        self._clock = clock
        self._grace_of = grace_of
        self._began = clock()
        self._is_hurried = False
        self._signalled: set[Identity] | None = None
        self.killed: set[Identity] = set()
        self.denied: set[Identity] = set()
        """Members of another user, which may not be signalled. The end does not wait for them."""

    def hurry(self) -> None:
        """Kill what is left at the next step."""
        self._is_hurried = True

    def step(self) -> bool:
        """Signal or kill what is due. Returns whether none is left."""
        members = self._left()
        if not members:
            return True
        due = self._due(members)
        if due:
            self._kill(due)
        if len(due) < len(members):
            self._signal([member for member in members if member not in due])
        return False

    def wait(self) -> None:
        """Step until none is left: for a caller that has nothing else to do."""
        pause_s = PAUSE_S
        while not self.step():
            time.sleep(pause_s)
            pause_s = min(pause_s * 1.2, 0.25)

    def _left(self) -> list[Identity]:
        return [member for member in self._members() if member not in self.denied]

    def _due(self, members: list[Identity]) -> list[Identity]:
        """Those whose grace is over."""
        if self._is_hurried:
            return members
        if self._signalled is None:  # looking for them may take longer than a short grace
            return []
        passed_s = self._clock() - self._began
        return [member for member in members if passed_s >= self._grace_of(member)]

    def _signal(self, members: list[Identity]) -> None:
        if self._signalled is None:
            self._signalled = set()
            self._began = self._clock()
        elif self._has_main():
            return
        for member in members:
            if member not in self._signalled:
                self._signalled.add(member)
                self._send(member, self._signal_of(member))
                self._send(member, signal.SIGCONT)  # a suspended process handles no signal

    def _kill(self, members: list[Identity]) -> None:
        suspended: set[Identity] = set()
        for _ in range(_MOST_ROUNDS):
            fresh = [member for member in members if member not in suspended]
            if not fresh:
                break
            for member in fresh:
                self._send(member, signal.SIGSTOP)
            suspended.update(fresh)
            members = self._due(self._left())
        for member in members:
            self.killed.add(member)
            self._send(member, signal.SIGKILL)

    def _send(self, member: Identity, number: int) -> None:
        try:
            send(member, number)
        except PermissionError:
            self.denied.add(member)
