"""What still lives of an earlier session of a lane, or of a supervisor that was killed, ended.

A process is of the lane if the lane's token is in its environment, if the record has it by number
and start, or if it runs below such a process. No other process is signalled, and neither is the
present process nor one above it.
"""

from __future__ import annotations

from pathlib import Path

from pytest_soak.processes.ending import Ending
from pytest_soak.processes.errors import ProcessError
from pytest_soak.processes.identity import (
    Identity,
    ancestors,
    descendants,
    is_alive,
    with_token,
)
from pytest_soak.processes.record import Record, read_record, remove_record


def end_leftover(folder: Path, *, grace_s: float = 10.0) -> tuple[int, ...]:
    """End what the record in ``folder`` leads to, and remove the record.

    ``grace_s`` seconds after SIGTERM the rest is killed. Returns the numbers of the processes,
    ascending. Raises ProcessError if the record is damaged, or a process cannot be ended.
    """
    record = read_record(folder)
    if record is None:
        return ()
    ended = end_recorded(record, grace_s=grace_s)
    remove_record(folder)
    return ended


def end_recorded(record: Record, *, grace_s: float) -> tuple[int, ...]:
    """As :func:`end_leftover`, for a record that is at hand."""
    seen: set[Identity] = set()

    def members() -> list[Identity]:
        left = living(record)
        seen.update(left)
        return left

    ending = Ending(members, grace_of=lambda _: grace_s)
    ending.wait()
    if ending.denied:
        numbers = ", ".join(str(identity.pid) for identity in sorted(ending.denied))
        raise ProcessError(
            "not_ended", None, f"left of an earlier session, and of another user: {numbers}"
        )
    return tuple(sorted(identity.pid for identity in seen))


def living(record: Record) -> list[Identity]:
    """What lives of the lane now."""
    spared = ancestors()
    roots = [
        *with_token(record.token),
        *(process.identity for process in record.processes if is_alive(process.identity)),
    ]
    members = dict.fromkeys(roots)
    for root in roots:
        if root.pid in spared:  # below it is this process itself, and what it started
            continue
        members.update(dict.fromkeys(identity for identity, _ in descendants(root.pid)))
    return [member for member in members if member.pid not in spared and is_alive(member)]
