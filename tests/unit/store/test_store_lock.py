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

from pytest_soak.store import names
from pytest_soak.store.errors import StoreError
from pytest_soak.store.lock import DirectoryLock, LockHeld

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
