"""The files after a loss of power, by a model of a disk that keeps only what was synced.

A killed process cannot show this, because the page cache outlives it. The model records the calls
of the code. After each call it lists what the disk may hold if the power fails now: of a file, any
prefix of the bytes written since its last sync; of a directory, the names at its last sync or at
any later time.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from pytest_soak.store.atomic import atomic_write_bytes, atomic_write_json
from pytest_soak.store.journal import Journal, read_journal

OLD, NEW = b"the old content", b"the new content, which is longer"


@dataclass
class Node:
    """A file: the bytes that are safe, and the bytes in the page cache."""

    safe: bytes
    content: bytes

    def after_loss(self) -> set[bytes]:
        assert self.content.startswith(self.safe)
        ends = range(len(self.safe), len(self.content) + 1)
        return {self.content[:end] for end in ends}


@dataclass
class Disk:
    """One directory. ``names[0]`` is safe; the later states may be lost."""

    names: list[dict[str, Node]]
    trace: list[str] = field(default_factory=list)
    states: list[set[bytes | None]] = field(default_factory=list)
    """After each call: the possible contents after a loss of power; None: the file is absent."""
    watched: str = "file"

    def note(self, call: str) -> None:
        self.trace.append(call)
        contents: set[bytes | None] = set()
        for names in self.names:
            node = names.get(self.watched)
            contents |= {None} if node is None else node.after_loss()
        self.states.append(contents)


def called_by_the_store() -> bool:
    """Whether the current call comes from the store, and not from the library of file locks.

    The files that the library opens, writes and syncs differ between versions, and a lock file has
    no content that can be lost.
    """
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        package = str(frame.f_globals.get("__name__")).partition(".")[0]
        if package in ("pytest_soak", "filelock"):
            return package == "pytest_soak"
        frame = frame.f_back
    return False


def watch(monkeypatch: pytest.MonkeyPatch, path: Path) -> Disk:
    """Replaces os functions by shims that call the real ones and update the model."""
    content = path.read_bytes() if path.exists() else None
    names = {} if content is None else {path.name: Node(content, content)}
    disk = Disk([names], watched=path.name)
    opened: dict[int, Node | None] = {}
    shimmed = ("open", "write", "fsync", "fdatasync", "replace", "close")
    real = {name: getattr(os, name) for name in shimmed}

    def open_(target: Any, flags: int, *args: Any, **kwargs: Any) -> int:
        descriptor = int(real["open"](target, flags, *args, **kwargs))
        if not called_by_the_store():
            return descriptor
        name = Path(target).name
        if Path(target) == path.parent:
            opened[descriptor] = None
        else:
            if name not in disk.names[-1]:
                disk.names.append({**disk.names[-1], name: Node(b"", b"")})
            opened[descriptor] = disk.names[-1][name]
        disk.note("open directory" if opened[descriptor] is None else "open")
        return descriptor

    def write(descriptor: int, data: bytes) -> int:
        count = int(real["write"](descriptor, data))
        if descriptor not in opened:
            return count
        node = opened[descriptor]
        assert node is not None
        node.content += bytes(data[:count])
        disk.note("write")
        return count

    def sync(name: str) -> Callable[[int], None]:
        def call(descriptor: int) -> None:
            real[name](descriptor)
            if descriptor not in opened:
                return
            node = opened[descriptor]
            if node is None:
                del disk.names[:-1]
            else:
                node.safe = node.content
            disk.note(f"{name} directory" if node is None else name)

        return call

    def replace(source: Any, target: Any) -> None:
        real["replace"](source, target)
        if not called_by_the_store():
            return
        names = dict(disk.names[-1])
        names[Path(target).name] = names.pop(Path(source).name)
        disk.names.append(names)
        disk.note("replace")

    def close(descriptor: int) -> None:
        opened.pop(descriptor, None)  # the number may be used for another file later
        real["close"](descriptor)

    for name, shim in (
        ("open", open_),
        ("write", write),
        ("fsync", sync("fsync")),
        ("fdatasync", sync("fdatasync")),
        ("close", close),
        ("replace", replace),
    ):
        monkeypatch.setattr(os, name, shim)
    return disk


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(OLD)
    return path


def test_a_durable_write_leaves_the_old_content_or_the_new(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = watch(monkeypatch, path)
    atomic_write_bytes(path, NEW)
    assert disk.trace == ["open directory", "open", "write", "fsync", "replace", "fsync directory"]
    assert set().union(*disk.states) == {OLD, NEW}
    assert disk.states[-1] == {NEW}


def test_short_writes_change_nothing_of_that(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: real(descriptor, bytes(data[:5])))
    disk = watch(monkeypatch, path)
    atomic_write_bytes(path, NEW)
    assert disk.trace.count("write") == 7
    assert set().union(*disk.states) == {OLD, NEW}
    assert disk.states[-1] == {NEW}


def test_a_new_file_is_absent_or_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = watch(monkeypatch, tmp_path / "runtime.json")
    atomic_write_json(tmp_path / "runtime.json", {"a": 1})
    assert set().union(*disk.states) == {None, b'{"a":1}'}
    assert disk.states[-1] == {b'{"a":1}'}


def test_the_model_sees_a_missing_sync(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the syncs, the new name may have no content, or may be lost."""
    disk = watch(monkeypatch, path)
    atomic_write_bytes(path, NEW, durable=False)
    assert disk.trace == ["open", "write", "replace"]
    assert {b"", OLD, NEW[:7], NEW} <= disk.states[-1]


@pytest.mark.parametrize(("missing", "lost"), [(0, b""), (1, OLD)], ids=["file", "directory"])
def test_the_model_sees_either_sync_missing(
    path: Path, monkeypatch: pytest.MonkeyPatch, missing: int, lost: bytes
) -> None:
    disk = watch(monkeypatch, path)
    syncs, calls = os.fsync, iter(range(2))

    def skip(descriptor: int) -> None:
        if next(calls) != missing:
            syncs(descriptor)

    monkeypatch.setattr(os, "fsync", skip)
    atomic_write_bytes(path, NEW)
    assert lost in disk.states[-1]


def test_an_appended_entry_is_safe_and_a_torn_one_is_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "journal.jsonl"
    with monkeypatch.context() as patch:
        disk = watch(patch, path)
        journal = Journal.create(path)
        assert disk.states[-1] == {b""}  # the name is safe before anything is written
        safe = []
        for number in range(3):
            journal.append({"type": "a", "n": number}, {"type": "b"})
            assert len(disk.states[-1]) == 1
            safe.append(disk.states[-1])
        journal.close()
    holder = ["open", "write", "replace"]  # the file that names the writer, which may be lost
    create = ["open", "open directory", "fsync directory"]
    assert disk.trace == [*holder, *create] + ["write", "fdatasync"] * 3
    left = tmp_path / "left"
    for number, states in enumerate(disk.states[6::2]):
        for state in states:
            assert state is not None
            left.write_bytes(state)
            entries = read_journal(left).entries
            whole = [
                {"type": "a", "n": n} if kind == "a" else {"type": "b"}
                for n, kind in product(range(number + 1), "ab")
            ]
            assert 2 * number <= len(entries) <= 2 * number + 2
            assert [{**entry} for entry in entries] == [
                {**entry, "seq": seq} for seq, entry in enumerate(whole[: len(entries)])
            ]
