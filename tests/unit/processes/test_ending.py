"""The end of a set of processes: which signals go to which of them, and when."""

from __future__ import annotations

import signal

import pytest

from pytest_soak.processes import ending as module
from pytest_soak.processes.ending import Ending
from pytest_soak.processes.identity import Identity

BOT, CHILD, LATE = Identity(1, "a"), Identity(2, "b"), Identity(3, "c")


class World:
    """Processes that are only names, and the signals that they got."""

    def __init__(self, *members: Identity) -> None:
        self.members = list(members)
        self.sent: list[tuple[Identity, str]] = []
        self.deaf: set[Identity] = set()
        self.foreign: set[Identity] = set()
        self.graces: dict[Identity, float] = {}
        self.now = 0.0

    def send(self, member: Identity, number: int) -> None:
        if member in self.foreign:
            raise PermissionError
        self.sent.append((member, signal.Signals(number).name))
        if number == signal.SIGKILL or (number == signal.SIGTERM and member not in self.deaf):
            self.members.remove(member)

    def signals(self, member: Identity) -> list[str]:
        return [name for other, name in self.sent if other == member]

    def ending(self, *, has_main: bool = False, grace_s: float = 5.0) -> Ending:
        return Ending(
            lambda: list(self.members),
            has_main=lambda: has_main and BOT in self.members,
            grace_of=lambda member: self.graces.get(member, grace_s),
            clock=lambda: self.now,
        )


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    world = World(BOT, CHILD)
    monkeypatch.setattr(module, "send", world.send)
    return world


def test_all_get_the_signal_and_none_is_killed(world: World) -> None:
    ending = world.ending()
    assert not ending.step()
    assert ending.step()
    assert world.signals(BOT) == ["SIGTERM", "SIGCONT"]
    assert world.signals(CHILD) == ["SIGTERM", "SIGCONT"]
    assert ending.killed == set()


def test_what_is_left_after_the_grace_is_suspended_then_killed(world: World) -> None:
    world.deaf = {CHILD}
    ending = world.ending()
    ending.step()
    world.now = 4.9
    ending.step()
    assert world.signals(CHILD) == ["SIGTERM", "SIGCONT"]
    world.now = 5.0
    assert not ending.step()
    assert ending.step()
    assert world.signals(CHILD)[2:] == ["SIGSTOP", "SIGKILL"]
    assert ending.killed == {CHILD}


def test_a_member_has_its_own_grace(world: World) -> None:
    world.deaf = {BOT, CHILD}
    world.graces = {CHILD: 1.0}
    ending = world.ending(grace_s=5.0)
    ending.step()
    world.now = 1.0
    ending.step()
    assert ending.killed == {CHILD}
    assert world.members == [BOT]
    assert world.signals(BOT) == ["SIGTERM", "SIGCONT"]


def test_what_a_main_process_starts_to_end_in_order_is_left_alone(world: World) -> None:
    world.deaf = {BOT}
    ending = world.ending(has_main=True)
    ending.step()
    world.members.append(LATE)
    ending.step()
    assert world.signals(LATE) == []
    world.members.remove(BOT)
    ending.step()
    assert world.signals(LATE) == ["SIGTERM", "SIGCONT"]
    assert ending.step()


def test_the_grace_can_be_cut_short(world: World) -> None:
    world.deaf = {BOT, CHILD}
    ending = world.ending()
    ending.step()
    ending.hurry()
    ending.step()
    assert ending.step()
    assert ending.killed == {BOT, CHILD}


def test_what_appears_while_others_are_suspended_is_killed_too(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ending = world.ending(grace_s=0.0)
    original = world.send

    def send(member: Identity, number: int) -> None:
        if number == signal.SIGSTOP and LATE not in world.members:
            world.members.append(LATE)
        original(member, number)

    monkeypatch.setattr(module, "send", send)
    ending.hurry()
    ending.step()
    assert ending.step()
    assert ending.killed == {BOT, CHILD, LATE}


def test_processes_of_another_user_are_named_and_not_waited_for(world: World) -> None:
    world.foreign = {CHILD}
    ending = world.ending()
    ending.step()
    assert ending.step()
    assert ending.denied == {CHILD}
