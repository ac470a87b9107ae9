"""A journal that is removed, replaced or cut while a process writes it; errors of its close."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_soak.store.errors import StoreError
from pytest_soak.store.journal import Journal, read_journal
from pytest_soak.store.lines import LineFile


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "lane" / "journal.jsonl"
    path.parent.mkdir()
    journal = Journal.create(path)
    journal.append({"type": "start"})
    journal.append({"type": "observation", "iteration": 1})
    journal.close()
    return path


def remove(path: Path) -> None:
    path.unlink()


def remove_directory(path: Path) -> None:
    path.parent.rename(path.parent.with_name("elsewhere"))


def replace(path: Path) -> None:
    copy = path.with_name("copy")
    copy.write_bytes(path.read_bytes())
    copy.replace(path)


def link(path: Path) -> None:
    path.rename(path.with_name("moved"))
    path.symlink_to(path.with_name("moved"))


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 20)


def empty(path: Path) -> None:
    os.truncate(path, 0)


def lengthen(path: Path) -> None:
    with path.open("ab") as stream:
        stream.write(b"{}\n")


@pytest.mark.parametrize(
    ("damage", "text"),
    [
        (remove, "was removed"),
        (remove_directory, "was removed"),
        (replace, "was replaced by another file"),
        (link, "was replaced by another file"),
        (cut, "has [0-9]+ bytes, not the [0-9]+ that were written"),
        (empty, "has 0 bytes, not the [0-9]+ that were written"),
        (lengthen, "has [0-9]+ bytes, not the [0-9]+ that were written"),
    ],
)
def test_an_append_sees_what_happened_to_the_file(
    path: Path, damage: Callable[[Path], None], text: str
) -> None:
    journal = Journal.open(path)
    journal.append({"type": "checks", "iteration": 1})
    damage(path)
    with pytest.raises(StoreError, match=f"cannot append to .*: the file {text}") as caught:
        journal.append({"type": "decision", "iteration": 1})
    assert "; " in str(caught.value)  # and what to do
    with pytest.raises(StoreError, match="the file was removed, replaced or changed"):
        journal.append({"type": "decision", "iteration": 1})
    journal.close()


def test_nothing_is_written_into_the_file_that_took_its_place(path: Path) -> None:
    journal = Journal.open(path)
    path.rename(path.with_name("moved"))
    path.write_bytes(b"another file")
    with pytest.raises(StoreError):
        journal.append({"type": "decision"})
    assert path.read_bytes() == b"another file"
    assert len(read_journal(path.with_name("moved")).entries) == 2


def test_a_reopened_journal_with_a_torn_tail_counts_from_the_cut(path: Path) -> None:
    with path.open("ab") as stream:
        stream.write(b'{"torn')
    journal = Journal.open(path)
    journal.append({"type": "checks"})
    journal.append({"type": "decision"}, sync=False)
    journal.append({"type": "done"})
    journal.close()
    assert len(read_journal(path).entries) == 5


def test_an_error_of_close_is_one_sentence(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    close = os.close

    def failing(descriptor: int) -> None:
        close(descriptor)
        raise OSError(errno.ENOSPC, "No space left on device")

    journal = Journal.open(path)
    log = LineFile(path.with_name("run.log"))
    with monkeypatch.context() as patch:
        patch.setattr(os, "close", failing)
        with pytest.raises(
            StoreError, match=r"cannot close .*journal\.jsonl: No space left .*free some space"
        ):
            journal.close()
        with pytest.raises(StoreError, match=r"cannot close .*run\.log: No space left"):
            log.close()
    journal.close()  # a second call does nothing
    log.close()
    Journal.open(path).close()  # the lock is free


def test_an_error_of_close_does_not_hide_why_the_append_failed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> int:
        raise OSError(errno.EFBIG, "File too large")

    journal = Journal.open(path)
    descriptors = {os.open(path, os.O_RDONLY)}
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", failing)
        patch.setattr(os, "close", failing)
        with pytest.raises(StoreError, match=r"cannot append to .*File too large.*ulimit -f"):
            journal.append({"type": "decision"})
    for descriptor in descriptors:
        os.close(descriptor)
