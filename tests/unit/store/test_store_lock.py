"""The lock of a soak directory, between processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pytest_soak.protocol import Lane
from pytest_soak.store import lock as lock_module
from pytest_soak.store import names
from pytest_soak.store.errors import StoreError
from pytest_soak.store.journal import Journal
from pytest_soak.store.lock import DirectoryLock, LockHeld, refuse_writers
from pytest_soak.store.rundir import RunDirectory

ROOT = Path(__file__).parents[3]
HOLD = """
import sys
from pytest_soak.store.lock import DirectoryLock, LockHeld
try:
    lock = DirectoryLock.acquire(sys.argv[1], sys.argv[2])
except LockHeld as error:
    print("refused:", error, flush=True)
else:
    print("locked", flush=True)
    sys.stdin.readline()
"""


@contextmanager
def process(directory: Path, run_id: str) -> Iterator[subprocess.Popen[str]]:
    """A process that requests the lock and, if it gets it, keeps it until its stdin ends."""
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(directory), run_id],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    try:
        yield child
    finally:
        child.kill()
        child.communicate()


def output_line(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    return child.stdout.readline().strip()


def test_the_error_of_a_second_process_names_the_holder(tmp_path: Path) -> None:
    with process(tmp_path, "first") as first:
        assert output_line(first) == "locked"
        with process(tmp_path, "second") as second:
            text = output_line(second)
            assert text.startswith(f"refused: {tmp_path} is in use by run first (process ")
            assert f"process {first.pid} on " in text
            assert ", since 20" in text
        with pytest.raises(LockHeld, match="run first"):
            DirectoryLock.acquire(tmp_path, "third")


def test_a_killed_holder_frees_it(tmp_path: Path) -> None:
    with process(tmp_path, "first") as first:
        assert output_line(first) == "locked"
        first.kill()
        first.wait()
    assert (tmp_path / names.LOCK_HOLDER).exists()  # the killed process did not remove it
    with DirectoryLock.acquire(tmp_path, "second"):
        holder = json.loads((tmp_path / names.LOCK_HOLDER).read_text())
        assert (holder["run_id"], holder["pid"]) == ("second", os.getpid())


def test_a_process_that_ends_frees_it(tmp_path: Path) -> None:
    with process(tmp_path, "first") as first:
        assert output_line(first) == "locked"
        first.communicate("\n")
        assert first.returncode == 0
    DirectoryLock.acquire(tmp_path, "second").release()


def test_released_is_free_again_and_leaves_no_holder(tmp_path: Path) -> None:
    lock = DirectoryLock.acquire(tmp_path, "first")
    with pytest.raises(LockHeld, match=f"run first \\(process {os.getpid()} on"):
        DirectoryLock.acquire(tmp_path, "second")
    lock.release()
    lock.release()
    assert not (tmp_path / names.LOCK_HOLDER).exists()
    with DirectoryLock.acquire(tmp_path, "second") as lock:
        assert lock.directory == tmp_path
    DirectoryLock.acquire(tmp_path, "third").release()


def test_a_late_release_leaves_the_next_holder_alone(tmp_path: Path) -> None:
    first = DirectoryLock.acquire(tmp_path, "first")
    first.release()
    with DirectoryLock.acquire(tmp_path, "second"):
        first.release()
        with pytest.raises(LockHeld, match="run second"):
            DirectoryLock.acquire(tmp_path, "third")


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": "x", "host": 1}', '{"pid": 1}'])
def test_an_unreadable_holder_file_is_ignored(tmp_path: Path, content: str) -> None:
    with DirectoryLock.acquire(tmp_path, "first"):
        (tmp_path / names.LOCK_HOLDER).write_text(content)
        with pytest.raises(LockHeld, match="a process that is not named"):
            DirectoryLock.acquire(tmp_path, "second")


def test_the_holder_file_of_a_dead_process_is_ignored(tmp_path: Path) -> None:
    with process(tmp_path, "first") as first:
        assert output_line(first) == "locked"
        first.kill()
        first.wait()
        stale = (tmp_path / names.LOCK_HOLDER).read_bytes()
    with DirectoryLock.acquire(tmp_path, "second"):
        (tmp_path / names.LOCK_HOLDER).write_bytes(stale)
        with pytest.raises(LockHeld, match="a process that is not named") as caught:
            DirectoryLock.acquire(tmp_path, "third")
        assert "first" not in str(caught.value)


def test_a_holder_on_another_host_is_named(tmp_path: Path) -> None:
    with DirectoryLock.acquire(tmp_path, "first"):
        other = {"pid": 2**22 + 1, "host": "elsewhere.invalid", "since": "then", "run_id": "far"}
        (tmp_path / names.LOCK_HOLDER).write_text(json.dumps(other))
        with pytest.raises(LockHeld, match=r"run far \(process 4194305 on elsewhere.invalid"):
            DirectoryLock.acquire(tmp_path, "second")


def test_the_directory_is_made(tmp_path: Path) -> None:
    DirectoryLock.acquire(tmp_path / "artifacts" / "soak", "first").release()


def test_a_directory_that_cannot_be_locked_has_a_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match=r"cannot make the directory .*something else has that"):
        DirectoryLock.acquire(tmp_path / "file", "first")
    (tmp_path / names.LOCK).mkdir()
    with pytest.raises(StoreError, match=r"cannot lock .*a directory has that name") as caught:
        DirectoryLock.acquire(tmp_path, "first")
    assert not isinstance(caught.value, LockHeld)


def test_a_holder_file_that_cannot_be_written_releases_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", lambda source, target: (_ for _ in ()).throw(OSError(28, "x")))
        with pytest.raises(StoreError, match="cannot write") as caught:
            DirectoryLock.acquire(tmp_path, "first")
    # The traceback keeps the lock object alive, so its destructor cannot release the lock.
    assert caught.tb is not None
    DirectoryLock.acquire(tmp_path, "second").release()


WRITE = """
import sys
from pathlib import Path
from pytest_soak.store.journal import Journal
journal = Journal.open(sys.argv[1])
print("opened", flush=True)
sys.stdin.readline()
"""


@contextmanager
def writer(journal: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that writes the journal until its stdin ends."""
    child = subprocess.Popen(
        [sys.executable, "-c", WRITE, str(journal)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    try:
        assert output_line(child) == "opened"
        yield child
    finally:
        child.kill()
        child.communicate()


def test_a_second_writer_of_a_journal_gets_the_number_of_the_first(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    Journal.create(path).close()
    with writer(path) as child:
        with pytest.raises(LockHeld, match=rf"journal\.jsonl is being written .*{child.pid} on"):
            Journal.open(path)
        with pytest.raises(LockHeld, match=str(child.pid)):
            refuse_writers([tmp_path])
    refuse_writers([tmp_path, tmp_path / "nothing"])
    Journal.open(path).close()
    assert not (tmp_path / names.JOURNAL_HOLDER).exists()


def test_a_directory_that_takes_no_name_can_still_be_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise StoreError("cannot write: No space left on device")

    path = tmp_path / "journal.jsonl"
    monkeypatch.setattr(lock_module, "atomic_write_bytes", full)
    journal = Journal.create(path)
    with pytest.raises(LockHeld, match=r"by another process \(it is not named\)"):
        Journal.open(path)
    journal.close()


@pytest.mark.parametrize("lanes", [1, 2])
def test_a_run_with_a_writer_is_not_retired(tmp_path: Path, lanes: int) -> None:
    run = RunDirectory.create(tmp_path, "first", [lane(seed) for seed in range(lanes)], {})
    path = run.lane_directory(f"lane-{lanes - 1}").journal_path
    Journal.create(path).close()
    with writer(path) as child:
        with pytest.raises(LockHeld, match=f"process {child.pid} on"):
            RunDirectory.create(tmp_path, "second", [lane(0)], {})
        assert RunDirectory.open(tmp_path).run_id == "first"
        assert not list((tmp_path / names.RUNS).iterdir())
    assert RunDirectory.create(tmp_path, "second", [lane(0)], {}).run_id == "second"
    assert [path.name for path in (tmp_path / names.RUNS).iterdir()] == ["first"]


def test_a_journal_that_is_opened_while_its_run_is_retired_brings_the_run_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = RunDirectory.create(tmp_path, "first", [lane(0)], {})
    Journal.create(run.lane_directory("lane-0").journal_path).close()
    journals: list[Journal] = []
    rename = Path.rename

    def opened_before(path: Path, target: Path) -> Path:
        if not journals:
            journals.append(Journal.open(path / names.JOURNAL))
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", opened_before)
    with pytest.raises(LockHeld):
        RunDirectory.create(tmp_path, "second", [lane(0)], {})
    assert RunDirectory.open(tmp_path).run_id == "first"
    journals[0].append({"type": "start"})
    journals[0].close()


def lane(seed: int) -> Lane:
    return Lane(f"lane-{seed}", "steady", "BTCUSDT", seed, 300.0, 4)
