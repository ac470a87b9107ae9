"""All that runs below a supervisor, and to which of its processes it belongs."""

from __future__ import annotations

import os
from collections.abc import Iterator

from pytest_soak.processes.identity import (
    Identity,
    descendants,
    name_in_environment,
    session_of,
    with_token,
)


class Tree:
    """The tree below this process.

    A member belongs to the process below which it runs. An orphan is attributed by what was seen
    of it before, by the name in its environment, or by its session. What cleared its environment,
    left its session and lost its parent before it was seen belongs to no process, and ends with
    the supervisor.
    """

    def __init__(self, token: str, *, adopts_orphans: bool) -> None:
        """Without ``adopts_orphans`` orphans are found by ``token`` in their environment."""
        self._token = token
        self._adopts_orphans = adopts_orphans
        self._owners: dict[Identity, str] = {}
        self._sessions: dict[int, str] = {}

    def add(self, main: Identity, name: str) -> None:
        """``main`` is the process ``name``; it leads a session of its own."""
        self._owners[main] = name
        self._sessions[main.pid] = name

    def all(self) -> list[Identity]:
        """Every member that is not reaped, parents before their children."""
        members = dict(self._scan())
        self._owners = {member: name for member, name in members.items() if name is not None}
        return list(members)

    def of(self, name: str) -> list[Identity]:
        """The members that belong to the process ``name``."""
        return [member for member in self.all() if self._owners.get(member) == name]

    def owner(self, member: Identity) -> str | None:
        """The name of the process to which a member of the last scan belongs."""
        return self._owners.get(member)

    def _scan(self) -> Iterator[tuple[Identity, str | None]]:
        by_pid: dict[int, str] = {}
        seen: set[Identity] = set()
        for member, parent in self._everything():
            if member in seen:
                continue
            seen.add(member)
            name = self._owners.get(member) or by_pid.get(parent) or self._of_orphan(member.pid)
            if name is not None:
                by_pid[member.pid] = self._owners[member] = name
            yield member, name

    def _everything(self) -> Iterator[tuple[Identity, int]]:
        yield from descendants(os.getpid())
        if not self._adopts_orphans:
            for orphan in with_token(self._token):
                if orphan.pid not in (os.getpid(), os.getppid()):
                    yield orphan, 0
                    yield from descendants(orphan.pid)

    def _of_orphan(self, pid: int) -> str | None:
        name = name_in_environment(pid)
        if name in self._sessions.values():
            return name
        return self._sessions.get(session_of(pid) or 0)
