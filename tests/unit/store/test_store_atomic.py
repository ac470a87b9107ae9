"""Atomic replacement under injected faults, and strict reading."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_soak.canonical import canonical_json, compute_json_hash
from pytest_soak.store.atomic import (
    atomic_create_json,
    atomic_write_bytes,
    atomic_write_json,
    atomic_write_text,
    read_json_with_hash,
)
from pytest_soak.store.errors import StoreError
from pytest_soak.store.reading import MAX_JSON_DEPTH, read_json_object, read_regular_file

OLD, NEW = {"risk": {"a": 1}}, {"risk": {"a": 2.5}}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    target = tmp_path / "runtime.json"
    atomic_write_json(target, OLD)
    return target


def files_beside(path: Path) -> list[str]:
    return sorted(entry.name for entry in path.parent.iterdir())


def open_descriptors() -> int:
    if not Path("/proc/self/fd").is_dir():
        pytest.skip("needs /proc")
    return len(list(Path("/proc/self/fd").iterdir()))


class Failing:
    """An os function that fails on its ``at``-th call and counts its calls."""

    def __init__(self, real: Callable[..., Any], at: int, error: BaseException) -> None:
        self.real, self.at, self.error, self.calls = real, at, error, 0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.calls += 1
        if self.calls == self.at:
            raise self.error
        return self.real(*args, **kwargs)


def fail(
    monkeypatch: pytest.MonkeyPatch, name: str, *, at: int = 1, error: BaseException | None = None
) -> Failing:
    failing = Failing(getattr(os, name), at, error or OSError(errno.ENOSPC, "No space left"))
    monkeypatch.setattr(os, name, failing)
    return failing


def test_a_write_gives_canonical_bytes_their_hash_and_their_size(path: Path) -> None:
    state_hash, size = atomic_write_json(path, {"b": 60.0, "a": -0.0})
    assert path.read_bytes() == b'{"a":0,"b":60}'
    assert size == 14
    assert state_hash == compute_json_hash({"a": 0, "b": 60})
    assert read_json_with_hash(path) == ({"a": 0, "b": 60}, state_hash)
    assert files_beside(path) == ["runtime.json"]


@pytest.mark.parametrize(
    ("function", "at"), [("open", 1), ("open", 2), ("write", 1), ("fsync", 1), ("replace", 1)]
)
def test_a_failing_call_leaves_the_old_file_and_is_not_retried(
    path: Path, monkeypatch: pytest.MonkeyPatch, function: str, at: int
) -> None:
    descriptors = open_descriptors()
    with monkeypatch.context() as patch:
        failing = fail(patch, function, at=at)
        with pytest.raises(StoreError, match=r"runtime\.json: No space left; free some space"):
            atomic_write_json(path, NEW)
        assert failing.calls == at
    assert read_json_with_hash(path)[0] == OLD
    assert files_beside(path) == ["runtime.json"]
    assert open_descriptors() == descriptors


def test_a_failing_sync_of_the_directory_says_that_the_new_content_is_there(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        failing = fail(patch, "fsync", at=2, error=OSError(errno.EIO, "I/O error"))
        with pytest.raises(StoreError, match="its new content is in place, but may not survive"):
            atomic_write_json(path, NEW)
        assert failing.calls == 2
    assert read_json_with_hash(path)[0] == NEW


def test_an_interrupt_while_writing_leaves_the_old_file_only(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail(monkeypatch, "write", error=KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        atomic_write_json(path, NEW)
    assert read_json_with_hash(path)[0] == OLD
    assert files_beside(path) == ["runtime.json"]


def test_short_writes_are_continued(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: real(fd, bytes(data[:7])))
    data = bytes(range(256)) * 3
    atomic_write_bytes(path, data)
    assert path.read_bytes() == data


def test_a_write_that_writes_nothing_is_an_error(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "write", lambda fd, data: 0)
    with pytest.raises(StoreError, match="bytes were not written"):
        atomic_write_json(path, NEW)
    assert read_json_with_hash(path)[0] == OLD


def test_projections_are_not_synced(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failing = fail(monkeypatch, "fsync")
    atomic_write_text(path, "ä\n")
    atomic_write_bytes(path, b"x", durable=False)
    assert failing.calls == 0
    assert path.read_bytes() == b"x"


def test_the_barrier_sees_what_another_process_wrote(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.replace

    def replace_and_edit(source: Any, target: Any) -> None:
        real(source, target)
        Path(target).write_bytes(canonical_json(NEW).replace(b"2.5", b"2.7"))

    monkeypatch.setattr(os, "replace", replace_and_edit)
    with pytest.raises(StoreError, match="was read back with the hash"):
        atomic_write_json(path, NEW)


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [{"a": float("nan")}, {"a": "\ud800"}, {"a": object()}, {1: 2}, nested(MAX_JSON_DEPTH + 1)],
    ids=["nan", "surrogate", "object", "key", "deep"],
)
def test_what_is_no_json_is_refused_before_anything_is_written(path: Path, value: Any) -> None:
    with pytest.raises(StoreError, match=r"cannot write .*runtime\.json"):
        atomic_write_json(path, value)
    assert read_json_with_hash(path)[0] == OLD


def test_the_deepest_allowed_value_goes_round(path: Path) -> None:
    value = nested(MAX_JSON_DEPTH)
    atomic_write_json(path, value)
    assert read_json_with_hash(path)[0] == value


def test_text_that_is_not_unicode_is_refused(path: Path) -> None:
    with pytest.raises(StoreError, match="lone surrogate"):
        atomic_write_text(path, "\udcff")
    assert read_json_with_hash(path)[0] == OLD


def test_paths_that_cannot_be_written_have_a_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "directory").mkdir()
    with pytest.raises(StoreError, match="a part of that path is a file"):
        atomic_write_json(tmp_path / "file" / "a.json", OLD)
    with pytest.raises(StoreError, match="a directory has that name"):
        atomic_write_json(tmp_path / "directory", OLD)
    with pytest.raises(StoreError, match="No such file"):
        atomic_write_text(tmp_path / "absent" / "a.md", "x")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["directory", "file"]


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("keep")
    (tmp_path / "link.json").symlink_to(tmp_path / "elsewhere")
    atomic_write_json(tmp_path / "link.json", NEW)
    assert (tmp_path / "elsewhere").read_text() == "keep"
    assert not (tmp_path / "link.json").is_symlink()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_what_is_no_file_is_not_replaced_by_one(tmp_path: Path) -> None:
    """Run as root, a rename would replace /dev/null by a regular file."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(StoreError, match="pipe: it is a device, a pipe or a socket, not a file"):
        atomic_write_text(tmp_path / "pipe", "x")
    assert (tmp_path / "pipe").is_fifo()
    assert [entry.name for entry in tmp_path.iterdir()] == ["pipe"]


def test_what_is_there_is_not_created_again(path: Path) -> None:
    before = path.read_bytes()
    assert not atomic_create_json(path, NEW)
    assert path.read_bytes() == before
    path.unlink()
    assert atomic_create_json(path, NEW)
    assert read_json_with_hash(path) == (NEW, compute_json_hash(NEW))
    assert files_beside(path) == ["runtime.json"]


def test_the_leftover_of_a_killed_writer_is_taken_over(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def replace_nothing(source: Any, target: Any) -> None:
        """Does nothing, as if the process had ended before."""

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", replace_nothing)
        atomic_write_bytes(path, b"a longer content than the next one", durable=False)
    assert len(files_beside(path)) == 2
    atomic_write_bytes(path, b"short", durable=False)
    assert path.read_bytes() == b"short"
    assert files_beside(path) == ["runtime.json"]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "Expecting value"),
        (b"{", "Expecting property name"),
        (b'\xef\xbb\xbf{"a":1}', "byte order mark"),
        ('{"a":1}'.encode("utf-16"), "byte 0 is not UTF-8"),
        (b'{"a":"\xff"}', "byte 6 is not UTF-8"),
        (b'{"a":NaN}', "NaN is no JSON number"),
        (b'{"a":-Infinity}', "-Infinity is no JSON number"),
        (b'{"a":1e999}', "1e999 is too large"),
        (b'{"a":1,"a":2}', "'a' is there twice"),
        (b'{"x":[{"a":1,"b":0,"a":1}]}', "'a' is there twice"),
        (b'{"a":"\\ud800"}', "lone surrogate"),
        (b'{"\\udfff":1}', "lone surrogate"),
        (b"[" * 101 + b"]" * 101, "more than 100 levels"),
        (b"[" * 100_000, "more than 100 levels"),
        (b"1" * 5000, "digits"),
        (b"{} {}", "Extra data"),
    ],
)
def test_loose_json_is_refused(tmp_path: Path, data: bytes, reason: str) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(data)
    with pytest.raises(StoreError, match="is no valid JSON: ") as caught:
        read_json_with_hash(path)
    assert reason in str(caught.value)
    assert str(path) in str(caught.value)


def test_the_hash_is_of_the_value_not_of_the_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{\n  "b": 60.0,\n  "a": [1, "\\u00e4"]\n}\n')
    assert read_json_with_hash(path) == (
        {"b": 60, "a": [1, "ä"]},
        compute_json_hash({"a": [1, "ä"], "b": 60}),
    )


def test_only_regular_files_are_opened(tmp_path: Path) -> None:
    (tmp_path / "real.json").write_text("{}")
    (tmp_path / "link").symlink_to(tmp_path / "real.json")
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(StoreError, match="it is a link"):
        read_json_with_hash(tmp_path / "link")
    with pytest.raises(StoreError, match="no regular file"):
        read_json_with_hash(tmp_path / "fifo")
    with pytest.raises(StoreError, match="no regular file"):
        read_json_with_hash(tmp_path)
    with pytest.raises(StoreError, match="No such file"):
        read_json_with_hash(tmp_path / "absent")


def test_a_sparse_file_is_refused_by_its_size(tmp_path: Path) -> None:
    path = tmp_path / "sparse.json"
    path.touch()
    os.truncate(path, 50 * 2**30)
    with pytest.raises(StoreError, match=f"it has {50 * 2**30} bytes or more"):
        read_json_with_hash(path)


def test_the_cap_is_exact_and_holds_for_a_file_that_grows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"123")
    assert read_regular_file(path, max_bytes=3) == b"123"
    with pytest.raises(StoreError, match="at most 2 are allowed"):
        read_regular_file(path, max_bytes=2)
    (tmp_path / "small").touch()
    small = (tmp_path / "small").stat()
    monkeypatch.setattr(os, "fstat", lambda descriptor: small)
    with pytest.raises(StoreError, match="at most 2 are allowed"):
        read_regular_file(path, max_bytes=2)


def test_the_error_of_another_type_names_the_object(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("[1]")
    with pytest.raises(StoreError, match="must hold a JSON object, not list"):
        read_json_object(path)
